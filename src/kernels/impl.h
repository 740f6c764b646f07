#ifndef LT_KERNELS_IMPL_H
#define LT_KERNELS_IMPL_H

#include "kernels/kernels.h"

/* What the entries of the tables share; not for other rooms. */

/* The head of every kind of packed weights: what lt_linear_n_in and friends read. */
struct lt_linear {
    int64_t n_in, n_out;
};

struct lt_conv {
    int64_t c_in, c_out, kh, kw;
    lt_conv_shape shape;
};

/* ---- entries --------------------------------------------------------------------- */

/* Plain C; f32, bf16 and f16 tensors alike, sums in double. */
lt_linear_pack_fn lt_linear_pack_ref;
lt_linear_fn lt_linear_ref;
lt_linear_free_fn lt_linear_free_ref;
lt_conv_pack_fn lt_conv_pack_ref;
lt_conv_fn lt_conv_ref;
lt_conv_free_fn lt_conv_free_ref;
lt_group_norm_fn lt_group_norm_ref;
lt_layer_norm_fn lt_layer_norm_ref;
lt_unary_fn lt_unary_ref;
lt_geglu_fn lt_geglu_ref;
lt_add_fn lt_add_ref;
lt_axpby_fn lt_axpby_ref;
lt_convert_fn lt_convert_ref;
lt_concat_fn lt_concat_ref;
lt_upsample_fn lt_upsample_ref;
lt_bilinear_fn lt_bilinear_ref;

/* oneDNN, for f32 and bf16 tables. One thread computes one tile; weights are bound to
 * the thread that owns the pool they were packed with. */
lt_linear_pack_fn lt_linear_pack_dnnl;
lt_linear_fn lt_linear_dnnl;
lt_linear_free_fn lt_linear_free_dnnl;
lt_conv_pack_fn lt_conv_pack_dnnl;
lt_conv_fn lt_conv_dnnl;
lt_conv_free_fn lt_conv_free_dnnl;

/* Own loops, compiled for AVX2 and AVX-512; f32, bf16 and f16 tensors alike. */
#define LT_DECLARE_VEC(isa)               \
    lt_group_norm_fn lt_group_norm_##isa; \
    lt_layer_norm_fn lt_layer_norm_##isa; \
    lt_unary_fn lt_unary_##isa;           \
    lt_geglu_fn lt_geglu_##isa;           \
    lt_add_fn lt_add_##isa;               \
    lt_axpby_fn lt_axpby_##isa;           \
    lt_convert_fn lt_convert_##isa;       \
    lt_concat_fn lt_concat_##isa;         \
    lt_upsample_fn lt_upsample_##isa;     \
    lt_bilinear_fn lt_bilinear_##isa
LT_DECLARE_VEC(avx2);
LT_DECLARE_VEC(avx512);

/* ---- checks: the shapes and dtypes the headers demand ------------------------------ */

LT_NODISCARD lt_status lt_linear_pack_check(const lt_tensor *w, const lt_tensor *bias);
LT_NODISCARD lt_status lt_linear_check(const lt_linear_args *a);
LT_NODISCARD lt_status lt_conv_pack_check(const lt_tensor *w, const lt_tensor *bias,
                                          lt_conv_shape shape);
LT_NODISCARD lt_status lt_conv_check(const lt_conv_args *a);
LT_NODISCARD lt_status lt_group_norm_check(const lt_group_norm_args *a);
LT_NODISCARD lt_status lt_layer_norm_check(const lt_layer_norm_args *a);
/* in and out: equal shapes and dtypes. */
LT_NODISCARD lt_status lt_same_check(const lt_tensor *in, const lt_tensor *out,
                                     const char *op);
LT_NODISCARD lt_status lt_geglu_check(const lt_tensor *in, const lt_tensor *out);
LT_NODISCARD lt_status lt_axpby_check(const lt_tensor *a, const lt_tensor *b,
                                      const lt_tensor *out);
LT_NODISCARD lt_status lt_convert_check(const lt_tensor *in, const lt_tensor *out);
LT_NODISCARD lt_status lt_concat_check(const lt_tensor *a, const lt_tensor *b,
                                       const lt_tensor *out);
LT_NODISCARD lt_status lt_resize_check(const lt_tensor *in, const lt_tensor *out,
                                       const char *op);

/* ---- small things ------------------------------------------------------------------ */

/* The last size, and the product of the sizes before it (0 for an empty tensor). */
static inline int64_t lt_cols(const lt_tensor *t)
{
    return t->ndim > 0 ? t->shape[t->ndim - 1] : 1;
}
static inline int64_t lt_rows(const lt_tensor *t)
{
    int64_t rows = 1;
    for (int i = 0; i + 1 < t->ndim; i++) rows *= t->shape[i];
    return rows;
}
static inline int lt_is_float(const lt_tensor *t)
{
    return t->dtype == LT_F32 || t->dtype == LT_BF16 || t->dtype == LT_F16;
}

/* One value of a host tensor of any float dtype; for the reference. */
static inline double lt_get(const lt_tensor *t, int64_t i)
{
    if (t->dtype == LT_F32) return ((const float *)t->data)[i];
    const uint16_t bits = ((const uint16_t *)t->data)[i];
    return t->dtype == LT_BF16 ? lt_f32_from_bf16(bits) : lt_f32_from_f16(bits);
}
static inline void lt_put(const lt_tensor *t, int64_t i, double v)
{
    const float x = (float)v;
    if (t->dtype == LT_F32)
        ((float *)t->data)[i] = x;
    else
        ((uint16_t *)t->data)[i] =
            t->dtype == LT_BF16 ? lt_bf16_from_f32(x) : lt_f16_from_f32(x);
}

/* act(v), the definition. */
double lt_act_ref(lt_act act, double v);

#endif
