#ifndef LT_SYNTH_DRAW_H
#define LT_SYNTH_DRAW_H

/* Inside of the room: what one frame of one scene consists of, ready for its pixels.
 *
 * Surfaces lie over each other: the place, the second object, the object, something in
 * front. A surface carries its own flat coordinates, in which its colour is defined, so
 * that textures move with it and the flow is known exactly. */
#include "maths.h"
#include "synth.h"

enum {
    MAX_PARTS = 8,
    /* values of the factors, as in world.c */
    SHAPE_BALL = 0,
    SHAPE_CUBE,
    SHAPE_STAR,
    SHAPE_HEART,
    SHAPE_FISH,
    SHAPE_CAR,
    SHAPE_MUSHROOM,
    SHAPE_BUTTERFLY,
    MATERIAL_PLAIN = 0,
    MATERIAL_STRIPED,
    MATERIAL_CHEQUERED,
    MATERIAL_METAL,
    MATERIAL_FURRY,
    PLACE_MEADOW = 0,
    PLACE_DESERT,
    PLACE_SEA,
    PLACE_SNOW,
    PLACE_CITY,
    PLACE_BRICK,
    PLACE_FOREST,
    PLACE_BEACH,
    TIME_MORNING = 0,
    TIME_NOON,
    TIME_SUNSET,
    TIME_NIGHT,
    STYLE_PLAIN = 0,
    STYLE_SKETCH,
    STYLE_SEPIA,
    STYLE_WATERCOLOUR,
    STYLE_MOSAIC,
    WEATHER_CLEAR = 0,
    WEATHER_RAIN,
    WEATHER_SNOWFALL,
    WEATHER_FOG,
    FRONT_NONE = 0,
    FRONT_POST,
    FRONT_BUSH
};

/* The rigid pieces that objects are made of. */
typedef enum part_kind {
    PART_BALL,
    PART_CUBE,
    PART_STAR,
    PART_HEART,
    PART_FISH,
    PART_TAIL,
    PART_CAR,
    PART_WHEEL,
    PART_STEM,
    PART_CAP,
    PART_WING,
    PART_BUG
} part_kind;

typedef struct part {
    part_kind kind;
    int colour, material;
    bool main;       /* belongs to the object, not to the second one */
    affine to_local; /* view -> the coordinates of the piece, radius about 1 */
    affine to_view;
    float size;           /* units in one local unit, before zoom and flattening */
    float px;             /* local units in a pixel */
    float x0, y0, x1, y1; /* where it can be, view units */
} part;

typedef struct shadow {
    float x, y, rx, ry; /* view units */
} shadow;

typedef struct view {
    lt_scene s;           /* of the shot that is seen */
    double seconds;       /* since the beginning */
    float unit;           /* pixels in a view unit: the shorter side */
    float half_w, half_h; /* of the frame, view units */
    affine to_world;      /* view -> flat coordinates of the place */
    affine from_world;
    float px_world; /* world units in a pixel */
    uint32_t noise; /* seed of all textures */
    float drift;    /* of rain and snow, cells */
    rgb light, object_light;
    part parts[MAX_PARTS]; /* from back to front */
    int n_parts;
    shadow shadows[2]; /* of the second object, of the object */
    int n_second;      /* parts of the second object come first */
} view;

/* Prepare a frame. */
void view_make(view *v, const lt_scene *s, int64_t frame, int w, int h);

/* Colour of the place at world point p, before any style; px: footprint. */
rgb place_colour(const view *v, vec2 p, float px);
/* The thing in front: how much of the footprint it covers, and its colour. */
float front_cover(const view *v, vec2 p, float px);
rgb front_colour(const view *v, vec2 p);

/* Signed distance to the outline of a piece, in local units, negative inside. */
float part_distance(const part *k, vec2 p, uint32_t noise);
/* Colour of a piece before any style; d: its distance. */
rgb part_colour(const part *k, vec2 p, float d, const view *v);

#endif
