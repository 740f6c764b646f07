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

int64_t lt_levels_steps(const lt_config *cfg)
{
    const double share = cfg->sampler.strength, n = (double)cfg->sampler.steps;
    if (share >= 1) return cfg->sampler.steps;
    const int64_t left = (int64_t)(n * share + 1e-9) - 1; /* as lt_inject_at_step */
    return left > 0 ? left : 0;
}

/* Does step i of those that are taken read the source at its level? */
static int step_reads(const lt_config *cfg, int64_t i)
{
    const lt_inject inj = lt_inject_at_step(
        i, lt_levels_steps(cfg), cfg->attention.inject, cfg->attention.inject_features);
    return cfg->method.name == LT_METHOD_TOKENFLOW || lt_inject_needs_source(&inj);
}

int lt_levels_inverts(const lt_config *cfg)
{
    return cfg->run.keep == LT_KEEP_ALL || cfg->sampler.noise == LT_NOISE_DDIM ||
           step_reads(cfg, 0);
}

/* Read again: the level that denoising starts from, and those of steps that read it. */
static int is_read(const lt_levels *l, const lt_config *cfg, int t)
{
    if (cfg->sampler.noise == LT_NOISE_DDIM && t == l->inversion[l->n_inversion - 1])
        return 1;
    for (int i = 0; i < l->n_steps; i++)
        if (l->sampling[i] == t) return step_reads(cfg, i);
    return 0;
}

/* The whole grid in the order of denoising, cut to the steps that are taken. */
static lt_status fill_sampling(lt_levels *l, const lt_config *cfg, const lt_scheduler *s)
{
    const int n = (int)cfg->sampler.steps;
    const lt_status st = lt_scheduler_timesteps(s, n, l->sampling);
    for (int i = 0; st == LT_OK && i < n / 2; i++) {
        const int t = l->sampling[i];
        l->sampling[i] = l->sampling[n - 1 - i];
        l->sampling[n - 1 - i] = t;
    }
    l->n_steps = (int)lt_levels_steps(cfg);
    memmove(l->sampling, l->sampling + (n - l->n_steps),
            (size_t)l->n_steps * sizeof(*l->sampling));
    return st;
}

static lt_status fill(lt_levels *l, const lt_config *cfg, const lt_scheduler *s)
{
    lt_status st = LT_OK;
    LT_TRY(lt_scheduler_timesteps(s, l->n_inversion, l->inversion));
    LT_TRY(fill_sampling(l, cfg, s));
    for (int i = 0; i < l->n_steps; i++)
        if (!on_grid(l, l->sampling[i]))
            LT_TRY(LT_FAIL(
                LT_ERR_CONFIG,
                "timestep %d of %d sampling steps is not among the %d inversion "
                "steps (sampler.inversion_steps): give a multiple of "
                "sampler.steps that divides %d evenly",
                l->sampling[i], (int)cfg->sampler.steps, l->n_inversion, s->n_train));
    for (int i = 0; i < l->n_inversion; i++)
        if (cfg->run.keep == LT_KEEP_ALL || is_read(l, cfg, l->inversion[i]))
            l->kept[l->n_kept++] = l->inversion[i];
    while (l->n_inversion > 0 && lt_levels_kept(l, l->inversion[l->n_inversion - 1]) < 0)
        l->n_inversion--;
cleanup:
    return st;
}

lt_status lt_levels_make(const lt_config *cfg, const lt_scheduler *s, lt_levels *levels)
{
    lt_levels l = { .n_inversion = (int)cfg->sampler.inversion_steps };
    l.inversion = malloc((size_t)l.n_inversion * sizeof(int));
    l.kept = malloc((size_t)l.n_inversion * sizeof(int));
    l.sampling = malloc((size_t)cfg->sampler.steps * sizeof(int));
    lt_status st = l.inversion && l.kept && l.sampling
                       ? fill(&l, cfg, s)
                       : LT_FAIL(LT_ERR_NOMEM, "out of memory (timesteps)");
    if (st == LT_OK)
        *levels = l;
    else
        lt_levels_free(&l);
    return st;
}
