/* The method `frame` against the independent loop: reconstruction, edit, and an inversion
 * on a finer grid than the sampling. */
#include "method_run.h"
#include "stages/edit.h"
#include "stages/inversion.h"
#include "stages/render.h"
#include "stages/source.h"

enum { FRAMES = 12, SHOWN = 6 }; /* SHOWN: the frame that is stored decoded */

static void settings(lt_config *cfg, const char *prompt, const char *guidance)
{
    char text[4200];
    golden_settings(cfg, "sd15-tiny", "golden-film.mkv");
    set(cfg, "method.name=frame");
    set(cfg, "attention.inject=0");
    set(cfg, "attention.inject_features=0");
    set(cfg, "output.path=frame.mp4");
    snprintf(text, sizeof(text), "prompt.edit=%s", prompt);
    set(cfg, text);
    snprintf(text, sizeof(text), "sampler.guidance=%s", guidance);
    set(cfg, text);
}

/* Golden latents [rows, c, h, w] from row `first`, as [n, h, w, c]; free them. */
static float *latents(const lt_run *r, const lt_weights *g, const char *name,
                      int64_t first, int64_t n)
{
    int64_t count;
    const int64_t frame = r->h * r->w * r->c;
    float *x = golden_f32(g, name, &count);
    CHECK(count >= (first + n) * frame);
    memmove(x, x + first * frame, (size_t)(n * frame) * sizeof(*x));
    to_channels_last(x, n, r->c, r->h, r->w);
    return x;
}

static void check_final(lt_run *r, const lt_weights *g, const char *name, int64_t first,
                        double limit)
{
    float *got = final_latents(r), *want = latents(r, g, name, first, FRAMES);
    const double e = relative_error(got, want, FRAMES * r->h * r->w * r->c);
    printf("  %-12s %.1e\n", name, e);
    CHECK(e <= limit);
    free(got);
    free(want);
}

/* ---- how near a reconstruction comes to the film ----------------------------------- */

static double psnr(const float *image, const uint8_t *film, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)image[i] - film[i] / 255.0;
        sum += d * d;
    }
    return 10 * log10((double)n / sum);
}

static void check_reconstruction(lt_run *r, const lt_weights *source, const lt_weights *g)
{
    int64_t n;
    lt_tensor x = { 0 }, image = { 0 };
    const int64_t frame = r->h * r->w * r->c, pixels = 64 * 96 * 3;
    const uint8_t *film = lt_weights_find(source, "frames")->data + SHOWN * pixels;
    float *all = final_latents(r), *want = golden_f32(g, "recon.decoded", &n);
    CHECK(n == pixels);
    OK(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    OK(LT_TENSOR_NEW(&image, r->x.pool, LT_F32, 1, 64, 96, 3));
    memcpy(lt_f32(&x), all + SHOWN * frame, (size_t)frame * sizeof(float));
    OK(lt_render_decode(r, &x, &image));
    to_channels_last(want, 1, 3, 64, 96);
    for (int64_t i = 0; i < n; i++)
        want[i] = fminf(fmaxf(want[i] * 0.5f + 0.5f, 0.0f), 1.0f);
    CHECK(relative_error(lt_f32(&image), want, n) <= 1e-3);
    const double ours = psnr(lt_f32(&image), film, n), theirs = psnr(want, film, n);
    printf("  PSNR to the source %.3f dB, reference %.3f dB\n", ours, theirs);
    CHECK(fabs(ours - theirs) <= 0.1);
    lt_tensor_free(&x);
    lt_tensor_free(&image);
    free(all);
    free(want);
}

static void test_recon(lt_comm *comm, const lt_weights *source, const lt_weights *g)
{
    lt_config cfg = { 0 };
    settings(&cfg, "a yellow circle and a blue square on a stone wall", "1");
    lt_run *r = run_method(&cfg, comm, "recon.job");
    check_final(r, g, "recon.x", 5 * FRAMES, 1e-3); /* of [6 steps, 12 frames] */
    check_reconstruction(r, source, g);
    check_output(r);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

static void test_edit(lt_comm *comm, const lt_weights *g)
{
    lt_config cfg = { 0 };
    settings(&cfg, "a red ball and a wooden boat in the snow", "7.5");
    lt_run *r = run_method(&cfg, comm, "edit.job");
    check_final(r, g, "edit.final", 0, 1e-3);
    CHECK(!r->layout.keyframe && r->layout.n_blocks == 1);
    CHECK(!lt_job_done(r->job, "match", 0, LT_NO_STEP));
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

/* ---- the start of sampling --------------------------------------------------------- */

static void check_start(lt_run *r, const lt_levels *levels, const lt_weights *g)
{
    const int64_t n = FRAMES * r->h * r->w * r->c;
    lt_tensor x0 = { 0 }, x = { 0 };
    float *top = latents(r, g, "inversion12.noisiest", 0, FRAMES);
    float *start = latents(r, g, "inversion12.start", 0, FRAMES);
    OK(LT_TENSOR_NEW(&x0, r->x.pool, LT_F32, FRAMES, r->h, r->w, r->c));
    OK(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, FRAMES, r->h, r->w, r->c));
    OK(lt_source_read(r, "/source/latents", 0, FRAMES, lt_f32(&x0), NULL));
    OK(lt_inversion_read(r, levels, 0, levels->inversion[11], 0, FRAMES, lt_f32(&x),
                         NULL));
    CHECK(relative_error(lt_f32(&x), top, n) <= 1e-4);
    CHECK(relative_error(lt_f32(&x), start, n) > 1e-2); /* it does move */
    OK(lt_edit_start(r, levels, &x0, &x));
    const double e = relative_error(lt_f32(&x), start, n);
    printf("  start        %.1e\n", e);
    CHECK(e <= 1e-4);
    lt_tensor_free(&x0);
    lt_tensor_free(&x);
    free(top);
    free(start);
}

static void test_finer_inversion(lt_comm *comm, const lt_weights *g)
{
    lt_config cfg = { 0 };
    lt_levels levels = { 0 };
    int64_t n;
    settings(&cfg, "a red ball", "7.5");
    set(&cfg, "sampler.inversion_steps=12");
    lt_run *r = run_method(&cfg, comm, "finer.job");
    OK(lt_levels_make(&cfg, &r->model->scheduler, &levels));
    int64_t *t = golden_i64(g, "inversion12.timesteps", &n);
    CHECK(n == 12 && levels.n_inversion == 12);
    for (int i = 0; i < 12; i++) CHECK(levels.inversion[i] == t[i]);
    CHECK(levels.inversion[11] > levels.sampling[0]);
    check_start(r, &levels, g);
    free(t);
    lt_levels_free(&levels);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *source = open_golden("adaflow-source");
    lt_weights *g = open_golden("frame");
    if (!write_film(source, "golden-film.mkv")) return TEST_SKIP;
    OK(lt_comm_open_self(&comm));
    test_recon(comm, source, g);
    test_edit(comm, g);
    test_finer_inversion(comm, g);
    lt_weights_close(&source);
    lt_weights_close(&g);
    lt_comm_close(&comm);
    return 0;
}
