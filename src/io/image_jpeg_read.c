#include "io/image_jpeg_read.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/media_ff.h"

enum { FILE_BYTES_MAX = 256 << 20 };

static lt_status refuse(const char *path)
{
    return LT_FAIL(LT_ERR_DATA, "not a JPEG, or damaged (%s): give a whole picture",
                   path);
}

static lt_status open_decoder(AVCodecContext **out)
{
    const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_MJPEG);
    if (!codec) return LT_FAIL(LT_ERR_UNSUPPORTED, "this FFmpeg reads no JPEG");
    AVCodecContext *c = avcodec_alloc_context3(codec);
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "out of memory (JPEG)");
    c->thread_count = 1;
    c->max_pixels = (int64_t)LT_MEDIA_MAX_SIDE * LT_MEDIA_MAX_SIDE;
    c->err_recognition = AV_EF_EXPLODE;
    *out = c;
    if (avcodec_open2(c, codec, NULL) == 0) return LT_OK;
    return LT_FAIL(LT_ERR_UNSUPPORTED, "this FFmpeg reads no JPEG");
}

/* The first plane is luma in every format of 8 bits that JPEG has but RGB. */
static lt_status take_luma(const AVFrame *f, const char *path, lt_image *image)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    if (!d || d->comp[0].depth != 8 || d->comp[0].step != 1 || d->comp[0].plane != 0 ||
        (d->flags & AV_PIX_FMT_FLAG_RGB) || f->width < 1 || f->height < 1 ||
        f->width > LT_MEDIA_MAX_SIDE || f->height > LT_MEDIA_MAX_SIDE)
        return refuse(path);
    uint8_t *out = malloc((size_t)f->width * (size_t)f->height);
    if (!out) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    for (int y = 0; y < f->height; y++)
        memcpy(out + (int64_t)y * f->width, f->data[0] + (int64_t)y * f->linesize[0],
               (size_t)f->width);
    *image = (lt_image){
        .width = f->width, .height = f->height, .channels = 1, .pixels = out
    };
    return LT_OK;
}

lt_status lt_image_jpeg_read_grey(const char *path, lt_image *image)
{
    lt_status st = LT_OK;
    void *data = NULL;
    size_t bytes = 0;
    AVCodecContext *dec = NULL;
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    lt_ff_quiet();
    if (!packet || !frame) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path));
    LT_TRY(lt_file_read(path, FILE_BYTES_MAX, &data, &bytes));
    if (bytes < 4) LT_TRY(refuse(path));
    LT_TRY(open_decoder(&dec));
    if (av_new_packet(packet, (int)bytes) < 0)
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path));
    memcpy(packet->data, data, bytes);
    if (avcodec_send_packet(dec, packet) < 0 || avcodec_receive_frame(dec, frame) < 0)
        LT_TRY(refuse(path));
    LT_TRY(take_luma(frame, path, image));
cleanup:
    avcodec_free_context(&dec);
    av_packet_free(&packet);
    av_frame_free(&frame);
    free(data);
    return st;
}
