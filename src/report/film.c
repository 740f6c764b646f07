#include "report/film.h"

#include <string.h>

static int32_t even(double v)
{
    const int32_t x = 2 * (int32_t)(v / 2 + 0.5);
    return x < 2 ? 2 : x;
}

/* Microseconds for lt_media_scan: -1 = not given. */
static int64_t micro(int64_t t) { return t == LT_TIME_NONE ? -1 : t / 1000; }

lt_status lt_film_open(lt_film *film, const char *path, int64_t ss, int64_t to,
                       int32_t width, int upright)
{
    lt_status st = LT_OK;
    LT_TRY(lt_media_probe(path, &film->info));
    LT_TRY(lt_media_scan(path, micro(ss), micro(to), &film->frames));
    const double w = upright ? film->info.display_width : film->info.width;
    const double h = upright ? film->info.display_height : film->info.height;
    film->width = even(w < width ? w : width);
    film->height = even(film->width * h / w);
    const lt_media_reader_options o = { .size = { film->width, film->height, film->width,
                                                  film->height },
                                        .format = LT_MEDIA_U8,
                                        .rotate = upright,
                                        .tone_map = film->info.hdr,
                                        .damaged_share = -1 };
    LT_TRY(lt_media_reader_open(&film->reader, path, &film->info, &film->frames, &o));
cleanup:
    return st;
}

void lt_film_close(lt_film *film)
{
    lt_media_reader_close(&film->reader);
    lt_media_frames_free(&film->frames);
    memset(film, 0, sizeof(*film));
}

lt_status lt_film_seek(lt_film *film, int64_t f)
{
    return lt_media_reader_seek(film->reader, f);
}

lt_status lt_film_next(lt_film *film, uint8_t *rgb)
{
    lt_frame f;
    int end = 0;
    const lt_status st = lt_media_reader_next(film->reader, rgb, &f, &end);
    if (st == LT_OK && end) return LT_FAIL(LT_ERR_DATA, "the film ends too early");
    return st;
}
