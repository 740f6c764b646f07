/* How a video is cut, without a video: clips, windows, blocks, segments, keyframes,
 * shares of ranks, noise levels (design.md section 5 has the unit facts). */
#include <stdlib.h>
#include <string.h>

#include "attention/inject.h"
#include "stages/clips.h"
#include "stages/levels.h"
#include "status_check.h"

/* ---- the split rule ---------------------------------------------------------------- */

/* Begins found by a scan whose similarity falls when a frame is `far` from the reference;
 * returns how many. */
static int64_t scan(int64_t n_frames, int64_t max_length, int64_t far, int64_t *begin)
{
    lt_config cfg;
    int64_t n = 0, reference = 0;
    OK(lt_config_default(&cfg));
    cfg.clips.max_length = max_length;
    begin[n++] = 0;
    for (int64_t f = 1; f < n_frames; f++) {
        const lt_clip_similarity s = { .mean = f - reference >= far ? 0.2f : 0.9f,
                                       .region = 0.9f };
        if (lt_clip_splits(&cfg, s, reference, f)) begin[n++] = reference = f;
    }
    lt_config_free(&cfg);
    return n;
}

static void test_scans(void)
{
    int64_t begin[2000];
    CHECK(scan(2000, 400, 5000, begin) == 5); /* never split */
    for (int64_t i = 0; i < 5; i++) CHECK(begin[i] == 400 * i);
    CHECK(scan(10, 400, 1, begin) == 10); /* always */
    for (int64_t i = 0; i < 10; i++) CHECK(begin[i] == i);
    CHECK(scan(30, 400, 4, begin) == 8); /* four frames away */
    for (int64_t i = 0; i < 8; i++) CHECK(begin[i] == 4 * i);
    CHECK(scan(1, 400, 1, begin) == 1);
    CHECK(scan(7, 1, 5000, begin) == 7); /* clips of one frame */
    CHECK(scan(400, 400, 5000, begin) == 1);
    CHECK(scan(401, 400, 5000, begin) == 2 && begin[1] == 400);
}

/* Strictly below a threshold, each of the two alone. */
static void test_thresholds(void)
{
    lt_config cfg;
    OK(lt_config_default(&cfg));
    cfg.clips.mean_threshold = 0.75;
    cfg.clips.region_threshold = 0.5;
    const lt_clip_similarity on = { 0.75f, 0.5f }, mean = { 0.7499999f, 1 },
                             region = { 1, 0.4999999f };
    CHECK(!lt_clip_splits(&cfg, on, 0, 1));
    CHECK(lt_clip_splits(&cfg, mean, 0, 1) && lt_clip_splits(&cfg, region, 0, 1));
    lt_config_free(&cfg);
}

/* ---- windows ----------------------------------------------------------------------- */

/* How many windows of `side` a map has: a map that is 0 in exactly one square and 1
 * elsewhere has region 0 only when a window lies there. */
static int64_t count_windows(int64_t h, int64_t w, int64_t side)
{
    float *map = malloc((size_t)(h * w) * sizeof(*map));
    int64_t n = 0;
    CHECK(map);
    for (int64_t y = 0; y + side <= h; y++)
        for (int64_t x = 0; x + side <= w; x++) {
            for (int64_t i = 0; i < h * w; i++)
                map[i] =
                    !(i / w >= y && i / w < y + side && i % w >= x && i % w < x + side);
            const lt_clip_similarity s = lt_clip_similarity_of(map, h, w);
            const double mean = 1 - (double)(side * side) / (double)(h * w);
            CHECK(fabs(s.mean - mean) <= 1e-6);
            n += s.region == 0.0f;
        }
    free(map);
    return n;
}

/* The lowest window of a map with one dip of depth 1: 1 - 1 / side^2, or 1 where no
 * window reaches. */
static float dip(int64_t h, int64_t w, int64_t y, int64_t x)
{
    float *map = malloc((size_t)(h * w) * sizeof(*map));
    CHECK(map);
    for (int64_t i = 0; i < h * w; i++) map[i] = 1;
    map[y * w + x] = 0;
    const lt_clip_similarity s = lt_clip_similarity_of(map, h, w);
    free(map);
    return s.region;
}

static void test_windows(void)
{
    CHECK(count_windows(48, 84, 5) == 880);
    CHECK(count_windows(64, 64, 4) == 961);
    CHECK(count_windows(84, 48, 5) == 880);
    CHECK(count_windows(8, 12, 1) == 96);
    CHECK(count_windows(2, 100, 2) == 33); /* strips: the window is as thin as they are */
    CHECK(count_windows(100, 2, 2) == 33);
    CHECK(count_windows(1, 1, 1) == 1);
    CHECK(count_windows(1, 31, 1) == 31);
    CHECK(dip(48, 84, 0, 0) == 0.96f && dip(48, 84, 46, 82) == 0.96f);
    CHECK(dip(48, 84, 47, 0) == 1.0f && dip(48, 84, 0, 83) == 1.0f); /* beyond the last */
    CHECK(dip(1, 1, 0, 0) == 0.0f);
}

/* ---- clips, blocks, segments ------------------------------------------------------- */

static void check_layout(const lt_layout *l, int64_t max_clips)
{
    int64_t frame = 0, block = 0, clip = 0;
    for (int64_t s = 0; s < l->n_segments; s++) {
        const lt_segment *g = &l->segment[s];
        CHECK(g->first_clip == clip && g->first_block == block && g->first == frame);
        CHECK(g->n_clips >= 1 && g->n_clips <= max_clips);
        for (; clip < g->first_clip + g->n_clips; clip++) {
            const lt_clip *k = &l->clip[clip];
            CHECK(k->first == frame && k->n >= 1 && k->first_block == block);
            CHECK(k->segment == s && k->n_blocks == (k->n + 15) / 16);
            for (; block < k->first_block + k->n_blocks; block++) {
                const lt_block *b = &l->block[block];
                CHECK(b->first == frame && b->n >= 1 && b->n <= 16);
                CHECK(b->n == 16 || block + 1 == k->first_block + k->n_blocks);
                CHECK(b->clip == clip && b->segment == s);
                CHECK(b->in_segment == block - g->first_block);
                for (int64_t f = 0; f < b->n; f++)
                    CHECK(lt_layout_block_of(l, frame + f) == block);
                frame += b->n;
            }
            CHECK(frame == k->first + k->n);
        }
        CHECK(block == g->first_block + g->n_blocks && frame == g->first + g->n);
    }
    CHECK(frame == l->n_frames && block == l->n_blocks && clip == l->n_clips);
}

static void test_cut(void)
{
    const int64_t begin[] = { 0, 40, 41, 57, 100 };
    lt_layout l = { 0 };
    OK(lt_layout_make(130, begin, 5, 2, &l));
    CHECK(l.n_segments == 3 && l.n_blocks == 3 + 1 + 1 + 3 + 2);
    CHECK(l.segment[2].n_clips == 1 && l.clip[4].n == 30 && l.block[2].n == 8);
    check_layout(&l, 2);
    lt_layout_free(&l);
    CHECK(!l.clip && l.n_clips == 0);
    const int64_t late[] = { 1, 2 }, twice[] = { 0, 5, 5 }, beyond[] = { 0, 9 };
    CHECK(lt_layout_make(9, late, 2, 8, &l) == LT_ERR_ARG);
    CHECK(lt_layout_make(9, twice, 3, 8, &l) == LT_ERR_ARG);
    CHECK(lt_layout_make(9, beyond, 2, 8, &l) == LT_ERR_ARG);
    CHECK(!l.clip);
}

static void test_fixed(void)
{
    int64_t *begin = NULL, n = 0;
    OK(lt_layout_fixed(17, 8, &begin, &n));
    CHECK(n == 3 && begin[0] == 0 && begin[1] == 8 && begin[2] == 16);
    free(begin);
    OK(lt_layout_fixed(16, 8, &begin, &n));
    CHECK(n == 2);
    free(begin);
    OK(lt_layout_fixed(1, 8, &begin, &n));
    CHECK(n == 1 && begin[0] == 0);
    free(begin);
}

/* ---- shares of ranks --------------------------------------------------------------- */

/* Whole clips in order, each once; a border lies within half a clip of the even one. */
static void check_shares(const lt_layout *l, int64_t segment, int size)
{
    int64_t first[20], longest = 0;
    const lt_segment *s = &l->segment[segment];
    lt_layout_assign(l, segment, size, first);
    CHECK(first[0] == s->first_clip && first[size] == s->first_clip + s->n_clips);
    for (int64_t c = s->first_clip; c < first[size]; c++)
        if (l->clip[c].n > longest) longest = l->clip[c].n;
    for (int r = 0; r < size; r++) {
        const int64_t end = first[r + 1];
        const int64_t frame = end < first[size] ? l->clip[end].first : s->first + s->n;
        const double even = (double)s->first + (double)(r + 1) * (double)s->n / size;
        CHECK(first[r + 1] >= first[r]);
        CHECK(fabs((double)frame - even) <= 0.5 * (double)longest + 1);
    }
}

static void test_assign(void)
{
    uint64_t seed = 3;
    int64_t begin[64], first[20];
    lt_layout l = { 0 };
    for (int round = 0; round < 50; round++) {
        int64_t n = 0, frame = 0;
        const int64_t clips = 1 + (int64_t)(check_rand(&seed) % 40);
        while (n < clips) {
            begin[n++] = frame;
            frame += 1 + (int64_t)(check_rand(&seed) % (round % 2 ? 4 : 60));
        }
        OK(lt_layout_make(frame, begin, n, 16, &l));
        check_layout(&l, 16);
        for (int64_t s = 0; s < l.n_segments; s++)
            for (int size = 1; size <= 19; size++) check_shares(&l, s, size);
        lt_layout_free(&l);
    }
    const int64_t even[] = { 0, 10, 20, 30, 40, 50 };
    OK(lt_layout_make(60, even, 6, 100, &l));
    lt_layout_assign(&l, 0, 3, first);
    CHECK(first[1] == 2 && first[2] == 4 && first[3] == 6);
    lt_layout_free(&l);
}

/* ---- keyframes --------------------------------------------------------------------- */

enum { STEPS = 2000 };

static lt_layout keyframes(const int64_t *begin, int64_t n, int64_t frames, int64_t steps,
                           lt_keyframe_pick pick, uint64_t seed)
{
    lt_layout l = { 0 };
    OK(lt_layout_make(frames, begin, n, 100, &l));
    OK(lt_layout_keyframes(&l, steps, &(lt_keyframe_rule){ pick, 0, seed }));
    CHECK(l.n_steps == steps);
    for (int64_t i = 0; i < steps * n; i++) {
        const lt_clip *c = &l.clip[i % n];
        CHECK(l.keyframe[i] >= c->first && l.keyframe[i] < c->first + c->n);
    }
    return l;
}

static void test_picks(void)
{
    const int64_t begin[] = { 0, 1, 3, 8 };
    lt_layout l = keyframes(begin, 4, 14, 3, LT_KEYFRAME_MIDDLE, 1);
    const int64_t middle[] = { 0, 2, 5, 11 };
    for (int i = 0; i < 12; i++) CHECK(l.keyframe[i] == middle[i % 4]);
    lt_layout_free(&l);
    l = keyframes(begin, 4, 14, 3, LT_KEYFRAME_FIRST, 1);
    for (int i = 0; i < 12; i++) CHECK(l.keyframe[i] == begin[i % 4]);
    lt_layout_free(&l);
}

static void test_random_picks(void)
{
    const int64_t a[] = { 0, 10, 20 }, b[] = { 0, 7, 17 };
    int64_t count[10] = { 0 }, other = 0, list[10];
    lt_layout x = keyframes(a, 3, 27, STEPS, LT_KEYFRAME_RANDOM, 1);
    lt_layout y = keyframes(b, 3, 30, 50, LT_KEYFRAME_RANDOM, 1);
    lt_layout z = keyframes(a, 3, 27, STEPS, LT_KEYFRAME_RANDOM, 2);
    for (int64_t s = 0; s < STEPS; s++) {
        count[x.keyframe[3 * s]]++;
        other += x.keyframe[3 * s] != z.keyframe[3 * s];
        other += x.keyframe[3 * s] != x.keyframe[3 * s + 1] - 10;
    }
    /* 200 expected, sigma 13.4; the draws are fixed by the seed */
    for (int i = 0; i < 10; i++) CHECK(count[i] > 140 && count[i] < 260);
    CHECK(other > 3400 && other < 3800); /* 9 of 10 differ by seed, and by clip */
    /* clip 1 has ten frames in both: neither its place nor the number of steps counts */
    for (int64_t s = 0; s < 50; s++)
        CHECK(x.keyframe[3 * s + 1] - 10 == y.keyframe[3 * s + 1] - 7);
    CHECK(lt_layout_clip_keyframes(&x, 1, list) == 10);
    for (int i = 0; i < 10; i++) CHECK(list[i] == 10 + i);
    lt_layout_free(&x);
    lt_layout_free(&y);
    lt_layout_free(&z);
}

/* Drawn once: the draws of the first step, for ever. */
static void test_drawn_once(void)
{
    const int64_t begin[] = { 0, 10, 20 };
    lt_layout l = keyframes(begin, 3, 27, 40, LT_KEYFRAME_RANDOM, 5);
    int64_t first[3], list[40];
    memcpy(first, l.keyframe, sizeof(first));
    CHECK(lt_layout_clip_keyframes(&l, 0, list) > 3);
    OK(lt_layout_keyframes(&l, 40, &(lt_keyframe_rule){ LT_KEYFRAME_RANDOM, 1, 5 }));
    for (int64_t c = 0; c < 3; c++) {
        CHECK(lt_layout_clip_keyframes(&l, c, list) == 1);
        CHECK(list[0] == first[c]);
    }
    lt_layout_free(&l);
}

static void test_parts(void)
{
    const int64_t clips[] = { 0, 1, 3, 13 };
    const int64_t want[] = { 0, 1, 2, 3, 6, 9, 13, 15, 17 };
    int64_t n = 4, *begin = malloc(sizeof(clips));
    CHECK(begin != NULL);
    memcpy(begin, clips, sizeof(clips));
    OK(lt_layout_parts(20, 3, &begin, &n));
    CHECK(n == 9 && !memcmp(begin, want, sizeof(want)));
    OK(lt_layout_parts(20, 1, &begin, &n));
    CHECK(n == 9 && !memcmp(begin, want, sizeof(want)));
    OK(lt_layout_parts(20, 100, &begin, &n)); /* every frame alone */
    CHECK(n == 20 && begin[19] == 19);
    free(begin);
}

/* Each length in the order of the film; all blocks stay. */
static void test_longest_first(void)
{
    const int64_t begin[] = { 0, 3, 23, 26, 27 }; /* blocks of 3, 16 4, 3, 1, 16 5 */
    const int64_t want[] = { 1, 5, 6, 2, 0, 3, 4 };
    int64_t block[7] = { 0, 1, 2, 3, 4, 5, 6 };
    lt_layout l = { 0 };
    OK(lt_layout_make(48, begin, 5, 100, &l));
    CHECK(l.n_blocks == 7);
    OK(lt_layout_longest_first(&l, block, 7));
    CHECK(!memcmp(block, want, sizeof(want)));
    OK(lt_layout_longest_first(&l, block, 0));
    lt_layout_free(&l);
}

static void test_drawn(void)
{
    const int64_t begin[] = { 0, 50 };
    lt_layout l = keyframes(begin, 2, 100, 4, LT_KEYFRAME_FIRST, 1);
    const int64_t drawn[] = { 60, 55, 60, 51 };
    int64_t list[4];
    for (int s = 0; s < 4; s++) l.keyframe[2 * s + 1] = drawn[s];
    CHECK(lt_layout_clip_keyframes(&l, 1, list) == 3);
    CHECK(list[0] == 51 && list[1] == 55 && list[2] == 60);
    CHECK(lt_layout_clip_keyframes(&l, 0, list) == 1 && list[0] == 0);
    lt_layout_free(&l);
}

/* ---- levels ------------------------------------------------------------------------ */

static int64_t injecting(int64_t n, double share)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        const lt_inject a = lt_inject_at_step(i, n, share, 0);
        const lt_inject f = lt_inject_at_step(i, n, 0, share);
        CHECK(!a.features && !f.attention && a.attention == f.features);
        CHECK(a.attention == (count == i && a.attention)); /* the first ones */
        CHECK(lt_inject_needs_source(&a) == a.attention);
        CHECK(lt_inject_needs_source(&f) == f.features);
        count += a.attention;
    }
    return count;
}

static void test_shares_of_steps(void)
{
    CHECK(injecting(50, 0) == 0 && injecting(50, 1) == 50);
    CHECK(injecting(50, 0.8) == 40 && injecting(50, 0.5) == 25);
    CHECK(injecting(6, 0.5) == 3 && injecting(6, 0.8) == 4 && injecting(6, 0.67) == 4);
    CHECK(injecting(100, 0.29) == 29 && injecting(100, 0.57) == 57);
    CHECK(injecting(1, 0.99) == 0 && injecting(1, 1) == 1);
    CHECK(injecting(3, 1.0 / 3) == 1 && injecting(10, 0.3) == 3);
}

static lt_status levels_of(const lt_scheduler *s, int steps, int inversion, double a,
                           double f, int keep, lt_levels *l)
{
    lt_config cfg;
    OK(lt_config_default(&cfg));
    cfg.sampler.steps = steps;
    cfg.sampler.inversion_steps = inversion;
    cfg.attention.inject = a;
    cfg.attention.inject_features = f;
    cfg.run.keep = keep;
    const lt_status st = lt_levels_make(&cfg, s, l);
    lt_config_free(&cfg);
    return st;
}

static void test_levels(void)
{
    lt_scheduler s;
    lt_levels l = { 0 };
    OK(lt_scheduler_load(LT_GOLDEN "/models/sd15-tiny", &s));
    OK(levels_of(&s, 50, 50, 0.8, 0.8, LT_KEEP_NONE, &l));
    CHECK(l.n_inversion == 50 && l.n_steps == 50 && l.n_kept == 40);
    for (int i = 0; i < 50; i++)
        CHECK(l.inversion[i] == 1 + 20 * i && l.sampling[i] == 981 - 20 * i);
    for (int i = 0; i < 40; i++) CHECK(l.kept[i] == 201 + 20 * i);
    CHECK(lt_levels_kept(&l, 201) == 0 && lt_levels_kept(&l, 981) == 39);
    CHECK(lt_levels_kept(&l, 181) == -1 && lt_levels_kept(&l, 202) == -1);
    lt_levels_free(&l);
    CHECK(!l.kept);

    OK(levels_of(&s, 50, 50, 0.5, 0.8, LT_KEEP_INVERSION, &l)); /* either one reads */
    CHECK(l.n_kept == 40);
    lt_levels_free(&l);
    OK(levels_of(&s, 50, 50, 0, 0, LT_KEEP_NONE, &l)); /* only where sampling starts */
    CHECK(l.n_kept == 1 && l.kept[0] == 981);
    lt_levels_free(&l);
    OK(levels_of(&s, 50, 50, 0.8, 0.8, LT_KEEP_ALL, &l));
    CHECK(l.n_kept == 50 && !memcmp(l.kept, l.inversion, 50 * sizeof(int)));
    lt_levels_free(&l);

    OK(levels_of(&s, 50, 100, 0.8, 0.8, LT_KEEP_NONE, &l));
    CHECK(l.n_inversion == 100 && l.inversion[99] == 991 && l.sampling[0] == 981);
    CHECK(l.n_kept == 41 && l.kept[40] == 991 && l.kept[39] == 981 && l.kept[0] == 201);
    lt_levels_free(&l);
}

/* SDEdit: the last steps, one less than the share; levels nobody reads are not made. */
static void test_strength(void)
{
    lt_scheduler s;
    lt_config cfg;
    lt_levels l = { 0 };
    OK(lt_scheduler_load(LT_GOLDEN "/models/sd15-tiny", &s));
    OK(lt_config_default(&cfg));
    const double share[] = { 1, 0.99, 0.9, 0.58, 0.04 };
    const int64_t steps[] = { 50, 48, 44, 28, 1 };
    for (int i = 0; i < 5; i++) {
        cfg.sampler.strength = share[i];
        CHECK(lt_levels_steps(&cfg) == steps[i]);
    }
    cfg.sampler.strength = 0.9;
    cfg.attention.inject = 0.5;
    cfg.attention.inject_features = 0;
    OK(lt_levels_make(&cfg, &s, &l)); /* the noisiest, and the first 22 of 44 */
    CHECK(l.n_steps == 44 && l.sampling[0] == 861 && l.sampling[43] == 1);
    CHECK(l.n_inversion == 50 && l.n_kept == 23 && l.kept[22] == 981 && l.kept[0] == 441);
    lt_levels_free(&l);
    cfg.sampler.noise = LT_NOISE_GAUSSIAN;
    OK(lt_levels_make(&cfg, &s, &l));
    CHECK(l.n_inversion == 44 && l.n_kept == 22 && l.kept[21] == 861);
    lt_levels_free(&l);
    cfg.attention.inject = 0;
    OK(lt_levels_make(&cfg, &s, &l));
    CHECK(l.n_inversion == 0 && l.n_kept == 0 && !lt_levels_inverts(&cfg));
    lt_levels_free(&l);
    cfg.method.name = LT_METHOD_TOKENFLOW; /* matches frames with the source */
    OK(lt_levels_make(&cfg, &s, &l));
    CHECK(l.n_kept == 44 && l.n_inversion == 44 && lt_levels_inverts(&cfg));
    lt_levels_free(&l);
    lt_config_free(&cfg);
}

static void test_neighbours(void)
{
    const int64_t begin[] = { 0, 8, 16, 24, 32 };
    lt_layout l = { 0 };
    OK(lt_layout_make(37, begin, 5, 3, &l));
    const int64_t before[] = { -1, 0, 1, -1, 3 }, centre[] = { 4, 12, 20, 28, 34 };
    for (int64_t c = 0; c < 5; c++) {
        CHECK(lt_layout_clip_before(&l, c) == before[c]);
        CHECK(lt_clip_centre(&l.clip[c]) == centre[c]);
    }
    lt_layout_free(&l);
}

static void test_grids_refused(void)
{
    static const int pairs[][2] = { { 30, 45 }, { 50, 49 }, { 50, 150 } };
    lt_scheduler s;
    lt_levels l = { 0 };
    OK(lt_scheduler_load(LT_GOLDEN "/models/sd15-tiny", &s));
    for (int i = 0; i < 3; i++) {
        const lt_status st =
            levels_of(&s, pairs[i][0], pairs[i][1], 0.8, 0.8, LT_KEEP_NONE, &l);
        CHECK(st == LT_ERR_CONFIG && lt_status_exit_code(st) == 78 && !l.inversion);
        CHECK(strstr(lt_error_message(), "sampler.inversion_steps"));
    }
}

int main(void)
{
    test_scans();
    test_thresholds();
    test_windows();
    test_cut();
    test_fixed();
    test_assign();
    test_picks();
    test_random_picks();
    test_drawn();
    test_drawn_once();
    test_parts();
    test_longest_first();
    test_shares_of_steps();
    test_levels();
    test_strength();
    test_neighbours();
    test_grids_refused();
    return 0;
}
