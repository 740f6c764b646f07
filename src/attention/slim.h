#ifndef LT_ATTENTION_SLIM_H
#define LT_ATTENTION_SLIM_H

#include "core/random.h"
#include "models/unet.h"

/* Adaptive Attention Slimming: which keyframe tokens the joint attention keeps
 * (methods/adaflow.md 1.6; design.md section 4).
 *
 * With K keyframes of S tokens and a budget of R frames (R < K), the score of token p of
 * any keyframe for the query keyframe j is  score_j(p) = max_q cos(F_p, F_j(q))  over the
 * diffusion features F of the source video at the layer's grid.
 *
 *   query   as published: every query keyframe keeps its own m = R * S best tokens
 *   shared  one list for all: the (R - 1) * S tokens of the best score averaged over the
 *           query keyframes; every frame sees its own S tokens besides, and only listed
 *           tokens travel between ranks
 *
 * With `random`, a shared list is drawn in place of being chosen: every token has a
 * uniform score. It tells what the choice is worth; own tokens are seen all the same.
 *
 * Equal scores: the lowest token number wins. Token number = keyframe * S + p, with the
 * keyframes of the segment in global order. Lists are cut at chunk borders
 * and hold numbers relative to the chunk's first token.
 *
 * Chunks are what is gathered and folded into the joint attention at a time: runs of
 * LT_KEYFRAME_CHUNK keyframes. Of a shared list, runs that follow each other are taken
 * together as long as they have no more listed tokens than one run has tokens: fewer and
 * longer gathers, in the same memory. */

/* Part of the result's definition (the order of the sums), so a constant and no option. */
enum { LT_KEYFRAME_CHUNK = 8 };

typedef enum lt_slimming_mode {
    LT_SLIMMING_NONE,
    LT_SLIMMING_QUERY,
    LT_SLIMMING_SHARED
} lt_slimming_mode;

/* One ascending list of token numbers, cut in chunks. */
typedef struct lt_token_list {
    int32_t *token;      /* relative to the first token of its chunk */
    int64_t *chunk_from; /* [n_chunks + 1] positions in token */
} lt_token_list;

typedef struct lt_slim_grid {
    int64_t tokens; /* S */
    int64_t n_chunks;
    int64_t *chunk;      /* [n_chunks + 1] first keyframe of each chunk, then K */
    int64_t n_lists;     /* query: own query keyframes; shared: 1 */
    lt_token_list *list; /* [n_lists] */
} lt_slim_grid;

typedef struct lt_slimming {
    lt_slimming_mode mode;
    int64_t n_keyframes; /* K */
    int n_grids;
    lt_slim_grid grid[8];
} lt_slimming;

/* Tokens kept: query min(K, R) * S, shared (min(K, R) - 1) * S. */
int64_t lt_slim_kept(lt_slimming_mode mode, int64_t n_keyframes, int64_t budget,
                     int64_t s);

/* Where the features of a keyframe at a grid come from: unit rows [S, c] in the compute
 * dtype, a counted view or copy that the caller frees. keyframe counts those of the
 * segment; grid is an index into lt_slim_args.tokens. */
typedef lt_status lt_slim_features_fn(void *ctx, int64_t keyframe, int grid,
                                      lt_tensor *unit_rows);

typedef struct lt_slim_args {
    lt_slimming_mode mode;
    int64_t n_keyframes;      /* K > budget */
    int64_t budget;           /* R, frames of tokens, >= 1 */
    int64_t first_own, n_own; /* the query keyframes of this rank */
    int n_grids;
    int64_t tokens[8];             /* S of each grid */
    lt_slim_features_fn *features; /* not called with `random` */
    void *ctx;
    /* The stream that a shared list is drawn from, anew for each grid; NULL: the list
     * is chosen by similarity. */
    const lt_random *random;
} lt_slim_args;

/* Make the lists. Every rank makes its own: the shared list needs all query keyframes,
 * and is the same everywhere because it is computed from the same numbers.
 * The caller frees with lt_slim_free.  Errors: NOMEM, what `features` returns. */
LT_NODISCARD lt_status lt_slim_make(const lt_exec *x, const lt_slim_args *a,
                                    lt_slimming *slim);
void lt_slim_free(lt_slimming *slim); /* zeroes */

/* The grid with S tokens, NULL when there is none (lookup by S as published). */
const lt_slim_grid *lt_slim_find(const lt_slimming *slim, int64_t tokens);

#endif
