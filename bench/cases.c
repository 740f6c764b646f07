#include "bench/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- inputs ------------------------------------------------------------------------ */

lt_status lt_case_input(const lt_exec *x, lt_case *c, lt_dtype dtype, int ndim,
                        const int64_t *shape)
{
    lt_status st = LT_OK;
    lt_tensor values = { 0 };
    uint32_t s = 12345u + 977u * (uint32_t)c->n_in;
    LT_TRY(lt_tensor_new(&values, x->pool, LT_F32, ndim, shape));
    for (int64_t i = 0; i < lt_tensor_count(&values); i++) {
        s = s * 1664525u + 1013904223u;
        lt_f32(&values)[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    LT_TRY(lt_tensor_new(&c->in[c->n_in], x->pool, dtype, ndim, shape));
    LT_TRY(lt_tensor_convert(&c->in[c->n_in], &values));
    c->n_in++;
cleanup:
    lt_tensor_free(&values);
    return st;
}

static double product(const int64_t *size, int n)
{
    double p = 1;
    for (int i = 0; i < n; i++) p *= (double)size[i];
    return p;
}

/* ---- attention --------------------------------------------------------------------- */

static lt_status open_attention(const lt_exec *x, lt_case *c)
{
    const int64_t *s = c->size, width = s[3] * s[4];
    const lt_dtype t = x->k->compute;
    lt_status st = LT_OK;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lldx%lldx%lldx%lld", (long long)s[0],
             (long long)s[1], (long long)s[2], (long long)s[3], (long long)s[4]);
    c->kind = LT_BENCH_FLOPS;
    c->work = 4 * product(s, 5);
    LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[1], width));
    LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[2], width));
    LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[2], width));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, t, s[0], s[1], width));
cleanup:
    return st;
}

static lt_status run_attention(const lt_exec *x, lt_case *c)
{
    const int32_t *lists[64];
    int64_t n[64];
    const int64_t sets = c->size[0];
    lt_attention_args a = { .q = &c->in[0],
                            .k = &c->in[1],
                            .v = { &c->in[2] },
                            .out = { &c->out },
                            .n_values = 1,
                            .heads = (int)c->size[3],
                            .scale = 1.0f / sqrtf((float)c->size[4]) };
    for (int64_t i = 0; c->list && i < sets; i++) {
        lists[i] = c->list;
        n[i] = c->n_list;
    }
    if (c->list) {
        a.index = lists;
        a.n_index = n;
    }
    return x->k->attention(x, &a);
}

static lt_status open_attention_half(const lt_exec *x, lt_case *c)
{
    if (c->size[0] > 64)
        return LT_FAIL(LT_ERR_CONFIG, "attention_half takes at most 64 sets, not %lld",
                       (long long)c->size[0]);
    lt_status st = open_attention(x, c);
    if (st != LT_OK) return st;
    c->n_list = (c->size[2] + 1) / 2;
    c->work *= (double)c->n_list / (double)c->size[2];
    c->list = malloc((size_t)c->n_list * sizeof(*c->list));
    if (!c->list) return LT_FAIL(LT_ERR_NOMEM, "out of memory (list of keys)");
    for (int64_t i = 0; i < c->n_list; i++) c->list[i] = (int32_t)(2 * i);
    return LT_OK;
}

/* ---- matches ----------------------------------------------------------------------- */

static lt_status make_unit_rows(const lt_exec *x, lt_tensor *t)
{
    return x->k->unit_rows(x, t, t);
}

static lt_status open_match(const lt_exec *x, lt_case *c)
{
    const int64_t *s = c->size;
    lt_status st = LT_OK;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lldx%lld", (long long)s[0],
             (long long)s[1], (long long)s[2]);
    c->kind = LT_BENCH_FLOPS;
    c->work = 2 * product(s, 3);
    LT_TRY(LT_CASE_INPUT(x, c, x->k->compute, s[0], s[2]));
    LT_TRY(LT_CASE_INPUT(x, c, x->k->compute, s[1], s[2]));
    for (int i = 0; i < 2; i++) LT_TRY(make_unit_rows(x, &c->in[i]));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, LT_I32, s[0]));
cleanup:
    return st;
}

static lt_status run_match(const lt_exec *x, lt_case *c)
{
    const lt_best_match_args a = {
        .a = &c->in[0], .b = &c->in[1], .index = &c->out, .rows_per_tile = c->size[0]
    };
    return x->k->best_match(x, &a);
}

/* ---- linear ------------------------------------------------------------------------ */

static lt_status open_linear(const lt_exec *x, lt_case *c)
{
    const int64_t *s = c->size;
    const lt_dtype t = x->k->compute;
    lt_status st = LT_OK;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lldx%lld->%lld", (long long)s[0],
             (long long)s[1], (long long)s[2], (long long)s[3]);
    c->kind = LT_BENCH_FLOPS;
    c->work = 2 * product(s, 4);
    LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[1], s[2]));
    LT_TRY(LT_CASE_INPUT(x, c, t, s[3], s[2]));
    LT_TRY(LT_CASE_INPUT(x, c, LT_F32, s[3]));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, t, s[0], s[1], s[3]));
    LT_TRY(lt_tensor_zero(&c->out, NULL));
cleanup:
    return st;
}

static lt_status ready_linear(const lt_exec *x, lt_case *c)
{
    return x->k->linear_pack(x, &c->in[1], &c->in[2], &c->linear);
}

static lt_status run_linear_as(const lt_exec *x, lt_case *c, lt_act act, lt_tensor *plus)
{
    const lt_linear_args a = { .w = c->linear,
                               .in = &c->in[0],
                               .out = &c->out,
                               .residual = plus,
                               .rows_per_tile = c->size[1],
                               .act = act };
    return x->k->linear(x, &a);
}

static lt_status run_linear(const lt_exec *x, lt_case *c)
{
    return run_linear_as(x, c, LT_ACT_NONE, NULL);
}

static lt_status run_linear_gelu(const lt_exec *x, lt_case *c)
{
    return run_linear_as(x, c, LT_ACT_GELU, NULL);
}

static lt_status run_linear_residual(const lt_exec *x, lt_case *c)
{
    return run_linear_as(x, c, LT_ACT_NONE, &c->out);
}

/* ---- convolution ------------------------------------------------------------------- */

static lt_status open_conv(const lt_exec *x, lt_case *c)
{
    const int64_t *s = c->size, o = (s[3] + 2 * (s[4] / 2) - s[4]) / s[5] + 1;
    const lt_dtype t = x->k->compute;
    lt_status st = LT_OK;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lld->%lld@%lld k%lld s%lld",
             (long long)s[0], (long long)s[1], (long long)s[2], (long long)s[3],
             (long long)s[4], (long long)s[5]);
    c->kind = LT_BENCH_FLOPS;
    c->work = 2 * product(s, 3) * (double)(o * o * s[4] * s[4]);
    LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[3], s[3], s[1]));
    LT_TRY(LT_CASE_INPUT(x, c, t, s[2], s[1], s[4], s[4]));
    LT_TRY(LT_CASE_INPUT(x, c, LT_F32, s[2]));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, t, s[0], o, o, s[2]));
cleanup:
    return st;
}

static lt_status ready_conv(const lt_exec *x, lt_case *c)
{
    const int pad = (int)c->size[4] / 2;
    return x->k->conv_pack(x, &c->in[1], &c->in[2],
                           (lt_conv_shape){ (int)c->size[5], pad, pad, pad, pad },
                           &c->conv);
}

static lt_status run_conv(const lt_exec *x, lt_case *c)
{
    return x->k->conv(x,
                      &(lt_conv_args){ .w = c->conv, .in = &c->in[0], .out = &c->out });
}

/* ---- what is bound by memory ------------------------------------------------------- */

/* in [batch, pixels, c * wide_in] -> out [batch, pixels, c * wide_out]; n_in of such
 * inputs; the work is what must be read and written once. */
static lt_status open_memory(const lt_exec *x, lt_case *c, int n_in, int wide_in,
                             int wide_out)
{
    const int64_t *s = c->size;
    const lt_dtype t = x->k->compute;
    lt_status st = LT_OK;
    snprintf(c->shape, sizeof(c->shape), "%lldx%lldx%lld", (long long)s[0],
             (long long)s[1], (long long)s[2]);
    c->kind = LT_BENCH_BYTES;
    c->work =
        (double)(n_in * wide_in + wide_out) * product(s, 3) * (double)lt_dtype_size(t);
    for (int i = 0; i < n_in; i++)
        LT_TRY(LT_CASE_INPUT(x, c, t, s[0], s[1], s[2] * wide_in));
    LT_TRY(LT_TENSOR_NEW(&c->out, x->pool, t, s[0], s[1], s[2] * wide_out));
cleanup:
    return st;
}

static lt_status open_unary(const lt_exec *x, lt_case *c)
{
    return open_memory(x, c, 1, 1, 1);
}

static lt_status open_norm(const lt_exec *x, lt_case *c)
{
    lt_status st = open_memory(x, c, 1, 1, 1);
    for (int i = 0; i < 2 && st == LT_OK; i++)
        st = LT_CASE_INPUT(x, c, LT_F32, c->size[2]);
    return st;
}

static lt_status open_add(const lt_exec *x, lt_case *c)
{
    return open_memory(x, c, 2, 1, 1);
}

static lt_status open_concat(const lt_exec *x, lt_case *c)
{
    return open_memory(x, c, 2, 1, 2);
}

static lt_status open_geglu(const lt_exec *x, lt_case *c)
{
    return open_memory(x, c, 1, 2, 1);
}

static lt_status run_group_norm(const lt_exec *x, lt_case *c)
{
    const lt_group_norm_args a = {
        &c->in[0], &c->out, &c->in[1], &c->in[2], 32, 1e-5f, 1
    };
    return x->k->group_norm(x, &a);
}

static lt_status run_layer_norm(const lt_exec *x, lt_case *c)
{
    const lt_layer_norm_args a = { &c->in[0], &c->out, &c->in[1], &c->in[2], 1e-5f };
    return x->k->layer_norm(x, &a);
}

static lt_status run_geglu(const lt_exec *x, lt_case *c)
{
    return x->k->geglu(x, &c->in[0], &c->out);
}

static lt_status run_silu(const lt_exec *x, lt_case *c)
{
    return x->k->unary(x, LT_ACT_SILU, &c->in[0], &c->out);
}

static lt_status run_gelu(const lt_exec *x, lt_case *c)
{
    return x->k->unary(x, LT_ACT_GELU, &c->in[0], &c->out);
}

static lt_status run_add(const lt_exec *x, lt_case *c)
{
    return x->k->add(x, &c->in[0], &c->in[1], &c->out);
}

static lt_status run_concat(const lt_exec *x, lt_case *c)
{
    return x->k->concat(x, &c->in[0], &c->in[1], &c->out);
}

static const lt_case_op kernel_ops[] = {
    { "attention", 5, 0, open_attention, NULL, run_attention },
    { "attention_half", 5, 0, open_attention_half, NULL, run_attention },
    { "best_match", 3, 0, open_match, NULL, run_match },
    { "linear", 4, 0, open_linear, ready_linear, run_linear },
    { "linear_gelu", 4, 0, open_linear, ready_linear, run_linear_gelu },
    { "linear_residual", 4, 0, open_linear, ready_linear, run_linear_residual },
    { "conv", 6, 0, open_conv, ready_conv, run_conv },
    { "group_norm", 3, 0, open_norm, NULL, run_group_norm },
    { "layer_norm", 3, 0, open_norm, NULL, run_layer_norm },
    { "geglu", 3, 0, open_geglu, NULL, run_geglu },
    { "silu", 3, 0, open_unary, NULL, run_silu },
    { "gelu", 3, 0, open_unary, NULL, run_gelu },
    { "add", 3, 0, open_add, NULL, run_add },
    { "concat", 3, 0, open_concat, NULL, run_concat },
    { 0 }
};

/* ---- a case ------------------------------------------------------------------------ */

static const lt_case_op *find(const lt_case_op *o, const char *name)
{
    while (o->name && strcmp(o->name, name) != 0) o++;
    return o->name ? o : NULL;
}

lt_status lt_case_open(const lt_exec *x, const lt_model *model, const char *op,
                       const int64_t *size, int n_size, lt_case *c)
{
    *c = (lt_case){ .model = model };
    c->op = find(kernel_ops, op);
    if (!c->op) c->op = find(lt_case_models, op);
    if (!c->op)
        return LT_FAIL(LT_ERR_CONFIG, "no operation %.40s (bench): see cases.h", op);
    if (c->op->n_sizes != n_size)
        return LT_FAIL(LT_ERR_CONFIG, "%s takes %d sizes, not %d (bench): see cases.h",
                       op, c->op->n_sizes, n_size);
    if (c->op->needs_model && !model)
        return LT_FAIL(LT_ERR_CONFIG, "%s needs a model (bench): give its folder", op);
    for (int i = 0; i < n_size; i++) {
        if (size[i] < 1 || size[i] > INT64_C(1) << 30)
            return LT_FAIL(LT_ERR_CONFIG, "size %lld of %s is out of range (bench)",
                           (long long)size[i], op);
        c->size[i] = size[i];
    }
    return c->op->open(x, c);
}

void lt_case_close(const lt_exec *x, lt_case *c)
{
    x->k->linear_free(&c->linear);
    x->k->conv_free(&c->conv);
    lt_unet_context_free(&c->context);
    for (int i = 0; i < LT_CASE_INPUTS; i++) lt_tensor_free(&c->in[i]);
    lt_tensor_free(&c->out);
    free(c->list);
    c->list = NULL;
    c->n_in = 0;
}

lt_status lt_case_ready(const lt_exec *x, lt_case *c)
{
    return c->op->ready ? c->op->ready(x, c) : LT_OK;
}

lt_status lt_case_run(const lt_exec *x, void *c)
{
    lt_case *one = c;
    return one->op->run(x, one);
}

const char *lt_case_name(const lt_case *c) { return c->op->name; }

lt_status lt_case_load(lt_case *c, int i, const char *file)
{
    lt_status st = LT_OK;
    float *values = NULL;
    char extra;
    FILE *f = fopen(file, "rbe");
    if (!f) return LT_FAIL(LT_ERR_NOINPUT, "no such file (%s): check the name", file);
    if (i < 0 || i >= c->n_in)
        LT_TRY(LT_FAIL(LT_ERR_CONFIG, "%s has no input %d (bench)", c->op->name, i));
    const int64_t n = lt_tensor_count(&c->in[i]);
    values = malloc((size_t)n * sizeof(*values));
    if (!values) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (input of a case)"));
    if (fread(values, sizeof(*values), (size_t)n, f) != (size_t)n ||
        fread(&extra, 1, 1, f) == 1)
        LT_TRY(LT_FAIL(LT_ERR_DATA, "not %lld numbers (%s): make the input anew",
                       (long long)n, file));
    lt_tensor t = lt_tensor_wrap(values, LT_HOST, LT_F32, c->in[i].ndim, c->in[i].shape);
    LT_TRY(lt_tensor_convert(&c->in[i], &t));
cleanup:
    free(values);
    fclose(f);
    return st;
}

lt_status lt_case_store(const lt_exec *x, const lt_case *c, const char *file)
{
    lt_status st = LT_OK;
    lt_tensor t = { 0 };
    FILE *f = NULL;
    const lt_dtype dtype = c->out.dtype == LT_I32 ? LT_I32 : LT_F32;
    LT_TRY(lt_tensor_new(&t, x->pool, dtype, c->out.ndim, c->out.shape));
    if (dtype == LT_I32)
        LT_TRY(lt_tensor_copy(&t, &c->out, NULL));
    else
        LT_TRY(lt_tensor_convert(&t, &c->out));
    f = fopen(file, "wbe");
    const size_t bytes = lt_tensor_bytes(&t);
    const int bad = !f || fwrite(t.data, 1, bytes, f) != bytes;
    if ((f && fclose(f) != 0) || bad)
        LT_TRY(LT_FAIL(LT_ERR_IO, "cannot write (%s): check the folder", file));
cleanup:
    lt_tensor_free(&t);
    return st;
}

lt_status lt_case_time(const lt_bench *b, const lt_model *model, const lt_case_request *r,
                       int min_runs, void (*row)(void *ctx, const lt_bench_row *),
                       void *ctx)
{
    lt_case c;
    lt_bench_times t;
    lt_status st = lt_case_open(&b->x, model, r->op, r->size, r->n_size, &c);
    if (st == LT_OK) st = lt_case_ready(&b->x, &c);
    if (st == LT_OK) st = lt_bench_measure(b, min_runs, lt_case_run, &c, &t);
    if (st == LT_OK) row(ctx, &(lt_bench_row){ c.op->name, c.shape, c.kind, c.work, t });
    lt_case_close(&b->x, &c);
    lt_pool_trim(b->x.pool);
    return st;
}
