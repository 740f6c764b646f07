#ifndef LT_STAGES_EDIT_H
#define LT_STAGES_EDIT_H

#include "stages/levels.h"
#include "stages/run.h"

/* Stage "edit": denoising under the edit prompt with classifier-free guidance
 * (methods/adaflow.md 1.2, 1.7 to 1.9), a segment at a time, all ranks together.
 *
 * At every step
 *   1. joint pass   each rank evaluates the keyframes of its own clips, attending to the
 *                   keyframes of the whole segment; outputs of self-attention are kept
 *   2. propagation  every block of its own clips, self-attention gathered from them
 * Without keyframes (method `frame`) only the second part runs, with plain attention.
 *
 * A keyframe's latents are what propagation made of them in the step before, as published
 * (keyframes.trajectory shared). With `own` the clip keeps its keyframe over all steps,
 * and the joint pass takes the step of the keyframes itself.
 *
 * With propagate.blend neighbours a frame mixes its own clip's keyframe and that of the
 * clip in front (lt_propagate_weight). The first clip of a segment has none in front:
 * segments are independent, and the same job cuts them alike on every machine.
 *
 * State between steps is f32; after run.checkpoint_steps steps, and at a stop, it is
 * saved (stage "state", one shard a block, two generations). Results: stage "edit", one
 * shard a block with /edit/latents [n, h, w, c]. */

typedef struct lt_edit_options {
    int joint;  /* 1: keyframes, needs r->layout.keyframe; 0: each frame alone */
    int online; /* with joint. 0: propagation along the matches of stage "match"; 1: along
                 * matches found at every layer and step, needs the source at all levels */
} lt_edit_options;

/* Collective. Edit one segment, from its newest saved state.
 * Errors: STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_edit(lt_run *r, const lt_levels *levels, int64_t segment,
                                     const lt_edit_options *options);

/* 1 when all blocks of the segment have their result. */
int lt_edit_segment_done(lt_run *r, int64_t segment);

/* Collective. Forget the states of a segment that has its results; none may be there.
 * Errors: those of lt_run_forget. */
LT_NODISCARD lt_status lt_edit_forget_states(lt_run *r, int64_t segment);

/* Guidance and one scheduler step: x [n, h, w, c] f32 from t to the level `prev`.
 * pred [2 n, h, w, c] f32: negative branch, then edit branch; it is overwritten. */
LT_NODISCARD lt_status lt_edit_step(lt_run *r, int t, int prev, lt_tensor *pred,
                                    lt_tensor *x);

/* What sampling begins with, at levels->sampling[0], of n frames: x0 [n, h, w, c] f32
 * clean, x [n, h, w, c] f32 is replaced.
 *   sampler.noise ddim      x comes at levels->inversion's last timestep; its noise is put
 *                           on x0 again (adaflow.md 1.2; the identity when both grids end
 *                           at the same level)
 *   sampler.noise gaussian  one noise for all frames, of the seed; x comes as anything
 * Errors: NOMEM. */
LT_NODISCARD lt_status lt_edit_start(lt_run *r, const lt_levels *levels,
                                     const lt_tensor *x0, lt_tensor *x);

#endif
