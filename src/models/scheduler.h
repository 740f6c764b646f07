#ifndef LT_MODELS_SCHEDULER_H
#define LT_MODELS_SCHEDULER_H

#include "kernels/kernels.h"

/* scheduler_config.json, and DDIM forward and inverse (methods/adaflow.md 1.1-1.2); other
 * samplers are in sampler.h.
 * Cumulative alphas are computed in f32 in diffusers' order so that they agree to the
 * last bit that matters; the update's coefficients are computed in double. */
typedef enum lt_prediction { LT_PREDICT_EPSILON, LT_PREDICT_V } lt_prediction;

typedef enum lt_spacing {
    LT_SPACING_LEADING,
    LT_SPACING_TRAILING,
    LT_SPACING_LINSPACE
} lt_spacing;

typedef enum lt_sampler_kind {
    LT_SAMPLER_DDIM,
    LT_SAMPLER_EULER,
    LT_SAMPLER_EULER_ANCESTRAL
} lt_sampler_kind;

typedef struct lt_scheduler {
    int n_train; /* 1000 */
    lt_prediction prediction;
    int steps_offset;     /* 1 */
    int set_alpha_to_one; /* 0: the last step ends at alphas[0] */
    lt_spacing spacing;   /* of DDIM's timesteps; leading with a file of an Euler class */
    const char *class_name; /* in the file, static */
    lt_sampler_kind kind;   /* that the class stands for; DDIM for PNDM, too */
    lt_spacing
        euler_spacing;       /* of Euler's timesteps; linspace where the file is silent */
    const char *euler_fault; /* a key that asks for sigmas which are not built, static;
                              * NULL: Euler can be used */
    float alpha[1000];       /* cumulative products, [n_train] */
} lt_scheduler;

/* Load DIR/scheduler/scheduler_config.json of a class of the DDIM / PNDM / Euler family.
 * Errors: NOINPUT, DATA. */
LT_NODISCARD lt_status lt_scheduler_load(const char *dir, lt_scheduler *s);

/* The same from the text of a scheduler_config.json, for tests and fuzzing. */
LT_NODISCARD lt_status lt_scheduler_parse(const char *text, size_t bytes,
                                          const char *where, lt_scheduler *s);

/* Timesteps of a DDIM grid of `steps`, ascending noise: 1, 21, ... 981 for 50.
 * t: [steps].  Errors: CONFIG (steps < 1 or > n_train; 1 with linspace). */
LT_NODISCARD lt_status lt_scheduler_timesteps(const lt_scheduler *s, int steps, int *t);

/* x_{prev} from x_t (eta = 0); prev < 0: the end of the trajectory.
 *   pred  the model's output (epsilon or v), like x, f32;  x is replaced.
 * Errors: SHAPE. */
LT_NODISCARD lt_status lt_ddim_step(const lt_exec *e, const lt_scheduler *s, int t,
                                    int prev, const lt_tensor *pred, lt_tensor *x);

/* The factors of that step for x and pred: t in [0, n_train). */
void lt_ddim_coefficients(const lt_scheduler *s, int t, int prev, double *of_x,
                          double *of_pred);

/* The inverse: x at level t from x at the level before (prev < 0: the clean latent,
 * whose cumulative alpha is alphas[0]); pred was computed at t on the old x. */
LT_NODISCARD lt_status lt_ddim_invert_step(const lt_exec *e, const lt_scheduler *s,
                                           int prev, int t, const lt_tensor *pred,
                                           lt_tensor *x);

/* sqrt(alpha) x + sqrt(1 - alpha) noise at timestep t. */
LT_NODISCARD lt_status lt_ddim_add_noise(const lt_exec *e, const lt_scheduler *s, int t,
                                         const lt_tensor *x, const lt_tensor *noise,
                                         lt_tensor *out);

#endif
