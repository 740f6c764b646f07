#include "io/media_encode.h"

#include <libavutil/cpu.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>

static const char presets[] =
    "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo";
static const char formats_x264[] =
    "yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le";
static const char formats_ffv1[] =
    "yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le bgr0 gbrp10le";

/* 1: `word` is one of the words of `list`. */
static int among(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; n && (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' ')) return 1;
    return 0;
}

/* x264's AVX-512 code reads memory that it never wrote when a picture is not a multiple
 * of 64 pixels wide (0.164: with MALLOC_PERTURB_ 96 x 64 gives other bytes for every
 * value, 128 x 128 does not), so its bytes would depend on the heap. */
static const char *x264_params(void)
{
    if (__builtin_cpu_supports("avx512bw"))
        return "threads=1:lookahead-threads=1:sliced-threads=0:open-gop=0:asm=AVX2";
    return "threads=1:lookahead-threads=1:sliced-threads=0:open-gop=0";
}

static int is_x264(const lt_media_encode *e) { return !strcmp(e->codec, "libx264"); }

lt_media_encode lt_media_encode_of(const lt_media_info *info)
{
    lt_media_encode e;
    memset(&e, 0, sizeof(e));
    snprintf(e.codec, sizeof(e.codec), "libx264");
    snprintf(e.preset, sizeof(e.preset), "medium");
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "yuv420p");
    e.crf = 18.0;
    e.width = info->width;
    e.height = info->height;
    e.sar = info->sar;
    e.time_base = info->time_base;
    e.rate = info->rate;
    /* Matrix and range as used, so that nobody has to guess again; what the source
     * leaves unsaid and we do not use stays unsaid. */
    e.color = info->color;
    e.color.primaries = info->tagged.primaries;
    e.color.transfer = info->tagged.transfer;
    if (e.color.matrix == AVCOL_SPC_RGB) { /* a source in RGB: what players expect */
        e.color.matrix =
            e.width >= 1280 || e.height > 576 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
        e.color.range = AVCOL_RANGE_MPEG;
    }
    e.has_matrix = info->has_matrix;
    memcpy(e.display_matrix, info->display_matrix, sizeof(e.display_matrix));
    return e;
}

static lt_status check_size(const lt_media_encode *e)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(av_get_pix_fmt(e->pix_fmt));
    if (e->width < 1 || e->height < 1 || e->width > LT_MEDIA_MAX_SIDE ||
        e->height > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_CONFIG,
                       "output of %d x %d (output.scale): sides are 1 .. %d", e->width,
                       e->height, LT_MEDIA_MAX_SIDE);
    const int odd =
        (d->log2_chroma_w && e->width % 2) || (d->log2_chroma_h && e->height % 2);
    if (odd)
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s needs even sides, the output has %d x %d "
                       "(output.pix_fmt): set it to %s",
                       e->pix_fmt, e->width, e->height,
                       d->comp[0].depth > 8 ? "yuv444p10le" : "yuv444p");
    return LT_OK;
}

lt_status lt_media_check_encode(const lt_media_encode *e)
{
    const int x264 = is_x264(e);
    if (!x264 && strcmp(e->codec, "ffv1"))
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown encoder %s (output.codec): use libx264 or "
                       "ffv1",
                       e->codec);
    if (!avcodec_find_encoder_by_name(e->codec))
        return LT_FAIL(LT_ERR_UNSUPPORTED,
                       "this FFmpeg has no encoder %s (output.codec): "
                       "install one that has",
                       e->codec);
    const char *list = x264 ? formats_x264 : formats_ffv1;
    if (!among(list, e->pix_fmt))
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s cannot encode pixel format %s (output.pix_fmt): "
                       "use yuv420p, or one of: %s",
                       e->codec, e->pix_fmt, list);
    if (x264 && !among(presets, e->preset))
        return LT_FAIL(LT_ERR_CONFIG, "unknown preset %s (output.preset): use one of: %s",
                       e->preset, presets);
    if (x264 && !(e->crf >= 0.0 && e->crf <= 51.0))
        return LT_FAIL(LT_ERR_CONFIG, "crf %g (output.crf): give 0 .. 51", e->crf);
    if (e->time_base.num < 1 || e->time_base.den < 1)
        return LT_FAIL(LT_ERR_ARG, "time base %d/%d", e->time_base.num, e->time_base.den);
    return check_size(e);
}

/* Frames a second for the encoder's bookkeeping: only a sane one. */
static AVRational sane_rate(const lt_media_encode *e)
{
    const AVRational r = lt_ff_q(e->rate);
    if (r.num < 1 || r.den < 1 || av_q2d(r) > 1000.0 || av_q2d(r) < 0.1)
        return (AVRational){ 25, 1 };
    return r;
}

static void set_tags(const lt_media_encode *e, enum AVColorPrimaries *pri,
                     enum AVColorTransferCharacteristic *trc, enum AVColorSpace *spc,
                     enum AVColorRange *range, enum AVChromaLocation *loc)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(av_get_pix_fmt(e->pix_fmt));
    const int rgb = (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
    *pri = (enum AVColorPrimaries)e->color.primaries;
    *trc = (enum AVColorTransferCharacteristic)e->color.transfer;
    *spc = rgb ? AVCOL_SPC_RGB : (enum AVColorSpace)e->color.matrix;
    *range = (enum AVColorRange)e->color.range;
    *loc = d->log2_chroma_w ? (enum AVChromaLocation)e->color.chroma
                            : AVCHROMA_LOC_UNSPECIFIED;
}

lt_status lt_encoder_open(AVCodecContext **out, const lt_media_encode *e)
{
    lt_status st = LT_OK;
    AVDictionary *opt = NULL;
    AVCodecContext *c = NULL;
    LT_TRY(lt_media_check_encode(e));
    lt_ff_quiet();
    const AVCodec *codec = avcodec_find_encoder_by_name(e->codec);
    c = avcodec_alloc_context3(codec);
    if (!c) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening encoder %s", e->codec);
        goto cleanup;
    }
    c->width = e->width;
    c->height = e->height;
    c->pix_fmt = av_get_pix_fmt(e->pix_fmt);
    c->sample_aspect_ratio = e->sar.num > 0 ? lt_ff_q(e->sar) : (AVRational){ 1, 1 };
    c->framerate = sane_rate(e);
    c->time_base = av_inv_q(c->framerate);
    c->thread_count = 1; /* x264's bytes change with its threads */
    c->flags |=
        AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP | AV_CODEC_FLAG_BITEXACT;
    set_tags(e, &c->color_primaries, &c->color_trc, &c->colorspace, &c->color_range,
             &c->chroma_sample_location);
    if (is_x264(e)) {
        char crf[32];
        snprintf(crf, sizeof(crf), "%.3f", e->crf);
        av_dict_set(&opt, "preset", e->preset, 0);
        av_dict_set(&opt, "crf", crf, 0);
        av_dict_set(&opt, "x264-params", x264_params(), 0);
    } else {
        c->gop_size = 1;
        av_dict_set(&opt, "level", "3", 0);
        av_dict_set(&opt, "slices", "4", 0);
        av_dict_set(&opt, "slicecrc", "1", 0);
    }
    const int r = avcodec_open2(c, codec, &opt);
    if (r < 0) {
        st = lt_ff_fail(LT_ERR_CONFIG, r, "cannot open the encoder", e->codec, "");
        goto cleanup;
    }
    *out = c;
    c = NULL;
cleanup:
    av_dict_free(&opt);
    avcodec_free_context(&c);
    return st;
}

lt_status lt_encoder_stream(AVStream *s, const lt_media_encode *e)
{
    AVCodecParameters *p = s->codecpar;
    p->codec_type = AVMEDIA_TYPE_VIDEO;
    p->codec_id = is_x264(e) ? AV_CODEC_ID_H264 : AV_CODEC_ID_FFV1;
    p->codec_tag = 0;
    p->format = av_get_pix_fmt(e->pix_fmt);
    p->width = e->width;
    p->height = e->height;
    p->field_order = AV_FIELD_PROGRESSIVE;
    p->sample_aspect_ratio = e->sar.num > 0 ? lt_ff_q(e->sar) : (AVRational){ 1, 1 };
    set_tags(e, &p->color_primaries, &p->color_trc, &p->color_space, &p->color_range,
             &p->chroma_location);
    s->sample_aspect_ratio = p->sample_aspect_ratio;
    s->time_base = lt_ff_q(e->time_base);
    s->avg_frame_rate = sane_rate(e);
    s->disposition = AV_DISPOSITION_DEFAULT;
    if (!e->has_matrix) return LT_OK;
    uint8_t *m =
        av_stream_new_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, sizeof(e->display_matrix));
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "display matrix");
    memcpy(m, e->display_matrix, sizeof(e->display_matrix));
    return LT_OK;
}
