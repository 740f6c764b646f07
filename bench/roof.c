#include "bench/roof.h"

#include <immintrin.h>
#include <string.h>
#include <time.h>

enum { LOOPS = 2000000, CHAINS = 12, REPEATS = 5 };
/* Floats an array a thread: more than a cache holds, but many threads must not fill
 * the memory. */
enum { ARRAY_MOST = 16 << 20, ARRAY_LEAST = 1 << 20, ARRAYS_ALL = 64 << 20 };

/* Processor time: a roof is what is possible, whoever else is on the machine. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve independent chains of multiply-adds hide the latency; in assembly, since a
 * compiler would fold or spill them. All registers are zero, where no number is slow. */
#define EACH_CHAIN(op) \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)
#define CHAIN_REGISTERS                                                             \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
        "xmm10", "xmm11", "xmm12"
#define CLEAR(i)  "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define AVX2(i)   "vfmadd231ps %%ymm12, %%ymm12, %%ymm" #i "\n\t"
#define AVX512(i) "vfmadd231ps %%zmm12, %%zmm12, %%zmm" #i "\n\t"
#define BF16(i)   "vdpbf16ps %%zmm12, %%zmm12, %%zmm" #i "\n\t"
#define LOOP(op)                                                            \
    do {                                                                    \
        int64_t n = LOOPS;                                                  \
        __asm__ volatile(EACH_CHAIN(CLEAR)                                  \
                             CLEAR(12) "1:\n\t" EACH_CHAIN(op) "dec %0\n\t" \
                                                               "jnz 1b\n\t" \
                                                               "vzeroupper" \
                         : "+r"(n)                                          \
                         :                                                  \
                         : CHAIN_REGISTERS, "cc");                          \
    } while (0)

/* Each returns floating-point operations. */
__attribute__((target("avx2"))) static double loop_avx2(void)
{
    LOOP(AVX2);
    return 2.0 * 8 * CHAINS * LOOPS;
}

__attribute__((target("avx512f"))) static double loop_avx512(void)
{
    LOOP(AVX512);
    return 2.0 * 16 * CHAINS * LOOPS;
}

__attribute__((target("avx512f"))) static double loop_bf16(void)
{
    LOOP(BF16);
    return 4.0 * 16 * CHAINS * LOOPS;
}

__attribute__((target("amx-tile,amx-bf16"))) static double loop_amx(void)
{
    enum { TILE_LOOPS = LOOPS / 8 };
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = 16;
    }
    _tile_loadconfig(&config);
    _tile_zero(4);
    _tile_zero(5);
    for (int n = 0; n < TILE_LOOPS; n++) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_release();
    return 2.0 * 16 * 16 * 32 * 4 * TILE_LOOPS;
}

static double loop_plain(void)
{
    float a[CHAINS] = { 0 };
    for (int n = 0; n < LOOPS; n++)
        for (int i = 0; i < CHAINS; i++) {
            a[i] = a[i] * 0.999f + 1e-3f;
            __asm__ volatile("" : "+x"(a[i]));
        }
    return 2.0 * CHAINS * LOOPS;
}

static double run_loop(lt_cpu_path path)
{
    switch (path) {
    case LT_PATH_REF: return loop_plain();
    case LT_PATH_AVX2_F32: return loop_avx2();
    case LT_PATH_AVX512_F32: return loop_avx512();
    case LT_PATH_AVX512_BF16: return loop_bf16();
    case LT_PATH_AMX_BF16: return loop_amx();
    }
    return 0;
}

/* f32 on a path for bf16 is what the AVX-512 entries do. */
static lt_cpu_path instructions(lt_cpu_path path, lt_dtype compute)
{
    const int f32 = compute == LT_F32 && path > LT_PATH_AVX512_F32;
    return f32 ? LT_PATH_AVX512_F32 : path;
}

typedef struct roof_job {
    lt_cpu_path path;
    double work;  /* of one tile */
    float *array; /* a thread: three of them */
    int64_t n;    /* floats of one */
} roof_job;

static lt_status flops_tile(void *arg, int64_t tile, int worker)
{
    roof_job *j = arg;
    (void)worker;
    const double work = run_loop(j->path);
    if (tile == 0) j->work = work;
    return LT_OK;
}

static lt_status triad_tile(void *arg, int64_t tile, int worker)
{
    const roof_job *j = arg;
    float *restrict a = j->array + tile * 3 * j->n;
    const float *restrict b = a + j->n, *restrict c = b + j->n;
    (void)worker;
    for (int64_t i = 0; i < j->n; i++) a[i] = b[i] + 0.5f * c[i];
    return LT_OK;
}

static lt_status copy_tile(void *arg, int64_t tile, int worker)
{
    const roof_job *j = arg;
    float *a = j->array + tile * 3 * j->n;
    (void)worker;
    memcpy(a, a + j->n, (size_t)j->n * sizeof(*a));
    return LT_OK;
}

static lt_status touch_tile(void *arg, int64_t tile, int worker)
{
    const roof_job *j = arg;
    (void)worker;
    memset(j->array + tile * 3 * j->n, 0, (size_t)(3 * j->n) * sizeof(*j->array));
    return LT_OK;
}

/* Best of a few, a thread. */
static lt_status best_time(lt_threads *threads, lt_tile_fn *fn, roof_job *j, double *best)
{
    const int n = lt_threads_count(threads);
    *best = 1e30;
    for (int i = 0; i < REPEATS; i++) {
        const double t0 = now();
        const lt_status st = lt_parallel_for(threads, n, fn, j);
        if (st != LT_OK) return st;
        const double t = (now() - t0) / n;
        if (t < *best) *best = t;
    }
    return LT_OK;
}

lt_status lt_roof_flops(lt_threads *threads, lt_cpu_path path, lt_dtype compute,
                        double *gflops)
{
    roof_job j = { .path = instructions(path, compute) };
    double t;
    if (!lt_cpu_path_supported(j.path))
        return LT_FAIL(LT_ERR_UNSUPPORTED, "this CPU lacks %s (roof): see `doctor`",
                       lt_cpu_path_name(j.path));
    const lt_status st = best_time(threads, flops_tile, &j, &t);
    if (st == LT_OK) *gflops = j.work * lt_threads_count(threads) / t * 1e-9;
    return st;
}

lt_status lt_roof_measure(const lt_exec *x, lt_roof *roof)
{
    const int64_t n = lt_threads_count(x->threads);
    lt_status st = LT_OK;
    lt_roof r;
    lt_tensor t = { 0 };
    double triad, copy;
    LT_TRY(lt_roof_flops(x->threads, x->k->path, x->k->compute, &r.flops));
    roof_job j = { .n = ARRAYS_ALL / n };
    if (j.n > ARRAY_MOST) j.n = ARRAY_MOST;
    if (j.n < ARRAY_LEAST) j.n = ARRAY_LEAST;
    LT_TRY(LT_TENSOR_NEW(&t, x->pool, LT_F32, n * 3 * j.n));
    j.array = lt_f32(&t);
    LT_TRY(lt_parallel_for(x->threads, n, touch_tile, &j));
    LT_TRY(best_time(x->threads, triad_tile, &j, &triad));
    LT_TRY(best_time(x->threads, copy_tile, &j, &copy));
    r.triad = 12.0 * (double)(j.n * n) / triad * 1e-9;
    r.copy = 8.0 * (double)(j.n * n) / copy * 1e-9;
    *roof = r;
cleanup:
    lt_tensor_free(&t);
    lt_pool_trim(x->pool);
    return st;
}
