#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_color.h"

/* The place of a chroma sample, in luma samples, when `sub` of them share one. */
static double chroma_x(int32_t place, int sub)
{
    const int left = place == AVCHROMA_LOC_LEFT || place == AVCHROMA_LOC_TOPLEFT ||
                     place == AVCHROMA_LOC_BOTTOMLEFT;
    return left ? 0.0 : (sub - 1) / 2.0;
}

static double chroma_y(int32_t place, int sub)
{
    if (place == AVCHROMA_LOC_TOPLEFT || place == AVCHROMA_LOC_TOP) return 0.0;
    if (place == AVCHROMA_LOC_BOTTOMLEFT || place == AVCHROMA_LOC_BOTTOM) return sub - 1;
    return (sub - 1) / 2.0;
}

/* value = code * scale + bias, and back. Luma and RGB: [0, 1]; chroma: [-0.5, 0.5]. */
typedef struct level {
    float scale, bias;
} level;

static level level_of(int depth, int full, int chroma)
{
    const double top = (double)((1 << depth) - 1), unit = (double)(1 << (depth - 8));
    const double zero = chroma ? (double)(1 << (depth - 1)) : full ? 0.0 : 16.0 * unit;
    const double span = full ? top : chroma ? 224.0 * unit : 219.0 * unit;
    return (level){ (float)(1.0 / span), (float)(-zero / span) };
}

/* ---- planes of a frame ---------------------------------------------------------- */

typedef struct plane {
    int32_t w, h;
    level lv;
    lt_plane_axis x, y; /* to the size of the content (or back) */
    float *data;        /* [h][w] */
    float *scaled;      /* [content h][content w] */
} plane;

static void plane_free(plane *p)
{
    lt_plane_axis_free(&p->x);
    lt_plane_axis_free(&p->y);
    free(p->data);
    free(p->scaled);
    memset(p, 0, sizeof(*p));
}

static lt_status plane_alloc(plane *p, int32_t cw, int32_t ch)
{
    p->data = malloc((size_t)p->w * (size_t)p->h * sizeof(float));
    p->scaled = malloc((size_t)cw * (size_t)ch * sizeof(float));
    if (p->data && p->scaled) return LT_OK;
    return LT_FAIL(LT_ERR_NOMEM, "plane of %d x %d", p->w, p->h);
}

static int32_t shifted(int32_t v, int shift) { return -((-v) >> shift); }

/* Components of three planes in the order R, G, B or Y, Cb, Cr. */
typedef struct layout {
    enum AVPixelFormat format;
    const AVPixFmtDescriptor *desc;
    int32_t w, h;
    int n; /* 1 = grey, 3 */
    int is_rgb, palette;
} layout;

static layout layout_of(enum AVPixelFormat format, int32_t w, int32_t h)
{
    layout l = { format, av_pix_fmt_desc_get(format), w, h, 3, 0, 0 };
    if (!l.desc) return l;
    l.palette = (l.desc->flags & AV_PIX_FMT_FLAG_PAL) != 0;
    l.is_rgb = l.palette || (l.desc->flags & AV_PIX_FMT_FLAG_RGB);
    if (!l.is_rgb && l.desc->nb_components < 3) l.n = 1;
    return l;
}

static void plane_shape(plane *p, const layout *l, int c, const lt_media_color *color)
{
    const int chroma = c > 0 && !l->is_rgb;
    const int full = color->range == AVCOL_RANGE_JPEG;
    const int depth = l->palette ? 8 : l->desc->comp[c].depth;
    p->w = chroma ? shifted(l->w, l->desc->log2_chroma_w) : l->w;
    p->h = chroma ? shifted(l->h, l->desc->log2_chroma_h) : l->h;
    p->lv = level_of(depth < 8 ? 8 : depth, full || depth < 8, chroma);
    if (depth < 8) p->lv = (level){ 1.0f / (float)((1 << depth) - 1), 0.0f };
}

/* ---- frames to RGB -------------------------------------------------------------- */

struct lt_from_frame {
    lt_media_color color;
    lt_media_size size;
    lt_media_format format;
    int32_t turn, tone_map;
    int32_t cw, ch; /* content before turning */
    layout layout;
    lt_color_matrix matrix;
    plane p[3];
    float *row, *rgb; /* rgb: [ch][cw][3] */
    uint16_t *codes;
    float *tone;
};

lt_status lt_from_frame_open(lt_from_frame **out, const lt_media_color *color,
                             const lt_media_size *size, lt_media_format format,
                             int32_t turn, int32_t tone_map)
{
    lt_status st = LT_OK;
    lt_from_frame *c = calloc(1, sizeof(*c));
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "colour conversion");
    const int across = turn == 90 || turn == 270;
    c->color = *color;
    c->size = *size;
    c->format = format;
    c->turn = turn;
    c->tone_map = tone_map;
    c->cw = across ? size->height : size->width;
    c->ch = across ? size->width : size->height;
    c->layout.format = AV_PIX_FMT_NONE;
    c->rgb = malloc((size_t)c->cw * (size_t)c->ch * 3 * sizeof(float));
    if (!c->rgb) {
        st = LT_FAIL(LT_ERR_NOMEM, "frame of %d x %d", c->cw, c->ch);
        goto cleanup;
    }
    if (tone_map) LT_TRY(lt_tone_make(&c->tone, color->transfer));
    *out = c;
    c = NULL;
cleanup:
    lt_from_frame_close(&c);
    return st;
}

static void drop_planes(lt_from_frame *c)
{
    for (int i = 0; i < 3; i++) plane_free(&c->p[i]);
    free(c->row);
    free(c->codes);
    c->row = NULL;
    c->codes = NULL;
    c->layout.format = AV_PIX_FMT_NONE;
}

void lt_from_frame_close(lt_from_frame **c)
{
    if (!c || !*c) return;
    drop_planes(*c);
    free((*c)->rgb);
    free((*c)->tone);
    free(*c);
    *c = NULL;
}

static lt_status plane_from(plane *p, const lt_from_frame *c, int chroma)
{
    lt_status st = LT_OK;
    const int sx = chroma ? 1 << c->layout.desc->log2_chroma_w : 1;
    const int sy = chroma ? 1 << c->layout.desc->log2_chroma_h : 1;
    const double kx = (double)c->layout.w / c->cw, ky = (double)c->layout.h / c->ch;
    const double ox = chroma ? chroma_x(c->color.chroma, sx) : 0.0;
    const double oy = chroma ? chroma_y(c->color.chroma, sy) : 0.0;
    LT_TRY(lt_plane_axis_make(&p->x, p->w, c->cw, kx / sx, (0.5 * kx - 0.5 - ox) / sx));
    LT_TRY(lt_plane_axis_make(&p->y, p->h, c->ch, ky / sy, (0.5 * ky - 0.5 - oy) / sy));
    LT_TRY(plane_alloc(p, c->cw, c->ch));
cleanup:
    return st;
}

/* Get ready for frames like this one; the size may change in the middle of a stream. */
static lt_status adapt(lt_from_frame *c, const AVFrame *f)
{
    lt_status st = LT_OK;
    if (f->format == c->layout.format && f->width == c->layout.w &&
        f->height == c->layout.h)
        return LT_OK;
    drop_planes(c);
    layout l = layout_of(f->format, f->width, f->height);
    const uint64_t odd =
        AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT;
    if (!l.desc || (l.desc->flags & odd) || l.w < 1 || l.h < 1 ||
        l.w > LT_MEDIA_MAX_SIDE || l.h > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_DATA,
                       "a frame of %d x %d in pixel format %s cannot be read", l.w, l.h,
                       l.desc ? l.desc->name : "unknown");
    c->layout = l;
    c->layout.format = AV_PIX_FMT_NONE; /* until everything is there */
    LT_TRY(lt_color_matrix_of(l.is_rgb ? AVCOL_SPC_RGB : c->color.matrix, &c->matrix));
    for (int i = 0; i < l.n; i++) {
        plane_shape(&c->p[i], &l, i, &c->color);
        LT_TRY(plane_from(&c->p[i], c, i > 0 && !l.is_rgb));
    }
    c->row = malloc((size_t)l.w * sizeof(float));
    c->codes = malloc((size_t)l.w * sizeof(uint16_t));
    if (!c->row || !c->codes) {
        st = LT_FAIL(LT_ERR_NOMEM, "row of %d pixels", l.w);
        goto cleanup;
    }
    c->layout.format = f->format;
cleanup:
    return st;
}

/* One line of one component as numbers of its own depth, whatever the packing. */
static void read_line(const lt_from_frame *c, const AVFrame *f, int i, int32_t y,
                      float *out)
{
    const plane *p = &c->p[i];
    const AVComponentDescriptor *d = &c->layout.desc->comp[i];
    if (d->depth == 8 && d->step == 1 && !c->layout.palette && !d->shift) {
        const uint8_t *s =
            f->data[d->plane] + (int64_t)y * f->linesize[d->plane] + d->offset;
        for (int32_t x = 0; x < p->w; x++)
            out[x] = (float)s[x] * p->lv.scale + p->lv.bias;
        return;
    }
    /* the palette is a table of native-endian ARGB words: its bytes are B, G, R, A */
    const int comp = c->layout.palette ? 2 - i : i;
    memset(c->codes, 0, (size_t)p->w * sizeof(uint16_t));
    av_read_image_line2(c->codes, (const uint8_t **)f->data, f->linesize, c->layout.desc,
                        0, y, comp, p->w, c->layout.palette, (int)sizeof(uint16_t));
    for (int32_t x = 0; x < p->w; x++)
        out[x] = (float)c->codes[x] * p->lv.scale + p->lv.bias;
}

static float clamp01(float v) { return v > 0.0f ? (v < 1.0f ? v : 1.0f) : 0.0f; }

static void to_rgb(lt_from_frame *c)
{
    const int64_t n = (int64_t)c->cw * c->ch;
    const float *y = c->p[0].scaled;
    const float *u = c->layout.n > 1 ? c->p[1].scaled : NULL;
    const float *v = c->layout.n > 1 ? c->p[2].scaled : NULL;
    const float kr = c->matrix.kr, kb = c->matrix.kb, kg = 1.0f - kr - kb;
    const float rv = 2.0f * (1.0f - kr), bu = 2.0f * (1.0f - kb);
    float *o = c->rgb;
    if (!u) {
        for (int64_t i = 0; i < n; i++)
            o[3 * i] = o[3 * i + 1] = o[3 * i + 2] = clamp01(y[i]);
    } else if (c->matrix.is_rgb) {
        for (int64_t i = 0; i < n; i++) {
            o[3 * i] = clamp01(y[i]);
            o[3 * i + 1] = clamp01(u[i]);
            o[3 * i + 2] = clamp01(v[i]);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            const float r = y[i] + rv * v[i], b = y[i] + bu * u[i];
            o[3 * i] = clamp01(r);
            o[3 * i + 1] = clamp01((y[i] - kr * r - kb * b) / kg);
            o[3 * i + 2] = clamp01(b);
        }
    }
}

/* The content's pixel that is shown at x, y after turning clockwise. */
static const float *turned(const lt_from_frame *c, int32_t x, int32_t y)
{
    int32_t sx = x, sy = y;
    switch (c->turn) {
    case 90: sx = y, sy = c->ch - 1 - x; break;
    case 180: sx = c->cw - 1 - x, sy = c->ch - 1 - y; break;
    case 270: sx = c->cw - 1 - y, sy = x; break;
    default: break;
    }
    return c->rgb + ((int64_t)sy * c->cw + sx) * 3;
}

static void put(const lt_from_frame *c, void *pixels, int64_t at, const float *rgb)
{
    if (c->format == LT_MEDIA_F32) {
        memcpy((float *)pixels + at * 3, rgb, 3 * sizeof(float));
        return;
    }
    uint8_t *o = (uint8_t *)pixels + at * 3;
    for (int k = 0; k < 3; k++) o[k] = (uint8_t)(rgb[k] * 255.0f + 0.5f);
}

static void store(const lt_from_frame *c, void *pixels)
{
    const lt_media_size *s = &c->size;
    for (int32_t y = 0; y < s->padded_height; y++) {
        const int32_t sy = y < s->height ? y : s->height - 1;
        const int64_t line = (int64_t)y * s->padded_width;
        for (int32_t x = 0; x < s->padded_width; x++)
            put(c, pixels, line + x, turned(c, x < s->width ? x : s->width - 1, sy));
    }
}

lt_status lt_from_frame_run(lt_from_frame *c, const AVFrame *frame, void *pixels)
{
    lt_status st = LT_OK;
    LT_TRY(adapt(c, frame));
    for (int i = 0; i < c->layout.n; i++) {
        plane *p = &c->p[i];
        for (int32_t y = 0; y < p->h; y++)
            read_line(c, frame, i, y, p->data + (int64_t)y * p->w);
        lt_plane_scale(p->scaled, p->data, &p->x, &p->y, c->row);
    }
    to_rgb(c);
    if (c->tone_map)
        lt_tone_map(c->rgb, (int64_t)c->cw * c->ch, c->tone, c->color.transfer,
                    c->color.primaries);
    store(c, pixels);
cleanup:
    return st;
}

/* ---- RGB to frames -------------------------------------------------------------- */

struct lt_to_frame {
    lt_media_color color;
    lt_media_size size;
    lt_media_format format;
    layout layout;
    lt_color_matrix matrix;
    plane p[3];        /* data: the output's plane; scaled: the content's */
    float *row, *undo; /* undo: NULL, or the table of lt_tone_undo */
};

/* From content to the output's plane: the reverse of plane_from. */
static lt_status plane_to(plane *p, const lt_to_frame *c, int chroma)
{
    lt_status st = LT_OK;
    const int sx = chroma ? 1 << c->layout.desc->log2_chroma_w : 1;
    const int sy = chroma ? 1 << c->layout.desc->log2_chroma_h : 1;
    const int32_t cw = c->size.width, ch = c->size.height;
    const double kx = (double)cw / c->layout.w, ky = (double)ch / c->layout.h;
    const double ox = chroma ? chroma_x(c->color.chroma, sx) : 0.0;
    const double oy = chroma ? chroma_y(c->color.chroma, sy) : 0.0;
    LT_TRY(lt_plane_axis_make(&p->x, cw, p->w, kx * sx, (ox + 0.5) * kx - 0.5));
    LT_TRY(lt_plane_axis_make(&p->y, ch, p->h, ky * sy, (oy + 0.5) * ky - 0.5));
    LT_TRY(plane_alloc(p, cw, ch));
cleanup:
    return st;
}

lt_status lt_to_frame_open(lt_to_frame **out, const lt_media_color *color,
                           const lt_media_size *size, lt_media_format format,
                           enum AVPixelFormat pix_fmt, int32_t width, int32_t height)
{
    lt_status st = LT_OK;
    lt_to_frame *c = calloc(1, sizeof(*c));
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "colour conversion");
    c->color = *color;
    c->size = *size;
    c->format = format;
    c->layout = layout_of(pix_fmt, width, height);
    LT_TRY(
        lt_color_matrix_of(c->layout.is_rgb ? AVCOL_SPC_RGB : color->matrix, &c->matrix));
    for (int i = 0; i < 3; i++) {
        plane_shape(&c->p[i], &c->layout, i, color);
        LT_TRY(plane_to(&c->p[i], c, i > 0 && !c->layout.is_rgb));
    }
    c->row = malloc((size_t)size->width * sizeof(float));
    if (!c->row) {
        st = LT_FAIL(LT_ERR_NOMEM, "row of %d pixels", size->width);
        goto cleanup;
    }
    *out = c;
    c = NULL;
cleanup:
    lt_to_frame_close(&c);
    return st;
}

void lt_to_frame_close(lt_to_frame **c)
{
    if (!c || !*c) return;
    for (int i = 0; i < 3; i++) plane_free(&(*c)->p[i]);
    free((*c)->row);
    free((*c)->undo);
    free(*c);
    *c = NULL;
}

lt_status lt_to_frame_expand(lt_to_frame *c)
{
    return c->undo ? LT_OK : lt_tone_undo_make(&c->undo);
}

static void from_rgb(lt_to_frame *c, const float rgb[3], int64_t at)
{
    const float r = clamp01(rgb[0]), g = clamp01(rgb[1]), b = clamp01(rgb[2]);
    const float kr = c->matrix.kr, kb = c->matrix.kb;
    if (c->matrix.is_rgb) {
        c->p[0].scaled[at] = r;
        c->p[1].scaled[at] = g;
        c->p[2].scaled[at] = b;
        return;
    }
    const float y = kr * r + (1.0f - kr - kb) * g + kb * b;
    c->p[0].scaled[at] = y;
    c->p[1].scaled[at] = (b - y) / (2.0f * (1.0f - kb));
    c->p[2].scaled[at] = (r - y) / (2.0f * (1.0f - kr));
}

static void load(lt_to_frame *c, const void *pixels)
{
    const lt_media_size *s = &c->size;
    for (int32_t y = 0; y < s->height; y++) {
        const int64_t line = (int64_t)y * s->padded_width * 3;
        for (int32_t x = 0; x < s->width; x++) {
            float rgb[3];
            for (int k = 0; k < 3; k++)
                rgb[k] =
                    c->format == LT_MEDIA_F32
                        ? ((const float *)pixels)[line + 3 * x + k]
                        : (float)((const uint8_t *)pixels)[line + 3 * x + k] / 255.0f;
            if (c->undo)
                lt_tone_undo(rgb, 1, c->undo, c->color.transfer, c->color.primaries);
            from_rgb(c, rgb, (int64_t)y * s->width + x);
        }
    }
}

/* Planar formats, and packed ones of 8 bits: see the list in media_encode.c. */
static void write_plane(const lt_to_frame *c, int i, AVFrame *f)
{
    const plane *p = &c->p[i];
    const AVComponentDescriptor *d = &c->layout.desc->comp[i];
    const float top = (float)((1 << d->depth) - 1);
    const float scale = 1.0f / p->lv.scale, bias = 0.5f - p->lv.bias / p->lv.scale;
    for (int32_t y = 0; y < p->h; y++) {
        const float *s = p->data + (int64_t)y * p->w;
        uint8_t *line = f->data[d->plane] + (int64_t)y * f->linesize[d->plane];
        for (int32_t x = 0; x < p->w; x++) {
            float v = s[x] * scale + bias;
            v = v > 0.0f ? (v < top ? v : top) : 0.0f;
            if (d->depth == 8)
                line[x * d->step + d->offset] = (uint8_t)v;
            else
                ((uint16_t *)(void *)line)[x] = (uint16_t)v;
        }
    }
}

lt_status lt_to_frame_run(lt_to_frame *c, const void *pixels, AVFrame *frame)
{
    load(c, pixels);
    for (int i = 0; i < 3; i++) {
        plane *p = &c->p[i];
        lt_plane_scale(p->data, p->scaled, &p->x, &p->y, c->row);
        write_plane(c, i, frame);
    }
    return LT_OK;
}
