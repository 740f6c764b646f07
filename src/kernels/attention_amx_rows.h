#ifndef LT_KERNELS_ATTENTION_AMX_ROWS_H
#define LT_KERNELS_ATTENTION_AMX_ROWS_H

#include <float.h>
#include <math.h>

#include "kernels/score_amx.h"

/* The vector part of attention_amx.c: packing of values and the softmax of a row. */

/* 2^x for x <= 0, -inf and NaN. Relative error 1e-4: a bf16 follows; 2^0 is 1. */
LT_INLINE __m512 exp2_neg(__m512 x)
{
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(7.70670399e-2f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.227644995f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695116758f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x); /* takes the floor of x */
}

/* A larger score came up in row r: scale down what was summed so far. */
static inline void raise_max(lt_flash_tile *t, int r, float top)
{
    const __m512 keep = _mm512_set1_ps(exp2f(t->max[r] - top));
    float *sum = t->sum + r * LT_FLASH_LANES;
    t->max[r] = top;
    _mm512_store_ps(sum, _mm512_mul_ps(keep, _mm512_load_ps(sum)));
    for (int v = 0; v < t->n_values; v++) {
        float *acc = t->acc[v] + r * t->dv;
        for (int64_t c = 0; c < t->dv; c += 16)
            _mm512_store_ps(acc + c, _mm512_mul_ps(keep, _mm512_load_ps(acc + c)));
    }
}

/* Turn the scores x of row r into weights and account for them. Of the 16 * nv keys the
 * row sees the first n, n >= 1; the others weigh 0. */
LT_INLINE void weigh(lt_flash_tile *t, int r, __m512 *x, int nv, int n)
{
    const __m512 factor = _mm512_set1_ps(t->factor);
    if (n < 16 * nv) {
        LT_UNROLL
        for (int i = 0; i < nv; i++)
            x[i] =
                _mm512_mask_blend_ps(lanes_below(i, n), _mm512_set1_ps(-FLT_MAX), x[i]);
    }

    __m512 top[8];
    LT_UNROLL
    for (int i = 0; i < nv; i++) top[i] = x[i];
    LT_UNROLL
    for (int w = nv / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++) top[i] = _mm512_max_ps(top[i], top[i + w]);
    top[0] = _mm512_mul_ps(top[0], factor);
    if (_mm512_cmp_ps_mask(top[0], _mm512_set1_ps(t->max[r]), _CMP_GT_OQ))
        raise_max(t, r, _mm512_reduce_max_ps(top[0]));

    const __m512 max = _mm512_set1_ps(t->max[r]);
    LT_UNROLL
    for (int i = 0; i < nv; i++) x[i] = exp2_neg(_mm512_fmsub_ps(x[i], factor, max));

    LT_UNROLL
    for (int i = 0; i < nv; i++) top[i] = x[i];
    LT_UNROLL
    for (int w = nv / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++) top[i] = _mm512_add_ps(top[i], top[i + w]);
    float *sum = t->sum + r * LT_FLASH_LANES;
    _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), top[0]));
}

static inline void pack_v_bf16(void *to, const lt_flash_rows *src, int64_t dv, int keys)
{
    for (int j = 0; j < keys; j += 2)
        for (int64_t c = 0; c < dv; c += 16) {
            uint16_t *v =
                (uint16_t *)to + j / 32 * 32 * dv + c / 16 * LT_TILE + j % 32 * 16;
            __m256i even = _mm256_setzero_si256(), odd = even;
            if (j < src->n)
                even = load16_bf16(lt_flash_row(src, j), src->bf16, c, src->d);
            if (j + 1 < src->n)
                odd = load16_bf16(lt_flash_row(src, j + 1), src->bf16, c, src->d);
            const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16);
            _mm512_store_si512(v, _mm512_or_si512(_mm512_cvtepu16_epi32(even), high));
        }
}

/* Two vectors of weights as 32 bf16 in order. */
LT_INLINE void store_weights(uint16_t *to, __m512 low, __m512 high)
{
    _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

#endif
