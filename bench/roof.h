#ifndef LT_BENCH_ROOF_H
#define LT_BENCH_ROOF_H

#include "kernels/kernels.h"

/* What this machine can do at most, measured now in processor time, best of five: the
 * denominators of every share of the roof. On all threads of the pool at once. */
typedef struct lt_roof {
    double flops; /* GFLOP/s: multiply-adds in registers with the path's instructions
                   * for the compute type (f32 FMA, vdpbf16ps, AMX tiles) */
    double triad; /* GB/s read and written: a = b + s c, three arrays of 64 MiB a thread,
                   * with more than 4 threads less, at least 4 MiB */
    double copy;  /* GB/s read and written: a = b, the same arrays */
} lt_roof;

/* Takes about 0.1 s of computing and 0.3 s of memory.  Errors: NOMEM,
 * UNSUPPORTED (the CPU lacks the path). */
LT_NODISCARD lt_status lt_roof_measure(const lt_exec *x, lt_roof *roof);

/* Only the rate in registers, of any path this CPU has. */
LT_NODISCARD lt_status lt_roof_flops(lt_threads *threads, lt_cpu_path path,
                                     lt_dtype compute, double *gflops);

#endif
