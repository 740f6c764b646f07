#include "attention/propagate.h"

#include <math.h>
#include <stdlib.h>

/* Where one site's rows come from. */
typedef struct sources {
    lt_tensor own, before; /* [n_frames, h*w] i32; before is empty without weights */
    lt_tensor similarity;  /* [n_frames, h*w] f32 of own; empty without min_similarity */
} sources;

static void sources_free(sources *s)
{
    lt_tensor_free(&s->own);
    lt_tensor_free(&s->before);
    lt_tensor_free(&s->similarity);
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
        if (p->min_similarity > 0) s->similarity = lt_tensor_view(&p->similarity[g]);
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_INTERNAL, "no correspondences for %lld x %lld tokens (%s)",
                   (long long)call->site->h, (long long)call->site->w, call->site->path);
}

/* The most similar token of a keyframe for every one of rows [n * S, c], and how similar
 * it is (similarity may be NULL). */
static lt_status find_one(const lt_propagate *p, const lt_attention_call *call,
                          const lt_tensor *rows, int64_t keyframe, lt_tensor *match,
                          lt_tensor *similarity)
{
    lt_status st = LT_OK;
    lt_tensor key = { 0 }, index = { 0 }, cosine = { 0 };
    const int64_t n = call->batch->n_frames, s = call->site->h * call->site->w;
    LT_TRY(lt_attention_cache_rows(p->cache, call->site->index, keyframe, &key));
    LT_TRY(LT_TENSOR_NEW(match, call->x->pool, LT_I32, n, s));
    index = LT_RESHAPE(match, n * s);
    lt_best_match_args a = { .a = rows, .b = &key, .index = &index, .rows_per_tile = s };
    if (similarity) {
        LT_TRY(LT_TENSOR_NEW(similarity, call->x->pool, LT_F32, n, s));
        cosine = LT_RESHAPE(similarity, n * s);
        a.similarity = &cosine;
    }
    LT_TRY(call->x->k->best_match(call->x, &a));
cleanup:
    lt_tensor_free(&key);
    lt_tensor_free(&index);
    lt_tensor_free(&cosine);
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
    LT_TRY(find_one(p, call, &rows, p->keyframe, &s->own,
                    p->min_similarity > 0 ? &s->similarity : NULL));
    if (p->weight) LT_TRY(find_one(p, call, &rows, p->keyframe - 1, &s->before, NULL));
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

/* ---- poor matches ------------------------------------------------------------------ */

static int poor(const lt_propagate *p, const sources *s, int64_t i)
{
    return lt_f32(&s->similarity)[i] < p->min_similarity;
}

static int any_poor(const lt_propagate *p, const sources *s)
{
    const int64_t n = s->similarity.storage ? lt_tensor_count(&s->similarity) : 0;
    for (int64_t i = 0; i < n; i++)
        if (poor(p, s, i)) return 1;
    return 0;
}

/* The frames' own queries over the keyframe's keys and values, into the branch's rows of
 * call->out. */
static lt_status attend_keyframe(const lt_propagate *p, const lt_attention_call *call,
                                 int position)
{
    lt_status st = LT_OK;
    const lt_batch *b = call->batch;
    const int source = lt_batch_find(b, LT_BRANCH_SOURCE);
    const int injected = source >= 0 && lt_inject_site(p->inject, call->site);
    const int site = call->site->index, from = injected ? source : position;
    lt_tensor q = { 0 }, k = { 0 }, v = { 0 };
    LT_TRY(lt_branch_project(call, LT_Q, from, &q));
    LT_TRY(
        lt_attention_cache_keys(p->cache, site, b->branch[from], p->keyframe, &k, NULL));
    LT_TRY(lt_attention_cache_keys(p->cache, site, b->branch[position], p->keyframe, NULL,
                                   &v));
    LT_TRY(lt_branch_attend(call, position, &q, &k, &v));
cleanup:
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&v);
    return st;
}

/* What the rows of a branch choose from: the keyframe's tokens, behind them those that
 * attend_keyframe left in `to` [n, S, c]. */
static lt_status choices(const lt_propagate *p, const lt_attention_call *call,
                         int position, const lt_tensor *to, lt_tensor *from)
{
    lt_status st = LT_OK;
    const int64_t n = to->shape[0], s = to->shape[1];
    lt_tensor recorded = { 0 }, head = { 0 }, tail = { 0 };
    LT_TRY(LT_TENSOR_NEW(from, call->x->pool, to->dtype, (n + 1) * s, to->shape[2]));
    LT_TRY(lt_attention_cache_frame(p->cache, call->site->index,
                                    call->batch->branch[position], p->keyframe,
                                    &recorded));
    head = lt_tensor_rows(from, 0, s);
    tail = lt_tensor_rows(from, s, n * s);
    LT_TRY(lt_tensor_copy(&head, &recorded, call->x->stream));
    LT_TRY(lt_tensor_copy(&tail, to, call->x->stream));
cleanup:
    lt_tensor_free(&recorded);
    lt_tensor_free(&head);
    lt_tensor_free(&tail);
    return st;
}

static lt_status gather_adapted(const lt_propagate *p, const lt_attention_call *call,
                                const sources *s, int position, lt_tensor *to)
{
    lt_status st = LT_OK;
    const int64_t tokens = to->shape[1], all = to->shape[0] * tokens;
    lt_tensor from = { 0 }, index = { 0 }, rows = { 0 };
    LT_TRY(attend_keyframe(p, call, position));
    LT_TRY(choices(p, call, position, to, &from));
    LT_TRY(LT_TENSOR_NEW(&index, call->x->pool, LT_I32, all));
    for (int64_t i = 0; i < all; i++)
        lt_i32(&index)[i] = poor(p, s, i) ? (int32_t)(tokens + i) : lt_i32(&s->own)[i];
    rows = LT_RESHAPE(to, all, to->shape[2]);
    LT_TRY(call->x->k->gather_rows(call->x, &from, &index, &rows));
cleanup:
    lt_tensor_free(&from);
    lt_tensor_free(&index);
    lt_tensor_free(&rows);
    return st;
}

/* ---- two keyframes ----------------------------------------------------------------- */

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

/* Mix into a frame of a branch, which holds what its own keyframe gives, that of the other.
 * `other` [1, S, c] is scratch. */
static lt_status blend_frame(const lt_propagate *p, const lt_attention_call *call,
                             const sources *s, int position, int64_t f, lt_tensor *other)
{
    lt_status st = LT_OK;
    const int64_t at = position * call->batch->n_frames + f;
    lt_tensor to = lt_tensor_rows(call->out, at, 1);
    lt_tensor before = lt_tensor_rows(&s->before, f, 1);
    LT_TRY(gather(p, call, &before, p->keyframe - 1, position, other));
    LT_TRY(mix(call->x, p->weight[f], &to, other, &to));
cleanup:
    lt_tensor_free(&to);
    lt_tensor_free(&before);
    return st;
}

static lt_status gather_branch(const lt_propagate *p, const lt_attention_call *call,
                               const sources *s, int position, int adapt)
{
    lt_status st = LT_OK;
    const int64_t n = call->batch->n_frames;
    lt_tensor to = lt_tensor_rows(call->out, position * n, n), other = { 0 };
    LT_TRY(adapt ? gather_adapted(p, call, s, position, &to)
                 : gather(p, call, &s->own, p->keyframe, position, &to));
    if (!p->weight) goto cleanup;
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
    const int adapt = st == LT_OK && any_poor(p, &s);
    for (int b = 0; st == LT_OK && b < call->batch->n_branches; b++)
        st = gather_branch(p, call, &s, b, adapt);
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
    const int keep = p->min_similarity > 0 && p->inject && p->inject->attention;
    if (p->n_grids > 0) return lt_inject_drop(p->inject, keep, up_block, resnet, batch);
    return p->passed_last && batch->n_branches > 1 &&
           batch->branch[0] == LT_BRANCH_SOURCE;
}

lt_policy lt_propagate_policy(lt_propagate *p)
{
    return (lt_policy){
        .self = p, .self_attention = propagate, .hidden = hidden, .drop_branches = drop
    };
}
