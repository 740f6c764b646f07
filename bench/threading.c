#include <math.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cases.h"

/* The price of the rule "a tile depends on one sample, one thread computes it alone"
 * (docs/numerics.md): our convolutions and matrix products of a block of frames against
 * oneDNN's on the whole batch with its own threads, in turn; CSV on stdout.
 * Usage: bench_threading [THREADS [ROUNDS [cpu]]]
 * price = time of ours / time of the library - 1; below 0 ours is faster. The last row of
 * each number of frames is the geometric mean. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

enum { MAX_ROUNDS = 50, IMAGE_DIMS = 4, NAME = 160 };

/* Convolution 3x3 (size > 0) or matrix product of `rows` rows a frame. */
typedef struct shape {
    int64_t c_in, c_out, size, rows;
} shape;

static const shape shapes[] = { { 320, 320, 64, 0 },   { 640, 640, 32, 0 },
                                { 1280, 1280, 16, 0 }, { 1280, 1280, 8, 0 },
                                { 320, 320, 0, 4096 }, { 320, 2560, 0, 4096 },
                                { 640, 640, 0, 1024 }, { 1280, 1280, 0, 256 },
                                { 1280, 1280, 0, 64 } };

/* The library's primitive for a whole batch; the caller's tensors as plain memory. */
typedef struct library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, given, weights, dst;
    int threads;
} library;

static lt_status check(dnnl_status_t s)
{
    if (s == dnnl_success) return LT_OK;
    return LT_FAIL(LT_ERR_INTERNAL, "oneDNN refuses (bench_threading): status %d",
                   (int)s);
}
#define DN(call) LT_TRY(check(call))

static dnnl_data_type_t type_of(lt_dtype t) { return t == LT_F32 ? dnnl_f32 : dnnl_bf16; }

static lt_status describe_conv(library *l, const lt_case *c, const shape *s)
{
    lt_status st = LT_OK;
    const int64_t n = c->size[0];
    const dnnl_data_type_t t = type_of(c->out.dtype);
    dnnl_memory_desc_t src, weights, dst;
    dnnl_convolution_desc_t d;
    const dnnl_dims_t one = { 1, 1 };
    DN(dnnl_memory_desc_init_by_tag(
        &src, IMAGE_DIMS, (dnnl_dims_t){ n, s->c_in, s->size, s->size }, t, dnnl_nhwc));
    DN(dnnl_memory_desc_init_by_tag(&weights, IMAGE_DIMS,
                                    (dnnl_dims_t){ s->c_out, s->c_in, 3, 3 }, t,
                                    dnnl_format_tag_any));
    DN(dnnl_memory_desc_init_by_tag(
        &dst, IMAGE_DIMS, (dnnl_dims_t){ n, s->c_out, s->size, s->size }, t, dnnl_nhwc));
    DN(dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference,
                                          dnnl_convolution_direct, &src, &weights, NULL,
                                          &dst, one, one, one));
    DN(dnnl_primitive_desc_create(&l->desc, &d, NULL, l->engine, NULL));
    DN(dnnl_memory_desc_init_by_tag(
        &weights, IMAGE_DIMS, (dnnl_dims_t){ s->c_out, s->c_in, 3, 3 }, t, dnnl_oihw));
    DN(dnnl_memory_create(&l->given, &weights, l->engine, c->in[1].data));
cleanup:
    return st;
}

static lt_status describe_linear(library *l, const lt_case *c, const shape *s)
{
    lt_status st = LT_OK;
    const int64_t rows = c->size[0] * s->rows;
    const dnnl_data_type_t t = type_of(c->out.dtype);
    dnnl_memory_desc_t src, weights, dst;
    dnnl_matmul_desc_t d;
    DN(dnnl_memory_desc_init_by_tag(&src, 2, (dnnl_dims_t){ rows, s->c_in }, t, dnnl_ab));
    DN(dnnl_memory_desc_init_by_tag(&weights, 2, (dnnl_dims_t){ s->c_in, s->c_out }, t,
                                    dnnl_format_tag_any));
    DN(dnnl_memory_desc_init_by_tag(&dst, 2, (dnnl_dims_t){ rows, s->c_out }, t,
                                    dnnl_ab));
    DN(dnnl_matmul_desc_init(&d, &src, &weights, NULL, &dst));
    DN(dnnl_primitive_desc_create(&l->desc, &d, NULL, l->engine, NULL));
    DN(dnnl_memory_desc_init_by_tag(&weights, 2, (dnnl_dims_t){ s->c_in, s->c_out }, t,
                                    dnnl_ba)); /* ours are [out, in] */
    DN(dnnl_memory_create(&l->given, &weights, l->engine, c->in[1].data));
cleanup:
    return st;
}

static lt_status place(library *l, dnnl_query_t what, void *data, dnnl_memory_t *m)
{
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(l->desc, what, 0);
    return check(dnnl_memory_create(m, d, l->engine, data ? data : DNNL_MEMORY_ALLOCATE));
}

/* Weights in the layout that the library chooses. */
static lt_status lay_weights(library *l)
{
    lt_status st = LT_OK;
    dnnl_primitive_desc_t d = NULL;
    dnnl_primitive_t reorder = NULL;
    const dnnl_memory_desc_t *from, *to;
    DN(dnnl_memory_get_memory_desc(l->given, &from));
    DN(dnnl_memory_get_memory_desc(l->weights, &to));
    DN(dnnl_reorder_primitive_desc_create(&d, from, l->engine, to, l->engine, NULL));
    DN(dnnl_primitive_create(&reorder, d));
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, l->given },
                                     { DNNL_ARG_TO, l->weights } };
    DN(dnnl_primitive_execute(reorder, l->stream, 2, args));
    DN(dnnl_stream_wait(l->stream));
cleanup:
    if (reorder) dnnl_primitive_destroy(reorder);
    if (d) dnnl_primitive_desc_destroy(d);
    return st;
}

static lt_status library_open(library *l, const lt_case *c, const shape *s, int threads)
{
    lt_status st = LT_OK;
    *l = (library){ .threads = threads };
    omp_set_num_threads(threads);
    DN(dnnl_engine_create(&l->engine, dnnl_cpu, 0));
    DN(dnnl_stream_create(&l->stream, l->engine, dnnl_stream_default_flags));
    LT_TRY(s->size ? describe_conv(l, c, s) : describe_linear(l, c, s));
    DN(dnnl_primitive_create(&l->primitive, l->desc));
    LT_TRY(place(l, dnnl_query_src_md, c->in[0].data, &l->src));
    LT_TRY(place(l, dnnl_query_weights_md, NULL, &l->weights));
    LT_TRY(place(l, dnnl_query_dst_md, c->out.data, &l->dst));
    LT_TRY(lay_weights(l));
cleanup:
    omp_set_num_threads(1);
    return st;
}

static void library_close(library *l)
{
    dnnl_memory_t const memory[] = { l->src, l->given, l->weights, l->dst };
    for (int i = 0; i < 4; i++)
        if (memory[i]) dnnl_memory_destroy(memory[i]);
    if (l->primitive) dnnl_primitive_destroy(l->primitive);
    if (l->desc) dnnl_primitive_desc_destroy(l->desc);
    if (l->stream) dnnl_stream_destroy(l->stream);
    if (l->engine) dnnl_engine_destroy(l->engine);
}

static lt_status library_run(library *l)
{
    lt_status st = LT_OK;
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, l->src },
                                     { DNNL_ARG_WEIGHTS, l->weights },
                                     { DNNL_ARG_DST, l->dst } };
    omp_set_num_threads(l->threads);
    DN(dnnl_primitive_execute(l->primitive, l->stream, 3, args));
    DN(dnnl_stream_wait(l->stream));
cleanup:
    omp_set_num_threads(1);
    return st;
}

/* ---- one row ----------------------------------------------------------------------- */

typedef struct pair {
    double ours, library; /* medians, [s] */
} pair;

static lt_status time_pair(const lt_bench *b, lt_case *c, library *l, int rounds, pair *t)
{
    lt_status st = LT_OK;
    double ours[MAX_ROUNDS], peer[MAX_ROUNDS];
    /* OpenMP's threads spin a while; the first round is a warm-up */
    const struct timespec calm = { .tv_nsec = 5000000 };
    for (int r = -1; r < rounds; r++) {
        nanosleep(&calm, NULL);
        const double begin = lt_bench_now(b);
        LT_TRY(lt_case_run(&b->x, c));
        const double middle = lt_bench_now(b);
        LT_TRY(library_run(l));
        if (r < 0) continue;
        ours[r] = middle - begin;
        peer[r] = lt_bench_now(b) - middle;
    }
    *t = (pair){ lt_bench_summary(ours, rounds).median,
                 lt_bench_summary(peer, rounds).median };
cleanup:
    return st;
}

static lt_status time_shape(const lt_bench *b, const shape *s, int64_t frames, int rounds,
                            char name[NAME], pair *t)
{
    lt_status st = LT_OK;
    lt_case c = { 0 };
    library l = { 0 };
    const int64_t conv[] = { frames, s->c_in, s->c_out, s->size, 3, 1 };
    const int64_t linear[] = { frames, s->rows, s->c_in, s->c_out };
    LT_TRY(lt_case_open(&b->x, NULL, s->size ? "conv" : "linear", s->size ? conv : linear,
                        s->size ? 6 : 4, &c));
    LT_TRY(lt_case_ready(&b->x, &c));
    LT_TRY(library_open(&l, &c, s, b->o.threads));
    LT_TRY(time_pair(b, &c, &l, rounds, t));
    snprintf(name, NAME, "%s,%s", lt_case_name(&c), c.shape);
cleanup:
    library_close(&l);
    lt_case_close(&b->x, &c);
    return st;
}

static void print_row(const lt_bench *b, int64_t frames, const char *name, const pair *t,
                      double price)
{
    printf("\"%s\",%s,%s,%s,%d,%s,%lld,%s,", b->machine, b->o.revision,
           lt_cpu_path_name(b->o.path), lt_dtype_name(b->o.compute), b->o.threads,
           b->o.cpu_clock ? "cpu" : "wall", (long long)frames, name);
    if (t)
        printf("%.4f,%.4f,%.3f\n", 1e3 * t->ours, 1e3 * t->library, price);
    else
        printf(",,%.3f\n", price);
    fflush(stdout);
}

static lt_status time_all(const lt_bench *b, int rounds)
{
    static const int64_t frames[] = { 16, 1 };
    const int n = (int)(sizeof(shapes) / sizeof(*shapes));
    lt_status st = LT_OK;
    printf("machine,revision,path,compute,threads,clock,frames,op,shape,ours_ms,"
           "library_ms,price\n");
    for (int f = 0; f < 2; f++) {
        double product = 1; /* of nine ratios near 1 */
        for (int i = 0; i < n; i++) {
            char name[NAME];
            pair t = { 0 };
            LT_TRY(time_shape(b, &shapes[i], frames[f], rounds, name, &t));
            product *= t.ours / t.library;
            print_row(b, frames[f], name, &t, t.ours / t.library - 1);
        }
        print_row(b, frames[f], "mean,geometric", NULL, pow(product, 1.0 / n) - 1);
    }
cleanup:
    return st;
}

int main(int argc, char **argv)
{
    lt_bench b = { 0 };
    lt_status st = LT_OK;
    const int rounds = argc > 2 ? atoi(argv[2]) : 5;
    lt_bench_options o = { .path = lt_cpu_path_best(),
                           .threads = argc > 1 ? atoi(argv[1]) : lt_threads_available(),
                           .revision = LT_REVISION };
    LT_TRY(lt_bench_clock(argc > 3 ? argv[3] : NULL, &o.cpu_clock));
    o.compute = lt_bench_compute(o.path);
    if (rounds < 1 || rounds > MAX_ROUNDS)
        LT_TRY(LT_FAIL(LT_ERR_USAGE, "ROUNDS is 1 to %d", MAX_ROUNDS));
    LT_TRY(lt_bench_open(&b, &o));
    LT_TRY(time_all(&b, rounds));
cleanup:
    if (st != LT_OK) fprintf(stderr, "bench_threading: %s\n", lt_error_message());
    lt_bench_close(&b);
    return lt_status_exit_code(st);
}
