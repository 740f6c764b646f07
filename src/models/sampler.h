#ifndef LT_MODELS_SAMPLER_H
#define LT_MODELS_SAMPLER_H

#include "models/scheduler.h"

/* A way from noise to a latent: DDIM (eta = 0), Euler, Euler ancestral (methods/via.md
 * 4.4), as a table of steps from the noisiest to the last. DDIM works on latents of
 * variance 1, Euler on x = x0 + sigma noise with sigma = sqrt((1 - alpha) / alpha).
 *
 * Every step is x <- of_x x + of_pred pred + of_noise n, with coefficients computed in
 * double. The network is given in_scale x. */
typedef struct lt_sampler_step {
    float timestep; /* for the time embedding; fractional for Euler with linspace */
    double sigma;   /* noise level of x before the step; DDIM: sqrt((1 - a) / a), too */
    double up;      /* size of the fresh noise that comes in; 0: none */
    float in_scale, of_x, of_pred, of_noise;
} lt_sampler_step;

typedef struct lt_sampler {
    lt_sampler_kind kind;
    int n;
    lt_sampler_step *step; /* [n] */
    float init_scale;      /* initial x = init_scale * normal noise */
} lt_sampler;

/* The table of `steps` steps. Timesteps: DDIM those of lt_scheduler_timesteps, and a step
 * ends at the next of them; Euler those of s->euler_spacing. The caller frees.
 * Errors: CONFIG (steps < 1 or > n_train, 1 step of a grid that begins at 0, an offset
 * that leaves the model's timesteps), DATA (Euler with s->euler_fault), NOMEM. */
LT_NODISCARD lt_status lt_sampler_make(const lt_scheduler *s, lt_sampler_kind kind,
                                       int steps, lt_sampler *sampler);
void lt_sampler_free(lt_sampler *sampler); /* zeroes; accepts a zeroed one */

/* Step k of the table, in place.
 *   pred   the network's output (epsilon or v) for in_scale * x, like x, f32
 *   noise  standard normal, like x; not read where step[k].up is 0, and then may be NULL
 * Errors: SHAPE. */
LT_NODISCARD lt_status lt_sampler_apply(const lt_exec *e, const lt_sampler *sampler,
                                        int k, const lt_tensor *pred,
                                        const lt_tensor *noise, lt_tensor *x);

/* "ddim", "euler", "euler_ancestral" */
const char *lt_sampler_name(lt_sampler_kind kind);

#endif
