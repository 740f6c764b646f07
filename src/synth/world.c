/* The factors, the scene of a seed, the combinations that are reserved, and edits. */
#include "maths.h"
#include "synth.h"
#include <stdlib.h>
#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

enum { MAX_VALUES = 8 };

static const struct {
    const char *name;
    const char *value[MAX_VALUES];
} factors[LT_SYNTH_N_FACTORS] = {
    { "shape",
      { "ball", "cube", "star", "heart", "fish", "car", "mushroom", "butterfly" } },
    { "colour",
      { "red", "orange", "yellow", "green", "blue", "purple", "white", "black" } },
    { "material", { "plain", "striped", "chequered", "metal", "furry" } },
    { "place",
      { "meadow", "desert", "sea", "snow", "city", "brick", "forest", "beach" } },
    { "time", { "morning", "noon", "sunset", "night" } },
    { "style", { "plain", "sketch", "sepia", "watercolour", "mosaic" } },
    { "weather", { "clear", "rain", "snowfall", "fog" } },
};
static const char *const fronts[] = { "none", "post", "bush" };

enum { PLACE_CITY = 4, TIME_NIGHT = 3 };

/* Kept for judging: no training picture shows one of these. -1 = any value. */
static const int8_t reserved[][LT_SYNTH_N_FACTORS] = {
    /* shape colour material place time style weather */
    { 0, 5, -1, -1, -1, -1, -1 }, /* purple ball */
    { 1, 2, -1, -1, -1, -1, -1 }, /* yellow cube */
    { 2, 3, -1, -1, -1, -1, -1 }, /* green star */
    { 3, 4, -1, -1, -1, -1, -1 }, /* blue heart */
    { 4, 1, 1, -1, -1, -1, -1 },  /* orange striped fish */
    { 5, 0, 2, -1, -1, -1, -1 },  /* red chequered car */
    { 1, -1, 4, -1, -1, -1, -1 }, /* furry cube */
    { 7, -1, 3, -1, -1, -1, -1 }, /* metal butterfly */
    { 6, -1, -1, 1, -1, -1, -1 }, /* mushroom in the desert */
    { 4, -1, -1, 6, -1, -1, -1 }, /* fish in the forest */
    { 5, -1, -1, -1, -1, 4, -1 }, /* car as a mosaic */
    { -1, 4, -1, 3, -1, 3, -1 },  /* blue in the snow as a watercolour */
    { -1, -1, -1, 7, 3, 1, -1 },  /* sketch of the beach at night */
};

/* Purposes of the random numbers of a scene. */
enum {
    P_FACTOR = 100, /* + factor + 16 * attempt */
    P_SECOND = 20,
    P_FRONT,
    P_MOTION,
    P_EDIT_FACTOR,
    P_EDIT_VALUE,
    P_SHOT = 1 << 20 /* + shot */
};

const char *lt_synth_verdict_text(lt_synth_verdict v)
{
    static const char *const text[] = {
        "done",
        "there is no such factor or key",
        "there is no such value, or it is out of range",
        "the scene has that value already",
        "the city is always shown at night",
        "this combination is reserved for judging and refused in training mode",
    };
    return v < 0 || (int)v >= COUNT(text) ? "unknown" : text[v];
}

int lt_synth_n_values(int factor)
{
    int n = 0;
    if (factor < 0 || factor >= LT_SYNTH_N_FACTORS) return 0;
    while (n < MAX_VALUES && factors[factor].value[n]) n++;
    return n;
}

const char *lt_synth_factor_name(int factor)
{
    return factor < 0 || factor >= LT_SYNTH_N_FACTORS ? NULL : factors[factor].name;
}

const char *lt_synth_value_name(int factor, int value)
{
    if (value < 0 || value >= lt_synth_n_values(factor)) return NULL;
    return factors[factor].value[value];
}

int lt_synth_factor_find(const char *name)
{
    for (int f = 0; f < LT_SYNTH_N_FACTORS; f++)
        if (!strcmp(name, factors[f].name)) return f;
    return -1;
}

int lt_synth_value_find(int factor, const char *name)
{
    const int n = lt_synth_n_values(factor);
    for (int v = 0; v < n; v++)
        if (!strcmp(name, factors[factor].value[v])) return v;
    return -1;
}

static bool matches_reserved(const int32_t *factor)
{
    for (int i = 0; i < COUNT(reserved); i++) {
        int f = 0;
        while (f < LT_SYNTH_N_FACTORS &&
               (reserved[i][f] < 0 || reserved[i][f] == factor[f]))
            f++;
        if (f == LT_SYNTH_N_FACTORS) return true;
    }
    return false;
}

bool lt_synth_reserved(const lt_scene *s)
{
    int32_t other[LT_SYNTH_N_FACTORS];

    if (matches_reserved(s->factor)) return true;
    if (s->second < 0) return false;
    memcpy(other, s->factor, sizeof(other));
    other[LT_SYNTH_SHAPE] = s->second;
    other[LT_SYNTH_COLOUR] = s->second_colour;
    other[LT_SYNTH_MATERIAL] = s->second_material;
    return matches_reserved(other);
}

/* Plain is drawn more often than the other values of style and weather, since it is
 * what captions and films have most of. */
static int draw_value(uint64_t seed, uint64_t purpose, int factor)
{
    const int n = lt_synth_n_values(factor);
    const int plain = factor == LT_SYNTH_STYLE ? 2 : factor == LT_SYNTH_WEATHER ? 16 : 0;
    const int v = draw_below(seed, purpose, n + plain);
    return v < n ? v : 0;
}

static void draw_factors(lt_scene *s, unsigned flags, unsigned attempt)
{
    const uint64_t p = P_FACTOR + 16 * (uint64_t)attempt;
    const bool single = flags & LT_SYNTH_SINGLE;

    for (int f = 0; f < LT_SYNTH_N_FACTORS; f++)
        s->factor[f] = draw_value(s->seed, p + (uint64_t)f, f);
    if (single) s->factor[LT_SYNTH_WEATHER] = 0;
    if (s->factor[LT_SYNTH_PLACE] == PLACE_CITY) s->factor[LT_SYNTH_TIME] = TIME_NIGHT;
    s->second = draw_below(s->seed, p + 8, 40);
    s->second_colour = draw_below(s->seed, p + 9, 8);
    s->second_material = draw_below(s->seed, p + 10, 5);
    if (s->second >= 8 || s->second == s->factor[LT_SYNTH_SHAPE] || single)
        s->second = -1;
}

static void draw_motion(lt_scene *s)
{
    const uint64_t m = draw(s->seed, P_MOTION);
    s->size = draw_in(m, 0, 0.24f, 0.33f);
    s->speed = draw_in(m, 1, 0.5f, 1.5f);
    s->spin = draw_below(m, 2, 3) ? draw_in(m, 3, 0, 0.06f) : 0;
    s->pan = draw_below(m, 4, 2) ? draw_in(m, 5, -0.12f, 0.12f) : 0;
    s->zoom = draw_below(m, 6, 3) ? 0 : draw_in(m, 7, 0, 0.15f);
    s->shake = draw_below(m, 8, 4) ? 0 : draw_in(m, 9, 0.002f, 0.008f);
}

void lt_synth_scene_draw(lt_scene *out, uint64_t seed, unsigned flags)
{
    lt_scene s = { .seed = seed, .rate = 24, .places_vary = 1 };
    const bool judge = flags & LT_SYNTH_JUDGING, train = flags & LT_SYNTH_TRAINING;

    /* The chance of a reserved combination is about one in five, so that 4096
     * attempts always end; the rest of the scene does not depend on their number. */
    for (unsigned attempt = 0; attempt < 4096; attempt++) {
        draw_factors(&s, flags, attempt);
        const bool r = lt_synth_reserved(&s);
        if (!(judge && !r) && !(train && r)) break;
    }
    const int front = draw_below(seed, P_FRONT, 16);
    s.front = front < 3 && !(flags & LT_SYNTH_SINGLE) ? front : 0;
    draw_motion(&s);
    *out = s;
}

static bool parse_number(const char *text, double lo, double hi, double *out)
{
    char *end;
    const double x = strtod(text, &end);
    if (end == text || *end || !(x >= lo && x <= hi)) return false;
    *out = x;
    return true;
}

static lt_synth_verdict set_float(lt_scene *s, const char *key, const char *value)
{
    const struct {
        const char *key;
        float *field;
        double lo, hi;
    } keys[] = {
        { "size", &s->size, 0.05, 0.5 }, { "speed", &s->speed, 0, 4 },
        { "spin", &s->spin, 0, 1 },      { "pan", &s->pan, -1, 1 },
        { "zoom", &s->zoom, 0, 0.5 },    { "shake", &s->shake, 0, 0.1 },
        { "rate", &s->rate, 1, 240 },
    };
    double x;
    for (int i = 0; i < COUNT(keys); i++) {
        if (strcmp(key, keys[i].key)) continue;
        if (!parse_number(value, keys[i].lo, keys[i].hi, &x)) return LT_SYNTH_NO_VALUE;
        *keys[i].field = (float)x;
        return LT_SYNTH_OK;
    }
    return LT_SYNTH_NO_KEY;
}

static int front_find(const char *name)
{
    for (int i = 0; i < COUNT(fronts); i++)
        if (!strcmp(name, fronts[i])) return i;
    return -1;
}

static lt_synth_verdict set_int(lt_scene *s, const char *key, const char *value)
{
    double x;
    if (!strcmp(key, "shot_frames")) {
        if (!parse_number(value, 0, 1e6, &x) || x == 1 || x != (double)(int32_t)x)
            return LT_SYNTH_NO_VALUE;
        s->shot_frames = (int32_t)x;
    } else if (!strcmp(key, "places_vary")) {
        if (!parse_number(value, 0, 1, &x) || (x != 0 && x != 1))
            return LT_SYNTH_NO_VALUE;
        s->places_vary = (int32_t)x;
    } else {
        return set_float(s, key, value);
    }
    return LT_SYNTH_OK;
}

/* The keys whose values are names. */
static lt_synth_verdict set_name(int32_t *field, int index)
{
    if (index < 0) return LT_SYNTH_NO_VALUE;
    *field = index;
    return LT_SYNTH_OK;
}

static lt_synth_verdict set_factor(lt_scene *s, int f, int value)
{
    if (value < 0) return LT_SYNTH_NO_VALUE;
    if (f == LT_SYNTH_TIME && s->factor[LT_SYNTH_PLACE] == PLACE_CITY &&
        value != TIME_NIGHT)
        return LT_SYNTH_CITY_NIGHT;
    s->factor[f] = value;
    if (s->factor[LT_SYNTH_PLACE] == PLACE_CITY) s->factor[LT_SYNTH_TIME] = TIME_NIGHT;
    if (f == LT_SYNTH_PLACE) s->places_vary = 0;
    return LT_SYNTH_OK;
}

lt_synth_verdict lt_synth_set(lt_scene *s, const char *key, const char *value)
{
    const int f = lt_synth_factor_find(key);

    if (f >= 0) return set_factor(s, f, lt_synth_value_find(f, value));
    if (!strcmp(key, "second")) {
        const int v = lt_synth_value_find(LT_SYNTH_SHAPE, value);
        if (v < 0 && strcmp(value, "none")) return LT_SYNTH_NO_VALUE;
        s->second = v;
        return LT_SYNTH_OK;
    }
    if (!strcmp(key, "second_colour"))
        return set_name(&s->second_colour, lt_synth_value_find(LT_SYNTH_COLOUR, value));
    if (!strcmp(key, "second_material"))
        return set_name(&s->second_material,
                        lt_synth_value_find(LT_SYNTH_MATERIAL, value));
    if (!strcmp(key, "front")) return set_name(&s->front, front_find(value));
    return set_int(s, key, value);
}

static lt_synth_verdict edit_to(lt_scene *out, const lt_scene *src, int factor, int value,
                                unsigned flags)
{
    lt_scene s = *src;

    if (value < 0 || value >= lt_synth_n_values(factor)) return LT_SYNTH_NO_VALUE;
    if (src->factor[factor] == value) return LT_SYNTH_SAME_VALUE;
    const lt_synth_verdict v = set_factor(&s, factor, value);
    if (v != LT_SYNTH_OK) return v;
    if ((flags & LT_SYNTH_TRAINING) && lt_synth_reserved(&s)) return LT_SYNTH_IS_RESERVED;
    *out = s;
    return LT_SYNTH_OK;
}

lt_synth_verdict lt_synth_edit(lt_scene *out, const lt_scene *src, int factor, int value,
                               unsigned flags)
{
    const int n = lt_synth_n_values(factor);
    lt_synth_verdict v = LT_SYNTH_IS_RESERVED;

    if (n == 0) return LT_SYNTH_NO_KEY;
    if (value >= 0) return edit_to(out, src, factor, value, flags);
    if (value < -1) return LT_SYNTH_NO_VALUE;
    /* From a drawn value upwards, the first that may be taken. */
    const int first =
        draw_below(src->seed, P_EDIT_VALUE, n - 1) + src->factor[factor] + 1;
    for (int i = 0; i < n && v != LT_SYNTH_OK; i++) {
        if ((first + i) % n == src->factor[factor]) continue;
        v = edit_to(out, src, factor, (first + i) % n, flags);
    }
    return v;
}

/* Shot k begins at k * L moved by up to L / 4 either way: random lengths, and yet the
 * shot of any frame is found without counting. */
int64_t lt_synth_shot_begin(const lt_scene *s, int64_t shot)
{
    const int64_t length = s->shot_frames;
    if (length < 2 || shot <= 0) return 0;
    const int range = (int)(length / 2) + 1;
    const int64_t shift =
        draw_below(s->seed, (uint64_t)(P_SHOT + shot), range) - range / 2;
    return shot * length + shift;
}

int64_t lt_synth_shot_of(const lt_scene *s, int64_t frame)
{
    if (s->shot_frames < 2 || frame <= 0) return 0;
    int64_t shot = frame / s->shot_frames;
    if (lt_synth_shot_begin(s, shot + 1) <= frame) return shot + 1;
    return shot > 0 && lt_synth_shot_begin(s, shot) > frame ? shot - 1 : shot;
}

void lt_synth_shot_scene(lt_scene *out, const lt_scene *s, int64_t shot)
{
    lt_scene r = *s;
    r.shot_frames = 0;
    if (shot > 0) {
        r.seed = draw(s->seed, (uint64_t)(2 * (int64_t)P_SHOT + shot));
        if (s->places_vary)
            r.factor[LT_SYNTH_PLACE] = draw_below(r.seed, P_FACTOR + LT_SYNTH_PLACE, 8);
        if (r.factor[LT_SYNTH_PLACE] == PLACE_CITY) r.factor[LT_SYNTH_TIME] = TIME_NIGHT;
    }
    r.places_vary = 0;
    *out = r;
}
