#ifndef LT_STAGES_LEVELS_H
#define LT_STAGES_LEVELS_H

#include "stages/run.h"

/* The noise levels of a job: the grids of inversion and sampling, and which levels of
 * the inversion are kept because a later step reads them (design.md section 3). */
typedef struct lt_levels {
    int n_inversion, n_steps, n_kept;
    int *inversion; /* [n_inversion] timesteps, ascending noise; those behind the last one
                     * that is kept are left out, none when none is kept */
    int *sampling;  /* [n_steps] timesteps in the order of denoising: descending */
    int *kept;      /* [n_kept] timesteps, ascending, a subset of `inversion` */
} lt_levels;

/* Sampling steps that are taken: all of sampler.steps, with sampler.strength s below 1
 * the last floor(s * steps) - 1 (methods/adaflow.md 1.9: the published slice is one step
 * short; 44 of 50 for 0.9, beginning at timestep 861). At least 1 in a checked
 * configuration. */
int64_t lt_levels_steps(const lt_config *cfg);

/* 1 if some level of the inversion is read or kept; without, there is no such stage. */
int lt_levels_inverts(const lt_config *cfg);

/* From sampler.*, attention.inject*, run.keep and the model's schedule. The caller
 * frees.  Errors: CONFIG (a sampling step is not on the inversion grid), NOMEM. */
LT_NODISCARD lt_status lt_levels_make(const lt_config *cfg, const lt_scheduler *s,
                                      lt_levels *levels);
void lt_levels_free(lt_levels *levels); /* zeroes; accepts a zeroed one */

/* Position of timestep t among the kept ones, -1 when it is not kept. */
int lt_levels_kept(const lt_levels *levels, int t);

#endif
