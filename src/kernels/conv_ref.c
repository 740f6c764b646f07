#include <stdlib.h>

#include "kernels/impl.h"

typedef struct ref_conv {
    lt_conv head;   /* first: a lt_conv * points here */
    lt_tensor w;    /* [c_out][c_in][kh][kw] f32 */
    lt_tensor bias; /* [c_out] f32 */
} ref_conv;

lt_status lt_conv_pack_ref(const lt_exec *x, const lt_tensor *w, const lt_tensor *bias,
                           lt_conv_shape shape, lt_conv **out)
{
    lt_status st = lt_conv_pack_check(w, bias, shape);
    if (st != LT_OK) return st;
    ref_conv *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (weights): free some memory");
    r->head = (lt_conv){ w->shape[1], w->shape[0], w->shape[2], w->shape[3], shape };
    LT_TRY(lt_tensor_new(&r->w, x->pool, LT_F32, 4, w->shape));
    LT_TRY(LT_TENSOR_NEW(&r->bias, x->pool, LT_F32, w->shape[0]));
    LT_TRY(lt_tensor_convert(&r->w, w));
    if (bias)
        LT_TRY(lt_tensor_convert(&r->bias, bias));
    else
        LT_TRY(lt_tensor_zero(&r->bias, NULL));
    *out = &r->head;
    r = NULL;
cleanup:;
    lt_conv *failed = r ? &r->head : NULL;
    lt_conv_free_ref(&failed);
    return st;
}

/* The sum at output pixel (y, x) of channel o of sample n. */
static double conv_sum(const lt_conv_args *a, int64_t n, int64_t y, int64_t x, int64_t o)
{
    const ref_conv *p = (const ref_conv *)a->w;
    const lt_conv *c = a->w;
    const float *w = lt_f32(&p->w) + o * c->c_in * c->kh * c->kw;
    const int up = a->upsample;
    const int64_t h = a->in->shape[1] << up, width = a->in->shape[2] << up;
    double sum = lt_f32(&p->bias)[o];
    for (int64_t ky = 0; ky < c->kh; ky++) {
        for (int64_t kx = 0; kx < c->kw; kx++) {
            const int64_t iy = y * c->shape.stride - c->shape.top + ky;
            const int64_t ix = x * c->shape.stride - c->shape.left + kx;
            if (iy < 0 || iy >= h || ix < 0 || ix >= width) continue;
            const int64_t row = n * (h >> up) + (iy >> up);
            const int64_t pixel = (row * (width >> up) + (ix >> up)) * c->c_in;
            for (int64_t i = 0; i < c->c_in; i++)
                sum += lt_get(a->in, pixel + i) * w[(i * c->kh + ky) * c->kw + kx];
        }
    }
    return sum;
}

lt_status lt_conv_ref(const lt_exec *x, const lt_conv_args *a)
{
    (void)x;
    const lt_status st = lt_conv_check(a);
    if (st != LT_OK) return st;
    const int64_t oh = a->out->shape[1], ow = a->out->shape[2], c_out = a->w->c_out;

    for (int64_t i = 0; i < lt_tensor_count(a->out); i++) {
        const int64_t o = i % c_out, ox = i / c_out % ow, oy = i / c_out / ow % oh;
        const int64_t n = i / c_out / ow / oh;
        double sum = conv_sum(a, n, oy, ox, o);
        if (a->per_sample) sum += lt_f32(a->per_sample)[n * c_out + o];
        if (a->residual) sum += lt_get(a->residual, i);
        lt_put(a->out, i, sum);
    }
    return LT_OK;
}

void lt_conv_free_ref(lt_conv **w)
{
    if (!w || !*w) return;
    ref_conv *r = (ref_conv *)*w;
    lt_tensor_free(&r->w);
    lt_tensor_free(&r->bias);
    free(r);
    *w = NULL;
}
