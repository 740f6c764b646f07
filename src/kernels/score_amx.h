#ifndef LT_KERNELS_SCORE_AMX_H
#define LT_KERNELS_SCORE_AMX_H

#include "kernels/amx.h"
#include "kernels/bf16_avx512.h"

/* Packing and products that attention and best_match share on the path amx_bf16. The
 * packed forms are those of attention_flash.h. */

enum { LT_AMX_KEYS = 128, LT_AMX_ROWS = 32, LT_AMX_GROUP = 32 };

static inline void pack_q_bf16(void *to, const lt_flash_rows *src, int64_t dk, float sign)
{
    const __m512i flip = _mm512_set1_epi16(sign < 0 ? (short)0x8000 : 0);
    for (int r = 0; r < src->n; r++)
        for (int64_t c = 0; c < dk; c += 32)
            _mm512_store_si512((uint16_t *)to + r * dk + c,
                               _mm512_xor_si512(flip, load32_bf16(lt_flash_row(src, r),
                                                                  src->bf16, c, src->d)));
}

static inline void pack_k_bf16(void *to, const lt_flash_rows *src, int64_t dk, int keys)
{
    for (int p = 0; p < keys; p += 16)
        for (int64_t c = 0; c < dk; c += 32) {
            uint16_t *k = (uint16_t *)to + p * dk + c * 16;
            __m512i x[16];
            LT_UNROLL
            for (int j = 0; j < 16; j++)
                x[j] = p + j < src->n
                           ? load32_bf16(lt_flash_row(src, p + j), src->bf16, c, src->d)
                           : _mm512_setzero_si512();
            transpose16(x);
            LT_UNROLL
            for (int j = 0; j < 16; j++) _mm512_store_si512(k + 32 * j, x[j]);
        }
}

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
