#include "io/media_over.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_color.h"

struct lt_media_over {
    lt_media_color from, to; /* of the source and of the output */
    int32_t w, h, tone_map, exact;
    enum AVPixelFormat format; /* of the output */
    const AVPixFmtDescriptor *desc;
    int32_t cw, ch;  /* chroma plane of the output */
    float *chroma;   /* [ch][cw] weights */
    uint16_t *a, *b; /* a line of codes: source, edit */
    /* where the source must be converted: made on first use */
    lt_from_frame *reader;
    lt_to_frame *writer;
    float *rgb; /* [h][w][3] */
    AVFrame *converted;
};

static int is_rgb(const AVPixFmtDescriptor *d)
{
    return (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
}

lt_status lt_media_over_open(lt_media_over **over, const lt_media_info *source,
                             const lt_media_encode *encode, int32_t tone_map)
{
    lt_media_over *o = calloc(1, sizeof(*o));
    if (!o) return LT_FAIL(LT_ERR_NOMEM, "compositing");
    o->from = source->color;
    o->to = encode->color;
    o->w = encode->width;
    o->h = encode->height;
    o->tone_map = tone_map;
    o->format = av_get_pix_fmt(encode->pix_fmt);
    o->desc = av_pix_fmt_desc_get(o->format);
    if (!o->desc || o->w < 1 || o->h < 1) {
        free(o);
        return LT_FAIL(LT_ERR_ARG, "compositing in %s", encode->pix_fmt);
    }
    o->cw = AV_CEIL_RSHIFT(o->w, o->desc->log2_chroma_w);
    o->ch = AV_CEIL_RSHIFT(o->h, o->desc->log2_chroma_h);
    o->chroma = malloc((size_t)o->cw * (size_t)o->ch * sizeof(*o->chroma));
    o->a = malloc((size_t)o->w * sizeof(*o->a));
    o->b = malloc((size_t)o->w * sizeof(*o->b));
    if (!o->chroma || !o->a || !o->b) {
        lt_media_over_close(&o);
        return LT_FAIL(LT_ERR_NOMEM, "compositing %d x %d", encode->width,
                       encode->height);
    }
    *over = o;
    return LT_OK;
}

void lt_media_over_close(lt_media_over **over)
{
    lt_media_over *o = over ? *over : NULL;
    if (!o) return;
    lt_from_frame_close(&o->reader);
    lt_to_frame_close(&o->writer);
    av_frame_free(&o->converted);
    free(o->rgb);
    free(o->chroma);
    free(o->a);
    free(o->b);
    free(o);
    *over = NULL;
}

int lt_media_over_exact(const lt_media_over *o) { return o->exact; }

/* ---- the source in the planes of the output ------------------------------------- */

static int same_planes(const lt_media_over *o, const AVFrame *f)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format), *e = o->desc;
    const uint64_t odd = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_FLOAT |
                         AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER;
    if (!d || (d->flags & odd) || d->nb_components < 3 || is_rgb(d) != is_rgb(e))
        return 0;
    if (f->width != o->w || f->height != o->h || o->tone_map) return 0;
    for (int i = 0; i < 3; i++)
        if (d->comp[i].depth != e->comp[i].depth) return 0;
    if (o->from.range != o->to.range) return 0;
    if (is_rgb(d)) return 1;
    const int sub = d->log2_chroma_w || d->log2_chroma_h;
    return d->log2_chroma_w == e->log2_chroma_w && d->log2_chroma_h == e->log2_chroma_h &&
           o->from.matrix == o->to.matrix && (!sub || o->from.chroma == o->to.chroma);
}

static lt_status make_converter(lt_media_over *o)
{
    lt_status st = LT_OK;
    const lt_media_size size = { o->w, o->h, o->w, o->h };
    LT_TRY(lt_from_frame_open(&o->reader, &o->from, &size, LT_MEDIA_F32, 0, o->tone_map));
    LT_TRY(
        lt_to_frame_open(&o->writer, &o->to, &size, LT_MEDIA_F32, o->format, o->w, o->h));
    o->rgb = malloc((size_t)o->w * (size_t)o->h * 3 * sizeof(*o->rgb));
    AVFrame *f = av_frame_alloc();
    if (f) {
        f->format = o->format;
        f->width = o->w;
        f->height = o->h;
    }
    if (!f || !o->rgb || av_frame_get_buffer(f, 0) < 0) {
        av_frame_free(&f);
        return LT_FAIL(LT_ERR_NOMEM, "compositing %d x %d", o->w, o->h);
    }
    o->converted = f;
cleanup:
    return st;
}

/* *planes = the source's samples: its own, or converted. */
static lt_status source_planes(lt_media_over *o, const AVFrame *source,
                               const AVFrame **planes)
{
    lt_status st = LT_OK;
    o->exact = same_planes(o, source);
    *planes = source;
    if (o->exact) return LT_OK;
    if (!o->converted) LT_TRY(make_converter(o));
    LT_TRY(lt_from_frame_run(o->reader, source, o->rgb));
    LT_TRY(lt_to_frame_run(o->writer, o->rgb, o->converted));
    *planes = o->converted;
cleanup:
    return st;
}

/* ---- blending ------------------------------------------------------------------- */

static void chroma_weights(lt_media_over *o, const float *weight)
{
    const int sx = 1 << o->desc->log2_chroma_w, sy = 1 << o->desc->log2_chroma_h;
    for (int32_t y = 0; y < o->ch; y++)
        for (int32_t x = 0; x < o->cw; x++) {
            float sum = 0.0f, least = 1.0f;
            int n = 0;
            for (int32_t j = y * sy; j < (y + 1) * sy && j < o->h; j++)
                for (int32_t i = x * sx; i < (x + 1) * sx && i < o->w; i++, n++) {
                    const float v = weight[(int64_t)j * o->w + i];
                    sum += v;
                    if (v < least) least = v;
                }
            o->chroma[(int64_t)y * o->cw + x] = least > 0.0f ? sum / (float)n : 0.0f;
        }
}

static void blend(uint16_t *edit, const uint16_t *source, const float *weight, int32_t n)
{
    for (int32_t x = 0; x < n; x++) {
        const float s = source[x], w = weight[x];
        if (w >= 1.0f) continue;
        edit[x] = w > 0.0f ? (uint16_t)(s + w * ((float)edit[x] - s) + 0.5f) : source[x];
    }
}

/* Any packing; the reader of FFmpeg adds bits to what is there. */
static void read_codes(const AVFrame *f, int i, int32_t y, uint16_t *codes, int32_t n)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    memset(codes, 0, (size_t)n * sizeof(*codes));
    av_read_image_line2(codes, (const uint8_t **)(uintptr_t)f->data, f->linesize, d, 0, y,
                        i, n, 0, sizeof(*codes));
}

/* The formats of encoders: planar, or packed with 8 bits (media_frame.c). */
static void write_codes(const lt_media_over *o, AVFrame *f, int i, int32_t y, int32_t n)
{
    const AVComponentDescriptor *d = &o->desc->comp[i];
    uint8_t *line = f->data[d->plane] + (int64_t)y * f->linesize[d->plane];
    for (int32_t x = 0; x < n; x++)
        if (d->depth == 8)
            line[x * d->step + d->offset] = (uint8_t)o->b[x];
        else
            ((uint16_t *)(void *)line)[x] = o->b[x];
}

lt_status lt_media_over_run(lt_media_over *o, const AVFrame *source, const float *weight,
                            AVFrame *frame)
{
    lt_status st = LT_OK;
    const AVFrame *planes = NULL;
    LT_TRY(source_planes(o, source, &planes));
    chroma_weights(o, weight);
    for (int i = 0; i < 3; i++) {
        const int chroma = i > 0 && !is_rgb(o->desc);
        const int32_t w = chroma ? o->cw : o->w, h = chroma ? o->ch : o->h;
        const float *k = chroma ? o->chroma : weight;
        for (int32_t y = 0; y < h; y++) {
            read_codes(planes, i, y, o->a, w);
            read_codes(frame, i, y, o->b, w);
            blend(o->b, o->a, k + (int64_t)y * w, w);
            write_codes(o, frame, i, y, w);
        }
    }
cleanup:
    return st;
}
