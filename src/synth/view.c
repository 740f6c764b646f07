/* From a scene and a frame number to where everything is. */
#include "draw.h"

enum { P_VIEW = 40 };

/* The lens is a little soft: a footprint is wider than a pixel, so that edges hold
 * no more than an f8 autoencoder can carry. */
#define LENS 1.7f

/* Fraction of a turn after `seconds`; double, since a film may last for hours. */
static float turns(double seconds, double hertz, float phase)
{
    const double x = seconds * hertz + (double)phase;
    return (float)(x - floor(x));
}

static affine similarity(float x, float y, float scale, float turn)
{
    const float c = scale * cos_turn(turn), s = scale * sin_turn(turn);
    return (affine){ c, -s, x, s, c, y };
}

static void add_part(view *v, part_kind kind, const part *like, affine place,
                     affine local)
{
    part k = *like;
    k.kind = kind;
    k.to_view = affine_chain(place, local);
    k.to_local = affine_inverse(k.to_view);
    const float area = fabsf(affine_det(&k.to_view));
    k.px = LENS / (sqrtf(area) * v->unit);
    const float reach = 1.45f; /* of any outline, fur included, local units */
    const float rx = reach * (fabsf(k.to_view.a) + fabsf(k.to_view.b));
    const float ry = reach * (fabsf(k.to_view.d) + fabsf(k.to_view.e));
    k.x0 = k.to_view.c - rx, k.x1 = k.to_view.c + rx;
    k.y0 = k.to_view.f - ry, k.y1 = k.to_view.f + ry;
    v->parts[v->n_parts++] = k;
}

static void add_fish(view *v, const part *k, affine place, float turn)
{
    /* The tail turns about its root; seen flat, it gets shorter and longer. */
    const float wag = 0.8f + 0.2f * sin_turn(turn * 2);
    const affine tail = { wag, 0, 0.55f, 0.12f * sin_turn(turn), 1, 0 };
    add_part(v, PART_TAIL, k, place, tail);
    add_part(v, PART_FISH, k, place, (affine){ 1, 0, -0.12f, 0, 1, 0 });
}

static void add_car(view *v, const part *k, affine place, float turn)
{
    add_part(v, PART_CAR, k, place, (affine){ 1, 0, 0, 0, 1, 0 });
    add_part(v, PART_WHEEL, k, place, similarity(-0.6f, 0.46f, 0.3f, turn));
    add_part(v, PART_WHEEL, k, place, similarity(0.6f, 0.46f, 0.3f, turn));
}

static void add_butterfly(view *v, const part *k, affine place, float turn)
{
    const float flap = 0.78f + 0.22f * sin_turn(turn * 2);
    add_part(v, PART_WING, k, place, (affine){ -flap, 0, 0, 0, 1, 0 });
    add_part(v, PART_WING, k, place, (affine){ flap, 0, 0, 0, 1, 0 });
    add_part(v, PART_BUG, k, place, (affine){ 1, 0, 0, 0, 1, 0 });
}

static void add_object(view *v, int shape, const part *k, affine place, float turn)
{
    static const part_kind simple[4] = { PART_BALL, PART_CUBE, PART_STAR, PART_HEART };
    const affine same = { 1, 0, 0, 0, 1, 0 };

    if (shape == SHAPE_FISH) {
        add_fish(v, k, place, turn);
    } else if (shape == SHAPE_CAR) {
        add_car(v, k, place, turn);
    } else if (shape == SHAPE_MUSHROOM) {
        add_part(v, PART_STEM, k, place, same);
        add_part(v, PART_CAP, k, place, same);
    } else if (shape == SHAPE_BUTTERFLY) {
        add_butterfly(v, k, place, turn);
    } else {
        add_part(v, simple[shape], k, place, same);
    }
}

/* Place one object on its path, which stays within the frame and is ridden by the
 * camera's pan: only zoom and shake move it beside its own motion. */
static void place_object(view *v, int which, int shape, const part *look, float size,
                         vec2 shake, float zoom)
{
    const lt_scene *const s = &v->s;
    const uint64_t r = draw(s->seed, P_VIEW + (uint64_t)which);
    const double hz = 0.09 * (double)s->speed * (double)draw_in(r, 0, 0.7f, 1.3f);
    const float room_x = maxf(v->half_w - 0.9f * size, 0.12f);
    const float room_y = maxf(v->half_h - 0.9f * size, 0.12f);
    const float ax = turns(v->seconds, hz, draw_in(r, 1, 0, 1));
    const float ay = turns(v->seconds, hz * 1.31, draw_in(r, 2, 0, 1));
    const float swing =
        s->spin * sin_turn(turns(v->seconds, hz * 1.7, draw_in(r, 3, 0, 1)));
    const float x = room_x * (which ? 0.95f : 0.62f) * sin_turn(ax);
    const float y = room_y * (0.12f + 0.45f * sin_turn(ay));
    const vec2 at = { zoom * x + shake.x, zoom * y + shake.y };
    const affine place = similarity(at.x, at.y, size * zoom, swing);
    part k = *look;

    k.size = size;
    add_object(v, shape, &k, place, turns(v->seconds, 0.8 * (double)s->speed, 0));
    const float radius = size * zoom;
    v->shadows[which ? 0 : 1] =
        (shadow){ at.x, at.y + 0.98f * radius, 0.95f * radius, 0.2f * radius };
}

static void place_camera(view *v, vec2 *shake, float *zoom)
{
    const lt_scene *const s = &v->s;
    const uint64_t r = draw(s->seed, P_VIEW + 8);
    const double t = v->seconds;
    const float period = 40; /* a pan comes back, so that coordinates stay small */
    const float sweep = s->pan * period / 6.2831853f;
    const float x = sweep * sin_turn(turns(t, 1.0 / (double)period, draw_in(r, 0, 0, 1)));

    *zoom = 1 + s->zoom * sin_turn(turns(t, 0.11, draw_in(r, 1, 0, 1)));
    shake->x = s->shake * (sin_turn(turns(t, 2.3, 0)) + sin_turn(turns(t, 3.7, 0.3f)));
    shake->y = s->shake * (sin_turn(turns(t, 2.9, 0.6f)) + sin_turn(turns(t, 4.1, 0)));
    const float k = 1.0f / *zoom;
    v->to_world = (affine){ k, 0, x - k * shake->x, 0, k, -k * shake->y };
    v->from_world = affine_inverse(v->to_world);
    v->px_world = LENS * k / v->unit;
}

static void set_light(view *v)
{
    static const rgb light[4] = { { 0.92f, 0.78f, 0.80f },
                                  { 1, 1, 1 },
                                  { 1.0f, 0.58f, 0.34f },
                                  { 0.13f, 0.17f, 0.36f } };
    static const rgb object[4] = { { 0.95f, 0.86f, 0.88f },
                                   { 1, 1, 1 },
                                   { 1.0f, 0.76f, 0.58f },
                                   { 0.55f, 0.57f, 0.7f } };
    v->light = light[v->s.factor[LT_SYNTH_TIME]];
    v->object_light = object[v->s.factor[LT_SYNTH_TIME]];
}

void view_make(view *v, const lt_scene *s, int64_t frame, int w, int h)
{
    vec2 shake;
    float zoom;

    lt_synth_shot_scene(&v->s, s, lt_synth_shot_of(s, frame));
    v->seconds = (double)frame / (double)s->rate;
    v->unit = (float)(w < h ? w : h);
    v->half_w = 0.5f * (float)w / v->unit;
    v->half_h = 0.5f * (float)h / v->unit;
    v->noise = (uint32_t)draw(v->s.seed, P_VIEW + 9);
    v->n_parts = 0;
    place_camera(v, &shake, &zoom);
    const double fall =
        v->seconds * (v->s.factor[LT_SYNTH_WEATHER] == WEATHER_RAIN ? 4 : 0.7);
    v->drift = (float)(fall - 256 * floor(fall / 256));
    set_light(v);

    const part second = { .colour = v->s.second_colour,
                          .material = v->s.second_material };
    const part object = { .colour = v->s.factor[LT_SYNTH_COLOUR],
                          .material = v->s.factor[LT_SYNTH_MATERIAL],
                          .main = true };
    if (v->s.second >= 0)
        place_object(v, 1, v->s.second, &second, 0.55f * v->s.size, shake, zoom);
    v->n_second = v->n_parts;
    place_object(v, 0, v->s.factor[LT_SYNTH_SHAPE], &object, v->s.size, shake, zoom);
}
