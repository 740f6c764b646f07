#include <stdlib.h>

#include "io/image_jpeg.h"
#include "report/page.h"
#include "report/pair.h"

/* The clip shows the first CLIP_SECONDS; a page must stay small enough to be mailed. */
enum {
    SHEET_FRAMES = 12,
    SHEET_WIDTH = 240,
    CLIP_WIDTH = 360,
    CLIP_HEIGHT_REM = 22, /* of the player at most */
    CLIP_SECONDS = 10,
    CLIP_FRAMES = 300,
    JPEG_QUALITY = 4
};

/* ---- single frames ------------------------------------------------------------------ */

static lt_status print_jpeg(const lt_page *p, const uint8_t *rgb, int32_t w, int32_t h)
{
    void *jpeg = NULL;
    size_t bytes = 0;
    const lt_status st = lt_image_jpeg(rgb, w, h, JPEG_QUALITY, &jpeg, &bytes);
    if (st == LT_OK) lt_page_data_uri(p->f, "image/jpeg", jpeg, bytes);
    free(jpeg);
    return st;
}

static lt_status print_picture(const lt_page *p, const lt_film *film, const uint8_t *rgb,
                               int64_t frame, const char *what)
{
    fprintf(p->f, "<img alt=\"frame %lld, %s\" width=\"%d\" height=\"%d\" src=\"",
            (long long)frame, what, film->width, film->height);
    const lt_status st = print_jpeg(p, rgb, film->width, film->height);
    fputs("\">", p->f);
    return st;
}

static void print_caption(const lt_page *p, const lt_film *film, int64_t frame)
{
    const lt_rational tb = film->info.time_base;
    const double t = (double)(film->frames.pts[frame] - film->frames.pts[0]) *
                     (double)tb.num / (double)tb.den;
    fprintf(p->f, "<figcaption>%lld: %.2f s</figcaption></figure>\n", (long long)frame,
            t);
}

static lt_status print_sheet(const lt_page *p, lt_pair *pair)
{
    lt_status st = LT_OK;
    const int64_t n = pair->source.frames.n;
    const int64_t shown = n < SHEET_FRAMES ? n : SHEET_FRAMES;
    fputs("<h2>Source above edit</h2>\n<p class=\"legend\">frame: time</p>\n<div "
          "class=\"sheet\">\n",
          p->f);
    for (int64_t i = 0; st == LT_OK && i < shown; i++) {
        const int64_t frame = lt_spread(i, shown, n);
        fputs("<figure>", p->f);
        LT_TRY(lt_pair_read(pair, frame));
        LT_TRY(print_picture(p, &pair->source, pair->left, frame, "source"));
        LT_TRY(print_picture(p, &pair->edit, pair->right, frame, "edit"));
        print_caption(p, &pair->source, frame);
    }
    fputs("</div>\n", p->f);
cleanup:
    return st;
}

/* ---- the clip ----------------------------------------------------------------------- */

static int64_t clip_frames(const lt_pair *pair)
{
    const lt_media_frames *f = &pair->source.frames;
    const lt_rational tb = pair->source.info.time_base;
    const int64_t ticks = (int64_t)CLIP_SECONDS * tb.den / tb.num;
    int64_t n = 0;
    while (n < f->n && n < CLIP_FRAMES && (n == 0 || f->pts[n] - f->pts[0] < ticks)) n++;
    return n;
}

/* What stands there until the film plays, or where it cannot. */
static lt_status print_poster(const lt_page *p, lt_pair *pair)
{
    const int32_t w = lt_pair_width(pair), h = pair->source.height;
    uint8_t *both = malloc((size_t)w * (size_t)h * 3);
    lt_status st = both ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
    if (st == LT_OK) st = lt_pair_read(pair, 0);
    if (st == LT_OK) {
        lt_pair_join(pair, both);
        st = print_jpeg(p, both, w, h);
    }
    free(both);
    return st;
}

static lt_status print_player(const lt_page *p, lt_pair *pair, const void *data,
                              size_t bytes)
{
    const int32_t w = lt_pair_width(pair), h = pair->source.height;
    fprintf(p->f,
            "<figure class=\"film\" style=\"max-width:%.1frem\"><video controls autoplay "
            "muted loop playsinline width=\"%d\" height=\"%d\" poster=\"",
            CLIP_HEIGHT_REM * (double)w / (double)h, w, h);
    const lt_status st = print_poster(p, pair);
    fputs("\" src=\"", p->f);
    lt_page_data_uri(p->f, "video/mp4", data, bytes);
    fputs("\"></video>\n<figcaption><span>source</span><span>edit</span></figcaption>"
          "</figure>\n",
          p->f);
    return st;
}

/* The clip goes through a file of the report folder, since a muxer of mp4 seeks. */
static lt_status print_clip(const lt_page *p, lt_pair *pair)
{
    enum { CLIP_BYTES_MAX = 64 << 20 };
    lt_status st = LT_OK;
    char path[LT_PATH_MAX] = "";
    void *data = NULL;
    size_t bytes = 0;
    const int64_t n = clip_frames(pair);
    LT_TRY(lt_job_file(p->a->job, "report/side-by-side.mp4", path, sizeof(path)));
    LT_TRY(lt_pair_film(pair, n, path));
    LT_TRY(lt_file_read(path, CLIP_BYTES_MAX, &data, &bytes));
    LT_TRY(print_player(p, pair, data, bytes));
    if (n < pair->source.frames.n)
        fprintf(p->f, "<p class=\"legend\">the first %lld of %lld frames</p>\n",
                (long long)n, (long long)pair->source.frames.n);
cleanup:
    if (path[0] && lt_file_remove(path) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    free(data);
    return st;
}

static lt_status print_films(lt_page *p)
{
    lt_status st = LT_OK;
    lt_pair pair = { 0 };
    LT_TRY(lt_pair_open(&pair, p->a->cfg, CLIP_WIDTH));
    LT_TRY(print_clip(p, &pair));
    lt_pair_close(&pair);
    LT_TRY(lt_pair_open(&pair, p->a->cfg, SHEET_WIDTH));
    LT_TRY(print_sheet(p, &pair));
cleanup:
    lt_pair_close(&pair);
    return st;
}

/* ---- the source alone --------------------------------------------------------------- */

static lt_status print_source(lt_page *p)
{
    lt_status st = LT_OK;
    lt_film film = { 0 };
    uint8_t *rgb = NULL;
    const lt_config *cfg = p->a->cfg;
    LT_TRY(lt_film_open(&film, cfg->input.path, cfg->input.ss, cfg->input.to, SHEET_WIDTH,
                        1));
    rgb = malloc((size_t)film.width * (size_t)film.height * 3);
    if (!rgb) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    const int64_t n = film.frames.n, shown = n < SHEET_FRAMES ? n : SHEET_FRAMES;
    fputs("<h2>Source</h2>\n<p class=\"legend\">frame: time</p>\n<div class=\"sheet\">\n",
          p->f);
    for (int64_t i = 0; i < shown; i++) {
        const int64_t frame = lt_spread(i, shown, n);
        LT_TRY(lt_film_seek(&film, frame));
        LT_TRY(lt_film_next(&film, rgb));
        fputs("<figure>", p->f);
        LT_TRY(print_picture(p, &film, rgb, frame, "source"));
        print_caption(p, &film, frame);
    }
    fputs("</div>\n", p->f);
cleanup:
    free(rgb);
    lt_film_close(&film);
    return st;
}

lt_status lt_page_films(lt_page *p)
{
    fputs("<section>\n", p->f);
    lt_status st = LT_OK;
    if (lt_job_done(p->a->job, "mux", 0, LT_NO_STEP)) {
        st = lt_page_part(p, print_films, "the films are not shown");
    } else {
        lt_page_note(p, "The edited film is not written yet.");
        st = lt_page_part(p, print_source, "the source is not shown");
    }
    fputs("</section>\n", p->f);
    return st;
}
