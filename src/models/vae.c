#include "models/vae.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/expect.h"
#include "models/lora.h"
#include "models/resnet.h"

enum { MAX_LEVELS = 8, MAX_RESNETS = 9, PATH = 80 };
static const float EPS = 1e-6f;

typedef struct vae_block {
    int n;
    lt_resnet resnet[MAX_RESNETS];
    lt_conv *sample; /* downsampler, upsampler, or NULL */
} vae_block;

/* Single-head attention over the pixels of the smallest map. */
typedef struct vae_attention {
    lt_norm norm;
    lt_linear *q, *k, *v, *out;
} vae_attention;

/* Encoder or decoder. */
typedef struct half {
    lt_conv *conv_in, *conv_out;
    lt_linear *quant[2]; /* quant_conv as rows of mean and of logvar; post_quant_conv */
    lt_norm norm_out;
    lt_resnet mid[2];
    vae_attention attention;
    vae_block block[MAX_LEVELS];
} half;

struct lt_vae {
    const lt_kernels *k;
    lt_vae_config c;
    half encoder, decoder;
};

/* ---- loading ------------------------------------------------------------------ */

typedef struct builder {
    lt_loader l;
    lt_vae *v;
} builder;

static lt_status load_resnet(const builder *b, const char *path, int64_t c_in,
                             int64_t c_out, lt_resnet *r)
{
    *r = (lt_resnet){
        .c_in = c_in, .c_out = c_out, .groups = b->v->c.norm_groups, .eps = EPS
    };
    return lt_resnet_load(&b->l, path, 0, r);
}

static lt_status load_attention(const builder *b, const char *path, int64_t c,
                                vae_attention *a)
{
    static const char *const parts[4] = { "to_q", "to_k", "to_v", "to_out.0" };
    lt_linear **const to[4] = { &a->q, &a->k, &a->v, &a->out };
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    snprintf(name, sizeof(name), "%s.group_norm", path);
    LT_TRY(lt_load_norm(&b->l, name, c, &a->norm));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s.%s", path, parts[i]);
        LT_TRY(lt_load_linear(&b->l, name, c, c, LT_LINEAR, to[i]));
    }
cleanup:
    return st;
}

static lt_status load_mid(const builder *b, const char *side, half *h)
{
    lt_status st = LT_OK;
    char path[PATH];
    const int64_t c = b->v->c.channels[b->v->c.n_levels - 1];
    for (int j = 0; j < 2; j++) {
        snprintf(path, sizeof(path), "%s.mid_block.resnets.%d", side, j);
        LT_TRY(load_resnet(b, path, c, c, &h->mid[j]));
    }
    snprintf(path, sizeof(path), "%s.mid_block.attentions.0", side);
    LT_TRY(load_attention(b, path, c, &h->attention));
cleanup:
    return st;
}

/* Resnets c_in -> c_out -> c_out ... */
static lt_status load_block(const builder *b, const char *path, int n, int64_t c_in,
                            int64_t c_out, vae_block *block)
{
    char name[LT_NAME_MAX];
    block->n = n;
    for (int j = 0; j < n; j++) {
        snprintf(name, sizeof(name), "%s.resnets.%d", path, j);
        const lt_status st =
            load_resnet(b, name, j ? c_out : c_in, c_out, &block->resnet[j]);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* quant_conv gives mean and logvar in one; packed apart, neither needs copying. */
static lt_status load_quant(const lt_loader *l, int64_t c, lt_linear *quant[2])
{
    lt_status st = LT_OK;
    const int64_t whole[4] = { 2 * c, 2 * c, 1, 1 }, part[2] = { c, 2 * c };
    float *weight = NULL, *bias = NULL;
    LT_TRY(lt_load_host(l, "quant_conv.weight", 4, whole, &weight));
    LT_TRY(lt_load_host(l, "quant_conv.bias", 1, whole, &bias));
    for (int i = 0; l->w && i < 2; i++) {
        const lt_tensor w =
            lt_tensor_wrap(weight + i * c * 2 * c, LT_HOST, LT_F32, 2, part);
        const lt_tensor b = lt_tensor_wrap(bias + i * c, LT_HOST, LT_F32, 1, part);
        LT_TRY(l->x->k->linear_pack(l->x, &w, &b, &quant[i]));
    }
cleanup:
    free(weight);
    free(bias);
    return st;
}

static lt_status load_encoder(const builder *b)
{
    lt_status st = LT_OK;
    const lt_vae_config *c = &b->v->c;
    half *h = &b->v->encoder;
    const int64_t top = c->channels[0], low = c->channels[c->n_levels - 1];
    /* zeros on the right and below only, unlike the UNet's downsampler */
    const lt_conv_shape down = { .stride = 2, .right = 1, .bottom = 1 };
    char path[PATH], name[PATH + 32];
    LT_TRY(lt_load_conv(&b->l, "encoder.conv_in", top, c->image_channels, lt_conv_same(1),
                        &h->conv_in));
    for (int i = 0; i < c->n_levels; i++) {
        snprintf(path, sizeof(path), "encoder.down_blocks.%d", i);
        LT_TRY(load_block(b, path, c->layers_per_block, c->channels[i ? i - 1 : 0],
                          c->channels[i], &h->block[i]));
        if (i + 1 == c->n_levels) continue;
        snprintf(name, sizeof(name), "%s.downsamplers.0.conv", path);
        LT_TRY(lt_load_conv(&b->l, name, c->channels[i], c->channels[i], down,
                            &h->block[i].sample));
    }
    LT_TRY(load_mid(b, "encoder", h));
    LT_TRY(lt_load_norm(&b->l, "encoder.conv_norm_out", low, &h->norm_out));
    LT_TRY(lt_load_conv(&b->l, "encoder.conv_out", 2 * c->latent_channels, low,
                        lt_conv_same(1), &h->conv_out));
    LT_TRY(load_quant(&b->l, c->latent_channels, h->quant));
cleanup:
    return st;
}

/* Block i of the decoder works on level n - 1 - i. */
static lt_status load_decoder(const builder *b)
{
    lt_status st = LT_OK;
    const lt_vae_config *c = &b->v->c;
    half *h = &b->v->decoder;
    const int last = c->n_levels - 1;
    char path[PATH], name[PATH + 32];
    LT_TRY(lt_load_linear(&b->l, "post_quant_conv", c->latent_channels,
                          c->latent_channels, LT_LINEAR_CONV, &h->quant[0]));
    LT_TRY(lt_load_conv(&b->l, "decoder.conv_in", c->channels[last], c->latent_channels,
                        lt_conv_same(1), &h->conv_in));
    LT_TRY(load_mid(b, "decoder", h));
    for (int i = 0; i <= last; i++) {
        const int level = last - i;
        snprintf(path, sizeof(path), "decoder.up_blocks.%d", i);
        LT_TRY(load_block(b, path, c->layers_per_block + 1,
                          c->channels[i ? level + 1 : level], c->channels[level],
                          &h->block[i]));
        if (level == 0) continue;
        snprintf(name, sizeof(name), "%s.upsamplers.0.conv", path);
        LT_TRY(lt_load_conv(&b->l, name, c->channels[level], c->channels[level],
                            lt_conv_same(1), &h->block[i].sample));
    }
    LT_TRY(lt_load_norm(&b->l, "decoder.conv_norm_out", c->channels[0], &h->norm_out));
    LT_TRY(lt_load_conv(&b->l, "decoder.conv_out", c->image_channels, c->channels[0],
                        lt_conv_same(1), &h->conv_out));
cleanup:
    return st;
}

static void free_half(const lt_kernels *k, half *h)
{
    lt_linear **const linears[] = { &h->quant[0],    &h->quant[1],    &h->attention.q,
                                    &h->attention.k, &h->attention.v, &h->attention.out };
    for (size_t i = 0; i < sizeof(linears) / sizeof(*linears); i++)
        k->linear_free(linears[i]);
    k->conv_free(&h->conv_in);
    k->conv_free(&h->conv_out);
    lt_norm_free(&h->norm_out);
    lt_norm_free(&h->attention.norm);
    for (int j = 0; j < 2; j++) lt_resnet_free(k, NULL, &h->mid[j]);
    for (int i = 0; i < MAX_LEVELS; i++) {
        for (int j = 0; j < h->block[i].n; j++)
            lt_resnet_free(k, NULL, &h->block[i].resnet[j]);
        k->conv_free(&h->block[i].sample);
    }
}

void lt_vae_free(lt_vae **vae)
{
    if (!vae || !*vae) return;
    free_half((*vae)->k, &(*vae)->encoder);
    free_half((*vae)->k, &(*vae)->decoder);
    free(*vae);
    *vae = NULL;
}

static lt_status build(const builder *b)
{
    const lt_status st = load_encoder(b);
    return st != LT_OK ? st : load_decoder(b);
}

lt_status lt_vae_build(const lt_exec *x, const lt_vae_config *c, const lt_weights *w,
                       lt_vae **vae)
{
    lt_status st = LT_OK;
    lt_load_scratch scratch = { 0 };
    lt_vae *v = calloc(1, sizeof(*v));
    if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    v->k = x->k;
    v->c = *c;
    const builder b = { .l = { .x = x, .w = w, .scratch = &scratch }, .v = v };
    LT_TRY(build(&b));
    *vae = v;
    v = NULL;
cleanup:
    lt_vae_free(&v);
    free(scratch.data);
    return st;
}

lt_status lt_vae_load(const lt_exec *x, const char *dir, lt_vae **vae)
{
    lt_status st = LT_OK;
    lt_source *s = NULL;
    const lt_weights *w = NULL;
    lt_vae_config c;
    LT_TRY(lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    LT_TRY(lt_source_vae(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_VAE, &w));
    LT_TRY(lt_vae_build(x, &c, w, vae));
cleanup:
    lt_source_close(&s);
    return st;
}

lt_status lt_vae_tensors(const lt_vae_config *c, lt_tensor_visitor *visit, void *self)
{
    lt_vae *v = calloc(1, sizeof(*v)); /* nothing is loaded, so nothing else to free */
    if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    v->c = *c;
    const builder b = { .l = { .visit = visit, .self = self }, .v = v };
    const lt_status st = build(&b);
    free(v);
    return st;
}

/* ---- what it is --------------------------------------------------------------- */

int64_t lt_vae_latent_channels(const lt_vae *vae) { return vae->c.latent_channels; }
int lt_vae_factor(const lt_vae *vae) { return 1 << (vae->c.n_levels - 1); }
float lt_vae_scaling_factor(const lt_vae *vae) { return vae->c.scaling_factor; }

/* ---- running ------------------------------------------------------------------ */

/* out = linear(in), both [n, h, w, c] as tokens. */
static lt_status run_pointwise(const lt_exec *x, const lt_linear *w, const lt_tensor *in,
                               lt_tensor *out)
{
    return lt_run_linear(x, w, in, LT_ACT_NONE, NULL, out);
}

/* *map += attention(norm(*map)). */
static lt_status run_attention(const lt_exec *x, const lt_vae *v, const vae_attention *a,
                               lt_tensor *map)
{
    lt_status st = LT_OK;
    const int64_t c = map->shape[3];
    lt_tensor in = { 0 }, q = { 0 }, k = { 0 }, val = { 0 };
    lt_tensor y = LT_RESHAPE(map, map->shape[0], map->shape[1] * map->shape[2], c);
    LT_TRY(lt_tensor_new(&in, x->pool, x->k->compute, 3, y.shape));
    LT_TRY(lt_tensor_new(&q, x->pool, x->k->compute, 3, y.shape));
    LT_TRY(lt_tensor_new(&k, x->pool, x->k->compute, 3, y.shape));
    LT_TRY(lt_tensor_new(&val, x->pool, x->k->compute, 3, y.shape));
    LT_TRY(lt_run_group_norm(x, &a->norm, v->c.norm_groups, EPS, 0, &y, &in));
    LT_TRY(run_pointwise(x, a->q, &in, &q));
    LT_TRY(run_pointwise(x, a->k, &in, &k));
    LT_TRY(run_pointwise(x, a->v, &in, &val));
    const lt_attention_args args = { .q = &q,
                                     .k = &k,
                                     .v = { &val },
                                     .out = { &in },
                                     .n_values = 1,
                                     .heads = 1,
                                     .scale = (float)(1.0 / sqrt((double)c)) };
    LT_TRY(x->k->attention(x, &args));
    LT_TRY(lt_run_linear(x, a->out, &in, LT_ACT_NONE, &y, &y));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&val);
    lt_tensor_free(&y);
    return st;
}

static lt_status run_mid(const lt_exec *x, const lt_vae *v, const half *h, lt_tensor *map)
{
    lt_status st = LT_OK;
    LT_TRY(lt_resnet_run(x, &h->mid[0], NULL, map));
    LT_TRY(run_attention(x, v, &h->attention, map));
    LT_TRY(lt_resnet_run(x, &h->mid[1], NULL, map));
cleanup:
    return st;
}

/* norm_out, silu and conv_out into `out`. */
static lt_status run_end(const lt_exec *x, const lt_vae *v, const half *h, lt_tensor *map,
                         lt_tensor *out)
{
    const lt_conv_args a = { .w = h->conv_out, .in = map, .out = out };
    const lt_status st =
        lt_run_group_norm(x, &h->norm_out, v->c.norm_groups, EPS, 1, map, map);
    return st != LT_OK ? st : x->k->conv(x, &a);
}

/* One image [1, H, W, 3] -> mean and logvar (or NULL) [1, h, w, latent_channels] f32. */
static lt_status encode_one(const lt_exec *x, const lt_vae *v, const lt_tensor *image,
                            lt_tensor *mean, lt_tensor *logvar)
{
    lt_status st = LT_OK;
    const half *h = &v->encoder;
    lt_tensor map = { 0 }, t = { 0 };
    LT_TRY(lt_as_compute(x, image, &map));
    LT_TRY(lt_run_conv(x, h->conv_in, &map));
    for (int i = 0; i < v->c.n_levels; i++) {
        for (int j = 0; j < h->block[i].n; j++)
            LT_TRY(lt_resnet_run(x, &h->block[i].resnet[j], NULL, &map));
        if (h->block[i].sample) LT_TRY(lt_run_conv(x, h->block[i].sample, &map));
    }
    LT_TRY(run_mid(x, v, h, &map));
    LT_TRY(LT_TENSOR_NEW(&t, x->pool, x->k->compute, 1, mean->shape[1], mean->shape[2],
                         2 * v->c.latent_channels));
    LT_TRY(run_end(x, v, h, &map, &t));
    LT_TRY(run_pointwise(x, h->quant[0], &t, mean));
    if (logvar) LT_TRY(run_pointwise(x, h->quant[1], &t, logvar));
cleanup:
    lt_tensor_free(&map);
    lt_tensor_free(&t);
    return st;
}

/* One latent [1, h, w, latent_channels] -> image [1, H, W, 3] f32. */
static lt_status decode_one(const lt_exec *x, const lt_vae *v, const lt_tensor *latent,
                            lt_tensor *image)
{
    lt_status st = LT_OK;
    const half *h = &v->decoder;
    lt_tensor map = { 0 }, t = { 0 };
    LT_TRY(lt_as_compute(x, latent, &t));
    LT_TRY(lt_tensor_new(&map, x->pool, x->k->compute, 4, latent->shape));
    LT_TRY(run_pointwise(x, h->quant[0], &t, &map));
    lt_tensor_free(&t);
    LT_TRY(lt_run_conv(x, h->conv_in, &map));
    LT_TRY(run_mid(x, v, h, &map));
    for (int i = 0; i < v->c.n_levels; i++) {
        for (int j = 0; j < h->block[i].n; j++)
            LT_TRY(lt_resnet_run(x, &h->block[i].resnet[j], NULL, &map));
        if (h->block[i].sample)
            LT_TRY(lt_run_upsample(x, h->block[i].sample, 2 * map.shape[1],
                                   2 * map.shape[2], &map));
    }
    LT_TRY(run_end(x, v, h, &map, image));
cleanup:
    lt_tensor_free(&map);
    lt_tensor_free(&t);
    return st;
}

static int is_map(const lt_tensor *t, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return t->ndim == 4 && t->dtype == LT_F32 && t->shape[0] == n && t->shape[1] == h &&
           t->shape[2] == w && t->shape[3] == c;
}

static lt_status check_shapes(const lt_exec *x, const lt_vae *v, const lt_tensor *image,
                              const lt_tensor *a, const lt_tensor *b)
{
    const int f = lt_vae_factor(v);
    const int64_t n = image->shape[0], h = image->shape[1] / f, w = image->shape[2] / f;
    if (x->k != v->k)
        return LT_FAIL(LT_ERR_ARG, "the VAE was loaded for the kernels %s, not %s",
                       v->k->name, x->k->name);
    if (h < 1 || w < 1 || !is_map(image, n, h * f, w * f, v->c.image_channels) ||
        !is_map(a, n, h, w, v->c.latent_channels) ||
        (b && !is_map(b, n, h, w, v->c.latent_channels)))
        return LT_FAIL(LT_ERR_SHAPE,
                       "VAE of factor %d with images of %lldx%lld and latents of "
                       "%lldx%lldx%lld",
                       f, (long long)image->shape[1], (long long)image->shape[2],
                       (long long)a->shape[1], (long long)a->shape[2],
                       (long long)a->shape[3]);
    return LT_OK;
}

/* As diffusers does where the posterior is made. */
static void clamp_logvar(float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) v[i] = fminf(fmaxf(v[i], -30.0f), 20.0f);
}

static lt_status clamp(const lt_exec *x, lt_tensor *t)
{
    lt_status st = LT_OK;
    const int64_t n = lt_tensor_count(t);
    if (t->space == LT_HOST) {
        clamp_logvar(lt_f32(t), n);
        return LT_OK;
    }
    float *values = malloc(lt_tensor_bytes(t));
    if (!values) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a latent");
    lt_tensor host = lt_tensor_wrap(values, LT_HOST, LT_F32, t->ndim, t->shape);
    LT_TRY(lt_tensor_copy(&host, t, x->stream));
    clamp_logvar(values, n);
    LT_TRY(lt_tensor_copy(t, &host, x->stream));
cleanup:
    free(values);
    return st;
}

lt_status lt_vae_encode(const lt_exec *x, const lt_vae *vae, const lt_tensor *image,
                        lt_tensor *mean, lt_tensor *logvar)
{
    lt_status st = check_shapes(x, vae, image, mean, logvar);
    for (int64_t i = 0; st == LT_OK && i < image->shape[0]; i++) {
        lt_tensor in = lt_tensor_rows(image, i, 1), a = lt_tensor_rows(mean, i, 1);
        lt_tensor b = { 0 };
        if (logvar) b = lt_tensor_rows(logvar, i, 1);
        st = encode_one(x, vae, &in, &a, logvar ? &b : NULL);
        lt_tensor_free(&in);
        lt_tensor_free(&a);
        lt_tensor_free(&b);
    }
    return st == LT_OK && logvar ? clamp(x, logvar) : st;
}

lt_status lt_vae_decode(const lt_exec *x, const lt_vae *vae, const lt_tensor *latents,
                        lt_tensor *image)
{
    lt_status st = check_shapes(x, vae, image, latents, NULL);
    for (int64_t i = 0; st == LT_OK && i < latents->shape[0]; i++) {
        lt_tensor in = lt_tensor_rows(latents, i, 1), out = lt_tensor_rows(image, i, 1);
        st = decode_one(x, vae, &in, &out);
        lt_tensor_free(&in);
        lt_tensor_free(&out);
    }
    return st;
}

/* ---- counting ----------------------------------------------------------------- */

static double resnet_cost(double pixels, double ci, double co)
{
    return pixels * (9 * (ci * co + co * co) + (ci != co ? ci * co : 0));
}

/* Both resnets and the attention of the middle, n pixels of c channels. */
static double mid_cost(double n, double c)
{
    return 2 * resnet_cost(n, c, c) + 4 * n * c * c + 2 * n * n * c;
}

double lt_vae_config_cost_encode(const lt_vae_config *c, int64_t h, int64_t w)
{
    const double latent = (double)c->latent_channels, n = (double)h * (double)w;
    const double low = (double)c->channels[c->n_levels - 1];
    double pixels = n * pow(4, c->n_levels - 1);
    double sum = pixels * 9 * (double)c->image_channels * (double)c->channels[0];
    for (int i = 0; i < c->n_levels; i++, pixels /= 4) {
        const double co = (double)c->channels[i];
        for (int j = 0; j < c->layers_per_block; j++)
            sum += resnet_cost(pixels, j || !i ? co : (double)c->channels[i - 1], co);
        if (i + 1 < c->n_levels) sum += pixels / 4 * 9 * co * co;
    }
    return sum + mid_cost(n, low) + n * 9 * low * 2 * latent + n * 4 * latent * latent;
}

double lt_vae_config_cost_decode(const lt_vae_config *c, int64_t h, int64_t w)
{
    const double latent = (double)c->latent_channels, n = (double)h * (double)w;
    const double low = (double)c->channels[c->n_levels - 1];
    double pixels = n;
    double sum = n * latent * latent + n * 9 * latent * low + mid_cost(n, low);
    for (int level = c->n_levels - 1; level >= 0; level--) {
        const double co = (double)c->channels[level];
        const double before =
            level + 1 < c->n_levels ? (double)c->channels[level + 1] : co;
        for (int j = 0; j <= c->layers_per_block; j++)
            sum += resnet_cost(pixels, j ? co : before, co);
        if (!level) break;
        pixels *= 4;
        sum += pixels * 9 * co * co;
    }
    return sum + pixels * 9 * (double)c->channels[0] * (double)c->image_channels;
}

double lt_vae_cost_encode(const lt_vae *vae, int64_t h, int64_t w)
{
    return lt_vae_config_cost_encode(&vae->c, h, w);
}

double lt_vae_cost_decode(const lt_vae *vae, int64_t h, int64_t w)
{
    return lt_vae_config_cost_decode(&vae->c, h, w);
}
