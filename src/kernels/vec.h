#ifndef LT_KERNELS_VEC_H
#define LT_KERNELS_VEC_H

#include <immintrin.h>

#include "kernels/impl.h"

/* One vector of floats, 16 or 8 wide, for files that are compiled twice: for AVX-512
 * (F, BW, DQ, VL) and for AVX2 + FMA + F16C. Values are f32 in registers whatever the
 * dtype in memory; bf16 is rounded by integers, so that both give the same bits.
 *
 * Loops end in a partial vector that runs the same instructions as a whole one, so a
 * value does not depend on its place. */

#define LT_INLINE static inline __attribute__((always_inline))

/* lt_unary -> lt_unary_avx2 */
#define LT_VEC_JOIN2(name, isa) name##_##isa
#define LT_VEC_JOIN(name, isa)  LT_VEC_JOIN2(name, isa)
#define LT_VEC_NAME(name)       LT_VEC_JOIN(name, LT_VEC_ISA)

#ifdef __AVX512F__

enum { VW = 16 };
typedef __m512 vf;

LT_INLINE vf v_set(float x) { return _mm512_set1_ps(x); }
LT_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
LT_INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
/* NaN in x stays: the second operand wins. */
LT_INLINE vf v_at_least(vf x, float lo) { return _mm512_max_ps(v_set(lo), x); }
LT_INLINE vf v_at_most(vf x, float hi) { return _mm512_min_ps(v_set(hi), x); }
LT_INLINE vf v_abs(vf x) { return _mm512_abs_ps(x); }
LT_INLINE vf v_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* p * 2^n */
LT_INLINE vf v_scale(vf p, vf n) { return _mm512_scalef_ps(p, n); }
/* x > 0 ? a : b */
LT_INLINE vf v_positive(vf x, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, v_set(0), _CMP_GT_OQ), b, a);
}

LT_INLINE vf from_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
LT_INLINE __m256i to_bf16(vf x)
{
    const __m512i u = _mm512_castps_si512(x), high = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i r =
        _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(
        _mm512_mask_blend_epi32(nan, _mm512_srli_epi32(r, 16), quiet));
}

LT_INLINE vf v_load(const void *p, lt_dtype t, int64_t i)
{
    if (t == LT_F32) return _mm512_loadu_ps((const float *)p + i);
    const __m256i h = _mm256_loadu_si256((const void *)((const uint16_t *)p + i));
    return t == LT_BF16 ? from_bf16(h) : _mm512_cvtph_ps(h);
}
LT_INLINE void v_store(void *p, lt_dtype t, int64_t i, vf x)
{
    if (t == LT_F32) {
        _mm512_storeu_ps((float *)p + i, x);
        return;
    }
    const __m256i h = t == LT_BF16 ? to_bf16(x) : _mm512_cvtps_ph(x, 0);
    _mm256_storeu_si256((void *)((uint16_t *)p + i), h);
}

/* The first n < VW lanes; zeros behind them. */
LT_INLINE vf v_first(vf x, int64_t n)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), x);
}

/* The first n < VW values only; the rest reads as 0. */
LT_INLINE vf v_load_part(const void *p, lt_dtype t, int64_t i, int64_t n)
{
    const __mmask16 m = (__mmask16)((1u << n) - 1);
    if (t == LT_F32) return _mm512_maskz_loadu_ps(m, (const float *)p + i);
    const __m256i h = _mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i);
    return t == LT_BF16 ? from_bf16(h) : _mm512_cvtph_ps(h);
}
LT_INLINE void v_store_part(void *p, lt_dtype t, int64_t i, int64_t n, vf x)
{
    const __mmask16 m = (__mmask16)((1u << n) - 1);
    if (t == LT_F32) {
        _mm512_mask_storeu_ps((float *)p + i, m, x);
        return;
    }
    const __m256i h = t == LT_BF16 ? to_bf16(x) : _mm512_cvtps_ph(x, 0);
    _mm256_mask_storeu_epi16((uint16_t *)p + i, m, h);
}

#else

#include <string.h>

enum { VW = 8 };
typedef __m256 vf;

LT_INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
LT_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
LT_INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
LT_INLINE vf v_at_least(vf x, float lo) { return _mm256_max_ps(v_set(lo), x); }
LT_INLINE vf v_at_most(vf x, float hi) { return _mm256_min_ps(v_set(hi), x); }
LT_INLINE vf v_abs(vf x) { return _mm256_andnot_ps(v_set(-0.0f), x); }
LT_INLINE vf v_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* Below 2^-126 the result is 0, from 2^128 on infinite. */
LT_INLINE vf v_scale(vf p, vf n)
{
    const __m256i e = _mm256_cvtps_epi32(v_at_most(v_at_least(n, -127), 128));
    const __m256i bits =
        _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(bits));
}
LT_INLINE vf v_positive(vf x, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, v_set(0), _CMP_GT_OQ));
}

LT_INLINE vf from_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
LT_INLINE __m128i to_bf16(vf x)
{
    const __m256i u = _mm256_castps_si256(x), high = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i r = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    r = _mm256_blendv_epi8(_mm256_srli_epi32(r, 16), quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
}

LT_INLINE vf v_load(const void *p, lt_dtype t, int64_t i)
{
    if (t == LT_F32) return _mm256_loadu_ps((const float *)p + i);
    const __m128i h = _mm_loadu_si128((const void *)((const uint16_t *)p + i));
    return t == LT_BF16 ? from_bf16(h) : _mm256_cvtph_ps(h);
}
LT_INLINE void v_store(void *p, lt_dtype t, int64_t i, vf x)
{
    if (t == LT_F32) {
        _mm256_storeu_ps((float *)p + i, x);
        return;
    }
    const __m128i h = t == LT_BF16 ? to_bf16(x) : _mm256_cvtps_ph(x, 0);
    _mm_storeu_si128((void *)((uint16_t *)p + i), h);
}

LT_INLINE vf v_first(vf x, int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i keep = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
    return _mm256_and_ps(x, _mm256_castsi256_ps(keep));
}

LT_INLINE vf v_load_part(const void *p, lt_dtype t, int64_t i, int64_t n)
{
    float whole[VW] = { 0 };
    const size_t size = t == LT_F32 ? 4 : 2;
    memcpy(whole, (const char *)p + (size_t)i * size, (size_t)n * size);
    return v_load(whole, t, 0);
}
LT_INLINE void v_store_part(void *p, lt_dtype t, int64_t i, int64_t n, vf x)
{
    float whole[VW];
    const size_t size = t == LT_F32 ? 4 : 2;
    v_store(whole, t, 0, x);
    memcpy((char *)p + (size_t)i * size, whole, (size_t)n * size);
}

#endif

/* Sum of the lanes in a fixed order. */
LT_INLINE float v_sum(vf x)
{
    float lane[VW];
    v_store(lane, LT_F32, 0, x);
    for (int step = VW / 2; step > 0; step /= 2)
        for (int i = 0; i < step; i++) lane[i] += lane[i + step];
    return lane[0];
}

/* e^x, relative error 1e-7; 0 and infinity where f32 ends, NaN stays. The polynomials
 * are fitted to the definition (Chebyshev nodes, weighted towards minimax). */
LT_INLINE vf v_exp(vf x)
{
    x = v_at_most(v_at_least(x, -104), 89);
    const vf n = v_round(x * v_set(1.44269504f));
    /* ln 2 in two parts: n * 0.693359375 is exact. */
    vf f = v_fnma(n, v_set(0.693359375f), x);
    f = v_fnma(n, v_set(-2.12194440e-4f), f);
    vf p = v_set(1.3951719e-3f);
    p = v_fma(p, f, v_set(8.36959815e-3f));
    p = v_fma(p, f, v_set(4.16661873e-2f));
    p = v_fma(p, f, v_set(1.66665129e-1f));
    p = v_fma(p, f, v_set(0.5f));
    p = v_fma(p, f * f, f) + v_set(1.0f);
    return v_scale(p, n);
}

LT_INLINE vf v_silu(vf x) { return x / (v_set(1.0f) + v_exp(v_set(0.0f) - x)); }

LT_INLINE vf v_quick_gelu(vf x) { return x / (v_set(1.0f) + v_exp(v_set(-1.702f) * x)); }

/* x * Phi(x). For t = |x|: Phi(-t) = e^(-t^2/2 - r(t)) with
 * r(t) = -ln(erfcx(t/sqrt 2)/2), a smooth function: the polynomial. From 5.5 on Phi(-t)
 * is below 2e-8. */
LT_INLINE vf v_gelu(vf x)
{
    const vf t = v_abs(x), s = v_at_most(t, 5.5f);
    vf r = v_set(5.35604345e-7f);
    r = v_fma(r, s, v_set(-9.12216304e-6f));
    r = v_fma(r, s, v_set(3.78405259e-5f));
    r = v_fma(r, s, v_set(3.25974968e-4f));
    r = v_fma(r, s, v_set(-5.20986789e-3f));
    r = v_fma(r, s, v_set(3.66116931e-2f));
    r = v_fma(r, s, v_set(-1.81777342e-1f));
    r = v_fma(r, s, v_set(7.97894966e-1f));
    r = v_fma(r, s, v_set(6.93146978e-1f));
    const vf tail = v_exp(v_fnma(v_set(0.5f) * t, t, v_set(0.0f) - r));
    return x * v_positive(x, v_set(1.0f) - tail, tail);
}

LT_INLINE vf v_act(lt_act act, vf x)
{
    switch (act) {
    case LT_ACT_NONE: return x;
    case LT_ACT_SILU: return v_silu(x);
    case LT_ACT_GELU: return v_gelu(x);
    case LT_ACT_QUICK_GELU: return v_quick_gelu(x);
    }
    return x;
}

/* Run STATEMENT, which names the dtype T, for the float dtype of a tensor: so the loops
 * inside know it at compile time. */
#define LT_WITH_DTYPE(dtype, T, statement) \
    do {                                   \
        if ((dtype) == LT_F32) {           \
            const lt_dtype T = LT_F32;     \
            statement;                     \
        } else if ((dtype) == LT_BF16) {   \
            const lt_dtype T = LT_BF16;    \
            statement;                     \
        } else {                           \
            const lt_dtype T = LT_F16;     \
            statement;                     \
        }                                  \
    } while (0)

#endif
