#include <limits.h>
#include <string.h>

#include "check.h"
#include "tensor/tensor.h"

/* Pools count right and reuse blocks; tensors share storage; conversions follow the
 * definition for all 65,536 halves and for the f32 numbers around each of them. */

static void check_pool(void)
{
    lt_pool *pool = NULL;
    lt_tensor t[3];
    CHECK(lt_pool_open(&pool, LT_HOST, "weights", 1 << 20) == LT_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(LT_TENSOR_NEW(&t[i], pool, LT_F32, 100, 300) == LT_OK);
        CHECK((uintptr_t)t[i].data % 64 == 0);
    }
    const size_t three = lt_pool_used(pool);
    CHECK(three >= 3 * 120000 && three <= 3 * 120000 * 17 / 16);
    CHECK(lt_pool_peak(pool) == three && lt_pool_cached(pool) == 0);

    void *freed = t[1].data;
    lt_tensor_free(&t[1]);
    CHECK(!t[1].data && lt_pool_used(pool) == three / 3 * 2);
    CHECK(lt_pool_cached(pool) == three / 3 && lt_pool_peak(pool) == three);
    CHECK(LT_TENSOR_NEW(&t[1], pool, LT_F32, 29999) == LT_OK); /* the same class */
    CHECK(t[1].data == freed && lt_pool_cached(pool) == 0);

    lt_tensor big = { .ndim = 4 };
    CHECK(LT_TENSOR_NEW(&big, pool, LT_F32, 512, 512) == LT_ERR_NOMEM && big.ndim == 4);
    CHECK(strstr(lt_error_message(), "weights") && strstr(lt_error_message(), "limit"));
    CHECK(lt_pool_used(pool) == three);
    for (int i = 0; i < 3; i++) lt_tensor_free(&t[i]);
    /* Cached blocks give way: 896 KiB fit only without them. */
    CHECK(LT_TENSOR_NEW(&big, pool, LT_U8, 896 << 10) == LT_OK);
    CHECK(lt_pool_used(pool) == 896 << 10 && lt_pool_cached(pool) == 0);
    lt_pool_reset_peak(pool);
    CHECK(lt_pool_peak(pool) == 896 << 10);
    lt_tensor_free(&big);
    lt_pool_trim(pool);
    CHECK(lt_pool_used(pool) == 0 && lt_pool_cached(pool) == 0);
    lt_pool_close(&pool);
    CHECK(!pool);
    lt_pool_close(&pool);
    lt_pool_close(NULL);
    CHECK(lt_pool_open(&pool, LT_DEVICE, "gpu", 0) == LT_ERR_UNSUPPORTED);
}

/* The rounds of a loop that allocates the same shapes take nothing from the system
 * after the first: used and cached together stay what they were. */
static void check_warm(void)
{
    lt_pool *pool = NULL;
    CHECK(lt_pool_open(&pool, LT_HOST, "step", 0) == LT_OK);
    size_t held = 0;
    for (int step = 0; step < 5; step++) {
        lt_tensor t[20];
        uint64_t seed = 5;
        for (int i = 0; i < 20; i++) {
            const int64_t n = 1 + (int64_t)(check_rand(&seed) % 3000000);
            CHECK(LT_TENSOR_NEW(&t[i], pool, LT_BF16, n) == LT_OK);
            memset(t[i].data, i, (size_t)n * 2);
            if (i % 3 == 2) lt_tensor_free(&t[i - 1]);
        }
        for (int i = 0; i < 20; i++) lt_tensor_free(&t[i]);
        CHECK(lt_pool_used(pool) == 0);
        if (step > 0) CHECK(lt_pool_cached(pool) == held);
        held = lt_pool_cached(pool);
    }
    lt_pool_close(&pool);
}

static void check_shapes(lt_pool *pool)
{
    lt_tensor t = { .ndim = 9 };
    const int64_t six[] = { 1, 1, 1, 1, 1, 1 };
    CHECK(LT_TENSOR_NEW(&t, pool, LT_F32, -1, 2) == LT_ERR_ARG);
    CHECK(LT_TENSOR_NEW(&t, pool, LT_F32, INT64_MAX, 2) == LT_ERR_ARG);
    CHECK(LT_TENSOR_NEW(&t, pool, LT_I64, INT64_MAX / 4) == LT_ERR_ARG);
    CHECK(LT_TENSOR_NEW(&t, pool, LT_U8, INT64_MAX) == LT_ERR_NOMEM);
    CHECK(lt_tensor_new(&t, pool, LT_F32, 6, six) == LT_ERR_ARG);
    CHECK(lt_tensor_new(&t, pool, (lt_dtype)99, 1, six) == LT_ERR_ARG);
    CHECK(t.ndim == 9);
    CHECK(LT_TENSOR_NEW(&t, pool, LT_F32, 3, 0, 5) == LT_OK);
    CHECK(!t.data && lt_tensor_count(&t) == 0 && lt_tensor_bytes(&t) == 0);
    CHECK(lt_tensor_zero(&t, NULL) == LT_OK);
    lt_tensor_free(&t);
    lt_tensor_free(&t);
    lt_tensor_free(NULL);
    CHECK(lt_tensor_new(&t, pool, LT_F32, 0, NULL) == LT_OK && lt_tensor_count(&t) == 1);
    lt_tensor_free(&t);
}

static void check_views(lt_pool *pool)
{
    lt_tensor t;
    CHECK(LT_TENSOR_NEW(&t, pool, LT_I32, 4, 2, 3) == LT_OK);
    for (int i = 0; i < 24; i++) lt_i32(&t)[i] = i;
    CHECK(!lt_tensor_shared(&t));
    lt_tensor rows = lt_tensor_rows(&t, 1, 2), flat = LT_RESHAPE(&rows, 12);
    CHECK(lt_tensor_shared(&t) && lt_tensor_shared(&rows));
    lt_tensor none = lt_tensor_rows(&t, 4, 0);
    CHECK(rows.shape[0] == 2 && rows.shape[2] == 3 && lt_tensor_count(&none) == 0);
    CHECK(flat.ndim == 1 && flat.shape[1] == 1 && lt_i32(&flat)[0] == 6);
    CHECK(!lt_tensor_same_shape(&rows, &flat) && lt_tensor_same_shape(&rows, &rows));
    lt_tensor_free(&t);
    lt_tensor_free(&rows);
    lt_tensor_free(&none);
    CHECK(lt_pool_used(pool) > 0 && lt_i32(&flat)[11] == 17); /* kept by the last view */

    lt_tensor copy;
    CHECK(LT_TENSOR_NEW(&copy, pool, LT_I32, 3, 4) == LT_OK);
    CHECK(lt_tensor_copy(&copy, &flat, NULL) == LT_OK && lt_i32(&copy)[11] == 17);
    CHECK(lt_tensor_zero(&copy, NULL) == LT_OK && lt_i32(&copy)[11] == 0);
    lt_tensor half = lt_tensor_rows(&copy, 0, 2);
    CHECK(lt_tensor_copy(&half, &flat, NULL) == LT_ERR_SHAPE);
    float mine[2] = { 1, 2 };
    lt_tensor wrap = lt_tensor_wrap(mine, LT_HOST, LT_F32, 1, (int64_t[]){ 2 });
    CHECK(lt_f32(&wrap)[1] == 2 && lt_tensor_convert(&half, &wrap) != LT_OK);
    lt_tensor device = wrap;
    device.space = LT_DEVICE;
    CHECK(lt_tensor_copy(&device, &wrap, NULL) == LT_ERR_ARG);
    lt_tensor_free(&wrap);
    lt_tensor_free(&half);
    lt_tensor_free(&copy);
    lt_tensor_free(&flat);
    CHECK(lt_pool_used(pool) == 0);
}

/* The definition: sign, exponent and fraction of a half of either kind. */
static double half_value(uint16_t bits, int exponent_bits)
{
    const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    const int e = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    const int f = bits & ((1 << fraction_bits) - 1);
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (e == (1 << exponent_bits) - 1) return f ? NAN : sign * INFINITY;
    if (e == 0) return sign * ldexp(f, 1 - bias - fraction_bits);
    return sign * ldexp(f + (1 << fraction_bits), e - bias - fraction_bits);
}

typedef struct half_kind {
    uint16_t (*from)(float);
    float (*to)(uint16_t);
    int exponent_bits;
} half_kind;

/* x must become the nearer of the neighbours lo and lo + 1, the even one in between. */
static void check_rounding(const half_kind *k, uint16_t lo, double a, double b)
{
    const double middle = (a + b) / 2;
    const float at = (float)middle;
    if ((double)at == middle) {
        CHECK(k->from(at) == (lo & 1 ? lo + 1 : lo));
        CHECK(k->from(nextafterf(at, (float)a)) == lo);
        CHECK(k->from(nextafterf(at, (float)b)) == lo + 1);
        CHECK(k->from(-at) == (0x8000 | (lo & 1 ? lo + 1 : lo)));
    }
}

static void check_halves(const half_kind *k)
{
    const uint16_t infinite =
        (uint16_t)(0x7fff >> (15 - k->exponent_bits) << (15 - k->exponent_bits));
    for (int i = 0; i < 65536; i++) {
        const uint16_t bits = (uint16_t)i;
        const double want = half_value(bits, k->exponent_bits);
        const float got = k->to(bits);
        if (isnan(want)) {
            const float back = k->to(k->from(got));
            CHECK(isnan(got) && isnan(back));
            continue;
        }
        CHECK((double)got == want && !signbit(got) == !signbit(want));
        CHECK(k->from(got) == bits);
        if (bits < infinite - 1)
            check_rounding(k, bits, want,
                           half_value((uint16_t)(bits + 1), k->exponent_bits));
    }
    CHECK(k->from(INFINITY) == infinite && k->from(-INFINITY) == (0x8000 | infinite));
    CHECK(k->from(3.4028235e38f) == infinite && k->from(1e-45f) == 0);
    /* Half a step above the largest number is the first that becomes infinite. */
    const uint16_t top = (uint16_t)(infinite - 1);
    const double big = half_value(top, k->exponent_bits);
    const double step = big - half_value((uint16_t)(top - 1), k->exponent_bits);
    CHECK(k->from((float)(big + step / 2)) == infinite);
    CHECK(k->from(nextafterf((float)(big + step / 2), 0)) == top);
}

static void check_convert(lt_pool *pool)
{
    enum { N = 2500 };
    lt_tensor f, h, b, back;
    uint64_t seed = 3;
    CHECK(LT_TENSOR_NEW(&f, pool, LT_F32, N) == LT_OK);
    CHECK(LT_TENSOR_NEW(&h, pool, LT_F16, N) == LT_OK);
    CHECK(LT_TENSOR_NEW(&b, pool, LT_BF16, N / 2, 2) == LT_OK);
    CHECK(LT_TENSOR_NEW(&back, pool, LT_F32, N) == LT_OK);
    for (int i = 0; i < N; i++) lt_f32(&f)[i] = check_randf(&seed);
    CHECK(lt_tensor_convert(&h, &f) == LT_OK && lt_tensor_convert(&b, &h) == LT_OK);
    CHECK(lt_tensor_convert(&back, &b) == LT_OK);
    for (int i = 0; i < N; i++) {
        const uint16_t half = lt_f16_from_f32(lt_f32(&f)[i]);
        CHECK(lt_u16(&h)[i] == half);
        CHECK(lt_u16(&b)[i] == lt_bf16_from_f32(lt_f32_from_f16(half)));
        CHECK(lt_f32(&back)[i] == lt_f32_from_bf16(lt_u16(&b)[i]));
    }
    lt_tensor part = lt_tensor_rows(&f, 0, 7);
    CHECK(lt_tensor_convert(&h, &part) == LT_ERR_SHAPE);
    lt_tensor *const made[] = { &f, &h, &b, &back, &part };
    for (int i = 0; i < 5; i++) lt_tensor_free(made[i]);
}

/* Maps that grow from level to level leave one free block behind each: not all are kept. */
static void test_bound(void)
{
    lt_pool *pool = NULL;
    lt_tensor t = { 0 };
    const int64_t mib = 1 << 20;
    size_t total = 0;
    CHECK(lt_pool_open(&pool, LT_HOST, "test", 0) == LT_OK);
    for (int64_t n = 40; n <= 200; n += 40) {
        CHECK(LT_TENSOR_NEW(&t, pool, LT_U8, n * mib) == LT_OK);
        lt_tensor_free(&t);
        total += (size_t)(n * mib);
        CHECK(lt_pool_cached(pool) >= (size_t)(n * mib)); /* the last one is there */
        CHECK(lt_pool_cached(pool) <= (size_t)((n + n / 8 + 32) * mib * 17 / 16));
    }
    CHECK(lt_pool_cached(pool) < total / 2);
    lt_pool_close(&pool);
}

/* A free block serves down to half its size, and counts whole. */
static void test_fit(void)
{
    lt_pool *pool = NULL;
    lt_tensor a = { 0 }, b = { 0 };
    const size_t mib = 1 << 20;
    CHECK(lt_pool_open(&pool, LT_HOST, "test", 0) == LT_OK);
    CHECK(LT_TENSOR_NEW(&a, pool, LT_U8, 1 << 20) == LT_OK);
    const void *block = a.data;
    lt_tensor_free(&a);
    CHECK(LT_TENSOR_NEW(&b, pool, LT_U8, 1 << 18) == LT_OK); /* a quarter: too small */
    CHECK(b.data != block && lt_pool_cached(pool) == mib);
    CHECK(LT_TENSOR_NEW(&a, pool, LT_U8, 5 << 17) == LT_OK);
    CHECK(a.data == block && lt_pool_cached(pool) == 0);
    CHECK(lt_pool_used(pool) == mib + mib / 4);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    CHECK(lt_pool_cached(pool) == mib + mib / 4);
    lt_pool_close(&pool);
}

int main(void)
{
    static const half_kind bf16 = { lt_bf16_from_f32, lt_f32_from_bf16, 8 };
    static const half_kind f16 = { lt_f16_from_f32, lt_f32_from_f16, 5 };
    lt_pool *pool = NULL;
    check_pool();
    check_warm();
    CHECK(lt_pool_open(&pool, LT_HOST, "test", 0) == LT_OK);
    check_shapes(pool);
    check_views(pool);
    check_convert(pool);
    CHECK(lt_pool_used(pool) == 0);
    lt_pool_close(&pool);
    check_halves(&bf16);
    check_halves(&f16);
    for (int d = 0; d <= LT_U16; d++) CHECK(lt_dtype_size((lt_dtype)d) > 0);
    CHECK(strcmp(lt_dtype_name(LT_BF16), "bf16") == 0);
    test_bound();
    test_fit();
    return 0;
}
