#ifndef LT_STAGES_LEVELS_H
#define LT_STAGES_LEVELS_H

#include "stages/run.h"

/* The noise levels of a job: the grids of inversion and sampling, and which levels of
 * the inversion are kept because a later step reads them (design.md section 3). */
typedef struct lt_levels {
    int n_inversion, n_steps, n_kept;
    int *inversion; /* [n_inversion] timesteps, ascending noise */
    int *sampling;  /* [n_steps] timesteps in the order of denoising: descending */
    int *kept;      /* [n_kept] timesteps, ascending, a subset of `inversion` */
} lt_levels;

/* From sampler.*, attention.inject*, run.keep and the model's schedule. The caller
 * frees.  Errors: CONFIG (a sampling step is not on the inversion grid), NOMEM. */
LT_NODISCARD lt_status lt_levels_make(const lt_config *cfg, const lt_scheduler *s,
                                      lt_levels *levels);
void lt_levels_free(lt_levels *levels); /* zeroes; accepts a zeroed one */

/* Position of timestep t among the kept ones, -1 when it is not kept. */
int lt_levels_kept(const lt_levels *levels, int t);

#endif
