#ifndef LT_KERNELS_SIMILARITY_AVX512_H
#define LT_KERNELS_SIMILARITY_AVX512_H

#include "kernels/score_avx512.h"
#include "kernels/similarity_match.h"

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

#endif
