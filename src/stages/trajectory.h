#ifndef LT_STAGES_TRAJECTORY_H
#define LT_STAGES_TRAJECTORY_H

#include "stages/run.h"

/* Blocks that are carried through many steps, each by one rank and for itself: one block
 * a rank and round. After every run.checkpoint_steps steps the block is saved, so that a
 * kill costs at most that many steps of a block; a stop waits as long. */
typedef struct lt_trajectory {
    const char *stage; /* record name of a finished block */
    const char *state; /* of a block in between; only its newest is kept */
    int n_steps;
    void *self;

    /* The functions are called on the rank that carries the block; none is collective.
     *   begin    take block `block` as it stands after `step` steps: 0 is the start, else
     *            the saved state of that step is there. d->bytes_read grows
     *   advance  carry it to `to` steps
     *   put      add what belongs into its shard: the result (finished = 1) or a state
     *   end      free what begin made; also after a failure, and without a begin */
    lt_status (*begin)(lt_run *r, void *self, int64_t block, int64_t step, lt_done *d);
    lt_status (*advance)(lt_run *r, void *self, int to);
    lt_status (*put)(lt_run *r, void *self, lt_shard_writer *w, int finished);
    void (*end)(void *self);
} lt_trajectory;

/* Collective. Finish the blocks first .. first + n - 1 of the layout that are not done.
 * Errors: STOPPED, those of the functions, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_run_trajectories(lt_run *r, const lt_trajectory *t,
                                           int64_t first, int64_t n);

/* Add a dataset /state/x [n, h, w, c] f32 for a state. */
LT_NODISCARD lt_status lt_trajectory_put_x(lt_run *r, lt_shard_writer *w,
                                           const lt_tensor *x);

#endif
