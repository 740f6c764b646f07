#ifndef LT_KERNELS_RESAMPLE_H
#define LT_KERNELS_RESAMPLE_H

#include "kernels/linear.h"
#include "tensor/tensor.h"

/* out[n][p] = [a[n][p] | b[n][p]] along channels: a [n, ..., ca], b [n, ..., cb],
 * out [n, ..., ca + cb]; compute dtype. */
typedef lt_status lt_concat_fn(const lt_exec *x, const lt_tensor *a, const lt_tensor *b,
                               lt_tensor *out);

/* Nearest neighbour from [n, h, w, c] to the size of out [n, oh, ow, c]: source row
 * floor(y * h / oh) (the definition of torch's `nearest`). */
typedef lt_status lt_upsample_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

/* Bilinear, align_corners = false, no antialias (torch's interpolate): source
 * coordinate (y + 0.5) * h / oh - 0.5, clamped at 0. in [n, h, w, c], out [n, oh, ow, c];
 * both of the same float dtype, arithmetic in f32.  Tolerance f32 1e-6. */
typedef lt_status lt_bilinear_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

#endif
