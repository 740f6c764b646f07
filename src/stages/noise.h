#ifndef LT_STAGES_NOISE_H
#define LT_STAGES_NOISE_H

#include "io/weights.h"
#include "stages/run.h"

/* Noise of an edit that does not begin at the inverted source: standard normal numbers,
 * the same for all frames or, with sampler.frame_noise own, keyed by the frame's number in
 * the film; drawn from (sampler.seed, frame, step), or read from sampler.latents.
 *
 * That file is a safetensors file of float tensors (docs/formats.md):
 *     latents  [1 or N, h, w, c] or, as diffusers has it, [1 or N, c, h, w]: initial noise
 *              of variance 1, N = frames of the job
 *     noise    [sampler.steps, 1 or N, ...] likewise: what a step of Euler ancestral adds;
 *              drawn where it is absent */
typedef struct lt_noise_array {
    const lt_weight *t; /* NULL: drawn */
    int64_t frames;     /* 1 or N */
    int channels_last;
} lt_noise_array;

typedef struct lt_noise {
    const lt_run *r;  /* borrowed */
    lt_weights *file; /* NULL: everything is drawn */
    lt_noise_array latents, noise;
} lt_noise;

/* Needs frames and sizes of r. The caller closes.
 * Errors: NOINPUT, DATA (not such a file; shapes that do not fit, named), IO, NOMEM. */
LT_NODISCARD lt_status lt_noise_open(const lt_run *r, lt_noise *noise);
void lt_noise_close(lt_noise *noise); /* accepts a zeroed one */

/* Noise of frame `frame` of the job: the initial one (step < 0), or what step `step` adds;
 * out [h, w, c].  Errors: DATA (a value that is not finite), NOMEM. */
LT_NODISCARD lt_status lt_noise_get(const lt_noise *noise, int64_t frame, int step,
                                    float *out);

#endif
