#ifndef LT_KERNELS_SIMILARITY_LANES_H
#define LT_KERNELS_SIMILARITY_LANES_H

#include "kernels/lanes.h"
#include "kernels/similarity_match.h"

/* The loops of best_match over lanes.h. */

LT_INLINE void match_group(lt_match_tile *t, int r0, const void *b, int64_t first, int n,
                           int nv)
{
    const int64_t cells = t->dk / LT_PER_CELL;
    const float *s = t->scratch;
    vf top[3], where[3];
    score((const cell *)t->a + r0 * cells, b, cells, n, t->scratch, nv);
    LT_UNROLL
    for (int v = 0; v < nv; v++) {
        top[v] = v_load(t->best + r0, LT_F32, v * VW);
        where[v] = load_cells((const cell *)(t->index + r0) + v * VW);
    }
    for (int j = 0; j < n; j++) LT_UNROLL
    for (int v = 0; v < nv; v++)
        v_keep_best(v_load(s, LT_F32, (j * nv + v) * VW), (int32_t)(first + j), &top[v],
                    &where[v]);
    LT_UNROLL
    for (int v = 0; v < nv; v++) {
        v_store(t->best + r0, LT_F32, v * VW, top[v]);
        store_cells((cell *)(t->index + r0) + v * VW, where[v]);
    }
}

static inline void match(lt_match_tile *t, const void *b, int64_t first, int n)
{
    for (int r0 = 0, nv; r0 < t->rows; r0 += nv * VW) {
        nv = next_group(t->rows - r0);
        if (nv == 3)
            match_group(t, r0, b, first, n, 3);
        else if (nv == 2)
            match_group(t, r0, b, first, n, 2);
        else
            match_group(t, r0, b, first, n, 1);
    }
}

#define LT_LANES_MATCH                                                               \
    {                                                                                \
        .keys = LT_LANES_KEYS, .row_group = VW, .lanes = 1, .elem = 4 / LT_PER_CELL, \
        .dk_align = LT_PER_CELL, .scratch = LT_LANES_KEYS * 3 * VW * sizeof(float),  \
        .pack_a = pack_q, .pack_b = pack_k, .match = match                           \
    }

#endif
