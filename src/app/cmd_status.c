#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "stages/contents.h"
#include "stages/levels.h"

enum { STAGES_MAX = 16, RANKS_MAX = 4096 };

typedef struct stage_row {
    const char *name;
    int64_t done, all; /* units; all = -1: not known yet */
    const char *parts; /* stage of the saved states within its units, or NULL */
    double per_unit;   /* lines of the log a unit makes, states included */
    double timed;      /* units the log knows of, whole and begun */
    double seconds;    /* they took */
} stage_row;

typedef struct job_status {
    const char *folder;
    lt_job *job;
    lt_config cfg;
    lt_facts facts;
    stage_row row[STAGES_MAX];
    int n;
    int64_t frames, frames_edited, damaged_lines;
    int n_ranks; /* that the log knows of */
    int held;
    json_t *holder; /* what the lock says, NULL when nobody holds it */
} job_status;

/* ---- who holds it ------------------------------------------------------------------ */

static json_t *read_holder(const char *folder)
{
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof(path), "%.4000s/lock", folder);
    if (lt_file_read(path, 4096, &text, &bytes) != LT_OK) return NULL;
    json_t *o = json_loadb(text, bytes, 0, NULL);
    free(text);
    return json_is_object(o) ? o : (json_decref(o), NULL);
}

static lt_status read_config(job_status *s)
{
    char *text = NULL;
    lt_status st = lt_job_config(s->job, &text);
    if (st == LT_OK) st = lt_config_default(&s->cfg);
    if (st == LT_OK)
        st = lt_config_load_text(&s->cfg, &s->facts, text, strlen(text), "job.yaml",
                                 s->folder);
    free(text);
    return st;
}

/* Open for writing, to bring index.h5 up to date; when that cannot be (another run holds
 * the folder, or it may only be read), for reading. */
static lt_status open_job(lt_app *app, job_status *s)
{
    lt_status st = LT_OK;
    const lt_job_owner owner = lt_app_env(app).owner;
    st = lt_job_open(&s->job, s->folder,
                     &(lt_job_options){ .mode = LT_JOB_RESUME, .owner = owner });
    if (st == LT_OK) {
        LT_TRY(read_config(s));
        if (lt_contents_index_of(s->job, &s->cfg, &s->facts) != LT_OK)
            lt_log_warn(app->log, "index.h5 is left as it was: %s", lt_error_message());
        return LT_OK;
    }
    if (st == LT_ERR_NOINPUT || st == LT_ERR_DATA) return st;
    lt_log_debug(app->log, "index.h5 is left as it is: %s", lt_error_message());
    s->held = st == LT_ERR_CANTCREAT;
    if (s->held) s->holder = read_holder(s->folder);
    LT_TRY(lt_job_open(&s->job, s->folder, &(lt_job_options){ .mode = LT_JOB_READ }));
    LT_TRY(read_config(s));
cleanup:
    return st;
}

/* ---- what is done ------------------------------------------------------------------ */

/* Long units save their state on the way: a line of the log each. */
static void set_parts(const job_status *s, stage_row *row)
{
    int64_t steps = 0;
    if (!strcmp(row->name, "edit")) {
        row->parts = "state";
        steps = lt_levels_steps(&s->cfg);
    } else if (!strcmp(row->name, "inversion")) {
        row->parts = "inversion-state";
        steps = s->cfg.sampler.inversion_steps;
    }
    if (row->parts)
        row->per_unit = ceil((double)steps / (double)s->cfg.run.checkpoint_steps);
}

static void count_stage(job_status *s, const char *name)
{
    stage_row *row = &s->row[s->n++];
    *row = (stage_row){ .name = name, .per_unit = 1 };
    set_parts(s, row);
    row->all = lt_contents_units(s->job, &s->cfg, &s->facts, name);
    if (row->all < 0) row->done = lt_manifest_count(lt_job_manifest(s->job), name);
    for (int64_t u = 0; u < row->all; u++)
        row->done += lt_job_unit(s->job, name, u, LT_NO_STEP) != LT_UNIT_TODO;
}

static lt_status count(job_status *s)
{
    const lt_record **list = NULL;
    const char *frames = lt_facts_get(&s->facts, "frames");
    int64_t n = 0;
    for (const char *const *name = lt_contents_stages(&s->cfg, &s->facts); *name; name++) {
        const int given = s->cfg.clips.mode != LT_CLIPS_ADAPTIVE; /* nothing to find */
        if (s->n < STAGES_MAX && !(given && !strcmp(*name, "clips")))
            count_stage(s, *name);
    }
    if (!frames || lt_int_parse(frames, &s->frames) != LT_OK) s->frames = 0;
    const lt_status st = lt_manifest_list(lt_job_manifest(s->job), "edit", &list, &n);
    if (st != LT_OK) return st;
    for (int64_t i = 0; i < n; i++) s->frames_edited += list[i]->n_frames;
    free(list);
    return LT_OK;
}

static void take_line(job_status *s, const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    const char *stage = json_string_value(json_object_get(o, "stage"));
    const json_int_t rank = json_integer_value(json_object_get(o, "rank"));
    for (int i = 0; stage && i < s->n; i++) {
        stage_row *row = &s->row[i];
        if (strcmp(row->name, stage) && (!row->parts || strcmp(row->parts, stage)))
            continue;
        row->timed += 1 / row->per_unit;
        row->seconds += json_number_value(json_object_get(o, "seconds"));
        if (rank >= s->n_ranks && rank < RANKS_MAX) s->n_ranks = (int)rank + 1;
    }
    json_decref(o);
}

/* log/metrics.jsonl is a record, not a journal: what cannot be read is left out. */
static void read_metrics(job_status *s)
{
    char path[LT_PATH_MAX], *line = NULL;
    size_t room = 0;
    if (lt_job_file(s->job, "log/metrics.jsonl", path, sizeof(path)) != LT_OK) return;
    FILE *f = lt_file_stream(path);
    while (f && getline(&line, &room, f) > 0) take_line(s, line);
    free(line);
    if (f) fclose(f);
}

/* ---- what is left ------------------------------------------------------------------ */

/* Seconds until the stage is done at the speed of the log, NaN when not known. */
static double left(const job_status *s, const stage_row *row)
{
    if (row->all >= 0 && row->done >= row->all) return 0;
    if (row->all < 0 || row->timed <= 0) return NAN;
    const double parallel =
        strcmp(row->name, "mux") && strcmp(row->name, "clips") ? (double)s->n_ranks : 1;
    const double begun = fmin(fmax(row->timed, (double)row->done), (double)row->all);
    return ((double)row->all - begun) * row->seconds / row->timed /
           (parallel < 1 ? 1 : parallel);
}

static int is_finished(const job_status *s)
{
    int finished = s->n > 0;
    for (int i = 0; i < s->n; i++)
        finished &= s->row[i].all >= 0 && s->row[i].done >= s->row[i].all;
    return finished;
}

static const char *now_at(const job_status *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->row[i].all < 0 || s->row[i].done < s->row[i].all) return s->row[i].name;
    return NULL;
}

/* ---- printing ---------------------------------------------------------------------- */

static lt_status print_json(const job_status *s)
{
    json_t *stages = json_array();
    for (int i = 0; i < s->n; i++) {
        const stage_row *r = &s->row[i];
        const double each = r->timed > 0 ? r->seconds / r->timed : NAN;
        (void)json_array_append_new(
            stages,
            json_pack("{s:s, s:I, s:o, s:o, s:o}", "name", r->name, "done",
                      (json_int_t)r->done, "all",
                      r->all < 0 ? json_null() : json_integer(r->all), "seconds_per_unit",
                      lt_app_number(each), "seconds_left", lt_app_number(left(s, r))));
    }
    return lt_app_print_json(json_pack(
        "{s:s, s:s, s:b, s:s?, s:I, s:I, s:b, s:O?, s:o}", "job", s->folder, "output",
        s->cfg.output.path, "finished", is_finished(s), "stage", now_at(s), "frames",
        (json_int_t)s->frames, "frames_edited", (json_int_t)s->frames_edited, "held",
        s->held, "holder", s->holder, "stages", stages));
}

static void print_row(const job_status *s, const stage_row *r)
{
    char all[32] = "?", each[40] = "", eta[LT_UNIT_TEXT_MAX];
    const double seconds = left(s, r);
    if (r->all >= 0) snprintf(all, sizeof(all), "%lld", (long long)r->all);
    if (r->timed > 0)
        snprintf(each, sizeof(each), "%.3g s a unit", r->seconds / r->timed);
    printf("  %-10s %6lld of %-6s units  %-16s", r->name, (long long)r->done, all, each);
    if (isfinite(seconds) && seconds > 0)
        printf(" %s left", lt_duration_format(seconds, eta));
    putchar('\n');
}

static void print_text(const job_status *s)
{
    const char *host = json_string_value(json_object_get(s->holder, "host"));
    const json_int_t pid = json_integer_value(json_object_get(s->holder, "pid"));
    printf("%s\n  makes %s\n", s->folder, s->cfg.output.path);
    for (int i = 0; i < s->n; i++) print_row(s, &s->row[i]);
    printf("  %lld of %lld frames edited\n", (long long)s->frames_edited,
           (long long)s->frames);
    if (is_finished(s)) printf("  finished\n");
    if (!is_finished(s) && !s->held)
        printf("  waiting: `longtake resume %s`\n", s->folder);
    if (s->held && host)
        printf("  a run is at it: host %s, process %lld\n", host, (long long)pid);
    else if (s->held)
        printf("  not opened for writing: a run is at it, or the folder is read-only\n");
}

static lt_status run(lt_app *app)
{
    lt_status st = LT_OK;
    job_status s = { .folder = app->cli.args[0] };
    LT_TRY(open_job(app, &s));
    LT_TRY(count(&s));
    read_metrics(&s);
    if (app->cli.json)
        LT_TRY(print_json(&s));
    else
        print_text(&s);
cleanup:
    if (s.job && lt_job_close(&s.job) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    lt_config_free(&s.cfg);
    lt_facts_free(&s.facts);
    json_decref(s.holder);
    return st;
}

lt_status lt_cmd_status(lt_app *app) { return lt_app_alone(app, run); }
