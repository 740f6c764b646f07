#ifndef LT_KERNELS_SCORE_AVX2_H
#define LT_KERNELS_SCORE_AVX2_H

#include <immintrin.h>

#include "kernels/attention_flash.h"

/* Packing and products that attention and best_match share on AVX2: included by those
 * files only, which are compiled for AVX2 and FMA. */

enum { LT_SCORE_ROWS = 6, LT_SCORE_KEYS = 64, LT_PANEL = 16 };

#define LT_INLINE static inline __attribute__((always_inline))
#define LT_UNROLL _Pragma("GCC unroll 16")

/* All ones in the lanes of vector i (8 lanes) that lie below n. */
LT_INLINE __m256i lanes_below(int i, int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int64_t left = n - 8 * i;
    const int bound = left > 8 ? 8 : left < 0 ? 0 : (int)left;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(bound), lane);
}

/* Channels [c, c + 8) of a row, as f32; zeros from d on. */
LT_INLINE __m256 load8(const char *row, int bf16, int64_t c, int64_t d)
{
    if (!bf16)
        return _mm256_maskload_ps((const float *)(const void *)row + c,
                                  lanes_below(0, d - c));
    uint16_t h[8] = { 0 };
    const uint16_t *from = (const uint16_t *)(const void *)row + c;
    for (int i = 0; i < 8 && c + i < d; i++) h[i] = from[i];
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

LT_INLINE void transpose8(__m256 *x)
{
    __m256 y[8];
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

static inline void pack_q(void *to, const lt_flash_rows *src, int64_t dk, float sign)
{
    for (int r = 0; r < src->n; r++) {
        float *q = (float *)to + r * dk;
        for (int64_t c = 0; c < src->d; c += 8)
            _mm256_maskstore_ps(
                q + c, lanes_below(0, src->d - c),
                _mm256_mul_ps(_mm256_set1_ps(sign),
                              load8(lt_flash_row(src, r), src->bf16, c, src->d)));
    }
}

static inline void pack_k(void *to, const lt_flash_rows *src, int64_t dk, int keys)
{
    for (int p = 0; p < keys; p += 8)
        for (int64_t c = 0; c < src->d; c += 8) {
            float *k =
                (float *)to + p / LT_PANEL * LT_PANEL * dk + c * LT_PANEL + p % LT_PANEL;
            __m256 x[8];
            LT_UNROLL
            for (int j = 0; j < 8; j++)
                x[j] = p + j < src->n
                           ? load8(lt_flash_row(src, p + j), src->bf16, c, src->d)
                           : _mm256_setzero_ps();
            transpose8(x);
            LT_UNROLL
            for (int j = 0; j < 8; j++)
                if (c + j < dk) _mm256_store_ps(k + j * LT_PANEL, x[j]);
        }
}

/* s[LT_SCORE_ROWS][LT_PANEL of LT_SCORE_KEYS] = q . k */
static inline void score(const float *q, const float *k, int64_t dk, float *s)
{
    __m256 acc[LT_SCORE_ROWS][2];
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (int64_t c = 0; c < dk; c++) {
        const __m256 b0 = _mm256_load_ps(k + c * LT_PANEL);
        const __m256 b1 = _mm256_load_ps(k + c * LT_PANEL + 8);
        LT_UNROLL
        for (int r = 0; r < LT_SCORE_ROWS; r++) {
            const __m256 x = _mm256_broadcast_ss(q + r * dk + c);
            acc[r][0] = _mm256_fmadd_ps(x, b0, acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(x, b1, acc[r][1]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++) {
        _mm256_store_ps(s + r * LT_SCORE_KEYS, acc[r][0]);
        _mm256_store_ps(s + r * LT_SCORE_KEYS + 8, acc[r][1]);
    }
}

#endif
