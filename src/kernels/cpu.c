#include <cpuid.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/impl.h"

/* Tiles of AMX: CPUID must have them, and Linux must grant their state to the process
 * (the kernel remembers, so asking again is free). */
static int amx_granted(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned tile = 1u << 24, bf16 = 1u << 22;
    if ((d & tile) == 0 || (d & bf16) == 0) return 0;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static int has_avx2(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static int has_avx512_bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

int lt_cpu_path_supported(lt_cpu_path path)
{
    switch (path) {
    case LT_PATH_REF: return 1;
    case LT_PATH_AVX2_F32: return has_avx2();
    case LT_PATH_AVX512_F32: return has_avx512();
    case LT_PATH_AVX512_BF16: return has_avx512_bf16();
    case LT_PATH_AMX_BF16: return has_avx512_bf16() && amx_granted();
    }
    return 0;
}

lt_cpu_path lt_cpu_path_best(void)
{
    if (lt_cpu_path_supported(LT_PATH_AMX_BF16)) return LT_PATH_AMX_BF16;
    if (__builtin_cpu_is("amd") && has_avx512_bf16()) return LT_PATH_AVX512_BF16;
    if (has_avx512()) return LT_PATH_AVX512_F32;
    return has_avx2() ? LT_PATH_AVX2_F32 : LT_PATH_REF;
}

static const char *const path_names[] = { "ref", "avx2_f32", "avx512_f32", "avx512_bf16",
                                          "amx_bf16" };
enum { N_PATHS = sizeof(path_names) / sizeof(*path_names) };

const char *lt_cpu_path_name(lt_cpu_path path)
{
    return (unsigned)path < N_PATHS ? path_names[path] : "unknown";
}

lt_status lt_cpu_path_parse(const char *name, lt_cpu_path *path)
{
    for (int i = 0; i < N_PATHS; i++) {
        if (strcmp(name, path_names[i]) == 0) {
            *path = (lt_cpu_path)i;
            return LT_OK;
        }
    }
    return LT_FAIL(LT_ERR_CONFIG,
                   "no such CPU path (%s): use amx_bf16, avx512_bf16, "
                   "avx512_f32, avx2_f32 or ref",
                   name);
}

lt_status lt_kernels_limit_isa(lt_cpu_path path)
{
    dnnl_cpu_isa_t isa = dnnl_cpu_isa_all;
    switch (path) {
    case LT_PATH_REF: return LT_OK;
    case LT_PATH_AVX2_F32: isa = dnnl_cpu_isa_avx2; break;
    case LT_PATH_AVX512_F32: isa = dnnl_cpu_isa_avx512_core; break;
    case LT_PATH_AVX512_BF16: isa = dnnl_cpu_isa_avx512_core_bf16; break;
    case LT_PATH_AMX_BF16: isa = dnnl_cpu_isa_avx512_core_amx; break;
    }
    if (dnnl_set_max_cpu_isa(isa) == dnnl_success) return LT_OK;
    if (dnnl_get_effective_cpu_isa() == isa) return LT_OK; /* by an earlier job */
    return LT_FAIL(LT_ERR_INTERNAL, "oneDNN is in use already, too late to hold it to %s",
                   lt_cpu_path_name(path));
}

/* oneDNN takes its number of threads from the OpenMP setting of the calling thread. */
static void keep_to_one_thread(void *arg, int worker)
{
    (void)arg;
    (void)worker;
    omp_set_num_threads(1);
}

lt_status lt_kernels_threads_open(int n, lt_threads **threads)
{
    return lt_threads_open(threads, n, keep_to_one_thread, NULL);
}

/* ---- its name ---------------------------------------------------------------------- */

const char *lt_cpu_describe(char *out, size_t size)
{
    unsigned r[12] = { 0 }, a, b, c, d;
    char name[sizeof(r) + 1] = "CPU";
    const char *p = name;
    for (unsigned i = 0; i < 3; i++)
        if (__get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2],
                        &r[4 * i + 3]) &&
            i == 2)
            memcpy(name, r, sizeof(r));
    name[sizeof(r)] = '\0';
    while (*p == ' ') p++;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        snprintf(out, size, "%s", p);
        return out;
    }
    const unsigned family = (a >> 8) & 15, extended = (a >> 20) & 255;
    const unsigned high = family == 6 || family == 15 ? (a >> 16) & 15 : 0;
    snprintf(out, size, "%s family %u model %u", p,
             family + (family == 15 ? extended : 0), (high << 4) | ((a >> 4) & 15));
    return out;
}
