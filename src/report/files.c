#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/image_jpeg.h"
#include "io/image_png.h"
#include "report/pair.h"
#include "report/report.h"

/* Sizes of what stands beside the page: a sheet fits a page of text, a film a screen. */
enum { SHEET_COLUMNS = 8, SHEET_CELL = 160, JPEG_QUALITY = 2, FILM_CELL = 956 };

static lt_status open_films(const lt_report_args *a, int32_t width, lt_pair *pair)
{
    if (!lt_job_done(a->job, "mux", 0, LT_NO_STEP))
        return LT_FAIL(LT_ERR_NOINPUT,
                       "the edited film is not written yet (%s): `longtake resume` goes "
                       "on",
                       lt_job_path(a->job));
    return lt_pair_open(pair, a->cfg, width);
}

lt_status lt_report_film(const lt_report_args *a, const char *path)
{
    lt_status st = LT_OK;
    lt_pair pair = { 0 };
    if (!lt_path_ends_in(path, ".mp4") && !lt_path_ends_in(path, ".m4v") &&
        !lt_path_ends_in(path, ".mov") && !lt_path_ends_in(path, ".mkv"))
        LT_TRY(LT_FAIL(LT_ERR_USAGE,
                       "not a film's name (--film %.200s): give a .mp4, .mov or .mkv",
                       path));
    LT_TRY(open_films(a, FILM_CELL, &pair));
    LT_TRY(lt_pair_film(&pair, pair.source.frames.n, path));
cleanup:
    lt_pair_close(&pair);
    return st;
}

lt_status lt_report_sheet(const lt_report_args *a, const char *path)
{
    lt_status st = LT_OK;
    lt_pair pair = { 0 };
    uint8_t *rgb = NULL;
    void *jpeg = NULL;
    size_t bytes = 0;
    int32_t w = 0, h = 0;
    const int is_jpeg = lt_path_ends_in(path, ".jpg") || lt_path_ends_in(path, ".jpeg");
    if (!is_jpeg && !lt_path_ends_in(path, ".png"))
        LT_TRY(LT_FAIL(LT_ERR_USAGE,
                       "not a picture's name (--sheet %.200s): give a .jpg "
                       "or .png",
                       path));
    LT_TRY(open_films(a, SHEET_CELL, &pair));
    LT_TRY(lt_pair_sheet(&pair, SHEET_COLUMNS, &rgb, &w, &h));
    if (is_jpeg) {
        LT_TRY(lt_image_jpeg(rgb, w, h, JPEG_QUALITY, &jpeg, &bytes));
        LT_TRY(lt_file_write(path, jpeg, bytes, NULL));
    } else {
        LT_TRY(lt_image_png_write(path, w, h, 3, rgb));
    }
cleanup:
    free(jpeg);
    free(rgb);
    lt_pair_close(&pair);
    return st;
}
