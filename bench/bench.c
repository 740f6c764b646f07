#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_RUNS = 4000 };

static double clock_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double lt_bench_wall(void) { return clock_seconds(CLOCK_MONOTONIC); }
double lt_bench_cpu(void) { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }

lt_status lt_bench_clock(const char *word, int *cpu_clock)
{
    const int cpu = word && !strcmp(word, "cpu");
    if (word && !cpu && strcmp(word, "wall") != 0)
        return LT_FAIL(LT_ERR_USAGE, "no such clock %.40s: cpu or wall", word);
    *cpu_clock = cpu;
    return LT_OK;
}

double lt_bench_now(const lt_bench *b)
{
    return b->o.cpu_clock ? lt_bench_cpu() / b->o.threads : lt_bench_wall();
}

lt_dtype lt_bench_compute(lt_cpu_path path)
{
    return path >= LT_PATH_AVX512_BF16 ? LT_BF16 : LT_F32;
}

lt_status lt_bench_open(lt_bench *b, const lt_bench_options *o)
{
    lt_status st = LT_OK;
    *b = (lt_bench){ .o = *o };
    LT_TRY(lt_kernels_get(o->path, o->compute, &b->x.k));
    LT_TRY(lt_kernels_limit_isa(o->path));
    LT_TRY(lt_kernels_threads_open(o->threads, &b->x.threads));
    LT_TRY(lt_pool_open(&b->x.pool, LT_HOST, "bench", 0));
    lt_cpu_describe(b->machine, sizeof(b->machine));
    LT_TRY(lt_roof_measure(&b->x, &b->roof));
cleanup:
    return st;
}

void lt_bench_close(lt_bench *b)
{
    lt_pool_close(&b->x.pool);
    lt_threads_close(b->x.threads);
    b->x.threads = NULL;
}

/* ---- times ------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

lt_bench_times lt_bench_summary(double *t, int n)
{
    qsort(t, (size_t)n, sizeof(*t), ascending);
    return (lt_bench_times){ t[n / 2], t[n / 10], t[(9 * n + 9) / 10 - 1], t[0], n };
}

lt_status lt_bench_measure(const lt_bench *b, int min_runs, lt_bench_fn *fn, void *arg,
                           lt_bench_times *times)
{
    int n = 0;
    lt_status st = LT_OK;
    double *t = malloc(MAX_RUNS * sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory (times of a bench)");
    LT_TRY(fn(&b->x, arg));
    const double start = lt_bench_now(b);
    while (n < MAX_RUNS && (n < min_runs || lt_bench_now(b) - start < b->o.seconds)) {
        const double t0 = lt_bench_now(b);
        LT_TRY(fn(&b->x, arg));
        t[n++] = lt_bench_now(b) - t0;
    }
    *times = lt_bench_summary(t, n);
cleanup:
    free(t);
    return st;
}

/* ---- rows -------------------------------------------------------------------------- */

double lt_bench_rate(const lt_bench_row *row)
{
    if (row->kind == LT_BENCH_RUNS) return 1 / row->times.median;
    return row->work / row->times.median * 1e-9;
}

const char *lt_bench_unit(lt_bench_kind kind)
{
    return kind == LT_BENCH_FLOPS ? "GFLOP/s" : kind == LT_BENCH_BYTES ? "GB/s" : "1/s";
}

double lt_bench_share(const lt_bench *b, const lt_bench_row *row)
{
    if (row->kind == LT_BENCH_RUNS) return 0;
    return lt_bench_rate(row) /
           (row->kind == LT_BENCH_FLOPS ? b->roof.flops : b->roof.triad);
}

void lt_bench_csv_head(FILE *f)
{
    fputs("machine,revision,path,compute,threads,clock,op,shape,median_ms,p10_ms,p90_ms,"
          "rate,unit,roof_share,min_ms,runs\n",
          f);
}

static void begin_row(const lt_bench *b, const char *clock, FILE *f)
{
    fprintf(f, "\"%s\",%s,%s,%s,%d,%s,", b->machine, b->o.revision,
            lt_cpu_path_name(b->o.path), lt_dtype_name(b->o.compute), b->o.threads,
            clock);
}

void lt_bench_csv_roof(const lt_bench *b, FILE *f)
{
    begin_row(b, "cpu", f);
    fprintf(f, "roof,registers,,,,%.1f,GFLOP/s,1,,\n", b->roof.flops);
    begin_row(b, "cpu", f);
    fprintf(f, "roof,triad,,,,%.1f,GB/s,1,,\n", b->roof.triad);
    begin_row(b, "cpu", f);
    fprintf(f, "roof,copy,,,,%.1f,GB/s,%.2f,,\n", b->roof.copy,
            b->roof.copy / b->roof.triad);
}

void lt_bench_csv_row(const lt_bench *b, const lt_bench_row *row, FILE *f)
{
    const lt_bench_times *t = &row->times;
    begin_row(b, b->o.cpu_clock ? "cpu" : "wall", f);
    fprintf(f, "%s,%s,%.4f,%.4f,%.4f,%.1f,%s,", row->op, row->shape, 1e3 * t->median,
            1e3 * t->p10, 1e3 * t->p90, lt_bench_rate(row), lt_bench_unit(row->kind));
    if (row->kind != LT_BENCH_RUNS) fprintf(f, "%.2f", lt_bench_share(b, row));
    fprintf(f, ",%.4f,%d\n", 1e3 * t->least, t->n);
}
