#ifndef LT_COMM_COMM_H
#define LT_COMM_COMM_H

#include "tensor/tensor.h"

/* A group of ranks. Algorithms see a few calls on tensors; which library moves the bytes
 * follows from where the tensor lives:
 *     host tensors   -> MPI   (or "self" in a run of one process)
 *     device tensors -> NCCL  (or "self")
 * mpi.h is included only by comm_mpi.c. Everything moves as bytes, so any dtype goes.
 *
 * Rules for every function marked Collective:
 *   - all ranks of the group call it, in the same order, with matching counts;
 *   - data is valid when it returns (host) or after the stream's work (device);
 *   - no float is ever reduced here: what ranks contribute is gathered in rank order, so
 *     results do not depend on the number of ranks;
 *   - after an error the group is unusable: return to main, which ends the run. */
typedef struct lt_comm lt_comm;

int lt_comm_rank(const lt_comm *c); /* 0 .. size-1 */
int lt_comm_size(const lt_comm *c);

/* A group of one rank: needs no library.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_comm_open_self(lt_comm **c);

/* Collective. The group of all processes that mpirun or srun started; initialises MPI.
 * Call once, from the main thread.  Errors: UNSUPPORTED (built without MPI), COMM. */
LT_NODISCARD lt_status lt_comm_open_world(int *argc, char ***argv, lt_comm **c);

/* Version of the MPI library, one line cut to size; "" when built without MPI. May be
 * called without a group. Returns out. */
const char *lt_comm_mpi_version(char *out, size_t size);

/* Collective. Leave the group (and MPI, for the world). Accepts NULL. */
void lt_comm_close(lt_comm **c);

/* End all ranks at once with this exit code; does not return in a group of several.
 * For failures that the other ranks cannot know of. In a group of one it returns. */
void lt_comm_abort(lt_comm *c, int exit_code);

/* Collective. whole[r] = part of rank r: `bytes` each, host memory. */
LT_NODISCARD lt_status lt_comm_gather_bytes(lt_comm *c, const void *part, size_t bytes,
                                            void *whole);

/* Collective. Copy `bytes` of host memory from rank root to every rank. */
LT_NODISCARD lt_status lt_comm_broadcast_bytes(lt_comm *c, void *data, size_t bytes,
                                               int root);

/* Collective. Rows (dimension 0) of all ranks, in rank order.
 *   part   [rows[rank], ...]         may have 0 rows
 *   rows   [size] rows of each rank
 *   whole  [sum of rows, ...]        same row shape and dtype; overlaps part nowhere
 * Errors: SHAPE, COMM. */
LT_NODISCARD lt_status lt_comm_gather_rows(lt_comm *c, const lt_tensor *part,
                                           const int64_t *rows, lt_tensor *whole,
                                           lt_stream s);

/* Move bytes of host memory between two ranks; both block until the transfer is done.
 * A message to oneself is an error.  Errors: ARG, COMM. */
LT_NODISCARD lt_status lt_comm_send(lt_comm *c, const void *data, size_t bytes, int to);
LT_NODISCARD lt_status lt_comm_receive(lt_comm *c, void *data, size_t bytes, int from);

/* Collective. The largest `value` of all ranks, on every rank. */
LT_NODISCARD lt_status lt_comm_max(lt_comm *c, int64_t value, int64_t *max);

/* Collective. Turn a failure of one rank into the same failure on all: everybody returns
 * the status of the lowest failing rank and has its message (lt_error_message), so that
 * all leave by the same road with the same exit code. LT_OK if nobody failed. */
LT_NODISCARD lt_status lt_comm_agree(lt_comm *c, lt_status local);

/* 1 after an lt_comm_agree that found a failure: all ranks know, one of them reports. */
int lt_comm_failed_together(const lt_comm *c);

/* Go on after such a failure: it is dealt with, and the next one counts anew. */
void lt_comm_forget_failure(lt_comm *c);

#endif
