#include "kernels/score_bf16.h"
#include "kernels/similarity_avx512.h"

/* best_match with vdpbf16ps: 6 rows x 64 products in registers. */

static void match(lt_match_tile *t, const void *b, int64_t first, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += LT_SCORE_ROWS) {
        score_bf16((const uint16_t *)t->a + r0 * t->dk, b, t->c, t->dk, s);
        for (int r = 0; r < LT_SCORE_ROWS; r++)
            keep_best(t, r0 + r, s + r * LT_SCORE_KEYS, LT_SCORE_KEYS / 16, first, n);
    }
}

static const lt_match_path avx512_bf16 = { .keys = LT_SCORE_KEYS,
                                           .row_group = LT_SCORE_ROWS,
                                           .elem = 2,
                                           .dk_align = 32,
                                           .scratch = LT_SCORE_ROWS * LT_SCORE_KEYS *
                                                      sizeof(float),
                                           .pack_a = pack_q_bf16,
                                           .pack_b = pack_k_bf16,
                                           .match = match };

lt_status lt_best_match_avx512_bf16(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&avx512_bf16, x, a);
}
