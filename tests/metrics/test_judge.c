/* Made-up errors of known size: which figures move, by how much, and which do not. Frames
 * come from the demo world itself, without a codec. */
#include "metrics/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "status_check.h"

enum { W = 160, H = 120, N = 24, PIXELS = W * H, MIDDLE = 12 };

/* A scene, its true edit (red to blue), mask and motion: made once, for all cases. */
typedef struct world {
    lt_scene source_scene, truth_scene;
    uint8_t source[N][PIXELS * 3], truth[N][PIXELS * 3], edited[N][PIXELS * 3];
    uint8_t mask[N][PIXELS], visible[N][PIXELS];
    float flow[N][PIXELS * 2];
} world;

static void set(lt_scene *s, const char *key, const char *value)
{
    CHECK(lt_synth_set(s, key, value) == LT_SYNTH_OK);
}

static world *world_make(void)
{
    world *k = malloc(sizeof(*k));
    CHECK(k);
    lt_scene *s = &k->source_scene;
    lt_synth_scene_draw(s, 11, LT_SYNTH_SINGLE);
    set(s, "place", "forest");
    set(s, "time", "noon");
    set(s, "shape", "ball");
    set(s, "colour", "red");
    set(s, "material", "plain");
    set(s, "style", "plain");
    set(s, "size", "0.28");
    s->shot_frames = 0;
    CHECK(lt_synth_edit(&k->truth_scene, s, LT_SYNTH_COLOUR,
                        lt_synth_value_find(LT_SYNTH_COLOUR, "blue"), 0) == LT_SYNTH_OK);
    for (int t = 0; t < N; t++) {
        const lt_synth_frame a = { k->source[t], k->mask[t], k->flow[t], k->visible[t] };
        lt_synth_render(s, t, W, H, &a);
        const lt_synth_frame b = { .rgb = k->truth[t] };
        lt_synth_render(&k->truth_scene, t, W, H, &b);
    }
    return k;
}

/* What a case is judged with. */
enum { TRUTH = 1, SOURCE = 2, MASK = 4, FLOW = 8, SCENE = 16, EVERYTHING = 31 };

static void judge_frames(const world *k, uint8_t (*film)[PIXELS * 3], int what,
                         lt_threads *threads, lt_judged_frame out[N])
{
    static const int32_t colour = LT_SYNTH_COLOUR;
    lt_judge *j = NULL;
    const lt_judged_frame *f = NULL;
    const lt_judge_options o = { .width = W,
                                 .height = H,
                                 .n_frames = N,
                                 .has_truth = !!(what & TRUTH),
                                 .has_source = !!(what & SOURCE),
                                 .has_mask = !!(what & MASK),
                                 .has_flow = !!(what & FLOW),
                                 .threads = threads,
                                 .asked = what & SCENE ? &k->truth_scene : NULL,
                                 .factors = &colour,
                                 .n_factors = 1,
                                 .accuracy_every = 8 };
    OK(lt_judge_open(&j, &o));
    for (int t = 0; t < N; t++) {
        const int last = t + 1 == N;
        const lt_judge_input in = { .film = { film[t], k->truth[t], k->source[t] },
                                    .mask = k->mask[t],
                                    .flow = last ? NULL : k->flow[t],
                                    .visible = last ? NULL : k->visible[t] };
        OK(lt_judge_put(j, &in));
    }
    OK(lt_judge_frames(j, &f));
    memcpy(out, f, N * sizeof(*f));
    lt_judge_close(&j);
}

static lt_verdict judge_with(const world *k, uint8_t (*film)[PIXELS * 3], int what,
                             lt_threads *threads)
{
    static lt_judged_frame f[N];
    lt_verdict v;
    judge_frames(k, film, what, threads, f);
    lt_verdict_of(f, N, &v);
    return v;
}

static lt_verdict judge(world *k) { return judge_with(k, k->edited, EVERYTHING, NULL); }

static int equal(double x, double y, double tolerance)
{
    return fabs(x - y) <= tolerance; /* NaN is not */
}

static void print(const char *name, const lt_verdict *v)
{
    lt_figure f[LT_FIGURES_MAX];
    const int n = lt_verdict_figures(v, f);
    if (!getenv("LT_TEST_PRINT")) return;
    printf("%s\n", name);
    for (int i = 0; i < n; i++)
        printf("  %s %.5g%s", f[i].name, f[i].value, i % 6 == 5 ? "\n" : "");
    printf("\n");
}

static void test_truth(world *k)
{
    memcpy(k->edited, k->truth, sizeof(k->edited));
    const lt_verdict v = judge(k);
    print("truth", &v);
    for (int p = 0; p < LT_PARTS; p++) {
        CHECK(isinf(v.psnr[p]) && v.ssim[p] == 1 && v.ms_ssim[p] == 1);
        CHECK(v.warp_error[LT_FILM_EDITED][p] == v.warp_error[LT_FILM_TRUTH][p]);
        CHECK(v.strength[p] == v.strength_truth[p]);
        CHECK(v.drift[p] == 0);
    }
    CHECK(v.flicker == 0 && v.drift_psnr == 0 && v.accuracy == 1);
    CHECK(v.strength[LT_PART_INSIDE] > 20 && v.strength[LT_PART_OUTSIDE] < 1);
    CHECK(v.warp_error[LT_FILM_EDITED][0] < 1);
    CHECK(v.frames == N && v.shots == 1);
}

/* Nothing done: perfect outside, steady, and yet found out. */
static void test_nothing(world *k)
{
    memcpy(k->edited, k->source, sizeof(k->edited));
    const lt_verdict v = judge(k);
    print("nothing", &v);
    CHECK(v.accuracy == 0);
    for (int p = 0; p < LT_PARTS; p++) CHECK(v.strength[p] == 0);
    CHECK(v.psnr[LT_PART_INSIDE] < 15 && v.psnr[LT_PART_ALL] < 25);
    CHECK(isinf(v.kept_psnr) && v.kept_ssim == 1);
    CHECK(v.ssim[LT_PART_OUTSIDE] > 0.99);
}

/* The film two pixels to the right, always: wrong in place, not in motion or colour. */
static void test_shift(world *k)
{
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS; i++) {
            const int x = i % W > 2 ? i % W - 2 : 0;
            memcpy(k->edited[t] + 3 * i, k->truth[t] + 3 * (i / W * W + x), 3);
        }
    const lt_verdict v = judge(k);
    print("shift", &v);
    CHECK(v.psnr[0] < 35 && v.ssim[0] < 0.95);
    CHECK(v.warp_error[LT_FILM_EDITED][0] < v.warp_error[LT_FILM_TRUTH][0] + 0.5);
    CHECK(v.accuracy == 1 && v.drift[0] < 0.3);
    CHECK(v.flicker < 0.6); /* blocks that the edge of the object crosses */
}

/* Farther is worse, by every pixel. */
static void test_shift_size(world *k)
{
    double psnr = INFINITY, ssim = 1;
    for (int by = 1; by <= 8; by *= 2) {
        for (int t = 0; t < N; t++)
            for (int i = 0; i < PIXELS; i++) {
                const int x = i % W > by ? i % W - by : 0;
                memcpy(k->edited[t] + 3 * i, k->truth[t] + 3 * (i / W * W + x), 3);
            }
        const lt_verdict v = judge_with(k, k->edited, TRUTH | MASK | FLOW, NULL);
        CHECK(v.psnr[0] < psnr - 1 && v.ssim[0] < ssim);
        CHECK(v.warp_error[LT_FILM_EDITED][0] <
              v.warp_error[LT_FILM_TRUTH][0] + 0.25 * by);
        psnr = v.psnr[0];
        ssim = v.ssim[0];
    }
}

/* Green and blue change places in the object, always: another colour than asked. */
static void test_hue(world *k)
{
    memcpy(k->edited, k->truth, sizeof(k->edited));
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS; i++) {
            uint8_t *p = k->edited[t] + 3 * i;
            const uint8_t green = p[1], blue = p[2];
            if (k->mask[t][i] >= LT_MASK_INSIDE_FROM) p[1] = blue, p[2] = green;
        }
    const lt_verdict v = judge(k);
    print("hue", &v);
    CHECK(v.psnr[LT_PART_INSIDE] < 16 && v.accuracy == 0);
    CHECK(isinf(v.psnr[LT_PART_OUTSIDE]) && v.ssim[LT_PART_OUTSIDE] == 1);
    CHECK(v.ms_ssim[LT_PART_OUTSIDE] == 1 && v.strength[LT_PART_INSIDE] > 20);
    CHECK(v.warp_error[LT_FILM_EDITED][0] < v.warp_error[LT_FILM_TRUTH][0] + 0.2);
    CHECK(v.drift[LT_PART_OUTSIDE] == 0);
}

/* The object's colour off by a known amount: PSNR inside is known exactly, nothing moves
 * outside, and what is always off neither flickers nor drifts. */
static void test_hue_size(world *k)
{
    for (int a = 4; a <= 16; a *= 2) {
        int64_t inside = 0, changed = 0;
        memcpy(k->edited, k->truth, sizeof(k->edited));
        for (int t = 0; t < N; t++)
            for (int i = 0; i < PIXELS; i++) {
                uint8_t *p = k->edited[t] + 3 * i;
                if (k->mask[t][i] < LT_MASK_INSIDE_FROM) continue;
                inside++;
                if (p[0] + a > 255 || p[2] < a) continue;
                p[0] = (uint8_t)(p[0] + a);
                p[2] = (uint8_t)(p[2] - a);
                changed++;
            }
        const lt_verdict v = judge(k);
        print("hue size", &v);
        const double mse = 2.0 * a * a / 3 * (double)changed / (double)inside;
        CHECK(changed > inside / 2);
        CHECK(equal(v.psnr[LT_PART_INSIDE], 10 * log10(255.0 * 255 / mse), 1e-9));
        CHECK(isinf(v.psnr[LT_PART_OUTSIDE]) && v.drift[LT_PART_OUTSIDE] == 0);
        CHECK(v.accuracy == 1 && v.flicker < 0.1 * a &&
              v.drift[LT_PART_INSIDE] < 0.3 * a);
        CHECK(v.warp_error[LT_FILM_EDITED][0] < v.warp_error[LT_FILM_TRUTH][0] + 0.1);
    }
}

/* Noise of -a or +a: PSNR is known exactly, warp error up to what bilinear smooths. */
static void test_noise(world *k)
{
    const int a = 6;
    uint64_t seed = 5;
    int clipped = 0;
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS * 3; i++) {
            int x = k->truth[t][i] + (check_rand(&seed) >> 63 ? a : -a);
            if (x < 0 || x > 255) x = k->truth[t][i], clipped++;
            k->edited[t][i] = (uint8_t)x;
        }
    const lt_verdict v = judge(k);
    print("noise", &v);
    const double share = 1 - clipped / ((double)N * PIXELS * 3);
    CHECK(equal(v.psnr[0], 10 * log10(255.0 * 255 / (a * a * share)), 1e-9));
    CHECK(v.ssim[0] < 0.99);
    const double square = 1000 * a * a / (255.0 * 255); /* of one picture */
    const double more = v.warp_error[LT_FILM_EDITED][0] - v.warp_error[LT_FILM_TRUTH][0];
    CHECK(more > 1.2 * square && more < 2.05 * square);
    CHECK(v.accuracy == 1 && v.drift[0] < 0.3);
    CHECK(v.flicker > 0.1 && v.flicker < 1.5); /* a tenth of the noise: blocks average */
}

/* One frame shown twice, the next left out. */
static void test_frozen(world *k)
{
    memcpy(k->edited, k->truth, sizeof(k->edited));
    for (int t = MIDDLE; t < MIDDLE + 4; t++)
        memcpy(k->edited[t], k->truth[MIDDLE - 1], PIXELS * 3);
    const lt_verdict v = judge(k);
    print("frozen", &v);
    CHECK(isfinite(v.psnr[0]) && v.ssim[0] < 0.9999);
    CHECK(v.warp_error[LT_FILM_EDITED][0] > 1.1 * v.warp_error[LT_FILM_TRUTH][0]);
    CHECK(v.accuracy == 1 && v.drift[0] == 0 && v.drift_psnr == 0);
}

/* One frame lighter by 12: flicker is 12 sqrt(6 / 16 / (N - 2)), by its formula. */
static void test_flash(world *k)
{
    const int a = 12;
    memcpy(k->edited, k->truth, sizeof(k->edited));
    for (int i = 0; i < PIXELS * 3; i++)
        if (k->truth[MIDDLE][i] + a <= 255) k->edited[MIDDLE][i] += (uint8_t)a;
    const lt_verdict v = judge(k);
    print("flash", &v);
    CHECK(equal(v.flicker, a * sqrt(6.0 / 16 / (N - 2)), 0.1));
    const double square = 1000 * a * a / (255.0 * 255);
    const double more = v.warp_error[LT_FILM_EDITED][0] - v.warp_error[LT_FILM_TRUTH][0];
    CHECK(more > 0.7 * square * 2 / (N - 1) && more < 1.4 * square * 2 / (N - 1));
    CHECK(v.drift[0] == 0 && v.accuracy == 1);
    CHECK(v.shots == 1 && v.ssim[0] > 0.99);
}

/* The figures of single frames: an error lies in its frames, and in no other. Flicker
 * looks at a frame's neighbours, warp error at the next frame. */
static void test_places(world *k)
{
    static lt_judged_frame f[N], whole[N];
    memcpy(k->edited, k->truth, sizeof(k->edited));
    judge_frames(k, k->edited, EVERYTHING, NULL, whole);
    memcpy(k->edited[3], k->truth[2], PIXELS * 3); /* frozen */
    for (int i = 0; i < PIXELS * 3; i++)
        if (k->truth[MIDDLE][i] + 12 <= 255) k->edited[MIDDLE][i] += (uint8_t)12;
    judge_frames(k, k->edited, EVERYTHING, NULL, f);
    for (int t = 0; t < N; t++) {
        const int wrong = t == 3 || t == MIDDLE;
        const int near = abs(t - 3) <= 1 || abs(t - MIDDLE) <= 1;
        CHECK((f[t].error[LT_PART_ALL] > 0) == wrong);
        CHECK((f[t].ssim[LT_PART_ALL] < 1) == wrong);
        if (t > 0 && t + 1 < N) CHECK((f[t].flicker > 0) == near);
        if (t + 1 < N)
            CHECK((f[t].warp[LT_FILM_EDITED][0] != whole[t].warp[LT_FILM_EDITED][0]) ==
                  (wrong || t == 2 || t == MIDDLE - 1));
        CHECK(f[t].cut == 0);
    }
}

/* Ever darker, by 30 levels at the end: drift, and no flicker. */
static void test_fade(world *k)
{
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS * 3; i++) {
            const int x = k->truth[t][i] - 30 * t / (N - 1);
            k->edited[t][i] = (uint8_t)(x < 0 ? 0 : x);
        }
    const lt_verdict v = judge(k);
    print("fade", &v);
    /* means fall by about 30 * (N - 4) / (N - 1); deviations stay: half of the six */
    CHECK(v.drift[0] > 15 && v.drift[0] < 22 && v.drift_psnr > 10);
    CHECK(v.flicker < 0.4 && v.accuracy == 1);
}

/* Alternating by a: flicker is a. */
static void test_pumping(world *k)
{
    const int a = 5;
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS * 3; i++) {
            const int x = k->truth[t][i] + (t % 2 ? a : -a);
            k->edited[t][i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    const lt_verdict v = judge(k);
    print("pumping", &v);
    CHECK(equal(v.flicker, a, 0.4) && v.drift[0] < 0.3);
}

/* Without the truth: what real footage has. The estimated motion finds noise as well. */
static void test_footage(world *k)
{
    uint64_t seed = 5;
    lt_verdict v = judge_with(k, k->truth, SOURCE | MASK, NULL);
    print("footage", &v);
    CHECK(isnan(v.psnr[0]) && isnan(v.ssim[0]) && isnan(v.accuracy));
    CHECK(isnan(v.warp_error[LT_FILM_TRUTH][0]) && isnan(v.strength_truth[0]));
    CHECK(v.strength[LT_PART_INSIDE] > 20 && v.kept_ssim > 0.98);
    const double calm = v.warp_error[LT_FILM_EDITED][0];
    CHECK(calm < 2 && v.warp_error[LT_FILM_SOURCE][0] < 2);
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS * 3; i++) {
            const int x = k->truth[t][i] + (check_rand(&seed) >> 63 ? 6 : -6);
            k->edited[t][i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    v = judge_with(k, k->edited, SOURCE | MASK, NULL);
    print("noisy footage", &v);
    CHECK(v.warp_error[LT_FILM_EDITED][0] > calm + 0.5);
    /* a film alone: its own flicker and drift, nothing else */
    v = judge_with(k, k->truth, 0, NULL);
    CHECK(isnan(v.strength[0]) && isnan(v.warp_error[0][0]) && isfinite(v.flicker));
    CHECK(isnan(v.psnr[1]) && isfinite(v.drift[0]));
}

/* Cuts: found with and without motion; nothing is measured across them. */
static void test_cut(world *k)
{
    static lt_judged_frame f[8];
    for (int t = 0; t < N; t++)
        for (int i = 0; i < PIXELS * 3; i++)
            k->edited[t][i] =
                t < MIDDLE ? k->truth[t][i] : (uint8_t)(255 - k->truth[t][i]);
    lt_verdict v = judge_with(k, k->edited, 0, NULL);
    print("cut", &v);
    CHECK(v.shots == 2 && v.flicker < 1);
    for (int t = 0; t < 8; t++) { /* by hand: a pair across a cut has no warp error */
        f[t].warp_pixels[0] = 10;
        f[t].warp[0][0] = t == 3 ? 1000 : 0.03;
        f[t].cut = t == 4;
    }
    lt_verdict_of(f, 8, &v);
    CHECK(equal(v.warp_error[0][0], 1, 1e-9) && v.shots == 2);
}

static void test_threads(world *k)
{
    lt_threads *pool = NULL;
    lt_verdict one = judge_with(k, k->edited, TRUTH | SOURCE | MASK | SCENE, NULL);
    OK(lt_threads_open(&pool, 3, NULL, NULL));
    lt_verdict three = judge_with(k, k->edited, TRUTH | SOURCE | MASK | SCENE, pool);
    lt_threads_close(pool);
    lt_figure a[LT_FIGURES_MAX], b[LT_FIGURES_MAX];
    const int n = lt_verdict_figures(&one, a);
    CHECK(n == lt_verdict_figures(&three, b) && n <= LT_FIGURES_MAX);
    for (int i = 0; i < n; i++)
        CHECK(!memcmp(&a[i].value, &b[i].value, sizeof(double)) ||
              (isnan(a[i].value) && isnan(b[i].value)));
}

static void test_refusals(world *k)
{
    lt_judge *j = NULL;
    const lt_judged_frame *f = NULL;
    FAILS(LT_ERR_ARG, "judging", lt_judge_open(&j, &(lt_judge_options){ .width = 4 }));
    OK(lt_judge_open(&j, &(lt_judge_options){
                             .width = W, .height = H, .n_frames = 1, .has_truth = 1 }));
    FAILS(LT_ERR_ARG, "judging frame 0",
          lt_judge_put(j, &(lt_judge_input){ .film = { k->truth[0] } }));
    FAILS(LT_ERR_ARG, "judged 0 of 1", lt_judge_frames(j, &f));
    const lt_judge_input in = { .film = { k->truth[0], k->truth[0] } };
    OK(lt_judge_put(j, &in));
    FAILS(LT_ERR_ARG, "judging frame 1", lt_judge_put(j, &in));
    lt_judge_close(&j);
    lt_judge_close(&j);
}

int main(void)
{
    world *k = world_make();
    test_truth(k);
    test_nothing(k);
    test_shift(k);
    test_shift_size(k);
    test_hue(k);
    test_hue_size(k);
    test_noise(k);
    test_frozen(k);
    test_flash(k);
    test_places(k);
    test_fade(k);
    test_pumping(k);
    test_footage(k);
    test_threads(k);
    test_cut(k);
    test_refusals(k);
    free(k);
    return 0;
}
