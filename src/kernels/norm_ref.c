#include <math.h>

#include "kernels/impl.h"

typedef struct moments {
    double mean, scale; /* scale = 1 / sqrt(variance + eps) */
} moments;

/* Channels [c0, c0 + nc) of rows [r0, r0 + nr) of a matrix with c columns. */
static moments measure(const lt_tensor *t, int64_t c, int64_t r0, int64_t nr, int64_t c0,
                       int64_t nc, double eps)
{
    const double count = (double)nr * (double)nc;
    double sum = 0, square = 0;
    for (int64_t r = r0; r < r0 + nr; r++)
        for (int64_t i = c0; i < c0 + nc; i++) sum += lt_get(t, r * c + i);
    const double mean = sum / count;
    for (int64_t r = r0; r < r0 + nr; r++) {
        for (int64_t i = c0; i < c0 + nc; i++) {
            const double d = lt_get(t, r * c + i) - mean;
            square += d * d;
        }
    }
    return (moments){ mean, 1.0 / sqrt(square / count + eps) };
}

lt_status lt_group_norm_ref(const lt_exec *x, const lt_group_norm_args *a)
{
    (void)x;
    const lt_status st = lt_group_norm_check(a);
    if (st != LT_OK || lt_tensor_count(a->in) == 0) return st;
    const int64_t c = lt_cols(a->in), n = a->in->shape[0], pixels = lt_rows(a->in) / n;
    const int64_t nc = c / a->groups;
    const float *gamma = lt_f32(a->gamma), *beta = lt_f32(a->beta);

    for (int64_t s = 0; s < n * a->groups; s++) {
        const int64_t r0 = s / a->groups * pixels, c0 = s % a->groups * nc;
        const moments m = measure(a->in, c, r0, pixels, c0, nc, a->eps);
        for (int64_t r = r0; r < r0 + pixels; r++) {
            for (int64_t i = c0; i < c0 + nc; i++) {
                double v = (lt_get(a->in, r * c + i) - m.mean) * m.scale;
                v = v * gamma[i] + beta[i];
                lt_put(a->out, r * c + i, a->silu ? lt_act_ref(LT_ACT_SILU, v) : v);
            }
        }
    }
    return LT_OK;
}

lt_status lt_layer_norm_ref(const lt_exec *x, const lt_layer_norm_args *a)
{
    (void)x;
    const lt_status st = lt_layer_norm_check(a);
    if (st != LT_OK || lt_tensor_count(a->in) == 0) return st;
    const int64_t c = lt_cols(a->in), rows = lt_rows(a->in);
    const float *gamma = lt_f32(a->gamma), *beta = lt_f32(a->beta);

    for (int64_t r = 0; r < rows; r++) {
        const moments m = measure(a->in, c, r, 1, 0, c, a->eps);
        for (int64_t i = 0; i < c; i++) {
            const double v = (lt_get(a->in, r * c + i) - m.mean) * m.scale;
            lt_put(a->out, r * c + i, v * gamma[i] + beta[i]);
        }
    }
    return LT_OK;
}
