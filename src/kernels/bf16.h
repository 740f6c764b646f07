#ifndef LT_KERNELS_BF16_H
#define LT_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

/* lt_bf16_from_f32 and back (same bits), inline and without branches, so that loops over
 * them become vector code. */
static inline uint16_t lt_bf16_round(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    const uint32_t rounded = u + 0x7fffu + (u >> 16 & 1);
    const uint32_t quiet = u | 0x400000u;
    return (uint16_t)(((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) >> 16);
}

static inline float lt_bf16_widen(uint16_t bits)
{
    const uint32_t u = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

#endif
