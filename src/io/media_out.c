#include "io/media_out.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/media_ff.h"

enum { OUT_BUFFER = 1 << 18 };

static int write_all(void *opaque, uint8_t *data, int size)
{
    lt_out_file *f = opaque;
    int done = 0;
    while (done < size) {
        const ssize_t n = write(f->fd, data + done, (size_t)(size - done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            if (!f->error) f->error = errno;
            return AVERROR(errno);
        }
        done += (int)n;
    }
    return size;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    lt_out_file *f = opaque;
    struct stat sb;
    if (whence & AVSEEK_SIZE) return fstat(f->fd, &sb) ? AVERROR(errno) : sb.st_size;
    const off_t at = lseek(f->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

static lt_status fail_errno(int err, const char *what, const char *path)
{
    if (err == ENOSPC || err == EDQUOT)
        return LT_FAIL(LT_ERR_NOSPACE, "disk full (%s): make room and run again", path);
    if (err == ENOENT || err == ENOTDIR || err == EACCES || err == EROFS ||
        err == EPERM || err == EISDIR || err == ENAMETOOLONG)
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot create, %s (%s): check the folder and the rights",
                       strerror(err), path);
    return LT_FAIL(LT_ERR_IO, "%s, %s (%s): check the disk", what, strerror(err), path);
}

lt_status lt_out_open(lt_out_file *f, const char *path)
{
    lt_status st = LT_OK;
    memset(f, 0, sizeof(*f));
    f->fd = -1;
    lt_ff_quiet();
    f->path = strdup(path);
    uint8_t *buffer = av_malloc(OUT_BUFFER);
    if (!f->path || !buffer) {
        st = LT_FAIL(LT_ERR_NOMEM, "writing %s", path);
        goto cleanup;
    }
    LT_TRY(lt_file_temp_name(path, f->temp));
    f->fd = open(f->temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        st = fail_errno(errno, "cannot write", path);
        goto cleanup;
    }
    f->pb = avio_alloc_context(buffer, OUT_BUFFER, 1, f, NULL, write_all, seek);
    if (!f->pb) {
        st = LT_FAIL(LT_ERR_NOMEM, "writing %s", path);
        goto cleanup;
    }
    buffer = NULL;
cleanup:
    av_free(buffer);
    if (st != LT_OK) lt_out_close(f);
    return st;
}

lt_status lt_out_fail(const lt_out_file *f, int averror, const char *what)
{
    if (f->error) return fail_errno(f->error, what, f->path);
    return lt_ff_fail(LT_ERR_IO, averror, what, f->path, "");
}

static void free_pb(lt_out_file *f)
{
    if (f->pb) av_freep(&f->pb->buffer);
    avio_context_free(&f->pb);
}

lt_status lt_out_commit(lt_out_file *f, int64_t *bytes)
{
    struct stat sb;
    avio_flush(f->pb);
    if (f->error || f->pb->error < 0) return lt_out_fail(f, f->pb->error, "cannot write");
    if (fstat(f->fd, &sb)) return fail_errno(errno, "cannot write", f->path);
    const int fd = f->fd;
    f->fd = -1;
    if (close(fd)) {
        const int err = errno;
        unlink(f->temp);
        return fail_errno(err, "cannot write", f->path);
    }
    const lt_status st = lt_file_publish(f->temp, f->path, NULL);
    if (st == LT_OK && bytes) *bytes = sb.st_size;
    return st;
}

void lt_out_close(lt_out_file *f)
{
    if (!f->path) return;
    free_pb(f);
    if (f->fd >= 0) {
        close(f->fd);
        unlink(f->temp);
    }
    free(f->path);
    memset(f, 0, sizeof(*f));
    f->fd = -1;
}

/* The process number at the end of "<base>.tmp.<pid>", 0 when it is another name. */
static long owner(const char *name, const char *base)
{
    const size_t n = strlen(base);
    if (strncmp(name, base, n) || strncmp(name + n, ".tmp.", 5)) return 0;
    const char *digits = name + n + 5;
    if (!isdigit((unsigned char)*digits)) return 0;
    char *end = NULL;
    const long pid = strtol(digits, &end, 10);
    return *end ? 0 : pid;
}

void lt_out_sweep(const char *path)
{
    char folder[LT_PATH_MAX], *full = NULL;
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    if (lt_path_folder(path, folder) != LT_OK) return;
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        const long pid = owner(e->d_name, base);
        if (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
        if (asprintf(&full, "%s/%s", folder, e->d_name) < 0) continue;
        unlink(full);
        free(full);
    }
    closedir(d);
}
