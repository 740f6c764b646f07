#include "core/progress.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/units.h"

enum { BAR_CELLS = 24 };
static const double bar_interval = 0.1; /* [s] */

struct lt_progress {
    pthread_mutex_t mutex;
    lt_progress_options o;
    char stage[32];
    int64_t units_before, frames_before, units_done, units, frames_done, frames;
    double begin, last_shown; /* [s] */
};

static double monotonic(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now(const lt_progress *p) { return p->o.clock(p->o.clock_arg); }

lt_status lt_progress_open(lt_progress **out, const lt_progress_options *o)
{
    lt_progress *p = calloc(1, sizeof(*p));
    if (!p) return LT_FAIL(LT_ERR_NOMEM, "out of memory (progress)");
    pthread_mutex_init(&p->mutex, NULL);
    p->o = *o;
    if (!p->o.clock) p->o.clock = monotonic;
    if (p->o.interval <= 0) p->o.interval = 30;
    p->begin = now(p);
    p->last_shown = -INFINITY;
    *out = p;
    return LT_OK;
}

void lt_progress_close(lt_progress *p)
{
    if (!p) return;
    if (p->o.terminal) lt_log_bar(p->o.log, "");
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

static void fill_state(const lt_progress *p, lt_progress_state *s)
{
    const bool by_frame = p->frames > 0;
    const int64_t made =
        by_frame ? p->frames_done - p->frames_before : p->units_done - p->units_before;
    const int64_t left = by_frame ? p->frames - p->frames_done : p->units - p->units_done;
    const double seconds = now(p) - p->begin;
    *s = (lt_progress_state){ p->stage,  p->units_done, p->units, p->frames_done,
                              p->frames, NAN,           NAN };
    if (made > 0 && seconds > 0) {
        s->fps = (double)made / seconds;
        s->eta = (double)(left > 0 ? left : 0) / s->fps;
    }
    if (left <= 0) s->eta = 0;
}

static void format_line(const lt_progress_state *s, char *line, size_t size)
{
    char eta[LT_UNIT_TEXT_MAX], fps[LT_UNIT_TEXT_MAX];
    snprintf(fps, sizeof(fps), isnan(s->fps) ? "?" : "%.1f", s->fps);
    snprintf(line, size,
             "progress stage=%s units=%lld/%lld frames=%lld/%lld fps=%s eta=%s", s->stage,
             (long long)s->units_done, (long long)s->units, (long long)s->frames_done,
             (long long)s->frames, fps, lt_duration_format(s->eta, eta));
}

static void format_bar(const lt_progress_state *s, char *bar, size_t size)
{
    char cells[BAR_CELLS + 1], eta[LT_UNIT_TEXT_MAX], fps[LT_UNIT_TEXT_MAX];
    const double done = s->frames > 0  ? (double)s->frames_done / (double)s->frames
                        : s->units > 0 ? (double)s->units_done / (double)s->units
                                       : 1;
    const int full = (int)(fmin(fmax(done, 0), 1) * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) cells[i] = i < full ? '#' : '.';
    cells[BAR_CELLS] = '\0';
    snprintf(fps, sizeof(fps), isnan(s->fps) ? "?" : "%.1f", s->fps);
    snprintf(bar, size, "%-10s [%s] %3d%%  %lld/%lld units  %s %s/s  %s left", s->stage,
             cells, (int)(fmin(fmax(done, 0), 1) * 100), (long long)s->units_done,
             (long long)s->units, fps, s->frames > 0 ? "frames" : "units",
             lt_duration_format(s->eta, eta));
}

/* Show the state when the last time is long enough ago; the end of a bar always. */
static void show(lt_progress *p)
{
    char text[256];
    lt_progress_state s;
    const double t = now(p);
    const double wait = p->o.terminal ? bar_interval : p->o.interval;
    const bool end = p->o.terminal && p->units_done >= p->units;
    if (t - p->last_shown < wait && !end) return;
    p->last_shown = t;
    fill_state(p, &s);
    if (p->o.terminal) {
        format_bar(&s, text, sizeof(text));
        lt_log_bar(p->o.log, text);
    } else {
        format_line(&s, text, sizeof(text));
        lt_log_line(p->o.log, text);
    }
}

void lt_progress_stage(lt_progress *p, const char *stage, int64_t units_done,
                       int64_t units, int64_t frames_done, int64_t frames)
{
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    snprintf(p->stage, sizeof(p->stage), "%s", stage);
    p->units_before = p->units_done = units_done;
    p->frames_before = p->frames_done = frames_done;
    p->units = units;
    p->frames = frames;
    p->begin = now(p);
    if (p->o.terminal) show(p);
    pthread_mutex_unlock(&p->mutex);
}

void lt_progress_add(lt_progress *p, int64_t units, int64_t frames)
{
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    p->units_done += units;
    p->frames_done += frames;
    show(p);
    pthread_mutex_unlock(&p->mutex);
}

void lt_progress_get(lt_progress *p, lt_progress_state *state)
{
    pthread_mutex_lock(&p->mutex);
    fill_state(p, state);
    pthread_mutex_unlock(&p->mutex);
}
