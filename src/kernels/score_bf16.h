#ifndef LT_KERNELS_SCORE_BF16_H
#define LT_KERNELS_SCORE_BF16_H

#include "kernels/score_avx512.h"

/* The same in bf16, for the two bf16 paths: included by files that are compiled for
 * AVX512_BF16 too. */

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

static inline void pack_q_bf16(void *to, const lt_flash_rows *src, int64_t dk, float sign)
{
    const __m512i flip = _mm512_set1_epi16(sign < 0 ? (short)0x8000 : 0);
    for (int r = 0; r < src->n; r++)
        for (int64_t c = 0; c < dk; c += 32)
            _mm512_store_si512((uint16_t *)to + r * dk + c,
                               _mm512_xor_si512(flip, load32_bf16(lt_flash_row(src, r),
                                                                  src->bf16, c, src->d)));
}

static inline void pack_k_bf16(void *to, const lt_flash_rows *src, int64_t dk, int keys)
{
    for (int p = 0; p < keys; p += 16)
        for (int64_t c = 0; c < dk; c += 32) {
            uint16_t *k = (uint16_t *)to + p * dk + c * 16;
            __m512i x[16];
            LT_UNROLL
            for (int j = 0; j < 16; j++)
                x[j] = p + j < src->n
                           ? load32_bf16(lt_flash_row(src, p + j), src->bf16, c, src->d)
                           : _mm512_setzero_si512();
            transpose16(x);
            LT_UNROLL
            for (int j = 0; j < 16; j++) _mm512_store_si512(k + 32 * j, x[j]);
        }
}

typedef int32_t __attribute__((may_alias)) pair; /* two bf16 */

LT_INLINE __m512bh two(const uint16_t *x)
{
    return (__m512bh)_mm512_set1_epi32(*(const pair *)(const void *)x);
}

LT_INLINE __m512bh load_bf16(const uint16_t *x) { return (__m512bh)_mm512_load_si512(x); }

/* s[LT_SCORE_ROWS][LT_SCORE_KEYS] = q . k */
static inline void score_bf16(const uint16_t *q, const uint16_t *k, int64_t d, int64_t dk,
                              float *s)
{
    __m512 acc[LT_SCORE_ROWS][4];
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++)
        for (int p = 0; p < 4; p++) acc[r][p] = _mm512_setzero_ps();
    for (int64_t c = 0; c < d; c += 2) {
        __m512bh b[4];
        LT_UNROLL
        for (int p = 0; p < 4; p++) b[p] = load_bf16(k + (p * dk + c) * 16);
        LT_UNROLL
        for (int r = 0; r < LT_SCORE_ROWS; r++) {
            const __m512bh x = two(q + r * dk + c);
            LT_UNROLL
            for (int p = 0; p < 4; p++) acc[r][p] = _mm512_dpbf16_ps(acc[r][p], x, b[p]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++)
        for (int p = 0; p < 4; p++)
            _mm512_store_ps(s + r * LT_SCORE_KEYS + 16 * p, acc[r][p]);
}

#endif
