#ifndef LT_CORE_THREADS_H
#define LT_CORE_THREADS_H

#include <stdint.h>

#include "core/status.h"

/* A pool of threads that run tiles. Tiles go to whichever worker is free, so a tile's
 * result must be a function of its number alone; then results do not depend on the
 * number of workers. */
typedef struct lt_threads lt_threads;

/* One tile: 0 <= tile < n_tiles, on worker 0 <= worker < lt_threads_count (for scratch
 * memory a worker: no two tiles run on one worker at the same time). */
typedef lt_status lt_tile_fn(void *arg, int64_t tile, int worker);

/* Called once by every worker in its own thread before its first tile; for worker 0, the
 * caller itself, within lt_threads_open. For thread-local settings of libraries. */
typedef void lt_worker_init_fn(void *arg, int worker);

enum { LT_THREADS_MAX = 4096 };

/* Start a pool of n workers, 1 <= n <= LT_THREADS_MAX: n - 1 threads and whoever calls
 * lt_parallel_for. All signals are blocked in the threads. init may be NULL; it has run
 * everywhere on return. *out is owned by the caller. Errors: ARG, NOMEM. */
LT_NODISCARD lt_status lt_threads_open(lt_threads **out, int n, lt_worker_init_fn *init,
                                       void *init_arg);

/* End the threads. NULL is fine. No lt_parallel_for may be running. */
void lt_threads_close(lt_threads *p);

/* Number of workers; 1 for NULL. */
int lt_threads_count(const lt_threads *p);

/* Number of CPUs that this process may run on (affinity mask), at least 1. */
int lt_threads_available(void);

/* A number that processes on the same CPUs (affinity mask) of the same machine share, and
 * others do not; for dividing the CPUs among ranks. */
uint64_t lt_threads_place(void);

/* Keep every worker but the caller on a CPU of its own: the CPUs of this process are cut
 * into `shares` even parts, this pool takes part `share` (0 .. shares - 1). The caller
 * stays free, for the threads of libraries that it starts inherit its mask. Returns 1;
 * 0, and nothing is changed, when the part has not as many CPUs as the pool workers (with
 * fewer workers, other programs are meant to have the rest, and only the system knows
 * which CPUs they are on) or the system refuses. Results never depend on it. */
int lt_threads_pin(lt_threads *p, int share, int shares);

/* Run fn for every tile in [0, n_tiles) and wait. Inline, in order, on the caller when
 * p is NULL or has one worker, when there is one tile, and when called from inside a tile
 * of p (then on that tile's worker). Two threads that call it on one pool take turns.
 * After a failure no further tile begins; the failure of the lowest tile that failed is
 * returned with its message, the same for any number of workers.
 * Errors: ARG (n_tiles < 0, or inside a tile of another pool), those of fn. */
LT_NODISCARD lt_status lt_parallel_for(lt_threads *p, int64_t n_tiles, lt_tile_fn *fn,
                                       void *arg);

#endif
