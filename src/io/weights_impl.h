#ifndef LT_IO_WEIGHTS_IMPL_H
#define LT_IO_WEIGHTS_IMPL_H

#include <jansson.h>

#include "io/weights.h"

/* Shared by the weights_*.c files only. */

typedef struct lt_weight_file {
    char *path;
    const uint8_t *map; /* NULL for an index, or when the image is borrowed */
    size_t bytes;
    json_t *metadata; /* or NULL */
} lt_weight_file;

struct lt_weights {
    lt_weight_file *file; /* [n_files] */
    int n_files;
    lt_weight *t; /* [n], sorted by name once complete; names are owned */
    int64_t n, cap;
};

/* Append the tensors of one file image to w (unsorted); `where` must outlive w.
 * On failure what was appended stays and is freed with w.  Errors: DATA, NOMEM. */
LT_NODISCARD lt_status lt_weights_add_image(lt_weights *w, const uint8_t *data,
                                            size_t bytes, const char *where,
                                            json_t **metadata);

/* Append one tensor, unsorted; its name is owned by w from then on.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_weights_append(lt_weights *w, const lt_weight *t);

/* Sort by name; a name in two files is DATA. */
LT_NODISCARD lt_status lt_weights_finish(lt_weights *w);

#endif
