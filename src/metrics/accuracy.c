#include "metrics/accuracy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 16 };

struct lt_accuracy {
    lt_scene asked;
    int32_t factor[LT_SYNTH_N_FACTORS];
    int n;
    int32_t w, h;
    uint8_t *rgb, *cover; /* [VALUES_MAX][h][w][3], [VALUES_MAX][h][w] */
};

/* One factor of one frame. */
typedef struct ask {
    lt_accuracy *a;
    int32_t factor;
    int64_t frame;
    const uint8_t *shown;
    int possible[VALUES_MAX];
    double far[VALUES_MAX]; /* -1: no pixel is compared */
} ask;

lt_status lt_accuracy_open(lt_accuracy **out, const lt_scene *asked,
                           const int32_t *factors, int n, int32_t w, int32_t h)
{
    lt_accuracy *a = NULL;
    if (n < 1 || n > LT_SYNTH_N_FACTORS || w < 1 || h < 1 || w > LT_SYNTH_MAX_SIDE ||
        h > LT_SYNTH_MAX_SIDE)
        return LT_FAIL(LT_ERR_ARG, "accuracy of %d factors, %d x %d pixels", n, w, h);
    for (int i = 0; i < n; i++)
        if (factors[i] < 0 || factors[i] >= LT_SYNTH_N_FACTORS)
            return LT_FAIL(LT_ERR_ARG, "accuracy of factor %d", factors[i]);
    a = calloc(1, sizeof(*a));
    if (a) {
        const size_t pixels = (size_t)w * (size_t)h;
        a->rgb = malloc(VALUES_MAX * pixels * 3);
        a->cover = malloc(VALUES_MAX * pixels);
    }
    if (!a || !a->rgb || !a->cover) {
        lt_accuracy_close(&a);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (accuracy of %d x %d pixels)", w, h);
    }
    a->asked = *asked;
    memcpy(a->factor, factors, (size_t)n * sizeof(*factors));
    a->n = n, a->w = w, a->h = h;
    *out = a;
    return LT_OK;
}

void lt_accuracy_close(lt_accuracy **a)
{
    if (!a || !*a) return;
    free((*a)->rgb);
    free((*a)->cover);
    free(*a);
    *a = NULL;
}

static int64_t pixels_of(const lt_accuracy *a) { return (int64_t)a->w * a->h; }

/* The true render with the factor at value `tile`; not every value is possible. */
static lt_status draw_tile(void *arg, int64_t tile, int worker)
{
    ask *q = arg;
    lt_accuracy *a = q->a;
    lt_scene s = a->asked;
    (void)worker;
    const lt_synth_verdict v = lt_synth_edit(&s, &a->asked, q->factor, (int)tile, 0);
    q->possible[tile] = v == LT_SYNTH_OK || v == LT_SYNTH_SAME_VALUE;
    if (!q->possible[tile]) return LT_OK;
    const lt_synth_frame out = { .rgb = a->rgb + tile * pixels_of(a) * 3,
                                 .mask = a->cover + tile * pixels_of(a) };
    lt_synth_render(&s, q->frame, a->w, a->h, &out);
    return LT_OK;
}

static int of_object(int32_t factor)
{
    return factor == LT_SYNTH_SHAPE || factor == LT_SYNTH_COLOUR ||
           factor == LT_SYNTH_MATERIAL;
}

static int counts(const ask *q, int n, int64_t pixel)
{
    if (!of_object(q->factor)) return 1;
    for (int v = 0; v < n; v++)
        if (q->possible[v] && q->a->cover[v * pixels_of(q->a) + pixel]) return 1;
    return 0;
}

static void compare(ask *q, int n)
{
    int64_t sum[VALUES_MAX] = { 0 }, pixels = 0;
    for (int64_t i = 0; i < pixels_of(q->a); i++) {
        if (!counts(q, n, i)) continue;
        pixels++;
        for (int v = 0; v < n; v++) {
            const uint8_t *p = q->a->rgb + (v * pixels_of(q->a) + i) * 3;
            for (int c = 0; q->possible[v] && c < 3; c++) {
                const int32_t d = (int32_t)q->shown[3 * i + c] - p[c];
                sum[v] += d * d;
            }
        }
    }
    for (int v = 0; v < n; v++) q->far[v] = pixels ? (double)sum[v] : -1;
}

static int32_t nearest(const ask *q, int n)
{
    int32_t best = -1;
    for (int v = 0; v < n; v++)
        if (q->possible[v] && q->far[v] >= 0 && (best < 0 || q->far[v] < q->far[best]))
            best = v;
    return best;
}

lt_status lt_accuracy_frame(lt_accuracy *a, lt_threads *threads, const uint8_t *rgb,
                            int64_t frame, int32_t *value)
{
    for (int i = 0; i < a->n; i++) {
        ask q = { .a = a, .factor = a->factor[i], .frame = frame, .shown = rgb };
        int n = lt_synth_n_values(a->factor[i]);
        if (n > VALUES_MAX) n = VALUES_MAX;
        const lt_status st = lt_parallel_for(threads, n, draw_tile, &q);
        if (st != LT_OK) return st;
        compare(&q, n);
        value[i] = nearest(&q, n);
    }
    return LT_OK;
}

double lt_accuracy_share(const lt_accuracy *a, const int32_t *value)
{
    int right = 0, said = 0;
    for (int i = 0; i < a->n; i++) {
        said += value[i] >= 0;
        right += value[i] == a->asked.factor[a->factor[i]];
    }
    return said ? (double)right / said : NAN;
}
