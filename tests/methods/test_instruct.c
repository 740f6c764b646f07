/* InstructPix2Pix against diffusers' pipeline with the same noise (tools/golden/
 * instruct.py), for every sampler, spacing and set of predictions; preview and the
 * drawn noise; what is refused. */
#include "core/random.h"
#include "instruct_model.h"
#include "method_run.h"
#include "stages/instruct.h"
#include "stages/render.h"

enum { FRAMES = 2, HEIGHT = 32, WIDTH = 48, BYTES = HEIGHT * WIDTH * 3 };
enum { H = 4, W = 6, C = 4, VALUES = H * W * C, MANY = 19 };

#define MODEL "instruct-model"

static uint8_t *make_frames(int n)
{
    uint8_t *v = malloc((size_t)n * BYTES), *p = v;
    CHECK(v);
    for (int f = 0; f < n; f++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                for (int c = 0; c < 3; c++)
                    *p++ = (uint8_t)(5 * x + 3 * y + 50 * c + 20 * f +
                                     60 * ((x / 8 + y / 8) % 2));
    return v;
}

/* ---- own noise --------------------------------------------------------------------- */

/* Noise of diffusers' order [frames, c, h, w]. */
static void noise_values(int step, float *out)
{
    for (int i = 0; i < FRAMES * VALUES; i++) {
        const uint64_t at = (uint64_t)(i + FRAMES * VALUES * (step + 1) + 1);
        const double u = (double)(uint32_t)(at * 2654435761u) / 4294967296.0;
        out[i] = (float)((u - 0.5) * sqrt(12.0));
    }
}

static void write_noise(const char *path, int steps, int channels_last)
{
    const size_t frames = FRAMES * VALUES;
    float *first = malloc(frames * sizeof(*first));
    float *more = malloc((size_t)steps * frames * sizeof(*more));
    CHECK(first && more);
    noise_values(-1, first);
    for (int k = 0; k < steps; k++) noise_values(k, more + (size_t)k * frames);
    if (channels_last) {
        to_channels_last(first, FRAMES, C, H, W);
        to_channels_last(more, (int64_t)steps * FRAMES, C, H, W);
    }
    const int64_t last[] = { FRAMES, H, W, C }, planes[] = { FRAMES, C, H, W };
    const int64_t *s = channels_last ? last : planes;
    const lt_weight_out out[] = {
        { "latents", lt_tensor_wrap(first, LT_HOST, LT_F32, 4, s) },
        { "noise", lt_tensor_wrap(more, LT_HOST, LT_F32, 5,
                                  (int64_t[]){ steps, s[0], s[1], s[2], s[3] }) },
    };
    OK(lt_weights_write(path, out, 2, NULL));
    free(first);
    free(more);
}

/* ---- against diffusers ------------------------------------------------------------- */

typedef struct golden_case {
    const char *name, *class_name, *more, *sampler;
    int steps;
    double guidance, image_guidance;
    int first, n, predictions; /* stored frames; predictions a step */
    int channels_last;         /* how the noise is written */
} golden_case;

#define EULER      "EulerDiscreteScheduler"
#define ANCESTRAL  "EulerAncestralDiscreteScheduler"
#define SPACING(x) ",\"timestep_spacing\":\"" x "\""
#define V_PRED     ",\"prediction_type\":\"v_prediction\""
#define CLEAN      ",\"set_alpha_to_one\":false"

/* The classes of the files and sampler.name are mixed: both ways must lead there. */
static const golden_case cases[] = {
    { "ancestral", ANCESTRAL, "", "auto", 6, 7.5, 1.5, 0, 2, 3, 0 },
    { "no-blind", EULER, "", "auto", 5, 7.5, 1, 0, 1, 2, 1 },
    { "euler-v", ANCESTRAL, SPACING("leading") V_PRED, "euler", 6, 5, 1.2, 0, 1, 3, 0 },
    { "no-image", "PNDMScheduler", SPACING("trailing"), "euler_ancestral", 6, 2, 2, 1, 1,
      2, 1 },
    { "ddim", EULER, "", "ddim", 5, 7.5, 1.5, 1, 1, 3, 0 },
    { "ddim-v", "DDIMScheduler", SPACING("trailing") V_PRED CLEAN, "auto", 4, 3, 1.5, 0,
      1, 3, 1 },
    { "unguided", EULER, SPACING("leading"), "auto", 5, 1, 1.5, 0, 1, 1, 0 },
};

static void settings(lt_config *cfg, const golden_case *c)
{
    char text[256];
    static const char *const common[] = { "model.path=" MODEL,
                                          "model.dtype=f32",
                                          "method.name=frame",
                                          "prompt.edit=turn the circle into a red ball",
                                          "prompt.negative=ugly, blurry",
                                          "input.path=instruct.mkv",
                                          "output.path=instruct.mp4",
                                          "run.threads=1",
                                          "run.checkpoint_steps=2" };
    OK(lt_config_default(cfg));
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) set(cfg, common[i]);
    snprintf(text, sizeof(text), "sampler.name=%s", c->sampler);
    set(cfg, text);
    snprintf(text, sizeof(text), "sampler.steps=%d", c->steps);
    set(cfg, text);
    snprintf(text, sizeof(text), "sampler.guidance=%g", c->guidance);
    set(cfg, text);
    snprintf(text, sizeof(text), "sampler.image_guidance=%g", c->image_guidance);
    set(cfg, text);
}

static void check_golden(lt_comm *comm, const lt_weights *g, const golden_case *c)
{
    lt_config cfg = { 0 };
    int64_t n;
    lt_branch branch[3];
    write_instruct_model(MODEL, c->class_name, c->more);
    write_noise("own-noise.safetensors", c->steps, c->channels_last);
    settings(&cfg, c);
    set(&cfg, "sampler.latents=own-noise.safetensors");
    CHECK(lt_instruct_branches(&cfg, branch) == c->predictions);
    lt_run *r = run_method(&cfg, comm, "instruct.job");
    CHECK(r->n_frames == FRAMES && r->h == H && r->w == W && r->c == C);
    CHECK(!lt_job_done(r->job, "inversion", 0, LT_NO_STEP));
    float *got = final_latents(r), *want = golden_f32(g, c->name, &n);
    CHECK(n == c->n * VALUES);
    to_channels_last(want, c->n, C, H, W);
    const double e = relative_error(got + c->first * VALUES, want, n);
    printf("  %-10s %.1e\n", c->name, e);
    CHECK(e <= 1e-4);
    check_output(r);
    free(got);
    free(want);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
}

/* ---- drawn noise, batches, preview ------------------------------------------------- */

static const golden_case drawn = { "", ANCESTRAL, "", "auto", 3, 7.5, 1.5, 0, 0, 3, 0 };

/* The picture that `preview` makes of a frame. */
static void preview(const lt_config *cfg, lt_comm *comm, const uint8_t *film, int frame,
                    const float *latents)
{
    lt_run_env env = { .comm = comm, .tool_version = "test", .no_job = 1 };
    lt_run *r = NULL;
    lt_tensor image = { 0 }, out = { 0 }, x = { 0 }, want = { 0 };
    OK(lt_run_open(cfg, NULL, &env, &r));
    OK(LT_TENSOR_NEW(&image, r->x.pool, LT_F32, 1, HEIGHT, WIDTH, 3));
    OK(LT_TENSOR_NEW(&want, r->x.pool, LT_F32, 1, HEIGHT, WIDTH, 3));
    OK(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, 1, H, W, C));
    for (int i = 0; i < BYTES; i++)
        lt_f32(&image)[i] = (float)film[frame * BYTES + i] / 255.0f;
    OK(lt_method_get(cfg)->preview(r, frame, &image, &out));
    memcpy(lt_f32(&x), latents + frame * VALUES, VALUES * sizeof(float));
    OK(lt_render_decode(r, &x, &want));
    CHECK(lt_tensor_same_shape(&out, &want));
    const double e = relative_error(lt_f32(&out), lt_f32(&want), BYTES);
    printf("  preview    %.1e\n", e);
    CHECK(e <= 1e-4); /* the reader's pixels are not quite u8 / 255 */
    lt_tensor *all[] = { &image, &out, &x, &want };
    for (int i = 0; i < 4; i++) lt_tensor_free(all[i]);
    lt_run_discard(&r);
}

/* Noise as the header says it is drawn. */
static void check_noise(const lt_run *r, int own)
{
    lt_noise noise = { 0 };
    float got[VALUES], want[VALUES];
    OK(lt_noise_open(r, &noise));
    for (int f = 0; f < 3; f++)
        for (int k = -1; k < 2; k++) {
            const lt_random s =
                lt_random_stream(1, k < 0 ? LT_PURPOSE_LATENT : LT_PURPOSE_STEP,
                                 own ? (uint32_t)f : 0, k < 0 ? 0 : (uint32_t)k);
            lt_random_normals(&s, 0, want, VALUES);
            OK(lt_noise_get(&noise, f, k, got));
            CHECK(!memcmp(got, want, sizeof(got)));
        }
    lt_noise_close(&noise);
}

static float *edit_many(lt_comm *comm, const char *set_noise, const uint8_t *film)
{
    lt_config cfg = { 0 };
    settings(&cfg, &drawn);
    set(&cfg, set_noise);
    lt_run *r = run_method(&cfg, comm, "many.job");
    CHECK(r->n_frames == MANY && r->layout.n_blocks == 2);
    check_noise(r, strstr(set_noise, "own") != NULL);
    float *x = final_latents(r);
    for (int i = 0; i < MANY * VALUES; i++) CHECK(isfinite(x[i]));
    OK(lt_run_close(&r));
    preview(&cfg, comm, film, 18, x); /* alone it gets the bits it got among others */
    lt_config_free(&cfg);
    return x;
}

/* Equal frames become equal with the same noise, and differ with their own. */
static void test_drawn(lt_comm *comm)
{
    uint8_t *film = make_frames(MANY);
    memcpy(film + 17 * BYTES, film, BYTES);
    CHECK(write_clip(film, MANY, WIDTH, HEIGHT, "instruct.mkv"));
    write_instruct_model(MODEL, drawn.class_name, drawn.more);
    float *same = edit_many(comm, "sampler.frame_noise=same", film);
    float *own = edit_many(comm, "sampler.frame_noise=own", film);
    CHECK(!memcmp(same, same + 17 * VALUES, VALUES * sizeof(*same)));
    CHECK(memcmp(own, own + 17 * VALUES, VALUES * sizeof(*own)) != 0);
    CHECK(!memcmp(same, own, VALUES * sizeof(*own))); /* frame 0 has number 0 */
    free(same);
    free(own);
    free(film);
}

/* ---- refused ----------------------------------------------------------------------- */

static void refuse(lt_comm *comm, lt_status status, const char *text, const char *a,
                   const char *b)
{
    lt_config cfg = { 0 };
    lt_run *r = NULL;
    lt_run_env env = { .comm = comm, .tool_version = "test", .no_job = 1 };
    settings(&cfg, &drawn);
    set(&cfg, a);
    if (b) set(&cfg, b);
    FAILS(status, text, lt_run_open(&cfg, NULL, &env, &r));
    lt_config_free(&cfg);
}

static void test_refused(lt_comm *comm)
{
    refuse(comm, LT_ERR_CONFIG, "--method frame", "method.name=adaflow", NULL);
    refuse(comm, LT_ERR_CONFIG, "sampler.steps", "sampler.steps=1", NULL);
    refuse(comm, LT_ERR_CONFIG, "sampler.strength", "sampler.strength=0.5", NULL);
    refuse(comm, LT_ERR_NOINPUT, "nowhere", "sampler.latents=nowhere", NULL);
    refuse(comm, LT_ERR_DATA, "instruct.mkv", "sampler.latents=instruct.mkv", NULL);
    refuse(comm, LT_ERR_DATA, "no tensor `latents`",
           "sampler.latents=" MODEL "/unet/diffusion_pytorch_model.safetensors", NULL);
    /* that of 2 frames and 4 steps, here are 19 frames and 3 steps */
    refuse(comm, LT_ERR_DATA, "of 19 frames", "sampler.latents=own-noise.safetensors",
           NULL);
    refuse(comm, LT_ERR_DATA, "number of steps", "sampler.latents=own-noise.safetensors",
           "input.to=0.08");
    const char *plain = "model.path=" LT_GOLDEN "/models/sd15-tiny";
    refuse(comm, LT_ERR_CONFIG, "sampler.name", plain, "sampler.name=euler");
    refuse(comm, LT_ERR_CONFIG, "sampler.inversion_steps", plain, NULL); /* 50 for 3 */
    write_instruct_model(MODEL, EULER, ",\"use_karras_sigmas\":true");
    refuse(comm, LT_ERR_DATA, "use_karras_sigmas", "sampler.name=auto", NULL);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *g = open_golden("instruct");
    uint8_t *film = make_frames(FRAMES);
    if (!write_clip(film, FRAMES, WIDTH, HEIGHT, "instruct.mkv")) return TEST_SKIP;
    free(film);
    OK(lt_comm_open_self(&comm));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_golden(comm, g, &cases[i]);
    test_drawn(comm);
    test_refused(comm);
    lt_weights_close(&g);
    lt_comm_close(&comm);
    return 0;
}
