#include "kernels/attention_lanes.h"

/* f32 attention with AVX2 and FMA: 24 rows x 4 scores, then 24 rows x 4 channels, in 12
 * of 16 registers. */
static const lt_flash_path avx2_f32 = LT_LANES_PATH;

lt_status lt_attention_avx2_f32(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx2_f32, x, a);
}
