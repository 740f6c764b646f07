#include "stages/composite.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/media_over.h"
#include "stages/output.h"

struct lt_composite {
    lt_run *r;
    lt_media_reader *reader;
    lt_mask *mask;
    lt_mask_scaler *scaler; /* NULL: the output has the source's size */
    float *scaled;
    lt_media_over *over;
    /* of the frame in hand */
    const struct AVFrame *source;
    const float *weight;
};

lt_mask_options lt_composite_mask(const lt_config *cfg)
{
    return (lt_mask_options){ .path = cfg->mask.path,
                              .shaping = { .invert = cfg->mask.invert,
                                           .dilate = (int32_t)cfg->mask.dilate,
                                           .feather = (int32_t)cfg->mask.feather } };
}

void lt_composite_describe(const lt_run *r, char *text, size_t size)
{
    const lt_mask_info *m = &r->mask;
    const char *of = r->frames.n == r->frames.n_all ? "video"
                     : m->n == r->frames.n_all      ? "whole video"
                                                    : "part that is edited";
    const char *alpha = m->alpha ? ", its alpha channel" : "";
    char scaled[48] = "";
    const lt_mask_box *b = &m->box;
    if (m->scaled)
        snprintf(scaled, sizeof(scaled), ", scaled to %dx%d", r->info.width,
                 r->info.height);
    if (m->kind == LT_MASK_NONE)
        snprintf(text, size, "%s", "");
    else if (m->kind == LT_MASK_BOX)
        snprintf(text, size, "a rectangle of %dx%d at %d,%d in all frames", b->width,
                 b->height, b->x, b->y);
    else if (m->kind == LT_MASK_STILL)
        snprintf(text, size, "a picture of %dx%d%s for all frames%s", m->width, m->height,
                 alpha, scaled);
    else
        snprintf(text, size, "%lld pictures of %dx%d%s, one for each frame of the %s%s",
                 (long long)m->n, m->width, m->height, alpha, of, scaled);
}

int64_t lt_composite_bytes(const lt_run *r)
{
    const lt_media_encode e = lt_run_encode_options(r);
    /* planes of source and output in f32 at both sizes, RGB, and the weights */
    const int64_t pixel = 2 * 24 + 12 + 8 + 8;
    if (r->mask.kind == LT_MASK_NONE) return 0;
    return lt_mask_bytes(&r->mask, &r->info) + (int64_t)e.width * e.height * pixel;
}

/* ---- in the encoder's planes ------------------------------------------------------- */

static lt_status open_scaler(lt_composite *c, int32_t width, int32_t height)
{
    const lt_media_info *i = &c->r->info;
    if (i->width == width && i->height == height) return LT_OK;
    c->scaled = malloc((size_t)width * (size_t)height * sizeof(*c->scaled));
    if (!c->scaled) return LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)");
    return lt_mask_scaler_open(&c->scaler, i->width, i->height, width, height);
}

lt_status lt_composite_open(lt_run *r, const lt_media_encode *encode,
                            lt_composite **composite)
{
    lt_status st = LT_OK;
    const lt_mask_options mask = lt_composite_mask(r->cfg);
    *composite = NULL;
    if (r->mask.kind == LT_MASK_NONE) return LT_OK;
    lt_composite *c = calloc(1, sizeof(*c));
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)");
    c->r = r;
    /* frames come out as decoded: nothing is converted, so one pixel is size enough */
    const lt_media_reader_options o = { .size = { 1, 1, 1, 1 }, .damaged_share = -1.0 };
    LT_TRY(
        lt_media_reader_open(&c->reader, r->cfg->input.path, &r->info, &r->frames, &o));
    LT_TRY(lt_mask_open(&c->mask, &mask, &r->mask, &r->info));
    LT_TRY(open_scaler(c, encode->width, encode->height));
    LT_TRY(
        lt_media_over_open(&c->over, &r->info, encode, r->info.hdr && !encode->expand));
    *composite = c;
    c = NULL;
cleanup:
    lt_composite_close(&c);
    return st;
}

void lt_composite_close(lt_composite **composite)
{
    lt_composite *c = composite ? *composite : NULL;
    if (!c) return;
    lt_media_over_close(&c->over);
    lt_mask_scaler_close(&c->scaler);
    lt_mask_close(&c->mask);
    lt_media_reader_close(&c->reader);
    free(c->scaled);
    free(c);
    *composite = NULL;
}

static lt_status lay_over(void *ctx, struct AVFrame *frame)
{
    lt_composite *c = ctx;
    return lt_media_over_run(c->over, c->source, c->weight, frame);
}

static lt_status read_source(lt_composite *c, int64_t frame)
{
    lt_status st = LT_OK;
    lt_frame f;
    int end = 0;
    LT_TRY(lt_media_reader_seek(c->reader, frame));
    LT_TRY(lt_media_reader_next_raw(c->reader, &c->source, &f, &end));
    if (end)
        st = LT_FAIL(LT_ERR_DATA,
                     "the video ended at frame %lld of %lld (%s): it has changed since "
                     "the job began; check the file",
                     (long long)frame, (long long)c->r->n_frames, c->r->cfg->input.path);
cleanup:
    return st;
}

lt_status lt_composite_put(lt_composite *c, lt_media_writer *writer, int64_t frame,
                           const void *pixels, int64_t pts)
{
    lt_status st = LT_OK;
    if (!c) return lt_media_writer_put(writer, pixels, pts);
    LT_TRY(read_source(c, frame));
    LT_TRY(lt_mask_read(c->mask, frame, &c->weight));
    if (c->scaler) {
        lt_mask_scale(c->scaler, c->weight, c->scaled);
        c->weight = c->scaled;
    }
    LT_TRY(lt_media_writer_put_touched(writer, pixels, pts, lay_over, c));
cleanup:
    return st;
}

/* ---- a preview --------------------------------------------------------------------- */

static void blend(const lt_media_size *s, const float *weight, const float *source,
                  float *edit)
{
    for (int32_t y = 0; y < s->height; y++)
        for (int32_t x = 0; x < s->width; x++) {
            const float k = weight[(int64_t)y * s->width + x];
            const int64_t at = ((int64_t)y * s->padded_width + x) * 3;
            for (int i = 0; i < 3 && k < 1.0f; i++)
                edit[at + i] = source[at + i] + k * (edit[at + i] - source[at + i]);
        }
}

lt_status lt_composite_preview(lt_run *r, int64_t frame, const lt_tensor *source,
                               lt_tensor *edit)
{
    lt_status st = LT_OK;
    lt_mask *m = NULL;
    lt_mask_scaler *scaler = NULL;
    const float *weight = NULL;
    float *scaled = NULL;
    const lt_mask_options mask = lt_composite_mask(r->cfg);
    const lt_media_size *s = &r->work;
    if (r->mask.kind == LT_MASK_NONE) return LT_OK;
    LT_TRY(lt_mask_open(&m, &mask, &r->mask, &r->info));
    LT_TRY(lt_mask_read(m, frame, &weight));
    scaled = malloc((size_t)s->width * (size_t)s->height * sizeof(*scaled));
    if (!scaled) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)"));
    LT_TRY(
        lt_mask_scaler_open(&scaler, r->info.width, r->info.height, s->width, s->height));
    lt_mask_scale(scaler, weight, scaled);
    blend(s, scaled, lt_f32(source), lt_f32(edit));
cleanup:
    lt_mask_scaler_close(&scaler);
    lt_mask_close(&m);
    free(scaled);
    return st;
}
