/* Estimated motion against the true one of the demo world, and of known shifts. */
#include "metrics/motion.h"

#include <stdlib.h>
#include <string.h>

#include "status_check.h"
#include "synth/synth.h"

enum { W = 160, H = 120 };

typedef struct found {
    double error; /* mean distance from the truth where both say visible [pixels] */
    double share; /* of truly visible pixels that the check lets through */
} found;

static uint8_t a[H * W * 3], b[H * W * 3], seen[H * W], visible[H * W];
static float truth[H * W * 2], there[H * W * 2], back[H * W * 2];

static void estimate(void)
{
    lt_motion_room *room = NULL;
    OK(lt_motion_room_open(&room, W, H));
    lt_motion_estimate(room, a, b, there);
    lt_motion_estimate(room, b, a, back);
    lt_motion_check(there, back, W, H, visible);
    lt_motion_room_close(&room);
}

static found judge(void)
{
    double sum = 0, n = 0, n_true = 0;
    for (int i = 0; i < W * H; i++) {
        n_true += seen[i];
        if (!seen[i] || !visible[i]) continue;
        sum += hypot((double)(there[2 * i] - truth[2 * i]),
                     (double)(there[2 * i + 1] - truth[2 * i + 1]));
        n++;
    }
    return (found){ n > 0 ? sum / n : 99, n_true > 0 ? n / n_true : 0 };
}

static void test_worlds(void)
{
    double error = 0, share = 0;
    int n = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        lt_scene s;
        lt_synth_scene_draw(&s, seed, LT_SYNTH_SINGLE);
        CHECK(lt_synth_set(&s, "style", "plain") == LT_SYNTH_OK);
        s.shot_frames = 0;
        lt_synth_render(&s, 20, W, H, &(lt_synth_frame){ a, NULL, truth, seen });
        lt_synth_render(&s, 21, W, H, &(lt_synth_frame){ .rgb = b });
        estimate();
        const found f = judge();
        if (getenv("LT_TEST_PRINT"))
            printf("%d: %.3f %.3f\n", (int)seed, f.error, f.share);
        error += f.error;
        share += f.share;
        n++;
    }
    if (getenv("LT_TEST_PRINT")) printf("mean %.3f %.3f\n", error / n, share / n);
    CHECK(error / n < 0.35);
    CHECK(share / n > 0.85);
}

/* A texture that moves as a whole by (dx, dy), also by much. */
static void test_shift(int dx, int dy)
{
    lt_scene s;
    static uint8_t wide[(H + 60) * (W + 60) * 3];
    lt_synth_scene_draw(&s, 3, LT_SYNTH_SINGLE);
    CHECK(lt_synth_set(&s, "place", "forest") == LT_SYNTH_OK);
    lt_synth_render(&s, 0, W + 60, H + 60, &(lt_synth_frame){ .rgb = wide });
    for (int y = 0; y < H; y++) {
        memcpy(a + y * W * 3, wide + ((y + 30) * (W + 60) + 30) * 3, W * 3);
        memcpy(b + y * W * 3, wide + ((y + 30 - dy) * (W + 60) + 30 - dx) * 3, W * 3);
    }
    for (int i = 0; i < W * H; i++) {
        const int x = i % W + dx, y = i / W + dy;
        truth[2 * i] = (float)dx, truth[2 * i + 1] = (float)dy;
        seen[i] = x >= 0 && y >= 0 && x < W && y < H;
    }
    estimate();
    const found f = judge();
    if (getenv("LT_TEST_PRINT"))
        printf("shift %d %d: %.3f %.3f\n", dx, dy, f.error, f.share);
    CHECK(f.error < 0.3 && f.share > 0.65);
}

static void test_check(void)
{
    memset(there, 0, sizeof(there));
    memset(back, 0, sizeof(back));
    there[0] = -1;                                  /* leaves the picture */
    there[2 * 50] = 3;                              /* comes back to another place */
    there[2 * (W + 5)] = 2, back[2 * (W + 7)] = -2; /* comes back */
    lt_motion_check(there, back, W, H, visible);
    CHECK(!visible[0] && !visible[50] && visible[W + 5] && visible[W * H - 1]);
}

int main(void)
{
    test_worlds();
    test_shift(0, 0);
    test_shift(2, -1);
    test_shift(-9, 6);
    test_check();
    return 0;
}
