/* The attention policies on one small layer, against what the independent script
 * computed in double: plain, extended, slimmed, injected, propagated, recorded. */
#include "attention_test.h"

enum { K = 5, S = 12, H = 3, W = 4, HEADS = 2, DIM = 8, C = HEADS * DIM, FRAMES = 12 };
enum { BRANCH_ROWS = K * S, BUDGET = 2 };

/* ---- a layer whose projections are looked up --------------------------------------- */

/* Row n of the layer's input holds the number n; projecting it gives row n of `rows`
 * ([3][K][S][C], as golden), so that q, k and v are free of each other. to_out hands
 * through. */
typedef struct lookup {
    const float *rows; /* NULL: hand through */
    int64_t n_read;    /* rows projected since the last reset */
} lookup;

static lt_status look_up(const lt_exec *x, const lt_linear_args *a)
{
    (void)x;
    lookup *l = (lookup *)(uintptr_t)a->w;
    const int64_t n = lt_tensor_count(a->in) / C;
    CHECK(lt_tensor_count(a->out) == n * C);
    l->n_read += n;
    for (int64_t i = 0; i < n; i++) {
        const float *in = lt_f32(a->in) + i * C;
        const float *from = l->rows ? l->rows + (int64_t)in[0] * C : in;
        memcpy(lt_f32(a->out) + i * C, from, C * sizeof(float));
    }
    return LT_OK;
}

typedef struct layer {
    lt_kernels table;
    lt_exec x;
    lookup q, k, v, out;
    lt_attention_weights weights;
    lt_attention_site site;
    const lt_weights *golden;
} layer;

static const float *golden(const lt_weights *g, const char *name, int64_t count)
{
    const lt_weight *t = lt_weights_find(g, name);
    int64_t n = 1;
    if (!t) fprintf(stderr, "no golden array %s\n", name);
    CHECK(t && t->type == LT_WEIGHT_F32);
    for (int d = 0; d < t->ndim; d++) n *= t->shape[d];
    CHECK(n == count);
    CHECK((uintptr_t)t->data % sizeof(float) == 0);
    return (const float *)(const void *)t->data;
}

static int64_t golden_int(const lt_weights *g, const char *name, int64_t i)
{
    const lt_weight *t = lt_weights_find(g, name);
    int32_t v;
    CHECK(t && !strcmp(t->type_name, "I32"));
    memcpy(&v, t->data + 4 * i, sizeof(v));
    return v;
}

static void open_layer(layer *l, const lt_kernels *k, const lt_weights *g)
{
    memset(l, 0, sizeof(*l));
    l->table = *k;
    l->table.linear = look_up;
    l->x = open_exec(&l->table);
    l->golden = g;
    l->q.rows = golden(g, "in.q", 3 * BRANCH_ROWS * C);
    l->k.rows = golden(g, "in.k", 3 * BRANCH_ROWS * C);
    l->v.rows = golden(g, "in.v", 3 * BRANCH_ROWS * C);
    l->weights = (lt_attention_weights){ .to_q = (lt_linear *)&l->q,
                                         .to_k = (lt_linear *)&l->k,
                                         .to_v = (lt_linear *)&l->v,
                                         .to_out = (lt_linear *)&l->out };
    l->site = (lt_attention_site){ .path = "up_blocks.1.attentions.1",
                                   .kind = LT_SELF_ATTENTION,
                                   .up_block = 1,
                                   .attention = 1,
                                   .h = H,
                                   .w = W,
                                   .heads = HEADS,
                                   .head_dim = DIM,
                                   .scale = 0.35355339059327373f,
                                   .weights = &l->weights };
}

static const lt_batch three = { .n_branches = 3,
                                .branch = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE,
                                            LT_BRANCH_EDIT },
                                .n_frames = K };
static const lt_batch two = { .n_branches = 2,
                              .branch = { LT_BRANCH_NEGATIVE, LT_BRANCH_EDIT },
                              .n_frames = K };

/* Evaluate the layer under a policy; *out [branches * frames, S, C] is the caller's. */
static lt_status evaluate(layer *l, const lt_batch *b, const lt_policy *p, lt_tensor *out)
{
    lt_tensor in = { 0 };
    const int64_t n = b->n_frames;
    OK(LT_TENSOR_NEW(&in, l->x.pool, LT_F32, b->n_branches * n, S, C));
    OK(LT_TENSOR_NEW(out, l->x.pool, LT_F32, b->n_branches * n, S, C));
    for (int64_t i = 0; i < lt_tensor_count(out); i++) lt_f32(out)[i] = NAN;
    OK(lt_tensor_zero(&in, NULL));
    for (int i = 0; i < b->n_branches; i++)
        for (int64_t r = 0; r < n * S; r++)
            lt_f32(&in)[(i * n * S + r) * C] =
                (float)((int64_t)b->branch[i] * BRANCH_ROWS + r % BRANCH_ROWS);
    const lt_attention_call call = {
        .x = &l->x, .site = &l->site, .batch = b, .in = &in, .out = out
    };
    l->q.n_read = l->k.n_read = l->v.n_read = l->out.n_read = 0;
    const lt_status st = p ? p->self_attention(p->self, &call)
                           : lt_site_plain(&call, 0, b->n_branches * n);
    lt_tensor_free(&in);
    return st;
}

/* Branch `position` of out against n_rows golden rows; 2e-5 is the kernels' tolerance. */
static void check_rows(const lt_tensor *out, int64_t first_row, int64_t n_rows,
                       const float *want)
{
    const float *got = lt_f32(out) + first_row * C;
    for (int64_t i = 0; i < n_rows * C; i++) CHECK(check_close(got[i], want[i], 2e-5f));
}

static void check_edit(const layer *l, const lt_tensor *out, int position,
                       const char *name)
{
    check_rows(out, (int64_t)position * BRANCH_ROWS, 2 * BRANCH_ROWS,
               golden(l->golden, name, 2 * BRANCH_ROWS * C));
}

static void check_source(const layer *l, const lt_tensor *out)
{
    check_rows(out, 0, BRANCH_ROWS, golden(l->golden, "plain.out", 3 * BRANCH_ROWS * C));
}

/* ---- slim lists -------------------------------------------------------------------- */

static lt_status keyframe_features(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    const layer *l = ctx;
    CHECK(grid == 0 && keyframe >= 0 && keyframe < K);
    const int64_t frame = golden_int(l->golden, "in.keyframes", keyframe);
    const float *f = golden(l->golden, "in.features", FRAMES * S * 6) + frame * S * 6;
    lt_tensor raw =
        lt_tensor_wrap((void *)(uintptr_t)f, LT_HOST, LT_F32, 2, (int64_t[]){ S, 6 });
    const lt_status st = LT_TENSOR_NEW(rows, l->x.pool, LT_F32, S, 6);
    return st == LT_OK ? l->x.k->unit_rows(&l->x, &raw, rows) : st;
}

static lt_slimming slim_lists(layer *l, lt_slimming_mode mode)
{
    lt_slimming slim = { 0 };
    const lt_slim_args a = { .mode = mode,
                             .n_keyframes = K,
                             .budget = BUDGET,
                             .n_own = K,
                             .n_grids = 1,
                             .tokens = { S },
                             .features = keyframe_features,
                             .ctx = l };
    OK(lt_slim_make(&l->x, &a, &slim));
    CHECK(slim.grid[0].n_chunks == 1 && lt_slim_find(&slim, S) == &slim.grid[0]);
    CHECK(!lt_slim_find(&slim, S + 1));
    return slim;
}

static void check_lists(const layer *l, const lt_slimming *slim, const char *name,
                        int64_t each)
{
    int64_t token[K * S];
    for (int64_t i = 0; i < slim->grid[0].n_lists; i++) {
        const int64_t n = list_join(&slim->grid[0], i, token);
        CHECK(n == each && n == lt_slim_kept(slim->mode, K, BUDGET, S));
        for (int64_t t = 0; t < n; t++)
            CHECK(token[t] == golden_int(l->golden, name, i * each + t));
    }
}

/* ---- tests ------------------------------------------------------------------------- */

static void test_plain_and_recorded(layer *l, lt_attention_cache *cache)
{
    lt_tensor out = { 0 }, row = { 0 };
    OK(evaluate(l, &three, NULL, &out));
    check_rows(&out, 0, 3 * BRANCH_ROWS,
               golden(l->golden, "plain.out", 3 * BRANCH_ROWS * C));
    lt_tensor_free(&out);

    lt_record_attention rec = { .cache = cache };
    const lt_policy p = lt_record_policy(&rec);
    CHECK(lt_attention_cache_frame(cache, 0, LT_BRANCH_EDIT, 0, &row) == LT_ERR_INTERNAL);
    OK(evaluate(l, &three, &p, &out));
    for (int b = 0; b < 3; b++)
        for (int64_t f = 0; f < K; f++) {
            OK(lt_attention_cache_frame(cache, 0, (lt_branch)b, f, &row));
            CHECK(row.ndim == 2 && row.shape[0] == S && row.shape[1] == C);
            CHECK(!memcmp(row.data, lt_f32(&out) + (b * K + f) * S * C,
                          S * C * sizeof(float)));
            lt_tensor_free(&row);
        }
    CHECK(lt_attention_cache_frame(cache, 0, LT_BRANCH_EDIT, K, &row) == LT_ERR_INTERNAL);
    CHECK(lt_attention_cache_frame(cache, 1, LT_BRANCH_EDIT, 0, &row) == LT_ERR_INTERNAL);
    lt_tensor_free(&out);
}

static void test_extended(layer *l, lt_comm *comm, lt_slimming_mode mode, int inject,
                          const char *name)
{
    lt_tensor out = { 0 };
    const int64_t share[1] = { K };
    lt_slimming slim = { 0 };
    const lt_inject inj = { .attention = inject, .features = 1 };
    if (mode != LT_SLIMMING_NONE) slim = slim_lists(l, mode);
    if (mode == LT_SLIMMING_QUERY) check_lists(l, &slim, "slim.query.index", BUDGET * S);
    if (mode == LT_SLIMMING_SHARED)
        check_lists(l, &slim, "slim.shared.index", (BUDGET - 1) * S);
    lt_extended e = { .comm = comm,
                      .rank_keyframes = share,
                      .n_keyframes = K,
                      .inject = &inj,
                      .slim = &slim };
    const lt_policy p = lt_extended_policy(&e);
    OK(evaluate(l, &three, &p, &out));
    check_source(l, &out);
    check_edit(l, &out, 1, name);
    /* injected: queries and keys of the source only, computed once */
    CHECK(l->q.n_read == (inject ? 1 : 3) * BRANCH_ROWS);
    CHECK(l->k.n_read == l->q.n_read && l->v.n_read == 3 * BRANCH_ROWS);
    lt_tensor_free(&out);
    if (!inject) { /* the source is not there in steps that do not read it */
        OK(evaluate(l, &two, &p, &out));
        check_edit(l, &out, 0, name);
        lt_tensor_free(&out);
    }
    CHECK(e.bytes_gathered == 0);
    lt_slim_free(&slim);
}

/* One row of attention in double: query row q of the source, keys of the source frame,
 * values of branch b, all of one frame. */
static void alone_row(const layer *l, int b, int64_t frame, int64_t p, double *out)
{
    const float *q = l->q.rows + (frame * S + p) * C, *k = l->k.rows + frame * S * C;
    const float *v = l->v.rows + ((int64_t)b * BRANCH_ROWS + frame * S) * C;
    memset(out, 0, C * sizeof(*out));
    for (int h = 0; h < HEADS; h++) {
        double w[S], sum = 0;
        for (int j = 0; j < S; j++) {
            double dot = 0;
            for (int d = h * DIM; d < (h + 1) * DIM; d++)
                dot += (double)q[d] * k[j * C + d];
            sum += w[j] = exp(dot / sqrt(DIM));
        }
        for (int j = 0; j < S; j++)
            for (int d = h * DIM; d < (h + 1) * DIM; d++)
                out[d] += w[j] / sum * v[j * C + d];
    }
}

static void test_alone(layer *l)
{
    lt_tensor out = { 0 };
    lt_inject inj = { .attention = 1 };
    const lt_policy p = lt_inject_policy(&inj);
    OK(evaluate(l, &three, &p, &out));
    for (int b = 0; b < 3; b++)
        for (int64_t r = 0; r < BRANCH_ROWS; r++) {
            double want[C];
            alone_row(l, b, r / S, r % S, want);
            for (int c = 0; c < C; c++)
                CHECK(check_close(lt_f32(&out)[(b * BRANCH_ROWS + r) * C + c],
                                  (float)want[c], 2e-5f));
        }
    lt_tensor_free(&out);
    inj.attention = 0;
    OK(evaluate(l, &three, &p, &out));
    check_rows(&out, 0, 3 * BRANCH_ROWS,
               golden(l->golden, "plain.out", 3 * BRANCH_ROWS * C));
    lt_tensor_free(&out);
    l->site.up_block = 0; /* not an injected layer */
    inj.attention = 1;
    OK(evaluate(l, &three, &p, &out));
    check_rows(&out, 0, 3 * BRANCH_ROWS,
               golden(l->golden, "plain.out", 3 * BRANCH_ROWS * C));
    lt_tensor_free(&out);
    l->site.up_block = 1;
}

static lt_tensor frame_features(const layer *l, int64_t frame)
{
    lt_tensor rows = { 0 };
    const float *f = golden(l->golden, "in.features", FRAMES * S * 6) + frame * S * 6;
    lt_tensor raw =
        lt_tensor_wrap((void *)(uintptr_t)f, LT_HOST, LT_F32, 2, (int64_t[]){ S, 6 });
    OK(LT_TENSOR_NEW(&rows, l->x.pool, LT_F32, S, 6));
    OK(l->x.k->unit_rows(&l->x, &raw, &rows));
    return rows;
}

/* Matches of frames [first, first + n) to keyframe `clip`, checked on the way. */
static lt_tensor match_clip(layer *l, int64_t clip, int64_t first, int64_t n)
{
    lt_tensor match = { 0 }, near = { 0 }, key = { 0 };
    const float *want = golden(l->golden, "propagated.similarity", FRAMES * S);
    OK(LT_TENSOR_NEW(&match, l->x.pool, LT_I32, n, S));
    OK(LT_TENSOR_NEW(&near, l->x.pool, LT_F32, S));
    OK(keyframe_features(l, clip, 0, &key));
    for (int64_t f = 0; f < n; f++) {
        lt_tensor rows = frame_features(l, first + f), to = lt_tensor_rows(&match, f, 1);
        lt_tensor index = LT_RESHAPE(&to, S);
        const lt_best_match_args a = { .a = &rows,
                                       .b = &key,
                                       .index = &index,
                                       .similarity = &near,
                                       .rows_per_tile = S };
        OK(l->x.k->best_match(&l->x, &a));
        for (int64_t p = 0; p < S; p++) {
            const int64_t at = (first + f) * S + p;
            CHECK(lt_i32(&index)[p] == golden_int(l->golden, "propagated.index", at));
            CHECK(fabsf(lt_f32(&near)[p] - want[at]) <= 1e-6f);
        }
        lt_tensor_free(&rows);
        lt_tensor_free(&to);
        lt_tensor_free(&index);
    }
    lt_tensor_free(&near);
    lt_tensor_free(&key);
    return match;
}

static void check_propagated(const layer *l, const lt_batch *b, const lt_tensor *out,
                             int64_t first)
{
    const float *want = golden(l->golden, "propagated.out", 3 * FRAMES * S * C);
    for (int i = 0; i < b->n_branches; i++)
        check_rows(out, i * b->n_frames * S, b->n_frames * S,
                   want + ((int64_t)b->branch[i] * FRAMES + first) * S * C);
}

static void test_propagated(layer *l, const lt_attention_cache *cache)
{
    for (int64_t clip = 0; clip < K; clip++) {
        const int64_t first = golden_int(l->golden, "in.clips", clip);
        const int64_t n = golden_int(l->golden, "in.clips", clip + 1) - first;
        lt_tensor out = { 0 }, match = match_clip(l, clip, first, n);
        lt_batch b3 = three, b2 = two;
        lt_propagate prop = { .cache = cache,
                              .keyframe = clip,
                              .n_grids = 1,
                              .tokens = { S },
                              .match = &match };
        const lt_policy p = lt_propagate_policy(&prop);
        b3.n_frames = b2.n_frames = n;
        OK(evaluate(l, &b3, &p, &out));
        CHECK(l->q.n_read + l->k.n_read + l->v.n_read == 0); /* nothing is computed */
        check_propagated(l, &b3, &out, first);
        lt_tensor_free(&out);
        OK(evaluate(l, &b2, &p, &out));
        check_propagated(l, &b2, &out, first);
        lt_tensor_free(&out);
        prop.tokens[0] = S + 1; /* a grid without matches */
        CHECK(evaluate(l, &b3, &p, &out) == LT_ERR_INTERNAL);
        lt_tensor_free(&out);
        lt_tensor_free(&match);
    }
}

static void test_ties(layer *l)
{
    static const int64_t keep[] = { 0, 1, 2, 4, 5, 7, 12 };
    float score[12];
    memcpy(score, golden(l->golden, "ties.score", 12), sizeof(score));
    lt_tensor scores = lt_tensor_wrap(score, LT_HOST, LT_F32, 1, (int64_t[]){ 12 });
    for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
        char name[32];
        lt_tensor best = { 0 };
        snprintf(name, sizeof(name), "ties.keep.%lld", (long long)keep[i]);
        OK(LT_TENSOR_NEW(&best, l->x.pool, LT_I32, keep[i]));
        OK(l->x.k->top_k(&l->x, &scores, keep[i], &best));
        for (int64_t n = 0; n < keep[i]; n++)
            CHECK(lt_i32(&best)[n] == golden_int(l->golden, name, n));
        lt_tensor_free(&best);
    }
}

/* ---- injection of features, places ------------------------------------------------- */

static void fill_hidden(lt_tensor *t)
{
    for (int64_t i = 0; i < lt_tensor_count(t); i++) lt_f32(t)[i] = (float)i;
}

static void test_hidden(layer *l)
{
    lt_tensor t = { 0 };
    const int64_t sample = 2 * 3 * 4;
    lt_batch b = three;
    b.n_frames = 2;
    OK(LT_TENSOR_NEW(&t, l->x.pool, LT_F32, 6, 2, 3, 4));
    for (int features = 0; features < 2; features++)
        for (int up = -1; up < 4; up++)
            for (int resnet = 0; resnet < 3; resnet++) {
                const lt_inject inj = { .attention = 1, .features = features };
                const lt_hidden_call call = { .x = &l->x,
                                              .path = "here",
                                              .up_block = up,
                                              .resnet = resnet,
                                              .hidden = &t,
                                              .batch = &b };
                const int here = features && up == 1 && resnet == 1;
                fill_hidden(&t);
                OK(lt_inject_hidden(&inj, &call));
                for (int64_t i = 0; i < 6 * sample; i++)
                    CHECK(lt_f32(&t)[i] == (float)(here ? i % (2 * sample) : i));
                CHECK(lt_inject_drop(&inj, 0, up, resnet, &b) == here);
                CHECK(!lt_inject_drop(&inj, 1, up, resnet, &b));
                CHECK(!lt_inject_drop(&inj, 0, up, resnet, &two));
            }
    const lt_inject inj = { .features = 1 };
    lt_batch none = two;
    none.n_frames = 3;
    const lt_hidden_call call = { .x = &l->x,
                                  .path = "here",
                                  .up_block = 1,
                                  .resnet = 1,
                                  .hidden = &t,
                                  .batch = &none };
    CHECK(lt_inject_hidden(&inj, &call) == LT_ERR_INTERNAL);
    lt_tensor_free(&t);
}

static void test_places(void)
{
    const lt_inject on = { .attention = 1 }, off = { .features = 1 };
    for (int up = -1; up < 4; up++)
        for (int at = 0; at < 3; at++) {
            lt_attention_site s = { .kind = LT_SELF_ATTENTION,
                                    .up_block = up,
                                    .attention = at };
            CHECK(lt_inject_site(&on, &s) == (up >= 2 || (up == 1 && at >= 1)));
            CHECK(!lt_inject_site(&off, &s) && !lt_inject_site(NULL, &s));
            s.kind = LT_CROSS_ATTENTION;
            CHECK(!lt_inject_site(&on, &s));
        }
    CHECK(lt_batch_find(&three, LT_BRANCH_EDIT) == 2);
    CHECK(lt_batch_find(&two, LT_BRANCH_EDIT) == 1);
    CHECK(lt_batch_find(&two, LT_BRANCH_SOURCE) == -1);
}

static void test_table(const lt_kernels *k, const lt_weights *g)
{
    layer l;
    lt_comm *comm = NULL;
    lt_attention_cache cache = { 0 };
    printf("%s\n", k->name);
    OK(lt_comm_open_self(&comm));
    open_layer(&l, k, g);
    OK(lt_attention_cache_open(&cache, 1));
    test_plain_and_recorded(&l, &cache);
    test_propagated(&l, &cache);
    lt_attention_cache_close(&cache);
    test_extended(&l, comm, LT_SLIMMING_NONE, 0, "extended.out");
    test_extended(&l, comm, LT_SLIMMING_QUERY, 0, "slim.query.out");
    test_extended(&l, comm, LT_SLIMMING_SHARED, 0, "slim.shared.out");
    test_extended(&l, comm, LT_SLIMMING_NONE, 1, "injected.extended.out");
    test_extended(&l, comm, LT_SLIMMING_QUERY, 1, "injected.slim.out");
    test_alone(&l);
    test_ties(&l);
    test_hidden(&l);
    close_exec(&l.x);
    lt_comm_close(&comm);
}

int main(void)
{
    lt_weights *g = NULL;
    const lt_kernels *k[16];
    OK(lt_weights_open(LT_GOLDEN "/policies.safetensors", &g));
    const int n = lt_kernels_list(k, 16);
    int tested = 0;
    for (int i = 0; i < n; i++)
        if (k[i]->compute == LT_F32) {
            test_table(k[i], g);
            tested++;
        }
    CHECK(tested >= 1);
    test_places();
    lt_weights_close(&g);
    return 0;
}
