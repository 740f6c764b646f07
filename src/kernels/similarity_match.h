#ifndef LT_KERNELS_SIMILARITY_MATCH_H
#define LT_KERNELS_SIMILARITY_MATCH_H

#include "kernels/attention_flash.h"
#include "kernels/similarity_impl.h"

/* best_match of the CPU paths: one driver (similarity_match.c) that cuts and packs, and
 * for each path the loop over scores. Rows of a are packed like the queries of
 * attention_flash.h, rows of b like its keys. */

enum { LT_MATCH_LANES = 16 };

typedef struct lt_match_tile {
    int64_t c, dk;  /* channels, and padded */
    int rows;       /* rounded up to the path's row group */
    const void *a;  /* [rows][dk] */
    float *best;    /* [rows][path->lanes] largest value so far; starts as -inf */
    int32_t *index; /* [rows][path->lanes] its row of b; starts as 0 */
    void *scratch;  /* path->scratch bytes */
} lt_match_tile;

typedef struct lt_match_path {
    int keys;      /* rows of b in a block, a multiple of 16 */
    int row_group; /* rows of a that the loop takes together; divides LT_MATCH_ROWS */
    int lanes;     /* of a row: 1 or LT_MATCH_LANES */
    int elem;      /* bytes of a packed element: 4 (f32) or 2 (bf16) */
    int dk_align;
    size_t scratch; /* bytes */
    void (*pack_a)(void *to, const lt_flash_rows *src, int64_t dk, float sign);
    void (*pack_b)(void *to, const lt_flash_rows *src, int64_t dk, int keys);
    /* Compare all rows with n rows of b (1 .. keys), the first of which has number
     * first. A lane keeps the first of equal values; NaN is never the best. */
    void (*match)(lt_match_tile *t, const void *b, int64_t first, int n);
    void (*begin)(void); /* around every tile; NULL: nothing to do */
    void (*end)(void);
} lt_match_path;

enum { LT_MATCH_ROWS = 96 };

LT_NODISCARD lt_status lt_match(const lt_match_path *path, const lt_exec *x,
                                const lt_best_match_args *a);

#endif
