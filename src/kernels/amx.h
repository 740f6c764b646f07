#ifndef LT_KERNELS_AMX_H
#define LT_KERNELS_AMX_H

#include <stdint.h>

/* The few tile instructions that the amx_bf16 entries use. All eight tiles are 16 rows
 * of 64 bytes; a thread configures them before its first use and releases them after,
 * and the process needs leave from the kernel first (lt_cpu_path_supported).
 *
 * Tile numbers are literals. A test compiles the same entries with LT_AMX_EMULATED,
 * where tests/kernels/amx_emulated.h stands in for the instructions. */

enum { LT_TILE = 512 }; /* bf16 elements of a tile */

#ifdef LT_AMX_EMULATED
#include "kernels/amx_emulated.h"
#else
#include <immintrin.h>

#define LT_TILE_ZERO(t)           _tile_zero(t)
#define LT_TILE_LOAD(t, p, step)  _tile_loadd(t, p, step) /* step: bytes row to row */
#define LT_TILE_STORE(t, p, step) _tile_stored(t, p, step)
/* c[16][16] += a[16][16 pairs] . b[16 pairs][16] */
#define LT_TILE_DOT(c, a, b)      _tile_dpbf16ps(c, a, b)

/* The compiler does not know that a tile load reads memory: say so between ordinary
 * stores and the loads that need them. */
#define LT_TILES_FENCE()          __asm__ volatile("" ::: "memory")

static inline void lt_tiles_begin(void)
{
    typedef struct config {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config;
    config c = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

static inline void lt_tiles_end(void) { _tile_release(); }
#endif

#endif
