#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "report/plot.h"

/* report/curves.csv: a line of names, then a line a frame (docs/metrics.md). */
enum {
    COLUMNS_MAX = 64,
    LINES = 3, /* curves in a drawing at most */
    FRAMES_MAX = 1 << 24
};

typedef struct column {
    char name[40];
    float *v;
} column;

typedef struct curves {
    column c[COLUMNS_MAX];
    int n_columns;
    int64_t n, room; /* frames */
} curves;

static void curves_free(curves *k)
{
    for (int i = 0; i < k->n_columns; i++) free(k->c[i].v);
    memset(k, 0, sizeof(*k));
}

/* ---- reading ------------------------------------------------------------------------ */

static lt_status bad(const char *path)
{
    return LT_FAIL(LT_ERR_DATA,
                   "not the curves of a film (%s): make them with `longtake "
                   "eval --job`",
                   path);
}

static lt_status take_names(curves *k, char *line, const char *path)
{
    for (char *at = line, *word; (word = strsep(&at, ","));) {
        if (k->n_columns == COLUMNS_MAX || strlen(word) >= sizeof(k->c[0].name))
            return bad(path);
        strcpy(k->c[k->n_columns++].name, word);
    }
    return k->n_columns > 1 && !strcmp(k->c[0].name, "frame") ? LT_OK : bad(path);
}

static lt_status grow(curves *k)
{
    const int64_t room = k->room ? 2 * k->room : 256;
    if (k->n < k->room) return LT_OK;
    for (int i = 0; i < k->n_columns; i++) {
        float *v = realloc(k->c[i].v, (size_t)room * sizeof(*v));
        if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
        k->c[i].v = v;
    }
    k->room = room;
    return LT_OK;
}

static lt_status take_value(const char *word, float *out, const char *path)
{
    double v = NAN;
    if (!strcmp(word, "inf"))
        v = INFINITY;
    else if (word[0] && lt_float_parse(word, &v) != LT_OK)
        return bad(path);
    *out = (float)v;
    return LT_OK;
}

static lt_status take_line(curves *k, char *line, const char *path)
{
    lt_status st = k->n < FRAMES_MAX ? grow(k) : bad(path);
    char *at = line;
    for (int i = 0; st == LT_OK && i < k->n_columns; i++) {
        const char *word = strsep(&at, ",");
        st = word ? take_value(word, &k->c[i].v[k->n], path) : bad(path);
    }
    if (st == LT_OK && at) st = bad(path);
    k->n += st == LT_OK;
    return st;
}

static lt_status read_curves(FILE *f, const char *path, curves *k)
{
    lt_status st = LT_OK;
    char *line = NULL;
    size_t room = 0;
    while (st == LT_OK && getline(&line, &room, f) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        st = k->n_columns ? take_line(k, line, path) : take_names(k, line, path);
    }
    free(line);
    return st == LT_OK && k->n == 0 ? bad(path) : st;
}

/* ---- drawing ------------------------------------------------------------------------ */

static const struct panel {
    const char *title;
    int from_zero; /* the scale begins at 0 */
    struct {
        const char *name, *text;
    } line[LINES];
} panels[] = {
    { "PSNR to the true edit [dB], more is better",
      0,
      { { "psnr", "whole frame" },
        { "psnr_inside", "inside the mask" },
        { "psnr_outside", "outside" } } },
    { "SSIM to the true edit, more is better",
      0,
      { { "ssim", "whole frame" },
        { "ssim_inside", "inside the mask" },
        { "ssim_outside", "outside" } } },
    { "PSNR to the source outside the mask [dB], more is better",
      0,
      { { "kept_psnr", "edit" } } },
    { "Warp error to the next frame [1/1000], less is better",
      1,
      { { "warp_error", "edit" },
        { "warp_error_truth", "true edit" },
        { "warp_error_source", "source" } } },
    { "Flicker [levels of 255], less is better", 1, { { "flicker", "edit" } } },
    { "Strength: mean change of the source [levels of 255]",
      1,
      { { "strength", "edit" }, { "strength_truth", "true edit" } } },
};
static const char *const kinds[LINES] = { "mean", "region", "key" };

static float *find(const curves *k, const char *name)
{
    for (int i = 0; name && i < k->n_columns; i++)
        if (!strcmp(k->c[i].name, name)) return k->c[i].v;
    return NULL;
}

/* Lowest and highest finite value; how many values are known. */
static int64_t look(const float *v, int64_t n, double *lo, double *hi)
{
    int64_t known = 0;
    for (int64_t i = 0; v && i < n; i++) {
        known += !isnan(v[i]);
        if (!isfinite(v[i])) continue;
        *lo = fmin(*lo, (double)v[i]);
        *hi = fmax(*hi, (double)v[i]);
    }
    return known;
}

/* Beside a cut a jump of brightness is no flicker (docs/metrics.md). */
static void forget_cuts(curves *k)
{
    const float *cut = find(k, "cut");
    float *flicker = find(k, "flicker");
    for (int64_t t = 0; cut && flicker && t < k->n; t++)
        if (cut[t] > 0 || (t + 1 < k->n && cut[t + 1] > 0)) flicker[t] = NAN;
}

/* Where the edit's clips begin, which often explains a jump. */
static int knows_clips(const lt_page *p, const curves *k)
{
    return p->c.layout.n_clips > 1 && p->c.spec.n_frames == k->n;
}

static void draw_borders(const lt_page *p, const curves *k, const lt_plot *plot)
{
    const float *cut = find(k, "cut");
    for (int64_t i = 1; knows_clips(p, k) && i < p->c.layout.n_clips; i++)
        lt_plot_frame(plot, (double)p->c.layout.clip[i].first, "axis");
    for (int64_t t = 0; cut && t < k->n; t++)
        if (cut[t] > 0) lt_plot_frame(plot, (double)t, "cut dash");
}

static void print_panel(const lt_page *p, const curves *k, const struct panel *panel)
{
    lt_plot plot = { .f = p->f, .n = k->n };
    double lo = INFINITY, hi = -INFINITY;
    int shown = 0, known[LINES];
    for (int i = 0; i < LINES; i++) {
        known[i] = look(find(k, panel->line[i].name), k->n, &lo, &hi) > 0;
        shown += known[i];
    }
    if (!shown || !isfinite(lo)) return; /* nothing known, or equal pictures throughout */
    lt_plot_fit(&plot, panel->from_zero ? 0 : lo, hi);
    fprintf(p->f, "<div><h3>%s</h3>\n", panel->title);
    lt_plot_open(&plot, "low", panel->title, 1);
    draw_borders(p, k, &plot);
    for (int i = LINES - 1; i >= 0; i--)
        if (known[i]) lt_plot_curve(&plot, find(k, panel->line[i].name), kinds[i]);
    lt_plot_close(&plot);
    lt_plot_frames(&plot);
    fputs("<p class=\"legend\">", p->f);
    for (int i = 0; i < LINES; i++)
        if (known[i])
            fprintf(p->f, "<span><i class=\"%s\"></i>%s</span> ", kinds[i],
                    panel->line[i].text);
    fputs("</p></div>\n", p->f);
}

lt_status lt_page_curves(lt_page *p)
{
    lt_status st = LT_OK;
    curves k = { 0 };
    char path[LT_PATH_MAX];
    LT_TRY(lt_job_file(p->a->job, "report/curves.csv", path, sizeof(path)));
    FILE *f = lt_file_stream(path);
    if (!f) return LT_OK; /* figures without curves */
    st = read_curves(f, path, &k);
    fclose(f);
    LT_TRY(st);
    forget_cuts(&k);
    fputs(
        "<h2>Frame by frame</h2>\n<p class=\"legend\">Dashed upright: a cut of the film.",
        p->f);
    fprintf(p->f, "%s</p>\n<div class=\"panels\">\n",
            knows_clips(p, &k) ? " Grey upright: a clip of the edit begins." : "");
    for (size_t i = 0; i < sizeof(panels) / sizeof(*panels); i++)
        print_panel(p, &k, &panels[i]);
    fputs("</div>\n", p->f);
cleanup:
    curves_free(&k);
    return st;
}
