#include <math.h>

#include "report/plot.h"

static void draw_clips(const lt_page *p, const lt_plot *plot)
{
    const lt_layout *l = &p->c.layout;
    lt_plot_open(plot, "band", "clips", 0);
    for (int64_t k = 0; k < l->n_clips; k++) {
        const lt_clip *c = &l->clip[k];
        fprintf(p->f,
                "<rect class=\"clip%d\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"%d\">"
                "<title>clip %lld: frames %lld to %lld, segment %lld</title></rect>\n",
                (int)(k % 2), lt_plot_x(plot, (double)c->first),
                lt_plot_x(plot, (double)c->n), LT_PLOT_HEIGHT, (long long)k,
                (long long)c->first, (long long)(c->first + c->n - 1),
                (long long)c->segment);
    }
    for (int64_t s = 1; s < l->n_segments; s++)
        lt_plot_frame(plot, (double)l->segment[s].first, "cut");
    lt_plot_close(plot);
}

/* At how many steps frame f was the keyframe of clip k. */
static int64_t times_chosen(const lt_layout *l, int64_t k, int64_t f)
{
    int64_t n = 0;
    for (int64_t s = 0; s < l->n_steps; s++) n += l->keyframe[s * l->n_clips + k] == f;
    return n;
}

/* How often a frame was the keyframe of its clip, as the height of a line. */
static void draw_keyframes(const lt_page *p, const lt_plot *plot)
{
    const lt_layout *l = &p->c.layout;
    double most = 1;
    for (int64_t k = 0; k < l->n_clips; k++)
        for (int64_t s = 0; s < l->n_steps; s++)
            most =
                fmax(most, (double)times_chosen(l, k, l->keyframe[s * l->n_clips + k]));
    lt_plot_open(plot, "band", "keyframes", 0);
    fputs("<path class=\"key\" d=\"", p->f);
    for (int64_t k = 0; k < l->n_clips; k++)
        for (int64_t f = l->clip[k].first; f < l->clip[k].first + l->clip[k].n; f++) {
            const double n = (double)times_chosen(l, k, f);
            if (n > 0)
                fprintf(p->f, "M%.2f %dv%.1f", lt_plot_x(plot, (double)f + 0.5),
                        LT_PLOT_HEIGHT, -LT_PLOT_HEIGHT * n / most);
        }
    fputs("\"/>\n", p->f);
    lt_plot_close(plot);
}

static void draw_similarity(const lt_page *p, lt_plot *plot)
{
    const lt_index_spec *s = &p->c.spec;
    double low = fmin(s->mean_threshold, s->region_threshold);
    for (int64_t f = 0; f < s->n_frames; f++)
        low = fmin(low,
                   fmin((double)s->similarity_mean[f], (double)s->similarity_region[f]));
    lt_plot_fit(plot, fmax(low, 0), 1);
    lt_plot_open(plot, "tall", "similarity to the clip's first frame", 1);
    lt_plot_level(plot, s->mean_threshold, "mean dash");
    lt_plot_level(plot, s->region_threshold, "region dash");
    lt_plot_curve(plot, s->similarity_mean, "mean");
    lt_plot_curve(plot, s->similarity_region, "region");
    lt_plot_close(plot);
}

static void print_legend(const lt_page *p, int curves)
{
    const lt_index_spec *s = &p->c.spec;
    if (curves)
        fprintf(p->f,
                "<p class=\"legend\"><span><i class=\"mean\"></i>mean similarity to the "
                "first frame of the clip</span> <span><i class=\"region\"></i>the least "
                "similar region's</span> Dashed: a clip ends where the mean falls below "
                "%g or the region below %g.</p>\n",
                s->mean_threshold, s->region_threshold);
    fputs("<p class=\"legend\"><span><i class=\"clip0\"></i><i class=\"clip1\"></i>clips"
          "</span> <span><i class=\"key\"></i>keyframes; the higher, the more steps a "
          "frame was its clip's</span>",
          p->f);
    if (p->c.layout.n_segments > 1)
        fputs(" <span><i class=\"cut\"></i>a new segment, edited apart</span>", p->f);
    fputs("</p>\n", p->f);
}

void lt_page_timeline(const lt_page *p)
{
    const lt_index_spec *s = &p->c.spec;
    const int curves = s->similarity_mean && s->similarity_region;
    lt_plot plot = { .f = p->f, .n = s->n_frames, .hi = 1 };
    fputs("<section><h2>Clips and keyframes</h2>\n", p->f);
    if (s->n_clips == 0 || !p->c.layout.keyframe) {
        lt_page_note(p, p->a->cfg->method.name == LT_METHOD_FRAME
                            ? "The method `frame` edits every frame alone: no clips."
                            : "The clips are not known yet.");
        fputs("</section>\n", p->f);
        return;
    }
    fprintf(p->f,
            "<p>%lld frames, %lld clip%s, %lld segment%s, %lld steps; at every step each "
            "clip has one keyframe.</p>\n",
            (long long)s->n_frames, (long long)s->n_clips, s->n_clips == 1 ? "" : "s",
            (long long)p->c.layout.n_segments, p->c.layout.n_segments == 1 ? "" : "s",
            (long long)s->n_steps);
    if (curves) draw_similarity(p, &plot);
    draw_clips(p, &plot);
    draw_keyframes(p, &plot);
    lt_plot_frames(&plot);
    print_legend(p, curves);
    fputs("</section>\n", p->f);
}
