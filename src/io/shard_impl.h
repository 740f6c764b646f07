#ifndef LT_IO_SHARD_IMPL_H
#define LT_IO_SHARD_IMPL_H

#include <hdf5.h>

#include "io/shard.h"

/* What shard.c, shard_read.c and index.c share. Not for other rooms. */

#define LT_SHARD_FORMAT "longtake-shard"
#define LT_INDEX_FORMAT "longtake-index"
enum { LT_SHARD_VERSION = 1, LT_SHARD_PATH_MAX = 256 };

/* Keep libhdf5 from printing; its words go into our message instead. Per thread. */
void lt_h5_quiet(void);

/* A failure of libhdf5 as one message: `what`, `where`, its innermost reason. */
lt_status lt_h5_fail(lt_status st, const char *what, const char *where);

/* The file type of a cell, to be closed by the caller (H5Tclose); < 0 on failure. */
hid_t lt_h5_type(lt_cell cell);

/* Which cell a type is; 0 when it is none. */
int lt_h5_cell(hid_t type, lt_cell *cell);

/* Open a file in memory with the root attributes format, format_version, kind (NULL:
 * without kind). lt_shard_create with another format. */
LT_NODISCARD lt_status lt_h5_create(lt_shard_writer **w, const char *format,
                                    const char *kind);

/* One source of a virtual dataset: the whole dataset `path` of `file`, of shape `count`,
 * appears at `start`. file: relative to the folder of the file that is being made, "."
 * for that file itself. */
typedef struct lt_h5_source {
    const char *file, *path;
    int64_t start[LT_SHARD_MAX_DIMS];
    int64_t count[LT_SHARD_MAX_DIMS];
} lt_h5_source;

/* Add a virtual dataset. libhdf5 holds some 10 KB for every source while it does so, and
 * while a reader has the dataset open. */
LT_NODISCARD lt_status lt_h5_add_virtual(lt_shard_writer *w, const lt_shard_dataset *d,
                                         const lt_h5_source *sources, int64_t n);

/* Is the box start, count inside dims? NULL, NULL is. */
int lt_h5_box_ok(int ndim, const hsize_t *dims, const int64_t *start,
                 const int64_t *count);

/* Select the box in `space` and make the memory space of its shape; < 0 on failure.
 * *cells is the number of cells of the box. */
hid_t lt_h5_select(hid_t space, int ndim, const hsize_t *dims, const int64_t *start,
                   const int64_t *count, int64_t *cells);

#endif
