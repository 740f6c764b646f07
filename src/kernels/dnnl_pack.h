#ifndef LT_KERNELS_DNNL_PACK_H
#define LT_KERNELS_DNNL_PACK_H

#include <oneapi/dnnl/dnnl.h>

#include "kernels/impl.h"

/* Weights for oneDNN and the primitives that read them.
 *
 * A plan is one primitive for one fixed tile shape; one thread runs it alone. Plans are
 * made when a shape is first met and kept with the weights. oneDNN chooses how the
 * weights must lie for a plan, so they are re-laid at the first plan, and a second copy
 * is made only where a later shape wants another layout. */
typedef struct lt_dnnl_layout lt_dnnl_layout;
typedef struct lt_dnnl_plan lt_dnnl_plan;

enum { LT_PLAN_KEYS = 6 };
typedef struct lt_plan_key {
    int64_t v[LT_PLAN_KEYS]; /* unused entries are 0 */
} lt_plan_key;

typedef struct lt_dnnl_pack {
    dnnl_engine_t engine;
    lt_pool *pool;  /* of the layouts */
    lt_tensor bias; /* [n_out] f32, zeros when there is none */
    lt_dtype compute;
    lt_dnnl_layout *layouts;
    lt_dnnl_plan *plans;
} lt_dnnl_pack;

/* What a plan is built from. All descriptors but `weights` name real layouts. */
typedef struct lt_plan_desc {
    dnnl_memory_desc_t src, weights, bias, dst;
    lt_act act;
    enum { LT_RESIDUAL_NONE, LT_RESIDUAL_READ, LT_RESIDUAL_IN_OUT } residual;
} lt_plan_desc;

typedef dnnl_status_t lt_plan_op_fn(const void *owner, const lt_plan_key *key,
                                    const lt_plan_desc *d,
                                    const_dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine, dnnl_primitive_desc_t *out);

/* Copy w (any float dtype, as described by md, whose dtype is ignored) in the compute
 * dtype, and the bias. On failure *p holds nothing. Errors: NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_dnnl_pack_open(lt_dnnl_pack *p, const lt_exec *x,
                                         const lt_tensor *w, const dnnl_memory_desc_t *md,
                                         const lt_tensor *bias, int64_t n_out);
void lt_dnnl_pack_close(lt_dnnl_pack *p);

/* The plan of a key, or NULL. */
const lt_dnnl_plan *lt_dnnl_plan_find(const lt_dnnl_pack *p, const lt_plan_key *key);
/* Make the plan of a key unless it is there, and raise *scratch to what it needs.
 * Errors: NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_dnnl_plan_make(lt_dnnl_pack *p, const lt_plan_key *key,
                                         const lt_plan_desc *d, lt_plan_op_fn *op,
                                         const void *owner, size_t *scratch);

typedef struct lt_plan_run {
    const void *src;
    const float *bias;
    const void *residual; /* LT_RESIDUAL_READ only */
    void *dst, *scratch;
} lt_plan_run;
LT_NODISCARD lt_status lt_dnnl_plan_run(const lt_dnnl_pack *p, const lt_dnnl_plan *plan,
                                        const lt_plan_run *r);

/* One scratch area of `bytes` a worker. Errors: NOMEM. */
LT_NODISCARD lt_status lt_scratch_new(lt_tensor *t, const lt_exec *x, size_t bytes);
static inline void *lt_scratch_of(const lt_tensor *t, int worker)
{
    return t->data ? (char *)t->data + t->shape[1] * worker : NULL;
}

dnnl_data_type_t lt_dnnl_type(lt_dtype t);
LT_NODISCARD lt_status lt_dnnl_check(dnnl_status_t s, const char *what);

#endif
