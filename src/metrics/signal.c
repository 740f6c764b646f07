#include "metrics/signal.h"

#include <math.h>
#include <stdlib.h>

void lt_signal_error(const uint8_t *a, const uint8_t *b, const lt_parts *parts,
                     double out[LT_PARTS], int64_t n[LT_PARTS])
{
    int64_t sum[LT_PARTS] = { 0 }, count[LT_PARTS] = { 0 };
    for (int64_t i = 0; i < (int64_t)parts->w * parts->h; i++) {
        int32_t square = 0;
        for (int c = 0; c < 3; c++) {
            const int32_t d = (int32_t)a[3 * i + c] - b[3 * i + c];
            square += d * d;
        }
        for (int p = 0; p < LT_PARTS; p++)
            if (lt_part_has(parts, p, i)) sum[p] += square, count[p]++;
    }
    for (int p = 0; p < LT_PARTS; p++) out[p] = (double)sum[p], n[p] = count[p];
}

void lt_signal_change(const uint8_t *a, const uint8_t *b, const lt_parts *parts,
                      double out[LT_PARTS])
{
    int64_t sum[LT_PARTS] = { 0 }, count[LT_PARTS] = { 0 };
    for (int64_t i = 0; i < (int64_t)parts->w * parts->h; i++) {
        int32_t d = 0;
        for (int c = 0; c < 3; c++) d += abs((int32_t)a[3 * i + c] - b[3 * i + c]);
        for (int p = 0; p < LT_PARTS; p++)
            if (lt_part_has(parts, p, i)) sum[p] += d, count[p] += 3;
    }
    for (int p = 0; p < LT_PARTS; p++)
        out[p] = count[p] ? (double)sum[p] / (double)count[p] : NAN;
}

void lt_signal_colour(const uint8_t *a, const lt_parts *parts,
                      double out[LT_PARTS][LT_SIGNAL_COLOURS])
{
    int64_t sum[LT_PARTS][3] = { { 0 } }, square[LT_PARTS][3] = { { 0 } };
    int64_t n[LT_PARTS] = { 0 };
    for (int64_t i = 0; i < (int64_t)parts->w * parts->h; i++)
        for (int p = 0; p < LT_PARTS; p++) {
            if (!lt_part_has(parts, p, i)) continue;
            n[p]++;
            for (int c = 0; c < 3; c++) {
                const int64_t v = a[3 * i + c];
                sum[p][c] += v;
                square[p][c] += v * v;
            }
        }
    for (int p = 0; p < LT_PARTS; p++)
        for (int c = 0; c < 3; c++) {
            const double m = n[p] ? (double)sum[p][c] / (double)n[p] : NAN;
            const double v = n[p] ? (double)square[p][c] / (double)n[p] - m * m : NAN;
            out[p][c] = m;
            out[p][3 + c] = v < 0 ? 0 : sqrt(v);
        }
}

static int32_t block_side(int32_t w, int32_t h)
{
    const int32_t side = (w < h ? w : h) / 32;
    return side > 0 ? side : 1;
}

int64_t lt_signal_blocks(int32_t w, int32_t h)
{
    const int32_t s = block_side(w, h);
    return (int64_t)((w + s - 1) / s) * ((h + s - 1) / s);
}

void lt_signal_luma(const uint8_t *a, int32_t w, int32_t h, float *out)
{
    const int32_t s = block_side(w, h);
    for (int32_t y = 0; y < h; y += s)
        for (int32_t x = 0; x < w; x += s) {
            const int32_t y1 = y + s < h ? y + s : h, x1 = x + s < w ? x + s : w;
            int64_t sum[3] = { 0 };
            for (int32_t j = y; j < y1; j++)
                for (int32_t i = x; i < x1; i++)
                    for (int c = 0; c < 3; c++) sum[c] += a[3 * ((int64_t)j * w + i) + c];
            const double n = (double)((y1 - y) * (x1 - x));
            *out++ = (float)((0.2126 * (double)sum[0] + 0.7152 * (double)sum[1] +
                              0.0722 * (double)sum[2]) /
                             n);
        }
}
