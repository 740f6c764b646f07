#include "stages/edit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/extended.h"
#include "attention/propagate.h"
#include "stages/features.h"
#include "stages/inversion.h"
#include "stages/match.h"
#include "stages/source.h"

#define STATE "state"

/* A segment on one rank. */
typedef struct edit {
    lt_run *r;
    const lt_levels *levels;
    const lt_edit_options *o;
    const lt_segment *segment;
    int64_t number;                /* of the segment */
    int64_t *clip_from;            /* [size + 1] clips of each rank */
    int64_t first_clip, n_clips;   /* of this rank */
    int64_t first_block, n_blocks; /* of this rank */
    int64_t first_frame, n_frames; /* of this rank */
    lt_tensor x;                   /* [n_frames, h, w, c] f32 */
    int64_t step;                  /* steps done */
    lt_grids grids;
    lt_feature_shape feature_shape;
    lt_attention_cache cache;
    lt_inject inject;                   /* of the running step */
    int64_t bytes_read, bytes_gathered; /* since the last commit */
    double t0;
} edit;

/* ---- arithmetic -------------------------------------------------------------------- */

lt_status lt_edit_step(lt_run *r, int t, int prev, lt_tensor *pred, lt_tensor *x)
{
    lt_status st = LT_OK;
    const int64_t n = x->shape[0];
    const float g = (float)r->cfg->sampler.guidance;
    lt_tensor negative = lt_tensor_rows(pred, 0, n),
              positive = lt_tensor_rows(pred, n, n);
    /* e_u + g (e_c - e_u) in the published order of operations */
    LT_TRY(r->x.k->axpby(&r->x, 1.0f, &positive, -1.0f, &negative, &positive));
    LT_TRY(r->x.k->axpby(&r->x, 1.0f, &negative, g, &positive, &negative));
    LT_TRY(lt_ddim_step(&r->x, &r->model->scheduler, t, prev, &negative, x));
cleanup:
    lt_tensor_free(&negative);
    lt_tensor_free(&positive);
    return st;
}

lt_status lt_edit_start(lt_run *r, const lt_levels *levels, const lt_tensor *x0,
                        lt_tensor *x)
{
    const int last = levels->inversion[levels->n_inversion - 1];
    const int first = levels->sampling[0];
    if (last == first) return LT_OK;
    const double a_last = r->model->scheduler.alpha[last];
    const double a_first = r->model->scheduler.alpha[first];
    const double noise = sqrt((1 - a_first) / (1 - a_last));
    const double clean = sqrt(a_first) - noise * sqrt(a_last);
    return r->x.k->axpby(&r->x, (float)noise, x, (float)clean, x0, x);
}

/* ---- what a rank holds ------------------------------------------------------------- */

static lt_status open_share(edit *e)
{
    lt_run *r = e->r;
    const lt_layout *l = &r->layout;
    e->clip_from = calloc((size_t)r->size + 1, sizeof(*e->clip_from));
    if (!e->clip_from) return LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)");
    lt_layout_assign(l, e->number, r->size, e->clip_from);
    e->first_clip = e->clip_from[r->rank];
    e->n_clips = e->clip_from[r->rank + 1] - e->first_clip;
    if (e->n_clips > 0) {
        const lt_clip *a = &l->clip[e->first_clip], *z = a + e->n_clips - 1;
        e->first_block = a->first_block;
        e->n_blocks = z->first_block + z->n_blocks - a->first_block;
        e->first_frame = a->first;
        e->n_frames = z->first + z->n - a->first;
    }
    e->grids = lt_match_grids(r);
    lt_status st = LT_TENSOR_NEW(&e->x, r->x.pool, LT_F32, e->n_frames, r->h, r->w, r->c);
    if (st == LT_OK && e->o->joint) st = lt_features_shape(r, &e->feature_shape);
    if (st == LT_OK && e->o->joint)
        st = lt_attention_cache_open(&e->cache, lt_unet_n_sites(r->model->unet));
    return st;
}

static void close_share(edit *e)
{
    lt_attention_cache_close(&e->cache);
    lt_tensor_free(&e->x);
    free(e->clip_from);
}

static lt_tensor block_x(const edit *e, const lt_block *b)
{
    return lt_tensor_rows(&e->x, b->first - e->first_frame, b->n);
}

static lt_status start_block(edit *e, int64_t block)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_block *b = &r->layout.block[block];
    const int last = e->levels->inversion[e->levels->n_inversion - 1];
    lt_tensor x = block_x(e, b), x0 = { 0 };
    LT_TRY(lt_inversion_read(r, e->levels, block, last, 0, b->n, lt_f32(&x),
                             &e->bytes_read));
    LT_TRY(lt_tensor_new(&x0, r->x.pool, LT_F32, x.ndim, x.shape));
    LT_TRY(lt_source_read(r, "/source/latents", b->first, b->n, lt_f32(&x0), NULL));
    LT_TRY(lt_edit_start(r, e->levels, &x0, &x));
cleanup:
    lt_tensor_free(&x);
    lt_tensor_free(&x0);
    return st;
}

static lt_status resume_block(edit *e, int64_t block)
{
    const lt_block *b = &e->r->layout.block[block];
    lt_tensor x = block_x(e, b);
    const lt_status st = lt_run_read_f32(e->r, STATE, block, e->step, "/state/x", NULL,
                                         NULL, lt_f32(&x), &e->bytes_read);
    lt_tensor_free(&x);
    return st;
}

/* Collective. Begin at the newest step that every block of the segment has. */
static lt_status begin(edit *e)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_segment *s = e->segment;
    int64_t *unit = malloc((size_t)s->n_blocks * sizeof(*unit));
    if (!unit) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)"));
    for (int64_t i = 0; i < s->n_blocks; i++) unit[i] = s->first_block + i;
    e->step = lt_job_state_step(r->job, STATE, unit, s->n_blocks);
    if (e->step < 0) e->step = 0;
    for (int64_t i = 0; i < e->n_blocks; i++) {
        const int64_t b = e->first_block + i;
        LT_TRY(e->step > 0 ? resume_block(e, b) : start_block(e, b));
    }
cleanup:
    free(unit);
    return lt_comm_agree(r->comm, st);
}

/* ---- batches ----------------------------------------------------------------------- */

/* x of n frames for all branches; the source branch takes those of the inversion. */
static lt_status make_input(edit *e, const lt_batch *batch, const lt_tensor *source,
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

static lt_batch batch_of(int with_source, int64_t n)
{
    lt_batch b = { .n_branches = 2,
                   .branch = { LT_BRANCH_NEGATIVE, LT_BRANCH_EDIT },
                   .n_frames = n };
    if (with_source)
        b = (lt_batch){ .n_branches = 3,
                        .branch = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE,
                                    LT_BRANCH_EDIT },
                        .n_frames = n };
    return b;
}

static lt_unet_args args_of(const edit *e, const lt_batch *batch, const lt_tensor *in,
                            int t)
{
    lt_unet_args a = { .batch = *batch, .x = in, .timestep = (float)t };
    for (int b = 0; b < batch->n_branches; b++) switch (batch->branch[b]) {
        case LT_BRANCH_SOURCE: a.context[b] = e->r->text.source; break;
        case LT_BRANCH_NEGATIVE: a.context[b] = e->r->text.negative; break;
        default: a.context[b] = e->r->text.edit;
        }
    return a;
}

/* ---- joint pass -------------------------------------------------------------------- */

static int64_t keyframe_of(const edit *e, int64_t clip)
{
    return e->r->layout.keyframe[e->step * e->r->layout.n_clips + clip];
}

/* Unit rows of the segment's keyframes on every grid, loaded once a step. */
typedef struct keyframe_rows {
    edit *e;
    lt_tensor *rows; /* [n_clips of the segment][grids] */
} keyframe_rows;

static lt_status load_rows(keyframe_rows *k, int64_t i)
{
    edit *e = k->e;
    lt_tensor features = { 0 };
    lt_status st =
        lt_features_get(e->r, keyframe_of(e, e->segment->first_clip + i), &features);
    for (int g = 0; st == LT_OK && g < e->grids.n; g++)
        st = lt_features_rows(e->r, &e->feature_shape, &features, e->grids.h[g],
                              e->grids.w[g], &k->rows[i * e->grids.n + g]);
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
static lt_status make_slim(edit *e, lt_slimming *slim)
{
    lt_status st = LT_OK;
    const int64_t n = e->segment->n_clips, budget = e->r->cfg->attention.kv_budget;
    keyframe_rows k = { .e = e };
    memset(slim, 0, sizeof(*slim));
    if (budget == 0 || n <= budget) return LT_OK;
    k.rows = calloc((size_t)(n * e->grids.n), sizeof(*k.rows));
    if (!k.rows) return LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)");
    lt_slim_args a = { .mode = e->r->cfg->attention.slim == LT_SLIM_SHARED
                                   ? LT_SLIMMING_SHARED
                                   : LT_SLIMMING_QUERY,
                       .n_keyframes = n,
                       .budget = budget,
                       .first_own = e->first_clip - e->segment->first_clip,
                       .n_own = e->n_clips,
                       .n_grids = e->grids.n,
                       .features = give_rows,
                       .ctx = &k };
    for (int g = 0; g < a.n_grids; g++) a.tokens[g] = e->grids.h[g] * e->grids.w[g];
    for (int64_t i = 0; i < n; i++) LT_TRY(load_rows(&k, i));
    LT_TRY(lt_slim_make(&e->r->x, &a, slim));
cleanup:
    for (int64_t i = 0; i < n * e->grids.n; i++) lt_tensor_free(&k.rows[i]);
    free(k.rows);
    return st;
}

static lt_status read_source(edit *e, int64_t block, int64_t first, int64_t n,
                             float *data)
{
    return lt_inversion_read(e->r, e->levels, block, e->levels->sampling[e->step], first,
                             n, data, &e->bytes_read);
}

/* Latents of the own keyframes: the edit's and, with `source`, the inversion's. `all`
 * holds the source latents of all own frames when propagation has read them anyway. */
static lt_status keyframe_latents(edit *e, const lt_tensor *all, lt_tensor *x,
                                  lt_tensor *source)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const int64_t frame = r->h * r->w * r->c;
    LT_TRY(LT_TENSOR_NEW(x, r->x.pool, LT_F32, e->n_clips, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(source, r->x.pool, LT_F32, e->n_clips, r->h, r->w, r->c));
    for (int64_t i = 0; i < e->n_clips; i++) {
        const int64_t f = keyframe_of(e, e->first_clip + i), at = f - e->first_frame;
        const int64_t b = lt_layout_block_of(&r->layout, f);
        memcpy(lt_f32(x) + i * frame, lt_f32(&e->x) + at * frame,
               (size_t)frame * sizeof(float));
        if (all->storage)
            memcpy(lt_f32(source) + i * frame, lt_f32(all) + at * frame,
                   (size_t)frame * sizeof(float));
        else if (lt_inject_needs_source(&e->inject))
            LT_TRY(read_source(e, b, f - r->layout.block[b].first, 1,
                               lt_f32(source) + i * frame));
    }
cleanup:
    return st;
}

/* Collective. Fill e->cache. */
static lt_status joint_forward(edit *e, lt_extended *ext, const lt_tensor *all_source)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    lt_tensor x = { 0 }, source = { 0 }, in = { 0 };
    const lt_batch batch = batch_of(lt_inject_needs_source(&e->inject), e->n_clips);
    lt_record_attention rec = { .inner = lt_extended_policy(ext), .cache = &e->cache };
    const lt_policy policy = lt_record_policy(&rec);
    lt_status local = keyframe_latents(e, all_source, &x, &source);
    if (local == LT_OK) local = make_input(e, &batch, &source, &x, &in);
    LT_TRY(lt_comm_agree(r->comm, local));
    lt_unet_args a = args_of(e, &batch, &in, e->levels->sampling[e->step]);
    a.policy = &policy;
    a.stop = LT_STOP_AFTER_LAST_SELF;
    LT_TRY(lt_unet_forward(&r->x, r->model->unet, &a));
cleanup:
    lt_tensor_free(&x);
    lt_tensor_free(&source);
    lt_tensor_free(&in);
    return st;
}

/* Collective. */
static lt_status joint_pass(edit *e, const lt_tensor *all_source)
{
    lt_run *r = e->r;
    lt_slimming slim = { 0 };
    int64_t *own = calloc((size_t)r->size, sizeof(*own));
    lt_status st =
        own ? make_slim(e, &slim) : LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)");
    for (int i = 0; own && i < r->size; i++)
        own[i] = e->clip_from[i + 1] - e->clip_from[i];
    st = lt_comm_agree(r->comm, st);
    if (st == LT_OK) {
        lt_extended ext = { .comm = r->comm,
                            .rank_keyframes = own,
                            .n_keyframes = e->segment->n_clips,
                            .inject = &e->inject,
                            .slim = &slim };
        if (e->n_clips > 0) {
            st = joint_forward(e, &ext, all_source);
        } else { /* takes part in the agreement of joint_forward, then in the gathers */
            st = lt_comm_agree(r->comm, LT_OK);
            if (st == LT_OK)
                st = lt_extended_follow(&ext, &r->x, r->model->unet, r->h, r->w, 2);
        }
        e->bytes_gathered += ext.bytes_gathered;
    }
    lt_slim_free(&slim);
    free(own);
    return st;
}

/* ---- propagation ------------------------------------------------------------------- */

typedef struct block_policy {
    lt_policy policy;
    lt_propagate propagate;
    lt_tensor match[LT_MAX_GRIDS];
} block_policy;

static lt_status open_policy(edit *e, int64_t block, block_policy *p)
{
    const int64_t clip = e->r->layout.block[block].clip;
    memset(p, 0, sizeof(*p));
    if (!e->o->joint) {
        p->policy = lt_inject_policy(&e->inject);
        return LT_OK;
    }
    const lt_status st = lt_match_read(e->r, block, keyframe_of(e, clip), &e->grids,
                                       p->match, &e->bytes_read);
    if (st != LT_OK) return st;
    p->propagate = (lt_propagate){ .cache = &e->cache,
                                   .keyframe = clip - e->first_clip,
                                   .n_grids = e->grids.n,
                                   .match = p->match,
                                   .inject = &e->inject };
    for (int g = 0; g < e->grids.n; g++)
        p->propagate.tokens[g] = e->grids.h[g] * e->grids.w[g];
    p->policy = lt_propagate_policy(&p->propagate);
    return LT_OK;
}

static void close_policy(block_policy *p)
{
    for (int g = 0; g < LT_MAX_GRIDS; g++) lt_tensor_free(&p->match[g]);
}

static int block_needs_source(const edit *e)
{
    return e->o->joint ? e->inject.features : lt_inject_needs_source(&e->inject);
}

/* The prediction of the negative and the edit branch: pred [2 n, h, w, c]. The source
 * is dropped inside the pass, or stands before them in the output. */
static lt_status predict(edit *e, const lt_policy *policy, const lt_tensor *in,
                         const lt_batch *batch, lt_tensor *pred)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    lt_tensor out = { 0 };
    lt_batch live;
    LT_TRY(lt_tensor_new(&out, r->x.pool, LT_F32, in->ndim, in->shape));
    lt_unet_args a = args_of(e, batch, in, e->levels->sampling[e->step]);
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

static lt_status step_block(edit *e, int64_t block, const lt_tensor *all_source)
{
    lt_status st = LT_OK;
    const lt_block *b = &e->r->layout.block[block];
    lt_tensor x = block_x(e, b), source = { 0 }, in = { 0 }, pred = { 0 };
    block_policy p = { 0 };
    const lt_batch batch = batch_of(block_needs_source(e), b->n);
    const int next =
        e->step + 1 < e->levels->n_steps ? e->levels->sampling[e->step + 1] : -1;
    if (all_source->storage)
        source = lt_tensor_rows(all_source, b->first - e->first_frame, b->n);
    LT_TRY(make_input(e, &batch, &source, &x, &in));
    LT_TRY(open_policy(e, block, &p));
    LT_TRY(predict(e, &p.policy, &in, &batch, &pred));
    LT_TRY(lt_edit_step(e->r, e->levels->sampling[e->step], next, &pred, &x));
cleanup:
    close_policy(&p);
    lt_tensor_free(&x);
    lt_tensor_free(&source);
    lt_tensor_free(&in);
    lt_tensor_free(&pred);
    return st;
}

/* Source latents of all own frames at this step's level, read once for both passes. */
static lt_status read_all_source(edit *e, lt_tensor *all)
{
    lt_run *r = e->r;
    lt_status st = LT_OK;
    if (!block_needs_source(e)) return LT_OK;
    LT_TRY(LT_TENSOR_NEW(all, r->x.pool, LT_F32, e->n_frames, r->h, r->w, r->c));
    for (int64_t i = 0; i < e->n_blocks; i++) {
        const lt_block *b = &r->layout.block[e->first_block + i];
        LT_TRY(
            read_source(e, e->first_block + i, 0, b->n,
                        lt_f32(all) + (b->first - e->first_frame) * r->h * r->w * r->c));
    }
cleanup:
    return st;
}

/* Collective. */
static lt_status one_step(edit *e)
{
    lt_run *r = e->r;
    lt_tensor all = { 0 };
    e->inject = lt_inject_at_step(e->step, e->levels->n_steps, r->cfg->attention.inject,
                                  r->cfg->attention.inject_features);
    lt_status st = lt_comm_agree(r->comm, read_all_source(e, &all));
    if (st == LT_OK && e->o->joint) st = joint_pass(e, &all);
    for (int64_t i = 0; st == LT_OK && i < e->n_blocks; i++)
        st = step_block(e, e->first_block + i, &all);
    lt_tensor_free(&all);
    if (st == LT_OK) e->step++;
    return lt_comm_agree(r->comm, st);
}

/* ---- saving ------------------------------------------------------------------------ */

static lt_status save_block(edit *e, int64_t block, int final, lt_done *d)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_block *b = &r->layout.block[block];
    lt_shard_writer *w = NULL;
    lt_tensor x = block_x(e, b);
    const lt_shard_dataset set = { .path = final ? "/edit/latents" : "/state/x",
                                   .cell = final ? r->cell : LT_CELL_F32,
                                   .ndim = 4,
                                   .shape = { b->n, r->h, r->w, r->c },
                                   .chunk = { 1, r->h, r->w, r->c } };
    *d = (lt_done){ .unit = block,
                    .step = final ? LT_NO_STEP : e->step,
                    .segment = b->segment,
                    .first_frame = b->first,
                    .n_frames = b->n,
                    .counts = final };
    snprintf(d->stage, sizeof(d->stage), "%s", final ? "edit" : STATE);
    LT_TRY(lt_shard_create(&w, final ? "edit" : "state"));
    LT_TRY(lt_shard_add(w, &set));
    LT_TRY(lt_shard_write_f32(w, set.path, NULL, NULL, lt_f32(&x)));
    LT_TRY(lt_run_put_shard(r, w, b->segment, b->in_segment, d->stage, d->step, d));
cleanup:
    lt_shard_discard(&w);
    lt_tensor_free(&x);
    return st;
}

/* Collective. Older generations of the state: two are kept, none after the end. */
static lt_status prune(edit *e, int all)
{
    enum { MAX_STEPS = 64 };
    lt_run *r = e->r;
    int64_t step[MAX_STEPS];
    const int64_t keep = all ? 0 : 2;
    for (int64_t i = 0; i < e->segment->n_blocks; i++) {
        const int64_t b = e->segment->first_block + i;
        const int64_t n =
            lt_manifest_steps(lt_job_manifest(r->job), STATE, b, step, MAX_STEPS);
        for (int64_t k = 0; k + keep < n && k < MAX_STEPS; k++) {
            const lt_record rec = { .stage = STATE, .unit = b, .step = step[k] };
            const lt_status st = lt_run_forget(r, &rec, 1, 0);
            if (st != LT_OK) return st;
        }
    }
    return LT_OK;
}

/* Collective. */
static lt_status save(edit *e, int final)
{
    lt_run *r = e->r;
    const double seconds = lt_run_clock() - e->t0;
    lt_done *d = calloc((size_t)(e->n_blocks ? e->n_blocks : 1), sizeof(*d));
    lt_status st = d ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)");
    for (int64_t i = 0; st == LT_OK && i < e->n_blocks; i++) {
        st = save_block(e, e->first_block + i, final, &d[i]);
        d[i].seconds = seconds / (double)e->n_blocks;
    }
    if (st == LT_OK && e->n_blocks > 0) { /* what the whole share moved */
        d[0].bytes_read += e->bytes_read;
        d[0].bytes_gathered += e->bytes_gathered;
    }
    st = lt_run_commit(r, st, d, st == LT_OK ? e->n_blocks : 0);
    free(d);
    r->bytes_gathered += e->bytes_gathered;
    e->bytes_read = e->bytes_gathered = 0;
    e->t0 = lt_run_clock();
    return st == LT_OK ? prune(e, final) : st;
}

/* Collective. Was any rank asked to stop? */
static lt_status ask_stop(lt_run *r)
{
    int64_t stop = 0;
    const lt_status st = lt_comm_max(r->comm, lt_stop_requested(r->stop) != 0, &stop);
    if (stop) r->stop_wanted = 1;
    return st;
}

static lt_status denoise(edit *e)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const int64_t part = r->cfg->run.checkpoint_steps;
    while (e->step < e->levels->n_steps) {
        LT_TRY(one_step(e));
        LT_TRY(ask_stop(r));
        const int last = e->step == e->levels->n_steps;
        if (!last && (e->step % part == 0 || r->stop_wanted)) LT_TRY(save(e, 0));
        if (!last) LT_TRY(lt_run_check_stop(r));
    }
    LT_TRY(save(e, 1));
    LT_TRY(lt_run_check_stop(r));
cleanup:
    return st;
}

int lt_edit_segment_done(lt_run *r, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    for (int64_t b = s->first_block; b < s->first_block + s->n_blocks; b++)
        if (!lt_job_done(r->job, "edit", b, LT_NO_STEP)) return 0;
    return 1;
}

lt_status lt_stage_edit(lt_run *r, const lt_levels *levels, int64_t segment,
                        const lt_edit_options *options)
{
    edit e = { .r = r,
               .levels = levels,
               .o = options,
               .segment = &r->layout.segment[segment],
               .number = segment,
               .t0 = lt_run_clock() };
    lt_status st = lt_comm_agree(r->comm, open_share(&e));
    if (st == LT_OK) st = begin(&e);
    if (st == LT_OK) st = denoise(&e);
    close_share(&e);
    return st;
}
