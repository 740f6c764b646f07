#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cases.h"
#include "bench/trace.h"

/* Where the time and the memory of one whole net of a diffusers folder go.
 * Usage: bench_nets FOLDER NET SIZE SAMPLES [key=value ...]
 *   NET      unet, vae_encode, vae_decode, text (SAMPLES is 1)
 *   SIZE     pixels of a side, a multiple of 8; for text the number of tokens, <= 77
 *   path=, compute=f32|bf16, threads=1, runs=3
 *   trace=1  then a CSV line an operation and shape, too (trace.h)
 * On stdout the lines of every bench (bench.h), then
 *   first_ms,weights_mb,peak_mb,cached_mb
 * first_ms is the first run, which also makes the plans; weights_mb is what the pool
 * holds when nothing runs (MiB; token embeddings lie outside), peak_mb the most in use
 * above it in a run, cached_mb free blocks kept after it. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

typedef struct request {
    const char *folder, *net;
    int64_t size, samples;
    int runs, trace;
    lt_bench_options o;
} request;

static void must(lt_status st)
{
    if (st == LT_OK) return;
    fprintf(stderr, "bench_nets: %s\n", lt_error_message());
    exit(lt_status_exit_code(st));
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_nets FOLDER unet|vae_encode|vae_decode|text SIZE "
                    "SAMPLES [path= compute= threads= runs= trace=]\n");
    exit(64);
}

static int takes(const char *arg, const char *key, const char **value)
{
    const size_t n = strlen(key);
    *value = arg + n + 1;
    return strncmp(arg, key, n) == 0 && arg[n] == '=';
}

static void read_option(request *q, const char *arg, const char **compute)
{
    const char *value;
    if (takes(arg, "path", &value))
        must(lt_cpu_path_parse(value, &q->o.path));
    else if (takes(arg, "compute", &value))
        *compute = value;
    else if (takes(arg, "threads", &value))
        q->o.threads = atoi(value);
    else if (takes(arg, "runs", &value))
        q->runs = atoi(value);
    else if (takes(arg, "trace", &value))
        q->trace = atoi(value);
    else
        usage();
}

static request read_request(int argc, char **argv)
{
    request q = {
        .runs = 3,
        .o = { .path = lt_cpu_path_best(), .threads = 1, .revision = LT_REVISION }
    };
    const char *compute = NULL;
    if (argc < 5) usage();
    q.folder = argv[1];
    q.net = argv[2];
    q.size = atoi(argv[3]);
    q.samples = atoi(argv[4]);
    for (int i = 5; i < argc; i++) read_option(&q, argv[i], &compute);
    q.o.compute = lt_bench_compute(q.o.path);
    if (compute && !strcmp(compute, "f32"))
        q.o.compute = LT_F32;
    else if (compute && !strcmp(compute, "bf16"))
        q.o.compute = LT_BF16;
    else if (compute)
        usage();
    if (q.runs < 1 || q.size < 1 || q.samples < 1 || q.o.threads < 1) usage();
    return q;
}

/* The sizes of the case: tokens, or samples and latent height and width. */
static void open_case(const request *q, const lt_exec *x, const lt_model *m, lt_case *c)
{
    const int64_t side = q->size / 8;
    const int64_t tokens[] = { q->size }, latents[] = { q->samples, side, side };
    if (!strcmp(q->net, "text"))
        must(lt_case_open(x, m, q->net, tokens, 1, c));
    else
        must(lt_case_open(x, m, q->net, latents, 3, c));
    must(lt_case_ready(x, c));
}

static void measure(const request *q, const lt_bench *b, lt_case *c)
{
    const double mib = 1.0 / (1 << 20);
    const double start = lt_bench_wall();
    must(lt_case_run(&b->x, c));
    const double first = lt_bench_wall() - start;
    const size_t weights = lt_pool_used(b->x.pool);
    lt_bench_row row = {
        .op = q->net, .shape = c->shape, .kind = c->kind, .work = c->work
    };
    lt_pool_trim(b->x.pool);
    lt_pool_reset_peak(b->x.pool);
    trace_reset();
    must(lt_bench_measure(b, q->runs, lt_case_run, c, &row.times));
    lt_bench_csv_head(stdout);
    lt_bench_csv_roof(b, stdout);
    lt_bench_csv_row(b, &row, stdout);
    printf("first_ms,weights_mb,peak_mb,cached_mb\n%.1f,%.1f,%.1f,%.1f\n", first * 1e3,
           (double)weights * mib, (double)(lt_pool_peak(b->x.pool) - weights) * mib,
           (double)lt_pool_cached(b->x.pool) * mib);
    if (q->trace) trace_print(row.times.n + 1); /* and the warm-up */
}

int main(int argc, char **argv)
{
    const request q = read_request(argc, argv);
    lt_bench b = { 0 };
    lt_case c = { 0 };
    lt_model *model = NULL;
    must(lt_bench_open(&b, &q.o));
    lt_exec x = b.x;
    if (q.trace) x.k = trace_table(x.k);
    b.x = x;
    const lt_model_parts part = !strcmp(q.net, "unet")   ? LT_MODEL_UNET
                                : !strcmp(q.net, "text") ? LT_MODEL_TEXT
                                                         : LT_MODEL_VAE;
    must(lt_model_open(&x, &(lt_model_spec){ .path = q.folder }, part, &model));
    open_case(&q, &x, model, &c);
    measure(&q, &b, &c);
    lt_case_close(&x, &c);
    lt_model_free(&model);
    lt_bench_close(&b);
    return 0;
}
