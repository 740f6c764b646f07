#ifndef LT_IO_SHARD_H
#define LT_IO_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Shards: small HDF5 files of a job folder, one writer each (docs/formats.md).
 *
 * A shard is built in memory (libhdf5 never touches the disk while writing), hashed,
 * and put in place by one atomic commit; it is read only after its size and hash were
 * found right, so libhdf5 never sees a damaged file. The same calls give the same
 * bytes, whatever the order of the writes, the machine or the time.
 *
 * A writer or reader belongs to one thread at a time; different ones may be used by
 * different threads (Debian's libhdf5 locks inside). */

/* What a cell of a dataset is in the file. Little-endian; f16 is IEEE half. */
typedef enum lt_cell {
    LT_CELL_F32 = 0,
    LT_CELL_F16 = 1,
    LT_CELL_I64 = 2,
    LT_CELL_U8 = 3,
    LT_CELL_U16 = 4,
    LT_CELL_U32 = 5
} lt_cell;

enum { LT_SHARD_MAX_DIMS = 6 };

/* Bytes of one cell (4, 2, 8, 1, 2, 4), and its name ("f16"). */
size_t lt_cell_size(lt_cell cell);
const char *lt_cell_name(lt_cell cell);

/* What proves that a file is what was committed. */
typedef struct lt_stamp {
    uint64_t size;    /* bytes */
    uint8_t xxh3[16]; /* XXH3-128, seed 0, canonical (big-endian) order */
} lt_stamp;

/* ---- writing ---------------------------------------------------------------------- */

typedef struct lt_shard_writer lt_shard_writer;

typedef struct lt_shard_dataset {
    const char *path; /* "/inversion/latents"; groups on the way are made */
    lt_cell cell;
    int ndim;                         /* 1..LT_SHARD_MAX_DIMS */
    int64_t shape[LT_SHARD_MAX_DIMS]; /* each >= 1 */
    int64_t chunk[LT_SHARD_MAX_DIMS]; /* chunk[0] = 0: contiguous; else 1..shape[i]. A
                                         chunk is what is read at once: for [levels, n, h,
                                         w, c] take {1, n, h, w, c}, for [n, h, w, c] one
                                         frame {1, h, w, c} */
} lt_shard_dataset;

/* Begin an empty shard in memory. kind ("inversion", "match", "state", ...) becomes the
 * root attribute `kind`, beside `format` = "longtake-shard" and `format_version`.
 * On success *w is the caller's: end it with lt_shard_discard, after lt_shard_commit
 * too. Errors: NOMEM, INTERNAL (libhdf5 refused; its words are in the message). */
LT_NODISCARD lt_status lt_shard_create(lt_shard_writer **w, const char *kind);

/* Add a dataset, filled with NaN (floats) or the largest number (integers; -1 for i64).
 * Nothing of d is retained. Errors: ARG (shape, chunk, path used before), NOMEM. */
LT_NODISCARD lt_status lt_shard_add(lt_shard_writer *w, const lt_shard_dataset *d);

/* Write a box of a dataset. start and count have its ndim entries; data is dense,
 * row-major, product(count) cells of the dataset's own type (f16: uint16_t bits).
 * start = count = NULL: the whole dataset. Errors: ARG (no such dataset, box outside). */
LT_NODISCARD lt_status lt_shard_write(lt_shard_writer *w, const char *path,
                                      const int64_t *start, const int64_t *count,
                                      const void *data);

/* The same from floats: into f32 as they are, into f16 rounded to nearest even. */
LT_NODISCARD lt_status lt_shard_write_f32(lt_shard_writer *w, const char *path,
                                          const int64_t *start, const int64_t *count,
                                          const float *data);

/* Attributes of the object at path ("/" = the root; it must exist). Each name once an
 * object. n = 1 is stored as a scalar, more as an array. Errors: ARG, NOMEM. */
LT_NODISCARD lt_status lt_shard_attr_i64(lt_shard_writer *w, const char *path,
                                         const char *name, const int64_t *v, int64_t n);
LT_NODISCARD lt_status lt_shard_attr_f64(lt_shard_writer *w, const char *path,
                                         const char *name, const double *v, int64_t n);
LT_NODISCARD lt_status lt_shard_attr_text(lt_shard_writer *w, const char *path,
                                          const char *name, const char *text);

/* Close the shard and hand out its bytes: *image is the caller's (free), *stamp fits it.
 * w can only be discarded afterwards. Errors: NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_shard_finish(lt_shard_writer *w, void **image, lt_stamp *stamp);

/* lt_shard_finish and an atomic commit to `file`: after it the file is there, whole and
 * on the disk, or what was there before is untouched. The journal comes afterwards.
 * tag: NULL or "stage:unit" for the crash points of lt_file_write (core/file.h).
 * Errors: NOMEM, INTERNAL, and those of lt_file_write (IO, NOSPACE, CANTCREAT). */
LT_NODISCARD lt_status lt_shard_commit(lt_shard_writer *w, const char *file,
                                       const char *tag, lt_stamp *stamp);

/* Free a writer and set *w to NULL; accepts NULL. What was not committed is gone. */
void lt_shard_discard(lt_shard_writer **w);

/* ---- checking --------------------------------------------------------------------- */

/* Stamp of a buffer. */
lt_stamp lt_stamp_of(const void *data, size_t bytes);

/* Read a file once and compare it with its stamp; *bytes (may be NULL) is increased by
 * what was read, in failure too. Errors: NOINPUT (no such file), DATA (other size or
 * content: the message says which), IO. */
LT_NODISCARD lt_status lt_stamp_check(const char *file, const lt_stamp *want,
                                      int64_t *bytes);

/* ---- reading ---------------------------------------------------------------------- */

typedef struct lt_shard_reader lt_shard_reader;

/* Open a shard for reading. With `want` the file is read once and compared first; NULL
 * says that this process has compared it already (lt_job_shard keeps that in mind).
 * On success *r is the caller's: lt_shard_close.
 * Errors: NOINPUT, DATA (damaged, or no shard of this format), IO, NOMEM. */
LT_NODISCARD lt_status lt_shard_open(lt_shard_reader **r, const char *file,
                                     const lt_stamp *want);

/* What a dataset is. *cell, *ndim and shape (room for LT_SHARD_MAX_DIMS) are written on
 * success. Errors: DATA (no such dataset, or a type that is none of lt_cell). */
LT_NODISCARD lt_status lt_shard_describe(lt_shard_reader *r, const char *path,
                                         lt_cell *cell, int *ndim, int64_t *shape);

/* Read a box into dense row-major `data`; only the bytes of the box leave the disk.
 * start = count = NULL: the whole dataset. `cell` is what the caller expects.
 * lt_shard_read_f32 takes f32 and f16 datasets and gives floats.
 * Errors: DATA (no such dataset, another type, box outside), IO, NOMEM. */
LT_NODISCARD lt_status lt_shard_read(lt_shard_reader *r, const char *path, lt_cell cell,
                                     const int64_t *start, const int64_t *count,
                                     void *data);
LT_NODISCARD lt_status lt_shard_read_f32(lt_shard_reader *r, const char *path,
                                         const int64_t *start, const int64_t *count,
                                         float *data);

/* An integer attribute (scalar or array of exactly n). Errors: DATA. */
LT_NODISCARD lt_status lt_shard_read_attr_i64(lt_shard_reader *r, const char *path,
                                              const char *name, int64_t *v, int64_t n);

/* Bytes of payload read so far, and bytes read to verify the file: for metrics.jsonl. */
int64_t lt_shard_bytes_read(const lt_shard_reader *r);
int64_t lt_shard_bytes_verified(const lt_shard_reader *r);

/* Add to the second, for a caller that verified the file itself. */
void lt_shard_count_verified(lt_shard_reader *r, int64_t bytes);

/* Close and set *r to NULL; accepts NULL. */
void lt_shard_close(lt_shard_reader **r);

#endif
