#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/job_impl.h"

enum { LOCK_MAX = 1024 };

typedef struct holder {
    char host[256];
    char boot[64];  /* of the host's kernel: process numbers begin again with it */
    char slurm[64]; /* "" outside Slurm */
    int64_t pid, start, restart;
} holder;

/* ---- who -------------------------------------------------------------------------- */

/* The start time of a process in ticks since boot; 0 when there is no such process, -1
 * when only its zombie is left (in a container nobody may collect it). The name in front
 * may hold anything, so count from its last ')'. */
static int64_t process_start(int64_t pid)
{
    char path[64], buf[1024];
    int64_t start = 0;
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    const size_t n = fread(buf, 1, sizeof(buf) - 1, f);
    fclose(f);
    buf[n] = '\0';
    char *p = strrchr(buf, ')');
    if (p && p[1] && (p[2] == 'Z' || p[2] == 'X')) return -1;
    for (int field = 2; p && field < 22; field++) {
        p = strchr(p, ' ');
        if (p) p++;
    }
    if (p) start = strtoll(p, NULL, 10);
    return start;
}

static void read_boot_id(char out[64])
{
    out[0] = '\0';
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f) return;
    if (!fgets(out, 64, f)) out[0] = '\0';
    fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

/* JSON-safe copy: what is not a plain character becomes '_'. */
static void copy_plain(char *out, size_t cap, const char *in)
{
    size_t n = 0;
    for (; in && in[n] && n + 1 < cap; n++) {
        const char c = in[n];
        out[n] = c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_';
    }
    out[n] = '\0';
}

static void holder_self(holder *h, const lt_job_owner *owner)
{
    char host[256] = "unknown";
    *h = (holder){ .pid = getpid(), .restart = owner->slurm_restart };
    if (gethostname(host, sizeof(host)) != 0) strcpy(host, "unknown");
    host[sizeof(host) - 1] = '\0';
    copy_plain(h->host, sizeof(h->host), host);
    copy_plain(h->slurm, sizeof(h->slurm), owner->slurm_job);
    read_boot_id(h->boot);
    h->start = process_start(h->pid);
}

/* ---- the text --------------------------------------------------------------------- */

static void get_text(const json_t *o, const char *key, char *out, size_t cap)
{
    copy_plain(out, cap, json_string_value(json_object_get(o, key)));
}

/* 0 when the lock names nobody: empty (released), or unreadable (torn). */
static int holder_read(holder *h, int fd)
{
    char buf[LOCK_MAX];
    const ssize_t n = pread(fd, buf, sizeof(buf), 0);
    json_t *o = n > 0 ? json_loadb(buf, (size_t)n, 0, NULL) : NULL;
    *h = (holder){ 0 };
    get_text(o, "host", h->host, sizeof(h->host));
    get_text(o, "boot", h->boot, sizeof(h->boot));
    get_text(o, "slurm_job", h->slurm, sizeof(h->slurm));
    h->pid = json_integer_value(json_object_get(o, "pid"));
    h->start = json_integer_value(json_object_get(o, "start"));
    h->restart = json_integer_value(json_object_get(o, "slurm_restart"));
    json_decref(o);
    return h->host[0] && h->pid > 0;
}

static int holder_write(const holder *h, int fd)
{
    char buf[LOCK_MAX];
    const int n =
        snprintf(buf, sizeof(buf),
                 "{\"host\":\"%s\",\"pid\":%" PRId64 ",\"start\":%" PRId64
                 ",\"boot\":\"%s\",\"slurm_job\":\"%s\",\"slurm_restart\":%" PRId64 "}\n",
                 h->host, h->pid, h->start, h->boot, h->slurm, h->restart);
    if (n < 0 || n >= (int)sizeof(buf)) return EINVAL;
    if (ftruncate(fd, 0) != 0) return errno;
    const ssize_t w = pwrite(fd, buf, (size_t)n, 0);
    if (w < 0) return errno;
    if (w != n) return ENOSPC;
    return fsync(fd) == 0 ? 0 : errno;
}

/* ---- stale or not ----------------------------------------------------------------- */

/* Nobody who could still be writing: the process is gone from this host, or it belonged
 * to an earlier start of the very Slurm job that we are. */
static int is_stale(const holder *h, const holder *self)
{
    if (h->slurm[0] && strcmp(h->slurm, self->slurm) == 0 && h->restart < self->restart)
        return 1;
    if (strcmp(h->host, self->host) != 0) return 0;
    if (h->boot[0] && self->boot[0] && strcmp(h->boot, self->boot) != 0) return 1;
    const int64_t start = process_start(h->pid);
    if (start == 0) return kill((pid_t)h->pid, 0) != 0 && errno == ESRCH;
    return start != h->start;
}

static lt_status refuse(const char *folder, const holder *h, int known)
{
    if (!known)
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "another run holds the job folder (%s): wait until it ends, or "
                       "take another --job",
                       folder);
    return LT_FAIL(
        LT_ERR_CANTCREAT,
        "another run holds the job folder, host %s process %lld%s%s (%s): wait "
        "until it ends, take another --job, or, if it is certainly gone, "
        "remove the file `" LT_JOB_LOCK "` in it",
        h->host, (long long)h->pid, h->slurm[0] ? " Slurm job " : "", h->slurm, folder);
}

/* 1 taken, 0 held by another, -1 this file system has no locks: the text decides. */
static int try_lock(int fd)
{
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &l) == 0) return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

lt_status lt_job_lock(const char *folder, const lt_job_owner *owner, int *fd_out,
                      int *took_over)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX + 8];
    holder self, other;
    snprintf(path, sizeof(path), "%s/" LT_JOB_LOCK, folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return lt_job_write_failed("cannot lock the job folder", path, errno);
    holder_self(&self, owner);
    const int got = try_lock(fd);
    const int known = holder_read(&other, fd);
    if (got == 0 || (known && !is_stale(&other, &self))) {
        st = refuse(folder, &other, known);
        goto cleanup;
    }
    const int err = holder_write(&self, fd);
    if (err) {
        st = lt_job_write_failed("cannot lock the job folder", path, err);
        goto cleanup;
    }
    *fd_out = fd;
    *took_over = known;
    return LT_OK;
cleanup:
    close(fd);
    return st;
}

/* The file stays: a name that comes and goes could be locked twice. */
void lt_job_unlock(int *fd)
{
    if (*fd < 0) return;
    if (ftruncate(*fd, 0) == 0) (void)!fsync(*fd);
    close(*fd);
    *fd = -1;
}
