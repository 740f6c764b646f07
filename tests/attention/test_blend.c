/* Propagation from two keyframes with matches found in the pass, on every table of this
 * CPU: what is gathered, how it is mixed, when the source may go; and the keyframe in
 * front of a rank's own, which another rank sends. */
#include "attention_test.h"

enum { K = 3, H = 3, W = 4, S = H * W, C = 16, FRAMES = 2, BRANCHES = 3, OWN = 1 };

static const lt_batch keyframes = { .n_branches = BRANCHES,
                                    .branch = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE,
                                                LT_BRANCH_EDIT },
                                    .n_frames = K };
static const lt_attention_site place = {
    .path = "up_blocks.3.attentions.2", .h = H, .w = W, .heads = 2, .head_dim = C / 2
};

/* ---- data -------------------------------------------------------------------------- */

/* Values of the compute type, read and written as f32. */
static lt_tensor tensor_of(const lt_exec *x, const float *v, int64_t n)
{
    lt_tensor t = { 0 };
    lt_tensor f =
        lt_tensor_wrap((void *)(uintptr_t)v, LT_HOST, LT_F32, 3, (int64_t[]){ n, S, C });
    OK(LT_TENSOR_NEW(&t, x->pool, x->k->compute, n, S, C));
    if (t.dtype == LT_F32)
        OK(lt_tensor_copy(&t, &f, NULL));
    else
        OK(x->k->convert(x, &f, &t));
    return t;
}

static void values_of(const lt_exec *x, const lt_tensor *t, float *v)
{
    lt_tensor f = lt_tensor_wrap(v, LT_HOST, LT_F32, t->ndim, t->shape);
    if (t->dtype == LT_F32)
        OK(lt_tensor_copy(&f, t, NULL));
    else
        OK(x->k->convert(x, t, &f));
}

/* Attention output of branch b of keyframe k: a number of its own for every row, exact in
 * bf16. */
static float output_of(int64_t seed, int64_t b, int64_t k, int64_t row, int64_t c)
{
    return (float)((seed * 7 + b * 61 + k * 17 + row * 5 + c) % 200 - 100);
}

/* Input token `row` of keyframe k: the tokens of every keyframe are the same 12 vectors,
 * turned on by k, so keyframe k holds vector (row + k) % S. */
static float vector(int64_t n, int64_t c)
{
    uint64_t s = (uint64_t)(1000 + n * C + c);
    return check_randf(&s);
}

typedef struct outputs {
    const lt_exec *x;
    int64_t seed;
} outputs;

static lt_status give_output(void *self, const lt_attention_call *call)
{
    const outputs *o = self;
    const int64_t n = call->batch->n_frames;
    float *v = room((size_t)(BRANCHES * n * S * C) * sizeof(*v));
    for (int64_t i = 0; i < BRANCHES * n * S * C; i++)
        v[i] = output_of(o->seed, i / C / S / n, i / C / S % n, i / C % S, i % C);
    lt_tensor t = tensor_of(o->x, v, BRANCHES * n);
    OK(lt_tensor_copy(call->out, &t, NULL));
    lt_tensor_free(&t);
    free(v);
    return LT_OK;
}

/* Record K keyframes of rank `seed`. */
static void record(const lt_exec *x, int64_t seed, lt_attention_cache *cache)
{
    float in[BRANCHES * K * S * C];
    outputs o = { .x = x, .seed = seed };
    for (int64_t i = 0; i < BRANCHES * K * S * C; i++) {
        const int64_t branch = i / C / S / K, k = i / C / S % K, row = i / C % S;
        in[i] = branch == 0 ? vector((row + k) % S, i % C) : 0;
    }
    lt_record_attention rec = { .inner = { .self = &o, .self_attention = give_output },
                                .cache = cache,
                                .with_rows = 1 };
    const lt_policy p = lt_record_policy(&rec);
    lt_tensor t = tensor_of(x, in, BRANCHES * K), out = { 0 };
    OK(LT_TENSOR_NEW(&out, x->pool, x->k->compute, BRANCHES * K, S, C));
    const lt_attention_call call = {
        .x = x, .site = &place, .batch = &keyframes, .in = &t, .out = &out
    };
    OK(p.self_attention(p.self, &call));
    lt_tensor_free(&t);
    lt_tensor_free(&out);
}

/* Vector that token `row` of frame f shows. */
static int64_t shown(int64_t f, int64_t row) { return (5 * row + f) % S; }

/* Where keyframe k holds it. */
static int64_t held(int64_t k, int64_t n) { return (n + S - k) % S; }

static lt_status propagate(const lt_exec *x, lt_propagate *p, const lt_batch *b,
                           float *out)
{
    float in[BRANCHES * FRAMES * S * C] = { 0 };
    const int64_t n = b->n_branches * FRAMES;
    for (int64_t i = 0; b->branch[0] == LT_BRANCH_SOURCE && i < FRAMES * S * C; i++)
        in[i] = 3 * vector(shown(i / C / S, i / C % S), i % C); /* length is no matter */
    const lt_policy policy = lt_propagate_policy(p);
    lt_tensor t = tensor_of(x, in, n), o = { 0 };
    OK(LT_TENSOR_NEW(&o, x->pool, x->k->compute, n, S, C));
    const lt_attention_call call = {
        .x = x, .site = &place, .batch = b, .in = &t, .out = &o
    };
    const lt_status st = policy.self_attention(policy.self, &call);
    if (st == LT_OK) values_of(x, &o, out);
    lt_tensor_free(&t);
    lt_tensor_free(&o);
    return st;
}

/* ---- what comes out ---------------------------------------------------------------- */

static void check_output(const float *out, const float *weight, float limit)
{
    for (int64_t i = 0; i < BRANCHES * FRAMES * S * C; i++) {
        const int64_t b = i / C / S / FRAMES, f = i / C / S % FRAMES, row = i / C % S;
        const int64_t n = shown(f, row), c = i % C;
        const float own = output_of(0, b, OWN, held(OWN, n), c);
        const float before = output_of(0, b, OWN - 1, held(OWN - 1, n), c);
        const float w = weight ? weight[f] : 1;
        CHECK(check_close(out[i], w * own + (1 - w) * before, limit));
    }
}

static void test_table(const lt_kernels *k)
{
    const float weight[FRAMES] = { 0.6225f, 0.7311f };
    float out[BRANCHES * FRAMES * S * C];
    lt_exec x = open_exec(k);
    lt_attention_cache cache = { 0 };
    lt_tensor view = { 0 };
    lt_batch b = keyframes, two = keyframes;
    b.n_frames = two.n_frames = FRAMES;
    two.n_branches = 2;
    two.branch[0] = LT_BRANCH_NEGATIVE;
    two.branch[1] = LT_BRANCH_EDIT;
    OK(lt_attention_cache_open(&cache, 1));
    record(&x, 0, &cache);
    lt_propagate p = { .cache = &cache, .keyframe = OWN };
    OK(propagate(&x, &p, &b, out));
    check_output(out, NULL, 0);
    p.weight = weight;
    OK(propagate(&x, &p, &b, out));
    check_output(out, weight, k->compute == LT_F32 ? 1e-6f : 8e-3f);
    FAILS(LT_ERR_INTERNAL, "source", propagate(&x, &p, &two, out));
    p.keyframe = 0; /* nobody has sent the one in front */
    FAILS(LT_ERR_INTERNAL, "frame -1", propagate(&x, &p, &b, out));
    FAILS(LT_ERR_INTERNAL, "not recorded", lt_attention_cache_rows(&cache, 0, K, &view));
    lt_attention_cache_close(&cache);
    close_exec(&x);
}

/* The source stays until the last self-attention has passed. */
static void test_drop(void)
{
    const lt_inject inject = { .features = 1 };
    lt_propagate p = { .inject = &inject };
    const lt_policy policy = lt_propagate_policy(&p);
    lt_batch alone = keyframes;
    alone.n_branches = 1;
    CHECK(policy.drop_branches(policy.self, 1, 1, -1, &keyframes) == 0);
    p.passed_last = 1;
    CHECK(policy.drop_branches(policy.self, 3, -1, 2, &keyframes) == 1);
    CHECK(policy.drop_branches(policy.self, 3, -1, 2, &alone) == 0);
    p.n_grids = 1; /* given matches: behind the injected features */
    CHECK(policy.drop_branches(policy.self, 3, -1, 2, &keyframes) == 0);
    CHECK(policy.drop_branches(policy.self, 1, 1, -1, &keyframes) == 1);
}

/* adaflow.md 1.7: clips of 8, the frames of the second. */
static void test_weights(void)
{
    const float want[8] = {
        .6225f, .6514f, .6792f, .7058f, .7311f, .7109f, .6971f, .6869f
    };
    for (int64_t f = 0; f < 8; f++)
        CHECK(fabsf(lt_propagate_weight(8 + f, 12, 4) - want[f]) <= 5e-5f);
    CHECK(lt_propagate_weight(5, 9, 5) == 0.5f); /* on the other centre */
}

/* Each rank gets the last keyframe of the one below, the first one none. */
static void test_pass(lt_comm *comm, const lt_kernels *k)
{
    lt_exec x = open_exec(k);
    lt_attention_cache cache = { 0 };
    const int rank = lt_comm_rank(comm), size = lt_comm_size(comm);
    const lt_cache_neighbours n = { .from = rank - 1,
                                    .to = rank + 1 < size ? rank + 1 : -1,
                                    .send_first = rank % 2 == 0 };
    lt_tensor view = { 0 };
    int64_t bytes = 0;
    OK(lt_attention_cache_open(&cache, 1));
    record(&x, rank, &cache);
    if (rank > 0) OK(lt_attention_cache_room(&cache, &x));
    OK(lt_attention_cache_pass(&cache, comm, &n, &bytes));
    CHECK(bytes ==
          (rank > 0) * (BRANCHES + 1) * S * C * (int64_t)lt_dtype_size(k->compute));
    for (int b = 0; rank > 0 && b < BRANCHES; b++) {
        float got[S * C];
        OK(lt_attention_cache_frame(&cache, 0, keyframes.branch[b], -1, &view));
        values_of(&x, &view, got);
        for (int64_t i = 0; i < S * C; i++)
            CHECK(got[i] == output_of(rank - 1, b, K - 1, i / C, i % C));
        lt_tensor_free(&view);
    }
    if (rank == 0)
        FAILS(LT_ERR_INTERNAL, "frame -1",
              lt_attention_cache_frame(&cache, 0, LT_BRANCH_EDIT, -1, &view));
    lt_attention_cache_close(&cache);
    close_exec(&x);
}

int main(int argc, char **argv)
{
    lt_comm *comm = NULL;
    const lt_kernels *k[16];
    const int n = lt_kernels_list(k, 16);
    OK(lt_comm_open_world(&argc, &argv, &comm));
    for (int i = 0; i < n; i++) {
        if (lt_comm_size(comm) == 1) test_table(k[i]);
        test_pass(comm, k[i]);
    }
    test_drop();
    test_weights();
    lt_comm_close(&comm);
    return 0;
}
