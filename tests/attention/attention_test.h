#ifndef LT_TESTS_ATTENTION_TEST_H
#define LT_TESTS_ATTENTION_TEST_H

#include <string.h>

#include "attention/extended.h"
#include "attention/propagate.h"
#include "io/weights.h"
#include "status_check.h"

/* What the tests of this room share. */

static inline lt_exec open_exec(const lt_kernels *k)
{
    lt_exec x = { .k = k };
    OK(lt_pool_open(&x.pool, LT_HOST, "test", 0));
    return x;
}

/* Every tensor must have been freed. */
static inline void close_exec(lt_exec *x)
{
    CHECK(lt_pool_used(x->pool) == 0);
    lt_pool_close(&x->pool);
}

static inline void *room(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p);
    return p;
}

/* Tokens of one keyframe of a list that was cut in chunks, as global numbers into out;
 * returns how many the whole list has. */
static inline int64_t list_join(const lt_token_list *l, int64_t n_chunks, int64_t tokens,
                                int64_t *out)
{
    int64_t n = 0;
    CHECK(l->chunk_from[0] == 0);
    for (int64_t c = 0; c < n_chunks; c++) {
        CHECK(l->chunk_from[c + 1] >= l->chunk_from[c]);
        for (int64_t i = l->chunk_from[c]; i < l->chunk_from[c + 1]; i++) {
            CHECK(l->token[i] >= 0 && l->token[i] < LT_KEYFRAME_CHUNK * tokens);
            out[n++] = c * LT_KEYFRAME_CHUNK * tokens + l->token[i];
        }
    }
    return n;
}

#endif
