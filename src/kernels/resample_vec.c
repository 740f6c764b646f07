#include <string.h>

#include "kernels/vec.h"

/* Plain copies and a weighted mean of four: no value has neighbours in the result, so
 * any cut gives the same bits. */
enum { TILE = 65536 };

typedef struct job {
    const lt_tensor *a, *b;
    lt_tensor *out;
    int64_t rows, step; /* of the output; rows of a tile */
} job;

static lt_status run(const lt_exec *x, job *j, int64_t row_values, lt_tile_fn *fn)
{
    j->step = row_values < TILE ? TILE / row_values : 1;
    return lt_parallel_for(x->threads, (j->rows + j->step - 1) / j->step, fn, j);
}

static int64_t tile_end(const job *j, int64_t tile)
{
    const int64_t first = tile * j->step;
    return j->rows - first < j->step ? j->rows : first + j->step;
}

static lt_status concat_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const size_t size = lt_dtype_size(j->out->dtype);
    const size_t na = (size_t)lt_cols(j->a) * size, nb = (size_t)lt_cols(j->b) * size;
    (void)worker;
    for (int64_t r = tile * j->step; r < tile_end(j, tile); r++) {
        char *to = (char *)j->out->data + (size_t)r * (na + nb);
        if (na) memcpy(to, (const char *)j->a->data + (size_t)r * na, na);
        if (nb) memcpy(to + na, (const char *)j->b->data + (size_t)r * nb, nb);
    }
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_concat)(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                                 lt_tensor *out)
{
    const lt_status st = lt_concat_check(a, b, out);
    if (st != LT_OK || lt_tensor_count(out) == 0) return st;
    job j = { .a = a, .b = b, .out = out, .rows = lt_rows(out) };
    return run(x, &j, lt_cols(out), concat_tile);
}

/* Output row r of all samples' rows. Equal source rows are copied from the row above. */
static lt_status upsample_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const int64_t h = j->a->shape[1], w = j->a->shape[2];
    const int64_t oh = j->out->shape[1], ow = j->out->shape[2];
    const size_t pixel = (size_t)j->a->shape[3] * lt_dtype_size(j->a->dtype);
    int64_t above = -1;
    (void)worker;
    for (int64_t r = tile * j->step; r < tile_end(j, tile); r++) {
        const int64_t from = r / oh * h + r % oh * h / oh;
        char *to = (char *)j->out->data + (size_t)(r * ow) * pixel;
        const char *row = (const char *)j->a->data + (size_t)(from * w) * pixel;
        if (from == above) {
            memcpy(to, to - (size_t)ow * pixel, (size_t)ow * pixel);
            continue;
        }
        above = from;
        for (int64_t i = 0; i < ow; i++)
            memcpy(to + (size_t)i * pixel, row + (size_t)(i * w / ow) * pixel, pixel);
    }
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_upsample)(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    const lt_status st = lt_resize_check(in, out, "upsample");
    if (st != LT_OK || lt_tensor_count(out) == 0) return st;
    job j = { .a = in, .out = out, .rows = out->shape[0] * out->shape[1] };
    return run(x, &j, out->shape[2] * out->shape[3], upsample_tile);
}

typedef struct tap {
    int64_t lo, hi; /* source rows or columns */
    float frac;     /* weight of hi */
} tap;

static tap tap_at(int64_t i, int64_t n_in, int64_t n_out)
{
    double s = ((double)i + 0.5) * (double)n_in / (double)n_out - 0.5;
    if (s < 0) s = 0;
    const int64_t lo = (int64_t)s;
    return (tap){ lo, lo + 1 < n_in ? lo + 1 : lo, (float)(s - (double)lo) };
}

LT_INLINE vf mix(vf a, vf b, vf frac) { return v_fma(frac, b - a, a); }

/* One output pixel from four source pixels, given by their first values. */
LT_INLINE void blend(const void *in, void *out, lt_dtype t, const int64_t at[4],
                     int64_t to, int64_t c, float fx, float fy)
{
    const vf vx = v_set(fx), vy = v_set(fy);
    int64_t i = 0;
    for (; i + VW <= c; i += VW)
        v_store(out, t, to + i,
                mix(mix(v_load(in, t, at[0] + i), v_load(in, t, at[1] + i), vx),
                    mix(v_load(in, t, at[2] + i), v_load(in, t, at[3] + i), vx), vy));
    if (i < c) {
        vf v[4];
        for (int k = 0; k < 4; k++) v[k] = v_load_part(in, t, at[k] + i, c - i);
        v_store_part(out, t, to + i, c - i,
                     mix(mix(v[0], v[1], vx), mix(v[2], v[3], vx), vy));
    }
}

static lt_status bilinear_tile(void *arg, int64_t tile, int worker)
{
    const job *j = arg;
    const int64_t h = j->a->shape[1], w = j->a->shape[2], c = j->a->shape[3];
    const int64_t oh = j->out->shape[1], ow = j->out->shape[2];
    (void)worker;
    for (int64_t r = tile * j->step; r < tile_end(j, tile); r++) {
        const tap ty = tap_at(r % oh, h, oh);
        const int64_t lo = (r / oh * h + ty.lo) * w, hi = (r / oh * h + ty.hi) * w;
        for (int64_t i = 0; i < ow; i++) {
            const tap tx = tap_at(i, w, ow);
            const int64_t at[4] = { (lo + tx.lo) * c, (lo + tx.hi) * c, (hi + tx.lo) * c,
                                    (hi + tx.hi) * c };
            LT_WITH_DTYPE(j->a->dtype, T,
                          blend(j->a->data, j->out->data, T, at, (r * ow + i) * c, c,
                                tx.frac, ty.frac));
        }
    }
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_bilinear)(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    const lt_status st = lt_resize_check(in, out, "bilinear");
    if (st != LT_OK || lt_tensor_count(out) == 0) return st;
    job j = { .a = in, .out = out, .rows = out->shape[0] * out->shape[1] };
    return run(x, &j, out->shape[2] * out->shape[3], bilinear_tile);
}
