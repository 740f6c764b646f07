#include <math.h>
#include <stdlib.h>

#include "kernels/kernels.h"
#include "kernels/similarity_impl.h"

/* The definitions. Kept obvious; never optimised. */

static float value_at(const lt_tensor *t, int64_t i)
{
    return t->dtype == LT_F32 ? lt_f32(t)[i] : lt_f32_from_bf16(lt_u16(t)[i]);
}

static void set_value(const lt_tensor *t, int64_t i, float v)
{
    if (t->dtype == LT_F32)
        lt_f32(t)[i] = v;
    else
        lt_u16(t)[i] = lt_bf16_from_f32(v);
}

lt_status lt_unit_rows_ref(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    (void)x;
    lt_status st = LT_OK;
    LT_TRY(lt_unit_rows_check(in, out));
    const int64_t n = in->shape[0], c = in->shape[1];
    for (int64_t r = 0; r < n; r++) {
        double square = 0;
        for (int64_t i = 0; i < c; i++) {
            const double v = value_at(in, r * c + i);
            square += v * v;
        }
        const float norm = (float)sqrt(square);
        const float divisor = norm < 1e-12f ? 1e-12f : norm;
        for (int64_t i = 0; i < c; i++)
            set_value(out, r * c + i, value_at(in, r * c + i) / divisor);
    }
cleanup:
    return st;
}

static float dot(const lt_best_match_args *a, int64_t p, int64_t q)
{
    const int64_t c = a->a->shape[1];
    double sum = 0;
    for (int64_t i = 0; i < c; i++)
        sum += (double)value_at(a->a, p * c + i) * value_at(a->b, q * c + i);
    return isnan(sum) ? -INFINITY : (float)sum;
}

lt_status lt_best_match_ref(const lt_exec *x, const lt_best_match_args *a)
{
    (void)x;
    lt_status st = LT_OK;
    LT_TRY(lt_best_match_check(a));
    for (int64_t p = 0; p < a->a->shape[0]; p++) {
        int64_t best = 0;
        float value = dot(a, p, 0);
        for (int64_t q = 1; q < a->b->shape[0]; q++) {
            const float v = dot(a, p, q);
            if (v > value) {
                value = v;
                best = q;
            }
        }
        if (a->index) lt_i32(a->index)[p] = (int32_t)best;
        if (a->similarity) lt_f32(a->similarity)[p] = value;
    }
cleanup:
    return st;
}

typedef struct candidate {
    uint32_t rank;
    int32_t index;
} candidate;

static int better_first(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    if (a->rank != b->rank) return a->rank > b->rank ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int lower_first(const void *pa, const void *pb)
{
    const int32_t a = *(const int32_t *)pa, b = *(const int32_t *)pb;
    return a < b ? -1 : a > b;
}

lt_status lt_top_k_ref(const lt_exec *x, const lt_tensor *scores, int64_t k,
                       lt_tensor *out)
{
    (void)x;
    lt_status st = LT_OK;
    candidate *all = NULL;
    LT_TRY(lt_top_k_check(scores, k, out));
    const int64_t n = scores->shape[0];
    if (k == 0) goto cleanup;
    all = malloc((size_t)n * sizeof(*all));
    if (!all) {
        st =
            LT_FAIL(LT_ERR_NOMEM, "no memory to sort (top_k): %lld scores", (long long)n);
        goto cleanup;
    }
    for (int64_t i = 0; i < n; i++)
        all[i] = (candidate){ lt_score_rank(lt_f32(scores)[i]), (int32_t)i };
    qsort(all, (size_t)n, sizeof(*all), better_first);
    for (int64_t i = 0; i < k; i++) lt_i32(out)[i] = all[i].index;
    qsort(lt_i32(out), (size_t)k, sizeof(int32_t), lower_first);
cleanup:
    free(all);
    return st;
}

lt_status lt_gather_rows_ref(const lt_exec *x, const lt_tensor *src,
                             const lt_tensor *index, lt_tensor *out)
{
    (void)x;
    lt_status st = LT_OK;
    LT_TRY(lt_gather_rows_check(src, index, out));
    const size_t row = (size_t)src->shape[1] * lt_dtype_size(src->dtype);
    for (int64_t i = 0; row > 0 && i < index->shape[0]; i++)
        memcpy((char *)out->data + (size_t)i * row,
               (const char *)src->data + (size_t)lt_i32(index)[i] * row, row);
cleanup:
    return st;
}
