#ifndef LT_IO_FRAME_QUEUE_H
#define LT_IO_FRAME_QUEUE_H

#include <stdint.h>

#include "core/status.h"

/* A bounded queue of frames with a thread of its own that fills it.
 *
 * `capacity` buffers exist in all; the producer waits while all are full, so memory is
 * capacity * bytes however slow the consumer is. One thread consumes. Frames come out
 * in the order they were produced. */

typedef struct lt_frame {
    int64_t index;   /* number of the frame */
    int64_t pts;     /* source PTS */
    int32_t damaged; /* 1: a repetition of another frame */
    void *pixels;    /* set by lt_frame_queue_next only: the queue's buffer */
} lt_frame;

/* Fill `pixels` and *frame, or set *end = 1 when there are no more. Runs on the
 * queue's thread only. A failure ends the production and reaches the consumer with
 * its message, after the frames produced before it. */
typedef lt_status lt_frame_produce_fn(void *ctx, void *pixels, lt_frame *frame, int *end);

typedef struct lt_frame_queue lt_frame_queue;

/* Start the thread.
 *   capacity >= 1 buffers of bytes >= 1;  produce, ctx  borrowed until close
 * Errors: ARG, NOMEM (buffers, thread). */
LT_NODISCARD lt_status lt_frame_queue_open(lt_frame_queue **queue, int64_t capacity,
                                           int64_t bytes, lt_frame_produce_fn *produce,
                                           void *ctx);

/* Wait for the next frame. frame->pixels is valid until the next call of next or close.
 * After the last one *end is 1, on every further call as well.
 * Errors: whatever the producer failed with, on every further call as well. */
LT_NODISCARD lt_status lt_frame_queue_next(lt_frame_queue *queue, lt_frame *frame,
                                           int *end);

/* Stop the producer (after the frame it is at), join its thread and free everything.
 * Frames that were not consumed are lost. Accepts NULL and *NULL. */
void lt_frame_queue_close(lt_frame_queue **queue);

#endif
