#include <math.h>

#include "app/app.h"
#include "bench/cases.h"
#include "core/units.h"

/* SD 1.5 at 512 x 512: both grids of tokens, the joint attention, a match of two frames,
 * projections, convolutions, and what passes over memory. */
static const lt_case_request cases[] = {
    { "attention", { 1, 4096, 4096, 8, 40 }, 5 },
    { "attention", { 1, 1024, 1024, 8, 80 }, 5 },
    { "attention", { 1, 1024, 4096, 8, 80 }, 5 },
    { "attention_half", { 1, 4096, 4096, 8, 40 }, 5 },
    { "best_match", { 4096, 4096, 640 }, 3 },
    { "linear", { 1, 4096, 320, 2560 }, 4 },
    { "linear", { 1, 1024, 2560, 640 }, 4 },
    { "conv", { 1, 320, 320, 64, 3, 1 }, 6 },
    { "conv", { 1, 640, 640, 32, 3, 1 }, 6 },
    { "conv", { 1, 1280, 1280, 16, 3, 1 }, 6 },
    { "group_norm", { 1, 4096, 320 }, 3 },
    { "layer_norm", { 1, 4096, 320 }, 3 },
    { "geglu", { 1, 4096, 1280 }, 3 },
    { "add", { 1, 4096, 320 }, 3 },
};

/* The reference is a hundred times slower. */
static const lt_case_request small_cases[] = {
    { "attention", { 1, 256, 256, 2, 40 }, 5 },
    { "best_match", { 256, 256, 64 }, 3 },
    { "linear", { 1, 256, 64, 256 }, 4 },
    { "conv", { 1, 32, 32, 16, 3, 1 }, 6 },
    { "group_norm", { 1, 1024, 64 }, 3 },
    { "layer_norm", { 1, 1024, 64 }, 3 },
    { "geglu", { 1, 1024, 64 }, 3 },
};

enum { TEXT_TOKENS = 77 };

typedef struct bench {
    lt_app *app;
    lt_bench b;
    lt_model *model;
    double roof_of_one; /* GFLOP/s of one thread */
    json_t *list;       /* NULL unless --json */
} bench;

/* ---- printing ---------------------------------------------------------------------- */

static void print_head(const bench *b)
{
    const lt_bench *m = &b->b;
    if (b->list) return;
    if (b->app->cli.bench.csv) {
        lt_bench_csv_head(stdout);
        lt_bench_csv_roof(m, stdout);
        return;
    }
    printf("machine  %s\npath     %s, %s, %d thread%s\n", m->machine,
           lt_cpu_path_name(m->o.path), lt_dtype_name(m->o.compute), m->o.threads,
           m->o.threads > 1 ? "s" : "");
    printf(
        "roof     %.0f GFLOP/s in registers (one thread %.0f), memory %.1f GB/s triad, "
        "%.1f copy\n\n",
        m->roof.flops, b->roof_of_one, m->roof.triad, m->roof.copy);
    printf("%-15s %-24s %11s %11s %11s %9s\n", "operation", "shape", "median ms",
           "p90 ms", "rate", "of roof");
}

static void print_row(void *ctx, const lt_bench_row *r)
{
    const bench *b = ctx;
    const lt_bench *m = &b->b;
    const double share = lt_bench_share(m, r);
    if (b->list) {
        (void)json_array_append_new(
            b->list,
            json_pack("{s:s, s:s, s:f, s:f, s:f, s:i, s:f, s:s, s:o}", "op", r->op,
                      "shape", r->shape, "median_ms", 1e3 * r->times.median, "p10_ms",
                      1e3 * r->times.p10, "p90_ms", 1e3 * r->times.p90, "runs",
                      r->times.n, "rate", lt_bench_rate(r), "unit",
                      lt_bench_unit(r->kind), "roof_share",
                      lt_app_number(r->kind == LT_BENCH_RUNS ? NAN : share)));
        return;
    }
    if (b->app->cli.bench.csv) {
        lt_bench_csv_row(m, r, stdout);
    } else {
        printf("%-15s %-24s %11.3f %11.3f %7.1f %s", r->op, r->shape,
               1e3 * r->times.median, 1e3 * r->times.p90, lt_bench_rate(r),
               lt_bench_unit(r->kind));
        if (r->kind == LT_BENCH_RUNS)
            printf("\n");
        else
            printf("%*.0f %%\n", r->kind == LT_BENCH_FLOPS ? 4 : 7, 100 * share);
    }
    fflush(stdout);
}

static lt_status print_json(bench *b)
{
    const lt_bench *m = &b->b;
    return lt_app_print_json(json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:{s:f, s:f, s:f, s:f}, s:O}", "machine", m->machine,
        "version", lt_app_version(), "cpu_path", lt_cpu_path_name(m->o.path), "dtype",
        lt_dtype_name(m->o.compute), "threads", m->o.threads, "roof", "gflops",
        m->roof.flops, "gflops_one_thread", b->roof_of_one, "triad_gb_s", m->roof.triad,
        "copy_gb_s", m->roof.copy, "cases", b->list));
}

/* ---- timing ------------------------------------------------------------------------ */

static lt_status time_case(bench *b, const lt_case_request *r, int min_runs)
{
    return lt_case_time(&b->b, b->model, r, min_runs, print_row, b);
}

static lt_status time_operations(bench *b)
{
    const int ref = b->b.o.path == LT_PATH_REF;
    const lt_case_request *list = ref ? small_cases : cases;
    const size_t n =
        ref ? sizeof(small_cases) / sizeof(*small_cases) : sizeof(cases) / sizeof(*cases);
    lt_status st = LT_OK;
    for (size_t i = 0; i < n && st == LT_OK; i++) st = time_case(b, &list[i], 3);
    return st;
}

/* Once each is enough: they take seconds, and lt_bench_measure has warmed them up. */
static lt_status time_model(bench *b, const char *dir)
{
    lt_status st = LT_OK;
    LT_TRY(lt_model_load(&b->b.x, dir, LT_MODEL_ALL, &b->model));
    const int64_t side = lt_unet_get_config(b->model->unet)->sample_size;
    const lt_case_request whole[] = { { "text", { TEXT_TOKENS }, 1 },
                                      { "unet", { 1, side, side }, 3 },
                                      { "vae_encode", { 1, side, side }, 3 },
                                      { "vae_decode", { 1, side, side }, 3 } };
    for (int i = 0; i < 4; i++) LT_TRY(time_case(b, &whole[i], 1));
cleanup:
    return st;
}

static lt_status read_options(const lt_cli *cli, lt_bench_options *o)
{
    lt_status st = LT_OK;
    *o = (lt_bench_options){ .path = lt_cpu_path_best(),
                             .seconds = 0.3,
                             .revision = lt_app_version() };
    if (cli->bench.csv && cli->json)
        return LT_FAIL(LT_ERR_USAGE, "--csv and --json exclude each other: give one");
    const char *seconds = cli->bench.seconds;
    if (seconds && (lt_float_parse(seconds, &o->seconds) != LT_OK || o->seconds < 0 ||
                    o->seconds > 60))
        return LT_FAIL(LT_ERR_USAGE, "--seconds %.40s is out of range: give 0 to 60",
                       seconds);
    LT_TRY(lt_app_cpu_path(cli, &o->path));
    o->compute = lt_bench_compute(o->path);
    LT_TRY(lt_app_dtype(cli, &o->compute));
    LT_TRY(lt_app_threads(cli, &o->threads));
cleanup:
    return st;
}

static lt_status run(lt_app *app)
{
    lt_status st = LT_OK;
    bench b = { .app = app };
    lt_bench_options o;
    LT_TRY(read_options(&app->cli, &o));
    LT_TRY(lt_bench_open(&b.b, &o));
    LT_TRY(lt_roof_flops(NULL, o.path, o.compute, &b.roof_of_one));
    b.list = app->cli.json ? json_array() : NULL;
    if (app->cli.json && !b.list) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (bench)"));
    print_head(&b);
    LT_TRY(time_operations(&b));
    if (app->cli.bench.model) LT_TRY(time_model(&b, app->cli.bench.model));
    if (b.list) LT_TRY(print_json(&b));
cleanup:
    json_decref(b.list);
    lt_model_free(&b.model);
    lt_bench_close(&b.b);
    return st;
}

lt_status lt_cmd_bench(lt_app *app) { return lt_app_alone(app, run); }
