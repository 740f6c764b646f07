#ifndef LT_KERNELS_SCORE_AVX512_H
#define LT_KERNELS_SCORE_AVX512_H

#include <immintrin.h>

#include "kernels/attention_flash.h"

/* Packing and products that attention and best_match share on AVX-512: included by those
 * files only, which are compiled for AVX-512 F, BW, DQ and VL. The packed forms are those
 * of attention_flash.h. */

#define LT_INLINE static inline __attribute__((always_inline))

/* Loops over an array of registers must be unrolled completely. */
#define LT_UNROLL _Pragma("GCC unroll 32")

/* The lanes of vector i that lie below n. */
LT_INLINE __mmask16 lanes_below(int i, int64_t n)
{
    const int64_t left = n - 16 * i;
    return left >= 16 ? 0xffff : left <= 0 ? 0 : (__mmask16)((1u << left) - 1);
}

/* A 16 x 16 matrix of 32-bit elements, transposed in place. */
LT_INLINE void transpose16(__m512i *x)
{
    __m512i y[16];
    LT_UNROLL
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    LT_UNROLL
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + 2 + j]);
            x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + 2 + j]);
        }
    LT_UNROLL
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_i32x4(x[i + j], x[i + 4 + j], 0x88);
            y[i + 4 + j] = _mm512_shuffle_i32x4(x[i + j], x[i + 4 + j], 0xdd);
        }
    LT_UNROLL
    for (int j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_i32x4(y[j], y[8 + j], 0x88);
        x[8 + j] = _mm512_shuffle_i32x4(y[j], y[8 + j], 0xdd);
    }
}

/* Channels [c, c + 16) of a row, as f32; zeros from d on. */
LT_INLINE __m512 load16(const char *row, int bf16, int64_t c, int64_t d)
{
    const __mmask16 m = lanes_below(0, d - c);
    if (!bf16) return _mm512_maskz_loadu_ps(m, (const float *)(const void *)row + c);
    const __m256i h =
        _mm256_maskz_loadu_epi16(m, (const uint16_t *)(const void *)row + c);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

enum { LT_SCORE_ROWS = 6, LT_SCORE_KEYS = 64 };

static inline void pack_q(void *to, const lt_flash_rows *src, int64_t dk, float sign)
{
    for (int r = 0; r < src->n; r++) {
        float *q = (float *)to + r * dk;
        for (int64_t c = 0; c < src->d; c += 16)
            _mm512_mask_storeu_ps(
                q + c, lanes_below(0, src->d - c),
                _mm512_mul_ps(_mm512_set1_ps(sign),
                              load16(lt_flash_row(src, r), src->bf16, c, src->d)));
    }
}

static inline void pack_k(void *to, const lt_flash_rows *src, int64_t dk, int keys)
{
    for (int p = 0; p < keys; p += 16)
        for (int64_t c = 0; c < src->d; c += 16) {
            float *k = (float *)to + p * dk + c * 16;
            __m512i x[16];
            LT_UNROLL
            for (int j = 0; j < 16; j++)
                x[j] = p + j < src->n
                           ? _mm512_castps_si512(
                                 load16(lt_flash_row(src, p + j), src->bf16, c, src->d))
                           : _mm512_setzero_si512();
            transpose16(x);
            LT_UNROLL
            for (int j = 0; j < 16; j++)
                if (c + j < dk) _mm512_store_si512(k + j * 16, x[j]);
        }
}

/* s[LT_SCORE_ROWS][LT_SCORE_KEYS] = q . k */
static inline void score(const float *q, const float *k, int64_t dk, float *s)
{
    __m512 acc[LT_SCORE_ROWS][4];
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++)
        for (int p = 0; p < 4; p++) acc[r][p] = _mm512_setzero_ps();
    for (int64_t c = 0; c < dk; c++) {
        __m512 b[4];
        LT_UNROLL
        for (int p = 0; p < 4; p++) b[p] = _mm512_load_ps(k + (p * dk + c) * 16);
        LT_UNROLL
        for (int r = 0; r < LT_SCORE_ROWS; r++) {
            const __m512 x = _mm512_set1_ps(q[r * dk + c]);
            LT_UNROLL
            for (int p = 0; p < 4; p++) acc[r][p] = _mm512_fmadd_ps(x, b[p], acc[r][p]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < LT_SCORE_ROWS; r++)
        for (int p = 0; p < 4; p++)
            _mm512_store_ps(s + r * LT_SCORE_KEYS + 16 * p, acc[r][p]);
}

#endif
