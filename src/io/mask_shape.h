#ifndef LT_IO_MASK_SHAPE_H
#define LT_IO_MASK_SHAPE_H

#include <stdint.h>

#include "core/status.h"

/* What becomes of a mask's values before they are weights: all pixels are counted from
 * centre to centre, distances are Euclidean, and the border of the picture is no edge
 * (nothing lies beyond it).
 *
 * Values are those of 8-bit pictures divided by 255. Weights lie in [0, 1]: 0 = the
 * source's pixel, 1 = the edited one.
 *
 *   invert   value = 1 - value
 *   dilate = feather = 0: grey stays. weight = (255 value - 16.5) / 222 within [0, 1], so
 *            what a lossy encoder leaves of black and white is black and white
 *   else     the mask is made hard first: inside = value at least one half;
 *   dilate > 0  inside = a pixel inside lies at most so many pixels away (a disc)
 *   dilate < 0  inside = no pixel outside lies within so many pixels (eroded)
 *   feather  weight = t t (3 - 2 t), t = min(1, d / (feather + 1)), d = distance to the
 *            nearest pixel outside. So the ramp lies inside the mask, `feather` pixels
 *            wide, and no pixel outside ever has a weight */

enum { LT_MASK_REACH_MAX = 4096 }; /* of dilate, either way, and of feather [pixels] */

typedef struct lt_mask_shaping {
    int32_t invert;  /* 0 or 1 */
    int32_t dilate;  /* pixels, -LT_MASK_REACH_MAX .. LT_MASK_REACH_MAX */
    int32_t feather; /* pixels, 0 .. LT_MASK_REACH_MAX */
} lt_mask_shaping;

/* Room for masks of one size. */
typedef struct lt_mask_shaper lt_mask_shaper;

/* width, height >= 1, at most 16384. The caller closes. Errors: ARG, NOMEM. */
LT_NODISCARD lt_status lt_mask_shaper_open(lt_mask_shaper **shaper, int32_t width,
                                           int32_t height);
void lt_mask_shaper_close(lt_mask_shaper **shaper); /* accepts NULL and *NULL */

/* Turn values [height][width] into weights, in place. */
void lt_mask_shape(lt_mask_shaper *shaper, const lt_mask_shaping *shaping, float *value);

/* d2[height][width]: square of the distance to the nearest pixel where inside is `what`
 * (0 or 1), exactly; above 2 x 16384 x 16384 when there is none. */
void lt_mask_distance(lt_mask_shaper *shaper, const uint8_t *inside, uint8_t what,
                      int32_t *d2);

/* Bring [height][width] values to another size: the mean over what a target pixel
 * covers where it grows smaller, linear between neighbours where it grows larger.
 * Values stay within those they come from (to rounding), and where all are 0 the result
 * is 0. */
typedef struct lt_mask_scaler lt_mask_scaler;
LT_NODISCARD lt_status lt_mask_scaler_open(lt_mask_scaler **scaler, int32_t width,
                                           int32_t height, int32_t to_width,
                                           int32_t to_height);
void lt_mask_scaler_close(lt_mask_scaler **scaler);
void lt_mask_scale(lt_mask_scaler *scaler, const float *from, float *to);

#endif
