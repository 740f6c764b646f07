#ifndef LT_KERNELS_ATTENTION_H
#define LT_KERNELS_ATTENTION_H

#include "kernels/linear.h"
#include "tensor/tensor.h"

/* Attention over long, shared keys and values (flash style: no score matrix, and K / V
 * are never copied per query set):
 *
 *   out[s][i][h] = sum_j softmax_j( scale * q[s][i][h] . k[j][h] ) v[j][h]
 *
 * over the keys j of the set's index list (NULL: all keys). Two value sets can share
 * one softmax (injected layers, where q and k are the same for two branches).
 *
 * Long sequences may be given in chunks, always in the same global order: a call with a
 * `state` folds one chunk into it, lt_attention_finish_fn divides. The chunks belong to
 * the problem (a fixed number of keyframes), not to ranks or threads, so the result has
 * the same bits however the chunks travelled. One call with state == NULL equals one
 * chunk plus finish, bit for bit. */

enum { LT_MAX_VALUES = 2 };

/* Running softmax of one query batch: allocate with lt_attention_state_new; fresh ones
 * hold max = -inf, sum = 0, acc = 0. max counts in base 2: the largest
 * scale * log2(e) * q.k so far; sum and acc are relative to 2^max. */
typedef struct lt_attention_state {
    lt_tensor max, sum;           /* [sets, heads, n_q] f32                      */
    lt_tensor acc[LT_MAX_VALUES]; /* [sets, n_q, heads * head_dim] f32, unscaled */
    int n_values;
} lt_attention_state;

typedef struct lt_attention_args {
    const lt_tensor *q; /* [sets, n_q, heads * head_dim], compute dtype or f32         */
    const lt_tensor *k; /* [1 or sets, n_kv, heads * head_dim]; 1: shared by all sets  */
    const lt_tensor *v[LT_MAX_VALUES]; /* like k; v[0 .. n_values)                     */
    lt_tensor *out[LT_MAX_VALUES];     /* like q; written when state == NULL           */
    int n_values;                      /* 1 or 2                                       */
    int heads;
    float scale; /* usually head_dim^-1/2                                              */
    int causal;  /* 1: query i sees keys j <= i (n_q == n_kv, no index)                */
    /* Index lists: NULL, or per set a list of key rows, each once, ascending, in [0, n_kv).
     * n_index[s] may be 0: the set then gets nothing from this call (out = 0). */
    const int32_t *const *index; /* [sets] */
    const int64_t *n_index;      /* [sets] */
    lt_attention_state *state;   /* NULL: whole attention in one call                  */
} lt_attention_args;

/* Tolerance against the reference (which uses double for sums): f32 2e-5, bf16 2e-2.
 * n_kv = 0 is allowed (out = 0). A NaN in q spoils its own row only. The result of a set
 * has the same bits whatever other sets are in the call.
 * Scratch: one packed copy of k and v (of a set, when sets have keys or lists of their
 * own), at most 512 MiB; none for a single tile of queries or above that size.
 * Errors: SHAPE, ARG (n_values, an index out of range or not ascending), NOMEM. */
typedef lt_status lt_attention_fn(const lt_exec *x, const lt_attention_args *a);

/* out[v] = acc[v] / sum, rows with sum == 0 become 0; out f32 or bf16, shaped like q.
 * Errors: SHAPE. */
typedef lt_status lt_attention_finish_fn(const lt_exec *x, lt_attention_state *state,
                                         lt_tensor *const *out);

/* A fresh state in x->pool (host); free with lt_attention_state_free.
 * Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_attention_state_new(const lt_exec *x, int64_t sets, int64_t n_q,
                                              int heads, int64_t head_dim, int n_values,
                                              lt_attention_state *state);
void lt_attention_state_free(lt_attention_state *state);

#endif
