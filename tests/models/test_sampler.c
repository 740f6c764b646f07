/* Tables of the samplers against the published figures, and steps against their meaning. */
#include "models/sampler.h"
#include "models_test.h"

static lt_scheduler schedule(const char *more)
{
    lt_scheduler s;
    char text[512];
    snprintf(
        text, sizeof(text),
        "{\"_class_name\":\"EulerAncestralDiscreteScheduler\",\"beta_start\":0.00085,"
        "\"beta_end\":0.012,\"beta_schedule\":\"scaled_linear\",\"steps_offset\":1%s}",
        more);
    OK(lt_scheduler_parse(text, strlen(text), "test", &s));
    return s;
}

/* ---- tables ------------------------------------------------------------------------ */

typedef struct table_row {
    double t, sigma, in, up, down;
} table_row;

/* methods/via.md 4.4: 10 steps of the published InstructPix2Pix schedule */
static const table_row published[] = {
    { 999, 14.61464, .068265, 6.61638, 4.20563 },
    { 888, 7.83988, .126528, 3.72847, 2.70980 },
    { 777, 4.60917, .212026, 2.25885, 1.84773 },
    { 666, 2.91831, .324161, 1.45080, 1.30320 },
    { 555, 1.95016, .456287, .97392, .92753 },
    { 444, 1.34493, .596674, .67196, .64635 },
    { 333, .93236, .731411, .46378, .41893 },
    { 222, .62498, .848007, .29769, .21746 },
    { 111, .36866, .938271, .02908, .00231 },
    { 0, .02917, .999575, 0, 0 },
};

static int near(double a, double b, double limit) { return fabs(a - b) <= limit; }

static void check_published(void)
{
    const lt_scheduler s = schedule("");
    lt_sampler a = { 0 };
    CHECK(s.kind == LT_SAMPLER_EULER_ANCESTRAL && s.euler_spacing == LT_SPACING_LINSPACE);
    OK(lt_sampler_make(&s, LT_SAMPLER_EULER_ANCESTRAL, 10, &a));
    for (int k = 0; k < 10; k++) {
        const table_row *p = &published[k];
        const lt_sampler_step *c = &a.step[k];
        const double down = c->of_pred + c->sigma; /* of_pred = down - sigma */
        CHECK(near(c->timestep, p->t, 1e-4) && near(c->sigma, p->sigma, 1e-5));
        CHECK(near(c->in_scale, p->in, 1e-6) && near(c->up, p->up, 1e-5));
        CHECK(near(down, p->down, 1e-5) && c->of_x == 1 && c->of_noise == (float)c->up);
    }
    CHECK(a.step[9].up == 0 && near(a.init_scale, 14.61464, 1e-5));
    lt_sampler_free(&a);
    OK(lt_sampler_make(&s, LT_SAMPLER_EULER_ANCESTRAL, 20, &a));
    CHECK(near(a.step[1].timestep, 946.42108, 1e-4)); /* fractional */
    lt_sampler_free(&a);
}

static void check_euler(const char *more, double first_t, double second_t, double init)
{
    const lt_scheduler s = schedule(more);
    lt_sampler a = { 0 };
    OK(lt_sampler_make(&s, LT_SAMPLER_EULER, 10, &a));
    CHECK(a.step[0].timestep == (float)first_t && a.step[1].timestep == (float)second_t);
    CHECK(near(a.init_scale, init, 1e-4));
    for (int k = 0; k < 10; k++) {
        const double next = k < 9 ? a.step[k + 1].sigma : 0;
        CHECK(a.step[k].up == 0 && a.step[k].sigma > next);
        CHECK(near(a.step[k].of_pred, next - a.step[k].sigma, 1e-6));
    }
    lt_sampler_free(&a);
}

static void check_refused(void)
{
    lt_sampler a = { 0 };
    lt_scheduler s = schedule("");
    FAILS(LT_ERR_CONFIG, "sampler.steps", lt_sampler_make(&s, LT_SAMPLER_EULER, 0, &a));
    FAILS(LT_ERR_CONFIG, "sampler.steps", lt_sampler_make(&s, LT_SAMPLER_DDIM, 1001, &a));
    FAILS(LT_ERR_CONFIG, "timestep 0", lt_sampler_make(&s, LT_SAMPLER_EULER, 1, &a));
    s.euler_spacing = LT_SPACING_LEADING;
    FAILS(LT_ERR_CONFIG, "offset", lt_sampler_make(&s, LT_SAMPLER_EULER, 1000, &a));
    OK(lt_sampler_make(&s, LT_SAMPLER_EULER, 1, &a));
    lt_sampler_free(&a);
    s = schedule(",\"use_karras_sigmas\":true");
    FAILS(LT_ERR_DATA, "use_karras_sigmas", lt_sampler_make(&s, LT_SAMPLER_EULER, 9, &a));
    OK(lt_sampler_make(&s, LT_SAMPLER_DDIM, 9, &a)); /* has no sigmas */
    lt_sampler_free(&a);
    CHECK(schedule(",\"final_sigmas_type\":\"sigma_min\"").euler_fault);
    CHECK(!schedule(",\"final_sigmas_type\":\"zero\",\"sigma_max\":null").euler_fault);
}

/* ---- steps ------------------------------------------------------------------------- */

enum { VALUES = 96 };

static lt_tensor values(const lt_exec *e, uint64_t seed)
{
    lt_tensor t = { 0 };
    OK(LT_TENSOR_NEW(&t, e->pool, LT_F32, 1, 4, 6, 4));
    for (int i = 0; i < VALUES; i++) lt_f32(&t)[i] = 2 * check_randf(&seed);
    return t;
}

/* v = (eps - s x0) / sqrt(s^2 + 1) is the same prediction in other words, so the step
 * ends at the same place. */
static void check_v(const lt_exec *e, lt_sampler_kind kind)
{
    lt_scheduler eps = schedule(""),
                 v = schedule(",\"prediction_type\":\"v_prediction\"");
    lt_sampler a = { 0 }, b = { 0 };
    OK(lt_sampler_make(&eps, kind, 10, &a));
    OK(lt_sampler_make(&v, kind, 10, &b));
    for (int k = 0; k < 10; k += 3) {
        lt_tensor x = values(e, 1), y = values(e, 1), noise = values(e, 3);
        lt_tensor p = values(e, 2), q = values(e, 2);
        const double s = a.step[k].sigma, one = sqrt(s * s + 1);
        for (int i = 0; i < VALUES; i++) { /* DDIM's x is smaller by sqrt(s^2 + 1) */
            const double z = lt_f32(&x)[i] * (kind == LT_SAMPLER_DDIM ? one : 1);
            const double n = lt_f32(&p)[i];
            lt_f32(&q)[i] = (float)((n - s * (z - s * n)) / one);
        }
        OK(lt_sampler_apply(e, &a, k, &p, &noise, &x));
        OK(lt_sampler_apply(e, &b, k, &q, &noise, &y));
        check_near("v", e->k, &y, &x, 1e-5);
        lt_tensor *all[] = { &x, &y, &noise, &p, &q };
        for (int i = 0; i < 5; i++) lt_tensor_free(all[i]);
    }
    lt_sampler_free(&a);
    lt_sampler_free(&b);
}

/* A perfect denoiser of x0 leads every sampler to x0 (DDIM: but for alphas[0]), whatever
 * noise comes in on the way. */
static void check_perfect(const lt_exec *e, lt_sampler_kind kind)
{
    const lt_scheduler s = schedule("");
    lt_sampler a = { 0 };
    OK(lt_sampler_make(&s, kind, 10, &a));
    lt_tensor x0 = values(e, 7), x = values(e, 8), pred = values(e, 9);
    for (int i = 0; i < VALUES; i++) lt_f32(&x)[i] *= a.init_scale;
    for (int k = 0; k < a.n; k++) {
        lt_tensor noise = values(e, 20 + (uint64_t)k);
        const double sigma = a.step[k].sigma, one = sqrt(sigma * sigma + 1);
        for (int i = 0; i < VALUES; i++) {
            const double z = lt_f32(&x)[i] * (kind == LT_SAMPLER_DDIM ? one : 1);
            lt_f32(&pred)[i] = (float)((z - lt_f32(&x0)[i]) / sigma);
        }
        OK(lt_sampler_apply(e, &a, k, &pred, &noise, &x));
        lt_tensor_free(&noise);
    }
    check_near("end", e->k, &x, &x0, kind == LT_SAMPLER_DDIM ? 0.1 : 1e-5);
    lt_tensor_free(&x0);
    lt_tensor_free(&x);
    lt_tensor_free(&pred);
    lt_sampler_free(&a);
}

static void check_ddim(const lt_exec *e)
{
    const lt_scheduler s = schedule("");
    lt_sampler a = { 0 };
    int t[7];
    OK(lt_sampler_make(&s, LT_SAMPLER_DDIM, 7, &a));
    OK(lt_scheduler_timesteps(&s, 7, t));
    for (int k = 0; k < 7; k++) {
        lt_tensor x = values(e, 4), y = values(e, 4), p = values(e, 5);
        CHECK(a.step[k].timestep == (float)t[6 - k] && a.step[k].in_scale == 1);
        OK(lt_sampler_apply(e, &a, k, &p, NULL, &x));
        OK(lt_ddim_step(e, &s, t[6 - k], k < 6 ? t[5 - k] : -1, &p, &y));
        CHECK(!memcmp(x.data, y.data, VALUES * sizeof(float)));
        lt_tensor_free(&x);
        lt_tensor_free(&y);
        lt_tensor_free(&p);
    }
    CHECK(a.init_scale == 1);
    lt_sampler_free(&a);
}

static void check_shapes(const lt_exec *e)
{
    const lt_scheduler s = schedule("");
    lt_sampler a = { 0 };
    lt_tensor x = values(e, 4), p = values(e, 5);
    OK(lt_sampler_make(&s, LT_SAMPLER_EULER_ANCESTRAL, 7, &a));
    FAILS(LT_ERR_SHAPE, "step 0", lt_sampler_apply(e, &a, 0, &p, NULL, &x));
    OK(lt_sampler_apply(e, &a, 6, &p, NULL, &x)); /* the last takes no noise */
    FAILS(LT_ERR_SHAPE, "step 7", lt_sampler_apply(e, &a, 7, &p, &p, &x));
    lt_tensor_free(&x);
    lt_tensor_free(&p);
    lt_sampler_free(&a);
}

int main(void)
{
    const lt_kernels *k[16];
    CHECK(tables(k) >= 1);
    lt_exec e = open_exec(k[0]);
    check_published();
    check_euler("", 999, 888, 14.61464);
    check_euler(",\"timestep_spacing\":\"trailing\"", 999, 899, 14.61464);
    check_euler(",\"timestep_spacing\":\"leading\"", 901, 801, 8.4501);
    check_refused();
    for (int kind = LT_SAMPLER_DDIM; kind <= LT_SAMPLER_EULER_ANCESTRAL; kind++) {
        check_v(&e, (lt_sampler_kind)kind);
        check_perfect(&e, (lt_sampler_kind)kind);
    }
    check_ddim(&e);
    check_shapes(&e);
    close_exec(&e);
    return 0;
}
