#include "models/site.h"

#include "models/loader.h"

/* Samples that go through a temporary layer at a time: bounds scratch memory and changes
 * no bits, since samples are independent. */
static int64_t samples_at_once(const lt_tensor *in, int64_t count)
{
    const int64_t most = INT64_C(64) << 20;
    const int64_t bytes = in->shape[1] * in->shape[2] * (int64_t)lt_dtype_size(in->dtype);
    const int64_t n = bytes > 0 ? most / bytes : count;
    return n < 1 ? 1 : n < count ? n : count;
}

static lt_status check_range(const lt_attention_call *call, int64_t first, int64_t count,
                             const lt_tensor *t)
{
    const lt_tensor *in = call->in;
    if (first >= 0 && count >= 0 && first <= in->shape[0] - count &&
        (!t || (t->ndim == 3 && t->shape[0] == count && t->shape[1] == in->shape[1] &&
                t->shape[2] == in->shape[2])))
        return LT_OK;
    return LT_FAIL(LT_ERR_SHAPE, "attention of samples %lld + %lld of %lld (%s)",
                   (long long)first, (long long)count, (long long)in->shape[0],
                   call->site->path);
}

lt_status lt_site_project(const lt_attention_call *call, lt_projection which,
                          int64_t first, int64_t count, lt_tensor *dst)
{
    const lt_attention_weights *w = call->site->weights;
    const lt_linear *p = which == LT_Q ? w->to_q : which == LT_K ? w->to_k : w->to_v;
    lt_status st = check_range(call, first, count, dst);
    if (st != LT_OK || count == 0) return st;
    lt_tensor in = lt_tensor_rows(call->in, first, count);
    st = lt_run_linear(call->x, p, &in, LT_ACT_NONE, NULL, dst);
    lt_tensor_free(&in);
    return st;
}

lt_status lt_site_output(const lt_attention_call *call, const lt_tensor *attended,
                         int64_t first, int64_t count)
{
    lt_status st = check_range(call, first, count, attended);
    if (st != LT_OK || count == 0) return st;
    lt_tensor out = lt_tensor_rows(call->out, first, count);
    st = lt_run_linear(call->x, call->site->weights->to_out, attended, LT_ACT_NONE, NULL,
                       &out);
    lt_tensor_free(&out);
    return st;
}

static lt_status plain_chunk(const lt_attention_call *call, int64_t first, int64_t count)
{
    lt_status st = LT_OK;
    const lt_exec *x = call->x;
    const int64_t shape[3] = { count, call->in->shape[1], call->in->shape[2] };
    lt_tensor q = { 0 }, k = { 0 }, v = { 0 }, out = { 0 };
    LT_TRY(lt_tensor_new(&q, x->pool, x->k->compute, 3, shape));
    LT_TRY(lt_tensor_new(&k, x->pool, x->k->compute, 3, shape));
    LT_TRY(lt_tensor_new(&v, x->pool, x->k->compute, 3, shape));
    LT_TRY(lt_tensor_new(&out, x->pool, x->k->compute, 3, shape));
    LT_TRY(lt_site_project(call, LT_Q, first, count, &q));
    LT_TRY(lt_site_project(call, LT_K, first, count, &k));
    LT_TRY(lt_site_project(call, LT_V, first, count, &v));
    const lt_attention_args a = { .q = &q,
                                  .k = &k,
                                  .v = { &v },
                                  .out = { &out },
                                  .n_values = 1,
                                  .heads = call->site->heads,
                                  .scale = call->site->scale };
    LT_TRY(x->k->attention(x, &a));
    LT_TRY(lt_site_output(call, &out, first, count));
cleanup:
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&v);
    lt_tensor_free(&out);
    return st;
}

lt_status lt_site_plain(const lt_attention_call *call, int64_t first, int64_t count)
{
    lt_status st = check_range(call, first, count, NULL);
    if (st != LT_OK || count == 0) return st;
    const int64_t step = samples_at_once(call->in, count);
    for (int64_t i = 0; st == LT_OK && i < count; i += step)
        st = plain_chunk(call, first + i, count - i < step ? count - i : step);
    return st;
}
