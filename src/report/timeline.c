#include <math.h>

#include "report/page.h"

/* Drawn in a box of WIDTH units for the whole film; curves are cut into at most
 * COLUMNS pieces of which the lowest value is drawn, since what splits a clip is low. */
enum {
    WIDTH = 1000,
    COLUMNS = 500,
    CURVE_TOP = 14,
    CURVE_HEIGHT = 120,
    BAND_TOP = 150,
    BAND_HEIGHT = 22,
    KEY_TOP = 182,
    KEY_HEIGHT = 40,
    HEIGHT = 246
};

static double x_of(const lt_page *p, int64_t frame)
{
    return (double)frame * WIDTH / (double)p->c.spec.n_frames;
}

static double y_of(double similarity)
{
    const double s = fmin(fmax(similarity, 0), 1);
    return CURVE_TOP + (1 - s) * CURVE_HEIGHT;
}

static void draw_curve(const lt_page *p, const float *v, const char *kind)
{
    const int64_t n = p->c.spec.n_frames;
    const int64_t columns = n < COLUMNS ? n : COLUMNS;
    int pen = 0;
    fprintf(p->f, "<path class=\"%s\" d=\"", kind);
    for (int64_t i = 0; i < columns; i++) {
        float low = NAN;
        for (int64_t f = i * n / columns; f < (i + 1) * n / columns; f++)
            low = isnan(low) || v[f] < low ? v[f] : low;
        if (isnan(low)) continue;
        fprintf(p->f, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(p, i * n / columns),
                y_of(low));
        pen = 1;
    }
    fputs("\"/>\n", p->f);
}

static void draw_threshold(const lt_page *p, double v, const char *kind)
{
    fprintf(p->f, "<path class=\"%s dash\" d=\"M0 %.1fH%d\"/>\n", kind, y_of(v), WIDTH);
}

static void draw_clips(const lt_page *p)
{
    const lt_layout *l = &p->c.layout;
    for (int64_t k = 0; k < l->n_clips; k++) {
        const lt_clip *c = &l->clip[k];
        fprintf(p->f,
                "<rect class=\"clip%d\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\">"
                "<title>clip %lld: frames %lld to %lld, segment %lld</title></rect>\n",
                (int)(k % 2), x_of(p, c->first), BAND_TOP, x_of(p, c->n), BAND_HEIGHT,
                (long long)k, (long long)c->first, (long long)(c->first + c->n - 1),
                (long long)c->segment);
    }
    for (int64_t s = 1; s < l->n_segments; s++)
        fprintf(p->f, "<path class=\"cut\" d=\"M%.2f %dV%d\"/>\n",
                x_of(p, l->segment[s].first), BAND_TOP - 4, KEY_TOP + KEY_HEIGHT);
}

/* How often a frame was the keyframe of its clip, as the height of a line. */
static void draw_keyframes(const lt_page *p)
{
    const lt_layout *l = &p->c.layout;
    fputs("<path class=\"key\" d=\"", p->f);
    for (int64_t k = 0; k < l->n_clips; k++)
        for (int64_t s = 0; s < l->n_steps; s++) {
            const int64_t f = l->keyframe[s * l->n_clips + k];
            int64_t n = 0;
            int first = 1;
            for (int64_t t = 0; t < l->n_steps; t++) {
                const int same = l->keyframe[t * l->n_clips + k] == f;
                if (same && t < s) first = 0;
                n += same;
            }
            if (first)
                fprintf(p->f, "M%.2f %dv%.1f", x_of(p, f) + 0.5 * x_of(p, 1),
                        KEY_TOP + KEY_HEIGHT,
                        -KEY_HEIGHT * sqrt((double)n / (double)l->n_steps));
        }
    fputs("\"/>\n", p->f);
}

static void draw_axis(const lt_page *p)
{
    for (int i = 0; i <= 4; i++)
        fprintf(p->f, "<text x=\"%d\" y=\"%d\" class=\"%s\">%lld</text>\n", i * WIDTH / 4,
                HEIGHT - 6,
                i == 0   ? "left"
                : i == 4 ? "right"
                         : "middle",
                (long long)(i * p->c.spec.n_frames / 4));
    for (int i = 0; i <= 2; i++)
        fprintf(p->f, "<text x=\"4\" y=\"%.0f\" class=\"left\">%.1f</text>\n",
                y_of(0.5 * i) - 3, 0.5 * i);
}

static void print_legend(const lt_page *p, int curves)
{
    if (curves)
        fprintf(
            p->f,
            "<p class=\"legend\"><i class=\"mean\"></i> mean similarity to the clip's "
            "first frame (a clip ends below %g) "
            "<i class=\"region\"></i> least similar region (below %g)</p>\n",
            p->c.spec.mean_threshold, p->c.spec.region_threshold);
    fputs("<p class=\"legend\"><i class=\"clip0\"></i><i class=\"clip1\"></i> clips "
          "<i class=\"key\"></i> how often a frame was its clip's keyframe "
          "<i class=\"cut\"></i> segments; below: frame numbers</p>\n",
          p->f);
}

void lt_page_timeline(const lt_page *p)
{
    const lt_index_spec *s = &p->c.spec;
    const int curves = s->similarity_mean && s->similarity_region;
    fputs("<section><h2>Clips and keyframes</h2>\n", p->f);
    if (s->n_clips == 0 || !p->c.layout.keyframe) {
        lt_page_note(p, p->a->cfg->method.name == LT_METHOD_FRAME
                            ? "The method `frame` edits every frame alone: no clips."
                            : "The clips are not known yet.");
        fputs("</section>\n", p->f);
        return;
    }
    fprintf(
        p->f,
        "<p>Frames: %lld, clips: %lld, segments: %lld, steps: %lld; at every step each "
        "clip has one keyframe.</p>\n",
        (long long)s->n_frames, (long long)s->n_clips, (long long)p->c.layout.n_segments,
        (long long)s->n_steps);
    fprintf(p->f,
            "<div class=\"wide\"><svg viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"clips, keyframes and "
            "similarity along the film\">\n",
            WIDTH, HEIGHT);
    if (curves) {
        draw_threshold(p, s->mean_threshold, "mean");
        draw_threshold(p, s->region_threshold, "region");
        draw_curve(p, s->similarity_mean, "mean");
        draw_curve(p, s->similarity_region, "region");
    }
    draw_clips(p);
    draw_keyframes(p);
    draw_axis(p);
    fputs("</svg></div>\n", p->f);
    print_legend(p, curves);
    fputs("</section>\n", p->f);
}
