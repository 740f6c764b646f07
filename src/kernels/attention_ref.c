#include <math.h>
#include <stdlib.h>

#include "kernels/attention_impl.h"
#include "kernels/kernels.h"

/* The definition of attention: one row of one head at a time, sums in double, rounded
 * to f32 where a chunk ends. Kept obvious; never optimised. */

typedef struct row {
    int64_t set, head, i;
    int64_t n_keys;
} row;

static double value_at(const lt_tensor *t, int64_t i)
{
    return t->dtype == LT_F32 ? lt_f32(t)[i] : lt_f32_from_bf16(lt_u16(t)[i]);
}

/* First element of the j-th key of this row (and of its values). */
static int64_t key_start(const lt_attention_args *a, const lt_attention_dims *g,
                         const row *r, int64_t j)
{
    const int64_t set = g->kv_sets == 1 ? 0 : r->set;
    const int64_t key = a->index ? a->index[r->set][j] : j;
    return (set * g->n_kv + key) * g->width + r->head * g->d;
}

static double score(const lt_attention_args *a, const lt_attention_dims *g, const row *r,
                    int64_t j)
{
    const int64_t q = (r->set * g->n_q + r->i) * g->width + r->head * g->d;
    const int64_t k = key_start(a, g, r, j);
    double sum = 0;
    for (int64_t c = 0; c < g->d; c++)
        sum += value_at(a->q, q + c) * value_at(a->k, k + c);
    return sum * a->scale * M_LOG2E;
}

/* Fold the keys of one row into the state; p holds n_keys numbers. */
static void fold_row(const lt_attention_args *a, const lt_attention_dims *g,
                     lt_attention_state *state, const row *r, double *p)
{
    float *max = lt_f32(&state->max) + (r->set * g->heads + r->head) * g->n_q + r->i;
    float *sum = lt_f32(&state->sum) + (r->set * g->heads + r->head) * g->n_q + r->i;
    const int64_t first = (r->set * g->n_q + r->i) * g->width + r->head * g->d;
    if (r->n_keys == 0) return;

    float top = *max;
    for (int64_t j = 0; j < r->n_keys; j++) {
        p[j] = score(a, g, r, j);
        if (p[j] > top) top = (float)p[j];
    }
    const double keep = *max == -INFINITY ? 0 : exp2((double)*max - top);
    double total = *sum * keep;
    for (int64_t j = 0; j < r->n_keys; j++) {
        p[j] = exp2(p[j] - top);
        total += p[j];
    }
    for (int v = 0; v < a->n_values; v++) {
        float *acc = lt_f32(&state->acc[v]) + first;
        for (int64_t c = 0; c < g->d; c++) {
            double o = acc[c] * keep;
            for (int64_t j = 0; j < r->n_keys; j++)
                o += p[j] * value_at(a->v[v], key_start(a, g, r, j) + c);
            acc[c] = (float)o;
        }
    }
    *max = top;
    *sum = (float)total;
}

static lt_status fold(const lt_attention_args *a, const lt_attention_dims *g,
                      lt_attention_state *state)
{
    double *p = calloc(g->n_kv > 0 ? (size_t)g->n_kv : 1, sizeof(*p));
    if (!p)
        return LT_FAIL(LT_ERR_NOMEM, "no memory for scores (attention): %lld keys",
                       (long long)g->n_kv);
    for (int64_t s = 0; s < g->sets; s++)
        for (int64_t h = 0; h < g->heads; h++)
            for (int64_t i = 0; i < g->n_q; i++) {
                const row r = { .set = s,
                                .head = h,
                                .i = i,
                                .n_keys =
                                    a->causal ? i + 1 : lt_attention_n_keys(a, g, s) };
                fold_row(a, g, state, &r, p);
            }
    free(p);
    return LT_OK;
}

lt_status lt_attention_ref(const lt_exec *x, const lt_attention_args *a)
{
    lt_status st = LT_OK;
    lt_attention_dims g;
    lt_attention_state own = { 0 };
    LT_TRY(lt_attention_check(a, &g));
    if (a->state) {
        LT_TRY(fold(a, &g, a->state));
    } else {
        LT_TRY(
            lt_attention_state_new(x, g.sets, g.n_q, a->heads, g.d, a->n_values, &own));
        LT_TRY(fold(a, &g, &own));
        LT_TRY(lt_attention_finish_ref(x, &own, a->out));
    }
cleanup:
    lt_attention_state_free(&own);
    return st;
}

lt_status lt_attention_finish_ref(const lt_exec *x, lt_attention_state *state,
                                  lt_tensor *const *out)
{
    (void)x;
    const int64_t sets = state->max.shape[0], heads = state->max.shape[1];
    const int64_t n_q = state->max.shape[2];
    for (int v = 0; v < state->n_values; v++)
        if (!out[v] || !lt_tensor_same_shape(out[v], &state->acc[v]) ||
            (out[v]->dtype != LT_F32 && out[v]->dtype != LT_BF16))
            return LT_FAIL(LT_ERR_SHAPE,
                           "output differs from the state (attention finish out[%d]): "
                           "give an f32 or bf16 tensor of the shape of q",
                           v);
    const int64_t width = state->acc[0].shape[2], d = width / heads;
    for (int v = 0; v < state->n_values; v++)
        for (int64_t s = 0; s < sets; s++)
            for (int64_t i = 0; i < n_q; i++)
                for (int64_t h = 0; h < heads; h++) {
                    const int64_t first = (s * n_q + i) * width + h * d;
                    const float sum = lt_f32(&state->sum)[(s * heads + h) * n_q + i];
                    lt_attention_write_row(out[v], first, lt_f32(&state->acc[v]) + first,
                                           sum, d);
                }
    return LT_OK;
}
