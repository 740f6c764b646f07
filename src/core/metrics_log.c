#include "core/metrics_log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct lt_metrics_log {
    int fd;
    char path[]; /* for messages */
};

lt_status lt_metrics_open(lt_metrics_log **out, const char *path)
{
    lt_metrics_log *m = malloc(sizeof(*m) + strlen(path) + 1);
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    strcpy(m->path, path);
    m->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (m->fd < 0) {
        const int err = errno;
        free(m);
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot open the metrics log, %s (%s): check the folder and the "
                       "rights",
                       strerror(err), path);
    }
    *out = m;
    return LT_OK;
}

void lt_metrics_close(lt_metrics_log *m)
{
    if (!m) return;
    close(m->fd);
    free(m);
}

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}
static json_t *index_or_null(int64_t v) { return v >= 0 ? json_integer(v) : json_null(); }

/* The line with its end; NULL when out of memory. */
static char *format_metric(const lt_metric *e)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const double t = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    json_t *line =
        json_pack("{s:f,s:i,s:s,s:s?,s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "t", t, "rank",
                  e->rank, "event", e->event, "stage", e->stage, "segment",
                  index_or_null(e->segment), "unit", index_or_null(e->unit), "seconds",
                  number_or_null(e->seconds), "bytes_read", (json_int_t)e->bytes_read,
                  "bytes_written", (json_int_t)e->bytes_written, "bytes_gathered",
                  (json_int_t)e->bytes_gathered, "memory", (json_int_t)e->memory);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    const size_t n = text ? strlen(text) : 0;
    char *whole = text ? realloc(text, n + 2) : NULL;
    if (!whole) {
        free(text);
        return NULL;
    }
    strcpy(whole + n, "\n");
    return whole;
}

lt_status lt_metrics_write(lt_metrics_log *m, const lt_metric *metric)
{
    if (!m) return LT_OK;
    char *line = format_metric(metric);
    if (!line) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", m->path);
    const size_t n = strlen(line);
    ssize_t written = -1;
    do {
        written = write(m->fd, line, n);
    } while (written < 0 && errno == EINTR);
    const int err = written < 0 ? errno : written < (ssize_t)n ? ENOSPC : 0;
    free(line);
    if (!err) return LT_OK;
    return LT_FAIL(err == ENOSPC || err == EDQUOT ? LT_ERR_NOSPACE : LT_ERR_IO,
                   "cannot write the metrics log, %s (%s): check the disk", strerror(err),
                   m->path);
}
