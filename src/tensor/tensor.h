#ifndef LT_TENSOR_TENSOR_H
#define LT_TENSOR_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Dense, row-major tensors with counted storage, and the pools they come from.
 *
 * Channels are last: an image batch is [n, h, w, c], which is the token matrix
 * [n, h*w, c] with no copy. A tensor is a small value: copy it with lt_tensor_view,
 * never by assignment, so that its storage stays counted. */

enum { LT_MAX_DIMS = 5 };

/* Same type as cudaStream_t. NULL means "host, blocking". */
typedef struct CUstream_st *lt_stream;

/* The numbers appear in files: append, never renumber. */
typedef enum lt_dtype {
    LT_F32 = 0,
    LT_BF16 = 1,
    LT_F16 = 2,
    LT_I32 = 3,
    LT_I64 = 4,
    LT_U8 = 5,
    LT_U16 = 6
} lt_dtype;

typedef enum lt_space { LT_HOST = 0, LT_DEVICE = 1 } lt_space;

typedef struct lt_pool lt_pool;
typedef struct lt_storage lt_storage; /* a counted block of a pool */

typedef struct lt_tensor {
    void *data;                 /* first element, lives in `space` */
    int64_t shape[LT_MAX_DIMS]; /* in elements; entries from ndim on are 1 */
    int ndim;
    lt_dtype dtype;
    lt_space space;
    lt_storage *storage; /* counted owner; NULL: the data is borrowed */
} lt_tensor;

/* Bytes of one element, and the name used in messages and files ("f32"). */
size_t lt_dtype_size(lt_dtype dtype);
const char *lt_dtype_name(lt_dtype dtype);

/* ---- pools ---------------------------------------------------------------------- */

/* A pool hands out 64-byte aligned blocks, keeps freed blocks for reuse and counts.
 * It is not thread-safe: one thread of a rank owns it.
 *   limit  most bytes in use at a time, 0 = no limit; above it LT_ERR_NOMEM names the
 *          pool, what was asked for and what is in use
 *   name   for messages, borrowed
 * Errors: NOMEM, UNSUPPORTED (device space without CUDA). */
LT_NODISCARD lt_status lt_pool_open(lt_pool **pool, lt_space space, const char *name,
                                    size_t limit);

/* Free a pool. Every tensor of it must be freed before; accepts NULL. */
void lt_pool_close(lt_pool **pool);

/* Give cached free blocks back to the system. */
void lt_pool_trim(lt_pool *pool);

/* Bytes in use now, and the most there ever were since open or the last reset. A block
 * counts whole: up to 1/16 more than what was asked for, or up to twice as much where a
 * free block was reused. */
size_t lt_pool_used(const lt_pool *pool);
size_t lt_pool_peak(const lt_pool *pool);
/* Bytes of free blocks kept for reuse; used + cached is what the system sees and what
 * the limit bounds (cached blocks go first). A pool that grows keeps both together below
 * 1.125 times its peak and 32 MiB. */
size_t lt_pool_cached(const lt_pool *pool);
void lt_pool_reset_peak(lt_pool *pool);

/* ---- tensors -------------------------------------------------------------------- */

/* Allocate an uninitialised tensor; a size of 0 is allowed and holds no data. *t is
 * written only on success; the caller frees it with lt_tensor_free.
 * Errors: ARG (ndim, a negative size, overflow), NOMEM. */
LT_NODISCARD lt_status lt_tensor_new(lt_tensor *t, lt_pool *pool, lt_dtype dtype,
                                     int ndim, const int64_t *shape);

/* Shorthand for literal shapes: LT_TENSOR_NEW(&t, pool, LT_F32, n, h, w, c). */
#define LT_TENSOR_NEW(t, pool, dtype, ...)                                     \
    lt_tensor_new((t), (pool), (dtype),                                        \
                  (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
                  (const int64_t[]){ __VA_ARGS__ })

/* Release the storage and zero *t. Accepts NULL and an already zeroed tensor. */
void lt_tensor_free(lt_tensor *t);

/* A tensor over memory of the caller, which must outlive it. */
lt_tensor lt_tensor_wrap(void *data, lt_space space, lt_dtype dtype, int ndim,
                         const int64_t *shape);

/* A second handle on the same storage (counted). */
lt_tensor lt_tensor_view(const lt_tensor *t);

/* Whether the data has other holders: another handle on the storage, or the caller of
 * lt_tensor_wrap. Only what is not shared may be overwritten for memory's sake. */
int lt_tensor_shared(const lt_tensor *t);

/* Rows [first, first + count) of dimension 0, as a counted view.
 * The range must lie inside (asserted). */
lt_tensor lt_tensor_rows(const lt_tensor *t, int64_t first, int64_t count);

/* The same elements under another shape, as a counted view; the counts must agree
 * (asserted). */
lt_tensor lt_tensor_reshape(const lt_tensor *t, int ndim, const int64_t *shape);
#define LT_RESHAPE(t, ...)                                                              \
    lt_tensor_reshape((t), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
                      (const int64_t[]){ __VA_ARGS__ })

int64_t lt_tensor_count(const lt_tensor *t); /* elements */
size_t lt_tensor_bytes(const lt_tensor *t);
int lt_tensor_same_shape(const lt_tensor *a, const lt_tensor *b);

/* Typed access to host data; the dtype must fit (asserted). */
float *lt_f32(const lt_tensor *t);
int32_t *lt_i32(const lt_tensor *t);
uint16_t *lt_u16(const lt_tensor *t); /* also the bits of bf16 and f16 */

/* Copy all elements between any two spaces: same dtype and count.
 * Host to host: done on return. Otherwise queued on s.
 * Errors: SHAPE, ARG (device tensor without a stream), CUDA. */
LT_NODISCARD lt_status lt_tensor_copy(lt_tensor *dst, const lt_tensor *src, lt_stream s);

/* Convert between f32, bf16 and f16 on the host, round to nearest even, the same bits
 * on every CPU; NaN stays NaN. Equal counts.  Errors: SHAPE, ARG (dtype, space). */
LT_NODISCARD lt_status lt_tensor_convert(lt_tensor *dst, const lt_tensor *src);

/* One value; bf16 and f16 given as bits. */
uint16_t lt_bf16_from_f32(float x);
float lt_f32_from_bf16(uint16_t bits);
uint16_t lt_f16_from_f32(float x);
float lt_f32_from_f16(uint16_t bits);

/* Write zeros (host: at once). */
LT_NODISCARD lt_status lt_tensor_zero(lt_tensor *t, lt_stream s);

#endif
