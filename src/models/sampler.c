#include "models/sampler.h"

#include <math.h>
#include <stdlib.h>

const char *lt_sampler_name(lt_sampler_kind kind)
{
    static const char *const names[] = { "ddim", "euler", "euler_ancestral" };
    return names[kind];
}

void lt_sampler_free(lt_sampler *s)
{
    free(s->step);
    *s = (lt_sampler){ 0 };
}

/* ---- DDIM -------------------------------------------------------------------------- */

static lt_status fill_ddim(const lt_scheduler *s, lt_sampler *out)
{
    const int n = out->n;
    int *t = malloc((size_t)n * sizeof(*t));
    lt_status st = t ? lt_scheduler_timesteps(s, n, t)
                     : LT_FAIL(LT_ERR_NOMEM, "out of memory (timesteps)");
    for (int k = 0; st == LT_OK && k < n; k++) {
        double of_x, of_pred;
        const int at = t[n - 1 - k], next = k + 1 < n ? t[n - 2 - k] : -1;
        lt_ddim_coefficients(s, at, next, &of_x, &of_pred);
        out->step[k] =
            (lt_sampler_step){ .timestep = (float)at,
                               .sigma = sqrt((1 - (double)s->alpha[at]) / s->alpha[at]),
                               .in_scale = 1,
                               .of_x = (float)of_x,
                               .of_pred = (float)of_pred };
    }
    free(t);
    out->init_scale = 1;
    return st;
}

/* ---- Euler ------------------------------------------------------------------------- */

/* Timestep of step k of n, f32 as diffusers has it. */
static float euler_timestep(const lt_scheduler *s, int n, int k)
{
    const int all = s->n_train, i = n - 1 - k;
    switch (s->euler_spacing) {
    case LT_SPACING_LEADING: return (float)(i * (all / n) + s->steps_offset);
    case LT_SPACING_TRAILING: return (float)rint(all - k * ((double)all / n)) - 1.0f;
    default: return (float)(i * ((all - 1.0) / (n - 1)));
    }
}

/* Linear between the sigmas of the timesteps around t; f32 as in diffusers. */
static double sigma_at(const lt_scheduler *s, float t)
{
    const int i = (int)t, next = i + 1 < s->n_train ? i + 1 : i;
    const double a = sqrtf((1 - s->alpha[i]) / s->alpha[i]);
    const double b = sqrtf((1 - s->alpha[next]) / s->alpha[next]);
    return (float)(a + ((double)t - i) * (b - a));
}

static lt_status check_euler(const lt_scheduler *s, int n)
{
    const int last = (n - 1) * (s->n_train / n) + s->steps_offset;
    if (s->euler_fault)
        return LT_FAIL(LT_ERR_DATA,
                       "the model's Euler scheduler has sigmas of another kind "
                       "(scheduler_config.json, key %s): set sampler.name to ddim",
                       s->euler_fault);
    if (s->euler_spacing == LT_SPACING_LEADING && last >= s->n_train)
        return LT_FAIL(LT_ERR_CONFIG,
                       "%d steps with an offset of %d leave the %d timesteps of the "
                       "model (sampler.steps): use fewer",
                       n, s->steps_offset, s->n_train);
    if (s->euler_spacing == LT_SPACING_LINSPACE && n == 1)
        return LT_FAIL(LT_ERR_CONFIG,
                       "1 step of a grid that begins at timestep 0 (sampler.steps): use "
                       "2 or more");
    return LT_OK;
}

/* From sigma s to `down`, then up again by fresh noise. The derivative is (x - x0) / s:
 * pred for epsilon; for v  x s/(s^2+1) + v/sqrt(s^2+1). */
static lt_sampler_step euler_step(lt_prediction kind, double s, double next,
                                  int ancestral)
{
    const double up = ancestral ? sqrt(next * next * (s * s - next * next) / (s * s)) : 0;
    const double down = ancestral ? sqrt(next * next - up * up) : next;
    const double one = s * s + 1, move = down - s;
    const int v = kind == LT_PREDICT_V;
    return (lt_sampler_step){ .sigma = s,
                              .up = up,
                              .in_scale = (float)(1 / sqrt(one)),
                              .of_x = (float)(v ? 1 + move * s / one : 1),
                              .of_pred = (float)(v ? move / sqrt(one) : move),
                              .of_noise = (float)up };
}

static lt_status fill_euler(const lt_scheduler *s, lt_sampler *out)
{
    const int n = out->n, ancestral = out->kind == LT_SAMPLER_EULER_ANCESTRAL;
    const lt_status st = check_euler(s, n);
    if (st != LT_OK) return st;
    for (int k = 0; k < n; k++) {
        const float t = euler_timestep(s, n, k);
        const double next = k + 1 < n ? sigma_at(s, euler_timestep(s, n, k + 1)) : 0;
        out->step[k] = euler_step(s->prediction, sigma_at(s, t), next, ancestral);
        out->step[k].timestep = t;
    }
    const double most = out->step[0].sigma;
    out->init_scale =
        (float)(s->euler_spacing == LT_SPACING_LEADING ? sqrt(most * most + 1) : most);
    return LT_OK;
}

/* ---- both -------------------------------------------------------------------------- */

lt_status lt_sampler_make(const lt_scheduler *s, lt_sampler_kind kind, int steps,
                          lt_sampler *sampler)
{
    lt_sampler out = { .kind = kind, .n = steps };
    if (steps < 1 || steps > s->n_train)
        return LT_FAIL(LT_ERR_CONFIG, "%d steps (sampler.steps): use 1 to %d", steps,
                       s->n_train);
    out.step = calloc((size_t)steps, sizeof(*out.step));
    if (!out.step) return LT_FAIL(LT_ERR_NOMEM, "out of memory (steps)");
    const lt_status st =
        kind == LT_SAMPLER_DDIM ? fill_ddim(s, &out) : fill_euler(s, &out);
    if (st == LT_OK)
        *sampler = out;
    else
        lt_sampler_free(&out);
    return st;
}

static int fits(const lt_tensor *t, const lt_tensor *x)
{
    return t && t->dtype == LT_F32 && x->dtype == LT_F32 && lt_tensor_same_shape(t, x);
}

lt_status lt_sampler_apply(const lt_exec *e, const lt_sampler *s, int k,
                           const lt_tensor *pred, const lt_tensor *noise, lt_tensor *x)
{
    if (k < 0 || k >= s->n || !fits(pred, x) || (s->step[k].up > 0 && !fits(noise, x)))
        return LT_FAIL(LT_ERR_SHAPE, "step %d of %d does not fit its latents", k, s->n);
    const lt_sampler_step *c = &s->step[k];
    const lt_status st = e->k->axpby(e, c->of_x, x, c->of_pred, pred, x);
    if (st != LT_OK || c->up <= 0) return st;
    return e->k->axpby(e, 1.0f, x, c->of_noise, noise, x);
}
