#include "bench/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROWS = 512 };

typedef struct row {
    char op[24], shape[64];
    int calls;
    double seconds, flops, bytes;
} row;

/* A kernel's entry has no context: one table and one list for the program. */
static struct {
    const lt_kernels *k;
    lt_kernels timed;
    row row[MAX_ROWS];
    int n;
} trace;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double bytes_of(const lt_tensor *t) { return t ? (double)lt_tensor_bytes(t) : 0; }

static void note(const char *op, const char *shape, double start, double flops,
                 double bytes)
{
    const double seconds = now() - start;
    int i = 0;
    while (i < trace.n &&
           (strcmp(trace.row[i].op, op) || strcmp(trace.row[i].shape, shape)))
        i++;
    if (i == MAX_ROWS) return;
    row *r = &trace.row[i];
    if (i == trace.n) {
        *r = (row){ .calls = 0 };
        snprintf(r->op, sizeof(r->op), "%s", op);
        snprintf(r->shape, sizeof(r->shape), "%s", shape);
        trace.n++;
    }
    r->calls++;
    r->seconds += seconds;
    r->flops += flops;
    r->bytes += bytes;
}

/* Sizes of a tensor, joined by x. */
static const char *shape_of(const lt_tensor *t, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < t->ndim && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, i ? "x%lld" : "%lld",
                              (long long)t->shape[i]);
    return out;
}

static lt_status linear(const lt_exec *x, const lt_linear_args *a)
{
    static const char *const acts[] = { "", "+silu", "+gelu", "+quick_gelu" };
    char in[40], shape[64];
    const double start = now();
    const lt_status st = trace.k->linear(x, a);
    snprintf(shape, sizeof(shape), "%s->%lld%s%s", shape_of(a->in, in, sizeof(in)),
             (long long)lt_linear_n_out(a->w), acts[a->act], a->residual ? "+res" : "");
    const double work =
        2.0 * (double)lt_tensor_count(a->in) * (double)lt_linear_n_out(a->w);
    note("linear", shape, start, work, bytes_of(a->in) + bytes_of(a->out));
    return st;
}

static lt_status conv(const lt_exec *x, const lt_conv_args *a)
{
    char in[40], shape[64];
    const double start = now();
    const lt_status st = trace.k->conv(x, a);
    snprintf(shape, sizeof(shape), "%s->%lldx%lld%s", shape_of(a->in, in, sizeof(in)),
             (long long)a->out->shape[2], (long long)a->out->shape[3],
             a->residual ? "+res" : "");
    note("conv", shape, start,
         18.0 * (double)lt_tensor_count(a->out) * (double)lt_conv_c_in(a->w),
         bytes_of(a->in) + bytes_of(a->out));
    return st;
}

static lt_status attention(const lt_exec *x, const lt_attention_args *a)
{
    char q[40], shape[64];
    const double start = now();
    const lt_status st = trace.k->attention(x, a);
    snprintf(shape, sizeof(shape), "%s over %lldx%lld", shape_of(a->q, q, sizeof(q)),
             (long long)a->k->shape[0], (long long)a->k->shape[1]);
    note("attention", shape, start,
         4.0 * (double)lt_tensor_count(a->q) * (double)a->k->shape[1],
         bytes_of(a->q) * 2 + bytes_of(a->k) * 2);
    return st;
}

/* Operations that are bound by memory: what to call, and the tensors to count. */
#define MEMORY_OP(name, params, args, first, bytes) \
    static lt_status name params                    \
    {                                               \
        char shape[64];                             \
        const double start = now();                 \
        const lt_status st = trace.k->name args;    \
        shape_of(first, shape, sizeof(shape));      \
        note(#name, shape, start, 0, bytes);        \
        return st;                                  \
    }

MEMORY_OP(group_norm, (const lt_exec *x, const lt_group_norm_args *a), (x, a), a->in,
          2 * bytes_of(a->in))
MEMORY_OP(layer_norm, (const lt_exec *x, const lt_layer_norm_args *a), (x, a), a->in,
          2 * bytes_of(a->in))
MEMORY_OP(geglu, (const lt_exec *x, const lt_tensor *in, lt_tensor *out), (x, in, out),
          out, 3 * bytes_of(out))
MEMORY_OP(add, (const lt_exec *x, const lt_tensor *a, const lt_tensor *b, lt_tensor *out),
          (x, a, b, out), out, 3 * bytes_of(out))
MEMORY_OP(convert, (const lt_exec *x, const lt_tensor *in, lt_tensor *out), (x, in, out),
          out, bytes_of(in) + bytes_of(out))
MEMORY_OP(concat,
          (const lt_exec *x, const lt_tensor *a, const lt_tensor *b, lt_tensor *out),
          (x, a, b, out), out, 2 * bytes_of(out))
MEMORY_OP(upsample, (const lt_exec *x, const lt_tensor *in, lt_tensor *out), (x, in, out),
          out, bytes_of(in) + bytes_of(out))

const lt_kernels *trace_table(const lt_kernels *k)
{
    trace.k = k;
    trace.timed = *k;
    trace.timed.linear = linear;
    trace.timed.conv = conv;
    trace.timed.attention = attention;
    trace.timed.group_norm = group_norm;
    trace.timed.layer_norm = layer_norm;
    trace.timed.geglu = geglu;
    trace.timed.add = add;
    trace.timed.convert = convert;
    trace.timed.concat = concat;
    trace.timed.upsample = upsample;
    return &trace.timed;
}

void trace_reset(void) { trace.n = 0; }

static int longest_first(const void *a, const void *b)
{
    const double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return x > y ? -1 : x < y;
}

void trace_print(int runs)
{
    double sum = 0;
    for (int i = 0; i < trace.n; i++) sum += trace.row[i].seconds;
    qsort(trace.row, (size_t)trace.n, sizeof(*trace.row), longest_first);
    printf("op,shape,calls,cpu_ms,share,gflop,gflops,gbytes,gb_s\n");
    for (int i = 0; i < trace.n; i++) {
        const row *r = &trace.row[i];
        printf("%s,%s,%d,%.2f,%.4f,%.3f,%.1f,%.4f,%.1f\n", r->op, r->shape,
               r->calls / runs, r->seconds / runs * 1e3, r->seconds / sum,
               r->flops / runs * 1e-9, r->flops / r->seconds * 1e-9,
               r->bytes / runs * 1e-9, r->bytes / r->seconds * 1e-9);
    }
}
