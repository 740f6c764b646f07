/* The bounded queue: order, back-pressure, the end, errors, closing early. */
#include "io/frame_queue.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

typedef struct source {
    int64_t n, fail_at; /* frames; the frame that fails, -1 = none */
    atomic_llong made;  /* calls that began */
} source;

static lt_status produce(void *ctx, void *pixels, lt_frame *frame, int *end)
{
    source *s = ctx;
    const int64_t i = atomic_fetch_add(&s->made, 1);
    if (i == s->fail_at) return LT_FAIL(LT_ERR_DATA, "frame %lld is bad", (long long)i);
    if (i >= s->n) {
        *end = 1;
        return LT_OK;
    }
    frame->index = i;
    frame->pts = 10 * i;
    memset(pixels, (int)(i & 0xff), 64);
    return LT_OK;
}

static void check_frame(const lt_frame *f, int64_t i)
{
    CHECK(f->index == i && f->pts == 10 * i);
    const uint8_t *p = f->pixels;
    for (int k = 0; k < 64; k++) CHECK(p[k] == (uint8_t)(i & 0xff));
}

static void all_in_order(int64_t capacity)
{
    source s = { .n = 1000, .fail_at = -1 };
    lt_frame_queue *q = NULL;
    lt_frame f;
    int end = 0;
    CHECK(lt_frame_queue_open(&q, capacity, 64, produce, &s) == LT_OK);
    for (int64_t i = 0; i < 1000; i++) {
        CHECK(lt_frame_queue_next(q, &f, &end) == LT_OK && !end);
        check_frame(&f, i);
        /* made: this one, those in the queue, and one at work */
        CHECK(atomic_load(&s.made) <= i + capacity + 1);
    }
    for (int k = 0; k < 3; k++) CHECK(lt_frame_queue_next(q, &f, &end) == LT_OK && end);
    lt_frame_queue_close(&q);
    CHECK(!q);
    lt_frame_queue_close(&q);
}

static void back_pressure(void)
{
    source s = { .n = 1000, .fail_at = -1 };
    lt_frame_queue *q = NULL;
    lt_frame f;
    int end = 0;
    CHECK(lt_frame_queue_open(&q, 3, 64, produce, &s) == LT_OK);
    CHECK(lt_frame_queue_next(q, &f, &end) == LT_OK);
    usleep(50000); /* time enough to run away */
    CHECK(atomic_load(&s.made) <= 4);
    check_frame(&f, 0); /* the frame in hand stays */
    lt_frame_queue_close(&q);
    CHECK(atomic_load(&s.made) <= 5);
}

static void failure(void)
{
    source s = { .n = 1000, .fail_at = 5 };
    lt_frame_queue *q = NULL;
    lt_frame f;
    int end = 0;
    CHECK(lt_frame_queue_open(&q, 8, 64, produce, &s) == LT_OK);
    for (int64_t i = 0; i < 5; i++) {
        CHECK(lt_frame_queue_next(q, &f, &end) == LT_OK && !end);
        check_frame(&f, i);
    }
    for (int k = 0; k < 3; k++) {
        CHECK(lt_frame_queue_next(q, &f, &end) == LT_ERR_DATA);
        CHECK(!strcmp(lt_error_message(), "frame 5 is bad"));
    }
    lt_frame_queue_close(&q);
}

int main(void)
{
    lt_frame_queue *q = NULL;
    source s = { .n = 1, .fail_at = -1 };
    CHECK(lt_frame_queue_open(&q, 0, 64, produce, &s) == LT_ERR_ARG && !q);
    CHECK(lt_frame_queue_open(&q, 1, 0, produce, &s) == LT_ERR_ARG && !q);
    all_in_order(1);
    all_in_order(2);
    all_in_order(16);
    back_pressure();
    failure();
    for (int k = 0; k < 50; k++) { /* closing at any moment */
        source t = { .n = 1000, .fail_at = -1 };
        CHECK(lt_frame_queue_open(&q, 2, 64, produce, &t) == LT_OK);
        if (k % 3 == 0) usleep(100);
        lt_frame_queue_close(&q);
    }
    return 0;
}
