#ifndef LT_KERNELS_BF16_AVX512_H
#define LT_KERNELS_BF16_AVX512_H

#include "kernels/attention_flash.h"
#include "kernels/avx512.h"

/* Rows as bf16, for files that are compiled for AVX512_BF16 too. */

/* Channels [c, c + 16) of a row, as bf16; zeros from d on. */
LT_INLINE __m256i load16_bf16(const char *row, int bf16, int64_t c, int64_t d)
{
    const __mmask16 m = lanes_below(0, d - c);
    if (bf16) return _mm256_maskz_loadu_epi16(m, (const uint16_t *)(const void *)row + c);
    return (__m256i)_mm512_cvtneps_pbh(
        _mm512_maskz_loadu_ps(m, (const float *)(const void *)row + c));
}

LT_INLINE __m512i load32_bf16(const char *row, int bf16, int64_t c, int64_t d)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(load16_bf16(row, bf16, c, d)),
                              load16_bf16(row, bf16, c + 16, d), 1);
}

#endif
