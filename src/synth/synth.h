#ifndef LT_SYNTH_SYNTH_H
#define LT_SYNTH_SYNTH_H

/* The demo world: a clip is drawn from a scene, and a scene from a seed.
 *
 * Everything here is a pure function of its arguments: no state, no memory, no files,
 * no threads, so any frame can be drawn anywhere, in any order, with the same bytes.
 * The room depends on nothing but libm and also builds alone, for training:
 *
 *     cc -O3 -shared -fPIC -o libltsynth.so src/synth/[a-z]*.c -lm
 *
 * (files of this room therefore include each other by their bare names).
 *
 * Coordinates. The picture is drawn in units of its shorter side, origin in the middle,
 * x to the right, y down. Sizes and paths are in these units, so a scene looks alike at
 * every size and aspect ratio. Colours are mixed as linear light; frames are sRGB u8. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The factors of a scene: what captions name and what an edit can change. */
typedef enum lt_synth_factor {
    LT_SYNTH_SHAPE = 0, /* 8: ball cube star heart fish car mushroom butterfly */
    LT_SYNTH_COLOUR,    /* 8: red orange yellow green blue purple white black */
    LT_SYNTH_MATERIAL,  /* 5: plain striped chequered metal furry */
    LT_SYNTH_PLACE,     /* 8: meadow desert sea snow city brick forest beach */
    LT_SYNTH_TIME,      /* 4: morning noon sunset night; the city has night only */
    LT_SYNTH_STYLE,     /* 5: plain sketch sepia watercolour mosaic */
    LT_SYNTH_WEATHER,   /* 4: clear rain snowfall fog */
    LT_SYNTH_N_FACTORS
} lt_synth_factor;

enum {
    LT_SYNTH_TEXT = 256,      /* bytes that hold any caption, terminator included */
    LT_SYNTH_MAX_SIDE = 16384 /* pixels; larger frames are refused by the caller */
};

/* How a scene is drawn from its seed; flags may be combined. */
enum {
    LT_SYNTH_TRAINING = 1, /* never a combination that is reserved for judging */
    LT_SYNTH_JUDGING = 2,  /* only such combinations */
    LT_SYNTH_SINGLE = 4    /* one object, clear weather, nothing in front */
};

/* One clip. Filled by lt_synth_scene_draw, changed by lt_synth_set and lt_synth_edit;
 * every field but `seed` is also a key of a scene file. */
typedef struct lt_scene {
    uint64_t seed;                      /* what is not written below comes from it */
    int32_t factor[LT_SYNTH_N_FACTORS]; /* index of the value, see lt_synth_value_name */
    int32_t second;          /* shape of a second, smaller object behind; -1 none */
    int32_t second_colour;   /* values of the factors colour and material; */
    int32_t second_material; /* drawn from the seed also when there is no second */
    int32_t front;           /* 0 nothing, 1 a post, 2 a bush before the object */
    int32_t shot_frames;     /* 0: one shot; else mean length of a shot, >= 2 [frames] */
    int32_t places_vary;     /* 1: every shot after the first has a place of its own */
    float size;              /* radius of the object, 0.05 .. 0.5 */
    float speed;             /* of the object along its path, 0 .. 4 (1 = usual) */
    float spin;              /* how far the object swings, 0 .. 1 [turns] */
    float pan;               /* of the camera to the right, -1 .. 1 [units/s] */
    float zoom;              /* how much the camera breathes, 0 .. 0.5 */
    float shake;             /* of the hand that holds the camera, 0 .. 0.1 [units] */
    float rate;              /* frames per second, 1 .. 240 */
} lt_scene;

/* Why a request was refused. The caller words the message, with the name of the file
 * or option; lt_synth_verdict_text gives the part between its brackets. */
typedef enum lt_synth_verdict {
    LT_SYNTH_OK = 0,
    LT_SYNTH_NO_KEY,     /* no such key or factor */
    LT_SYNTH_NO_VALUE,   /* the factor has no such value, or a number out of range */
    LT_SYNTH_SAME_VALUE, /* the edit would change nothing */
    LT_SYNTH_CITY_NIGHT, /* the time of day of the city cannot be changed */
    LT_SYNTH_IS_RESERVED /* the combination is kept for judging */
} lt_synth_verdict;
const char *lt_synth_verdict_text(lt_synth_verdict v);

/* Names as in scene files and --edit. NULL for an index out of range. */
const char *lt_synth_factor_name(int factor);
const char *lt_synth_value_name(int factor, int value);
int lt_synth_n_values(int factor);

/* Index of a name, or -1. */
int lt_synth_factor_find(const char *name);
int lt_synth_value_find(int factor, const char *name);

/* The scene of a seed; flags as above. */
void lt_synth_scene_draw(lt_scene *out, uint64_t seed, unsigned flags);

/* Set one key of a scene file from text: a factor, or second (a shape or none),
 * second_colour, second_material, front (none post bush), shot_frames, places_vary,
 * size, speed, spin, pan, zoom, shake, rate. *s is changed only when OK is returned.
 * Returns OK, NO_KEY, NO_VALUE or CITY_NIGHT. */
lt_synth_verdict lt_synth_set(lt_scene *s, const char *key, const char *value);

/* True when the scene, or what it shows second, is a combination for judging. */
bool lt_synth_reserved(const lt_scene *s);

/* The same scene with one factor changed: the truth of an edit.
 *   value  index of the new value, or -1: another one, drawn from the seed
 *   flags  LT_SYNTH_TRAINING refuses (value given) or avoids (-1) reserved results
 * *out is written only when OK is returned; it may be the source itself.
 * Returns OK, NO_KEY, NO_VALUE, SAME_VALUE, CITY_NIGHT or IS_RESERVED. */
lt_synth_verdict lt_synth_edit(lt_scene *out, const lt_scene *src, int factor, int value,
                               unsigned flags);

/* Shots: number (from 0) of the shot that shows `frame` >= 0, the first frame of a
 * shot, and the scene that a shot shows, itself without cuts. Cuts lie between
 * the last frame of a shot and the first of the next. */
int64_t lt_synth_shot_of(const lt_scene *s, int64_t frame);
int64_t lt_synth_shot_begin(const lt_scene *s, int64_t shot);
void lt_synth_shot_scene(lt_scene *out, const lt_scene *s, int64_t shot);

/* Captions, written to text[LT_SYNTH_TEXT]. `shot` 0 describes a clip without cuts.
 * The wording is drawn from the seed, alike for a scene and its edits. The instruction
 * names the first factor, in the order of the enumeration, in which the scenes differ
 * and is empty when there is none. */
void lt_synth_caption(char *text, const lt_scene *s, int64_t shot);
void lt_synth_instruction(char *text, const lt_scene *src, const lt_scene *edit);

/* What a frame is drawn into. Any pointer may be NULL; rows are packed.
 *   rgb      [h][w][3] u8, sRGB
 *   mask     [h][w] u8, how much of the pixel the object covers: 0 if and only if the
 *            object (its shadow apart) has no part in the pixel
 *   flow     [h][w][2] f32, pixels (x, y) from this frame to the next, of the surface
 *            that is seen at the middle of the pixel
 *   visible  [h][w] u8, 1 where that point is seen in the next frame, too, and the
 *            pixel shows one surface alone in both: no edge nearer than a pixel, no
 *            shadow, no rain or snow. All 0 before a cut */
typedef struct lt_synth_frame {
    uint8_t *rgb, *mask;
    float *flow;
    uint8_t *visible;
} lt_synth_frame;

/* Draw frame number `frame` >= 0 at w x h pixels, both 1 .. LT_SYNTH_MAX_SIDE. */
void lt_synth_render(const lt_scene *s, int64_t frame, int w, int h,
                     const lt_synth_frame *out);

/* Many single frames of many scenes, with their edits: what training calls. Scene i is
 * that of seeds[i] with the factors that are given, at a frame drawn from the seed or
 * given. With `flags` TRAINING, given factors must not be reserved combinations.
 * Pointers marked opt may be NULL; text is [n][LT_SYNTH_TEXT]. */
typedef struct lt_synth_batch {
    const uint64_t *seeds;      /* [n] */
    const int32_t *factors;     /* opt [n][N_FACTORS], -1: drawn from the seed */
    const int32_t *frames;      /* opt [n], -1: drawn from the seed */
    const int32_t *edit_factor; /* opt [n], -1: drawn from the seed */
    const int32_t *edit_value;  /* opt [n], -1: drawn from the seed */
    int32_t n, w, h;
    uint32_t flags;                             /* LT_SYNTH_TRAINING ... */
    uint8_t *rgb, *mask;                        /* opt [n][h][w][3], [n][h][w] */
    uint8_t *edit_rgb, *edit_mask;              /* opt, the true edit */
    char *caption, *edit_caption, *instruction; /* opt */
    int32_t *factors_out, *edit_factors_out;    /* opt [n][N_FACTORS] */
} lt_synth_batch;

/* Returns 0, or 1 + the index of the first item that was refused (a factor or a size
 * out of range, an edit that is not possible, a reserved combination in training);
 * items from there on are not written. */
int lt_synth_render_batch(const lt_synth_batch *b);

#endif
