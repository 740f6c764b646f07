#include "kernels/dnnl_pack.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

struct lt_dnnl_layout {
    lt_dnnl_layout *next;
    dnnl_memory_desc_t md;
    lt_tensor bytes;
    dnnl_memory_t memory;
    int plain; /* as the caller gave it: dropped when a plan has chosen a layout */
};

struct lt_dnnl_plan {
    lt_dnnl_plan *next;
    lt_plan_key key;
    lt_plan_desc desc;
    dnnl_memory_desc_t scratch;
    dnnl_primitive_t primitive;
    const lt_dnnl_layout *weights;
};

dnnl_data_type_t lt_dnnl_type(lt_dtype t) { return t == LT_F32 ? dnnl_f32 : dnnl_bf16; }

lt_status lt_dnnl_check(dnnl_status_t s, const char *what)
{
    if (s == dnnl_success) return LT_OK;
    if (s == dnnl_out_of_memory)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (oneDNN, %s): free some memory",
                       what);
    return LT_FAIL(LT_ERR_INTERNAL, "oneDNN refuses (%s): status %d", what, (int)s);
}

/* oneDNN plans and runs for the number of OpenMP threads of the calling thread. Its
 * primitives must be made and run for one thread, whoever calls, so that the bits do
 * not depend on it; the caller's setting is put back. */
static int one_thread(void)
{
    const int before = omp_get_max_threads();
    if (before != 1) omp_set_num_threads(1);
    return before;
}

static void threads_back(int before)
{
    if (before != 1) omp_set_num_threads(before);
}

static void layout_free(lt_dnnl_layout *l)
{
    if (!l) return;
    if (l->memory) dnnl_memory_destroy(l->memory);
    lt_tensor_free(&l->bytes);
    free(l);
}

static lt_status layout_new(lt_dnnl_pack *p, const dnnl_memory_desc_t *md,
                            lt_dnnl_layout **out)
{
    lt_status st = LT_OK;
    lt_dnnl_layout *l = calloc(1, sizeof(*l));
    if (!l) return LT_FAIL(LT_ERR_NOMEM, "out of memory (weights): free some memory");
    l->md = *md;
    lt_pool_trim(p->pool); /* what stays for ever must not sit in a free block too large */
    LT_TRY(
        LT_TENSOR_NEW(&l->bytes, p->pool, LT_U8, (int64_t)dnnl_memory_desc_get_size(md)));
    LT_TRY(lt_dnnl_check(dnnl_memory_create(&l->memory, md, p->engine, l->bytes.data),
                         "weights"));
    *out = l;
    l = NULL;
cleanup:
    layout_free(l);
    return st;
}

/* Fill `to` with the weights of `from`. */
static lt_status reorder(lt_dnnl_pack *p, const lt_dnnl_layout *from, lt_dnnl_layout *to)
{
    lt_status st = LT_OK;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_stream_t stream = NULL;
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from->memory },
                                     { DNNL_ARG_TO, to->memory } };
    LT_TRY(lt_dnnl_check(dnnl_reorder_primitive_desc_create(&desc, &from->md, p->engine,
                                                            &to->md, p->engine, NULL),
                         "layout of weights"));
    LT_TRY(lt_dnnl_check(dnnl_primitive_create(&prim, desc), "layout of weights"));
    LT_TRY(lt_dnnl_check(
        dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags), "stream"));
    LT_TRY(lt_dnnl_check(dnnl_primitive_execute(prim, stream, 2, args), "weights"));
    LT_TRY(lt_dnnl_check(dnnl_stream_wait(stream), "weights"));
cleanup:
    if (stream) dnnl_stream_destroy(stream);
    if (prim) dnnl_primitive_destroy(prim);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return st;
}

/* The layout `md`, made from an existing one when it is new. */
static lt_status layout_get(lt_dnnl_pack *p, const dnnl_memory_desc_t *md,
                            const lt_dnnl_layout **out)
{
    lt_status st = LT_OK;
    lt_dnnl_layout *made = NULL, *first = p->layouts;
    for (lt_dnnl_layout *l = first; l; l = l->next) {
        if (!dnnl_memory_desc_equal(&l->md, md)) continue;
        l->plain = 0;
        *out = l;
        return LT_OK;
    }
    LT_TRY(layout_new(p, md, &made));
    LT_TRY(reorder(p, first, made));
    if (first->plain) {
        p->layouts = first->next;
        layout_free(first);
    }
    made->next = p->layouts;
    p->layouts = made;
    *out = made;
    made = NULL;
cleanup:
    layout_free(made);
    return st;
}

static lt_status open_bias(lt_dnnl_pack *p, const lt_tensor *bias, int64_t n_out)
{
    const lt_status st = LT_TENSOR_NEW(&p->bias, p->pool, LT_F32, n_out);
    if (st != LT_OK) return st;
    return bias ? lt_tensor_convert(&p->bias, bias) : lt_tensor_zero(&p->bias, NULL);
}

lt_status lt_dnnl_pack_open(lt_dnnl_pack *p, const lt_exec *x, const lt_tensor *w,
                            const dnnl_memory_desc_t *md, const lt_tensor *bias,
                            int64_t n_out)
{
    lt_status st = LT_OK;
    *p = (lt_dnnl_pack){ .pool = x->pool, .compute = x->k->compute };
    dnnl_memory_desc_t own = *md;
    own.data_type = lt_dnnl_type(p->compute);
    LT_TRY(lt_dnnl_check(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "engine"));
    LT_TRY(open_bias(p, bias, n_out));
    LT_TRY(layout_new(p, &own, &p->layouts));
    p->layouts->plain = 1;
    lt_tensor values =
        lt_tensor_wrap(p->layouts->bytes.data, LT_HOST, p->compute, w->ndim, w->shape);
    LT_TRY(lt_tensor_convert(&values, w));
cleanup:
    if (st != LT_OK) lt_dnnl_pack_close(p);
    return st;
}

static void plan_free(lt_dnnl_plan *plan)
{
    if (!plan) return;
    if (plan->primitive) dnnl_primitive_destroy(plan->primitive);
    free(plan);
}

void lt_dnnl_pack_close(lt_dnnl_pack *p)
{
    while (p->plans) {
        lt_dnnl_plan *next = p->plans->next;
        plan_free(p->plans);
        p->plans = next;
    }
    while (p->layouts) {
        lt_dnnl_layout *next = p->layouts->next;
        layout_free(p->layouts);
        p->layouts = next;
    }
    lt_tensor_free(&p->bias);
    if (p->engine) dnnl_engine_destroy(p->engine);
    p->engine = NULL;
}

const lt_dnnl_plan *lt_dnnl_plan_find(const lt_dnnl_pack *p, const lt_plan_key *key)
{
    for (const lt_dnnl_plan *plan = p->plans; plan; plan = plan->next)
        if (memcmp(&plan->key, key, sizeof(*key)) == 0) return plan;
    return NULL;
}

static dnnl_status_t append_act(dnnl_post_ops_t ops, lt_act act)
{
    switch (act) {
    case LT_ACT_NONE: return dnnl_success;
    case LT_ACT_SILU:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1, 0);
    case LT_ACT_GELU:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_erf, 0, 0);
    case LT_ACT_QUICK_GELU:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1.702f, 0);
    }
    return dnnl_invalid_arguments;
}

static lt_status make_attr(const lt_plan_desc *d, dnnl_primitive_attr_t *attr)
{
    lt_status st = LT_OK;
    dnnl_post_ops_t ops = NULL;
    LT_TRY(lt_dnnl_check(dnnl_primitive_attr_create(attr), "attributes"));
    LT_TRY(lt_dnnl_check(
        dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user),
        "attributes"));
    /* Not even an environment variable may lower the precision. */
    LT_TRY(
        lt_dnnl_check(dnnl_primitive_attr_set_fpmath_mode(*attr, dnnl_fpmath_mode_strict),
                      "attributes"));
    LT_TRY(lt_dnnl_check(dnnl_post_ops_create(&ops), "post-ops"));
    LT_TRY(lt_dnnl_check(append_act(ops, d->act), "activation"));
    if (d->residual == LT_RESIDUAL_READ)
        LT_TRY(lt_dnnl_check(dnnl_post_ops_append_binary(ops, dnnl_binary_add, &d->dst),
                             "residual"));
    if (d->residual == LT_RESIDUAL_IN_OUT)
        LT_TRY(lt_dnnl_check(dnnl_post_ops_append_sum(ops, 1), "residual"));
    LT_TRY(lt_dnnl_check(dnnl_primitive_attr_set_post_ops(*attr, ops), "post-ops"));
cleanup:
    if (ops) dnnl_post_ops_destroy(ops);
    return st;
}

static lt_status plan_new(lt_dnnl_pack *p, const lt_plan_desc *d, const lt_plan_key *key,
                          lt_plan_op_fn *op, const void *owner, lt_dnnl_plan *plan)
{
    lt_status st = LT_OK;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    plan->key = *key;
    plan->desc = *d;
    LT_TRY(make_attr(d, &attr));
    LT_TRY(lt_dnnl_check(op(owner, key, d, attr, p->engine, &desc), "plan"));
    LT_TRY(lt_dnnl_check(dnnl_primitive_create(&plan->primitive, desc), "plan"));
    plan->scratch = *dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    LT_TRY(layout_get(p, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
                      &plan->weights));
cleanup:
    if (desc) dnnl_primitive_desc_destroy(desc);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

lt_status lt_dnnl_plan_make(lt_dnnl_pack *p, const lt_plan_key *key,
                            const lt_plan_desc *d, lt_plan_op_fn *op, const void *owner,
                            size_t *scratch)
{
    lt_status st = LT_OK;
    const lt_dnnl_plan *found = lt_dnnl_plan_find(p, key);
    lt_dnnl_plan *plan = NULL;
    const int before = one_thread();
    if (!found) {
        plan = calloc(1, sizeof(*plan));
        if (!plan) {
            st = LT_FAIL(LT_ERR_NOMEM, "out of memory (oneDNN): free some memory");
            goto cleanup;
        }
        LT_TRY(plan_new(p, d, key, op, owner, plan));
        plan->next = p->plans;
        p->plans = plan;
        found = plan;
        plan = NULL;
    }
    const size_t bytes = dnnl_memory_desc_get_size(&found->scratch);
    if (bytes > *scratch) *scratch = bytes;
cleanup:
    plan_free(plan);
    threads_back(before);
    return st;
}

enum { MAX_ARGS = 6 };
typedef struct arg_list {
    dnnl_exec_arg_t v[MAX_ARGS];
    int n;
} arg_list;

static lt_status add_arg(arg_list *args, dnnl_engine_t engine, int what,
                         const dnnl_memory_desc_t *md, const void *data)
{
    dnnl_memory_t m;
    const lt_status st = lt_dnnl_check(
        dnnl_memory_create(&m, md, engine, (void *)(uintptr_t)data), "tile");
    if (st == LT_OK) args->v[args->n++] = (dnnl_exec_arg_t){ what, m };
    return st;
}

lt_status lt_dnnl_plan_run(const lt_dnnl_pack *p, const lt_dnnl_plan *plan,
                           const lt_plan_run *r)
{
    lt_status st = LT_OK;
    dnnl_stream_t stream = NULL;
    arg_list args = { .n = 0 };
    const lt_plan_desc *d = &plan->desc;
    const int before = one_thread();
    const int at = d->act == LT_ACT_NONE ? 0 : 1; /* place of the residual */
    LT_TRY(add_arg(&args, p->engine, DNNL_ARG_SRC, &d->src, r->src));
    LT_TRY(add_arg(&args, p->engine, DNNL_ARG_BIAS, &d->bias, r->bias));
    LT_TRY(add_arg(&args, p->engine, DNNL_ARG_DST, &d->dst, r->dst));
    if (dnnl_memory_desc_get_size(&plan->scratch) > 0)
        LT_TRY(
            add_arg(&args, p->engine, DNNL_ARG_SCRATCHPAD, &plan->scratch, r->scratch));
    if (d->residual == LT_RESIDUAL_READ)
        LT_TRY(add_arg(&args, p->engine,
                       DNNL_ARG_ATTR_MULTIPLE_POST_OP(at) | DNNL_ARG_SRC_1, &d->dst,
                       r->residual));
    LT_TRY(lt_dnnl_check(
        dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags), "stream"));
    dnnl_exec_arg_t all[MAX_ARGS + 1];
    memcpy(all, args.v, sizeof(args.v));
    all[args.n] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, plan->weights->memory };
    LT_TRY(lt_dnnl_check(dnnl_primitive_execute(plan->primitive, stream, args.n + 1, all),
                         "tile"));
    LT_TRY(lt_dnnl_check(dnnl_stream_wait(stream), "tile"));
cleanup:
    if (stream) dnnl_stream_destroy(stream);
    for (int i = 0; i < args.n; i++) dnnl_memory_destroy(args.v[i].memory);
    threads_back(before);
    return st;
}

lt_status lt_scratch_new(lt_tensor *t, const lt_exec *x, size_t bytes)
{
    /* Whole pages keep the workers out of each other's cache lines. */
    const int64_t each = (int64_t)((bytes + 4095) / 4096 * 4096);
    return LT_TENSOR_NEW(t, x->pool, LT_U8, lt_threads_count(x->threads), each);
}
