#include "io/media_ff.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LOG_MAX = 240 };

static _Thread_local char last_line[LOG_MAX];

/* Only the latest complaint of the thread is kept, for the message of our failure. */
static void keep_line(void *avcl, int level, const char *format, va_list args)
{
    (void)avcl;
    if (level > AV_LOG_ERROR) return;
    char line[LOG_MAX];
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\r\n")] = 0;
    for (size_t n = strlen(line); n > 0 && line[n - 1] == '.'; n--) line[n - 1] = 0;
    if (line[0]) memcpy(last_line, line, sizeof(line));
}

static void install(void) { av_log_set_callback(keep_line); }

void lt_ff_quiet(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    last_line[0] = 0;
}

lt_status lt_ff_fail(lt_status st, int averror, const char *what, const char *path,
                     const char *how)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(averror, why, sizeof(why));
    const int say = last_line[0] && averror != AVERROR(ENOSPC);
    if (averror == AVERROR(ENOSPC) || averror == AVERROR(EDQUOT)) st = LT_ERR_NOSPACE;
    if (averror == AVERROR(ENOMEM)) st = LT_ERR_NOMEM;
    if (averror == AVERROR(EIO) && st != LT_ERR_DATA) st = LT_ERR_IO;
    return LT_FAIL(st, "%s (%s): %s%s%s", what, path, say ? last_line : why,
                   how[0] ? "; " : "", how);
}

lt_rational lt_ff_rational(AVRational q)
{
    if (q.num <= 0 || q.den <= 0) return (lt_rational){ 0, 1 };
    return (lt_rational){ q.num, q.den };
}

/* Demuxers that follow references to other files (playlists, image sequences) or take
 * any text for a film are not in the list. */
static const char containers[] =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,nut,flv,live_flv,ogg,mxf,"
    "asf,ivf,gif,apng,h264,hevc,m4v,mpegvideo,yuv4mpegpipe,dv,vc1,wtv,av1,obu";

static lt_status check_file(const char *path)
{
    struct stat sb;
    if (stat(path, &sb)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return LT_FAIL(LT_ERR_NOINPUT, "no such file (%s): check the path", path);
        return LT_FAIL(LT_ERR_NOINPUT,
                       "cannot read, %s (%s): check the name and the rights",
                       strerror(errno), path);
    }
    if (!S_ISREG(sb.st_mode))
        return LT_FAIL(LT_ERR_DATA, "not a file (%s): give a video file", path);
    if (sb.st_size == 0)
        return LT_FAIL(LT_ERR_DATA, "empty file (%s): give a video file", path);
    return LT_OK;
}

/* What FFmpeg says in the words of its own inside is no help; what it means is. */
static lt_status fail_open(int r, const char *path)
{
    if (r == AVERROR(EACCES) || r == AVERROR(ENOENT))
        return lt_ff_fail(LT_ERR_NOINPUT, r, "cannot read", path,
                          "check its permissions");
    if (strstr(last_line, "whitelist"))
        return LT_FAIL(LT_ERR_DATA,
                       "not a video of a kind that is read (%s): give mp4, mov, mkv, "
                       "webm, avi, ts or the like; lists of files, pictures and sound "
                       "are none",
                       path);
    if (strstr(last_line, "moov"))
        return LT_FAIL(LT_ERR_DATA,
                       "not a video, or one cut short before its index (%s): get the "
                       "whole file",
                       path);
    return lt_ff_fail(LT_ERR_DATA, r, "not a video, or a damaged one", path,
                      "give a file that FFmpeg can open as a video");
}

/* The "file:" prefix keeps a colon in a name from being taken for a protocol. */
static lt_status open_input(AVFormatContext **fmt, const char *path, const char *only)
{
    AVDictionary *opt = NULL;
    lt_status st = LT_OK;
    char *url = av_asprintf("file:%s", path);
    if (!url) return LT_FAIL(LT_ERR_NOMEM, "opening %s", path);

    av_dict_set(&opt, "protocol_whitelist", "file", 0);
    av_dict_set(&opt, "format_whitelist", only ? only : containers, 0);
    av_dict_set_int(&opt, "max_streams", LT_MEDIA_MAX_STREAMS, 0);
    const int r = avformat_open_input(fmt, url, NULL, &opt);
    if (r < 0) st = fail_open(r, path);
    av_dict_free(&opt);
    av_free(url);
    return st;
}

lt_status lt_ff_open(AVFormatContext **out, const char *path, const char *only)
{
    AVFormatContext *fmt = NULL;
    lt_status st = LT_OK;
    lt_ff_quiet();
    LT_TRY(check_file(path));
    LT_TRY(open_input(&fmt, path, only));
    if (fmt->nb_streams > LT_MEDIA_MAX_STREAMS) {
        st = LT_FAIL(LT_ERR_DATA, "too many streams (%s): at most %d are read", path,
                     LT_MEDIA_MAX_STREAMS);
        goto cleanup;
    }
    const int r = avformat_find_stream_info(fmt, NULL);
    if (r < 0) {
        st = lt_ff_fail(LT_ERR_DATA, r, "damaged video", path, "");
        goto cleanup;
    }
    *out = fmt;
    fmt = NULL;
cleanup:
    avformat_close_input(&fmt);
    return st;
}

static int is_video(const AVStream *s)
{
    return s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           !(s->disposition &
             (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS));
}

lt_status lt_ff_video_stream(const AVFormatContext *fmt, const char *path, int *index)
{
    int best = -1;
    for (unsigned i = 0; i < fmt->nb_streams; i++) {
        const AVStream *s = fmt->streams[i];
        if (!is_video(s) || !avcodec_find_decoder(s->codecpar->codec_id)) continue;
        const int is_default = s->disposition & AV_DISPOSITION_DEFAULT;
        if (best < 0 ||
            (is_default && !(fmt->streams[best]->disposition & AV_DISPOSITION_DEFAULT)))
            best = (int)i;
    }
    if (best < 0)
        return LT_FAIL(LT_ERR_DATA, "no video stream (%s): give a file with pictures",
                       path);
    const AVCodecParameters *p = fmt->streams[best]->codecpar;
    if (p->width > LT_MEDIA_MAX_SIDE || p->height > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_DATA, "video of %d x %d is too large (%s): at most %d", //
                       p->width, p->height, path, LT_MEDIA_MAX_SIDE);
    *index = best;
    return LT_OK;
}

int lt_ff_is_made_anew(const AVFormatContext *fmt, const AVStream *stream)
{
    const AVCodecParameters *p = stream->codecpar;
    if (p->codec_type != AVMEDIA_TYPE_DATA) return 0;
    return (fmt->nb_chapters > 0 && p->codec_id == AV_CODEC_ID_BIN_DATA) ||
           p->codec_tag == MKTAG('t', 'm', 'c', 'd');
}

void lt_ff_only_stream(AVFormatContext *fmt, int index)
{
    for (unsigned i = 0; i < fmt->nb_streams; i++)
        fmt->streams[i]->discard = (int)i == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
}

lt_status lt_ff_decoder(AVCodecContext **out, const AVStream *stream, const char *path)
{
    lt_status st = LT_OK;
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    AVCodecContext *dec = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!dec) return LT_FAIL(LT_ERR_NOMEM, "opening the decoder for %s", path);

    int r = avcodec_parameters_to_context(dec, stream->codecpar);
    dec->pkt_timebase = stream->time_base;
    dec->thread_count = 1; /* the same frames, also of damaged files, on any machine */
    dec->max_pixels = (int64_t)LT_MEDIA_MAX_SIDE * LT_MEDIA_MAX_SIDE;
    dec->err_recognition = AV_EF_CRCCHECK;
    if (r >= 0) r = avcodec_open2(dec, codec, NULL);
    if (r < 0) {
        st = lt_ff_fail(LT_ERR_DATA, r, "cannot decode", path, "");
        avcodec_free_context(&dec);
        return st;
    }
    *out = dec;
    return LT_OK;
}

lt_status lt_ff_source_open(lt_ff_source *s, const char *path)
{
    lt_status st = LT_OK;
    memset(s, 0, sizeof(*s));
    s->path = path;
    LT_TRY(lt_ff_open(&s->fmt, path, NULL));
    LT_TRY(lt_ff_video_stream(s->fmt, path, &s->stream));
    LT_TRY(lt_ff_decoder(&s->dec, s->fmt->streams[s->stream], path));
    lt_ff_only_stream(s->fmt, s->stream);
    s->packet = av_packet_alloc();
    if (!s->packet) st = LT_FAIL(LT_ERR_NOMEM, "opening %s", path);
cleanup:
    if (st != LT_OK) lt_ff_source_close(s);
    return st;
}

void lt_ff_source_close(lt_ff_source *s)
{
    avcodec_free_context(&s->dec);
    avformat_close_input(&s->fmt);
    av_packet_free(&s->packet);
    memset(s, 0, sizeof(*s));
}

/* Give the decoder one more packet, or the end. */
static lt_status feed(lt_ff_source *s)
{
    const int r = av_read_frame(s->fmt, s->packet);
    if (r == AVERROR(ENOMEM)) return LT_FAIL(LT_ERR_NOMEM, "reading %s", s->path);
    if (r == AVERROR(EIO)) return lt_ff_fail(LT_ERR_IO, r, "cannot read", s->path, "");
    if (r < 0) { /* the end, or a file cut short: what was read so far counts */
        s->drained = 1;
        avcodec_send_packet(s->dec, NULL);
        return LT_OK;
    }
    if (s->packet->stream_index == s->stream) {
        const int d = avcodec_send_packet(s->dec, s->packet);
        if (d == AVERROR(ENOMEM)) {
            av_packet_unref(s->packet);
            return LT_FAIL(LT_ERR_NOMEM, "decoding %s", s->path);
        }
        if (d < 0) s->n_errors++;
    }
    av_packet_unref(s->packet);
    return LT_OK;
}

lt_status lt_ff_source_next(lt_ff_source *s, AVFrame *frame, int *end)
{
    lt_status st = LT_OK;
    int in_a_row = 0;
    *end = 0;
    for (;;) {
        const int r = avcodec_receive_frame(s->dec, frame);
        if (r >= 0) {
            s->n_frames++;
            return LT_OK;
        }
        if (r == AVERROR_EOF) break;
        if (r == AVERROR(ENOMEM)) return LT_FAIL(LT_ERR_NOMEM, "decoding %s", s->path);
        if (r != AVERROR(EAGAIN)) {
            s->n_errors++;
            if (++in_a_row < 1000) continue; /* a damaged frame has left the decoder */
        }
        if (s->drained) break;
        LT_TRY(feed(s));
    }
    *end = 1;
cleanup:
    return st;
}

void lt_ff_source_seek(lt_ff_source *s, int64_t pts, int *ok)
{
    *ok = av_seek_frame(s->fmt, s->stream, pts, AVSEEK_FLAG_BACKWARD) >= 0;
    avcodec_flush_buffers(s->dec);
    s->drained = 0;
    s->n_frames = 0;
}

int lt_ff_damaged(const AVFrame *frame)
{
    return frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT);
}
