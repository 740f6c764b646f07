#include "app/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "app/eval.h"
#include "app/request.h"
#include "app/scene_file.h"
#include "core/file.h"
#include "core/units.h"

enum { RECORD_BYTES_MAX = 1 << 20, EDIT_SETTINGS = 16 };

/* What became of an entry. */
typedef enum fate { NOT_YET = 0, DONE, FAILED } fate;
typedef struct result {
    fate fate;
    char *row;     /* DONE: ",figure,figure..." */
    char *message; /* FAILED */
    double seconds_edit, seconds_eval;
} result;

/* Rank 0 has everything, the others app and n only. */
typedef struct suite {
    lt_app *app;
    int64_t n;
    json_t *entries;
    result *results;
    char folder[LT_PATH_MAX], csv[LT_PATH_MAX];
    int lock; /* file descriptor, -1: none */
    int64_t n_failed;
    lt_status first; /* of the failures */
} suite;

static const char *text_of(const json_t *e, const char *key)
{
    const char *text = json_string_value(json_object_get(e, key));
    return text ? text : "";
}

static lt_status file_of(const suite *s, const json_t *e, const char *name, char *out)
{
    const int n =
        snprintf(out, LT_PATH_MAX, "%s/%s/%s", s->folder, text_of(e, "name"), name);
    if (n < LT_PATH_MAX - 32) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG,
                   "the folder's name is too long (%.200s): give another "
                   "--job",
                   s->folder);
}

/* ---- what is done ------------------------------------------------------------------ */

static json_t *load_record(const char *path)
{
    void *text = NULL;
    size_t bytes = 0;
    json_t *o = NULL;
    if (!lt_file_exists(path)) return NULL;
    if (lt_file_read(path, RECORD_BYTES_MAX, &text, &bytes) == LT_OK)
        o = json_loadb(text, bytes, 0, NULL);
    free(text);
    return o;
}

static lt_status write_record(const char *path, const json_t *o)
{
    char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    if (!text) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    const lt_status st = lt_file_write(path, text, strlen(text), NULL);
    free(text);
    return st;
}

/* An entry is done when its record is of the very same entry. */
static lt_status look(suite *s, int64_t i)
{
    char path[LT_PATH_MAX];
    result *r = &s->results[i];
    const json_t *e = json_array_get(s->entries, (size_t)i);
    const lt_status st = file_of(s, e, "eval.json", path);
    if (st != LT_OK) return st;
    json_t *record = load_record(path);
    const char *row = text_of(record, "row");
    if (row[0] && !s->app->cli.fresh && json_equal(json_object_get(record, "entry"), e)) {
        r->row = strdup(row);
        if (r->row) r->fate = DONE;
        r->seconds_edit = json_number_value(json_object_get(record, "seconds_edit"));
        r->seconds_eval = json_number_value(json_object_get(record, "seconds_eval"));
    }
    json_decref(record);
    return LT_OK;
}

static lt_status record(const suite *s, int64_t i, const lt_verdict *v)
{
    char path[LT_PATH_MAX];
    lt_status st = LT_OK;
    result *r = &s->results[i];
    json_t *e = json_array_get(s->entries, (size_t)i), *o = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&r->row, &bytes);
    if (f) lt_eval_csv_row(v, f);
    if (!f || fclose(f) != 0)
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", text_of(e, "name")));
    o = json_pack("{s:O, s:s, s:f, s:f, s:o}", "entry", e, "row", r->row, "seconds_edit",
                  r->seconds_edit, "seconds_eval", r->seconds_eval, "figures",
                  lt_eval_json(v));
    LT_TRY(file_of(s, e, "eval.json", path));
    LT_TRY(write_record(path, o));
    r->fate = DONE;
cleanup:
    json_decref(o);
    return st;
}

/* ---- the table --------------------------------------------------------------------- */

static void cell(const char *text, FILE *f)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, f);
    }
    fputc('"', f);
}

static void write_row(const suite *s, int64_t i, FILE *f)
{
    static const char *const head[] = { "name", "group", "variant", "method", "prompt" };
    const json_t *e = json_array_get(s->entries, (size_t)i);
    const result *r = &s->results[i];
    for (int k = 0; k < 5; k++) {
        if (k) fputc(',', f);
        cell(text_of(e, head[k]), f);
    }
    fprintf(f, ",%s,", r->fate == DONE ? "done" : "failed");
    cell(r->message ? r->message : "", f);
    if (r->fate == DONE)
        fprintf(f, ",%.2f,%.2f%s\n", r->seconds_edit, r->seconds_eval, r->row);
    else
        fputs(",,\n", f);
}

static lt_status write_csv(const suite *s)
{
    char *text = NULL;
    size_t bytes = 0;
    lt_status st = LT_OK;
    FILE *f = open_memstream(&text, &bytes);
    if (f) {
        fputs("name,group,variant,method,prompt,status,message,seconds_edit,seconds_eval",
              f);
        lt_eval_csv_head(f);
        fputc('\n', f);
        for (int64_t i = 0; i < s->n; i++)
            if (s->results[i].fate != NOT_YET) write_row(s, i, f);
    }
    if (!f || fclose(f) != 0)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", s->csv);
    else
        st = lt_file_write(s->csv, text, bytes, NULL);
    free(text);
    return st;
}

/* ---- making an entry's source (rank 0) --------------------------------------------- */

static lt_status scene_of(const json_t *e, lt_eval_what *w)
{
    lt_status st = LT_OK;
    const char *file = text_of(e, "scene");
    const uint64_t seed = (uint64_t)json_integer_value(json_object_get(e, "seed"));
    const json_t *edit;
    size_t i;
    LT_TRY(lt_scene_file_read(&w->scene, file[0] ? file : NULL,
                              !file[0] || seed ? &seed : NULL, 0));
    w->has_scene = 1;
    w->asked = w->scene;
    json_array_foreach(json_object_get(e, "edit"), i, edit)
    {
        int factor = 0;
        LT_TRY(lt_scene_edit_text(&w->asked, json_string_value(edit), 0, &factor));
        if (w->n_factors < LT_SYNTH_N_FACTORS) w->factor[w->n_factors++] = factor;
    }
cleanup:
    return st;
}

/* Prompts of a scene are its captions, unless the entry has its own. A scene that cannot
 * be read says so when its turn comes. */
static lt_status fill_prompts(const suite *s, json_t *e)
{
    char edit[LT_SYNTH_TEXT], source[LT_SYNTH_TEXT];
    int bad = 0;
    lt_eval_what *w = calloc(1, sizeof(*w));
    if (!w) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", s->folder);
    if (!text_of(e, "video")[0] && scene_of(e, w) == LT_OK) {
        lt_synth_caption(source, &w->scene, 0);
        if (!strcmp(text_of(e, "prompt_from"), "instruction"))
            lt_synth_instruction(edit, &w->scene, &w->asked);
        else
            lt_synth_caption(edit, &w->asked, 0);
        if (!text_of(e, "prompt")[0])
            bad |= json_object_set_new(e, "prompt", json_string(edit));
        if (!text_of(e, "source_prompt")[0])
            bad |= json_object_set_new(e, "source_prompt", json_string(source));
    }
    free(w);
    return bad ? LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", s->folder) : LT_OK;
}

/* What a rendered source depends on. */
static json_t *recipe_of(const json_t *e, const lt_scene *scene)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)scene->seed);
    return json_pack("{s:s, s:O, s:O, s:O, s:O, s:O, s:O}", "seed", text, "scene",
                     json_object_get(e, "scene"), "edit", json_object_get(e, "edit"),
                     "size", json_object_get(e, "size"), "frames",
                     json_object_get(e, "frames"), "rate", json_object_get(e, "rate"),
                     "use_mask", json_object_get(e, "use_mask"));
}

static lt_status render(const suite *s, const json_t *e, const char *source,
                        const char *mask)
{
    char seed[32], frames[32];
    const char *file = text_of(e, "scene"), *size = text_of(e, "size");
    const char *rate = text_of(e, "rate");
    const json_int_t number = json_integer_value(json_object_get(e, "seed"));
    const json_int_t length = json_integer_value(json_object_get(e, "frames"));
    snprintf(seed, sizeof(seed), "%lld", (long long)number);
    snprintf(frames, sizeof(frames), "%lld", (long long)length);
    lt_app child = *s->app;
    child.cli.args = &file;
    child.cli.n_args = file[0] ? 1 : 0;
    child.cli.n_settings = 0;
    child.cli.synth = (lt_cli_synth){ .seed = !file[0] || number ? seed : NULL,
                                      .output = source,
                                      .size = size[0] ? size : NULL,
                                      .frames = length ? frames : NULL,
                                      .rate = rate[0] ? rate : NULL,
                                      .codec = "ffv1",
                                      .mask = mask[0] ? mask : NULL };
    return lt_app_synth(&child);
}

/* Render the source unless it is there already. */
static lt_status make_source(const suite *s, const json_t *e, lt_eval_what *w,
                             char *source, char *mask)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    json_t *recipe = NULL, *old = NULL;
    const int use_mask = json_is_true(json_object_get(e, "use_mask"));
    LT_TRY(scene_of(e, w));
    LT_TRY(file_of(s, e, "source.mkv", source));
    LT_TRY(file_of(s, e, "mask.mkv", mask));
    if (!use_mask) mask[0] = '\0';
    LT_TRY(file_of(s, e, "source.json", path));
    recipe = recipe_of(e, &w->scene);
    old = load_record(path);
    if (recipe && old && json_equal(recipe, old) && lt_file_exists(source)) goto cleanup;
    LT_TRY(lt_file_remove(path));
    LT_TRY(render(s, e, source, mask));
    LT_TRY(write_record(path, recipe));
cleanup:
    json_decref(recipe);
    json_decref(old);
    return st;
}

/* ---- one entry --------------------------------------------------------------------- */

/* The command line of an entry's edit: --set of everything it says. */
typedef struct order {
    lt_setting *settings;
    char **text;
    int n, room;
} order;

static void order_free(order *o)
{
    for (int i = 0; i < o->n; i++) free(o->text[i]);
    free(o->text);
    free(o->settings);
    *o = (order){ 0 };
}

static lt_status order_add(order *o, const char *key, const char *value)
{
    char *text = NULL;
    if (asprintf(&text, "%s=%s", key, value) < 0 || o->n >= o->room) {
        free(text);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", key);
    }
    o->settings[o->n] = (lt_setting){ .value = text, .option = "set" };
    o->text[o->n++] = text;
    return LT_OK;
}

static lt_status order_open(order *o, size_t settings)
{
    o->room = EDIT_SETTINGS + (int)settings;
    o->settings = calloc((size_t)o->room, sizeof(*o->settings));
    o->text = calloc((size_t)o->room, sizeof(*o->text));
    if (o->settings && o->text) return LT_OK;
    return LT_FAIL(LT_ERR_NOMEM, "out of memory (settings)");
}

/* A folder of JPEG masks becomes one of PNG in the entry's folder. */
static lt_status take_mask(const suite *s, const json_t *e, char *mask)
{
    lt_status st = LT_OK;
    char out[LT_PATH_MAX];
    int made = 0;
    if (!lt_folder_exists(mask)) return LT_OK;
    LT_TRY(file_of(s, e, "mask", out));
    LT_TRY(lt_suite_masks(mask, out, &made));
    if (made) snprintf(mask, LT_PATH_MAX, "%s", out);
cleanup:
    return st;
}

/* Rank 0: make the source when there is none; say what to edit, what to judge by. */
static lt_status prepare(const suite *s, int64_t i, order *o, lt_eval_what *w)
{
    lt_status st = LT_OK;
    char source[LT_PATH_MAX], mask[LT_PATH_MAX], folder[LT_PATH_MAX];
    const json_t *e = json_array_get(s->entries, (size_t)i);
    json_t *settings = json_object_get(e, "settings"), *v;
    const char *key;
    LT_TRY(order_open(o, json_object_size(settings)));
    LT_TRY(file_of(s, e, "", folder));
    LT_TRY(lt_folder_make(folder));
    snprintf(source, sizeof(source), "%s", text_of(e, "video"));
    snprintf(mask, sizeof(mask), "%s", text_of(e, "mask"));
    snprintf(w->source, sizeof(w->source), "%s", source);
    LT_TRY(take_mask(s, e, mask));
    snprintf(w->mask, sizeof(w->mask), "%s", mask);
    snprintf(w->truth, sizeof(w->truth), "%s", text_of(e, "truth"));
    snprintf(w->flow, sizeof(w->flow), "%s", text_of(e, "flow"));
    LT_TRY(file_of(s, e, "edited.job", w->job));
    if (json_is_true(json_object_get(e, "curves")))
        LT_TRY(file_of(s, e, "curves.csv", w->curves));
    if (json_is_true(json_object_get(e, "similarity")))
        snprintf(w->model, sizeof(w->model), "%s", text_of(e, "model"));
    if (!source[0]) LT_TRY(make_source(s, e, w, source, mask));
    LT_TRY(file_of(s, e, "edited.mkv", w->edited));
    LT_TRY(order_add(o, "input.path", source));
    LT_TRY(order_add(o, "output.path", w->edited));
    if (text_of(e, "model")[0]) LT_TRY(order_add(o, "model.path", text_of(e, "model")));
    if (text_of(e, "method")[0])
        LT_TRY(order_add(o, "method.name", text_of(e, "method")));
    if (json_is_true(json_object_get(e, "use_mask")) && mask[0])
        LT_TRY(order_add(o, "mask.path", mask));
    LT_TRY(order_add(o, "prompt.edit", text_of(e, "prompt")));
    LT_TRY(order_add(o, "prompt.source", text_of(e, "source_prompt")));
    if (text_of(e, "negative_prompt")[0])
        LT_TRY(order_add(o, "prompt.negative", text_of(e, "negative_prompt")));
    json_object_foreach(settings, key, v) LT_TRY(order_add(o, key, json_string_value(v)));
cleanup:
    return st;
}

/* Collective. The edit itself, by the code of `longtake edit`. */
static lt_status edit(const suite *s, const order *o, lt_eval_what *w)
{
    lt_status st = LT_OK;
    lt_request r = { 0 };
    lt_edit_summary summary;
    lt_app child = *s->app;
    child.cli.args = NULL;
    child.cli.n_args = 0;
    child.cli.job = NULL;
    child.cli.settings = o->settings;
    child.cli.n_settings = o->n;
    LT_TRY(lt_request_make(&child, 0, &r));
    st = lt_app_edit(&child, &r, 0, &summary);
    w->ss = r.cfg.input.ss < 0 ? -1 : r.cfg.input.ss / 1000;
    w->to = r.cfg.input.to < 0 ? -1 : r.cfg.input.to / 1000;
cleanup:
    lt_log_drop_file(s->app->log);
    lt_request_free(&r);
    return st;
}

static lt_status judge(suite *s, int64_t i, const lt_eval_what *w)
{
    lt_status st = LT_OK;
    lt_verdict v;
    const double start = lt_app_clock();
    if (w->has_scene && (w->ss > 0 || w->to >= 0))
        return LT_FAIL(LT_ERR_CONFIG,
                       "a part of a scene cannot be judged (%s): leave "
                       "input.ss and input.to out, set frames",
                       w->edited);
    LT_TRY(lt_eval_film(s->app, w, &v));
    s->results[i].seconds_eval = lt_app_clock() - start;
    LT_TRY(record(s, i, &v));
cleanup:
    return st;
}

/* Collective. */
static lt_status run_entry(suite *s, int64_t i)
{
    lt_status st = LT_OK;
    lt_app *app = s->app;
    order o = { 0 };
    lt_eval_what *w = calloc(1, sizeof(*w));
    st = w ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (eval)");
    if (st == LT_OK && app->rank == 0) {
        lt_log_info(app->log, "entry %lld of %lld: %s", (long long)i + 1, (long long)s->n,
                    text_of(json_array_get(s->entries, (size_t)i), "name"));
        st = prepare(s, i, &o, w);
    }
    LT_TRY(lt_comm_agree(app->comm, st));
    const double start = lt_app_clock();
    LT_TRY(edit(s, &o, w));
    if (app->rank == 0) {
        s->results[i].seconds_edit = lt_app_clock() - start;
        st = judge(s, i, w);
    }
    LT_TRY(lt_comm_agree(app->comm, st));
cleanup:
    order_free(&o);
    free(w);
    return st;
}

/* ---- all of them ------------------------------------------------------------------- */

static lt_status lock_folder(suite *s)
{
    char path[LT_PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/lock", s->folder);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock < 0)
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot write in the folder, %s (%s): check the rights, or give "
                       "another --job",
                       strerror(errno), s->folder);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0) return LT_OK;
    return LT_FAIL(
        LT_ERR_CANTCREAT,
        "another run is at this suite (%s): wait for it, or give another --job",
        s->folder);
}

/* <stem of the list>.suite in the working folder. */
static lt_status default_folder(const char *list, char *out)
{
    char name[LT_PATH_MAX + 8];
    const char *slash = strrchr(list, '/'), *stem = slash ? slash + 1 : list;
    const char *dot = strrchr(stem, '.');
    snprintf(name, sizeof(name), "%.*s.suite",
             dot && dot > stem ? (int)(dot - stem) : (int)strlen(stem), stem);
    return lt_path_absolute(NULL, name, out);
}

/* Rank 0: read the list and what is there. */
static lt_status open_suite(suite *s)
{
    lt_status st = LT_OK;
    char list[LT_PATH_MAX];
    const lt_cli *cli = &s->app->cli;
    LT_TRY(lt_path_absolute(NULL, cli->eval.suite, list));
    LT_TRY(lt_suite_list_read(list, cli, &s->entries));
    s->n = (int64_t)json_array_size(s->entries);
    s->results = calloc((size_t)s->n, sizeof(*s->results));
    if (!s->results) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", list));
    LT_TRY(cli->job ? lt_path_absolute(NULL, cli->job, s->folder)
                    : default_folder(list, s->folder));
    if (cli->eval.output)
        LT_TRY(lt_path_absolute(NULL, cli->eval.output, s->csv));
    else
        LT_TRY(lt_path_absolute(s->folder, "results.csv", s->csv));
    LT_TRY(lt_folder_make(s->folder));
    LT_TRY(lock_folder(s));
    for (int64_t i = 0; i < s->n; i++) {
        LT_TRY(fill_prompts(s, json_array_get(s->entries, (size_t)i)));
        LT_TRY(look(s, i));
    }
    LT_TRY(write_csv(s));
cleanup:
    return st;
}

static void close_suite(suite *s)
{
    for (int64_t i = 0; s->results && i < s->n; i++) {
        free(s->results[i].row);
        free(s->results[i].message);
    }
    free(s->results);
    json_decref(s->entries);
    if (s->lock >= 0) close(s->lock);
}

/* A failure that is the entry's own; others would be every entry's. */
static int can_go_on(const suite *s, lt_status st)
{
    if (st == LT_ERR_STOPPED || st == LT_ERR_NOSPACE) return 0;
    return s->app->size == 1 || lt_comm_failed_together(s->app->comm);
}

static void note_failure(suite *s, int64_t i, lt_status st)
{
    lt_comm_forget_failure(s->app->comm);
    if (!s->n_failed++) s->first = st;
    if (s->app->rank > 0) return;
    result *r = &s->results[i];
    r->fate = FAILED;
    free(r->row);
    r->row = NULL;
    r->message = strdup(lt_error_message());
    lt_log_warn(s->app->log, "entry %s failed: %s",
                text_of(json_array_get(s->entries, (size_t)i), "name"),
                lt_error_message());
}

/* Collective. */
static lt_status run_all(suite *s)
{
    lt_status st = LT_OK;
    lt_app *app = s->app;
    for (int64_t i = 0; i < s->n; i++) {
        int32_t todo = app->rank == 0 && s->results[i].fate == NOT_YET;
        LT_TRY(lt_comm_broadcast_bytes(app->comm, &todo, sizeof(todo), 0));
        if (!todo) continue;
        st = run_entry(s, i);
        if (st != LT_OK && !can_go_on(s, st)) goto cleanup;
        if (st != LT_OK) note_failure(s, i, st);
        LT_TRY(lt_comm_agree(app->comm, app->rank == 0 ? write_csv(s) : LT_OK));
    }
cleanup:
    return st;
}

static lt_status print_result(const suite *s)
{
    if (!s->app->cli.json) {
        printf("%s\n", s->csv);
        return LT_OK;
    }
    return lt_app_print_json(json_pack("{s:s, s:s, s:I, s:I}", "csv", s->csv, "folder",
                                       s->folder, "entries", (json_int_t)s->n, "failed",
                                       (json_int_t)s->n_failed));
}

/* Rank 0: the exit code says whether all went well. */
static lt_status finish(const suite *s)
{
    const lt_status st = print_result(s);
    if (st != LT_OK || !s->n_failed) return st;
    for (int64_t i = 0; i < s->n; i++)
        if (s->results[i].fate == FAILED)
            return LT_FAIL(s->first,
                           "%lld of %lld entries failed (%s: %.400s): mend them and run "
                           "the same command again",
                           (long long)s->n_failed, (long long)s->n,
                           text_of(json_array_get(s->entries, (size_t)i), "name"),
                           s->results[i].message ? s->results[i].message : "");
    return LT_OK;
}

lt_status lt_suite_run(lt_app *app)
{
    lt_status st = LT_OK;
    suite *s = calloc(1, sizeof(*s));
    st = s ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (suite)");
    LT_TRY(lt_comm_agree(app->comm, st));
    s->app = app;
    s->lock = -1;
    LT_TRY(lt_comm_agree(app->comm, app->rank == 0 ? open_suite(s) : LT_OK));
    LT_TRY(lt_comm_broadcast_bytes(app->comm, &s->n, sizeof(s->n), 0));
    lt_app_catch_signals(app);
    LT_TRY(run_all(s));
    LT_TRY(lt_comm_agree(app->comm, app->rank == 0 ? finish(s) : LT_OK));
cleanup:
    if (s) close_suite(s);
    free(s);
    return st;
}
