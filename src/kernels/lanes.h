#ifndef LT_KERNELS_LANES_H
#define LT_KERNELS_LANES_H

#include <float.h>

#include "kernels/attention_flash.h"
#include "kernels/vec.h"

/* Attention and best_match with a query, a row, in every lane of a vector. Keys and
 * values are broadcast from where they lie, so that they need no transposing, head_dim
 * needs no padding and rows keep maxima and sums of their own without a horizontal step.
 * Included by the files of the paths avx2_f32, avx512_f32 and, with LT_LANES_BF16,
 * avx512_bf16; all loops are the same, only a cell differs: an f32, or two bf16 that one
 * vdpbf16ps multiplies and adds.
 *
 * The rows of a tile are cut into groups of nv = 1 .. 3 vectors (next_group); packed
 *   q      per group [dk][nv][VW]             cells of channels
 *   k      [keys][dk]                         cells of channels
 *   v      [dv / LT_TIED][keys][LT_TIED]      cells of keys
 *   scores [keys][nv][VW]                     f32; as weights: cells of keys
 *   sums   per group [dv][nv][VW]             f32
 * LT_TIED keys, then channels, times 3 vectors are the sums that fill the registers:
 * 24 of 32, or 12 of 16. */

#ifndef LT_UNROLL
#define LT_UNROLL _Pragma("GCC unroll 32")
#endif

#ifdef __AVX512F__
#include "kernels/avx512.h"
enum { LT_TIED = 8 };

LT_INLINE vf v_fms(vf a, vf b, vf c) { return _mm512_fmsub_ps(a, b, c); }
/* b where x is NaN */
LT_INLINE vf v_max(vf x, vf b) { return _mm512_max_ps(x, b); }
/* x in the lanes [0, n), y in the others */
LT_INLINE vf v_join(vf x, vf y, int64_t n)
{
    return _mm512_mask_blend_ps(lanes_below(0, n), y, x);
}
LT_INLINE void v_store_halves(float *low, float *high, vf x)
{
    _mm256_store_ps(low, _mm512_castps512_ps256(x));
    _mm256_store_ps(high, _mm512_extractf32x8_ps(x, 1));
}
LT_INLINE void v_transpose(vf *x) { transpose16((__m512i *)x); }

/* Where x is above top, take it and its number. */
LT_INLINE void v_keep_best(vf x, int32_t number, vf *top, vf *where)
{
    const __mmask16 m = _mm512_cmp_ps_mask(x, *top, _CMP_GT_OQ);
    *top = _mm512_mask_mov_ps(*top, m, x);
    *where = (vf)_mm512_mask_mov_epi32((__m512i)*where, m, _mm512_set1_epi32(number));
}

/* 2^x for x <= 0, -inf and NaN. Relative error 1.5e-7, or 1e-4 where a bf16 follows; 2^0
 * is 1. The coefficients are fitted for the least relative error. */
LT_INLINE vf v_exp2(vf x, int fine)
{
    const vf f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    vf p;
    if (fine) {
        p = v_fma(v_set(1.86713005e-3f), f, v_set(9.01703071e-3f));
        p = v_fma(p, f, v_set(5.57999127e-2f));
        p = v_fma(p, f, v_set(0.240164444f));
        p = v_fma(p, f, v_set(0.693151295f));
    } else {
        p = v_fma(v_set(7.70670399e-2f), f, v_set(0.227644995f));
        p = v_fma(p, f, v_set(0.695116758f));
    }
    return _mm512_scalef_ps(v_fma(p, f, v_set(1.0f)), x); /* takes the floor of x */
}

#else
enum { LT_TIED = 4 };

LT_INLINE vf v_fms(vf a, vf b, vf c) { return _mm256_fmsub_ps(a, b, c); }
LT_INLINE vf v_max(vf x, vf b) { return _mm256_max_ps(x, b); }
LT_INLINE vf v_join(vf x, vf y, int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int bound = n > VW ? VW : n < 0 ? 0 : (int)n;
    const __m256i m = _mm256_cmpgt_epi32(_mm256_set1_epi32(bound), lane);
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(m));
}
LT_INLINE void v_store_halves(float *low, float *high, vf x)
{
    _mm_store_ps(low, _mm256_castps256_ps128(x));
    _mm_store_ps(high, _mm256_extractf128_ps(x, 1));
}
LT_INLINE void v_transpose(vf *x)
{
    vf y[8];
    LT_UNROLL
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    LT_UNROLL
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
            x[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
        }
    LT_UNROLL
    for (int j = 0; j < 4; j++) {
        y[j] = _mm256_permute2f128_ps(x[j], x[4 + j], 0x20);
        y[4 + j] = _mm256_permute2f128_ps(x[j], x[4 + j], 0x31);
    }
    LT_UNROLL
    for (int j = 0; j < 8; j++) x[j] = y[j];
}

LT_INLINE void v_keep_best(vf x, int32_t number, vf *top, vf *where)
{
    const vf m = _mm256_cmp_ps(x, *top, _CMP_GT_OQ);
    *top = _mm256_blendv_ps(*top, x, m);
    *where = _mm256_blendv_ps(*where, (vf)_mm256_set1_epi32(number), m);
}

/* 2^x for x <= 0, -inf and NaN; below 2^-126 it stays there, which is nothing beside the
 * 1 of the largest. Relative error 1.6e-7; 2^0 is 1. */
LT_INLINE vf v_exp2(vf x, int fine)
{
    (void)fine;
    x = v_at_least(x, -126.0f);
    const vf magic = v_set(12582912.0f); /* its low bits hold the whole part */
    const vf z = x + magic, f = x - (z - magic);
    vf p = v_fma(v_set(1.32647273e-3f), f, v_set(9.67151299e-3f));
    p = v_fma(p, f, v_set(5.55073358e-2f));
    p = v_fma(p, f, v_set(0.240222424f));
    p = v_fma(p, f, v_set(0.693147004f));
    p = v_fma(p, f, v_set(1.0f));
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(z), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n));
}
#endif

#ifdef LT_LANES_BF16
#include "kernels/bf16_avx512.h"
enum { LT_PER_CELL = 2, LT_FINE = 0 };
/* sum + x . b in every lane */
LT_INLINE vf v_dot(vf sum, vf x, vf b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)b);
}
/* Two weights in a cell, rounded to bf16 (halves up: they are not negative). */
LT_INLINE vf pair_bf16(vf low, vf high)
{
    const __m512i half = _mm512_set1_epi32(0x8000);
    const __m512i a = _mm512_add_epi32((__m512i)low, half),
                  b = _mm512_add_epi32((__m512i)high, half);
    return (vf)_mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(a, 16), b);
}
#else
enum { LT_PER_CELL = 1, LT_FINE = 1 };
LT_INLINE vf v_dot(vf sum, vf x, vf b) { return v_fma(x, b, sum); }
#endif

enum { LT_LANES_KEYS = 96 }; /* of a block */

typedef float __attribute__((may_alias)) cell; /* the bits of an f32 or of two bf16 */

LT_INLINE vf load_cells(const cell *x) { return v_load((const float *)x, LT_F32, 0); }
LT_INLINE void store_cells(cell *to, vf x) { v_store((float *)to, LT_F32, 0, x); }

/* Vectors of the next group when `rows` are left: 3 at a time, but 4 as 2 + 2, since one
 * vector alone would wait for its own sums. */
LT_INLINE int next_group(int rows)
{
    const int left = (rows + VW - 1) / VW;
    return left == 4 ? 2 : left > 3 ? 3 : left;
}

LT_INLINE int up_to(int n, int unit) { return (n + unit - 1) / unit * unit; }

/* ---- packing ----------------------------------------------------------------------- */

#ifdef LT_LANES_BF16
enum { LT_PIECE = 2 * VW }; /* channels that load_piece takes */
/* The cells of channels [c, c + LT_PIECE) of a row; zeros from d on. */
LT_INLINE vf load_piece(const lt_flash_rows *src, int64_t j, int64_t c)
{
    return (vf)load32_bf16(lt_flash_row(src, j), src->bf16, c, src->d);
}
LT_INLINE vf v_flip(vf x, float sign)
{
    return (vf)_mm512_xor_si512((__m512i)x,
                                _mm512_set1_epi16(sign < 0 ? (short)0x8000 : 0));
}
/* The cells of keys j and j + 1, channels [c, c + VW); zeros behind the last row. */
LT_INLINE vf load_pair(const lt_flash_rows *src, int j, int64_t c)
{
    const __m256i even = load16_bf16(lt_flash_row(src, j), src->bf16, c, src->d);
    const __m256i odd = j + 1 < src->n
                            ? load16_bf16(lt_flash_row(src, j + 1), src->bf16, c, src->d)
                            : _mm256_setzero_si256();
    return (vf)_mm512_or_si512(_mm512_cvtepu16_epi32(even),
                               _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}
#else
enum { LT_PIECE = VW };
LT_INLINE vf load_piece(const lt_flash_rows *src, int64_t j, int64_t c)
{
    const char *row = lt_flash_row(src, j);
    const lt_dtype t = src->bf16 ? LT_BF16 : LT_F32;
    return c + VW <= src->d ? v_load(row, t, c) : v_load_part(row, t, c, src->d - c);
}
LT_INLINE vf v_flip(vf x, float sign) { return v_set(sign) * x; }
LT_INLINE vf load_pair(const lt_flash_rows *src, int j, int64_t c)
{
    return load_piece(src, j, c);
}
#endif

/* Channels in elements: dk of the driver, in cells here. */
static inline void pack_q(void *to, const lt_flash_rows *src, int64_t dk, float sign)
{
    const int64_t cells = dk / LT_PER_CELL;
    for (int r0 = 0, nv; r0 < src->n; r0 += nv * VW) {
        nv = next_group(src->n - r0);
        for (int v = 0; v < nv; v++)
            for (int64_t c = 0; c < cells; c += VW) {
                vf x[VW];
                LT_UNROLL
                for (int i = 0; i < VW; i++) {
                    const int r = r0 + v * VW + i;
                    x[i] = r < src->n ? v_flip(load_piece(src, r, c * LT_PER_CELL), sign)
                                      : v_set(0);
                }
                v_transpose(x);
                cell *q = (cell *)to + r0 * cells + (c * nv + v) * VW;
                LT_UNROLL
                for (int i = 0; i < VW; i++)
                    if (c + i < cells) store_cells(q + i * nv * VW, x[i]);
            }
    }
}

static inline void pack_k(void *to, const lt_flash_rows *src, int64_t dk, int keys)
{
    const int64_t cells = dk / LT_PER_CELL;
    for (int j = 0; j < keys && j < up_to(src->n, LT_TIED); j++)
        for (int64_t c = 0; c < cells; c += VW) {
            const vf x = j < src->n ? load_piece(src, j, c * LT_PER_CELL) : v_set(0);
            float *k = (float *)to + j * cells;
            if (c + VW <= cells)
                v_store(k, LT_F32, c, x);
            else
                v_store_part(k, LT_F32, c, cells - c, x);
        }
}

static inline void pack_v(void *to, const lt_flash_rows *src, int64_t dv, int keys)
{
    const int pairs = keys / LT_PER_CELL;
    for (int j = 0; j < src->n; j += LT_PER_CELL)
        for (int64_t c = 0; c < dv; c += VW) {
            float *v = (float *)to + c * pairs + j / LT_PER_CELL * LT_TIED;
            v_store_halves(v, v + pairs * LT_TIED, load_pair(src, j, c));
        }
}

/* ---- scores ------------------------------------------------------------------------ */

/* Channels, in cells, that one sweep over the keys takes, so that the group's queries
 * stay in the first cache. */
enum { LT_DEPTH = 160 };

/* s[LT_TIED][nv][VW] = q . k over `depth` cells, `more`: added to what is there. */
LT_INLINE void score_part(const cell *q, const cell *k, int64_t dk, int64_t depth,
                          float *s, int nv, int more)
{
    vf sum[LT_TIED][3];
    LT_UNROLL
    for (int i = 0; i < LT_TIED; i++) LT_UNROLL
    for (int v = 0; v < nv; v++)
        sum[i][v] = more ? v_load(s, LT_F32, (i * nv + v) * VW) : v_set(0);
    for (int64_t c = 0; c < depth; c++) {
        vf x[3];
        LT_UNROLL
        for (int v = 0; v < nv; v++) x[v] = load_cells(q + (c * nv + v) * VW);
        LT_UNROLL
        for (int i = 0; i < LT_TIED; i++) {
            const vf b = v_set(k[i * dk + c]);
            LT_UNROLL
            for (int v = 0; v < nv; v++) sum[i][v] = v_dot(sum[i][v], x[v], b);
        }
    }
    LT_UNROLL
    for (int i = 0; i < LT_TIED; i++) LT_UNROLL
    for (int v = 0; v < nv; v++) v_store(s, LT_F32, (i * nv + v) * VW, sum[i][v]);
}

/* s[n, rounded up to LT_TIED][nv][VW] = q . k, one group of rows; dk in cells. */
LT_INLINE void score(const cell *q, const cell *k, int64_t dk, int n, float *s, int nv)
{
    const int64_t parts = (dk + LT_DEPTH - 1) / LT_DEPTH,
                  depth = parts ? (dk + parts - 1) / parts : 0;
    for (int j = 0; j < n; j += LT_TIED)
        score_part(q, k + j * dk, dk, depth, s + j * nv * VW, nv, 0);
    for (int64_t c = depth; c < dk; c += depth)
        for (int j = 0; j < n; j += LT_TIED)
            score_part(q + c * nv * VW, k + j * dk + c, dk,
                       dk - c < depth ? dk - c : depth, s + j * nv * VW, nv, 1);
}

#endif
