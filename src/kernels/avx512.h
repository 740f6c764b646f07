#ifndef LT_KERNELS_AVX512_H
#define LT_KERNELS_AVX512_H

#include <immintrin.h>
#include <stdint.h>

/* Small things for files that are compiled for AVX-512 F, BW, DQ and VL. */

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

#endif
