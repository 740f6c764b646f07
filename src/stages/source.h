#ifndef LT_STAGES_SOURCE_H
#define LT_STAGES_SOURCE_H

#include "stages/run.h"

/* Stage "source": decode and VAE-encode (methods/adaflow.md 1.1). Units are groups of
 * LT_GROUP_FRAMES consecutive frames; a shard holds
 *     /source/latents   [n, h, w, c]  posterior mean * scaling factor
 *     /features/mean, /features/logvar [n, h, w, c]  the posterior the feature pass
 *                       samples from, unscaled; frames in the range of features.range.
 *                       Only for methods with features
 * Rank 0 decodes and hands the frames to the owners of their groups. */

/* Collective.  Errors: DATA (damaged video), STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_source(lt_run *r, int with_features);

/* Encode frames as the stage does, for `preview`:
 *   image [n, H, W, 3] f32 in [0, 1] at the padded working size
 *   latents [n, h, w, c] f32, scaled; mean, logvar NULL or likewise unscaled, for the
 *   feature pass. Values are rounded as if they had been stored.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_source_encode(lt_run *r, const lt_tensor *image,
                                        lt_tensor *latents, lt_tensor *mean,
                                        lt_tensor *logvar);

/* Read frames [first, first + n) of a source dataset ("/source/latents", ...) into
 * data [n, h, w, c] f32.  Errors: those of lt_run_read_f32. */
LT_NODISCARD lt_status lt_source_read(lt_run *r, const char *dataset, int64_t first,
                                      int64_t n, float *data, int64_t *bytes_read);

/* Round f32 values in place to what a shard of this job stores. */
void lt_run_round(const lt_run *r, float *v, int64_t n);

#endif
