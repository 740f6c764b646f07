/* The demo world: same bytes every time, exact truth of edits, exact flow. */
#include "check.h"
#include "synth/synth.h"
#include <string.h>
#include <time.h>

enum { W = 128, H = 128, AREA = W * H };

static void render(const lt_scene *s, int64_t frame, int w, int h, uint8_t *rgb,
                   uint8_t *mask)
{
    const lt_synth_frame out = { .rgb = rgb, .mask = mask };
    lt_synth_render(s, frame, w, h, &out);
}

static void test_same_bytes(void)
{
    static uint8_t all[6][AREA * 3], one[AREA * 3], batch[4 * AREA * 3];
    uint64_t seeds[4] = { 3, 99, 3, ~UINT64_C(0) };
    const int32_t frames[4] = { 7, 0, 7, 100 };
    lt_scene s, again;

    lt_synth_scene_draw(&s, 42, 0);
    for (int f = 0; f < 6; f++) render(&s, 20 + f, W, H, all[f], NULL);
    for (int f = 5; f >= 0; f--) { /* another order, drawn anew */
        memset(&again, 0xff, sizeof(again));
        lt_synth_scene_draw(&again, 42, 0);
        render(&again, 20 + f, W, H, one, NULL);
        CHECK(!memcmp(one, all[f], sizeof(one)));
        CHECK(f == 0 || memcmp(all[f], all[f - 1], sizeof(one)));
    }
    const lt_synth_batch b = {
        .seeds = seeds, .frames = frames, .n = 4, .w = W, .h = H, .rgb = batch
    };
    CHECK(lt_synth_render_batch(&b) == 0);
    for (int i = 0; i < 4; i++) {
        lt_synth_scene_draw(&s, seeds[i], 0);
        render(&s, frames[i], W, H, one, NULL);
        CHECK(!memcmp(one, batch + (size_t)i * AREA * 3, sizeof(one)));
    }
}

/* A new colour or pattern changes nothing outside the mask, and something inside. */
static void test_recolouring(void)
{
    static uint8_t a[AREA * 3], b[AREA * 3], mask[AREA], mask_b[AREA];
    int changed = 0;

    for (uint64_t seed = 0; seed < 120; seed++) {
        lt_scene s, e;
        lt_synth_scene_draw(&s, seed, 0);
        CHECK(lt_synth_edit(&e, &s, LT_SYNTH_COLOUR, -1, 0) == LT_SYNTH_OK);
        render(&s, (int64_t)seed * 3, W, H, a, mask);
        render(&e, (int64_t)seed * 3, W, H, b, mask_b);
        CHECK(!memcmp(mask, mask_b, sizeof(mask)));
        for (int i = 0; i < AREA; i++) {
            const int differ = memcmp(a + 3 * i, b + 3 * i, 3) != 0;
            CHECK(!differ || mask[i] > 0);
            changed += differ;
        }
    }
    CHECK(changed > 120 * 300);
}

static float bilinear(const uint8_t *rgb, float x, float y, int c)
{
    const int i = (int)floorf(x), j = (int)floorf(y);
    const float u = x - (float)i, v = y - (float)j;
    const uint8_t *p = rgb + 3 * (j * W + i) + c;
    const float a = (float)p[0] + u * ((float)p[3] - (float)p[0]);
    const float b = (float)p[3 * W] + u * ((float)p[3 * W + 3] - (float)p[3 * W]);
    return a + v * (b - a);
}

/* How far the colours next to a pixel differ: what interpolation may miss. */
static float contrast(const uint8_t *rgb, int x, int y, int c)
{
    int lo = 255, hi = 0;
    for (int j = y > 0 ? y - 1 : 0; j <= y + 1 && j < H; j++)
        for (int i = x > 0 ? x - 1 : 0; i <= x + 1 && i < W; i++) {
            const int v = rgb[3 * (j * W + i) + c];
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
        }
    return (float)(hi - lo);
}

/* Frame t + 1, read at the end of each arrow, shows what frame t shows at its root. */
static void test_flow(void)
{
    static uint8_t a[AREA * 3], b[AREA * 3], seen[AREA];
    static float flow[AREA * 2];
    double sum = 0, still = 0, moved = 0;
    int64_t n = 0, far_off = 0;

    for (uint64_t seed = 0; seed < 80; seed++) {
        lt_scene s;
        lt_synth_scene_draw(&s, seed, 0);
        const int64_t t = 5 + 3 * (int64_t)seed;
        const lt_synth_frame out = { .rgb = a, .flow = flow, .visible = seen };
        lt_synth_render(&s, t, W, H, &out);
        render(&s, t + 1, W, H, b, NULL);
        for (int i = 0; i < AREA; i++) {
            const float x = (float)(i % W) + flow[2 * i];
            const float y = (float)(i / W) + flow[2 * i + 1];
            CHECK(isfinite(x) && isfinite(y));
            if (!seen[i] || x < 0 || y < 0 || x >= W - 1 || y >= H - 1) continue;
            for (int c = 0; c < 3; c++) {
                const float d = fabsf(bilinear(b, x, y, c) - (float)a[3 * i + c]);
                sum += (double)d;
                still += fabs((double)b[3 * i + c] - (double)a[3 * i + c]);
                far_off += d > 6 + 0.5f * contrast(a, i % W, i / W, c);
                n++;
            }
            moved += (double)fabsf(flow[2 * i]);
        }
    }
    printf("flow: seen %.3f of the pixels, mean error %.3f of 255 (without flow %.3f), "
           "above interpolation: %.6f, mean move %.3f px\n",
           (double)n / (80.0 * AREA * 3), sum / (double)n, still / (double)n,
           (double)far_off / (double)n, moved * 3 / (double)n);
    CHECK(n > (int64_t)40 * AREA * 3);
    CHECK(sum / (double)n < 1.0 && sum < 0.6 * still);
    CHECK((double)far_off < 0.0005 * (double)n);
}

static void test_reserved(void)
{
    lt_scene s, e;
    int kept = 0;

    for (uint64_t seed = 0; seed < 3000; seed++) {
        lt_synth_scene_draw(&s, seed, LT_SYNTH_TRAINING);
        CHECK(!lt_synth_reserved(&s));
        for (int f = 0; f < LT_SYNTH_N_FACTORS; f++)
            if (lt_synth_edit(&e, &s, f, -1, LT_SYNTH_TRAINING) == LT_SYNTH_OK)
                CHECK(!lt_synth_reserved(&e) && e.factor[f] != s.factor[f]);
        lt_synth_scene_draw(&s, seed, LT_SYNTH_JUDGING | LT_SYNTH_SINGLE);
        CHECK(lt_synth_reserved(&s) && s.second == -1);
        lt_synth_scene_draw(&s, seed, 0);
        kept += lt_synth_reserved(&s);
    }
    CHECK(kept > 150 && kept < 1200);

    /* a purple ball, asked for by name, is refused in training only */
    lt_synth_scene_draw(&s, 1, LT_SYNTH_SINGLE);
    CHECK(lt_synth_set(&s, "shape", "ball") == LT_SYNTH_OK);
    CHECK(lt_synth_set(&s, "colour", "white") == LT_SYNTH_OK);
    const int purple = lt_synth_value_find(LT_SYNTH_COLOUR, "purple");
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_COLOUR, purple, 0) == LT_SYNTH_OK);
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_COLOUR, purple, LT_SYNTH_TRAINING) ==
          LT_SYNTH_IS_RESERVED);
    const uint64_t seed = 1;
    const int32_t asked[LT_SYNTH_N_FACTORS] = { 0, purple, -1, -1, -1, -1, -1 };
    static uint8_t rgb[16 * 16 * 3];
    lt_synth_batch b = {
        .seeds = &seed, .factors = asked, .n = 1, .w = 16, .h = 16, .rgb = rgb
    };
    CHECK(lt_synth_render_batch(&b) == 0);
    b.flags = LT_SYNTH_TRAINING;
    CHECK(lt_synth_render_batch(&b) == 1);
}

/* Every value of every factor is drawn, and makes a picture of its own. */
static void test_all_factors(void)
{
    static uint8_t a[AREA * 3], b[AREA * 3];
    lt_scene s, e;

    for (int f = 0; f < LT_SYNTH_N_FACTORS; f++) {
        int seen[8] = { 0 };
        const int n = lt_synth_n_values(f);
        for (uint64_t seed = 0; seed < 400; seed++) {
            lt_synth_scene_draw(&s, seed, 0);
            seen[s.factor[f]]++;
        }
        lt_synth_scene_draw(&s, 5, LT_SYNTH_SINGLE);
        CHECK(lt_synth_set(&s, "place", "meadow") == LT_SYNTH_OK);
        CHECK(lt_synth_set(&s, "style", "plain") == LT_SYNTH_OK);
        render(&s, 0, W, H, a, NULL);
        for (int v = 0; v < n; v++) {
            int differ = 0;
            CHECK(seen[v] > 0);
            CHECK(lt_synth_value_find(f, lt_synth_value_name(f, v)) == v);
            const lt_synth_verdict verdict = lt_synth_edit(&e, &s, f, v, 0);
            CHECK(verdict == (s.factor[f] == v ? LT_SYNTH_SAME_VALUE : LT_SYNTH_OK));
            if (verdict != LT_SYNTH_OK) continue;
            render(&e, 0, W, H, b, NULL);
            for (int i = 0; i < AREA; i++) differ += memcmp(a + 3 * i, b + 3 * i, 3) != 0;
            CHECK(differ > 100);
        }
    }
}

static void test_captions(void)
{
    char text[LT_SYNTH_TEXT], edited[LT_SYNTH_TEXT], told[LT_SYNTH_TEXT];
    lt_scene s, e;

    for (uint64_t seed = 0; seed < 3000; seed++) {
        lt_synth_scene_draw(&s, seed, 0);
        lt_synth_caption(text, &s, 0);
        CHECK(strlen(text) > 12 && strlen(text) < LT_SYNTH_TEXT - 1);
        CHECK(strstr(text, lt_synth_value_name(LT_SYNTH_COLOUR, s.factor[1])));
        for (int f = 0; f < LT_SYNTH_N_FACTORS; f++) {
            if (lt_synth_edit(&e, &s, f, -1, 0) != LT_SYNTH_OK) continue;
            lt_synth_caption(edited, &e, 0);
            lt_synth_instruction(told, &s, &e);
            CHECK(strlen(told) > 6);
            /* plain, clear and noon may go without saying */
            CHECK(f == LT_SYNTH_TIME || strcmp(text, edited));
        }
        lt_synth_instruction(told, &s, &s);
        CHECK(told[0] == 0);
    }
    lt_synth_scene_draw(&s, 12, LT_SYNTH_SINGLE);
    CHECK(lt_synth_set(&s, "shape", "ball") == LT_SYNTH_OK);
    CHECK(lt_synth_set(&s, "colour", "red") == LT_SYNTH_OK);
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_COLOUR, 4, 0) == LT_SYNTH_OK);
    lt_synth_instruction(told, &s, &e);
    CHECK(strstr(told, "ball") && strstr(told, "blue") && !strstr(told, "red"));
}

static void test_shots(void)
{
    static float flow[32 * 32 * 2];
    static uint8_t seen[32 * 32];
    lt_scene s, shot;
    int places[8] = { 0 }, distinct = 0;

    lt_synth_scene_draw(&s, 8, 0);
    CHECK(lt_synth_shot_of(&s, 1 << 20) == 0);
    CHECK(lt_synth_set(&s, "shot_frames", "30") == LT_SYNTH_OK);
    for (int64_t k = 0; k < 400; k++) {
        const int64_t begin = lt_synth_shot_begin(&s, k);
        const int64_t end = lt_synth_shot_begin(&s, k + 1);
        CHECK(end - begin >= 14 && end - begin <= 46);
        for (int64_t f = begin; f < end; f++) CHECK(lt_synth_shot_of(&s, f) == k);
        lt_synth_shot_scene(&shot, &s, k);
        CHECK(shot.factor[LT_SYNTH_SHAPE] == s.factor[LT_SYNTH_SHAPE]);
        CHECK(lt_synth_shot_of(&shot, end) == 0);
        places[shot.factor[LT_SYNTH_PLACE]] = 1;
    }
    for (int i = 0; i < 8; i++) distinct += places[i];
    CHECK(distinct == 8);

    const lt_synth_frame out = { .flow = flow, .visible = seen };
    lt_synth_render(&s, lt_synth_shot_begin(&s, 3) - 1, 32, 32, &out);
    for (int i = 0; i < 32 * 32; i++) CHECK(!seen[i] && flow[2 * i] == 0);
}

static void test_bad_requests(void)
{
    lt_scene s, e;
    lt_synth_scene_draw(&s, 4, 0);
    e = s;
    CHECK(lt_synth_set(&e, "colour", "blau") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "color", "blue") == LT_SYNTH_NO_KEY);
    CHECK(lt_synth_set(&e, "size", "12x") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "size", "nan") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "rate", "0") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "shot_frames", "1") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "shot_frames", "1e300") == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&e, "front", "") == LT_SYNTH_NO_VALUE);
    CHECK(!memcmp(&s, &e, sizeof(s)));
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_N_FACTORS, 0, 0) == LT_SYNTH_NO_KEY);
    CHECK(lt_synth_edit(&e, &s, -1, 0, 0) == LT_SYNTH_NO_KEY);
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_SHAPE, 8, 0) == LT_SYNTH_NO_VALUE);
    CHECK(lt_synth_set(&s, "place", "city") == LT_SYNTH_OK);
    CHECK(lt_synth_set(&s, "time", "noon") == LT_SYNTH_CITY_NIGHT);
    CHECK(lt_synth_edit(&e, &s, LT_SYNTH_TIME, 1, 0) == LT_SYNTH_CITY_NIGHT);
    CHECK(lt_synth_value_name(0, 8) == NULL && lt_synth_factor_name(-1) == NULL);
    CHECK(lt_synth_factor_find("Shape") == -1);
}

/* Odd sizes, any aspect, extreme settings, late frames; canaries behind the rows. */
static void test_sizes(void)
{
    static const int sizes[][2] = {
        { 1, 1 }, { 1, 9 }, { 33, 7 }, { 7, 65 }, { 200, 40 }
    };
    static uint8_t rgb[200 * 40 * 3 + 8], mask[200 * 40 + 8];
    static const char *const keys[] = { "size", "speed", "spin", "pan", "zoom", "shake" };
    static const char *const most[] = { "0.5", "4", "1", "-1", "0.5", "0.1" };

    for (uint64_t seed = 0; seed < 60; seed++)
        for (int k = 0; k < 5; k++) {
            const int w = sizes[k][0], h = sizes[k][1];
            lt_scene s;
            lt_synth_scene_draw(&s, seed, 0);
            for (int i = 0; i < 6; i++)
                CHECK(lt_synth_set(&s, keys[i], most[i]) == LT_SYNTH_OK);
            memset(rgb, 0xa5, sizeof(rgb));
            memset(mask, 0xa5, sizeof(mask));
            render(&s, k == 4 ? INT64_C(86400) * 240 : k, w, h, rgb, mask);
            for (int i = 0; i < 8; i++)
                CHECK(rgb[w * h * 3 + i] == 0xa5 && mask[w * h + i] == 0xa5);
        }
}

int main(void)
{
    test_same_bytes();
    test_recolouring();
    test_flow();
    test_reserved();
    test_all_factors();
    test_captions();
    test_shots();
    test_bad_requests();
    test_sizes();
    return 0;
}
