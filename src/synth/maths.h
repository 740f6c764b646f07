#ifndef LT_SYNTH_MATHS_H
#define LT_SYNTH_MATHS_H

/* Small mathematics of the demo world. Own sine and noise instead of libm's: the same
 * bits with every C library, and fast enough for a pixel. */
#include <math.h>
#include <stdint.h>

typedef struct vec2 {
    float x, y;
} vec2;
typedef struct rgb {
    float r, g, b; /* linear light, 1 = white */
} rgb;

/* x -> a*x + b*y + c, y -> d*x + e*y + f */
typedef struct affine {
    float a, b, c, d, e, f;
} affine;

/* sRGB byte to linear light as a constant expression (within 0.2 %). */
#define LIN1(v) ((float)(v) / 255.0f)
#define LIN(v) \
    (LIN1(v) * (LIN1(v) * (LIN1(v) * 0.305306011f + 0.682171111f) + 0.012522878f))
#define RGB(r, g, b)           \
    {                          \
        LIN(r), LIN(g), LIN(b) \
    }

static inline uint64_t mix64(uint64_t z) /* splitmix64 */
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* A random word for (seed, purpose), and a number in [lo, hi). */
static inline uint64_t draw(uint64_t seed, uint64_t purpose)
{
    return mix64(mix64(seed) ^ (purpose * 0xd1342543de82ef95u));
}
static inline float draw_in(uint64_t seed, uint64_t purpose, float lo, float hi)
{
    return lo + (hi - lo) * (float)(draw(seed, purpose) >> 40) * 0x1p-24f;
}
static inline int draw_below(uint64_t seed, uint64_t purpose, int n)
{
    return (int)((draw(seed, purpose) >> 33) % (uint64_t)n);
}

static inline int ifloor(float x)
{
    const int i = (int)x;
    return i - (x < (float)i);
}
static inline float clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
static inline float minf(float a, float b) { return a < b ? a : b; }
static inline float maxf(float a, float b) { return a > b ? a : b; }
static inline float mixf(float a, float b, float t) { return a + (b - a) * t; }
/* 0 below lo, 1 above hi, smooth between; lo > hi turns it round. */
static inline float step_smooth(float lo, float hi, float x)
{
    const float t = clamp01((x - lo) / (hi - lo));
    return t * t * (3 - 2 * t);
}
/* 0 for x < 0, 1 for x > 0, a ramp one footprint wide between: an edge, filtered. */
static inline float edge(float x, float px) { return clamp01(x / px + 0.5f); }

/* Sine of an angle in turns; its error of 0.1 % is part of the world. */
static inline float sin_turn(float x)
{
    x -= (float)ifloor(x + 0.5f);
    const float y = x * (8 - 16 * fabsf(x));
    return y * (0.775f + 0.225f * fabsf(y));
}
static inline float cos_turn(float x) { return sin_turn(x + 0.25f); }

static inline uint32_t hash2(int x, int y, uint32_t seed)
{
    uint32_t h = (uint32_t)x * 0x8da6b343u ^ (uint32_t)y * 0xd8163841u ^ seed;
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12)) * 0x297a2d39u;
    return h ^ (h >> 15);
}
static inline float hash2f(int x, int y, uint32_t seed) /* [0, 1) */
{
    return (float)(hash2(x, y, seed) >> 8) * 0x1p-24f;
}
/* Smooth value noise in [0, 1), one bump a unit. */
static inline float noise2(float x, float y, uint32_t seed)
{
    const int i = ifloor(x), j = ifloor(y);
    float u = x - (float)i, v = y - (float)j;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    const float a = hash2f(i, j, seed), b = hash2f(i + 1, j, seed);
    const float c = hash2f(i, j + 1, seed), d = hash2f(i + 1, j + 1, seed);
    return mixf(mixf(a, b, u), mixf(c, d, u), v);
}
static inline float noise1(float x, uint32_t seed)
{
    const int i = ifloor(x);
    float u = x - (float)i;
    u = u * u * (3 - 2 * u);
    return mixf(hash2f(i, 0, seed), hash2f(i + 1, 0, seed), u);
}

static inline rgb rgb_mix(rgb a, rgb b, float t)
{
    return (rgb){ mixf(a.r, b.r, t), mixf(a.g, b.g, t), mixf(a.b, b.b, t) };
}
static inline rgb rgb_scale(rgb a, float k) { return (rgb){ a.r * k, a.g * k, a.b * k }; }
static inline rgb rgb_mul(rgb a, rgb b)
{
    return (rgb){ a.r * b.r, a.g * b.g, a.b * b.b };
}
static inline float rgb_luma(rgb a)
{
    return 0.2126f * a.r + 0.7152f * a.g + 0.0722f * a.b;
}

static inline vec2 affine_apply(const affine *m, vec2 p)
{
    return (vec2){ m->a * p.x + m->b * p.y + m->c, m->d * p.x + m->e * p.y + m->f };
}
/* First n, then m. */
static inline affine affine_chain(affine m, affine n)
{
    return (affine){ m.a * n.a + m.b * n.d,       m.a * n.b + m.b * n.e,
                     m.a * n.c + m.b * n.f + m.c, m.d * n.a + m.e * n.d,
                     m.d * n.b + m.e * n.e,       m.d * n.c + m.e * n.f + m.f };
}
static inline float affine_det(const affine *m) { return m->a * m->e - m->b * m->d; }
static inline affine affine_inverse(affine m)
{
    const float k = 1.0f / affine_det(&m);
    affine r = { m.e * k, -m.b * k, 0, -m.d * k, m.a * k, 0 };
    r.c = -(r.a * m.c + r.b * m.f);
    r.f = -(r.d * m.c + r.e * m.f);
    return r;
}

#endif
