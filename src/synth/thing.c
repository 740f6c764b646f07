/* What objects look like: outlines as signed distances, and materials. */
#include "draw.h"

static float box(vec2 p, float x, float y, float hx, float hy, float round)
{
    const float qx = fabsf(p.x - x) - hx + round, qy = fabsf(p.y - y) - hy + round;
    const float ox = maxf(qx, 0), oy = maxf(qy, 0);
    return minf(maxf(qx, qy), 0) + sqrtf(ox * ox + oy * oy) - round;
}

static float circle(vec2 p, float x, float y, float r)
{
    const float dx = p.x - x, dy = p.y - y;
    return sqrtf(dx * dx + dy * dy) - r;
}

/* Near the outline a good distance, farther away only its sign and trend are right. */
static float ellipse(vec2 p, float x, float y, float rx, float ry)
{
    const float ax = (p.x - x) / rx, ay = (p.y - y) / ry;
    const float bx = ax / rx, by = ay / ry;
    const float k0 = sqrtf(ax * ax + ay * ay), k1 = sqrtf(bx * bx + by * by);
    return k1 < 1e-6f ? -minf(rx, ry) : k0 * (k0 - 1) / k1;
}

/* Distance to the line through (x, y) with outward unit normal (nx, ny). */
static float half_plane(vec2 p, float x, float y, float nx, float ny)
{
    return (p.x - x) * nx + (p.y - y) * ny;
}

static float hexagon(vec2 p, float r, float round)
{
    const float x = fabsf(p.x), y = fabsf(p.y);
    const float k = 0.8660254f * r - round; /* inner radius */
    return maxf(x, 0.5f * x + 0.8660254f * y) - k - round;
}

/* Five points: two reflections fold the plane into a sector with one straight edge,
 * from the tip (0, tip) towards the inner corner. */
static float star(vec2 p)
{
    const float c = 0.80901699f, s = 0.58778525f, tip = 1.15f, inner = 0.5f;
    float x = fabsf(p.x), y = -p.y, k;
    k = 2 * maxf(c * x - s * y, 0);
    x -= k * c, y += k * s;
    k = 2 * maxf(-c * x - s * y, 0);
    x += k * c, y += k * s;
    x = fabsf(x), y -= tip;
    const float ex = inner * s, ey = inner * c - 1;
    const float h = minf(maxf((x * ex + y * ey) / (ex * ex + ey * ey), 0), tip);
    const float dx = x - ex * h, dy = y - ey * h;
    return sqrtf(dx * dx + dy * dy) * (y * ex < x * ey ? -1.0f : 1.0f) - 0.06f;
}

static float heart(vec2 q)
{
    const float x = fabsf(q.x) / 1.62f, y = (0.98f - q.y) / 1.62f;
    if (x + y > 1) {
        const float dx = x - 0.25f, dy = y - 0.75f;
        return 1.62f * (sqrtf(dx * dx + dy * dy) - 0.35355339f);
    }
    const float k = 0.5f * maxf(x + y, 0);
    const float d1 = x * x + (y - 1) * (y - 1);
    const float d2 = (x - k) * (x - k) + (y - k) * (y - k);
    return 1.62f * sqrtf(minf(d1, d2)) * (x < y ? -1.0f : 1.0f);
}

static float car(vec2 p)
{
    const float body = box(p, 0, 0.18f, 1.2f, 0.3f, 0.16f);
    float cabin = box(p, -0.08f, -0.28f, 0.72f, 0.4f, 0.12f);
    cabin = maxf(cabin, half_plane(p, 0.62f, -0.12f, 0.86f, -0.51f));
    cabin = maxf(cabin, half_plane(p, -0.8f, -0.12f, -0.9f, -0.44f));
    return minf(body, cabin);
}

static float tail(vec2 p)
{
    const float a = half_plane(p, 0, 0, -0.62f, -0.785f);
    const float b = half_plane(p, 0, 0, -0.62f, 0.785f);
    const float notch = circle(p, 0.98f, 0, 0.36f);
    return maxf(maxf(maxf(a, b) - 0.08f, p.x - 0.68f), -notch);
}

static float wing(vec2 p)
{
    const float up = ellipse(p, 0.6f, -0.42f, 0.62f, 0.55f);
    const float low = ellipse(p, 0.46f, 0.5f, 0.46f, 0.46f);
    return minf(up, low);
}

static float fish(vec2 p)
{
    const float body = ellipse(p, 0, 0, 0.86f, 0.6f);
    float fin = maxf(half_plane(p, -0.15f, -0.75f, -0.75f, -0.66f),
                     half_plane(p, 0.45f, -0.7f, 0.9f, -0.3f));
    fin = maxf(maxf(fin, -0.86f - p.y), p.y + 0.3f);
    return minf(body, fin);
}

static float outline(part_kind kind, vec2 p)
{
    switch (kind) {
    case PART_BALL: return circle(p, 0, 0, 1);
    case PART_CUBE: return hexagon(p, 1.1f, 0);
    case PART_STAR: return star(p);
    case PART_HEART: return heart(p);
    case PART_FISH: return fish(p);
    case PART_TAIL: return tail(p);
    case PART_CAR: return car(p);
    case PART_WHEEL: return circle(p, 0, 0, 1);
    case PART_STEM: return box(p, 0, 0.5f, 0.3f + 0.1f * p.y, 0.55f, 0.15f);
    case PART_CAP: return maxf(ellipse(p, 0, 0.12f, 1.12f, 1.05f), p.y - 0.2f);
    case PART_WING: return wing(p);
    case PART_BUG:
        return minf(box(p, 0, 0.08f, 0.1f, 0.72f, 0.1f), circle(p, 0, -0.66f, 0.16f));
    }
    return 1;
}

/* Pieces of one colour whatever the object's: wheels, stems, bodies of butterflies. */
static bool is_fixed(part_kind k)
{
    return k == PART_WHEEL || k == PART_STEM || k == PART_BUG;
}

float part_distance(const part *k, vec2 p, uint32_t noise)
{
    float d = outline(k->kind, p);
    if (k->material == MATERIAL_FURRY && !is_fixed(k->kind) && d < 0.3f)
        d += 0.24f * noise2(4.5f * p.x, 4.5f * p.y, noise ^ 77u) - 0.15f;
    return d;
}

static const rgb paints[8] = { RGB(214, 38, 38),   RGB(245, 130, 20), RGB(250, 218, 40),
                               RGB(36, 158, 56),   RGB(36, 84, 220),  RGB(138, 48, 178),
                               RGB(242, 242, 242), RGB(30, 30, 34) };

/* What stripes and squares alternate with. */
static rgb second_tone(int colour)
{
    static const rgb pale = RGB(245, 245, 240), brown = RGB(112, 66, 30),
                     mist = RGB(122, 150, 182), grey = RGB(136, 136, 144);
    return colour == 2 ? brown : colour == 6 ? mist : colour == 7 ? grey : pale;
}

/* Chrome: dark horizon, bright sky and ground, and a glint. */
static rgb metal(rgb base, vec2 p)
{
    const float y = p.y + 0.18f * p.x + 0.12f * sin_turn(0.35f * p.x);
    const float sky = step_smooth(0.05f, -0.9f, y), ground = step_smooth(0.1f, 0.9f, y);
    const float horizon = 1 - step_smooth(0.0f, 0.2f, fabsf(y - 0.06f));
    const float k = 0.55f + 0.55f * sky + 0.35f * ground - 0.42f * horizon;
    const float gx = p.x + 0.35f, gy = p.y + 0.42f;
    const float glint = step_smooth(0.3f, 0.02f, gx * gx + 1.5f * gy * gy);
    rgb c = rgb_mix(base, (rgb){ 0.78f, 0.8f, 0.84f }, 0.2f + 0.12f * sky);
    return rgb_mix(rgb_scale(c, k), (rgb){ 1, 1, 1 }, 0.8f * glint);
}

static rgb fur(rgb base, vec2 p, uint32_t noise)
{
    const float n = noise2(6 * p.x + 1.2f * p.y, 2.4f * p.y, noise ^ 5u);
    const rgb tip = rgb_mix(base, (rgb){ 0.7f, 0.66f, 0.6f }, 0.3f);
    return rgb_mix(rgb_scale(base, 0.55f), tip, step_smooth(0.25f, 0.75f, n));
}

/* Filtered square wave in 0..1 with the given period; px: footprint. */
static float wave(float x, float period, float px)
{
    x /= period;
    x = fabsf(x - (float)ifloor(x) - 0.5f) - 0.25f;
    const float width = px / period;
    return width > 0.5f ? 0.5f : edge(x, maxf(width, 0.02f));
}

static rgb paint(const part *k, vec2 p, uint32_t noise)
{
    const rgb base = paints[k->colour];
    switch (k->material) {
    case MATERIAL_STRIPED:
        return rgb_mix(base, second_tone(k->colour),
                       wave(p.x + 0.35f * p.y, 0.66f, k->px));
    case MATERIAL_CHEQUERED: {
        const float a = wave(p.x + 0.13f, 0.92f, k->px),
                    b = wave(p.y + 0.13f, 0.92f, k->px);
        return rgb_mix(base, second_tone(k->colour), a + b - 2 * a * b);
    }
    case MATERIAL_METAL: return metal(base, p);
    case MATERIAL_FURRY: return fur(base, p, noise);
    default: return base;
    }
}

/* A cube seen from a corner: three faces, each with flat coordinates of its own. */
static rgb cube_colour(const part *k, vec2 p, uint32_t noise)
{
    const float t = 0.57735027f, c = 1.1547005f; /* tan 30, 1 / cos 30 degrees */
    vec2 q = { fabsf(p.x) * c, p.y + fabsf(p.x) * t };
    float light = p.x < 0 ? 0.82f : 0.52f;
    if (q.y < 0) {
        q = (vec2){ -p.y + p.x * t, -p.y - p.x * t };
        light = 1.15f;
    }
    q = (vec2){ q.x - 0.55f, q.y - 0.55f };
    return rgb_scale(paint(k, q, noise), light);
}

static rgb fixed_colour(part_kind kind, vec2 p, float px)
{
    static const rgb tyre = RGB(34, 34, 38), hub = RGB(190, 190, 196);
    static const rgb stem = RGB(238, 226, 200), bug = RGB(60, 44, 40);
    if (kind == PART_STEM) return rgb_scale(stem, 0.95f - 0.35f * fabsf(p.x));
    if (kind == PART_BUG) return bug;
    const float r = sqrtf(p.x * p.x + p.y * p.y);
    const float spoke = step_smooth(0.5f, 0.1f, minf(fabsf(p.x), fabsf(p.y)));
    const float bright = edge(0.6f - r, px) * (0.6f + 0.4f * spoke);
    return rgb_mix(tyre, hub, bright);
}

/* What every fish and car has, painted on the piece. */
static rgb add_details(const part *k, vec2 p, rgb c)
{
    static const rgb white = RGB(250, 250, 250), dark = RGB(20, 20, 24);
    static const rgb glass = RGB(150, 200, 230);
    if (k->kind == PART_FISH) {
        c = rgb_mix(c, white, edge(-circle(p, -0.5f, -0.14f, 0.19f), k->px));
        c = rgb_mix(c, dark, edge(-circle(p, -0.52f, -0.14f, 0.1f), k->px));
    } else if (k->kind == PART_CAR) {
        float d =
            maxf(box(p, -0.1f, -0.3f, 0.6f, 0.22f, 0.06f), 0.05f - fabsf(p.x + 0.1f));
        d = maxf(d, half_plane(p, 0.48f, -0.12f, 0.86f, -0.51f));
        d = maxf(d, half_plane(p, -0.66f, -0.12f, -0.9f, -0.44f));
        c = rgb_mix(c, glass, edge(-d, k->px));
    }
    return c;
}

/* Light from above left, darker towards the outline; fixed to the surface. */
static float shade(const part *k, vec2 p, float d)
{
    if (k->kind == PART_CUBE) return 1 - 0.18f * step_smooth(-0.14f, 0, d);
    if (k->kind == PART_BALL) {
        const float z = sqrtf(maxf(1 - p.x * p.x - p.y * p.y, 0));
        return 0.42f + 0.66f * maxf(0.78f * z - 0.36f * p.x - 0.5f * p.y, 0);
    }
    const float slope = clamp01(0.5f + 0.22f * p.x + 0.3f * p.y);
    return (1.1f - 0.34f * slope) * (1 - 0.3f * step_smooth(-0.3f, 0, d));
}

rgb part_colour(const part *k, vec2 p, float d, const view *v)
{
    rgb c;
    if (is_fixed(k->kind)) {
        c = fixed_colour(k->kind, p, k->px);
    } else if (k->kind == PART_CUBE) {
        c = cube_colour(k, p, v->noise);
    } else {
        vec2 q = p;
        if (k->kind == PART_BALL) { /* patterns bend round it */
            const float bend = 1 + 0.28f * (p.x * p.x + p.y * p.y);
            q = (vec2){ p.x * bend, p.y * bend };
        }
        c = add_details(k, p, paint(k, q, v->noise));
    }
    return rgb_mul(rgb_scale(c, shade(k, p, d)), v->object_light);
}
