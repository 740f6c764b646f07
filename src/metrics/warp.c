#include "metrics/warp.h"

/* Squares of one pixel; -1 when it leaves the picture. */
static double square(const uint8_t *now, const uint8_t *next, const float *flow,
                     int32_t w, int32_t h, int32_t x, int32_t y)
{
    const int64_t at = (int64_t)y * w + x;
    const float px = (float)x + flow[2 * at], py = (float)y + flow[2 * at + 1];
    double sum = 0;
    if (!(px >= 0 && py >= 0 && px <= (float)(w - 1) && py <= (float)(h - 1))) return -1;
    const int32_t i = (int32_t)px, j = (int32_t)py;
    const int64_t right = i + 1 < w ? 3 : 0, down = j + 1 < h ? 3 * (int64_t)w : 0;
    const float u = px - (float)i, v = py - (float)j;
    const uint8_t *q = next + 3 * ((int64_t)j * w + i);
    for (int c = 0; c < 3; c++, q++) {
        const float top = (1 - u) * (float)q[0] + u * (float)q[right];
        const float low = (1 - u) * (float)q[down] + u * (float)q[down + right];
        const double d = (double)((float)now[3 * at + c] - ((1 - v) * top + v * low));
        sum += d * d;
    }
    return sum / (255.0 * 255.0);
}

void lt_warp_sum(const uint8_t *now, const uint8_t *next, const float *flow,
                 const uint8_t *visible, const lt_parts *parts, lt_warp_sums *out)
{
    *out = (lt_warp_sums){ 0 };
    for (int32_t y = 0; y < parts->h; y++)
        for (int32_t x = 0; x < parts->w; x++) {
            const int64_t at = (int64_t)y * parts->w + x;
            if (!visible[at]) continue;
            const double d = square(now, next, flow, parts->w, parts->h, x, y);
            if (d < 0) continue;
            for (int p = 0; p < LT_PARTS; p++) {
                if (!lt_part_has(parts, p, at)) continue;
                out->error[p] += d;
                out->n[p]++;
            }
        }
}
