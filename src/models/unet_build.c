#include <stdio.h>
#include <stdlib.h>

#include "models/lora.h"
#include "models/unet_impl.h"

/* The graph of methods/via.md section 6, described once for loading and for listing. */
typedef struct builder {
    lt_loader l;
    lt_unet *u;
    int n_sites;
} builder;

static lt_status load_attention(const builder *b, const char *path, int64_t c,
                                int64_t text, lt_attention_weights *w)
{
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    snprintf(name, sizeof(name), "%s.to_q", path);
    LT_TRY(lt_load_linear(&b->l, name, c, c, LT_LINEAR_NO_BIAS, &w->to_q));
    snprintf(name, sizeof(name), "%s.to_k", path);
    LT_TRY(lt_load_linear(&b->l, name, c, text, LT_LINEAR_NO_BIAS, &w->to_k));
    snprintf(name, sizeof(name), "%s.to_v", path);
    LT_TRY(lt_load_linear(&b->l, name, c, text, LT_LINEAR_NO_BIAS, &w->to_v));
    snprintf(name, sizeof(name), "%s.to_out.0", path);
    LT_TRY(lt_load_linear(&b->l, name, c, c, LT_LINEAR, &w->to_out));
cleanup:
    return st;
}

static lt_status load_block_parts(const builder *b, const char *path, lt_transformer *t)
{
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    const int64_t c = t->channels;
    lt_norm *const norms[3] = { &t->norm1, &t->norm2, &t->norm3 };
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s.transformer_blocks.0.norm%d", path, i + 1);
        LT_TRY(lt_load_norm(&b->l, name, c, norms[i]));
    }
    LT_TRY(load_attention(b, t->path_self, c, c, &t->self));
    LT_TRY(load_attention(b, t->path_cross, c, b->u->c.cross_attention_dim, &t->cross));
    snprintf(name, sizeof(name), "%s.transformer_blocks.0.ff.net.0.proj", path);
    LT_TRY(lt_load_linear(&b->l, name, 8 * c, c, LT_LINEAR, &t->ff_in));
    snprintf(name, sizeof(name), "%s.transformer_blocks.0.ff.net.2", path);
    LT_TRY(lt_load_linear(&b->l, name, c, 4 * c, LT_LINEAR, &t->ff_out));
cleanup:
    return st;
}

/* channels, heads and the place of *t are set by the caller. */
static lt_status load_transformer(builder *b, const char *path, lt_transformer *t)
{
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    const lt_linear_form form = b->u->c.linear_projection ? LT_LINEAR : LT_LINEAR_CONV;
    t->index = b->n_sites++;
    snprintf(t->path_self, sizeof(t->path_self), "%.40s.transformer_blocks.0.attn1",
             path);
    snprintf(t->path_cross, sizeof(t->path_cross), "%.40s.transformer_blocks.0.attn2",
             path);
    snprintf(name, sizeof(name), "%s.norm", path);
    LT_TRY(lt_load_norm(&b->l, name, t->channels, &t->norm));
    snprintf(name, sizeof(name), "%s.proj_in", path);
    LT_TRY(lt_load_linear(&b->l, name, t->channels, t->channels, form, &t->proj_in));
    LT_TRY(load_block_parts(b, path, t));
    snprintf(name, sizeof(name), "%s.proj_out", path);
    LT_TRY(lt_load_linear(&b->l, name, t->channels, t->channels, form, &t->proj_out));
cleanup:
    return st;
}

/* What a block of the config looks like. */
typedef struct plan {
    char path[32];
    int n_resnets, n_attentions;
    int level, up_block; /* up_block -1: down or mid */
    int64_t c_out;
    int64_t c_in[10];    /* per resnet */
    const char *sampler; /* "downsamplers", "upsamplers" or NULL */
} plan;

static lt_status load_block(builder *b, const plan *p, lt_unet_block *block)
{
    lt_status st = LT_OK;
    const lt_unet_config *c = &b->u->c;
    char path[LT_UNET_PATH];
    block->resnet = calloc((size_t)p->n_resnets, sizeof(*block->resnet));
    block->attention = calloc((size_t)p->n_attentions + 1, sizeof(*block->attention));
    if (!block->resnet || !block->attention)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for the layers of a model");
    block->n_resnets = p->n_resnets;
    block->n_attentions = p->n_attentions;
    for (int j = 0; j < p->n_resnets; j++) {
        lt_unet_resnet *r = &block->resnet[j];
        snprintf(r->path, sizeof(r->path), "%s.resnets.%d", p->path, j);
        r->up_block = p->up_block;
        r->number = j;
        r->r = (lt_resnet){ .c_in = p->c_in[j],
                            .c_out = p->c_out,
                            .groups = c->norm_groups,
                            .eps = c->norm_eps };
        LT_TRY(lt_resnet_load(&b->l, r->path, lt_unet_time_dim(c), &r->r));
    }
    for (int j = 0; j < p->n_attentions; j++) {
        lt_transformer *t = &block->attention[j];
        t->channels = p->c_out;
        t->heads = c->heads[p->level];
        t->level = p->level;
        t->up_block = p->up_block;
        t->attention = j;
        snprintf(path, sizeof(path), "%s.attentions.%d", p->path, j);
        LT_TRY(load_transformer(b, path, t));
    }
    if (p->sampler) {
        snprintf(path, sizeof(path), "%s.%s.0.conv", p->path, p->sampler);
        LT_TRY(lt_load_conv(&b->l, path, p->c_out, p->c_out,
                            lt_conv_same(p->up_block < 0 ? 2 : 1), &block->sample));
    }
cleanup:
    return st;
}

static lt_status load_down(builder *b, int i)
{
    const lt_unet_config *c = &b->u->c;
    plan p = { .n_resnets = c->layers_per_block,
               .level = i,
               .up_block = -1,
               .c_out = c->channels[i],
               .sampler = i + 1 < c->n_levels ? "downsamplers" : NULL };
    p.n_attentions = c->down_attention[i] ? p.n_resnets : 0;
    for (int j = 0; j < p.n_resnets; j++)
        p.c_in[j] = j == 0 && i > 0 ? c->channels[i - 1] : c->channels[i];
    if (i == 0) p.c_in[0] = c->channels[0];
    snprintf(p.path, sizeof(p.path), "down_blocks.%d", i);
    return load_block(b, &p, &b->u->down[i]);
}

static lt_status load_mid(builder *b)
{
    const lt_unet_config *c = &b->u->c;
    const int64_t channels = c->channels[c->n_levels - 1];
    const plan p = { .path = "mid_block",
                     .n_resnets = 2,
                     .n_attentions = 1,
                     .level = c->n_levels - 1,
                     .up_block = -1,
                     .c_out = channels,
                     .c_in = { channels, channels } };
    return load_block(b, &p, &b->u->mid);
}

/* Up block i works on level n - 1 - i; its last resnet meets the skip connection that
 * the level before it (or conv_in) pushed. */
static lt_status load_up(builder *b, int i)
{
    const lt_unet_config *c = &b->u->c;
    const int level = c->n_levels - 1 - i;
    const int64_t before = c->channels[i == 0 ? level : level + 1];
    const int64_t below = c->channels[level > 0 ? level - 1 : 0];
    plan p = { .n_resnets = c->layers_per_block + 1,
               .level = level,
               .up_block = i,
               .c_out = c->channels[level],
               .sampler = level > 0 ? "upsamplers" : NULL };
    p.n_attentions = c->up_attention[i] ? p.n_resnets : 0;
    for (int j = 0; j < p.n_resnets; j++)
        p.c_in[j] =
            (j == 0 ? before : p.c_out) + (j == p.n_resnets - 1 ? below : p.c_out);
    snprintf(p.path, sizeof(p.path), "up_blocks.%d", i);
    return load_block(b, &p, &b->u->up[i]);
}

static lt_status load_ends(builder *b)
{
    lt_status st = LT_OK;
    lt_unet *u = b->u;
    const int64_t c0 = u->c.channels[0], time = lt_unet_time_dim(&u->c);
    LT_TRY(lt_load_conv(&b->l, "conv_in", c0, u->c.in_channels, lt_conv_same(1),
                        &u->conv_in));
    LT_TRY(lt_load_linear_f32(&b->l, "time_embedding.linear_1", time, c0, &u->time_1));
    LT_TRY(lt_load_linear_f32(&b->l, "time_embedding.linear_2", time, time, &u->time_2));
    LT_TRY(lt_load_norm(&b->l, "conv_norm_out", c0, &u->norm_out));
    LT_TRY(lt_load_conv(&b->l, "conv_out", u->c.out_channels, c0, lt_conv_same(1),
                        &u->conv_out));
cleanup:
    return st;
}

static void list_block_sites(lt_unet *u, lt_unet_block *block)
{
    for (int j = 0; j < block->n_attentions; j++)
        u->site[u->n_sites++] = &block->attention[j];
}

static lt_status list_sites(lt_unet *u, int n)
{
    u->site = calloc((size_t)n, sizeof(lt_transformer *));
    if (!u->site) return LT_FAIL(LT_ERR_NOMEM, "out of memory for the layers of a model");
    for (int i = 0; i < u->c.n_levels; i++) list_block_sites(u, &u->down[i]);
    list_block_sites(u, &u->mid);
    for (int i = 0; i < u->c.n_levels; i++) list_block_sites(u, &u->up[i]);
    return LT_OK;
}

static lt_status build(builder *b)
{
    lt_status st = LT_OK;
    LT_TRY(load_ends(b));
    for (int i = 0; i < b->u->c.n_levels; i++) LT_TRY(load_down(b, i));
    LT_TRY(load_mid(b));
    for (int i = 0; i < b->u->c.n_levels; i++) LT_TRY(load_up(b, i));
    LT_TRY(list_sites(b->u, b->n_sites));
cleanup:
    return st;
}

static void free_attention(const lt_kernels *k, lt_attention_weights *w)
{
    k->linear_free(&w->to_q);
    k->linear_free(&w->to_k);
    k->linear_free(&w->to_v);
    k->linear_free(&w->to_out);
}

static void free_transformer(const lt_kernels *k, lt_transformer *t)
{
    lt_norm *const norms[4] = { &t->norm, &t->norm1, &t->norm2, &t->norm3 };
    for (int i = 0; i < 4; i++) lt_norm_free(norms[i]);
    k->linear_free(&t->proj_in);
    k->linear_free(&t->proj_out);
    k->linear_free(&t->ff_in);
    k->linear_free(&t->ff_out);
    free_attention(k, &t->self);
    free_attention(k, &t->cross);
}

/* u->k NULL: nothing was loaded. */
static void free_block(const lt_unet *u, lt_unet_block *b)
{
    const lt_kernels *k = u->k;
    for (int j = 0; k && j < b->n_resnets; j++)
        lt_resnet_free(k, u->k32, &b->resnet[j].r);
    for (int j = 0; k && j < b->n_attentions; j++) free_transformer(k, &b->attention[j]);
    if (k) k->conv_free(&b->sample);
    free(b->resnet);
    free(b->attention);
}

static void free_parts(lt_unet *u)
{
    const lt_kernels *k = u->k;
    for (int i = 0; i < LT_UNET_MAX_LEVELS; i++) {
        free_block(u, &u->down[i]);
        free_block(u, &u->up[i]);
    }
    free_block(u, &u->mid);
    if (k) {
        k->conv_free(&u->conv_in);
        k->conv_free(&u->conv_out);
        if (u->time_1) u->k32->linear_free(&u->time_1);
        if (u->time_2) u->k32->linear_free(&u->time_2);
        lt_norm_free(&u->norm_out);
    }
    free(u->site);
}

void lt_unet_free(lt_unet **unet)
{
    if (!unet || !*unet) return;
    free_parts(*unet);
    free(*unet);
    *unet = NULL;
}

lt_status lt_unet_build(const lt_exec *x, const lt_unet_config *c, const lt_weights *w,
                        const lt_lora *lora, lt_unet **out)
{
    lt_status st = LT_OK;
    lt_load_scratch scratch = { 0 };
    lt_unet *u = calloc(1, sizeof(*u));
    if (!u) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    u->k = x->k;
    u->k32 = lt_exec_f32(x).k;
    u->c = *c;
    builder b = {
        .l = { .x = x, .w = w, .scratch = &scratch, .lora = lora, .part = LT_PART_UNET },
        .u = u
    };
    LT_TRY(build(&b));
    *out = u;
    u = NULL;
cleanup:
    lt_unet_free(&u);
    free(scratch.data);
    return st;
}

lt_status lt_unet_load(const lt_exec *x, const char *dir, lt_unet **out)
{
    lt_status st = LT_OK;
    lt_source *s = NULL;
    const lt_weights *w = NULL;
    lt_unet_config c;
    LT_TRY(lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    LT_TRY(lt_source_unet(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_UNET, &w));
    LT_TRY(lt_unet_build(x, &c, w, NULL, out));
cleanup:
    lt_source_close(&s);
    return st;
}

lt_status lt_unet_tensors(const lt_unet_config *c, lt_tensor_visitor *visit, void *self)
{
    lt_unet u = { .c = *c };
    builder b = { .l = { .visit = visit, .self = self }, .u = &u };
    const lt_status st = build(&b);
    free_parts(&u);
    return st;
}
