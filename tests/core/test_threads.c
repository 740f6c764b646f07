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

typedef struct masks {
    atomic_int seen[3];
    cpu_set_t mask[3];
} masks;

/* Ends only when all three workers are in it, so each shows its mask. */
static lt_status look(void *arg, int64_t tile, int worker)
{
    masks *m = arg;
    (void)tile;
    CHECK(sched_getaffinity(0, sizeof(m->mask[worker]), &m->mask[worker]) == 0);
    atomic_store(&m->seen[worker], 1);
    while (!atomic_load(&m->seen[0]) || !atomic_load(&m->seen[1])) sched_yield();
    return LT_OK;
}

/* A worker stays on one CPU, the second of its part; the caller keeps its mask. */
static void test_pin(void)
{
    lt_threads *p = NULL;
    cpu_set_t all;
    const int cpus = lt_threads_available();
    CHECK(lt_threads_place() == lt_threads_place());
    CHECK(lt_threads_open(&p, 2, NULL, NULL) == LT_OK);
    CHECK(!lt_threads_pin(p, 0, cpus)); /* parts of one CPU */
    CHECK(!lt_threads_pin(p, 0, 0) && !lt_threads_pin(NULL, 0, 1));
    for (int share = 0; share < cpus / 2; share++) {
        masks m = { 0 };
        CHECK(lt_threads_pin(p, share, cpus / 2));
        CHECK(lt_parallel_for(p, 2, look, &m) == LT_OK);
        CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
        CHECK(CPU_EQUAL(&all, &m.mask[0]) && CPU_COUNT(&all) == cpus);
        CHECK(CPU_COUNT(&m.mask[1]) == 1);
        int below = 0; /* CPUs of the mask in front of the worker's */
        for (int c = 0; !CPU_ISSET(c, &m.mask[1]); c++) below += CPU_ISSET(c, &all) != 0;
        CHECK(below / (cpus / (cpus / 2)) == share && below % 2 == 1);
    }
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
    if (lt_threads_available() > 1) test_pin();
    return 0;
}
