#include <string.h>

#include "kernels/impl.h"

lt_status lt_concat_ref(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                        lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_concat_check(a, b, out);
    if (st != LT_OK) return st;
    const size_t size = lt_dtype_size(out->dtype);
    const size_t na = (size_t)lt_cols(a) * size, nb = (size_t)lt_cols(b) * size;
    const int64_t rows = lt_tensor_count(out) > 0 ? lt_rows(out) : 0;
    char *to = out->data;
    for (int64_t r = 0; r < rows; r++, to += na + nb) {
        if (na) memcpy(to, (const char *)a->data + (size_t)r * na, na);
        if (nb) memcpy(to + na, (const char *)b->data + (size_t)r * nb, nb);
    }
    return LT_OK;
}

lt_status lt_upsample_ref(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_resize_check(in, out, "upsample");
    if (st != LT_OK) return st;
    const int64_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    const int64_t oh = out->shape[1], ow = out->shape[2];
    for (int64_t i = 0; i < lt_tensor_count(out); i++) {
        const int64_t k = i % c, ox = i / c % ow, oy = i / c / ow % oh,
                      n = i / c / ow / oh;
        const int64_t y = oy * h / oh, xx = ox * w / ow;
        lt_put(out, i, lt_get(in, ((n * h + y) * w + xx) * c + k));
    }
    return LT_OK;
}

typedef struct tap {
    int64_t lo, hi; /* source rows or columns */
    double frac;    /* weight of hi */
} tap;

static tap tap_at(int64_t i, int64_t n_in, int64_t n_out)
{
    double s = ((double)i + 0.5) * (double)n_in / (double)n_out - 0.5;
    if (s < 0) s = 0;
    const int64_t lo = (int64_t)s;
    return (tap){ lo, lo + 1 < n_in ? lo + 1 : lo, s - (double)lo };
}

lt_status lt_bilinear_ref(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_resize_check(in, out, "bilinear");
    if (st != LT_OK) return st;
    const int64_t h = in->shape[1], w = in->shape[2], c = in->shape[3];
    const int64_t oh = out->shape[1], ow = out->shape[2];
    for (int64_t i = 0; i < lt_tensor_count(out); i++) {
        const int64_t k = i % c, n = i / c / ow / oh;
        const tap ty = tap_at(i / c / ow % oh, h, oh), tx = tap_at(i / c % ow, w, ow);
        const int64_t lo = (n * h + ty.lo) * w, hi = (n * h + ty.hi) * w;
        const double a = lt_get(in, (lo + tx.lo) * c + k);
        const double b = lt_get(in, (lo + tx.hi) * c + k);
        const double d = lt_get(in, (hi + tx.lo) * c + k);
        const double e = lt_get(in, (hi + tx.hi) * c + k);
        const double top = a + tx.frac * (b - a), bottom = d + tx.frac * (e - d);
        lt_put(out, i, top + ty.frac * (bottom - top));
    }
    return LT_OK;
}
