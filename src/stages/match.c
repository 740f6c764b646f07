#include "stages/match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_grids lt_match_grids(const lt_run *r)
{
    lt_grids g;
    g.n = lt_unet_grids(r->model->unet, r->h, r->w, g.h, g.w);
    return g;
}

lt_status lt_match_rows(lt_run *r, const lt_tensor *frame_rows,
                        const lt_tensor *keyframe_rows, lt_tensor *index,
                        lt_tensor *similarity)
{
    const lt_best_match_args a = { .a = frame_rows,
                                   .b = keyframe_rows,
                                   .index = index,
                                   .similarity = similarity,
                                   .rows_per_tile = frame_rows->shape[0] };
    return r->x.k->best_match(&r->x, &a);
}

/* ---- keyframes --------------------------------------------------------------------- */

/* The keyframes that frames of a clip are matched with, ascending: those that some step
 * draws in the clip, with propagate.blend neighbours before them those of the clip in
 * front. *list is the caller's (free). */
static lt_status keyframes_of(const lt_run *r, int64_t clip, int64_t **list, int64_t *n)
{
    const lt_layout *l = &r->layout;
    const int64_t before = r->cfg->propagate.blend == LT_BLEND_NEIGHBOURS
                               ? lt_layout_clip_before(l, clip)
                               : -1;
    int64_t *k = malloc((size_t)(2 * l->n_steps) * sizeof(*k));
    if (!k) return LT_FAIL(LT_ERR_NOMEM, "out of memory (match)");
    *n = before >= 0 ? lt_layout_clip_keyframes(l, before, k) : 0;
    *n += lt_layout_clip_keyframes(l, clip, k + *n);
    *list = k;
    return LT_OK;
}

/* ---- one block --------------------------------------------------------------------- */

typedef struct block_match {
    lt_run *r;
    const lt_block *block;
    lt_feature_shape shape;
    lt_grids grids;
    int64_t *keyframe, n_keyframes; /* drawn by some step, ascending */
    lt_tensor *features;            /* [block->n] of the block's frames */
    lt_shard_writer *w;
} block_match;

static void path_of(const lt_grids *g, int i, const char *what, char *path, size_t size)
{
    snprintf(path, size, "/match/%lldx%lld/%s", (long long)g->h[i], (long long)g->w[i],
             what);
}

static lt_cell index_cell(int64_t tokens)
{
    return tokens <= 65536 ? LT_CELL_U16 : LT_CELL_U32;
}

static lt_status add_row_list(block_match *m, const char *path, int by_keyframe)
{
    const int64_t n = m->block->n, rows = n * m->n_keyframes;
    int64_t *v = malloc((size_t)rows * sizeof(*v));
    if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory (match)");
    for (int64_t i = 0; i < rows; i++)
        v[i] = by_keyframe ? m->keyframe[i / n] : m->block->first + i % n;
    const lt_shard_dataset d = {
        .path = path, .cell = LT_CELL_I64, .ndim = 1, .shape = { rows }
    };
    lt_status st = lt_shard_add(m->w, &d);
    if (st == LT_OK) st = lt_shard_write(m->w, path, NULL, NULL, v);
    free(v);
    return st;
}

static lt_status add_datasets(block_match *m)
{
    lt_status st = LT_OK;
    const int64_t rows = m->block->n * m->n_keyframes;
    LT_TRY(add_row_list(m, "/match/frame", 0));
    LT_TRY(add_row_list(m, "/match/keyframe", 1));
    for (int g = 0; g < m->grids.n; g++) {
        char path[64];
        const int64_t s = m->grids.h[g] * m->grids.w[g];
        path_of(&m->grids, g, "index", path, sizeof(path));
        lt_shard_dataset d = { .path = path,
                               .cell = index_cell(s),
                               .ndim = 2,
                               .shape = { rows, s },
                               .chunk = { m->block->n, s } };
        LT_TRY(lt_shard_add(m->w, &d));
        path_of(&m->grids, g, "similarity", path, sizeof(path));
        d.cell = LT_CELL_U8;
        LT_TRY(lt_shard_add(m->w, &d));
    }
cleanup:
    return st;
}

/* Write one row of a grid: `buffer` has room for tokens u32. */
static lt_status write_row(block_match *m, int g, int64_t row, const lt_tensor *index,
                           const lt_tensor *similarity, uint32_t *buffer)
{
    char path[64];
    const int64_t s = m->grids.h[g] * m->grids.w[g];
    const int64_t start[2] = { row, 0 }, count[2] = { 1, s };
    for (int64_t p = 0; p < s; p++)
        if (index_cell(s) == LT_CELL_U16)
            ((uint16_t *)buffer)[p] = (uint16_t)lt_i32(index)[p];
        else
            buffer[p] = (uint32_t)lt_i32(index)[p];
    path_of(&m->grids, g, "index", path, sizeof(path));
    lt_status st = lt_shard_write(m->w, path, start, count, buffer);
    if (st != LT_OK) return st;
    for (int64_t p = 0; p < s; p++) {
        const float c = lt_f32(similarity)[p];
        ((uint8_t *)buffer)[p] = (uint8_t)(255.0f * fminf(fmaxf(c, 0.0f), 1.0f) + 0.5f);
    }
    path_of(&m->grids, g, "similarity", path, sizeof(path));
    return lt_shard_write(m->w, path, start, count, buffer);
}

/* All frames of the block to keyframe number k on grid g. */
static lt_status match_grid(block_match *m, int g, int64_t k, const lt_tensor *features)
{
    lt_status st = LT_OK;
    lt_run *r = m->r;
    const int64_t s = m->grids.h[g] * m->grids.w[g];
    lt_tensor key = { 0 }, rows = { 0 }, index = { 0 }, similarity = { 0 };
    uint32_t *buffer = malloc((size_t)s * sizeof(*buffer));
    if (!buffer) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (match)"));
    LT_TRY(LT_TENSOR_NEW(&index, r->x.pool, LT_I32, s));
    LT_TRY(LT_TENSOR_NEW(&similarity, r->x.pool, LT_F32, s));
    LT_TRY(lt_features_rows(r, &m->shape, features, m->grids.h[g], m->grids.w[g], &key));
    for (int64_t f = 0; f < m->block->n; f++) {
        LT_TRY(lt_features_rows(r, &m->shape, &m->features[f], m->grids.h[g],
                                m->grids.w[g], &rows));
        LT_TRY(lt_match_rows(r, &rows, &key, &index, &similarity));
        LT_TRY(write_row(m, g, k * m->block->n + f, &index, &similarity, buffer));
        lt_tensor_free(&rows);
    }
cleanup:
    free(buffer);
    lt_tensor_free(&key);
    lt_tensor_free(&rows);
    lt_tensor_free(&index);
    lt_tensor_free(&similarity);
    return st;
}

static lt_status match_keyframe(block_match *m, int64_t k)
{
    lt_tensor features = { 0 };
    lt_status st = lt_features_get(m->r, m->keyframe[k], &features);
    for (int g = 0; st == LT_OK && g < m->grids.n; g++)
        st = match_grid(m, g, k, &features);
    lt_tensor_free(&features);
    return st;
}

static lt_status load_block(block_match *m)
{
    lt_run *r = m->r;
    m->features = calloc((size_t)m->block->n, sizeof(*m->features));
    if (!m->features) return LT_FAIL(LT_ERR_NOMEM, "out of memory (match)");
    lt_status st = keyframes_of(r, m->block->clip, &m->keyframe, &m->n_keyframes);
    if (st == LT_OK) st = lt_features_shape(r, &m->shape);
    for (int64_t f = 0; st == LT_OK && f < m->block->n; f++)
        st = lt_features_get(r, m->block->first + f, &m->features[f]);
    return st;
}

static void block_match_free(block_match *m)
{
    for (int64_t f = 0; m->features && f < m->block->n; f++)
        lt_tensor_free(&m->features[f]);
    free(m->features);
    free(m->keyframe);
    lt_shard_discard(&m->w);
}

static lt_status run_block(lt_run *r, void *ctx, int64_t unit, lt_done *d)
{
    lt_status st = LT_OK;
    (void)ctx;
    block_match m = { .r = r,
                      .block = &r->layout.block[unit],
                      .grids = lt_match_grids(r) };
    LT_TRY(load_block(&m));
    LT_TRY(lt_shard_create(&m.w, "match"));
    LT_TRY(add_datasets(&m));
    for (int64_t k = 0; k < m.n_keyframes; k++) LT_TRY(match_keyframe(&m, k));
    d->segment = m.block->segment;
    d->first_frame = m.block->first;
    d->n_frames = m.block->n;
    d->n_rows = m.block->n * m.n_keyframes;
    LT_TRY(lt_run_put_shard(r, m.w, m.block->segment, m.block->in_segment, "match",
                            LT_NO_STEP, d));
cleanup:
    block_match_free(&m);
    return st;
}

lt_status lt_stage_match(lt_run *r, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    const lt_unit_stage stage = { .name = "match",
                                  .first = s->first_block,
                                  .n = s->n_blocks,
                                  .blocks = 1,
                                  .run = run_block };
    lt_run_progress_blocks(r, "match");
    return lt_run_units(r, &stage);
}

/* ---- reading ----------------------------------------------------------------------- */

/* Number of a keyframe among those that the clip is matched with. */
static lt_status row_group(lt_run *r, int64_t clip, int64_t keyframe, int64_t *k)
{
    int64_t *list = NULL, count = 0;
    const lt_status st = keyframes_of(r, clip, &list, &count);
    if (st != LT_OK) return st;
    *k = -1;
    for (int64_t i = 0; i < count; i++)
        if (list[i] == keyframe) *k = i;
    free(list);
    if (*k < 0)
        return LT_FAIL(LT_ERR_INTERNAL, "frame %lld is no keyframe for clip %lld",
                       (long long)keyframe, (long long)clip);
    return LT_OK;
}

static lt_status read_grid(lt_run *r, lt_shard_reader *in, const lt_grids *grids, int g,
                           int64_t first_row, int64_t n, lt_tensor *out)
{
    char path[64];
    const int64_t s = grids->h[g] * grids->w[g];
    lt_tensor t = { 0 };
    lt_status st = LT_TENSOR_NEW(&t, r->x.pool, LT_I32, n, s);
    path_of(grids, g, "index", path, sizeof(path));
    if (st == LT_OK)
        st = lt_shard_read(in, path, index_cell(s), (int64_t[]){ first_row, 0 },
                           (int64_t[]){ n, s }, t.data);
    if (st != LT_OK) {
        lt_tensor_free(&t);
        return st;
    }
    if (index_cell(s) == LT_CELL_U16) { /* widen in place, from the end */
        const uint16_t *narrow = t.data;
        for (int64_t i = n * s - 1; i >= 0; i--) lt_i32(&t)[i] = narrow[i];
    }
    for (int64_t i = 0; i < n * s; i++)
        if (lt_i32(&t)[i] < 0 || lt_i32(&t)[i] >= s) {
            lt_tensor_free(&t);
            return LT_FAIL(LT_ERR_DATA, "a match points outside its keyframe (%s)", path);
        }
    *out = t;
    return LT_OK;
}

static lt_status read_similarity(lt_run *r, lt_shard_reader *in, const lt_grids *grids,
                                 int g, int64_t first_row, int64_t n, lt_tensor *out)
{
    char path[64];
    const int64_t s = grids->h[g] * grids->w[g];
    uint8_t *stored = malloc((size_t)(n * s));
    lt_tensor t = { 0 };
    lt_status st = stored ? LT_TENSOR_NEW(&t, r->x.pool, LT_F32, n, s)
                          : LT_FAIL(LT_ERR_NOMEM, "out of memory (match)");
    path_of(grids, g, "similarity", path, sizeof(path));
    if (st == LT_OK)
        st = lt_shard_read(in, path, LT_CELL_U8, (int64_t[]){ first_row, 0 },
                           (int64_t[]){ n, s }, stored);
    for (int64_t i = 0; st == LT_OK && i < n * s; i++)
        lt_f32(&t)[i] = (float)stored[i] / 255.0f;
    free(stored);
    if (st == LT_OK)
        *out = t;
    else
        lt_tensor_free(&t);
    return st;
}

static void free_all(lt_tensor *t, int n)
{
    for (int i = 0; i < n; i++) lt_tensor_free(&t[i]);
}

lt_status lt_match_read(lt_run *r, int64_t block, int64_t keyframe, const lt_grids *grids,
                        lt_tensor *match, lt_tensor *similarity, int64_t *bytes_read)
{
    const lt_block *b = &r->layout.block[block];
    lt_shard_reader *in = NULL;
    lt_tensor got[LT_MAX_GRIDS] = { { 0 } }, near[LT_MAX_GRIDS] = { { 0 } };
    int64_t k = 0;
    lt_status st = row_group(r, b->clip, keyframe, &k);
    if (st == LT_OK) st = lt_job_shard(r->job, "match", block, LT_NO_STEP, &in);
    for (int g = 0; st == LT_OK && g < grids->n; g++) {
        st = read_grid(r, in, grids, g, k * b->n, b->n, &got[g]);
        if (st == LT_OK && similarity)
            st = read_similarity(r, in, grids, g, k * b->n, b->n, &near[g]);
    }
    if (st == LT_OK) {
        memcpy(match, got, sizeof(*match) * (size_t)grids->n);
        if (similarity) memcpy(similarity, near, sizeof(*near) * (size_t)grids->n);
        *bytes_read += lt_shard_bytes_read(in);
    }
    if (st != LT_OK) {
        free_all(got, grids->n);
        free_all(near, grids->n);
    }
    lt_shard_close(&in);
    return st;
}
