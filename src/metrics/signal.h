#ifndef LT_METRICS_SIGNAL_H
#define LT_METRICS_SIGNAL_H

#include "metrics/part.h"

/* Plain sums over the pixels of a frame. Frames are [h][w][3] u8. Additions are in a
 * fixed order: the same bits everywhere. */

/* out[part]: sum over pixels and colours of (a - b)^2; n[part]: pixels. */
void lt_signal_error(const uint8_t *a, const uint8_t *b, const lt_parts *parts,
                     double out[LT_PARTS], int64_t n[LT_PARTS]);

/* out[part]: mean over pixels and colours of |a - b|, 0 .. 255; NaN where a part is
 * empty. */
void lt_signal_change(const uint8_t *a, const uint8_t *b, const lt_parts *parts,
                      double out[LT_PARTS]);

/* Mean and standard deviation of R', G', B' of a part, 0 .. 255: mean[3], then
 * deviation[3]; NaN where the part is empty. */
enum { LT_SIGNAL_COLOURS = 6 };
void lt_signal_colour(const uint8_t *a, const lt_parts *parts,
                      double out[LT_PARTS][LT_SIGNAL_COLOURS]);

/* Luma (0.2126 R' + 0.7152 G' + 0.0722 B') of blocks: squares whose side is 1/32 of the
 * shorter side of the picture, at least a pixel; those at the right and at the bottom may
 * be cut. out holds lt_signal_blocks(w, h) means, 0 .. 255. */
int64_t lt_signal_blocks(int32_t w, int32_t h);
void lt_signal_luma(const uint8_t *a, int32_t w, int32_t h, float *out);

#endif
