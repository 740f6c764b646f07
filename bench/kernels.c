#include <stdlib.h>
#include <string.h>

#include "bench/cases.h"

/* Times the operations of one CPU path; CSV on stdout (bench.h has the columns).
 * Usage: bench_kernels [path [threads [seconds a case [cpu|wall [op]]]]]
 * path: as run.cpu_path, `auto` (the default) is the best of this CPU. "cpu" takes
 * processor time, divided by the threads, for busy machines. A case runs at least five
 * times, with less than 0.05 seconds a case twice. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

/* SD 1.5 at 512 x 512, then small models; attention: SD 1.5 top, second, joint, small,
 * SD 2.1, third, VAE, cross, two frames with half of their keys. */
static const lt_case_request cases[] = {
    { "attention", { 1, 4096, 4096, 8, 40 }, 5 },
    { "attention", { 1, 1024, 1024, 8, 80 }, 5 },
    { "attention", { 1, 1024, 4096, 8, 80 }, 5 },
    { "attention", { 1, 1024, 1024, 4, 64 }, 5 },
    { "attention", { 1, 4096, 4096, 5, 64 }, 5 },
    { "attention", { 1, 256, 256, 8, 160 }, 5 },
    { "attention", { 1, 4096, 4096, 1, 512 }, 5 },
    { "attention", { 1, 4096, 77, 8, 40 }, 5 },
    { "attention", { 8, 1024, 8192, 8, 80 }, 5 },
    { "attention_half", { 1, 4096, 4096, 8, 40 }, 5 },
    { "attention_half", { 8, 1024, 8192, 8, 80 }, 5 },
    { "best_match", { 4096, 4096, 640 }, 3 },
    { "best_match", { 1024, 1024, 1280 }, 3 },
    { "linear", { 2, 4096, 320, 320 }, 4 },
    { "linear", { 2, 4096, 320, 2560 }, 4 },
    { "linear_gelu", { 2, 4096, 320, 2560 }, 4 },
    { "linear_residual", { 2, 4096, 1280, 320 }, 4 },
    { "linear", { 2, 1024, 640, 640 }, 4 },
    { "linear", { 2, 1024, 640, 5120 }, 4 },
    { "linear", { 2, 1024, 2560, 640 }, 4 },
    { "linear", { 2, 256, 1280, 1280 }, 4 },
    { "linear", { 2, 64, 1280, 1280 }, 4 },
    { "linear", { 2, 77, 768, 320 }, 4 },
    { "linear", { 2, 1, 320, 1280 }, 4 },
    { "linear", { 2, 1024, 64, 64 }, 4 },
    { "linear", { 2, 1024, 128, 128 }, 4 },
    { "linear", { 2, 1024, 256, 256 }, 4 },
    { "conv", { 2, 320, 320, 64, 3, 1 }, 6 },
    { "conv", { 2, 960, 320, 64, 3, 1 }, 6 },
    { "conv", { 2, 640, 640, 32, 3, 1 }, 6 },
    { "conv", { 2, 1920, 640, 32, 3, 1 }, 6 },
    { "conv", { 2, 1280, 1280, 16, 3, 1 }, 6 },
    { "conv", { 2, 2560, 1280, 16, 3, 1 }, 6 },
    { "conv", { 2, 1280, 1280, 8, 3, 1 }, 6 },
    { "conv", { 2, 4, 320, 64, 3, 1 }, 6 },
    { "conv", { 2, 320, 320, 64, 3, 2 }, 6 },
    { "conv", { 2, 320, 320, 64, 1, 1 }, 6 },
    { "conv", { 1, 128, 128, 512, 3, 1 }, 6 },
    { "conv", { 1, 256, 256, 256, 3, 1 }, 6 },
    { "conv", { 2, 512, 512, 64, 3, 1 }, 6 },
    { "conv", { 2, 64, 64, 32, 3, 1 }, 6 },
    { "conv", { 2, 128, 128, 32, 3, 1 }, 6 },
    { "conv", { 2, 256, 256, 32, 3, 1 }, 6 },
};

static const char *const memory_ops[] = { "group_norm", "layer_norm", "silu",  "gelu",
                                          "geglu",      "add",        "concat" };
static const int64_t memory_sizes[][3] = {
    { 2, 4096, 320 }, { 2, 1024, 640 }, { 1, 262144, 128 }, { 2, 1024, 128 }
};

static void print_row(void *ctx, const lt_bench_row *row)
{
    lt_bench_csv_row(ctx, row, stdout);
    fflush(stdout);
}

static int wanted(const char *op, const char *only)
{
    return !only || strncmp(op, only, strlen(only)) == 0;
}

/* A name that begins no operation's is an error. */
static lt_status check_name(const char *only)
{
    int n = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        n += wanted(cases[i].op, only);
    for (size_t i = 0; i < sizeof(memory_ops) / sizeof(*memory_ops); i++)
        n += wanted(memory_ops[i], only);
    if (n > 0) return LT_OK;
    return LT_FAIL(LT_ERR_USAGE, "no operation %.40s: see bench/cases.h", only);
}

static lt_status time_all(lt_bench *b, const char *only)
{
    lt_status st = LT_OK;
    const int min_runs = b->o.seconds < 0.05 ? 2 : 5;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases) && st == LT_OK; i++)
        if (wanted(cases[i].op, only))
            st = lt_case_time(b, NULL, &cases[i], min_runs, print_row, b);
    for (size_t s = 0; s < sizeof(memory_sizes) / sizeof(*memory_sizes); s++)
        for (size_t i = 0; i < sizeof(memory_ops) / sizeof(*memory_ops); i++) {
            const int64_t *n = memory_sizes[s];
            const lt_case_request r = { memory_ops[i], { n[0], n[1], n[2] }, 3 };
            if (st == LT_OK && wanted(r.op, only))
                st = lt_case_time(b, NULL, &r, min_runs, print_row, b);
        }
    return st;
}

int main(int argc, char **argv)
{
    lt_bench b = { 0 };
    lt_status st = LT_OK;
    lt_bench_options o = { .path = lt_cpu_path_best(),
                           .threads = argc > 2 ? atoi(argv[2]) : 1,
                           .seconds = argc > 3 ? atof(argv[3]) : 0.3,
                           .revision = LT_REVISION };
    LT_TRY(lt_bench_clock(argc > 4 ? argv[4] : NULL, &o.cpu_clock));
    if (argc > 1 && strcmp(argv[1], "auto") != 0)
        LT_TRY(lt_cpu_path_parse(argv[1], &o.path));
    o.compute = lt_bench_compute(o.path);
    const char *only = argc > 5 ? argv[5] : NULL;
    LT_TRY(check_name(only));
    LT_TRY(lt_bench_open(&b, &o));
    lt_bench_csv_head(stdout);
    lt_bench_csv_roof(&b, stdout);
    LT_TRY(time_all(&b, only));
cleanup:
    if (st != LT_OK) fprintf(stderr, "bench_kernels: %s\n", lt_error_message());
    lt_bench_close(&b);
    return lt_status_exit_code(st);
}
