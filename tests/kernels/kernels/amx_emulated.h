#ifndef LT_TESTS_AMX_EMULATED_H
#define LT_TESTS_AMX_EMULATED_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* The tile instructions in plain C, so that the amx_bf16 entries can be tested on a CPU
 * without AMX (slowly). One set of tiles a thread, as in hardware. */

static _Thread_local struct {
    int on; /* configured: using tiles before that is a fault */
    char tile[8][16][64];
} amx;

static inline void lt_tiles_begin(void)
{
    assert(!amx.on);
    amx.on = 1;
    memset(amx.tile, 0x5a, sizeof(amx.tile));
}

static inline void lt_tiles_end(void)
{
    assert(amx.on);
    amx.on = 0;
}

static inline void amx_zero(int t)
{
    assert(amx.on);
    memset(amx.tile[t], 0, sizeof(amx.tile[t]));
}

static inline void amx_load(int t, const void *p, int64_t step)
{
    assert(amx.on);
    for (int r = 0; r < 16; r++) memcpy(amx.tile[t][r], (const char *)p + r * step, 64);
}

static inline void amx_store(int t, void *p, int64_t step)
{
    assert(amx.on);
    for (int r = 0; r < 16; r++) memcpy((char *)p + r * step, amx.tile[t][r], 64);
}

static inline float amx_f32(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

static inline void amx_dot(int c, int a, int b)
{
    assert(amx.on);
    float sum[16][16];
    uint16_t x[16][32], y[16][32];
    memcpy(sum, amx.tile[c], sizeof(sum));
    memcpy(x, amx.tile[a], sizeof(x));
    memcpy(y, amx.tile[b], sizeof(y));
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < 16; k++) {
            const float x0 = amx_f32(x[r][2 * k]), x1 = amx_f32(x[r][2 * k + 1]);
            for (int j = 0; j < 16; j++)
                sum[r][j] += x0 * amx_f32(y[k][2 * j]) + x1 * amx_f32(y[k][2 * j + 1]);
        }
    memcpy(amx.tile[c], sum, sizeof(sum));
}

#define LT_TILES_FENCE()
#define LT_TILE_ZERO(t)           amx_zero(t)
#define LT_TILE_LOAD(t, p, step)  amx_load(t, p, step)
#define LT_TILE_STORE(t, p, step) amx_store(t, p, step)
#define LT_TILE_DOT(c, a, b)      amx_dot(c, a, b)

#endif
