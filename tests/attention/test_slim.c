/* Slim lists over several chunks of keyframes, against a search by hand. Features are
 * small integers, so that every score is exact and many are equal. */
#include "attention_test.h"

enum { S = 5, WIDTH = 6, MOST = 16 };

typedef struct film {
    const lt_exec *x;
    float token[MOST][S][WIDTH]; /* keyframes */
} film;

static lt_status features(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    film *f = ctx;
    CHECK(grid == 0 && keyframe >= 0 && keyframe < MOST);
    *rows =
        lt_tensor_wrap(f->token[keyframe], LT_HOST, LT_F32, 2, (int64_t[]){ S, WIDTH });
    return LT_OK;
}

static void fill(film *f, uint64_t seed)
{
    for (int i = 0; i < MOST; i++)
        for (int p = 0; p < S; p++)
            for (int c = 0; c < WIDTH; c++)
                f->token[i][p][c] = (float)(check_rand(&seed) % 5) - 2.0f;
}

/* score_j(p) = max_q F_p . F_j(q), p counted over all keyframes. */
static double score(const film *f, int64_t j, int64_t p)
{
    double best = -1e9;
    for (int q = 0; q < S; q++) {
        double dot = 0;
        for (int c = 0; c < WIDTH; c++)
            dot += (double)f->token[p / S][p % S][c] * (double)f->token[j][q][c];
        if (dot > best) best = dot;
    }
    return best;
}

/* Is p among the `keep` best of n, the lowest number first among equals? */
static int is_kept(const double *scores, int64_t n, int64_t keep, int64_t p)
{
    int64_t before = 0;
    for (int64_t i = 0; i < n; i++)
        if (scores[i] > scores[p] || (scores[i] == scores[p] && i < p)) before++;
    return before < keep;
}

static void check_list(const lt_slimming *slim, int64_t i, const double *scores,
                       int64_t keep)
{
    int64_t token[MOST * S], at = 0;
    const int64_t n = slim->n_keyframes * S;
    CHECK(slim->grid[0].chunk[slim->grid[0].n_chunks] == slim->n_keyframes);
    CHECK(list_join(&slim->grid[0], i, token) == keep);
    for (int64_t p = 0; p < n; p++)
        if (is_kept(scores, n, keep, p)) CHECK(token[at++] == p);
    CHECK(at == keep);
}

static void check_query(const lt_exec *x, film *f, int64_t k, int64_t budget,
                        int64_t first, int64_t n_own)
{
    lt_slimming slim = { 0 };
    const lt_slim_args a = { .mode = LT_SLIMMING_QUERY,
                             .n_keyframes = k,
                             .budget = budget,
                             .first_own = first,
                             .n_own = n_own,
                             .n_grids = 1,
                             .tokens = { S },
                             .features = features,
                             .ctx = f };
    OK(lt_slim_make(x, &a, &slim));
    CHECK(slim.grid[0].n_lists == n_own && slim.grid[0].tokens == S);
    CHECK(slim.grid[0].n_chunks == (k + LT_KEYFRAME_CHUNK - 1) / LT_KEYFRAME_CHUNK);
    for (int64_t j = 0; j < n_own; j++) {
        double scores[MOST * S];
        for (int64_t p = 0; p < k * S; p++) scores[p] = score(f, first + j, p);
        check_list(&slim, j, scores, budget * S);
    }
    lt_slim_free(&slim);
    CHECK(!slim.grid[0].list && slim.mode == LT_SLIMMING_NONE);
}

/* 16 keyframes: the average is exact in f32 as well. */
static void check_shared(const lt_exec *x, film *f, int64_t budget, int64_t first,
                         int64_t n_own)
{
    lt_slimming slim = { 0 };
    double scores[MOST * S];
    const lt_slim_args a = { .mode = LT_SLIMMING_SHARED,
                             .n_keyframes = MOST,
                             .budget = budget,
                             .first_own = first,
                             .n_own = n_own,
                             .n_grids = 1,
                             .tokens = { S },
                             .features = features,
                             .ctx = f };
    OK(lt_slim_make(x, &a, &slim));
    /* both runs of 8 keyframes at once while their tokens are no more than one run's */
    CHECK(slim.grid[0].n_lists == 1);
    CHECK(slim.grid[0].n_chunks == (budget - 1 > LT_KEYFRAME_CHUNK ? 2 : 1));
    for (int64_t p = 0; p < MOST * S; p++) {
        scores[p] = 0;
        for (int64_t j = 0; j < MOST; j++) scores[p] += score(f, j, p) / MOST;
    }
    check_list(&slim, 0, scores, (budget - 1) * S);
    lt_slim_free(&slim);
}

/* Drawn lists: as long as chosen ones, not the same for another stream, and every token
 * has its turn. */
static void check_random(const lt_exec *x)
{
    enum { K = 12, BUDGET = 5, TURNS = 64 };
    int64_t token[K * S], before[K * S] = { 0 }, seen[K * S] = { 0 };
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        lt_slimming slim = { 0 };
        const lt_random r = lt_random_stream(1, LT_PURPOSE_TEST, turn / 2, 0);
        const lt_slim_args a = { .mode = LT_SLIMMING_SHARED,
                                 .n_keyframes = K,
                                 .budget = BUDGET,
                                 .n_own = 1,
                                 .n_grids = 1,
                                 .tokens = { S },
                                 .random = &r };
        OK(lt_slim_make(x, &a, &slim));
        CHECK(slim.grid[0].n_lists == 1);
        const int64_t n = list_join(&slim.grid[0], 0, token);
        CHECK(n == (BUDGET - 1) * S);
        for (int64_t i = 0; i < n; i++) {
            CHECK(token[i] < K * S && (!i || token[i] > token[i - 1]));
            seen[token[i]]++;
        }
        const int same = !memcmp(token, before, (size_t)n * sizeof(*token));
        CHECK(same == (int)(turn % 2)); /* the same stream, the same list */
        memcpy(before, token, (size_t)n * sizeof(*token));
        lt_slim_free(&slim);
    }
    for (int64_t p = 0; p < K * S; p++) CHECK(seen[p] > 0 && seen[p] < TURNS);
}

/* m = min(K, R) * S: never the published R * S - 1 (design.md section 5). */
static void check_kept(void)
{
    for (int64_t k = 1; k <= 400; k++) {
        const int64_t frames = k < 20 ? k : 20;
        CHECK(lt_slim_kept(LT_SLIMMING_QUERY, k, 20, 4032) == frames * 4032);
        CHECK(lt_slim_kept(LT_SLIMMING_SHARED, k, 20, 4032) == (frames - 1) * 4032);
    }
}

int main(void)
{
    const lt_kernels *k[16];
    const int n = lt_kernels_list(k, 16);
    film f;
    for (int i = 0; i < n; i++) {
        if (k[i]->compute != LT_F32) continue;
        lt_exec x = open_exec(k[i]);
        f.x = &x;
        fill(&f, 7);
        check_query(&x, &f, 11, 3, 0, 11);
        check_query(&x, &f, 11, 10, 4, 5);
        check_query(&x, &f, 9, 1, 8, 1);
        check_query(&x, &f, 16, 2, 0, 0);
        check_shared(&x, &f, 3, 0, 16);
        check_shared(&x, &f, 15, 9, 4);
        check_shared(&x, &f, 1, 0, 0); /* nothing but the own tokens */
        check_random(&x);
        close_exec(&x);
    }
    check_kept();
    return 0;
}
