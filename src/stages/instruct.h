#ifndef LT_STAGES_INSTRUCT_H
#define LT_STAGES_INSTRUCT_H

#include "models/sampler.h"
#include "stages/noise.h"
#include "stages/run.h"

/* Editing with an InstructPix2Pix model (methods/via.md 4): the UNet sees the noisy latent
 * and the source's posterior mean, unscaled, side by side; prompt.edit is an instruction;
 * nothing is inverted. Three predictions are mixed,
 *
 *     eps = U + guidance (T - I) + image_guidance (I - U)
 *
 * T: instruction and source, I: negative prompt and source, U: negative prompt and a
 * source of zeros, in this order in a batch. Guidance is on when guidance > 1 and
 * image_guidance >= 1, as in diffusers; else eps = T. A prediction of weight 0 is not
 * computed: U with image_guidance 1, I with both scales equal. */
typedef struct lt_instruct {
    lt_sampler sampler;
    lt_noise noise;
    float guidance, image_guidance; /* used with two predictions or more */
    int n_branches;
    lt_branch branch[3];
} lt_instruct;

/* Frames in one evaluation of the UNet. Changes memory, not bits. */
enum { LT_INSTRUCT_BATCH = 4 };

/* Predictions that a step of this configuration computes, in their order; returns how
 * many. */
int lt_instruct_branches(const lt_config *cfg, lt_branch branch[3]);

/* Is the model of this kind: does its UNet take the VAE's channels twice? */
int lt_run_is_instruct(const lt_run *r);

/* Sampler, noise and branches of a job, from the configuration and the model's scheduler
 * folder. Says on rank 0, with `tell`, what a user may not expect: another sampler than
 * the folder names, guidance that is off. The caller closes.
 * Errors: CONFIG (steps), those of lt_sampler_make and lt_noise_open. */
LT_NODISCARD lt_status lt_instruct_open(lt_run *r, int tell, lt_instruct *p);
void lt_instruct_close(lt_instruct *p); /* accepts a zeroed one */

/* x [n, h, w, c] f32 of frames first .. first + n - 1 of the job before the first step. */
LT_NODISCARD lt_status lt_instruct_start(const lt_instruct *p, int64_t first,
                                         lt_tensor *x);

/* Carry x from `from` steps done to `to`. source: latents as the stage "source" stores
 * them, like x. Needs r->text.edit and .negative. A frame gets the same bits in any
 * company.  Errors: SHAPE, NOMEM, DATA (noise). */
LT_NODISCARD lt_status lt_instruct_steps(lt_run *r, const lt_instruct *p, int64_t first,
                                         const lt_tensor *source, int from, int to,
                                         lt_tensor *x);

/* Collective. Stage "edit" for all blocks of the layout: each block by itself on one rank
 * (trajectory.h; states are records of "state"); results as in edit.h.
 * Errors: STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_instruct(lt_run *r);

#endif
