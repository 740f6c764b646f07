#include <stdlib.h>
#include <string.h>

#include "io/media_ff.h"

/* A growing list of what was found, in the order of reading. */
typedef struct mark {
    int64_t pts;
    uint8_t key;
} mark;

typedef struct marks {
    mark *at;
    int64_t n, cap;
} marks;

typedef struct scan {
    lt_ff_source src;
    marks list;
    int64_t tick;      /* nominal ticks a frame, >= 1: for what has no time */
    int64_t last_span; /* how long the last frame is shown, 0 = unknown */
    int64_t n_damaged, n_missing, n_repeated, n_skipped;
    int from_packets; /* 1: the list is that of the packets */
    int by_order;
} scan;

/* Times beyond this are damage; within it, sums of times and spans cannot overflow. */
static const int64_t time_limit = INT64_C(1) << 60;

static int64_t sane(int64_t pts)
{
    return pts > time_limit || pts < -time_limit ? AV_NOPTS_VALUE : pts;
}

static int64_t sane_span(int64_t span)
{
    return span > 0 && span < time_limit ? span : 0;
}

static lt_status push(scan *s, int64_t pts, int key)
{
    marks *m = &s->list;
    if (m->n >= LT_MEDIA_MAX_FRAMES)
        return LT_FAIL(LT_ERR_DATA, "more than %d frames (%s): cut the video into pieces",
                       LT_MEDIA_MAX_FRAMES, s->src.path);
    if (m->n == m->cap) {
        const int64_t cap = m->cap ? m->cap * 2 : 1024;
        mark *at = realloc(m->at, (size_t)cap * sizeof(*at));
        if (!at) return LT_FAIL(LT_ERR_NOMEM, "list of %lld frames", (long long)cap);
        m->at = at;
        m->cap = cap;
    }
    m->at[m->n++] = (mark){ pts, (uint8_t)(key != 0) };
    return LT_OK;
}

/* Packets are frames where the container keeps one frame a packet with its time, and
 * the codec neither hides nor repeats frames. */
static int packets_are_frames(const lt_ff_source *src)
{
    static const enum AVCodecID ids[] = {
        AV_CODEC_ID_H264,    AV_CODEC_ID_HEVC,     AV_CODEC_ID_AV1,
        AV_CODEC_ID_VP9,     AV_CODEC_ID_MPEG4,    AV_CODEC_ID_FFV1,
        AV_CODEC_ID_PRORES,  AV_CODEC_ID_DNXHD,    AV_CODEC_ID_MJPEG,
        AV_CODEC_ID_PNG,     AV_CODEC_ID_UTVIDEO,  AV_CODEC_ID_HUFFYUV,
        AV_CODEC_ID_FFVHUFF, AV_CODEC_ID_RAWVIDEO,
    };
    const char *name = src->fmt->iformat->name;
    if (strncmp(name, "mov,", 4) && strncmp(name, "matroska", 8) && strcmp(name, "nut"))
        return 0;
    const enum AVCodecID id = src->fmt->streams[src->stream]->codecpar->codec_id;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        if (ids[i] == id) return 1;
    return 0;
}

static int by_pts(const void *a, const void *b)
{
    const int64_t x = ((const mark *)a)->pts, y = ((const mark *)b)->pts;
    return (x > y) - (x < y);
}

static lt_status take_packet(scan *s, const AVPacket *p, int64_t *last, int *trusted)
{
    if (p->flags & AV_PKT_FLAG_DISCARD) { /* outside of an edit list: never shown */
        s->n_skipped++;
        return LT_OK;
    }
    const int64_t pts = sane(p->pts);
    if (pts == AV_NOPTS_VALUE) *trusted = 0;
    if (p->flags & AV_PKT_FLAG_CORRUPT) s->n_damaged++;
    if (pts > *last) {
        *last = pts;
        s->last_span = sane_span(p->duration);
    }
    return push(s, pts, p->flags & AV_PKT_FLAG_KEY);
}

/* Read all packets. *trusted = 0: a time is missing or stands twice. */
static lt_status read_packets(scan *s, int *trusted)
{
    lt_status st = LT_OK;
    AVPacket *p = s->src.packet;
    *trusted = 1;
    int64_t last = AV_NOPTS_VALUE; /* the smallest number there is */
    for (;;) {
        const int r = av_read_frame(s->src.fmt, p);
        if (r == AVERROR(EIO) || r == AVERROR(ENOMEM)) {
            st = lt_ff_fail(LT_ERR_IO, r, "cannot read", s->src.path, "");
            goto cleanup;
        }
        if (r < 0) break;
        if (p->stream_index == s->src.stream) LT_TRY(take_packet(s, p, &last, trusted));
        av_packet_unref(p);
    }
    qsort(s->list.at, (size_t)s->list.n, sizeof(mark), by_pts);
    for (int64_t i = 1; i < s->list.n && *trusted; i++)
        if (s->list.at[i].pts == s->list.at[i - 1].pts) *trusted = 0;
cleanup:
    av_packet_unref(p);
    return st;
}

/* Decode everything; the order of the decoder is the order of presentation. */
static lt_status read_frames(scan *s)
{
    lt_status st = LT_OK;
    AVFrame *f = av_frame_alloc();
    int end = 0;
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "scanning %s", s->src.path);
    for (;;) {
        LT_TRY(lt_ff_source_next(&s->src, f, &end));
        if (end) break;
        if (sane(f->pts) == AV_NOPTS_VALUE) s->by_order = 1;
        LT_TRY(push(s, sane(f->best_effort_timestamp), f->key_frame));
        s->last_span = sane_span(f->pkt_duration);
        av_frame_unref(f);
    }
    s->n_damaged = s->src.n_errors;
cleanup:
    av_frame_free(&f);
    return st;
}

/* Give every frame a time above the one before it. A frame without one comes a nominal
 * frame later; a small step back moves the frame by half a frame; a large one is a new
 * beginning of the clock, and everything after it is moved along. */
static void repair(scan *s)
{
    int64_t shift = 0;
    for (int64_t i = 0; i < s->list.n; i++) {
        mark *m = &s->list.at[i];
        const int64_t prev = i ? m[-1].pts : 0;
        if (m->pts == AV_NOPTS_VALUE) {
            m->pts = i ? prev + s->tick : 0;
            s->n_missing++;
            continue;
        }
        m->pts += shift;
        if (i == 0 || m->pts > prev) continue;
        s->n_repeated++;
        if (prev - m->pts > 10 * s->tick) {
            shift += prev + s->tick - m->pts;
            m->pts = prev + s->tick;
        } else {
            m->pts = prev + (s->tick > 1 ? s->tick / 2 : 1);
        }
    }
    if (s->n_missing || s->n_repeated) s->by_order = 1;
}

static int64_t nominal_tick(const lt_ff_source *src)
{
    AVStream *v = src->fmt->streams[src->stream];
    AVRational rate = av_guess_frame_rate(src->fmt, v, NULL);
    if (rate.num <= 0 || rate.den <= 0 || av_q2d(rate) > 1000.0)
        rate = (AVRational){ 25, 1 }; /* what FFmpeg takes for streams without times */
    const int64_t t = av_rescale_q(1, av_inv_q(rate), v->time_base);
    return t < 1 ? 1 : t > INT32_MAX ? INT32_MAX : t;
}

static lt_status collect(scan *s, const char *path)
{
    lt_status st = LT_OK;
    int trusted = 0;
    LT_TRY(lt_ff_source_open(&s->src, path));
    s->tick = nominal_tick(&s->src);
    if (packets_are_frames(&s->src)) LT_TRY(read_packets(s, &trusted));
    s->from_packets = trusted;
    if (!trusted) {
        s->list.n = 0;
        s->n_damaged = s->last_span = 0;
        lt_ff_source_close(&s->src);
        LT_TRY(lt_ff_source_open(&s->src, path));
        LT_TRY(read_frames(s));
    }
    if (s->list.n == 0) {
        st = LT_FAIL(LT_ERR_DATA, "no frames (%s): the file is damaged or cut short",
                     path);
        goto cleanup;
    }
    repair(s);
cleanup:
    return st;
}

/* Where the last frame ends: where the track does (mp4, whose packets do not say), as
 * the packet says, or as long as the frame before. */
static int64_t end_of(const scan *s)
{
    const mark *last = &s->list.at[s->list.n - 1];
    const int64_t track = sane_span(s->src.fmt->streams[s->src.stream]->duration);
    const int mov = !strncmp(s->src.fmt->iformat->name, "mov,", 4);
    int64_t span = s->last_span;
    if (mov) span = track ? s->list.at[0].pts + track - last->pts : 0;
    if (span <= 0) span = s->list.n > 1 ? last->pts - last[-1].pts : s->tick;
    return last->pts + span;
}

static int before(const scan *s, int64_t i, int64_t micro)
{
    const AVRational tb = s->src.fmt->streams[s->src.stream]->time_base;
    return av_compare_ts(s->list.at[i].pts - s->list.at[0].pts, tb, micro,
                         AV_TIME_BASE_Q) < 0;
}

static lt_status select_frames(const scan *s, int64_t ss, int64_t to, lt_media_frames *f)
{
    const AVRational tb = s->src.fmt->streams[s->src.stream]->time_base;
    int64_t a = 0, b = s->list.n;
    while (ss > 0 && a < s->list.n && before(s, a, ss)) a++;
    while (to >= 0 && b > a && !before(s, b - 1, to)) b--;
    if (a >= b) {
        const double length = (double)(end_of(s) - s->list.at[0].pts) * av_q2d(tb);
        return LT_FAIL(LT_ERR_CONFIG,
                       "no frame between input.ss and input.to (%s): the "
                       "video has %.3f s",
                       s->src.path, length);
    }
    f->first = a;
    f->n = b - a;
    f->end = b < s->list.n ? s->list.at[b].pts : end_of(s);
    f->offset = ss >= 0 || to >= 0 ? s->list.at[a].pts : 0;
    return LT_OK;
}

static lt_status publish(const scan *s, lt_media_frames *f)
{
    const int64_t n = s->list.n;
    f->all = malloc((size_t)n * sizeof(*f->all));
    f->key = malloc((size_t)n);
    if (!f->all || !f->key) {
        lt_media_frames_free(f);
        return LT_FAIL(LT_ERR_NOMEM, "list of %lld frames", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        f->all[i] = s->list.at[i].pts;
        f->key[i] = s->list.at[i].key;
    }
    f->n_all = n;
    f->pts = f->all + f->first;
    f->by_order = s->by_order;
    f->n_missing = s->n_missing;
    f->n_repeated = s->n_repeated;
    f->n_damaged = s->n_damaged;
    if (s->from_packets) f->n_declared = s->src.fmt->streams[s->src.stream]->nb_frames;
    if (f->n_declared > 0) f->n_declared -= s->n_skipped;
    return LT_OK;
}

lt_status lt_media_scan(const char *path, int64_t ss, int64_t to, lt_media_frames *frames)
{
    lt_status st = LT_OK;
    scan s = { 0 };
    lt_media_frames got = { 0 };
    LT_TRY(collect(&s, path));
    LT_TRY(select_frames(&s, ss, to, &got));
    LT_TRY(publish(&s, &got));
    *frames = got;
cleanup:
    lt_ff_source_close(&s.src);
    free(s.list.at);
    return st;
}
