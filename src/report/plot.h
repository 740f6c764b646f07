#ifndef LT_REPORT_PLOT_H
#define LT_REPORT_PLOT_H

#include "report/page.h"

/* Curves over the frames of a film: a row with the values' axis at the left and a
 * drawing that takes the width there is. Texts are HTML, so that they keep their size on
 * a phone. Rows below each other share the axis of frames. */
typedef struct lt_plot {
    FILE *f;
    int64_t n;     /* frames across, >= 1 */
    double lo, hi; /* values at the bottom and the top, lo < hi */
    double step;   /* between the ticks of the axis of values */
} lt_plot;

enum { LT_PLOT_WIDTH = 1000, LT_PLOT_HEIGHT = 100 }; /* of every drawing, in its units */

/* Across: where frame f begins; f + 0.5 is its middle. Down: where a value lies, held
 * within the drawing. */
double lt_plot_x(const lt_plot *p, double frame);
double lt_plot_y(const lt_plot *p, double value);

/* Begin a row: `kind` is its class (its height), `label` says what is drawn. With ticks
 * the axis of values has numbers; else the label stands there. */
void lt_plot_open(const lt_plot *p, const char *kind, const char *label, int ticks);
void lt_plot_close(const lt_plot *p);

/* A curve of class `kind` through v [n]; NaN is a gap, infinity lies at the edge. Of more
 * frames than the drawing can show the lowest and the highest of neighbours are drawn. */
void lt_plot_curve(const lt_plot *p, const float *v, const char *kind);
void lt_plot_level(const lt_plot *p, double value, const char *kind);
void lt_plot_frame(const lt_plot *p, double frame, const char *kind); /* upright line */

/* The row of frame numbers below. */
void lt_plot_frames(const lt_plot *p);

/* A scale for values from lo to hi, rounded outwards to a step of 1, 2 or 5: sets lo, hi
 * and step. */
void lt_plot_fit(lt_plot *p, double lo, double hi);

#endif
