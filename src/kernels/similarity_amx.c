#include "kernels/score_amx.h"
#include "kernels/similarity_match.h"

/* best_match with AMX: 32 rows x 32 products in four tiles. */

/* Keep the best of row r: nv vectors of scores, of which n count, for rows of b from
 * first on. */
LT_INLINE void keep_best(lt_match_tile *t, int r, const float *s, int nv, int64_t first,
                         int n)
{
    const __m512i lane =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    float *best = t->best + r * LT_MATCH_LANES;
    int32_t *index = t->index + r * LT_MATCH_LANES;
    __m512 top = _mm512_load_ps(best);
    __m512i where = _mm512_load_si512(index);
    __m512i here = _mm512_add_epi32(lane, _mm512_set1_epi32((int)first));
    LT_UNROLL
    for (int i = 0; i < nv; i++) {
        const __m512 x = _mm512_load_ps(s + 16 * i);
        const __mmask16 m =
            _mm512_mask_cmp_ps_mask(lanes_below(i, n), x, top, _CMP_GT_OQ);
        top = _mm512_mask_mov_ps(top, m, x);
        where = _mm512_mask_mov_epi32(where, m, here);
        here = _mm512_add_epi32(here, _mm512_set1_epi32(16));
    }
    _mm512_store_ps(best, top);
    _mm512_store_si512(index, where);
}

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
                                        .lanes = LT_MATCH_LANES,
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
