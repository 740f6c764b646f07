#ifndef LT_IO_MEDIA_OUT_H
#define LT_IO_MEDIA_OUT_H

#include <libavformat/avformat.h>

#include "core/options.h"
#include "io/media.h"

/* A file that a muxer writes, seen under its own name only when complete. */
typedef struct lt_out_file {
    char *path;
    char temp[LT_PATH_MAX]; /* see lt_file_temp_name */
    int fd;                 /* -1 = closed */
    AVIOContext *pb;        /* what the muxer writes to */
    int error;              /* first errno of a write or seek */
} lt_out_file;

/* Errors: CANTCREAT, NOSPACE, IO, NOMEM. */
LT_NODISCARD lt_status lt_out_open(lt_out_file *f, const char *path);

/* Failure of a muxer call: the first errno of the file, else FFmpeg's number. */
lt_status lt_out_fail(const lt_out_file *f, int averror, const char *what);

/* Flush, fsync, rename. bytes may be NULL. After a failure, call lt_out_close. */
LT_NODISCARD lt_status lt_out_commit(lt_out_file *f, int64_t *bytes);

/* Free; removes the temporary file unless it was committed. Zeroed f is allowed. */
void lt_out_close(lt_out_file *f);

/* Remove temporary files of `path` whose processes no longer exist on this host. */
void lt_out_sweep(const char *path);

#endif
