/* The door for training: many frames of many scenes in one call. */
#include "maths.h"
#include "synth.h"
#include <string.h>

enum { P_FRAME = 80, P_EDIT = 81, N_FRAMES = 4096 };

static int32_t given(const int32_t *list, int i) { return list ? list[i] : -1; }

static bool scene_of(const lt_synth_batch *b, int i, lt_scene *s)
{
    lt_synth_scene_draw(s, b->seeds[i], b->flags);
    for (int f = 0; b->factors && f < LT_SYNTH_N_FACTORS; f++) {
        const int32_t value = b->factors[(size_t)i * LT_SYNTH_N_FACTORS + (size_t)f];
        if (value == -1) continue;
        const char *const name = lt_synth_value_name(f, value);
        if (!name || lt_synth_set(s, lt_synth_factor_name(f), name) != LT_SYNTH_OK)
            return false;
    }
    return !((b->flags & LT_SYNTH_TRAINING) && lt_synth_reserved(s));
}

/* The edit asked for, or the first from a drawn factor on that is possible. */
static bool edit_of(const lt_synth_batch *b, int i, const lt_scene *s, lt_scene *e)
{
    const int32_t factor = given(b->edit_factor, i), value = given(b->edit_value, i);
    if (factor != -1) return lt_synth_edit(e, s, factor, value, b->flags) == LT_SYNTH_OK;
    const int first = draw_below(s->seed, P_EDIT, LT_SYNTH_N_FACTORS);
    for (int k = 0; k < LT_SYNTH_N_FACTORS; k++)
        if (lt_synth_edit(e, s, (first + k) % LT_SYNTH_N_FACTORS, -1, b->flags) ==
            LT_SYNTH_OK)
            return true;
    return false;
}

static bool wants_edit(const lt_synth_batch *b)
{
    return b->edit_rgb || b->edit_mask || b->edit_caption || b->instruction ||
           b->edit_factors_out;
}

static uint8_t *at(uint8_t *base, int i, size_t bytes)
{
    return base ? base + (size_t)i * bytes : NULL;
}

static void write_text(const lt_synth_batch *b, int i, const lt_scene *s,
                       const lt_scene *e)
{
    const size_t t = (size_t)i * LT_SYNTH_TEXT;
    if (b->caption) lt_synth_caption(b->caption + t, s, 0);
    if (b->edit_caption) lt_synth_caption(b->edit_caption + t, e, 0);
    if (b->instruction) lt_synth_instruction(b->instruction + t, s, e);
}

static void render_item(const lt_synth_batch *b, int i, const lt_scene *s,
                        const lt_scene *e)
{
    const size_t area = (size_t)b->w * (size_t)b->h;
    const int32_t asked = given(b->frames, i);
    const int64_t frame = asked >= 0 ? asked : draw_below(s->seed, P_FRAME, N_FRAMES);
    const lt_synth_frame plain = { .rgb = at(b->rgb, i, 3 * area),
                                   .mask = at(b->mask, i, area) };
    const lt_synth_frame edited = { .rgb = at(b->edit_rgb, i, 3 * area),
                                    .mask = at(b->edit_mask, i, area) };
    const size_t f = (size_t)i * LT_SYNTH_N_FACTORS;

    lt_synth_render(s, frame, b->w, b->h, &plain);
    if (edited.rgb || edited.mask) lt_synth_render(e, frame, b->w, b->h, &edited);
    write_text(b, i, s, e);
    if (b->factors_out) memcpy(b->factors_out + f, s->factor, sizeof(s->factor));
    if (b->edit_factors_out)
        memcpy(b->edit_factors_out + f, e->factor, sizeof(e->factor));
}

int lt_synth_render_batch(const lt_synth_batch *b)
{
    lt_scene s, e;

    if (b->w < 1 || b->h < 1 || b->w > LT_SYNTH_MAX_SIDE || b->h > LT_SYNTH_MAX_SIDE)
        return 1;
    for (int i = 0; i < b->n; i++) {
        if (!scene_of(b, i, &s)) return i + 1;
        if (wants_edit(b) && !edit_of(b, i, &s, &e)) return i + 1;
        render_item(b, i, &s, &e);
    }
    return 0;
}
