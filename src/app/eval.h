#ifndef LT_APP_EVAL_H
#define LT_APP_EVAL_H

#include "app/app.h"
#include "metrics/verdict.h"

/* Judging one film: what `longtake eval EDITED` and every entry of a suite do. */

/* What to judge by. Empty paths are not given; what is not given and a scene knows
 * (source, mask, motion, the truth when factors are named) is rendered from the scene. */
typedef struct lt_eval_what {
    char edited[LT_PATH_MAX], truth[LT_PATH_MAX], source[LT_PATH_MAX], flow[LT_PATH_MAX];
    char mask[LT_PATH_MAX];   /* as mask.path: a video, a folder, a picture or box:... */
    char curves[LT_PATH_MAX]; /* CSV to write: figures of every frame; "" = none */
    char job[LT_PATH_MAX];    /* folder of the edit's job: figures and curves are left in
                               * its report/, for `longtake report`; "" = none */
    int has_scene;
    lt_scene scene, asked;              /* the source; the true edit */
    int32_t factor[LT_SYNTH_N_FACTORS]; /* that differ */
    int n_factors;
    char model[LT_PATH_MAX]; /* whose features tell `similarity`; "" = it is not told */
    int64_t ss, to; /* microseconds: the part of truth and source that EDITED shows, as
                     * lt_media_scan; -1 = not given */
} lt_eval_what;

/* Read all films side by side and judge them: the work of one process. Curves and what
 * the job gets (report/eval.json, report/curves.csv) are written when all is read.
 * Errors: NOINPUT, DATA (not a film; numbers of frames, sizes or times differ, both are
 * named), STOPPED, CANTCREAT, NOSPACE, IO, NOMEM, those of the mask. */
LT_NODISCARD lt_status lt_eval_film(lt_app *app, const lt_eval_what *what,
                                    lt_verdict *verdict);

/* The figures as an object: null where not known; PSNR of equal films is null. */
json_t *lt_eval_json(const lt_verdict *v);

/* A table for people. */
void lt_eval_print(const lt_verdict *v, FILE *out);

/* Figures as CSV: ",name,name..." and ",value,,value" with nothing for what is not known,
 * "inf" for equal films. n columns are always the same. */
void lt_eval_csv_head(FILE *out);
void lt_eval_csv_row(const lt_verdict *v, FILE *out);

#endif
