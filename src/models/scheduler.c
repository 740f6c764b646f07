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

/* Keys of Euler's sigmas; another value than this is another table of them. */
static const lt_model_config_fixed plain_sigmas[] = {
    { "use_karras_sigmas", "false" },
    { "use_exponential_sigmas", "false" },
    { "use_beta_sigmas", "false" },
    { "interpolation_type", "\"linear\"" },
    { "sigma_min", "null" },
    { "sigma_max", "null" },
    { "final_sigmas_type", "\"zero\"" },
    { "timestep_type", "\"discrete\"" },
};

/* What a class of diffusers assumes where the file says nothing. */
typedef struct family {
    const char *name;
    lt_sampler_kind kind;
    int alpha_to_one; /* set_alpha_to_one */
} family;

static const family families[] = {
    { "DDIMScheduler", LT_SAMPLER_DDIM, 1 },
    { "DDIMInverseScheduler", LT_SAMPLER_DDIM, 1 },
    { "PNDMScheduler", LT_SAMPLER_DDIM, 0 },
    { "EulerDiscreteScheduler", LT_SAMPLER_EULER, 0 },
    { "EulerAncestralDiscreteScheduler", LT_SAMPLER_EULER_ANCESTRAL, 0 },
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
                   "PNDMScheduler, EulerDiscreteScheduler and "
                   "EulerAncestralDiscreteScheduler are supported",
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

static lt_status read_prediction(const lt_model_config *c, lt_scheduler *s)
{
    const char *kind = NULL;
    const lt_status st = lt_model_config_text(c, "prediction_type", "epsilon", &kind);
    if (st != LT_OK) return st;
    if (strcmp(kind, "epsilon") && strcmp(kind, "v_prediction"))
        return LT_FAIL(
            LT_ERR_DATA,
            "unsupported scheduler (%s, key prediction_type): %.40s; epsilon and "
            "v_prediction are supported",
            c->path, kind);
    s->prediction = kind[0] == 'v' ? LT_PREDICT_V : LT_PREDICT_EPSILON;
    return LT_OK;
}

/* A silent file means each class's own default. */
static lt_status read_spacing(const lt_model_config *c, lt_scheduler *s)
{
    static const char *const names[] = { "leading", "trailing", "linspace" };
    const char *text = NULL;
    int i = 0;
    const lt_status st = lt_model_config_text(c, "timestep_spacing", NULL, &text);
    if (st != LT_OK) return st;
    while (text && i < 3 && strcmp(text, names[i]) != 0) i++;
    if (i == 3)
        return LT_FAIL(
            LT_ERR_DATA,
            "unsupported scheduler (%s, key timestep_spacing): %.40s; leading, trailing "
            "and linspace are supported",
            c->path, text);
    s->euler_spacing = text ? (lt_spacing)i : LT_SPACING_LINSPACE;
    s->spacing = text && s->kind == LT_SAMPLER_DDIM ? (lt_spacing)i : LT_SPACING_LEADING;
    return LT_OK;
}

static lt_status read_sigmas(const lt_model_config *c, lt_scheduler *s)
{
    for (size_t i = 0; i < sizeof(plain_sigmas) / sizeof(*plain_sigmas); i++) {
        const lt_model_config_fixed one[] = { plain_sigmas[i], { NULL, NULL } };
        const lt_status st = lt_model_config_check_fixed(c, one);
        if (st == LT_ERR_DATA)
            s->euler_fault = plain_sigmas[i].key;
        else if (st != LT_OK)
            return st;
    }
    return LT_OK;
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
    s.class_name = f->name;
    s.kind = f->kind;
    LT_TRY(read_betas(c, &s));
    LT_TRY(read_prediction(c, &s));
    LT_TRY(read_spacing(c, &s));
    LT_TRY(read_sigmas(c, &s));
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
    if (s->spacing == LT_SPACING_LEADING && last >= n)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "%d steps with an offset of %d leave the %d timesteps of the model "
            "(sampler.steps): use fewer",
            steps, s->steps_offset, n);
    if (s->spacing == LT_SPACING_LINSPACE && steps == 1)
        return LT_FAIL(LT_ERR_CONFIG,
                       "1 step of a grid that begins at timestep 0 (sampler.steps): use "
                       "2 or more");
    for (int i = 0; i < steps; i++) switch (s->spacing) {
        case LT_SPACING_TRAILING: /* round(n - j n / steps) - 1, descending j */
            t[i] = (int)rint((double)n - (steps - 1 - i) * ((double)n / steps)) - 1;
            break;
        case LT_SPACING_LINSPACE: t[i] = (int)rint(i * ((n - 1.0) / (steps - 1))); break;
        default: t[i] = i * ratio + s->steps_offset;
        }
    return LT_OK;
}

/* Cumulative alpha at t; before the first timestep: the clean end. */
static double alpha_at(const lt_scheduler *s, int t, double clean)
{
    return t < 0 ? clean : (double)s->alpha[t];
}

/* Factors that move x from noise level a to level b along pred, which belongs to x at
 * level a: x0 = (x - sqrt(1-a) e) / sqrt(a), x' = sqrt(b) x0 + sqrt(1-b) e. */
static void factors(lt_prediction kind, double a, double b, double *of_x, double *of_pred)
{
    const double sa = sqrt(a), na = sqrt(1 - a), sb = sqrt(b), nb = sqrt(1 - b);
    if (kind == LT_PREDICT_EPSILON) {
        *of_x = sb / sa;
        *of_pred = nb - sb * na / sa;
    } else { /* x0 = sa x - na v, e = sa v + na x */
        *of_x = sb * sa + nb * na;
        *of_pred = nb * sa - sb * na;
    }
}

void lt_ddim_coefficients(const lt_scheduler *s, int t, int prev, double *of_x,
                          double *of_pred)
{
    const double clean = s->set_alpha_to_one ? 1.0 : (double)s->alpha[0];
    factors(s->prediction, alpha_at(s, t, clean), alpha_at(s, prev, clean), of_x,
            of_pred);
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
    double of_x, of_pred;
    const lt_status st = check_step(s, t, prev, pred, x);
    if (st != LT_OK) return st;
    lt_ddim_coefficients(s, t, prev, &of_x, &of_pred);
    return e->k->axpby(e, (float)of_x, x, (float)of_pred, pred, x);
}

lt_status lt_ddim_invert_step(const lt_exec *e, const lt_scheduler *s, int prev, int t,
                              const lt_tensor *pred, lt_tensor *x)
{
    double of_x, of_pred;
    const double clean = (double)s->alpha[0];
    const lt_status st = check_step(s, t, prev, pred, x);
    if (st != LT_OK) return st;
    factors(s->prediction, alpha_at(s, prev, clean), alpha_at(s, t, clean), &of_x,
            &of_pred);
    return e->k->axpby(e, (float)of_x, x, (float)of_pred, pred, x);
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
