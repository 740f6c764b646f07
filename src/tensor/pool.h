#ifndef LT_TENSOR_POOL_H
#define LT_TENSOR_POOL_H

#include "tensor/tensor.h"

/* What tensor.c needs of a pool; not for other rooms. */

/* A block of at least `bytes` (> 0) with one count; its first byte is *data.
 * Errors: NOMEM. */
LT_NODISCARD lt_status lt_storage_new(lt_pool *pool, size_t bytes, lt_storage **storage,
                                      void **data);
void lt_storage_hold(lt_storage *storage); /* one more count; accepts NULL */
void lt_storage_drop(lt_storage *storage); /* one less; at 0 the pool keeps the block */
int lt_storage_count(const lt_storage *storage); /* 0 for NULL */

lt_space lt_pool_space(const lt_pool *pool);

#endif
