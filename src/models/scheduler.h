#ifndef LT_MODELS_SCHEDULER_H
#define LT_MODELS_SCHEDULER_H

#include "kernels/kernels.h"

/* DDIM, forward and inverse (methods/adaflow.md 1.1-1.2), from scheduler_config.json.
 * Cumulative alphas are computed in f32 in diffusers' order so that they agree to the
 * last bit that matters; the update's coefficients are computed in double. */
typedef enum lt_prediction { LT_PREDICT_EPSILON, LT_PREDICT_V } lt_prediction;

typedef struct lt_scheduler {
    int n_train; /* 1000 */
    lt_prediction prediction;
    int steps_offset;     /* 1 */
    int set_alpha_to_one; /* 0: the last step ends at alphas[0] */
    int trailing;         /* timestep_spacing: 0 leading, 1 trailing */
    float alpha[1000];    /* cumulative products, [n_train] */
} lt_scheduler;

/* Load DIR/scheduler/scheduler_config.json; class names of the DDIM / PNDM / Euler
 * family are accepted, only the noise schedule is read.  Errors: NOINPUT, DATA. */
LT_NODISCARD lt_status lt_scheduler_load(const char *dir, lt_scheduler *s);

/* The same from the text of a scheduler_config.json, for tests and fuzzing. */
LT_NODISCARD lt_status lt_scheduler_parse(const char *text, size_t bytes,
                                          const char *where, lt_scheduler *s);

/* Timesteps of a grid of `steps`, ascending noise: 1, 21, ... 981 for 50.
 * t: [steps].  Errors: CONFIG (steps < 1 or > n_train). */
LT_NODISCARD lt_status lt_scheduler_timesteps(const lt_scheduler *s, int steps, int *t);

/* x_{prev} from x_t (eta = 0); prev < 0: the end of the trajectory.
 *   pred  the model's output (epsilon or v), like x, f32;  x is replaced.
 * Errors: SHAPE. */
LT_NODISCARD lt_status lt_ddim_step(const lt_exec *e, const lt_scheduler *s, int t,
                                    int prev, const lt_tensor *pred, lt_tensor *x);

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
