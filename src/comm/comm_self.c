#include <string.h>

#include "comm/transport.h"

/* One rank: a gather is a copy, a broadcast the identity, and there is nobody to write
 * to (comm.c refuses messages to oneself). */
static lt_status self_gather(void *ctx, const void *part, size_t bytes, void *whole)
{
    (void)ctx;
    if (bytes && whole != part) memcpy(whole, part, bytes);
    return LT_OK;
}
static lt_status self_gather_v(void *ctx, const void *part, const size_t *bytes,
                               const size_t *offset, void *whole)
{
    return self_gather(ctx, part, bytes[0], (char *)whole + offset[0]);
}
static lt_status self_broadcast(void *ctx, void *data, size_t bytes, int root)
{
    (void)ctx;
    (void)data;
    (void)bytes;
    (void)root;
    return LT_OK;
}
static lt_status self_send(void *ctx, const void *data, size_t bytes, int to)
{
    (void)ctx;
    (void)data;
    (void)bytes;
    return LT_FAIL(LT_ERR_ARG, "message to rank %d in a group of one", to);
}
static lt_status self_receive(void *ctx, void *data, size_t bytes, int from)
{
    return self_send(ctx, data, bytes, from);
}
static void self_abort(void *ctx, int exit_code)
{
    (void)ctx;
    (void)exit_code;
}
static void self_close(void *ctx) { (void)ctx; }

const lt_transport lt_transport_self = {
    .name = "self",
    .gather = self_gather,
    .gather_v = self_gather_v,
    .broadcast = self_broadcast,
    .send = self_send,
    .receive = self_receive,
    .abort = self_abort,
    .close = self_close,
};
