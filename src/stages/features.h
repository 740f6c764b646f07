#ifndef LT_STAGES_FEATURES_H
#define LT_STAGES_FEATURES_H

#include "stages/run.h"

/* Diffusion features (DIFT) of the source frames (methods/adaflow.md 1.3): the output of
 * up_blocks.<features.block> at timestep features.step under the empty prompt, averaged
 * over an ensemble. With features.ensemble = 1 the posterior mean is used and no noise is
 * added.
 *
 * Features are large and a pure function of the source shards, so they are no result:
 * they lie in run.temp while a clip or the keyframes of a segment need them, and are
 * computed again when they are not there. */

/* Shape of a frame's features: [h * w, c] on a grid of h x w. Errors: CONFIG (no such
 * block), NOMEM. */
typedef struct lt_feature_shape {
    int64_t h, w, c;
} lt_feature_shape;
LT_NODISCARD lt_status lt_features_shape(lt_run *r, lt_feature_shape *shape);

/* Features of a frame, f32 [h * w, c], rounded to what run.temp stores; from run.temp,
 * or computed and put there. Where they cannot be put there for another reason than a
 * full disk they are computed again the next time. *t is the caller's.
 * Errors: those of lt_run_read_f32, NOMEM, NOSPACE, CONFIG (run.temp is too long). */
LT_NODISCARD lt_status lt_features_get(lt_run *r, int64_t frame, lt_tensor *t);

/* The same from a posterior in memory ([1, h, w, c] each), nothing stored. */
LT_NODISCARD lt_status lt_features_compute(lt_run *r, int64_t frame,
                                           const lt_tensor *mean, const lt_tensor *logvar,
                                           lt_tensor *t);

/* Resize features to a token grid (bilinear) and make unit rows in the compute dtype:
 * *rows [gh * gw, c] is the caller's. */
LT_NODISCARD lt_status lt_features_rows(lt_run *r, const lt_feature_shape *shape,
                                        const lt_tensor *features, int64_t gh, int64_t gw,
                                        lt_tensor *rows);

/* Remove the features of frames [first, first + n) that lie in this rank's run.temp,
 * which may be on its node alone. What is not there, or cannot be removed, is no error:
 * it is never read as features of another job. */
void lt_features_forget(lt_run *r, int64_t first, int64_t n);

#endif
