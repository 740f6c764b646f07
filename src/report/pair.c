#include "report/pair.h"

#include <stdlib.h>
#include <string.h>

#include "io/media_writer.h"

enum { GAP = 8, SHEET_GAP = 4 };

int64_t lt_spread(int64_t i, int64_t shown, int64_t n)
{
    return shown > 1 ? i * (n - 1) / (shown - 1) : 0;
}

void lt_pair_close(lt_pair *pair)
{
    lt_film_close(&pair->source);
    lt_film_close(&pair->edit);
    free(pair->left);
    free(pair->right);
    memset(pair, 0, sizeof(*pair));
}

lt_status lt_pair_open(lt_pair *pair, const lt_config *cfg, int32_t width)
{
    lt_status st = LT_OK;
    lt_film *s = &pair->source, *e = &pair->edit;
    LT_TRY(lt_film_open(s, cfg->input.path, cfg->input.ss, cfg->input.to, width, 1));
    LT_TRY(lt_film_open(e, cfg->output.path, 0, LT_TIME_NONE, width, 1));
    if (s->frames.n != e->frames.n)
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "the edited film has %lld frames, the source %lld (%s): one of "
                       "them is not of this job any more",
                       (long long)e->frames.n, (long long)s->frames.n, cfg->output.path));
    pair->left = malloc((size_t)s->width * (size_t)s->height * 3);
    pair->right = malloc((size_t)e->width * (size_t)e->height * 3);
    if (!pair->left || !pair->right) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
cleanup:
    return st;
}

static lt_status read_next(lt_pair *pair)
{
    const lt_status st = lt_film_next(&pair->source, pair->left);
    return st == LT_OK ? lt_film_next(&pair->edit, pair->right) : st;
}

lt_status lt_pair_read(lt_pair *pair, int64_t f)
{
    lt_status st = lt_film_seek(&pair->source, f);
    if (st == LT_OK) st = lt_film_seek(&pair->edit, f);
    return st == LT_OK ? read_next(pair) : st;
}

int32_t lt_pair_width(const lt_pair *pair) { return 2 * pair->source.width + GAP; }

/* The part of a w x h picture that fits into a cell of another picture. */
static void lay(const uint8_t *from, int32_t w, int32_t h, int32_t cell_w, int32_t cell_h,
                uint8_t *to, size_t row)
{
    const size_t bytes = (size_t)(w < cell_w ? w : cell_w) * 3;
    for (int32_t y = 0; y < h && y < cell_h; y++)
        memcpy(to + (size_t)y * row, from + (size_t)y * (size_t)w * 3, bytes);
}

void lt_pair_join(const lt_pair *pair, uint8_t *rgb)
{
    const lt_film *s = &pair->source, *e = &pair->edit;
    const size_t row = (size_t)lt_pair_width(pair) * 3;
    memset(rgb, 0, row * (size_t)s->height);
    lay(pair->left, s->width, s->height, s->width, s->height, rgb, row);
    lay(pair->right, e->width, e->height, s->width, s->height,
        rgb + (size_t)(s->width + GAP) * 3, row);
}

/* ---- a film ------------------------------------------------------------------------- */

static lt_media_encode encode_of(const lt_pair *pair)
{
    lt_media_encode e = lt_media_encode_of(&pair->source.info);
    snprintf(e.preset, sizeof(e.preset), "veryfast");
    e.crf = 26;
    e.width = lt_pair_width(pair);
    e.height = pair->source.height;
    e.sar = (lt_rational){ 1, 1 };
    e.has_matrix = 0;
    e.color = lt_media_reader_color(pair->source.reader);
    return e;
}

lt_status lt_pair_film(lt_pair *pair, int64_t n, const char *path)
{
    lt_status st = LT_OK;
    lt_media_writer *w = NULL;
    const lt_media_frames *f = &pair->source.frames;
    const lt_media_encode e = encode_of(pair);
    const lt_media_size size = { e.width, e.height, e.width, e.height };
    uint8_t *both = malloc((size_t)e.width * (size_t)e.height * 3);
    if (!both) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    LT_TRY(lt_film_seek(&pair->source, 0));
    LT_TRY(lt_film_seek(&pair->edit, 0));
    LT_TRY(lt_media_clip_open(&w, path, &e, &size, LT_MEDIA_U8, NULL));
    for (int64_t i = 0; i < n; i++) {
        LT_TRY(read_next(pair));
        lt_pair_join(pair, both);
        LT_TRY(lt_media_writer_put(w, both, f->pts[i] - f->pts[0]));
    }
    LT_TRY(
        lt_media_writer_commit(w, (n < f->n ? f->pts[n] : f->end) - f->pts[n - 1], NULL));
cleanup:
    lt_media_writer_close(&w);
    free(both);
    return st;
}

/* ---- a sheet ------------------------------------------------------------------------ */

lt_status lt_pair_sheet(lt_pair *pair, int columns, uint8_t **rgb, int32_t *width,
                        int32_t *height)
{
    lt_status st = LT_OK;
    const lt_film *s = &pair->source, *e = &pair->edit;
    const int64_t n = s->frames.n, shown = n < columns ? n : columns;
    const int32_t w = (int32_t)shown * (s->width + SHEET_GAP) - SHEET_GAP;
    const int32_t h = 2 * s->height + SHEET_GAP;
    const size_t row = (size_t)w * 3;
    uint8_t *sheet = malloc(row * (size_t)h);
    if (!sheet) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    memset(sheet, 255, row * (size_t)h);
    for (int64_t i = 0; i < shown; i++) {
        uint8_t *at = sheet + (size_t)i * (size_t)(s->width + SHEET_GAP) * 3;
        LT_TRY(lt_pair_read(pair, lt_spread(i, shown, n)));
        lay(pair->left, s->width, s->height, s->width, s->height, at, row);
        lay(pair->right, e->width, e->height, s->width, s->height,
            at + (size_t)(s->height + SHEET_GAP) * row, row);
    }
    *rgb = sheet;
    *width = w;
    *height = h;
    sheet = NULL;
cleanup:
    free(sheet);
    return st;
}
