#ifndef LT_BENCH_ROOF_H
#define LT_BENCH_ROOF_H

#include "kernels/kernels.h"

/* What the machine can do at most, measured now: multiply-adds in registers with the
 * instructions of a path (f32 FMA, vdpbf16ps, AMX tiles), in GFLOP/s over all threads;
 * and a triad a = b + s c over three arrays of 64 MiB a thread, in GB/s of bytes read and written. */
double roof_flops(lt_cpu_path path, lt_threads *threads);
double roof_bytes(lt_pool *pool, lt_threads *threads);

#endif
