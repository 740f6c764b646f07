#include <math.h>

#include "core/random.h"
#include "stages/edit.h"

/* One noise for all frames: what differs between frames is then the video alone. */
static lt_status add_shared_noise(lt_run *r, int t, const lt_tensor *x0, lt_tensor *x)
{
    lt_status st = LT_OK;
    lt_tensor noise = { 0 }, from = { 0 }, to = { 0 };
    const lt_random s =
        lt_random_stream((uint64_t)r->cfg->sampler.seed, LT_PURPOSE_LATENT, 0, 0);
    LT_TRY(LT_TENSOR_NEW(&noise, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    lt_random_normals(&s, 0, lt_f32(&noise), lt_tensor_count(&noise));
    for (int64_t f = 0; f < x->shape[0]; f++) {
        from = lt_tensor_rows(x0, f, 1);
        to = lt_tensor_rows(x, f, 1);
        LT_TRY(lt_ddim_add_noise(&r->x, &r->model->scheduler, t, &from, &noise, &to));
        lt_tensor_free(&from);
        lt_tensor_free(&to);
    }
cleanup:
    lt_tensor_free(&noise);
    lt_tensor_free(&from);
    lt_tensor_free(&to);
    return st;
}

lt_status lt_edit_start(lt_run *r, const lt_levels *levels, const lt_tensor *x0,
                        lt_tensor *x)
{
    const int first = levels->sampling[0];
    if (r->cfg->sampler.noise == LT_NOISE_GAUSSIAN)
        return add_shared_noise(r, first, x0, x);
    const int last = levels->inversion[levels->n_inversion - 1];
    if (last == first) return LT_OK;
    const double a_last = r->model->scheduler.alpha[last];
    const double a_first = r->model->scheduler.alpha[first];
    const double noise = sqrt((1 - a_first) / (1 - a_last));
    const double clean = sqrt(a_first) - noise * sqrt(a_last);
    return r->x.k->axpby(&r->x, (float)noise, x, (float)clean, x0, x);
}

lt_status lt_edit_step(lt_run *r, int t, int prev, lt_tensor *pred, lt_tensor *x)
{
    lt_status st = LT_OK;
    const int64_t n = x->shape[0];
    const float g = (float)r->cfg->sampler.guidance;
    lt_tensor negative = lt_tensor_rows(pred, 0, n),
              positive = lt_tensor_rows(pred, n, n);
    /* e_u + g (e_c - e_u) in the published order of operations */
    LT_TRY(r->x.k->axpby(&r->x, 1.0f, &positive, -1.0f, &negative, &positive));
    LT_TRY(r->x.k->axpby(&r->x, 1.0f, &negative, g, &positive, &negative));
    LT_TRY(lt_ddim_step(&r->x, &r->model->scheduler, t, prev, &negative, x));
cleanup:
    lt_tensor_free(&negative);
    lt_tensor_free(&positive);
    return st;
}
