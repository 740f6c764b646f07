#include <stdlib.h>
#include <string.h>

#include "kernels/dnnl_pack.h"

typedef struct dnnl_conv {
    lt_conv head; /* first: a lt_conv * points here */
    lt_dnnl_pack pack;
} dnnl_conv;

lt_status lt_conv_pack_dnnl(const lt_exec *x, const lt_tensor *w, const lt_tensor *bias,
                            lt_conv_shape shape, lt_conv **out)
{
    lt_status st = lt_conv_pack_check(w, bias, shape);
    if (st != LT_OK) return st;
    dnnl_memory_desc_t md;
    dnnl_conv *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (weights): free some memory");
    const dnnl_dims_t dims = { w->shape[0], w->shape[1], w->shape[2], w->shape[3] };
    r->head = (lt_conv){ w->shape[1], w->shape[0], w->shape[2], w->shape[3], shape };
    LT_TRY(lt_dnnl_check(dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_oihw),
                         "conv"));
    LT_TRY(lt_dnnl_pack_open(&r->pack, x, w, &md, bias, w->shape[0]));
    *out = &r->head;
    r = NULL;
cleanup:
    free(r);
    return st;
}

void lt_conv_free_dnnl(lt_conv **w)
{
    if (!w || !*w) return;
    dnnl_conv *r = (dnnl_conv *)*w;
    lt_dnnl_pack_close(&r->pack);
    free(r);
    *w = NULL;
}

/* A tile: output rows [y, y + rows) of one sample and the input rows they read; what
 * lies outside the image is padding. */
typedef struct band {
    int64_t y, rows, in_y, in_rows, top, bottom;
} band;

typedef struct conv_job {
    const lt_conv_args *a;
    const dnnl_conv *w;
    int64_t band_rows, n_bands; /* of one sample: a function of the layer's shape only */
    int in_out;                 /* a residual is added to what lies in out */
    int up;                     /* the input is read enlarged by 1 << up */
    int64_t h, width;           /* of the input as it is read */
    lt_tensor bias;             /* [n, c_out], or the packed one */
    size_t scratch_bytes;
    lt_tensor scratch; /* a worker: scratch_bytes, then an enlarged band */
} conv_job;

static void cut_bands(conv_job *j)
{
    enum { LEAST_PIXELS = 1024 };
    const int64_t oh = j->a->out->shape[1], ow = j->a->out->shape[2];
    const int64_t least = (LEAST_PIXELS + ow - 1) / ow;
    const int64_t few = oh > 4 ? 2 : 1;
    const int64_t n = oh / least > few ? oh / least : few;
    j->band_rows = (oh + n - 1) / n;
    j->n_bands = (oh + j->band_rows - 1) / j->band_rows;
}

static band band_at(const conv_job *j, int64_t i)
{
    const lt_conv *c = j->a->w;
    const int64_t h = j->h, oh = j->a->out->shape[1];
    band b = { .y = i * j->band_rows, .rows = j->band_rows };
    if (b.rows > oh - b.y) b.rows = oh - b.y;
    const int64_t lo = b.y * c->shape.stride - c->shape.top;
    const int64_t hi = lo + (b.rows - 1) * c->shape.stride + c->kh;
    b.top = lo < 0 ? -lo : 0;
    b.bottom = hi > h ? hi - h : 0;
    b.in_y = lo + b.top;
    b.in_rows = hi - b.bottom - b.in_y;
    return b;
}

static lt_plan_key conv_key(const conv_job *j, const band *b)
{
    return (lt_plan_key){ { b->in_rows, j->width, b->top, b->bottom, j->in_out,
                            j->a->out->dtype } };
}

static dnnl_status_t make_conv(const void *owner, const lt_plan_key *key,
                               const lt_plan_desc *d, const_dnnl_primitive_attr_t attr,
                               dnnl_engine_t engine, dnnl_primitive_desc_t *out)
{
    const lt_conv *c = owner;
    const int64_t stride = c->shape.stride, ow = d->dst.dims[3], w = d->src.dims[3];
    /* Columns that the last window does not reach are cut off by less padding. */
    const int64_t right = (ow - 1) * stride + c->kw - w - c->shape.left;
    dnnl_convolution_desc_t op;
    const dnnl_status_t s = dnnl_convolution_forward_desc_init(
        &op, dnnl_forward_inference, dnnl_convolution_direct, &d->src, &d->weights,
        &d->bias, &d->dst, (dnnl_dims_t){ stride, stride },
        (dnnl_dims_t){ key->v[2], c->shape.left },
        (dnnl_dims_t){ key->v[3], right > 0 ? right : 0 });
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &op, attr, engine, NULL)
                             : s;
}

static lt_status make_plan(conv_job *j, const band *b, size_t *scratch)
{
    const lt_conv_args *a = j->a;
    const lt_conv *c = a->w;
    const dnnl_data_type_t type = lt_dnnl_type(a->in->dtype);
    const lt_plan_key key = conv_key(j, b);
    lt_plan_desc d = { .act = LT_ACT_NONE };
    d.residual = j->in_out ? LT_RESIDUAL_IN_OUT : LT_RESIDUAL_NONE;
    const dnnl_dims_t src = { 1, c->c_in, b->in_rows, j->width };
    const dnnl_dims_t dst = { 1, c->c_out, b->rows, a->out->shape[2] };
    const dnnl_dims_t weights = { c->c_out, c->c_in, c->kh, c->kw };
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&d.src, 4, src, type, dnnl_nhwc);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.weights, 4, weights, type,
                                         dnnl_format_tag_any);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.bias, 1, (dnnl_dims_t){ c->c_out }, dnnl_f32,
                                         dnnl_a);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.dst, 4, dst, lt_dnnl_type(a->out->dtype),
                                         dnnl_nhwc);
    const lt_status st = lt_dnnl_check(s, "conv");
    if (st != LT_OK) return st;
    lt_dnnl_pack *pack = &((dnnl_conv *)(uintptr_t)c)->pack;
    return lt_dnnl_plan_make(pack, &key, &d, make_conv, c, scratch);
}

/* The input rows of a band, each pixel twice. oneDNN knows no enlarged input; a band
 * stays in the cache where a whole map would not. */
static const void *enlarge(const conv_job *j, const band *b, int64_t n, char *to)
{
    const lt_tensor *in = j->a->in;
    const size_t pixel = (size_t)j->a->w->c_in * lt_dtype_size(in->dtype);
    const size_t row = (size_t)j->width * pixel;
    const int64_t w = in->shape[2];
    for (int64_t y = 0; y < b->in_rows; y++) {
        char *line = to + (size_t)y * row;
        const int64_t from = (b->in_y + y) / 2;
        if (y > 0 && from == (b->in_y + y - 1) / 2) {
            memcpy(line, line - row, row);
            continue;
        }
        const char *at =
            (const char *)in->data + (size_t)((n * in->shape[1] + from) * w) * pixel;
        for (int64_t i = 0; i < w; i++, at += pixel) {
            memcpy(line + (size_t)(2 * i) * pixel, at, pixel);
            memcpy(line + (size_t)(2 * i + 1) * pixel, at, pixel);
        }
    }
    return to;
}

static lt_status conv_tile(void *arg, int64_t tile, int worker)
{
    const conv_job *j = arg;
    const lt_conv_args *a = j->a;
    const int64_t n = tile / j->n_bands, oh = a->out->shape[1], c_out = a->w->c_out;
    const band b = band_at(j, tile % j->n_bands);
    const lt_plan_key key = conv_key(j, &b);
    const size_t in_row =
        (size_t)(a->in->shape[2] * a->w->c_in) * lt_dtype_size(a->in->dtype);
    const size_t out_row =
        (size_t)(a->out->shape[2] * c_out) * lt_dtype_size(a->out->dtype);
    const size_t to = (size_t)(n * oh + b.y) * out_row;
    char *scratch = lt_scratch_of(&j->scratch, worker);
    const void *src =
        j->up ? enlarge(j, &b, n, scratch + j->scratch_bytes)
              : (const char *)a->in->data + (size_t)(n * j->h + b.in_y) * in_row;
    const lt_plan_run run = {
        .src = src,
        .bias = lt_f32(&j->bias) + (a->per_sample ? n * c_out : 0),
        .dst = (char *)a->out->data + to,
        .scratch = scratch,
    };
    if (j->in_out && a->residual->data != a->out->data)
        memcpy(run.dst, (const char *)a->residual->data + to, (size_t)b.rows * out_row);
    return lt_dnnl_plan_run(&j->w->pack, lt_dnnl_plan_find(&j->w->pack, &key), &run);
}

/* A value for each sample and channel is nothing but another bias. */
static lt_status make_bias(conv_job *j, const lt_exec *x)
{
    const lt_tensor *per = j->a->per_sample, *bias = &j->w->pack.bias;
    if (!per) {
        j->bias = lt_tensor_view(bias);
        return LT_OK;
    }
    const int64_t count = lt_tensor_count(per), c = j->a->w->c_out;
    const lt_status st = LT_TENSOR_NEW(&j->bias, x->pool, LT_F32, count);
    if (st != LT_OK) return st;
    for (int64_t i = 0; i < count; i++)
        lt_f32(&j->bias)[i] = lt_f32(bias)[i % c] + lt_f32(per)[i];
    return LT_OK;
}

lt_status lt_conv_dnnl(const lt_exec *x, const lt_conv_args *a)
{
    lt_status st = lt_conv_check(a);
    if (st != LT_OK || lt_tensor_count(a->out) == 0) return st;
    if (a->in->dtype != x->k->compute)
        return LT_FAIL(LT_ERR_SHAPE, "tensors do not fit together (conv): input is %s",
                       lt_dtype_name(a->in->dtype));
    conv_job j = { .a = a,
                   .w = (const dnnl_conv *)a->w,
                   .in_out = a->residual != NULL,
                   .up = a->upsample,
                   .h = a->in->shape[1] << a->upsample,
                   .width = a->in->shape[2] << a->upsample };
    int64_t in_rows = 0; /* of the tallest band */
    cut_bands(&j);
    for (int64_t i = 0; i < j.n_bands; i++) {
        const band b = band_at(&j, i);
        if (b.in_rows > in_rows) in_rows = b.in_rows;
        LT_TRY(make_plan(&j, &b, &j.scratch_bytes));
    }
    LT_TRY(make_bias(&j, x));
    j.scratch_bytes = (j.scratch_bytes + 63) / 64 * 64;
    const size_t values = j.up ? (size_t)(in_rows * j.width * a->w->c_in) : 0;
    LT_TRY(lt_scratch_new(&j.scratch, x,
                          j.scratch_bytes + values * lt_dtype_size(a->in->dtype)));
    LT_TRY(lt_parallel_for(x->threads, a->in->shape[0] * j.n_bands, conv_tile, &j));
cleanup:
    lt_tensor_free(&j.scratch);
    lt_tensor_free(&j.bias);
    return st;
}
