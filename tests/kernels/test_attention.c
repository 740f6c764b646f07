#include "check.h"
#include "kernels/kernels.h"

#include <string.h>

/* Every table's attention against the reference, and the promises of the header: bits
 * that depend neither on threads nor on the batch nor on a state in between. */

enum { GUARD = 32, MAX_TABLES = 16, MAX_SETS = 16 };
static const float canary = -77.0f;

typedef struct shape {
    int64_t sets, n_q, n_kv;
    int heads;
    int64_t d;
    int own_keys; /* 1: keys for every set */
    int n_values;
    int causal;
    int lists; /* 1: index lists: empty, a part, all, one key, in turn */
} shape;

typedef struct problem {
    shape s;
    lt_tensor q, k, v[2];
    int32_t *list[MAX_SETS];
    int64_t n_list[MAX_SETS];
} problem;

static lt_pool *pool;

#ifdef LT_AMX_EMULATED
/* The amx_bf16 entry on emulated tiles, beside the reference. */
#include "kernels/attention_impl.h"
enum { FIRST = 1 }; /* the reference is tested without emulation */
static int list_tables(const lt_kernels **k, int cap)
{
    static lt_kernels amx;
    const lt_kernels *all[MAX_TABLES];
    const int n = lt_kernels_list(all, MAX_TABLES);
    CHECK(n >= 1 && cap >= 2);
    k[0] = all[0];
    amx = *all[0];
    amx.name = "amx_bf16 (emulated)";
    amx.path = LT_PATH_AMX_BF16;
    amx.compute = LT_BF16;
    amx.attention = lt_attention_amx_bf16;
    k[1] = &amx;
    return lt_cpu_path_supported(LT_PATH_AVX512_BF16) ? 2 : 1;
}
#else
enum { FIRST = 0 };
static int list_tables(const lt_kernels **k, int cap) { return lt_kernels_list(k, cap); }
#endif

static lt_tensor random_tensor(int64_t a, int64_t b, int64_t c, lt_dtype dtype,
                               float size, uint64_t *seed)
{
    lt_tensor t, r;
    CHECK(LT_TENSOR_NEW(&t, pool, LT_F32, a, b, c) == LT_OK);
    CHECK(LT_TENSOR_NEW(&r, pool, dtype, a, b, c) == LT_OK);
    for (int64_t i = 0; i < a * b * c; i++) lt_f32(&t)[i] = size * check_randf(seed);
    CHECK(lt_tensor_convert(&r, &t) == LT_OK);
    lt_tensor_free(&t);
    return r;
}

static problem new_problem(shape s, lt_dtype dtype, uint64_t seed)
{
    problem p = { .s = s };
    const int64_t width = s.heads * s.d, kv_sets = s.own_keys ? s.sets : 1;
    p.q = random_tensor(s.sets, s.n_q, width, dtype, 3.0f, &seed);
    p.k = random_tensor(kv_sets, s.n_kv, width, dtype, 2.0f, &seed);
    for (int i = 0; i < 2; i++)
        p.v[i] = random_tensor(kv_sets, s.n_kv, width, dtype, 1.0f, &seed);
    for (int64_t i = 0; s.lists && i < s.sets; i++) {
        p.list[i] = malloc(sizeof(int32_t) * (size_t)(s.n_kv + 1));
        CHECK(p.list[i]);
        for (int64_t j = 0; j < s.n_kv; j++)
            if (i % 4 == 2 || (i % 4 == 1 && check_rand(&seed) % 3 == 0) ||
                (i % 4 == 3 && j == s.n_kv / 2))
                p.list[i][p.n_list[i]++] = (int32_t)j;
    }
    return p;
}

static void free_problem(problem *p)
{
    lt_tensor_free(&p->q);
    lt_tensor_free(&p->k);
    for (int i = 0; i < 2; i++) lt_tensor_free(&p->v[i]);
    for (int i = 0; i < MAX_SETS; i++) free(p->list[i]);
}

/* An output with canaries behind it; `own` holds the memory. */
static lt_tensor guarded(const lt_tensor *q, lt_tensor *own)
{
    const int64_t n = lt_tensor_count(q);
    CHECK(LT_TENSOR_NEW(own, pool, q->dtype, n + GUARD) == LT_OK);
    for (int64_t i = 0; i < n + GUARD; i++)
        if (q->dtype == LT_F32)
            lt_f32(own)[i] = canary;
        else
            lt_u16(own)[i] = lt_bf16_from_f32(canary);
    return lt_tensor_wrap(own->data, LT_HOST, q->dtype, q->ndim, q->shape);
}

static float at(const lt_tensor *t, int64_t i)
{
    return t->dtype == LT_F32 ? lt_f32(t)[i] : lt_f32_from_bf16(lt_u16(t)[i]);
}

static void set(const lt_tensor *t, int64_t i, float v)
{
    if (t->dtype == LT_F32)
        lt_f32(t)[i] = v;
    else
        lt_u16(t)[i] = lt_bf16_from_f32(v);
}

static void check_guard(const lt_tensor *own, int64_t n)
{
    for (int64_t i = n; i < n + GUARD; i++) CHECK(at(own, i) == canary);
}

static lt_attention_args args_of(const problem *p, lt_tensor *out,
                                 lt_attention_state *state)
{
    lt_attention_args a = { .q = &p->q,
                            .k = &p->k,
                            .v = { &p->v[0], p->s.n_values > 1 ? &p->v[1] : NULL },
                            .n_values = p->s.n_values,
                            .heads = p->s.heads,
                            .scale = 1.0f / sqrtf((float)p->s.d),
                            .causal = p->s.causal,
                            .state = state };
    for (int i = 0; out && i < p->s.n_values; i++) a.out[i] = &out[i];
    if (p->s.lists) {
        a.index = (const int32_t *const *)p->list;
        a.n_index = p->n_list;
    }
    return a;
}

/* max|a - b| / max|b|, infinite when a NaN stands on one side only. */
static double distance(const lt_tensor *a, const lt_tensor *b)
{
    double most = 0, size = 1e-30;
    for (int64_t i = 0; i < lt_tensor_count(b); i++) {
        const float x = at(a, i), y = at(b, i);
        if (isnan(x) != isnan(y)) return INFINITY;
        if (isnan(x)) continue;
        if (fabsf(y) > size) size = fabsf(y);
        if (fabsf(x - y) > most) most = fabsf(x - y);
    }
    return most / size;
}

static int same_bits(const lt_tensor *a, const lt_tensor *b)
{
    return lt_tensor_bytes(a) == lt_tensor_bytes(b) &&
           memcmp(a->data, b->data, lt_tensor_bytes(a)) == 0;
}

static double tolerance(const lt_kernels *k)
{
    return k->compute == LT_F32 ? 2e-5 : 2e-2;
}

static lt_exec exec_of(const lt_kernels *k, lt_threads *threads)
{
    return (lt_exec){ .k = k, .threads = threads, .pool = pool };
}

/* Run once and compare with the reference. */
static void check_one(const lt_kernels *ref, const lt_kernels *k, const problem *p)
{
    lt_tensor own[4], out[4];
    const lt_exec xr = exec_of(ref, NULL), xk = exec_of(k, NULL);
    for (int i = 0; i < 4; i++) out[i] = guarded(&p->q, &own[i]);
    const lt_attention_args want = args_of(p, out, NULL), got = args_of(p, out + 2, NULL);
    CHECK(ref->attention(&xr, &want) == LT_OK);
    CHECK(k->attention(&xk, &got) == LT_OK);
    for (int i = 0; i < p->s.n_values; i++) {
        const double e = distance(&out[2 + i], &out[i]);
        if (!(e <= tolerance(k))) {
            fprintf(
                stderr,
                "attention %s: sets %lld q %lld kv %lld heads %d d %lld own %d values "
                "%d causal %d lists %d: error %g\n",
                k->name, (long long)p->s.sets, (long long)p->s.n_q, (long long)p->s.n_kv,
                p->s.heads, (long long)p->s.d, p->s.own_keys, p->s.n_values, p->s.causal,
                p->s.lists, e);
            exit(1);
        }
    }
    for (int i = 0; i < 4; i++) {
        check_guard(&own[i], lt_tensor_count(&p->q));
        lt_tensor_free(&own[i]);
    }
}

static void check_shapes(const lt_kernels *ref, const lt_kernels *k, lt_dtype dtype)
{
    static const int64_t dims[] = {
        1, 7, 16, 24, 32, 40, 64, 80, 96, 128, 131, 160, 512
    };
    static const int64_t sizes[][2] = { { 1, 1 },   { 1, 0 },    { 5, 77 },   { 33, 64 },
                                        { 7, 129 }, { 97, 130 }, { 200, 31 }, { 0, 5 } };
    static const shape kinds[] = {
        { .sets = 1, .heads = 1, .n_values = 1 },
        { .sets = 2, .heads = 3, .n_values = 2 },
        { .sets = 3, .heads = 2, .n_values = 1, .own_keys = 1 },
        { .sets = 4, .heads = 1, .n_values = 2, .lists = 1 },
        { .sets = 3, .heads = 2, .n_values = 1, .own_keys = 1, .lists = 1 },
        { .sets = 2, .heads = 1, .n_values = 1, .causal = 1 },
    };
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++)
        for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++) {
            shape s = kinds[(i + j) % (sizeof(kinds) / sizeof(*kinds))];
            s.d = dims[i];
            s.n_q = sizes[j][0];
            s.n_kv = s.causal ? s.n_q : sizes[j][1];
            problem p = new_problem(s, dtype, seed++);
            check_one(ref, k, &p);
            free_problem(&p);
        }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        shape s = kinds[i]; /* every kind over several blocks and tiles */
        s.d = 40;
        s.n_q = 211;
        s.n_kv = s.causal ? 211 : 300;
        problem p = new_problem(s, dtype, seed++);
        check_one(ref, k, &p);
        free_problem(&p);
    }
}

static void run(const lt_kernels *k, lt_threads *threads, const problem *p,
                lt_tensor *out)
{
    const lt_exec x = exec_of(k, threads);
    for (int i = 0; i < p->s.n_values; i++)
        CHECK(lt_tensor_new(&out[i], pool, p->q.dtype, 3, p->q.shape) == LT_OK);
    const lt_attention_args a = args_of(p, out, NULL);
    CHECK(k->attention(&x, &a) == LT_OK);
}

static const shape bit_shapes[] = {
    { 3, 203, 307, 2, 40, 0, 1, 0, 0 },  { 3, 203, 307, 2, 40, 0, 2, 0, 1 },
    { 2, 390, 260, 1, 64, 1, 1, 0, 0 },  { 2, 199, 199, 2, 33, 0, 1, 1, 0 },
    { 1, 100, 300, 1, 160, 0, 2, 0, 0 }, { 16, 24, 130, 3, 40, 0, 1, 0, 0 },
    { 16, 9, 50, 2, 32, 1, 1, 0, 1 },    { 2, 250, 260, 1, 512, 1, 1, 0, 1 },
};
enum { N_BIT_SHAPES = sizeof(bit_shapes) / sizeof(*bit_shapes) };

static void check_threads(const lt_kernels *k)
{
    for (int i = 0; i < N_BIT_SHAPES; i++) {
        problem p = new_problem(bit_shapes[i], k->compute, 7);
        lt_tensor one[2], more[2];
        run(k, NULL, &p, one);
        for (int n = 1; n <= 3; n++) {
            lt_threads *threads;
            CHECK(lt_kernels_threads_open(n, &threads) == LT_OK);
            run(k, threads, &p, more);
            for (int v = 0; v < p.s.n_values; v++) {
                CHECK(same_bits(&more[v], &one[v]));
                lt_tensor_free(&more[v]);
            }
            lt_threads_close(threads);
        }
        for (int v = 0; v < p.s.n_values; v++) lt_tensor_free(&one[v]);
        free_problem(&p);
    }
}

/* A set alone gives the bits that it has in the batch. */
static void check_batch(const lt_kernels *k)
{
    for (int i = 0; i < N_BIT_SHAPES; i++) {
        problem p = new_problem(bit_shapes[i], k->compute, 8);
        lt_tensor all[2];
        run(k, NULL, &p, all);
        for (int64_t s = 0; s < p.s.sets; s++) {
            lt_tensor one[2], part;
            problem alone = p;
            alone.s.sets = 1;
            alone.q = lt_tensor_rows(&p.q, s, 1);
            alone.k = lt_tensor_rows(&p.k, p.s.own_keys ? s : 0, 1);
            for (int v = 0; v < 2; v++)
                alone.v[v] = lt_tensor_rows(&p.v[v], p.s.own_keys ? s : 0, 1);
            alone.list[0] = p.list[s];
            alone.n_list[0] = p.n_list[s];
            run(k, NULL, &alone, one);
            for (int v = 0; v < p.s.n_values; v++) {
                part = lt_tensor_rows(&all[v], s, 1);
                CHECK(same_bits(&one[v], &part));
                lt_tensor_free(&part);
                lt_tensor_free(&one[v]);
            }
            memset(alone.list, 0, sizeof(alone.list));
            free_problem(&alone);
        }
        for (int v = 0; v < p.s.n_values; v++) lt_tensor_free(&all[v]);
        free_problem(&p);
    }
}

/* Fold the keys [first, first + n) into the state. */
static void fold(const lt_kernels *k, const problem *p, lt_attention_state *state,
                 int64_t first, int64_t n)
{
    const lt_exec x = exec_of(k, NULL);
    const int64_t width = p->s.heads * p->s.d, shape3[3] = { 1, n, width };
    const size_t skip = (size_t)(first * width) * lt_dtype_size(p->q.dtype);
    problem part = *p;
    part.k = lt_tensor_wrap((char *)p->k.data + skip, LT_HOST, p->q.dtype, 3, shape3);
    for (int v = 0; v < 2; v++)
        part.v[v] =
            lt_tensor_wrap((char *)p->v[v].data + skip, LT_HOST, p->q.dtype, 3, shape3);
    const lt_attention_args a = args_of(&part, NULL, state);
    CHECK(k->attention(&x, &a) == LT_OK);
}

static void finish(const lt_kernels *k, const problem *p, lt_attention_state *state,
                   lt_tensor *out)
{
    const lt_exec x = exec_of(k, NULL);
    for (int i = 0; i < p->s.n_values; i++)
        CHECK(lt_tensor_new(&out[i], pool, p->q.dtype, 3, p->q.shape) == LT_OK);
    lt_tensor *const to[2] = { &out[0], &out[1] };
    CHECK(k->attention_finish(&x, state, to) == LT_OK);
}

static void check_state(const lt_kernels *k)
{
    for (int i = 0; i < N_BIT_SHAPES; i++) {
        problem p = new_problem(bit_shapes[i], k->compute, 9);
        const lt_exec x = exec_of(k, NULL);
        lt_attention_state state;
        lt_tensor whole[2], chunk[2];
        run(k, NULL, &p, whole);
        CHECK(lt_attention_state_new(&x, p.s.sets, p.s.n_q, p.s.heads, p.s.d,
                                     p.s.n_values, &state) == LT_OK);
        const lt_attention_args a = args_of(&p, NULL, &state);
        CHECK(k->attention(&x, &a) == LT_OK);
        finish(k, &p, &state, chunk);
        for (int v = 0; v < p.s.n_values; v++) {
            CHECK(same_bits(&whole[v], &chunk[v]));
            lt_tensor_free(&chunk[v]);
        }
        lt_attention_state_free(&state);

        if (!p.s.causal && !p.s.lists && !p.s.own_keys) {
            CHECK(lt_attention_state_new(&x, p.s.sets, p.s.n_q, p.s.heads, p.s.d,
                                         p.s.n_values, &state) == LT_OK);
            fold(k, &p, &state, 0, 100);
            fold(k, &p, &state, 100, 0);
            fold(k, &p, &state, 100, 1);
            fold(k, &p, &state, 101, p.s.n_kv - 101);
            finish(k, &p, &state, chunk);
            for (int v = 0; v < p.s.n_values; v++) {
                CHECK(distance(&chunk[v], &whole[v]) <= tolerance(k));
                lt_tensor_free(&chunk[v]);
            }
            lt_attention_state_free(&state);
        }
        for (int v = 0; v < p.s.n_values; v++) lt_tensor_free(&whole[v]);
        free_problem(&p);
    }
}

/* Equal scores weigh equally: the answer is the mean of the values, also where scores
 * are huge or the scale is 0; a NaN reaches its own row and no other. */
static void check_special(const lt_kernels *ref, const lt_kernels *k)
{
    problem p = new_problem((shape){ 1, 50, 150, 1, 40, 0, 1, 0, 0 }, k->compute, 3);
    const int64_t n = 150, d = 40;
    for (int pass = 0; pass < 3; pass++) {
        lt_tensor out;
        const lt_exec x = exec_of(k, NULL);
        for (int64_t i = 0; pass < 2 && i < n * d; i++) set(&p.k, i, pass ? 1e4f : 0.0f);
        CHECK(lt_tensor_new(&out, pool, p.q.dtype, 3, p.q.shape) == LT_OK);
        lt_attention_args a = args_of(&p, &out, NULL);
        if (pass == 2) a.scale = 0;
        CHECK(k->attention(&x, &a) == LT_OK);
        for (int64_t c = 0; c < d; c++) {
            double mean = 0;
            for (int64_t j = 0; j < n; j++) mean += at(&p.v[0], j * d + c) / (double)n;
            for (int64_t i = 0; i < 50; i++)
                CHECK(fabs(at(&out, i * d + c) - mean) <= tolerance(k));
        }
        lt_tensor_free(&out);
    }
    set(&p.q, 17 * d + 3, NAN);
    check_one(ref, k, &p);
    free_problem(&p);

    /* a later block beats the earlier ones by far: what was summed is scaled away */
    p = new_problem((shape){ 1, 9, 500, 1, 16, 0, 1, 0, 0 }, k->compute, 4);
    for (int64_t i = 0; i < 500 * 16; i++) {
        set(&p.k, i, at(&p.k, i) * (float)(1 + i / 16 / 64 * 10));
    }
    check_one(ref, k, &p);
    free_problem(&p);
}

/* A million keys for one tile of queries: no memory that grows with them, and sums that
 * stay exact enough (values of one sign: a mean of random signs is all cancellation). */
static void check_long(const lt_kernels *ref, const lt_kernels *k)
{
    problem p = new_problem((shape){ 1, 3, 1000000, 1, 8, 0, 1, 0, 0 }, k->compute, 5);
    for (int64_t i = 0; i < 1000000 * 8; i++) set(&p.v[0], i, fabsf(at(&p.v[0], i)));
    lt_pool_reset_peak(pool);
    const size_t before = lt_pool_used(pool);
    lt_tensor out;
    run(k, NULL, &p, &out);
    CHECK(lt_pool_peak(pool) - before < (size_t)8 << 20);
    lt_tensor_free(&out);
    check_one(ref, k, &p);
    free_problem(&p);
}

static void check_errors(const lt_kernels *k)
{
    problem p = new_problem((shape){ 2, 6, 9, 2, 8, 0, 1, 0, 1 }, k->compute, 6);
    const lt_exec x = exec_of(k, NULL);
    lt_tensor out;
    CHECK(lt_tensor_new(&out, pool, p.q.dtype, 3, p.q.shape) == LT_OK);
    const lt_attention_args good = args_of(&p, &out, NULL);
    CHECK(k->attention(&x, &good) == LT_OK);

    lt_attention_args bad = good;
    bad.heads = 3;
    CHECK(k->attention(&x, &bad) == LT_ERR_SHAPE);
    bad = good;
    bad.n_values = 3;
    CHECK(k->attention(&x, &bad) == LT_ERR_ARG);
    bad = good;
    bad.v[0] = &p.q;
    CHECK(k->attention(&x, &bad) == LT_ERR_SHAPE);
    bad = good;
    bad.out[0] = &p.k;
    CHECK(k->attention(&x, &bad) == LT_ERR_SHAPE);
    bad = good;
    bad.causal = 1;
    CHECK(k->attention(&x, &bad) == LT_ERR_SHAPE);

    lt_pool *small;
    CHECK(lt_pool_open(&small, LT_HOST, "small", 100) == LT_OK);
    const lt_exec poor = { .k = k, .pool = small };
    CHECK(k->attention(&poor, &good) == LT_ERR_NOMEM);
    CHECK(lt_pool_used(small) == 0);
    lt_pool_close(&small);

    const int32_t first = p.list[1][0];
    p.list[1][0] = 9;
    CHECK(p.n_list[1] > 0 && k->attention(&x, &good) == LT_ERR_ARG);
    CHECK(p.n_list[1] > 1);
    p.list[1][0] = p.list[1][1]; /* twice, then out of order */
    CHECK(k->attention(&x, &good) == LT_ERR_ARG);
    p.list[1][0] = 8;
    CHECK(k->attention(&x, &good) == LT_ERR_ARG);
    p.list[1][0] = first;
    CHECK(k->attention(&x, &good) == LT_OK);
    lt_tensor_free(&out);
    free_problem(&p);
}

/* An earlier table has the same entry. */
static int known(const lt_kernels *const *k, int t)
{
    for (int i = 0; i < t; i++)
        if (k[i]->attention == k[t]->attention) return 1;
    return 0;
}

int main(void)
{
    const lt_kernels *k[MAX_TABLES];
    const int n = list_tables(k, MAX_TABLES);
    CHECK(n >= 1 && strcmp(k[0]->name, "ref") == 0);
    CHECK(lt_pool_open(&pool, LT_HOST, "test", 0) == LT_OK);
    for (int t = FIRST; t < n; t++) {
        if (known(k, t)) continue;
        check_shapes(k[0], k[t], k[t]->compute);
        if (k[t]->compute != LT_F32) check_shapes(k[0], k[t], LT_F32);
        check_threads(k[t]);
        check_batch(k[t]);
        check_state(k[t]);
        check_special(k[0], k[t]);
        if (t > 0) check_long(k[0], k[t]);
        check_errors(k[t]);
        printf("ok   attention %s\n", k[t]->name);
    }
    CHECK(lt_pool_used(pool) == 0);
    lt_pool_close(&pool);
    return n > 1 ? 0 : TEST_SKIP;
}
