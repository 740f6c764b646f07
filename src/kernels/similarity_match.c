#include "kernels/similarity_match.h"

#include <math.h>

#include "kernels/kernels.h"

/* A row's answer depends on that row and on b alone, so the cuts below are free:
 * GROUP_TILES tiles of a share a packed chunk of b. */
enum { GROUP_TILES = 128, CHUNK_BLOCKS = 16 };

typedef struct job {
    const lt_match_path *path;
    const lt_best_match_args *args;
    int64_t n_a, n_b, c, dk;
    int64_t first_a; /* of this group */
    int64_t first_b; /* of this chunk */
    size_t block_bytes, a_bytes, work_bytes;
    char *chunk;    /* [CHUNK_BLOCKS] packed blocks of b */
    char *work;     /* [workers][work_bytes] */
    float *best;    /* [GROUP_TILES * LT_MATCH_ROWS][path->lanes] */
    int32_t *index; /* likewise */
} job;

static lt_flash_rows rows_of(const lt_tensor *t, int64_t first, int64_t n)
{
    return (lt_flash_rows){ .data = t->data,
                            .bf16 = t->dtype == LT_BF16,
                            .stride = t->shape[1],
                            .first = first,
                            .n = (int)n,
                            .d = t->shape[1] };
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static lt_status pack_block(void *arg, int64_t block, int worker)
{
    const job *b = arg;
    (void)worker;
    const int64_t first = b->first_b + block * b->path->keys;
    const lt_flash_rows src =
        rows_of(b->args->b, first, least(b->path->keys, b->n_b - first));
    b->path->pack_b(b->chunk + (size_t)block * b->block_bytes, &src, b->dk,
                    b->path->keys);
    return LT_OK;
}

static lt_status match_tile(void *arg, int64_t tile, int worker)
{
    const job *b = arg;
    char *work = b->work + (size_t)worker * b->work_bytes;
    const int64_t first = b->first_a + tile * LT_MATCH_ROWS;
    const lt_flash_rows src =
        rows_of(b->args->a, first, least(LT_MATCH_ROWS, b->n_a - first));
    const int group = b->path->row_group;
    lt_match_tile t = { .c = b->c,
                        .dk = b->dk,
                        .rows = (src.n + group - 1) / group * group,
                        .a = work,
                        .best = b->best + tile * LT_MATCH_ROWS * b->path->lanes,
                        .index = b->index + tile * LT_MATCH_ROWS * b->path->lanes,
                        .scratch = work + b->a_bytes };
    memset(work, 0, b->a_bytes);
    b->path->pack_a(work, &src, b->dk, 1.0f);
    if (b->path->begin) b->path->begin();
    for (int64_t i = 0; i < CHUNK_BLOCKS; i++) {
        const int64_t at = b->first_b + i * b->path->keys;
        if (at >= b->n_b) break;
        b->path->match(&t, b->chunk + (size_t)i * b->block_bytes, at,
                       (int)least(b->path->keys, b->n_b - at));
    }
    if (b->path->end) b->path->end();
    return LT_OK;
}

/* The best of a row's lanes; among equal values the lowest row of b. */
static void write_rows(const job *b, int64_t rows)
{
    const int lanes = b->path->lanes;
    for (int64_t r = 0; r < rows; r++) {
        const float *best = b->best + r * lanes;
        const int32_t *index = b->index + r * lanes;
        int w = 0;
        for (int i = 1; i < lanes; i++)
            if (best[i] > best[w] || (best[i] == best[w] && index[i] < index[w])) w = i;
        if (b->args->index) lt_i32(b->args->index)[b->first_a + r] = index[w];
        if (b->args->similarity) lt_f32(b->args->similarity)[b->first_a + r] = best[w];
    }
}

static lt_status match_group(job *b, lt_threads *threads)
{
    lt_status st = LT_OK;
    const int64_t rows = least(GROUP_TILES * LT_MATCH_ROWS, b->n_a - b->first_a);
    const int64_t tiles = (rows + LT_MATCH_ROWS - 1) / LT_MATCH_ROWS;
    const int64_t chunk = (int64_t)CHUNK_BLOCKS * b->path->keys;
    for (int64_t i = 0; i < tiles * LT_MATCH_ROWS * b->path->lanes; i++) {
        b->best[i] = -INFINITY;
        b->index[i] = 0;
    }
    for (b->first_b = 0; b->first_b < b->n_b; b->first_b += chunk) {
        const int64_t left = least(chunk, b->n_b - b->first_b);
        LT_TRY(lt_parallel_for(threads, (left + b->path->keys - 1) / b->path->keys,
                               pack_block, b));
        LT_TRY(lt_parallel_for(threads, tiles, match_tile, b));
    }
    write_rows(b, rows);
cleanup:
    return st;
}

lt_status lt_match(const lt_match_path *path, const lt_exec *x,
                   const lt_best_match_args *a)
{
    lt_status st = LT_OK;
    lt_tensor chunk = { 0 }, work = { 0 }, best = { 0 }, index = { 0 };
    LT_TRY(lt_best_match_check(a));
    job b = { .path = path,
              .args = a,
              .n_a = a->a->shape[0],
              .n_b = a->b->shape[0],
              .c = a->a->shape[1] };
    b.dk = (b.c + path->dk_align - 1) / path->dk_align * path->dk_align;
    b.block_bytes = (size_t)path->keys * (size_t)b.dk * (size_t)path->elem;
    b.a_bytes = (LT_MATCH_ROWS * (size_t)b.dk * (size_t)path->elem + 63) / 64 * 64;
    b.work_bytes = b.a_bytes + (path->scratch + 63) / 64 * 64;
    const int64_t group = least(GROUP_TILES, (b.n_a + LT_MATCH_ROWS - 1) / LT_MATCH_ROWS);
    const int64_t lanes = group * LT_MATCH_ROWS * path->lanes;
    LT_TRY(LT_TENSOR_NEW(&chunk, x->pool, LT_U8, CHUNK_BLOCKS, (int64_t)b.block_bytes));
    LT_TRY(LT_TENSOR_NEW(&work, x->pool, LT_U8, lt_threads_count(x->threads),
                         (int64_t)b.work_bytes));
    LT_TRY(LT_TENSOR_NEW(&best, x->pool, LT_F32, lanes));
    LT_TRY(LT_TENSOR_NEW(&index, x->pool, LT_I32, lanes));
    b.chunk = chunk.data;
    b.work = work.data;
    b.best = best.data;
    b.index = index.data;
    for (b.first_a = 0; b.first_a < b.n_a; b.first_a += GROUP_TILES * LT_MATCH_ROWS)
        LT_TRY(match_group(&b, x->threads));
cleanup:
    lt_tensor_free(&chunk);
    lt_tensor_free(&work);
    lt_tensor_free(&best);
    lt_tensor_free(&index);
    return st;
}
