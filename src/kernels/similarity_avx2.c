#include "kernels/score_avx2.h"
#include "kernels/similarity_match.h"

/* best_match with AVX2 in f32: 6 rows x 16 products in registers. */

/* Keep the best of row r among n of the LT_SCORE_KEYS products s, for rows of b from
 * first on; this path uses 8 of the lanes. */
static void keep_best(lt_match_tile *t, int r, const float *s, int64_t first, int n)
{
    float *best = t->best + r * LT_MATCH_LANES;
    __m256i *index = (__m256i *)(void *)(t->index + r * LT_MATCH_LANES);
    __m256 top = _mm256_load_ps(best), where = _mm256_castsi256_ps(*index);
    __m256i here = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                    _mm256_set1_epi32((int)first));
    for (int i = 0; i < LT_SCORE_KEYS / 8; i++) {
        const __m256 x = _mm256_load_ps(s + 8 * i);
        const __m256 m = _mm256_and_ps(_mm256_castsi256_ps(lanes_below(i, n)),
                                       _mm256_cmp_ps(x, top, _CMP_GT_OQ));
        top = _mm256_blendv_ps(top, x, m);
        where = _mm256_blendv_ps(where, _mm256_castsi256_ps(here), m);
        here = _mm256_add_epi32(here, _mm256_set1_epi32(8));
    }
    _mm256_store_ps(best, top);
    *index = _mm256_castps_si256(where);
}

static void match(lt_match_tile *t, const void *b, int64_t first, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += LT_SCORE_ROWS) {
        for (int p = 0; p < LT_SCORE_KEYS; p += LT_PANEL)
            score((const float *)t->a + r0 * t->dk, (const float *)b + p * t->dk, t->dk,
                  s + p);
        for (int r = 0; r < LT_SCORE_ROWS; r++)
            keep_best(t, r0 + r, s + r * LT_SCORE_KEYS, first, n);
    }
}

static const lt_match_path avx2_f32 = { .keys = LT_SCORE_KEYS,
                                        .row_group = LT_SCORE_ROWS,
                                        .elem = 4,
                                        .dk_align = 1,
                                        .scratch =
                                            LT_SCORE_ROWS * LT_SCORE_KEYS * sizeof(float),
                                        .pack_a = pack_q,
                                        .pack_b = pack_k,
                                        .match = match };

lt_status lt_best_match_avx2_f32(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&avx2_f32, x, a);
}
