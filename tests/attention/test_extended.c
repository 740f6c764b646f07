/* Joint attention over ranks: a whole UNet evaluated by 1, 2 or 3 ranks that hold uneven
 * shares of the keyframes (also none) gives the bits of one rank alone, and moves exactly
 * the bytes it has to. */
#include "attention_test.h"
#include "models/unet.h"

enum { SIDE = 8, TEXT = 77, FEATURES = 12, MOST = 11, FEW = 3, MANY = 10 };

typedef struct setup {
    lt_exec x;
    lt_comm *world, *self;
    lt_unet *unet;
    lt_unet_context *text[3];
    int n_sites, n_grids;
    int64_t grid_h[8], grid_w[8];
} setup;

typedef struct variant {
    int64_t n_keyframes;
    lt_slimming_mode mode;
    lt_inject inject;
    int64_t budget; /* FEW: a shared list is one chunk; MANY: two */
} variant;

static void fill(float *v, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) v[i] = check_randf(&seed);
}

static lt_unet_context *random_text(const setup *s, uint64_t seed)
{
    lt_tensor t = { 0 };
    lt_unet_context *c = NULL;
    const int64_t width = lt_unet_get_config(s->unet)->cross_attention_dim;
    OK(LT_TENSOR_NEW(&t, s->x.pool, LT_F32, TEXT, width));
    fill(lt_f32(&t), TEXT * width, seed);
    OK(lt_unet_context_new(&s->x, s->unet, &t, &c));
    lt_tensor_free(&t);
    return c;
}

/* ---- what the keyframes are: functions of their number ----------------------------- */

static lt_status features(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    const setup *s = ctx;
    const int64_t n = s->grid_h[grid] * s->grid_w[grid];
    const lt_status st = LT_TENSOR_NEW(rows, s->x.pool, s->x.k->compute, n, FEATURES);
    if (st != LT_OK) return st;
    lt_tensor raw = { 0 };
    OK(LT_TENSOR_NEW(&raw, s->x.pool, LT_F32, n, FEATURES));
    fill(lt_f32(&raw), n * FEATURES, (uint64_t)(1000 * grid + keyframe));
    OK(s->x.k->unit_rows(&s->x, &raw, rows));
    lt_tensor_free(&raw);
    return LT_OK;
}

static lt_slimming make_lists(setup *s, const variant *v, int64_t first, int64_t n)
{
    lt_slimming slim = { 0 };
    lt_slim_args a = { .mode = v->mode,
                       .n_keyframes = v->n_keyframes,
                       .budget = v->budget,
                       .first_own = first,
                       .n_own = n,
                       .n_grids = s->n_grids,
                       .features = features,
                       .ctx = s };
    for (int g = 0; g < s->n_grids; g++) a.tokens[g] = s->grid_h[g] * s->grid_w[g];
    if (v->mode != LT_SLIMMING_NONE) OK(lt_slim_make(&s->x, &a, &slim));
    return slim;
}

static lt_batch batch_of(const variant *v, int64_t n)
{
    lt_batch b = { .n_frames = n };
    if (lt_inject_needs_source(&v->inject)) b.branch[b.n_branches++] = LT_BRANCH_SOURCE;
    b.branch[b.n_branches++] = LT_BRANCH_NEGATIVE;
    b.branch[b.n_branches++] = LT_BRANCH_EDIT;
    return b;
}

/* ---- one joint pass of this rank's share ------------------------------------------- */

typedef struct pass {
    lt_attention_cache cache;
    int64_t bytes;
} pass;

static void forward(setup *s, const lt_batch *b, int64_t first, const lt_policy *p)
{
    lt_tensor in = { 0 };
    const int64_t frame = SIDE * SIDE * 4;
    OK(LT_TENSOR_NEW(&in, s->x.pool, LT_F32, b->n_branches * b->n_frames, SIDE, SIDE, 4));
    lt_unet_args a = { .batch = *b,
                       .x = &in,
                       .timestep = 321,
                       .policy = p,
                       .stop = LT_STOP_AFTER_LAST_SELF };
    for (int i = 0; i < b->n_branches; i++) {
        a.context[i] = s->text[b->branch[i]];
        for (int64_t f = 0; f < b->n_frames; f++)
            fill(lt_f32(&in) + (i * b->n_frames + f) * frame, frame,
                 (uint64_t)(100 * b->branch[i] + first + f));
    }
    OK(lt_unet_forward(&s->x, s->unet, &a));
    lt_tensor_free(&in);
}

static void run_pass(setup *s, lt_comm *comm, const int64_t *share, const variant *v,
                     pass *p)
{
    int64_t first = 0;
    const int64_t n = share[lt_comm_rank(comm)];
    for (int r = 0; r < lt_comm_rank(comm); r++) first += share[r];
    lt_slimming slim = make_lists(s, v, first, n);
    lt_extended e = { .comm = comm,
                      .rank_keyframes = share,
                      .n_keyframes = v->n_keyframes,
                      .inject = &v->inject,
                      .slim = &slim };
    OK(lt_attention_cache_open(&p->cache, s->n_sites));
    lt_record_attention rec = { .inner = lt_extended_policy(&e), .cache = &p->cache };
    const lt_policy policy = lt_record_policy(&rec);
    const lt_batch b = batch_of(v, n);
    if (n > 0)
        forward(s, &b, first, &policy);
    else
        OK(lt_extended_follow(&e, &s->x, s->unet, SIDE, SIDE, 2));
    p->bytes = e.bytes_gathered;
    lt_slim_free(&slim);
}

/* ---- what a rank must receive ------------------------------------------------------ */

/* Listed tokens of a grid outside keyframes [first, first + n). */
static int64_t listed_elsewhere(const lt_slimming *slim, int64_t tokens, int64_t budget,
                                int64_t first, int64_t n)
{
    int64_t token[MOST * SIDE * SIDE], out = 0;
    const lt_slim_grid *g = lt_slim_find(slim, tokens);
    CHECK(g && g->n_lists == 1);
    const int64_t all = list_join(g, 0, token);
    CHECK(all == (budget - 1) * tokens && g->n_chunks == (budget == MANY ? 2 : 1));
    for (int64_t i = 0; i < all; i++)
        out += token[i] / tokens < first || token[i] / tokens >= first + n;
    return out;
}

static int64_t expected_bytes(setup *s, const variant *v, int64_t first, int64_t n)
{
    int64_t bytes = 0;
    lt_slimming slim = make_lists(s, v, first, n);
    for (int i = 0; i < s->n_sites; i++) {
        lt_attention_site site;
        OK(lt_unet_site(s->unet, i, SIDE, SIDE, &site));
        const int64_t tokens = site.h * site.w;
        const int64_t rows = v->mode == LT_SLIMMING_SHARED
                                 ? listed_elsewhere(&slim, tokens, v->budget, first, n)
                                 : (v->n_keyframes - n) * tokens;
        /* both edit branches: k and v each, or one k for both and two v */
        const int64_t tensors = lt_inject_site(&v->inject, &site) ? 3 : 4;
        bytes += rows * tensors * site.heads * site.head_dim *
                 (int64_t)lt_dtype_size(s->x.k->compute);
    }
    lt_slim_free(&slim);
    return bytes;
}

/* Received by all ranks together: every row by all but its owner. */
static void check_total(setup *s, const variant *v, int64_t bytes)
{
    const int size = lt_comm_size(s->world);
    int64_t all[8], sum = 0, payload = 0;
    OK(lt_comm_gather_bytes(s->world, &bytes, sizeof(bytes), all));
    for (int r = 0; r < size; r++) sum += all[r];
    variant whole = *v;
    whole.mode = LT_SLIMMING_NONE;
    payload = expected_bytes(s, &whole, 0, 0);
    if (v->mode == LT_SLIMMING_SHARED) /* (R - 1) / K of it */
        CHECK(sum * v->n_keyframes == (size - 1) * payload * (v->budget - 1));
    else
        CHECK(sum == (size - 1) * payload);
    CHECK(size == 1 || sum > 0);
}

/* ---- comparison -------------------------------------------------------------------- */

/* Collective. The rows of one site and branch from all ranks against rank 0's own run. */
static void compare_rows(setup *s, const int64_t *share, const pass *mine,
                         const pass *alone, int site, int branch, int64_t k)
{
    lt_attention_site at;
    lt_tensor part = { 0 }, whole = { 0 };
    OK(lt_unet_site(s->unet, site, SIDE, SIDE, &at));
    const int64_t n = share[lt_comm_rank(s->world)], tokens = at.h * at.w;
    const lt_recorded_site *rec = &mine->cache.site[site];
    if (n > 0) {
        CHECK(rec->out.storage && rec->batch.n_frames == n);
        part = lt_tensor_rows(&rec->out, branch * n, n);
    } else {
        OK(LT_TENSOR_NEW(&part, s->x.pool, s->x.k->compute, 0, tokens,
                         at.heads * at.head_dim));
    }
    OK(LT_TENSOR_NEW(&whole, s->x.pool, s->x.k->compute, k, tokens,
                     at.heads * at.head_dim));
    OK(lt_comm_gather_rows(s->world, &part, share, &whole, NULL));
    if (lt_comm_rank(s->world) == 0) {
        lt_tensor want = lt_tensor_rows(&alone->cache.site[site].out, branch * k, k);
        CHECK(lt_tensor_bytes(&want) == lt_tensor_bytes(&whole));
        CHECK(!memcmp(want.data, whole.data, lt_tensor_bytes(&whole)));
        for (int64_t i = 0; s->x.k->compute == LT_F32 && i < lt_tensor_count(&want); i++)
            CHECK(isfinite(lt_f32(&want)[i]));
        lt_tensor_free(&want);
    }
    lt_tensor_free(&part);
    lt_tensor_free(&whole);
}

/* The source leaves behind up_blocks.1.resnets.1 when only features are injected. */
static int live_branches(const setup *s, const variant *v, int site)
{
    lt_attention_site at;
    const int all = batch_of(v, 1).n_branches;
    OK(lt_unet_site(s->unet, site, SIDE, SIDE, &at));
    if (all == 2 || v->inject.attention) return all;
    return at.up_block > 1 || (at.up_block == 1 && at.attention >= 1) ? 2 : 3;
}

static void check_share(setup *s, const variant *v, const int64_t *share,
                        const pass *alone)
{
    pass mine = { 0 };
    int64_t first = 0;
    const int me = lt_comm_rank(s->world);
    run_pass(s, s->world, share, v, &mine);
    for (int r = 0; r < me; r++) first += share[r];
    CHECK(mine.bytes == expected_bytes(s, v, first, share[me]));
    check_total(s, v, mine.bytes);
    for (int i = 0; i < s->n_sites; i++)
        for (int b = 0; b < live_branches(s, v, i); b++)
            compare_rows(s, share, &mine, alone, i, b, v->n_keyframes);
    lt_attention_cache_close(&mine.cache);
}

/* Shares by size of the group and number of keyframes. */
static void check_variant(setup *s, const variant *v)
{
    static const int64_t shares[2][3][3][3] = {
        { { { 7 }, { 7 }, { 7 } },
          { { 5, 2 }, { 0, 7 }, { 7, 0 } },
          { { 3, 0, 4 }, { 0, 1, 6 }, { 4, 3, 0 } } },
        { { { 11 }, { 11 }, { 11 } },
          { { 9, 2 }, { 0, 11 }, { 3, 8 } },
          { { 2, 9, 0 }, { 8, 0, 3 }, { 4, 5, 2 } } },
    };
    const int size = lt_comm_size(s->world);
    pass alone = { 0 };
    CHECK(size <= 3);
    if (lt_comm_rank(s->world) == 0) {
        const int64_t all[1] = { v->n_keyframes };
        run_pass(s, s->self, all, v, &alone);
        CHECK(alone.bytes == 0);
    }
    for (int i = 0; i < (size == 1 ? 1 : 3); i++)
        check_share(s, v, shares[v->n_keyframes == 11][size - 1][i], &alone);
    lt_attention_cache_close(&alone.cache);
}

/* Lists of the joint pass must matter: other modes give other numbers. */
static void check_modes_differ(setup *s)
{
    pass p[3] = { 0 };
    const int64_t all[1] = { MOST };
    for (int m = 0; m < 3; m++) {
        const variant v = { MOST, (lt_slimming_mode)m, { 0 }, FEW };
        run_pass(s, s->self, all, &v, &p[m]);
    }
    for (int m = 0; m < 3; m++) {
        const lt_tensor *a = &p[m].cache.site[0].out,
                        *b = &p[(m + 1) % 3].cache.site[0].out;
        CHECK(memcmp(a->data, b->data, lt_tensor_bytes(a)) != 0);
    }
    for (int m = 0; m < 3; m++) lt_attention_cache_close(&p[m].cache);
}

static void check_table(setup *s, const lt_kernels *k, int all)
{
    const lt_inject on = { .attention = 1 };
    s->x = open_exec(k);
    OK(lt_unet_load(&s->x, LT_GOLDEN "/models/sd15-tiny", &s->unet));
    for (int i = 0; i < 3; i++) s->text[i] = random_text(s, (uint64_t)(50 + i));
    s->n_sites = lt_unet_n_sites(s->unet);
    s->n_grids = lt_unet_grids(s->unet, SIDE, SIDE, s->grid_h, s->grid_w);
    int injected = 0;
    for (int i = 0; i < s->n_sites; i++) {
        lt_attention_site site;
        OK(lt_unet_site(s->unet, i, SIDE, SIDE, &site));
        injected += lt_inject_site(&on, &site);
    }
    CHECK(s->n_sites == 16 && injected == 8 && s->n_grids == 4);
    for (int m = 0; m < 3; m++) {
        variant v = { MOST, (lt_slimming_mode)m, { 1, 1 }, FEW };
        check_variant(s, &v);
        v.budget = MANY;
        if (m == LT_SLIMMING_SHARED) check_variant(s, &v);
        v.budget = FEW;
        if (!all) continue;
        v.inject = (lt_inject){ 0, m == LT_SLIMMING_QUERY };
        check_variant(s, &v);
        v = (variant){ 7, (lt_slimming_mode)m, { 1, 0 }, FEW };
        check_variant(s, &v);
    }
    if (lt_comm_rank(s->world) == 0) check_modes_differ(s);
    for (int i = 0; i < 3; i++) lt_unet_context_free(&s->text[i]);
    lt_unet_free(&s->unet);
    close_exec(&s->x);
}

int main(int argc, char **argv)
{
    setup s = { 0 };
    const lt_kernels *k = NULL;
    OK(lt_comm_open_world(&argc, &argv, &s.world));
    OK(lt_comm_open_self(&s.self));
    OK(lt_kernels_get(lt_cpu_path_best(), LT_F32, &k));
    check_table(&s, k, 1);
    if (lt_kernels_get(lt_cpu_path_best(), LT_BF16, &k) == LT_OK) check_table(&s, k, 0);
    lt_comm_close(&s.self);
    lt_comm_close(&s.world);
    return 0;
}
