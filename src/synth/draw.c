/* The pixels of a frame: surfaces over each other, each in the style of the scene. */
#include "draw.h"

static const rgb paper = { 0.88f, 0.87f, 0.82f };

static rgb to_root(rgb c) { return (rgb){ sqrtf(c.r), sqrtf(c.g), sqrtf(c.b) }; }
static rgb to_square(rgb c) { return (rgb){ c.r * c.r, c.g * c.g, c.b * c.b }; }

/* Pencil: paper with a breath of the colour, hatched the denser the darker. */
static rgb sketch(rgb c, vec2 p, float outline)
{
    const rgb q = to_root(c);
    const float dark = 1 - clamp01(rgb_luma(q));
    const float most = maxf(maxf(q.r, q.g), maxf(q.b, 0.05f));
    const rgb tint = { q.r / most, q.g / most, q.b / most };
    const float line = 0.5f + 0.5f * sin_turn(9 * (p.x + p.y));
    const float ink = dark * (0.5f + 0.2f * line * dark);
    rgb out = rgb_mul(to_root(paper), rgb_mix((rgb){ 1, 1, 1 }, tint, 0.7f));
    out = rgb_scale(out, 1 - 0.85f * ink);
    return to_square(rgb_scale(out, 1 - 0.8f * outline));
}

static rgb sepia(rgb c)
{
    const rgb q = to_root(c);
    const float y = clamp01(rgb_luma(q));
    const rgb tone = { 0.16f + 0.9f * y, 0.1f + 0.79f * y, 0.04f + 0.6f * y };
    return to_square(rgb_mix(tone, q, 0.35f));
}

/* Thin paint: pale, in blotches, with a darker rim where it dried. */
static rgb watercolour(rgb c, vec2 p, float rim, uint32_t noise)
{
    const float n = noise2(3 * p.x, 3 * p.y, noise ^ 91u);
    rgb q = to_root(c);
    const float y = rgb_luma(q);
    q = rgb_mix(q, (rgb){ y, y, y }, 0.12f);
    q = rgb_mix(q, to_root(paper), 0.2f + 0.32f * n);
    return to_square(rgb_scale(q, 1 - 0.3f * rim));
}

/* Small stones, each of one colour, with darker joints. */
static const float stone = 0.1f;

static vec2 stone_middle(vec2 p)
{
    return (vec2){ stone * ((float)ifloor(p.x / stone) + 0.5f),
                   stone * ((float)ifloor(p.y / stone) + 0.5f) };
}

static rgb mosaic(rgb c, vec2 p, float px, uint32_t noise)
{
    const vec2 m = stone_middle(p);
    const float k = hash2f(ifloor(p.x / stone), ifloor(p.y / stone), noise ^ 93u);
    const float d = stone * 0.5f - maxf(fabsf(p.x - m.x), fabsf(p.y - m.y));
    return rgb_scale(c, (0.92f + 0.16f * k) * (0.62f + 0.38f * edge(d - 0.008f, px)));
}

/* A watercolour's outlines tremble; everything is taken from a moved point. */
static vec2 tremble(vec2 p, float scale, uint32_t noise)
{
    const float k = 0.05f, f = 4 * scale;
    return (vec2){ p.x + k / scale * (noise2(f * p.x, f * p.y, noise ^ 94u) - 0.5f),
                   p.y + k / scale * (noise2(f * p.x, f * p.y, noise ^ 95u) - 0.5f) };
}

static float place_root_luma(const view *v, vec2 p, float px)
{
    return sqrtf(rgb_luma(place_colour(v, p, px)));
}

static rgb styled_place(const view *v, vec2 p)
{
    const float px = v->px_world;
    switch (v->s.factor[LT_SYNTH_STYLE]) {
    case STYLE_SKETCH: {
        const float step = 0.011f, here = place_root_luma(v, p, px);
        const float a = place_root_luma(v, (vec2){ p.x + step, p.y }, px) - here;
        const float b = place_root_luma(v, (vec2){ p.x, p.y + step }, px) - here;
        return sketch(place_colour(v, p, px), p,
                      0.8f * clamp01(3.5f * (fabsf(a) + fabsf(b)) - 0.12f));
    }
    case STYLE_SEPIA: return sepia(place_colour(v, p, px));
    case STYLE_WATERCOLOUR:
        return watercolour(place_colour(v, tremble(p, 1, v->noise), 1.5f * px), p, 0,
                           v->noise);
    case STYLE_MOSAIC:
        return mosaic(place_colour(v, stone_middle(p), 0.5f * stone), p, px, v->noise);
    default: return place_colour(v, p, px);
    }
}

/* Like styled_place for a piece; styles are measured in view units, so that hatching
 * and stones are alike on large things and small ones. */
static rgb styled_part(const view *v, const part *k, vec2 p, float d)
{
    const vec2 u = { p.x * k->size, p.y * k->size };
    const float px = k->px * k->size;
    switch (v->s.factor[LT_SYNTH_STYLE]) {
    case STYLE_SKETCH:
        return sketch(part_colour(k, p, d, v), u,
                      step_smooth(-0.034f, -0.012f, d * k->size));
    case STYLE_SEPIA: return sepia(part_colour(k, p, d, v));
    case STYLE_WATERCOLOUR:
        return watercolour(part_colour(k, p, d, v), u,
                           step_smooth(-0.035f, -0.005f, d * k->size), v->noise ^ 1u);
    case STYLE_MOSAIC: {
        const vec2 m = stone_middle(u);
        const vec2 q = { m.x / k->size, m.y / k->size };
        return mosaic(part_colour(k, q, minf(d, -0.1f), v), u, px, v->noise ^ 1u);
    }
    default: return part_colour(k, p, d, v);
    }
}

/* Where on the piece a view point lies and how far from its outline; false: surely
 * farther outside than `margin` pixels. */
static bool part_at(const view *v, const part *k, vec2 at, float margin, vec2 *p,
                    float *d)
{
    const float m = margin / v->unit;
    if (at.x < k->x0 - m || at.x > k->x1 + m || at.y < k->y0 - m || at.y > k->y1 + m)
        return false;
    *p = affine_apply(&k->to_local, at);
    if (v->s.factor[LT_SYNTH_STYLE] == STYLE_WATERCOLOUR)
        *p = tremble(*p, k->size, v->noise);
    *d = part_distance(k, *p, v->noise);
    return true;
}

static float shadow_at(const shadow *s, vec2 at)
{
    const float x = (at.x - s->x) / s->rx, y = (at.y - s->y) / s->ry;
    const float r = x * x + y * y;
    return r < 1 ? 0.42f * (1 - r) * (1 - r) : 0;
}

/* Falling drops and flakes, in cells that move down the screen; 0 = none here. */
static float drops(const view *v, vec2 at, float px, int layer)
{
    const bool rain = v->s.factor[LT_SYNTH_WEATHER] == WEATHER_RAIN;
    const float cw = rain ? 0.16f : 0.2f, ch = rain ? 0.4f : 0.2f;
    const float x = (at.x + (rain ? 0.12f * at.y : 0)) / cw + 0.37f * (float)layer;
    const float y = at.y / ch - v->drift * (layer ? 0.75f : 1);
    const int i = ifloor(x);
    const float yy = y + hash2f(i, layer, v->noise ^ 61u);
    const int j = ifloor(yy);
    const uint32_t h = hash2(i, j, v->noise ^ (uint32_t)(62 + layer));
    const float fx = 0.25f + 0.5f * (float)(h & 255) / 256;
    const float dx = (x - (float)i - fx) * cw, dy = (yy - (float)j - 0.5f) * ch;
    if ((h >> 8) % 8 < 6) return 0;
    if (rain)
        return 0.5f * step_smooth(0.016f, 0.002f, fabsf(dx)) *
               edge(0.08f - fabsf(dy), px);
    return 0.9f * step_smooth(0.032f, 0.012f, sqrtf(dx * dx + dy * dy));
}

static float falling(const view *v, vec2 at)
{
    const int w = v->s.factor[LT_SYNTH_WEATHER];
    if (w != WEATHER_RAIN && w != WEATHER_SNOWFALL) return 0;
    const float px = 1 / v->unit;
    return maxf(drops(v, at, px, 0), drops(v, at, px, 1));
}

static rgb weather(const view *v, vec2 at, vec2 world, rgb c, float object)
{
    const rgb white = rgb_mul((rgb){ 0.9f, 0.93f, 0.97f }, v->object_light);
    switch (v->s.factor[LT_SYNTH_WEATHER]) {
    case WEATHER_RAIN:
        c = rgb_mul(c, (rgb){ 0.66f, 0.7f, 0.76f });
        return rgb_mix(c, white, falling(v, at));
    case WEATHER_SNOWFALL: return rgb_mix(c, white, falling(v, at));
    case WEATHER_FOG: {
        const float n = noise2(2 * world.x, 3 * world.y, v->noise ^ 71u);
        const rgb grey = rgb_mul((rgb){ 0.66f, 0.68f, 0.7f }, v->object_light);
        return rgb_mix(c, grey, (0.5f + 0.3f * n) * (1 - 0.62f * object));
    }
    default: return c;
    }
}

typedef struct pixel {
    rgb colour;
    float mask; /* of the object */
} pixel;

/* Lay one object, and its shadow under it, over the pixel; returns its coverage. */
static float lay_object(const view *v, vec2 at, int which, rgb *c)
{
    const int first = which ? v->n_second : 0;
    const int end = which ? v->n_parts : v->n_second;
    float cover = 0, d;
    vec2 p;

    if (first == end) return 0;
    *c = rgb_scale(*c, 1 - shadow_at(&v->shadows[which], at));
    for (int i = first; i < end; i++) {
        const part *const k = &v->parts[i];
        if (!part_at(v, k, at, 1, &p, &d)) continue;
        const float a = edge(-d, k->px);
        if (a <= 0) continue;
        *c = rgb_mix(*c, styled_part(v, k, p, d), a);
        cover += (1 - cover) * a;
    }
    return cover;
}

static rgb styled_front(const view *v, vec2 world)
{
    const rgb c = front_colour(v, world);
    switch (v->s.factor[LT_SYNTH_STYLE]) {
    case STYLE_SKETCH: return sketch(c, world, 0);
    case STYLE_SEPIA: return sepia(c);
    case STYLE_WATERCOLOUR: return watercolour(c, world, 0, v->noise);
    case STYLE_MOSAIC: return mosaic(c, world, v->px_world, v->noise);
    default: return c;
    }
}

static pixel draw_pixel(const view *v, vec2 at)
{
    const vec2 world = affine_apply(&v->to_world, at);
    const float front = front_cover(v, world, v->px_world);
    pixel r = { .mask = 0 };

    if (front < 1) {
        r.colour = styled_place(v, world);
        (void)lay_object(v, at, 0, &r.colour);
        r.mask = lay_object(v, at, 1, &r.colour);
    }
    if (front > 0) r.colour = rgb_mix(r.colour, styled_front(v, world), front);
    r.mask *= 1 - front;
    r.colour = weather(v, at, world, r.colour, r.mask);
    return r;
}

/* sRGB byte of linear light: a sum of roots instead of the power. */
static uint8_t encode(float x)
{
    const float a = sqrtf(clamp01(x)), b = sqrtf(a), c = sqrtf(b);
    const float y = 0.662002687f * a + 0.684122060f * b - 0.323583601f * c -
                    0.0225411470f * clamp01(x);
    return (uint8_t)(255 * clamp01(y) + 0.5f);
}

static vec2 view_point(const view *v, float x, float y)
{
    return (vec2){ x / v->unit - v->half_w, y / v->unit - v->half_h };
}

static void draw_row(const view *v, int y, int w, uint8_t *rgb_row, uint8_t *mask_row)
{
    for (int x = 0; x < w; x++) {
        const pixel p = draw_pixel(v, view_point(v, (float)x + 0.5f, (float)y + 0.5f));
        if (rgb_row) {
            rgb_row[3 * x + 0] = encode(p.colour.r);
            rgb_row[3 * x + 1] = encode(p.colour.g);
            rgb_row[3 * x + 2] = encode(p.colour.b);
        }
        /* Rounded up: a byte of 0 promises that the object has no part in the pixel. */
        if (mask_row) mask_row[x] = (uint8_t)ceilf(255 * clamp01(p.mask));
    }
}

enum { SURFACE_PLACE = -1, SURFACE_FRONT = -2 }; /* else the number of a part */

/* The surface seen at a view point and the point on it. *pure: it alone fills the
 * pixel and its neighbours. */
static int surface_at(const view *v, vec2 at, vec2 *p, bool *pure)
{
    const float margin = 1.5f; /* pixels */
    const vec2 world = affine_apply(&v->to_world, at);
    const float wide = 2 * margin * v->px_world;
    const float front = front_cover(v, world, wide);
    float d;

    *pure = falling(v, at) <= 0 && shadow_at(&v->shadows[1], at) <= 0 &&
            (v->n_second == 0 || shadow_at(&v->shadows[0], at) <= 0) &&
            (front <= 0 || front >= 1);
    *p = world;
    if (front >= 0.5f) return SURFACE_FRONT;
    for (int i = v->n_parts - 1; i >= 0; i--) {
        const part *const k = &v->parts[i];
        if (!part_at(v, k, at, margin, p, &d)) continue;
        if (fabsf(d) < margin * k->px) *pure = false;
        *p = affine_apply(&k->to_local, at);
        if (d < 0) return i;
    }
    *p = world;
    return SURFACE_PLACE;
}

/* The shadow lies on the place only, the objects above it keep their colours; so
 * shadows are looked at again for the pixels of objects. */
static void flow_pixel(const view *now, const view *next, int x, int y, float *flow,
                       uint8_t *visible)
{
    const vec2 at = view_point(now, (float)x + 0.5f, (float)y + 0.5f);
    vec2 p, q, there;
    bool pure, pure_next;
    const int id = surface_at(now, at, &p, &pure);

    if (id >= 0)
        there = affine_apply(&next->parts[id].to_view, p);
    else
        there = affine_apply(&next->from_world, p);
    if (flow) {
        flow[0] = (there.x - at.x) * now->unit;
        flow[1] = (there.y - at.y) * now->unit;
    }
    if (!visible) return;
    const bool inside = fabsf(there.x) < next->half_w - 0.5f / next->unit &&
                        fabsf(there.y) < next->half_h - 0.5f / next->unit;
    *visible =
        inside && surface_at(next, there, &q, &pure_next) == id && pure && pure_next;
}

static void flow_frame(const lt_scene *s, const view *now, int64_t frame, int w, int h,
                       const lt_synth_frame *out)
{
    const bool cut = lt_synth_shot_of(s, frame) != lt_synth_shot_of(s, frame + 1);
    view next;

    view_make(&next, s, frame + 1, w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const size_t i = (size_t)y * (size_t)w + (size_t)x;
            float f[2] = { 0, 0 };
            uint8_t seen = 0;
            if (!cut) flow_pixel(now, &next, x, y, f, &seen);
            if (out->flow) out->flow[2 * i] = f[0], out->flow[2 * i + 1] = f[1];
            if (out->visible) out->visible[i] = seen;
        }
}

void lt_synth_render(const lt_scene *s, int64_t frame, int w, int h,
                     const lt_synth_frame *out)
{
    view v;

    view_make(&v, s, frame, w, h);
    for (int y = 0; y < h && (out->rgb || out->mask); y++) {
        const size_t row = (size_t)y * (size_t)w;
        draw_row(&v, y, w, out->rgb ? out->rgb + 3 * row : NULL,
                 out->mask ? out->mask + row : NULL);
    }
    if (out->flow || out->visible) flow_frame(s, &v, frame, w, h, out);
}
