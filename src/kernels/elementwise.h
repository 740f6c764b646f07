#ifndef LT_KERNELS_ELEMENTWISE_H
#define LT_KERNELS_ELEMENTWISE_H

#include "kernels/linear.h"
#include "tensor/tensor.h"

/* out = act(in); compute dtype or f32, in place allowed.
 * Tolerance f32 1e-6, bf16 1e-2. */
typedef lt_status lt_unary_fn(const lt_exec *x, lt_act act, const lt_tensor *in,
                              lt_tensor *out);

/* in [..., 2c] = [value | gate]; out [..., c] = value * gelu_erf(gate). */
typedef lt_status lt_geglu_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

/* out = a + b, equal shapes and dtypes, in place allowed. */
typedef lt_status lt_add_fn(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                            lt_tensor *out);

/* out = alpha * a + beta * b, all f32, in place allowed; each product rounded, then the
 * sum (no fused multiply-add), so that every table gives the same bits: this is the
 * arithmetic of schedulers and guidance. */
typedef lt_status lt_axpby_fn(const lt_exec *x, float alpha, const lt_tensor *a,
                              float beta, const lt_tensor *b, lt_tensor *out);

/* out = in in another float dtype (f32, bf16, f16), round to nearest even. */
typedef lt_status lt_convert_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

#endif
