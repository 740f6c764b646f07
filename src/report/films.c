#include <stdlib.h>
#include <string.h>

#include "io/image_jpeg.h"
#include "io/media_writer.h"
#include "report/film.h"
#include "report/page.h"

/* The clip shows the first CLIP_SECONDS; a page must stay small enough to be mailed. */
enum {
    SHEET_FRAMES = 12,
    SHEET_WIDTH = 240,
    CLIP_WIDTH = 360,
    CLIP_GAP = 8,
    CLIP_SECONDS = 10,
    CLIP_FRAMES = 300,
    JPEG_QUALITY = 4
};

typedef struct pair {
    lt_film source, edit;
} pair;

static void pair_close(pair *p)
{
    lt_film_close(&p->source);
    lt_film_close(&p->edit);
}

static lt_status pair_open(const lt_page *p, int32_t width, pair *films)
{
    lt_status st = LT_OK;
    const lt_config *cfg = p->a->cfg;
    LT_TRY(lt_film_open(&films->source, cfg->input.path, cfg->input.ss, cfg->input.to,
                        width, 1));
    LT_TRY(lt_film_open(&films->edit, cfg->output.path, 0, LT_TIME_NONE, width, 1));
    if (films->source.frames.n != films->edit.frames.n)
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "the edited film has %lld frames, the source %lld (%s)",
                       (long long)films->edit.frames.n, (long long)films->source.frames.n,
                       cfg->output.path));
cleanup:
    return st;
}

/* ---- single frames ------------------------------------------------------------------ */

static lt_status print_picture(const lt_page *p, lt_film *film, int64_t frame,
                               uint8_t *rgb, const char *what)
{
    lt_status st = LT_OK;
    void *jpeg = NULL;
    size_t bytes = 0;
    LT_TRY(lt_film_seek(film, frame));
    LT_TRY(lt_film_next(film, rgb));
    LT_TRY(lt_image_jpeg(rgb, film->width, film->height, JPEG_QUALITY, &jpeg, &bytes));
    fprintf(p->f, "<img alt=\"frame %lld, %s\" width=\"%d\" height=\"%d\" src=\"",
            (long long)frame, what, film->width, film->height);
    lt_page_data_uri(p->f, "image/jpeg", jpeg, bytes);
    fputs("\">", p->f);
cleanup:
    free(jpeg);
    return st;
}

static lt_status print_sheet(const lt_page *p, pair *films, uint8_t *rgb)
{
    lt_status st = LT_OK;
    const int64_t n = films->source.frames.n;
    const int64_t shown = n < SHEET_FRAMES ? n : SHEET_FRAMES;
    fputs("<h2>Source above edit</h2>\n<div class=\"sheet\">\n", p->f);
    for (int64_t i = 0; i < shown; i++) {
        const int64_t frame = shown > 1 ? i * (n - 1) / (shown - 1) : 0;
        fputs("<figure>", p->f);
        LT_TRY(print_picture(p, &films->source, frame, rgb, "source"));
        LT_TRY(print_picture(p, &films->edit, frame, rgb, "edit"));
        fprintf(p->f, "<figcaption>%lld</figcaption></figure>\n", (long long)frame);
    }
    fputs("</div>\n", p->f);
cleanup:
    return st;
}

/* ---- the clip ----------------------------------------------------------------------- */

static int64_t clip_frames(const pair *films)
{
    const lt_media_frames *f = &films->source.frames;
    const lt_rational tb = films->source.info.time_base;
    const int64_t ticks = (int64_t)CLIP_SECONDS * tb.den / tb.num;
    int64_t n = 0;
    while (n < f->n && n < CLIP_FRAMES && (n == 0 || f->pts[n] - f->pts[0] < ticks)) n++;
    return n;
}

static lt_media_encode clip_encode(const pair *films, int32_t width, int32_t height)
{
    lt_media_encode e = lt_media_encode_of(&films->source.info);
    snprintf(e.preset, sizeof(e.preset), "veryfast");
    e.crf = 26;
    e.width = width;
    e.height = height;
    e.sar = (lt_rational){ 1, 1 };
    e.has_matrix = 0;
    e.color = lt_media_reader_color(films->source.reader);
    return e;
}

/* Two pictures beside each other in one; the edit's is cut or lies on black where the
 * output has another size. */
static void join_rows(const pair *films, const uint8_t *left, const uint8_t *right,
                      uint8_t *both)
{
    const int32_t w = films->source.width, h = films->source.height, gap = CLIP_GAP;
    const int32_t ew = films->edit.width < w ? films->edit.width : w;
    const int32_t eh = films->edit.height < h ? films->edit.height : h;
    const size_t row = (size_t)(2 * w + gap) * 3;
    memset(both, 0, row * (size_t)h);
    for (int32_t y = 0; y < h; y++) {
        memcpy(both + (size_t)y * row, left + (size_t)y * (size_t)w * 3, (size_t)w * 3);
        if (y < eh)
            memcpy(both + (size_t)y * row + (size_t)(w + gap) * 3,
                   right + (size_t)y * (size_t)films->edit.width * 3, (size_t)ew * 3);
    }
}

static lt_status write_clip(pair *films, const char *path, uint8_t *left, uint8_t *right,
                            uint8_t *both)
{
    lt_status st = LT_OK;
    lt_media_writer *w = NULL;
    const lt_media_frames *f = &films->source.frames;
    const int64_t n = clip_frames(films);
    const int32_t width = 2 * films->source.width + CLIP_GAP;
    const int32_t height = films->source.height;
    const lt_media_encode e = clip_encode(films, width, height);
    const lt_media_size size = { width, height, width, height };
    LT_TRY(lt_film_seek(&films->source, 0));
    LT_TRY(lt_film_seek(&films->edit, 0));
    LT_TRY(lt_media_clip_open(&w, path, &e, &size, LT_MEDIA_U8, NULL));
    for (int64_t i = 0; i < n; i++) {
        LT_TRY(lt_film_next(&films->source, left));
        LT_TRY(lt_film_next(&films->edit, right));
        join_rows(films, left, right, both);
        LT_TRY(lt_media_writer_put(w, both, f->pts[i] - f->pts[0]));
    }
    LT_TRY(
        lt_media_writer_commit(w, (n < f->n ? f->pts[n] : f->end) - f->pts[n - 1], NULL));
cleanup:
    lt_media_writer_close(&w);
    return st;
}

/* The clip goes through a file of the report folder, since a muxer of mp4 seeks. */
static lt_status print_clip(const lt_page *p, pair *films)
{
    enum { CLIP_BYTES_MAX = 64 << 20 };
    lt_status st = LT_OK;
    char path[LT_PATH_MAX] = "";
    void *data = NULL;
    size_t bytes = 0;
    const size_t pixels = (size_t)films->source.width * (size_t)films->source.height +
                          (size_t)films->edit.width * (size_t)films->edit.height;
    uint8_t *left = malloc(pixels * 3), *right = malloc(pixels * 3);
    uint8_t *both = malloc((pixels * 2 + (size_t)films->source.height * CLIP_GAP) * 3);
    if (!left || !right || !both) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    LT_TRY(lt_job_file(p->a->job, "report/side-by-side.mp4", path, sizeof(path)));
    LT_TRY(write_clip(films, path, left, right, both));
    LT_TRY(lt_file_read(path, CLIP_BYTES_MAX, &data, &bytes));
    fputs("<video controls muted loop playsinline src=\"", p->f);
    lt_page_data_uri(p->f, "video/mp4", data, bytes);
    fputs("\"></video>\n<p class=\"legend\">source left, edit right", p->f);
    if (clip_frames(films) < films->source.frames.n)
        fprintf(p->f, "; the first %lld of %lld frames", (long long)clip_frames(films),
                (long long)films->source.frames.n);
    fputs("</p>\n", p->f);
cleanup:
    if (path[0] && lt_file_remove(path) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    free(data);
    free(left);
    free(right);
    free(both);
    return st;
}

static lt_status print_films(const lt_page *p)
{
    lt_status st = LT_OK;
    pair films = { 0 };
    uint8_t *rgb = NULL;
    LT_TRY(pair_open(p, CLIP_WIDTH, &films));
    LT_TRY(print_clip(p, &films));
    pair_close(&films);
    LT_TRY(pair_open(p, SHEET_WIDTH, &films));
    const size_t a = (size_t)films.source.width * (size_t)films.source.height;
    const size_t b = (size_t)films.edit.width * (size_t)films.edit.height;
    rgb = malloc((a > b ? a : b) * 3);
    if (!rgb) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    LT_TRY(print_sheet(p, &films, rgb));
cleanup:
    free(rgb);
    pair_close(&films);
    return st;
}

lt_status lt_page_films(lt_page *p)
{
    fputs("<section>\n", p->f);
    lt_status st = LT_OK;
    if (lt_job_done(p->a->job, "mux", 0, LT_NO_STEP))
        st = lt_page_or_note(p, print_films(p), "the films are not shown");
    else
        lt_page_note(p, "The edited film is not written yet.");
    fputs("</section>\n", p->f);
    return st;
}
