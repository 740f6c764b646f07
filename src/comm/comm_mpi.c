#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/transport.h"

/* MPI-3 counts are int: move at most this many bytes per call. */
#define CHUNK ((size_t)1 << 30)

typedef struct mpi_ctx {
    MPI_Comm comm;
    int rank, size;
} mpi_ctx;

#define MPI_TRY(call)                                                    \
    do {                                                                 \
        const int err_ = (call);                                         \
        if (err_ != MPI_SUCCESS) return mpi_fail(err_, #call, __LINE__); \
    } while (0)

static lt_status mpi_fail(int err, const char *what, int line)
{
    char text[MPI_MAX_ERROR_STRING];
    int len = 0;
    MPI_Error_string(err, text, &len);
    return lt_fail_at(LT_ERR_COMM, __FILE__, line, __func__,
                      "MPI failed (%.80s): %.*s; run again to continue", what, len, text);
}

static int chunk_of(size_t left) { return (int)(left < CHUNK ? left : CHUNK); }

static lt_status mpi_broadcast(void *ctx, void *data, size_t bytes, int root)
{
    mpi_ctx *m = ctx;
    for (size_t i = 0; i < bytes; i += CHUNK)
        MPI_TRY(
            MPI_Bcast((char *)data + i, chunk_of(bytes - i), MPI_BYTE, root, m->comm));
    return LT_OK;
}

/* Each rank's share is broadcast in turn: for shares that MPI_Allgatherv's int counts
 * and displacements cannot express. */
static lt_status gather_by_broadcast(mpi_ctx *m, const void *part, const size_t *bytes,
                                     const size_t *offset, void *whole)
{
    if (bytes[m->rank]) memcpy((char *)whole + offset[m->rank], part, bytes[m->rank]);
    for (int r = 0; r < m->size; r++) {
        const lt_status st = mpi_broadcast(m, (char *)whole + offset[r], bytes[r], r);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status mpi_gather_v(void *ctx, const void *part, const size_t *bytes,
                              const size_t *offset, void *whole)
{
    mpi_ctx *m = ctx;
    const size_t end = offset[m->size - 1] + bytes[m->size - 1];
    if (end > CHUNK) return gather_by_broadcast(m, part, bytes, offset, whole);
    int *count = malloc((size_t)m->size * 2 * sizeof(*count));
    if (!count) return LT_FAIL(LT_ERR_NOMEM, "out of memory (gather)");
    int *at = count + m->size;
    for (int r = 0; r < m->size; r++) {
        count[r] = (int)bytes[r];
        at[r] = (int)offset[r];
    }
    const int err = MPI_Allgatherv(part, count[m->rank], MPI_BYTE, whole, count, at,
                                   MPI_BYTE, m->comm);
    free(count);
    if (err != MPI_SUCCESS) return mpi_fail(err, "MPI_Allgatherv", __LINE__);
    return LT_OK;
}

static lt_status mpi_gather(void *ctx, const void *part, size_t bytes, void *whole)
{
    mpi_ctx *m = ctx;
    if (bytes > CHUNK / (size_t)m->size)
        return LT_FAIL(LT_ERR_UNSUPPORTED, "gather share of %zu bytes", bytes);
    MPI_TRY(
        MPI_Allgather(part, (int)bytes, MPI_BYTE, whole, (int)bytes, MPI_BYTE, m->comm));
    return LT_OK;
}

static lt_status mpi_send(void *ctx, const void *data, size_t bytes, int to)
{
    mpi_ctx *m = ctx;
    for (size_t i = 0; i < bytes; i += CHUNK)
        MPI_TRY(MPI_Send((const char *)data + i, chunk_of(bytes - i), MPI_BYTE, to, 0,
                         m->comm));
    return LT_OK;
}

static lt_status mpi_receive(void *ctx, void *data, size_t bytes, int from)
{
    mpi_ctx *m = ctx;
    for (size_t i = 0; i < bytes; i += CHUNK)
        MPI_TRY(MPI_Recv((char *)data + i, chunk_of(bytes - i), MPI_BYTE, from, 0,
                         m->comm, MPI_STATUS_IGNORE));
    return LT_OK;
}

static void mpi_abort(void *ctx, int exit_code)
{
    const mpi_ctx *m = ctx;
    if (m->size > 1) MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static void mpi_close(void *ctx)
{
    mpi_ctx *m = ctx;
    MPI_Comm_free(&m->comm);
    free(m);
    MPI_Finalize();
}

static const lt_transport transport_mpi = {
    .name = "mpi",
    .gather = mpi_gather,
    .gather_v = mpi_gather_v,
    .broadcast = mpi_broadcast,
    .send = mpi_send,
    .receive = mpi_receive,
    .abort = mpi_abort,
    .close = mpi_close,
};

lt_status lt_mpi_open(int *argc, char ***argv, lt_comm *c)
{
    int level = 0;
    mpi_ctx *m = calloc(1, sizeof(*m));
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "out of memory (MPI)");
    /* Worker threads never call MPI. */
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS ||
        level < MPI_THREAD_FUNNELED) {
        free(m);
        return LT_FAIL(LT_ERR_COMM,
                       "MPI cannot start (threads level %d): try `longtake doctor`",
                       level);
    }
    /* A private communicator that returns errors instead of aborting. */
    if (MPI_Comm_dup(MPI_COMM_WORLD, &m->comm) != MPI_SUCCESS) {
        free(m);
        return LT_FAIL(LT_ERR_COMM, "MPI cannot start (MPI_Comm_dup)");
    }
    MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(m->comm, &m->rank);
    MPI_Comm_size(m->comm, &m->size);
    c->rank = m->rank;
    c->size = m->size;
    c->ops = &transport_mpi;
    c->ctx = m;
    return LT_OK;
}

const char *lt_comm_mpi_version(char *out, size_t size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    if (MPI_Get_library_version(text, &n) != MPI_SUCCESS) text[0] = '\0';
    text[strcspn(text, ",\n")] = '\0'; /* Open MPI goes on with host and build */
    snprintf(out, size, "%s", text);
    return out;
}
