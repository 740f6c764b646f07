#include "kernels/similarity_lanes.h"

/* best_match with AVX2 in f32: 24 rows x 4 products in registers. */
static const lt_match_path avx2_f32 = LT_LANES_MATCH;

lt_status lt_best_match_avx2_f32(const lt_exec *x, const lt_best_match_args *a)
{
    return lt_match(&avx2_f32, x, a);
}
