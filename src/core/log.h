#ifndef LT_CORE_LOG_H
#define LT_CORE_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

/* Messages to people. On the terminal (stderr, never stdout):
 *     longtake: <text>             an error; one a run, from one rank
 *     longtake: warning: <text>
 *     <text>                       information
 *     debug: <text>
 * or with `json` one object a line: t (Unix time, s), rank, level, message. The file of
 * a rank (log/rank-00003.log) gets all levels up to file_level, each line with time and
 * level. A message is one line: control characters become spaces.
 * Every function may be called by any thread; lines never mix. A log that cannot write
 * says nothing about it: it must not stop the work it reports on. */
typedef struct lt_log lt_log;

typedef enum lt_log_level {
    LT_LOG_NONE = 0, /* as a limit: nothing at all */
    LT_LOG_ERROR,
    LT_LOG_WARNING,
    LT_LOG_INFO,
    LT_LOG_DEBUG
} lt_log_level;

typedef struct lt_log_options {
    FILE *out;               /* NULL: stderr; borrowed                                  */
    lt_log_level level;      /* most talkative level shown: --quiet ERROR, else INFO,
                              * --verbose DEBUG; NONE on ranks that keep silent         */
    bool json;               /* JSON lines instead of text                              */
    bool color;              /* escape sequences allowed on `out`                       */
    int rank;                /* for JSON lines and the file                             */
    const char *file;        /* NULL, or the rank's own log file, appended to           */
    lt_log_level file_level; /* NONE with a file: DEBUG                                 */
} lt_log_options;

/* *out is owned by the caller. Errors: NOMEM, CANTCREAT (the file). */
LT_NODISCARD lt_status lt_log_open(lt_log **out, const lt_log_options *o);
void lt_log_close(lt_log *log);

/* Say something; log = NULL says nothing. Texts above 2 KiB are cut. */
void lt_log_write(lt_log *log, lt_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define lt_log_error(log, ...) lt_log_write((log), LT_LOG_ERROR, __VA_ARGS__)
#define lt_log_warn(log, ...)  lt_log_write((log), LT_LOG_WARNING, __VA_ARGS__)
#define lt_log_info(log, ...)  lt_log_write((log), LT_LOG_INFO, __VA_ARGS__)
#define lt_log_debug(log, ...) lt_log_write((log), LT_LOG_DEBUG, __VA_ARGS__)

/* Is the level shown or filed anywhere? To skip costly arguments. */
bool lt_log_shows(const lt_log *log, lt_log_level level);

/* Add a file after opening (the job folder is made late). Errors: as lt_log_open; ARG
 * when there is one. */
LT_NODISCARD lt_status lt_log_add_file(lt_log *log, const char *file);

/* Close that file, so that the next job of the process can have its own; none is fine. */
void lt_log_drop_file(lt_log *log);

/* For progress: a plain line (above level ERROR only), or the text of the bar, which
 * stays at the bottom of the terminal; "" takes the bar away. Messages clear the bar and
 * draw it again. */
void lt_log_line(lt_log *log, const char *line);
void lt_log_bar(lt_log *log, const char *bar);

#endif
