#ifndef LT_METRICS_MOTION_H
#define LT_METRICS_MOTION_H

#include <stdint.h>

#include "core/status.h"

/* Motion between two frames, where nobody knows the true one. On a pyramid, from a
 * shorter side of 16 to 31 pixels down to the picture itself, four times a level: the
 * second picture is drawn back along the motion so far; then (u, v) minimises
 *     mean over 5 x 5 pixels of (d + gx (u - u0) + gy (v - v0))^2
 *     + 60 |(u, v) - mean of the four neighbours|^2      (15 steps of Jacobi)
 * with d the difference of luma (0 .. 255, smoothed by 1 2 1), g its slopes, (u0, v0) the
 * motion so far (Lucas-Kanade where there is texture, Horn-Schunck where there is none);
 * then a 3 x 3 median of u and of v. At 160 x 120 pixels of the demo world it is 0.17
 * pixels off on the mean.
 *
 * A pure function of the pictures: no random numbers, no threads. */
typedef struct lt_motion_room lt_motion_room;

/* Room for one estimate at a time of frames of w x h pixels (about 64 bytes a pixel). */
LT_NODISCARD lt_status lt_motion_room_open(lt_motion_room **room, int32_t w, int32_t h);
void lt_motion_room_close(lt_motion_room **room); /* accepts NULL and *NULL */

/* flow [h][w][2]: pixels (x, y) by which what `from` shows has moved in `to`; both
 * [h][w][3]. */
void lt_motion_estimate(lt_motion_room *room, const uint8_t *from, const uint8_t *to,
                        float *flow);

/* visible [h][w]: 1 where the motion there and back agree,
 *     |f + b(p + f)|^2 < 0.01 (|f|^2 + |b|^2) + 0.5
 * (b bilinear) and p + f lies in the picture; else 0. */
void lt_motion_check(const float *there, const float *back, int32_t w, int32_t h,
                     uint8_t *visible);

#endif
