#include "attention/inject.h"

#include <math.h>
#include <string.h>

lt_inject lt_inject_at_step(int64_t i, int64_t n, double attention_share,
                            double feature_share)
{
    /* 0.8 * 50 is 40.000000000000007 in binary, 0.29 * 100 is 28.999999999999996: the
     * small shift makes both the number that was meant. */
    const double slack = 1e-9;
    return (
        lt_inject){ .attention = (double)i < floor((double)n * attention_share + slack),
                    .features = (double)i < floor((double)n * feature_share + slack) };
}

int lt_inject_site(const lt_inject *inj, const lt_attention_site *site)
{
    if (!inj || !inj->attention || site->kind != LT_SELF_ATTENTION) return 0;
    return site->up_block > 1 || (site->up_block == 1 && site->attention >= 1);
}

static int is_feature_place(int up_block, int resnet)
{
    return up_block == 1 && resnet == 1;
}

int lt_batch_find(const lt_batch *batch, lt_branch branch)
{
    for (int b = 0; b < batch->n_branches; b++)
        if (batch->branch[b] == branch) return b;
    return -1;
}

lt_status lt_inject_hidden(const lt_inject *inj, const lt_hidden_call *call)
{
    lt_status st = LT_OK;
    lt_tensor source = { 0 }, other = { 0 };
    const lt_batch *b = call->batch;
    if (!inj || !inj->features || !is_feature_place(call->up_block, call->resnet))
        return LT_OK;
    if (b->branch[0] != LT_BRANCH_SOURCE)
        return LT_FAIL(LT_ERR_INTERNAL, "feature injection without a source branch (%s)",
                       call->path);
    source = lt_tensor_rows(call->hidden, 0, b->n_frames);
    for (int i = 1; i < b->n_branches; i++) {
        other = lt_tensor_rows(call->hidden, i * b->n_frames, b->n_frames);
        LT_TRY(lt_tensor_copy(&other, &source, call->x->stream));
        lt_tensor_free(&other);
    }
cleanup:
    lt_tensor_free(&other);
    lt_tensor_free(&source);
    return st;
}

int lt_inject_drop(const lt_inject *inj, int keep_source, int up_block, int resnet,
                   const lt_batch *batch)
{
    if (keep_source || batch->n_branches < 2 || batch->branch[0] != LT_BRANCH_SOURCE)
        return 0;
    return inj && inj->features && is_feature_place(up_block, resnet);
}

lt_status lt_site_tensor(const lt_attention_call *call, int64_t n_frames, lt_tensor *t)
{
    const lt_attention_site *s = call->site;
    return LT_TENSOR_NEW(t, call->x->pool, call->in->dtype, n_frames, s->h * s->w,
                         s->heads * s->head_dim);
}

lt_status lt_branch_project(const lt_attention_call *call, lt_projection which,
                            int position, lt_tensor *t)
{
    const int64_t n = call->batch->n_frames;
    lt_tensor made = { 0 };
    lt_status st = lt_site_tensor(call, n, &made);
    if (st == LT_OK) st = lt_site_project(call, which, position * n, n, &made);
    if (st != LT_OK) {
        lt_tensor_free(&made);
        return st;
    }
    *t = made;
    return LT_OK;
}

lt_status lt_branch_attend(const lt_attention_call *call, int position,
                           const lt_tensor *q, const lt_tensor *k, const lt_tensor *v)
{
    lt_status st = LT_OK;
    const int64_t n = call->batch->n_frames;
    lt_tensor out = { 0 };
    LT_TRY(lt_site_tensor(call, n, &out));
    const lt_attention_args a = { .q = q,
                                  .k = k,
                                  .v = { v },
                                  .out = { &out },
                                  .n_values = 1,
                                  .heads = call->site->heads,
                                  .scale = call->site->scale };
    LT_TRY(call->x->k->attention(call->x, &a));
    LT_TRY(lt_site_output(call, &out, position * n, n));
cleanup:
    lt_tensor_free(&out);
    return st;
}

/* ---- each frame alone -------------------------------------------------------------- */

enum { MAX_SETS = LT_MAX_VALUES };

/* All branches share the source's softmax weights: one product of queries and keys for
 * up to two value sets at a time. */
static lt_status injected_branches(const lt_attention_call *call, const lt_tensor *q,
                                   const lt_tensor *k, int first, int count)
{
    lt_status st = LT_OK;
    lt_tensor v[MAX_SETS] = { { 0 } }, out[MAX_SETS] = { { 0 } };
    lt_attention_args a = { .q = q,
                            .k = k,
                            .n_values = count,
                            .heads = call->site->heads,
                            .scale = call->site->scale };
    const int64_t n = call->batch->n_frames;
    for (int i = 0; i < count; i++) {
        LT_TRY(lt_branch_project(call, LT_V, first + i, &v[i]));
        LT_TRY(lt_site_tensor(call, n, &out[i]));
        a.v[i] = &v[i];
        a.out[i] = &out[i];
    }
    LT_TRY(call->x->k->attention(call->x, &a));
    for (int i = 0; i < count; i++)
        LT_TRY(lt_site_output(call, &out[i], (first + i) * n, n));
cleanup:
    for (int i = 0; i < MAX_SETS; i++) {
        lt_tensor_free(&v[i]);
        lt_tensor_free(&out[i]);
    }
    return st;
}

static lt_status alone(void *self, const lt_attention_call *call)
{
    lt_status st = LT_OK;
    lt_tensor q = { 0 }, k = { 0 };
    const lt_batch *b = call->batch;
    const int source = lt_batch_find(b, LT_BRANCH_SOURCE);
    if (source != 0 || !lt_inject_site(self, call->site))
        return lt_site_plain(call, 0, b->n_branches * b->n_frames);
    LT_TRY(lt_branch_project(call, LT_Q, source, &q));
    LT_TRY(lt_branch_project(call, LT_K, source, &k));
    for (int i = 0; i < b->n_branches; i += MAX_SETS) {
        const int left = b->n_branches - i;
        LT_TRY(injected_branches(call, &q, &k, i, left < MAX_SETS ? left : MAX_SETS));
    }
cleanup:
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    return st;
}

static lt_status hidden(void *self, const lt_hidden_call *call)
{
    return lt_inject_hidden(self, call);
}

static int drop(void *self, int up_block, int resnet, int attention,
                const lt_batch *batch)
{
    (void)attention;
    const lt_inject *inj = self;
    return lt_inject_drop(inj, inj->attention, up_block, resnet, batch);
}

lt_policy lt_inject_policy(lt_inject *inj)
{
    return (lt_policy){
        .self = inj, .self_attention = alone, .hidden = hidden, .drop_branches = drop
    };
}
