#include "io/media_mux.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/media_cover.h"

static const char *const containers[] = { "mp4", "mov", "matroska" };
static const char *const endings[] = { ".mp4", ".mov", ".mkv" };

lt_status lt_mux_container(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    for (int i = 0; dot && i < 3; i++) {
        if (strcasecmp(dot, endings[i])) continue;
        *name = containers[i];
        return LT_OK;
    }
    if (dot && !strcasecmp(dot, ".m4v")) {
        *name = "mp4";
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_CONFIG,
                   "unknown kind of output %s (output.path): end the name "
                   "in .mp4, .mov or .mkv",
                   path);
}

static const AVOutputFormat *format_of(const char *name)
{
    return av_guess_format(name, NULL, NULL);
}

/* FFmpeg cannot say for every pair of container and codec; then its header decides. */
static int carries(const char *container, enum AVCodecID id)
{
    const int mp4_only = id == AV_CODEC_ID_FLAC || id == AV_CODEC_ID_OPUS;
    if (mp4_only && !strcmp(container, "mov")) return 0; /* it says yes, and refuses */
    return avformat_query_codec(format_of(container), id, FF_COMPLIANCE_EXPERIMENTAL) !=
           0;
}

static int rotation_fits(const char *container, const lt_media_encode *e)
{
    return !e->has_matrix || strcmp(container, "matroska");
}

static int is_copied(const AVStream *s, const lt_media_output *o)
{
    const enum AVMediaType t = s->codecpar->codec_type;
    return (t == AVMEDIA_TYPE_AUDIO && !o->no_audio) ||
           (t == AVMEDIA_TYPE_SUBTITLE && !o->no_subtitles);
}

/* An extension whose container carries everything, NULL when there is none. */
static const char *container_for(const lt_mux *m, const lt_media_output *o,
                                 enum AVCodecID video)
{
    for (int i = 0; i < 3; i++) {
        int ok = carries(containers[i], video) && rotation_fits(containers[i], o->encode);
        for (unsigned s = 0; ok && m->src && s < m->src->nb_streams; s++)
            if (is_copied(m->src->streams[s], o))
                ok = carries(containers[i], m->src->streams[s]->codecpar->codec_id);
        if (ok) return endings[i];
    }
    return NULL;
}

static lt_status refuse(const lt_mux *m, const lt_media_output *o, const char *what,
                        const char *otherwise)
{
    const enum AVCodecID video = m->out->streams[m->video]->codecpar->codec_id;
    const char *use = container_for(m, o, video);
    return LT_FAIL(LT_ERR_CONFIG, "%s cannot carry %s (output.path %s): %s%s%s%s",
                   m->out->oformat->name, what, o->path, use ? "use " : "",
                   use ? use : "", use && otherwise ? ", or " : "",
                   otherwise ? otherwise : "");
}

static lt_status check_streams(const lt_mux *m, const lt_media_output *o)
{
    char what[96];
    const char *name = m->out->oformat->name;
    const enum AVCodecID video = m->out->streams[m->video]->codecpar->codec_id;
    if (!carries(name, video)) return refuse(m, o, avcodec_get_name(video), NULL);
    if (!rotation_fits(name, o->encode))
        return refuse(m, o, "the rotation of the source", NULL);
    for (unsigned i = 0; m->src && i < m->src->nb_streams; i++) {
        const AVStream *s = m->src->streams[i];
        if (!is_copied(s, o) || carries(name, s->codecpar->codec_id)) continue;
        const int audio = s->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        snprintf(what, sizeof(what), "the %s %s of stream %u",
                 avcodec_get_name(s->codecpar->codec_id), audio ? "audio" : "subtitles",
                 i);
        return refuse(m, o, what,
                      audio ? "set output.audio to none"
                            : "set output.subtitles to none");
    }
    return LT_OK;
}

/* Times of all tracks must be whole ticks of the film's own clock, or the start of a
 * track would be rounded: the least common multiple, where it fits. */
static int64_t movie_clock(const lt_mux *m)
{
    int64_t lcm = m->out->streams[m->video]->time_base.den;
    for (unsigned i = 0; m->src && i < m->src->nb_streams; i++) {
        const AVStream *s = m->src->streams[i];
        if (m->map[i] < 0 || s->codecpar->sample_rate < 1) continue;
        const int64_t r = s->codecpar->sample_rate;
        const int64_t next = lcm / av_gcd(lcm, r) * r;
        if (next > INT32_MAX) break;
        lcm = next;
    }
    return lcm;
}

static void set_options(lt_mux *m)
{
    const AVDictionaryEntry *e = NULL;
    int apple = 0;
    m->out->flags |= AVFMT_FLAG_BITEXACT; /* no version, no random numbers */
    m->out->avoid_negative_ts = 0;        /* times stay what they are */
    m->out->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
    if (!strcmp(m->out->oformat->name, "matroska")) return;
    while ((e = av_dict_get(m->out->metadata, "com.apple.quicktime.", e,
                            AV_DICT_IGNORE_SUFFIX)))
        apple = 1;
    if (apple && !strcmp(m->out->oformat->name, "mov"))
        av_dict_set(&m->options, "movflags", "use_metadata_tags", 0);
    av_dict_set_int(&m->options, "movie_timescale", movie_clock(m), 0);
    av_dict_set_int(&m->options, "video_track_timescale",
                    m->out->streams[m->video]->time_base.den, 0);
}

/* Tags that a player may insist on; 0 = what the muxer takes. */
static uint32_t tag_of(const AVCodecParameters *p, const char *container)
{
    if (p->codec_id == AV_CODEC_ID_HEVC && strcmp(container, "matroska"))
        return MKTAG('h', 'v', 'c', '1');
    if (p->codec_id != AV_CODEC_ID_PRORES || !strcmp(container, "mp4")) return 0;
    return p->format == AV_PIX_FMT_YUV444P10 ? MKTAG('a', 'p', '4', 'h')
                                             : MKTAG('a', 'p', 'c', 'h');
}

lt_status lt_mux_new(lt_mux *m, const char *path, const lt_media_encode *e)
{
    lt_status st = LT_OK;
    const char *name = NULL;
    memset(m, 0, sizeof(*m));
    m->src_video = -1;
    for (int i = 0; i < LT_MEDIA_MAX_STREAMS; i++) m->map[i] = m->cover[i] = -1;
    for (int i = 0; i <= LT_MEDIA_MAX_STREAMS; i++) m->last_dts[i] = AV_NOPTS_VALUE;
    lt_ff_quiet();
    LT_TRY(lt_mux_container(path, &name));
    if (avformat_alloc_output_context2(&m->out, format_of(name), NULL, NULL) < 0) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening a container for %s", path);
        goto cleanup;
    }
    AVStream *v = avformat_new_stream(m->out, NULL);
    if (!v) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening a container for %s", path);
        goto cleanup;
    }
    LT_TRY(lt_encoder_stream(v, e));
    v->codecpar->codec_tag = tag_of(v->codecpar, name);
    set_options(m);
cleanup:
    if (st != LT_OK) lt_mux_free(m);
    return st;
}

/* ---- what is taken over from the source ----------------------------------------- */

/* Facts of the old file that the muxer writes anew. */
static void drop_keys(AVDictionary **d)
{
    static const char *const keys[] = { "encoder",       "major_brand",
                                        "minor_version", "compatible_brands",
                                        "vendor_id",     "DURATION" };
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        av_dict_set(d, keys[i], NULL, AV_DICT_MATCH_CASE);
}

static int copy_stream(lt_mux *m, unsigned i)
{
    const AVStream *s = m->src->streams[i];
    AVStream *d = avformat_new_stream(m->out, NULL);
    unsigned tag = 0;
    if (!d || avcodec_parameters_copy(d->codecpar, s->codecpar) < 0) return -1;
    const struct AVCodecTag *const *tags = m->out->oformat->codec_tag;
    if (tags && av_codec_get_id(tags, s->codecpar->codec_tag) != s->codecpar->codec_id &&
        av_codec_get_tag2(tags, s->codecpar->codec_id, &tag))
        d->codecpar->codec_tag = 0;
    d->time_base = s->time_base;
    d->disposition = s->disposition;
    d->avg_frame_rate = s->avg_frame_rate;
    for (int k = 0; k < s->nb_side_data; k++) {
        const AVPacketSideData *x = &s->side_data[k];
        uint8_t *to = av_stream_new_side_data(d, x->type, x->size);
        if (!to) return -1;
        memcpy(to, x->data, x->size);
    }
    if (av_dict_copy(&d->metadata, s->metadata, 0) < 0) return -1;
    drop_keys(&d->metadata);
    m->map[i] = d->index;
    return 0;
}

/* [start, end) in ticks of the chapter after the cut; 0 = nothing of it is left. */
static int move_chapter(AVChapter *c, const lt_media_frames *f, AVRational tb)
{
    if (!f) return 1;
    const int64_t shift = av_rescale_q(f->offset, tb, c->time_base);
    const int cut = f->offset != 0 || f->first > 0 || f->n < f->n_all;
    c->start -= shift;
    c->end -= shift;
    if (!cut) return 1;
    const int64_t last = av_rescale_q(f->end - f->offset, tb, c->time_base);
    const int64_t first = av_rescale_q(f->pts[0] - f->offset, tb, c->time_base);
    if (c->start < first) c->start = first;
    if (c->end > last) c->end = last;
    return c->start < c->end;
}

static int copy_chapters(lt_mux *m, const lt_media_frames *f)
{
    const AVRational tb = m->src->streams[m->src_video]->time_base;
    AVFormatContext *o = m->out;
    o->chapters = av_calloc(m->src->nb_chapters + 1, sizeof(*o->chapters));
    if (!o->chapters) return -1;
    for (unsigned i = 0; i < m->src->nb_chapters; i++) {
        const AVChapter *s = m->src->chapters[i];
        AVChapter *c = av_mallocz(sizeof(*c));
        if (!c) return -1;
        c->id = s->id;
        c->time_base = s->time_base;
        c->start = s->start;
        c->end = s->end;
        if (!move_chapter(c, f, tb)) {
            av_free(c);
            continue;
        }
        o->chapters[o->nb_chapters++] = c;
        if (av_dict_copy(&c->metadata, s->metadata, 0) < 0) return -1;
    }
    return 0;
}

static int copy_tags(lt_mux *m)
{
    AVStream *v = m->out->streams[m->video];
    const AVStream *s = m->src->streams[m->src_video];
    if (av_dict_copy(&m->out->metadata, m->src->metadata, 0) < 0) return -1;
    if (av_dict_copy(&v->metadata, s->metadata, 0) < 0) return -1;
    if (s->disposition) v->disposition = s->disposition;
    drop_keys(&m->out->metadata);
    drop_keys(&v->metadata);
    return 0;
}

static int is_font(const lt_mux *m, const AVStream *s)
{
    return s->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT &&
           !strcmp(m->out->oformat->name, "matroska");
}

/* Note a stream that is not copied, unless nobody misses it. */
static void leave_out(const lt_mux *m, const AVStream *s, lt_left_out *left)
{
    switch (s->codecpar->codec_type) {
    case AVMEDIA_TYPE_AUDIO:
    case AVMEDIA_TYPE_SUBTITLE: break; /* as the user asked for */
    case AVMEDIA_TYPE_ATTACHMENT: left->attachments++; break;
    case AVMEDIA_TYPE_VIDEO:
        *(lt_is_cover(s) ? &left->covers : &left->videos) += 1;
        break;
    default: left->data += !lt_ff_is_made_anew(m->src, s); break;
    }
}

static int copy_streams(lt_mux *m, const lt_media_output *o, lt_left_out *left)
{
    for (unsigned i = 0; i < m->src->nb_streams; i++) {
        const AVStream *s = m->src->streams[i];
        int r = 0;
        if ((int)i == m->src_video) continue;
        if (is_copied(s, o) || is_font(m, s))
            r = copy_stream(m, i) < 0 ? -1 : 1;
        else if (lt_is_cover(s))
            r = lt_cover_add(m, i);
        if (r < 0) return -1;
        if (r == 0) leave_out(m, s, left);
    }
    return 0;
}

lt_status lt_mux_build(lt_mux *m, const lt_media_output *o, char *dropped, size_t size)
{
    lt_status st = LT_OK;
    lt_left_out left = { 0 };
    LT_TRY(lt_mux_new(m, o->path, o->encode));
    if (o->source) {
        LT_TRY(lt_ff_open(&m->src, o->source, NULL));
        LT_TRY(lt_ff_video_stream(m->src, o->source, &m->src_video));
    }
    LT_TRY(check_streams(m, o));
    if (m->src && (copy_tags(m) < 0 || copy_streams(m, o, &left) < 0 ||
                   copy_chapters(m, o->frames) < 0)) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening a container for %s", o->path);
        goto cleanup;
    }
    av_dict_free(&m->options);
    set_options(m); /* again: it looks at the copied streams and tags */
    if (dropped) lt_left_out_text(&left, dropped, size);
cleanup:
    if (st != LT_OK) lt_mux_free(m);
    return st;
}

int lt_mux_begin(lt_mux *m, AVIOContext *pb)
{
    m->out->pb = pb;
    const int r = avformat_write_header(m->out, &m->options);
    return r < 0 ? r : lt_cover_write(m);
}

/* Matroska's times of Opus count from the start of what the decoder drops. FFmpeg 5
 * subtracts that when it reads and does not add it when it writes. */
static int64_t opus_delay(const lt_mux *m, const AVStream *s)
{
    const AVCodecParameters *c = s->codecpar;
    if (c->codec_id != AV_CODEC_ID_OPUS || strcmp(m->out->oformat->name, "matroska") ||
        AV_VERSION_MAJOR(avformat_version()) >= 60)
        return 0;
    return av_rescale_q(c->initial_padding, (AVRational){ 1, 48000 }, s->time_base);
}

int lt_mux_write(lt_mux *m, AVPacket *p, AVRational tb)
{
    const AVStream *s = m->out->streams[p->stream_index];
    const int64_t delay = opus_delay(m, s);
    int64_t *last = &m->last_dts[p->stream_index];
    const int strict = !(m->out->oformat->flags & AVFMT_TS_NONSTRICT);
    av_packet_rescale_ts(p, tb, s->time_base);
    p->pts += delay;
    p->dts += delay;
    if (*last != AV_NOPTS_VALUE && p->dts < *last + strict) p->dts = *last + strict;
    if (p->pts < p->dts) p->pts = p->dts;
    *last = p->dts;
    p->pos = -1;
    const int r = av_write_frame(m->out, p);
    av_packet_unref(p);
    return r;
}

void lt_mux_free(lt_mux *m)
{
    avformat_free_context(m->out);
    avformat_close_input(&m->src);
    av_dict_free(&m->options);
    memset(m, 0, sizeof(*m));
}
