#include <assert.h>
#include <math.h>
#include <string.h>

#include "io/weights.h"

enum { CHUNK = 4096 };

static lt_status not_finite(const lt_weight *t, int64_t i)
{
    return LT_FAIL(LT_ERR_DATA,
                   "tensor %s holds NaN or infinity (%s, element %lld): the weights are "
                   "damaged, download them again",
                   t->name, t->file, (long long)i);
}

static lt_status not_float(const lt_weight *t)
{
    return LT_FAIL(LT_ERR_DATA,
                   "tensor %s has type %s (%s): convert the weights to F32, F16 or BF16",
                   t->name, t->type_name, t->file);
}

/* n <= CHUNK elements from element `first`. */
static lt_status chunk_to_f32(const lt_weight *t, int64_t first, int64_t n, float *dst)
{
    uint16_t half[CHUNK]; /* the file may hold them at odd addresses */
    if (t->type == LT_WEIGHT_F32) {
        memcpy(dst, t->data + 4 * first, 4 * (size_t)n);
        return LT_OK;
    }
    memcpy(half, t->data + 2 * first, 2 * (size_t)n);
    const lt_dtype dtype = t->type == LT_WEIGHT_BF16 ? LT_BF16 : LT_F16;
    const lt_tensor src = lt_tensor_wrap(half, LT_HOST, dtype, 1, &n);
    lt_tensor out = lt_tensor_wrap(dst, LT_HOST, LT_F32, 1, &n);
    return lt_tensor_convert(&out, &src);
}

/* An exponent of all ones. */
static int is_finite_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

static int is_float(const lt_weight *t)
{
    return t->type == LT_WEIGHT_F32 || t->type == LT_WEIGHT_F16 ||
           t->type == LT_WEIGHT_BF16;
}

lt_status lt_weight_to_f32(const lt_weight *t, int64_t first, int64_t n, float *dst)
{
    assert(first >= 0 && n >= 0 && first + n <= t->count);
    if (!is_float(t)) return not_float(t);
    for (int64_t i = 0; i < n; i += CHUNK) {
        const int64_t m = n - i < CHUNK ? n - i : CHUNK;
        const lt_status st = chunk_to_f32(t, first + i, m, dst + i);
        if (st != LT_OK) return st;
        int ok = 1;
        for (int64_t j = 0; j < m; j++) ok &= is_finite_bits(dst[i + j]);
        for (int64_t j = 0; !ok && j < m; j++)
            if (!is_finite_bits(dst[i + j])) return not_finite(t, first + i + j);
    }
    return LT_OK;
}

lt_status lt_weight_to_i64(const lt_weight *t, int64_t *dst)
{
    if (t->type != LT_WEIGHT_I64 && t->type != LT_WEIGHT_I32)
        return LT_FAIL(LT_ERR_DATA, "tensor %s has type %s (%s): expected I64 or I32",
                       t->name, t->type_name, t->file);
    for (int64_t i = 0; i < t->count; i++) {
        int32_t narrow;
        memcpy(&narrow, t->data + 4 * i, 4);
        dst[i] = narrow;
        if (t->type == LT_WEIGHT_I64) memcpy(&dst[i], t->data + 8 * i, 8);
    }
    return LT_OK;
}

lt_status lt_weight_check_finite(const lt_weight *t)
{
    float x[CHUNK];
    if (!is_float(t)) return LT_OK;
    for (int64_t i = 0; i < t->count; i += CHUNK) {
        const int64_t m = t->count - i < CHUNK ? t->count - i : CHUNK;
        const lt_status st = lt_weight_to_f32(t, i, m, x);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}
