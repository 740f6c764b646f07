#include "io/mask_shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_plane.h"

enum { SIDE_MAX = 16384, FAR = 30000 }; /* FAR: beyond any distance and any reach */

struct lt_mask_shaper {
    int32_t w, h;
    uint8_t *inside; /* [h][w] */
    int32_t *d2;     /* [h][w] */
    int32_t *near;   /* [h][w] distance within the column */
    int32_t *at, *from;
};

lt_status lt_mask_shaper_open(lt_mask_shaper **shaper, int32_t width, int32_t height)
{
    if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX)
        return LT_FAIL(LT_ERR_ARG, "mask of %d x %d", width, height);
    const size_t n = (size_t)width * (size_t)height;
    lt_mask_shaper *s = calloc(1, sizeof(*s));
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "mask of %d x %d", width, height);
    s->w = width;
    s->h = height;
    s->inside = malloc(n);
    s->d2 = malloc(n * sizeof(int32_t));
    s->near = malloc(n * sizeof(int32_t));
    s->at = malloc((size_t)width * sizeof(int32_t));
    s->from = malloc((size_t)width * sizeof(int32_t));
    if (!s->inside || !s->d2 || !s->near || !s->at || !s->from) {
        lt_mask_shaper_close(&s);
        return LT_FAIL(LT_ERR_NOMEM, "mask of %d x %d", width, height);
    }
    *shaper = s;
    return LT_OK;
}

void lt_mask_shaper_close(lt_mask_shaper **shaper)
{
    lt_mask_shaper *s = shaper ? *shaper : NULL;
    if (!s) return;
    free(s->inside);
    free(s->d2);
    free(s->near);
    free(s->at);
    free(s->from);
    free(s);
    *shaper = NULL;
}

/* ---- distances ------------------------------------------------------------------ */

/* Row by row, so that memory is read in its order: down, then up. */
static void near_in_columns(lt_mask_shaper *s, const uint8_t *inside, uint8_t what)
{
    const int32_t w = s->w, h = s->h;
    for (int32_t y = 0; y < h; y++) {
        const uint8_t *in = inside + (int64_t)y * w;
        int32_t *g = s->near + (int64_t)y * w;
        for (int32_t x = 0; x < w; x++) {
            const int32_t above = y > 0 ? g[x - w] : FAR;
            g[x] = in[x] == what ? 0 : above < FAR ? above + 1 : FAR;
        }
    }
    for (int32_t y = h - 2; y >= 0; y--) {
        int32_t *g = s->near + (int64_t)y * w;
        for (int32_t x = 0; x < w; x++)
            if (g[x + w] + 1 < g[x]) g[x] = g[x + w] + 1;
    }
}

static int64_t parabola(const int32_t *g, int32_t i, int64_t x)
{
    return (x - i) * (x - i) + (int64_t)g[i] * g[i];
}

/* The first column from which on u is nearer than i < u. */
static int64_t takes_over(const int32_t *g, int32_t i, int32_t u)
{
    const int64_t gi = (int64_t)g[i] * g[i], gu = (int64_t)g[u] * g[u];
    return 1 + ((int64_t)u * u - (int64_t)i * i + gu - gi) / (2 * ((int64_t)u - i));
}

/* Lower envelope of the parabolas of one row (Meijster, Roerdink and Hesselink 2000). */
static void distances_in_row(lt_mask_shaper *s, const int32_t *g, int32_t *d2)
{
    int32_t n = 0;
    s->at[0] = s->from[0] = 0;
    for (int32_t u = 1; u < s->w; u++) {
        while (n >= 0 && parabola(g, s->at[n], s->from[n]) > parabola(g, u, s->from[n]))
            n--;
        const int64_t begin = n < 0 ? 0 : takes_over(g, s->at[n], u);
        if (begin >= s->w) continue;
        n++;
        s->at[n] = u;
        s->from[n] = (int32_t)begin;
    }
    for (int32_t x = s->w - 1; x >= 0; x--) {
        d2[x] = (int32_t)parabola(g, s->at[n], x);
        if (x == s->from[n]) n--;
    }
}

void lt_mask_distance(lt_mask_shaper *s, const uint8_t *inside, uint8_t what, int32_t *d2)
{
    near_in_columns(s, inside, what);
    for (int32_t y = 0; y < s->h; y++)
        distances_in_row(s, s->near + (int64_t)y * s->w, d2 + (int64_t)y * s->w);
}

/* ---- weights -------------------------------------------------------------------- */

/* Black up to 16 of 255, white from 239 on: not a number becomes 0. */
static float soft_weight(float value)
{
    const float w = (value * 255.0f - 16.5f) / 222.0f;
    return w > 0.0f ? (w < 1.0f ? w : 1.0f) : 0.0f;
}

static void harden(lt_mask_shaper *s, const float *value, int64_t n, int32_t dilate)
{
    const int64_t reach = dilate < 0 ? -(int64_t)dilate : dilate;
    for (int64_t i = 0; i < n; i++) s->inside[i] = value[i] >= 0.5f;
    if (reach == 0) return;
    lt_mask_distance(s, s->inside, dilate > 0, s->d2);
    for (int64_t i = 0; i < n; i++) {
        const int within = s->d2[i] <= reach * reach;
        s->inside[i] = (uint8_t)(dilate > 0 ? within : !within);
    }
}

void lt_mask_shape(lt_mask_shaper *s, const lt_mask_shaping *shaping, float *value)
{
    const int64_t n = (int64_t)s->w * s->h;
    if (shaping->invert)
        for (int64_t i = 0; i < n; i++) value[i] = 1.0f - value[i];
    if (shaping->dilate == 0 && shaping->feather == 0) {
        for (int64_t i = 0; i < n; i++) value[i] = soft_weight(value[i]);
        return;
    }
    harden(s, value, n, shaping->dilate);
    if (shaping->feather > 0) lt_mask_distance(s, s->inside, 0, s->d2);
    for (int64_t i = 0; i < n; i++) {
        float t = s->inside[i];
        if (shaping->feather > 0 && s->inside[i]) {
            t = sqrtf((float)s->d2[i]) / (float)(shaping->feather + 1);
            t = t < 1.0f ? t * t * (3.0f - 2.0f * t) : 1.0f;
        }
        value[i] = t;
    }
}

/* ---- size ----------------------------------------------------------------------- */

struct lt_mask_scaler {
    lt_plane_axis x, y;
    float *row;
};

/* Overlap of target pixel [a, b) with source pixel i, for a mean; else a triangle. */
static double weight_of(int32_t i, double a, double b)
{
    if (b - a <= 1.0) {
        const double d = fabs(0.5 * (a + b) - (i + 0.5));
        return d < 1.0 ? 1.0 - d : 0.0;
    }
    const double lo = a > i ? a : i, hi = b < i + 1 ? b : i + 1;
    return hi > lo ? hi - lo : 0.0;
}

static int32_t within(int64_t v, int32_t n)
{
    return v < 0 ? 0 : v < n ? (int32_t)v : n - 1;
}

static lt_status axis_make(lt_plane_axis *axis, int32_t n_src, int32_t n_dst)
{
    const double k = (double)n_src / n_dst;
    lt_plane_axis a = { .n_src = n_src, .n_dst = n_dst };
    a.taps = within((int64_t)ceil(k) + 2, n_src + 1);
    a.first = malloc((size_t)n_dst * sizeof(*a.first));
    a.weight = calloc((size_t)n_dst * (size_t)a.taps, sizeof(*a.weight));
    if (!a.first || !a.weight) {
        lt_plane_axis_free(&a);
        return LT_FAIL(LT_ERR_NOMEM, "scaling a mask of %d to %d", n_src, n_dst);
    }
    for (int32_t d = 0; d < n_dst; d++) {
        const int64_t lo = (int64_t)floor(k * d + fmin(0.5 * k, 0.5) - 1.0);
        float *w = a.weight + (int64_t)d * a.taps;
        double sum = 0.0;
        a.first[d] = within(lo, n_src - a.taps + 1);
        for (int64_t i = lo; i < lo + ceil(k) + 3; i++) {
            const double v = weight_of((int32_t)i, k * d, k * (d + 1));
            if (v <= 0.0) continue;
            w[within(within(i, n_src) - a.first[d], a.taps)] += (float)v;
            sum += v;
        }
        for (int32_t t = 0; t < a.taps; t++) w[t] = (float)(w[t] / sum);
    }
    *axis = a;
    return LT_OK;
}

lt_status lt_mask_scaler_open(lt_mask_scaler **scaler, int32_t width, int32_t height,
                              int32_t to_width, int32_t to_height)
{
    lt_status st = LT_OK;
    lt_mask_scaler *s = calloc(1, sizeof(*s));
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "scaling a mask");
    LT_TRY(axis_make(&s->x, width, to_width));
    LT_TRY(axis_make(&s->y, height, to_height));
    s->row = malloc((size_t)width * sizeof(*s->row));
    if (!s->row) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "scaling a mask"));
    *scaler = s;
    s = NULL;
cleanup:
    lt_mask_scaler_close(&s);
    return st;
}

void lt_mask_scaler_close(lt_mask_scaler **scaler)
{
    lt_mask_scaler *s = scaler ? *scaler : NULL;
    if (!s) return;
    lt_plane_axis_free(&s->x);
    lt_plane_axis_free(&s->y);
    free(s->row);
    free(s);
    *scaler = NULL;
}

void lt_mask_scale(lt_mask_scaler *s, const float *from, float *to)
{
    lt_plane_scale(to, from, &s->x, &s->y, s->row);
}
