#include "stages/levels.h"

#include <stdlib.h>
#include <string.h>

#include "attention/inject.h"

void lt_levels_free(lt_levels *l)
{
    free(l->inversion);
    free(l->sampling);
    free(l->kept);
    memset(l, 0, sizeof(*l));
}

int lt_levels_kept(const lt_levels *l, int t)
{
    for (int i = 0; i < l->n_kept; i++)
        if (l->kept[i] == t) return i;
    return -1;
}

static int on_grid(const lt_levels *l, int t)
{
    for (int i = 0; i < l->n_inversion; i++)
        if (l->inversion[i] == t) return 1;
    return 0;
}

/* Read again: the level that denoising starts from, and those of steps that inject. */
static int is_read(const lt_levels *l, const lt_config *cfg, int t)
{
    if (t == l->inversion[l->n_inversion - 1]) return 1;
    for (int i = 0; i < l->n_steps; i++) {
        const lt_inject inj = lt_inject_at_step(i, l->n_steps, cfg->attention.inject,
                                                cfg->attention.inject_features);
        if (l->sampling[i] == t) return lt_inject_needs_source(&inj);
    }
    return 0;
}

static lt_status fill(lt_levels *l, const lt_config *cfg, const lt_scheduler *s)
{
    lt_status st = LT_OK;
    LT_TRY(lt_scheduler_timesteps(s, l->n_inversion, l->inversion));
    LT_TRY(lt_scheduler_timesteps(s, l->n_steps, l->sampling));
    for (int i = 0; i < l->n_steps / 2; i++) {
        const int t = l->sampling[i];
        l->sampling[i] = l->sampling[l->n_steps - 1 - i];
        l->sampling[l->n_steps - 1 - i] = t;
    }
    for (int i = 0; i < l->n_steps; i++)
        if (!on_grid(l, l->sampling[i]))
            LT_TRY(
                LT_FAIL(LT_ERR_CONFIG,
                        "timestep %d of %d sampling steps is not among the %d inversion "
                        "steps (sampler.inversion_steps): give a multiple of "
                        "sampler.steps that divides %d evenly",
                        l->sampling[i], l->n_steps, l->n_inversion, s->n_train));
    for (int i = 0; i < l->n_inversion; i++)
        if (cfg->run.keep == LT_KEEP_ALL || is_read(l, cfg, l->inversion[i]))
            l->kept[l->n_kept++] = l->inversion[i];
cleanup:
    return st;
}

lt_status lt_levels_make(const lt_config *cfg, const lt_scheduler *s, lt_levels *levels)
{
    lt_levels l = { .n_inversion = (int)cfg->sampler.inversion_steps,
                    .n_steps = (int)cfg->sampler.steps };
    l.inversion = malloc((size_t)l.n_inversion * sizeof(int));
    l.kept = malloc((size_t)l.n_inversion * sizeof(int));
    l.sampling = malloc((size_t)l.n_steps * sizeof(int));
    lt_status st = l.inversion && l.kept && l.sampling
                       ? fill(&l, cfg, s)
                       : LT_FAIL(LT_ERR_NOMEM, "out of memory (timesteps)");
    if (st == LT_OK)
        *levels = l;
    else
        lt_levels_free(&l);
    return st;
}
