#include "kernels/similarity_impl.h"

static int is_rows(const lt_tensor *t)
{
    return t && t->ndim == 2 && (t->dtype == LT_F32 || t->dtype == LT_BF16);
}

lt_status lt_unit_rows_check(const lt_tensor *in, const lt_tensor *out)
{
    if (!is_rows(in) || !is_rows(out) || !lt_tensor_same_shape(in, out))
        return LT_FAIL(LT_ERR_SHAPE,
                       "rows do not agree (unit_rows): give two f32 or bf16 "
                       "matrices of one shape");
    return LT_OK;
}

lt_status lt_best_match_check(const lt_best_match_args *a)
{
    if (!is_rows(a->a) || !is_rows(a->b) || a->a->dtype != a->b->dtype ||
        a->a->shape[1] != a->b->shape[1] || a->b->shape[0] < 1 ||
        a->b->shape[0] > INT32_MAX)
        return LT_FAIL(LT_ERR_SHAPE,
                       "rows do not agree (best_match): give two matrices of "
                       "one dtype and width, b with at least one row");
    if (a->index && (a->index->dtype != LT_I32 || a->index->ndim != 1 ||
                     a->index->shape[0] != a->a->shape[0]))
        return LT_FAIL(LT_ERR_SHAPE, "bad index output (best_match): give i32 [n_a]");
    if (a->similarity && (a->similarity->dtype != LT_F32 || a->similarity->ndim != 1 ||
                          a->similarity->shape[0] != a->a->shape[0]))
        return LT_FAIL(LT_ERR_SHAPE,
                       "bad similarity output (best_match): give f32 [n_a]");
    if (a->rows_per_tile < 1)
        return LT_FAIL(LT_ERR_ARG,
                       "no rows in a tile (best_match): give rows_per_tile >= 1");
    return LT_OK;
}

lt_status lt_top_k_check(const lt_tensor *scores, int64_t k, const lt_tensor *out)
{
    if (scores->ndim != 1 || scores->dtype != LT_F32 || out->ndim != 1 ||
        out->dtype != LT_I32 || out->shape[0] != k || scores->shape[0] > INT32_MAX)
        return LT_FAIL(LT_ERR_SHAPE,
                       "bad shapes (top_k): give scores f32 [n], out i32 [k]");
    if (k < 0 || k > scores->shape[0])
        return LT_FAIL(LT_ERR_ARG, "k = %lld of %lld scores (top_k): give 0 <= k <= n",
                       (long long)k, (long long)scores->shape[0]);
    return LT_OK;
}

lt_status lt_gather_rows_check(const lt_tensor *src, const lt_tensor *index,
                               const lt_tensor *out)
{
    if (src->ndim != 2 || out->ndim != 2 || index->ndim != 1 || index->dtype != LT_I32 ||
        out->dtype != src->dtype || out->shape[1] != src->shape[1] ||
        out->shape[0] != index->shape[0])
        return LT_FAIL(LT_ERR_SHAPE,
                       "rows do not agree (gather_rows): give src [n_src, c], "
                       "index i32 [n], out [n, c] of the dtype of src");
    return LT_OK;
}
