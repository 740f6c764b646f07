#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/machine.h"
#include "app/measure.h"
#include "app/request.h"
#include "methods/method.h"
#include "stages/composite.h"
#include "stages/levels.h"

/* Seconds of a stage: with the fewest and with the most clips that the options allow. */
typedef struct span {
    const char *name;
    double low, high;
} span;

enum { N_SPANS = 6 };

typedef struct plan {
    lt_work work;
    lt_speeds speeds;
    span stage[N_SPANS];
    double low, high;               /* [s] in all */
    int64_t memory_here, disk_here; /* [bytes], -1 not known */
    int64_t processes, threads, n_frames;
    double union_ratio; /* NaN: does not apply */
} plan;

/* ---- arithmetic -------------------------------------------------------------------- */

static void put(plan *p, int i, const char *name, double low, double high)
{
    p->stage[i] = (span){ name, low / (double)p->processes, high / (double)p->processes };
    p->low += p->stage[i].low;
    p->high += p->stage[i].high;
}

/* Work of the joint pass goes with the number of keyframes, that of its long attention
 * also with how many frames of tokens each sees. */
static double seen(const lt_config *c, double keyframes)
{
    double n = fmin(keyframes, (double)c->segments.keyframes);
    if (c->attention.kv_budget > 0) n = fmin(n, (double)c->attention.kv_budget);
    return fmax(n - 1, 0);
}

static void fill_times(plan *p, const lt_config *c)
{
    const lt_work *w = &p->work;
    const lt_speeds *s = &p->speeds;
    const double few = (double)w->clips, most = fmax((double)w->clips_most, 1);
    const double per_clip_steps = (double)lt_levels_steps(c), n = (double)p->n_frames;
    const double share = few / most;
    const double view = seen(c, most) > 0 ? seen(c, few) / seen(c, most) : 0;
    const double matched = fmax(fmin(per_clip_steps, n / most), 1);
    const double matched_few = fmax(fmin(per_clip_steps, n / fmax(few, 1)), 1);
    const double edit = w->macs_edit / s->unet, joint = w->macs_joint / s->unet;
    const double look = w->macs_attention / s->attention,
                 match = w->macs_match / s->match;
    put(p, 0, "source", w->macs_source / s->conv, w->macs_source / s->conv);
    put(p, 1, "clips", w->macs_features / s->unet, w->macs_features / s->unet);
    put(p, 2, "inversion", w->macs_inversion / s->unet, w->macs_inversion / s->unet);
    put(p, 3, "match", fmin(match, match * matched_few / matched),
        fmax(match, match * matched_few / matched));
    put(p, 4, "edit", edit + (joint + look * view) * share, edit + joint + look);
    put(p, 5, "render", w->macs_render / s->conv, w->macs_render / s->conv);
}

/* Share of the tokens of other keyframes that at least one query frame picks, if the
 * lists were independent: what slimming with attention.slim=query would have to send. */
static double union_ratio(const lt_config *c, int64_t clips)
{
    const double k = fmin((double)clips, (double)c->segments.keyframes);
    const double budget = (double)c->attention.kv_budget;
    if (c->attention.slim != LT_SLIM_QUERY || budget <= 0 || k <= budget) return NAN;
    return 1 - pow(1 - (budget - 1) / (k - 1), k - 1);
}

/* Collective. */
static lt_status make(lt_app *app, lt_run *r, const lt_request *q, plan *p)
{
    lt_status st = LT_OK;
    *p = (plan){ .processes = app->size, .n_frames = r->n_frames };
    p->threads = lt_threads_count(r->x.threads);
    p->memory_here = lt_machine_memory();
    LT_TRY(lt_comm_agree(app->comm, lt_method_work(r, &p->work)));
    LT_TRY(lt_measure_speeds(r, &p->speeds));
    p->disk_here = lt_machine_disk(q->job_dir);
    p->union_ratio = union_ratio(&q->cfg, p->work.clips_most);
    fill_times(p, &q->cfg);
cleanup:
    return st;
}

/* ---- printing ---------------------------------------------------------------------- */

static double gib(int64_t bytes) { return (double)bytes / (double)(1 << 30); }

static const char *time_text(double seconds, char out[LT_UNIT_TEXT_MAX])
{
    return seconds < 1 ? strcpy(out, "below 1s") : lt_duration_format(seconds, out);
}

static int is_range(double low, double high) { return high > low * 1.05 + 0.5; }

static void print_span(const char *name, double low, double high, int adaptive)
{
    char a[LT_UNIT_TEXT_MAX], b[LT_UNIT_TEXT_MAX];
    if (adaptive && is_range(low, high))
        printf("  %-10s %s to %s\n", name, time_text(low, a), time_text(high, b));
    else
        printf("  %-10s %s\n", name, time_text(high, b));
}

static void print_job(const lt_run *r, const lt_request *q)
{
    char a[LT_UNIT_TEXT_MAX], mask[256];
    const lt_media_info *i = &r->info;
    const double seconds = (double)(r->frames.end - r->frames.pts[0]) *
                           (double)i->time_base.num / (double)i->time_base.den;
    printf("input    %s\n         %lld frames, %s, %dx%d %s, worked on at %dx%d\n",
           q->cfg.input.path, (long long)r->n_frames, lt_duration_format(seconds, a),
           i->width, i->height, i->codec, r->work.width, r->work.height);
    lt_composite_describe(r, mask, sizeof(mask));
    if (mask[0]) printf("mask     %s\n         %s\n", q->cfg.mask.path, mask);
    printf("output   %s\njob      %s\nmodel    %s\n", q->cfg.output.path, q->job_dir,
           q->cfg.model.path);
}

static void print_plan(const lt_run *r, const lt_request *q, const plan *p)
{
    const lt_work *w = &p->work;
    const int adaptive = w->clips < w->clips_most;
    char a[LT_UNIT_TEXT_MAX], b[LT_UNIT_TEXT_MAX];
    print_job(r, q);
    printf("machine  %s, %s, %lld process%s of %lld threads\n", lt_cpu_path_name(r->path),
           lt_dtype_name(r->x.k->compute), (long long)p->processes,
           p->processes > 1 ? "es" : "", (long long)p->threads);
    if (adaptive)
        printf("clips    found while running: from %lld to %lld, hence ranges\n",
               (long long)w->clips, (long long)w->clips_most);
    else if (w->clips_most > 0)
        printf("clips    %lld\n", (long long)w->clips_most);
    printf("time\n");
    for (int i = 0; i < N_SPANS; i++)
        if (p->stage[i].high > 0)
            print_span(p->stage[i].name, p->stage[i].low, p->stage[i].high, adaptive);
    print_span("all", p->low, p->high, adaptive);
    printf("memory   %s a process; available %s\n", lt_bytes_about(w->memory, a),
           lt_bytes_about(p->memory_here, b));
    printf("disk     %s at most, of which %s stay;", lt_bytes_about(w->disk, a),
           lt_bytes_about(w->disk_result, b));
    printf(" free %s\n", lt_bytes_about(p->disk_here, a));
    if (isfinite(p->union_ratio))
        printf("slim     query: the lists of all query frames together would cover about "
               "%.0f %%\n         of the tokens (as if chosen independently)\n",
               100 * p->union_ratio);
    printf("assumed  %s; stages one after the other,\n         work shared evenly; "
           "decoding, encoding and disk come on top\n",
           p->speeds.unet_real
               ? "a whole UNet evaluation was timed"
               : "speed from single kernels, the UNet's rest is like them");
}

static json_t *stages_json(const plan *p)
{
    json_t *list = json_array();
    for (int i = 0; i < N_SPANS; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:o}", "name", p->stage[i].name, "seconds_least",
                            lt_app_number(p->stage[i].low), "seconds_most",
                            lt_app_number(p->stage[i].high)));
    return list;
}

static lt_status print_json(const lt_run *r, const lt_request *q, const plan *p,
                            json_t *warnings)
{
    const lt_work *w = &p->work;
    const lt_speeds *s = &p->speeds;
    const char *mask = q->cfg.mask.path;
    json_t *speeds =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "conv", lt_app_number(s->conv),
                  "linear", lt_app_number(s->linear), "attention",
                  lt_app_number(s->attention), "match", lt_app_number(s->match), "unet",
                  lt_app_number(s->unet), "unet_timed_whole", s->unet_real);
    json_t *o =
        json_pack("{s:s, s:s?, s:I, s:s, s:s, s:I, s:i, s:i, s:s, s:I, s:I}", "input",
                  q->cfg.input.path, "mask", mask[0] ? mask : NULL, "mask_pictures",
                  (json_int_t)r->mask.n, "output", q->cfg.output.path, "job", q->job_dir,
                  "frames", (json_int_t)r->n_frames, "width", r->work.width, "height",
                  r->work.height, "cpu_path", lt_cpu_path_name(r->path), "processes",
                  (json_int_t)p->processes, "threads", (json_int_t)p->threads);
    json_t *more = json_pack(
        "{s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:O}",
        "clips_least", (json_int_t)w->clips, "clips_most", (json_int_t)w->clips_most,
        "seconds_least", lt_app_number(p->low), "seconds_most", lt_app_number(p->high),
        "memory", (json_int_t)w->memory, "memory_available", (json_int_t)p->memory_here,
        "disk", (json_int_t)w->disk, "disk_result", (json_int_t)w->disk_result,
        "disk_free", (json_int_t)p->disk_here, "union_ratio",
        lt_app_number(p->union_ratio), "stages", stages_json(p), "macs_per_second",
        speeds, "warnings", warnings);
    if (!o || !more || json_object_update(o, more) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(more);
    return lt_app_print_json(o);
}

/* ---- what will not work ------------------------------------------------------------ */

static void warn(const lt_app *app, json_t *list, const char *text)
{
    lt_log_warn(app->log, "%s", text);
    (void)json_array_append_new(list, json_string(text));
}

/* The processes of this machine together; those of other machines are not known, so all
 * are taken to be here. */
static void warn_of_limits(const lt_app *app, const lt_request *q, const plan *p,
                           json_t *list)
{
    char text[512];
    const lt_work *w = &p->work;
    const double need = gib(w->memory) * (double)p->processes;
    const int64_t budget = q->cfg.run.memory;
    if (p->memory_here >= 0 && need > gib(p->memory_here)) {
        snprintf(text, sizeof(text),
                 "memory: %.3f GiB are needed and %.3f GiB available, if all processes "
                 "run here: lower segments.keyframes (now %lld) or size.max_pixels, or "
                 "use fewer processes",
                 need, gib(p->memory_here), (long long)q->cfg.segments.keyframes);
        warn(app, list, text);
    }
    if (budget > 0 && w->memory > budget) {
        snprintf(text, sizeof(text),
                 "memory: a process needs %.3f GiB and run.memory allows %.3f GiB: raise "
                 "it, or lower segments.keyframes (now %lld) or size.max_pixels",
                 gib(w->memory), gib(budget), (long long)q->cfg.segments.keyframes);
        warn(app, list, text);
    }
    if (p->disk_here >= 0 && w->disk > p->disk_here) {
        snprintf(text, sizeof(text),
                 "disk: %.3f GiB are needed and %.3f GiB free (%.200s): make room, or "
                 "give another --job",
                 gib(w->disk), gib(p->disk_here), q->job_dir);
        warn(app, list, text);
    }
}

/* Collective. */
static lt_status run_plan(lt_app *app, const lt_request *q)
{
    lt_status st = LT_OK;
    lt_run *r = NULL;
    plan p;
    json_t *warnings = json_array();
    lt_config cfg = { 0 };
    lt_run_env env = lt_app_env(app);
    env.no_job = 1;
    LT_TRY(lt_config_copy(&cfg, &q->cfg));
    cfg.run.memory = 0; /* what is too small is told, not run into */
    LT_TRY(lt_run_open(&cfg, NULL, &env, &r));
    LT_TRY(make(app, r, q, &p));
    if (app->rank > 0) goto cleanup;
    warn_of_limits(app, q, &p, warnings);
    if (app->cli.json)
        LT_TRY(print_json(r, q, &p, warnings));
    else
        print_plan(r, q, &p);
cleanup:
    json_decref(warnings);
    lt_run_discard(&r);
    lt_config_free(&cfg);
    return st;
}

lt_status lt_cmd_plan(lt_app *app)
{
    lt_request q;
    lt_status st = lt_request_make(app, 0, &q);
    if (st != LT_OK) return st;
    st = run_plan(app, &q);
    lt_request_free(&q);
    return st;
}
