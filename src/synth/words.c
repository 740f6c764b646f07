/* Captions and instructions: a small grammar, its choices drawn from the seed. */
#include "maths.h"
#include "synth.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { P_WORDS = 60 };

/* Each word has a usual form and another one; NULL: the same. */
static const char *const colours[8][2] = {
    { "red", NULL },  { "orange", NULL }, { "yellow", NULL }, { "green", NULL },
    { "blue", NULL }, { "purple", NULL }, { "white", NULL },  { "black", NULL },
};
static const char *const shapes[8][2] = {
    { "ball", NULL }, { "cube", "box" }, { "star", NULL },     { "heart", NULL },
    { "fish", NULL }, { "car", NULL },   { "mushroom", NULL }, { "butterfly", NULL },
};
static const char *const materials[5][2] = {
    { "", "plain " },   { "striped ", NULL },    { "chequered ", "checkered " },
    { "metal ", NULL }, { "furry ", "fluffy " },
};
static const char *const places[8][2] = {
    { "in a meadow", "on a green meadow" },
    { "in the desert", "among sand dunes" },
    { "on the sea", "over the ocean" },
    { "in the snow", "in a snowy land" },
    { "in a city at night", "in the city at night" },
    { "in front of a brick wall", "before a brick wall" },
    { "in the forest", "in a dark forest" },
    { "on the beach", "on a sandy beach" },
};
static const char *const place_names[8] = { "a meadow",        "the desert",
                                            "the sea",         "the snow",
                                            "a city at night", "a brick wall",
                                            "the forest",      "the beach" };
static const char *const times[4][2] = {
    { "in the morning", "early in the morning" },
    { "", "at noon" },
    { "at sunset", NULL },
    { "at night", NULL },
};
static const char *const time_names[4] = { "morning", "noon", "sunset", "night" };
static const char *const styles[5][2] = {
    { "", "a photo of " },
    { "a sketch of ", "a pencil sketch of " },
    { "a sepia photo of ", "an old sepia photo of " },
    { "a watercolour of ", "a watercolor painting of " },
    { "a mosaic of ", NULL },
};
static const char *const style_ends[5] = { "", ", pencil sketch", ", sepia",
                                           ", watercolour", ", mosaic" };
static const char *const style_names[5] = { "a plain picture", "a sketch",
                                            "a sepia photo", "a watercolour",
                                            "a mosaic" };
static const char *const weathers[4][2] = {
    { "", NULL }, { "in the rain", NULL }, { "in falling snow", NULL }, { "in fog", NULL }
};

static const char *pick(const char *const word[2], uint64_t seed, int purpose)
{
    return word[1] && draw_below(seed, P_WORDS + (uint64_t)purpose, 8) == 0 ? word[1]
                                                                            : word[0];
}

/* Which of four wordings: the first in five cases of eight. */
static int usual_form(uint64_t seed, uint64_t purpose)
{
    const int form = draw_below(seed, purpose, 8);
    return form < 4 ? form : 0;
}

static void append(char *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *fmt, ...)
{
    const size_t used = strlen(text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + used, LT_SYNTH_TEXT - used, fmt, ap);
    va_end(ap);
}

/* "an orange striped ball": the article follows the next sound. */
static void append_thing(char *text, uint64_t seed, int shape, int colour, int material)
{
    char words[LT_SYNTH_TEXT] = "";
    const char *const c = pick(colours[colour], seed, 0);
    const char *const m = pick(materials[material], seed, 1);
    if (draw_below(seed, P_WORDS + 2, 8))
        append(words, "%s %s", c, m);
    else
        append(words, "%s%s ", m, c);
    append(text, "%s %s%s", strchr("aeiou", words[0]) ? "an" : "a", words,
           pick(shapes[shape], seed, 3));
}

static void append_when(char *text, const lt_scene *s, const char *before)
{
    const bool city = s->factor[LT_SYNTH_PLACE] == 4;
    const char *const t = pick(times[s->factor[LT_SYNTH_TIME]], s->seed, 5);
    const char *const w = pick(weathers[s->factor[LT_SYNTH_WEATHER]], s->seed, 6);
    if (!city && *t) append(text, "%s%s", before, t);
    if (*w) append(text, "%s%s", before, w);
}

void lt_synth_caption(char *text, const lt_scene *s, int64_t shot)
{
    lt_scene v;
    lt_synth_shot_scene(&v, s, shot);
    const uint64_t seed = v.seed;
    const int32_t *const f = v.factor;
    const int form = usual_form(seed, P_WORDS + 7);
    const char *const place = pick(places[f[LT_SYNTH_PLACE]], seed, 4);
    const bool style_last = form == 3 && draw_below(seed, P_WORDS + 8, 2);

    text[0] = 0;
    if (!style_last) append(text, "%s", pick(styles[f[LT_SYNTH_STYLE]], seed, 9));
    append_thing(text, seed, f[LT_SYNTH_SHAPE], f[LT_SYNTH_COLOUR], f[LT_SYNTH_MATERIAL]);
    if (v.second >= 0) {
        append(text, " and ");
        append_thing(text, seed, v.second, v.second_colour, v.second_material);
    }
    if (form == 1) {
        append_when(text, &v, " ");
        append(text, " %s", place);
    } else {
        append(text, form == 2 ? " moving %s" : " %s", place);
        append_when(text, &v, form == 3 ? ", " : " ");
    }
    if (style_last) append(text, "%s", style_ends[f[LT_SYNTH_STYLE]]);
}

static void say_object(char *text, uint64_t seed, int factor, const char *name,
                       const lt_scene *edit)
{
    const int form = usual_form(seed, P_WORDS + 10);
    if (factor == LT_SYNTH_SHAPE) {
        const char *const to = lt_synth_value_name(factor, edit->factor[factor]);
        const char *const forms[4] = { "turn the %s into a %s",
                                       "replace the %s with a %s", "make the %s a %s",
                                       "change the %s to a %s" };
        append(text, forms[form], name, to);
    } else if (factor == LT_SYNTH_COLOUR) {
        const char *const to = colours[edit->factor[factor]][0];
        const char *const forms[4] = { "make the %s %s", "turn the %s %s",
                                       "paint the %s %s", "change the %s to %s" };
        append(text, forms[form], name, to);
    } else {
        static const char *const to[5] = { "plain", "striped", "chequered", "metal",
                                           "furry" };
        append(text, form & 1 ? "turn the %s %s" : "make the %s %s", name,
               to[edit->factor[factor]]);
    }
}

static void say_world(char *text, uint64_t seed, int factor, int value, const char *name)
{
    static const char *const weather[4][2] = {
        { "make the weather clear", "clear the sky" },
        { "make it rain", "add rain" },
        { "make it snow", "let snow fall" },
        { "add fog", "make it foggy" },
    };
    const int form = draw_below(seed, P_WORDS + 11, 2);
    if (factor == LT_SYNTH_PLACE && form)
        append(text, "put the %s %s", name, places[value][0]);
    else if (factor == LT_SYNTH_PLACE)
        append(text, "change the background to %s", place_names[value]);
    else if (factor == LT_SYNTH_TIME)
        append(text, form ? "make it %s" : "change the time to %s", time_names[value]);
    else if (factor == LT_SYNTH_STYLE)
        append(text, form ? "make it %s" : "turn it into %s", style_names[value]);
    else
        append(text, "%s", weather[value][form]);
}

void lt_synth_instruction(char *text, const lt_scene *src, const lt_scene *edit)
{
    const char *const name = pick(shapes[src->factor[LT_SYNTH_SHAPE]], src->seed, 3);
    int f = 0;

    text[0] = 0;
    while (f < LT_SYNTH_N_FACTORS && src->factor[f] == edit->factor[f]) f++;
    if (f == LT_SYNTH_N_FACTORS) return;
    if (f <= LT_SYNTH_MATERIAL)
        say_object(text, src->seed, f, name, edit);
    else
        say_world(text, src->seed, f, edit->factor[f], name);
}
