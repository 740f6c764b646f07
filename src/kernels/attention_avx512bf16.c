#define LT_LANES_BF16
#include "kernels/attention_lanes.h"

/* bf16 attention with vdpbf16ps, softmax in f32: 48 rows x 8 scores, then 48 rows x 8
 * channels, in 24 of 32 registers. */
static const lt_flash_path avx512_bf16 = LT_LANES_PATH;

lt_status lt_attention_avx512_bf16(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx512_bf16, x, a);
}
