#include "io/half.h"

#include "tensor/tensor.h"

static void from_f32_plain(uint16_t *dst, const float *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] = lt_f16_from_f32(src[i]);
}

static void to_f32_plain(float *dst, const uint16_t *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] = lt_f32_from_f16(src[i]);
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

__attribute__((target("avx,f16c"))) static void from_f32_f16c(uint16_t *dst,
                                                              const float *src, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(src + i);
        _mm_storeu_si128((__m128i *)(dst + i),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    from_f32_plain(dst + i, src + i, n - i);
}

__attribute__((target("avx,f16c"))) static void to_f32_f16c(float *dst,
                                                            const uint16_t *src,
                                                            int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(src + i));
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(v));
    }
    to_f32_plain(dst + i, src + i, n - i);
}

static int has_f16c(void)
{
    return __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
}
#else
#define from_f32_f16c from_f32_plain
#define to_f32_f16c   to_f32_plain
static int has_f16c(void) { return 0; }
#endif

void lt_half_from_f32(uint16_t *dst, const float *src, int64_t n)
{
    if (has_f16c())
        from_f32_f16c(dst, src, n);
    else
        from_f32_plain(dst, src, n);
}

void lt_half_to_f32(float *dst, const uint16_t *src, int64_t n)
{
    if (has_f16c())
        to_f32_f16c(dst, src, n);
    else
        to_f32_plain(dst, src, n);
}

void lt_half_round(float *x, int64_t n)
{
    enum { PIECE = 512 };
    uint16_t h[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        lt_half_from_f32(h, x + i, m);
        lt_half_to_f32(x + i, h, m);
    }
}
