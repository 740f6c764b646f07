#include "models/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/expect.h"
#include "models/lora.h"

/* Tell the visitor; with weights, find the tensor. *t stays NULL without. */
static lt_status find(const lt_loader *l, const char *name, int ndim,
                      const int64_t *shape, const lt_weight **t)
{
    char other[LT_NAME_MAX];
    *t = NULL;
    if (l->visit) l->visit(l->self, name, ndim, shape);
    if (!l->w) return LT_OK;
    return lt_weights_get(l->w, lt_resolve_name(l->w, name, other), ndim, shape, t);
}

lt_status lt_load_host(const lt_loader *l, const char *name, int ndim,
                       const int64_t *shape, float **out)
{
    const lt_weight *t = NULL;
    lt_status st = find(l, name, ndim, shape, &t);
    *out = NULL;
    if (st != LT_OK || !t) return st;
    float *values = malloc((size_t)(t->count ? t->count : 1) * sizeof(*values));
    if (!values) return LT_FAIL(LT_ERR_NOMEM, "out of memory for tensor %s", name);
    st = lt_weight_to_f32(t, 0, t->count, values);
    if (st == LT_OK)
        *out = values;
    else
        free(values);
    return st;
}

/* The same into the scratch room, where it stays until the next call. */
static lt_status load_scratch(const lt_loader *l, const char *name, int ndim,
                              const int64_t *shape)
{
    const lt_weight *t = NULL;
    const lt_status st = find(l, name, ndim, shape, &t);
    if (st != LT_OK || !t) return st;
    if (t->count > l->scratch->count) {
        free(l->scratch->data);
        l->scratch->data = malloc((size_t)t->count * sizeof(float));
        l->scratch->count = l->scratch->data ? t->count : 0;
        if (!l->scratch->data)
            return LT_FAIL(LT_ERR_NOMEM, "out of memory for tensor %s", name);
    }
    const lt_status read = lt_weight_to_f32(t, 0, t->count, l->scratch->data);
    if (read != LT_OK || !l->lora) return read;
    return lt_lora_merge(l->lora, (lt_part)l->part, name, t->count, l->scratch->data);
}

/* PATH.weight into the scratch room and, when asked for, PATH.bias of [shape[0]]. */
static lt_status load_pair(const lt_loader *l, const char *path, int ndim,
                           const int64_t *shape, int has_bias, float **bias)
{
    char name[LT_NAME_MAX];
    snprintf(name, sizeof(name), "%s.weight", path);
    lt_status st = load_scratch(l, name, ndim, shape);
    if (st != LT_OK || !has_bias) return st;
    snprintf(name, sizeof(name), "%s.bias", path);
    return lt_load_host(l, name, 1, shape, bias);
}

lt_status lt_to_exec(const lt_exec *x, const float *values, lt_dtype dtype, int ndim,
                     const int64_t *shape, lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_tensor t = { 0 }, converted = { 0 };
    const lt_tensor src = lt_tensor_wrap((void *)values, LT_HOST, LT_F32, ndim, shape);
    LT_TRY(lt_tensor_new(&t, x->pool, LT_F32, ndim, shape));
    LT_TRY(lt_tensor_copy(&t, &src, x->stream));
    if (dtype != LT_F32) {
        LT_TRY(lt_tensor_new(&converted, x->pool, dtype, ndim, shape));
        LT_TRY(x->k->convert(x, &t, &converted));
        lt_tensor_move(&t, &converted);
    }
    lt_tensor_move(out, &t);
cleanup:
    lt_tensor_free(&t);
    lt_tensor_free(&converted);
    return st;
}

lt_status lt_load_norm(const lt_loader *l, const char *path, int64_t c, lt_norm *norm)
{
    lt_status st = LT_OK;
    float *beta = NULL;
    LT_TRY(load_pair(l, path, 1, &c, 1, &beta));
    if (l->w) {
        LT_TRY(lt_to_exec(l->x, l->scratch->data, LT_F32, 1, &c, &norm->gamma));
        LT_TRY(lt_to_exec(l->x, beta, LT_F32, 1, &c, &norm->beta));
    }
cleanup:
    free(beta);
    return st;
}

void lt_norm_free(lt_norm *norm)
{
    lt_tensor_free(&norm->gamma);
    lt_tensor_free(&norm->beta);
}

lt_status lt_load_linear(const lt_loader *l, const char *path, int64_t n_out,
                         int64_t n_in, lt_linear_form form, lt_linear **out)
{
    lt_status st = LT_OK;
    const int64_t shape[4] = { n_out, n_in, 1, 1 };
    const int has_bias = form != LT_LINEAR_NO_BIAS;
    float *bias = NULL;
    LT_TRY(load_pair(l, path, form == LT_LINEAR_CONV ? 4 : 2, shape, has_bias, &bias));
    if (l->w) {
        const lt_tensor w = lt_tensor_wrap(l->scratch->data, LT_HOST, LT_F32, 2, shape);
        const lt_tensor b = lt_tensor_wrap(bias, LT_HOST, LT_F32, 1, shape);
        LT_TRY(l->x->k->linear_pack(l->x, &w, has_bias ? &b : NULL, out));
    }
cleanup:
    free(bias);
    return st;
}

lt_status lt_load_linear_f32(const lt_loader *l, const char *path, int64_t n_out,
                             int64_t n_in, lt_linear **out)
{
    if (!l->w) return lt_load_linear(l, path, n_out, n_in, LT_LINEAR, out);
    const lt_exec x32 = lt_exec_f32(l->x);
    lt_loader l32 = *l;
    l32.x = &x32;
    return lt_load_linear(&l32, path, n_out, n_in, LT_LINEAR, out);
}

lt_status lt_load_conv(const lt_loader *l, const char *path, int64_t c_out, int64_t c_in,
                       lt_conv_shape conv, lt_conv **out)
{
    lt_status st = LT_OK;
    const int64_t shape[4] = { c_out, c_in, 3, 3 };
    float *bias = NULL;
    LT_TRY(load_pair(l, path, 4, shape, 1, &bias));
    if (l->w) {
        const lt_tensor w = lt_tensor_wrap(l->scratch->data, LT_HOST, LT_F32, 4, shape);
        const lt_tensor b = lt_tensor_wrap(bias, LT_HOST, LT_F32, 1, shape);
        LT_TRY(l->x->k->conv_pack(l->x, &w, &b, conv, out));
    }
cleanup:
    free(bias);
    return st;
}

lt_exec lt_exec_f32(const lt_exec *x)
{
    lt_exec e = *x;
    const lt_kernels *k = NULL;
    if (x->k->space == LT_HOST && x->k->compute != LT_F32 &&
        lt_kernels_get(x->k->path, LT_F32, &k) == LT_OK)
        e.k = k;
    return e;
}

lt_conv_shape lt_conv_same(int stride)
{
    return (
        lt_conv_shape){ .stride = stride, .top = 1, .left = 1, .bottom = 1, .right = 1 };
}

int64_t lt_rows_per_tile(int64_t rows)
{
    enum { LEAST = 256, MOST = 1024 };
    for (int64_t tile = MOST; tile >= LEAST; tile--)
        if (tile < rows && rows % tile == 0) return tile;
    return rows > 0 ? rows : 1;
}

lt_status lt_run_linear(const lt_exec *x, const lt_linear *w, const lt_tensor *in,
                        lt_act act, const lt_tensor *residual, lt_tensor *out)
{
    int64_t rows = 1;
    for (int i = 1; i < in->ndim - 1; i++) rows *= in->shape[i];
    const lt_linear_args a = { .w = w,
                               .in = in,
                               .out = out,
                               .residual = residual,
                               .rows_per_tile = lt_rows_per_tile(rows),
                               .act = act };
    return x->k->linear(x, &a);
}

lt_status lt_run_group_norm(const lt_exec *x, const lt_norm *norm, int64_t groups,
                            float eps, int silu, const lt_tensor *in, lt_tensor *out)
{
    const lt_group_norm_args a = { .in = in,
                                   .out = out,
                                   .gamma = &norm->gamma,
                                   .beta = &norm->beta,
                                   .groups = groups,
                                   .eps = eps,
                                   .silu = silu };
    return x->k->group_norm(x, &a);
}

lt_status lt_run_layer_norm(const lt_exec *x, const lt_norm *norm, const lt_tensor *in,
                            lt_tensor *out)
{
    const lt_layer_norm_args a = {
        .in = in, .out = out, .gamma = &norm->gamma, .beta = &norm->beta, .eps = 1e-5f
    };
    return x->k->layer_norm(x, &a);
}

void lt_tensor_move(lt_tensor *dst, lt_tensor *src)
{
    lt_tensor_free(dst);
    *dst = *src;
    memset(src, 0, sizeof(*src));
}
