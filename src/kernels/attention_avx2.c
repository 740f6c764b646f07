#include <float.h>

#include "kernels/score_avx2.h"

/* f32 attention with AVX2 and FMA: 6 rows x 16 scores, then 6 rows x 16 channels, in 12
 * of 16 registers. */

enum { KEYS = LT_SCORE_KEYS, ROWS = LT_SCORE_ROWS, PANEL = LT_PANEL };

/* 2^x for x <= 0 and NaN; below 2^-126 it stays there. Relative error 1e-7, 2^0 is 1. */
LT_INLINE __m256 exp2_neg(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(-126.0f), x); /* this order keeps NaN */
    const __m256 magic = _mm256_set1_ps(12582912.0f);
    const __m256 z = _mm256_add_ps(x, magic);
    const __m256 f = _mm256_sub_ps(x, _mm256_sub_ps(z, magic));
    __m256 p = _mm256_set1_ps(1.32647273e-3f);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(9.67151299e-3f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(5.55073358e-2f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.240222424f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.693147004f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
    /* the low bits of z hold the whole part */
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(z), 23);
    const __m256 one = _mm256_set1_ps(1.0f);
    return _mm256_mul_ps(
        p, _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(one), n)));
}

LT_INLINE float reduce_max(__m256 x)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* A larger score came up in row r: scale down what was summed so far. */
static void raise_max(lt_flash_tile *t, int r, float top)
{
    const __m256 keep = exp2_neg(_mm256_set1_ps(t->max[r] - top));
    float *sum = t->sum + r * LT_FLASH_LANES;
    t->max[r] = top;
    _mm256_store_ps(sum, _mm256_mul_ps(keep, _mm256_load_ps(sum)));
    for (int v = 0; v < t->n_values; v++) {
        float *acc = t->acc[v] + r * t->dv;
        for (int64_t c = 0; c < t->dv; c += 8)
            _mm256_store_ps(acc + c, _mm256_mul_ps(keep, _mm256_load_ps(acc + c)));
    }
}

/* Turn the KEYS scores s of row r, of which it sees the first n, into weights. */
static void weigh(lt_flash_tile *t, int r, float *s, int n)
{
    const __m256 factor = _mm256_set1_ps(t->factor);
    __m256 top = _mm256_set1_ps(-FLT_MAX), add = _mm256_setzero_ps();
    for (int i = 0; i < KEYS / 8; i++) {
        __m256 x = _mm256_load_ps(s + 8 * i);
        if (n < KEYS)
            x = _mm256_blendv_ps(_mm256_set1_ps(-FLT_MAX), x,
                                 _mm256_castsi256_ps(lanes_below(i, n)));
        top = _mm256_max_ps(x, top);
    }
    top = _mm256_mul_ps(top, factor);
    const __m256 above = _mm256_cmp_ps(top, _mm256_set1_ps(t->max[r]), _CMP_GT_OQ);
    if (_mm256_movemask_ps(above)) raise_max(t, r, reduce_max(top));

    const __m256 max = _mm256_set1_ps(t->max[r]);
    for (int i = 0; i < KEYS / 8; i++) {
        __m256 x = exp2_neg(_mm256_fmsub_ps(_mm256_load_ps(s + 8 * i), factor, max));
        if (n < KEYS) x = _mm256_and_ps(x, _mm256_castsi256_ps(lanes_below(i, n)));
        _mm256_store_ps(s + 8 * i, x);
        add = _mm256_add_ps(add, x);
    }
    float *sum = t->sum + r * LT_FLASH_LANES;
    _mm256_store_ps(sum, _mm256_add_ps(_mm256_load_ps(sum), add));
}

static void pack_v(void *to, const lt_flash_rows *src, int64_t dv, int keys)
{
    for (int j = 0; j < keys; j++) {
        float *v = (float *)to + j * dv;
        for (int64_t c = 0; c < dv; c += 8)
            _mm256_store_ps(v + c, j < src->n
                                       ? load8(lt_flash_row(src, j), src->bf16, c, src->d)
                                       : _mm256_setzero_ps());
    }
}

/* out[ROWS][8 * nv] += w[ROWS][KEYS] v[KEYS][8 * nv]. The block is summed by itself
 * first: with a million keys, small terms would vanish beside a large sum. */
LT_INLINE void add_values(const float *w, const float *v, int64_t dv, float *out, int nv)
{
    __m256 acc[ROWS][2];
    LT_UNROLL
    for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (int j = 0; j < KEYS; j++) {
        const __m256 b0 = _mm256_load_ps(v + j * dv);
        const __m256 b1 = nv > 1 ? _mm256_load_ps(v + j * dv + 8) : b0;
        LT_UNROLL
        for (int r = 0; r < ROWS; r++) {
            const __m256 x = _mm256_broadcast_ss(w + r * KEYS + j);
            acc[r][0] = _mm256_fmadd_ps(x, b0, acc[r][0]);
            if (nv > 1) acc[r][1] = _mm256_fmadd_ps(x, b1, acc[r][1]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < nv; i++) {
            float *o = out + r * dv + 8 * i;
            _mm256_store_ps(o, _mm256_add_ps(_mm256_load_ps(o), acc[r][i]));
        }
}

static void add_1(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 1);
}
static void add_2(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 2);
}

static void block(lt_flash_tile *t, const void *k, const void *const *v,
                  int64_t first_key, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += ROWS) {
        if (lt_flash_visible(t, r0 + ROWS - 1, first_key, n) == 0) continue;
        for (int p = 0; p < KEYS; p += PANEL)
            score((const float *)t->q + r0 * t->dk, (const float *)k + p * t->dk, t->dk,
                  s + p);
        for (int r = 0; r < ROWS; r++) {
            const int seen = lt_flash_visible(t, r0 + r, first_key, n);
            if (seen > 0)
                weigh(t, r0 + r, s + r * KEYS, seen);
            else
                for (int i = 0; i < KEYS; i++) s[r * KEYS + i] = 0.0f;
        }
        for (int i = 0; i < t->n_values; i++)
            for (int64_t c = 0; c < t->dv; c += 16)
                (c + 16 <= t->dv ? add_2 : add_1)(s, (const float *)v[i] + c, t->dv,
                                                  t->acc[i] + r0 * t->dv + c);
    }
}

static const lt_flash_path avx2_f32 = { .keys = KEYS,
                                        .row_group = ROWS,
                                        .rows = 192,
                                        .elem = 4,
                                        .dk_align = 1,
                                        .dv_align = 8,
                                        .scratch = ROWS * KEYS * sizeof(float),
                                        .pack_q = pack_q,
                                        .pack_k = pack_k,
                                        .pack_v = pack_v,
                                        .block = block };

lt_status lt_attention_avx2_f32(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx2_f32, x, a);
}
