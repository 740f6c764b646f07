#include "io/image_jpeg.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 4096 };

static uint8_t level(double v)
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5);
}

/* Sum of a component over the (up to four) pixels that share a chroma sample. */
static double mean_of(const uint8_t *rgb, int32_t w, int32_t h, int32_t x, int32_t y,
                      int c)
{
    int sum = 0, n = 0;
    for (int32_t j = y; j < y + 2 && j < h; j++)
        for (int32_t i = x; i < x + 2 && i < w; i++, n++)
            sum += rgb[((int64_t)j * w + i) * 3 + c];
    return (double)sum / n;
}

static void fill_planes(const uint8_t *rgb, AVFrame *f)
{
    const int32_t w = f->width, h = f->height;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            const uint8_t *p = rgb + ((int64_t)y * w + x) * 3;
            f->data[0][(int64_t)y * f->linesize[0] + x] =
                level(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]);
        }
    for (int32_t y = 0; y < h; y += 2)
        for (int32_t x = 0; x < w; x += 2) {
            const double r = mean_of(rgb, w, h, x, y, 0), g = mean_of(rgb, w, h, x, y, 1),
                         b = mean_of(rgb, w, h, x, y, 2);
            const double luma = 0.299 * r + 0.587 * g + 0.114 * b;
            f->data[1][(int64_t)(y / 2) * f->linesize[1] + x / 2] =
                level(128 + (b - luma) / 1.772);
            f->data[2][(int64_t)(y / 2) * f->linesize[2] + x / 2] =
                level(128 + (r - luma) / 1.402);
        }
}

static lt_status open_encoder(AVCodecContext **enc, int32_t w, int32_t h, int32_t quality)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    if (!codec) return LT_FAIL(LT_ERR_UNSUPPORTED, "this FFmpeg writes no JPEG");
    AVCodecContext *c = avcodec_alloc_context3(codec);
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "out of memory (JPEG)");
    *enc = c;
    c->width = w;
    c->height = h;
    c->pix_fmt = AV_PIX_FMT_YUVJ420P;
    c->color_range = AVCOL_RANGE_JPEG;
    c->time_base = (AVRational){ 1, 25 };
    c->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    c->global_quality = FF_QP2LAMBDA * quality;
    c->thread_count = 1;
    if (avcodec_open2(c, codec, NULL) == 0) return LT_OK;
    return LT_FAIL(LT_ERR_INTERNAL, "the JPEG encoder cannot be opened");
}

static lt_status encode(AVCodecContext *c, AVFrame *f, const uint8_t *rgb, AVPacket *out)
{
    f->format = c->pix_fmt;
    f->width = c->width;
    f->height = c->height;
    f->quality = c->global_quality;
    if (av_frame_get_buffer(f, 0) != 0)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (JPEG)");
    fill_planes(rgb, f);
    if (avcodec_send_frame(c, f) == 0 && avcodec_receive_packet(c, out) == 0)
        return LT_OK;
    return LT_FAIL(LT_ERR_INTERNAL, "a picture of %d x %d cannot be encoded", c->width,
                   c->height);
}

lt_status lt_image_jpeg(const uint8_t *rgb, int32_t width, int32_t height,
                        int32_t quality, void **data, size_t *bytes)
{
    lt_status st = LT_OK;
    AVCodecContext *c = NULL;
    AVFrame *f = av_frame_alloc();
    AVPacket *out = av_packet_alloc();
    void *copy = NULL;
    if (!rgb || width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX ||
        quality < 1 || quality > 31)
        LT_TRY(
            LT_FAIL(LT_ERR_ARG, "JPEG of %d x %d, quality %d", width, height, quality));
    if (!f || !out) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (JPEG)"));
    LT_TRY(open_encoder(&c, width, height, quality));
    LT_TRY(encode(c, f, rgb, out));
    copy = malloc((size_t)out->size);
    if (!copy) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (JPEG)"));
    memcpy(copy, out->data, (size_t)out->size);
    *data = copy;
    *bytes = (size_t)out->size;
cleanup:
    av_packet_free(&out);
    av_frame_free(&f);
    avcodec_free_context(&c);
    return st;
}
