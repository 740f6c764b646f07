#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"
#include "roof.h"

/* Times linear, convolution, norms and element-wise operations of one CPU path; CSV on
 * stdout:
 *   machine,revision,path,compute,threads,clock,op,shape,median_ms,p10_ms,p90_ms,rate,unit,
 *   roof_share
 * The rate is GFLOP/s or GB/s; roof_share compares it with what this run measured for
 * registers (multiply-adds of the compute type) or for a triad over main memory; a tensor
 * that fits a cache may exceed the latter.
 * Usage: bench_kernels [path [threads [seconds a case [cpu]]]]; the best path is the
 * default. "cpu" takes processor time, divided by the threads, for busy machines. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

enum { MAX_RUNS = 4000 };

typedef struct bench {
    lt_exec x;
    double roof_flops, roof_bytes, seconds;
    char machine[256];
    int threads, cpu_clock;
} bench;

static void must(lt_status st)
{
    if (st == LT_OK) return;
    fprintf(stderr, "bench_kernels: %s\n", lt_error_message());
    exit(lt_status_exit_code(st));
}

static double now(const bench *b)
{
    struct timespec t;
    clock_gettime(b->cpu_clock ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    const double s = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    return b->cpu_clock ? s / b->threads : s;
}

static const char *clock_name(const bench *b) { return b->cpu_clock ? "cpu" : "wall"; }

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* One run of a case, on tensors it holds. */
typedef lt_status case_fn(const lt_exec *x, const void *arg);

typedef enum work_kind { FLOPS, BYTES } work_kind;

static void report(const bench *b, const char *op, const char *shape, case_fn *fn,
                   const void *arg, work_kind kind, double work)
{
    static double t[MAX_RUNS];
    int n = 0;
    must(fn(&b->x, arg));
    for (const double start = now(b);
         n < MAX_RUNS && (n < 5 || now(b) - start < b->seconds);) {
        const double t0 = now(b);
        must(fn(&b->x, arg));
        t[n++] = now(b) - t0;
    }
    qsort(t, (size_t)n, sizeof(*t), ascending);
    const double rate = work / t[n / 2] * 1e-9;
    printf("\"%s\",%s,%s,%s,%d,%s,%s,%s,%.4f,%.4f,%.4f,%.1f,%s,%.2f\n", b->machine,
           LT_REVISION, b->x.k->name, lt_dtype_name(b->x.k->compute), b->threads,
           clock_name(b), op, shape, t[n / 2] * 1e3, t[n / 10] * 1e3, t[n * 9 / 10] * 1e3,
           rate, kind == FLOPS ? "GFLOP/s" : "GB/s",
           rate / (kind == FLOPS ? b->roof_flops : b->roof_bytes));
    fflush(stdout);
}

static lt_tensor filled(const bench *b, lt_dtype dtype, int ndim, const int64_t *shape)
{
    lt_tensor f, t;
    uint32_t s = 12345;
    must(lt_tensor_new(&f, b->x.pool, LT_F32, ndim, shape));
    must(lt_tensor_new(&t, b->x.pool, dtype, ndim, shape));
    for (int64_t i = 0; i < lt_tensor_count(&f); i++) {
        s = s * 1664525u + 1013904223u;
        lt_f32(&f)[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    must(lt_tensor_convert(&t, &f));
    lt_tensor_free(&f);
    return t;
}
#define FILLED(b, dtype, ...)                                           \
    filled((b), (dtype), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), \
           (int64_t[]){ __VA_ARGS__ })

/* ---- linear ---------------------------------------------------------------------- */

static lt_status run_linear(const lt_exec *x, const void *arg)
{
    return x->k->linear(x, arg);
}

typedef struct linear_shape {
    int64_t batch, rows, n_in, n_out;
    const char *act; /* what follows: "", "gelu" or "residual" */
} linear_shape;

static void bench_linear(const bench *b, const linear_shape *s)
{
    const lt_dtype c = b->x.k->compute;
    lt_tensor w = FILLED(b, c, s->n_out, s->n_in), bias = FILLED(b, LT_F32, s->n_out);
    lt_tensor in = FILLED(b, c, s->batch, s->rows, s->n_in);
    lt_tensor out = FILLED(b, c, s->batch, s->rows, s->n_out);
    lt_linear *p = NULL;
    must(b->x.k->linear_pack(&b->x, &w, &bias, &p));
    const lt_linear_args a = { .w = p,
                               .in = &in,
                               .out = &out,
                               .rows_per_tile = s->rows,
                               .residual = s->act[0] == 'r' ? &out : NULL,
                               .act = s->act[0] == 'g' ? LT_ACT_GELU : LT_ACT_NONE };
    char name[96];
    snprintf(name, sizeof(name), "%lldx%lldx%lld->%lld%s%s", (long long)s->batch,
             (long long)s->rows, (long long)s->n_in, (long long)s->n_out,
             *s->act ? "+" : "", s->act);
    const double work = 2.0 * (double)s->batch * (double)s->rows * (double)s->n_in;
    report(b, "linear", name, run_linear, &a, FLOPS, work * (double)s->n_out);
    b->x.k->linear_free(&p);
    lt_tensor *const made[] = { &w, &bias, &in, &out };
    for (int i = 0; i < 4; i++) lt_tensor_free(made[i]);
}

/* ---- convolution ----------------------------------------------------------------- */

static lt_status run_conv(const lt_exec *x, const void *arg)
{
    return x->k->conv(x, arg);
}

typedef struct conv_shape {
    int64_t batch, c_in, c_out, size, k;
    int stride;
} conv_shape;

static void bench_conv(const bench *b, const conv_shape *s)
{
    const lt_dtype c = b->x.k->compute;
    const int pad = (int)s->k / 2;
    lt_tensor w = FILLED(b, c, s->c_out, s->c_in, s->k, s->k);
    lt_tensor bias = FILLED(b, LT_F32, s->c_out);
    lt_conv *p = NULL;
    must(b->x.k->conv_pack(&b->x, &w, &bias,
                           (lt_conv_shape){ s->stride, pad, pad, pad, pad }, &p));
    const int64_t o = lt_conv_out_h(p, s->size);
    lt_tensor in = FILLED(b, c, s->batch, s->size, s->size, s->c_in);
    lt_tensor out = FILLED(b, c, s->batch, o, o, s->c_out);
    const lt_conv_args a = { .w = p, .in = &in, .out = &out };
    char name[96];
    snprintf(name, sizeof(name), "%lldx%lld->%lld@%lld k%lld s%d", (long long)s->batch,
             (long long)s->c_in, (long long)s->c_out, (long long)s->size, (long long)s->k,
             s->stride);
    const double work = 2.0 * (double)(s->batch * o * o) * (double)(s->k * s->k);
    report(b, "conv", name, run_conv, &a, FLOPS,
           work * (double)s->c_in * (double)s->c_out);
    b->x.k->conv_free(&p);
    lt_tensor *const made[] = { &w, &bias, &in, &out };
    for (int i = 0; i < 4; i++) lt_tensor_free(made[i]);
}

/* ---- what is bound by memory ------------------------------------------------------ */

typedef struct memory_case {
    lt_tensor in, other, out, gamma, beta;
} memory_case;

static lt_status run_group_norm(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    const lt_group_norm_args a = { &m->in, &m->out, &m->gamma, &m->beta, 32, 1e-5f, 1 };
    return x->k->group_norm(x, &a);
}

static lt_status run_layer_norm(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    const lt_layer_norm_args a = { &m->in, &m->out, &m->gamma, &m->beta, 1e-5f };
    return x->k->layer_norm(x, &a);
}

static lt_status run_silu(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    return x->k->unary(x, LT_ACT_SILU, &m->in, &m->out);
}

static lt_status run_gelu(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    return x->k->unary(x, LT_ACT_GELU, &m->in, &m->out);
}

static lt_status run_add(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    return x->k->add(x, &m->in, &m->other, &m->out);
}

static lt_status run_geglu(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    lt_tensor half = lt_tensor_rows(&m->out, 0, m->in.shape[0]);
    half.shape[2] /= 2;
    const lt_status st = x->k->geglu(x, &m->in, &half);
    lt_tensor_free(&half);
    return st;
}

static lt_status run_concat(const lt_exec *x, const void *arg)
{
    memory_case *m = (memory_case *)(uintptr_t)arg;
    const int64_t shape[] = { m->in.shape[0], m->in.shape[1], 2 * m->in.shape[2] };
    lt_tensor both = lt_tensor_wrap(m->out.data, LT_HOST, m->out.dtype, 3, shape);
    return x->k->concat(x, &m->in, &m->other, &both);
}

static void bench_memory(const bench *b, int64_t batch, int64_t pixels, int64_t c)
{
    const lt_dtype t = b->x.k->compute;
    memory_case m = { FILLED(b, t, batch, pixels, c), FILLED(b, t, batch, pixels, c),
                      FILLED(b, t, 2 * batch, pixels, c), FILLED(b, LT_F32, c),
                      FILLED(b, LT_F32, c) };
    lt_tensor whole = m.out;
    m.out.shape[0] = batch;
    char shape[64];
    snprintf(shape, sizeof(shape), "%lldx%lldx%lld", (long long)batch, (long long)pixels,
             (long long)c);
    /* Bytes that must move at least once: read and written. */
    const double one = (double)lt_tensor_bytes(&m.in);
    report(b, "group_norm+silu", shape, run_group_norm, &m, BYTES, 2 * one);
    report(b, "layer_norm", shape, run_layer_norm, &m, BYTES, 2 * one);
    report(b, "silu", shape, run_silu, &m, BYTES, 2 * one);
    report(b, "gelu", shape, run_gelu, &m, BYTES, 2 * one);
    report(b, "geglu", shape, run_geglu, &m, BYTES, 1.5 * one);
    report(b, "add", shape, run_add, &m, BYTES, 3 * one);
    report(b, "concat", shape, run_concat, &m, BYTES, 4 * one);
    m.out = whole;
    lt_tensor *const made[] = { &m.in, &m.other, &m.out, &m.gamma, &m.beta };
    for (int i = 0; i < 5; i++) lt_tensor_free(made[i]);
}

static void machine_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        snprintf(out, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (f) fclose(f);
}

static void print_roof(const bench *b, const char *what, double rate, const char *unit)
{
    printf("\"%s\",%s,%s,%s,%d,cpu,roof,%s,,,,%.1f,%s,1\n", b->machine, LT_REVISION,
           b->x.k->name, lt_dtype_name(b->x.k->compute), b->threads, what, rate, unit);
}

int main(int argc, char **argv)
{
    /* SD 1.5 at 512 x 512, then the small models. */
    static const linear_shape linears[] = {
        { 2, 4096, 320, 320, "" },      { 2, 4096, 320, 2560, "" },
        { 2, 4096, 320, 2560, "gelu" }, { 2, 4096, 1280, 320, "residual" },
        { 2, 1024, 640, 640, "" },      { 2, 1024, 640, 5120, "" },
        { 2, 1024, 2560, 640, "" },     { 2, 256, 1280, 1280, "" },
        { 2, 64, 1280, 1280, "" },      { 2, 77, 768, 320, "" },
        { 2, 1, 320, 1280, "" },        { 2, 1024, 64, 64, "" },
        { 2, 1024, 128, 128, "" },      { 2, 1024, 256, 256, "" },
    };
    static const conv_shape convs[] = {
        { 2, 320, 320, 64, 3, 1 },   { 2, 960, 320, 64, 3, 1 },
        { 2, 640, 640, 32, 3, 1 },   { 2, 1920, 640, 32, 3, 1 },
        { 2, 1280, 1280, 16, 3, 1 }, { 2, 2560, 1280, 16, 3, 1 },
        { 2, 1280, 1280, 8, 3, 1 },  { 2, 4, 320, 64, 3, 1 },
        { 2, 320, 320, 64, 3, 2 },   { 2, 320, 320, 64, 1, 1 },
        { 1, 128, 128, 512, 3, 1 },  { 1, 256, 256, 256, 3, 1 },
        { 2, 512, 512, 64, 3, 1 },   { 2, 64, 64, 32, 3, 1 },
        { 2, 128, 128, 32, 3, 1 },   { 2, 256, 256, 32, 3, 1 },
    };
    bench b = { .threads = 1, .seconds = 0.3 };
    lt_cpu_path path = lt_cpu_path_best();
    lt_threads *threads = NULL;
    lt_pool *pool = NULL;
    if (argc > 1) must(lt_cpu_path_parse(argv[1], &path));
    if (argc > 2) b.threads = atoi(argv[2]);
    if (argc > 3) b.seconds = atof(argv[3]);
    b.cpu_clock = argc > 4 && strcmp(argv[4], "cpu") == 0;
    const lt_dtype compute = path >= LT_PATH_AVX512_BF16 ? LT_BF16 : LT_F32;
    must(lt_kernels_get(path, compute, &b.x.k));
    must(lt_kernels_limit_isa(path));
    must(lt_kernels_threads_open(b.threads, &threads));
    must(lt_pool_open(&pool, LT_HOST, "bench", 0));
    b.x.threads = threads;
    b.x.pool = pool;
    machine_name(b.machine, sizeof(b.machine));
    b.roof_flops = roof_flops(path, threads);
    b.roof_bytes = roof_bytes(pool, threads);
    printf("machine,revision,path,compute,threads,clock,op,shape,median_ms,p10_ms,p90_ms,"
           "rate,unit,roof_share\n");
    print_roof(&b, "registers", b.roof_flops, "GFLOP/s");
    print_roof(&b, "triad", b.roof_bytes, "GB/s");
    for (size_t i = 0; i < sizeof(linears) / sizeof(*linears); i++)
        bench_linear(&b, &linears[i]);
    for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++) bench_conv(&b, &convs[i]);
    bench_memory(&b, 2, 4096, 320);
    bench_memory(&b, 2, 1024, 640);
    bench_memory(&b, 1, 262144, 128);
    bench_memory(&b, 2, 1024, 128);
    lt_threads_close(threads);
    lt_pool_close(&pool);
    return 0;
}
