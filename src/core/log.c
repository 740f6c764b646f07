#include "core/log.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/text.h"

enum { LT_LOG_TEXT_MAX = 2048, LT_LOG_BAR_MAX = 512 };

struct lt_log {
    pthread_mutex_t mutex;
    lt_log_options o;
    FILE *_Atomic file; /* added while others may be logging */
    char bar[LT_LOG_BAR_MAX];
};

static const char *const level_names[] = { "none", "error", "warning", "info", "debug" };

static double unix_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

lt_status lt_log_open(lt_log **out, const lt_log_options *o)
{
    lt_log *log = calloc(1, sizeof(*log));
    if (!log) return LT_FAIL(LT_ERR_NOMEM, "out of memory (opening the log)");
    pthread_mutex_init(&log->mutex, NULL);
    log->o = *o;
    log->o.file = NULL;
    if (!log->o.out) log->o.out = stderr;
    if (log->o.file_level == LT_LOG_NONE) log->o.file_level = LT_LOG_DEBUG;
    const lt_status st = o->file ? lt_log_add_file(log, o->file) : LT_OK;
    if (st == LT_OK)
        *out = log;
    else
        lt_log_close(log);
    return st;
}

lt_status lt_log_add_file(lt_log *log, const char *file)
{
    if (log->file)
        return LT_FAIL(LT_ERR_ARG, "the log has a file (%s): report this", file);
    FILE *f = fopen(file, "ae");
    if (!f)
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot open the log, %s (%s): check the folder and the rights",
                       strerror(errno), file);
    setvbuf(f, NULL, _IOLBF, 0); /* whole lines only, also from a killed run */
    pthread_mutex_lock(&log->mutex);
    log->file = f;
    pthread_mutex_unlock(&log->mutex);
    return LT_OK;
}

void lt_log_drop_file(lt_log *log)
{
    pthread_mutex_lock(&log->mutex);
    FILE *f = log->file;
    log->file = NULL;
    if (f) fclose(f);
    pthread_mutex_unlock(&log->mutex);
}

void lt_log_close(lt_log *log)
{
    if (!log) return;
    lt_log_bar(log, "");
    if (log->file) fclose(log->file);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

bool lt_log_shows(const lt_log *log, lt_log_level level)
{
    return log && (level <= log->o.level || (log->file && level <= log->o.file_level));
}

static void clear_bar(const lt_log *log)
{
    if (log->bar[0]) fputs(log->o.color ? "\r\033[K" : "\r", log->o.out);
}

static void draw_bar(const lt_log *log)
{
    if (log->bar[0]) fputs(log->bar, log->o.out);
    fflush(log->o.out);
}

static void print_json(const lt_log *log, lt_log_level level, const char *text)
{
    json_t *line = json_pack("{s:f,s:i,s:s,s:s}", "t", unix_time(), "rank", log->o.rank,
                             "level", level_names[level], "message", text);
    char *dump = line ? json_dumps(line, JSON_COMPACT) : NULL;
    fprintf(log->o.out, "%s\n", dump ? dump : "{\"level\":\"error\"}");
    free(dump);
    json_decref(line);
}

static void print_text(const lt_log *log, lt_log_level level, const char *text)
{
    const char *on = "", *off = "";
    if (log->o.color && level <= LT_LOG_WARNING) {
        on = level == LT_LOG_ERROR ? "\033[31m" : "\033[33m";
        off = "\033[0m";
    }
    switch (level) {
    case LT_LOG_NONE: break;
    case LT_LOG_ERROR: fprintf(log->o.out, "longtake: %s%s%s\n", on, text, off); break;
    case LT_LOG_WARNING:
        fprintf(log->o.out, "longtake: warning: %s%s%s\n", on, text, off);
        break;
    case LT_LOG_INFO: fprintf(log->o.out, "%s\n", text); break;
    case LT_LOG_DEBUG: fprintf(log->o.out, "debug: %s\n", text); break;
    }
}

static void print_file(const lt_log *log, lt_log_level level, const char *text)
{
    char when[32];
    const time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    fprintf(log->file, "%s rank %d %s: %s\n", when, log->o.rank, level_names[level],
            text);
}

/* Drop the part of a character that a cut has left. */
static void trim_cut(char *text)
{
    size_t n = strlen(text);
    for (int i = 0; i < 3 && !lt_utf8_valid(text); i++) text[--n] = '\0';
}

void lt_log_write(lt_log *log, lt_log_level level, const char *fmt, ...)
{
    char text[LT_LOG_TEXT_MAX];
    va_list ap;
    if (!lt_log_shows(log, level)) return;
    va_start(ap, fmt);
    const int length = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (length >= (int)sizeof(text)) trim_cut(text);
    lt_text_one_line(text);
    pthread_mutex_lock(&log->mutex);
    if (level <= log->o.level) {
        clear_bar(log);
        if (log->o.json)
            print_json(log, level, text);
        else
            print_text(log, level, text);
        draw_bar(log);
    }
    if (log->file && level <= log->o.file_level) print_file(log, level, text);
    pthread_mutex_unlock(&log->mutex);
}

void lt_log_line(lt_log *log, const char *line)
{
    if (!log || log->o.level <= LT_LOG_ERROR) return;
    pthread_mutex_lock(&log->mutex);
    clear_bar(log);
    fprintf(log->o.out, "%s\n", line);
    draw_bar(log);
    pthread_mutex_unlock(&log->mutex);
}

void lt_log_bar(lt_log *log, const char *bar)
{
    if (!log || log->o.level <= LT_LOG_ERROR) return;
    pthread_mutex_lock(&log->mutex);
    clear_bar(log);
    snprintf(log->bar, sizeof(log->bar), "%s", bar);
    draw_bar(log);
    pthread_mutex_unlock(&log->mutex);
}
