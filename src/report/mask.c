#include <stdlib.h>

#include "io/image_jpeg.h"
#include "report/film.h"
#include "report/page.h"
#include "stages/composite.h"

enum { FRAMES_SHOWN = 4, PICTURE_WIDTH = 256, JPEG_QUALITY = 4 };

typedef struct overlay {
    const lt_page *p;
    lt_film film;
    lt_mask *mask;
    uint8_t *rgb;
} overlay;

static void overlay_close(overlay *o)
{
    lt_film_close(&o->film);
    lt_mask_close(&o->mask);
    free(o->rgb);
}

static lt_status overlay_open(const lt_page *p, overlay *o)
{
    lt_status st = LT_OK;
    const lt_config *cfg = p->a->cfg;
    const lt_mask_options options = lt_composite_mask(cfg);
    lt_mask_info info;
    o->p = p;
    LT_TRY(lt_film_open(&o->film, cfg->input.path, cfg->input.ss, cfg->input.to,
                        PICTURE_WIDTH, 0));
    LT_TRY(lt_mask_look(&options, &o->film.info, &o->film.frames, 0, &info));
    LT_TRY(lt_mask_open(&o->mask, &options, &info, &o->film.info));
    o->rgb = malloc((size_t)o->film.width * (size_t)o->film.height * 3);
    if (!o->rgb) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
cleanup:
    return st;
}

/* What may change is drawn red, the rest fades. */
static void paint(const overlay *o, const float *weight)
{
    const lt_film *f = &o->film;
    for (int32_t y = 0; y < f->height; y++)
        for (int32_t x = 0; x < f->width; x++) {
            const int64_t sx = ((int64_t)x * 2 + 1) * f->info.width / (2 * f->width);
            const int64_t sy = ((int64_t)y * 2 + 1) * f->info.height / (2 * f->height);
            const double w = weight[sy * f->info.width + sx];
            uint8_t *p = o->rgb + ((int64_t)y * f->width + x) * 3;
            const double grey = 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
            const double red[3] = { 0.5 * p[0] + 120, 0.5 * p[1] + 10, 0.5 * p[2] + 30 };
            for (int c = 0; c < 3; c++)
                p[c] = (uint8_t)((1 - w) * (0.5 * grey + 64) + w * red[c]);
        }
}

static lt_status print_overlay(overlay *o, int64_t frame)
{
    lt_status st = LT_OK;
    const float *weight = NULL;
    void *jpeg = NULL;
    size_t bytes = 0;
    LT_TRY(lt_film_seek(&o->film, frame));
    LT_TRY(lt_film_next(&o->film, o->rgb));
    LT_TRY(lt_mask_read(o->mask, frame, &weight));
    paint(o, weight);
    LT_TRY(lt_image_jpeg(o->rgb, o->film.width, o->film.height, JPEG_QUALITY, &jpeg,
                         &bytes));
    fprintf(o->p->f,
            "<figure><img alt=\"mask, frame %lld\" width=\"%d\" height=\"%d\" src=\"",
            (long long)frame, o->film.width, o->film.height);
    lt_page_data_uri(o->p->f, "image/jpeg", jpeg, bytes);
    fprintf(o->p->f, "\"><figcaption>frame %lld</figcaption></figure>\n",
            (long long)frame);
cleanup:
    free(jpeg);
    return st;
}

static lt_status print_overlays(lt_page *p)
{
    lt_status st = LT_OK;
    overlay o = { 0 };
    LT_TRY(overlay_open(p, &o));
    const int64_t n = o.film.frames.n, shown = n < FRAMES_SHOWN ? n : FRAMES_SHOWN;
    fputs(
        "<p>Red may change; grey keeps the source's pixels.</p>\n<div class=\"pairs\">\n",
        p->f);
    for (int64_t i = 0; st == LT_OK && i < shown; i++)
        st = print_overlay(&o, shown > 1 ? i * (n - 1) / (shown - 1) : 0);
    fputs("</div>\n", p->f);
cleanup:
    overlay_close(&o);
    return st;
}

lt_status lt_page_mask(const lt_page *p)
{
    if (!p->a->cfg->mask.path[0]) return LT_OK;
    fputs("<section><h2>Mask</h2>\n", p->f);
    const lt_status st = lt_page_part(p, print_overlays, "the mask is not shown");
    fputs("</section>\n", p->f);
    return st;
}
