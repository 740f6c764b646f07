#include <string.h>

#include "tensor/tensor.h"

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

uint16_t lt_bf16_from_f32(float x)
{
    const uint32_t u = bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

float lt_f32_from_bf16(uint16_t bits) { return from_bits((uint32_t)bits << 16); }

/* Shift right by n (1 .. 31), to nearest, ties to even. */
static uint32_t shift_even(uint32_t v, int n)
{
    const uint32_t half = 1u << (n - 1), odd = v >> n & 1;
    return (v + half - 1 + odd) >> n;
}

uint16_t lt_f16_from_f32(float x)
{
    const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000u, mag = u & 0x7fffffffu;
    uint32_t r;
    if (mag > 0x7f800000u)
        r = 0x7e00u | (mag >> 13 & 0x1ffu); /* quiet NaN */
    else if (mag >= 0x47800000u)
        r = 0x7c00u; /* >= 65536 */
    else if (mag >= 0x38800000u)
        r = shift_even(mag - 0x38000000u, 13);
    else if (mag >= 0x33000000u) /* a subnormal number: its last place is 2^-24 */
        r = shift_even((mag & 0x7fffffu) | 0x800000u, 126 - (int)(mag >> 23));
    else
        r = 0;
    return (uint16_t)(sign | r);
}

float lt_f32_from_f16(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, mag = bits & 0x7fffu;
    if (mag > 0x7c00u) return from_bits(sign | 0x7fc00000u | mag << 13);
    if (mag == 0x7c00u) return from_bits(sign | 0x7f800000u);
    /* The product is exact and puts the exponent right, subnormal numbers included. */
    return from_bits(sign | bits_of(from_bits(mag << 13) * 0x1p112f));
}

static int is_float(lt_dtype t) { return t == LT_F32 || t == LT_BF16 || t == LT_F16; }

static void to_f32(float *out, const uint16_t *in, int64_t n, lt_dtype from)
{
    if (from == LT_BF16)
        for (int64_t i = 0; i < n; i++) out[i] = lt_f32_from_bf16(in[i]);
    else
        for (int64_t i = 0; i < n; i++) out[i] = lt_f32_from_f16(in[i]);
}

static void from_f32(uint16_t *out, const float *in, int64_t n, lt_dtype to)
{
    if (to == LT_BF16)
        for (int64_t i = 0; i < n; i++) out[i] = lt_bf16_from_f32(in[i]);
    else
        for (int64_t i = 0; i < n; i++) out[i] = lt_f16_from_f32(in[i]);
}

lt_status lt_tensor_convert(lt_tensor *dst, const lt_tensor *src)
{
    enum { PIECE = 1024 };
    const int64_t n = lt_tensor_count(src);
    if (n != lt_tensor_count(dst))
        return LT_FAIL(LT_ERR_SHAPE, "conversion of %lld values into %lld", (long long)n,
                       (long long)lt_tensor_count(dst));
    if (!is_float(src->dtype) || !is_float(dst->dtype) || src->space != LT_HOST ||
        dst->space != LT_HOST)
        return LT_FAIL(LT_ERR_ARG, "conversion of %s to %s: host f32, bf16 and f16 only",
                       lt_dtype_name(src->dtype), lt_dtype_name(dst->dtype));
    if (src->dtype == dst->dtype) return lt_tensor_copy(dst, src, NULL);
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        float piece[PIECE];
        const float *values = piece;
        if (src->dtype == LT_F32)
            values = (const float *)src->data + i;
        else
            to_f32(piece, (const uint16_t *)src->data + i, m, src->dtype);
        if (dst->dtype == LT_F32)
            memcpy((float *)dst->data + i, values, (size_t)m * 4);
        else
            from_f32((uint16_t *)dst->data + i, values, m, dst->dtype);
    }
    return LT_OK;
}
