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

/* List i of a grid, which was cut in chunks, as global numbers into out; returns how many
 * the whole list has. */
static inline int64_t list_join(const lt_slim_grid *g, int64_t i, int64_t *out)
{
    const lt_token_list *l = &g->list[i];
    int64_t n = 0;
    CHECK(l->chunk_from[0] == 0 && g->chunk[0] == 0);
    for (int64_t c = 0; c < g->n_chunks; c++) {
        CHECK(l->chunk_from[c + 1] >= l->chunk_from[c]);
        for (int64_t t = l->chunk_from[c]; t < l->chunk_from[c + 1]; t++) {
            out[n] = g->chunk[c] * g->tokens + l->token[t];
            CHECK(l->token[t] >= 0 && out[n] < g->chunk[c + 1] * g->tokens);
            n++;
        }
    }
    return n;
}

#endif
