#include "core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPINS = 400 }; /* some microseconds: longer than the gap between two layers */

/* `gate` is the whole hand-shake: bit 0 says that a job is open, bits 1..15 count the
 * workers inside it, the rest is the number of the job. A worker may enter an open job
 * only, so one that wakes up late does no harm and nobody waits for it. */
#define GATE_OPEN    UINT64_C(1)
#define GATE_WORKER  UINT64_C(2)
#define GATE_WORKERS UINT64_C(0xfffe)
#define GATE_JOB     UINT64_C(0x10000)

typedef struct job {
    lt_tile_fn *fn;
    void *arg;
    int64_t n_tiles;
    atomic_int_fast64_t next;
    atomic_bool failed;
    int64_t failed_tile; /* with the rest under `mutex` */
    lt_status status;
    char message[LT_MESSAGE_MAX], place[256];
} job;

struct lt_threads {
    int n, n_started;
    pthread_t *thread;    /* [n - 1] */
    pthread_mutex_t turn; /* one lt_parallel_for at a time */
    pthread_mutex_t mutex;
    pthread_cond_t wake, idle;
    atomic_uint_fast64_t gate;
    atomic_bool closing;
    int n_ready; /* workers whose init has run, under mutex */
    lt_worker_init_fn *init;
    void *init_arg;
    job job;
};

typedef struct worker_start {
    lt_threads *pool;
    int worker;
} worker_start;

/* The tile this thread is in. Nested calls need it and cannot be handed a context. */
static _Thread_local const lt_threads *inside;
static _Thread_local int inside_worker;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void note_failure(lt_threads *p, int64_t tile, lt_status st)
{
    job *j = &p->job;
    pthread_mutex_lock(&p->mutex);
    if (j->status == LT_OK || tile < j->failed_tile) {
        j->failed_tile = tile;
        j->status = st;
        snprintf(j->message, sizeof(j->message), "%s", lt_error_message());
        snprintf(j->place, sizeof(j->place), "%s", lt_error_place());
    }
    pthread_mutex_unlock(&p->mutex);
    atomic_store(&j->failed, true);
}

/* Tiles are begun in ascending order, so all tiles below a failing one have begun, too,
 * and the lowest failure is always among those seen. */
static void run_tiles(lt_threads *p, int worker)
{
    job *j = &p->job;
    inside = p;
    inside_worker = worker;
    while (!atomic_load_explicit(&j->failed, memory_order_relaxed)) {
        const int64_t tile = atomic_fetch_add(&j->next, 1);
        if (tile >= j->n_tiles) break;
        const lt_status st = j->fn(j->arg, tile, worker);
        if (st != LT_OK) note_failure(p, tile, st);
    }
    inside = NULL;
}

/* Enter the open job if it is another one than `last`. */
static bool enter(lt_threads *p, uint64_t *last)
{
    uint64_t g = atomic_load(&p->gate);
    while ((g & GATE_OPEN) && g / GATE_JOB != *last) {
        if (!atomic_compare_exchange_weak(&p->gate, &g, g + GATE_WORKER)) continue;
        *last = g / GATE_JOB;
        return true;
    }
    return false;
}

static void leave(lt_threads *p)
{
    const uint64_t g = atomic_fetch_sub(&p->gate, GATE_WORKER) - GATE_WORKER;
    if ((g & GATE_OPEN) || (g & GATE_WORKERS)) return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_signal(&p->idle);
    pthread_mutex_unlock(&p->mutex);
}

/* Wait for a job and enter it; false when the pool closes. */
static bool await_job(lt_threads *p, uint64_t *last)
{
    for (int i = 0; i < SPINS; i++) {
        if (enter(p, last)) return true;
        relax();
    }
    bool got = false;
    pthread_mutex_lock(&p->mutex);
    while (!(got = enter(p, last)) && !atomic_load(&p->closing))
        pthread_cond_wait(&p->wake, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    return got;
}

static void *worker_main(void *arg)
{
    const worker_start start = *(worker_start *)arg;
    lt_threads *p = start.pool;
    uint64_t last = 0;
    free(arg);
    if (p->init) p->init(p->init_arg, start.worker);
    pthread_mutex_lock(&p->mutex);
    p->n_ready++;
    pthread_cond_signal(&p->idle);
    pthread_mutex_unlock(&p->mutex);
    while (await_job(p, &last)) {
        run_tiles(p, start.worker);
        leave(p);
    }
    return NULL;
}

static lt_status start_worker(lt_threads *p, int worker)
{
    worker_start *s = malloc(sizeof(*s));
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "out of memory (starting threads)");
    *s = (worker_start){ p, worker };
    if (pthread_create(&p->thread[worker - 1], NULL, worker_main, s) != 0) {
        free(s);
        return LT_FAIL(LT_ERR_NOMEM,
                       "cannot start thread %d (run.threads): ask for fewer threads",
                       worker);
    }
    p->n_started++;
    return LT_OK;
}

/* Signals belong to the main thread: the workers are born with all of them blocked. */
static lt_status start_workers(lt_threads *p)
{
    lt_status st = LT_OK;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 1; i < p->n && st == LT_OK; i++) st = start_worker(p, i);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&p->mutex);
    while (p->n_ready < p->n_started) pthread_cond_wait(&p->idle, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    return st;
}

lt_status lt_threads_open(lt_threads **out, int n, lt_worker_init_fn *init,
                          void *init_arg)
{
    lt_status st = LT_OK;
    if (n < 1 || n > LT_THREADS_MAX)
        return LT_FAIL(LT_ERR_ARG, "%d threads (run.threads): choose 1 to %d", n,
                       LT_THREADS_MAX);
    lt_threads *p = calloc(1, sizeof(*p));
    pthread_t *thread = calloc((size_t)n, sizeof(*thread));
    if (!p || !thread) {
        free(p);
        free(thread);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (starting threads)");
    }
    *p = (lt_threads){ .n = n, .thread = thread, .init = init, .init_arg = init_arg };
    pthread_mutex_init(&p->turn, NULL); /* with default attributes these cannot fail */
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    if (init) init(init_arg, 0);
    LT_TRY(start_workers(p));
    *out = p;
    p = NULL;
cleanup:
    lt_threads_close(p);
    return st;
}

void lt_threads_close(lt_threads *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->closing, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n_started; i++) pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    pthread_mutex_destroy(&p->turn);
    free(p->thread);
    free(p);
}

int lt_threads_count(const lt_threads *p) { return p ? p->n : 1; }

int lt_threads_available(void)
{
    cpu_set_t set;
    const int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? n : 1;
}

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return h;
}

uint64_t lt_threads_place(void)
{
    char boot[64] = "", host[256] = "";
    cpu_set_t set;
    CPU_ZERO(&set);
    /* Names of hosts repeat in containers, identities of a boot do not. */
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f && !fgets(boot, sizeof(boot), f)) boot[0] = 0;
    if (f) fclose(f);
    (void)gethostname(host, sizeof(host) - 1);
    (void)sched_getaffinity(0, sizeof(set), &set);
    uint64_t h = hash(UINT64_C(0xcbf29ce484222325), boot, strlen(boot));
    if (!boot[0]) h = hash(h, host, strlen(host));
    return hash(h, &set, sizeof(set));
}

static int nth_cpu(const cpu_set_t *set, int n)
{
    for (int c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, set) && n-- == 0) return c;
    return -1;
}

int lt_threads_pin(lt_threads *p, int share, int shares)
{
    cpu_set_t all, one;
    if (!p || shares < 1 || sched_getaffinity(0, sizeof(all), &all) != 0) return 0;
    const int part = CPU_COUNT(&all) / shares;
    if (p->n != part) return 0;
    for (int i = 1; i < p->n; i++) {
        CPU_ZERO(&one);
        CPU_SET(nth_cpu(&all, share * part + i), &one);
        if (pthread_setaffinity_np(p->thread[i - 1], sizeof(one), &one) == 0) continue;
        while (--i >= 1)
            (void)pthread_setaffinity_np(p->thread[i - 1], sizeof(all), &all);
        return 0;
    }
    return 1;
}

static lt_status run_inline(int64_t n_tiles, lt_tile_fn *fn, void *arg, int worker)
{
    for (int64_t i = 0; i < n_tiles; i++) {
        const lt_status st = fn(arg, i, worker);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static void open_gate(lt_threads *p)
{
    const uint64_t number = atomic_load(&p->gate) / GATE_JOB + 1;
    atomic_store(&p->gate, number * GATE_JOB + GATE_OPEN);
    pthread_mutex_lock(&p->mutex); /* a worker between its look and its sleep */
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

static void close_gate(lt_threads *p)
{
    atomic_fetch_and(&p->gate, ~GATE_OPEN);
    for (int i = 0; i < SPINS; i++) {
        if (!(atomic_load(&p->gate) & GATE_WORKERS)) return;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&p->gate) & GATE_WORKERS) pthread_cond_wait(&p->idle, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}

/* Run the tiles with all workers; the caller is worker 0. The turn is taken also when
 * nobody else is needed: worker 0's scratch memory has one user. */
static lt_status run_together(lt_threads *p, int64_t n_tiles, lt_tile_fn *fn, void *arg)
{
    pthread_mutex_lock(&p->turn);
    job *j = &p->job;
    j->fn = fn;
    j->arg = arg;
    j->n_tiles = n_tiles;
    j->status = LT_OK;
    atomic_store(&j->next, 0);
    atomic_store(&j->failed, false);
    const bool alone = p->n == 1 || n_tiles <= 1;
    if (!alone) open_gate(p);
    run_tiles(p, 0);
    if (!alone) close_gate(p);
    const lt_status st = j->status;
    if (st != LT_OK) lt_error_adopt(j->message, j->place);
    pthread_mutex_unlock(&p->turn);
    return st;
}

lt_status lt_parallel_for(lt_threads *p, int64_t n_tiles, lt_tile_fn *fn, void *arg)
{
    if (n_tiles < 0)
        return LT_FAIL(LT_ERR_ARG, "%lld tiles: report this", (long long)n_tiles);
    if (inside && p && inside != p)
        return LT_FAIL(LT_ERR_ARG, "two thread pools nested: report this");
    if (inside) return run_inline(n_tiles, fn, arg, inside_worker);
    if (!p) return run_inline(n_tiles, fn, arg, 0);
    return run_together(p, n_tiles, fn, arg);
}
