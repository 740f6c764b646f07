#include "tensor/tensor.h"

#include <assert.h>
#include <string.h>

#include "tensor/pool.h"

size_t lt_dtype_size(lt_dtype dtype)
{
    switch (dtype) {
    case LT_F32:
    case LT_I32: return 4;
    case LT_BF16:
    case LT_F16:
    case LT_U16: return 2;
    case LT_I64: return 8;
    case LT_U8: return 1;
    }
    return 0;
}

const char *lt_dtype_name(lt_dtype dtype)
{
    switch (dtype) {
    case LT_F32: return "f32";
    case LT_BF16: return "bf16";
    case LT_F16: return "f16";
    case LT_I32: return "i32";
    case LT_I64: return "i64";
    case LT_U8: return "u8";
    case LT_U16: return "u16";
    }
    return "unknown";
}

/* Elements of a shape, or -1 where a size is negative or the bytes do not fit. */
static int64_t shape_count(lt_dtype dtype, int ndim, const int64_t *shape)
{
    const size_t size = lt_dtype_size(dtype);
    if (ndim < 0 || ndim > LT_MAX_DIMS || size == 0) return -1;
    int64_t count = 1, bytes;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) return -1;
        if (__builtin_mul_overflow(count, shape[i], &count)) return -1;
    }
    return __builtin_mul_overflow(count, (int64_t)size, &bytes) ? -1 : count;
}

static void set_shape(lt_tensor *t, int ndim, const int64_t *shape)
{
    t->ndim = ndim;
    for (int i = 0; i < LT_MAX_DIMS; i++) t->shape[i] = i < ndim ? shape[i] : 1;
}

lt_status lt_tensor_new(lt_tensor *t, lt_pool *pool, lt_dtype dtype, int ndim,
                        const int64_t *shape)
{
    const int64_t count = shape_count(dtype, ndim, shape);
    if (count < 0)
        return LT_FAIL(LT_ERR_ARG,
                       "no such tensor (%d dimensions of %s): sizes must be "
                       ">= 0 and fit into memory",
                       ndim, lt_dtype_name(dtype));
    lt_tensor r = { .dtype = dtype, .space = lt_pool_space(pool) };
    set_shape(&r, ndim, shape);
    if (count > 0) {
        const lt_status st = lt_storage_new(pool, (size_t)count * lt_dtype_size(dtype),
                                            &r.storage, &r.data);
        if (st != LT_OK) return st;
    }
    *t = r;
    return LT_OK;
}

void lt_tensor_free(lt_tensor *t)
{
    if (!t) return;
    lt_storage_drop(t->storage);
    *t = (lt_tensor){ 0 };
}

lt_tensor lt_tensor_wrap(void *data, lt_space space, lt_dtype dtype, int ndim,
                         const int64_t *shape)
{
    assert(shape_count(dtype, ndim, shape) >= 0);
    lt_tensor t = { .data = data, .dtype = dtype, .space = space };
    set_shape(&t, ndim, shape);
    return t;
}

lt_tensor lt_tensor_view(const lt_tensor *t)
{
    lt_storage_hold(t->storage);
    return *t;
}

int lt_tensor_shared(const lt_tensor *t) { return lt_storage_count(t->storage) != 1; }

lt_tensor lt_tensor_rows(const lt_tensor *t, int64_t first, int64_t count)
{
    assert(t->ndim >= 1 && first >= 0 && count >= 0 && first <= t->shape[0] - count);
    lt_tensor r = lt_tensor_view(t);
    const int64_t n = t->shape[0];
    if (n > 0 && r.data)
        r.data = (char *)t->data + lt_tensor_bytes(t) / (size_t)n * (size_t)first;
    r.shape[0] = count;
    return r;
}

lt_tensor lt_tensor_reshape(const lt_tensor *t, int ndim, const int64_t *shape)
{
    assert(shape_count(t->dtype, ndim, shape) == lt_tensor_count(t));
    lt_tensor r = lt_tensor_view(t);
    set_shape(&r, ndim, shape);
    return r;
}

int64_t lt_tensor_count(const lt_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++) count *= t->shape[i];
    return count;
}

size_t lt_tensor_bytes(const lt_tensor *t)
{
    return (size_t)lt_tensor_count(t) * lt_dtype_size(t->dtype);
}

int lt_tensor_same_shape(const lt_tensor *a, const lt_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, sizeof(a->shape)) == 0;
}

float *lt_f32(const lt_tensor *t)
{
    assert(t->dtype == LT_F32 && t->space == LT_HOST);
    return t->data;
}

int32_t *lt_i32(const lt_tensor *t)
{
    assert(t->dtype == LT_I32 && t->space == LT_HOST);
    return t->data;
}

uint16_t *lt_u16(const lt_tensor *t)
{
    assert(lt_dtype_size(t->dtype) == 2 && t->space == LT_HOST);
    return t->data;
}

static lt_status need_host(const lt_tensor *t, const char *what)
{
    if (t->space == LT_HOST) return LT_OK;
    return LT_FAIL(LT_ERR_CUDA,
                   "a device tensor in a build without CUDA (%s): build "
                   "with -DLT_CUDA=ON",
                   what);
}

lt_status lt_tensor_copy(lt_tensor *dst, const lt_tensor *src, lt_stream s)
{
    if (dst->dtype != src->dtype || lt_tensor_count(dst) != lt_tensor_count(src))
        return LT_FAIL(LT_ERR_SHAPE, "copy of %lld %s into %lld %s",
                       (long long)lt_tensor_count(src), lt_dtype_name(src->dtype),
                       (long long)lt_tensor_count(dst), lt_dtype_name(dst->dtype));
    if ((dst->space == LT_DEVICE || src->space == LT_DEVICE) && !s)
        return LT_FAIL(LT_ERR_ARG, "copy of a device tensor without a stream");
    lt_status st = LT_OK;
    LT_TRY(need_host(dst, "copy"));
    LT_TRY(need_host(src, "copy"));
    const size_t bytes = lt_tensor_bytes(src);
    if (bytes > 0) memmove(dst->data, src->data, bytes);
cleanup:
    return st;
}

lt_status lt_tensor_zero(lt_tensor *t, lt_stream s)
{
    (void)s;
    const lt_status st = need_host(t, "zero");
    if (st != LT_OK) return st;
    const size_t bytes = lt_tensor_bytes(t);
    if (bytes > 0) memset(t->data, 0, bytes);
    return LT_OK;
}
