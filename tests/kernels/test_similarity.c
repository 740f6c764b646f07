#include "check.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"

#include <string.h>

/* best_match, top_k, unit_rows and gather_rows of every table against the reference. */

enum { GUARD = 32, MAX_TABLES = 16 };

static lt_pool *pool;

#ifdef LT_AMX_EMULATED
/* The amx_bf16 entry on emulated tiles, beside the reference. */
#include "kernels/similarity_impl.h"
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
    amx.best_match = lt_best_match_amx_bf16;
    k[1] = &amx;
    return lt_cpu_path_supported(LT_PATH_AVX512_BF16) ? 2 : 1;
}
#else
enum { FIRST = 0 };
static int list_tables(const lt_kernels **k, int cap) { return lt_kernels_list(k, cap); }
#endif

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

static lt_tensor new_matrix(int64_t n, int64_t c, lt_dtype dtype)
{
    lt_tensor t;
    CHECK(LT_TENSOR_NEW(&t, pool, dtype, n, c) == LT_OK);
    return t;
}

static lt_tensor random_matrix(int64_t n, int64_t c, lt_dtype dtype, uint64_t seed)
{
    lt_tensor t = new_matrix(n, c, dtype);
    for (int64_t i = 0; i < n * c; i++) set(&t, i, check_randf(&seed));
    return t;
}

/* Small whole numbers: every path computes the exact product, so ties are exact too. */
static lt_tensor whole_matrix(int64_t n, int64_t c, lt_dtype dtype, uint64_t seed)
{
    lt_tensor t = new_matrix(n, c, dtype);
    for (int64_t i = 0; i < n * c; i++) set(&t, i, (float)(check_rand(&seed) % 3) - 1.0f);
    return t;
}

typedef struct answer {
    lt_tensor own_index, own_value, index, value;
} answer;

static answer match(const lt_kernels *k, lt_threads *threads, const lt_tensor *a,
                    const lt_tensor *b)
{
    answer w;
    const int64_t n = a->shape[0];
    const lt_exec x = { .k = k, .threads = threads, .pool = pool };
    CHECK(LT_TENSOR_NEW(&w.own_index, pool, LT_I32, n + GUARD) == LT_OK);
    CHECK(LT_TENSOR_NEW(&w.own_value, pool, LT_F32, n + GUARD) == LT_OK);
    for (int64_t i = 0; i < n + GUARD; i++) {
        lt_i32(&w.own_index)[i] = -77;
        lt_f32(&w.own_value)[i] = -77.0f;
    }
    w.index = lt_tensor_wrap(w.own_index.data, LT_HOST, LT_I32, 1, &n);
    w.value = lt_tensor_wrap(w.own_value.data, LT_HOST, LT_F32, 1, &n);
    const lt_best_match_args args = { a, b, &w.index, &w.value, 7 };
    CHECK(k->best_match(&x, &args) == LT_OK);
    for (int64_t i = n; i < n + GUARD; i++)
        CHECK(lt_i32(&w.own_index)[i] == -77 && lt_f32(&w.own_value)[i] == -77.0f);
    return w;
}

static void free_answer(answer *w)
{
    lt_tensor_free(&w->own_index);
    lt_tensor_free(&w->own_value);
}

static double product(const lt_tensor *a, const lt_tensor *b, int64_t p, int64_t q)
{
    double sum = 0;
    const int64_t c = a->shape[1];
    for (int64_t i = 0; i < c; i++) sum += (double)at(a, p * c + i) * at(b, q * c + i);
    return sum;
}

/* The value within tolerance of the reference, and the index one that has this value:
 * among nearly equal rows rounding may choose. */
static void check_match(const lt_kernels *ref, const lt_kernels *k, const lt_tensor *a,
                        const lt_tensor *b, int exact)
{
    answer want = match(ref, NULL, a, b), got = match(k, NULL, a, b);
    const int bf16 = k->compute == LT_BF16 && a->dtype == LT_F32;
    const double tolerance = (bf16 ? 1e-2 : 2e-6) * sqrt((double)a->shape[1] + 1);
    for (int64_t p = 0; p < a->shape[0]; p++) {
        const int32_t q = lt_i32(&got.index)[p];
        const float v = lt_f32(&got.value)[p], w = lt_f32(&want.value)[p];
        CHECK(q >= 0 && q < b->shape[0]);
        CHECK(fabs(v - w) <= tolerance);
        CHECK(fabs(product(a, b, p, q) - w) <= tolerance);
        if (exact) CHECK(v == w && q == lt_i32(&want.index)[p]);
    }
    free_answer(&want);
    free_answer(&got);
}

static void check_matches(const lt_kernels *ref, const lt_kernels *k)
{
    static const int64_t sizes[][3] = { { 1, 1, 1 },     { 5, 77, 40 },
                                        { 97, 130, 33 }, { 200, 63, 64 },
                                        { 6, 2100, 17 }, { 0, 4, 8 },
                                        { 33, 65, 640 }, { 100, 129, 320 } };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (int d = 0; d < 2; d++) {
            const lt_dtype dtype = d ? LT_BF16 : LT_F32;
            const int64_t n = sizes[i][0], m = sizes[i][1], c = sizes[i][2];
            lt_tensor a = random_matrix(n, c, dtype, 10 + i);
            lt_tensor b = random_matrix(m, c, dtype, 20 + i);
            lt_tensor x = whole_matrix(n, c, dtype, 30 + i);
            lt_tensor y = whole_matrix(m, c, dtype, 40 + i);
            check_match(ref, k, &a, &b, 0);
            check_match(ref, k, &x, &y, 1);
            for (int64_t j = 0; j < m * c; j++) set(&y, j, -1.0f); /* all rows equal */
            check_match(ref, k, &x, &y, 1);
            lt_tensor_free(&a);
            lt_tensor_free(&b);
            lt_tensor_free(&x);
            lt_tensor_free(&y);
        }
}

/* A NaN is never the best, and a row of NaN has no better answer than the first. */
static void check_match_nan(const lt_kernels *ref, const lt_kernels *k)
{
    lt_tensor a = whole_matrix(9, 32, LT_F32, 1), b = whole_matrix(200, 32, LT_F32, 2);
    set(&b, 0, NAN);
    set(&b, 70 * 32 + 5, NAN);
    set(&a, 3 * 32, NAN);
    answer want = match(ref, NULL, &a, &b), got = match(k, NULL, &a, &b);
    for (int64_t p = 0; p < 9; p++) {
        CHECK(lt_i32(&got.index)[p] == lt_i32(&want.index)[p]);
        CHECK(lt_f32(&got.value)[p] == lt_f32(&want.value)[p]);
    }
    CHECK(lt_i32(&got.index)[3] == 0 && lt_f32(&got.value)[3] == -INFINITY);
    free_answer(&want);
    free_answer(&got);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
}

/* A row's answer has the same bits on every number of threads and alone. */
static void check_match_bits(const lt_kernels *k)
{
    lt_tensor a = random_matrix(230, 65, k->compute, 3);
    lt_tensor b = random_matrix(1500, 65, k->compute, 4);
    answer one = match(k, NULL, &a, &b);
    for (int n = 1; n <= 3; n++) {
        lt_threads *threads;
        CHECK(lt_kernels_threads_open(n, &threads) == LT_OK);
        answer more = match(k, threads, &a, &b);
        CHECK(memcmp(more.index.data, one.index.data, 230 * 4) == 0);
        CHECK(memcmp(more.value.data, one.value.data, 230 * 4) == 0);
        free_answer(&more);
        lt_threads_close(threads);
    }
    for (int64_t p = 0; p < 230; p += 37) {
        lt_tensor row = lt_tensor_rows(&a, p, 1);
        answer alone = match(k, NULL, &row, &b);
        CHECK(lt_i32(&alone.index)[0] == lt_i32(&one.index)[p]);
        CHECK(memcmp(alone.value.data, lt_f32(&one.value) + p, 4) == 0);
        free_answer(&alone);
        lt_tensor_free(&row);
    }
    free_answer(&one);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
}

/* A million rows of b: the scratch stays small and the first of two equal rows wins. */
static void check_match_long(const lt_kernels *k)
{
    enum { N = 1000000, C = 4 };
    lt_tensor a = new_matrix(2, C, k->compute), b = random_matrix(N, C, k->compute, 5);
    for (int i = 0; i < C; i++) {
        set(&a, i, 1.0f);
        set(&a, C + i, -1.0f);
        set(&b, 700001 * C + i, 2.0f);
        set(&b, 999999 * C + i, 2.0f);
        set(&b, 3 * C + i, -2.0f);
        set(&b, 123456 * C + i, -2.0f);
    }
    lt_pool_reset_peak(pool);
    const size_t before = lt_pool_used(pool);
    answer w = match(k, NULL, &a, &b);
    CHECK(lt_pool_peak(pool) - before < (size_t)8 << 20);
    CHECK(lt_i32(&w.index)[0] == 700001 && lt_f32(&w.value)[0] == 2 * C);
    CHECK(lt_i32(&w.index)[1] == 3 && lt_f32(&w.value)[1] == 2 * C);
    free_answer(&w);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
}

static void check_top_k_one(const lt_kernels *ref, const lt_kernels *k,
                            const lt_tensor *scores, int64_t count)
{
    lt_tensor want, own;
    const lt_exec x = { .k = k, .pool = pool };
    CHECK(LT_TENSOR_NEW(&want, pool, LT_I32, count) == LT_OK);
    CHECK(LT_TENSOR_NEW(&own, pool, LT_I32, count + GUARD) == LT_OK);
    for (int64_t i = 0; i < count + GUARD; i++) lt_i32(&own)[i] = -77;
    lt_tensor got = lt_tensor_wrap(own.data, LT_HOST, LT_I32, 1, &count);
    CHECK(ref->top_k(&x, scores, count, &want) == LT_OK);
    CHECK(k->top_k(&x, scores, count, &got) == LT_OK);
    for (int64_t i = 0; i < count; i++) CHECK(lt_i32(&got)[i] == lt_i32(&want)[i]);
    for (int64_t i = count; i < count + GUARD; i++) CHECK(lt_i32(&own)[i] == -77);
    lt_tensor_free(&want);
    lt_tensor_free(&own);
}

static void check_top_k(const lt_kernels *ref, const lt_kernels *k)
{
    static const int64_t sizes[] = { 1, 2, 17, 1000, 70001 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (int kind = 0; kind < 5; kind++) {
            const int64_t n = sizes[i];
            uint64_t seed = 6 + i;
            lt_tensor s;
            CHECK(LT_TENSOR_NEW(&s, pool, LT_F32, n) == LT_OK);
            for (int64_t j = 0; j < n; j++) {
                const float odd[] = {
                    0.0f, -0.0f, NAN, -NAN, INFINITY, -INFINITY, 1e-40f
                };
                float v = check_randf(&seed);
                if (kind == 1) v = floorf(v * 3);    /* many ties */
                if (kind == 2) v = 0.25f;            /* nothing but ties */
                if (kind == 3) v = 1.0f + v * 1e-6f; /* differ in the last digits */
                if (kind == 4) v = odd[check_rand(&seed) % 7];
                lt_f32(&s)[j] = v;
            }
            const int64_t counts[] = { 0, 1, n / 3, n - 1, n };
            for (int c = 0; c < 5; c++) check_top_k_one(ref, k, &s, counts[c]);
            lt_tensor_free(&s);
        }
}

static void check_unit_rows(const lt_kernels *ref, const lt_kernels *k)
{
    static const int64_t widths[] = { 1, 15, 16, 33, 640 };
    const lt_exec x = { .k = k, .pool = pool };
    for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++)
        for (int d = 0; d < 4; d++) {
            const int64_t n = 70, c = widths[i];
            const lt_dtype to = d & 1 ? LT_BF16 : LT_F32;
            lt_tensor in = random_matrix(n, c, d & 2 ? LT_BF16 : LT_F32, 50 + i);
            lt_tensor want = new_matrix(n, c, to), got = new_matrix(n + 1, c, to);
            for (int64_t j = 0; j < c; j++) {
                set(&in, 5 * c + j, 0.0f); /* no direction: stays zero */
                set(&in, 6 * c + j, 1e-15f);
                set(&got, n * c + j, -77.0f);
            }
            set(&in, 8 * c, NAN);
            lt_tensor part = lt_tensor_rows(&got, 0, n);
            CHECK(ref->unit_rows(&x, &in, &want) == LT_OK);
            CHECK(k->unit_rows(&x, &in, &part) == LT_OK);
            for (int64_t j = 0; j < n * c; j++) {
                const float w = at(&want, j), g = at(&got, j);
                CHECK(j / c == 8 ? isnan(w) && isnan(g)
                                 : check_close(g, w, to == LT_F32 ? 1e-6f : 8e-3f));
            }
            for (int64_t j = 0; j < c; j++) CHECK(at(&got, n * c + j) == -77.0f);
            lt_tensor_free(&part);
            lt_tensor_free(&in);
            lt_tensor_free(&want);
            lt_tensor_free(&got);
        }
}

static void check_gather(const lt_kernels *k)
{
    static const lt_dtype dtypes[] = { LT_F32, LT_BF16, LT_U8 };
    lt_threads *threads;
    CHECK(lt_kernels_threads_open(2, &threads) == LT_OK);
    const lt_exec x = { .k = k, .threads = threads, .pool = pool };
    for (int d = 0; d < 3; d++) {
        const int64_t n_src = 50, n = 301, c = 13;
        const size_t row = (size_t)c * lt_dtype_size(dtypes[d]);
        lt_tensor src = new_matrix(n_src, c, dtypes[d]), index;
        lt_tensor own = new_matrix(n + 1, c, dtypes[d]);
        lt_tensor out = lt_tensor_rows(&own, 0, n);
        uint64_t seed = 9;
        CHECK(LT_TENSOR_NEW(&index, pool, LT_I32, n) == LT_OK);
        for (size_t i = 0; i < (size_t)n_src * row; i++)
            ((uint8_t *)src.data)[i] = (uint8_t)check_rand(&seed);
        for (int64_t i = 0; i < n; i++)
            lt_i32(&index)[i] = (int32_t)(check_rand(&seed) % (uint64_t)n_src);
        memset((char *)own.data + (size_t)n * row, 0x77, row);
        CHECK(k->gather_rows(&x, &src, &index, &out) == LT_OK);
        for (int64_t i = 0; i < n; i++)
            CHECK(memcmp((char *)own.data + (size_t)i * row,
                         (char *)src.data + (size_t)lt_i32(&index)[i] * row, row) == 0);
        for (size_t i = 0; i < row; i++)
            CHECK(((uint8_t *)own.data)[(size_t)n * row + i] == 0x77);
        lt_tensor bad = lt_tensor_rows(&own, 0, n - 1);
        CHECK(k->gather_rows(&x, &src, &index, &bad) == LT_ERR_SHAPE);
        lt_tensor_free(&bad);
        lt_tensor_free(&src);
        lt_tensor_free(&index);
        lt_tensor_free(&out);
        lt_tensor_free(&own);
    }
    lt_threads_close(threads);
}

static void check_errors(const lt_kernels *k)
{
    const lt_exec x = { .k = k, .pool = pool };
    lt_tensor a = random_matrix(3, 8, LT_F32, 1), b = random_matrix(4, 9, LT_F32, 2), i,
              s;
    CHECK(LT_TENSOR_NEW(&i, pool, LT_I32, 3) == LT_OK);
    CHECK(LT_TENSOR_NEW(&s, pool, LT_F32, 2) == LT_OK);
    lt_best_match_args m = { &a, &b, &i, NULL, 1 };
    CHECK(k->best_match(&x, &m) == LT_ERR_SHAPE);
    m.b = &a;
    CHECK(k->best_match(&x, &m) == LT_OK);
    if (k->path != LT_PATH_REF) { /* the reference needs no scratch */
        lt_pool *small;
        CHECK(lt_pool_open(&small, LT_HOST, "small", 100) == LT_OK);
        const lt_exec poor = { .k = k, .pool = small };
        CHECK(k->best_match(&poor, &m) == LT_ERR_NOMEM);
        CHECK(lt_pool_used(small) == 0);
        lt_pool_close(&small);
    }
    m.rows_per_tile = 0;
    CHECK(k->best_match(&x, &m) == LT_ERR_ARG);
    CHECK(k->top_k(&x, &s, 3, &i) == LT_ERR_ARG);
    CHECK(k->top_k(&x, &s, 2, &i) == LT_ERR_SHAPE);
    CHECK(k->unit_rows(&x, &a, &b) == LT_ERR_SHAPE);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    lt_tensor_free(&i);
    lt_tensor_free(&s);
}

/* The inline rounding is lt_bf16_from_f32. */
static void check_bf16(void)
{
    uint64_t seed = 11;
    for (int i = 0; i < 1000000; i++) {
        const uint32_t u = (uint32_t)check_rand(&seed) | (i % 4 == 0 ? 0x7f800000u : 0);
        float f;
        memcpy(&f, &u, sizeof(f));
        CHECK(lt_bf16_round(f) == lt_bf16_from_f32(f));
        const float wide = lt_bf16_widen((uint16_t)u),
                    same = lt_f32_from_bf16((uint16_t)u);
        CHECK(memcmp(&wide, &same, sizeof(wide)) == 0);
    }
}

/* An earlier table has the same entry. */
static int known(const lt_kernels *const *k, int t)
{
    for (int i = 0; i < t; i++)
        if (k[i]->best_match == k[t]->best_match) return 1;
    return 0;
}

int main(void)
{
    const lt_kernels *k[MAX_TABLES];
    const int n = list_tables(k, MAX_TABLES);
    CHECK(n >= 1 && strcmp(k[0]->name, "ref") == 0);
    CHECK(lt_pool_open(&pool, LT_HOST, "test", 0) == LT_OK);
    check_bf16();
    for (int t = FIRST; t < n; t++) {
        if (known(k, t)) continue;
        check_matches(k[0], k[t]);
        check_match_nan(k[0], k[t]);
        check_match_bits(k[t]);
        check_match_long(k[t]);
        check_top_k(k[0], k[t]);
        check_unit_rows(k[0], k[t]);
        check_gather(k[t]);
        check_errors(k[t]);
        printf("ok   similarity %s\n", k[t]->name);
    }
    CHECK(lt_pool_used(pool) == 0);
    lt_pool_close(&pool);
    return n > 1 ? 0 : TEST_SKIP;
}
