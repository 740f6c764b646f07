#ifndef LT_IO_WEIGHTS_H
#define LT_IO_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* safetensors files: reading with every check that the format asks for, and writing.
 *
 * A file is u64 LE header length, a JSON header {name: {dtype, shape, data_offsets}},
 * data. Refused (DATA, with the file and the tensor): a header above 4 MiB (the format
 * allows 100,000,000 bytes) or not starting with '{', names given twice, unknown dtypes,
 * sizes that overflow or disagree with the shape, ranges that overlap, leave holes or do
 * not cover the data to the last byte, truncated files, git-lfs pointers.
 *
 * Files are mapped, not read: opening is quick, and memory is used where data are
 * converted. Data may be unaligned in the file, so nothing here hands out a pointer of
 * a wider type than a byte. */
typedef struct lt_weights lt_weights;

typedef enum lt_weight_type {
    LT_WEIGHT_F32,
    LT_WEIGHT_F16,
    LT_WEIGHT_BF16,
    LT_WEIGHT_I64,
    LT_WEIGHT_I32,
    LT_WEIGHT_OTHER /* F64, U8, F8 ...: counted and covered, never read */
} lt_weight_type;

typedef struct lt_weight {
    const char *name; /* owned by the lt_weights */
    const char *file; /* path of the file that holds it, for messages */
    lt_weight_type type;
    char type_name[12]; /* as in the header: "BF16" */
    int ndim;           /* 0 .. LT_MAX_DIMS */
    int64_t shape[LT_MAX_DIMS];
    int64_t count;       /* elements */
    const uint8_t *data; /* row-major, little-endian, perhaps unaligned */
    size_t bytes;
} lt_weight;

/* Open one file, or with a name ending in .json the shards that this index names.
 * Errors: NOINPUT (no such file), IO, DATA, NOMEM. */
LT_NODISCARD lt_status lt_weights_open(const char *path, lt_weights **w);

/* Open the weights of a component folder: the first that exists of
 *   STEM.safetensors, STEM.safetensors.index.json (shards), STEM.fp16.safetensors,
 *   STEM.safetensors.index.fp16.json, STEM.bf16.safetensors
 * Names of shards must stay inside the folder.  Errors: NOINPUT (names the first form,
 * and says that a .bin is not read when there is one), else as lt_weights_open. */
LT_NODISCARD lt_status lt_weights_open_folder(const char *dir, const char *stem,
                                              lt_weights **w);

/* Parse a file image in memory; `data` is borrowed and must outlive *w. `where` is the
 * name for messages. Never reads outside [data, data + bytes).  Errors: DATA, NOMEM. */
LT_NODISCARD lt_status lt_weights_parse(const void *data, size_t bytes, const char *where,
                                        lt_weights **w);

/* A list of tensors of other lists under new names; nothing is copied, so those lists
 * must outlive it. `where` is its name for messages. Add, then finish, then look up.
 *   t     all of it, or the elements from `first` on that the shape covers
 * Errors of add: NOMEM; of finish: DATA (a name twice). */
LT_NODISCARD lt_status lt_weights_view_open(const char *where, lt_weights **w);
LT_NODISCARD lt_status lt_weights_view_add(lt_weights *w, const char *name,
                                           const lt_weight *t, int64_t first, int ndim,
                                           const int64_t *shape);
LT_NODISCARD lt_status lt_weights_view_finish(lt_weights *w);

/* Accepts NULL. */
void lt_weights_close(lt_weights **w);

/* The tensors, sorted by name (bytes). */
int64_t lt_weights_count(const lt_weights *w);
const lt_weight *lt_weights_at(const lt_weights *w, int64_t i);

/* NULL when there is none. */
const lt_weight *lt_weights_find(const lt_weights *w, const char *name);

/* Files that were opened, in a fixed order (a shard index first); for hashes. */
int lt_weights_n_files(const lt_weights *w);
const char *lt_weights_file(const lt_weights *w, int i);

/* Where the weights are, for messages about what is missing: the file, or the index. */
const char *lt_weights_where(const lt_weights *w);

/* The value of a __metadata__ key of the (first) file, or NULL. */
const char *lt_weights_metadata(const lt_weights *w, const char *key);

/* The tensor `name` with exactly this shape.  Errors: DATA: missing, or found and
 * expected shape, with tensor and file. */
LT_NODISCARD lt_status lt_weights_get(const lt_weights *w, const char *name, int ndim,
                                      const int64_t *shape, const lt_weight **t);

/* Convert elements [first, first + n) to f32, and look at every value.
 * Errors: DATA (NaN or infinity, or not a float type; names tensor and file). */
LT_NODISCARD lt_status lt_weight_to_f32(const lt_weight *t, int64_t first, int64_t n,
                                        float *dst);

/* All elements of an I64 or I32 tensor, [count].  Errors: DATA (another type). */
LT_NODISCARD lt_status lt_weight_to_i64(const lt_weight *t, int64_t *dst);

/* Whether all values of a float tensor are finite (LT_OK for integers).  Errors: DATA. */
LT_NODISCARD lt_status lt_weight_check_finite(const lt_weight *t);

/* "320x4x3x3", or "scalar"; text: [LT_SHAPE_TEXT]. */
enum { LT_SHAPE_TEXT = 128 };
const char *lt_shape_text(int ndim, const int64_t *shape, char *text);

/* ---- writing -------------------------------------------------------------------- */

typedef struct lt_weight_out {
    const char *name; /* borrowed */
    lt_tensor tensor; /* host; f32, f16, bf16 or i64; borrowed */
} lt_weight_out;

/* A tensor as the bytes of a file: any type that safetensors knows. */
typedef struct lt_weight_raw {
    const char *name, *type; /* "F64"; borrowed */
    int ndim;
    int64_t shape[LT_MAX_DIMS];
    const void *data; /* row-major, little-endian, any alignment; borrowed */
    size_t bytes;
} lt_weight_raw;

/* Write tensors as PATH, in the order given, data aligned to 8 bytes; whole or not at
 * all (a file beside it is renamed).  metadata: NULL or pairs key, value, ..., NULL.
 * Errors: CANTCREAT, IO, NOSPACE, ARG (dtype, a name given twice), NOMEM. */
LT_NODISCARD lt_status lt_weights_write(const char *path, const lt_weight_out *t, int n,
                                        const char *const *metadata);
LT_NODISCARD lt_status lt_weights_write_raw(const char *path, const lt_weight_raw *t,
                                            int n, const char *const *metadata);

#endif
