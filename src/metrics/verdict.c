#include "metrics/verdict.h"

#include <math.h>
#include <string.h>

/* A mean that leaves out what is not known. */
typedef struct mean {
    double sum, n;
} mean;
static void add(mean *m, double x)
{
    if (isnan(x)) return;
    m->sum += x;
    m->n++;
}
static double of(const mean *m) { return m->n > 0 ? m->sum / m->n : NAN; }

static double psnr_of(double error, double pixels)
{
    if (isnan(error) || pixels <= 0) return NAN;
    return error > 0 ? 10 * log10(255.0 * 255.0 * 3 * pixels / error) : INFINITY;
}

/* ---- to the truth, to the source --------------------------------------------------- */

static void judge_part(const lt_judged_frame *f, int64_t n, int p, lt_verdict *v)
{
    mean ssim = { 0 }, ms = { 0 }, strength = { 0 }, truth = { 0 };
    double error = 0, pixels = 0;
    for (int64_t t = 0; t < n; t++) {
        error += f[t].error[p];
        pixels += (double)f[t].pixels[p];
        add(&ssim, (double)f[t].ssim[p]);
        add(&ms, (double)f[t].ms_ssim[p]);
        add(&strength, (double)f[t].strength[p]);
        add(&truth, (double)f[t].strength_truth[p]);
    }
    v->psnr[p] = psnr_of(error, pixels);
    v->ssim[p] = of(&ssim);
    v->ms_ssim[p] = of(&ms);
    v->strength[p] = of(&strength);
    v->strength_truth[p] = of(&truth);
}

static void judge_kept(const lt_judged_frame *f, int64_t n, lt_verdict *v)
{
    mean ssim = { 0 }, ms = { 0 };
    double error = 0, pixels = 0;
    for (int64_t t = 0; t < n; t++) {
        error += f[t].kept_error;
        pixels += (double)f[t].pixels[LT_PART_OUTSIDE];
        add(&ssim, (double)f[t].kept_ssim);
        add(&ms, (double)f[t].kept_ms_ssim);
    }
    v->kept_psnr = psnr_of(error, pixels);
    v->kept_ssim = of(&ssim);
    v->kept_ms_ssim = of(&ms);
}

/* ---- over time --------------------------------------------------------------------- */

static void judge_warp(const lt_judged_frame *f, int64_t n, lt_verdict *v)
{
    for (int k = 0; k < LT_FILMS; k++)
        for (int p = 0; p < LT_PARTS; p++) {
            double error = 0, pixels = 0;
            for (int64_t t = 0; t + 1 < n; t++) {
                if (f[t + 1].cut) continue;
                error += f[t].warp[k][p];
                pixels += (double)f[t].warp_pixels[p];
            }
            v->warp_error[k][p] = pixels > 0 ? 1000 * error / (3 * pixels) : NAN;
        }
}

static void judge_flicker(const lt_judged_frame *f, int64_t n, lt_verdict *v)
{
    mean m = { 0 };
    for (int64_t t = 1; t + 1 < n; t++)
        if (!f[t].cut && !f[t + 1].cut) add(&m, f[t].flicker);
    v->flicker = sqrt(of(&m));
    v->shots = 1;
    for (int64_t t = 1; t < n; t++) v->shots += f[t].cut;
}

/* How far the colours of the last tenth are from those of the first. */
static double drift_of(const lt_judged_frame *f, int64_t n, int p)
{
    const int64_t tenth = n / 10 > 0 ? n / 10 : 1;
    double sum = 0;
    if (n < 2) return NAN;
    for (int c = 0; c < LT_SIGNAL_COLOURS; c++) {
        mean first = { 0 }, last = { 0 };
        for (int64_t t = 0; t < tenth; t++) {
            add(&first, (double)f[t].colour[p][c]);
            add(&last, (double)f[n - 1 - t].colour[p][c]);
        }
        const double d = of(&last) - of(&first);
        sum += d * d;
    }
    return sqrt(sum / LT_SIGNAL_COLOURS);
}

static double drift_psnr_of(const lt_judged_frame *f, int64_t n)
{
    const int64_t tenth = n / 10 > 0 ? n / 10 : 1;
    double error[2] = { 0 }, pixels[2] = { 0 };
    if (n < 2) return NAN;
    for (int64_t t = 0; t < tenth; t++) {
        error[0] += f[t].error[0], pixels[0] += (double)f[t].pixels[0];
        error[1] += f[n - 1 - t].error[0], pixels[1] += (double)f[n - 1 - t].pixels[0];
    }
    if (error[0] == 0 && error[1] == 0) return 0;
    return psnr_of(error[0], pixels[0]) - psnr_of(error[1], pixels[1]);
}

void lt_verdict_of(const lt_judged_frame *f, int64_t n, lt_verdict *v)
{
    mean accuracy = { 0 };
    *v = (lt_verdict){ .frames = n, .similarity = NAN };
    for (int p = 0; p < LT_PARTS; p++) {
        judge_part(f, n, p, v);
        v->drift[p] = drift_of(f, n, p);
    }
    judge_kept(f, n, v);
    judge_warp(f, n, v);
    judge_flicker(f, n, v);
    v->drift_psnr = drift_psnr_of(f, n);
    for (int64_t t = 0; t < n; t++) add(&accuracy, (double)f[t].accuracy);
    v->accuracy = of(&accuracy);
}

/* ---- names ------------------------------------------------------------------------- */

static int put(lt_figure *out, int n, const char *name, double value)
{
    out[n] = (lt_figure){ name, value };
    return n + 1;
}

static int put_parts(lt_figure *out, int n, const char *const names[LT_PARTS],
                     const double *value)
{
    for (int p = 0; p < LT_PARTS; p++) n = put(out, n, names[p], value[p]);
    return n;
}

#define PARTS(name) ((const char *const[]){ name, name "_inside", name "_outside" })

int lt_verdict_figures(const lt_verdict *v, lt_figure out[LT_FIGURES_MAX])
{
    int n = 0;
    n = put_parts(out, n, PARTS("psnr"), v->psnr);
    n = put_parts(out, n, PARTS("ssim"), v->ssim);
    n = put_parts(out, n, PARTS("ms_ssim"), v->ms_ssim);
    n = put(out, n, "accuracy", v->accuracy);
    n = put_parts(out, n, PARTS("warp_error"), v->warp_error[LT_FILM_EDITED]);
    n = put_parts(out, n, PARTS("warp_error_truth"), v->warp_error[LT_FILM_TRUTH]);
    n = put_parts(out, n, PARTS("warp_error_source"), v->warp_error[LT_FILM_SOURCE]);
    n = put(out, n, "flicker", v->flicker);
    n = put_parts(out, n, PARTS("drift"), v->drift);
    n = put(out, n, "drift_psnr", v->drift_psnr);
    n = put_parts(out, n, PARTS("strength"), v->strength);
    n = put_parts(out, n, PARTS("strength_truth"), v->strength_truth);
    n = put(out, n, "kept_psnr", v->kept_psnr);
    n = put(out, n, "kept_ssim", v->kept_ssim);
    n = put(out, n, "kept_ms_ssim", v->kept_ms_ssim);
    return put(out, n, "similarity", v->similarity);
}

int lt_judged_figures(const lt_judged_frame *f, lt_figure out[LT_FIGURES_MAX])
{
    lt_verdict v;
    lt_verdict_of(f, 1, &v);
    for (int k = 0; k < LT_FILMS; k++)
        for (int p = 0; p < LT_PARTS; p++)
            v.warp_error[k][p] =
                f->warp_pixels[p] > 0
                    ? 1000 * f->warp[k][p] / (3 * (double)f->warp_pixels[p])
                    : NAN;
    v.flicker = sqrt(f->flicker);
    return lt_verdict_figures(&v, out);
}
