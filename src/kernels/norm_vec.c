#include <math.h>
#include <string.h>

#include "kernels/vec.h"

LT_INLINE vf add_term(vf sum, vf x, int square)
{
    if (square) return v_fma(x, x, sum);
    return sum + x;
}

/* ---- group norm ------------------------------------------------------------------
 *
 * The pixels of a sample are cut into chunks (by the sample's shape only). Pass one
 * gives mean and sum of squared distances of each channel in each chunk; so no variance
 * drowns in a large mean. They are joined in double, in order. Pass two writes. A sample
 * of one chunk does both while it lies in the cache. */

enum { CHUNK = 32768 }; /* values */

typedef struct group_job {
    const lt_group_norm_args *a;
    int64_t c, pixels, chunk, n_chunks; /* of one sample */
    float *parts; /* [n][n_chunks][2][c]: mean, sum of (x - mean)^2 */
    float *norm;  /* [n][2][c]: mean and scale of each channel's group */
} group_job;

/* Channels are taken WIDE vectors at a time, the last ones singly. */
enum { WIDE = 4 };

/* Add (x - mean) or its square of one row to nv sums; `part` of a vector when nv is 1
 * and that is below VW. */
LT_INLINE void add_row(const void *in, lt_dtype t, int64_t at, int nv, int64_t part,
                       const vf *mean, int square, vf *sum)
{
    const int whole = nv > 1 || part >= VW;
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        const vf y = whole ? v_load(in, t, at + v * VW) : v_load_part(in, t, at, part);
        sum[v] = add_term(sum[v], y - mean[v], square);
    }
}

/* The sums over all rows; a second chain a vector hides the latency. */
LT_INLINE void sum_rows(const void *in, lt_dtype t, int64_t at, int64_t rows, int64_t c,
                        int nv, int64_t part, const vf *mean, int square, vf *sum)
{
    vf odd[WIDE];
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) sum[v] = odd[v] = v_set(0);
    for (int64_t r = 0; r + 2 <= rows; r += 2) {
        add_row(in, t, at + r * c, nv, part, mean, square, sum);
        add_row(in, t, at + (r + 1) * c, nv, part, mean, square, odd);
    }
    if (rows & 1) add_row(in, t, at + (rows - 1) * c, nv, part, mean, square, sum);
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) sum[v] += odd[v];
}

/* Their columns of the chunk stay in the first cache between the two passes. */
LT_INLINE void measure_channels(const void *in, lt_dtype t, int64_t at, int64_t rows,
                                int64_t c, int nv, int64_t part, float *mean,
                                float *squares)
{
    vf m[WIDE], q[WIDE], zero[WIDE];
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) zero[v] = v_set(0);
    sum_rows(in, t, at, rows, c, nv, part, zero, 0, m);
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) m[v] /= v_set((float)rows);
    sum_rows(in, t, at, rows, c, nv, part, m, 1, q);
#pragma GCC unroll 4
    for (int v = 0; v < nv; v++) {
        if (nv > 1 || part >= VW) {
            v_store(mean, LT_F32, v * VW, m[v]);
            v_store(squares, LT_F32, v * VW, q[v]);
        } else {
            v_store_part(mean, LT_F32, 0, part, m[v]);
            v_store_part(squares, LT_F32, 0, part, q[v]);
        }
    }
}

LT_INLINE void measure_rows(const void *in, lt_dtype t, int64_t at, int64_t rows,
                            int64_t c, float *mean)
{
    int64_t i = 0;
    for (; i + WIDE * VW <= c; i += WIDE * VW)
        measure_channels(in, t, at + i, rows, c, WIDE, VW, mean + i, mean + c + i);
    for (; i < c; i += VW)
        measure_channels(in, t, at + i, rows, c, 1, c - i, mean + i, mean + c + i);
}

static int64_t chunk_rows(const group_job *j, int64_t chunk)
{
    const int64_t left = j->pixels - chunk * j->chunk;
    return left < j->chunk ? left : j->chunk;
}

static void measure_chunk(const group_job *j, int64_t n, int64_t chunk)
{
    const int64_t c = j->c, at = (n * j->pixels + chunk * j->chunk) * c;
    const int64_t rows = chunk_rows(j, chunk);
    float *mean = j->parts + (n * j->n_chunks + chunk) * 2 * c;
    LT_WITH_DTYPE(j->a->in->dtype, T, measure_rows(j->a->in->data, T, at, rows, c, mean));
}

/* Mean and scale of group g of sample n, from the parts of its channels. */
static void finish_group(const group_job *j, int64_t n, int64_t g)
{
    const int64_t c = j->c, nc = c / j->a->groups, c0 = g * nc;
    const float *parts = j->parts + n * j->n_chunks * 2 * c;
    const double count = (double)j->pixels * (double)nc;
    double mean = 0, squares = 0;
    for (int64_t k = 0; k < j->n_chunks; k++)
        for (int64_t i = c0; i < c0 + nc; i++)
            mean += (double)chunk_rows(j, k) * parts[k * 2 * c + i];
    mean /= count;
    for (int64_t k = 0; k < j->n_chunks; k++) {
        for (int64_t i = c0; i < c0 + nc; i++) {
            const double off = parts[k * 2 * c + i] - mean;
            squares += parts[(k * 2 + 1) * c + i] + (double)chunk_rows(j, k) * off * off;
        }
    }
    float *norm = j->norm + n * 2 * c;
    for (int64_t i = c0; i < c0 + nc; i++) {
        norm[i] = (float)mean;
        norm[c + i] = (float)(1.0 / sqrt(squares / count + j->a->eps));
    }
}

LT_INLINE vf normalise(vf x, const float *mean, const float *scale, const float *gamma,
                       const float *beta, int64_t i, int64_t part, int silu)
{
    vf m, s, g, b;
    if (part >= VW) {
        m = v_load(mean, LT_F32, i), s = v_load(scale, LT_F32, i);
        g = v_load(gamma, LT_F32, i), b = v_load(beta, LT_F32, i);
    } else {
        m = v_load_part(mean, LT_F32, i, part), s = v_load_part(scale, LT_F32, i, part);
        g = v_load_part(gamma, LT_F32, i, part), b = v_load_part(beta, LT_F32, i, part);
    }
    const vf y = v_fma((x - m) * s, g, b);
    return silu ? v_silu(y) : y;
}

LT_INLINE void write_rows(const group_job *j, int64_t n, int64_t at, int64_t rows,
                          lt_dtype t, int silu)
{
    const int64_t c = j->c;
    const float *mean = j->norm + n * 2 * c, *scale = mean + c;
    const float *gamma = lt_f32(j->a->gamma), *beta = lt_f32(j->a->beta);
    const void *in = j->a->in->data;
    void *out = j->a->out->data;
    for (int64_t r = 0; r < rows; r++, at += c) {
        int64_t i = 0;
        for (; i + VW <= c; i += VW)
            v_store(
                out, t, at + i,
                normalise(v_load(in, t, at + i), mean, scale, gamma, beta, i, VW, silu));
        if (i < c)
            v_store_part(out, t, at + i, c - i,
                         normalise(v_load_part(in, t, at + i, c - i), mean, scale, gamma,
                                   beta, i, c - i, silu));
    }
}

static void write_chunk(const group_job *j, int64_t n, int64_t chunk)
{
    const int64_t at = (n * j->pixels + chunk * j->chunk) * j->c;
    const int64_t rows = chunk_rows(j, chunk);
    if (j->a->silu)
        LT_WITH_DTYPE(j->a->in->dtype, T, write_rows(j, n, at, rows, T, 1));
    else
        LT_WITH_DTYPE(j->a->in->dtype, T, write_rows(j, n, at, rows, T, 0));
}

static lt_status measure_tile(void *arg, int64_t tile, int worker)
{
    const group_job *j = arg;
    (void)worker;
    measure_chunk(j, tile / j->n_chunks, tile % j->n_chunks);
    return LT_OK;
}

static lt_status finish_tile(void *arg, int64_t tile, int worker)
{
    const group_job *j = arg;
    (void)worker;
    finish_group(j, tile / j->a->groups, tile % j->a->groups);
    return LT_OK;
}

static lt_status write_tile(void *arg, int64_t tile, int worker)
{
    const group_job *j = arg;
    (void)worker;
    write_chunk(j, tile / j->n_chunks, tile % j->n_chunks);
    return LT_OK;
}

static lt_status sample_tile(void *arg, int64_t tile, int worker)
{
    const group_job *j = arg;
    (void)worker;
    measure_chunk(j, tile, 0);
    for (int64_t g = 0; g < j->a->groups; g++) finish_group(j, tile, g);
    write_chunk(j, tile, 0);
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_group_norm)(const lt_exec *x, const lt_group_norm_args *a)
{
    lt_status st = lt_group_norm_check(a);
    if (st != LT_OK || lt_tensor_count(a->in) == 0) return st;
    const int64_t c = lt_cols(a->in), n = a->in->shape[0], pixels = lt_rows(a->in) / n;
    const int64_t chunk = c < CHUNK ? CHUNK / c : 1,
                  n_chunks = (pixels + chunk - 1) / chunk;
    lt_tensor parts = { 0 }, norm = { 0 };
    LT_TRY(LT_TENSOR_NEW(&parts, x->pool, LT_F32, n, n_chunks, 2, c));
    LT_TRY(LT_TENSOR_NEW(&norm, x->pool, LT_F32, n, 2, c));
    group_job j = { a, c, pixels, chunk, n_chunks, lt_f32(&parts), lt_f32(&norm) };
    if (n_chunks == 1) {
        LT_TRY(lt_parallel_for(x->threads, n, sample_tile, &j));
    } else {
        LT_TRY(lt_parallel_for(x->threads, n * n_chunks, measure_tile, &j));
        LT_TRY(lt_parallel_for(x->threads, n * a->groups, finish_tile, &j));
        LT_TRY(lt_parallel_for(x->threads, n * n_chunks, write_tile, &j));
    }
cleanup:
    lt_tensor_free(&norm);
    lt_tensor_free(&parts);
    return st;
}

/* ---- layer norm ------------------------------------------------------------------ */

enum { ROW_VALUES = 32768 }; /* of one tile */

/* Sum of (x - mean), or of its square, of one row. */
LT_INLINE float row_sum(const void *in, lt_dtype t, int64_t at, int64_t c, float mean,
                        int square)
{
    const vf m = v_set(mean);
    vf s0 = v_set(0), s1 = v_set(0);
    int64_t i = 0;
    for (; i + 2 * VW <= c; i += 2 * VW) {
        s0 = add_term(s0, v_load(in, t, at + i) - m, square);
        s1 = add_term(s1, v_load(in, t, at + i + VW) - m, square);
    }
    if (i + VW <= c) {
        s0 = add_term(s0, v_load(in, t, at + i) - m, square);
        i += VW;
    }
    if (i < c) {
        const vf x = v_first(v_load_part(in, t, at + i, c - i) - m, c - i);
        s1 = add_term(s1, x, square);
    }
    return v_sum(s0 + s1);
}

LT_INLINE void layer_row(const lt_layer_norm_args *a, int64_t at, int64_t c, lt_dtype t)
{
    const void *in = a->in->data;
    void *out = a->out->data;
    const float mean = row_sum(in, t, at, c, 0, 0) / (float)c;
    const float variance = row_sum(in, t, at, c, mean, 1) / (float)c;
    const float *gamma = lt_f32(a->gamma), *beta = lt_f32(a->beta);
    const vf m = v_set(mean), s = v_set((float)(1.0 / sqrt((double)variance + a->eps)));
    int64_t i = 0;
    for (; i + VW <= c; i += VW) {
        const vf y = (v_load(in, t, at + i) - m) * s;
        v_store(out, t, at + i,
                v_fma(y, v_load(gamma, LT_F32, i), v_load(beta, LT_F32, i)));
    }
    if (i < c) {
        const vf y = (v_load_part(in, t, at + i, c - i) - m) * s;
        v_store_part(out, t, at + i, c - i,
                     v_fma(y, v_load_part(gamma, LT_F32, i, c - i),
                           v_load_part(beta, LT_F32, i, c - i)));
    }
}

static int64_t layer_rows(int64_t c) { return c < ROW_VALUES ? ROW_VALUES / c : 1; }

static lt_status layer_tile(void *arg, int64_t tile, int worker)
{
    const lt_layer_norm_args *a = arg;
    const int64_t c = lt_cols(a->in), rows = lt_rows(a->in), step = layer_rows(c);
    const int64_t end = rows - tile * step < step ? rows : (tile + 1) * step;
    (void)worker;
    for (int64_t r = tile * step; r < end; r++)
        LT_WITH_DTYPE(a->in->dtype, T, layer_row(a, r * c, c, T));
    return LT_OK;
}

lt_status LT_VEC_NAME(lt_layer_norm)(const lt_exec *x, const lt_layer_norm_args *a)
{
    const lt_status st = lt_layer_norm_check(a);
    if (st != LT_OK || lt_tensor_count(a->in) == 0) return st;
    const int64_t step = layer_rows(lt_cols(a->in));
    return lt_parallel_for(x->threads, (lt_rows(a->in) + step - 1) / step, layer_tile,
                           (void *)(uintptr_t)a);
}
