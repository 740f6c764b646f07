#ifndef LT_KERNELS_NORM_H
#define LT_KERNELS_NORM_H

#include "tensor/tensor.h"

/* Normalisations; statistics in f32 (sums in a fixed order inside one sample or row)
 * whatever the compute dtype. */
typedef struct lt_exec lt_exec;

typedef struct lt_group_norm_args {
    const lt_tensor *in; /* [n, ..., c] compute dtype: samples, pixels, channels */
    lt_tensor *out;      /* like in; may be in itself */
    const lt_tensor *gamma, *beta; /* [c] f32 */
    int64_t groups;                /* divides c */
    float eps;
    int silu; /* 1: x * sigmoid(x) follows */
} lt_group_norm_args;

typedef struct lt_layer_norm_args {
    const lt_tensor *in;           /* [..., c] */
    lt_tensor *out;                /* like in; may be in itself */
    const lt_tensor *gamma, *beta; /* [c] f32 */
    float eps;
} lt_layer_norm_args;

/* Tolerance: f32 1e-5, bf16 1e-2.  Errors: SHAPE. */
typedef lt_status lt_group_norm_fn(const lt_exec *x, const lt_group_norm_args *a);
typedef lt_status lt_layer_norm_fn(const lt_exec *x, const lt_layer_norm_args *a);

#endif
