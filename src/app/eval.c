#include "app/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/eval_input.h"
#include "core/file.h"
#include "core/units.h"

enum { ACCURACY_FRAMES = 32 }; /* judged, evenly spread: drawing every value takes time */

/* ---- judging ----------------------------------------------------------------------- */

static lt_status open_threads(const lt_app *app, lt_threads **out)
{
    int64_t n = lt_threads_available();
    if (app->cli.threads &&
        (lt_int_parse(app->cli.threads, &n) != LT_OK || n < 1 || n > LT_THREADS_MAX))
        return LT_FAIL(LT_ERR_USAGE, "--threads %.40s is out of range: give 1 to %d",
                       app->cli.threads, LT_THREADS_MAX);
    return lt_threads_open(out, (int)(n < 64 ? n : 64), NULL, NULL);
}

static lt_judge_options options_of(const lt_eval_input *in, lt_threads *threads)
{
    return (lt_judge_options){ .width = in->width,
                               .height = in->height,
                               .n_frames = in->n,
                               .has_truth = in->has_truth,
                               .has_source = in->has_source,
                               .has_mask = in->has_mask,
                               .has_flow = in->has_flow,
                               .threads = threads,
                               .asked = in->what->n_factors ? &in->asked : NULL,
                               .factors = in->what->factor,
                               .n_factors = in->what->n_factors,
                               .accuracy_every =
                                   (in->n + ACCURACY_FRAMES - 1) / ACCURACY_FRAMES };
}

static lt_status read_all(lt_app *app, lt_eval_input *in, lt_judge *judge)
{
    lt_progress_stage(app->progress, "eval", 0, in->n, 0, in->n);
    for (int64_t t = 0; t < in->n; t++) {
        lt_judge_input frame;
        if (lt_stop_requested(app->stop))
            return LT_FAIL(LT_ERR_STOPPED,
                           "stopped at frame %lld of %lld (%s): nothing is lost, run the "
                           "same command again",
                           (long long)t, (long long)in->n, in->what->edited);
        lt_status st = lt_eval_input_next(in, t, &frame);
        if (st == LT_OK) st = lt_judge_put(judge, &frame);
        if (st != LT_OK) return st;
        lt_progress_add(app->progress, 1, 1);
    }
    return LT_OK;
}

static void number(double x, FILE *f)
{
    char text[LT_UNIT_TEXT_MAX];
    if (isinf(x))
        fputs(x > 0 ? "inf" : "-inf", f);
    else if (!isnan(x))
        fputs(lt_float_format(x, text), f);
}

static lt_status write_curves(const char *path, const lt_judged_frame *frames, int64_t n)
{
    char *text = NULL;
    size_t bytes = 0;
    lt_figure figure[LT_FIGURES_MAX];
    lt_status st = LT_OK;
    FILE *f = open_memstream(&text, &bytes);
    if (f) {
        int m = lt_judged_figures(&frames[0], figure);
        fputs("frame,cut", f);
        for (int i = 0; i < m; i++) fprintf(f, ",%s", figure[i].name);
        for (int64_t t = 0; t < n; t++) {
            fprintf(f, "\n%lld,%d", (long long)t, frames[t].cut);
            m = lt_judged_figures(&frames[t], figure);
            for (int i = 0; i < m; i++) fputc(',', f), number(figure[i].value, f);
        }
        fputc('\n', f);
    }
    if (!f || fclose(f) != 0)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    else
        st = lt_file_write(path, text, bytes, NULL);
    free(text);
    return st;
}

/* The figures of lt_eval_json, and of which film they are. */
static lt_status write_figures(const char *path, const char *film, const lt_verdict *v)
{
    char hex[LT_SHA256_HEX];
    lt_status st = lt_sha256_file(film, hex);
    if (st != LT_OK) return st;
    json_t *o = lt_eval_json(v);
    const int good = o && json_object_set_new(o, "film_sha256", json_string(hex)) == 0;
    char *text = good ? json_dumps(o, JSON_INDENT(2)) : NULL;
    if (text)
        st = lt_file_write(path, text, strlen(text), NULL);
    else
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    free(text);
    json_decref(o);
    return st;
}

static lt_status tell_job(const lt_eval_what *what, const lt_judged_frame *frames,
                          int64_t n, const lt_verdict *v)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    LT_TRY(lt_path_absolute(what->job, "report", path));
    LT_TRY(lt_folder_make(path));
    LT_TRY(lt_path_absolute(what->job, "report/curves.csv", path));
    LT_TRY(write_curves(path, frames, n));
    LT_TRY(lt_path_absolute(what->job, "report/eval.json", path));
    LT_TRY(write_figures(path, what->edited, v));
cleanup:
    return st;
}

lt_status lt_eval_film(lt_app *app, const lt_eval_what *what, lt_verdict *verdict)
{
    lt_status st = LT_OK;
    lt_eval_input in = { 0 };
    lt_threads *threads = NULL;
    lt_judge *judge = NULL;
    const lt_judged_frame *frames = NULL;
    LT_TRY(lt_eval_input_open(&in, what));
    LT_TRY(open_threads(app, &threads));
    const lt_judge_options o = options_of(&in, threads);
    LT_TRY(lt_judge_open(&judge, &o));
    LT_TRY(read_all(app, &in, judge));
    LT_TRY(lt_judge_frames(judge, &frames));
    if (what->curves[0]) LT_TRY(write_curves(what->curves, frames, in.n));
    lt_verdict_of(frames, in.n, verdict);
    if (what->model[0])
        LT_TRY(lt_eval_similarity(app, what, frames, in.n, &verdict->similarity));
    if (what->job[0]) LT_TRY(tell_job(what, frames, in.n, verdict));
cleanup:
    lt_judge_close(&judge);
    lt_threads_close(threads);
    lt_eval_input_close(&in);
    return st;
}

/* ---- showing ----------------------------------------------------------------------- */

json_t *lt_eval_json(const lt_verdict *v)
{
    lt_figure figure[LT_FIGURES_MAX];
    const int n = lt_verdict_figures(v, figure);
    json_t *o = json_pack("{s:I, s:I}", "frames", (json_int_t)v->frames, "shots",
                          (json_int_t)v->shots);
    for (int i = 0; o && i < n; i++)
        if (json_object_set_new(o, figure[i].name, lt_app_number(figure[i].value)) != 0) {
            json_decref(o);
            o = NULL;
        }
    return o;
}

void lt_eval_csv_head(FILE *out)
{
    lt_figure figure[LT_FIGURES_MAX];
    const lt_verdict v = { 0 };
    const int n = lt_verdict_figures(&v, figure);
    fputs(",frames,shots", out);
    for (int i = 0; i < n; i++) fprintf(out, ",%s", figure[i].name);
}

void lt_eval_csv_row(const lt_verdict *v, FILE *out)
{
    lt_figure figure[LT_FIGURES_MAX];
    const int n = lt_verdict_figures(v, figure);
    fprintf(out, ",%lld,%lld", (long long)v->frames, (long long)v->shots);
    for (int i = 0; i < n; i++) fputc(',', out), number(figure[i].value, out);
}

static void cell(double x, int digits, FILE *out)
{
    if (isnan(x))
        fprintf(out, " %10s", "-");
    else if (isinf(x))
        fprintf(out, " %10s", "equal");
    else
        fprintf(out, " %10.*f", digits, x);
}

static void line(const char *name, const double *value, int n, int digits, FILE *out)
{
    int known = 0;
    for (int i = 0; i < n; i++) known |= !isnan(value[i]);
    if (!known) return;
    fprintf(out, "%-28s", name);
    for (int i = 0; i < n; i++) cell(value[i], digits, out);
    fputc('\n', out);
}

void lt_eval_print(const lt_verdict *v, FILE *out)
{
    const double kept[3][LT_PARTS] = { { NAN, NAN, v->kept_psnr },
                                       { NAN, NAN, v->kept_ssim },
                                       { NAN, NAN, v->kept_ms_ssim } };
    fprintf(out, "%lld frames, %lld %s\n", (long long)v->frames, (long long)v->shots,
            v->shots == 1 ? "shot" : "shots");
    fprintf(out, "%-28s %10s %10s %10s\n", "", "all", "inside", "outside");
    line("PSNR to the truth [dB]", v->psnr, 3, 2, out);
    line("SSIM to the truth", v->ssim, 3, 4, out);
    line("MS-SSIM to the truth", v->ms_ssim, 3, 4, out);
    line("PSNR to the source [dB]", kept[0], 3, 2, out);
    line("SSIM to the source", kept[1], 3, 4, out);
    line("MS-SSIM to the source", kept[2], 3, 4, out);
    line("strength", v->strength, 3, 2, out);
    line("  of the true edit", v->strength_truth, 3, 2, out);
    line("warp error", v->warp_error[LT_FILM_EDITED], 3, 4, out);
    line("  of the true edit", v->warp_error[LT_FILM_TRUTH], 3, 4, out);
    line("  of the source", v->warp_error[LT_FILM_SOURCE], 3, 4, out);
    line("drift", v->drift, 3, 3, out);
    line("drift in PSNR [dB]", &v->drift_psnr, 1, 2, out);
    line("flicker", &v->flicker, 1, 3, out);
    line("accuracy", &v->accuracy, 1, 3, out);
    line("similarity of neighbours", &v->similarity, 1, 4, out);
}
