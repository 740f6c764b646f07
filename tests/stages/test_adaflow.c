/* The whole AdaFlow loop in f32 against the independent one of tools/golden: results of
 * every stage, on every f32 table of this CPU. */
#include "check.h"
#include "golden_run.h"
#include "stages/clips.h"
#include "stages/edit.h"
#include "stages/inversion.h"
#include "stages/match.h"
#include "stages/source.h"

typedef struct golden {
    const char *name; /* "fixed-query" */
    const char *mode, *slim;
    const char *length;
    const char *extra;       /* one more setting, or NULL */
    int64_t kept[3], n_kept; /* frames that the golden file holds; 0: all, and matches */
    lt_weights *source, *run;
} golden;

static void settings(lt_config *c, const golden *g, const char *path_name)
{
    char text[4200];
    OK(lt_config_default(c));
    snprintf(text, sizeof(text), "model.path=%s/models/sd15-tiny", LT_GOLDEN);
    set(c, text);
    set(c, "input.path=golden-film.mkv");
    set(c, "model.dtype=f32");
    set(c, "size.max_pixels=6144");
    set(c, "prompt.source=a yellow circle and a blue square on a stone wall");
    set(c, "prompt.edit=a red ball and a wooden boat in the snow");
    set(c, "prompt.negative=ugly, blurry, low res");
    set(c, "sampler.steps=6");
    set(c, "sampler.inversion_steps=6");
    set(c, "attention.kv_budget=2");
    set(c, "attention.inject=0.5");
    set(c, "attention.inject_features=0.5");
    set(c, "features.ensemble=1");
    set(c, "clips.region_threshold=0.5");
    set(c, g->mode);
    if (g->length) set(c, g->length);
    if (g->extra) set(c, g->extra);
    set(c, g->slim);
    set(c, "run.keep=all");
    set(c, "run.threads=2");
    set(c, "run.checkpoint_steps=4");
    snprintf(text, sizeof(text), "run.cpu_path=%s", path_name);
    set(c, text);
    OK(lt_config_check(c));
}

static void check_latents(const char *what, const float *got, const float *want,
                          int64_t n, double limit)
{
    const double e = relative_error(got, want, n);
    printf("  %-24s %.2e\n", what, e);
    CHECK(e <= limit);
}

static void check_source(lt_run *r, const golden *g)
{
    int64_t n;
    float *want = golden_f32(g->source, "source.latents", &n);
    float *got = malloc((size_t)n * sizeof(*got));
    CHECK(got && r->n_frames == 12 && n == 12 * r->h * r->w * r->c);
    to_channels_last(want, 12, r->c, r->h, r->w);
    OK(lt_source_read(r, "/source/latents", 0, 12, got, NULL));
    check_latents("source latents", got, want, n, 1e-4);
    free(want);
    free(got);
}

static void check_features(lt_run *r, const golden *g)
{
    int64_t n;
    float *want = golden_f32(g->source, "features", &n);
    for (int64_t f = 0; f < 12; f += 5) {
        lt_tensor t = { 0 };
        OK(lt_features_get(r, f, &t));
        const int64_t c = t.shape[1], one = lt_tensor_count(&t);
        CHECK(one * 12 == n);
        to_channels_last(want + f * one, 1, c, r->h, r->w);
        check_latents("features", lt_f32(&t), want + f * one, one, 1e-4);
        lt_tensor_free(&t);
    }
    free(want);
}

static void check_clips(lt_run *r, const golden *g)
{
    int64_t n;
    if (r->cfg->clips.mode != LT_CLIPS_ADAPTIVE) return;
    int64_t *begin = golden_i64(g->source, "clips.begin", &n);
    CHECK(r->layout.n_clips == n);
    for (int64_t c = 0; c < n; c++) CHECK(r->layout.clip[c].first == begin[c]);
    free(begin);
    float *mean = golden_f32(g->source, "clips.similarity_mean", &n);
    float *region = golden_f32(g->source, "clips.similarity_region", &n);
    const int64_t skip = n == 12; /* with or without an entry for frame 0 */
    for (int64_t f = 1; f < 12; f++) {
        CHECK(fabsf(r->similarity_mean[f] - mean[f - 1 + skip]) <= 1e-4f);
        CHECK(fabsf(r->similarity_region[f] - region[f - 1 + skip]) <= 1e-4f);
    }
    CHECK(isnan(r->similarity_mean[0]));
    free(mean);
    free(region);
}

/* The golden runs draw keyframes of their own. */
static void take_keyframes(lt_run *r, const golden *g)
{
    int64_t n;
    int64_t *k = golden_i64(g->run, "keyframes", &n);
    CHECK(n == 6 * r->layout.n_clips);
    memcpy(r->layout.keyframe, k, (size_t)n * sizeof(*k));
    free(k);
}

static void check_inversion(lt_run *r, const lt_levels *levels, const golden *g)
{
    int64_t n;
    float *want = golden_f32(g->source, "inversion.latents", &n);
    const int64_t frame = r->h * r->w * r->c;
    CHECK(levels->n_kept == 6 && n == 6 * 12 * frame);
    to_channels_last(want, 6 * 12, r->c, r->h, r->w);
    float *got = malloc((size_t)n * sizeof(*got));
    CHECK(got);
    for (int64_t b = 0; b < r->layout.n_blocks; b++)
        for (int i = 0; i < 6; i++) {
            const lt_block *k = &r->layout.block[b];
            OK(lt_inversion_read(r, levels, b, levels->kept[i], 0, k->n,
                                 got + (i * 12 + k->first) * frame, NULL));
        }
    check_latents("inversion", got, want, n, 1e-4);
    free(want);
    free(got);
}

/* Indices must be equal: the golden film has no ties within f32's error. */
static void check_match(lt_run *r, const golden *g)
{
    const lt_grids grids = lt_match_grids(r);
    CHECK(grids.n == 4);
    /* those of fixed clips are stored once, with fixed-query */
    if (!strcmp(g->name, "fixed-shared") || g->n_kept > 0) return;
    for (int i = 0; i < grids.n; i++) {
        char name[64];
        int64_t n;
        const int64_t s = grids.h[i] * grids.w[i];
        snprintf(name, sizeof(name), "match.%lldx%lld.index", (long long)grids.h[i],
                 (long long)grids.w[i]);
        int64_t *want = golden_i64(g->run, name, &n);
        CHECK(n == 6 * 12 * s);
        for (int64_t b = 0; b < r->layout.n_blocks; b++)
            for (int64_t step = 0; step < 6; step++) {
                const lt_block *k = &r->layout.block[b];
                lt_tensor match[LT_MAX_GRIDS];
                int64_t read = 0;
                OK(lt_match_read(r, b,
                                 r->layout.keyframe[step * r->layout.n_clips + k->clip],
                                 &grids, match, NULL, &read));
                for (int64_t p = 0; p < k->n * s; p++)
                    CHECK(lt_i32(&match[i])[p] == want[(step * 12 + k->first) * s + p]);
                for (int j = 0; j < grids.n; j++) lt_tensor_free(&match[j]);
            }
        free(want);
    }
}

static void check_final(lt_run *r, const golden *g)
{
    int64_t n;
    float *want = golden_f32(g->run, "final", &n);
    const int64_t frame = r->h * r->w * r->c;
    float *got = malloc((size_t)(12 * frame) * sizeof(*got));
    CHECK(got && n == (g->n_kept ? g->n_kept : 12) * frame);
    to_channels_last(want, n / frame, r->c, r->h, r->w);
    for (int64_t b = 0; b < r->layout.n_blocks; b++)
        OK(lt_run_read_f32(r, "edit", b, LT_NO_STEP, "/edit/latents", NULL, NULL,
                           got + r->layout.block[b].first * frame, NULL));
    for (int64_t i = 0; i < g->n_kept; i++)
        memmove(got + i * frame, got + g->kept[i] * frame, (size_t)frame * sizeof(*got));
    check_latents("final latents", got, want, n, 1e-3);
    free(want);
    free(got);
}

static void check_run(const golden *g, const char *path_name)
{
    lt_config cfg = { 0 };
    lt_comm *comm = NULL;
    lt_levels levels = { 0 };
    const lt_edit_options joint = { .joint = 1 };
    printf("%s on %s\n", g->name, path_name);
    settings(&cfg, g, path_name);
    OK(lt_comm_open_self(&comm));
    lt_run *r = open_run(&cfg, comm, "golden-adaflow.job");
    OK(lt_run_encode_texts(r, 1));
    OK(lt_stage_source(r, 1));
    check_source(r, g);
    check_features(r, g);
    OK(lt_stage_clips(r));
    check_clips(r, g);
    take_keyframes(r, g);
    OK(lt_levels_make(&cfg, &r->model->scheduler, &levels));
    OK(lt_stage_inversion(r, &levels, 0));
    check_inversion(r, &levels, g);
    OK(lt_stage_match(r, 0));
    check_match(r, g);
    OK(lt_stage_edit(r, &levels, 0, &joint));
    check_final(r, g);
    lt_levels_free(&levels);
    OK(lt_run_close(&r));
    lt_comm_close(&comm);
    lt_config_free(&cfg);
}

int main(int argc, char **argv)
{
    lt_cpu_path path;
    golden runs[] = {
        { .name = "fixed-query",
          .mode = "clips.mode=fixed",
          .length = "clips.length=3",
          .slim = "attention.slim=query" },
        { .name = "fixed-shared",
          .mode = "clips.mode=fixed",
          .length = "clips.length=3",
          .slim = "attention.slim=shared" },
        { .name = "adaptive-query",
          .mode = "clips.mode=adaptive",
          .slim = "attention.slim=query" },
        { .name = "own-query",
          .mode = "clips.mode=fixed",
          .length = "clips.length=3",
          .extra = "keyframes.trajectory=own",
          .slim = "attention.slim=query",
          .kept = { 1, 3, 5 },
          .n_kept = 3 },
        { .name = "swap-query",
          .mode = "clips.mode=fixed",
          .length = "clips.length=3",
          .extra = "propagate.min_similarity=0.8",
          .slim = "attention.slim=query",
          .kept = { 1, 3 },
          .n_kept = 2 },
    };
    CHECK(argc == 2);
    OK(lt_cpu_path_parse(argv[1], &path));
    if (!lt_cpu_path_supported(path)) return TEST_SKIP;
    OK(lt_kernels_limit_isa(path));
    lt_weights *source = open_golden("adaflow-source");
    if (!write_film(source, "golden-film.mkv")) return TEST_SKIP;
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof(name), "adaflow-%s", runs[i].name);
        runs[i].source = source;
        runs[i].run = open_golden(name);
        check_run(&runs[i], argv[1]);
        lt_weights_close(&runs[i].run);
    }
    lt_weights_close(&source);
    return 0;
}
