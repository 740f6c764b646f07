/* Half precision: the CPU's instruction and the definition agree in every bit. */
#include <string.h>

#include "check.h"
#include "io/half.h"
#include "tensor/tensor.h"

static float bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

/* Every half is read the same way, and survives the way there and back. */
static void all_halves(void)
{
    static uint16_t h[65536], back[65536];
    static float x[65536];
    for (int i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    lt_half_to_f32(x, h, 65536);
    lt_half_from_f32(back, x, 65536);
    for (int i = 0; i < 65536; i++) {
        const float r = lt_f32_from_f16((uint16_t)i);
        CHECK(memcmp(&r, &x[i], 4) == 0 || (r != r && x[i] != x[i]));
        CHECK(back[i] == h[i] || (x[i] != x[i] && back[i] == (h[i] | 0x200)));
    }
}

/* Floats around every half and every midpoint, and a sweep over all of them. */
static void all_floats(void)
{
    enum { N = 1 << 16 };
    static float x[N];
    static uint16_t h[N];
    for (uint32_t part = 0; part < 256; part++) {
        for (uint32_t i = 0; i < N; i++) x[i] = bits((part << 24) + i * 256 + (i & 255));
        lt_half_from_f32(h, x, N);
        for (int i = 0; i < N; i++) CHECK(h[i] == lt_f16_from_f32(x[i]));
    }
    for (uint32_t i = 0; i < N; i++) x[i] = bits(0x38000000u + i * 0x1000u + (i % 3) - 1);
    lt_half_from_f32(h, x, N);
    for (int i = 0; i < N; i++) CHECK(h[i] == lt_f16_from_f32(x[i]));
}

static void known(void)
{
    const float x[] = { 1.0f,     -2.0f,    65504.0f,   65519.0f,        65520.0f,
                        0x1p-24f, 0x1p-25f, 0x1.8p-25f, 1.0f + 0x1p-11f, 1.0f + 0x3p-11f,
                        -0.0f };
    const uint16_t want[] = { 0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x0001,
                              0x0000, 0x0001, 0x3c00, 0x3c02, 0x8000 };
    uint16_t h[11];
    lt_half_from_f32(h, x, 11);
    for (int i = 0; i < 11; i++) CHECK(h[i] == want[i]);
    float y[3] = { 0.1f, 1e-9f, 3.0f };
    lt_half_round(y, 3);
    CHECK(y[0] == lt_f32_from_f16(lt_f16_from_f32(0.1f)) && y[1] == 0.0f && y[2] == 3.0f);
}

int main(void)
{
    all_halves();
    all_floats();
    known();
    return 0;
}
