/* Weights of masks against brute force: distances, discs, ramps, sizes. */
#include "io/mask_shape.h"

#include <string.h>

#include "check.h"

static const int32_t sizes[][2] = { { 1, 1 },  { 7, 1 },   { 1, 9 },  { 2, 2 },
                                    { 13, 8 }, { 31, 17 }, { 5, 40 }, { 64, 48 } };

/* Squared distance to the nearest pixel with the value; INT64_MAX: there is none. */
static int64_t nearest(const uint8_t *in, int32_t w, int32_t h, int32_t x, int32_t y,
                       int what)
{
    int64_t best = INT64_MAX;
    for (int32_t j = 0; j < h; j++)
        for (int32_t i = 0; i < w; i++) {
            const int64_t d = (int64_t)(i - x) * (i - x) + (int64_t)(j - y) * (j - y);
            if (in[j * w + i] == what && d < best) best = d;
        }
    return best;
}

/* Random pixels, of which one in `rare` is inside; rare = 0: none. */
static void scatter(uint8_t *in, int64_t n, int rare, uint64_t *seed)
{
    for (int64_t i = 0; i < n; i++)
        in[i] = rare > 0 && check_rand(seed) % (uint64_t)rare == 0;
}

static void distances(int32_t w, int32_t h)
{
    static const int rares[] = { 0, 1, 2, 10, 300 };
    lt_mask_shaper *s = NULL;
    uint64_t seed = (uint64_t)(w * 100 + h);
    uint8_t *in = malloc((size_t)(w * h));
    int32_t *d2 = malloc((size_t)(w * h) * sizeof(*d2));
    CHECK(lt_mask_shaper_open(&s, w, h) == LT_OK);
    for (int r = 0; r < 5; r++)
        for (uint8_t what = 0; what < 2; what++) {
            scatter(in, w * h, rares[r], &seed);
            lt_mask_distance(s, in, what, d2);
            for (int32_t y = 0; y < h; y++)
                for (int32_t x = 0; x < w; x++) {
                    const int64_t want = nearest(in, w, h, x, y, what);
                    const int32_t got = d2[y * w + x];
                    CHECK(want == INT64_MAX ? got > 2 * 16384 * 16384 : got == want);
                }
        }
    lt_mask_shaper_close(&s);
    lt_mask_shaper_close(&s);
    free(in);
    free(d2);
}

/* The definition in the header, word by word. */
static void define(const float *value, const lt_mask_shaping *p, int32_t w, int32_t h,
                   double *weight)
{
    uint8_t *in = malloc((size_t)(w * h)), *grown = malloc((size_t)(w * h));
    for (int i = 0; i < w * h; i++) {
        const double v = p->invert ? 1.0 - value[i] : value[i];
        const double g = (255.0 * v - 16.5) / 222.0;
        in[i] = v >= 0.5;
        weight[i] = g < 0.0 ? 0.0 : g > 1.0 ? 1.0 : g;
    }
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const int64_t d = nearest(in, w, h, x, y, p->dilate > 0);
            const int close = d <= (int64_t)p->dilate * p->dilate;
            grown[y * w + x] = p->dilate > 0   ? close
                               : p->dilate < 0 ? !close
                                               : in[y * w + x];
        }
    for (int32_t y = 0; (p->dilate || p->feather) && y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const int64_t d2 = nearest(grown, w, h, x, y, 0);
            const double t = d2 == INT64_MAX ? 1.0 : sqrt((double)d2) / (p->feather + 1);
            weight[y * w + x] = t >= 1.0 ? 1.0 : t * t * (3.0 - 2.0 * t);
        }
    free(in);
    free(grown);
}

static void shapes(int32_t w, int32_t h)
{
    static const lt_mask_shaping cases[] = {
        { 0, 0, 0 },    { 1, 0, 0 },     { 0, 1, 0 },   { 0, 3, 0 }, { 0, -1, 0 },
        { 0, -2, 0 },   { 0, 0, 1 },     { 0, 0, 4 },   { 1, 2, 3 }, { 0, -2, 5 },
        { 0, 4096, 0 }, { 1, -4096, 9 }, { 0, 5, 4096 }
    };
    lt_mask_shaper *s = NULL;
    uint64_t seed = (uint64_t)(w * 7 + h);
    float *v = malloc((size_t)(w * h) * sizeof(*v));
    float *keep = malloc((size_t)(w * h) * sizeof(*v));
    double *want = malloc((size_t)(w * h) * sizeof(*want));
    CHECK(lt_mask_shaper_open(&s, w, h) == LT_OK);
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++)
        for (int kind = 0; kind < 4; kind++) { /* empty, full, blobs, greys */
            for (int i = 0; i < w * h; i++)
                keep[i] = kind == 0   ? 0.0f
                          : kind == 1 ? 1.0f
                          : kind == 2 ? (float)((i % w) / 6 % 2 && (i / w) / 5 % 2)
                                      : (float)(check_rand(&seed) % 256) / 255.0f;
            memcpy(v, keep, (size_t)(w * h) * sizeof(*v));
            define(keep, &cases[c], w, h, want);
            lt_mask_shape(s, &cases[c], v);
            for (int i = 0; i < w * h; i++) {
                CHECK(fabs(v[i] - want[i]) < 1e-5);
                CHECK((want[i] == 0.0) == (v[i] == 0.0f)); /* exactly outside */
                CHECK((want[i] == 1.0) == (v[i] == 1.0f)); /* exactly inside */
            }
        }
    lt_mask_shaper_close(&s);
    free(v);
    free(keep);
    free(want);
}

static void not_numbers(void)
{
    lt_mask_shaper *s = NULL;
    float v[2] = { NAN, INFINITY };
    CHECK(lt_mask_shaper_open(&s, 2, 1) == LT_OK);
    lt_mask_shape(s, &(lt_mask_shaping){ 0, 0, 0 }, v);
    CHECK(v[0] == 0.0f && v[1] == 1.0f);
    lt_mask_shaper_close(&s);
    CHECK(lt_mask_shaper_open(&s, 0, 1) == LT_ERR_ARG);
    CHECK(lt_mask_shaper_open(&s, 1, 16385) == LT_ERR_ARG);
}

/* What part of source pixel i lies under [a, b). */
static double cover(int32_t i, double a, double b)
{
    const double lo = fmax(a, i), hi = fmin(b, i + 1);
    return hi > lo ? hi - lo : 0.0;
}

static double scaled(const float *v, int32_t w, int32_t h, double kx, double ky,
                     int32_t x, int32_t y)
{
    double sum = 0.0, total = 0.0;
    for (int32_t j = 0; j < h; j++)
        for (int32_t i = 0; i < w; i++) {
            const double c =
                cover(i, kx * x, kx * (x + 1)) * cover(j, ky * y, ky * (y + 1));
            sum += c * v[j * w + i];
            total += c;
        }
    return sum / total;
}

static void scaling(int32_t w, int32_t h, int32_t to_w, int32_t to_h)
{
    lt_mask_scaler *s = NULL;
    uint64_t seed = 11;
    float *v = malloc((size_t)(w * h) * sizeof(*v));
    float *o = malloc((size_t)(to_w * to_h) * sizeof(*o));
    const int smaller = to_w <= w && to_h <= h;
    CHECK(lt_mask_scaler_open(&s, w, h, to_w, to_h) == LT_OK);
    for (int i = 0; i < w * h; i++) v[i] = (float)(check_rand(&seed) % 256) / 255.0f;
    lt_mask_scale(s, v, o);
    for (int32_t y = 0; y < to_h; y++)
        for (int32_t x = 0; x < to_w; x++) {
            const float got = o[y * to_w + x];
            CHECK(got >= 0.0f && got <= 1.0f + 1e-5f);
            const double kx = (double)w / to_w, ky = (double)h / to_h;
            if (smaller) CHECK(fabs(got - scaled(v, w, h, kx, ky, x, y)) < 1e-5);
            if (w == to_w && h == to_h) CHECK(got == v[y * w + x]);
        }
    for (int i = 0; i < w * h; i++) v[i] = 0.0f;
    lt_mask_scale(s, v, o);
    for (int i = 0; i < to_w * to_h; i++) CHECK(o[i] == 0.0f);
    lt_mask_scaler_close(&s);
    lt_mask_scaler_close(&s);
    free(v);
    free(o);
}

/* Doubling a row: the known values of linear interpolation. */
static void doubling(void)
{
    lt_mask_scaler *s = NULL;
    const float v[3] = { 0.0f, 1.0f, 0.5f };
    const float want[6] = { 0.0f, 0.25f, 0.75f, 0.875f, 0.625f, 0.5f };
    float o[6];
    CHECK(lt_mask_scaler_open(&s, 3, 1, 6, 1) == LT_OK);
    lt_mask_scale(s, v, o);
    for (int i = 0; i < 6; i++) CHECK(fabsf(o[i] - want[i]) < 1e-6f);
    lt_mask_scaler_close(&s);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        distances(sizes[i][0], sizes[i][1]);
        shapes(sizes[i][0], sizes[i][1]);
    }
    not_numbers();
    static const int32_t pairs[][4] = { { 64, 48, 32, 24 }, { 64, 48, 64, 48 },
                                        { 33, 17, 16, 9 },  { 20, 20, 7, 3 },
                                        { 5, 4, 1, 1 },     { 1, 1, 6, 5 },
                                        { 4, 3, 37, 29 },   { 9, 5, 10, 6 },
                                        { 30, 5, 12, 40 } };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        scaling(pairs[i][0], pairs[i][1], pairs[i][2], pairs[i][3]);
    doubling();
    return 0;
}
