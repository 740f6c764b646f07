#ifndef LT_KERNELS_KERNELS_H
#define LT_KERNELS_KERNELS_H

#include "core/threads.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/resample.h"
#include "kernels/similarity.h"
#include "tensor/tensor.h"

/* The tables of operations: one plain C reference, and entries that override it for a
 * CPU path or for CUDA. All pointers and tensors are in the memory space of the table.
 *
 * The rule that keeps results equal for every number of threads (docs/numerics.md): an
 * entry cuts its work into tiles whose shape depends on the layer and on one sample
 * only, never on the batch or on the threads; one thread computes a tile alone. So a
 * sample's result has the same bits in a batch of 1 and of 16, and on 1 and 3 threads. */

typedef enum lt_cpu_path {
    LT_PATH_REF = 0, /* the reference of every operation, f32 */
    LT_PATH_AVX2_F32 = 1,
    LT_PATH_AVX512_F32 = 2,
    LT_PATH_AVX512_BF16 = 3, /* AVX512_BF16; pays on AMD, see lt_cpu_path_best */
    LT_PATH_AMX_BF16 = 4
} lt_cpu_path;

typedef struct lt_kernels {
    const char *name; /* "ref", "avx2_f32", ... , "cuda" */
    lt_space space;
    lt_cpu_path path; /* of a host table */
    lt_dtype compute; /* what activations are stored in: LT_F32 or LT_BF16 */

    lt_linear_pack_fn *linear_pack;
    lt_linear_fn *linear;
    lt_linear_free_fn *linear_free;
    lt_conv_pack_fn *conv_pack;
    lt_conv_fn *conv;
    lt_conv_free_fn *conv_free;
    lt_group_norm_fn *group_norm;
    lt_layer_norm_fn *layer_norm;
    lt_unary_fn *unary;
    lt_geglu_fn *geglu;
    lt_add_fn *add;
    lt_axpby_fn *axpby;
    lt_convert_fn *convert;
    lt_concat_fn *concat;
    lt_upsample_fn *upsample;
    lt_bilinear_fn *bilinear;
    lt_attention_fn *attention;
    lt_attention_finish_fn *attention_finish;
    lt_unit_rows_fn *unit_rows;
    lt_best_match_fn *best_match;
    lt_top_k_fn *top_k;
    lt_gather_rows_fn *gather_rows;
} lt_kernels;

/* Everything an operation needs besides its arguments. A value: copy freely. */
struct lt_exec {
    const lt_kernels *k;
    lt_threads *threads; /* host tables; NULL = the calling thread alone */
    lt_pool *pool;       /* scratch and results */
    lt_stream stream;    /* NULL when k->space is LT_HOST */
};

/* The best path and the compute type for this machine, from CPU flags and vendor only
 * (never from a timing): AMX -> amx_bf16; AMD with AVX512_BF16 -> avx512_bf16; AVX-512
 * -> avx512_f32 (also Intel with AVX512_BF16 but no AMX, where f32 is faster); else
 * AVX2 -> avx2_f32; else ref. */
lt_cpu_path lt_cpu_path_best(void);
int lt_cpu_path_supported(lt_cpu_path path);
const char *lt_cpu_path_name(lt_cpu_path path); /* "avx512_f32", as in run.cpu_path */
/* Errors: CONFIG (no such name). */
LT_NODISCARD lt_status lt_cpu_path_parse(const char *name, lt_cpu_path *path);

/* The CPU as its maker names it, with family and model ("... family 6 model 207"), cut to
 * size; "CPU" where it is not told. Returns out. */
const char *lt_cpu_describe(char *out, size_t size);

/* The table of a CPU path with f32 or bf16 activations. bf16 needs avx512_bf16 or
 * amx_bf16; those two paths also serve f32 (then with the avx512_f32 entries).
 * Borrowed, lives for ever.  Errors: UNSUPPORTED (this CPU lacks the path), CONFIG
 * (bf16 asked of an f32 path: says which paths have it). */
LT_NODISCARD lt_status lt_kernels_get(lt_cpu_path path, lt_dtype compute,
                                      const lt_kernels **k);

/* Every host table this CPU can run, the reference first, the f32 ones of the bf16 paths
 * ("amx_bf16/f32") last; returns how many, at most cap. For tests and benches. */
int lt_kernels_list(const lt_kernels **out, int cap);

/* Hold oneDNN to the instructions of a path, so that a chosen path is what really runs
 * on a CPU that has more. It must come before the first linear or convolution of the
 * process, and holds for ever: call it once at the start of a program, with the path of
 * the job (again with the same path is fine). LT_PATH_REF changes nothing.
 * Errors: INTERNAL (too late). */
LT_NODISCARD lt_status lt_kernels_limit_isa(lt_cpu_path path);

/* A pool of n >= 1 threads prepared for the kernels (each worker keeps libraries to
 * one thread). Close with lt_threads_close.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_kernels_threads_open(int n, lt_threads **threads);

#endif
