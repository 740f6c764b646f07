#include "kernels/kernels.h"

#include "kernels/attention_impl.h"
#include "kernels/impl.h"
#include "kernels/similarity_impl.h"

/* The entries of a table in groups, by the suffix of their implementation. */
#define MATRIX_OPS(impl)                                                    \
    .linear_pack = lt_linear_pack_##impl, .linear = lt_linear_##impl,       \
    .linear_free = lt_linear_free_##impl, .conv_pack = lt_conv_pack_##impl, \
    .conv = lt_conv_##impl, .conv_free = lt_conv_free_##impl

#define VECTOR_OPS(impl)                                                                \
    .group_norm = lt_group_norm_##impl, .layer_norm = lt_layer_norm_##impl,             \
    .unary = lt_unary_##impl, .geglu = lt_geglu_##impl, .add = lt_add_##impl,           \
    .axpby = lt_axpby_##impl, .convert = lt_convert_##impl, .concat = lt_concat_##impl, \
    .upsample = lt_upsample_##impl, .bilinear = lt_bilinear_##impl

#define TOKEN_OPS(impl)                                         \
    .unit_rows = lt_unit_rows_##impl, .top_k = lt_top_k_##impl, \
    .gather_rows = lt_gather_rows_##impl, .attention_finish = lt_attention_finish_ref

static const lt_kernels tables[] = {
    { .name = "ref",
      .path = LT_PATH_REF,
      .compute = LT_F32,
      MATRIX_OPS(ref),
      VECTOR_OPS(ref),
      TOKEN_OPS(ref),
      .attention = lt_attention_ref,
      .best_match = lt_best_match_ref },
    { .name = "avx2_f32",
      .path = LT_PATH_AVX2_F32,
      .compute = LT_F32,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx2),
      TOKEN_OPS(cpu),
      .attention = lt_attention_avx2_f32,
      .best_match = lt_best_match_avx2_f32 },
    { .name = "avx512_f32",
      .path = LT_PATH_AVX512_F32,
      .compute = LT_F32,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx512),
      TOKEN_OPS(cpu),
      .attention = lt_attention_avx512_f32,
      .best_match = lt_best_match_avx512_f32 },
    { .name = "avx512_bf16",
      .path = LT_PATH_AVX512_BF16,
      .compute = LT_BF16,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx512),
      TOKEN_OPS(cpu),
      .attention = lt_attention_avx512_bf16,
      .best_match = lt_best_match_avx512_bf16 },
    { .name = "amx_bf16",
      .path = LT_PATH_AMX_BF16,
      .compute = LT_BF16,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx512),
      TOKEN_OPS(cpu),
      .attention = lt_attention_amx_bf16,
      .best_match = lt_best_match_amx_bf16 },
    /* The bf16 paths with f32 activations: the entries of avx512_f32. */
    { .name = "avx512_bf16/f32",
      .path = LT_PATH_AVX512_BF16,
      .compute = LT_F32,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx512),
      TOKEN_OPS(cpu),
      .attention = lt_attention_avx512_f32,
      .best_match = lt_best_match_avx512_f32 },
    { .name = "amx_bf16/f32",
      .path = LT_PATH_AMX_BF16,
      .compute = LT_F32,
      MATRIX_OPS(dnnl),
      VECTOR_OPS(avx512),
      TOKEN_OPS(cpu),
      .attention = lt_attention_avx512_f32,
      .best_match = lt_best_match_avx512_f32 },
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
