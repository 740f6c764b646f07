#ifndef LT_KERNELS_CONV_H
#define LT_KERNELS_CONV_H

#include "tensor/tensor.h"

/* 2-D convolution, channels last:
 *   out[n][y][x][o] = sum_{i,ky,kx} in[n][y*stride - top + ky][x*stride - left + kx][i]
 *                     * w[o][i][ky][kx] + bias[o] + per_sample[n][o] + residual[n][y][x][o]
 * where rows and columns outside the image are zeros. The output has
 * floor((h + top + bottom - kh) / stride) + 1 rows. A tile is a band of rows of one
 * sample; its height depends on the layer's shape only. */
typedef struct lt_exec lt_exec;
typedef struct lt_conv lt_conv; /* packed weights; opaque */

typedef struct lt_conv_shape {
    int stride;                   /* >= 1, both directions */
    int top, left, bottom, right; /* zero padding, pixels */
} lt_conv_shape;

typedef struct lt_conv_args {
    const lt_conv *w;
    const lt_tensor *in;         /* [n, h, w, c_in]    compute dtype            */
    lt_tensor *out;              /* [n, oh, ow, c_out] compute dtype, or f32    */
    const lt_tensor *per_sample; /* NULL or [n, c_out] f32 (time embedding)     */
    const lt_tensor *residual;   /* NULL or like out (may be out itself)        */
    int upsample; /* 1: in is read as if enlarged twice (nearest), [n, 2h, 2w, c_in] */
} lt_conv_args;

/* w: [c_out][c_in][kh][kw] f32 / f16 / bf16 on the host (diffusers' layout), bias:
 * [c_out] or NULL; borrowed. Padding is smaller than the kernel. *out is bound to x->pool
 * and its thread, as packed linear weights are; the first image of a new size may lay
 * the weights anew.  Errors: NOMEM, SHAPE, INTERNAL. */
typedef lt_status lt_conv_pack_fn(const lt_exec *x, const lt_tensor *w,
                                  const lt_tensor *bias, lt_conv_shape shape,
                                  lt_conv **out);
/* Tolerance: f32 2e-5, bf16 2e-2 (max|a-b| / max|b|).  Errors: SHAPE, NOMEM, INTERNAL. */
typedef lt_status lt_conv_fn(const lt_exec *x, const lt_conv_args *a);
typedef void lt_conv_free_fn(lt_conv **w);

int64_t lt_conv_c_in(const lt_conv *w);
int64_t lt_conv_c_out(const lt_conv *w);
/* Rows or columns of the output for an input of that many. */
int64_t lt_conv_out_h(const lt_conv *w, int64_t h);
int64_t lt_conv_out_w(const lt_conv *w, int64_t width);

#endif
