#ifndef LT_KERNELS_LINEAR_H
#define LT_KERNELS_LINEAR_H

#include "tensor/tensor.h"

/* out[r][o] = act( sum_i in[r][i] * w[o][i] + bias[o] ) + residual[r][o]
 *
 * Weights are re-laid once. rows_per_tile is the unit of the one-thread-one-tile rule:
 * the caller gives the number of rows of one sample (tokens of a frame), so that the
 * result of a row does not depend on the batch. */
typedef struct lt_exec lt_exec;
typedef struct lt_linear lt_linear; /* packed weights of one table; opaque */

typedef enum lt_act { LT_ACT_NONE, LT_ACT_SILU, LT_ACT_GELU, LT_ACT_QUICK_GELU } lt_act;

typedef struct lt_linear_args {
    const lt_linear *w;
    const lt_tensor *in; /* [..., n_in]   compute dtype, rows = product of the rest */
    lt_tensor *out;      /* [..., n_out]  compute dtype or f32, written            */
    const lt_tensor
        *residual;         /* NULL or like out (may be out itself)                   */
    int64_t rows_per_tile; /* >= 1; the last tile may be shorter                     */
    lt_act act;
} lt_linear_args;

/* w: [n_out][n_in] f32 / f16 / bf16 on the host, bias: [n_out] or NULL; both borrowed.
 * *out is owned by the caller (linear_free). Its memory comes from x->pool and belongs to
 * the thread of that pool: the first call for a new tile shape may lay the weights anew.
 * Errors: NOMEM, SHAPE, INTERNAL. */
typedef lt_status lt_linear_pack_fn(const lt_exec *x, const lt_tensor *w,
                                    const lt_tensor *bias, lt_linear **out);
/* Tolerance against the reference: f32 2e-5, bf16 2e-2 (max|a-b| / max|b|).
 * Errors: SHAPE, NOMEM, INTERNAL. */
typedef lt_status lt_linear_fn(const lt_exec *x, const lt_linear_args *a);
typedef void lt_linear_free_fn(lt_linear **w); /* accepts NULL */

/* Sizes of packed weights, for checks. */
int64_t lt_linear_n_in(const lt_linear *w);
int64_t lt_linear_n_out(const lt_linear *w);

#endif
