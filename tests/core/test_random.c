#include "core/random.h"

#include <math.h>
#include <string.h>

#include "check.h"

/* The known answers that Random123 publishes for philox4x32-10. */
static void test_known_answers(void)
{
    static const uint32_t kat[3][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
          0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
          0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };
    uint32_t out[4];
    for (int i = 0; i < 3; i++) {
        lt_philox(kat[i], kat[i] + 4, out);
        CHECK(memcmp(out, kat[i] + 6, sizeof(out)) == 0);
    }
    lt_random r = lt_random_stream(0, LT_PURPOSE_TEST, 0, 0);
    for (int i = 0; i < 4; i++) CHECK(lt_random_u32(&r) == kat[0][6 + i]);
    lt_random q =
        lt_random_stream(0x299f31d0a4093822u, 0x03707344, 0x85a308d3, 0x13198a2e);
    q.counter[0] = 0x243f6a88;
    for (int i = 0; i < 4; i++) CHECK(lt_random_u32(&q) == kat[2][6 + i]);
}

/* Every part of the key matters. */
static void test_streams_differ(void)
{
    const lt_random all[] = { lt_random_stream(1, LT_PURPOSE_LATENT, 2, 3),
                              lt_random_stream(2, LT_PURPOSE_LATENT, 2, 3),
                              lt_random_stream(1 + (1ull << 32), LT_PURPOSE_LATENT, 2, 3),
                              lt_random_stream(1, LT_PURPOSE_STEP, 2, 3),
                              lt_random_stream(1, LT_PURPOSE_LATENT, 3, 3),
                              lt_random_stream(1, LT_PURPOSE_LATENT, 2, 4) };
    enum { N = sizeof(all) / sizeof(all[0]) };
    uint32_t first[N];
    for (int i = 0; i < N; i++) {
        lt_random r = all[i];
        first[i] = lt_random_u32(&r);
        for (int k = 0; k < i; k++) CHECK(first[k] != first[i]);
    }
}

static void test_below(void)
{
    lt_random r = lt_random_stream(7, LT_PURPOSE_TEST, 0, 0);
    int count[6] = { 0 };
    for (int i = 0; i < 60000; i++) count[lt_random_below(&r, 6)]++;
    for (int i = 0; i < 6; i++) CHECK(abs(count[i] - 10000) < 400); /* 4.4 sigma */
    CHECK(lt_random_below(&r, 0) == 0 && lt_random_below(&r, 1) == 0);
    /* with n = 3/4 of 2^64 a plain remainder would hit the lowest third twice as often */
    const uint64_t n = 3ull << 62;
    int low = 0;
    for (int i = 0; i < 30000; i++) low += lt_random_below(&r, n) < n / 3;
    CHECK(abs(low - 10000) < 400);
    for (int i = 0; i < 10000; i++) {
        const double u = lt_random_unit(&r);
        CHECK(u >= 0 && u < 1);
    }
}

/* Against libm, element by element, and by moments. */
static void test_normals(void)
{
    enum { N = 200000 };
    static float x[N];
    const lt_random r = lt_random_stream(11, LT_PURPOSE_TEST, 5, 6);
    lt_random words = r;
    double sum = 0, square = 0, cube = 0, fourth = 0;
    lt_random_normals(&r, 0, x, N);
    for (int i = 0; i < N; i += 2) {
        const double u = (lt_random_u32(&words) + 0.5) * 0x1p-32;
        const double a = lt_random_u32(&words) * 0x1p-32 * 6.283185307179586;
        const double radius = sqrt(-2 * log(u));
        CHECK(check_close(x[i], (float)(radius * cos(a)), 1e-6f));
        CHECK(check_close(x[i + 1], (float)(radius * sin(a)), 1e-6f));
    }
    for (int i = 0; i < N; i++) {
        const double v = x[i];
        sum += v, square += v * v, cube += v * v * v, fourth += v * v * v * v;
    }
    CHECK(fabs(sum / N) < 0.01 && fabs(square / N - 1) < 0.015);
    CHECK(fabs(cube / N) < 0.03 && fabs(fourth / N - 3) < 0.12);
}

/* Any tile of the tensor gives the bits of the whole; nothing is written outside. */
static void test_random_access(void)
{
    enum { N = 97 };
    float whole[N], part[N + 2];
    lt_random r = lt_random_stream(3, LT_PURPOSE_FEATURE, 1, 2);
    lt_random_normals(&r, 0, whole, N);
    (void)lt_random_u32(&r); /* the place in the stream does not matter */
    for (int first = 0; first < N; first++) {
        const int n = (first * 7) % (N - first + 1);
        for (int i = 0; i < N + 2; i++) part[i] = 99;
        lt_random_normals(&r, first, part + 1, n);
        CHECK(memcmp(part + 1, whole + first, (size_t)n * sizeof(float)) == 0);
        CHECK(part[0] == 99 && part[n + 1] == 99);
    }
}

/* The bits themselves: a change here changes every user's result. */
static void test_frozen(void)
{
    static const uint32_t bits[4] = { 0x3fc1aec5, 0xbe4f98eb, 0x3f9a828f, 0xbeed2d52 };
    float x[4];
    const lt_random r = lt_random_stream(1, LT_PURPOSE_LATENT, 0, 0);
    lt_random_normals(&r, 0, x, 4);
    if (memcmp(x, bits, sizeof(bits)) != 0) {
        uint32_t w[4];
        memcpy(w, x, sizeof(w));
        fprintf(stderr, "0x%08x, 0x%08x, 0x%08x, 0x%08x\n", w[0], w[1], w[2], w[3]);
        CHECK(!"frozen normals");
    }
}

int main(void)
{
    test_known_answers();
    test_streams_differ();
    test_below();
    test_normals();
    test_random_access();
    test_frozen();
    return 0;
}
