#include "models/resnet.h"

#include <stdio.h>

static lt_status load_part(const lt_loader *l, const char *path, const char *part,
                           int64_t c_out, int64_t c_in, lt_conv **conv)
{
    char name[LT_NAME_MAX];
    snprintf(name, sizeof(name), "%s.%s", path, part);
    return lt_load_conv(l, name, c_out, c_in, lt_conv_same(1), conv);
}

lt_status lt_resnet_load(const lt_loader *l, const char *path, int64_t time_dim,
                         lt_resnet *r)
{
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    snprintf(name, sizeof(name), "%s.norm1", path);
    LT_TRY(lt_load_norm(l, name, r->c_in, &r->norm1));
    LT_TRY(load_part(l, path, "conv1", r->c_out, r->c_in, &r->conv1));
    if (time_dim) {
        snprintf(name, sizeof(name), "%s.time_emb_proj", path);
        LT_TRY(lt_load_linear_f32(l, name, r->c_out, time_dim, &r->time));
    }
    snprintf(name, sizeof(name), "%s.norm2", path);
    LT_TRY(lt_load_norm(l, name, r->c_out, &r->norm2));
    LT_TRY(load_part(l, path, "conv2", r->c_out, r->c_out, &r->conv2));
    if (r->c_in != r->c_out) {
        snprintf(name, sizeof(name), "%s.conv_shortcut", path);
        LT_TRY(lt_load_linear(l, name, r->c_out, r->c_in, LT_LINEAR_CONV, &r->shortcut));
    }
cleanup:
    return st;
}

void lt_resnet_free(const lt_kernels *k, const lt_kernels *k32, lt_resnet *r)
{
    lt_norm_free(&r->norm1);
    lt_norm_free(&r->norm2);
    k->conv_free(&r->conv1);
    k->conv_free(&r->conv2);
    if (r->time) k32->linear_free(&r->time);
    k->linear_free(&r->shortcut);
}

/* The projected time embedding, repeated for n samples: [n, c_out] f32. All samples of
 * a batch share the timestep, so one row is computed. */
static lt_status time_rows(const lt_exec *x, const lt_resnet *r, const lt_tensor *time,
                           int64_t n, lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_tensor row = { 0 };
    const lt_exec x32 = lt_exec_f32(x);
    LT_TRY(LT_TENSOR_NEW(&row, x->pool, LT_F32, 1, r->c_out));
    LT_TRY(lt_run_linear(&x32, r->time, time, LT_ACT_NONE, NULL, &row));
    LT_TRY(LT_TENSOR_NEW(out, x->pool, LT_F32, n, r->c_out));
    for (int64_t i = 0; i < n; i++) {
        lt_tensor to = lt_tensor_rows(out, i, 1);
        st = lt_tensor_copy(&to, &row, x->stream);
        lt_tensor_free(&to);
        if (st != LT_OK) goto cleanup;
    }
cleanup:
    lt_tensor_free(&row);
    return st;
}

/* Up to and with conv1 and the time embedding. spoil: `in` may be overwritten. */
static lt_status first_half(const lt_exec *x, const lt_resnet *r, const lt_tensor *time,
                            const lt_tensor *in, int spoil, lt_tensor *h)
{
    lt_status st = LT_OK;
    lt_tensor t = { 0 }, rows = { 0 };
    const int64_t n = in->shape[0];
    if (spoil)
        t = lt_tensor_view(in);
    else
        LT_TRY(lt_tensor_new(&t, x->pool, x->k->compute, 4, in->shape));
    LT_TRY(lt_run_group_norm(x, &r->norm1, r->groups, r->eps, 1, in, &t));
    if (r->time) LT_TRY(time_rows(x, r, time, n, &rows));
    LT_TRY(LT_TENSOR_NEW(h, x->pool, x->k->compute, n, in->shape[1], in->shape[2],
                         r->c_out));
    const lt_conv_args a = {
        .w = r->conv1, .in = &t, .out = h, .per_sample = r->time ? &rows : NULL
    };
    LT_TRY(x->k->conv(x, &a));
cleanup:
    lt_tensor_free(&t);
    lt_tensor_free(&rows);
    return st;
}

/* norm2, conv2, and the residual when there is one, in its place when nobody else holds
 * it; h is overwritten. */
static lt_status second_half(const lt_exec *x, const lt_resnet *r, lt_tensor *h,
                             const lt_tensor *residual, lt_tensor *out)
{
    lt_status st = LT_OK;
    LT_TRY(lt_run_group_norm(x, &r->norm2, r->groups, r->eps, 1, h, h));
    if (residual && !lt_tensor_shared(residual))
        *out = lt_tensor_view(residual);
    else
        LT_TRY(lt_tensor_new(out, x->pool, x->k->compute, 4, h->shape));
    const lt_conv_args a = { .w = r->conv2, .in = h, .out = out, .residual = residual };
    LT_TRY(x->k->conv(x, &a));
cleanup:
    return st;
}

lt_status lt_resnet_run(const lt_exec *x, const lt_resnet *r, const lt_tensor *time,
                        lt_tensor *map)
{
    lt_status st = LT_OK;
    lt_tensor h = { 0 }, out = { 0 }, s = { 0 };
    if (r->shortcut) { /* first, so that the input can be normalised in place */
        LT_TRY(LT_TENSOR_NEW(&s, x->pool, x->k->compute, map->shape[0], map->shape[1],
                             map->shape[2], r->c_out));
        LT_TRY(lt_run_linear(x, r->shortcut, map, LT_ACT_NONE, NULL, &s));
        LT_TRY(first_half(x, r, time, map, !lt_tensor_shared(map), &h));
        lt_tensor_move(map, &s);
    } else {
        LT_TRY(first_half(x, r, time, map, 0, &h));
    }
    LT_TRY(second_half(x, r, &h, map, &out));
    lt_tensor_move(map, &out);
cleanup:
    lt_tensor_free(&h);
    lt_tensor_free(&out);
    lt_tensor_free(&s);
    return st;
}

lt_status lt_resnet_hidden(const lt_exec *x, const lt_resnet *r, const lt_tensor *time,
                           const lt_tensor *map, lt_tensor *hidden)
{
    lt_status st = LT_OK;
    lt_tensor h = { 0 }, out = { 0 };
    LT_TRY(first_half(x, r, time, map, 0, &h));
    LT_TRY(second_half(x, r, &h, NULL, &out));
    lt_tensor_move(hidden, &out);
cleanup:
    lt_tensor_free(&h);
    lt_tensor_free(&out);
    return st;
}

lt_status lt_resnet_join(const lt_exec *x, const lt_resnet *r, lt_tensor *map,
                         lt_tensor *hidden)
{
    const lt_status st =
        r->shortcut ? lt_run_linear(x, r->shortcut, map, LT_ACT_NONE, hidden, hidden)
                    : x->k->add(x, map, hidden, hidden);
    if (st == LT_OK) lt_tensor_move(map, hidden);
    return st;
}

lt_status lt_run_conv(const lt_exec *x, const lt_conv *w, lt_tensor *map)
{
    lt_status st = LT_OK;
    lt_tensor out = { 0 };
    LT_TRY(LT_TENSOR_NEW(&out, x->pool, x->k->compute, map->shape[0],
                         lt_conv_out_h(w, map->shape[1]), lt_conv_out_w(w, map->shape[2]),
                         lt_conv_c_out(w)));
    const lt_conv_args a = { .w = w, .in = map, .out = &out };
    LT_TRY(x->k->conv(x, &a));
    lt_tensor_move(map, &out);
cleanup:
    lt_tensor_free(&out);
    return st;
}

lt_status lt_run_upsample(const lt_exec *x, const lt_conv *w, int64_t oh, int64_t ow,
                          lt_tensor *map)
{
    lt_status st = LT_OK;
    lt_tensor big = { 0 };
    if (oh == 2 * map->shape[1] && ow == 2 * map->shape[2]) {
        LT_TRY(LT_TENSOR_NEW(&big, x->pool, x->k->compute, map->shape[0], oh, ow,
                             lt_conv_c_out(w)));
        const lt_conv_args a = { .w = w, .in = map, .out = &big, .upsample = 1 };
        LT_TRY(x->k->conv(x, &a));
        lt_tensor_move(map, &big);
        goto cleanup;
    }
    LT_TRY(LT_TENSOR_NEW(&big, x->pool, x->k->compute, map->shape[0], oh, ow,
                         map->shape[3]));
    LT_TRY(x->k->upsample(x, map, &big));
    lt_tensor_move(map, &big);
    LT_TRY(lt_run_conv(x, w, map));
cleanup:
    lt_tensor_free(&big);
    return st;
}

lt_status lt_as_compute(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    if (in->dtype == x->k->compute) {
        lt_tensor view = lt_tensor_view(in);
        lt_tensor_move(out, &view);
        return LT_OK;
    }
    lt_tensor t = { 0 };
    lt_status st = lt_tensor_new(&t, x->pool, x->k->compute, in->ndim, in->shape);
    if (st == LT_OK) st = x->k->convert(x, in, &t);
    if (st == LT_OK) lt_tensor_move(out, &t);
    lt_tensor_free(&t);
    return st;
}
