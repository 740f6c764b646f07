#include <omp.h>
#include <string.h>

#include "check.h"
#include "kernels/kernels.h"

/* Names, choice and contents of the tables. */

static void check_names(void)
{
    static const char *const names[] = { "ref", "avx2_f32", "avx512_f32", "avx512_bf16",
                                         "amx_bf16" };
    for (int i = 0; i < 5; i++) {
        lt_cpu_path path = LT_PATH_REF;
        CHECK(strcmp(lt_cpu_path_name((lt_cpu_path)i), names[i]) == 0);
        CHECK(lt_cpu_path_parse(names[i], &path) == LT_OK && path == (lt_cpu_path)i);
    }
    lt_cpu_path path = LT_PATH_AVX2_F32;
    CHECK(lt_cpu_path_parse("sse2", &path) == LT_ERR_CONFIG && path == LT_PATH_AVX2_F32);
    CHECK(strstr(lt_error_message(), "sse2") && strstr(lt_error_message(), "avx2_f32"));
}

static int complete(const lt_kernels *k)
{
    return k->linear_pack && k->linear && k->linear_free && k->conv_pack && k->conv &&
           k->conv_free && k->group_norm && k->layer_norm && k->unary && k->geglu &&
           k->add && k->axpby && k->convert && k->concat && k->upsample && k->bilinear &&
           k->attention && k->attention_finish && k->unit_rows && k->best_match &&
           k->top_k && k->gather_rows;
}

static void check_tables(void)
{
    const lt_kernels *all[16], *k = NULL;
    const int n = lt_kernels_list(all, 16);
    CHECK(n >= 1 && all[0]->path == LT_PATH_REF && lt_kernels_list(all, 1) == 1);
    for (int i = 0; i < n; i++) {
        CHECK(complete(all[i]) && all[i]->space == LT_HOST);
        CHECK(lt_kernels_get(all[i]->path, all[i]->compute, &k) == LT_OK && k == all[i]);
    }
    for (int p = 0; p <= LT_PATH_AMX_BF16; p++) {
        const lt_cpu_path path = (lt_cpu_path)p;
        const int ok = lt_cpu_path_supported(path), bf16 = p >= LT_PATH_AVX512_BF16;
        CHECK(lt_kernels_get(path, LT_F32, &k) == (ok ? LT_OK : LT_ERR_UNSUPPORTED));
        const lt_status st = lt_kernels_get(path, LT_BF16, &k);
        CHECK(st == (!bf16 ? LT_ERR_CONFIG : ok ? LT_OK : LT_ERR_UNSUPPORTED));
    }
    CHECK(lt_cpu_path_supported(lt_cpu_path_best()));
    CHECK(lt_kernels_get(LT_PATH_REF, LT_I32, &k) == LT_ERR_CONFIG);
}

/* A layer must neither depend on nor change the caller's OpenMP setting, and a warm
 * layer takes nothing from the system. */
static void check_quiet(const lt_kernels *k)
{
    lt_pool *pool;
    lt_tensor w, in, out;
    lt_linear *linear;
    CHECK(lt_pool_open(&pool, LT_HOST, "quiet", 0) == LT_OK);
    const lt_exec x = { .k = k, .pool = pool };
    CHECK(LT_TENSOR_NEW(&w, pool, LT_F32, 40, 24) == LT_OK);
    CHECK(LT_TENSOR_NEW(&in, pool, k->compute, 50, 24) == LT_OK);
    CHECK(LT_TENSOR_NEW(&out, pool, k->compute, 50, 40) == LT_OK);
    CHECK(lt_tensor_zero(&w, NULL) == LT_OK && lt_tensor_zero(&in, NULL) == LT_OK);
    CHECK(k->linear_pack(&x, &w, NULL, &linear) == LT_OK);
    const lt_linear_args a = { .w = linear, .in = &in, .out = &out, .rows_per_tile = 50 };
    omp_set_num_threads(3);
    CHECK(k->linear(&x, &a) == LT_OK);
    CHECK(omp_get_max_threads() == 3);
    const size_t held = lt_pool_used(pool) + lt_pool_cached(pool);
    for (int i = 0; i < 3; i++) CHECK(k->linear(&x, &a) == LT_OK);
    CHECK(lt_pool_used(pool) + lt_pool_cached(pool) == held);
    k->linear_free(&linear);
    lt_tensor_free(&w);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
    CHECK(lt_pool_used(pool) == 0);
    lt_pool_close(&pool);
}

int main(void)
{
    const lt_kernels *all[16];
    check_names();
    check_tables();
    const int n = lt_kernels_list(all, 16);
    for (int i = 0; i < n; i++) check_quiet(all[i]);
    /* oneDNN has been used by now. */
    if (n > 1) CHECK(lt_kernels_limit_isa(LT_PATH_AVX2_F32) == LT_ERR_INTERNAL);
    return 0;
}
