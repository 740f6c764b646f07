#ifndef LT_STAGES_EDIT_H
#define LT_STAGES_EDIT_H

#include "stages/levels.h"
#include "stages/run.h"

/* Stage "edit": denoising under the edit prompt with classifier-free guidance
 * (methods/adaflow.md 1.2, 1.7, 1.8), a segment at a time, all ranks together.
 *
 * At every step
 *   1. joint pass   each rank evaluates the keyframes of its own clips, attending to the
 *                   keyframes of the whole segment; outputs of self-attention are kept
 *   2. propagation  every block of its own clips, self-attention gathered from them
 * Without keyframes (method `frame`) only the second part runs, with plain attention.
 *
 * State between steps is f32; after run.checkpoint_steps steps, and at a stop, it is
 * saved (stage "state", one shard a block, two generations). Results: stage "edit", one
 * shard a block with /edit/latents [n, h, w, c]. */

typedef struct lt_edit_options {
    int joint; /* 1: AdaFlow, needs matches and r->layout.keyframe; 0: each frame alone */
} lt_edit_options;

/* Collective. Edit one segment, from its newest saved state.
 * Errors: STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_edit(lt_run *r, const lt_levels *levels, int64_t segment,
                                     const lt_edit_options *options);

/* 1 when all blocks of the segment have their result. */
int lt_edit_segment_done(lt_run *r, int64_t segment);

/* Guidance and one scheduler step: x [n, h, w, c] f32 from t to the level `prev`.
 * pred [2 n, h, w, c] f32: negative branch, then edit branch; it is overwritten. */
LT_NODISCARD lt_status lt_edit_step(lt_run *r, int t, int prev, lt_tensor *pred,
                                    lt_tensor *x);

/* The noisiest latents of sampling from those of the inversion (re-projection of
 * adaflow.md 1.2; the identity when both grids end at the same level):
 * x0 clean, x at levels->inversion's last timestep; x is replaced. */
LT_NODISCARD lt_status lt_edit_start(lt_run *r, const lt_levels *levels,
                                     const lt_tensor *x0, lt_tensor *x);

#endif
