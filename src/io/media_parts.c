#include "io/media_parts.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t prores_tag = MKTAG('a', 'p', 'c', 'h');

uint32_t lt_part_tag(enum AVCodecID id)
{
    return id == AV_CODEC_ID_PRORES ? prores_tag : 0;
}

lt_status lt_parts_open(lt_parts *p)
{
    lt_status st = LT_OK;
    if (p->fmt || p->at >= p->n_paths) return LT_OK;
    const char *path = p->paths[p->at];
    LT_TRY(lt_ff_open(&p->fmt, path, "nut"));
    if (p->fmt->nb_streams != 1)
        st = LT_FAIL(LT_ERR_DATA, "not a part of this tool (%s): remove it and run again",
                     path);
    else if (p->fmt->streams[0]->codecpar->codec_tag == prores_tag)
        p->fmt->streams[0]->codecpar->codec_id = AV_CODEC_ID_PRORES;
cleanup:
    if (st == LT_ERR_NOINPUT)
        st = LT_FAIL(LT_ERR_DATA, "a part is missing (%s): run again", path);
    return st;
}

lt_status lt_parts_next(lt_parts *p, AVPacket *packet, int *end)
{
    lt_status st = LT_OK;
    *end = 0;
    while (p->at < p->n_paths) {
        LT_TRY(lt_parts_open(p));
        const int r = av_read_frame(p->fmt, packet);
        if (r >= 0) {
            av_packet_rescale_ts(packet, p->fmt->streams[0]->time_base, p->tb);
            return LT_OK;
        }
        if (r != AVERROR_EOF) {
            st = lt_ff_fail(LT_ERR_DATA, r, "a part is damaged", p->paths[p->at],
                            "remove it and run again");
            goto cleanup;
        }
        avformat_close_input(&p->fmt);
        p->at++;
    }
    *end = 1;
cleanup:
    return st;
}

void lt_parts_close(lt_parts *p) { avformat_close_input(&p->fmt); }

/* ---- checking ------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

typedef struct check {
    lt_parts parts;
    const int64_t *pts;
    int64_t n, done; /* frames expected, frames seen in finished parts */
    int64_t *order, *sorted;
    uint8_t *headers; /* of the first part */
    int headers_size;
} check;

static lt_status bad_part(const check *c, const char *why)
{
    return LT_FAIL(LT_ERR_DATA, "part does not fit: %s (%s): remove it and run again",
                   why, c->parts.paths[c->parts.at]);
}

static lt_status same_headers(check *c)
{
    const AVStream *s = c->parts.fmt->streams[0];
    const AVCodecParameters *p = s->codecpar;
    if (c->parts.at == 0) {
        c->headers_size = p->extradata_size;
        c->headers = malloc((size_t)p->extradata_size + 1);
        if (!c->headers) return LT_FAIL(LT_ERR_NOMEM, "joining parts");
        if (p->extradata_size)
            memcpy(c->headers, p->extradata, (size_t)p->extradata_size);
        return LT_OK;
    }
    if (p->extradata_size != c->headers_size ||
        (p->extradata_size &&
         memcmp(c->headers, p->extradata, (size_t)p->extradata_size)))
        return bad_part(c, "other encoder settings");
    return LT_OK;
}

/* The frames of one part, as a set, are the next ones that are expected. */
static lt_status check_run(check *c, int64_t n)
{
    int64_t *sorted = c->sorted + c->done;
    if (n == 0) return bad_part(c, "no frames");
    memcpy(sorted, c->order + c->done, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
    if (memcmp(sorted, c->pts + c->done, (size_t)n * sizeof(*sorted)))
        return bad_part(c, "other frames than expected");
    c->done += n;
    return LT_OK;
}

static lt_status check_part(check *c, AVPacket *packet)
{
    lt_status st = LT_OK;
    int64_t n = 0;
    LT_TRY(lt_parts_open(&c->parts));
    LT_TRY(same_headers(c));
    for (;;) {
        const int r = av_read_frame(c->parts.fmt, packet);
        if (r == AVERROR_EOF) break;
        if (r < 0) {
            st = bad_part(c, "damaged");
            goto cleanup;
        }
        const int is_key = packet->flags & AV_PKT_FLAG_KEY;
        av_packet_rescale_ts(packet, c->parts.fmt->streams[0]->time_base, c->parts.tb);
        const int64_t pts = packet->pts;
        av_packet_unref(packet);
        if (n == 0 && !is_key) {
            st = bad_part(c, "no key frame at its start");
            goto cleanup;
        }
        if (c->done + n >= c->n) {
            st = bad_part(c, "more frames than expected");
            goto cleanup;
        }
        c->order[c->done + n++] = pts;
    }
    LT_TRY(check_run(c, n));
cleanup:
    lt_parts_close(&c->parts);
    return st;
}

lt_status lt_parts_check(const char *const *paths, int64_t n_paths, const int64_t *pts,
                         int64_t n, AVRational tb, int64_t *order)
{
    lt_status st = LT_OK;
    check c = { .parts = { .paths = paths, .n_paths = n_paths, .tb = tb },
                .pts = pts,
                .n = n,
                .order = order };
    AVPacket *packet = av_packet_alloc();
    c.sorted = malloc((size_t)n * sizeof(*c.sorted));
    if (!packet || !c.sorted) {
        st = LT_FAIL(LT_ERR_NOMEM, "joining %lld frames", (long long)n);
        goto cleanup;
    }
    for (; c.parts.at < n_paths; c.parts.at++) LT_TRY(check_part(&c, packet));
    if (c.done != n)
        st = LT_FAIL(LT_ERR_DATA, "the parts hold %lld of %lld frames (%s): run again",
                     (long long)c.done, (long long)n,
                     n_paths ? paths[n_paths - 1] : "no part");
cleanup:
    lt_parts_close(&c.parts);
    av_packet_free(&packet);
    free(c.sorted);
    free(c.headers);
    return st;
}

void lt_parts_dts(const int64_t *pts, int64_t n, int64_t *order, int64_t *last)
{
    int64_t delay = 0;
    for (int64_t k = 0; k < n; k++)
        while (k - delay >= 0 && pts[k - delay] > order[k]) delay++;
    /* small enough that the last packet lasts at least a tick */
    const int64_t room = (pts[n] - pts[n - 1 - delay]) / (delay + 1);
    const int64_t first = pts[1] - pts[0], step = first < room ? first : room;
    for (int64_t k = 0; k < n; k++)
        order[k] = k >= delay ? pts[k - delay] : pts[0] - (delay - k) * step;
    *last = pts[n] - pts[0] - (order[n - 1] - order[0]);
}
