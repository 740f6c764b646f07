#include "bench/cases.h"

enum { TEXT_TOKENS = 77 };

static void name_shape(lt_case *c)
{
    const int64_t *s = c->size;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lldx%lld", (long long)s[0],
             (long long)s[1], (long long)s[2]);
}

static lt_status missing(const char *part)
{
    return LT_FAIL(LT_ERR_CONFIG, "the model was loaded without its %s (bench)", part);
}

/* ---- UNet -------------------------------------------------------------------------- */

static lt_status open_unet(const lt_exec *x, lt_case *c)
{
    lt_status st = LT_OK;
    double macs, attention;
    const int64_t *s = c->size;
    if (!c->model->unet) return missing("UNet");
    const lt_unet_config *g = lt_unet_get_config(c->model->unet);
    name_shape(c);
    lt_unet_cost(c->model->unet, s[1], s[2], TEXT_TOKENS, &macs, &attention);
    c->kind = LT_BENCH_FLOPS;
    c->work = 2 * macs * (double)s[0];
    LT_TRY(LT_CASE_INPUT(x, c, LT_F32, s[0], s[1], s[2], g->in_channels));
    LT_TRY(LT_CASE_INPUT(x, c, LT_F32, TEXT_TOKENS, g->cross_attention_dim));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, LT_F32, s[0], s[1], s[2], g->out_channels));
cleanup:
    return st;
}

static lt_status ready_unet(const lt_exec *x, lt_case *c)
{
    return lt_unet_context_new(x, c->model->unet, &c->in[1], &c->context);
}

static lt_status run_unet(const lt_exec *x, lt_case *c)
{
    const lt_unet_args a = { .batch = { 1, { LT_BRANCH_EDIT }, c->size[0] },
                             .x = &c->in[0],
                             .timestep = 500,
                             .context = { c->context },
                             .out = &c->out };
    return lt_unet_forward(x, c->model->unet, &a);
}

/* ---- VAE --------------------------------------------------------------------------- */

static lt_status open_vae(const lt_exec *x, lt_case *c, int decode)
{
    lt_status st = LT_OK;
    const int64_t *s = c->size;
    if (!c->model->vae) return missing("VAE");
    const int64_t f = lt_vae_factor(c->model->vae);
    const int64_t z = lt_vae_latent_channels(c->model->vae);
    name_shape(c);
    c->kind = LT_BENCH_FLOPS;
    c->work = 2 * (double)s[0] *
              (decode ? lt_vae_cost_decode(c->model->vae, s[1], s[2])
                      : lt_vae_cost_encode(c->model->vae, s[1], s[2]));
    if (decode) {
        LT_TRY(LT_CASE_INPUT(x, c, LT_F32, s[0], s[1], s[2], z));
        LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, LT_F32, s[0], s[1] * f, s[2] * f, 3));
    } else {
        LT_TRY(LT_CASE_INPUT(x, c, LT_F32, s[0], s[1] * f, s[2] * f, 3));
        LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, LT_F32, s[0], s[1], s[2], z));
    }
cleanup:
    return st;
}

static lt_status open_decode(const lt_exec *x, lt_case *c) { return open_vae(x, c, 1); }
static lt_status open_encode(const lt_exec *x, lt_case *c) { return open_vae(x, c, 0); }

static lt_status run_decode(const lt_exec *x, lt_case *c)
{
    return lt_vae_decode(x, c->model->vae, &c->in[0], &c->out);
}

static lt_status run_encode(const lt_exec *x, lt_case *c)
{
    return lt_vae_encode(x, c->model->vae, &c->in[0], &c->out, NULL);
}

/* ---- text -------------------------------------------------------------------------- */

/* ids come as f32 like every input; each is a whole number below 2^24. */
static lt_status open_text(const lt_exec *x, lt_case *c)
{
    lt_status st = LT_OK;
    if (!c->model->text) return missing("text encoder");
    const int64_t n = c->size[0], vocabulary = lt_text_encoder_vocabulary(c->model->text);
    if (n > TEXT_TOKENS)
        return LT_FAIL(LT_ERR_CONFIG, "text takes at most %d tokens (bench)",
                       TEXT_TOKENS);
    snprintf(c->shape, sizeof(c->shape), "%lld", (long long)n);
    c->kind = LT_BENCH_RUNS;
    LT_TRY(LT_CASE_INPUT(x, c, LT_F32, n));
    for (int64_t i = 0; i < n; i++)
        lt_f32(&c->in[0])[i] = (float)((i * 7919 + 11) % vocabulary);
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, LT_F32, n,
                         lt_text_encoder_width(c->model->text)));
cleanup:
    return st;
}

static lt_status run_text(const lt_exec *x, lt_case *c)
{
    int32_t ids[TEXT_TOKENS];
    for (int64_t i = 0; i < c->size[0]; i++) ids[i] = (int32_t)lt_f32(&c->in[0])[i];
    return lt_text_encode(x, c->model->text, ids, (int)c->size[0], &c->out);
}

const lt_case_op lt_case_models[] = {
    { "unet", 3, 1, open_unet, ready_unet, run_unet },
    { "vae_decode", 3, 1, open_decode, NULL, run_decode },
    { "vae_encode", 3, 1, open_encode, NULL, run_encode },
    { "text", 1, 1, open_text, NULL, run_text },
    { 0 }
};
