#include "io/media_reader.h"

#include <libavutil/pixfmt.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_color.h"
#include "io/media_ff.h"
#include "io/media_fields.h"

/* Frames are counted from the start of the whole video here ("source numbers"); only
 * the interface counts from the first selected one. */
struct lt_media_reader {
    char *path;
    const lt_media_frames *frames;
    lt_media_color color;
    lt_media_reader_options opt;
    lt_from_frame *convert;
    lt_ff_source src;
    int open;
    int64_t next;     /* source number of the frame to hand out */
    int64_t begin;    /* key frame where decoding began; 0 = the start of the file */
    int64_t ahead_at; /* number of `ahead`, -1 = none, INT64_MAX = the end was reached */
    int64_t good_at;  /* number of `good`, -1 = none since begin */
    AVFrame *ahead;   /* decoded and not handed out */
    AVFrame *good;    /* the last good one before `next` */
    int64_t damaged;
};

static lt_media_size size_of(const lt_media_info *info, int rotate)
{
    const int across = rotate && (info->rotation == 90 || info->rotation == 270);
    const int32_t w = across ? info->height : info->width;
    const int32_t h = across ? info->width : info->height;
    return (lt_media_size){ w, h, w, h };
}

static int size_is_sane(const lt_media_size *s)
{
    return s->width >= 1 && s->height >= 1 && s->padded_width >= s->width &&
           s->padded_height >= s->height && s->padded_width <= LT_MEDIA_MAX_SIDE &&
           s->padded_height <= LT_MEDIA_MAX_SIDE;
}

static lt_status set_options(lt_media_reader *r, const lt_media_info *info,
                             const lt_media_reader_options *options)
{
    if (options) r->opt = *options;
    if (r->opt.size.width == 0 && r->opt.size.height == 0)
        r->opt.size = size_of(info, r->opt.rotate);
    if (!size_is_sane(&r->opt.size))
        return LT_FAIL(LT_ERR_CONFIG,
                       "working size of %d x %d in %d x %d (size): give "
                       "sizes of 1 .. %d",
                       r->opt.size.width, r->opt.size.height, r->opt.size.padded_width,
                       r->opt.size.padded_height, LT_MEDIA_MAX_SIDE);
    if (r->opt.damaged_share == 0.0 && r->opt.damaged_count == 0) {
        r->opt.damaged_share = 0.1;
        r->opt.damaged_count = 3;
    }
    r->opt.tone_map = r->opt.tone_map && info->hdr;
    return LT_OK;
}

/* Start decoding at the beginning of the file, or at key frame `key` of the list. */
static lt_status begin_at(lt_media_reader *r, int64_t key)
{
    lt_status st = LT_OK;
    int ok = 0;
    av_frame_unref(r->ahead);
    av_frame_unref(r->good);
    r->ahead_at = r->good_at = -1;
    r->begin = key;
    if (key > 0 && r->open) lt_ff_source_seek(&r->src, r->frames->all[key], &ok);
    if (ok) return LT_OK;
    r->begin = 0;
    if (r->open) lt_ff_source_close(&r->src);
    r->open = 0;
    LT_TRY(lt_ff_source_open(&r->src, r->path));
    r->open = 1;
    if (key > 0) { /* a fresh source can be sent there at once */
        lt_ff_source_seek(&r->src, r->frames->all[key], &ok);
        if (ok) {
            r->begin = key;
        } else {
            lt_ff_source_close(&r->src);
            r->open = 0;
            LT_TRY(lt_ff_source_open(&r->src, r->path));
            r->open = 1;
        }
    }
cleanup:
    return st;
}

/* The last key frame at or before number `at`, 0 when seeking cannot be trusted. */
static int64_t key_before(const lt_media_reader *r, int64_t at)
{
    if (r->frames->by_order) return 0;
    while (at > 0 && !r->frames->key[at]) at--;
    return at;
}

/* The n-th key frame before the last one at or before `at`. Right behind a key frame of
 * an open group of pictures FFmpeg's decoders may hold frames back, so reading begins
 * one key frame early, and a frame only counts as damaged when it is also missing for
 * a decoder that began two key frames early. */
static int64_t keys_before(const lt_media_reader *r, int64_t at, int n)
{
    int64_t key = key_before(r, at);
    while (n-- > 0 && key > 0) key = key_before(r, key - 1);
    return key;
}

/* The source number of a decoded frame, -1 when it is not in the list. */
static int64_t number_of(const lt_media_reader *r, const AVFrame *f)
{
    const lt_media_frames *l = r->frames;
    if (l->by_order) {
        const int64_t n = r->src.n_frames - 1;
        return n < l->n_all ? n : -1;
    }
    const int64_t pts = f->pts != AV_NOPTS_VALUE ? f->pts : f->best_effort_timestamp;
    int64_t lo = 0, hi = l->n_all - 1;
    while (lo <= hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (l->all[mid] == pts) return mid;
        if (l->all[mid] < pts)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return -1;
}

/* Decode until `ahead` holds a good frame of the list, or the end is reached.
 * *late = 1: what came out first after a seek lies behind the key frame asked for. */
static lt_status fill_ahead(lt_media_reader *r, int *late)
{
    lt_status st = LT_OK;
    int end = 0;
    *late = 0;
    while (r->ahead_at < 0) {
        LT_TRY(lt_ff_source_next(&r->src, r->ahead, &end));
        if (end) {
            r->ahead_at = INT64_MAX;
            break;
        }
        const int64_t at = number_of(r, r->ahead);
        if (at >= 0 && r->begin > 0 && r->src.n_frames == 1 && at > r->begin) *late = 1;
        if (at >= 0 && !lt_ff_damaged(r->ahead))
            r->ahead_at = at;
        else
            av_frame_unref(r->ahead);
        if (*late) break;
    }
    if (end && r->begin > 0 && r->src.n_frames == 0) *late = 1;
cleanup:
    return st;
}

static void keep_good(lt_media_reader *r)
{
    av_frame_unref(r->good);
    av_frame_move_ref(r->good, r->ahead);
    r->good_at = r->ahead_at;
    r->ahead_at = -1;
}

/* Find what to show as frame `next`: itself, or the last good one before it, or at the
 * start of the file the first good one after it. */
static lt_status find(lt_media_reader *r, const AVFrame **show, int *damaged)
{
    lt_status st = LT_OK;
    int late = 0;
    for (;;) {
        LT_TRY(fill_ahead(r, &late));
        if (!late && r->ahead_at <= r->next) {
            keep_good(r);
            if (r->good_at < r->next) continue;
            *show = r->good;
            *damaged = 0;
            return LT_OK;
        }
        const int64_t sure = keys_before(r, r->next, 2);
        if (!late && r->good_at >= 0 && r->begin <= sure) {
            *show = r->good;
            break;
        }
        if (r->begin == 0) {
            *show = r->ahead_at == INT64_MAX ? NULL : r->ahead;
            break;
        }
        LT_TRY(begin_at(r, r->begin > sure ? sure : key_before(r, r->begin - 1)));
    }
    *damaged = 1;
    if (!*show)
        st = LT_FAIL(LT_ERR_DATA, "no frame can be decoded (%s): the file is damaged",
                     r->path);
cleanup:
    return st;
}

static lt_status count_damaged(lt_media_reader *r)
{
    r->damaged++;
    if (r->opt.damaged_share < 0.0) return LT_OK;
    if (r->damaged <= r->opt.damaged_count) return LT_OK;
    if ((double)r->damaged <= r->opt.damaged_share * (double)r->frames->n) return LT_OK;
    return LT_FAIL(LT_ERR_DATA,
                   "%lld of %lld frames cannot be decoded (%s): the file is "
                   "damaged, repair or cut it first",
                   (long long)r->damaged, (long long)r->frames->n, r->path);
}

lt_status lt_media_reader_open(lt_media_reader **reader, const char *path,
                               const lt_media_info *info, const lt_media_frames *frames,
                               const lt_media_reader_options *options)
{
    lt_status st = LT_OK;
    if (!path || !info || !frames || frames->n < 1)
        return LT_FAIL(LT_ERR_ARG, "reader without a video");
    lt_media_reader *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "opening %s", path);
    r->path = strdup(path);
    r->ahead = av_frame_alloc();
    r->good = av_frame_alloc();
    r->frames = frames;
    r->color = info->color;
    if (!r->path || !r->ahead || !r->good) {
        st = LT_FAIL(LT_ERR_NOMEM, "opening %s", path);
        goto cleanup;
    }
    LT_TRY(set_options(r, info, options));
    LT_TRY(lt_from_frame_open(&r->convert, &info->color, &r->opt.size, r->opt.format,
                              r->opt.rotate ? info->rotation : 0, r->opt.tone_map));
    LT_TRY(lt_media_reader_seek(r, 0));
    *reader = r;
    r = NULL;
cleanup:
    lt_media_reader_close(&r);
    return st;
}

void lt_media_reader_close(lt_media_reader **reader)
{
    lt_media_reader *r = reader ? *reader : NULL;
    if (!r) return;
    if (r->open) lt_ff_source_close(&r->src);
    lt_from_frame_close(&r->convert);
    av_frame_free(&r->ahead);
    av_frame_free(&r->good);
    free(r->path);
    free(r);
    *reader = NULL;
}

int64_t lt_media_reader_frame_bytes(const lt_media_reader *r)
{
    return lt_media_size_values(&r->opt.size) * (r->opt.format == LT_MEDIA_F32 ? 4 : 1);
}

lt_media_color lt_media_reader_color(const lt_media_reader *r)
{
    lt_media_color c = r->color;
    if (r->opt.tone_map) {
        c.primaries = AVCOL_PRI_BT709;
        c.transfer = AVCOL_TRC_BT709;
        c.matrix = AVCOL_SPC_BT709;
    }
    return c;
}

lt_status lt_media_reader_seek(lt_media_reader *r, int64_t f)
{
    lt_status st = LT_OK;
    if (f < 0 || f >= r->frames->n)
        return LT_FAIL(LT_ERR_ARG, "seek to frame %lld of %lld", (long long)f,
                       (long long)r->frames->n);
    const int64_t to = r->frames->first + f, key = keys_before(r, to, 1);
    const int64_t here = r->good_at > r->begin ? r->good_at : r->begin;
    const int forward = r->open && to >= r->next && here >= key;
    if (!forward) LT_TRY(begin_at(r, key));
    r->next = to;
cleanup:
    return st;
}

lt_status lt_media_reader_next_raw(lt_media_reader *r, const struct AVFrame **picture,
                                   lt_frame *frame, int *end)
{
    lt_status st = LT_OK;
    const AVFrame *show = NULL;
    int damaged = 0;
    const int64_t f = r->next - r->frames->first;
    *end = f >= r->frames->n;
    if (*end) return LT_OK;
    LT_TRY(find(r, &show, &damaged));
    if (damaged) LT_TRY(count_damaged(r));
    LT_TRY(lt_fields_join(show == r->good ? r->good : r->ahead));
    *picture = show;
    *frame = (lt_frame){ f, r->frames->pts[f], damaged, NULL };
    r->next++;
cleanup:
    return st;
}

lt_status lt_media_reader_next(lt_media_reader *r, void *pixels, lt_frame *frame,
                               int *end)
{
    const AVFrame *picture = NULL;
    lt_status st = lt_media_reader_next_raw(r, &picture, frame, end);
    if (st == LT_OK && !*end) st = lt_from_frame_run(r->convert, picture, pixels);
    return st;
}

int64_t lt_media_reader_damaged(const lt_media_reader *r) { return r->damaged; }

static lt_status produce(void *ctx, void *pixels, lt_frame *frame, int *end)
{
    return lt_media_reader_next(ctx, pixels, frame, end);
}

lt_status lt_media_reader_queue(lt_media_reader *reader, int64_t capacity,
                                lt_frame_queue **queue)
{
    return lt_frame_queue_open(queue, capacity, lt_media_reader_frame_bytes(reader),
                               produce, reader);
}
