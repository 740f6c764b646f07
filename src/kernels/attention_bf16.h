#ifndef LT_KERNELS_ATTENTION_BF16_H
#define LT_KERNELS_ATTENTION_BF16_H

#include "kernels/amx.h"
#include "kernels/attention_avx512.h"
#include "kernels/score_bf16.h"

/* What the two bf16 paths share beyond score_bf16.h. Included by those
 * files only, which are compiled for AVX512_BF16 too. */

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
