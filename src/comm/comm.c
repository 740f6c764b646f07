#include "comm/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/transport.h"

int lt_comm_rank(const lt_comm *c) { return c->rank; }
int lt_comm_size(const lt_comm *c) { return c->size; }
int lt_comm_failed_together(const lt_comm *c) { return c->failed_together; }
void lt_comm_forget_failure(lt_comm *c) { c->failed_together = 0; }

lt_status lt_comm_open_self(lt_comm **c)
{
    lt_comm *n = calloc(1, sizeof(*n));
    if (!n) return LT_FAIL(LT_ERR_NOMEM, "out of memory (communicator)");
    n->size = 1;
    n->ops = &lt_transport_self;
    *c = n;
    return LT_OK;
}

lt_status lt_comm_open_world(int *argc, char ***argv, lt_comm **c)
{
    lt_comm *n = calloc(1, sizeof(*n));
    if (!n) return LT_FAIL(LT_ERR_NOMEM, "out of memory (communicator)");
    const lt_status st = lt_mpi_open(argc, argv, n);
    if (st != LT_OK) {
        free(n);
        return st;
    }
    *c = n;
    return LT_OK;
}

void lt_comm_close(lt_comm **c)
{
    if (!c || !*c) return;
    (*c)->ops->close((*c)->ctx);
    free(*c);
    *c = NULL;
}

void lt_comm_abort(lt_comm *c, int exit_code)
{
    if (c) c->ops->abort(c->ctx, exit_code);
}

lt_status lt_comm_gather_bytes(lt_comm *c, const void *part, size_t bytes, void *whole)
{
    return c->ops->gather(c->ctx, part, bytes, whole);
}

lt_status lt_comm_broadcast_bytes(lt_comm *c, void *data, size_t bytes, int root)
{
    if (root < 0 || root >= c->size)
        return LT_FAIL(LT_ERR_ARG, "broadcast from rank %d of %d", root, c->size);
    return bytes ? c->ops->broadcast(c->ctx, data, bytes, root) : LT_OK;
}

static size_t row_bytes(const lt_tensor *t)
{
    size_t n = lt_dtype_size(t->dtype);
    for (int d = 1; d < t->ndim; d++) n *= (size_t)t->shape[d];
    return n;
}

lt_status lt_comm_gather_rows(lt_comm *c, const lt_tensor *part, const int64_t *rows,
                              lt_tensor *whole, lt_stream s)
{
    lt_status st = LT_OK;
    const size_t row = row_bytes(part);
    size_t *bytes = calloc((size_t)c->size * 2, sizeof(*bytes));
    if (!bytes) return LT_FAIL(LT_ERR_NOMEM, "out of memory (gather)");
    size_t *offset = bytes + c->size;
    int64_t total = 0;
    for (int r = 0; r < c->size; r++) {
        bytes[r] = (size_t)rows[r] * row;
        offset[r] = (size_t)total * row;
        total += rows[r];
    }
    (void)s;
    if (part->space != LT_HOST || whole->space != LT_HOST)
        st = LT_FAIL(LT_ERR_UNSUPPORTED, "no transport for device tensors in this build");
    else if (whole->dtype != part->dtype || row_bytes(whole) != row ||
             whole->shape[0] != total || part->shape[0] != rows[c->rank])
        st = LT_FAIL(LT_ERR_SHAPE, "gather of %lld rows of %zu bytes into %lld of %zu",
                     (long long)total, row, (long long)whole->shape[0], row_bytes(whole));
    if (st == LT_OK)
        st = c->ops->gather_v(c->ctx, part->data, bytes, offset, whole->data);
    free(bytes);
    return st;
}

static lt_status check_peer(const lt_comm *c, int peer)
{
    if (peer < 0 || peer >= c->size || peer == c->rank)
        return LT_FAIL(LT_ERR_ARG, "message between rank %d and %d of %d", c->rank, peer,
                       c->size);
    return LT_OK;
}

lt_status lt_comm_send(lt_comm *c, const void *data, size_t bytes, int to)
{
    const lt_status st = check_peer(c, to);
    return st == LT_OK ? c->ops->send(c->ctx, data, bytes, to) : st;
}

lt_status lt_comm_receive(lt_comm *c, void *data, size_t bytes, int from)
{
    const lt_status st = check_peer(c, from);
    return st == LT_OK ? c->ops->receive(c->ctx, data, bytes, from) : st;
}

lt_status lt_comm_max(lt_comm *c, int64_t value, int64_t *max)
{
    int64_t *all = malloc((size_t)c->size * sizeof(*all));
    if (!all) return LT_FAIL(LT_ERR_NOMEM, "out of memory (maximum over ranks)");
    const lt_status st = lt_comm_gather_bytes(c, &value, sizeof(value), all);
    int64_t m = value;
    for (int r = 0; st == LT_OK && r < c->size; r++)
        if (all[r] > m) m = all[r];
    free(all);
    if (st == LT_OK) *max = m;
    return st;
}

typedef struct failure {
    int32_t status;
    char message[LT_MESSAGE_MAX];
    char place[256];
} failure;

/* Spread what the lowest failing rank has to say. */
static lt_status share_failure(lt_comm *c, int first, lt_status local)
{
    failure f = { .status = (int32_t)local };
    if (c->rank == first) {
        snprintf(f.message, sizeof(f.message), "%s", lt_error_message());
        snprintf(f.place, sizeof(f.place), "%s", lt_error_place());
    }
    const lt_status st = lt_comm_broadcast_bytes(c, &f, sizeof(f), first);
    if (st != LT_OK) return st;
    lt_error_adopt(f.message, f.place);
    c->failed_together = 1;
    return (lt_status)f.status;
}

lt_status lt_comm_agree(lt_comm *c, lt_status local)
{
    int32_t *all = malloc((size_t)c->size * sizeof(*all));
    if (!all) return LT_FAIL(LT_ERR_NOMEM, "out of memory (agreement of ranks)");
    const int32_t mine = (int32_t)local;
    lt_status st = lt_comm_gather_bytes(c, &mine, sizeof(mine), all);
    int first = -1;
    for (int r = 0; st == LT_OK && r < c->size && first < 0; r++)
        if (all[r] != LT_OK) first = r;
    free(all);
    if (st != LT_OK) return local != LT_OK ? local : st;
    return first < 0 ? LT_OK : share_failure(c, first, local);
}
