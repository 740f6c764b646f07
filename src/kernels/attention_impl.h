#ifndef LT_KERNELS_ATTENTION_IMPL_H
#define LT_KERNELS_ATTENTION_IMPL_H

#include "kernels/attention.h"

/* The host entries for the tables (kernels.c), and what they share. Entries whose name
 * carries a CPU path may only run where lt_cpu_path_supported says so. All of them
 * accept q, k, v and out in f32 or bf16; the bf16 paths round f32 inputs to bf16. */

lt_attention_fn lt_attention_ref;
lt_attention_fn lt_attention_avx2_f32;
lt_attention_fn lt_attention_avx512_f32;
lt_attention_fn lt_attention_avx512_bf16;
lt_attention_fn lt_attention_amx_bf16; /* the process has leave to use tiles */

/* One finish for all: it only divides. */
lt_attention_finish_fn lt_attention_finish_ref;

typedef struct lt_attention_dims {
    int64_t sets, n_q, n_kv;
    int64_t kv_sets;         /* 1 or sets */
    int64_t heads, d, width; /* width = heads * d */
} lt_attention_dims;

/* Read the sizes and check everything that the header demands, index lists included.
 * Errors: SHAPE, ARG. */
LT_NODISCARD lt_status lt_attention_check(const lt_attention_args *a,
                                          lt_attention_dims *g);

/* Keys that set s has in this call. */
int64_t lt_attention_n_keys(const lt_attention_args *a, const lt_attention_dims *g,
                            int64_t s);

/* out[first .. first + d) = acc / sum, zeros when sum == 0; out f32 or bf16. */
void lt_attention_write_row(const lt_tensor *out, int64_t first, const float *acc,
                            float sum, int64_t d);

#endif
