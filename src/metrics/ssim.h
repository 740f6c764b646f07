#ifndef LT_METRICS_SSIM_H
#define LT_METRICS_SSIM_H

#include <stdint.h>

#include "core/status.h"

/* Structural similarity of two pictures (Wang et al. 2004) and its multi-scale form
 * (Wang et al. 2003), of R', G' and B' apart.
 *
 *   window   Gaussian, 11 x 11, sigma 1.5 pixels, sum 1
 *   ssim     mean over all windows of  l * cs, with
 *            l  = (2 ma mb + C1) / (ma^2 + mb^2 + C1)       C1 = (0.01 * 255)^2
 *            cs = (2 sab + C2) / (sa^2 + sb^2 + C2)         C2 = (0.03 * 255)^2
 *            m, s^2: mean and variance under the window
 *   ms_ssim  product over the scales j of  max(0, mean cs_j)^w_j,  at the last one of
 *            mean(l * cs); w = 0.0448 0.2856 0.3001 0.2363 0.1333; between scales the
 *            mean of 2 x 2 pixels, an odd last row or column dropped (in an area: kept)
 *   small pictures: as many scales as leave both sides 11 pixels or more, their weights
 *            divided by their sum. A side below 11 pixels has no ssim: NaN
 *
 * Of the whole picture the windows count that lie within it. With an `area`, every pixel
 * of the area is the centre of a window of which the part within the area counts, its
 * weights divided by their sum: nothing beyond the edge is seen, and a picture equal
 * within the area has exactly 1 there. At the next scale a pixel belongs to the area
 * when one of its four does, and is the mean of those. */
typedef struct lt_ssim_score {
    double ssim, ms_ssim; /* <= 1; NaN where there is no window */
} lt_ssim_score;

typedef struct lt_ssim_pair {
    const uint8_t *a, *b; /* [h][w][3] */
    const uint8_t *area;  /* [h][w], 0 = not in it; NULL = the whole picture */
    int32_t w, h;         /* >= 1 */
    int32_t channel;      /* 0 .. 2 */
} lt_ssim_pair;

/* Room for one comparison at a time of pictures of at most w x h pixels. */
typedef struct lt_ssim_room lt_ssim_room;
LT_NODISCARD lt_status lt_ssim_room_open(lt_ssim_room **room, int32_t w, int32_t h);
void lt_ssim_room_close(lt_ssim_room **room); /* accepts NULL and *NULL */

/* Compare one channel. The pictures of one room never exceed its size (unchecked). */
void lt_ssim_compare(lt_ssim_room *room, const lt_ssim_pair *pair, lt_ssim_score *out);

#endif
