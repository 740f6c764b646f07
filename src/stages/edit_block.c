#include <string.h>

#include "attention/propagate.h"
#include "stages/edit_impl.h"
#include "stages/inversion.h"

/* ---- batches ----------------------------------------------------------------------- */

lt_tensor lt_edit_block_x(const lt_edit *e, const lt_block *b)
{
    return lt_tensor_rows(&e->x, b->first - e->first_frame, b->n);
}

int lt_edit_joint_source(const lt_edit *e)
{
    return e->o->online || lt_inject_needs_source(&e->inject);
}

/* Propagation computes no queries and keys, so those of the source are not needed, unless
 * poor matches attend. */
int lt_edit_block_source(const lt_edit *e)
{
    if (e->o->online) return 1;
    if (e->r->cfg->propagate.min_similarity > 0)
        return lt_inject_needs_source(&e->inject);
    return e->o->joint ? e->inject.features : lt_inject_needs_source(&e->inject);
}

lt_status lt_edit_read_source(lt_edit *e, int64_t block, int64_t first, int64_t n,
                              float *data)
{
    return lt_inversion_read(e->r, e->levels, block, e->levels->sampling[e->step], first,
                             n, data, &e->bytes_read);
}

lt_batch lt_edit_batch(int with_source, int64_t n_frames)
{
    lt_batch b = { .n_frames = n_frames };
    if (with_source) b.branch[b.n_branches++] = LT_BRANCH_SOURCE;
    b.branch[b.n_branches++] = LT_BRANCH_NEGATIVE;
    b.branch[b.n_branches++] = LT_BRANCH_EDIT;
    return b;
}

lt_unet_args lt_edit_args(const lt_edit *e, const lt_batch *batch, const lt_tensor *in)
{
    lt_unet_args a = { .batch = *batch,
                       .x = in,
                       .timestep = (float)e->levels->sampling[e->step] };
    for (int b = 0; b < batch->n_branches; b++) switch (batch->branch[b]) {
        case LT_BRANCH_SOURCE: a.context[b] = e->r->text.source; break;
        case LT_BRANCH_NEGATIVE: a.context[b] = e->r->text.negative; break;
        default: a.context[b] = e->r->text.edit;
        }
    return a;
}

lt_status lt_edit_input(lt_edit *e, const lt_batch *batch, const lt_tensor *source,
                        const lt_tensor *x, lt_tensor *in)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const int64_t n = batch->n_frames;
    lt_tensor part = { 0 };
    LT_TRY(LT_TENSOR_NEW(in, r->x.pool, LT_F32, n * batch->n_branches, r->h, r->w, r->c));
    for (int b = 0; b < batch->n_branches; b++) {
        part = lt_tensor_rows(in, b * n, n);
        LT_TRY(lt_tensor_copy(&part, batch->branch[b] == LT_BRANCH_SOURCE ? source : x,
                              r->x.stream));
        lt_tensor_free(&part);
    }
cleanup:
    lt_tensor_free(&part);
    return st;
}

/* ---- propagation ------------------------------------------------------------------- */

typedef struct block_policy {
    lt_policy policy;
    lt_propagate propagate;
    lt_tensor match[LT_MAX_GRIDS], match_before[LT_MAX_GRIDS], similarity[LT_MAX_GRIDS];
    float weight[LT_BLOCK_FRAMES];
} block_policy;

static void set_weights(const lt_edit *e, const lt_block *b, int64_t before,
                        block_policy *p)
{
    const int64_t centre = lt_clip_centre(&e->r->layout.clip[b->clip]);
    const int64_t other = lt_clip_centre(&e->r->layout.clip[before]);
    for (int64_t f = 0; f < b->n; f++)
        p->weight[f] = lt_propagate_weight(b->first + f, centre, other);
    p->propagate.weight = p->weight;
}

static lt_status read_matches(lt_edit *e, int64_t block, int64_t clip, lt_tensor *match,
                              lt_tensor *similarity)
{
    return lt_match_read(e->r, block, lt_edit_keyframe(e, clip), &e->grids, match,
                         similarity, &e->bytes_read);
}

static lt_status open_policy(lt_edit *e, int64_t block, block_policy *p)
{
    lt_status st = LT_OK;
    const lt_block *b = &e->r->layout.block[block];
    const int64_t before = e->r->cfg->propagate.blend == LT_BLEND_NEIGHBOURS
                               ? lt_layout_clip_before(&e->r->layout, b->clip)
                               : -1;
    memset(p, 0, sizeof(*p));
    if (!e->o->joint) {
        p->policy = lt_inject_policy(&e->inject);
        return LT_OK;
    }
    p->propagate =
        (lt_propagate){ .cache = &e->cache,
                        .keyframe = b->clip - e->first_clip,
                        .match = p->match,
                        .match_before = p->match_before,
                        .min_similarity = (float)e->r->cfg->propagate.min_similarity,
                        .similarity = p->similarity,
                        .inject = &e->inject };
    if (before >= 0) set_weights(e, b, before, p);
    p->policy = lt_propagate_policy(&p->propagate);
    if (e->o->online) return LT_OK;
    p->propagate.n_grids = e->grids.n;
    for (int g = 0; g < e->grids.n; g++)
        p->propagate.tokens[g] = e->grids.h[g] * e->grids.w[g];
    LT_TRY(read_matches(e, block, b->clip, p->match,
                        p->propagate.min_similarity > 0 ? p->similarity : NULL));
    if (before >= 0) LT_TRY(read_matches(e, block, before, p->match_before, NULL));
cleanup:
    return st;
}

static void close_policy(block_policy *p)
{
    for (int g = 0; g < LT_MAX_GRIDS; g++) {
        lt_tensor_free(&p->match[g]);
        lt_tensor_free(&p->match_before[g]);
        lt_tensor_free(&p->similarity[g]);
    }
}

/* ---- a step ------------------------------------------------------------------------ */

int lt_edit_next(const lt_edit *e)
{
    const lt_levels *l = e->levels;
    return e->step + 1 < l->n_steps ? l->sampling[e->step + 1] : -1;
}

lt_status lt_edit_predict(lt_edit *e, const lt_policy *policy, const lt_tensor *in,
                          const lt_batch *batch, lt_tensor *pred)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    lt_tensor out = { 0 };
    lt_batch live;
    LT_TRY(lt_tensor_new(&out, r->x.pool, LT_F32, in->ndim, in->shape));
    lt_unet_args a = lt_edit_args(e, batch, in);
    a.policy = policy;
    a.out = &out;
    a.live = &live;
    LT_TRY(lt_unet_forward(&r->x, r->model->unet, &a));
    const int64_t n = batch->n_frames;
    *pred = lt_tensor_rows(&out, (live.n_branches - 2) * n, 2 * n);
cleanup:
    lt_tensor_free(&out);
    return st;
}

lt_status lt_edit_block_step(lt_edit *e, int64_t block, const lt_tensor *all_source)
{
    lt_status st = LT_OK;
    const lt_block *b = &e->r->layout.block[block];
    lt_tensor x = lt_edit_block_x(e, b), source = { 0 }, in = { 0 }, pred = { 0 };
    block_policy p = { 0 };
    const lt_batch batch = lt_edit_batch(lt_edit_block_source(e), b->n);
    if (all_source->storage)
        source = lt_tensor_rows(all_source, b->first - e->first_frame, b->n);
    LT_TRY(lt_edit_input(e, &batch, &source, &x, &in));
    LT_TRY(open_policy(e, block, &p));
    LT_TRY(lt_edit_predict(e, &p.policy, &in, &batch, &pred));
    LT_TRY(lt_edit_step(e->r, e->levels->sampling[e->step], lt_edit_next(e), &pred, &x));
cleanup:
    close_policy(&p);
    lt_tensor_free(&x);
    lt_tensor_free(&source);
    lt_tensor_free(&in);
    lt_tensor_free(&pred);
    return st;
}
