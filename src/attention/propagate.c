#include "attention/propagate.h"

#include <math.h>
#include <stdlib.h>

/* Where one site's rows come from. */
typedef struct sources {
    lt_tensor own, before; /* [n_frames, h*w] i32; before is empty without weights */
} sources;

static void sources_free(sources *s)
{
    lt_tensor_free(&s->own);
    lt_tensor_free(&s->before);
}

/* ---- correspondences --------------------------------------------------------------- */

static lt_status take_given(const lt_propagate *p, const lt_attention_call *call,
                            sources *s)
{
    const int64_t tokens = call->site->h * call->site->w;
    for (int g = 0; g < p->n_grids; g++) {
        if (p->tokens[g] != tokens || p->match[g].shape[0] != call->batch->n_frames)
            continue;
        s->own = lt_tensor_view(&p->match[g]);
        if (p->weight) s->before = lt_tensor_view(&p->match_before[g]);
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_INTERNAL, "no correspondences for %lld x %lld tokens (%s)",
                   (long long)call->site->h, (long long)call->site->w, call->site->path);
}

/* The most similar token of a keyframe for every one of rows [n * S, c]. */
static lt_status find_one(const lt_propagate *p, const lt_attention_call *call,
                          const lt_tensor *rows, int64_t keyframe, lt_tensor *match)
{
    lt_status st = LT_OK;
    lt_tensor key = { 0 }, index = { 0 };
    const int64_t n = call->batch->n_frames, s = call->site->h * call->site->w;
    LT_TRY(lt_attention_cache_rows(p->cache, call->site->index, keyframe, &key));
    LT_TRY(LT_TENSOR_NEW(match, call->x->pool, LT_I32, n, s));
    index = LT_RESHAPE(match, n * s);
    const lt_best_match_args a = {
        .a = rows, .b = &key, .index = &index, .rows_per_tile = s
    };
    LT_TRY(call->x->k->best_match(call->x, &a));
cleanup:
    lt_tensor_free(&key);
    lt_tensor_free(&index);
    return st;
}

static lt_status find(const lt_propagate *p, const lt_attention_call *call, sources *s)
{
    lt_status st = LT_OK;
    lt_tensor rows = { 0 };
    const int source = lt_batch_find(call->batch, LT_BRANCH_SOURCE);
    if (source < 0)
        return LT_FAIL(LT_ERR_INTERNAL, "matching without a source branch (%s)",
                       call->site->path);
    LT_TRY(lt_source_rows(call, source, &rows));
    LT_TRY(find_one(p, call, &rows, p->keyframe, &s->own));
    if (p->weight) LT_TRY(find_one(p, call, &rows, p->keyframe - 1, &s->before));
cleanup:
    lt_tensor_free(&rows);
    return st;
}

/* ---- gathering --------------------------------------------------------------------- */

/* Frames follow each other, so one gather does all of a branch. */
static lt_status gather(const lt_propagate *p, const lt_attention_call *call,
                        const lt_tensor *match, int64_t keyframe, int position,
                        lt_tensor *to)
{
    lt_status st = LT_OK;
    lt_tensor from = { 0 }, rows = { 0 }, index = { 0 };
    const int64_t n = match->shape[0], s = match->shape[1];
    LT_TRY(lt_attention_cache_frame(p->cache, call->site->index,
                                    call->batch->branch[position], keyframe, &from));
    rows = LT_RESHAPE(to, n * s, to->shape[2]);
    index = LT_RESHAPE(match, n * s);
    LT_TRY(call->x->k->gather_rows(call->x, &from, &index, &rows));
cleanup:
    lt_tensor_free(&from);
    lt_tensor_free(&rows);
    lt_tensor_free(&index);
    return st;
}

/* out = weight own + (1 - weight) other in f32, whatever the compute type; own and other
 * [1, S, c] are overwritten when they are f32 already. */
static lt_status mix(const lt_exec *x, float weight, lt_tensor *own, lt_tensor *other,
                     lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_tensor a = { 0 }, b = { 0 };
    if (out->dtype == LT_F32)
        return x->k->axpby(x, weight, own, 1.0f - weight, other, out);
    LT_TRY(lt_tensor_new(&a, x->pool, LT_F32, own->ndim, own->shape));
    LT_TRY(lt_tensor_new(&b, x->pool, LT_F32, own->ndim, own->shape));
    LT_TRY(x->k->convert(x, own, &a));
    LT_TRY(x->k->convert(x, other, &b));
    LT_TRY(x->k->axpby(x, weight, &a, 1.0f - weight, &b, &a));
    LT_TRY(x->k->convert(x, &a, out));
cleanup:
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    return st;
}

/* One frame of a branch from both keyframes. `other` [1, S, c] is scratch. */
static lt_status blend_frame(const lt_propagate *p, const lt_attention_call *call,
                             const sources *s, int position, int64_t f, lt_tensor *other)
{
    lt_status st = LT_OK;
    const int64_t at = position * call->batch->n_frames + f;
    lt_tensor to = lt_tensor_rows(call->out, at, 1);
    lt_tensor own = lt_tensor_rows(&s->own, f, 1);
    lt_tensor before = lt_tensor_rows(&s->before, f, 1);
    LT_TRY(gather(p, call, &own, p->keyframe, position, &to));
    LT_TRY(gather(p, call, &before, p->keyframe - 1, position, other));
    LT_TRY(mix(call->x, p->weight[f], &to, other, &to));
cleanup:
    lt_tensor_free(&to);
    lt_tensor_free(&own);
    lt_tensor_free(&before);
    return st;
}

static lt_status gather_branch(const lt_propagate *p, const lt_attention_call *call,
                               const sources *s, int position)
{
    lt_status st = LT_OK;
    const int64_t n = call->batch->n_frames;
    lt_tensor to = lt_tensor_rows(call->out, position * n, n), other = { 0 };
    if (!p->weight) {
        LT_TRY(gather(p, call, &s->own, p->keyframe, position, &to));
        goto cleanup;
    }
    LT_TRY(lt_site_tensor(call, 1, &other));
    for (int64_t f = 0; f < n; f++) LT_TRY(blend_frame(p, call, s, position, f, &other));
cleanup:
    lt_tensor_free(&to);
    lt_tensor_free(&other);
    return st;
}

static lt_status propagate(void *self, const lt_attention_call *call)
{
    lt_propagate *p = self;
    sources s = { 0 };
    lt_status st = p->n_grids > 0 ? take_given(p, call, &s) : find(p, call, &s);
    for (int b = 0; st == LT_OK && b < call->batch->n_branches; b++)
        st = gather_branch(p, call, &s, b);
    p->passed_last = call->site->last_self;
    sources_free(&s);
    return st;
}

float lt_propagate_weight(int64_t frame, int64_t centre, int64_t centre_before)
{
    const double own = (double)llabs(frame - centre);
    const double before = (double)llabs(frame - centre_before);
    return (float)(1 / (1 + exp(-before / (own + before))));
}

/* ---- policy ------------------------------------------------------------------------ */

static lt_status hidden(void *self, const lt_hidden_call *call)
{
    return lt_inject_hidden(((const lt_propagate *)self)->inject, call);
}

static int drop(void *self, int up_block, int resnet, int attention,
                const lt_batch *batch)
{
    (void)attention;
    const lt_propagate *p = self;
    if (p->n_grids > 0) return lt_inject_drop(p->inject, 0, up_block, resnet, batch);
    return p->passed_last && batch->n_branches > 1 &&
           batch->branch[0] == LT_BRANCH_SOURCE;
}

lt_policy lt_propagate_policy(lt_propagate *p)
{
    return (lt_policy){
        .self = p, .self_attention = propagate, .hidden = hidden, .drop_branches = drop
    };
}
