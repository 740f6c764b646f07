#include "io/media_color.h"

#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdlib.h>

lt_status lt_color_matrix_of(int32_t h273, lt_color_matrix *m)
{
    switch (h273) {
    case AVCOL_SPC_RGB: *m = (lt_color_matrix){ 0.0f, 0.0f, 1 }; return LT_OK;
    case AVCOL_SPC_BT709: *m = (lt_color_matrix){ 0.2126f, 0.0722f, 0 }; return LT_OK;
    case AVCOL_SPC_FCC: *m = (lt_color_matrix){ 0.30f, 0.11f, 0 }; return LT_OK;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M: *m = (lt_color_matrix){ 0.299f, 0.114f, 0 }; return LT_OK;
    case AVCOL_SPC_SMPTE240M: *m = (lt_color_matrix){ 0.212f, 0.087f, 0 }; return LT_OK;
    case AVCOL_SPC_BT2020_NCL:
        *m = (lt_color_matrix){ 0.2627f, 0.0593f, 0 };
        return LT_OK;
    default:
        return LT_FAIL(LT_ERR_CONFIG,
                       "colour matrix %d is not supported: convert the "
                       "video with ffmpeg first",
                       h273);
    }
}

/* ---- tone mapping --------------------------------------------------------------- */

enum { TONE_STEPS = 4096 };

static double pq_light(double v) /* SMPTE ST 2084, in units of 203 cd/m2 */
{
    const double m1 = 2610.0 / 16384.0, m2 = 2523.0 / 32.0;
    const double c1 = 3424.0 / 4096.0, c2 = 2413.0 / 128.0, c3 = 2392.0 / 128.0;
    const double p = pow(v, 1.0 / m2);
    const double top = p > c1 ? p - c1 : 0.0;
    return pow(top / (c2 - c3 * p), 1.0 / m1) * 10000.0 / 203.0;
}

static double hlg_light(double v) /* scene light of ARIB STD-B67, 0 .. 1 */
{
    const double a = 0.17883277, b = 1.0 - 4.0 * a, c = 0.5 - a * log(4.0 * a);
    return v <= 0.5 ? v * v / 3.0 : (exp((v - c) / a) + b) / 12.0;
}

static double encode_709(double v)
{
    return v < 0.018053968510807 ? 4.5 * v
                                 : 1.09929682680944 * pow(v, 0.45) - 0.09929682680944;
}

/* [0, TONE_STEPS]: light of a code value; behind it the code value of BT.709 light. */
lt_status lt_tone_make(float **lut, int32_t transfer)
{
    float *t = malloc((size_t)(2 * (TONE_STEPS + 1)) * sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "table for tone mapping");
    for (int i = 0; i <= TONE_STEPS; i++) {
        const double v = (double)i / TONE_STEPS;
        t[i] = (float)(transfer == AVCOL_TRC_ARIB_STD_B67 ? hlg_light(v) : pq_light(v));
        t[TONE_STEPS + 1 + i] = (float)encode_709(v * v); /* square: steps near black */
    }
    *lut = t;
    return LT_OK;
}

static float look_up(const float *t, float v)
{
    if (!(v > 0.0f)) return t[0];
    if (v >= 1.0f) return t[TONE_STEPS];
    const float x = v * TONE_STEPS;
    const int i = (int)x;
    return t[i] + (x - (float)i) * (t[i + 1] - t[i]);
}

/* Linear below j = 0.3, then a hyperbola with the same slope that reaches 1 at peak:
 * gain * (x + a) / (x + b). */
typedef struct curve {
    float j, a, b, gain;
} curve;

static curve moebius_curve(void)
{
    const float j = 0.3f, peak = 1000.0f / 203.0f;
    const float a = -j * j * (peak - 1.0f) / (j * j - 2.0f * j + peak);
    const float b = (j * j - 2.0f * j * peak + peak) / (peak - 1.0f);
    return (curve){ j, a, b, (b * b + 2.0f * b * j + j * j) / (b - a) };
}

static float moebius(float x)
{
    const curve m = moebius_curve();
    if (x <= m.j) return x;
    const float y = m.gain * (x + m.a) / (x + m.b);
    return y < 1.0f ? y : 1.0f;
}

static float moebius_undo(float y)
{
    const curve m = moebius_curve();
    if (y <= m.j) return y;
    if (y >= 1.0f) return 1000.0f / 203.0f;
    return (m.gain * m.a - y * m.b) / (y - m.gain);
}

static void tone_pixel(float *p, const float *lut, int32_t transfer, int wide)
{
    float r = look_up(lut, p[0]), g = look_up(lut, p[1]), b = look_up(lut, p[2]);
    if (transfer == AVCOL_TRC_ARIB_STD_B67) { /* system gamma 1.2 at 1000 cd/m2 */
        const float y = 0.2627f * r + 0.678f * g + 0.0593f * b;
        const float gain = powf(y > 1e-6f ? y : 1e-6f, 0.2f) * 1000.0f / 203.0f;
        r *= gain, g *= gain, b *= gain;
    }
    const float top = fmaxf(r, fmaxf(g, b));
    const float k = top > 0.3f ? moebius(top) / top : 1.0f;
    r *= k, g *= k, b *= k;
    const float q[3] = {
        wide ? 1.660491f * r - 0.587641f * g - 0.072850f * b : r,
        wide ? -0.124550f * r + 1.132900f * g - 0.008349f * b : g,
        wide ? -0.018151f * r - 0.100579f * g + 1.118730f * b : b,
    };
    for (int c = 0; c < 3; c++)
        p[c] = look_up(lut + TONE_STEPS + 1, q[c] > 0.0f ? sqrtf(q[c]) : 0.0f);
}

void lt_tone_map(float *rgb, int64_t n, const float *lut, int32_t transfer,
                 int32_t primaries)
{
    for (int64_t i = 0; i < n; i++)
        tone_pixel(rgb + 3 * i, lut, transfer, primaries == AVCOL_PRI_BT2020);
}

/* ---- the way back ----------------------------------------------------------------- */

static float pq_code(float light)
{
    const float m1 = 2610.0f / 16384.0f, m2 = 2523.0f / 32.0f;
    const float c1 = 3424.0f / 4096.0f, c2 = 2413.0f / 128.0f, c3 = 2392.0f / 128.0f;
    const float p = powf(light > 0.0f ? light * 203.0f / 10000.0f : 0.0f, m1);
    return powf((c1 + c2 * p) / (1.0f + c3 * p), m2);
}

static float hlg_code(float light)
{
    const float a = 0.17883277f, b = 0.28466892f, c = 0.55991073f;
    if (!(light > 0.0f)) return 0.0f;
    return light <= 1.0f / 12.0f ? sqrtf(3.0f * light) : a * logf(12.0f * light - b) + c;
}

lt_status lt_tone_undo_make(float **lut)
{
    float *t = malloc((TONE_STEPS + 1) * sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "table for tone mapping");
    for (int i = 0; i <= TONE_STEPS; i++) {
        const double v = (double)i / TONE_STEPS;
        t[i] = (float)(v < 4.5 * 0.018053968510807
                           ? v / 4.5
                           : pow((v + 0.09929682680944) / 1.09929682680944, 1.0 / 0.45));
    }
    *lut = t;
    return LT_OK;
}

static void undo_pixel(float *p, const float *lut, int32_t transfer, int wide)
{
    const float r = look_up(lut, p[0]), g = look_up(lut, p[1]), b = look_up(lut, p[2]);
    float q[3] = {
        wide ? 0.627404f * r + 0.329283f * g + 0.043313f * b : r,
        wide ? 0.069097f * r + 0.919540f * g + 0.011362f * b : g,
        wide ? 0.016391f * r + 0.088013f * g + 0.895595f * b : b,
    };
    const float top = fmaxf(q[0], fmaxf(q[1], q[2]));
    float k = top > 0.3f ? moebius_undo(top) / top : 1.0f;
    if (transfer == AVCOL_TRC_ARIB_STD_B67) {
        const float y = k * (0.2627f * q[0] + 0.678f * q[1] + 0.0593f * q[2]) * 0.203f;
        k *= 0.203f / powf(powf(y > 1e-7f ? y : 1e-7f, 1.0f / 1.2f), 0.2f);
    }
    for (int c = 0; c < 3; c++)
        p[c] =
            transfer == AVCOL_TRC_ARIB_STD_B67 ? hlg_code(k * q[c]) : pq_code(k * q[c]);
}

void lt_tone_undo(float *rgb, int64_t n, const float *lut, int32_t transfer,
                  int32_t primaries)
{
    for (int64_t i = 0; i < n; i++)
        undo_pixel(rgb + 3 * i, lut, transfer, primaries == AVCOL_PRI_BT2020);
}
