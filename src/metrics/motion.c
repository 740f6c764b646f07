#include "metrics/motion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 12, SIDE_MIN = 16, ROUNDS = 4, STEPS = 15, REACH = 2, N_MAPS = 5 };
static const float STIFF = 60;

struct lt_motion_room {
    int32_t w[LEVELS_MAX], h[LEVELS_MAX];
    int levels;
    float *from[LEVELS_MAX], *to[LEVELS_MAX]; /* grey [h][w] of every level */
    float *back, *map[N_MAPS], *line;         /* of the level at hand; line: 3 (w + 8) */
    float *flow[2], *other[2], *start[2];     /* x and y, [h][w] */
};

static float *grey_of(int32_t w, int32_t h)
{
    return malloc((size_t)w * (size_t)h * sizeof(float));
}

lt_status lt_motion_room_open(lt_motion_room **room, int32_t w, int32_t h)
{
    lt_motion_room *r = calloc(1, sizeof(*r));
    int good = r != NULL;
    for (int32_t lw = w, lh = h; good && r->levels < LEVELS_MAX; lw /= 2, lh /= 2) {
        const int l = r->levels++;
        r->w[l] = lw, r->h[l] = lh;
        r->from[l] = grey_of(lw, lh);
        r->to[l] = grey_of(lw, lh);
        good = r->from[l] && r->to[l];
        if ((lw < lh ? lw : lh) / 2 < SIDE_MIN) break;
    }
    for (int i = 0; good && i < N_MAPS; i++) good = (r->map[i] = grey_of(w, h)) != 0;
    for (int c = 0; good && c < 2; c++) {
        r->flow[c] = grey_of(w, h);
        r->other[c] = grey_of(w, h);
        r->start[c] = grey_of(w, h);
        good = r->flow[c] && r->other[c] && r->start[c];
    }
    if (good) {
        r->back = grey_of(w, h);
        r->line = malloc(3 * ((size_t)w + 2 * REACH) * sizeof(float));
        good = r->back && r->line;
    }
    if (good) {
        *room = r;
        return LT_OK;
    }
    lt_motion_room_close(&r);
    return LT_FAIL(LT_ERR_NOMEM, "out of memory (motion of %d x %d pixels)", w, h);
}

void lt_motion_room_close(lt_motion_room **room)
{
    if (!room || !*room) return;
    lt_motion_room *r = *room;
    for (int l = 0; l < LEVELS_MAX; l++) free(r->from[l]), free(r->to[l]);
    for (int i = 0; i < N_MAPS; i++) free(r->map[i]);
    free(r->back);
    for (int c = 0; c < 2; c++) free(r->flow[c]), free(r->other[c]), free(r->start[c]);
    free(r->line);
    free(r);
    *room = NULL;
}

static void swap(lt_motion_room *r)
{
    for (int c = 0; c < 2; c++) {
        float *t = r->flow[c];
        r->flow[c] = r->other[c];
        r->other[c] = t;
    }
}

/* ---- pictures ---------------------------------------------------------------------- */

static int32_t within(int32_t i, int32_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* Luma, smoothed by 1 2 1 so that a pixel's noise is no motion. */
static void luma(const lt_motion_room *r, const uint8_t *rgb, float *out)
{
    const int32_t w = r->w[0], h = r->h[0];
    float *raw = r->map[0], *across = r->map[1];
    for (int64_t i = 0; i < (int64_t)w * h; i++)
        raw[i] = 0.2126f * (float)rgb[3 * i] + 0.7152f * (float)rgb[3 * i + 1] +
                 0.0722f * (float)rgb[3 * i + 2];
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const float *row = raw + (int64_t)y * w;
            across[(int64_t)y * w + x] =
                0.25f * (row[within(x - 1, w)] + 2 * row[x] + row[within(x + 1, w)]);
        }
    for (int32_t y = 0; y < h; y++) {
        const float *up = across + (int64_t)within(y - 1, h) * w;
        const float *mid = across + (int64_t)y * w;
        const float *down = across + (int64_t)within(y + 1, h) * w;
        for (int32_t x = 0; x < w; x++)
            out[(int64_t)y * w + x] = 0.25f * (up[x] + 2 * mid[x] + down[x]);
    }
}

static void halve(const float *from, int32_t w, float *to, int32_t hw, int32_t hh)
{
    for (int32_t y = 0; y < hh; y++)
        for (int32_t x = 0; x < hw; x++) {
            const float *p = from + (int64_t)2 * y * w + 2 * x;
            to[(int64_t)y * hw + x] = 0.25f * (p[0] + p[1] + p[w] + p[w + 1]);
        }
}

static void pyramid(const lt_motion_room *r, const uint8_t *rgb, float *const *level)
{
    luma(r, rgb, level[0]);
    for (int l = 1; l < r->levels; l++)
        halve(level[l - 1], r->w[l - 1], level[l], r->w[l], r->h[l]);
}

static float sample(const float *p, int32_t w, int32_t h, float x, float y)
{
    x = x > 0 ? (x < (float)(w - 1) ? x : (float)(w - 1)) : 0;
    y = y > 0 ? (y < (float)(h - 1) ? y : (float)(h - 1)) : 0;
    const int32_t i = (int32_t)x, j = (int32_t)y;
    const int32_t i1 = i + 1 < w ? i + 1 : i, j1 = j + 1 < h ? j + 1 : j;
    const float u = x - (float)i, v = y - (float)j;
    const float *a = p + (int64_t)j * w, *b = p + (int64_t)j1 * w;
    return (1 - v) * ((1 - u) * a[i] + u * a[i1]) + v * ((1 - u) * b[i] + u * b[i1]);
}

/* ---- one round --------------------------------------------------------------------- */

static void draw_back(lt_motion_room *r, int l)
{
    const int32_t w = r->w[l], h = r->h[l];
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const int64_t i = (int64_t)y * w + x;
            r->back[i] = sample(r->to[l], w, h, (float)x + r->flow[0][i],
                                (float)y + r->flow[1][i]);
        }
}

/* Products of the slopes (mean of both pictures) and the difference. */
static void products(lt_motion_room *r, int l)
{
    const int32_t w = r->w[l], h = r->h[l];
    const float *a = r->from[l], *b = r->back;
    for (int32_t y = 0; y < h; y++) {
        const int64_t at = (int64_t)y * w;
        const int64_t up = (int64_t)within(y - 1, h) * w - at;
        const int64_t down = (int64_t)within(y + 1, h) * w - at;
        for (int32_t x = 0; x < w; x++) {
            const int64_t i = at + x, left = i - (x > 0), right = i + (x + 1 < w);
            const float gx = 0.25f * (a[right] - a[left] + b[right] - b[left]);
            const float gy = 0.25f * (a[i + down] - a[i + up] + b[i + down] - b[i + up]);
            const float d = b[i] - a[i];
            r->map[0][i] = gx * gx, r->map[1][i] = gx * gy, r->map[2][i] = gy * gy;
            r->map[3][i] = gx * d, r->map[4][i] = gy * d;
        }
    }
}

/* Mean of the 2 REACH + 1 values around each, across and then down. */
static void smooth(lt_motion_room *r, int l, float *p)
{
    const int32_t w = r->w[l], h = r->h[l];
    const float share = 1.0f / (2 * REACH + 1);
    float *tmp = r->back;
    for (int32_t y = 0; y < h; y++) {
        const float *row = p + (int64_t)y * w;
        float *out = tmp + (int64_t)y * w;
        for (int32_t x = 0; x < w + 2 * REACH; x++)
            r->line[x] = row[within(x - REACH, w)];
        for (int32_t x = 0; x < w; x++) out[x] = 0;
        for (int k = 0; k <= 2 * REACH; k++)
            for (int32_t x = 0; x < w; x++) out[x] += share * r->line[x + k];
    }
    for (int32_t y = 0; y < h; y++) {
        float *out = p + (int64_t)y * w;
        for (int32_t x = 0; x < w; x++) out[x] = 0;
        for (int k = -REACH; k <= REACH; k++) {
            const float *row = tmp + (int64_t)within(y + k, h) * w;
            for (int32_t x = 0; x < w; x++) out[x] += share * row[x];
        }
    }
}

/* Mean of the four neighbours of a row of a map. */
static void neighbours(const float *map, int32_t w, int32_t h, int32_t y, float *out)
{
    const float *mid = map + (int64_t)y * w;
    const float *up = map + (int64_t)within(y - 1, h) * w;
    const float *down = map + (int64_t)within(y + 1, h) * w;
    out[0] = 0.25f * (mid[0] + mid[w > 1] + up[0] + down[0]);
    for (int32_t x = 1; x + 1 < w; x++)
        out[x] = 0.25f * (mid[x - 1] + mid[x + 1] + up[x] + down[x]);
    const int32_t e = w - 1;
    if (e > 0) out[e] = 0.25f * (mid[e - 1] + mid[e] + up[e] + down[e]);
}

/* One step of Jacobi: every pixel minimises, over its motion (u, v),
 *     mean over its neighbourhood of (d + gx (u - u0) + gy (v - v0))^2
 *     + STIFF |(u, v) - mean of the neighbours|^2
 * where (u0, v0) = r->start is the motion the picture was drawn back by. */
static void settle(lt_motion_room *r, int l)
{
    const int32_t w = r->w[l], h = r->h[l];
    float *mu = r->line, *mv = r->line + w;
    for (int32_t y = 0; y < h; y++) {
        const int64_t at = (int64_t)y * w;
        const float *u0 = r->start[0] + at, *v0 = r->start[1] + at;
        float *u = r->other[0] + at, *v = r->other[1] + at;
        neighbours(r->flow[0], w, h, y, mu);
        neighbours(r->flow[1], w, h, y, mv);
        for (int32_t x = 0; x < w; x++) {
            const float xx = r->map[0][at + x] + STIFF, yy = r->map[2][at + x] + STIFF;
            const float xy = r->map[1][at + x], share = 1 / (xx * yy - xy * xy);
            const float bx = STIFF * (mu[x] - u0[x]) - r->map[3][at + x];
            const float by = STIFF * (mv[x] - v0[x]) - r->map[4][at + x];
            u[x] = u0[x] + (yy * bx - xy * by) * share;
            v[x] = v0[x] + (xx * by - xy * bx) * share;
        }
    }
    swap(r);
}

static void solve(lt_motion_room *r, int l)
{
    const size_t bytes = (size_t)r->w[l] * (size_t)r->h[l] * sizeof(float);
    for (int c = 0; c < 2; c++) memcpy(r->start[c], r->flow[c], bytes);
    for (int k = 0; k < STEPS; k++) settle(r, l);
}

static inline float least(float a, float b) { return a < b ? a : b; }
static inline float most(float a, float b) { return a > b ? a : b; }
static inline float middle(float a, float b, float c)
{
    return most(least(a, b), least(most(a, b), c));
}

/* Median of 3 x 3: of the columns, sorted, the middle one of the greatest least, the
 * middle middle and the least greatest. */
static void calm_row(const float *up, const float *mid, const float *down, int32_t w,
                     float *line, float *out)
{
    float *low = line, *half = line + w, *top = line + 2 * w;
    for (int32_t x = 0; x < w; x++) {
        low[x] = least(least(up[x], mid[x]), down[x]);
        half[x] = middle(up[x], mid[x], down[x]);
        top[x] = most(most(up[x], mid[x]), down[x]);
    }
    for (int32_t x = 0; x < w; x++) {
        const int32_t a = x - (x > 0), b = x + (x + 1 < w);
        out[x] =
            middle(most(most(low[a], low[x]), low[b]), middle(half[a], half[x], half[b]),
                   least(least(top[a], top[x]), top[b]));
    }
}

static void calm(lt_motion_room *r, int l)
{
    const int32_t w = r->w[l], h = r->h[l];
    for (int c = 0; c < 2; c++)
        for (int32_t y = 0; y < h; y++) {
            const float *f = r->flow[c];
            calm_row(f + (int64_t)within(y - 1, h) * w, f + (int64_t)y * w,
                     f + (int64_t)within(y + 1, h) * w, w, r->line,
                     r->other[c] + (int64_t)y * w);
        }
    swap(r);
}

/* ---- levels ------------------------------------------------------------------------ */

/* From level l + 1 to level l: twice as far. */
static void refine(lt_motion_room *r, int l)
{
    const int32_t w = r->w[l], h = r->h[l], cw = r->w[l + 1], ch = r->h[l + 1];
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const float sx = ((float)x - 0.5f) * 0.5f, sy = ((float)y - 0.5f) * 0.5f;
            for (int c = 0; c < 2; c++)
                r->other[c][(int64_t)y * w + x] = 2 * sample(r->flow[c], cw, ch, sx, sy);
        }
    swap(r);
}

static void improve(lt_motion_room *r, int l)
{
    draw_back(r, l);
    products(r, l);
    for (int m = 0; m < N_MAPS; m++) smooth(r, l, r->map[m]);
    solve(r, l);
    calm(r, l);
}

void lt_motion_estimate(lt_motion_room *r, const uint8_t *from, const uint8_t *to,
                        float *flow)
{
    const int last = r->levels - 1;
    const size_t n = (size_t)r->w[0] * (size_t)r->h[0];
    pyramid(r, from, r->from);
    pyramid(r, to, r->to);
    for (int c = 0; c < 2; c++) memset(r->flow[c], 0, n * sizeof(float));
    for (int l = last; l >= 0; l--) {
        if (l < last) refine(r, l);
        for (int k = 0; k < ROUNDS; k++) improve(r, l);
    }
    for (size_t i = 0; i < n; i++)
        flow[2 * i] = r->flow[0][i], flow[2 * i + 1] = r->flow[1][i];
}

void lt_motion_check(const float *there, const float *back, int32_t w, int32_t h,
                     uint8_t *visible)
{
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const int64_t at = (int64_t)y * w + x;
            const float fx = there[2 * at], fy = there[2 * at + 1];
            const float px = (float)x + fx, py = (float)y + fy;
            visible[at] = 0;
            if (!(px >= 0 && py >= 0 && px <= (float)(w - 1) && py <= (float)(h - 1)))
                continue;
            const int32_t i = (int32_t)px, j = (int32_t)py;
            const int32_t i1 = i + 1 < w ? i + 1 : i, j1 = j + 1 < h ? j + 1 : j;
            const float u = px - (float)i, v = py - (float)j;
            float b[2];
            for (int c = 0; c < 2; c++) {
                const float *f = back + c;
                b[c] = (1 - v) * ((1 - u) * f[2 * ((int64_t)j * w + i)] +
                                  u * f[2 * ((int64_t)j * w + i1)]) +
                       v * ((1 - u) * f[2 * ((int64_t)j1 * w + i)] +
                            u * f[2 * ((int64_t)j1 * w + i1)]);
            }
            const float dx = fx + b[0], dy = fy + b[1];
            const float far = fx * fx + fy * fy + b[0] * b[0] + b[1] * b[1];
            visible[at] = dx * dx + dy * dy < 0.01f * far + 0.5f;
        }
}
