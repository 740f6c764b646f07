#include "io/media_encode.h"

#include <libavutil/mastering_display_metadata.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char presets[] =
    "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo";

/* What can be asked for. The first pixel format is the one to name in a message. */
typedef struct encoder {
    const char *name, *ffmpeg; /* as the user says it, as FFmpeg does */
    enum AVCodecID id;
    int has_crf; /* 1: takes crf 0 .. 51 and a preset */
    const char *formats;
} encoder;

static const encoder encoders[] = {
    { "libx264", "libx264", AV_CODEC_ID_H264, 1,
      "yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le" },
    { "libx265", "libx265", AV_CODEC_ID_HEVC, 1,
      "yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le" },
    { "ffv1", "ffv1", AV_CODEC_ID_FFV1, 0,
      "yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le bgr0 gbrp10le" },
    { "prores", "prores_ks", AV_CODEC_ID_PRORES, 0, "yuv422p10le yuv444p10le" },
};

static const encoder *encoder_of(const lt_media_encode *e)
{
    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++)
        if (!strcmp(encoders[i].name, e->codec)) return &encoders[i];
    return NULL;
}

/* 1: `word` is one of the words of `list`. */
static int among(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; n && (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' ')) return 1;
    return 0;
}

lt_media_encode lt_media_encode_of(const lt_media_info *info)
{
    lt_media_encode e;
    memset(&e, 0, sizeof(e));
    snprintf(e.codec, sizeof(e.codec), "libx264");
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
    e.light = info->light;
    e.has_matrix = info->has_matrix;
    memcpy(e.display_matrix, info->display_matrix, sizeof(e.display_matrix));
    return e;
}

int32_t lt_media_depth(const char *pix_fmt)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(av_get_pix_fmt(pix_fmt));
    return d ? d->comp[0].depth : 0;
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

static lt_status check_codec(const lt_media_encode *e, const encoder *c)
{
    if (!c)
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown encoder %s (output.codec): use libx264, libx265, ffv1 or "
                       "prores",
                       e->codec);
    if (!avcodec_find_encoder_by_name(c->ffmpeg))
        return LT_FAIL(LT_ERR_UNSUPPORTED,
                       "this FFmpeg has no encoder %s (output.codec): install one that "
                       "has",
                       c->ffmpeg);
    if (!among(c->formats, e->pix_fmt))
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s cannot encode pixel format %s (output.pix_fmt): use %.*s, or "
                       "one of: %s",
                       e->codec, e->pix_fmt, (int)strcspn(c->formats, " "), c->formats,
                       c->formats);
    return LT_OK;
}

lt_status lt_media_check_encode(const lt_media_encode *e)
{
    const encoder *c = encoder_of(e);
    const lt_status st = check_codec(e, c);
    if (st != LT_OK) return st;
    if (c->has_crf && e->preset[0] && !among(presets, e->preset))
        return LT_FAIL(LT_ERR_CONFIG, "unknown preset %s (output.preset): use one of: %s",
                       e->preset, presets);
    if (c->has_crf && !(e->crf >= 0.0 && e->crf <= 51.0))
        return LT_FAIL(LT_ERR_CONFIG,
                       "crf %g is beyond what %s takes (output.crf): give 0 .. 51",
                       e->crf, e->codec);
    if (e->time_base.num < 1 || e->time_base.den < 1)
        return LT_FAIL(LT_ERR_ARG, "time base %d/%d", e->time_base.num, e->time_base.den);
    return check_size(e);
}

lt_status lt_encoder_check_preset(const lt_media_encode *e)
{
    const encoder *c = encoder_of(e);
    if (!c || c->has_crf || !e->preset[0]) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG, "%s has no presets (output.preset %s): leave it empty",
                   e->codec, e->preset);
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

/* ---- settings of each encoder ---------------------------------------------------- */

/* Mastering display and content light, in the words that x264 and x265 share: 0.00002
 * and 0.0001 cd/m2 a unit. */
static void light_words(const lt_media_light *l, const char *key, const char *cll,
                        char *text, size_t size)
{
    int v[10], n = 0;
    text[0] = 0;
    for (int i = 0; i < 8; i++)
        v[i] = (int)lrint(50000.0 * av_q2d(lt_ff_q(l->point[i / 2][i % 2])));
    v[8] = (int)lrint(10000.0 * av_q2d(lt_ff_q(l->brightest)));
    v[9] = (int)lrint(10000.0 * av_q2d(lt_ff_q(l->darkest)));
    if (l->has_mastering)
        n = snprintf(text, size, ":%s=G(%d,%d)B(%d,%d)R(%d,%d)WP(%d,%d)L(%d,%d)", key,
                     v[2], v[3], v[4], v[5], v[0], v[1], v[6], v[7], v[8], v[9]);
    if (l->has_content && n >= 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ":%s=%d,%d", cll, l->max_content,
                 l->max_average);
}

/* x264's AVX-512 code reads memory that it never wrote when a picture is not a multiple
 * of 64 pixels wide (0.164: with MALLOC_PERTURB_ 96 x 64 gives other bytes for every
 * value, 128 x 128 does not), so its bytes would depend on the heap. */
static void set_x264(const lt_media_encode *e, AVDictionary **opt)
{
    char light[256], params[512];
    light_words(&e->light, "mastering-display", "cll", light, sizeof(light));
    snprintf(params, sizeof(params),
             "threads=1:lookahead-threads=1:sliced-threads=0:open-gop=0%s%s",
             __builtin_cpu_supports("avx512bw") ? ":asm=AVX2" : "", light);
    av_dict_set(opt, "x264-params", params, 0);
}

static void set_x265(const lt_media_encode *e, AVDictionary **opt)
{
    char light[256], params[512];
    light_words(&e->light, "master-display", "max-cll", light, sizeof(light));
    snprintf(params, sizeof(params),
             "log-level=none:info=0:pools=none:frame-threads=1:wpp=0:open-gop=0%s",
             light);
    av_dict_set(opt, "x265-params", params, 0);
}

static void set_options(const lt_media_encode *e, const encoder *k, AVCodecContext *c,
                        AVDictionary **opt)
{
    char crf[32];
    snprintf(crf, sizeof(crf), "%.3f", e->crf);
    if (k->has_crf) {
        av_dict_set(opt, "preset", e->preset[0] ? e->preset : "medium", 0);
        av_dict_set(opt, "crf", crf, 0);
    }
    switch (k->id) {
    case AV_CODEC_ID_H264: set_x264(e, opt); break;
    case AV_CODEC_ID_HEVC: set_x265(e, opt); break;
    case AV_CODEC_ID_PRORES:
        av_dict_set(opt, "profile", strstr(e->pix_fmt, "444") ? "4444" : "hq", 0);
        av_dict_set(opt, "vendor", "apl0", 0); /* what some editors look for */
        break;
    default:
        c->gop_size = 1;
        av_dict_set(opt, "level", "3", 0);
        av_dict_set(opt, "slices", "4", 0);
        av_dict_set(opt, "slicecrc", "1", 0);
        break;
    }
}

static void set_picture(const lt_media_encode *e, AVCodecContext *c)
{
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
}

lt_status lt_encoder_open(AVCodecContext **out, const lt_media_encode *e)
{
    lt_status st = LT_OK;
    AVDictionary *opt = NULL;
    AVCodecContext *c = NULL;
    LT_TRY(lt_media_check_encode(e));
    lt_ff_quiet();
    const encoder *k = encoder_of(e);
    const AVCodec *codec = avcodec_find_encoder_by_name(k->ffmpeg);
    c = avcodec_alloc_context3(codec);
    if (!c) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening encoder %s", e->codec);
        goto cleanup;
    }
    set_picture(e, c);
    set_options(e, k, c, &opt);
    const int r = avcodec_open2(c, codec, &opt);
    if (r < 0) {
        char what[96];
        snprintf(what, sizeof(what), "%s cannot encode %d x %d in %s", e->codec, e->width,
                 e->height, e->pix_fmt);
        st = lt_ff_fail(LT_ERR_CONFIG, r, what, "output.codec",
                        "use another codec or pixel format");
        goto cleanup;
    }
    *out = c;
    c = NULL;
cleanup:
    av_dict_free(&opt);
    avcodec_free_context(&c);
    return st;
}

/* ---- the stream in a container --------------------------------------------------- */

static int set_side(AVStream *s, enum AVPacketSideDataType type, const void *data,
                    size_t size)
{
    uint8_t *to = av_stream_new_side_data(s, type, size);
    if (to) memcpy(to, data, size);
    return to != NULL;
}

static int set_light(AVStream *s, const lt_media_light *l)
{
    AVMasteringDisplayMetadata m = { .has_primaries = 1, .has_luminance = 1 };
    const AVContentLightMetadata c = { (unsigned)l->max_content,
                                       (unsigned)l->max_average };
    for (int i = 0; i < 6; i++)
        m.display_primaries[i / 2][i % 2] = lt_ff_q(l->point[i / 2][i % 2]);
    for (int i = 0; i < 2; i++) m.white_point[i] = lt_ff_q(l->point[3][i]);
    m.min_luminance = lt_ff_q(l->darkest);
    m.max_luminance = lt_ff_q(l->brightest);
    return (!l->has_mastering ||
            set_side(s, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, &m, sizeof(m))) &&
           (!l->has_content ||
            set_side(s, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, &c, sizeof(c)));
}

lt_status lt_encoder_stream(AVStream *s, const lt_media_encode *e)
{
    AVCodecParameters *p = s->codecpar;
    p->codec_type = AVMEDIA_TYPE_VIDEO;
    p->codec_id = encoder_of(e)->id;
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
    if (e->has_matrix && !set_side(s, AV_PKT_DATA_DISPLAYMATRIX, e->display_matrix,
                                   sizeof(e->display_matrix)))
        return LT_FAIL(LT_ERR_NOMEM, "display matrix");
    if (!set_light(s, &e->light)) return LT_FAIL(LT_ERR_NOMEM, "mastering display");
    return LT_OK;
}
