#include "io/media_writer.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_audio.h"
#include "io/media_color.h"
#include "io/media_out.h"
#include "io/media_parts.h"

/* A frame waits until the next one is put: only then is it known how long it is shown.
 * The encoder counts frames; ticks[] turns its numbers into PTS. */
struct lt_media_writer {
    lt_media_encode encode;
    lt_out_file out;
    lt_mux mux; /* of a clip; of a part only .out and .video are used */
    lt_audio_track audio;
    int has_audio, committed;
    lt_to_frame *convert;
    AVCodecContext *enc;
    AVFrame *waiting;
    AVPacket *packet;
    int64_t *ticks; /* [n] PTS of the frames put, and the end behind them */
    int64_t n, cap;
};

static lt_status begin_part(lt_media_writer *w)
{
    lt_status st = LT_OK;
    AVFormatContext *o = NULL;
    if (avformat_alloc_output_context2(&o, NULL, "nut", NULL) < 0)
        return LT_FAIL(LT_ERR_NOMEM, "opening a part");
    w->mux.out = o;
    for (int i = 0; i <= LT_MEDIA_MAX_STREAMS; i++) w->mux.last_dts[i] = AV_NOPTS_VALUE;
    o->flags |= AVFMT_FLAG_BITEXACT;
    o->avoid_negative_ts = 0; /* or all times would be moved */
    AVStream *s = avformat_new_stream(o, NULL);
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "opening a part");
    LT_TRY(lt_encoder_stream(s, &w->encode));
    s->codecpar->codec_tag = lt_part_tag(s->codecpar->codec_id);
cleanup:
    return st;
}

static lt_status write_header(lt_media_writer *w)
{
    AVStream *s = w->mux.out->streams[w->mux.video];
    const AVRational want = s->time_base;
    int r = AVERROR(ENOMEM);
    s->codecpar->profile = w->enc->profile;
    s->codecpar->level = w->enc->level;
    s->codecpar->video_delay = w->enc->has_b_frames;
    s->codecpar->extradata =
        av_mallocz((size_t)w->enc->extradata_size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (s->codecpar->extradata) {
        s->codecpar->extradata_size = w->enc->extradata_size;
        if (w->enc->extradata_size)
            memcpy(s->codecpar->extradata, w->enc->extradata,
                   (size_t)w->enc->extradata_size);
        r = lt_mux_begin(&w->mux, w->out.pb);
    }
    if (r < 0) return lt_out_fail(&w->out, r, "cannot write the header");
    /* a part may count finer than its source, but whole ticks must stay whole */
    const AVRational ratio = av_div_q(want, s->time_base);
    if (!strcmp(w->mux.out->oformat->name, "nut") && ratio.den != 1)
        return LT_FAIL(LT_ERR_INTERNAL, "time base %d/%d does not fit a part", want.num,
                       want.den);
    return LT_OK;
}

static lt_status open_any(lt_media_writer **writer, const char *path,
                          const lt_media_encode *encode, const lt_media_size *size,
                          lt_media_format format, int clip, const lt_media_audio *audio)
{
    lt_status st = LT_OK;
    if (!path || !encode || !size) return LT_FAIL(LT_ERR_ARG, "writer without a path");
    lt_media_writer *w = calloc(1, sizeof(*w));
    if (!w) return LT_FAIL(LT_ERR_NOMEM, "writing %s", path);
    w->encode = *encode;
    w->packet = av_packet_alloc();
    if (!w->packet) {
        st = LT_FAIL(LT_ERR_NOMEM, "writing %s", path);
        goto cleanup;
    }
    LT_TRY(lt_encoder_open(&w->enc, encode));
    LT_TRY(lt_to_frame_open(&w->convert, &encode->color, size, format, w->enc->pix_fmt,
                            encode->width, encode->height));
    if (encode->expand) LT_TRY(lt_to_frame_expand(w->convert));
    if (clip) {
        const lt_media_output o = { .path = path, .encode = encode };
        LT_TRY(lt_mux_build(&w->mux, &o, NULL, 0));
        if (audio) LT_TRY(lt_audio_open(&w->audio, &w->mux, audio, path));
        w->has_audio = audio != NULL;
    } else {
        LT_TRY(begin_part(w));
    }
    LT_TRY(lt_out_open(&w->out, path));
    LT_TRY(write_header(w));
    *writer = w;
    w = NULL;
cleanup:
    lt_media_writer_close(&w);
    return st;
}

lt_status lt_media_writer_open(lt_media_writer **writer, const char *path,
                               const lt_media_encode *encode, const lt_media_size *size,
                               lt_media_format format)
{
    return open_any(writer, path, encode, size, format, 0, NULL);
}

lt_status lt_media_clip_open(lt_media_writer **writer, const char *path,
                             const lt_media_encode *encode, const lt_media_size *size,
                             lt_media_format format, const lt_media_audio *audio)
{
    return open_any(writer, path, encode, size, format, 1, audio);
}

/* PTS of frame number i; before the first frame the clock runs on backwards. */
static int64_t tick_of(const lt_media_writer *w, int64_t i)
{
    if (i >= 0) return w->ticks[i < w->n ? i : w->n];
    return w->ticks[0] + i * (w->ticks[1] - w->ticks[0]);
}

static lt_status write_packet(lt_media_writer *w)
{
    const AVRational tb = lt_ff_q(w->encode.time_base);
    AVPacket *p = w->packet;
    const int64_t i = p->pts;
    const int64_t dts = p->dts == AV_NOPTS_VALUE ? i : p->dts;
    if (i < 0 || i >= w->n)
        return LT_FAIL(LT_ERR_INTERNAL, "the encoder returned frame %lld", (long long)i);
    p->pts = tick_of(w, i);
    p->dts = tick_of(w, dts);
    p->duration = tick_of(w, i + 1) - p->pts;
    p->stream_index = w->mux.video;
    int r = 0;
    if (w->has_audio) r = lt_audio_until(&w->audio, &w->mux, p->dts < 0 ? 0 : p->dts, tb);
    if (r >= 0) r = lt_mux_write(&w->mux, p, tb);
    if (r < 0 || w->out.error) return lt_out_fail(&w->out, r, "cannot write");
    return LT_OK;
}

/* Send the waiting frame, or the end when there is none, and write what comes out. */
static lt_status encode(lt_media_writer *w)
{
    lt_status st = LT_OK;
    int r = avcodec_send_frame(w->enc, w->waiting);
    av_frame_free(&w->waiting);
    while (r >= 0) {
        r = avcodec_receive_packet(w->enc, w->packet);
        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF) return LT_OK;
        if (r >= 0) LT_TRY(write_packet(w));
    }
    st = lt_ff_fail(LT_ERR_INTERNAL, r, "cannot encode", w->out.path, "");
cleanup:
    av_packet_unref(w->packet);
    return st;
}

/* Room for one more PTS and the end behind it. */
static lt_status note_pts(lt_media_writer *w, int64_t pts)
{
    if (w->n > 0 && pts <= w->ticks[w->n - 1])
        return LT_FAIL(LT_ERR_ARG, "PTS %lld after %lld (%s)", (long long)pts,
                       (long long)w->ticks[w->n - 1], w->out.path);
    if (w->n + 2 > w->cap) {
        const int64_t cap = w->cap ? w->cap * 2 : 256;
        int64_t *t = realloc(w->ticks, (size_t)cap * sizeof(*t));
        if (!t) return LT_FAIL(LT_ERR_NOMEM, "list of %lld frames", (long long)cap);
        w->ticks = t;
        w->cap = cap;
    }
    w->ticks[w->n] = pts;
    return LT_OK;
}

static lt_status new_frame(const lt_media_writer *w, AVFrame **frame)
{
    AVFrame *f = av_frame_alloc();
    if (f) {
        f->format = w->enc->pix_fmt;
        f->width = w->enc->width;
        f->height = w->enc->height;
        f->pts = w->n;
        f->color_range = w->enc->color_range;
        f->colorspace = w->enc->colorspace;
        f->color_primaries = w->enc->color_primaries;
        f->color_trc = w->enc->color_trc;
        f->chroma_location = w->enc->chroma_sample_location;
    }
    if (!f || av_frame_get_buffer(f, 0) < 0) {
        av_frame_free(&f);
        return LT_FAIL(LT_ERR_NOMEM, "frame of %d x %d", w->enc->width, w->enc->height);
    }
    *frame = f;
    return LT_OK;
}

lt_status lt_media_writer_put(lt_media_writer *w, const void *pixels, int64_t pts)
{
    return lt_media_writer_put_touched(w, pixels, pts, NULL, NULL);
}

lt_status lt_media_writer_put_touched(lt_media_writer *w, const void *pixels, int64_t pts,
                                      lt_media_touch_fn *touch, void *ctx)
{
    lt_status st = LT_OK;
    AVFrame *f = NULL;
    LT_TRY(note_pts(w, pts));
    if (w->waiting) LT_TRY(encode(w));
    LT_TRY(new_frame(w, &f));
    LT_TRY(lt_to_frame_run(w->convert, pixels, f));
    if (touch) LT_TRY(touch(ctx, f));
    w->waiting = f;
    w->n++;
    f = NULL;
cleanup:
    av_frame_free(&f);
    return st;
}

lt_status lt_media_writer_commit(lt_media_writer *w, int64_t last_duration,
                                 int64_t *bytes)
{
    lt_status st = LT_OK;
    if (w->n < 1 || last_duration < 1 || w->committed)
        return LT_FAIL(LT_ERR_ARG, "commit of %lld frames, last one of %lld ticks",
                       (long long)w->n, (long long)last_duration);
    w->ticks[w->n] = w->ticks[w->n - 1] + last_duration;
    LT_TRY(encode(w));
    LT_TRY(encode(w));
    int r = 0;
    if (w->has_audio) r = lt_audio_until(&w->audio, &w->mux, -1, (AVRational){ 1, 1 });
    if (r >= 0) r = av_write_trailer(w->mux.out);
    if (r < 0 || w->out.error) {
        st = lt_out_fail(&w->out, r, "cannot write");
        goto cleanup;
    }
    LT_TRY(lt_out_commit(&w->out, bytes));
    w->committed = 1;
cleanup:
    return st;
}

void lt_media_writer_close(lt_media_writer **writer)
{
    lt_media_writer *w = writer ? *writer : NULL;
    if (!w) return;
    lt_audio_close(&w->audio);
    lt_mux_free(&w->mux);
    lt_out_close(&w->out);
    lt_to_frame_close(&w->convert);
    avcodec_free_context(&w->enc);
    av_frame_free(&w->waiting);
    av_packet_free(&w->packet);
    free(w->ticks);
    free(w);
    *writer = NULL;
}
