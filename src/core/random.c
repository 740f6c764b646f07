#include "core/random.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

void lt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    const philox4x32_ctr_t c = { { counter[0], counter[1], counter[2], counter[3] } };
    const philox4x32_key_t k = { { key[0], key[1] } };
    const philox4x32_ctr_t r = philox4x32_R(10, c, k);
    memcpy(out, r.v, sizeof(r.v));
}

lt_random lt_random_stream(uint64_t seed, lt_purpose purpose, uint32_t frame,
                           uint32_t step)
{
    return (lt_random){ .key = { (uint32_t)seed, (uint32_t)(seed >> 32) },
                        .counter = { 0, frame, step, (uint32_t)purpose } };
}

uint32_t lt_random_u32(lt_random *r)
{
    if (r->left == 0) {
        lt_philox(r->counter, r->key, r->word);
        r->counter[0]++;
        r->left = 4;
    }
    return r->word[4 - r->left--];
}

static uint64_t random_u64(lt_random *r)
{
    const uint64_t low = lt_random_u32(r);
    return low | (uint64_t)lt_random_u32(r) << 32;
}

uint64_t lt_random_below(lt_random *r, uint64_t n)
{
    if (n == 0) return 0;
    const uint64_t surplus = (0 - n) % n; /* 2^64 mod n: values that would bias */
    uint64_t v = random_u64(r);
    while (v < surplus) v = random_u64(r);
    return v % n;
}

double lt_random_unit(lt_random *r) { return (double)(random_u64(r) >> 11) * 0x1p-53; }

/* ln(u) for a normal double u: u = m 2^e with m in [sqrt 1/2, sqrt 2), then the series
 * of atanh(s), s = (m-1)/(m+1), |s| < 0.172; eleven terms leave less than 1e-18. */
static double log_exact(double u)
{
    uint64_t bits;
    memcpy(&bits, &u, sizeof(bits));
    int e = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.4142135623730951) m *= 0.5, e++;
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double sum = 0.0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
    return 2.0 * s * sum + e * 0.6931471805599453;
}

/* sin and cos of u turns, u in [0, 1): the nearest quarter turn apart, then Taylor on
 * [-pi/4, pi/4], where the first term left out is below 1e-16. */
static void turn(double u, double *sine, double *cosine)
{
    const int q = (int)(4.0 * u + 0.5);
    const double x = (u - 0.25 * q) * 6.283185307179586, z = x * x;
    double s = 1.0, c = 1.0;
    for (int k = 16; k >= 2; k -= 2) {
        s = 1.0 - s * z / (k * (k + 1));
        c = 1.0 - c * z / (k * (k - 1));
    }
    s *= x;
    const double sines[4] = { s, c, -s, -c }, cosines[4] = { c, -s, -c, s };
    *sine = sines[q & 3];
    *cosine = cosines[q & 3];
}

/* Two normals from two words; the half keeps the logarithm away from 0. */
static void box_muller(uint32_t a, uint32_t b, float out[2])
{
    const double radius = sqrt(-2.0 * log_exact(((double)a + 0.5) * 0x1p-32));
    double s, c;
    turn((double)b * 0x1p-32, &s, &c);
    out[0] = (float)(radius * c);
    out[1] = (float)(radius * s);
}

void lt_random_normals(const lt_random *r, int64_t first, float *out, int64_t n)
{
    uint32_t counter[4] = { 0, r->counter[1], r->counter[2], r->counter[3] }, w[4];
    float group[4];
    for (int64_t i = first; i < first + n;) {
        counter[0] = (uint32_t)(i / 4);
        lt_philox(counter, r->key, w);
        box_muller(w[0], w[1], group);
        box_muller(w[2], w[3], group + 2);
        for (int64_t k = i % 4; k < 4 && i < first + n; k++) out[i++ - first] = group[k];
    }
}
