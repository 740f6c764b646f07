#include "core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

enum { TILES = 257 };

typedef struct work {
    lt_threads *pool, *other;
    atomic_int runs[TILES];
    atomic_int inits[8];
    atomic_int busy[8]; /* tiles running on a worker at this moment */
    atomic_int nested;
    int fail_from; /* tiles from here on fail; TILES: none */
    int64_t out[TILES];
} work;

static void init(void *arg, int worker)
{
    atomic_fetch_add(&((work *)arg)->inits[worker], 1);
}

static lt_status square(void *arg, int64_t tile, int worker)
{
    work *w = arg;
    CHECK(worker >= 0 && worker < lt_threads_count(w->pool));
    CHECK(atomic_fetch_add(&w->busy[worker], 1) == 0);
    atomic_fetch_add(&w->runs[tile], 1);
    w->out[tile] = tile * tile;
    atomic_fetch_sub(&w->busy[worker], 1);
    if (tile >= w->fail_from)
        return LT_FAIL(LT_ERR_DATA, "tile %lld is bad", (long long)tile);
    return LT_OK;
}

static void reset(work *w, int fail_from)
{
    for (int i = 0; i < TILES; i++) atomic_store(&w->runs[i], 0), w->out[i] = -1;
    w->fail_from = fail_from;
}

static void test_all_tiles_once(work *w)
{
    static const int64_t counts[] = { 0, 1, 2, 3, 5, TILES };
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        reset(w, TILES);
        CHECK(lt_parallel_for(w->pool, counts[k], square, w) == LT_OK);
        for (int i = 0; i < TILES; i++) {
            CHECK(atomic_load(&w->runs[i]) == (i < counts[k]));
            CHECK(w->out[i] == (i < counts[k] ? (int64_t)i * i : -1));
        }
    }
    CHECK(lt_parallel_for(w->pool, -1, square, w) == LT_ERR_ARG);
}

/* The lowest failure and its message come back, and the pool goes on working. */
static void test_failure(work *w)
{
    for (int round = 0; round < 200; round++) {
        reset(w, 40 + round % 7);
        CHECK(lt_parallel_for(w->pool, TILES, square, w) == LT_ERR_DATA);
        char expected[32];
        snprintf(expected, sizeof(expected), "tile %d is bad", 40 + round % 7);
        CHECK(!strcmp(lt_error_message(), expected));
        CHECK(strstr(lt_error_place(), "test_threads.c"));
        for (int i = 0; i < 40; i++) CHECK(atomic_load(&w->runs[i]) == 1);
    }
    reset(w, TILES);
    CHECK(lt_parallel_for(w->pool, TILES, square, w) == LT_OK);
}

typedef struct inner_arg {
    work *w;
    int worker;
} inner_arg;

static lt_status inner(void *arg, int64_t tile, int worker)
{
    const inner_arg *a = arg;
    (void)tile;
    CHECK(worker == a->worker); /* scratch of the outer tile's worker */
    atomic_fetch_add(&a->w->nested, 1);
    return LT_OK;
}

static lt_status outer(void *arg, int64_t tile, int worker)
{
    work *w = arg;
    inner_arg a = { w, worker };
    (void)tile;
    CHECK(lt_parallel_for(w->other, 3, inner, &a) == LT_ERR_ARG);
    return lt_parallel_for(w->pool, 5, inner, &a);
}

static void test_nested(work *w)
{
    atomic_store(&w->nested, 0);
    CHECK(lt_parallel_for(w->pool, 20, outer, w) == LT_OK);
    CHECK(atomic_load(&w->nested) == 100);
}

static lt_status add_one(void *arg, int64_t tile, int worker)
{
    (void)worker;
    ((int64_t *)arg)[tile]++;
    return LT_OK;
}

static void *second_user(void *arg)
{
    work *w = arg;
    int64_t sums[4] = { 0 };
    for (int i = 0; i < 3000; i++)
        CHECK(lt_parallel_for(w->pool, 4, add_one, sums) == LT_OK);
    for (int i = 0; i < 4; i++) CHECK(sums[i] == 3000);
    return NULL;
}

/* Many short calls, from two threads at once: no lost wake-up, no mixed jobs. */
static void test_many_calls(work *w)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, second_user, w) == 0);
    second_user(w);
    CHECK(pthread_join(t, NULL) == 0);
}

static void test_pool(int n, work *w)
{
    memset(w, 0, sizeof(*w));
    CHECK(lt_threads_open(&w->pool, n, init, w) == LT_OK);
    CHECK(lt_threads_open(&w->other, 2, NULL, NULL) == LT_OK);
    CHECK(lt_threads_count(w->pool) == n);
    for (int i = 0; i < 8; i++) CHECK(atomic_load(&w->inits[i]) == (i < n));
    test_all_tiles_once(w);
    test_failure(w);
    test_nested(w);
    test_many_calls(w);
    lt_threads_close(w->pool);
    lt_threads_close(w->other);
}

enum { MAX_CPUS = 64 };

typedef struct masks {
    int n;
    atomic_int seen;
    cpu_set_t mask[MAX_CPUS];
} masks;

/* Ends only when all workers are in it, so each shows its mask. */
static lt_status look(void *arg, int64_t tile, int worker)
{
    masks *m = arg;
    (void)tile;
    CHECK(sched_getaffinity(0, sizeof(m->mask[worker]), &m->mask[worker]) == 0);
    atomic_fetch_add(&m->seen, 1);
    while (atomic_load(&m->seen) < m->n) sched_yield();
    return LT_OK;
}

/* Worker i of a part stays on the part's CPU i, the caller keeps its mask. */
static void test_part(lt_threads *p, int n, int share, int shares)
{
    static masks m;
    cpu_set_t all;
    memset(&m, 0, sizeof(m));
    m.n = n;
    CHECK(lt_threads_pin(p, share, shares));
    CHECK(lt_parallel_for(p, n, look, &m) == LT_OK);
    CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    CHECK(CPU_EQUAL(&all, &m.mask[0]));
    for (int i = 1; i < n; i++) {
        int below = 0; /* CPUs of the mask in front of the worker's */
        CHECK(CPU_COUNT(&m.mask[i]) == 1);
        for (int c = 0; !CPU_ISSET(c, &m.mask[i]); c++) below += CPU_ISSET(c, &all) != 0;
        CHECK(below == share * n + i);
    }
}

static void test_pin(int shares)
{
    lt_threads *p = NULL;
    const int n = lt_threads_available() / shares;
    if (n < 2 || n > MAX_CPUS) return;
    CHECK(lt_threads_place() == lt_threads_place());
    CHECK(lt_threads_open(&p, n, NULL, NULL) == LT_OK);
    CHECK(!lt_threads_pin(p, 0, n * shares));       /* parts of one CPU */
    CHECK(shares == 1 || !lt_threads_pin(p, 0, 1)); /* fewer workers than CPUs */
    CHECK(!lt_threads_pin(p, 0, 0) && !lt_threads_pin(NULL, 0, 1));
    for (int share = 0; share < shares; share++) test_part(p, n, share, shares);
    lt_threads_close(p);
}

int main(void)
{
    static work w;
    lt_threads *none = NULL;
    for (int n = 1; n <= 3; n++) test_pool(n, &w);
    test_pool(7, &w); /* more than this machine may have */
    memset(&w, 0, sizeof(w));
    test_all_tiles_once(&w); /* no pool at all */
    CHECK(lt_threads_open(&none, 0, NULL, NULL) == LT_ERR_ARG && !none);
    CHECK(lt_threads_open(&none, LT_THREADS_MAX + 1, NULL, NULL) == LT_ERR_ARG);
    lt_threads_close(NULL);
    CHECK(lt_threads_available() >= 1);
    for (int shares = 1; shares <= 4; shares++) test_pin(shares);
    return 0;
}
