#include "stages/clips.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/levels.h"

/* ---- the rule ---------------------------------------------------------------------- */

static int64_t at_least_one(int64_t v) { return v > 1 ? v : 1; }

static double window_mean(const float *map, int64_t w, int64_t y0, int64_t x0,
                          int64_t side)
{
    double sum = 0;
    for (int64_t y = y0; y < y0 + side; y++)
        for (int64_t x = x0; x < x0 + side; x++) sum += map[y * w + x];
    return sum / (double)(side * side);
}

lt_clip_similarity lt_clip_similarity_of(const float *map, int64_t h, int64_t w)
{
    const int64_t longer = h > w ? h : w;
    const int64_t stride = at_least_one(longer / 32);
    int64_t side = at_least_one(longer / 16);
    if (side > h) side = h; /* a strip thinner than the window */
    if (side > w) side = w;
    double sum = 0, lowest = DBL_MAX;
    for (int64_t i = 0; i < h * w; i++) sum += map[i];
    for (int64_t y = 0; y + side <= h; y += stride)
        for (int64_t x = 0; x + side <= w; x += stride) {
            const double m = window_mean(map, w, y, x, side);
            if (m < lowest) lowest = m;
        }
    return (lt_clip_similarity){ .mean = (float)(sum / (double)(h * w)),
                                 .region = (float)lowest };
}

int lt_clip_splits(const lt_config *cfg, lt_clip_similarity s, int64_t reference,
                   int64_t f)
{
    return (double)s.mean < cfg->clips.mean_threshold ||
           (double)s.region < cfg->clips.region_threshold ||
           f - reference >= cfg->clips.max_length;
}

/* ---- the scan ---------------------------------------------------------------------- */

typedef struct scan {
    lt_run *r;
    lt_feature_shape shape;
    lt_tensor reference_rows; /* unit rows of the reference frame */
    int64_t reference;        /* frame, -1 before the first */
    int64_t *begin, n_clips;  /* [n_frames] room */
} scan;

static lt_status rows_of_frame(scan *s, int64_t frame, lt_tensor *rows)
{
    lt_tensor f = { 0 };
    lt_status st = lt_features_get(s->r, frame, &f);
    if (st == LT_OK)
        st = lt_features_rows(s->r, &s->shape, &f, s->shape.h, s->shape.w, rows);
    lt_tensor_free(&f);
    return st;
}

static lt_status compare(scan *s, int64_t frame, lt_clip_similarity *out)
{
    lt_status st = LT_OK;
    lt_tensor rows = { 0 }, map = { 0 };
    const int64_t tokens = s->shape.h * s->shape.w;
    LT_TRY(rows_of_frame(s, frame, &rows));
    LT_TRY(LT_TENSOR_NEW(&map, s->r->x.pool, LT_F32, tokens));
    const lt_best_match_args a = {
        .a = &s->reference_rows, .b = &rows, .similarity = &map, .rows_per_tile = tokens
    };
    LT_TRY(s->r->x.k->best_match(&s->r->x, &a));
    *out = lt_clip_similarity_of(lt_f32(&map), s->shape.h, s->shape.w);
cleanup:
    lt_tensor_free(&rows);
    lt_tensor_free(&map);
    return st;
}

static lt_status set_reference(scan *s, int64_t frame)
{
    lt_tensor_free(&s->reference_rows);
    s->reference = frame;
    s->begin[s->n_clips++] = frame;
    return rows_of_frame(s, frame, &s->reference_rows);
}

/* Collective. Every rank compares one of the next frames with the reference; all of them
 * see the results in frame order, so all take the first split. */
static lt_status scan_window(scan *s, int64_t *next, lt_clip_similarity *all)
{
    lt_run *r = s->r;
    lt_clip_similarity mine = { 0 };
    const int64_t f0 = *next, f = f0 + r->rank;
    lt_status st = f < r->n_frames ? compare(s, f, &mine) : LT_OK;
    st = lt_comm_agree(r->comm, st);
    if (st == LT_OK) st = lt_comm_gather_bytes(r->comm, &mine, sizeof(mine), all);
    for (int i = 0; st == LT_OK && i < r->size && f0 + i < r->n_frames; i++) {
        r->similarity_mean[f0 + i] = all[i].mean;
        r->similarity_region[f0 + i] = all[i].region;
        *next = f0 + i + 1;
        lt_progress_add(r->progress, 0, 1);
        if (lt_clip_splits(r->cfg, all[i], s->reference, f0 + i))
            return lt_comm_agree(r->comm, set_reference(s, f0 + i));
    }
    return st;
}

/* Collective. Stops count here as everywhere: nothing is stored before the end, but
 * features are, so a resumed scan is quick. */
static lt_status check_signal(lt_run *r)
{
    int64_t stop = 0;
    lt_status st = lt_comm_max(r->comm, lt_stop_requested(r->stop) != 0, &stop);
    if (stop) r->stop_wanted = 1;
    return st == LT_OK ? lt_run_check_stop(r) : st;
}

static lt_status scan_all(scan *s)
{
    lt_run *r = s->r;
    lt_clip_similarity *all = calloc((size_t)r->size, sizeof(*all));
    lt_status st = lt_comm_agree(
        r->comm, all ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)"));
    if (st == LT_OK) st = lt_comm_agree(r->comm, set_reference(s, 0));
    lt_progress_add(r->progress, 0, 1);
    for (int64_t next = 1; st == LT_OK && next < r->n_frames;) {
        st = scan_window(s, &next, all);
        if (st == LT_OK) st = check_signal(r);
    }
    free(all);
    return st;
}

/* ---- the shard --------------------------------------------------------------------- */

static lt_status put_array(lt_shard_writer *w, const char *path, lt_cell cell,
                           const void *data, int64_t n)
{
    const lt_shard_dataset d = { .path = path, .cell = cell, .ndim = 1, .shape = { n } };
    lt_status st = lt_shard_add(w, &d);
    if (st == LT_OK) st = lt_shard_write(w, path, NULL, NULL, data);
    return st;
}

/* Collective. Rank 0 writes what all know. */
static lt_status save(scan *s)
{
    lt_run *r = s->r;
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    lt_done d = { .stage = "clips", .step = LT_NO_STEP, .segment = -1, .counts = 1 };
    if (r->rank == 0) {
        LT_TRY(lt_shard_create(&w, "clips"));
        LT_TRY(put_array(w, "/clips/begin", LT_CELL_I64, s->begin, s->n_clips));
        LT_TRY(put_array(w, "/clips/similarity_mean", LT_CELL_F32, r->similarity_mean,
                         r->n_frames));
        LT_TRY(put_array(w, "/clips/similarity_region", LT_CELL_F32, r->similarity_region,
                         r->n_frames));
        LT_TRY(lt_run_put_shard(r, w, 0, -1, "clips", LT_NO_STEP, &d));
    }
cleanup:
    lt_shard_discard(&w);
    return lt_run_commit(r, st, &d, r->rank == 0);
}

static lt_status read_back(lt_run *r, int64_t **begin, int64_t *n_clips)
{
    lt_status st = LT_OK;
    lt_shard_reader *in = NULL;
    lt_cell cell;
    int ndim;
    int64_t shape[LT_SHARD_MAX_DIMS], *b = NULL;
    LT_TRY(lt_job_shard(r->job, "clips", 0, LT_NO_STEP, &in));
    LT_TRY(lt_shard_describe(in, "/clips/begin", &cell, &ndim, shape));
    b = malloc((size_t)shape[0] * sizeof(*b));
    if (!b) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)"));
    LT_TRY(lt_shard_read(in, "/clips/begin", LT_CELL_I64, NULL, NULL, b));
    LT_TRY(lt_shard_read(in, "/clips/similarity_mean", LT_CELL_F32, NULL, NULL,
                         r->similarity_mean));
    LT_TRY(lt_shard_read(in, "/clips/similarity_region", LT_CELL_F32, NULL, NULL,
                         r->similarity_region));
    *begin = b;
    *n_clips = shape[0];
    b = NULL;
cleanup:
    free(b);
    lt_shard_close(&in);
    return st;
}

/* Collective. */
static lt_status scan_and_save(lt_run *r)
{
    scan s = { .r = r, .reference = -1 };
    s.begin = calloc((size_t)r->n_frames, sizeof(*s.begin));
    lt_status st = s.begin ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    if (st == LT_OK) st = lt_features_shape(r, &s.shape);
    st = lt_comm_agree(r->comm, st);
    lt_progress_stage(r->progress, "clips", 0, 1, 0, r->n_frames);
    if (st == LT_OK) st = scan_all(&s);
    if (st == LT_OK) st = save(&s);
    lt_tensor_free(&s.reference_rows);
    free(s.begin);
    return st;
}

/* Collective. */
static lt_status adaptive(lt_run *r, int64_t **begin, int64_t *n_clips)
{
    r->similarity_mean = malloc((size_t)r->n_frames * sizeof(float));
    r->similarity_region = malloc((size_t)r->n_frames * sizeof(float));
    lt_status st = r->similarity_mean && r->similarity_region
                       ? LT_OK
                       : LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    st = lt_comm_agree(r->comm, st);
    if (st != LT_OK) return st;
    r->similarity_mean[0] = r->similarity_region[0] = NAN;
    if (!lt_job_done(r->job, "clips", 0, LT_NO_STEP)) st = scan_and_save(r);
    if (st == LT_OK) st = lt_comm_agree(r->comm, read_back(r, begin, n_clips));
    return st;
}

/* ---- layout ------------------------------------------------------------------------ */

static lt_status from_list(lt_run *r, int64_t **begin, int64_t *n_clips)
{
    const lt_ints *list = &r->cfg->clips.begins;
    if (list->v[list->n - 1] >= r->n_frames)
        return LT_FAIL(LT_ERR_CONFIG,
                       "a clip begins at frame %lld, but the video has %lld frames "
                       "(clips.begins): remove it",
                       (long long)list->v[list->n - 1], (long long)r->n_frames);
    *begin = malloc((size_t)list->n * sizeof(**begin));
    if (!*begin) return LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    memcpy(*begin, list->v, (size_t)list->n * sizeof(**begin));
    *n_clips = list->n;
    return LT_OK;
}

lt_status lt_clips_layout(const lt_config *cfg, int64_t n_frames, int64_t **begin,
                          int64_t *n_clips, lt_layout *layout)
{
    const int pick = cfg->keyframes.pick;
    const lt_keyframe_rule rule = { .pick = pick == LT_PICK_MIDDLE  ? LT_KEYFRAME_MIDDLE
                                            : pick == LT_PICK_FIRST ? LT_KEYFRAME_FIRST
                                                                    : LT_KEYFRAME_RANDOM,
                                    .once =
                                        cfg->keyframes.trajectory == LT_TRAJECTORY_OWN,
                                    .seed = (uint64_t)cfg->sampler.seed };
    lt_status st = LT_OK;
    if (cfg->keyframes.per_clip > 1)
        LT_TRY(lt_layout_parts(n_frames, cfg->keyframes.per_clip, begin, n_clips));
    LT_TRY(lt_layout_make(n_frames, *begin, *n_clips, cfg->segments.keyframes, layout));
    LT_TRY(lt_layout_keyframes(layout, lt_levels_steps(cfg), &rule));
cleanup:
    return st;
}

lt_status lt_stage_clips(lt_run *r)
{
    int64_t *begin = NULL, n = 0;
    lt_status st = LT_OK;
    switch (r->cfg->clips.mode) {
    case LT_CLIPS_ADAPTIVE: LT_TRY(adaptive(r, &begin, &n)); break;
    case LT_CLIPS_LIST: LT_TRY(from_list(r, &begin, &n)); break;
    default: LT_TRY(lt_layout_fixed(r->n_frames, r->cfg->clips.length, &begin, &n));
    }
    LT_TRY(lt_clips_layout(r->cfg, r->n_frames, &begin, &n, &r->layout));
cleanup:
    free(begin);
    return st;
}

lt_status lt_layout_pieces(lt_run *r, int64_t length)
{
    int64_t *begin = NULL, n = 0;
    lt_status st = lt_layout_fixed(r->n_frames, length, &begin, &n);
    if (st == LT_OK)
        st =
            lt_layout_make(r->n_frames, begin, n, r->cfg->segments.keyframes, &r->layout);
    free(begin);
    return st;
}
