#include "io/media_plane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double lobes = 3.0;

static double sinc(double x)
{
    const double a = 3.14159265358979323846 * x;
    return fabs(x) < 1e-9 ? 1.0 : sin(a) / a;
}

static double lanczos(double x)
{
    return fabs(x) >= lobes ? 0.0 : sinc(x) * sinc(x / lobes);
}

static int32_t clamp(int64_t v, int32_t hi)
{
    return v < 0 ? 0 : v > hi ? hi : (int32_t)v;
}

/* Weights of target sample d, gathered on the samples that exist. */
static void fill(lt_plane_axis *a, int32_t d, double scale, double shift, double *sum)
{
    const double centre = scale * d + shift, width = scale > 1.0 ? scale : 1.0;
    const int64_t lo = (int64_t)ceil(centre - lobes * width);
    const int64_t hi = (int64_t)floor(centre + lobes * width);
    const int32_t first = clamp(lo, a->n_src - a->taps);
    double total = 0.0;
    memset(sum, 0, (size_t)a->taps * sizeof(*sum));
    for (int64_t s = lo; s <= hi; s++) {
        const double w = lanczos(((double)s - centre) / width);
        sum[clamp(clamp(s, a->n_src - 1) - first, a->taps - 1)] += w;
        total += w;
    }
    a->first[d] = first;
    for (int32_t t = 0; t < a->taps; t++)
        a->weight[(int64_t)d * a->taps + t] = (float)(sum[t] / total);
}

lt_status lt_plane_axis_make(lt_plane_axis *axis, int32_t n_src, int32_t n_dst,
                             double scale, double shift)
{
    lt_status st = LT_OK;
    lt_plane_axis a = { .n_src = n_src, .n_dst = n_dst };
    const int copy = n_src == n_dst && scale == 1.0 && shift == 0.0;
    const double width = scale > 1.0 ? scale : 1.0;
    const double taps = copy ? 1.0 : 2.0 * ceil(lobes * width) + 1.0;
    a.taps = taps > n_src ? n_src : (int32_t)taps;
    a.first = malloc((size_t)n_dst * sizeof(*a.first));
    a.weight = malloc((size_t)n_dst * (size_t)a.taps * sizeof(*a.weight));
    double *sum = malloc((size_t)a.taps * sizeof(*sum));
    if (!a.first || !a.weight || !sum) {
        st = LT_FAIL(LT_ERR_NOMEM, "scaling %d samples to %d", n_src, n_dst);
        goto cleanup;
    }
    for (int32_t d = 0; d < n_dst; d++) {
        if (copy) {
            a.first[d] = d;
            a.weight[d] = 1.0f;
        } else {
            fill(&a, d, scale, shift, sum);
        }
    }
    *axis = a;
    memset(&a, 0, sizeof(a));
cleanup:
    free(sum);
    lt_plane_axis_free(&a);
    return st;
}

void lt_plane_axis_free(lt_plane_axis *axis)
{
    free(axis->first);
    free(axis->weight);
    memset(axis, 0, sizeof(*axis));
}

/* Rows first: the long dimension of the inner loop is contiguous, so it vectorises. */
static void blend_rows(float *row, const float *src, int32_t n, const float *w,
                       int32_t taps)
{
    for (int32_t i = 0; i < n; i++) row[i] = w[0] * src[i];
    for (int32_t t = 1; t < taps; t++) {
        const float *line = src + (int64_t)t * n;
        for (int32_t i = 0; i < n; i++) row[i] += w[t] * line[i];
    }
}

static void blend_columns(float *dst, const float *row, const lt_plane_axis *x)
{
    if (x->taps == 1 && x->n_src == x->n_dst) {
        memcpy(dst, row, (size_t)x->n_dst * sizeof(*dst));
        return;
    }
    for (int32_t d = 0; d < x->n_dst; d++) {
        const float *w = x->weight + (int64_t)d * x->taps;
        const float *s = row + x->first[d];
        float sum = 0.0f;
        for (int32_t t = 0; t < x->taps; t++) sum += w[t] * s[t];
        dst[d] = sum;
    }
}

void lt_plane_scale(float *dst, const float *src, const lt_plane_axis *x,
                    const lt_plane_axis *y, float *row)
{
    for (int32_t d = 0; d < y->n_dst; d++) {
        const float *lines = src + (int64_t)y->first[d] * x->n_src;
        blend_rows(row, lines, x->n_src, y->weight + (int64_t)d * y->taps, y->taps);
        blend_columns(dst + (int64_t)d * x->n_dst, row, x);
    }
}
