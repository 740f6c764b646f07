#include "attention/slim.h"

#include <stdlib.h>
#include <string.h>

int64_t lt_slim_kept(lt_slimming_mode mode, int64_t n_keyframes, int64_t budget,
                     int64_t s)
{
    const int64_t frames = budget < n_keyframes ? budget : n_keyframes;
    return (mode == LT_SLIMMING_SHARED ? frames - 1 : frames) * s;
}

const lt_slim_grid *lt_slim_find(const lt_slimming *slim, int64_t tokens)
{
    for (int g = 0; g < slim->n_grids; g++)
        if (slim->grid[g].tokens == tokens) return &slim->grid[g];
    return NULL;
}

static void list_free(lt_token_list *l)
{
    free(l->token);
    free(l->chunk_from);
}

void lt_slim_free(lt_slimming *slim)
{
    for (int g = 0; g < slim->n_grids; g++) {
        lt_slim_grid *grid = &slim->grid[g];
        for (int64_t i = 0; i < grid->n_lists && grid->list; i++)
            list_free(&grid->list[i]);
        free(grid->list);
        free(grid->chunk);
    }
    memset(slim, 0, sizeof(*slim));
}

/* Runs of LT_KEYFRAME_CHUNK keyframes. */
static lt_status set_chunks(lt_slim_grid *grid, int64_t n_keyframes)
{
    grid->n_chunks = (n_keyframes + LT_KEYFRAME_CHUNK - 1) / LT_KEYFRAME_CHUNK;
    grid->chunk = malloc((size_t)(grid->n_chunks + 1) * sizeof(*grid->chunk));
    if (!grid->chunk) return LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)");
    for (int64_t c = 0; c < grid->n_chunks; c++) grid->chunk[c] = c * LT_KEYFRAME_CHUNK;
    grid->chunk[grid->n_chunks] = n_keyframes;
    return LT_OK;
}

/* Take runs together that an ascending list of global token numbers leaves short. */
static void join_chunks(lt_slim_grid *grid, const int32_t *token, int64_t n)
{
    const int64_t most = LT_KEYFRAME_CHUNK * grid->tokens, runs = grid->n_chunks;
    int64_t made = 0; /* the chunk that is growing begins at chunk[made] */
    int64_t rows = 0, i = 0;
    for (int64_t c = 0; c < runs; c++) {
        const int64_t from = i, end = grid->chunk[c + 1] * grid->tokens;
        while (i < n && token[i] < end) i++;
        if (rows + i - from > most) {
            grid->chunk[++made] = grid->chunk[c];
            rows = 0;
        }
        rows += i - from;
    }
    grid->chunk[made + 1] = grid->chunk[runs];
    grid->n_chunks = made + 1;
}

/* Cut an ascending list of global token numbers at the chunk borders. */
static lt_status list_cut(const lt_slim_grid *grid, const int32_t *token, int64_t n,
                          lt_token_list *out)
{
    const int64_t n_chunks = grid->n_chunks;
    lt_token_list l = { .token = malloc((size_t)(n ? n : 1) * sizeof(*l.token)),
                        .chunk_from =
                            malloc((size_t)(n_chunks + 1) * sizeof(*l.chunk_from)) };
    if (!l.token || !l.chunk_from) {
        list_free(&l);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)");
    }
    int64_t i = 0;
    for (int64_t c = 0; c < n_chunks; c++) {
        const int64_t begin = grid->chunk[c] * grid->tokens;
        const int64_t end = grid->chunk[c + 1] * grid->tokens;
        l.chunk_from[c] = i;
        for (; i < n && token[i] < end; i++) l.token[i] = (int32_t)(token[i] - begin);
    }
    l.chunk_from[n_chunks] = i;
    *out = l;
    return LT_OK;
}

typedef struct scorer {
    const lt_exec *x;
    const lt_slim_args *a;
    int grid;
    int64_t s;
} scorer;

/* scores [K * S] = score_j(p) for one query keyframe j. */
static lt_status score_query(const scorer *sc, int64_t j, lt_tensor *scores)
{
    lt_status st = LT_OK;
    lt_tensor fj = { 0 }, fi = { 0 }, part = { 0 };
    LT_TRY(sc->a->features(sc->a->ctx, j, sc->grid, &fj));
    for (int64_t i = 0; i < sc->a->n_keyframes; i++) {
        LT_TRY(sc->a->features(sc->a->ctx, i, sc->grid, &fi));
        part = lt_tensor_rows(scores, i * sc->s, sc->s);
        const lt_best_match_args m = {
            .a = &fi, .b = &fj, .similarity = &part, .rows_per_tile = sc->s
        };
        LT_TRY(sc->x->k->best_match(sc->x, &m));
        lt_tensor_free(&part);
        lt_tensor_free(&fi);
    }
cleanup:
    lt_tensor_free(&part);
    lt_tensor_free(&fi);
    lt_tensor_free(&fj);
    return st;
}

/* List i: the best `keep` tokens of scores, cut in chunks. */
static lt_status select_tokens(const scorer *sc, const lt_tensor *scores, int64_t keep,
                               lt_slim_grid *grid, int64_t i)
{
    lt_tensor best = { 0 };
    lt_status st = LT_TENSOR_NEW(&best, sc->x->pool, LT_I32, keep);
    if (st == LT_OK) st = sc->x->k->top_k(sc->x, scores, keep, &best);
    if (st == LT_OK && sc->a->mode == LT_SLIMMING_SHARED)
        join_chunks(grid, lt_i32(&best), keep);
    if (st == LT_OK) st = list_cut(grid, lt_i32(&best), keep, &grid->list[i]);
    lt_tensor_free(&best);
    return st;
}

static lt_status make_query(const scorer *sc, lt_slim_grid *grid)
{
    lt_status st = LT_OK;
    lt_tensor scores = { 0 };
    const lt_slim_args *a = sc->a;
    const int64_t keep = lt_slim_kept(a->mode, a->n_keyframes, a->budget, sc->s);
    LT_TRY(LT_TENSOR_NEW(&scores, sc->x->pool, LT_F32, a->n_keyframes * sc->s));
    for (int64_t j = 0; j < a->n_own; j++) {
        LT_TRY(score_query(sc, a->first_own + j, &scores));
        LT_TRY(select_tokens(sc, &scores, keep, grid, j));
    }
cleanup:
    lt_tensor_free(&scores);
    return st;
}

/* Averages are sums in the order of the keyframes, the same on every rank. */
static lt_status make_shared(const scorer *sc, lt_slim_grid *grid)
{
    lt_status st = LT_OK;
    lt_tensor scores = { 0 }, sum = { 0 };
    const lt_slim_args *a = sc->a;
    const int64_t n = a->n_keyframes * sc->s;
    const int64_t keep = lt_slim_kept(a->mode, a->n_keyframes, a->budget, sc->s);
    LT_TRY(LT_TENSOR_NEW(&scores, sc->x->pool, LT_F32, n));
    LT_TRY(LT_TENSOR_NEW(&sum, sc->x->pool, LT_F32, n));
    LT_TRY(lt_tensor_zero(&sum, sc->x->stream));
    for (int64_t j = 0; j < a->n_keyframes; j++) {
        LT_TRY(score_query(sc, j, &scores));
        LT_TRY(sc->x->k->axpby(sc->x, 1.0f, &sum, 1.0f / (float)a->n_keyframes, &scores,
                               &sum));
    }
    LT_TRY(select_tokens(sc, &sum, keep, grid, 0));
cleanup:
    lt_tensor_free(&scores);
    lt_tensor_free(&sum);
    return st;
}

/* Whole numbers of 24 bits, which f32 holds. */
static lt_status make_random(const scorer *sc, lt_slim_grid *grid)
{
    lt_status st = LT_OK;
    lt_tensor scores = { 0 };
    const lt_slim_args *a = sc->a;
    lt_random random = *a->random;
    const int64_t n = a->n_keyframes * sc->s;
    const int64_t keep = lt_slim_kept(a->mode, a->n_keyframes, a->budget, sc->s);
    LT_TRY(LT_TENSOR_NEW(&scores, sc->x->pool, LT_F32, n));
    for (int64_t i = 0; i < n; i++)
        lt_f32(&scores)[i] = (float)(lt_random_u32(&random) >> 8);
    LT_TRY(select_tokens(sc, &scores, keep, grid, 0));
cleanup:
    lt_tensor_free(&scores);
    return st;
}

lt_status lt_slim_make(const lt_exec *x, const lt_slim_args *a, lt_slimming *slim)
{
    lt_status st = LT_OK;
    lt_slimming made = { .mode = a->mode,
                         .n_keyframes = a->n_keyframes,
                         .n_grids = a->n_grids };
    for (int g = 0; g < a->n_grids; g++) {
        lt_slim_grid *grid = &made.grid[g];
        grid->tokens = a->tokens[g];
        LT_TRY(set_chunks(grid, a->n_keyframes));
        grid->n_lists = a->mode == LT_SLIMMING_SHARED ? 1 : a->n_own;
        grid->list =
            calloc((size_t)(grid->n_lists ? grid->n_lists : 1), sizeof(*grid->list));
        if (!grid->list) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)"));
        const scorer sc = { .x = x, .a = a, .grid = g, .s = grid->tokens };
        if (a->mode == LT_SLIMMING_SHARED && a->random)
            LT_TRY(make_random(&sc, grid));
        else if (a->mode == LT_SLIMMING_SHARED)
            LT_TRY(make_shared(&sc, grid));
        else
            LT_TRY(make_query(&sc, grid));
    }
    *slim = made;
    memset(&made, 0, sizeof(made));
cleanup:
    lt_slim_free(&made);
    return st;
}
