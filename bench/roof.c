#include "roof.h"

#include <immintrin.h>
#include <string.h>
#include <time.h>

enum { LOOPS = 2000000, CHAINS = 12, REPEATS = 5 };
enum { TRIAD = 16 << 20 }; /* floats an array */

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

typedef struct roof_job {
    lt_cpu_path path;
    double work[64];
    float *triad; /* a thread: three arrays */
} roof_job;

static lt_status flops_tile(void *arg, int64_t tile, int worker)
{
    roof_job *j = arg;
    (void)worker;
    j->work[tile % 64] = run_loop(j->path);
    return LT_OK;
}

static lt_status triad_tile(void *arg, int64_t tile, int worker)
{
    const roof_job *j = arg;
    float *restrict a = j->triad + tile * 3 * TRIAD;
    const float *restrict b = a + TRIAD, *restrict c = b + TRIAD;
    (void)worker;
    for (int64_t i = 0; i < TRIAD; i++) a[i] = b[i] + 0.5f * c[i];
    return LT_OK;
}

/* Best of a few, a thread. */
static double best_time(lt_threads *threads, lt_tile_fn *fn, roof_job *j)
{
    double best = 1e30;
    for (int i = 0; i < REPEATS; i++) {
        const double t0 = now();
        if (lt_parallel_for(threads, lt_threads_count(threads), fn, j) != LT_OK)
            return best;
        const double t = (now() - t0) / lt_threads_count(threads);
        if (t < best) best = t;
    }
    return best;
}

double roof_flops(lt_cpu_path path, lt_threads *threads)
{
    roof_job j = { .path = path };
    const double t = best_time(threads, flops_tile, &j);
    return j.work[0] * lt_threads_count(threads) / t * 1e-9;
}

double roof_bytes(lt_pool *pool, lt_threads *threads)
{
    const int64_t n = lt_threads_count(threads);
    lt_tensor t;
    if (LT_TENSOR_NEW(&t, pool, LT_F32, n * 3 * TRIAD) != LT_OK) return 0;
    memset(t.data, 0, lt_tensor_bytes(&t));
    roof_job j = { .triad = lt_f32(&t) };
    const double s = best_time(threads, triad_tile, &j);
    lt_tensor_free(&t);
    return 12.0 * TRIAD * (double)n / s * 1e-9;
}
