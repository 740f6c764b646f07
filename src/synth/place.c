/* The eight places and what may stand in front, in flat world coordinates. */
#include "draw.h"

/* The horizon of all places that have one. */
#define HORIZON (-0.06f)

static rgb sky(const view *v, vec2 p, float clouds)
{
    static const rgb top[4] = { RGB(140, 176, 222), RGB(58, 126, 226), RGB(84, 66, 140),
                                RGB(10, 14, 44) };
    static const rgb low[4] = { RGB(255, 222, 200), RGB(190, 222, 246), RGB(252, 146, 62),
                                RGB(38, 48, 100) };
    static const rgb disc[4] = { RGB(255, 246, 200), RGB(255, 255, 230),
                                 RGB(255, 214, 110), RGB(236, 238, 246) };
    static const rgb cloud[4] = { RGB(255, 240, 236), RGB(252, 252, 255),
                                  RGB(240, 130, 110), RGB(40, 46, 82) };
    static const float height[4] = { -0.24f, -0.4f, -0.13f, -0.36f };
    const int t = v->s.factor[LT_SYNTH_TIME];
    rgb c = rgb_mix(low[t], top[t], step_smooth(HORIZON, -0.55f, p.y));
    const float dx = p.x - 0.3f + 0.6f * hash2f(1, 1, v->noise), dy = p.y - height[t];
    const float r = sqrtf(dx * dx + dy * dy);

    c = rgb_mix(c, disc[t], 0.35f * step_smooth(0.22f, 0.05f, r));
    c = rgb_mix(c, disc[t], step_smooth(0.088f, 0.062f, r));
    if (clouds > 0) {
        const float n = noise2(2.2f * p.x, 4.5f * p.y, v->noise ^ 11u);
        c = rgb_mix(c, cloud[t], clouds * step_smooth(0.35f, 0.9f, n));
    }
    return c;
}

static float hills(const view *v, float x, float freq, float amp, uint32_t salt)
{
    return amp * (noise1(freq * x, v->noise ^ salt) - 0.5f);
}

static rgb lit(const view *v, rgb c) { return rgb_mul(c, v->light); }

static rgb meadow(const view *v, vec2 p, float px)
{
    static const rgb far_green = RGB(96, 150, 90), grass = RGB(104, 176, 56),
                     dark = RGB(62, 132, 44);
    const float ridge = HORIZON - 0.03f + hills(v, p.x, 2.1f, 0.16f, 1u);
    const float near = HORIZON + 0.1f + hills(v, p.x, 1.1f, 0.12f, 2u);
    rgb c = sky(v, p, 0.8f);
    c = rgb_mix(c, lit(v, far_green), edge(p.y - ridge, px));
    const float n = noise2(3 * p.x, 5 * p.y, v->noise ^ 3u);
    return rgb_mix(c, lit(v, rgb_mix(dark, grass, 0.3f + 0.6f * n)),
                   edge(p.y - near, px));
}

static rgb desert(const view *v, vec2 p, float px)
{
    static const rgb far_dune = RGB(206, 150, 92), sand = RGB(240, 198, 126),
                     hollow = RGB(206, 156, 88);
    const float ridge = HORIZON + hills(v, p.x, 1.7f, 0.2f, 1u);
    const float near = HORIZON + 0.2f + hills(v, p.x, 0.9f, 0.3f, 2u);
    rgb c = sky(v, p, 0);
    c = rgb_mix(c, lit(v, far_dune), edge(p.y - ridge, px));
    const float ripple =
        0.5f + 0.5f * sin_turn(6 * p.y + 0.7f * noise2(2 * p.x, 2 * p.y, v->noise ^ 3u));
    const float slope = clamp01(0.5f + 2.2f * (p.y - near));
    rgb near_sand = rgb_mix(sand, hollow, 0.5f * slope * ripple);
    return rgb_mix(c, lit(v, near_sand), edge(p.y - near, px));
}

static rgb water(const view *v, vec2 p, rgb deep, rgb light)
{
    /* Crests get larger towards the viewer. */
    const float depth = 0.16f + maxf(p.y - HORIZON, 0);
    const float n = noise2(0.9f * p.x / depth, 1.6f / depth, v->noise ^ 4u);
    const float m = noise2(2.6f * p.x, 8 * p.y, v->noise ^ 5u);
    return rgb_mix(deep, light, clamp01(0.4f * n + 0.6f * step_smooth(0.4f, 1, m)));
}

static rgb sea(const view *v, vec2 p, float px)
{
    static const rgb deep = RGB(14, 76, 130), light = RGB(84, 160, 196);
    const rgb c = sky(v, p, 0.5f);
    return rgb_mix(c, lit(v, water(v, p, deep, light)), edge(p.y - HORIZON, px));
}

static rgb beach(const view *v, vec2 p, float px)
{
    static const rgb deep = RGB(24, 132, 176), light = RGB(120, 206, 214);
    static const rgb sand = RGB(244, 220, 164), wet = RGB(204, 172, 118),
                     foam = RGB(250, 252, 252);
    const float shore = 0.1f + hills(v, p.x, 1.3f, 0.12f, 6u);
    const float d = p.y - shore;
    const float n = noise2(3 * p.x, 4 * p.y, v->noise ^ 7u);
    rgb c = sky(v, p, 0.6f);
    c = rgb_mix(c, lit(v, water(v, p, deep, light)), edge(p.y - HORIZON, px));
    rgb ground = rgb_mix(wet, sand, step_smooth(0.03f, 0.12f, d));
    ground = rgb_scale(ground, 0.9f + 0.12f * n);
    c = rgb_mix(c, lit(v, ground), edge(d, px));
    return rgb_mix(c, lit(v, foam), 0.95f * step_smooth(0.034f, 0.01f, fabsf(d)));
}

/* A row of firs: one in each cell along x, as a triangle on the ground. */
static float firs(const view *v, vec2 p, float px, float cell, float ground)
{
    const int i = ifloor(p.x / cell);
    const float h = cell * (1.1f + 0.7f * hash2f(i, 9, v->noise));
    const float dx = fabsf(p.x - cell * ((float)i + 0.5f));
    const float up = ground - p.y;
    if (up < -0.02f || up > h + px || hash2f(i, 8, v->noise) < 0.25f) return 0;
    return edge(0.42f * cell * (1 - up / h) - dx, px);
}

static rgb snow(const view *v, vec2 p, float px)
{
    static const rgb far_snow = RGB(196, 208, 228), white = RGB(246, 249, 255),
                     blue = RGB(188, 206, 234), fir = RGB(70, 104, 98);
    const float ridge = HORIZON - 0.08f + hills(v, p.x, 3.1f, 0.22f, 1u);
    const float near = HORIZON + 0.1f + hills(v, p.x, 1.0f, 0.1f, 2u);
    rgb c = rgb_mix(sky(v, p, 0.5f), lit(v, (rgb){ 0.8f, 0.84f, 0.9f }), 0.35f);
    c = rgb_mix(c, lit(v, far_snow), edge(p.y - ridge, px));
    c = rgb_mix(c, lit(v, fir), firs(v, p, px, 0.2f, near + 0.02f));
    const float n = noise2(2.2f * p.x, 5 * p.y, v->noise ^ 3u);
    return rgb_mix(c, lit(v, rgb_mix(blue, white, step_smooth(0.2f, 0.6f, n))),
                   edge(p.y - near, px));
}

/* One row of houses: cells along x of random height, with a grid of windows. */
static rgb houses(const view *v, vec2 p, float px, rgb c, rgb wall, float cell, int row)
{
    static const rgb lamp = RGB(255, 206, 110);
    const float shift = p.x + 3.7f * (float)row;
    const int i = ifloor(shift / cell);
    const float roof = 0.16f - 0.1f * (float)row - 0.3f * hash2f(i, row, v->noise ^ 21u) +
                       0.14f * (float)row;
    const float x = shift - cell * (float)i;
    if (p.y < roof - px) return c;
    const float pitch = cell / 2, wx = x / pitch, wy = (p.y - roof) / (1.1f * pitch);
    const int ix = ifloor(wx), iy = ifloor(wy);
    const float hx = fabsf(wx - (float)ix - 0.5f), hy = fabsf(wy - (float)iy - 0.5f);
    const uint32_t on = hash2(ix + 16 * i, iy, v->noise ^ (uint32_t)(31 + row)) % 4;
    rgb face = wall;
    if (row && on && iy >= 0)
        face =
            rgb_mix(wall, lamp,
                    0.5f * step_smooth(0.38f, 0.18f, hx) * step_smooth(0.38f, 0.18f, hy));
    c = rgb_mix(c, face, edge(p.y - roof, px));
    return c;
}

static rgb city(const view *v, vec2 p, float px)
{
    static const rgb far_wall = RGB(44, 46, 84), wall = RGB(28, 28, 52);
    static const rgb road = RGB(48, 48, 62), line = RGB(196, 186, 130);
    rgb c = sky(v, p, 0);
    c = rgb_mix(c, (rgb){ 0.16f, 0.08f, 0.16f }, 0.6f * step_smooth(-0.4f, 0.2f, p.y));
    c = houses(v, p, px, c, far_wall, 0.3f, 0);
    c = houses(v, p, px, c, wall, 0.34f, 1);
    c = rgb_mix(c, road, edge(p.y - 0.3f, px));
    const float dash = p.x / 0.4f;
    const float on =
        edge(0.25f * 0.4f - fabsf(dash - (float)ifloor(dash) - 0.5f) * 0.4f, px);
    return rgb_mix(c, line, 0.7f * on * step_smooth(0.03f, 0.008f, fabsf(p.y - 0.41f)));
}

static rgb brick(const view *v, vec2 p)
{
    static const rgb mortar = RGB(190, 140, 116), dark = RGB(156, 72, 52),
                     light = RGB(182, 90, 64);
    const float bh = 0.16f, bw = 0.34f;
    const float y = p.y / bh;
    const int j = ifloor(y);
    const float x = p.x / bw + 0.5f * (float)(j & 1);
    const int i = ifloor(x);
    const float ey = (0.5f - fabsf(y - (float)j - 0.5f)) * bh;
    const float ex = (0.5f - fabsf(x - (float)i - 0.5f)) * bw;
    rgb c = rgb_mix(dark, light, hash2f(i, j, v->noise));
    c = rgb_mix(mortar, c, 0.15f + 0.85f * step_smooth(0, 0.024f, minf(ex, ey)));
    return lit(v, c);
}

/* One row of trunks; deeper rows are thinner, paler and closer. */
static rgb trunks(const view *v, vec2 p, float px, rgb c, rgb bark, float cell, int row)
{
    const int i = ifloor(p.x / cell);
    const float at = cell * ((float)i + 0.3f + 0.4f * hash2f(i, row, v->noise ^ 41u));
    const float half = cell * (0.11f + 0.07f * hash2f(i, row, v->noise ^ 42u));
    const float foot = 0.14f + 0.1f * (float)row;
    const float d = (p.x - at) + 0.012f * sin_turn(1.5f * p.y + hash2f(i, row, 7u));
    const float round = 1 - 0.5f * clamp01(0.5f + 0.5f * d / half);
    const float cover = edge(half - fabsf(d), px) * edge(foot - p.y, px);
    return rgb_mix(c, lit(v, rgb_scale(bark, round)), cover);
}

static rgb forest(const view *v, vec2 p, float px)
{
    static const rgb mist = RGB(110, 150, 110), leaf = RGB(30, 84, 36),
                     bright = RGB(66, 128, 48);
    static const rgb soil = RGB(84, 92, 44), moss = RGB(58, 104, 40);
    static const rgb far_bark = RGB(88, 88, 70), bark = RGB(104, 72, 48);
    const float n = noise2(2.6f * p.x, 2.6f * p.y, v->noise ^ 3u);
    rgb c = lit(v, rgb_mix(mist, leaf, 0.3f + 0.3f * n));
    c = trunks(v, p, px, c, far_bark, 0.25f, 0);
    c = rgb_mix(c, lit(v, rgb_mix(soil, moss, n)), edge(p.y - 0.14f, px));
    c = trunks(v, p, px, c, bark, 0.5f, 1);
    const float crown = -0.26f + 0.16f * noise1(3 * p.x, v->noise ^ 5u);
    return rgb_mix(c, lit(v, rgb_mix(leaf, bright, step_smooth(0.2f, 0.9f, n))),
                   edge(crown - p.y, px));
}

rgb place_colour(const view *v, vec2 p, float px)
{
    /* Every scene shows another stretch of its world. */
    p.x += 16 * hash2f(0, 0, v->noise) - 8;
    switch (v->s.factor[LT_SYNTH_PLACE]) {
    case PLACE_MEADOW: return meadow(v, p, px);
    case PLACE_DESERT: return desert(v, p, px);
    case PLACE_SEA: return sea(v, p, px);
    case PLACE_SNOW: return snow(v, p, px);
    case PLACE_CITY: return city(v, p, px);
    case PLACE_BRICK: return brick(v, p);
    case PLACE_FOREST: return forest(v, p, px);
    default: return beach(v, p, px);
    }
}

static float front_distance(const view *v, vec2 p)
{
    const float x = p.x - 0.7f * (hash2f(2, 0, v->noise) - 0.5f);
    if (v->s.front == FRONT_POST) return fabsf(x) - 0.045f;
    float d = 10;
    for (int i = -2; i <= 2; i++) {
        const float dx = x - 0.1f * (float)i;
        const float dy = p.y - 0.5f + 0.03f * hash2f(i, 5, v->noise);
        d = minf(d, sqrtf(dx * dx + dy * dy) - 0.13f + 0.02f * fabsf((float)i));
    }
    return d;
}

float front_cover(const view *v, vec2 p, float px)
{
    if (v->s.front == FRONT_NONE) return 0;
    return edge(-front_distance(v, p), px);
}

rgb front_colour(const view *v, vec2 p)
{
    static const rgb wood = RGB(120, 88, 60), leaf = RGB(40, 96, 44);
    const float n = noise2(4 * p.x, 4 * p.y, v->noise ^ 51u);
    const rgb c = v->s.front == FRONT_POST ? wood : leaf;
    return rgb_mul(rgb_scale(c, 0.75f + 0.4f * n), v->light);
}
