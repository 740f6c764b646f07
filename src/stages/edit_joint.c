#include <stdlib.h>
#include <string.h>

#include "attention/extended.h"
#include "stages/edit_impl.h"
#include "stages/features.h"

/* ---- slim lists -------------------------------------------------------------------- */

/* Unit rows of the segment's keyframes on every grid, loaded once a step. */
typedef struct keyframe_rows {
    lt_edit *e;
    lt_feature_shape shape;
    lt_tensor *rows; /* [n_clips of the segment][grids] */
} keyframe_rows;

static lt_status load_rows(keyframe_rows *k, int64_t i)
{
    const lt_edit *e = k->e;
    lt_tensor features = { 0 };
    lt_status st =
        lt_features_get(e->r, lt_edit_keyframe(e, e->segment->first_clip + i), &features);
    for (int g = 0; st == LT_OK && g < e->grids.n; g++)
        st = lt_features_rows(e->r, &k->shape, &features, e->grids.h[g], e->grids.w[g],
                              &k->rows[i * e->grids.n + g]);
    lt_tensor_free(&features);
    return st;
}

static lt_status give_rows(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    const keyframe_rows *k = ctx;
    *rows = lt_tensor_view(&k->rows[keyframe * k->e->grids.n + grid]);
    return LT_OK;
}

/* The slim lists of this step, empty (mode NONE) while the keyframes fit the budget. */
static lt_status make_slim(lt_edit *e, lt_slimming *slim)
{
    lt_status st = LT_OK;
    const int64_t n = e->segment->n_clips, budget = e->r->cfg->attention.kv_budget;
    keyframe_rows k = { .e = e };
    memset(slim, 0, sizeof(*slim));
    if (budget == 0 || n <= budget) return LT_OK;
    k.rows = calloc((size_t)(n * e->grids.n), sizeof(*k.rows));
    if (!k.rows) return LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)");
    const int drawn = e->r->cfg->attention.slim == LT_SLIM_RANDOM;
    const lt_random random =
        lt_random_stream((uint64_t)e->r->cfg->sampler.seed, LT_PURPOSE_SLIM,
                         (uint32_t)e->segment->first_clip, (uint32_t)e->step);
    lt_slim_args a = { .mode = e->r->cfg->attention.slim == LT_SLIM_QUERY
                                   ? LT_SLIMMING_QUERY
                                   : LT_SLIMMING_SHARED,
                       .n_keyframes = n,
                       .budget = budget,
                       .first_own = e->first_clip - e->segment->first_clip,
                       .n_own = e->n_clips,
                       .n_grids = e->grids.n,
                       .features = give_rows,
                       .ctx = &k,
                       .random = drawn ? &random : NULL };
    for (int g = 0; g < a.n_grids; g++) a.tokens[g] = e->grids.h[g] * e->grids.w[g];
    LT_TRY(lt_features_shape(e->r, &k.shape));
    for (int64_t i = 0; i < n && !drawn; i++) LT_TRY(load_rows(&k, i));
    LT_TRY(lt_slim_make(&e->r->x, &a, slim));
cleanup:
    for (int64_t i = 0; i < n * e->grids.n; i++) lt_tensor_free(&k.rows[i]);
    free(k.rows);
    return st;
}

/* ---- keyframes --------------------------------------------------------------------- */

int64_t lt_edit_keyframe(const lt_edit *e, int64_t clip)
{
    return e->r->layout.keyframe[e->step * e->r->layout.n_clips + clip];
}

/* Latents of the own keyframes: the edit's and the source's. `all` holds the source
 * latents of all own frames when propagation has read them anyway. */
static lt_status keyframe_latents(lt_edit *e, const lt_tensor *all, lt_tensor *x,
                                  lt_tensor *source)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const int64_t frame = r->h * r->w * r->c;
    LT_TRY(LT_TENSOR_NEW(x, r->x.pool, LT_F32, e->n_clips, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(source, r->x.pool, LT_F32, e->n_clips, r->h, r->w, r->c));
    for (int64_t i = 0; i < e->n_clips; i++) {
        const int64_t f = lt_edit_keyframe(e, e->first_clip + i), at = f - e->first_frame;
        const int64_t b = lt_layout_block_of(&r->layout, f);
        memcpy(lt_f32(x) + i * frame, lt_f32(&e->x) + at * frame,
               (size_t)frame * sizeof(float));
        if (all->storage)
            memcpy(lt_f32(source) + i * frame, lt_f32(all) + at * frame,
                   (size_t)frame * sizeof(float));
        else if (lt_edit_joint_source(e))
            LT_TRY(lt_edit_read_source(e, b, f - r->layout.block[b].first, 1,
                                       lt_f32(source) + i * frame));
    }
cleanup:
    return st;
}

/* ---- the pass ---------------------------------------------------------------------- */

/* The whole of the UNet, and the step of the keyframes: x goes into e->key_x. */
static lt_status advance(lt_edit *e, const lt_policy *policy, const lt_tensor *in,
                         const lt_batch *batch, lt_tensor *x)
{
    lt_tensor pred = { 0 };
    lt_status st = lt_edit_predict(e, policy, in, batch, &pred);
    if (st == LT_OK)
        st = lt_edit_step(e->r, e->levels->sampling[e->step], lt_edit_next(e), &pred, x);
    if (st == LT_OK) e->key_x = lt_tensor_view(x);
    lt_tensor_free(&pred);
    return st;
}

/* Only what records the attention. */
static lt_status record(lt_edit *e, const lt_policy *policy, const lt_tensor *in,
                        const lt_batch *batch)
{
    lt_unet_args a = lt_edit_args(e, batch, in);
    a.policy = policy;
    a.stop = LT_STOP_AFTER_LAST_SELF;
    return lt_unet_forward(&e->r->x, e->r->model->unet, &a);
}

/* Collective. Fill e->cache. */
static lt_status forward(lt_edit *e, lt_extended *ext, const lt_tensor *all_source)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    lt_tensor x = { 0 }, source = { 0 }, in = { 0 };
    const lt_batch batch = lt_edit_batch(lt_edit_joint_source(e), e->n_clips);
    lt_record_attention rec = { .inner = lt_extended_policy(ext),
                                .cache = &e->cache,
                                .with_rows = e->o->online,
                                .with_keys = r->cfg->propagate.min_similarity > 0 };
    const lt_policy policy = lt_record_policy(&rec);
    lt_status local = keyframe_latents(e, all_source, &x, &source);
    if (local == LT_OK) local = lt_edit_input(e, &batch, &source, &x, &in);
    LT_TRY(lt_comm_agree(r->comm, local));
    if (r->cfg->keyframes.trajectory == LT_TRAJECTORY_OWN)
        LT_TRY(advance(e, &policy, &in, &batch, &x));
    else
        LT_TRY(record(e, &policy, &in, &batch));
cleanup:
    lt_tensor_free(&x);
    lt_tensor_free(&source);
    lt_tensor_free(&in);
    return st;
}

/* Collective. The same by a rank that has no keyframes. */
static lt_status follow(lt_edit *e, lt_extended *ext)
{
    lt_run *r = e->r;
    const lt_status st = lt_comm_agree(r->comm, LT_OK); /* that of forward */
    return st == LT_OK ? lt_extended_follow(ext, &r->x, r->model->unet, r->h, r->w, 2)
                       : st;
}

static int has_clips(const lt_edit *e, int rank)
{
    return e->clip_from[rank + 1] > e->clip_from[rank];
}

/* The next rank with clips below and above this one. */
static lt_cache_neighbours neighbours(const lt_edit *e)
{
    lt_cache_neighbours n = { .to = -1, .from = -1 };
    int below = 0;
    if (!has_clips(e, e->r->rank)) return n;
    for (int i = 0; i < e->r->size; i++) {
        if (!has_clips(e, i)) continue;
        if (i < e->r->rank) {
            n.from = i;
            below++;
        } else if (i > e->r->rank && n.to < 0)
            n.to = i;
    }
    n.send_first = below % 2 == 0;
    return n;
}

/* Collective. The keyframe in front of the own ones comes from the rank that holds it. */
static lt_status pass_on(lt_edit *e)
{
    lt_status st = LT_OK;
    const lt_cache_neighbours n = neighbours(e);
    if (n.from >= 0) st = lt_attention_cache_room(&e->cache, &e->r->x);
    st = lt_comm_agree(e->r->comm, st);
    return st == LT_OK
               ? lt_attention_cache_pass(&e->cache, e->r->comm, &n, &e->bytes_gathered)
               : st;
}

/* Collective. */
static lt_status joint(lt_edit *e, const int64_t *own, const lt_slimming *slim,
                       const lt_tensor *all_source)
{
    lt_extended ext = { .comm = e->r->comm,
                        .rank_keyframes = own,
                        .n_keyframes = e->segment->n_clips,
                        .inject = &e->inject,
                        .keep_source = e->o->online,
                        .slim = slim };
    lt_status st = e->n_clips > 0 ? forward(e, &ext, all_source) : follow(e, &ext);
    e->bytes_gathered += ext.bytes_gathered;
    if (st == LT_OK && e->r->cfg->propagate.blend == LT_BLEND_NEIGHBOURS) st = pass_on(e);
    return st;
}

lt_status lt_edit_joint_pass(lt_edit *e, const lt_tensor *all_source)
{
    lt_run *r = e->r;
    lt_slimming slim = { 0 };
    int64_t *own = calloc((size_t)r->size, sizeof(*own));
    lt_status st =
        own ? make_slim(e, &slim) : LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)");
    for (int i = 0; own && i < r->size; i++)
        own[i] = e->clip_from[i + 1] - e->clip_from[i];
    st = lt_comm_agree(r->comm, st);
    if (st == LT_OK) st = joint(e, own, &slim, all_source);
    lt_slim_free(&slim);
    free(own);
    return st;
}
