#include "models/unet_impl.h"

#include <math.h>

const lt_unet_config *lt_unet_get_config(const lt_unet *unet) { return &unet->c; }
int lt_unet_n_sites(const lt_unet *unet) { return unet->n_sites; }

/* A stride-2 convolution with padding 1 rounds up. */
static int64_t level_size(int64_t size, int level)
{
    for (int i = 0; i < level; i++) size = (size + 1) / 2;
    return size;
}

lt_attention_site lt_transformer_site(const lt_unet *u, const lt_transformer *t,
                                      lt_attention_kind kind, int64_t h, int64_t w)
{
    const int self = kind == LT_SELF_ATTENTION;
    const int64_t dim = t->channels / t->heads;
    return (lt_attention_site){ .path = self ? t->path_self : t->path_cross,
                                .kind = kind,
                                .index = t->index,
                                .up_block = t->up_block,
                                .attention = t->attention,
                                .h = level_size(h, t->level),
                                .w = level_size(w, t->level),
                                .heads = t->heads,
                                .head_dim = dim,
                                .last_self = t->index == u->n_sites - 1,
                                .scale = (float)(1.0 / sqrt((double)dim)),
                                .weights = self ? &t->self : &t->cross };
}

lt_status lt_unet_site(const lt_unet *unet, int index, int64_t h, int64_t w,
                       lt_attention_site *site)
{
    if (index < 0 || index >= unet->n_sites || h < 1 || w < 1)
        return LT_FAIL(LT_ERR_ARG, "no attention layer %d of %d on a grid of %lldx%lld",
                       index, unet->n_sites, (long long)h, (long long)w);
    *site = lt_transformer_site(unet, unet->site[index], LT_SELF_ATTENTION, h, w);
    return LT_OK;
}

int lt_unet_grids(const lt_unet *unet, int64_t h, int64_t w, int64_t grid_h[8],
                  int64_t grid_w[8])
{
    int n = 0;
    for (int level = 0; level < unet->c.n_levels; level++) {
        int used = 0;
        for (int i = 0; i < unet->n_sites; i++) used |= unet->site[i]->level == level;
        const int64_t gh = level_size(h, level), gw = level_size(w, level);
        /* 1x1 stays 1x1 */
        if (!used || (n && grid_h[n - 1] == gh && grid_w[n - 1] == gw)) continue;
        grid_h[n] = gh;
        grid_w[n++] = gw;
    }
    return n;
}

/* ---- counting ----------------------------------------------------------------- */

typedef struct cost {
    double all, self;
} cost;

static void add_transformer(const lt_unet_config *c, int level, double tokens,
                            double text, cost *sum)
{
    const double ch = (double)c->channels[level], dim = (double)c->cross_attention_dim;
    const double self = tokens * 4 * ch * ch + 2 * tokens * tokens * ch;
    const double cross =
        tokens * 2 * ch * ch + 2 * tokens * text * ch + 2 * text * dim * ch;
    const double rest = tokens * (2 * ch * ch + 12 * ch * ch);
    sum->self += self;
    sum->all += self + cross + rest;
}

static void add_resnet(double ci, double co, double time, double pixels, cost *sum)
{
    sum->all += pixels * 9 * (ci * co + co * co) + time * co;
    if (ci != co) sum->all += pixels * ci * co;
}

void lt_unet_cost(const lt_unet *unet, int64_t h, int64_t w, int64_t n_text,
                  double *macs_all, double *macs_self_attention)
{
    lt_unet_config_cost(&unet->c, h, w, n_text, macs_all, macs_self_attention);
}

static double pixels_of(int level, int64_t h, int64_t w)
{
    return (double)level_size(h, level) * (double)level_size(w, level);
}

static void add_down(const lt_unet_config *c, int i, int64_t h, int64_t w, double text,
                     cost *sum)
{
    const double pixels = pixels_of(i, h, w), co = (double)c->channels[i];
    const double before = (double)c->channels[i ? i - 1 : 0];
    for (int j = 0; j < c->layers_per_block; j++) {
        add_resnet(j ? co : before, co, (double)lt_unet_time_dim(c), pixels, sum);
        if (c->down_attention[i]) add_transformer(c, i, pixels, text, sum);
    }
    if (i + 1 < c->n_levels) sum->all += pixels_of(i + 1, h, w) * 9 * co * co;
}

static void add_up(const lt_unet_config *c, int i, int64_t h, int64_t w, double text,
                   cost *sum)
{
    const int level = c->n_levels - 1 - i;
    const double pixels = pixels_of(level, h, w), co = (double)c->channels[level];
    const double before = (double)c->channels[i ? level + 1 : level];
    const double below = (double)c->channels[level ? level - 1 : 0];
    for (int j = 0; j <= c->layers_per_block; j++) {
        const double ci = (j ? co : before) + (j == c->layers_per_block ? below : co);
        add_resnet(ci, co, (double)lt_unet_time_dim(c), pixels, sum);
        if (c->up_attention[i]) add_transformer(c, level, pixels, text, sum);
    }
    if (level) sum->all += pixels_of(level - 1, h, w) * 9 * co * co;
}

void lt_unet_config_cost(const lt_unet_config *c, int64_t h, int64_t w, int64_t n_text,
                         double *macs_all, double *macs_self_attention)
{
    cost sum = { 0 };
    const double c0 = (double)c->channels[0], time = (double)lt_unet_time_dim(c);
    const int last = c->n_levels - 1;
    const double low = pixels_of(last, h, w), cl = (double)c->channels[last];
    sum.all +=
        (double)h * (double)w * 9 * c0 * (double)(c->in_channels + c->out_channels);
    sum.all += time * (c0 + time);
    for (int i = 0; i < c->n_levels; i++) {
        add_down(c, i, h, w, (double)n_text, &sum);
        add_up(c, i, h, w, (double)n_text, &sum);
    }
    add_resnet(cl, cl, time, low, &sum);
    add_resnet(cl, cl, time, low, &sum);
    add_transformer(c, last, low, (double)n_text, &sum);
    *macs_all = sum.all;
    *macs_self_attention = sum.self;
}
