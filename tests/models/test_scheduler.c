/* Timesteps, cumulative alphas and DDIM steps against diffusers. */
#include "models_test.h"

static void check_alphas(const lt_exec *x, const lt_weights *w, const lt_scheduler *s)
{
    lt_tensor want = golden_tensor(x, w, "alphas_cumprod");
    CHECK(s->n_train == 1000 && lt_tensor_count(&want) == 1000);
    for (int i = 0; i < 1000; i++) CHECK(s->alpha[i] == lt_f32(&want)[i]);
    lt_tensor_free(&want);
    want = golden_tensor(x, w, "final_alpha_cumprod");
    CHECK(!s->set_alpha_to_one && lt_f32(&want)[0] == s->alpha[0]);
    lt_tensor_free(&want);
    /* the published values, methods/adaflow.md 1.2 */
    CHECK(fabs(s->alpha[0] - .99915) < 1e-7 && fabs(s->alpha[981] - .00577550) < 1e-7);
}

static void check_grids(const lt_weights *w, lt_scheduler s)
{
    static const int steps[] = { 10, 20, 25, 50, 100 };
    for (int trailing = 0; trailing < 2; trailing++)
        for (int i = 0; i < 5; i++) {
            char name[64];
            int t[100];
            int64_t want[100];
            const int n = steps[i];
            snprintf(name, sizeof(name), "timesteps.%s.%d",
                     trailing ? "trailing" : "leading", n);
            const lt_weight *g = lt_weights_find(w, name);
            CHECK(g && g->count == n);
            OK(lt_weight_to_i64(g, want));
            s.spacing = trailing ? LT_SPACING_TRAILING : LT_SPACING_LEADING;
            OK(lt_scheduler_timesteps(&s, n, t));
            for (int j = 0; j < n; j++) CHECK(t[j] == want[j]);
        }
    int t[1000];
    FAILS(LT_ERR_CONFIG, "sampler.steps", lt_scheduler_timesteps(&s, 0, t));
    FAILS(LT_ERR_CONFIG, "sampler.steps", lt_scheduler_timesteps(&s, 1001, t));
    s.spacing = LT_SPACING_LEADING;
    FAILS(LT_ERR_CONFIG, "offset", lt_scheduler_timesteps(&s, 1000, t));
    s.spacing = LT_SPACING_TRAILING;
    OK(lt_scheduler_timesteps(&s, 1000, t));
    CHECK(t[0] == 0 && t[999] == 999);
    s.spacing = LT_SPACING_LINSPACE;
    FAILS(LT_ERR_CONFIG, "sampler.steps", lt_scheduler_timesteps(&s, 1, t));
    OK(lt_scheduler_timesteps(&s, 10, t));
    for (int i = 0; i < 10; i++) CHECK(t[i] == 111 * i);
    OK(lt_scheduler_timesteps(&s, 20, t));
    CHECK(t[0] == 0 && t[1] == 53 && t[18] == 946 && t[19] == 999);
}

typedef struct inputs {
    lt_tensor x, pred, noise;
} inputs;

static void check_step(const lt_exec *e, const lt_weights *w, const lt_scheduler *s,
                       const inputs *in, const char *kind, int prev, int t, int inverse)
{
    char name[64];
    lt_tensor x = { 0 };
    snprintf(name, sizeof(name), "out.%s.%s.%d", kind, inverse ? "inverse" : "forward",
             t);
    lt_tensor want = golden_tensor(e, w, name);
    OK(lt_tensor_new(&x, e->pool, LT_F32, 4, in->x.shape));
    OK(lt_tensor_copy(&x, &in->x, NULL));
    OK(inverse ? lt_ddim_invert_step(e, s, prev, t, &in->pred, &x)
               : lt_ddim_step(e, s, t, prev, &in->pred, &x));
    check_near(name, e->k, &x, &want, 2e-6);
    lt_tensor_free(&x);
    lt_tensor_free(&want);
}

static void check_steps(const lt_exec *e, const lt_weights *w, const lt_scheduler *s,
                        const inputs *in)
{
    static const int forward[] = { 981, 961, 501, 21, 1 };
    static const int inverse[][2] = { { -1, 1 }, { 1, 21 }, { 481, 501 }, { 961, 981 } };
    const char *kind = s->prediction == LT_PREDICT_V ? "v" : "eps";
    for (int i = 0; i < 5; i++)
        check_step(e, w, s, in, kind, forward[i] - 20, forward[i], 0);
    for (int i = 0; i < 4; i++)
        check_step(e, w, s, in, kind, inverse[i][0], inverse[i][1], 1);
}

static void check_noise(const lt_exec *e, const lt_weights *w, const lt_scheduler *s,
                        const inputs *in)
{
    static const int at[] = { 1, 501, 981 };
    for (int i = 0; i < 3; i++) {
        char name[64];
        lt_tensor x = { 0 };
        snprintf(name, sizeof(name), "out.noised.%d", at[i]);
        lt_tensor want = golden_tensor(e, w, name);
        OK(lt_tensor_new(&x, e->pool, LT_F32, 4, in->x.shape));
        OK(lt_ddim_add_noise(e, s, at[i], &in->x, &in->noise, &x));
        check_near(name, e->k, &x, &want, 1e-6);
        lt_tensor_free(&x);
        lt_tensor_free(&want);
    }
}

/* There and back with one prediction is the identity. */
static void check_round_trip(const lt_exec *e, const lt_scheduler *s, const inputs *in)
{
    lt_scheduler eps = *s;
    eps.prediction = LT_PREDICT_EPSILON; /* v depends on the level it is told for */
    lt_tensor x = { 0 };
    OK(lt_tensor_new(&x, e->pool, LT_F32, 4, in->x.shape));
    OK(lt_tensor_copy(&x, &in->x, NULL));
    OK(lt_ddim_invert_step(e, &eps, 481, 501, &in->pred, &x));
    OK(lt_ddim_step(e, &eps, 501, 481, &in->pred, &x));
    check_near("round trip", e->k, &x, &in->x, 1e-6);
    lt_tensor_free(&x);
    FAILS(LT_ERR_SHAPE, "DDIM", lt_ddim_step(e, s, 1000, 1, &in->pred, &x));
}

static void parse(lt_status want, const char *message, const char *text)
{
    lt_scheduler s;
    const lt_status st = lt_scheduler_parse(text, strlen(text), "sched.json", &s);
    if (st != want) fprintf(stderr, "%s: %d %s\n", text, (int)st, lt_error_message());
    CHECK(st == want);
    if (st != LT_OK)
        CHECK(strstr(lt_error_message(), message) &&
              strstr(lt_error_message(), "sched.json"));
}

static void check_configs(void)
{
    parse(LT_OK, "", "{}");
    parse(LT_OK, "", "{\"_class_name\":\"PNDMScheduler\",\"skip_prk_steps\":true}");
    parse(LT_OK, "",
          "{\"_class_name\":\"EulerAncestralDiscreteScheduler\","
          "\"timestep_spacing\":\"linspace\"}");
    parse(LT_ERR_DATA, "_class_name", "{\"_class_name\":\"FlowMatchEulerDiscrete\"}");
    parse(LT_ERR_DATA, "_class_name", "{\"_class_name\":7}");
    parse(LT_ERR_DATA, "num_train_timesteps", "{\"num_train_timesteps\":1001}");
    parse(LT_ERR_DATA, "num_train_timesteps", "{\"num_train_timesteps\":\"1000\"}");
    parse(LT_ERR_DATA, "num_train_timesteps", "{\"num_train_timesteps\":1e300}");
    parse(LT_ERR_DATA, "steps_offset", "{\"steps_offset\":-1}");
    parse(LT_ERR_DATA, "beta_start", "{\"beta_start\":-1}");
    parse(LT_ERR_DATA, "beta_end", "{\"beta_end\":2}");
    parse(LT_ERR_DATA, "beta_schedule", "{\"beta_schedule\":\"squaredcos_cap_v2\"}");
    parse(LT_ERR_DATA, "prediction_type", "{\"prediction_type\":\"sample\"}");
    parse(LT_ERR_DATA, "timestep_spacing", "{\"timestep_spacing\":\"even\"}");
    parse(LT_OK, "",
          "{\"_class_name\":\"EulerDiscreteScheduler\",\"use_karras_sigmas\":true}");
    parse(LT_ERR_DATA, "trained_betas", "{\"trained_betas\":[0.1]}");
    parse(LT_ERR_DATA, "rescale_betas_zero_snr", "{\"rescale_betas_zero_snr\":true}");
    parse(LT_ERR_DATA, "JSON", "[1]");
    parse(LT_ERR_DATA, "JSON", "{\"a\":1,\"a\":2}");
    parse(LT_ERR_DATA, "JSON", "");
}

int main(void)
{
    const lt_kernels *k[16];
    char path[4096], dir[4096];
    lt_weights *w = NULL;
    OK(lt_weights_open(golden_path("scheduler.safetensors", path), &w));
    const int n = tables(k);
    for (int i = 0; i < n; i++) {
        lt_exec e = open_exec(k[i]);
        inputs in = { golden_tensor(&e, w, "in.x"), golden_tensor(&e, w, "in.pred"),
                      golden_tensor(&e, w, "in.noise") };
        for (int m = 0; m < 2; m++) { /* epsilon, then v */
            lt_scheduler s;
            OK(lt_scheduler_load(model_dir(test_models[m], dir), &s));
            CHECK(s.prediction == (m ? LT_PREDICT_V : LT_PREDICT_EPSILON));
            check_alphas(&e, w, &s);
            check_grids(w, s);
            check_steps(&e, w, &s, &in);
            check_noise(&e, w, &s, &in);
            check_round_trip(&e, &s, &in);
        }
        lt_tensor_free(&in.x);
        lt_tensor_free(&in.pred);
        lt_tensor_free(&in.noise);
        close_exec(&e);
    }
    lt_weights_close(&w);
    check_configs();
    return 0;
}
