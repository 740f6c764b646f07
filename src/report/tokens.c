#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/image_jpeg.h"
#include "report/film.h"
#include "report/page.h"

/* Segments and keyframes shown: a few, spread over the film. */
enum {
    SEGMENTS_SHOWN = 3,
    KEYFRAMES_SHOWN = 6,
    PICTURE_WIDTH = 256,
    JPEG_QUALITY = 4,
    TOKENS_MAX = 1 << 20,
    KEYFRAMES_MAX = 1 << 16
};

/* What the stage "sample" kept of a segment (stages/sample.h). */
typedef struct tokens {
    int64_t frame, keyframe;
    int64_t h, w, k;
    uint32_t *index;     /* [h * w] */
    uint8_t *similarity; /* [h * w] */
    int64_t *keyframes;  /* [k] */
    uint8_t *kept;       /* [k][h * w] */
} tokens;

static void tokens_free(tokens *t)
{
    free(t->index);
    free(t->similarity);
    free(t->keyframes);
    free(t->kept);
    memset(t, 0, sizeof(*t));
}

static lt_status read_shape(lt_shard_reader *in, tokens *t)
{
    lt_cell cell;
    int ndim = 0;
    int64_t shape[LT_SHARD_MAX_DIMS];
    const lt_status st = lt_shard_describe(in, "/sample/kept", &cell, &ndim, shape);
    if (st != LT_OK) return st;
    if (ndim != 3 || shape[0] > KEYFRAMES_MAX || shape[1] > TOKENS_MAX ||
        shape[2] > TOKENS_MAX || shape[1] * shape[2] > TOKENS_MAX)
        return LT_FAIL(LT_ERR_DATA, "a sample of another shape than this version writes");
    t->k = shape[0];
    t->h = shape[1];
    t->w = shape[2];
    return LT_OK;
}

static lt_status tokens_read(lt_job *job, int64_t segment, tokens *t)
{
    lt_status st = LT_OK;
    lt_shard_reader *in = NULL;
    LT_TRY(lt_job_shard(job, "sample", segment, LT_NO_STEP, &in));
    LT_TRY(read_shape(in, t));
    const size_t s = (size_t)(t->h * t->w), k = (size_t)t->k;
    t->index = malloc(s * sizeof(*t->index));
    t->similarity = malloc(s);
    t->keyframes = malloc(k * sizeof(*t->keyframes));
    t->kept = malloc(k * s);
    if (!t->index || !t->similarity || !t->keyframes || !t->kept)
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    LT_TRY(lt_shard_read(in, "/sample/frame", LT_CELL_I64, NULL, NULL, &t->frame));
    LT_TRY(lt_shard_read(in, "/sample/keyframe", LT_CELL_I64, NULL, NULL, &t->keyframe));
    LT_TRY(lt_shard_read(in, "/sample/index", LT_CELL_U32, NULL, NULL, t->index));
    LT_TRY(
        lt_shard_read(in, "/sample/similarity", LT_CELL_U8, NULL, NULL, t->similarity));
    LT_TRY(lt_shard_read(in, "/sample/keyframes", LT_CELL_I64, NULL, NULL, t->keyframes));
    LT_TRY(lt_shard_read(in, "/sample/kept", LT_CELL_U8, NULL, NULL, t->kept));
cleanup:
    lt_shard_close(&in);
    return st;
}

/* ---- pictures ----------------------------------------------------------------------- */

/* The film as coded, and how much of a token grid's sides is picture (not padding). */
typedef struct canvas {
    const lt_page *p;
    lt_film film;
    double part_x, part_y;
    uint8_t *rgb;
} canvas;

static double fact(const lt_page *p, const char *key)
{
    const char *text = lt_facts_get(p->a->facts, key);
    return text ? strtod(text, NULL) : 0;
}

static lt_status canvas_open(const lt_page *p, canvas *c)
{
    const lt_config *cfg = p->a->cfg;
    const double w = fact(p, "work_width"), h = fact(p, "work_height");
    const double pw = fact(p, "padded_width"), ph = fact(p, "padded_height");
    c->p = p;
    c->part_x = w > 0 && pw >= w ? w / pw : 1;
    c->part_y = h > 0 && ph >= h ? h / ph : 1;
    const lt_status st = lt_film_open(&c->film, cfg->input.path, cfg->input.ss,
                                      cfg->input.to, PICTURE_WIDTH, 0);
    if (st != LT_OK) return st;
    c->rgb = malloc((size_t)c->film.width * (size_t)c->film.height * 3);
    return c->rgb ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
}

static void canvas_close(canvas *c)
{
    lt_film_close(&c->film);
    free(c->rgb);
}

/* The token under a pixel of the canvas. */
static int64_t token_at(const canvas *c, const tokens *t, int32_t x, int32_t y)
{
    const int64_t col = (int64_t)(c->part_x * (double)t->w * (x + 0.5) / c->film.width);
    const int64_t row = (int64_t)(c->part_y * (double)t->h * (y + 0.5) / c->film.height);
    return (row < t->h ? row : t->h - 1) * t->w + (col < t->w ? col : t->w - 1);
}

/* A colour for a place on the grid: neighbours have similar ones, far ones do not. */
static void place_color(const tokens *t, int64_t token, double rgb[3])
{
    const double u = ((double)(token % t->w) + 0.5) / (double)t->w;
    const double v = ((double)(token / t->w) + 0.5) / (double)t->h;
    rgb[0] = 255 * u;
    rgb[1] = 255 * v;
    rgb[2] = 255 * (1 - 0.5 * (u + v));
}

static double luma_of(const uint8_t *p)
{
    return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
}

typedef enum paint_kind {
    PAINT_PLACE,
    PAINT_MATCH,
    PAINT_SIMILARITY,
    PAINT_KEPT
} paint_kind;

static void paint_pixel(const tokens *t, paint_kind kind, const uint8_t *kept,
                        int64_t token, uint8_t *p)
{
    double color[3];
    const double luma = luma_of(p), s = t->similarity[token] / 255.0;
    if (kind == PAINT_KEPT) {
        if (!kept[token])
            for (int c = 0; c < 3; c++) p[c] = (uint8_t)(0.2 * luma);
        return;
    }
    place_color(t, kind == PAINT_MATCH ? t->index[token] % (t->h * t->w) : token, color);
    if (kind == PAINT_SIMILARITY) { /* dark where little is alike */
        color[0] = 255 * s;
        color[1] = 255 * s * s;
        color[2] = 255 * (1 - s) * 0.6;
    }
    for (int c = 0; c < 3; c++) p[c] = (uint8_t)(0.35 * luma + 0.65 * color[c]);
}

static lt_status print_painted(canvas *c, const tokens *t, int64_t frame, paint_kind kind,
                               const uint8_t *kept, const char *caption)
{
    lt_status st = LT_OK;
    void *jpeg = NULL;
    size_t bytes = 0;
    const int32_t w = c->film.width, h = c->film.height;
    LT_TRY(lt_film_seek(&c->film, frame));
    LT_TRY(lt_film_next(&c->film, c->rgb));
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            paint_pixel(t, kind, kept, token_at(c, t, x, y),
                        c->rgb + ((int64_t)y * w + x) * 3);
    LT_TRY(lt_image_jpeg(c->rgb, w, h, JPEG_QUALITY, &jpeg, &bytes));
    fprintf(c->p->f,
            "<figure><img alt=\"%s, frame %lld\" width=\"%d\" height=\"%d\" src=\"",
            caption, (long long)frame, w, h);
    lt_page_data_uri(c->p->f, "image/jpeg", jpeg, bytes);
    fprintf(c->p->f, "\"><figcaption>%s (frame %lld)</figcaption></figure>\n", caption,
            (long long)frame);
cleanup:
    free(jpeg);
    return st;
}

static lt_status print_matches(canvas *c, const tokens *t, int64_t segment)
{
    lt_status st = LT_OK;
    fprintf(c->p->f,
            "<h3>Segment %lld: frame %lld and its keyframe %lld</h3>\n"
            "<div class=\"pairs\">\n",
            (long long)segment, (long long)t->frame, (long long)t->keyframe);
    LT_TRY(print_painted(c, t, t->keyframe, PAINT_PLACE, NULL,
                         "the keyframe, its places coloured"));
    LT_TRY(print_painted(c, t, t->frame, PAINT_MATCH, NULL,
                         "the colour of the keyframe token that each token takes"));
    LT_TRY(print_painted(c, t, t->frame, PAINT_SIMILARITY, NULL,
                         "how alike they are: yellow 1, violet 0"));
cleanup:
    fputs("</div>\n", c->p->f);
    return st;
}

static lt_status print_kept(canvas *c, const tokens *t)
{
    lt_status st = LT_OK;
    const int64_t s = t->h * t->w,
                  shown = t->k < KEYFRAMES_SHOWN ? t->k : KEYFRAMES_SHOWN;
    int64_t n = 0;
    for (int64_t i = 0; i < t->k * s; i++) n += t->kept[i];
    if (n == t->k * s) {
        lt_page_note(c->p, "Nothing was slimmed away: the keyframes of this segment fit "
                           "attention.kv_budget.");
        return LT_OK;
    }
    fprintf(
        c->p->f,
        "<p>Slimming kept %.1f %% of the tokens of %lld keyframes for keyframe %lld at "
        "the first step; what is dark was left out.</p>\n<div class=\"pairs\">\n",
        100.0 * (double)n / (double)(t->k * s), (long long)t->k, (long long)t->keyframe);
    for (int64_t i = 0; st == LT_OK && i < shown; i++) {
        const int64_t k = shown > 1 ? i * (t->k - 1) / (shown - 1) : 0;
        st = print_painted(c, t, t->keyframes[k], PAINT_KEPT, t->kept + k * s,
                           "kept tokens");
    }
    fputs("</div>\n", c->p->f);
    return st;
}

static lt_status print_segment(canvas *c, int64_t segment)
{
    lt_status st = LT_OK;
    tokens t = { 0 };
    LT_TRY(tokens_read(c->p->a->job, segment, &t));
    LT_TRY(print_matches(c, &t, segment));
    LT_TRY(print_kept(c, &t));
cleanup:
    tokens_free(&t);
    return st;
}

static lt_status print_segments(lt_page *p)
{
    lt_status st = LT_OK;
    canvas c = { 0 };
    const int64_t n = p->c.layout.n_segments;
    const int64_t shown = n < SEGMENTS_SHOWN ? n : SEGMENTS_SHOWN;
    LT_TRY(canvas_open(p, &c));
    for (int64_t i = 0; i < shown; i++) {
        const int64_t segment = shown > 1 ? i * (n - 1) / (shown - 1) : 0;
        if (lt_job_done(p->a->job, "sample", segment, LT_NO_STEP))
            LT_TRY(print_segment(&c, segment));
    }
cleanup:
    canvas_close(&c);
    return st;
}

lt_status lt_page_tokens(lt_page *p)
{
    if (lt_manifest_count(lt_job_manifest(p->a->job), "sample") == 0) return LT_OK;
    fputs("<section><h2>Correspondences and slimming</h2>\n", p->f);
    const lt_status st = lt_page_part(p, print_segments, "correspondences are not shown");
    fputs("</section>\n", p->f);
    return st;
}
