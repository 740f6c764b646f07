#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "io/pickle.h"
#include "models/check.h"

/* ---- list -------------------------------------------------------------------------- */

typedef struct listing {
    const lt_cli *cli;
    json_t *models; /* all that was found, also to leave out repetitions */
    int failed;     /* out of memory */
} listing;

static int is_listed(const listing *l, const char *dir)
{
    size_t i;
    json_t *m;
    json_array_foreach(l->models, i, m)
    {
        const char *known = json_string_value(json_object_get(m, "dir"));
        if (known && !strcmp(known, dir)) return 1;
    }
    return 0;
}

static void print_model(const lt_model_info *m)
{
    if (m->fault)
        printf("%s\n    cannot be used: %s\n", m->dir, m->fault);
    else
        printf("%s\n    %s, %s, %.1f M parameters, trained for %lldx%lld%s\n", m->dir,
               m->family, m->dtype, 1e-6 * (double)m->parameters, (long long)m->width,
               (long long)m->height, m->v_prediction ? ", v-prediction" : "");
}

static void found(void *self, const lt_model_info *m)
{
    listing *l = self;
    if (is_listed(l, m->dir)) return;
    json_t *o =
        json_pack("{s:s, s:s*, s:s*, s:I, s:I, s:I, s:b, s:s*}", "dir", m->dir, "family",
                  m->family, "dtype", m->dtype, "parameters", (json_int_t)m->parameters,
                  "width", (json_int_t)m->width, "height", (json_int_t)m->height,
                  "v_prediction", m->v_prediction, "fault", m->fault);
    if (!o || json_array_append_new(l->models, o) != 0) l->failed = 1;
    if (!l->cli->json) print_model(m);
}

static lt_status scan(listing *l, const char *folder, int depth)
{
    char path[LT_PATH_MAX];
    lt_status st = lt_path_absolute(NULL, folder, path);
    if (st == LT_OK) st = lt_model_scan(path, depth, found, l);
    if (st == LT_OK && l->failed) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (models)");
    return st;
}

/* A search path of several folders, separated by colons. */
static lt_status scan_path(listing *l, const char *list)
{
    lt_status st = LT_OK;
    char *copy = strdup(list), *save = NULL;
    if (!copy) return LT_FAIL(LT_ERR_NOMEM, "out of memory (search path)");
    for (char *f = strtok_r(copy, ":", &save); f && st == LT_OK;
         f = strtok_r(NULL, ":", &save))
        st = scan(l, f, 3);
    free(copy);
    return st;
}

/* $HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub. */
static lt_status scan_hugging_face(listing *l)
{
    char path[LT_PATH_MAX];
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME");
    const char *user = getenv("HOME");
    if (cache && cache[0])
        snprintf(path, sizeof(path), "%s", cache);
    else if (home && home[0])
        snprintf(path, sizeof(path), "%s/hub", home);
    else if (user && user[0])
        snprintf(path, sizeof(path), "%s/.cache/huggingface/hub", user);
    else
        return LT_OK;
    return scan(l, path, 4);
}

static lt_status list(lt_app *app)
{
    lt_status st = LT_OK;
    const char *places = getenv("LONGTAKE_MODELS");
    listing l = { .cli = &app->cli, .models = json_array() };
    if (!l.models) return LT_FAIL(LT_ERR_NOMEM, "out of memory (models)");
    for (int i = 1; i < app->cli.n_args; i++) {
        if (!lt_folder_exists(app->cli.args[i]))
            LT_TRY(LT_FAIL(LT_ERR_NOINPUT, "no such folder (%s): check the name",
                           app->cli.args[i]));
        LT_TRY(scan(&l, app->cli.args[i], 4));
    }
    if (app->cli.n_args == 1) {
        if (places) LT_TRY(scan_path(&l, places));
        LT_TRY(scan(&l, "models", 3));
        LT_TRY(scan_hugging_face(&l));
    }
    if (app->cli.json)
        LT_TRY(lt_app_print_json(json_pack("{s:O}", "models", l.models)));
    else if (json_array_size(l.models) == 0)
        lt_log_info(app->log, "no models found: give folders, or set LONGTAKE_MODELS");
cleanup:
    json_decref(l.models);
    return st;
}

/* ---- verify ------------------------------------------------------------------------ */

typedef struct lines {
    json_t *list; /* NULL unless --json */
    int failed;
} lines;

static void print_file(void *self, const lt_verify_line *v)
{
    lines *l = self;
    if (!l->list)
        printf("%.64s  %s%s%s\n", v->sha256 ? v->sha256 : "", v->file,
               v->fault ? "  DAMAGED: " : "", v->fault ? v->fault : "");
    else if (json_array_append_new(l->list,
                                   json_pack("{s:s, s:s*, s:s*}", "file", v->file,
                                             "sha256", v->sha256, "fault", v->fault)))
        l->failed = 1;
}

/* The list as one object, also when the check has failed; st is the check's. */
static lt_status end_lines(lines *l, const char *dir, lt_status st)
{
    if (!l->list) return st;
    json_t *o = l->failed ? NULL
                          : json_pack("{s:s, s:b, s:o}", "model", dir, "ok", st == LT_OK,
                                      "list", l->list);
    if (!o) json_decref(l->list);
    const lt_status printed = lt_app_print_json(o);
    return st != LT_OK ? st : printed;
}

static lt_status one_folder(const lt_cli *cli)
{
    if (cli->n_args == 2) return LT_OK;
    return LT_FAIL(LT_ERR_USAGE,
                   "models %s needs one folder: see `longtake models --help`",
                   cli->args[0]);
}

static lt_status verify(lt_app *app)
{
    lines l = { .list = app->cli.json ? json_array() : NULL };
    const char *dir = app->cli.args[1];
    return end_lines(&l, dir, lt_model_verify(dir, print_file, &l));
}

/* ---- check ------------------------------------------------------------------------- */

static void print_check(void *self, const lt_check_line *c)
{
    lines *l = self;
    if (!l->list)
        printf("%-10s %-18s error %.3g, limit %.3g: %s\n", c->model, c->output, c->error,
               c->limit, c->ok ? "ok" : "TOO LARGE");
    else if (json_array_append_new(
                 l->list, json_pack("{s:s, s:s, s:o, s:f, s:b}", "model", c->model,
                                    "output", c->output, "error", lt_app_number(c->error),
                                    "limit", c->limit, "ok", c->ok)))
        l->failed = 1;
}

static lt_status open_exec(const lt_cli *cli, lt_exec *x)
{
    lt_status st = LT_OK;
    lt_dtype dtype = LT_F32;
    lt_cpu_path path = lt_cpu_path_best();
    int threads;
    LT_TRY(lt_app_dtype(cli, &dtype));
    if (dtype == LT_BF16 && path < LT_PATH_AVX512_BF16)
        path = LT_PATH_AVX512_BF16; /* on Intel without AMX: works, but f32 is faster */
    LT_TRY(lt_app_cpu_path(cli, &path));
    LT_TRY(lt_app_threads(cli, &threads));
    LT_TRY(lt_kernels_limit_isa(path));
    LT_TRY(lt_kernels_get(path, dtype, &x->k));
    LT_TRY(lt_kernels_threads_open(threads, &x->threads));
    LT_TRY(lt_pool_open(&x->pool, LT_HOST, "models check", 0));
cleanup:
    return st;
}

static lt_status check(lt_app *app)
{
    lt_status st = LT_OK;
    lt_exec x = { 0 };
    lines l = { 0 };
    const char *dir = app->cli.args[1];
    if (!app->cli.golden)
        return LT_FAIL(LT_ERR_USAGE, "models check needs --golden FILE: see `longtake "
                                     "models --help`");
    LT_TRY(open_exec(&app->cli, &x));
    lt_log_info(app->log, "computing in %s on path %s", lt_dtype_name(x.k->compute),
                x.k->name);
    l.list = app->cli.json ? json_array() : NULL;
    LT_TRY(end_lines(&l, dir, lt_model_check(&x, dir, app->cli.golden, print_check, &l)));
cleanup:
    lt_pool_close(&x.pool);
    lt_threads_close(x.threads);
    return st;
}

/* ---- convert ----------------------------------------------------------------------- */

static lt_status convert(lt_app *app)
{
    lt_status st = LT_OK;
    lt_torch_report r = { 0 };
    if (app->cli.n_args != 3)
        return LT_FAIL(LT_ERR_USAGE,
                       "models convert needs IN and OUT: see `longtake models --help`");
    const char *in = app->cli.args[1], *out = app->cli.args[2];
    LT_TRY(lt_torch_convert(in, out, &r));
    if (app->cli.json)
        LT_TRY(lt_app_print_json(json_pack("{s:s, s:s, s:I, s:I}", "input", in, "output",
                                           out, "tensors", (json_int_t)r.tensors, "bytes",
                                           (json_int_t)r.bytes)));
    else
        printf("%s: %lld tensors, %.1f MB\n", out, (long long)r.tensors,
               1e-6 * (double)r.bytes);
cleanup:
    return st;
}

/* ---- which ------------------------------------------------------------------------- */

/* Options that only `check` reads. */
static lt_status check_only(const lt_cli *c)
{
    const char *name = c->golden     ? "--golden"
                       : c->dtype    ? "--dtype"
                       : c->cpu_path ? "--cpu-path"
                       : c->threads  ? "--threads"
                                     : NULL;
    if (!name) return LT_OK;
    return LT_FAIL(LT_ERR_USAGE,
                   "%s means nothing to models %.40s: it is for models check", name,
                   c->args[0]);
}

static lt_status run(lt_app *app)
{
    static const char *const names[] = { "list", "verify", "check", "convert", NULL };
    static lt_status (*const commands[])(lt_app *) = { list, verify, check, convert };
    char near[96];
    const char *what = app->cli.args[0];
    int i = 0;
    while (names[i] && strcmp(names[i], what) != 0) i++;
    if (!names[i])
        return LT_FAIL(LT_ERR_USAGE,
                       "unknown command models %.40s%s: see `longtake models --help`",
                       what, lt_cli_nearest(what, names, near));
    lt_status st = commands[i] == check ? LT_OK : check_only(&app->cli);
    if (st == LT_OK && commands[i] != list && commands[i] != convert)
        st = one_folder(&app->cli);
    return st == LT_OK ? commands[i](app) : st;
}

lt_status lt_cmd_models(lt_app *app) { return lt_app_alone(app, run); }
