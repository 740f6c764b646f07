#include "io/media_audio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum AVSampleFormat sample_format(enum AVCodecID id)
{
    return id == AV_CODEC_ID_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_S16;
}

static lt_status check_spec(const lt_media_audio *a, const char *container,
                            const char *path)
{
    if (strcmp(a->codec, "aac") && strcmp(a->codec, "flac") &&
        strcmp(a->codec, "pcm_s16le"))
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown audio codec %s (%s): use aac, flac or "
                       "pcm_s16le",
                       a->codec, path);
    const AVCodec *c = avcodec_find_encoder_by_name(a->codec);
    if (!c) return LT_FAIL(LT_ERR_UNSUPPORTED, "this FFmpeg has no encoder %s", a->codec);
    if (a->rate < 8000 || a->rate > 192000 || a->channels < 1 || a->channels > 2 ||
        a->samples < 0 || !a->fill)
        return LT_FAIL(LT_ERR_ARG, "audio of %d Hz, %d channels", a->rate, a->channels);
    if (!avformat_query_codec(av_guess_format(container, NULL, NULL), c->id,
                              FF_COMPLIANCE_EXPERIMENTAL))
        return LT_FAIL(LT_ERR_CONFIG, "%s cannot carry %s (%s): use .mkv, or aac",
                       container, a->codec, path);
    return LT_OK;
}

static int open_encoder(lt_audio_track *t)
{
    const AVCodec *c = avcodec_find_encoder_by_name(t->spec.codec);
    t->enc = avcodec_alloc_context3(c);
    t->frame = av_frame_alloc();
    t->packet = av_packet_alloc();
    if (!t->enc || !t->frame || !t->packet) return AVERROR(ENOMEM);
    t->enc->sample_rate = t->spec.rate;
    t->enc->sample_fmt = sample_format(c->id);
    t->enc->bit_rate = 96000 * t->spec.channels;
    t->enc->time_base = (AVRational){ 1, t->spec.rate };
    t->enc->thread_count = 1;
    t->enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
    av_channel_layout_default(&t->enc->ch_layout, t->spec.channels);
    const int r = avcodec_open2(t->enc, c, NULL);
    if (r < 0) return r;
    t->frame_size = t->enc->frame_size > 0 ? t->enc->frame_size : 1024;
    t->samples = malloc((size_t)t->frame_size * (size_t)t->spec.channels * sizeof(float));
    return t->samples ? 0 : AVERROR(ENOMEM);
}

lt_status lt_audio_open(lt_audio_track *t, lt_mux *m, const lt_media_audio *spec,
                        const char *path)
{
    lt_status st = LT_OK;
    memset(t, 0, sizeof(*t));
    t->spec = *spec;
    LT_TRY(check_spec(spec, m->out->oformat->name, path));
    int r = open_encoder(t);
    AVStream *s = r < 0 ? NULL : avformat_new_stream(m->out, NULL);
    if (r >= 0)
        r = s ? avcodec_parameters_from_context(s->codecpar, t->enc) : AVERROR(ENOMEM);
    if (r < 0) {
        st = lt_ff_fail(LT_ERR_CONFIG, r, "cannot open the audio encoder", spec->codec,
                        "");
        goto cleanup;
    }
    s->time_base = t->enc->time_base;
    s->disposition = AV_DISPOSITION_DEFAULT;
    t->stream = s->index;
cleanup:
    if (st != LT_OK) lt_audio_close(t);
    return st;
}

void lt_audio_close(lt_audio_track *t)
{
    avcodec_free_context(&t->enc);
    av_frame_free(&t->frame);
    av_packet_free(&t->packet);
    free(t->samples);
    memset(t, 0, sizeof(*t));
}

static int drain(lt_audio_track *t, lt_mux *m)
{
    for (;;) {
        const int r = avcodec_receive_packet(t->enc, t->packet);
        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF) return 0;
        if (r < 0) return r;
        t->packet->stream_index = t->stream;
        const int w = lt_mux_write(m, t->packet, t->enc->time_base);
        if (w < 0) return w;
    }
}

static void convert(lt_audio_track *t, int n)
{
    const int ch = t->spec.channels;
    for (int i = 0; i < n * ch; i++) {
        float v = t->samples[i];
        v = v > -1.0f ? (v < 1.0f ? v : 1.0f) : -1.0f;
        if (t->enc->sample_fmt == AV_SAMPLE_FMT_FLTP)
            ((float *)(void *)t->frame->data[i % ch])[i / ch] = v;
        else
            ((int16_t *)(void *)t->frame->data[0])[i] = (int16_t)lrintf(v * 32767.0f);
    }
}

static int produce(lt_audio_track *t)
{
    const int64_t left = t->spec.samples - t->at;
    const int n = left < t->frame_size ? (int)left : t->frame_size;
    t->frame->nb_samples = n;
    t->frame->format = t->enc->sample_fmt;
    t->frame->sample_rate = t->spec.rate;
    t->frame->pts = t->at;
    int r = av_channel_layout_copy(&t->frame->ch_layout, &t->enc->ch_layout);
    if (r >= 0) r = av_frame_get_buffer(t->frame, 0);
    if (r >= 0) {
        t->spec.fill(t->spec.ctx, t->at, n, t->samples);
        convert(t, n);
        t->at += n;
        r = avcodec_send_frame(t->enc, t->frame);
    }
    av_frame_unref(t->frame);
    return r;
}

int lt_audio_until(lt_audio_track *t, lt_mux *m, int64_t pts, AVRational tb)
{
    int r = 0;
    while (r >= 0 && t->at < t->spec.samples &&
           (pts < 0 || av_compare_ts(t->at, t->enc->time_base, pts, tb) <= 0)) {
        r = produce(t);
        if (r >= 0) r = drain(t, m);
    }
    if (r >= 0 && pts < 0 && !t->done) {
        t->done = 1;
        r = avcodec_send_frame(t->enc, NULL);
        if (r >= 0) r = drain(t, m);
    }
    return r;
}
