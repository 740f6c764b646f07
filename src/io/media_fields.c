#include "io/media_fields.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

static unsigned median(unsigned a, unsigned b, unsigned c)
{
    const unsigned low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* A plane as rows of samples of `wide` bytes, whatever is packed into them: what stands
 * at one place of a row stands there in every row. */
typedef struct rows {
    uint8_t *data;
    int64_t stride;
    int n, bytes, wide;
} rows;

static void middle_8(uint8_t *row, const uint8_t *up, const uint8_t *down, int n)
{
    for (int x = 0; x < n; x++) row[x] = (uint8_t)median(up[x], down[x], row[x]);
}

static void middle_16(uint8_t *row, const uint8_t *up, const uint8_t *down, int bytes)
{
    for (int x = 0; x + 1 < bytes; x += 2) {
        uint16_t a, b, c;
        memcpy(&a, up + x, 2);
        memcpy(&b, down + x, 2);
        memcpy(&c, row + x, 2);
        c = (uint16_t)median(a, b, c);
        memcpy(row + x, &c, 2);
    }
}

/* first: the row where the other field begins, 0 or 1. Its neighbours are rows of the
 * field that stays, so the order of the rows does not matter. */
static void join_rows(const rows *p, int first)
{
    for (int y = first; y < p->n; y += 2) {
        uint8_t *row = p->data + y * p->stride;
        const uint8_t *up = y > 0 ? row - p->stride : row + p->stride;
        const uint8_t *down = y + 1 < p->n ? row + p->stride : up;
        if (p->wide == 1)
            middle_8(row, up, down, p->bytes);
        else
            middle_16(row, up, down, p->bytes);
    }
}

lt_status lt_fields_join(AVFrame *f)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    const uint64_t odd =
        AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_PAL;
    if (!f->interlaced_frame) return LT_OK;
    if (!d || (d->flags & odd) ||
        (d->comp[0].depth > 8 && (d->flags & AV_PIX_FMT_FLAG_BE)))
        return LT_FAIL(LT_ERR_DATA,
                       "interlaced frames in pixel format %s are not read: "
                       "deinterlace the video with ffmpeg first",
                       d ? d->name : "unknown");
    if (av_frame_make_writable(f) < 0)
        return LT_FAIL(LT_ERR_NOMEM, "frame of %d x %d", f->width, f->height);
    for (int i = 0; i < av_pix_fmt_count_planes(f->format); i++) {
        const int chroma = (i == 1 || i == 2) && !(d->flags & AV_PIX_FMT_FLAG_RGB);
        const rows p = { .data = f->data[i],
                         .stride = f->linesize[i],
                         .n = chroma ? -((-f->height) >> d->log2_chroma_h) : f->height,
                         .bytes = av_image_get_linesize(f->format, f->width, i),
                         .wide = d->comp[0].depth > 8 ? 2 : 1 };
        if (p.n > 1) join_rows(&p, f->top_field_first ? 1 : 0);
    }
    f->interlaced_frame = 0;
    return LT_OK;
}
