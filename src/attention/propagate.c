#include "attention/propagate.h"

static const lt_tensor *match_of(const lt_propagate *p, int64_t tokens)
{
    for (int g = 0; g < p->n_grids; g++)
        if (p->tokens[g] == tokens) return &p->match[g];
    return NULL;
}

/* The rows of one branch: frames follow each other, so one gather does all of them. */
static lt_status gather_branch(const lt_propagate *p, const lt_attention_call *call,
                               const lt_tensor *match, int position)
{
    lt_status st = LT_OK;
    lt_tensor from = { 0 }, to = { 0 }, to_rows = { 0 }, index = { 0 };
    const int64_t n = call->batch->n_frames, s = call->site->h * call->site->w;
    LT_TRY(lt_attention_cache_frame(p->cache, call->site->index,
                                    call->batch->branch[position], p->keyframe, &from));
    to = lt_tensor_rows(call->out, position * n, n);
    to_rows = LT_RESHAPE(&to, n * s, to.shape[2]);
    index = LT_RESHAPE(match, n * s);
    LT_TRY(call->x->k->gather_rows(call->x, &from, &index, &to_rows));
cleanup:
    lt_tensor_free(&from);
    lt_tensor_free(&to);
    lt_tensor_free(&to_rows);
    lt_tensor_free(&index);
    return st;
}

static lt_status propagate(void *self, const lt_attention_call *call)
{
    const lt_propagate *p = self;
    const lt_tensor *match = match_of(p, call->site->h * call->site->w);
    if (!match || match->shape[0] != call->batch->n_frames)
        return LT_FAIL(LT_ERR_INTERNAL, "no correspondences for %lld x %lld tokens (%s)",
                       (long long)call->site->h, (long long)call->site->w,
                       call->site->path);
    for (int b = 0; b < call->batch->n_branches; b++) {
        const lt_status st = gather_branch(p, call, match, b);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status hidden(void *self, const lt_hidden_call *call)
{
    return lt_inject_hidden(((const lt_propagate *)self)->inject, call);
}

/* Queries and keys are not computed here, so the source ends with the features. */
static int drop(void *self, int up_block, int resnet, int attention,
                const lt_batch *batch)
{
    (void)attention;
    const lt_propagate *p = self;
    return lt_inject_drop(p->inject, 0, up_block, resnet, batch);
}

lt_policy lt_propagate_policy(lt_propagate *p)
{
    return (lt_policy){
        .self = p, .self_attention = propagate, .hidden = hidden, .drop_branches = drop
    };
}
