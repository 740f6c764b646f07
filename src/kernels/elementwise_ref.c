#include <math.h>

#include "kernels/impl.h"

double lt_act_ref(lt_act act, double v)
{
    switch (act) {
    case LT_ACT_NONE: return v;
    case LT_ACT_SILU: return v / (1.0 + exp(-v));
    case LT_ACT_GELU: return 0.5 * v * (1.0 + erf(v * 0.70710678118654752));
    case LT_ACT_QUICK_GELU: return v / (1.0 + exp(-1.702 * v));
    }
    return v;
}

lt_status lt_unary_ref(const lt_exec *x, lt_act act, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_same_check(in, out, "unary");
    if (st != LT_OK) return st;
    const int64_t n = lt_tensor_count(in);
    for (int64_t i = 0; i < n; i++) lt_put(out, i, lt_act_ref(act, lt_get(in, i)));
    return LT_OK;
}

lt_status lt_geglu_ref(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_geglu_check(in, out);
    if (st != LT_OK) return st;
    const int64_t rows = lt_rows(out), c = lt_cols(out);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < c; i++) {
            const double gate = lt_act_ref(LT_ACT_GELU, lt_get(in, (2 * r + 1) * c + i));
            lt_put(out, r * c + i, lt_get(in, 2 * r * c + i) * gate);
        }
    }
    return LT_OK;
}

lt_status lt_add_ref(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                     lt_tensor *out)
{
    (void)x;
    lt_status st = lt_same_check(a, out, "add");
    if (st == LT_OK) st = lt_same_check(b, out, "add");
    if (st != LT_OK) return st;
    const int64_t n = lt_tensor_count(out);
    for (int64_t i = 0; i < n; i++) lt_put(out, i, lt_get(a, i) + lt_get(b, i));
    return LT_OK;
}

lt_status lt_axpby_ref(const lt_exec *x, float alpha, const lt_tensor *a, float beta,
                       const lt_tensor *b, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_axpby_check(a, b, out);
    if (st != LT_OK) return st;
    const int64_t n = lt_tensor_count(out);
    const float *pa = lt_f32(a), *pb = lt_f32(b);
    float *po = lt_f32(out);
    for (int64_t i = 0; i < n; i++) po[i] = alpha * pa[i] + beta * pb[i];
    return LT_OK;
}

lt_status lt_convert_ref(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    const lt_status st = lt_convert_check(in, out);
    return st != LT_OK ? st : lt_tensor_convert(out, in);
}
