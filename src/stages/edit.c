#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/edit_impl.h"
#include "stages/inversion.h"
#include "stages/source.h"

#define STATE "state"

/* ---- what a rank holds ------------------------------------------------------------- */

/* The numbers of a segment's blocks; NULL without memory. */
static int64_t *blocks_of(const lt_segment *s)
{
    int64_t *unit = malloc((size_t)s->n_blocks * sizeof(*unit));
    for (int64_t i = 0; unit && i < s->n_blocks; i++) unit[i] = s->first_block + i;
    return unit;
}

static lt_status open_share(lt_edit *e)
{
    lt_run *r = e->r;
    const lt_layout *l = &r->layout;
    e->clip_from = calloc((size_t)r->size + 1, sizeof(*e->clip_from));
    e->unit = blocks_of(e->segment);
    if (!e->clip_from || !e->unit) return LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)");
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
    if (st == LT_OK && e->o->joint)
        st = lt_attention_cache_open(&e->cache, lt_unet_n_sites(r->model->unet));
    return st;
}

static void close_share(lt_edit *e)
{
    lt_attention_cache_close(&e->cache);
    lt_tensor_free(&e->key_x);
    lt_tensor_free(&e->x);
    free(e->clip_from);
    free(e->unit);
}

static lt_status start_block(lt_edit *e, int64_t block)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_block *b = &r->layout.block[block];
    lt_tensor x = lt_edit_block_x(e, b), x0 = { 0 };
    if (r->cfg->sampler.noise == LT_NOISE_DDIM)
        LT_TRY(lt_inversion_read(r, e->levels, block,
                                 e->levels->inversion[e->levels->n_inversion - 1], 0,
                                 b->n, lt_f32(&x), &e->bytes_read));
    LT_TRY(lt_tensor_new(&x0, r->x.pool, LT_F32, x.ndim, x.shape));
    LT_TRY(lt_source_read(r, "/source/latents", b->first, b->n, lt_f32(&x0), NULL));
    LT_TRY(lt_edit_start(r, e->levels, &x0, &x));
cleanup:
    lt_tensor_free(&x);
    lt_tensor_free(&x0);
    return st;
}

static lt_status resume_block(lt_edit *e, int64_t block)
{
    const lt_block *b = &e->r->layout.block[block];
    lt_tensor x = lt_edit_block_x(e, b);
    const lt_status st = lt_run_read_f32(e->r, STATE, block, e->step, "/state/x", NULL,
                                         NULL, lt_f32(&x), &e->bytes_read);
    lt_tensor_free(&x);
    return st;
}

/* Collective. Begin at the newest step that every block of the segment has. */
static lt_status begin(lt_edit *e)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_segment *s = e->segment;
    e->step = lt_job_state_step(r->job, STATE, e->unit, s->n_blocks);
    if (e->step < 0) e->step = 0;
    e->saved = e->step;
    for (int64_t i = 0; i < e->n_blocks; i++) {
        const int64_t b = e->first_block + i;
        LT_TRY(e->step > 0 ? resume_block(e, b) : start_block(e, b));
    }
cleanup:
    return lt_comm_agree(r->comm, st);
}

/* ---- steps --------------------------------------------------------------------------- */

/* Source latents of all own frames at this step's level, read once for both passes. */
static lt_status read_all_source(lt_edit *e, lt_tensor *all)
{
    lt_run *r = e->r;
    lt_status st = LT_OK;
    if (!lt_edit_block_source(e)) return LT_OK;
    LT_TRY(LT_TENSOR_NEW(all, r->x.pool, LT_F32, e->n_frames, r->h, r->w, r->c));
    for (int64_t i = 0; i < e->n_blocks; i++) {
        const lt_block *b = &r->layout.block[e->first_block + i];
        float *at = lt_f32(all) + (b->first - e->first_frame) * r->h * r->w * r->c;
        LT_TRY(lt_edit_read_source(e, e->first_block + i, 0, b->n, at));
    }
cleanup:
    return st;
}

/* Propagation has treated keyframes like any frame; those that keep their own trajectory
 * go on from what the joint pass made of them. */
static lt_status restore_keyframes(lt_edit *e)
{
    lt_status st = LT_OK;
    for (int64_t i = 0; st == LT_OK && e->key_x.storage && i < e->n_clips; i++) {
        const int64_t f = lt_edit_keyframe(e, e->first_clip + i) - e->first_frame;
        lt_tensor from = lt_tensor_rows(&e->key_x, i, 1),
                  to = lt_tensor_rows(&e->x, f, 1);
        st = lt_tensor_copy(&to, &from, e->r->x.stream);
        lt_tensor_free(&from);
        lt_tensor_free(&to);
    }
    lt_tensor_free(&e->key_x);
    return st;
}

/* Collective. */
static lt_status one_step(lt_edit *e)
{
    lt_run *r = e->r;
    lt_tensor all = { 0 };
    e->inject = lt_inject_at_step(e->step, e->levels->n_steps, r->cfg->attention.inject,
                                  r->cfg->attention.inject_features);
    lt_status st = lt_comm_agree(r->comm, read_all_source(e, &all));
    if (st == LT_OK && e->o->joint) st = lt_edit_joint_pass(e, &all);
    if (st != LT_OK)
        goto cleanup; /* all know, or the others wait in a gather: no agreeing */
    for (int64_t i = 0; st == LT_OK && i < e->n_blocks; i++)
        st = lt_edit_block_step(e, e->first_block + i, &all);
    if (st == LT_OK) st = restore_keyframes(e);
    st = lt_comm_agree(r->comm, st);
    if (st == LT_OK) e->step++;
cleanup:
    lt_tensor_free(&all);
    return st;
}

/* ---- saving ------------------------------------------------------------------------ */

static lt_status save_block(lt_edit *e, int64_t block, int final, lt_done *d)
{
    lt_status st = LT_OK;
    lt_run *r = e->r;
    const lt_block *b = &r->layout.block[block];
    lt_shard_writer *w = NULL;
    lt_tensor x = lt_edit_block_x(e, b);
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

/* Collective. Two generations of the state are kept, none after the end. */
static lt_status forget_old(lt_edit *e, int final)
{
    const int64_t below = final ? INT64_MAX : e->saved;
    e->saved = e->step;
    return lt_run_forget_states(e->r, STATE, e->unit, e->segment->n_blocks, below);
}

/* Collective. */
static lt_status save(lt_edit *e, int final)
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
    return st == LT_OK ? forget_old(e, final) : st;
}

/* Collective. Was any rank asked to stop? */
static lt_status ask_stop(lt_run *r)
{
    int64_t stop = 0;
    const lt_status st = lt_comm_max(r->comm, lt_stop_requested(r->stop) != 0, &stop);
    if (stop) r->stop_wanted = 1;
    return st;
}

static lt_status denoise(lt_edit *e)
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

lt_status lt_edit_forget_states(lt_run *r, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    int64_t *unit = blocks_of(s);
    lt_status st = lt_comm_agree(
        r->comm, unit ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (edit)"));
    if (st == LT_OK) st = lt_run_forget_states(r, STATE, unit, s->n_blocks, INT64_MAX);
    free(unit);
    return st;
}

lt_status lt_stage_edit(lt_run *r, const lt_levels *levels, int64_t segment,
                        const lt_edit_options *options)
{
    lt_edit e = { .r = r,
                  .levels = levels,
                  .o = options,
                  .segment = &r->layout.segment[segment],
                  .number = segment,
                  .t0 = lt_run_clock() };
    lt_run_progress_blocks(r, "edit");
    lt_status st = lt_comm_agree(r->comm, open_share(&e));
    if (st == LT_OK) st = begin(&e);
    if (st == LT_OK) st = denoise(&e);
    close_share(&e);
    return st;
}
