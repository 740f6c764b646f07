#ifndef LT_STAGES_INVERSION_H
#define LT_STAGES_INVERSION_H

#include "stages/levels.h"
#include "stages/run.h"

/* Stage "inversion": DDIM inversion of the source under prompt.source, no guidance
 * (methods/adaflow.md 1.1). Units are blocks; a shard holds
 *     /inversion/latents [levels kept, n, h, w, c], attribute timesteps
 * After every run.checkpoint_steps steps the trajectory is saved (stage
 * "inversion-state"), so that a kill costs at most that many steps of a block. */

/* Collective. Invert the blocks of a segment that are not done. */
LT_NODISCARD lt_status lt_stage_inversion(lt_run *r, const lt_levels *levels,
                                          int64_t segment);

/* Read the source's latents at timestep t for n frames of a block, from its frame
 * `first` (counted in the block): data [n, h, w, c].  Errors: INTERNAL (level not kept),
 * those of lt_run_read_f32. */
LT_NODISCARD lt_status lt_inversion_read(lt_run *r, const lt_levels *levels,
                                         int64_t block, int t, int64_t first, int64_t n,
                                         float *data, int64_t *bytes_read);

/* The trajectory without a job, for `preview`: x [n, h, w, c] f32 at the clean level is
 * carried through the whole grid; level i of levels->kept lands in kept + i * n*h*w*c,
 * rounded as if stored. */
LT_NODISCARD lt_status lt_inversion_run(lt_run *r, const lt_levels *levels, lt_tensor *x,
                                        float *kept);

#endif
