#ifndef LT_KERNELS_ATTENTION_FLASH_H
#define LT_KERNELS_ATTENTION_FLASH_H

#include "kernels/attention_impl.h"

/* The fast attention of the CPU paths: one driver (attention_flash.c) that knows shapes,
 * index lists, tiles and states, and for each path a handful of loops that know the
 * instructions. A tile is up to `rows` queries of one head of one set; it walks over
 * blocks of `keys` keys with a running maximum in base 2.
 *
 * Packed forms of the path amx_bf16 (pad = zeros); those of the others, whose rows are
 * lanes, are in lanes.h:
 *   q  [rows][dk]
 *   k  [keys/16][dk/2][16 keys][2]     pairs of channels; 16 pairs are a tile
 *   v  [keys/32][dv/16][16][16][2]     16 pairs of keys x 16 channels, a tile
 * Keys and values, or those of a list, are packed once for all tiles of a head, where
 * memory allows; else every tile packs the blocks it needs by itself: the same bits. */

enum { LT_FLASH_LANES = 16 /* partial sums of a row, AMX */ };

/* Rows of one head inside a [sets, n, width] tensor, or the rows of an index list. */
typedef struct lt_flash_rows {
    const char *data;     /* first channel of the head in row 0 of the set */
    int bf16;             /* element: bf16 or f32 */
    int64_t stride;       /* elements from row to row */
    const int32_t *index; /* NULL: rows first, first + 1, ... */
    int64_t first;
    int n;     /* rows here */
    int64_t d; /* channels */
} lt_flash_rows;

/* What one thread works on. */
typedef struct lt_flash_tile {
    int64_t d, dk, dv; /* channels; padded for products with keys and with values */
    int rows;          /* rows that count, rounded up to the path's row group */
    int n_values;
    int causal;
    int64_t first_row; /* causal: the number of row 0 */
    float factor;      /* |scale| * log2(e) */
    const void *q;
    float *max;                /* [rows] in base 2: factor * q.k */
    float *sum;                /* [rows][LT_FLASH_LANES]; lanes: [rows] */
    float *acc[LT_MAX_VALUES]; /* [rows][dv]; lanes: at the beginning and the end only */
    float *lanes[LT_MAX_VALUES]; /* lanes: the sums meanwhile */
    int fresh;                   /* 1: begins at zero; lanes: acc is not set */
    unsigned mode;               /* of the processor, before begin */
    void *scratch;               /* path->scratch bytes */
} lt_flash_tile;

typedef struct lt_flash_path {
    int keys;      /* keys in a block, a multiple of 32 */
    int row_group; /* rows that the loops take together; divides rows */
    int rows;      /* of a tile; without lanes half above head_dim 128, with lanes all
                      queries of a head when they are few (attention_flash.c) */
    int lanes;     /* 1: a row is a lane (lanes.h) */
    int elem;      /* bytes of a packed element: 4 (f32) or 2 (bf16) */
    int dk_align, dv_align;
    size_t scratch; /* bytes */
    void (*pack_q)(void *q, const lt_flash_rows *src, int64_t dk, float sign);
    void (*pack_k)(void *k, const lt_flash_rows *src, int64_t dk, int keys);
    void (*pack_v)(void *v, const lt_flash_rows *src, int64_t dv, int keys);
    /* Fold n keys (1 .. keys), the first of which has number first_key, into the tile. */
    void (*block)(lt_flash_tile *t, const void *k, const void *const *v,
                  int64_t first_key, int n);
    void (*begin)(lt_flash_tile *t); /* around every tile */
    void (*end)(lt_flash_tile *t);
} lt_flash_path;

LT_NODISCARD lt_status lt_flash_attention(const lt_flash_path *path, const lt_exec *x,
                                          const lt_attention_args *a);

/* The j-th row of src. */
static inline const char *lt_flash_row(const lt_flash_rows *src, int64_t j)
{
    const int64_t row = src->index ? src->index[src->first + j] : src->first + j;
    return src->data + (size_t)(row * src->stride) * (src->bf16 ? 2 : 4);
}

/* How many of the n keys of a block row r may see (causal), at least 0. */
static inline int lt_flash_visible(const lt_flash_tile *t, int r, int64_t first_key,
                                   int n)
{
    if (!t->causal) return n;
    const int64_t seen = t->first_row + r + 1 - first_key;
    return seen < 0 ? 0 : seen < n ? (int)seen : n;
}

#endif
