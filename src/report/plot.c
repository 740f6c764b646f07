#include "report/plot.h"

#include <math.h>

enum { COLUMNS = 500 }; /* pieces of a curve at most */

double lt_plot_x(const lt_plot *p, double frame)
{
    return frame * LT_PLOT_WIDTH / (double)p->n;
}

double lt_plot_y(const lt_plot *p, double value)
{
    const double s = (value - p->lo) / (p->hi - p->lo);
    return (1 - fmin(fmax(s, 0), 1)) * LT_PLOT_HEIGHT;
}

/* The smallest 1, 2 or 5 times a power of ten that divides `span` into `most` parts. */
static double step_of(double span, int most)
{
    static const double kinds[] = { 1, 2, 5 };
    const double power = pow(10, floor(log10(span / most)));
    for (int i = 0; i < 3; i++)
        if (span / (kinds[i] * power) <= most + 1e-9) return kinds[i] * power;
    return 10 * power;
}

void lt_plot_fit(lt_plot *p, double lo, double hi)
{
    if (!(hi - lo > 1e-6 * fmax(fabs(hi), 1))) hi = lo + fmax(fabs(lo), 1) * 0.1;
    p->step = step_of(hi - lo, 4);
    p->lo = p->step * floor(lo / p->step + 1e-9);
    p->hi = p->step * ceil(hi / p->step - 1e-9);
}

static void print_ticks(const lt_plot *p)
{
    const double step = p->step;
    for (int i = 0; p->lo + i * step <= p->hi + 0.01 * step; i++) {
        const double v = p->lo + i * step;
        fprintf(p->f, "<span style=\"top:%.1f%%\">%g</span>",
                100 * lt_plot_y(p, v) / LT_PLOT_HEIGHT,
                fabs(v) < 1e-9 * step ? 0 : round(v / step) * step);
    }
}

void lt_plot_open(const lt_plot *p, const char *kind, const char *label, int ticks)
{
    fprintf(p->f, "<div class=\"plot %s\"><div class=\"%s\">", kind,
            ticks ? "y" : "name");
    if (ticks)
        print_ticks(p);
    else
        lt_page_text(p->f, label);
    fprintf(p->f,
            "</div><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
            "aria-label=\"",
            LT_PLOT_WIDTH, LT_PLOT_HEIGHT);
    lt_page_text(p->f, label);
    fputs("\">\n", p->f);
    if (!ticks) return;
    for (int i = 0; i < 2; i++)
        fprintf(p->f, "<path class=\"axis\" d=\"M0 %dH%d\"/>\n", i * LT_PLOT_HEIGHT,
                LT_PLOT_WIDTH);
}

void lt_plot_close(const lt_plot *p) { fputs("</svg></div>\n", p->f); }

static void draw_to(const lt_plot *p, int *pen, double frame, double value)
{
    fprintf(p->f, "%c%.1f %.1f", *pen ? 'L' : 'M', lt_plot_x(p, frame),
            lt_plot_y(p, value));
    *pen = 1;
}

void lt_plot_curve(const lt_plot *p, const float *v, const char *kind)
{
    const int64_t columns = p->n < COLUMNS ? p->n : COLUMNS;
    int pen = 0;
    fprintf(p->f, "<path class=\"%s\" d=\"", kind);
    for (int64_t i = 0; i < columns; i++) {
        const int64_t first = i * p->n / columns, end = (i + 1) * p->n / columns;
        const double middle = 0.5 * (double)(first + end);
        float low = NAN, high = NAN;
        for (int64_t f = first; f < end; f++) {
            low = fminf(low, v[f]); /* of NaN and a number: the number */
            high = fmaxf(high, v[f]);
        }
        if (isnan(low)) {
            pen = 0;
            continue;
        }
        draw_to(p, &pen, middle, (double)low);
        if (high > low) draw_to(p, &pen, middle, (double)high);
    }
    fputs("\"/>\n", p->f);
}

void lt_plot_level(const lt_plot *p, double value, const char *kind)
{
    fprintf(p->f, "<path class=\"%s\" d=\"M0 %.1fH%d\"/>\n", kind, lt_plot_y(p, value),
            LT_PLOT_WIDTH);
}

void lt_plot_frame(const lt_plot *p, double frame, const char *kind)
{
    fprintf(p->f, "<path class=\"%s\" d=\"M%.2f 0V%d\"/>\n", kind, lt_plot_x(p, frame),
            LT_PLOT_HEIGHT);
}

void lt_plot_frames(const lt_plot *p)
{
    const double step = fmax(step_of((double)p->n, 6), 1);
    fputs("<div class=\"plot\"><div class=\"name\">frame</div><div class=\"x\">", p->f);
    for (double f = 0; f < (double)p->n - 0.25 * step || f == 0; f += step)
        fprintf(p->f, "<span style=\"left:%.2f%%\">%.0f</span>",
                100 * lt_plot_x(p, f + 0.5) / LT_PLOT_WIDTH, f);
    fputs("</div></div>\n", p->f);
}
