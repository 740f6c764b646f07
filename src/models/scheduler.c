#include "models/scheduler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/config.h"

enum { MAX_TRAIN = 1000, MAX_CONFIG_BYTES = 1 << 20 };

static const lt_model_config_fixed fixed[] = {
    { "trained_betas", "null" },
    { "rescale_betas_zero_snr", "false" },
    { "thresholding", "false" },
    { NULL, NULL },
};

/* What a class of diffusers assumes where the file says nothing. */
typedef struct family {
    const char *name;
    int alpha_to_one;  /* set_alpha_to_one */
    int reads_spacing; /* its timestep_spacing means a DDIM-like grid */
} family;

static const family families[] = {
    { "DDIMScheduler", 1, 1 },
    { "DDIMInverseScheduler", 1, 1 },
    { "PNDMScheduler", 0, 1 },
    { "EulerDiscreteScheduler", 0, 0 },
    { "EulerAncestralDiscreteScheduler", 0, 0 },
};

static lt_status find_family(const lt_model_config *c, const family **f)
{
    const char *name = NULL;
    const lt_status st = lt_model_config_text(c, "_class_name", "PNDMScheduler", &name);
    if (st != LT_OK) return st;
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        if (strcmp(families[i].name, name) != 0) continue;
        *f = &families[i];
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_DATA,
                   "unsupported scheduler (%s, key _class_name): %.60s; DDIMScheduler, "
                   "PNDMScheduler and the Euler schedulers are supported",
                   c->path, name);
}

/* torch.linspace in f32 (a fused multiply-add from the nearer end), then squared for
 * scaled_linear; the cumulative product runs in double and is rounded at each place. */
static void fill_alphas(double start, double end, int scaled, lt_scheduler *s)
{
    const float a = (float)(scaled ? sqrt(start) : start);
    const float b = (float)(scaled ? sqrt(end) : end);
    const int n = s->n_train;
    const float step = n > 1 ? (b - a) / (float)(n - 1) : 0;
    double product = 1;
    for (int i = 0; i < n; i++) {
        const float x =
            i < n / 2 ? fmaf(step, (float)i, a) : fmaf(-step, (float)(n - 1 - i), b);
        const float beta = scaled ? x * x : x;
        product *= (double)(1.0f - beta);
        s->alpha[i] = (float)product;
    }
}

static lt_status read_betas(const lt_model_config *c, lt_scheduler *s)
{
    lt_status st = LT_OK;
    double start = 0, end = 0;
    const char *kind = NULL;
    LT_TRY(lt_model_config_real(c, "beta_start", 0.00085, 1e-8, 0.5, &start));
    LT_TRY(lt_model_config_real(c, "beta_end", 0.012, 1e-8, 0.5, &end));
    LT_TRY(lt_model_config_text(c, "beta_schedule", "scaled_linear", &kind));
    if (strcmp(kind, "scaled_linear") && strcmp(kind, "linear")) {
        st =
            LT_FAIL(LT_ERR_DATA,
                    "unsupported scheduler (%s, key beta_schedule): %.40s; scaled_linear "
                    "and linear are supported",
                    c->path, kind);
        goto cleanup;
    }
    fill_alphas(start, end, kind[0] == 's', s);
cleanup:
    return st;
}

static lt_status read_choices(const lt_model_config *c, const family *f, lt_scheduler *s)
{
    lt_status st = LT_OK;
    const char *kind = NULL, *spacing = NULL;
    LT_TRY(lt_model_config_text(c, "prediction_type", "epsilon", &kind));
    LT_TRY(lt_model_config_text(c, "timestep_spacing", "leading", &spacing));
    if (strcmp(kind, "epsilon") && strcmp(kind, "v_prediction")) {
        st =
            LT_FAIL(LT_ERR_DATA,
                    "unsupported scheduler (%s, key prediction_type): %.40s; epsilon and "
                    "v_prediction are supported",
                    c->path, kind);
        goto cleanup;
    }
    if (!f->reads_spacing) spacing = "leading";
    if (strcmp(spacing, "leading") && strcmp(spacing, "trailing")) {
        st = LT_FAIL(
            LT_ERR_DATA,
            "unsupported scheduler (%s, key timestep_spacing): %.40s; leading and "
            "trailing are supported",
            c->path, spacing);
        goto cleanup;
    }
    s->prediction = kind[0] == 'v' ? LT_PREDICT_V : LT_PREDICT_EPSILON;
    s->trailing = spacing[0] == 't';
cleanup:
    return st;
}

static lt_status read_config(const lt_model_config *c, lt_scheduler *out)
{
    lt_status st = LT_OK;
    lt_scheduler s = { 0 };
    const family *f = NULL;
    int64_t n = 0, offset = 0;
    LT_TRY(lt_model_config_check_fixed(c, fixed));
    LT_TRY(find_family(c, &f));
    LT_TRY(lt_model_config_int(c, "num_train_timesteps", MAX_TRAIN, 2, MAX_TRAIN, &n));
    LT_TRY(lt_model_config_int(c, "steps_offset", 1, 0, n - 1, &offset));
    LT_TRY(lt_model_config_bool(c, "set_alpha_to_one", f->alpha_to_one,
                                &s.set_alpha_to_one));
    s.n_train = (int)n;
    s.steps_offset = (int)offset;
    LT_TRY(read_betas(c, &s));
    LT_TRY(read_choices(c, f, &s));
    *out = s;
cleanup:
    return st;
}

lt_status lt_scheduler_load(const char *dir, lt_scheduler *s)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_open(dir, "scheduler", "scheduler_config.json",
                                        MAX_CONFIG_BYTES, &c);
    if (st == LT_OK) st = read_config(&c, s);
    lt_model_config_close(&c);
    return st;
}

lt_status lt_scheduler_parse(const char *text, size_t bytes, const char *where,
                             lt_scheduler *s)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_parse(text, bytes, where, &c);
    if (st == LT_OK) st = read_config(&c, s);
    lt_model_config_close(&c);
    return st;
}

lt_status lt_scheduler_timesteps(const lt_scheduler *s, int steps, int *t)
{
    const int n = s->n_train;
    if (steps < 1 || steps > n)
        return LT_FAIL(LT_ERR_CONFIG, "%d steps (sampler.steps): use 1 to %d", steps, n);
    const int ratio = n / steps;
    const int last = (steps - 1) * ratio + s->steps_offset;
    if (!s->trailing && last >= n)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "%d steps with an offset of %d leave the %d timesteps of the model "
            "(sampler.steps): use fewer",
            steps, s->steps_offset, n);
    for (int i = 0; i < steps;
         i++) /* trailing: round(n - j n / steps) - 1, descending j */
        t[i] = s->trailing
                   ? (int)rint((double)n - (steps - 1 - i) * ((double)n / steps)) - 1
                   : i * ratio + s->steps_offset;
    return LT_OK;
}

/* Cumulative alpha at t; before the first timestep: the clean end. */
static double alpha_at(const lt_scheduler *s, int t, double clean)
{
    return t < 0 ? clean : (double)s->alpha[t];
}

/* Move x from noise level a to level b along pred, which belongs to x at level a:
 * x0 = (x - sqrt(1-a) e) / sqrt(a), x' = sqrt(b) x0 + sqrt(1-b) e, as one combination. */
static lt_status move(const lt_exec *e, lt_prediction kind, double a, double b,
                      const lt_tensor *pred, lt_tensor *x)
{
    const double sa = sqrt(a), na = sqrt(1 - a), sb = sqrt(b), nb = sqrt(1 - b);
    double of_x, of_pred;
    if (kind == LT_PREDICT_EPSILON) {
        of_x = sb / sa;
        of_pred = nb - sb * na / sa;
    } else { /* x0 = sa x - na v, e = sa v + na x */
        of_x = sb * sa + nb * na;
        of_pred = nb * sa - sb * na;
    }
    return e->k->axpby(e, (float)of_x, x, (float)of_pred, pred, x);
}

static lt_status check_step(const lt_scheduler *s, int t, int prev, const lt_tensor *pred,
                            const lt_tensor *x)
{
    if (t >= 0 && t < s->n_train && prev < s->n_train && pred->dtype == LT_F32 &&
        x->dtype == LT_F32 && lt_tensor_same_shape(pred, x))
        return LT_OK;
    return LT_FAIL(LT_ERR_SHAPE, "DDIM step between timesteps %d and %d", prev, t);
}

lt_status lt_ddim_step(const lt_exec *e, const lt_scheduler *s, int t, int prev,
                       const lt_tensor *pred, lt_tensor *x)
{
    const lt_status st = check_step(s, t, prev, pred, x);
    if (st != LT_OK) return st;
    const double clean = s->set_alpha_to_one ? 1.0 : (double)s->alpha[0];
    return move(e, s->prediction, alpha_at(s, t, clean), alpha_at(s, prev, clean), pred,
                x);
}

lt_status lt_ddim_invert_step(const lt_exec *e, const lt_scheduler *s, int prev, int t,
                              const lt_tensor *pred, lt_tensor *x)
{
    const lt_status st = check_step(s, t, prev, pred, x);
    if (st != LT_OK) return st;
    const double clean = (double)s->alpha[0];
    return move(e, s->prediction, alpha_at(s, prev, clean), alpha_at(s, t, clean), pred,
                x);
}

lt_status lt_ddim_add_noise(const lt_exec *e, const lt_scheduler *s, int t,
                            const lt_tensor *x, const lt_tensor *noise, lt_tensor *out)
{
    lt_status st = check_step(s, t, -1, noise, x);
    if (st == LT_OK) st = check_step(s, t, -1, out, x);
    if (st != LT_OK) return st;
    const double a = (double)s->alpha[t];
    return e->k->axpby(e, (float)sqrt(a), x, (float)sqrt(1 - a), noise, out);
}
