#ifndef LT_APP_FLOW_FILE_H
#define LT_APP_FLOW_FILE_H

#include <stdint.h>

#include "core/status.h"

/* Exact motion as an HDF5 file, written frame by frame:
 *     /flow     [n][height][width][2] f32, pixels (x, y) from frame t to t + 1
 *     /visible  [n][height][width] u8, 1 where that holds (synth.h)
 * The file appears under its name when it is complete; equal values, equal bytes. */
typedef struct lt_flow_file lt_flow_file;

/* *out is owned by the caller; n, width, height >= 1.
 * Errors: CANTCREAT (folder, permission), ARG, NOMEM, NOSPACE, IO. */
LT_NODISCARD lt_status lt_flow_file_open(lt_flow_file **out, const char *path, int64_t n,
                                         int32_t width, int32_t height);

/* Write the motion from frame t to t + 1, 0 <= t < n. Errors: NOSPACE, IO, ARG. */
LT_NODISCARD lt_status lt_flow_file_put(lt_flow_file *f, int64_t t, const float *flow,
                                        const uint8_t *visible);

/* Finish: the file is there. Errors: NOSPACE, IO, CANTCREAT. */
LT_NODISCARD lt_status lt_flow_file_commit(lt_flow_file *f);

/* Free; without a commit before, nothing is left on disk. Accepts NULL and *NULL. */
void lt_flow_file_close(lt_flow_file **f);

/* The same file read frame by frame. n, width, height: of the motion that is wanted.
 * Errors: NOINPUT, DATA (no HDF5, or not of this shape), NOMEM. */
typedef struct lt_flow_reader lt_flow_reader;
LT_NODISCARD lt_status lt_flow_reader_open(lt_flow_reader **out, const char *path,
                                           int64_t n, int32_t width, int32_t height);
void lt_flow_reader_close(lt_flow_reader **r); /* accepts NULL and *NULL */

/* flow [height][width][2], visible [height][width] from frame t to t + 1, 0 <= t < n.
 * Errors: ARG, DATA. */
LT_NODISCARD lt_status lt_flow_reader_get(lt_flow_reader *r, int64_t t, float *flow,
                                          uint8_t *visible);

#endif
