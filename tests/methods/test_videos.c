/* Videos at the edge: one frame, two frames, all frames equal. */
#include "method_run.h"
#include "stages/match.h"
#include "stages/render.h"

enum { WIDTH = 96, HEIGHT = 64, BYTES = WIDTH * HEIGHT * 3 };

static void settings(lt_config *cfg, const char *method)
{
    golden_settings(cfg, "sd15-tiny", "edge.mkv");
    set(cfg, method);
    set(cfg, "output.path=edge.mp4");
}

/* Every token of a frame matches itself in an equal keyframe. */
static void check_identity(lt_run *r, int64_t block)
{
    const lt_grids grids = lt_match_grids(r);
    const lt_block *b = &r->layout.block[block];
    for (int64_t step = 0; step < r->layout.n_steps; step++) {
        lt_tensor match[LT_MAX_GRIDS] = { { 0 } };
        int64_t bytes = 0;
        OK(lt_match_read(r, block, r->layout.keyframe[step * r->layout.n_clips + b->clip],
                         &grids, match, NULL, &bytes));
        for (int g = 0; g < grids.n; g++) {
            const int64_t s = grids.h[g] * grids.w[g];
            for (int64_t i = 0; i < b->n * s; i++) CHECK(lt_i32(&match[g])[i] == i % s);
            lt_tensor_free(&match[g]);
        }
    }
}

/* `preview` edits a frame in memory as the method edits a video of it: x are the final
 * latents of that. */
static void check_preview(const lt_config *cfg, lt_comm *comm, const uint8_t *film,
                          const float *x)
{
    lt_run_env env = { .comm = comm, .tool_version = "test", .no_job = 1 };
    lt_run *r = NULL;
    lt_tensor image = { 0 }, out = { 0 }, latents = { 0 }, want = { 0 };
    OK(lt_run_open(cfg, NULL, &env, &r));
    OK(LT_TENSOR_NEW(&image, r->x.pool, LT_F32, 1, HEIGHT, WIDTH, 3));
    OK(LT_TENSOR_NEW(&want, r->x.pool, LT_F32, 1, HEIGHT, WIDTH, 3));
    OK(LT_TENSOR_NEW(&latents, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    for (int i = 0; i < BYTES; i++) lt_f32(&image)[i] = (float)film[i] / 255.0f;
    OK(lt_method_get(cfg)->preview(r, 0, &image, &out));
    memcpy(lt_f32(&latents), x, lt_tensor_bytes(&latents));
    OK(lt_render_decode(r, &latents, &want));
    CHECK(lt_tensor_same_shape(&out, &want));
    CHECK(relative_error(lt_f32(&out), lt_f32(&want), BYTES) <= 1e-4);
    lt_tensor_free(&image);
    lt_tensor_free(&out);
    lt_tensor_free(&latents);
    lt_tensor_free(&want);
    lt_run_discard(&r);
}

/* Tokens that attend to a keyframe cost more than tokens that copy from it. */
static void check_work(lt_run *r)
{
    const lt_config *was = r->cfg;
    lt_config other = *was;
    lt_work copies, attends;
    set(&other, "propagate.min_similarity=0.9");
    OK(lt_method_work(r, &copies));
    r->cfg = &other;
    OK(lt_method_work(r, &attends));
    r->cfg = was;
    CHECK(attends.macs_edit > copies.macs_edit && attends.memory >= copies.memory);
    CHECK(attends.macs_joint == copies.macs_joint);
}

/* With one frame the joint pass is plain attention and propagation the identity, so
 * AdaFlow and TokenFlow are the frame edited alone; with a start in the middle, too. */
static void test_one(lt_comm *comm, const uint8_t *film)
{
    static const char *const method[] = { "method.name=adaflow", "method.name=frame",
                                          "method.name=tokenflow" };
    float *x[3];
    int64_t n = 0;
    CHECK(write_clip(film, 1, WIDTH, HEIGHT, "edge.mkv"));
    for (int m = 0; m < 3; m++) {
        lt_config cfg = { 0 };
        settings(&cfg, method[m]);
        set(&cfg, "sampler.strength=0.9");
        OK(lt_config_method_defaults(&cfg));
        lt_run *r = run_method(&cfg, comm, "one.job");
        CHECK(r->n_frames == 1 && r->layout.n_clips == 1);
        if (m == 0) check_identity(r, 0);
        if (m != 1) check_work(r);
        check_output(r);
        x[m] = final_latents(r);
        n = r->h * r->w * r->c;
        OK(lt_run_close(&r));
        check_preview(&cfg, comm, film, x[m]);
        lt_config_free(&cfg);
    }
    const double e = relative_error(x[0], x[1], n), t = relative_error(x[2], x[1], n);
    printf("  one frame: adaflow from frame %.1e, tokenflow %.1e\n", e, t);
    CHECK(e <= 1e-4 && t <= 1e-4);
    for (int m = 0; m < 3; m++) free(x[m]);
}

static void test_two(lt_comm *comm, const uint8_t *film)
{
    lt_config cfg = { 0 };
    CHECK(write_clip(film + 6 * BYTES, 2, WIDTH, HEIGHT, "edge.mkv"));
    settings(&cfg, "method.name=adaflow");
    lt_run *r = run_method(&cfg, comm, "two.job");
    CHECK(r->n_frames == 2 && r->layout.n_clips >= 1 && r->layout.n_clips <= 2);
    float *x = final_latents(r);
    const int64_t n = r->h * r->w * r->c;
    for (int64_t i = 0; i < 2 * n; i++) CHECK(isfinite(x[i]));
    CHECK(memcmp(x, x + n, (size_t)n * sizeof(*x)) != 0);
    free(x);
    check_output(r);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

/* One clip, similarities of 1, and the same edit for every frame, bit for bit. */
static void test_equal(lt_comm *comm, const uint8_t *film)
{
    enum { N = 18 }; /* two blocks */
    lt_config cfg = { 0 };
    uint8_t *still = malloc(N * BYTES);
    CHECK(still);
    for (int i = 0; i < N; i++) memcpy(still + i * BYTES, film + 3 * BYTES, BYTES);
    CHECK(write_clip(still, N, WIDTH, HEIGHT, "edge.mkv"));
    free(still);
    settings(&cfg, "method.name=adaflow");
    lt_run *r = run_method(&cfg, comm, "equal.job");
    CHECK(r->n_frames == N && r->layout.n_clips == 1 && r->layout.n_blocks == 2);
    for (int f = 1; f < N; f++) {
        CHECK(fabsf(r->similarity_mean[f] - 1) <= 1e-5f);
        CHECK(fabsf(r->similarity_region[f] - 1) <= 1e-5f);
    }
    check_identity(r, 0);
    check_identity(r, 1);
    float *x = final_latents(r);
    const int64_t n = r->h * r->w * r->c;
    for (int f = 1; f < N; f++) CHECK(!memcmp(x, x + f * n, (size_t)n * sizeof(*x)));
    for (int64_t i = 0; i < n; i++) CHECK(isfinite(x[i]));
    free(x);
    check_output(r);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *source = open_golden("adaflow-source");
    const lt_weight *film = lt_weights_find(source, "frames");
    CHECK(film && film->shape[1] == HEIGHT && film->shape[2] == WIDTH);
    if (!write_film(source, "edge.mkv")) return TEST_SKIP;
    OK(lt_comm_open_self(&comm));
    test_one(comm, film->data);
    test_two(comm, film->data);
    test_equal(comm, film->data);
    lt_weights_close(&source);
    lt_comm_close(&comm);
    return 0;
}
