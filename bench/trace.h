#ifndef LT_BENCH_TRACE_H
#define LT_BENCH_TRACE_H

#include "kernels/kernels.h"

/* Where the time of a net goes: a copy of a host table whose operations are timed.
 * One trace at a time in a program (operations have no room for a context). */

/* The timed copy; lives for ever. Load the models with it. */
const lt_kernels *trace_table(const lt_kernels *k);

/* Forget what was counted so far. */
void trace_reset(void);

/* CSV on stdout, longest first: op,shape,calls,cpu_ms,share,gflop,gflops,gbytes,gb_s.
 * cpu_ms is processor time of all calls over `runs`; gflop and gbytes (tensors read and
 * written) too. */
void trace_print(int runs);

#endif
