#include <stdlib.h>

#include "kernels/impl.h"

typedef struct ref_linear {
    lt_linear head; /* first: a lt_linear * points here */
    lt_tensor w;    /* [n_out][n_in] f32 */
    lt_tensor bias; /* [n_out] f32 */
} ref_linear;

lt_status lt_linear_pack_ref(const lt_exec *x, const lt_tensor *w, const lt_tensor *bias,
                             lt_linear **out)
{
    lt_status st = lt_linear_pack_check(w, bias);
    if (st != LT_OK) return st;
    const int64_t n_out = w->shape[0], n_in = w->shape[1];
    ref_linear *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (weights): free some memory");
    r->head = (lt_linear){ n_in, n_out };
    LT_TRY(LT_TENSOR_NEW(&r->w, x->pool, LT_F32, n_out, n_in));
    LT_TRY(LT_TENSOR_NEW(&r->bias, x->pool, LT_F32, n_out));
    LT_TRY(lt_tensor_convert(&r->w, w));
    if (bias)
        LT_TRY(lt_tensor_convert(&r->bias, bias));
    else
        LT_TRY(lt_tensor_zero(&r->bias, NULL));
    *out = &r->head;
    r = NULL;
cleanup:;
    lt_linear *failed = r ? &r->head : NULL;
    lt_linear_free_ref(&failed);
    return st;
}

lt_status lt_linear_ref(const lt_exec *x, const lt_linear_args *a)
{
    (void)x;
    const lt_status st = lt_linear_check(a);
    if (st != LT_OK) return st;
    const ref_linear *p = (const ref_linear *)a->w;
    const int64_t n_in = a->w->n_in, n_out = a->w->n_out, rows = lt_rows(a->in);
    const float *w = lt_f32(&p->w), *bias = lt_f32(&p->bias);

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = bias[o];
            for (int64_t i = 0; i < n_in; i++)
                sum += lt_get(a->in, r * n_in + i) * w[o * n_in + i];
            sum = lt_act_ref(a->act, sum);
            if (a->residual) sum += lt_get(a->residual, r * n_out + o);
            lt_put(a->out, r * n_out + o, sum);
        }
    }
    return LT_OK;
}

void lt_linear_free_ref(lt_linear **w)
{
    if (!w || !*w) return;
    ref_linear *r = (ref_linear *)*w;
    lt_tensor_free(&r->w);
    lt_tensor_free(&r->bias);
    free(r);
    *w = NULL;
}
