/* TokenFlow, SDEdit and the mixing of two keyframes against the independent loop of
 * tools/golden (tokenflow_loop.py), in f32; where denoising starts; states forgotten. */
#include "core/random.h"
#include "golden_run.h"
#include "methods/method.h"
#include "stages/clips.h"
#include "stages/edit.h"
#include "stages/inversion.h"
#include "stages/match.h"
#include "stages/source.h"

enum { FRAMES = 5, KEPT = 2 };

typedef struct flow_case {
    const char *name;
    const char *set[8]; /* beside golden_settings */
    int64_t kept[KEPT]; /* frames that the golden file holds */
    int first_step;     /* timestep that sampling begins with */
} flow_case;

static const flow_case cases[] = {
    { "pnp",
      { "method.name=tokenflow", "sampler.steps=3", "sampler.inversion_steps=3",
        "attention.inject=0.34", "attention.inject_features=0.67",
        "attention.kv_budget=0" },
      { 2, 4 },
      667 },
    { "sdedit",
      { "method.name=tokenflow", "sampler.steps=5", "sampler.inversion_steps=5",
        "attention.inject=0", "attention.inject_features=0", "sampler.strength=0.9",
        "attention.kv_budget=0" },
      { 0, 3 },
      401 },
    { "neighbours",
      { "method.name=adaflow", "sampler.steps=3", "sampler.inversion_steps=3",
        "attention.inject=0.34", "attention.inject_features=0.67", "clips.mode=fixed",
        "propagate.blend=neighbours", "attention.kv_budget=20" },
      { 2, 3 },
      667 },
};

static void settings(lt_config *cfg, const flow_case *c)
{
    golden_settings(cfg, "sd15-tiny", "flow.mkv");
    for (int i = 0; i < 8 && c->set[i]; i++) set(cfg, c->set[i]);
    set(cfg, "clips.length=2");
    set(cfg, "run.threads=2");
    set(cfg, "run.checkpoint_steps=1");
    OK(lt_config_method_defaults(cfg));
    OK(lt_config_check(cfg));
}

static void take_keyframes(lt_run *r, const lt_weights *g, const char *name)
{
    char key[64];
    int64_t n;
    snprintf(key, sizeof(key), "%s.keyframes", name);
    int64_t *k = golden_i64(g, key, &n);
    CHECK(n == r->layout.n_steps * r->layout.n_clips);
    memcpy(r->layout.keyframe, k, (size_t)n * sizeof(*k));
    free(k);
}

static void check_final(lt_run *r, const lt_weights *g, const flow_case *c)
{
    char key[64];
    int64_t n;
    const int64_t frame = r->h * r->w * r->c;
    snprintf(key, sizeof(key), "%s.final", c->name);
    float *want = golden_f32(g, key, &n), *got = malloc((size_t)n * sizeof(*got));
    CHECK(got && n == KEPT * frame);
    to_channels_last(want, KEPT, r->c, r->h, r->w);
    for (int i = 0; i < KEPT; i++) {
        const int64_t b = lt_layout_block_of(&r->layout, c->kept[i]);
        const int64_t start[4] = { c->kept[i] - r->layout.block[b].first, 0, 0, 0 };
        const int64_t count[4] = { 1, r->h, r->w, r->c };
        OK(lt_run_read_f32(r, "edit", b, LT_NO_STEP, "/edit/latents", start, count,
                           got + i * frame, NULL));
    }
    const double e = relative_error(got, want, n);
    printf("  final latents %.1e\n", e);
    CHECK(e <= 1e-3);
    free(want);
    free(got);
}

/* All states are gone after the edit. */
static void check_states(const lt_run *r)
{
    CHECK(lt_manifest_count(lt_job_manifest(r->job), "state") == 0);
    CHECK(lt_manifest_count(lt_job_manifest(r->job), "inversion-state") == 0);
}

static void check_case(lt_comm *comm, const lt_weights *g, const flow_case *c)
{
    lt_config cfg = { 0 };
    lt_levels levels = { 0 };
    printf("%s\n", c->name);
    settings(&cfg, c);
    const int online = cfg.method.name == LT_METHOD_TOKENFLOW;
    const lt_edit_options options = { .joint = 1, .online = online };
    lt_run *r = open_run(&cfg, comm, "flow.job");
    CHECK(lt_method_needs_features(&cfg) == !online);
    OK(lt_run_encode_texts(r, !online));
    OK(lt_stage_source(r, !online));
    OK(lt_stage_clips(r));
    CHECK(r->n_frames == FRAMES && r->layout.n_clips == 3 && r->layout.clip[2].n == 1);
    take_keyframes(r, g, c->name);
    OK(lt_levels_make(&cfg, &r->model->scheduler, &levels));
    CHECK(levels.n_steps == 3 && levels.sampling[0] == c->first_step);
    OK(lt_stage_inversion(r, &levels, 0));
    if (!online) OK(lt_stage_match(r, 0));
    OK(lt_stage_edit(r, &levels, 0, &options));
    check_final(r, g, c);
    check_states(r);
    lt_levels_free(&levels);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

/* ---- borders of segments, starts --------------------------------------------------- */

/* Final latents of a frame, with segments of so many clips. */
static float *edit_frame(lt_comm *comm, const char *keyframes, int64_t frame, int64_t *n)
{
    lt_config cfg = { 0 };
    settings(&cfg, &cases[0]);
    set(&cfg, keyframes);
    set(&cfg, "keyframes.pick=first");
    set(&cfg, "output.path=flow.mp4");
    lt_run *r = open_run(&cfg, comm, "border.job");
    OK(lt_method_get(&cfg)->run(r));
    *n = r->h * r->w * r->c;
    float *x = malloc((size_t)*n * sizeof(*x));
    CHECK(x);
    const int64_t b = lt_layout_block_of(&r->layout, frame);
    OK(lt_run_read_f32(r, "edit", b, LT_NO_STEP, "/edit/latents",
                       (int64_t[]){ frame - r->layout.block[b].first, 0, 0, 0 },
                       (int64_t[]){ 1, r->h, r->w, r->c }, x, NULL));
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
    return x;
}

/* The clip in front is mixed in only within a segment. */
static void test_border(lt_comm *comm)
{
    int64_t n;
    float *joined = edit_frame(comm, "segments.keyframes=3", 2, &n);
    float *apart = edit_frame(comm, "segments.keyframes=1", 2, &n);
    CHECK(relative_error(apart, joined, n) > 1e-2);
    free(joined);
    free(apart);
}

/* x = sqrt(a) x0 + sqrt(1 - a) e with one e for all frames, whatever x held. */
static void check_gaussian(lt_run *r, const lt_levels *levels)
{
    lt_tensor x0 = { 0 }, x = { 0 };
    const int64_t frame = r->h * r->w * r->c;
    const double a = r->model->scheduler.alpha[levels->sampling[0]];
    float *e = malloc((size_t)frame * sizeof(*e));
    CHECK(e);
    const lt_random s = lt_random_stream(1, LT_PURPOSE_LATENT, 0, 0);
    lt_random_normals(&s, 0, e, frame);
    OK(LT_TENSOR_NEW(&x0, r->x.pool, LT_F32, FRAMES, r->h, r->w, r->c));
    OK(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, FRAMES, r->h, r->w, r->c));
    for (int64_t i = 0; i < FRAMES * frame; i++) lt_f32(&x)[i] = NAN;
    OK(lt_source_read(r, "/source/latents", 0, FRAMES, lt_f32(&x0), NULL));
    OK(lt_edit_start(r, levels, &x0, &x));
    for (int64_t i = 0; i < FRAMES * frame; i++) {
        const double want = sqrt(a) * lt_f32(&x0)[i] + sqrt(1 - a) * e[i % frame];
        CHECK(fabs(lt_f32(&x)[i] - want) <= 1e-5);
    }
    lt_tensor_free(&x0);
    lt_tensor_free(&x);
    free(e);
}

/* The method `frame` as plain SDEdit: nothing is inverted, the start is drawn. */
static void test_plain_sdedit(lt_comm *comm)
{
    lt_config cfg = { 0 };
    lt_levels levels = { 0 };
    settings(&cfg, &cases[1]);
    set(&cfg, "method.name=frame");
    set(&cfg, "sampler.noise=gaussian");
    set(&cfg, "run.keep=none");
    set(&cfg, "output.path=flow.mp4");
    OK(lt_config_check(&cfg));
    lt_run *r = open_run(&cfg, comm, "plain.job");
    OK(lt_method_get(&cfg)->run(r));
    OK(lt_levels_make(&cfg, &r->model->scheduler, &levels));
    CHECK(!lt_levels_inverts(&cfg) && levels.n_inversion == 0 && levels.n_kept == 0);
    CHECK(lt_manifest_count(lt_job_manifest(r->job), "inversion") == 0);
    CHECK(lt_job_done(r->job, "edit", 0, LT_NO_STEP));
    check_gaussian(r, &levels);
    lt_levels_free(&levels);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

/* ---- forgetting states ------------------------------------------------------------- */

static void put_state(lt_run *r, int64_t unit, int64_t step)
{
    lt_shard_writer *w = NULL;
    lt_done d = { .stage = "state", .unit = unit, .step = step, .segment = -1 };
    const float one = 1;
    const lt_shard_dataset set = {
        .path = "/state/x", .cell = LT_CELL_F32, .ndim = 1, .shape = { 1 }
    };
    OK(lt_shard_create(&w, "state"));
    OK(lt_shard_add(w, &set));
    OK(lt_shard_write_f32(w, set.path, NULL, NULL, &one));
    OK(lt_run_put_shard(r, w, 0, unit, "state", step, &d));
    lt_shard_discard(&w);
    OK(lt_run_commit(r, LT_OK, &d, 1));
}

static void test_forget_states(lt_comm *comm)
{
    lt_config cfg = { 0 };
    const int64_t unit[2] = { 0, 1 };
    settings(&cfg, &cases[0]);
    lt_run *r = open_run(&cfg, comm, "states.job");
    OK(lt_run_forget_states(r, "state", unit, 2, INT64_MAX)); /* none there */
    for (int64_t u = 0; u < 3; u++)
        for (int64_t step = 5; step <= 15; step += 5) put_state(r, u, step);
    OK(lt_run_forget_states(r, "state", unit, 2, 10));
    CHECK(lt_manifest_count(lt_job_manifest(r->job), "state") == 7);
    CHECK(!lt_job_done(r->job, "state", 0, 5) && lt_job_done(r->job, "state", 0, 10));
    CHECK(lt_job_done(r->job, "state", 2, 5)); /* not in the list */
    OK(lt_run_forget_states(r, "state", unit, 2, INT64_MAX));
    CHECK(lt_manifest_count(lt_job_manifest(r->job), "state") == 3);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *source = open_golden("adaflow-source");
    lt_weights *g = open_golden("tokenflow");
    const lt_weight *film = lt_weights_find(source, "frames");
    CHECK(film && film->ndim == 4);
    if (!write_clip(film->data, FRAMES, (int)film->shape[2], (int)film->shape[1],
                    "flow.mkv"))
        return TEST_SKIP;
    OK(lt_comm_open_self(&comm));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(comm, g, &cases[i]);
    test_border(comm);
    test_plain_sdedit(comm);
    test_forget_states(comm);
    lt_weights_close(&source);
    lt_weights_close(&g);
    lt_comm_close(&comm);
    return 0;
}
