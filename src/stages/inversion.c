#include "stages/inversion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/source.h"

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

static lt_status put_x(lt_run *r, lt_shard_writer *w, const lt_tensor *x)
{
    const lt_shard_dataset d = { .path = "/state/x",
                                 .cell = LT_CELL_F32,
                                 .ndim = 4,
                                 .shape = { x->shape[0], r->h, r->w, r->c } };
    lt_status st = lt_shard_add(w, &d);
    if (st == LT_OK) st = lt_shard_write_f32(w, d.path, NULL, NULL, lt_f32(x));
    return st;
}

/* The finished block, or where it stands after j->step steps. */
static lt_status save(lt_run *r, const trajectory *j, lt_done *d)
{
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    const lt_block *b = &r->layout.block[d->unit];
    const int finished = j->step == j->levels->n_inversion;
    const int n_kept = finished ? j->levels->n_kept : levels_before(j->levels, j->step);
    const char *stage = finished ? "inversion" : STATE;
    snprintf(d->stage, sizeof(d->stage), "%s", stage);
    d->step = finished ? LT_NO_STEP : j->step;
    d->counts = finished;
    LT_TRY(lt_shard_create(&w, stage));
    if (n_kept > 0) LT_TRY(put_kept(r, w, j, n_kept));
    if (!finished) LT_TRY(put_x(r, w, &j->x));
    LT_TRY(lt_run_put_shard(r, w, b->segment, b->in_segment, stage, d->step, d));
cleanup:
    lt_shard_discard(&w);
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

static lt_status begin_block(lt_run *r, trajectory *j, int64_t block, int64_t step,
                             lt_done *d)
{
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

static lt_status advance(lt_run *r, trajectory *j, int to)
{
    for (; j->step < to; j->step++) {
        const lt_status st = invert_step(r, j->levels, j->step, &j->x);
        if (st != LT_OK) return st;
        keep_level(r, j->levels, j->step, &j->x, lt_f32(&j->kept));
    }
    return LT_OK;
}

/* ---- rounds ------------------------------------------------------------------------ */

typedef struct invert_round {
    const int64_t *block; /* [n] blocks of this round, block[k] on rank k */
    int64_t n;
    int64_t start; /* steps that this rank's block has already */
} invert_round;

/* Collective. Saved trajectories that are no longer needed. */
static lt_status forget_states(lt_run *r, const invert_round *q, int64_t below)
{
    enum { MAX_STEPS = 1024 };
    int64_t step[MAX_STEPS];
    for (int64_t k = 0; k < q->n; k++) {
        const int64_t n = lt_manifest_steps(lt_job_manifest(r->job), STATE, q->block[k],
                                            step, MAX_STEPS);
        for (int64_t i = 0; i < n && i < MAX_STEPS; i++) {
            if (step[i] >= below) continue;
            const lt_record rec = { .stage = STATE,
                                    .unit = q->block[k],
                                    .step = step[i] };
            const lt_status st = lt_run_forget(r, &rec, 1, 0);
            if (st != LT_OK) return st;
        }
    }
    return LT_OK;
}

/* Collective. Carry the blocks of the round to `to` steps. */
static lt_status round_part(lt_run *r, const invert_round *q, trajectory *j, int to)
{
    const int mine = r->rank < q->n && to > q->start;
    const double t0 = lt_run_clock();
    lt_done d = { 0 };
    lt_status st = LT_OK;
    if (mine) {
        const lt_block *b = &r->layout.block[q->block[r->rank]];
        d = (lt_done){ .unit = q->block[r->rank],
                       .segment = b->segment,
                       .first_frame = b->first,
                       .n_frames = b->n };
        if (!j->x.storage) st = begin_block(r, j, d.unit, q->start, &d);
        if (st == LT_OK) st = advance(r, j, to);
        if (st == LT_OK) st = save(r, j, &d);
        d.seconds = lt_run_clock() - t0;
    }
    st = lt_run_commit(r, st, &d, mine);
    if (st != LT_OK) return st;
    return forget_states(r, q, to == j->levels->n_inversion ? INT64_MAX : to);
}

static lt_status invert_blocks(lt_run *r, const lt_levels *levels, const int64_t *block,
                               int64_t n)
{
    trajectory j = { .levels = levels };
    invert_round q = { .block = block, .n = n };
    const int total = levels->n_inversion, part = (int)r->cfg->run.checkpoint_steps;
    lt_status st = LT_OK;
    if (r->rank < n) {
        q.start = lt_job_state_step(r->job, STATE, &block[r->rank], 1);
        if (q.start < 0) q.start = 0;
    }
    for (int at = 0; st == LT_OK && at < total; at += part) {
        st = round_part(r, &q, &j, at + part < total ? at + part : total);
        if (st == LT_OK) st = lt_run_check_stop(r);
    }
    lt_tensor_free(&j.x);
    lt_tensor_free(&j.kept);
    return st;
}

lt_status lt_stage_inversion(lt_run *r, const lt_levels *levels, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    int64_t n = 0, *todo = malloc((size_t)s->n_blocks * sizeof(*todo));
    lt_status st = lt_comm_agree(
        r->comm, todo ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (units)"));
    for (int64_t b = s->first_block; st == LT_OK && b < s->first_block + s->n_blocks; b++)
        if (!lt_job_done(r->job, "inversion", b, LT_NO_STEP)) todo[n++] = b;
    for (int64_t i = 0; st == LT_OK && i < n; i += r->size)
        st = invert_blocks(r, levels, todo + i, n - i < r->size ? n - i : r->size);
    free(todo);
    return st;
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
