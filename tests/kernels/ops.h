#ifndef LT_TESTS_KERNELS_OPS_H
#define LT_TESTS_KERNELS_OPS_H

#include <string.h>

#include "check.h"
#include "kernels/kernels.h"

/* What the tests of the operations share: tensors with a guard behind them, filled the
 * same way in every dtype, and the two comparisons (with the reference, and of bits). */

enum { GUARD = 64, MAX_TABLES = 16, MAX_THREADS = 3 };

typedef struct bench_room {
    lt_pool *pool;
    lt_threads *threads[MAX_THREADS + 1]; /* [n]: a pool of n workers; [1] is NULL */
    const lt_kernels *ref;
    const lt_kernels *tables[MAX_TABLES]; /* without the reference */
    int n_tables;
} bench_room;

/* With a path as argument: hold oneDNN to it and test its tables only. Leaves with the
 * skip code where the CPU lacks it. */
static inline bench_room room_open(int argc, char **argv)
{
    bench_room r = { 0 };
    const lt_kernels *all[MAX_TABLES];
    const int n = lt_kernels_list(all, MAX_TABLES);
    lt_cpu_path path = LT_PATH_REF;
    if (argc > 1) {
        CHECK(lt_cpu_path_parse(argv[1], &path) == LT_OK);
        if (!lt_cpu_path_supported(path)) exit(TEST_SKIP);
        CHECK(lt_kernels_limit_isa(path) == LT_OK);
    }
    r.ref = all[0];
    for (int i = 1; i < n; i++)
        if (argc < 2 || all[i]->path == path) r.tables[r.n_tables++] = all[i];
    if (r.n_tables == 0) exit(TEST_SKIP);
    CHECK(lt_pool_open(&r.pool, LT_HOST, "test", 0) == LT_OK);
    for (int t = 2; t <= MAX_THREADS; t++)
        CHECK(lt_kernels_threads_open(t, &r.threads[t]) == LT_OK);
    return r;
}

static inline void room_close(bench_room *r)
{
    for (int t = 2; t <= MAX_THREADS; t++) lt_threads_close(r->threads[t]);
    CHECK(lt_pool_used(r->pool) == 0);
    lt_pool_close(&r->pool);
}

static inline lt_exec exec_of(const bench_room *r, const lt_kernels *k, int n_threads)
{
    return (lt_exec){ .k = k, .threads = r->threads[n_threads], .pool = r->pool };
}

/* A tensor whose block is GUARD bytes longer; every byte starts as 0xa5, which is a
 * huge value in each float dtype: an output that is not written is noticed. */
static inline lt_tensor guarded(const bench_room *r, lt_dtype dtype, int ndim,
                                const int64_t *shape)
{
    int64_t count = 1;
    for (int i = 0; i < ndim; i++) count *= shape[i];
    const int64_t bytes = count * (int64_t)lt_dtype_size(dtype);
    lt_tensor t;
    CHECK(LT_TENSOR_NEW(&t, r->pool, LT_U8, bytes + GUARD) == LT_OK);
    memset(t.data, 0xa5, (size_t)(bytes + GUARD));
    t.dtype = dtype;
    t.ndim = ndim;
    for (int i = 0; i < LT_MAX_DIMS; i++) t.shape[i] = i < ndim ? shape[i] : 1;
    return t;
}
#define GUARDED(room, dtype, ...)                                           \
    guarded((room), (dtype), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), \
            (int64_t[]){ __VA_ARGS__ })

static inline void check_guard(const lt_tensor *t)
{
    const unsigned char *end = (const unsigned char *)t->data + lt_tensor_bytes(t);
    for (int i = 0; i < GUARD; i++) CHECK(end[i] == 0xa5);
}

static inline float value_of(const lt_tensor *t, int64_t i)
{
    if (t->dtype == LT_F32) return lt_f32(t)[i];
    return t->dtype == LT_BF16 ? lt_f32_from_bf16(lt_u16(t)[i])
                               : lt_f32_from_f16(lt_u16(t)[i]);
}

/* Random values in [-scale, scale), rounded to `round`, so that tensors of two dtypes
 * hold the same numbers. */
static inline void fill(lt_tensor *t, lt_dtype round, float scale, uint64_t seed)
{
    for (int64_t i = 0; i < lt_tensor_count(t); i++) {
        float v = check_randf(&seed) * scale;
        if (round == LT_BF16) v = lt_f32_from_bf16(lt_bf16_from_f32(v));
        if (round == LT_F16) v = lt_f32_from_f16(lt_f16_from_f32(v));
        if (t->dtype == LT_F32)
            lt_f32(t)[i] = v;
        else
            lt_u16(t)[i] = t->dtype == LT_BF16 ? lt_bf16_from_f32(v) : lt_f16_from_f32(v);
    }
}
static inline lt_tensor filled(const bench_room *r, lt_dtype dtype, lt_dtype round,
                               uint64_t seed, int ndim, const int64_t *shape)
{
    lt_tensor t = guarded(r, dtype, ndim, shape);
    fill(&t, round, 1.0f, seed);
    return t;
}
#define FILLED(room, dtype, round, seed, ...) \
    filled((room), (dtype), (round), (seed),  \
           (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), (int64_t[]){ __VA_ARGS__ })

/* max|a - b| <= tol * max|b|, a NaN or infinity in one of them only fails. */
static inline void check_near(const lt_tensor *a, const lt_tensor *b, float tol,
                              const char *what, const char *table)
{
    const int64_t n = lt_tensor_count(b);
    CHECK(lt_tensor_count(a) == n);
    float top = 0, worst = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const float x = value_of(a, i), y = value_of(b, i);
        if (isnan(y) || isinf(y)) {
            CHECK(isnan(y) ? isnan(x) : x == y);
            continue;
        }
        if (fabsf(y) > top) top = fabsf(y);
        if (!(fabsf(x - y) <= worst)) worst = fabsf(x - y), at = i;
    }
    if (worst <= tol * top || (worst == 0 && top == 0)) return;
    fprintf(stderr, "FAIL %s, table %s: off by %g of %g at %lld: %g, not %g\n", what,
            table, worst, top, (long long)at, value_of(a, at), value_of(b, at));
    exit(1);
}

static inline void check_bits(const void *a, const void *b, size_t bytes,
                              const char *what, const char *table, int n_threads)
{
    if (memcmp(a, b, bytes) == 0) return;
    fprintf(stderr, "FAIL %s, table %s: other bits with %d threads or another batch\n",
            what, table, n_threads);
    exit(1);
}

/* An operation on samples [first, first + count) of its problem; out has the rows of
 * those samples only. */
typedef lt_status sample_fn(const lt_exec *x, const void *problem, int64_t first,
                            int64_t count, lt_tensor *out);

/* `all` holds the result for n samples on one thread: compare with 2 and 3 threads, and
 * with each sample alone. out is a tensor like all. */
static inline void check_same_bits(const bench_room *r, const lt_kernels *k,
                                   sample_fn *fn, const void *problem,
                                   const lt_tensor *all, const char *what)
{
    const int64_t n = all->shape[0];
    const size_t bytes = lt_tensor_bytes(all);
    for (int t = 1; t <= MAX_THREADS; t++) {
        const lt_exec x = exec_of(r, k, t);
        lt_tensor out = guarded(r, all->dtype, all->ndim, all->shape);
        CHECK(fn(&x, problem, 0, n, &out) == LT_OK);
        check_bits(out.data, all->data, bytes, what, k->name, t);
        check_guard(&out);
        for (int64_t i = 0; i < n; i++) {
            const size_t each = bytes / (size_t)n;
            lt_tensor one = lt_tensor_rows(&out, i, 1);
            memset(one.data, 0xa5, each);
            CHECK(fn(&x, problem, i, 1, &one) == LT_OK);
            check_bits(one.data, (char *)all->data + (size_t)i * each, each, what,
                       k->name, t);
            lt_tensor_free(&one);
        }
        lt_tensor_free(&out);
    }
}

static inline float tol_of(const lt_kernels *k, float f32, float bf16)
{
    return k->compute == LT_F32 ? f32 : bf16;
}

#endif
