#ifndef LT_BENCH_BENCH_H
#define LT_BENCH_BENCH_H

#include <stdio.h>

#include "bench/roof.h"

/* What every program that times something shares: opening a CPU path, the clock, the
 * statistics and the line of CSV. */

typedef struct lt_bench_options {
    lt_cpu_path path;
    lt_dtype compute;
    int threads;          /* >= 1 */
    int cpu_clock;        /* 1: processor time divided by the threads (busy machines) */
    double seconds;       /* a case is repeated for about so long */
    const char *revision; /* of the source, for the CSV; borrowed */
} lt_bench_options;

typedef struct lt_bench {
    lt_bench_options o;
    lt_exec x;
    lt_roof roof;
    char machine[160]; /* "Intel(R) Xeon(R) Processor family 6 model 207" */
} lt_bench;

/* Opens pool and threads and measures the roof; the process is held to the instructions
 * of the path (lt_kernels_limit_isa), so one path a process. Close with lt_bench_close,
 * also after a failure.  Errors: UNSUPPORTED, CONFIG, NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_bench_open(lt_bench *b, const lt_bench_options *o);
void lt_bench_close(lt_bench *b);

/* The compute type that a path is chosen for: bf16 where it has it, else f32. */
lt_dtype lt_bench_compute(lt_cpu_path path);

/* Which clock a word of a command line means: "wall", also for NULL, or "cpu".
 * Errors: USAGE. */
LT_NODISCARD lt_status lt_bench_clock(const char *word, int *cpu_clock);

/* Seconds of the clock of the options, and of wall and processor time (not divided). */
double lt_bench_now(const lt_bench *b);
double lt_bench_wall(void);
double lt_bench_cpu(void);

/* What a run of a case does: a rate is work per median time. */
typedef enum lt_bench_kind {
    LT_BENCH_FLOPS, /* work in floating-point operations, roof: registers */
    LT_BENCH_BYTES, /* in bytes that must move at least once, roof: triad; a tensor that
                     * fits a cache may exceed it */
    LT_BENCH_RUNS   /* no work: runs a second, no roof */
} lt_bench_kind;

typedef struct lt_bench_times {
    double median, p10, p90, least; /* [s] */
    int n;
} lt_bench_times;

typedef lt_status lt_bench_fn(const lt_exec *x, void *arg);

/* One warm-up, then runs until the seconds of the options are over, at least min_runs.
 * Errors: those of fn. */
LT_NODISCARD lt_status lt_bench_measure(const lt_bench *b, int min_runs, lt_bench_fn *fn,
                                        void *arg, lt_bench_times *times);

/* Sort t [n], n >= 1, and summarise it; percentiles are entries, none interpolated. */
lt_bench_times lt_bench_summary(double *t, int n);

typedef struct lt_bench_row {
    const char *op, *shape;
    lt_bench_kind kind;
    double work;
    lt_bench_times times;
} lt_bench_row;

/* Work per second in 1e9 (runs: as they are), its unit, and its share of the roof
 * (runs: 0). */
double lt_bench_rate(const lt_bench_row *row);
const char *lt_bench_unit(lt_bench_kind kind);
double lt_bench_share(const lt_bench *b, const lt_bench_row *row);

/* CSV, columns:
 *   machine,revision,path,compute,threads,clock,op,shape,median_ms,p10_ms,p90_ms,rate,
 *   unit,roof_share,min_ms,runs
 * The roof rows have the op `roof` and no times. Check ferror(f). */
void lt_bench_csv_head(FILE *f);
void lt_bench_csv_roof(const lt_bench *b, FILE *f);
void lt_bench_csv_row(const lt_bench *b, const lt_bench_row *row, FILE *f);

#endif
