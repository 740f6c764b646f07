#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/media.h"

void lt_media_frames_free(lt_media_frames *frames)
{
    if (!frames) return;
    free(frames->all);
    free(frames->key);
    memset(frames, 0, sizeof(*frames));
}

int64_t lt_media_out_pts(const lt_media_frames *frames, int64_t f)
{
    return (f < frames->n ? frames->pts[f] : frames->end) - frames->offset;
}

static int32_t at_least_one(double v) { return v < 1.0 ? 1 : (int32_t)v; }

static int32_t round_side(double v) { return at_least_one(floor(v + 0.5)); }

/* The largest whole sizes of the source's aspect with w * h <= max_pixels. */
static void fit_pixels(int32_t *w, int32_t *h, int64_t max_pixels)
{
    const int64_t pixels = (int64_t)*w * *h;
    if (max_pixels <= 0 || pixels <= max_pixels) return;
    const double scale = sqrt((double)max_pixels / (double)pixels);
    const int32_t src_w = *w, src_h = *h;
    *w = round_side(src_w * scale);
    *h = round_side(src_h * scale);
    while ((int64_t)*w * *h > max_pixels && (*w > 1 || *h > 1)) {
        /* take the pixel where it costs the least aspect */
        const double narrow = fabs((double)(*w - 1) * src_h - (double)*h * src_w);
        const double low = fabs((double)*w * src_h - (double)(*h - 1) * src_w);
        if (*h <= 1 || (*w > 1 && narrow <= low))
            (*w)--;
        else
            (*h)--;
    }
}

static int64_t round_up(int64_t v, int32_t multiple)
{
    return (v + multiple - 1) / multiple * multiple;
}

lt_status lt_media_working_size(int32_t src_w, int32_t src_h, int64_t max_pixels,
                                int32_t width, int32_t height, int32_t multiple,
                                lt_media_size *size)
{
    if (src_w < 1 || src_h < 1 || src_w > LT_MEDIA_MAX_SIDE ||
        src_h > LT_MEDIA_MAX_SIDE || multiple < 1 || multiple > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_ARG, "working size of %d x %d, multiple %d", src_w, src_h,
                       multiple);
    if (width < 0 || height < 0 || width > LT_MEDIA_MAX_SIDE ||
        height > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_CONFIG,
                       "size of %d x %d (size.width, size.height): "
                       "give 0 .. %d",
                       width, height, LT_MEDIA_MAX_SIDE);
    int32_t w = width, h = height;
    if (w == 0 && h == 0) {
        w = src_w;
        h = src_h;
        fit_pixels(&w, &h, max_pixels);
    } else if (w == 0) {
        w = round_side((double)h * src_w / src_h);
    } else if (h == 0) {
        h = round_side((double)w * src_h / src_w);
    }
    const int64_t pw = round_up(w, multiple), ph = round_up(h, multiple);
    if (pw > LT_MEDIA_MAX_SIDE || ph > LT_MEDIA_MAX_SIDE)
        return LT_FAIL(LT_ERR_CONFIG,
                       "size of %lld x %lld (size.width, size.height): "
                       "at most %d on a side",
                       (long long)pw, (long long)ph, LT_MEDIA_MAX_SIDE);
    *size = (lt_media_size){ w, h, (int32_t)pw, (int32_t)ph };
    return LT_OK;
}

int64_t lt_media_size_values(const lt_media_size *size)
{
    return (int64_t)size->padded_width * size->padded_height * 3;
}
