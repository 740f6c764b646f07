#ifndef LT_CORE_PROGRESS_H
#define LT_CORE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "core/status.h"

/* How far a stage is. On a terminal a bar; elsewhere at most every 30 s a line
 *     progress stage=invert units=41/120 frames=3321/86400 fps=9.8 eta=2h21m
 * Units and frames that an earlier run has done count as done from the start, so a
 * resumed job never begins at 0; fps and eta come from this run alone and are "?" until
 * it has done something. Any thread may call; NULL does nothing. */
typedef struct lt_progress lt_progress;

typedef struct lt_progress_options {
    lt_log *log;                /* borrowed; decides whether anything is shown      */
    bool terminal;              /* a bar instead of lines                           */
    double interval;            /* [s] between lines; 0: 30                         */
    double (*clock)(void *arg); /* [s], for tests; NULL: CLOCK_MONOTONIC           */
    void *clock_arg;
} lt_progress_options;

typedef struct lt_progress_state {
    const char *stage; /* a word; "" before the first stage                        */
    int64_t units_done, units, frames_done, frames;
    double fps; /* frames (units, when frames = 0) a second of this run; NaN unknown */
    double eta; /* [s] to the end of the stage; NaN unknown                          */
} lt_progress_state;

/* *out is owned by the caller. Errors: NOMEM. */
LT_NODISCARD lt_status lt_progress_open(lt_progress **out, const lt_progress_options *o);
void lt_progress_close(lt_progress *p); /* takes the bar away */

/* Begin a stage (name: below 32 bytes) of `units` units and `frames` frames, of which
 * units_done and frames_done were done before this run. frames = 0: counts units only. */
void lt_progress_stage(lt_progress *p, const char *stage, int64_t units_done,
                       int64_t units, int64_t frames_done, int64_t frames);

/* So much more is done. */
void lt_progress_add(lt_progress *p, int64_t units, int64_t frames);

/* Where the stage stands; state->stage lives as long as p. */
void lt_progress_get(lt_progress *p, lt_progress_state *state);

#endif
