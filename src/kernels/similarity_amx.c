#include "kernels/score_amx.h"
#include "kernels/similarity_avx512.h"

/* best_match with AMX: 32 rows x 32 products in four tiles. */

static void match(lt_match_tile *t, const void *b, int64_t first, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += LT_AMX_ROWS) {
        for (int j = 0; j < n; j += LT_AMX_GROUP)
            score_amx((const uint16_t *)t->a + r0 * t->dk, b, t->dk, j, s);
        for (int r = 0; r < LT_AMX_ROWS; r++)
            keep_best(t, r0 + r, s + r * LT_AMX_KEYS, LT_AMX_KEYS / 16, first, n);
    }
}

static const lt_match_path amx_bf16 = { .keys = LT_AMX_KEYS,
                                        .row_group = LT_AMX_ROWS,
                                        .elem = 2,
                                        .dk_align = 32,
                                        .scratch =
                                            LT_AMX_ROWS * LT_AMX_KEYS * sizeof(float),
                                        .pack_a = pack_q_bf16,
                                        .pack_b = pack_k_bf16,
                                        .match = match,
                                        .begin = lt_tiles_begin,
                                        .end = lt_tiles_end };

lt_status lt_best_match_amx_bf16(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&amx_bf16, x, a);
}
