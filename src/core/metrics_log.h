#ifndef LT_CORE_METRICS_LOG_H
#define LT_CORE_METRICS_LOG_H

#include <stdint.h>

#include "core/status.h"

/* log/metrics.jsonl: one JSON object a line with t (Unix time, s), rank, event, stage,
 * segment, unit, seconds, bytes_read, bytes_written, bytes_gathered, memory. Every line is one
 * write at the end of the file, so the ranks of one machine may share the file; on a
 * network file system without atomic appends one rank writes for all. Not fsynced: it is
 * a record, not a journal. */
typedef struct lt_metrics_log lt_metrics_log;

typedef struct lt_metric {
    const char *event; /* "unit_done" (after the commit), "stage_done", "stop", ...    */
    const char *stage; /* NULL: null in the file                                       */
    int64_t segment, unit; /* -1: null in the file                                     */
    double seconds;        /* not finite: null in the file                             */
    int64_t bytes_read, bytes_written, bytes_gathered;
    int64_t memory; /* [bytes] largest resident size of the rank so far           */
    int rank;       /* whose work it was                                          */
} lt_metric;

/* Open for appending; *out is owned by the caller. Errors: NOMEM, CANTCREAT. */
LT_NODISCARD lt_status lt_metrics_open(lt_metrics_log **out, const char *path);
void lt_metrics_close(lt_metrics_log *m);

/* Append one line. Any thread. m = NULL: nothing. Errors: NOMEM, NOSPACE, IO. */
LT_NODISCARD lt_status lt_metrics_write(lt_metrics_log *m, const lt_metric *metric);

#endif
