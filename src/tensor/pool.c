#include "tensor/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Sixteen classes to an octave: at most 1/16 of a new block is unused. A free block is
 * taken for anything from half its size on, so that maps of different sizes which take
 * turns use the same memory. */
enum {
    ALIGN = 64,
    MIN_SHIFT = 8,
    STEP_SHIFT = 4,
    N_CLASSES = (48 - MIN_SHIFT) << STEP_SHIFT,
    FIT = 1 << STEP_SHIFT
};

static const size_t HUGE_PAGE = (size_t)2 << 20;

/* Free blocks that a pool keeps beyond an eighth of what it ever had in use. */
static const size_t SLACK = (size_t)32 << 20;

struct lt_storage {
    lt_pool *pool;
    lt_storage *next; /* in the free list of its class */
    void *data;
    size_t bytes; /* of the class */
    int class_index;
    int count;
};

struct lt_pool {
    lt_storage *free_list[N_CLASSES];
    char name[64];
    size_t limit, used, peak, cached;
};

/* Class i holds (16 + i % 16) << (i / 16 + MIN_SHIFT - 4) bytes. */
static size_t class_bytes(int i)
{
    const size_t step = (size_t)16 + ((size_t)i & 15);
    return step << ((i >> STEP_SHIFT) + MIN_SHIFT - STEP_SHIFT);
}

static int class_of(size_t bytes)
{
    int lo = 0, hi = N_CLASSES;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if (class_bytes(mid) < bytes)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

lt_status lt_pool_open(lt_pool **pool, lt_space space, const char *name, size_t limit)
{
    if (space != LT_HOST)
        return LT_FAIL(LT_ERR_UNSUPPORTED,
                       "this build has no CUDA (%s): build with -DLT_CUDA=ON", name);
    lt_pool *p = calloc(1, sizeof(*p));
    if (!p) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s): free some memory", name);
    strncpy(p->name, name, sizeof(p->name) - 1);
    p->limit = limit;
    *pool = p;
    return LT_OK;
}

void lt_pool_close(lt_pool **pool)
{
    if (!pool || !*pool) return;
    assert((*pool)->used == 0);
    lt_pool_trim(*pool);
    free(*pool);
    *pool = NULL;
}

static void give_back(lt_pool *p, int c)
{
    lt_storage *s = p->free_list[c];
    p->free_list[c] = s->next;
    p->cached -= s->bytes;
    free(s->data);
    free(s);
}

void lt_pool_trim(lt_pool *pool)
{
    for (int i = 0; i < N_CLASSES; i++)
        while (pool->free_list[i]) give_back(pool, i);
}

size_t lt_pool_used(const lt_pool *pool) { return pool->used; }
size_t lt_pool_peak(const lt_pool *pool) { return pool->peak; }
size_t lt_pool_cached(const lt_pool *pool) { return pool->cached; }
void lt_pool_reset_peak(lt_pool *pool) { pool->peak = pool->used; }

lt_space lt_pool_space(const lt_pool *pool)
{
    (void)pool;
    return LT_HOST;
}

static lt_storage *block_new(size_t bytes)
{
    lt_storage *s = malloc(sizeof(*s));
    const size_t align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : ALIGN;
    void *data = s ? aligned_alloc(align, (bytes + align - 1) / align * align) : NULL;
    if (!data) {
        free(s);
        return NULL;
    }
    /* Only advice: large activations run measurably faster on huge pages. */
    if (align == HUGE_PAGE) (void)madvise(data, bytes, MADV_HUGEPAGE);
    s->data = data;
    return s;
}

static lt_status no_memory(const lt_pool *p, size_t bytes)
{
    const double mib = 1.0 / (1 << 20);
    if (p->limit && p->used + bytes > p->limit)
        return LT_FAIL(LT_ERR_NOMEM,
                       "out of memory (%s): %.1f MiB wanted, %.1f of %.1f MiB in use; "
                       "raise the limit or lower the frame size",
                       p->name, (double)bytes * mib, (double)p->used * mib,
                       (double)p->limit * mib);
    return LT_FAIL(LT_ERR_NOMEM,
                   "out of memory (%s): %.1f MiB wanted, %.1f MiB in use; the system has "
                   "no more, lower the frame size",
                   p->name, (double)bytes * mib, (double)p->used * mib);
}

/* A new block of `size` is needed. Networks whose maps change their size from level to
 * level (the VAE) would leave a free block of every size behind: the largest ones go until
 * used and free blocks are near what is in use at most. */
static void bound_cache(lt_pool *p, size_t size)
{
    const size_t peak = p->used + size > p->peak ? p->used + size : p->peak;
    const size_t room = peak + peak / 8 + SLACK;
    for (int c = N_CLASSES - 1; c >= 0; c--)
        while (p->free_list[c] && p->used + p->cached + size > room) give_back(p, c);
}

/* A free block for a request of class c, NULL when there is none. */
static lt_storage *take_free(lt_pool *p, int c)
{
    const int end = c + FIT < N_CLASSES ? c + FIT : N_CLASSES - 1;
    while (c < end && !p->free_list[c]) c++;
    lt_storage *s = p->free_list[c];
    if (!s) return NULL;
    p->free_list[c] = s->next;
    p->cached -= s->bytes;
    return s;
}

static lt_storage *take_new(lt_pool *p, int c)
{
    const size_t size = class_bytes(c);
    bound_cache(p, size);
    /* Cached blocks count against the limit, too: it is about the machine. */
    if (p->limit && p->used + p->cached > p->limit - size) lt_pool_trim(p);
    lt_storage *s = block_new(size);
    if (!s) {
        lt_pool_trim(p);
        s = block_new(size);
    }
    if (s) *s = (lt_storage){ .data = s->data, .bytes = size, .class_index = c };
    return s;
}

lt_status lt_storage_new(lt_pool *pool, size_t bytes, lt_storage **storage, void **data)
{
    const int c = class_of(bytes);
    if (c >= N_CLASSES) return no_memory(pool, bytes);
    const size_t size = class_bytes(c);
    if (pool->limit && (size > pool->limit || pool->used > pool->limit - size))
        return no_memory(pool, size);
    lt_storage *s = take_free(pool, c);
    if (!s) s = take_new(pool, c);
    if (!s) return no_memory(pool, size);
    s->pool = pool;
    s->next = NULL;
    s->count = 1;
    pool->used += s->bytes;
    if (pool->used > pool->peak) pool->peak = pool->used;
    *storage = s;
    *data = s->data;
    return LT_OK;
}

void lt_storage_hold(lt_storage *storage)
{
    if (storage) storage->count++;
}

int lt_storage_count(const lt_storage *storage) { return storage ? storage->count : 0; }

void lt_storage_drop(lt_storage *storage)
{
    if (!storage || --storage->count > 0) return;
    lt_pool *p = storage->pool;
    storage->next = p->free_list[storage->class_index];
    p->free_list[storage->class_index] = storage;
    p->used -= storage->bytes;
    p->cached += storage->bytes;
}
