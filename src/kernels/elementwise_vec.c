#include "kernels/vec.h"

/* Values have no neighbours here, so any cut gives the same bits. */
enum { TILE = 32768 };

typedef struct job {
    const lt_tensor *a, *b;
    lt_tensor *out;
    int64_t n;
    lt_act act;
    float alpha, beta;
} job;

static lt_status run(const lt_exec *x, const job *j, lt_tile_fn *fn)
{
    return lt_parallel_for(x->threads, (j->n + TILE - 1) / TILE, fn,
                           (void *)(uintptr_t)j);
}

static int64_t tile_end(const job *j, int64_t tile)
{
    return j->n - tile * TILE < TILE ? j->n : (tile + 1) * TILE;
}

LT_INLINE void unary(const job *j, int64_t i, int64_t end, lt_act act, lt_dtype t)
{
    const void *in = j->a->data;
    void *out = j->out->data;
    for (; i + VW <= end; i += VW) v_store(out, t, i, v_act(act, v_load(in, t, i)));
    if (i < end)
        v_store_part(out, t, i, end - i, v_act(act, v_load_part(in, t, i, end - i)));
}

static lt_status unary_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const int64_t i = tile * TILE, end = tile_end(j, tile);
    (void)worker;
    switch (j->act) {
    case LT_ACT_NONE:
        LT_WITH_DTYPE(j->a->dtype, T, unary(j, i, end, LT_ACT_NONE, T));
        break;
    case LT_ACT_SILU:
        LT_WITH_DTYPE(j->a->dtype, T, unary(j, i, end, LT_ACT_SILU, T));
        break;
    case LT_ACT_GELU:
        LT_WITH_DTYPE(j->a->dtype, T, unary(j, i, end, LT_ACT_GELU, T));
        break;
    case LT_ACT_QUICK_GELU:
        LT_WITH_DTYPE(j->a->dtype, T, unary(j, i, end, LT_ACT_QUICK_GELU, T));
        break;
    }
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_unary)(const lt_exec *x, lt_act act, const lt_tensor *in,
                                lt_tensor *out)
{
    const lt_status st = lt_same_check(in, out, "unary");
    if (st != LT_OK) return st;
    const job j = { .a = in, .out = out, .n = lt_tensor_count(in), .act = act };
    return run(x, &j, unary_tile);
}

LT_INLINE void add(const job *j, int64_t i, int64_t end, lt_dtype t)
{
    const void *a = j->a->data, *b = j->b->data;
    void *out = j->out->data;
    for (; i + VW <= end; i += VW) v_store(out, t, i, v_load(a, t, i) + v_load(b, t, i));
    if (i < end)
        v_store_part(out, t, i, end - i,
                     v_load_part(a, t, i, end - i) + v_load_part(b, t, i, end - i));
}

static lt_status add_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    (void)worker;
    LT_WITH_DTYPE(j->a->dtype, T, add(j, tile * TILE, tile_end(j, tile), T));
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_add)(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                              lt_tensor *out)
{
    lt_status st = lt_same_check(a, out, "add");
    if (st == LT_OK) st = lt_same_check(b, out, "add");
    if (st != LT_OK) return st;
    const job j = { .a = a, .b = b, .out = out, .n = lt_tensor_count(out) };
    return run(x, &j, add_tile);
}

/* No fused multiply-add: the header promises each product rounded. */
static lt_status axpby_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const vf alpha = v_set(j->alpha), beta = v_set(j->beta);
    const float *a = lt_f32(j->a), *b = lt_f32(j->b);
    float *out = lt_f32(j->out);
    const int64_t end = tile_end(j, tile);
    int64_t i = tile * TILE;
    (void)worker;
    for (; i + VW <= end; i += VW)
        v_store(out, LT_F32, i,
                alpha * v_load(a, LT_F32, i) + beta * v_load(b, LT_F32, i));
    for (; i < end; i++) out[i] = j->alpha * a[i] + j->beta * b[i];
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_axpby)(const lt_exec *x, float alpha, const lt_tensor *a,
                                float beta, const lt_tensor *b, lt_tensor *out)
{
    const lt_status st = lt_axpby_check(a, b, out);
    if (st != LT_OK) return st;
    const job j = { a, b, out, lt_tensor_count(out), LT_ACT_NONE, alpha, beta };
    return run(x, &j, axpby_tile);
}

LT_INLINE void convert(const job *j, int64_t i, int64_t end, lt_dtype from, lt_dtype to)
{
    const void *in = j->a->data;
    void *out = j->out->data;
    for (; i + VW <= end; i += VW) v_store(out, to, i, v_load(in, from, i));
    if (i < end) v_store_part(out, to, i, end - i, v_load_part(in, from, i, end - i));
}

static lt_status convert_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const int64_t i = tile * TILE, end = tile_end(j, tile);
    (void)worker;
    LT_WITH_DTYPE(j->a->dtype, FROM,
                  LT_WITH_DTYPE(j->out->dtype, TO, convert(j, i, end, FROM, TO)));
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_convert)(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    const lt_status st = lt_convert_check(in, out);
    if (st != LT_OK) return st;
    if (in->dtype == out->dtype) return lt_tensor_copy(out, in, NULL);
    const job j = { .a = in, .out = out, .n = lt_tensor_count(in) };
    return run(x, &j, convert_tile);
}

/* One row: n values, then n gates. */
LT_INLINE void geglu_row(const void *in, void *out, int64_t at, int64_t to, int64_t n,
                         lt_dtype t)
{
    int64_t i = 0;
    for (; i + VW <= n; i += VW)
        v_store(out, t, to + i,
                v_load(in, t, at + i) * v_gelu(v_load(in, t, at + n + i)));
    if (i < n)
        v_store_part(out, t, to + i, n - i,
                     v_load_part(in, t, at + i, n - i) *
                         v_gelu(v_load_part(in, t, at + n + i, n - i)));
}

static int64_t rows_of_tile(int64_t c) { return c < TILE ? TILE / c : 1; }

static lt_status geglu_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const int64_t c = lt_cols(j->out), step = rows_of_tile(c), first = tile * step;
    const int64_t end = j->n - first < step ? j->n : first + step;
    (void)worker;
    for (int64_t r = first; r < end; r++)
        LT_WITH_DTYPE(j->a->dtype, T,
                      geglu_row(j->a->data, j->out->data, r * 2 * c, r * c, c, T));
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_geglu)(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    const lt_status st = lt_geglu_check(in, out);
    if (st != LT_OK || lt_tensor_count(out) == 0) return st;
    job j = { .a = in, .out = out, .n = lt_rows(out) };
    const int64_t step = rows_of_tile(lt_cols(out));
    return lt_parallel_for(x->threads, (j.n + step - 1) / step, geglu_tile, &j);
}
