#include "kernels/attention_lanes.h"

/* f32 attention with AVX-512: 48 rows x 8 scores, then 48 rows x 8 channels, in 24 of 32
 * registers. */
static const lt_flash_path avx512_f32 = LT_LANES_PATH;

lt_status lt_attention_avx512_f32(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx512_f32, x, a);
}
