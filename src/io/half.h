#ifndef LT_IO_HALF_H
#define LT_IO_HALF_H

#include <stdint.h>

/* IEEE half precision as it is stored: 1 sign, 5 exponent, 10 mantissa bits.
 *
 * Rounding is to nearest, ties to even; above 65504 (from 65520 on) becomes infinity,
 * below 2^-24 becomes 0 with its sign, subnormals are kept, a NaN stays a NaN (quiet,
 * upper payload bits kept). The instruction of the CPU and the portable code give the
 * same bits for every input, so files do not depend on the machine. */

/* dst[i] = src[i], n >= 0 elements; the arrays do not overlap. */
void lt_half_from_f32(uint16_t *dst, const float *src, int64_t n);
void lt_half_to_f32(float *dst, const uint16_t *src, int64_t n);

/* Round n values in place to what a file in f16 would give back. Do this before the
 * first use of a value that is stored and read again: then a resumed run sees the same
 * numbers as an uninterrupted one. */
void lt_half_round(float *x, int64_t n);

/* One value by the portable code: the definition. */
uint16_t lt_half_from_f32_ref(float x);
float lt_half_to_f32_ref(uint16_t h);

#endif
