#ifndef LT_METRICS_VERDICT_H
#define LT_METRICS_VERDICT_H

#include "metrics/judge.h"

/* The figures of a film, or of a run of its frames: docs/metrics.md has the formulas.
 * NaN: not known. psnr and kept_psnr are INFINITY for equal pictures. */
typedef struct lt_verdict {
    int64_t frames, shots;
    double psnr[LT_PARTS], ssim[LT_PARTS], ms_ssim[LT_PARTS]; /* to the truth */
    double kept_psnr, kept_ssim, kept_ms_ssim; /* to the source, outside the mask */
    double warp_error[LT_FILMS][LT_PARTS];     /* 1000 x mean square; by lt_film */
    double flicker;                            /* levels of 255 */
    double drift[LT_PARTS];                    /* levels of 255 */
    double drift_psnr;                         /* dB lost from first to last tenth */
    double strength[LT_PARTS], strength_truth[LT_PARTS]; /* levels of 255 */
    double accuracy;                                     /* 0 .. 1 */
    double similarity;                                   /* set by who has a model */
} lt_verdict;

/* frames [n], n >= 1, in order; a run of the frames of a judge will do. */
void lt_verdict_of(const lt_judged_frame *frames, int64_t n, lt_verdict *out);

/* The figures with the names that JSON, CSV and the table use. */
typedef struct lt_figure {
    const char *name; /* "psnr_inside"; static */
    double value;
} lt_figure;
enum { LT_FIGURES_MAX = 48 };
int lt_verdict_figures(const lt_verdict *v, lt_figure out[LT_FIGURES_MAX]);

/* The same of one frame, for curves. Warp errors are to the next frame; drift is
 * missing. */
int lt_judged_figures(const lt_judged_frame *f, lt_figure out[LT_FIGURES_MAX]);

#endif
