#include "stages/trajectory.h"

#include <stdio.h>
#include <stdlib.h>

lt_status lt_trajectory_put_x(lt_run *r, lt_shard_writer *w, const lt_tensor *x)
{
    const lt_shard_dataset d = { .path = "/state/x",
                                 .cell = LT_CELL_F32,
                                 .ndim = 4,
                                 .shape = { x->shape[0], r->h, r->w, r->c } };
    lt_status st = lt_shard_add(w, &d);
    if (st == LT_OK) st = lt_shard_write_f32(w, d.path, NULL, NULL, lt_f32(x));
    return st;
}

/* The finished block, or where it stands after `step` steps. */
static lt_status save(lt_run *r, const lt_trajectory *t, int step, lt_done *d)
{
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    const lt_block *b = &r->layout.block[d->unit];
    const int finished = step == t->n_steps;
    const char *stage = finished ? t->stage : t->state;
    snprintf(d->stage, sizeof(d->stage), "%s", stage);
    d->step = finished ? LT_NO_STEP : step;
    d->counts = finished;
    LT_TRY(lt_shard_create(&w, stage));
    LT_TRY(t->put(r, t->self, w, finished));
    LT_TRY(lt_run_put_shard(r, w, b->segment, b->in_segment, stage, d->step, d));
cleanup:
    lt_shard_discard(&w);
    return st;
}

/* Blocks of one round, block[k] on rank k. */
typedef struct carried {
    const int64_t *block; /* [n] */
    int64_t n;
    int64_t start; /* steps that this rank's block has already */
    int begun;
} carried;

/* Collective. Carry the blocks of the round to `to` steps. */
static lt_status carry(lt_run *r, const lt_trajectory *t, carried *q, int to)
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
        if (!q->begun) st = t->begin(r, t->self, d.unit, q->start, &d);
        q->begun = 1;
        if (st == LT_OK) st = t->advance(r, t->self, to);
        if (st == LT_OK) st = save(r, t, to, &d);
        d.seconds = lt_run_clock() - t0;
    }
    st = lt_run_commit(r, st, &d, mine);
    if (st != LT_OK) return st;
    return lt_run_forget_states(r, t->state, q->block, q->n,
                                to == t->n_steps ? INT64_MAX : to);
}

/* Collective. */
static lt_status carry_round(lt_run *r, const lt_trajectory *t, const int64_t *block,
                             int64_t n)
{
    carried q = { .block = block, .n = n };
    const int part = (int)r->cfg->run.checkpoint_steps;
    lt_status st = LT_OK;
    if (r->rank < n) {
        q.start = lt_job_state_step(r->job, t->state, &block[r->rank], 1);
        if (q.start < 0) q.start = 0;
    }
    for (int at = 0; st == LT_OK && at < t->n_steps; at += part) {
        st = carry(r, t, &q, at + part < t->n_steps ? at + part : t->n_steps);
        if (st == LT_OK) st = lt_run_check_stop(r);
    }
    t->end(t->self);
    return st;
}

/* The blocks first .. first + n - 1 that are done or not; returns how many. */
static int64_t blocks_that_are(lt_run *r, const lt_trajectory *t, int done, int64_t first,
                               int64_t n, int64_t *block)
{
    int64_t found = 0;
    for (int64_t b = first; b < first + n; b++)
        if (!lt_job_done(r->job, t->stage, b, LT_NO_STEP) == !done) block[found++] = b;
    return found;
}

lt_status lt_run_trajectories(lt_run *r, const lt_trajectory *t, int64_t first, int64_t n)
{
    int64_t left = 0, *todo = malloc((size_t)(n ? n : 1) * sizeof(*todo));
    lt_status st = lt_comm_agree(
        r->comm, todo ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (units)"));
    if (st == LT_OK) { /* left by a kill behind the commit of a result */
        left = blocks_that_are(r, t, 1, first, n, todo);
        st = lt_run_forget_states(r, t->state, todo, left, INT64_MAX);
    }
    if (st == LT_OK) left = blocks_that_are(r, t, 0, first, n, todo);
    if (st == LT_OK)
        st = lt_comm_agree(r->comm, lt_layout_longest_first(&r->layout, todo, left));
    for (int64_t i = 0; st == LT_OK && i < left; i += r->size)
        st = carry_round(r, t, todo + i, left - i < r->size ? left - i : r->size);
    free(todo);
    return st;
}
