#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"

/* Times attention and best_match of every table this CPU can run; CSV on stdout.
 * Usage: bench_attention [table [seconds a case [cpu]]], on 1 and 2 threads; "all" is
 * every table. "cpu" takes processor time, divided by the threads, for busy machines. */

typedef struct shape {
    int64_t n_q, n_kv;
    int heads;
    int64_t d;
} shape;

/* The five shapes of docs/performance: SD 1.5 top, SD 1.5 second, joint, small, SD 2.1. */
static const shape shapes[] = { { 4096, 4096, 8, 40 },
                                { 1024, 1024, 8, 80 },
                                { 1024, 4096, 8, 80 },
                                { 1024, 1024, 4, 64 },
                                { 4096, 4096, 5, 64 } };

enum { MAX_RUNS = 2000, MAX_TABLES = 16 };

static void must(lt_status st)
{
    if (st == LT_OK) return;
    fprintf(stderr, "bench_attention: %s\n", lt_error_message());
    exit(lt_status_exit_code(st));
}

typedef struct bench {
    lt_exec x;
    double seconds; /* a case */
    int cpu_clock;
} bench;

static double now(int cpu_clock)
{
    struct timespec t;
    clock_gettime(cpu_clock ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static lt_tensor random_matrix(const lt_exec *x, int64_t n, int64_t c)
{
    lt_tensor t, f;
    uint32_t s = 12345;
    must(LT_TENSOR_NEW(&f, x->pool, LT_F32, 1, n, c));
    must(LT_TENSOR_NEW(&t, x->pool, x->k->compute, 1, n, c));
    for (int64_t i = 0; i < n * c; i++) {
        s = s * 1664525u + 1013904223u;
        lt_f32(&f)[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    must(lt_tensor_convert(&t, &f));
    lt_tensor_free(&f);
    return t;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Repeat for about b->seconds and print one line. */
static void measure(const bench *b, const char *op, const char *what, double flop,
                    void (*call)(const lt_exec *x, void *arg), void *arg)
{
    static double t[MAX_RUNS];
    const int threads = lt_threads_count(b->x.threads),
              share = b->cpu_clock ? threads : 1;
    const double start = now(0);
    int n = 0;
    call(&b->x, arg);
    while (n < MAX_RUNS && (n < 5 || now(0) - start < b->seconds)) {
        const double begin = now(b->cpu_clock);
        call(&b->x, arg);
        t[n++] = (now(b->cpu_clock) - begin) / share;
    }
    qsort(t, (size_t)n, sizeof(*t), ascending);
    printf("%s,%s,%s,%d,%s,%.4f,%.4f,%.4f,%.1f\n", op, b->x.k->name, what, threads,
           b->cpu_clock ? "cpu" : "wall", t[n / 2] * 1e3, t[n / 10] * 1e3,
           t[n * 9 / 10] * 1e3, flop / t[n / 2] * 1e-9);
    fflush(stdout);
}

static void call_attention(const lt_exec *x, void *arg) { must(x->k->attention(x, arg)); }
static void call_match(const lt_exec *x, void *arg) { must(x->k->best_match(x, arg)); }

static void bench_attention(const bench *b, shape s, int lists)
{
    const lt_exec *x = &b->x;
    char what[64];
    const int64_t width = s.heads * s.d;
    lt_tensor q = random_matrix(x, s.n_q, width), k = random_matrix(x, s.n_kv, width);
    lt_tensor v = random_matrix(x, s.n_kv, width), out;
    int32_t *list = malloc((size_t)s.n_kv * sizeof(*list));
    const int32_t *const lists_of_sets[1] = { list };
    const int64_t n_list = (s.n_kv + 1) / 2;
    if (!list) must(LT_FAIL(LT_ERR_NOMEM, "no memory for a list"));
    for (int64_t i = 0; i < n_list; i++) list[i] = (int32_t)(2 * i);
    must(lt_tensor_new(&out, x->pool, q.dtype, 3, q.shape));
    lt_attention_args a = { .q = &q,
                            .k = &k,
                            .v = { &v },
                            .out = { &out },
                            .n_values = 1,
                            .heads = s.heads,
                            .scale = 1.0f / (float)s.d };
    if (lists) {
        a.index = lists_of_sets;
        a.n_index = &n_list;
    }
    const int64_t keys = lists ? n_list : s.n_kv;
    snprintf(what, sizeof(what), "%lldx%lldx%dx%lld", (long long)s.n_q, (long long)keys,
             s.heads, (long long)s.d);
    measure(b, lists ? "attention_half_of_keys" : "attention", what,
            4.0 * (double)s.n_q * (double)keys * (double)width, call_attention, &a);
    free(list);
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&v);
    lt_tensor_free(&out);
}

static void bench_match(const bench *w, int64_t n, int64_t c)
{
    const lt_exec *x = &w->x;
    char what[64];
    lt_tensor a3 = random_matrix(x, n, c), b3 = random_matrix(x, n, c), index;
    lt_tensor a = LT_RESHAPE(&a3, n, c), b = LT_RESHAPE(&b3, n, c);
    must(LT_TENSOR_NEW(&index, x->pool, LT_I32, n));
    lt_best_match_args m = { .a = &a, .b = &b, .index = &index, .rows_per_tile = n };
    snprintf(what, sizeof(what), "%lldx%lldx%lld", (long long)n, (long long)n,
             (long long)c);
    measure(w, "best_match", what, 2.0 * (double)n * (double)n * (double)c, call_match,
            &m);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    lt_tensor_free(&a3);
    lt_tensor_free(&b3);
    lt_tensor_free(&index);
}

int main(int argc, char **argv)
{
    const lt_kernels *k[MAX_TABLES];
    const int n = lt_kernels_list(k, MAX_TABLES);
    bench b = { .seconds = argc > 2 ? atof(argv[2]) : 1.0,
                .cpu_clock = argc > 3 && strcmp(argv[3], "cpu") == 0 };
    must(lt_pool_open(&b.x.pool, LT_HOST, "bench", 0));
    printf("op,path,shape,threads,clock,median_ms,p10_ms,p90_ms,gflops\n");
    for (int i = 1; i < n; i++) /* not the reference: it takes minutes */
        for (int threads = 1; threads <= 2; threads++) {
            if (argc > 1 && strcmp(argv[1], "all") != 0 &&
                strcmp(argv[1], k[i]->name) != 0)
                continue;
            b.x.k = k[i];
            must(lt_kernels_threads_open(threads, &b.x.threads));
            for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++)
                bench_attention(&b, shapes[s], 0);
            bench_attention(&b, shapes[0], 1);
            bench_match(&b, 4096, 640);
            lt_threads_close(b.x.threads);
        }
    lt_pool_close(&b.x.pool);
    return 0;
}
