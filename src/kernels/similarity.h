#ifndef LT_KERNELS_SIMILARITY_H
#define LT_KERNELS_SIMILARITY_H

#include "kernels/linear.h"
#include "tensor/tensor.h"

/* Search by cosine similarity, selection and gathering of tokens. */

/* out[r] = in[r] / max(|in[r]|, 1e-12), rows of [n, c], f32 norm. in and out of the
 * compute dtype or f32. */
typedef lt_status lt_unit_rows_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

/* For every row p of a the row q of b with the largest dot product (the cosine, when
 * rows have unit length). The similarity matrix never exists. f32 accumulation; among
 * equal values the lowest q wins. bf16 entries multiply bf16-rounded inputs. A NaN counts
 * as -inf; a row without any better product gets q = 0 and -inf.
 * Errors: SHAPE, ARG (rows_per_tile), NOMEM. */
typedef struct lt_best_match_args {
    const lt_tensor *a;    /* [n_a, c]  compute dtype or f32 */
    const lt_tensor *b;    /* [n_b, c]  like a, n_b >= 1     */
    lt_tensor *index;      /* NULL or [n_a] i32: q           */
    lt_tensor *similarity; /* NULL or [n_a] f32: the value   */
    int64_t rows_per_tile; /* >= 1: rows of a in one tile (one frame) */
} lt_best_match_args;
typedef lt_status lt_best_match_fn(const lt_exec *x, const lt_best_match_args *a);

/* The k highest of scores [n] f32, as ascending indices in out [k] i32; among equal
 * scores the lowest index is kept.  0 <= k <= n. NaN ranks lowest. Exact.
 * Errors: SHAPE, ARG (k), NOMEM. */
typedef lt_status lt_top_k_fn(const lt_exec *x, const lt_tensor *scores, int64_t k,
                              lt_tensor *out);

/* out[i] = src[index[i]]: rows of [n_src, c]; index [n] i32 in [0, n_src), unchecked.
 * Any dtype; exact. This is propagation: a frame's attention output is gathered from
 * its keyframe's. */
typedef lt_status lt_gather_rows_fn(const lt_exec *x, const lt_tensor *src,
                                    const lt_tensor *index, lt_tensor *out);

#endif
