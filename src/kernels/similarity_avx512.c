#include "kernels/similarity_avx512.h"

/* best_match with AVX-512 in f32: 6 rows x 64 products in registers. */

static void match(lt_match_tile *t, const void *b, int64_t first, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += LT_SCORE_ROWS) {
        score((const float *)t->a + r0 * t->dk, b, t->dk, s);
        for (int r = 0; r < LT_SCORE_ROWS; r++)
            keep_best(t, r0 + r, s + r * LT_SCORE_KEYS, LT_SCORE_KEYS / 16, first, n);
    }
}

static const lt_match_path avx512_f32 = { .keys = LT_SCORE_KEYS,
                                          .row_group = LT_SCORE_ROWS,
                                          .elem = 4,
                                          .dk_align = 1,
                                          .scratch = LT_SCORE_ROWS * LT_SCORE_KEYS *
                                                     sizeof(float),
                                          .pack_a = pack_q,
                                          .pack_b = pack_k,
                                          .match = match };

lt_status lt_best_match_avx512_f32(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&avx512_f32, x, a);
}
