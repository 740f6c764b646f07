#ifndef LT_KERNELS_SCORE_AMX_H
#define LT_KERNELS_SCORE_AMX_H

#include "kernels/amx.h"
#include "kernels/score_bf16.h"

/* The same with AMX, for the amx_bf16 path. */

enum { LT_AMX_KEYS = 128, LT_AMX_ROWS = 32, LT_AMX_GROUP = 32 };

/* s[LT_AMX_ROWS][LT_AMX_GROUP keys from j on] = q . k */
static inline void score_amx(const uint16_t *q, const uint16_t *k, int64_t dk, int j,
                             float *s)
{
    const uint16_t *k0 = k + j * dk, *k1 = k0 + 16 * dk;
    LT_TILES_FENCE();
    LT_TILE_ZERO(0);
    LT_TILE_ZERO(1);
    LT_TILE_ZERO(2);
    LT_TILE_ZERO(3);
    for (int64_t c = 0; c < dk; c += 32) {
        LT_TILE_LOAD(4, q + c, dk * 2);
        LT_TILE_LOAD(6, k0 + c * 16, 64);
        LT_TILE_DOT(0, 4, 6);
        LT_TILE_LOAD(7, k1 + c * 16, 64);
        LT_TILE_DOT(1, 4, 7);
        LT_TILE_LOAD(5, q + 16 * dk + c, dk * 2);
        LT_TILE_DOT(2, 5, 6);
        LT_TILE_DOT(3, 5, 7);
    }
    LT_TILE_STORE(0, s + j, LT_AMX_KEYS * 4);
    LT_TILE_STORE(1, s + j + 16, LT_AMX_KEYS * 4);
    LT_TILE_STORE(2, s + 16 * LT_AMX_KEYS + j, LT_AMX_KEYS * 4);
    LT_TILE_STORE(3, s + 16 * LT_AMX_KEYS + j + 16, LT_AMX_KEYS * 4);
}

#endif
