#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/media_ff.h"

static void set_name(char *out, const char *name)
{
    snprintf(out, LT_MEDIA_NAME_MAX, "%s", name ? name : "");
}

/* Two names of one demuxer cover many containers: what the user knows is the first. */
static void set_container(lt_media_info *info, const AVFormatContext *fmt)
{
    const char *name = fmt->iformat->name;
    if (!strncmp(name, "mov,", 4)) {
        const AVDictionaryEntry *e = av_dict_get(fmt->metadata, "major_brand", NULL, 0);
        name = e && !strncmp(e->value, "qt", 2) ? "mov" : "mp4";
    }
    set_name(info->container, name);
    info->container[strcspn(info->container, ",")] = 0;
}

static void count_streams(lt_media_info *info, const AVFormatContext *fmt)
{
    for (unsigned i = 0; i < fmt->nb_streams; i++) {
        if ((int)i == info->video_stream) continue;
        switch (fmt->streams[i]->codecpar->codec_type) {
        case AVMEDIA_TYPE_AUDIO: info->n_audio++; break;
        case AVMEDIA_TYPE_SUBTITLE: info->n_subtitles++; break;
        default: info->n_other += !lt_ff_is_made_anew(fmt, fmt->streams[i]); break;
        }
    }
    info->n_chapters = (int32_t)fmt->nb_chapters;
    info->n_metadata = av_dict_count(fmt->metadata);
}

/* The matrix as mp4 has it; the angle is that of its rotation part, to the quarter. */
static void set_rotation(lt_media_info *info, const AVStream *stream)
{
    size_t size = 0;
    const int32_t *m = (const int32_t *)av_stream_get_side_data(
        stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (!m || size < 9 * sizeof(int32_t)) return;
    memcpy(info->display_matrix, m, 9 * sizeof(int32_t));
    info->has_matrix = 1;
    const double angle = -av_display_rotation_get(m); /* theirs is counter-clockwise */
    if (isnan(angle)) return;
    info->rotation = (int32_t)(((lround(angle / 90.0) % 4) + 4) % 4) * 90;
}

static void set_size(lt_media_info *info, const AVFrame *frame, const AVCodecContext *dec)
{
    info->width = frame->width;
    info->height = frame->height;
    info->coded_width = dec->coded_width > frame->width ? dec->coded_width : frame->width;
    info->coded_height =
        dec->coded_height > frame->height ? dec->coded_height : frame->height;
    int64_t w = frame->width;
    if (info->sar.num != info->sar.den) w = av_rescale(w, info->sar.num, info->sar.den);
    w = w < 1 ? 1 : w > INT32_MAX ? INT32_MAX : w;
    const int turned = info->rotation == 90 || info->rotation == 270;
    info->display_width = turned ? info->height : (int32_t)w;
    info->display_height = turned ? (int32_t)w : info->height;
}

static void set_times(lt_media_info *info, AVFormatContext *fmt, AVStream *stream)
{
    info->time_base = lt_ff_rational(stream->time_base);
    info->rate = lt_ff_rational(stream->avg_frame_rate);
    info->nominal_rate = lt_ff_rational(av_guess_frame_rate(fmt, stream, NULL));
    if (!info->rate.num) info->rate = info->nominal_rate;
    if (!info->nominal_rate.num) info->nominal_rate = info->rate;
    info->start_pts = stream->start_time == AV_NOPTS_VALUE ? 0 : stream->start_time;
    if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
        info->duration = stream->duration;
    else if (fmt->duration != AV_NOPTS_VALUE && fmt->duration > 0)
        info->duration = av_rescale_q(fmt->duration, AV_TIME_BASE_Q, stream->time_base);
}

/* ---- colour --------------------------------------------------------------------- */

/* What players take for granted: large pictures are BT.709, small ones BT.601. */
static void assume_matrix(lt_media_color *c, int32_t w, int32_t h)
{
    const int hd = w >= 1280 || h > 576;
    if (c->primaries == AVCOL_PRI_BT2020) {
        c->matrix = AVCOL_SPC_BT2020_NCL;
        return;
    }
    c->matrix = hd ? AVCOL_SPC_BT709 : h == 576 ? AVCOL_SPC_BT470BG : AVCOL_SPC_SMPTE170M;
}

static void assume_rest(lt_media_color *c, int32_t w, int32_t h)
{
    const int hd = w >= 1280 || h > 576;
    if (c->primaries == AVCOL_PRI_UNSPECIFIED)
        c->primaries = c->matrix == AVCOL_SPC_BT2020_NCL ? AVCOL_PRI_BT2020
                       : hd                              ? AVCOL_PRI_BT709
                       : h == 576                        ? AVCOL_PRI_BT470BG
                                                         : AVCOL_PRI_SMPTE170M;
    if (c->transfer == AVCOL_TRC_UNSPECIFIED) c->transfer = AVCOL_TRC_BT709;
    if (c->chroma == AVCHROMA_LOC_UNSPECIFIED) c->chroma = AVCHROMA_LOC_LEFT;
}

static int is_full_by_name(enum AVPixelFormat f)
{
    return f == AV_PIX_FMT_YUVJ420P || f == AV_PIX_FMT_YUVJ422P ||
           f == AV_PIX_FMT_YUVJ444P || f == AV_PIX_FMT_YUVJ440P ||
           f == AV_PIX_FMT_YUVJ411P;
}

static void set_color(lt_media_info *info, const AVFrame *frame,
                      const AVPixFmtDescriptor *desc)
{
    const int rgb = desc->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL);
    lt_media_color *c = &info->tagged;
    *c = (lt_media_color){ frame->color_primaries, frame->color_trc, frame->colorspace,
                           frame->color_range, frame->chroma_location };
    if (c->primaries == 0) c->primaries = AVCOL_PRI_UNSPECIFIED;
    if (c->transfer == 0) c->transfer = AVCOL_TRC_UNSPECIFIED;
    if (is_full_by_name(frame->format)) c->range = AVCOL_RANGE_JPEG;
    if (rgb) c->matrix = AVCOL_SPC_RGB;
    if (!rgb && c->matrix == AVCOL_SPC_RGB) c->matrix = AVCOL_SPC_UNSPECIFIED;

    info->color = *c;
    c = &info->color;
    if (c->matrix == AVCOL_SPC_UNSPECIFIED) assume_matrix(c, info->width, info->height);
    if (c->range == AVCOL_RANGE_UNSPECIFIED)
        c->range = rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    assume_rest(c, info->width, info->height);
    info->assumed =
        info->tagged.matrix != c->matrix || (!rgb && info->tagged.range != c->range);
    info->hdr =
        c->transfer == AVCOL_TRC_SMPTE2084 || c->transfer == AVCOL_TRC_ARIB_STD_B67;
}

void lt_media_assumed(const lt_media_info *info, char *text, size_t size)
{
    char matrix[64] = "", range[64] = "";
    const char *name = av_color_space_name((enum AVColorSpace)info->color.matrix);
    if (info->tagged.matrix != info->color.matrix)
        snprintf(matrix, sizeof(matrix), "matrix %s", name ? name : "unknown");
    if (info->assumed && info->tagged.range != info->color.range)
        snprintf(range, sizeof(range), "range %s",
                 info->color.range == AVCOL_RANGE_JPEG ? "full" : "limited");
    snprintf(text, size, "%s%s%s", matrix, matrix[0] && range[0] ? ", " : "", range);
}

/* ---- light of HDR videos ---------------------------------------------------------- */

/* From the first frame where the codec says it, else from the container. */
static const void *side_data(const AVStream *stream, const AVFrame *frame,
                             enum AVFrameSideDataType in_frame,
                             enum AVPacketSideDataType in_stream, size_t least)
{
    size_t size = 0;
    const AVFrameSideData *f = av_frame_get_side_data(frame, in_frame);
    if (f && f->size >= least) return f->data;
    const void *s = av_stream_get_side_data(stream, in_stream, &size);
    return s && size >= least ? s : NULL;
}

static void set_light(lt_media_info *info, const AVStream *stream, const AVFrame *frame)
{
    const AVMasteringDisplayMetadata *m =
        side_data(stream, frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
                  AV_PKT_DATA_MASTERING_DISPLAY_METADATA, sizeof(*m));
    const AVContentLightMetadata *c =
        side_data(stream, frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
                  AV_PKT_DATA_CONTENT_LIGHT_LEVEL, sizeof(*c));
    lt_media_light *l = &info->light;
    for (int i = 0; i < 4; i++) l->point[i][0] = l->point[i][1] = (lt_rational){ 0, 1 };
    l->darkest = l->brightest = (lt_rational){ 0, 1 };
    if (!info->hdr) return;
    if (m && m->has_primaries && m->has_luminance) {
        l->has_mastering = 1;
        for (int i = 0; i < 8; i++)
            l->point[i / 2][i % 2] = lt_ff_rational(
                i < 6 ? m->display_primaries[i / 2][i % 2] : m->white_point[i % 2]);
        l->darkest = lt_ff_rational(m->min_luminance);
        l->brightest = lt_ff_rational(m->max_luminance);
    }
    if (c && c->MaxCLL <= 65535 && c->MaxFALL <= 65535) {
        l->has_content = 1;
        l->max_content = (int32_t)c->MaxCLL;
        l->max_average = (int32_t)c->MaxFALL;
    }
}

/* Profile 5 of Dolby Vision keeps its colours in a space of its own, untagged. */
static lt_status check_dolby(const AVStream *stream, const char *path)
{
    size_t size = 0;
    const AVDOVIDecoderConfigurationRecord *d =
        (const void *)av_stream_get_side_data(stream, AV_PKT_DATA_DOVI_CONF, &size);
    if (!d || size < sizeof(*d) || d->dv_bl_signal_compatibility_id != 0) return LT_OK;
    return LT_FAIL(LT_ERR_DATA,
                   "Dolby Vision profile %d has no picture for other players (%s): "
                   "convert it to HDR10 first",
                   d->dv_profile, path);
}

/* ---- probe ---------------------------------------------------------------------- */

static int has_fields(const AVStream *stream, const AVFrame *frame)
{
    const enum AVFieldOrder o = stream->codecpar->field_order;
    return frame->interlaced_frame ||
           (o != AV_FIELD_UNKNOWN && o != AV_FIELD_PROGRESSIVE);
}

static lt_status check_format(const lt_media_info *info, const AVFrame *frame,
                              const char *path)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(frame->format);
    const uint64_t odd =
        AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT;
    const int32_t m = info->color.matrix;
    if (!desc || (desc->flags & odd))
        return LT_FAIL(LT_ERR_DATA,
                       "pixel format %s is not read (%s): convert it with "
                       "ffmpeg first",
                       desc ? desc->name : "unknown", path);
    if (m == AVCOL_SPC_YCGCO || m == AVCOL_SPC_BT2020_CL || m >= AVCOL_SPC_SMPTE2085)
        return LT_FAIL(LT_ERR_DATA,
                       "colour matrix %s is not read (%s): convert it with "
                       "ffmpeg first",
                       av_color_space_name((enum AVColorSpace)m), path);
    if (frame->width > LT_MEDIA_MAX_SIDE || frame->height > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_DATA, "video of %d x %d is too large (%s): at most %d",
                       frame->width, frame->height, path, LT_MEDIA_MAX_SIDE);
    return LT_OK;
}

static lt_status describe(lt_media_info *info, lt_ff_source *s, const AVFrame *frame)
{
    AVStream *stream = s->fmt->streams[s->stream];
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(frame->format);
    if (!desc)
        return LT_FAIL(LT_ERR_DATA, "unknown pixel format (%s): convert it first",
                       s->path);
    info->video_stream = s->stream;
    set_container(info, s->fmt);
    set_name(info->codec, avcodec_get_name(stream->codecpar->codec_id));
    set_name(info->pix_fmt, desc->name);
    count_streams(info, s->fmt);
    const AVRational sar = av_guess_sample_aspect_ratio(s->fmt, stream, (AVFrame *)frame);
    info->sar = sar.num > 0 && sar.den > 0 ? (lt_rational){ sar.num, sar.den }
                                           : (lt_rational){ 1, 1 };
    set_rotation(info, stream);
    set_size(info, frame, s->dec);
    set_times(info, s->fmt, stream);
    info->bit_depth = desc->flags & AV_PIX_FMT_FLAG_PAL ? 8 : desc->comp[0].depth;
    info->has_alpha = (desc->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
    set_color(info, frame, desc);
    set_light(info, stream, frame);
    info->interlaced = has_fields(stream, frame);
    if (!info->time_base.num)
        return LT_FAIL(LT_ERR_DATA, "no time base (%s): remux it with ffmpeg first",
                       s->path);
    const lt_status st = check_dolby(stream, s->path);
    return st == LT_OK ? check_format(info, frame, s->path) : st;
}

lt_status lt_media_probe(const char *path, lt_media_info *info)
{
    lt_status st = LT_OK;
    lt_ff_source s = { 0 };
    lt_media_info got;
    memset(&got, 0, sizeof(got)); /* padding too: it is sent as bytes */
    AVFrame *frame = av_frame_alloc();
    int end = 0;
    if (!frame) return LT_FAIL(LT_ERR_NOMEM, "probing %s", path);
    LT_TRY(lt_ff_source_open(&s, path));
    LT_TRY(lt_ff_source_next(&s, frame, &end));
    if (end) {
        st = LT_FAIL(LT_ERR_DATA,
                     "no frame can be decoded (%s): the file is damaged or "
                     "cut short",
                     path);
        goto cleanup;
    }
    LT_TRY(describe(&got, &s, frame));
    memcpy(info, &got, sizeof(got));
cleanup:
    lt_ff_source_close(&s);
    av_frame_free(&frame);
    return st;
}
