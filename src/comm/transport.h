#ifndef LT_COMM_TRANSPORT_H
#define LT_COMM_TRANSPORT_H

#include "comm/comm.h"

/* What one library has to provide. Arguments are validated by comm.c. */
typedef struct lt_transport {
    const char *name;
    lt_status (*gather)(void *ctx, const void *part, size_t bytes, void *whole);
    /* bytes[r] of rank r land at whole + offset[r]. */
    lt_status (*gather_v)(void *ctx, const void *part, const size_t *bytes,
                          const size_t *offset, void *whole);
    lt_status (*broadcast)(void *ctx, void *data, size_t bytes, int root);
    lt_status (*send)(void *ctx, const void *data, size_t bytes, int to);
    lt_status (*receive)(void *ctx, void *data, size_t bytes, int from);
    void (*abort)(void *ctx, int exit_code);
    void (*close)(void *ctx);
} lt_transport;

struct lt_comm {
    int rank, size;
    int failed_together;
    const lt_transport *ops;
    void *ctx;
};

extern const lt_transport lt_transport_self;

/* Defined by comm_mpi.c, or by comm_mpi_none.c in a build without MPI. */
LT_NODISCARD lt_status lt_mpi_open(int *argc, char ***argv, lt_comm *c);

#endif
