/* Inside a step, against the independent loop: slim lists of every step and grid, the
 * recorded attention of the joint pass, the prediction after propagation. Each place
 * starts from golden inputs, so no error is carried from one to the next. */
#include "attention/extended.h"
#include "attention/propagate.h"
#include "golden_run.h"
#include "stages/clips.h"
#include "stages/inversion.h"
#include "stages/match.h"
#include "stages/source.h"

enum { STEPS = 6, FRAMES = 12 };

typedef struct world {
    lt_run *r;
    const lt_weights *source, *run;
    lt_levels levels;
    lt_grids grids;
    lt_feature_shape shape;
    int64_t step;
    lt_attention_cache cache;
} world;

static int64_t keyframe(const world *w, int64_t clip)
{
    return w->r->layout.keyframe[w->step * w->r->layout.n_clips + clip];
}

/* ---- slim lists -------------------------------------------------------------------- */

static lt_status rows_of(void *ctx, int64_t i, int grid, lt_tensor *rows)
{
    world *w = ctx;
    lt_tensor f = { 0 };
    lt_status st = lt_features_get(w->r, keyframe(w, i), &f);
    if (st == LT_OK)
        st = lt_features_rows(w->r, &w->shape, &f, w->grids.h[grid], w->grids.w[grid],
                              rows);
    lt_tensor_free(&f);
    return st;
}

static lt_slimming make_lists(world *w)
{
    lt_slimming slim = { 0 };
    lt_slim_args a = { .mode = w->r->cfg->attention.slim == LT_SLIM_SHARED
                                   ? LT_SLIMMING_SHARED
                                   : LT_SLIMMING_QUERY,
                       .n_keyframes = w->r->layout.n_clips,
                       .budget = w->r->cfg->attention.kv_budget,
                       .n_own = w->r->layout.n_clips,
                       .n_grids = w->grids.n,
                       .features = rows_of,
                       .ctx = w };
    for (int g = 0; g < a.n_grids; g++) a.tokens[g] = w->grids.h[g] * w->grids.w[g];
    OK(lt_slim_make(&w->r->x, &a, &slim));
    return slim;
}

/* 3 or 4 keyframes: one chunk, so positions are global numbers. */
static void check_lists(const world *w, const lt_slimming *slim)
{
    for (int g = 0; g < w->grids.n; g++) {
        char name[64];
        int64_t n;
        const lt_slim_grid *grid = &slim->grid[g];
        snprintf(name, sizeof(name), "slim.%lldx%lld.index", (long long)w->grids.h[g],
                 (long long)w->grids.w[g]);
        int64_t *want = golden_i64(w->run, name, &n);
        const int64_t kept = lt_slim_kept(slim->mode, slim->n_keyframes, 2, grid->tokens);
        CHECK(grid->n_chunks == 1 && n == STEPS * grid->n_lists * kept);
        for (int64_t i = 0; i < grid->n_lists; i++) {
            CHECK(grid->list[i].chunk_from[1] == kept);
            for (int64_t t = 0; t < kept; t++)
                CHECK(grid->list[i].token[t] ==
                      want[(w->step * grid->n_lists + i) * kept + t]);
        }
        free(want);
    }
}

/* ---- the joint pass ---------------------------------------------------------------- */

/* Latents of frame f that step `step` starts from, channels last. */
static void input_of(const world *w, int64_t f, float *out)
{
    const lt_run *r = w->r;
    const int64_t frame = r->h * r->w * r->c;
    int64_t n;
    const lt_weights *from = w->step ? w->run : w->source;
    float *x = golden_f32(from, w->step ? "x" : "inversion.latents", &n);
    /* the noisiest level is the last of the inversion */
    const int64_t row = w->step ? w->step - 1 : STEPS - 1;
    CHECK(n == STEPS * FRAMES * frame);
    memcpy(out, x + (row * FRAMES + f) * frame, (size_t)frame * sizeof(*out));
    to_channels_last(out, 1, r->c, r->h, r->w);
    free(x);
}

/* Source latents of frame f at this step's level. */
static void source_of(const world *w, int64_t f, float *out)
{
    const int64_t b = lt_layout_block_of(&w->r->layout, f);
    OK(lt_inversion_read(w->r, &w->levels, b, w->levels.sampling[w->step],
                         f - w->r->layout.block[b].first, 1, out, NULL));
}

static lt_unet_args batch_of_frames(const world *w, const int64_t *frames, int64_t n,
                                    int with_source, lt_tensor *in)
{
    const lt_run *r = w->r;
    const int64_t frame = r->h * r->w * r->c;
    const lt_branch branch[] = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE, LT_BRANCH_EDIT };
    lt_unet_context *const text[] = { r->text.source, r->text.negative, r->text.edit };
    lt_unet_args a = { .timestep = (float)w->levels.sampling[w->step], .x = in };
    OK(LT_TENSOR_NEW(in, r->x.pool, LT_F32, (2 + with_source) * n, r->h, r->w, r->c));
    for (int b = !with_source; b < 3; b++) {
        const int at = a.batch.n_branches++;
        a.batch.branch[at] = branch[b];
        a.context[at] = text[b];
        for (int64_t i = 0; i < n; i++) {
            float *x = lt_f32(in) + (at * n + i) * frame;
            if (b == 0)
                source_of(w, frames[i], x);
            else
                input_of(w, frames[i], x);
        }
    }
    a.batch.n_frames = n;
    return a;
}

static void joint_pass(world *w, const lt_inject *inject, const lt_slimming *slim)
{
    lt_tensor in = { 0 };
    const int64_t n = w->r->layout.n_clips;
    int64_t frames[16];
    for (int64_t c = 0; c < n; c++) frames[c] = keyframe(w, c);
    lt_extended e = { .comm = w->r->comm,
                      .rank_keyframes = &n,
                      .n_keyframes = n,
                      .inject = inject,
                      .slim = slim };
    lt_record_attention rec = { .inner = lt_extended_policy(&e), .cache = &w->cache };
    const lt_policy policy = lt_record_policy(&rec);
    lt_unet_args a = batch_of_frames(w, frames, n, lt_inject_needs_source(inject), &in);
    a.policy = &policy;
    a.stop = LT_STOP_AFTER_LAST_SELF;
    OK(lt_unet_forward(&w->r->x, w->r->model->unet, &a));
    lt_tensor_free(&in);
}

static int site_of(const world *w, const char *path, int64_t *tokens, int64_t *channels)
{
    for (int i = 0; i < lt_unet_n_sites(w->r->model->unet); i++) {
        lt_attention_site s;
        OK(lt_unet_site(w->r->model->unet, i, w->r->h, w->r->w, &s));
        if (strncmp(s.path, path, strlen(path)) != 0) continue;
        *tokens = s.h * s.w;
        *channels = s.heads * s.head_dim;
        return i;
    }
    CHECK(!"no such site");
    return -1;
}

static void check_cache(const world *w, const char *path, int with_source)
{
    char name[96];
    int64_t n, tokens, channels;
    const int64_t k = w->r->layout.n_clips;
    const int site = site_of(w, path, &tokens, &channels);
    snprintf(name, sizeof(name), "cache.%lld.%s", (long long)w->step, path);
    float *want = golden_f32(w->run, name, &n);
    CHECK(n == 3 * k * tokens * channels);
    for (int b = !with_source; b < 3; b++)
        for (int64_t i = 0; i < k; i++) {
            lt_tensor got = { 0 };
            OK(lt_attention_cache_frame(&w->cache, site, (lt_branch)b, i, &got));
            const double e = relative_error(
                lt_f32(&got), want + (b * k + i) * tokens * channels, tokens * channels);
            if (e > 1e-4)
                printf("  %s branch %d keyframe %d: %.1e\n", name, b, (int)i, e);
            CHECK(e <= 1e-4);
            lt_tensor_free(&got);
        }
    free(want);
}

/* ---- propagation ------------------------------------------------------------------- */

/* One clip of the first step: predictions of both edit branches. */
static void check_clip(world *w, int64_t clip, const lt_inject *inject, const float *want)
{
    const lt_run *r = w->r;
    const lt_clip *k = &r->layout.clip[clip];
    lt_tensor match[LT_MAX_GRIDS] = { { 0 } }, in = { 0 }, out = { 0 };
    int64_t frames[FRAMES], bytes = 0;
    lt_batch live;
    CHECK(k->n_blocks == 1);
    OK(lt_match_read(w->r, k->first_block, keyframe(w, clip), &w->grids, match, NULL,
                     &bytes));
    CHECK(bytes > 0);
    lt_propagate p = { .cache = &w->cache,
                       .keyframe = clip,
                       .n_grids = w->grids.n,
                       .match = match,
                       .inject = inject };
    for (int g = 0; g < p.n_grids; g++) p.tokens[g] = w->grids.h[g] * w->grids.w[g];
    const lt_policy policy = lt_propagate_policy(&p);
    for (int64_t i = 0; i < k->n; i++) frames[i] = k->first + i;
    lt_unet_args a = batch_of_frames(w, frames, k->n, inject->features, &in);
    OK(lt_tensor_new(&out, r->x.pool, LT_F32, in.ndim, in.shape));
    a.policy = &policy;
    a.out = &out;
    a.live = &live;
    OK(lt_unet_forward(&r->x, r->model->unet, &a));
    CHECK(live.n_branches == 2); /* nobody reads the source's prediction */
    const int64_t frame = r->h * r->w * r->c;
    for (int b = 0; b < 2; b++)
        CHECK(relative_error(lt_f32(&out) + b * k->n * frame,
                             want + ((b + 1) * FRAMES + k->first) * frame,
                             k->n * frame) <= 1e-4);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
    for (int g = 0; g < w->grids.n; g++) lt_tensor_free(&match[g]);
}

static void check_prediction(world *w, const lt_inject *inject)
{
    int64_t n;
    float *want = golden_f32(w->run, "eps.0", &n);
    CHECK(n == 3 * FRAMES * w->r->h * w->r->w * w->r->c);
    to_channels_last(want, 3 * FRAMES, w->r->c, w->r->h, w->r->w);
    for (int64_t c = 0; c < w->r->layout.n_clips; c++) check_clip(w, c, inject, want);
    free(want);
}

/* ---- runs -------------------------------------------------------------------------- */

static void check_step(world *w, int whole)
{
    const lt_inject inject = lt_inject_at_step(w->step, STEPS, 0.5, 0.5);
    lt_slimming slim = make_lists(w);
    check_lists(w, &slim);
    if (whole && (w->step == 0 || w->step == 1 || w->step == 4)) {
        joint_pass(w, &inject, &slim);
        if (w->step == 0) check_prediction(w, &inject);
        if (w->step == 1) {
            check_cache(w, "down_blocks.0.attentions.0", 1);
            check_cache(w, "up_blocks.1.attentions.1", 1);
            check_cache(w, "up_blocks.3.attentions.2", 1);
        }
        if (w->step == 4) check_cache(w, "up_blocks.1.attentions.1", 0);
    }
    lt_slim_free(&slim);
}

static void check_run(const lt_weights *source, lt_comm *comm, const char *name,
                      const char *mode, const char *slim)
{
    lt_config cfg = { 0 };
    int64_t n;
    const int whole = !strcmp(name, "adaflow-fixed-query");
    world w = { .source = source };
    lt_weights *run = open_golden(name);
    w.run = run;
    golden_settings(&cfg, "sd15-tiny", "golden-film.mkv");
    set(&cfg, mode);
    set(&cfg, slim);
    set(&cfg, "clips.length=3");
    OK(lt_config_check(&cfg));
    w.r = open_run(&cfg, comm, "joint.job");
    OK(lt_run_encode_texts(w.r, 1));
    OK(lt_stage_source(w.r, 1));
    OK(lt_stage_clips(w.r));
    int64_t *k = golden_i64(w.run, "keyframes", &n);
    CHECK(n == STEPS * w.r->layout.n_clips);
    memcpy(w.r->layout.keyframe, k, (size_t)n * sizeof(*k));
    free(k);
    OK(lt_levels_make(&cfg, &w.r->model->scheduler, &w.levels));
    if (whole) OK(lt_stage_inversion(w.r, &w.levels, 0));
    if (whole) OK(lt_stage_match(w.r, 0));
    w.grids = lt_match_grids(w.r);
    OK(lt_features_shape(w.r, &w.shape));
    OK(lt_attention_cache_open(&w.cache, lt_unet_n_sites(w.r->model->unet)));
    for (w.step = 0; w.step < STEPS; w.step++) check_step(&w, whole);
    lt_attention_cache_close(&w.cache);
    lt_levels_free(&w.levels);
    OK(lt_run_close(&w.r));
    lt_weights_close(&run);
    lt_config_free(&cfg);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *source = open_golden("adaflow-source");
    if (!write_film(source, "golden-film.mkv")) return TEST_SKIP;
    OK(lt_comm_open_self(&comm));
    check_run(source, comm, "adaflow-fixed-query", "clips.mode=fixed",
              "attention.slim=query");
    check_run(source, comm, "adaflow-fixed-shared", "clips.mode=fixed",
              "attention.slim=shared");
    check_run(source, comm, "adaflow-adaptive-query", "clips.mode=adaptive",
              "attention.slim=query");
    lt_weights_close(&source);
    lt_comm_close(&comm);
    return 0;
}
