#include "stages/inversion.h"

#include <stdlib.h>
#include <string.h>

#include "stages/source.h"
#include "stages/trajectory.h"

#define STATE "inversion-state"

/* The trajectory of one block. */
typedef struct trajectory {
    const lt_levels *levels;
    lt_tensor x;    /* [n, h, w, c] f32 */
    lt_tensor kept; /* [n_kept, n, h, w, c] f32, rounded to what is stored */
    int step;       /* steps done */
} trajectory;

/* One step: x at levels->inversion[step] from the level before. */
static lt_status invert_step(lt_run *r, const lt_levels *levels, int step, lt_tensor *x)
{
    lt_tensor pred = { 0 };
    const int t = levels->inversion[step];
    const int before = step > 0 ? levels->inversion[step - 1] : -1;
    lt_status st = lt_tensor_new(&pred, r->x.pool, LT_F32, x->ndim, x->shape);
    const lt_unet_args a = { .batch = { .n_branches = 1,
                                        .branch = { LT_BRANCH_SOURCE },
                                        .n_frames = x->shape[0] },
                             .x = x,
                             .timestep = (float)t,
                             .context = { r->text.source },
                             .out = &pred };
    if (st == LT_OK) st = lt_unet_forward(&r->x, r->model->unet, &a);
    if (st == LT_OK)
        st = lt_ddim_invert_step(&r->x, &r->model->scheduler, before, t, &pred, x);
    lt_tensor_free(&pred);
    return st;
}

static void keep_level(lt_run *r, const lt_levels *levels, int step, const lt_tensor *x,
                       float *kept)
{
    const int i = lt_levels_kept(levels, levels->inversion[step]);
    const int64_t n = lt_tensor_count(x);
    if (i < 0) return;
    memcpy(kept + i * n, x->data, (size_t)n * sizeof(float));
    lt_run_round(r, kept + i * n, n);
}

lt_status lt_inversion_run(lt_run *r, const lt_levels *levels, lt_tensor *x, float *kept)
{
    for (int i = 0; i < levels->n_inversion; i++) {
        const lt_status st = invert_step(r, levels, i, x);
        if (st != LT_OK) return st;
        keep_level(r, levels, i, x, kept);
    }
    return LT_OK;
}

/* ---- saving ------------------------------------------------------------------------ */

static int levels_before(const lt_levels *l, int step)
{
    int n = 0;
    while (n < l->n_kept && (step > 0 && l->kept[n] <= l->inversion[step - 1])) n++;
    return n;
}

static lt_status put_kept(lt_run *r, lt_shard_writer *w, const trajectory *j, int n_kept)
{
    lt_status st = LT_OK;
    const int64_t n = j->x.shape[0];
    int64_t *t = malloc((size_t)n_kept * sizeof(*t));
    const lt_shard_dataset d = { .path = "/inversion/latents",
                                 .cell = r->cell,
                                 .ndim = 5,
                                 .shape = { n_kept, n, r->h, r->w, r->c },
                                 .chunk = { 1, n, r->h, r->w, r->c } };
    if (!t) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (timesteps)"));
    for (int i = 0; i < n_kept; i++) t[i] = j->levels->kept[i];
    LT_TRY(lt_shard_add(w, &d));
    LT_TRY(lt_shard_write_f32(w, d.path, NULL, NULL, lt_f32(&j->kept)));
    LT_TRY(lt_shard_attr_i64(w, d.path, "timesteps", t, n_kept));
cleanup:
    free(t);
    return st;
}

static lt_status put(lt_run *r, void *self, lt_shard_writer *w, int finished)
{
    lt_status st = LT_OK;
    const trajectory *j = self;
    const int n_kept = finished ? j->levels->n_kept : levels_before(j->levels, j->step);
    if (n_kept > 0) LT_TRY(put_kept(r, w, j, n_kept));
    if (!finished) LT_TRY(lt_trajectory_put_x(r, w, &j->x));
cleanup:
    return st;
}

/* ---- a block ----------------------------------------------------------------------- */

static lt_status resume_at(lt_run *r, trajectory *j, int64_t block, int64_t step,
                           lt_done *d)
{
    lt_status st = LT_OK;
    const int n_kept = levels_before(j->levels, (int)step);
    LT_TRY(lt_run_read_f32(r, STATE, block, step, "/state/x", NULL, NULL, lt_f32(&j->x),
                           &d->bytes_read));
    if (n_kept > 0)
        LT_TRY(lt_run_read_f32(r, STATE, block, step, "/inversion/latents", NULL, NULL,
                               lt_f32(&j->kept), &d->bytes_read));
    j->step = (int)step;
cleanup:
    return st;
}

static lt_status begin_block(lt_run *r, void *self, int64_t block, int64_t step,
                             lt_done *d)
{
    trajectory *j = self;
    const lt_block *b = &r->layout.block[block];
    lt_status st = LT_OK;
    LT_TRY(LT_TENSOR_NEW(&j->x, r->x.pool, LT_F32, b->n, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&j->kept, r->x.pool, LT_F32, j->levels->n_kept, b->n, r->h, r->w,
                         r->c));
    if (step > 0)
        LT_TRY(resume_at(r, j, block, step, d));
    else
        LT_TRY(lt_source_read(r, "/source/latents", b->first, b->n, lt_f32(&j->x),
                              &d->bytes_read));
cleanup:
    return st;
}

static lt_status advance(lt_run *r, void *self, int to)
{
    trajectory *j = self;
    for (; j->step < to; j->step++) {
        const lt_status st = invert_step(r, j->levels, j->step, &j->x);
        if (st != LT_OK) return st;
        keep_level(r, j->levels, j->step, &j->x, lt_f32(&j->kept));
    }
    return LT_OK;
}

static void end_block(void *self)
{
    trajectory *j = self;
    lt_tensor_free(&j->x);
    lt_tensor_free(&j->kept);
    j->step = 0;
}

lt_status lt_stage_inversion(lt_run *r, const lt_levels *levels, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    trajectory j = { .levels = levels };
    const lt_trajectory t = { .stage = "inversion",
                              .state = STATE,
                              .n_steps = levels->n_inversion,
                              .self = &j,
                              .begin = begin_block,
                              .advance = advance,
                              .put = put,
                              .end = end_block };
    lt_run_progress_blocks(r, "inversion");
    return lt_run_trajectories(r, &t, s->first_block, s->n_blocks);
}

lt_status lt_inversion_read(lt_run *r, const lt_levels *levels, int64_t block, int t,
                            int64_t first, int64_t n, float *data, int64_t *bytes_read)
{
    const int i = lt_levels_kept(levels, t);
    if (i < 0)
        return LT_FAIL(LT_ERR_INTERNAL, "level %d of the inversion is not kept", t);
    return lt_run_read_f32(r, "inversion", block, LT_NO_STEP, "/inversion/latents",
                           (int64_t[]){ i, first, 0, 0, 0 },
                           (int64_t[]){ 1, n, r->h, r->w, r->c }, data, bytes_read);
}
