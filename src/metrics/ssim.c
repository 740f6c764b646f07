#include "metrics/ssim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 11, REACH = 5, SCALES = 5, SUMS = 6 };

/* What is summed under a window: weight, a, b, a a, b b, a b. */
struct lt_ssim_room {
    float *a, *b, *in; /* [h][w] of the scale at hand, values less 128 */
    float *row;        /* [SUMS][w + 2 REACH] one row, zeros around it */
    float *ring;       /* [TAPS][SUMS][w] rows summed across */
    float *total;      /* [SUMS][w] */
    int64_t stride;    /* w of the room */
    float tap[TAPS];
};

typedef struct picture {
    int32_t w, h;
    int whole; /* 1: windows lie within the picture */
} picture;

typedef struct means {
    double l_cs, cs;
    int64_t n;
} means;

lt_status lt_ssim_room_open(lt_ssim_room **room, int32_t w, int32_t h)
{
    lt_ssim_room *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (SSIM)");
    const size_t n = (size_t)w * (size_t)h, stride = (size_t)w;
    double sum = 0, tap[TAPS];
    r->stride = w;
    r->a = malloc(n * sizeof(float));
    r->b = malloc(n * sizeof(float));
    r->in = malloc(n * sizeof(float));
    r->row = calloc(SUMS * (stride + 2 * REACH), sizeof(float));
    r->ring = malloc(TAPS * SUMS * stride * sizeof(float));
    r->total = malloc(SUMS * stride * sizeof(float));
    for (int i = 0; i < TAPS; i++) {
        tap[i] = exp(-(i - REACH) * (i - REACH) / (2 * 1.5 * 1.5));
        sum += tap[i];
    }
    for (int i = 0; i < TAPS; i++) r->tap[i] = (float)(tap[i] / sum);
    if (!r->a || !r->b || !r->in || !r->row || !r->ring || !r->total) {
        lt_ssim_room_close(&r);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (SSIM of %d x %d pixels)", w, h);
    }
    *room = r;
    return LT_OK;
}

void lt_ssim_room_close(lt_ssim_room **room)
{
    if (!room || !*room) return;
    free((*room)->a);
    free((*room)->b);
    free((*room)->in);
    free((*room)->row);
    free((*room)->ring);
    free((*room)->total);
    free(*room);
    *room = NULL;
}

/* The box of the area; an empty one has no rows. What lies outside it has no part in any
 * window, so only the box is loaded. */
static void box_of(const lt_ssim_pair *p, int32_t box[4])
{
    int32_t x0 = p->w, x1 = 0, y0 = p->h, y1 = 0;
    for (int32_t y = 0; y < p->h; y++)
        for (int32_t x = 0; x < p->w; x++) {
            if (!p->area[(int64_t)y * p->w + x]) continue;
            x0 = x < x0 ? x : x0, x1 = x + 1 > x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0, y1 = y + 1;
        }
    box[0] = x0, box[1] = y0, box[2] = x1, box[3] = y1;
}

/* The corner stays at even places at every scale: a box halves as the whole would. */
static picture load(lt_ssim_room *r, const lt_ssim_pair *p)
{
    int32_t box[4] = { 0, 0, p->w, p->h };
    if (p->area) box_of(p, box);
    if (box[2] <= box[0]) return (picture){ 0 };
    box[0] &= ~15, box[1] &= ~15;
    const picture out = { box[2] - box[0], box[3] - box[1], !p->area };
    for (int32_t y = 0; y < out.h; y++)
        for (int32_t x = 0; x < out.w; x++) {
            const int64_t from = (int64_t)(y + box[1]) * p->w + x + box[0];
            const int64_t to = (int64_t)y * out.w + x;
            const int in = !p->area || p->area[from];
            r->in[to] = in ? 1.0f : 0.0f;
            r->a[to] = in ? (float)p->a[3 * from + p->channel] - 128.0f : 0.0f;
            r->b[to] = in ? (float)p->b[3 * from + p->channel] - 128.0f : 0.0f;
        }
    return out;
}

/* In place: what is written is never read again. */
static picture halve(lt_ssim_room *r, picture p)
{
    const int32_t odd = p.whole ? 0 : 1;
    const picture q = { (p.w + odd) / 2, (p.h + odd) / 2, p.whole };
    for (int32_t y = 0; y < q.h; y++)
        for (int32_t x = 0; x < q.w; x++) {
            float n = 0, a = 0, b = 0;
            for (int k = 0; k < 4; k++) {
                const int32_t sx = 2 * x + k % 2, sy = 2 * y + k / 2;
                if (sx >= p.w || sy >= p.h) continue;
                const int64_t i = (int64_t)sy * p.w + sx;
                n += r->in[i], a += r->a[i], b += r->b[i];
            }
            const int64_t to = (int64_t)y * q.w + x;
            r->in[to] = n > 0 ? 1.0f : 0.0f;
            r->a[to] = n > 0 ? a / n : 0.0f;
            r->b[to] = n > 0 ? b / n : 0.0f;
        }
    return q;
}

/* Sums across of one row, into its place in the ring. */
static void sum_across(lt_ssim_room *r, picture p, int32_t y)
{
    const int64_t wide = p.w + 2 * REACH;
    const float *a = r->a + (int64_t)y * p.w, *b = r->b + (int64_t)y * p.w;
    const float *in = r->in + (int64_t)y * p.w;
    float *row = r->row + REACH;
    for (int32_t x = 0; x < p.w; x++) {
        row[x] = in[x];
        row[wide + x] = a[x];
        row[2 * wide + x] = b[x];
        row[3 * wide + x] = a[x] * a[x];
        row[4 * wide + x] = b[x] * b[x];
        row[5 * wide + x] = a[x] * b[x];
    }
    for (int s = 0; s < SUMS; s++) {
        float *out = r->ring + ((int64_t)(y % TAPS) * SUMS + s) * r->stride;
        const float *from = r->row + s * wide;
        memset(out, 0, (size_t)p.w * sizeof(float));
        for (int k = 0; k < TAPS; k++) {
            const float g = r->tap[k];
            for (int32_t x = 0; x < p.w; x++) out[x] += g * from[x + k];
        }
    }
}

/* Zeros beside a row that is narrower than the last one. */
static void clear_row(lt_ssim_room *r)
{
    memset(r->row, 0, SUMS * (size_t)(r->stride + 2 * REACH) * sizeof(float));
}

static void sum_down(lt_ssim_room *r, picture p, int32_t y)
{
    memset(r->total, 0, SUMS * (size_t)r->stride * sizeof(float));
    for (int k = 0; k < TAPS; k++) {
        const int32_t from = y + k - REACH;
        if (from < 0 || from >= p.h) continue;
        const float g = r->tap[k];
        for (int s = 0; s < SUMS; s++) {
            const float *row = r->ring + ((int64_t)(from % TAPS) * SUMS + s) * r->stride;
            float *out = r->total + s * r->stride;
            for (int32_t x = 0; x < p.w; x++) out[x] += g * row[x];
        }
    }
}

static void add_windows(lt_ssim_room *r, picture p, int32_t y, means *m)
{
    const float c1 = 2.55f * 2.55f, c2 = 7.65f * 7.65f;
    const float *t = r->total;
    const int64_t d = r->stride;
    const int32_t edge = p.whole ? REACH : 0;
    if (y < edge || y >= p.h - edge) return;
    for (int32_t x = edge; x < p.w - edge; x++) {
        if (r->in[(int64_t)y * p.w + x] == 0.0f) continue;
        const float k = 1.0f / t[x];
        const float ma = t[d + x] * k, mb = t[2 * d + x] * k;
        const float va = t[3 * d + x] * k - ma * ma, vb = t[4 * d + x] * k - mb * mb;
        const float vab = t[5 * d + x] * k - ma * mb;
        const float la = ma + 128.0f, lb = mb + 128.0f;
        const float l = (2 * la * lb + c1) / (la * la + lb * lb + c1);
        const float cs = (2 * vab + c2) / (va + vb + c2);
        m->l_cs += (double)(l * cs);
        m->cs += (double)cs;
        m->n++;
    }
}

static means compare_scale(lt_ssim_room *r, picture p)
{
    means m = { 0 };
    clear_row(r);
    for (int32_t y = 0; y < p.h + REACH; y++) {
        if (y < p.h) sum_across(r, p, y);
        if (y < REACH) continue;
        sum_down(r, p, y - REACH);
        add_windows(r, p, y - REACH, &m);
    }
    if (m.n) m.l_cs /= (double)m.n, m.cs /= (double)m.n;
    return m;
}

static int scales_of(int32_t w, int32_t h)
{
    int n = 0;
    while (n < SCALES && w >= TAPS && h >= TAPS) n++, w /= 2, h /= 2;
    return n;
}

void lt_ssim_compare(lt_ssim_room *r, const lt_ssim_pair *pair, lt_ssim_score *out)
{
    static const double weight[SCALES] = { 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 };
    const int scales = scales_of(pair->w, pair->h);
    double product = 1, sum = 0;
    *out = (lt_ssim_score){ NAN, NAN };
    picture p = scales ? load(r, pair) : (picture){ 0 };
    if (!p.h) return;
    for (int j = 0; j < scales; j++) sum += weight[j];
    for (int j = 0; j < scales; j++) {
        const means m = compare_scale(r, p);
        const double x = j + 1 < scales ? m.cs : m.l_cs;
        if (j == 0) out->ssim = m.l_cs;
        product *= pow(x > 0 ? x : 0, weight[j] / sum);
        p = halve(r, p);
    }
    out->ms_ssim = product;
}
