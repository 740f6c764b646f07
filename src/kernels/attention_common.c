#include "kernels/attention_impl.h"

#include <math.h>

#include "kernels/bf16.h"
#include "kernels/kernels.h"

static int is_compute(const lt_tensor *t)
{
    return t && t->ndim == 3 && (t->dtype == LT_F32 || t->dtype == LT_BF16);
}

static lt_status check_values(const lt_attention_args *a)
{
    if (a->n_values < 1 || a->n_values > LT_MAX_VALUES)
        return LT_FAIL(LT_ERR_ARG,
                       "attention with %d value sets (n_values): give 1 or %d",
                       a->n_values, LT_MAX_VALUES);
    for (int i = 0; i < a->n_values; i++) {
        if (!is_compute(a->v[i]) || !lt_tensor_same_shape(a->v[i], a->k))
            return LT_FAIL(LT_ERR_SHAPE,
                           "values differ from keys (attention v[%d]): give f32 or "
                           "bf16 values of the shape of k",
                           i);
        if (a->state) continue;
        if (!a->out[i] || !lt_tensor_same_shape(a->out[i], a->q) ||
            a->out[i]->dtype != a->q->dtype)
            return LT_FAIL(LT_ERR_SHAPE,
                           "output differs from q (attention out[%d]): give a tensor "
                           "of the shape and dtype of q",
                           i);
    }
    return LT_OK;
}

static int state_fits(const lt_attention_state *s, const lt_attention_args *a,
                      const lt_attention_dims *g)
{
    if (s->n_values != a->n_values || s->max.ndim != 3 || s->sum.ndim != 3) return 0;
    if (s->max.shape[0] != g->sets || s->max.shape[1] != g->heads ||
        s->max.shape[2] != g->n_q || !lt_tensor_same_shape(&s->max, &s->sum))
        return 0;
    for (int i = 0; i < s->n_values; i++)
        if (!lt_tensor_same_shape(&s->acc[i], a->q)) return 0;
    return 1;
}

static lt_status check_index(const lt_attention_args *a, const lt_attention_dims *g)
{
    if (!a->n_index)
        return LT_FAIL(LT_ERR_ARG, "index lists without lengths (attention): give both");
    for (int64_t s = 0; s < g->sets; s++) {
        if (a->n_index[s] < 0 || (a->n_index[s] > 0 && !a->index[s]))
            return LT_FAIL(
                LT_ERR_ARG,
                "bad index list (attention set %lld): give its length and rows",
                (long long)s);
        for (int64_t j = 0; j < a->n_index[s]; j++) {
            const int32_t row = a->index[s][j];
            if (row < 0 || row >= g->n_kv)
                return LT_FAIL(LT_ERR_ARG,
                               "key row %d out of range (attention set %lld): %lld keys",
                               row, (long long)s, (long long)g->n_kv);
            if (j > 0 && row <= a->index[s][j - 1])
                return LT_FAIL(LT_ERR_ARG,
                               "key row %d after %d (attention set %lld): sort the list, "
                               "each row once",
                               row, a->index[s][j - 1], (long long)s);
        }
    }
    return LT_OK;
}

lt_status lt_attention_check(const lt_attention_args *a, lt_attention_dims *g)
{
    lt_status st = LT_OK;
    if (!is_compute(a->q) || !is_compute(a->k) || a->heads < 1 ||
        a->q->shape[2] % a->heads != 0 || a->k->shape[2] != a->q->shape[2] ||
        (a->k->shape[0] != 1 && a->k->shape[0] != a->q->shape[0]))
        return LT_FAIL(LT_ERR_SHAPE,
                       "queries and keys do not agree (attention): give f32 or bf16 "
                       "[sets, n, heads * head_dim], keys with 1 or as many sets");
    *g = (lt_attention_dims){
        .sets = a->q->shape[0],
        .n_q = a->q->shape[1],
        .n_kv = a->k->shape[1],
        .kv_sets = a->k->shape[0],
        .heads = a->heads,
        .d = a->q->shape[2] / a->heads,
        .width = a->q->shape[2],
    };
    LT_TRY(check_values(a));
    if (a->causal && (a->index || g->n_q != g->n_kv))
        return LT_FAIL(LT_ERR_SHAPE, "causal attention needs as many keys as queries and "
                                     "no index (attention): leave one of them out");
    if (a->state && !state_fits(a->state, a, g))
        return LT_FAIL(LT_ERR_SHAPE, "state of another problem (attention): make it with "
                                     "the sizes of q");
    if (a->index) LT_TRY(check_index(a, g));
cleanup:
    return st;
}

int64_t lt_attention_n_keys(const lt_attention_args *a, const lt_attention_dims *g,
                            int64_t s)
{
    return a->index ? a->n_index[s] : g->n_kv;
}

void lt_attention_write_row(const lt_tensor *out, int64_t first, const float *acc,
                            float sum, int64_t d)
{
    /* An empty sum has an empty acc: zeros times 1. */
    const float inv = sum == 0.0f ? 1.0f : 1.0f / sum;
    if (out->dtype == LT_F32) {
        float *o = (float *)out->data + first;
        for (int64_t c = 0; c < d; c++) o[c] = acc[c] * inv;
    } else {
        uint16_t *o = (uint16_t *)out->data + first;
        for (int64_t c = 0; c < d; c++) o[c] = lt_bf16_round(acc[c] * inv);
    }
}

lt_status lt_attention_state_new(const lt_exec *x, int64_t sets, int64_t n_q, int heads,
                                 int64_t head_dim, int n_values,
                                 lt_attention_state *state)
{
    lt_status st = LT_OK;
    lt_attention_state s = { .n_values = n_values };
    if (n_values < 1 || n_values > LT_MAX_VALUES || heads < 1)
        return LT_FAIL(LT_ERR_SHAPE,
                       "bad attention state (%d heads, %d values): give at "
                       "least one head and one or two values",
                       heads, n_values);
    LT_TRY(LT_TENSOR_NEW(&s.max, x->pool, LT_F32, sets, heads, n_q));
    LT_TRY(LT_TENSOR_NEW(&s.sum, x->pool, LT_F32, sets, heads, n_q));
    for (int i = 0; i < n_values; i++) {
        LT_TRY(LT_TENSOR_NEW(&s.acc[i], x->pool, LT_F32, sets, n_q, heads * head_dim));
        LT_TRY(lt_tensor_zero(&s.acc[i], x->stream));
    }
    LT_TRY(lt_tensor_zero(&s.sum, x->stream));
    const int64_t n = lt_tensor_count(&s.max);
    for (int64_t i = 0; i < n; i++) lt_f32(&s.max)[i] = -INFINITY;
    *state = s;
    s = (lt_attention_state){ 0 };
cleanup:
    lt_attention_state_free(&s);
    return st;
}

void lt_attention_state_free(lt_attention_state *state)
{
    if (!state) return;
    lt_tensor_free(&state->max);
    lt_tensor_free(&state->sum);
    for (int i = 0; i < LT_MAX_VALUES; i++) lt_tensor_free(&state->acc[i]);
    state->n_values = 0;
}
