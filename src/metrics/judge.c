#include "metrics/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/motion.h"
#include "metrics/ssim.h"
#include "metrics/warp.h"

enum { HISTORY = 3, TASKS_MAX = 16 };

/* A piece of work on a frame that touches nothing of another one. */
typedef enum task_kind { TASK_SSIM, TASK_KEPT, TASK_THERE, TASK_BACK } task_kind;
typedef struct task {
    task_kind kind;
    int part, channel;
    lt_ssim_score score;
} task;

struct lt_judge {
    lt_judge_options o;
    lt_accuracy *accuracy;
    lt_judged_frame *frames;
    int64_t n, blocks; /* n: frames put */
    int workers;
    lt_ssim_room **ssim; /* [workers] */
    lt_motion_room *motion[2];
    uint8_t *last[LT_FILMS];             /* the frame before */
    uint8_t *area[LT_PARTS], *visible;   /* visible: of flow */
    float *flow, *back;                  /* from the frame before to this one */
    float *luma[LT_FILMS];               /* [blocks] of this frame */
    float *before, *difference[HISTORY]; /* [blocks]; difference: edited - reference */
    task task[TASKS_MAX];
    int n_tasks;
    const lt_judge_input *in; /* during put */
    lt_parts parts, last_parts;
    uint8_t *last_area[LT_PARTS];
};

/* ---- opening ----------------------------------------------------------------------- */

static lt_film base_of(const lt_judge *j) /* what motion and cuts are looked for in */
{
    return j->o.has_source  ? LT_FILM_SOURCE
           : j->o.has_truth ? LT_FILM_TRUTH
                            : LT_FILM_EDITED;
}
static int has_film(const lt_judge *j, int film)
{
    return film == LT_FILM_EDITED || (film == LT_FILM_TRUTH && j->o.has_truth) ||
           (film == LT_FILM_SOURCE && j->o.has_source);
}
static lt_film reference_of(const lt_judge *j) /* what flicker and drift are less of */
{
    return j->o.has_truth    ? LT_FILM_TRUTH
           : j->o.has_source ? LT_FILM_SOURCE
                             : LT_FILM_EDITED;
}
static int estimates(const lt_judge *j)
{
    return !j->o.has_flow && base_of(j) != LT_FILM_EDITED;
}
static int knows_motion(const lt_judge *j) { return j->o.has_flow || estimates(j); }

static lt_status open_rooms(lt_judge *j)
{
    lt_status st = LT_OK;
    const int32_t w = j->o.width, h = j->o.height;
    for (int i = 0; i < j->workers; i++) LT_TRY(lt_ssim_room_open(&j->ssim[i], w, h));
    for (int i = 0; i < 2 && estimates(j); i++)
        LT_TRY(lt_motion_room_open(&j->motion[i], w, h));
    if (j->o.asked)
        LT_TRY(lt_accuracy_open(&j->accuracy, j->o.asked, j->o.factors, j->o.n_factors, w,
                                h));
cleanup:
    return st;
}

static lt_status allocate(lt_judge *j)
{
    const size_t pixels = (size_t)j->o.width * (size_t)j->o.height;
    const size_t blocks = (size_t)j->blocks * sizeof(float);
    int good = 1;
    j->frames = calloc((size_t)j->o.n_frames, sizeof(*j->frames));
    j->ssim = calloc((size_t)j->workers, sizeof(*j->ssim));
    good = j->frames && j->ssim;
    for (int f = 0; f < LT_FILMS && good; f++) {
        j->luma[f] = calloc(1, blocks);
        good = j->luma[f] != NULL;
        if (good && knows_motion(j) && has_film(j, f))
            good = (j->last[f] = malloc(pixels * 3)) != NULL;
    }
    for (int p = 1; p < LT_PARTS && good && j->o.has_mask; p++) {
        j->area[p] = malloc(pixels);
        j->last_area[p] = malloc(pixels);
        good = j->area[p] && j->last_area[p];
    }
    for (int i = 0; i < HISTORY && good; i++)
        good = (j->difference[i] = calloc(1, blocks)) != NULL;
    if (good) good = (j->before = calloc(1, blocks)) != NULL;
    if (good && knows_motion(j)) {
        j->visible = malloc(pixels);
        j->flow = malloc(pixels * 2 * sizeof(float));
        j->back = estimates(j) ? malloc(pixels * 2 * sizeof(float)) : NULL;
        good = j->visible && j->flow && (!estimates(j) || j->back);
    }
    if (good) return LT_OK;
    return LT_FAIL(LT_ERR_NOMEM, "out of memory (judging %lld frames of %d x %d pixels)",
                   (long long)j->o.n_frames, j->o.width, j->o.height);
}

lt_status lt_judge_open(lt_judge **judge, const lt_judge_options *o)
{
    lt_status st = LT_OK;
    lt_judge *j = NULL;
    if (o->width < 1 || o->height < 1 || o->n_frames < 1 ||
        (o->asked && o->accuracy_every < 1))
        return LT_FAIL(LT_ERR_ARG, "judging %lld frames of %d x %d pixels",
                       (long long)o->n_frames, o->width, o->height);
    j = calloc(1, sizeof(*j));
    if (!j) return LT_FAIL(LT_ERR_NOMEM, "out of memory (judging)");
    j->o = *o;
    j->blocks = lt_signal_blocks(o->width, o->height);
    j->workers = lt_threads_count(o->threads);
    LT_TRY(allocate(j));
    LT_TRY(open_rooms(j));
    *judge = j;
    j = NULL;
cleanup:
    lt_judge_close(&j);
    return st;
}

void lt_judge_close(lt_judge **judge)
{
    if (!judge || !*judge) return;
    lt_judge *j = *judge;
    for (int i = 0; j->ssim && i < j->workers; i++) lt_ssim_room_close(&j->ssim[i]);
    for (int i = 0; i < 2; i++) lt_motion_room_close(&j->motion[i]);
    for (int f = 0; f < LT_FILMS; f++) free(j->last[f]), free(j->luma[f]);
    for (int p = 0; p < LT_PARTS; p++) free(j->area[p]), free(j->last_area[p]);
    for (int i = 0; i < HISTORY; i++) free(j->difference[i]);
    lt_accuracy_close(&j->accuracy);
    free(j->ssim);
    free(j->before);
    free(j->visible);
    free(j->flow);
    free(j->back);
    free(j->frames);
    free(j);
    *judge = NULL;
}

/* ---- what runs side by side -------------------------------------------------------- */

static lt_status run_task(void *arg, int64_t tile, int worker)
{
    lt_judge *j = arg;
    task *t = &j->task[tile];
    const lt_film base = base_of(j);
    const int kept = t->kind == TASK_KEPT;
    if (t->kind == TASK_THERE) {
        lt_motion_estimate(j->motion[0], j->last[base], j->in->film[base], j->flow);
    } else if (t->kind == TASK_BACK) {
        lt_motion_estimate(j->motion[1], j->in->film[base], j->last[base], j->back);
    } else {
        const lt_ssim_pair pair = {
            .a = j->in->film[LT_FILM_EDITED],
            .b = j->in->film[kept ? LT_FILM_SOURCE : LT_FILM_TRUTH],
            .area = j->parts.area[t->part],
            .w = j->o.width,
            .h = j->o.height,
            .channel = t->channel
        };
        lt_ssim_compare(j->ssim[worker], &pair, &t->score);
    }
    return LT_OK;
}

static void add_ssim(lt_judge *j, task_kind kind, int part)
{
    for (int c = 0; c < 3; c++)
        j->task[j->n_tasks++] = (task){ .kind = kind, .part = part, .channel = c };
}

/* The slow ones first, so that the last to end is short. */
static void list_tasks(lt_judge *j)
{
    j->n_tasks = 0;
    if (estimates(j) && j->n > 0) {
        j->task[j->n_tasks++] = (task){ .kind = TASK_THERE };
        j->task[j->n_tasks++] = (task){ .kind = TASK_BACK };
    }
    for (int p = 0; p < LT_PARTS; p++)
        if (j->o.has_truth && lt_part_exists(&j->parts, p)) add_ssim(j, TASK_SSIM, p);
    if (j->o.has_source && j->o.has_mask) add_ssim(j, TASK_KEPT, LT_PART_OUTSIDE);
}

/* Mean of the three colours. */
static void take_scores(const lt_judge *j, lt_judged_frame *f)
{
    for (int p = 0; p < LT_PARTS; p++) f->ssim[p] = f->ms_ssim[p] = NAN;
    f->kept_ssim = f->kept_ms_ssim = NAN;
    for (int i = 0; i < j->n_tasks; i++) {
        const task *t = &j->task[i];
        if ((t->kind != TASK_SSIM && t->kind != TASK_KEPT) || t->channel) continue;
        double ssim = 0, ms = 0;
        for (int c = 0; c < 3; c++) ssim += t[c].score.ssim, ms += t[c].score.ms_ssim;
        const int kept = t->kind == TASK_KEPT;
        *(kept ? &f->kept_ssim : &f->ssim[t->part]) = (float)(ssim / 3);
        *(kept ? &f->kept_ms_ssim : &f->ms_ssim[t->part]) = (float)(ms / 3);
    }
}

/* ---- one after the other ----------------------------------------------------------- */

static void split_mask(lt_judge *j, const uint8_t *mask)
{
    for (int p = 1; p < LT_PARTS && mask; p++) {
        uint8_t *t = j->area[p];
        j->area[p] = j->last_area[p];
        j->last_area[p] = t;
    }
    j->last_parts = (lt_parts){ j->o.width, j->o.height, { NULL } };
    j->parts = j->last_parts;
    for (int p = 1; p < LT_PARTS && mask; p++) {
        j->parts.area[p] = j->area[p];
        j->last_parts.area[p] = j->last_area[p];
    }
    for (int64_t i = 0; mask && i < (int64_t)j->o.width * j->o.height; i++) {
        j->area[LT_PART_INSIDE][i] = mask[i] >= LT_MASK_INSIDE_FROM;
        j->area[LT_PART_OUTSIDE][i] = mask[i] <= LT_MASK_OUTSIDE_TO;
    }
}

static void take_changes(const lt_judge *j, lt_judged_frame *f)
{
    const lt_judge_input *in = j->in;
    const uint8_t *edited = in->film[LT_FILM_EDITED], *truth = in->film[LT_FILM_TRUTH];
    const uint8_t *source = in->film[LT_FILM_SOURCE];
    double now[LT_PARTS] = { NAN, NAN, NAN }, true_one[LT_PARTS] = { NAN, NAN, NAN };
    for (int p = 0; p < LT_PARTS; p++) f->error[p] = NAN;
    f->kept_error = NAN;
    if (j->o.has_source) {
        lt_signal_error(edited, source, &j->parts, f->error, f->pixels);
        if (j->o.has_mask) f->kept_error = f->error[LT_PART_OUTSIDE];
        for (int p = 0; p < LT_PARTS; p++) f->error[p] = NAN;
        lt_signal_change(edited, source, &j->parts, now);
        if (j->o.has_truth) lt_signal_change(truth, source, &j->parts, true_one);
    }
    if (j->o.has_truth) lt_signal_error(edited, truth, &j->parts, f->error, f->pixels);
    for (int p = 0; p < LT_PARTS; p++) {
        f->strength[p] = (float)now[p];
        f->strength_truth[p] = (float)true_one[p];
    }
}

static void take_colours(const lt_judge *j, lt_judged_frame *f)
{
    const lt_film reference = reference_of(j);
    double now[LT_PARTS][LT_SIGNAL_COLOURS], then[LT_PARTS][LT_SIGNAL_COLOURS];
    memset(then, 0, sizeof(then));
    lt_signal_colour(j->in->film[LT_FILM_EDITED], &j->parts, now);
    if (reference != LT_FILM_EDITED)
        lt_signal_colour(j->in->film[reference], &j->parts, then);
    for (int p = 0; p < LT_PARTS; p++)
        for (int c = 0; c < LT_SIGNAL_COLOURS; c++)
            f->colour[p][c] = (float)(now[p][c] - then[p][c]);
}

/* Second difference over time of what the edit adds to a block, by 4: a block that goes
 * up and down by a has the square a^2. It belongs to the frame in the middle. */
static double flicker_of(const lt_judge *j)
{
    const float *a = j->difference[(j->n + 1) % HISTORY];
    const float *b = j->difference[(j->n + 2) % HISTORY];
    const float *c = j->difference[j->n % HISTORY];
    double sum = 0;
    for (int64_t i = 0; i < j->blocks; i++) {
        const double d = 0.25 * ((double)a[i] - 2 * (double)b[i] + (double)c[i]);
        sum += d * d;
    }
    return sum / (double)j->blocks;
}

static void take_blocks(lt_judge *j, lt_judged_frame *f)
{
    const lt_film reference = reference_of(j), base = base_of(j);
    float *difference = j->difference[j->n % HISTORY];
    double change = 0;
    for (int k = 0; k < LT_FILMS; k++)
        if (has_film(j, k))
            lt_signal_luma(j->in->film[k], j->o.width, j->o.height, j->luma[k]);
    for (int64_t i = 0; i < j->blocks; i++) {
        difference[i] = j->luma[LT_FILM_EDITED][i];
        if (reference != LT_FILM_EDITED) difference[i] -= j->luma[reference][i];
        change += fabs((double)j->luma[base][i] - (double)j->before[i]);
    }
    f->change = j->n ? (float)(change / (double)j->blocks) : 0;
    f->flicker = NAN;
    if (j->n >= 2) f[-1].flicker = flicker_of(j);
    memcpy(j->before, j->luma[base], (size_t)j->blocks * sizeof(float));
}

/* The motion from the frame before ends in this one, and is that one's. */
static void take_warps(lt_judge *j, lt_judged_frame *before)
{
    if (estimates(j))
        lt_motion_check(j->flow, j->back, j->o.width, j->o.height, j->visible);
    for (int k = 0; k < LT_FILMS; k++) {
        if (!has_film(j, k)) continue;
        lt_warp_sums s;
        lt_warp_sum(j->last[k], j->in->film[k], j->flow, j->visible, &j->last_parts, &s);
        memcpy(before->warp[k], s.error, sizeof(s.error));
        memcpy(before->warp_pixels, s.n, sizeof(s.n));
    }
}

static void remember(lt_judge *j)
{
    const size_t pixels = (size_t)j->o.width * (size_t)j->o.height;
    for (int k = 0; k < LT_FILMS; k++)
        if (j->last[k]) memcpy(j->last[k], j->in->film[k], pixels * 3);
    if (!j->o.has_flow || !j->in->flow) return;
    memcpy(j->flow, j->in->flow, pixels * 2 * sizeof(float));
    memcpy(j->visible, j->in->visible, pixels);
}

static lt_status take_accuracy(lt_judge *j, lt_judged_frame *f)
{
    int32_t value[LT_SYNTH_N_FACTORS];
    f->accuracy = NAN;
    if (!j->accuracy || j->n % j->o.accuracy_every) return LT_OK;
    const lt_status st =
        lt_accuracy_frame(j->accuracy, j->o.threads, j->in->film[LT_FILM_EDITED],
                          j->o.first_frame + j->n, value);
    if (st == LT_OK) f->accuracy = (float)lt_accuracy_share(j->accuracy, value);
    return st;
}

static lt_status check(const lt_judge *j, const lt_judge_input *in)
{
    int good = j->n < j->o.n_frames && (!j->o.has_mask || in->mask);
    for (int k = 0; k < LT_FILMS; k++) good = good && (!has_film(j, k) || in->film[k]);
    if (j->o.has_flow && j->n + 1 < j->o.n_frames) good = good && in->flow && in->visible;
    return good ? LT_OK : LT_FAIL(LT_ERR_ARG, "judging frame %lld", (long long)j->n);
}

lt_status lt_judge_put(lt_judge *j, const lt_judge_input *in)
{
    lt_status st = LT_OK;
    lt_judged_frame *f = &j->frames[j->n];
    LT_TRY(check(j, in));
    j->in = in;
    split_mask(j, j->o.has_mask ? in->mask : NULL);
    for (int k = 0; k < LT_FILMS; k++)
        for (int p = 0; p < LT_PARTS; p++) f->warp[k][p] = NAN;
    list_tasks(j);
    LT_TRY(lt_parallel_for(j->o.threads, j->n_tasks, run_task, j));
    take_scores(j, f);
    take_changes(j, f);
    take_colours(j, f);
    take_blocks(j, f);
    if (knows_motion(j) && j->n > 0) take_warps(j, f - 1);
    LT_TRY(take_accuracy(j, f));
    if (knows_motion(j)) remember(j);
    j->n++;
cleanup:
    j->in = NULL;
    return st;
}

/* ---- cuts -------------------------------------------------------------------------- */

/* A frame that is far from the one before while its neighbours are near each other. */
static int looks_cut(const lt_judged_frame *f, int64_t t, int64_t n)
{
    const float before = t >= 2 ? f[t - 1].change : 0;
    const float after = t + 1 < n ? f[t + 1].change : 0;
    const float usual = before > after ? before : after;
    return f[t].change > 10 && f[t].change > 3 * usual;
}

lt_status lt_judge_frames(lt_judge *j, const lt_judged_frame **frames)
{
    if (j->n != j->o.n_frames)
        return LT_FAIL(LT_ERR_ARG, "judged %lld of %lld frames", (long long)j->n,
                       (long long)j->o.n_frames);
    for (int64_t t = 1; t < j->n; t++)
        j->frames[t].cut = j->o.has_flow ? j->frames[t - 1].warp_pixels[0] == 0
                                         : looks_cut(j->frames, t, j->n);
    *frames = j->frames;
    return LT_OK;
}
