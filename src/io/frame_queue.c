#include "io/frame_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    lt_frame frame;
    void *pixels;
} slot;

/* A ring: slots [head, head + full) are produced and not yet released. The consumer
 * holds slot `head` while `held` is set. */
struct lt_frame_queue {
    pthread_mutex_t lock;
    pthread_cond_t produced, released;
    pthread_t thread;
    int started;
    slot *slots;
    int64_t capacity, head, full;
    int held, stop, done;
    lt_status status; /* of the producer, valid when done */
    char message[LT_MESSAGE_MAX], place[LT_MESSAGE_MAX];
    lt_frame_produce_fn *produce;
    void *ctx;
};

/* The slot to fill, or NULL when asked to stop. Nobody else touches a free slot, so
 * it is filled without the lock. */
static slot *wait_free(lt_frame_queue *q)
{
    slot *s = NULL;
    pthread_mutex_lock(&q->lock);
    while (q->full == q->capacity && !q->stop) pthread_cond_wait(&q->released, &q->lock);
    if (!q->stop) s = &q->slots[(q->head + q->full) % q->capacity];
    pthread_mutex_unlock(&q->lock);
    return s;
}

static void finish(lt_frame_queue *q, lt_status st)
{
    pthread_mutex_lock(&q->lock);
    q->status = st;
    if (st != LT_OK) {
        strncpy(q->message, lt_error_message(), sizeof(q->message) - 1);
        strncpy(q->place, lt_error_place(), sizeof(q->place) - 1);
    }
    q->done = 1;
    pthread_cond_signal(&q->produced);
    pthread_mutex_unlock(&q->lock);
}

static void *run(void *arg)
{
    lt_frame_queue *q = arg;
    lt_status st = LT_OK;
    int end = 0;
    for (slot *s; st == LT_OK && !end && (s = wait_free(q));) {
        memset(&s->frame, 0, sizeof(s->frame));
        st = q->produce(q->ctx, s->pixels, &s->frame, &end);
        if (st != LT_OK || end) break;
        pthread_mutex_lock(&q->lock);
        q->full++;
        pthread_cond_signal(&q->produced);
        pthread_mutex_unlock(&q->lock);
    }
    finish(q, st);
    return NULL;
}

static lt_status alloc_slots(lt_frame_queue *q, int64_t bytes)
{
    q->slots = calloc((size_t)q->capacity, sizeof(*q->slots));
    for (int64_t i = 0; q->slots && i < q->capacity; i++)
        if (!(q->slots[i].pixels = malloc((size_t)bytes)))
            return LT_FAIL(LT_ERR_NOMEM, "queue of %lld frames of %lld bytes",
                           (long long)q->capacity, (long long)bytes);
    return q->slots ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "queue of frames");
}

lt_status lt_frame_queue_open(lt_frame_queue **queue, int64_t capacity, int64_t bytes,
                              lt_frame_produce_fn *produce, void *ctx)
{
    lt_status st = LT_OK;
    if (capacity < 1 || capacity > (1 << 20) || bytes < 1 || !produce)
        return LT_FAIL(LT_ERR_ARG, "queue of %lld frames of %lld bytes",
                       (long long)capacity, (long long)bytes);
    lt_frame_queue *q = calloc(1, sizeof(*q));
    if (!q) return LT_FAIL(LT_ERR_NOMEM, "queue of frames");
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->produced, NULL);
    pthread_cond_init(&q->released, NULL);
    q->capacity = capacity;
    q->produce = produce;
    q->ctx = ctx;
    LT_TRY(alloc_slots(q, bytes));
    if (pthread_create(&q->thread, NULL, run, q)) {
        st = LT_FAIL(LT_ERR_NOMEM, "cannot start the decoding thread");
        goto cleanup;
    }
    q->started = 1;
    *queue = q;
    q = NULL;
cleanup:
    lt_frame_queue_close(&q);
    return st;
}

lt_status lt_frame_queue_next(lt_frame_queue *q, lt_frame *frame, int *end)
{
    lt_status st = LT_OK;
    pthread_mutex_lock(&q->lock);
    if (q->held) {
        q->held = 0;
        q->head = (q->head + 1) % q->capacity;
        q->full--;
        pthread_cond_signal(&q->released);
    }
    while (q->full == 0 && !q->done) pthread_cond_wait(&q->produced, &q->lock);
    *end = 0;
    if (q->full > 0) {
        q->held = 1;
        *frame = q->slots[q->head].frame;
        frame->pixels = q->slots[q->head].pixels;
    } else if (q->status != LT_OK) {
        st = q->status;
        lt_error_adopt(q->message, q->place);
    } else {
        *end = 1;
    }
    pthread_mutex_unlock(&q->lock);
    return st;
}

void lt_frame_queue_close(lt_frame_queue **queue)
{
    lt_frame_queue *q = queue ? *queue : NULL;
    if (!q) return;
    if (q->started) {
        pthread_mutex_lock(&q->lock);
        q->stop = 1;
        pthread_cond_signal(&q->released);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
    }
    for (int64_t i = 0; q->slots && i < q->capacity; i++) free(q->slots[i].pixels);
    free(q->slots);
    pthread_cond_destroy(&q->released);
    pthread_cond_destroy(&q->produced);
    pthread_mutex_destroy(&q->lock);
    free(q);
    *queue = NULL;
}
