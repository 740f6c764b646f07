#ifndef LT_METRICS_WARP_H
#define LT_METRICS_WARP_H

#include "metrics/part.h"

/* How far a film is from moving as it should: frame t against frame t + 1 drawn back
 * along a motion that is given,
 *     sum over p where visible of  sum over R', G', B' of
 *         (I_t(p) - I_t+1(p + flow(p)))^2          (I in [0, 1], bilinear)
 * in every part, with n = the number of those p. */
typedef struct lt_warp_sums {
    double error[LT_PARTS];
    int64_t n[LT_PARTS];
} lt_warp_sums;

/*   now, next  [h][w][3];  flow [h][w][2], visible [h][w], from now to next. Where
 *              p + flow leaves the picture, p does not count */
void lt_warp_sum(const uint8_t *now, const uint8_t *next, const float *flow,
                 const uint8_t *visible, const lt_parts *parts, lt_warp_sums *out);

#endif
