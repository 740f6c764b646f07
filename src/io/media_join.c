#include "io/media_join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/media_mux.h"
#include "io/media_out.h"
#include "io/media_parts.h"

typedef struct join {
    const lt_media_output *o;
    lt_out_file file;
    lt_mux mux;
    lt_parts parts;
    AVPacket *video, *other; /* the next packets of both sides, while have_ is set */
    int have_video, have_other, video_end, other_end;
    int64_t *pts; /* [n + 1] output PTS, and the end of the last frame */
    int64_t *dts; /* [n] in the order of the packets */
    int64_t last; /* how long the last packet lasts, in DTS */
    int64_t n, k; /* k: packets of video read */
    AVRational tb;
    int cut;                                /* 1: only a part of the source is kept */
    int64_t delta[LT_MEDIA_MAX_STREAMS];    /* see av_rescale_delta */
    int64_t next_dts[LT_MEDIA_MAX_STREAMS]; /* for packets without times */
} join;

/* ---- video ---------------------------------------------------------------------- */

static lt_status list_pts(join *j)
{
    const lt_media_frames *f = j->o->frames;
    j->n = f->n;
    j->pts = malloc(((size_t)f->n + 1) * sizeof(*j->pts));
    j->dts = malloc((size_t)f->n * sizeof(*j->dts));
    if (!j->pts || !j->dts)
        return LT_FAIL(LT_ERR_NOMEM, "joining %lld frames", (long long)f->n);
    for (int64_t i = 0; i <= f->n; i++) j->pts[i] = lt_media_out_pts(f, i);
    return LT_OK;
}

static int64_t duration_of(const join *j, int64_t pts)
{
    int64_t lo = 0, hi = j->n - 1;
    while (lo < hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (j->pts[mid] < pts)
            lo = mid + 1;
        else
            hi = mid;
    }
    return j->pts[lo + 1] - j->pts[lo];
}

static lt_status next_video(join *j)
{
    lt_status st = LT_OK;
    if (j->video_end || j->have_video) return LT_OK;
    LT_TRY(lt_parts_next(&j->parts, j->video, &j->video_end));
    if (j->video_end) return LT_OK;
    if (j->k >= j->n) {
        st = LT_FAIL(LT_ERR_DATA, "a part changed while it was joined (%s): run again",
                     j->parts.paths[j->parts.at]);
        goto cleanup;
    }
    j->have_video = 1;
    j->video->dts = j->dts[j->k++];
    j->video->duration = duration_of(j, j->video->pts);
    if (j->k == j->n && strcmp(j->mux.out->oformat->name, "matroska"))
        j->video->duration = j->last;
    j->video->stream_index = j->mux.video;
cleanup:
    return st;
}

/* ---- everything else ------------------------------------------------------------ */

/* 1: the packet is shown at some time between the first and the end of the last frame. */
static int overlaps(const join *j, const AVPacket *p, AVRational tb)
{
    const lt_media_frames *f = j->o->frames;
    const int64_t end = p->pts + (p->duration > 0 ? p->duration : 1);
    return av_compare_ts(end, tb, f->pts[0], j->tb) > 0 &&
           av_compare_ts(p->pts, tb, f->end, j->tb) < 0;
}

/* Subtitles have no edit list that could hide what lies outside: clip their time. */
static void clip_subtitle(const join *j, AVPacket *p, AVRational tb)
{
    const int64_t first = av_rescale_q(j->pts[0], j->tb, tb);
    const int64_t last = av_rescale_q(j->pts[j->n], j->tb, tb);
    int64_t end = p->pts + p->duration;
    if (p->pts < first) p->pts = p->dts = first;
    if (end > last) end = last;
    if (p->duration > 0) p->duration = end > p->pts ? end - p->pts : 0;
}

/* A source that counts in coarse ticks (Matroska: milliseconds) means whole samples. */
static void exact_audio(join *j, AVPacket *p, const AVStream *s, AVRational to)
{
    const int samples = av_get_audio_frame_duration2(s->codecpar, p->size);
    const AVRational fs = { 1, s->codecpar->sample_rate };
    if (samples <= 0 || fs.den <= 0 || av_cmp_q(s->time_base, fs) <= 0 ||
        av_cmp_q(s->time_base, to) <= 0 || p->pts != p->dts)
        return;
    p->dts = av_rescale_delta(s->time_base, p->dts, fs, samples,
                              &j->delta[p->stream_index], to);
    p->pts = p->dts;
    p->duration = av_rescale_q(samples, fs, to);
}

/* Move a packet of the source to the output's times and stream; 0 = leave it out. */
static int adapt_other(join *j, AVRational *tb)
{
    AVPacket *p = j->other;
    const int i = p->stream_index;
    if (i >= LT_MEDIA_MAX_STREAMS || j->mux.map[i] < 0) return 0;
    const AVStream *s = j->mux.src->streams[i];
    const AVStream *d = j->mux.out->streams[j->mux.map[i]];
    *tb = s->time_base;
    if (p->dts == AV_NOPTS_VALUE) p->dts = p->pts;
    if (p->dts == AV_NOPTS_VALUE) p->dts = j->next_dts[i];
    if (p->dts == AV_NOPTS_VALUE) return 0; /* nobody knows when */
    if (p->pts == AV_NOPTS_VALUE) p->pts = p->dts;
    j->next_dts[i] = p->dts + (p->duration > 0 ? p->duration : 0);
    if (j->cut && !overlaps(j, p, *tb)) return 0;
    const int64_t shift = av_rescale_q(j->o->frames->offset, j->tb, *tb);
    p->pts -= shift;
    p->dts -= shift;
    if (j->cut && s->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE)
        clip_subtitle(j, p, *tb);
    if (s->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        const int64_t pts = p->pts;
        exact_audio(j, p, s, d->time_base);
        if (p->pts != pts || j->delta[i] != AV_NOPTS_VALUE) *tb = d->time_base;
    }
    p->stream_index = j->mux.map[i];
    return 1;
}

/* The next packet to copy lies in `other`, its times in *tb; or other_end is set. */
static lt_status next_other(join *j, AVRational *tb)
{
    while (!j->other_end && !j->have_other) {
        const int r = j->mux.src ? av_read_frame(j->mux.src, j->other) : AVERROR_EOF;
        if (r == AVERROR(ENOMEM))
            return LT_FAIL(LT_ERR_NOMEM, "reading %s", j->o->source);
        if (r == AVERROR(EIO))
            return lt_ff_fail(LT_ERR_IO, r, "cannot read", j->o->source, "");
        if (r < 0)
            j->other_end = 1;
        else if (!(j->have_other = adapt_other(j, tb)))
            av_packet_unref(j->other);
    }
    return LT_OK;
}

/* Skip what is not copied where the demuxer can: an hour of old video, above all. */
static void skip_unused(join *j)
{
    for (unsigned i = 0; j->mux.src && i < j->mux.src->nb_streams; i++)
        j->mux.src->streams[i]->discard =
            j->mux.map[i] < 0 ? AVDISCARD_ALL : AVDISCARD_DEFAULT;
}

/* ---- joining -------------------------------------------------------------------- */

/* Write the earlier of the two next packets, until both sides have none. */
static lt_status merge(join *j)
{
    lt_status st = LT_OK;
    AVRational tb = { 1, 1 };
    for (;;) {
        LT_TRY(next_video(j));
        LT_TRY(next_other(j, &tb));
        if (j->video_end && j->other_end) break;
        const int video =
            j->other_end || (!j->video_end &&
                             av_compare_ts(j->video->dts, j->tb, j->other->dts, tb) <= 0);
        const int r = video ? lt_mux_write(&j->mux, j->video, j->tb)
                            : lt_mux_write(&j->mux, j->other, tb);
        *(video ? &j->have_video : &j->have_other) = 0;
        if (r < 0 || j->file.error) {
            st = lt_out_fail(&j->file, r, "cannot write");
            goto cleanup;
        }
    }
    if (j->k != j->n)
        st = LT_FAIL(LT_ERR_DATA, "a part changed while it was joined (%s): run again",
                     j->parts.paths[0]);
cleanup:
    return st;
}

static lt_status take_headers(join *j)
{
    lt_status st = LT_OK;
    AVCodecParameters *to = j->mux.out->streams[j->mux.video]->codecpar;
    LT_TRY(lt_parts_open(&j->parts));
    const AVCodecParameters *from = j->parts.fmt->streams[0]->codecpar;
    if (from->codec_id != to->codec_id || from->width != to->width ||
        from->height != to->height) {
        st = LT_FAIL(LT_ERR_DATA,
                     "part does not fit: another codec or size (%s): remove it "
                     "and run again",
                     j->parts.paths[0]);
        goto cleanup;
    }
    to->profile = from->profile;
    to->level = from->level;
    to->video_delay = from->video_delay;
    to->extradata =
        av_mallocz((size_t)from->extradata_size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!to->extradata) {
        st = LT_FAIL(LT_ERR_NOMEM, "joining parts");
        goto cleanup;
    }
    to->extradata_size = from->extradata_size;
    if (from->extradata_size)
        memcpy(to->extradata, from->extradata, (size_t)from->extradata_size);
cleanup:
    return st;
}

static lt_status check_arguments(const lt_media_output *o, int64_t n_parts)
{
    if (!o || !o->path || !o->encode || !o->frames || o->frames->n < 1 || n_parts < 1)
        return LT_FAIL(LT_ERR_ARG, "join of %lld parts", (long long)n_parts);
    return LT_OK;
}

static lt_status prepare(join *j, const char *const *parts, int64_t n_parts)
{
    lt_status st = LT_OK;
    const lt_media_frames *f = j->o->frames;
    j->tb = lt_ff_q(j->o->encode->time_base);
    j->cut = f->offset != 0 || f->first > 0 || f->n < f->n_all;
    j->video = av_packet_alloc();
    j->other = av_packet_alloc();
    for (int i = 0; i < LT_MEDIA_MAX_STREAMS; i++)
        j->delta[i] = j->next_dts[i] = AV_NOPTS_VALUE;
    if (!j->video || !j->other) return LT_FAIL(LT_ERR_NOMEM, "joining parts");
    LT_TRY(list_pts(j));
    LT_TRY(lt_parts_check(parts, n_parts, j->pts, j->n, j->tb, j->dts));
    lt_parts_dts(j->pts, j->n, j->dts, &j->last);
    j->parts = (lt_parts){ .paths = parts, .n_paths = n_parts, .tb = j->tb };
    LT_TRY(lt_mux_build(&j->mux, j->o, NULL, 0));
    LT_TRY(take_headers(j));
    skip_unused(j);
cleanup:
    return st;
}

static void release(join *j)
{
    lt_mux_free(&j->mux);
    lt_out_close(&j->file);
    lt_parts_close(&j->parts);
    av_packet_free(&j->video);
    av_packet_free(&j->other);
    free(j->pts);
    free(j->dts);
}

lt_status lt_media_join(const lt_media_output *output, const char *const *parts,
                        int64_t n_parts, int64_t *bytes)
{
    lt_status st = LT_OK;
    join j = { .o = output };
    lt_ff_quiet();
    LT_TRY(check_arguments(output, n_parts));
    LT_TRY(prepare(&j, parts, n_parts));
    lt_out_sweep(output->path);
    LT_TRY(lt_out_open(&j.file, output->path));
    int r = lt_mux_begin(&j.mux, j.file.pb);
    if (r >= 0) {
        LT_TRY(merge(&j));
        r = av_write_trailer(j.mux.out);
    }
    if (r < 0 || j.file.error) {
        st = lt_out_fail(&j.file, r, "cannot write");
        goto cleanup;
    }
    LT_TRY(lt_out_commit(&j.file, bytes));
cleanup:
    release(&j);
    return st;
}

/* ---- before the run ------------------------------------------------------------- */

static lt_status check_place(const lt_media_output *o)
{
    struct stat a;
    char folder[LT_PATH_MAX];
    const lt_status st = lt_path_folder(o->path, folder);
    if (st != LT_OK) return st;
    if (!lt_folder_exists(folder))
        return LT_FAIL(LT_ERR_CANTCREAT, "no such folder (%s): make it first", folder);
    if (access(folder, W_OK | X_OK))
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot write to the folder, %s (%s): check the rights",
                       strerror(errno), folder);
    if (stat(o->path, &a)) return LT_OK;
    if (!S_ISREG(a.st_mode))
        return LT_FAIL(LT_ERR_CANTCREAT, "the output is %s (%s): name a file",
                       S_ISDIR(a.st_mode) ? "a folder" : "a device or a pipe", o->path);
    if (o->source && lt_file_is_same(o->path, o->source))
        return LT_FAIL(LT_ERR_CONFIG,
                       "the output would replace the input (output.path %s): "
                       "give another name",
                       o->path);
    return LT_OK;
}

/* The muxer's own check of all streams, into memory that is thrown away. */
static lt_status try_init(lt_mux *m, const char *path)
{
    lt_status st = LT_OK;
    uint8_t *memory = NULL;
    AVIOContext *pb = NULL;
    if (avio_open_dyn_buf(&pb) < 0) return LT_FAIL(LT_ERR_NOMEM, "checking %s", path);
    m->out->pb = pb;
    const int r = avformat_init_output(m->out, &m->options);
    if (r < 0)
        st = lt_ff_fail(LT_ERR_CONFIG, r,
                        "the container cannot carry the source's streams", path,
                        "use .mkv, or set output.audio or output.subtitles to none");
    m->out->pb = NULL;
    avio_close_dyn_buf(pb, &memory);
    av_free(memory);
    return st;
}

lt_status lt_media_check_output(const lt_media_output *output, char *dropped, size_t size)
{
    lt_status st = LT_OK;
    lt_mux m = { 0 };
    AVCodecContext *enc = NULL;
    if (!output || !output->path || !output->encode)
        return LT_FAIL(LT_ERR_ARG, "output without a path");
    if (dropped && size) dropped[0] = 0;
    LT_TRY(lt_encoder_check_preset(output->encode));
    LT_TRY(lt_encoder_open(&enc, output->encode));
    LT_TRY(check_place(output));
    LT_TRY(lt_mux_build(&m, output, dropped, size));
    LT_TRY(try_init(&m, output->path));
cleanup:
    lt_mux_free(&m);
    avcodec_free_context(&enc);
    return st;
}
