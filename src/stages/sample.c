#include "stages/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention/slim.h"
#include "stages/features.h"
#include "stages/match.h"

typedef struct sample {
    lt_run *r;
    const lt_segment *segment;
    lt_feature_shape shape;
    int64_t h, w;            /* of the grid */
    int64_t frame, own;      /* own: the keyframe of the frame, counted in the segment */
    int64_t *keyframe;       /* [K] global frames */
    lt_tensor *rows;         /* [K] unit rows; empty where not needed */
    lt_tensor index, cosine; /* [h * w] */
    uint8_t *kept;           /* [K][h * w] */
} sample;

static void sample_free(sample *s)
{
    for (int64_t i = 0; s->rows && i < s->segment->n_clips; i++)
        lt_tensor_free(&s->rows[i]);
    lt_tensor_free(&s->index);
    lt_tensor_free(&s->cosine);
    free(s->rows);
    free(s->keyframe);
    free(s->kept);
}

/* The largest grid that is small enough, else the smallest. */
static void pick_grid(sample *s)
{
    const lt_grids g = lt_match_grids(s->r);
    for (int i = 0; i < g.n; i++) {
        const int64_t n = g.h[i] * g.w[i], now = s->h * s->w;
        const int fits = n <= LT_SAMPLE_TOKENS, fitted = now <= LT_SAMPLE_TOKENS;
        if (now == 0 || (fits && (!fitted || n > now)) || (!fits && !fitted && n < now)) {
            s->h = g.h[i];
            s->w = g.w[i];
        }
    }
}

static lt_status sample_make(sample *s)
{
    const lt_layout *l = &s->r->layout;
    const int64_t n = s->segment->n_clips;
    pick_grid(s);
    s->keyframe = calloc((size_t)n, sizeof(*s->keyframe));
    s->rows = calloc((size_t)n, sizeof(*s->rows));
    s->kept = malloc((size_t)(n * s->h * s->w));
    if (!s->keyframe || !s->rows || !s->kept)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (sample)");
    memcpy(s->keyframe, l->keyframe + s->segment->first_clip,
           (size_t)n * sizeof(*s->keyframe));
    memset(s->kept, 1, (size_t)(n * s->h * s->w));
    s->own = n / 2;
    const lt_clip *c = &l->clip[s->segment->first_clip + s->own];
    const int64_t last = c->first + c->n - 1; /* far from the keyframe shows most */
    s->frame =
        last - s->keyframe[s->own] > s->keyframe[s->own] - c->first ? last : c->first;
    return lt_features_shape(s->r, &s->shape);
}

static lt_status load_rows(sample *s, int64_t frame, lt_tensor *rows)
{
    lt_tensor features = { 0 };
    lt_status st = lt_features_get(s->r, frame, &features);
    if (st == LT_OK) st = lt_features_rows(s->r, &s->shape, &features, s->h, s->w, rows);
    lt_tensor_free(&features);
    return st;
}

static lt_status match(sample *s)
{
    lt_status st = LT_OK;
    lt_tensor rows = { 0 };
    LT_TRY(LT_TENSOR_NEW(&s->index, s->r->x.pool, LT_I32, s->h * s->w));
    LT_TRY(LT_TENSOR_NEW(&s->cosine, s->r->x.pool, LT_F32, s->h * s->w));
    LT_TRY(load_rows(s, s->frame, &rows));
    if (!s->rows[s->own].data)
        LT_TRY(load_rows(s, s->keyframe[s->own], &s->rows[s->own]));
    LT_TRY(lt_match_rows(s->r, &rows, &s->rows[s->own], &s->index, &s->cosine));
cleanup:
    lt_tensor_free(&rows);
    return st;
}

/* ---- slimming ---------------------------------------------------------------------- */

static lt_status give_rows(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    const sample *s = ctx;
    (void)grid;
    *rows = lt_tensor_view(&s->rows[keyframe]);
    return LT_OK;
}

static void mark_kept(sample *s, const lt_slimming *slim)
{
    const int64_t tokens = s->h * s->w, n = s->segment->n_clips;
    const lt_token_list *list = &slim->grid[0].list[0];
    memset(s->kept, 0, (size_t)(n * tokens));
    for (int64_t c = 0; c < slim->grid[0].n_chunks; c++)
        for (int64_t i = list->chunk_from[c]; i < list->chunk_from[c + 1]; i++)
            s->kept[slim->grid[0].chunk[c] * tokens + list->token[i]] = 1;
    if (slim->mode == LT_SLIMMING_SHARED) /* every frame sees its own tokens besides */
        memset(s->kept + s->own * tokens, 1, (size_t)tokens);
}

static lt_status slim(sample *s)
{
    const int64_t n = s->segment->n_clips, budget = s->r->cfg->attention.kv_budget;
    lt_slimming lists = { 0 };
    if (budget == 0 || n <= budget) return LT_OK;
    lt_status st = LT_OK;
    const int drawn = s->r->cfg->attention.slim == LT_SLIM_RANDOM;
    const lt_random random =
        lt_random_stream((uint64_t)s->r->cfg->sampler.seed, LT_PURPOSE_SLIM,
                         (uint32_t)s->segment->first_clip, 0);
    const lt_slim_args a = { .mode = s->r->cfg->attention.slim == LT_SLIM_QUERY
                                         ? LT_SLIMMING_QUERY
                                         : LT_SLIMMING_SHARED,
                             .n_keyframes = n,
                             .budget = budget,
                             .first_own = s->own,
                             .n_own = 1,
                             .n_grids = 1,
                             .tokens = { s->h * s->w },
                             .features = give_rows,
                             .ctx = s,
                             .random = drawn ? &random : NULL };
    for (int64_t i = 0; i < n && !drawn; i++)
        LT_TRY(load_rows(s, s->keyframe[i], &s->rows[i]));
    LT_TRY(lt_slim_make(&s->r->x, &a, &lists));
    mark_kept(s, &lists);
cleanup:
    lt_slim_free(&lists);
    return st;
}

/* ---- the shard --------------------------------------------------------------------- */

static lt_status put(lt_shard_writer *w, const char *path, lt_cell cell, int64_t n,
                     int64_t h, int64_t width, const void *data)
{
    lt_shard_dataset d = { .path = path, .cell = cell };
    if (n > 0) d.shape[d.ndim++] = n;
    if (h > 0) d.shape[d.ndim++] = h;
    if (h > 0) d.shape[d.ndim++] = width;
    const lt_status st = lt_shard_add(w, &d);
    return st == LT_OK ? lt_shard_write(w, path, NULL, NULL, data) : st;
}

static lt_status write_sample(sample *s, lt_shard_writer *w)
{
    lt_status st = LT_OK;
    const int64_t tokens = s->h * s->w, n = s->segment->n_clips;
    uint8_t *similarity = malloc((size_t)tokens);
    if (!similarity) return LT_FAIL(LT_ERR_NOMEM, "out of memory (sample)");
    for (int64_t p = 0; p < tokens; p++) {
        const float c = lt_f32(&s->cosine)[p];
        similarity[p] = (uint8_t)(255.0f * fminf(fmaxf(c, 0.0f), 1.0f) + 0.5f);
    }
    LT_TRY(put(w, "/sample/frame", LT_CELL_I64, 1, 0, 0, &s->frame));
    LT_TRY(put(w, "/sample/keyframe", LT_CELL_I64, 1, 0, 0, &s->keyframe[s->own]));
    LT_TRY(put(w, "/sample/index", LT_CELL_U32, 0, s->h, s->w, lt_i32(&s->index)));
    LT_TRY(put(w, "/sample/similarity", LT_CELL_U8, 0, s->h, s->w, similarity));
    LT_TRY(put(w, "/sample/keyframes", LT_CELL_I64, n, 0, 0, s->keyframe));
    LT_TRY(put(w, "/sample/kept", LT_CELL_U8, n, s->h, s->w, s->kept));
cleanup:
    free(similarity);
    return st;
}

static lt_status run_segment(lt_run *r, void *ctx, int64_t unit, lt_done *done)
{
    (void)ctx;
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    sample s = { .r = r, .segment = &r->layout.segment[unit] };
    LT_TRY(sample_make(&s));
    LT_TRY(slim(&s));
    LT_TRY(match(&s));
    LT_TRY(lt_shard_create(&w, "sample"));
    LT_TRY(write_sample(&s, w));
    LT_TRY(lt_run_put_shard(r, w, unit, -1, "sample", LT_NO_STEP, done));
    done->segment = unit;
cleanup:
    lt_shard_discard(&w);
    sample_free(&s);
    return st;
}

lt_status lt_stage_sample(lt_run *r, int64_t segment)
{
    const lt_unit_stage stage = {
        .name = "sample", .first = segment, .n = 1, .run = run_segment
    };
    lt_progress_stage(r->progress, "sample", segment, r->layout.n_segments, 0, 0);
    return lt_run_units(r, &stage);
}
