#include "kernels/kernels.h"

#include "kernels/attention_impl.h"
#include "kernels/impl.h"
#include "kernels/similarity_impl.h"

static const lt_kernels tables[] = {
    { .name = "ref",
      .space = LT_HOST,
      .path = LT_PATH_REF,
      .compute = LT_F32,
      .linear_pack = lt_linear_pack_ref,
      .linear = lt_linear_ref,
      .linear_free = lt_linear_free_ref,
      .conv_pack = lt_conv_pack_ref,
      .conv = lt_conv_ref,
      .conv_free = lt_conv_free_ref,
      .group_norm = lt_group_norm_ref,
      .layer_norm = lt_layer_norm_ref,
      .unary = lt_unary_ref,
      .geglu = lt_geglu_ref,
      .add = lt_add_ref,
      .axpby = lt_axpby_ref,
      .convert = lt_convert_ref,
      .concat = lt_concat_ref,
      .upsample = lt_upsample_ref,
      .bilinear = lt_bilinear_ref,
      .attention = lt_attention_ref,
      .attention_finish = lt_attention_finish_ref,
      .unit_rows = lt_unit_rows_ref,
      .best_match = lt_best_match_ref,
      .top_k = lt_top_k_ref,
      .gather_rows = lt_gather_rows_ref },
};
enum { N_TABLES = sizeof(tables) / sizeof(*tables) };

lt_status lt_kernels_get(lt_cpu_path path, lt_dtype compute, const lt_kernels **k)
{
    if (compute != LT_F32 && (compute != LT_BF16 || path < LT_PATH_AVX512_BF16))
        return LT_FAIL(
            LT_ERR_CONFIG,
            "the CPU path %s does not compute in %s: bf16 needs avx512_bf16 or "
            "amx_bf16, f32 works everywhere",
            lt_cpu_path_name(path), lt_dtype_name(compute));
    if (!lt_cpu_path_supported(path))
        return LT_FAIL(LT_ERR_UNSUPPORTED,
                       "this CPU lacks the path %s: the best one here is %s",
                       lt_cpu_path_name(path), lt_cpu_path_name(lt_cpu_path_best()));
    for (int i = 0; i < N_TABLES; i++) {
        if (tables[i].path == path && tables[i].compute == compute) {
            *k = &tables[i];
            return LT_OK;
        }
    }
    return LT_FAIL(LT_ERR_INTERNAL, "no table for %s", lt_cpu_path_name(path));
}

int lt_kernels_list(const lt_kernels **out, int cap)
{
    int n = 0;
    for (int i = 0; i < N_TABLES && n < cap; i++)
        if (lt_cpu_path_supported(tables[i].path)) out[n++] = &tables[i];
    return n;
}
