#ifndef LT_IO_HALF_H
#define LT_IO_HALF_H

#include <stdint.h>

/* Arrays of IEEE half precision as it is stored: 1 sign, 5 exponent, 10 mantissa bits.
 *
 * Rounding is to nearest, ties to even; from 65520 on it becomes infinity, up to 2^-25
 * zero with its sign, subnormals are kept, a NaN stays a NaN (quiet, upper payload bits
 * kept). lt_f16_from_f32 and lt_f32_from_f16 of tensor/tensor.h are the definition; the
 * instruction of the CPU, used where there is one, gives the same bits for every input,
 * so files do not depend on the machine. */

/* dst[i] = src[i], n >= 0 elements; the arrays do not overlap. */
void lt_half_from_f32(uint16_t *dst, const float *src, int64_t n);
void lt_half_to_f32(float *dst, const uint16_t *src, int64_t n);

/* Round n values in place to what a file in f16 would give back. Do this before the
 * first use of a value that is stored and read again: then a resumed run sees the same
 * numbers as an uninterrupted one. */
void lt_half_round(float *x, int64_t n);

#endif
