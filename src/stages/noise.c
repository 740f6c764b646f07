#include "stages/noise.h"

#include <stdlib.h>
#include <string.h>

#include "core/random.h"

/* Do the last four sizes fit, in one of the two orders? */
static int fits(const lt_run *r, const int64_t *s, lt_noise_array *a)
{
    a->frames = s[0];
    a->channels_last = s[1] == r->h && s[2] == r->w && s[3] == r->c;
    return (s[0] == 1 || s[0] == r->n_frames) &&
           (a->channels_last || (s[1] == r->c && s[2] == r->h && s[3] == r->w));
}

static lt_status take(const lt_run *r, const lt_weight *t, int steps, lt_noise_array *a)
{
    char shape[LT_SHAPE_TEXT];
    const int ndim = steps ? 5 : 4;
    const int64_t *s = t->shape + (steps ? 1 : 0);
    if (t->ndim != ndim || (steps && t->shape[0] != steps) || !fits(r, s, a))
        return LT_FAIL(LT_ERR_DATA,
                       "%s is %s (sampler.latents, %s): %s%lldx%lldx%lld for one or all "
                       "of %lld frames is needed",
                       t->name, lt_shape_text(t->ndim, t->shape, shape), t->file,
                       steps ? "the number of steps, then " : "", (long long)r->h,
                       (long long)r->w, (long long)r->c, (long long)r->n_frames);
    a->t = t;
    return lt_weight_check_finite(t);
}

lt_status lt_noise_open(const lt_run *r, lt_noise *noise)
{
    lt_status st = LT_OK;
    lt_noise n = { .r = r };
    const char *path = r->cfg->sampler.latents;
    if (path[0]) {
        LT_TRY(lt_weights_open(path, &n.file));
        const lt_weight *latents = lt_weights_find(n.file, "latents");
        const lt_weight *steps = lt_weights_find(n.file, "noise");
        if (!latents)
            LT_TRY(LT_FAIL(LT_ERR_DATA,
                           "no tensor `latents` (sampler.latents, %s): name the initial "
                           "noise so",
                           path));
        LT_TRY(take(r, latents, 0, &n.latents));
        if (steps) LT_TRY(take(r, steps, (int)r->cfg->sampler.steps, &n.noise));
    }
    *noise = n;
    n.file = NULL;
cleanup:
    lt_weights_close(&n.file);
    return st;
}

void lt_noise_close(lt_noise *noise)
{
    lt_weights_close(&noise->file);
    *noise = (lt_noise){ 0 };
}

static lt_status read_array(const lt_run *r, const lt_noise_array *a, int64_t frame,
                            int step, float *out)
{
    const int64_t pixels = r->h * r->w, n = pixels * r->c;
    const int64_t at = (step < 0 ? 0 : step) * a->frames + (a->frames > 1 ? frame : 0);
    if (a->channels_last) return lt_weight_to_f32(a->t, at * n, n, out);
    float *planes = malloc((size_t)n * sizeof(*planes));
    if (!planes) return LT_FAIL(LT_ERR_NOMEM, "out of memory (noise)");
    const lt_status st = lt_weight_to_f32(a->t, at * n, n, planes);
    for (int64_t c = 0; st == LT_OK && c < r->c; c++)
        for (int64_t p = 0; p < pixels; p++) out[p * r->c + c] = planes[c * pixels + p];
    free(planes);
    return st;
}

lt_status lt_noise_get(const lt_noise *noise, int64_t frame, int step, float *out)
{
    const lt_run *r = noise->r;
    const lt_noise_array *a = step < 0 ? &noise->latents : &noise->noise;
    if (a->t) return read_array(r, a, frame, step, out);
    /* the number in the film, so that a part of it is edited as the whole would be */
    const int64_t number =
        r->cfg->sampler.frame_noise == LT_FRAME_NOISE_OWN ? r->frames.first + frame : 0;
    const lt_random s = lt_random_stream((uint64_t)r->cfg->sampler.seed,
                                         step < 0 ? LT_PURPOSE_LATENT : LT_PURPOSE_STEP,
                                         (uint32_t)number, step < 0 ? 0 : (uint32_t)step);
    lt_random_normals(&s, 0, out, r->h * r->w * r->c);
    return LT_OK;
}
