#include "app/measure.h"

#include <math.h>
#include <stdlib.h>

/* Seconds a kernel is repeated, and what one trial of a whole evaluation may cost. */
#define REPEAT 0.25
#define TRIAL  0.8

enum { TEXT_TOKENS = 77 };

/* What a timed piece needs; the functions below run it once. */
typedef struct piece {
    lt_run *r;
    lt_conv *conv;
    lt_linear *linear;
    lt_tensor in, out, k, v, index;
    int heads;
    lt_unet_context *context;
} piece;

typedef lt_status piece_fn(piece *p);

static void piece_free(piece *p)
{
    const lt_exec *x = &p->r->x;
    if (p->conv) x->k->conv_free(&p->conv);
    if (p->linear) x->k->linear_free(&p->linear);
    lt_unet_context_free(&p->context);
    lt_tensor_free(&p->in);
    lt_tensor_free(&p->out);
    lt_tensor_free(&p->k);
    lt_tensor_free(&p->v);
    lt_tensor_free(&p->index);
}

/* Numbers of an ordinary size: zeros and denormals would have another speed. */
static lt_status fill(lt_run *r, lt_tensor *t, lt_dtype dtype, int ndim,
                      const int64_t *shape)
{
    lt_tensor values = { 0 };
    lt_status st = LT_OK;
    LT_TRY(lt_tensor_new(&values, r->x.pool, LT_F32, ndim, shape));
    for (int64_t i = 0; i < lt_tensor_count(&values); i++)
        lt_f32(&values)[i] = (float)((i * 7919) % 1021) * (1.0f / 1021) - 0.5f;
    LT_TRY(lt_tensor_new(t, r->x.pool, dtype, ndim, shape));
    if (dtype == LT_F32)
        LT_TRY(lt_tensor_copy(t, &values, r->x.stream));
    else
        LT_TRY(lt_tensor_convert(t, &values));
cleanup:
    lt_tensor_free(&values);
    return st;
}

#define FILL(t, dtype, ...)                                                        \
    LT_TRY(fill(p->r, (t), (dtype), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), \
                (const int64_t[]){ __VA_ARGS__ }))

/* Multiply-adds a second: once to warm up, then again and again until REPEAT is over; a
 * piece whose first run takes longer is believed as it is. */
static lt_status time_piece(piece *p, piece_fn *run, double macs, double *speed)
{
    int n = 1;
    double begin = lt_run_clock();
    lt_status st = run(p);
    double seconds = lt_run_clock() - begin;
    if (st == LT_OK && seconds < REPEAT) {
        begin = lt_run_clock();
        for (n = 0, seconds = 0; st == LT_OK && seconds < REPEAT; n++) {
            st = run(p);
            seconds = lt_run_clock() - begin;
        }
    }
    if (st == LT_OK) *speed = macs * n / fmax(seconds, 1e-9);
    return st;
}

/* ---- the pieces -------------------------------------------------------------------- */

static lt_status run_conv(piece *p)
{
    return p->r->x.k->conv(&p->r->x,
                           &(lt_conv_args){ .w = p->conv, .in = &p->in, .out = &p->out });
}

static lt_status time_conv(piece *p, int64_t c, double *speed)
{
    lt_status st = LT_OK;
    lt_run *r = p->r;
    lt_tensor w = { 0 };
    const lt_dtype type = r->x.k->compute;
    const int64_t h = r->x.k->path == LT_PATH_REF && r->h > 8 ? 8 : r->h;
    FILL(&w, LT_F32, c, c, 3, 3);
    LT_TRY(
        r->x.k->conv_pack(&r->x, &w, NULL, (lt_conv_shape){ 1, 1, 1, 1, 1 }, &p->conv));
    FILL(&p->in, type, 1, h, r->w, c);
    FILL(&p->out, type, 1, h, r->w, c);
    LT_TRY(time_piece(p, run_conv, (double)(h * r->w) * (double)(c * c * 9), speed));
cleanup:
    lt_tensor_free(&w);
    return st;
}

static lt_status run_linear(piece *p)
{
    return p->r->x.k->linear(&p->r->x, &(lt_linear_args){ .w = p->linear,
                                                          .in = &p->in,
                                                          .out = &p->out,
                                                          .rows_per_tile = 256 });
}

static lt_status time_linear(piece *p, int64_t c, double *speed)
{
    lt_status st = LT_OK;
    lt_run *r = p->r;
    lt_tensor w = { 0 };
    const lt_dtype type = r->x.k->compute;
    const int64_t n = r->x.k->path == LT_PATH_REF ? 512 : r->h * r->w;
    FILL(&w, LT_F32, 4 * c, c);
    LT_TRY(r->x.k->linear_pack(&r->x, &w, NULL, &p->linear));
    FILL(&p->in, type, n, c);
    FILL(&p->out, type, n, 4 * c);
    LT_TRY(time_piece(p, run_linear, (double)n * (double)(4 * c * c), speed));
cleanup:
    lt_tensor_free(&w);
    return st;
}

static lt_status run_attention(piece *p)
{
    const int64_t head_dim = p->in.shape[2] / p->heads;
    return p->r->x.k->attention(
        &p->r->x, &(lt_attention_args){ .q = &p->in,
                                        .k = &p->k,
                                        .v = { &p->v },
                                        .out = { &p->out },
                                        .n_values = 1,
                                        .heads = p->heads,
                                        .scale = 1.0f / sqrtf((float)head_dim) });
}

/* Keys of four frames, as in joint attention; one frame of queries. */
static lt_status time_attention(piece *p, const lt_attention_site *s, double *speed)
{
    lt_status st = LT_OK;
    lt_run *r = p->r;
    const lt_dtype type = r->x.k->compute;
    const int64_t n = r->x.k->path == LT_PATH_REF ? 128 : s->h * s->w, keys = 4 * n;
    const int64_t c = (int64_t)s->heads * s->head_dim;
    p->heads = s->heads;
    FILL(&p->in, type, 1, n, c);
    FILL(&p->out, type, 1, n, c);
    FILL(&p->k, type, 1, keys, c);
    FILL(&p->v, type, 1, keys, c);
    LT_TRY(
        time_piece(p, run_attention, 2.0 * (double)n * (double)keys * (double)c, speed));
cleanup:
    return st;
}

static lt_status run_match(piece *p)
{
    return p->r->x.k->best_match(&p->r->x, &(lt_best_match_args){ .a = &p->in,
                                                                  .b = &p->k,
                                                                  .index = &p->index,
                                                                  .rows_per_tile = 256 });
}

static lt_status time_match(piece *p, int64_t c, double *speed)
{
    lt_status st = LT_OK;
    lt_run *r = p->r;
    const lt_dtype type = r->x.k->compute;
    const int64_t n = r->x.k->path == LT_PATH_REF ? 256 : r->h * r->w;
    FILL(&p->in, type, n, c);
    FILL(&p->k, type, n, c);
    LT_TRY(LT_TENSOR_NEW(&p->index, r->x.pool, LT_I32, n));
    LT_TRY(time_piece(p, run_match, (double)n * (double)n * (double)c, speed));
cleanup:
    return st;
}

static lt_status run_unet(piece *p)
{
    return lt_unet_forward(
        &p->r->x, p->r->model->unet,
        &(lt_unet_args){
            .batch = { .n_branches = 1, .n_frames = 1, .branch = { LT_BRANCH_EDIT } },
            .x = &p->in,
            .timestep = 500,
            .context = { p->context },
            .out = &p->out });
}

static lt_status time_unet(piece *p, double macs, double *speed)
{
    lt_status st = LT_OK;
    lt_run *r = p->r;
    lt_tensor text = { 0 };
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    FILL(&text, LT_F32, TEXT_TOKENS, u->cross_attention_dim);
    LT_TRY(lt_unet_context_new(&r->x, r->model->unet, &text, &p->context));
    FILL(&p->in, LT_F32, 1, r->h, r->w, u->in_channels);
    FILL(&p->out, LT_F32, 1, r->h, r->w, u->out_channels);
    LT_TRY(time_piece(p, run_unet, macs, speed));
cleanup:
    lt_tensor_free(&text);
    return st;
}

/* ---- all of them ------------------------------------------------------------------- */

/* The self-attention layer with the most tokens. */
static lt_status largest_site(const lt_run *r, lt_attention_site *best)
{
    lt_status st = LT_OK;
    lt_attention_site s;
    *best = (lt_attention_site){ .heads = 1, .head_dim = 40, .h = r->h, .w = r->w };
    for (int i = 0; i < lt_unet_n_sites(r->model->unet); i++) {
        LT_TRY(lt_unet_site(r->model->unet, i, r->h, r->w, &s));
        if (i == 0 || s.h * s.w > best->h * best->w) *best = s;
    }
cleanup:
    return st;
}

static lt_status measure_here(lt_run *r, lt_speeds *s)
{
    lt_status st = LT_OK;
    lt_attention_site site;
    double macs, self;
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    const int64_t c = u->channels[0], deep = u->channels[u->n_levels > 1 ? 1 : 0];
    piece p[5] = { { .r = r }, { .r = r }, { .r = r }, { .r = r }, { .r = r } };
    LT_TRY(largest_site(r, &site));
    LT_TRY(time_conv(&p[0], c, &s->conv));
    LT_TRY(time_linear(&p[1], c, &s->linear));
    LT_TRY(time_attention(&p[2], &site, &s->attention));
    LT_TRY(time_match(&p[3], deep, &s->match));
    lt_unet_cost(r->model->unet, r->h, r->w, TEXT_TOKENS, &macs, &self);
    s->unet = 2 / (1 / s->conv + 1 / s->linear); /* half and half, about */
    s->unet_real = macs / s->unet < TRIAL;
    if (s->unet_real) LT_TRY(time_unet(&p[4], macs, &s->unet));
cleanup:
    for (int i = 0; i < 5; i++) piece_free(&p[i]);
    return st;
}

/* Collective. The lowest speed of all ranks. */
static lt_status slowest(lt_run *r, double *speed)
{
    int64_t ns = 0;
    const lt_status st = lt_comm_max(r->comm, (int64_t)(1e21 / *speed), &ns);
    if (st == LT_OK && ns > 0) *speed = 1e21 / (double)ns;
    return st;
}

lt_status lt_measure_speeds(lt_run *r, lt_speeds *s)
{
    lt_status st = LT_OK;
    double *const all[] = { &s->conv, &s->linear, &s->attention, &s->match, &s->unet };
    *s = (lt_speeds){ 0 };
    LT_TRY(lt_comm_agree(r->comm, LT_OK)); /* begin together */
    LT_TRY(lt_comm_agree(r->comm, measure_here(r, s)));
    for (int i = 0; i < 5; i++) LT_TRY(slowest(r, all[i]));
cleanup:
    return st;
}
