#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/unet_impl.h"

enum { MAX_SKIPS = 1 + LT_UNET_MAX_LEVELS * 9 };

/* One evaluation. Maps are [n_branches * n_frames, h, w, c] in the compute dtype and
 * shrink when a policy drops branches. */
typedef struct pass {
    const lt_exec *x;
    const lt_unet *u;
    const lt_unet_args *a;
    lt_batch batch; /* what is left */
    int n_dropped;  /* leading branches of a->batch that are gone */
    lt_tensor time; /* silu(time embedding), [1, time_dim], of lt_exec_f32 */
    lt_tensor map;  /* the hidden state */
    lt_tensor skip[MAX_SKIPS];
    int n_skips;
    int last_self; /* index of the last self-attention that will run */
    int done;      /* LT_STOP_AFTER_LAST_SELF was reached */
} pass;

static int64_t n_samples(const pass *p)
{
    return p->batch.n_branches * p->batch.n_frames;
}

/* Keep the last `left` samples. */
static void cut(lt_tensor *t, int64_t left)
{
    if (!t || t->ndim == 0 || t->shape[0] == left) return;
    lt_tensor rows = lt_tensor_rows(t, t->shape[0] - left, left);
    lt_tensor_move(t, &rows);
}

/* Ask the policy behind a place and drop what it names from every live tensor; extra:
 * up to two tensors besides map and skips, or NULL. */
static lt_status drop(pass *p, int up_block, int resnet, int attention,
                      lt_tensor *extra_1, lt_tensor *extra_2)
{
    const lt_policy *policy = p->a->policy;
    if (!policy || !policy->drop_branches) return LT_OK;
    const int n =
        policy->drop_branches(policy->self, up_block, resnet, attention, &p->batch);
    if (n == 0) return LT_OK;
    if (n < 0 || n >= p->batch.n_branches)
        return LT_FAIL(LT_ERR_ARG, "a policy dropped %d of %d branches", n,
                       p->batch.n_branches);
    p->batch.n_branches -= n;
    p->n_dropped += n;
    memmove(p->batch.branch, p->batch.branch + n,
            (size_t)p->batch.n_branches * sizeof(p->batch.branch[0]));
    const int64_t left = n_samples(p);
    cut(&p->map, left);
    cut(extra_1, left);
    cut(extra_2, left);
    for (int i = 0; i < p->n_skips; i++) cut(&p->skip[i], left);
    return LT_OK;
}

/* ---- residual blocks ---------------------------------------------------------- */

static lt_status run_resnet(pass *p, const lt_unet_resnet *r)
{
    lt_status st = LT_OK;
    const lt_policy *policy = p->a->policy;
    lt_tensor hidden = { 0 };
    if (!policy || !policy->hidden) {
        LT_TRY(lt_resnet_run(p->x, &r->r, &p->time, &p->map));
        return drop(p, r->up_block, r->number, -1, NULL, NULL);
    }
    LT_TRY(lt_resnet_hidden(p->x, &r->r, &p->time, &p->map, &hidden));
    const lt_hidden_call call = { .x = p->x,
                                  .path = r->path,
                                  .up_block = r->up_block,
                                  .resnet = r->number,
                                  .hidden = &hidden,
                                  .batch = &p->batch };
    LT_TRY(policy->hidden(policy->self, &call));
    LT_TRY(drop(p, r->up_block, r->number, -1, &hidden, NULL));
    LT_TRY(lt_resnet_join(p->x, &r->r, &p->map, &hidden));
cleanup:
    lt_tensor_free(&hidden);
    return st;
}

/* ---- transformer blocks ------------------------------------------------------- */

/* The tokens of a block while it runs. */
typedef struct tokens {
    const lt_transformer *t;
    lt_attention_site self, cross;
    lt_tensor y; /* [n, h*w, c] compute dtype */
} tokens;

/* Samples that go through a layer with `width` values a token at a time: bounds scratch
 * memory and changes no bits, since samples are independent. */
static int64_t samples_at_once(const lt_tensor *y, int64_t width, int64_t count)
{
    const int64_t most = INT64_C(64) << 20;
    const int64_t n = most / (y->shape[1] * width * (int64_t)lt_dtype_size(y->dtype));
    return n < 1 ? 1 : n < count ? n : count;
}

static lt_status self_attention(pass *p, tokens *k)
{
    lt_status st = LT_OK;
    const lt_policy *policy = p->a->policy;
    lt_tensor in = { 0 }, out = { 0 };
    k->self.last_self = k->t->index == p->last_self;
    LT_TRY(lt_tensor_new(&in, p->x->pool, p->x->k->compute, 3, k->y.shape));
    LT_TRY(lt_tensor_new(&out, p->x->pool, p->x->k->compute, 3, k->y.shape));
    LT_TRY(lt_run_layer_norm(p->x, &k->t->norm1, &k->y, &in));
    const lt_attention_call call = {
        .x = p->x, .site = &k->self, .batch = &p->batch, .in = &in, .out = &out
    };
    if (policy && policy->self_attention)
        LT_TRY(policy->self_attention(policy->self, &call));
    else
        LT_TRY(lt_site_plain(&call, 0, n_samples(p)));
    lt_tensor_free(&in);
    p->done = k->self.last_self && p->a->stop == LT_STOP_AFTER_LAST_SELF;
    if (p->done) goto cleanup;
    LT_TRY(drop(p, k->t->up_block, -1, k->t->attention, &k->y, &out));
    LT_TRY(p->x->k->add(p->x, &k->y, &out, &k->y));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&out);
    return st;
}

/* Rows of y plus attention over the text, all of one branch: keys and values are the
 * same for all frames. */
static lt_status cross_rows(pass *p, tokens *k, const lt_unet_context *c, lt_tensor *y)
{
    lt_status st = LT_OK;
    const lt_exec *x = p->x;
    lt_tensor in = { 0 }, q = { 0 };
    LT_TRY(lt_tensor_new(&in, x->pool, x->k->compute, 3, y->shape));
    LT_TRY(lt_tensor_new(&q, x->pool, x->k->compute, 3, y->shape));
    LT_TRY(lt_run_layer_norm(x, &k->t->norm2, y, &in));
    LT_TRY(lt_run_linear(x, k->t->cross.to_q, &in, LT_ACT_NONE, NULL, &q));
    const lt_attention_args a = { .q = &q,
                                  .k = &c->k[k->t->index],
                                  .v = { &c->v[k->t->index] },
                                  .out = { &in },
                                  .n_values = 1,
                                  .heads = k->cross.heads,
                                  .scale = k->cross.scale };
    LT_TRY(x->k->attention(x, &a));
    LT_TRY(lt_run_linear(x, k->t->cross.to_out, &in, LT_ACT_NONE, y, y));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&q);
    return st;
}

static lt_status cross_attention(pass *p, tokens *k)
{
    const int64_t frames = p->batch.n_frames;
    const int64_t step = samples_at_once(&k->y, k->t->channels, frames);
    for (int b = 0; b < p->batch.n_branches; b++) {
        const lt_unet_context *c = p->a->context[p->n_dropped + b];
        for (int64_t i = 0; i < frames; i += step) {
            const int64_t n = frames - i < step ? frames - i : step;
            lt_tensor y = lt_tensor_rows(&k->y, b * frames + i, n);
            const lt_status st = cross_rows(p, k, c, &y);
            lt_tensor_free(&y);
            if (st != LT_OK) return st;
        }
    }
    return drop(p, k->t->up_block, -1, k->t->attention, &k->y, NULL);
}

static lt_status feed_forward_rows(pass *p, tokens *k, lt_tensor *y)
{
    lt_status st = LT_OK;
    const lt_exec *x = p->x;
    const int64_t n = y->shape[0], hw = y->shape[1], c = y->shape[2];
    lt_tensor in = { 0 }, wide = { 0 }, half = { 0 };
    LT_TRY(lt_tensor_new(&in, x->pool, x->k->compute, 3, y->shape));
    LT_TRY(lt_run_layer_norm(x, &k->t->norm3, y, &in));
    LT_TRY(LT_TENSOR_NEW(&wide, x->pool, x->k->compute, n, hw, 8 * c));
    LT_TRY(lt_run_linear(x, k->t->ff_in, &in, LT_ACT_NONE, NULL, &wide));
    lt_tensor_free(&in);
    LT_TRY(LT_TENSOR_NEW(&half, x->pool, x->k->compute, n, hw, 4 * c));
    LT_TRY(x->k->geglu(x, &wide, &half));
    lt_tensor_free(&wide);
    LT_TRY(lt_run_linear(x, k->t->ff_out, &half, LT_ACT_NONE, y, y));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&wide);
    lt_tensor_free(&half);
    return st;
}

static lt_status feed_forward(pass *p, tokens *k)
{
    const int64_t count = n_samples(p);
    const int64_t step = samples_at_once(&k->y, 8 * k->t->channels, count);
    for (int64_t i = 0; i < count; i += step) {
        lt_tensor y = lt_tensor_rows(&k->y, i, count - i < step ? count - i : step);
        const lt_status st = feed_forward_rows(p, k, &y);
        lt_tensor_free(&y);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* Group norm and proj_in: the map as tokens. */
static lt_status enter(pass *p, tokens *k)
{
    lt_status st = LT_OK;
    lt_tensor g = { 0 };
    const int64_t *s = p->map.shape;
    LT_TRY(lt_tensor_new(&g, p->x->pool, p->x->k->compute, 4, s));
    LT_TRY(
        lt_run_group_norm(p->x, &k->t->norm, p->u->c.norm_groups, 1e-6f, 0, &p->map, &g));
    LT_TRY(LT_TENSOR_NEW(&k->y, p->x->pool, p->x->k->compute, s[0], s[1] * s[2], s[3]));
    lt_tensor as_tokens = LT_RESHAPE(&g, s[0], s[1] * s[2], s[3]);
    st = lt_run_linear(p->x, k->t->proj_in, &as_tokens, LT_ACT_NONE, NULL, &k->y);
    lt_tensor_free(&as_tokens);
cleanup:
    lt_tensor_free(&g);
    return st;
}

static lt_status leave(pass *p, tokens *k)
{
    const int64_t *s = p->map.shape;
    lt_tensor map = LT_RESHAPE(&p->map, s[0], s[1] * s[2], s[3]);
    const lt_status st =
        lt_run_linear(p->x, k->t->proj_out, &k->y, LT_ACT_NONE, &map, &map);
    lt_tensor_free(&map);
    return st;
}

static lt_status run_transformer(pass *p, const lt_transformer *t)
{
    lt_status st = LT_OK;
    const int64_t h = p->a->x->shape[1], w = p->a->x->shape[2];
    tokens k = { .t = t,
                 .self = lt_transformer_site(p->u, t, LT_SELF_ATTENTION, h, w),
                 .cross = lt_transformer_site(p->u, t, LT_CROSS_ATTENTION, h, w) };
    LT_TRY(enter(p, &k));
    LT_TRY(self_attention(p, &k));
    if (p->done) goto cleanup;
    LT_TRY(cross_attention(p, &k));
    LT_TRY(feed_forward(p, &k));
    LT_TRY(leave(p, &k));
cleanup:
    lt_tensor_free(&k.y);
    return st;
}

/* ---- blocks ------------------------------------------------------------------- */

static void push(pass *p) { p->skip[p->n_skips++] = lt_tensor_view(&p->map); }

static lt_status run_down(pass *p, const lt_unet_block *b)
{
    lt_status st = LT_OK;
    for (int j = 0; j < b->n_resnets; j++) {
        LT_TRY(run_resnet(p, &b->resnet[j]));
        if (j < b->n_attentions) LT_TRY(run_transformer(p, &b->attention[j]));
        if (p->done) goto cleanup;
        push(p);
    }
    if (b->sample) {
        LT_TRY(lt_run_conv(p->x, b->sample, &p->map));
        push(p);
    }
cleanup:
    return st;
}

static lt_status run_mid(pass *p, const lt_unet_block *b)
{
    lt_status st = LT_OK;
    LT_TRY(run_resnet(p, &b->resnet[0]));
    LT_TRY(run_transformer(p, &b->attention[0]));
    if (!p->done) LT_TRY(run_resnet(p, &b->resnet[1]));
cleanup:
    return st;
}

/* [hidden, skip]; both are freed. */
static lt_status pop(pass *p)
{
    lt_status st = LT_OK;
    lt_tensor both = { 0 };
    lt_tensor *skip = &p->skip[--p->n_skips];
    const int64_t *s = p->map.shape;
    LT_TRY(LT_TENSOR_NEW(&both, p->x->pool, p->x->k->compute, s[0], s[1], s[2],
                         s[3] + skip->shape[3]));
    LT_TRY(p->x->k->concat(p->x, &p->map, skip, &both));
    lt_tensor_move(&p->map, &both);
cleanup:
    lt_tensor_free(skip);
    lt_tensor_free(&both);
    return st;
}

static lt_status run_up(pass *p, const lt_unet_block *b)
{
    lt_status st = LT_OK;
    for (int j = 0; j < b->n_resnets; j++) {
        LT_TRY(pop(p));
        LT_TRY(run_resnet(p, &b->resnet[j]));
        if (j < b->n_attentions) LT_TRY(run_transformer(p, &b->attention[j]));
        if (p->done) goto cleanup;
    }
    if (b->sample) { /* to the size of the next skip, so odd sizes come back */
        const lt_tensor *next = &p->skip[p->n_skips - 1];
        LT_TRY(lt_run_upsample(p->x, b->sample, next->shape[1], next->shape[2], &p->map));
    }
cleanup:
    return st;
}

static lt_status run_blocks(pass *p)
{
    lt_status st = LT_OK;
    const int n = p->u->c.n_levels;
    const int n_up = p->a->stop == LT_STOP_AFTER_UP_BLOCK ? p->a->stop_up_block + 1 : n;
    LT_TRY(lt_run_conv(p->x, p->u->conv_in, &p->map));
    push(p);
    for (int i = 0; i < n && !p->done; i++) LT_TRY(run_down(p, &p->u->down[i]));
    if (!p->done) LT_TRY(run_mid(p, &p->u->mid));
    for (int i = 0; i < n_up && !p->done; i++) LT_TRY(run_up(p, &p->u->up[i]));
cleanup:
    return st;
}

/* ---- both ends ---------------------------------------------------------------- */

/* The sinusoid in double, [1, channels]. */
static lt_status sinusoid(const pass *p, const lt_exec *x, lt_tensor *out)
{
    const lt_unet_config *c = &p->u->c;
    const int64_t half = c->channels[0] / 2, shape[2] = { 1, 2 * half };
    float *values = malloc((size_t)(2 * half) * sizeof(*values));
    if (!values) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a time embedding");
    for (int64_t i = 0; i < half; i++) {
        const double f = exp(-log(10000.0) * (double)i / ((double)half - c->freq_shift));
        const double angle = (double)p->a->timestep * f;
        values[c->flip_sin_to_cos ? half + i : i] = (float)sin(angle);
        values[c->flip_sin_to_cos ? i : half + i] = (float)cos(angle);
    }
    const lt_status st = lt_to_exec(x, values, x->k->compute, 2, shape, out);
    free(values);
    return st;
}

/* p->time = silu(linear_2(silu(linear_1(sinusoid)))): every resnet wants its silu. */
static lt_status embed_time(pass *p)
{
    lt_status st = LT_OK;
    const lt_exec x32 = lt_exec_f32(p->x), *x = &x32;
    const int64_t dim = lt_unet_time_dim(&p->u->c);
    lt_tensor s = { 0 }, h = { 0 };
    LT_TRY(sinusoid(p, x, &s));
    LT_TRY(LT_TENSOR_NEW(&h, x->pool, x->k->compute, 1, dim));
    LT_TRY(LT_TENSOR_NEW(&p->time, x->pool, x->k->compute, 1, dim));
    LT_TRY(lt_run_linear(x, p->u->time_1, &s, LT_ACT_SILU, NULL, &h));
    LT_TRY(lt_run_linear(x, p->u->time_2, &h, LT_ACT_SILU, NULL, &p->time));
cleanup:
    lt_tensor_free(&s);
    lt_tensor_free(&h);
    return st;
}

static lt_status write_out(pass *p)
{
    lt_status st = LT_OK;
    const lt_unet *u = p->u;
    const lt_tensor *out = p->a->out;
    lt_tensor rows = { 0 };
    if (out->ndim != 4 || out->shape[0] < n_samples(p))
        return LT_FAIL(LT_ERR_SHAPE,
                       "the output has room for %lld samples, %lld remained",
                       (long long)out->shape[0], (long long)n_samples(p));
    LT_TRY(lt_run_group_norm(p->x, &u->norm_out, u->c.norm_groups, u->c.norm_eps, 1,
                             &p->map, &p->map));
    rows = lt_tensor_rows(out, 0, n_samples(p));
    const lt_conv_args a = { .w = u->conv_out, .in = &p->map, .out = &rows };
    LT_TRY(p->x->k->conv(p->x, &a));
cleanup:
    lt_tensor_free(&rows);
    return st;
}

static int output_fits(const lt_unet *u, const lt_unet_args *a)
{
    if (a->stop == LT_STOP_AFTER_UP_BLOCK)
        return a->features && a->stop_up_block >= 0 && a->stop_up_block < u->c.n_levels;
    if (a->stop == LT_STOP_AFTER_LAST_SELF) return 1;
    return a->out && a->out->dtype == LT_F32 && a->out->ndim == 4 &&
           a->out->shape[1] == a->x->shape[1] && a->out->shape[2] == a->x->shape[2] &&
           a->out->shape[3] == u->c.out_channels;
}

static lt_status check_args(const lt_exec *x, const lt_unet *u, const lt_unet_args *a)
{
    const lt_batch *b = &a->batch;
    const lt_tensor *in = a->x;
    if (x->k != u->k)
        return LT_FAIL(LT_ERR_ARG, "the UNet was loaded for the kernels %s, not %s",
                       u->k->name, x->k->name);
    if (b->n_branches < 1 || b->n_branches > LT_MAX_BRANCHES || b->n_frames < 1 ||
        in->ndim != 4 || in->dtype != LT_F32 ||
        in->shape[0] != b->n_branches * b->n_frames || in->shape[1] < 1 ||
        in->shape[2] < 1 || in->shape[3] != u->c.in_channels || !output_fits(u, a))
        return LT_FAIL(LT_ERR_SHAPE,
                       "UNet input of %lldx%lldx%lldx%lld for %d branches of %lld frames",
                       (long long)in->shape[0], (long long)in->shape[1],
                       (long long)in->shape[2], (long long)in->shape[3], b->n_branches,
                       (long long)b->n_frames);
    for (int i = 0; i < b->n_branches; i++)
        if (!a->context[i] || a->context[i]->unet != u)
            return LT_FAIL(LT_ERR_ARG, "branch %d has no prompt of this UNet", i);
    return LT_OK;
}

/* The last self-attention of a pass that may stop early; -1: none. */
static int last_self(const lt_unet *u, const lt_unet_args *a)
{
    int last = u->n_sites - 1;
    if (a->stop == LT_STOP_AFTER_UP_BLOCK)
        while (last >= 0 && u->site[last]->up_block > a->stop_up_block) last--;
    return last;
}

lt_status lt_unet_forward(const lt_exec *x, const lt_unet *unet, const lt_unet_args *a)
{
    lt_status st = check_args(x, unet, a);
    if (st != LT_OK) return st;
    pass p = {
        .x = x, .u = unet, .a = a, .batch = a->batch, .last_self = last_self(unet, a)
    };
    LT_TRY(embed_time(&p));
    LT_TRY(lt_as_compute(x, a->x, &p.map));
    LT_TRY(run_blocks(&p));
    if (a->stop == LT_STOP_NEVER) LT_TRY(write_out(&p));
    if (a->stop == LT_STOP_AFTER_UP_BLOCK) {
        *a->features = p.map;
        memset(&p.map, 0, sizeof(p.map));
    }
    if (a->live) *a->live = p.batch;
cleanup:
    lt_tensor_free(&p.time);
    lt_tensor_free(&p.map);
    for (int i = 0; i < p.n_skips; i++) lt_tensor_free(&p.skip[i]);
    return st;
}
