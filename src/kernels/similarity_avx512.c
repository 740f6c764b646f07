#include "kernels/similarity_lanes.h"

/* best_match with AVX-512 in f32: 48 rows x 8 products in registers. */
static const lt_match_path avx512_f32 = LT_LANES_MATCH;

lt_status lt_best_match_avx512_f32(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&avx512_f32, x, a);
}
