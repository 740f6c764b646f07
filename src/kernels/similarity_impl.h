#ifndef LT_KERNELS_SIMILARITY_IMPL_H
#define LT_KERNELS_SIMILARITY_IMPL_H

#include <string.h>

#include "kernels/similarity.h"

/* The host entries for the tables (kernels.c). Those whose name carries a CPU path may
 * only run where lt_cpu_path_supported says so. */

lt_unit_rows_fn lt_unit_rows_ref, lt_unit_rows_cpu;
lt_best_match_fn lt_best_match_ref;
lt_best_match_fn lt_best_match_avx2_f32;
lt_best_match_fn lt_best_match_avx512_f32;
lt_best_match_fn lt_best_match_avx512_bf16;
lt_best_match_fn lt_best_match_amx_bf16; /* the process has leave to use tiles */
lt_top_k_fn lt_top_k_ref, lt_top_k_cpu;
lt_gather_rows_fn lt_gather_rows_ref, lt_gather_rows_cpu;

/* Check shapes and dtypes as the header demands.  Errors: SHAPE, ARG. */
LT_NODISCARD lt_status lt_unit_rows_check(const lt_tensor *in, const lt_tensor *out);
LT_NODISCARD lt_status lt_best_match_check(const lt_best_match_args *a);
LT_NODISCARD lt_status lt_top_k_check(const lt_tensor *scores, int64_t k,
                                      const lt_tensor *out);
LT_NODISCARD lt_status lt_gather_rows_check(const lt_tensor *src, const lt_tensor *index,
                                            const lt_tensor *out);

/* Integers in the order of the scores: NaN lowest, both zeros equal. */
static inline uint32_t lt_score_rank(float score)
{
    uint32_t bits;
    if (score != score) return 0;
    if (score == 0.0f) score = 0.0f; /* -0 becomes +0 */
    memcpy(&bits, &score, sizeof(bits));
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

#endif
