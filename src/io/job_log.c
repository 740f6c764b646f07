#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "io/job_impl.h"

static const size_t MAX_TEXT = (size_t)1 << 33;

lt_status lt_job_write_failed(const char *what, const char *path, int err)
{
    const char *why = strerror(err);
    if (err == ENOSPC || err == EDQUOT)
        return LT_FAIL(LT_ERR_NOSPACE,
                       "%s, %s (%s): free some space, then run the same command again",
                       what, why, path);
    if (err == EACCES || err == EPERM || err == EROFS || err == ENOENT ||
        err == ENOTDIR || err == ELOOP || err == EISDIR)
        return LT_FAIL(LT_ERR_CANTCREAT, "%s, %s (%s): check the folder and the rights",
                       what, why, path);
    return LT_FAIL(LT_ERR_IO, "%s, %s (%s): check the disk or the file server", what, why,
                   path);
}

/* ---- loading ---------------------------------------------------------------------- */

typedef struct text {
    char *data;
    size_t bytes;
    int there;
} text;

/* A file that is not there is an empty text. */
static lt_status read_text(const char *folder, const char *name, text *t)
{
    char path[LT_PATH_MAX + 32];
    void *data = NULL;
    *t = (text){ 0 };
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!lt_file_exists(path)) return LT_OK;
    const lt_status st = lt_file_read(path, MAX_TEXT, &data, &t->bytes);
    /* Renamed between the two calls: as good as not there. */
    if (st == LT_ERR_NOINPUT && !lt_file_exists(path)) return LT_OK;
    if (st != LT_OK) return st;
    t->data = data;
    t->there = 1;
    return LT_OK;
}

/* A manifest with its text. */
typedef struct listing {
    text t;
    lt_manifest *m;
    lt_manifest_head head;
    lt_manifest_report rep;
} listing;

static void listing_free(listing *l)
{
    free(l->t.data);
    lt_manifest_free(&l->m);
    *l = (listing){ 0 };
}

/* first_line: only the head is of interest. */
static lt_status listing_load(listing *l, const char *folder, const char *name,
                              int first_line)
{
    lt_status st = LT_OK;
    LT_TRY(read_text(folder, name, &l->t));
    LT_TRY(lt_manifest_new(&l->m));
    const char *data = l->t.data ? l->t.data : "";
    const char *end = first_line ? memchr(data, '\n', l->t.bytes) : NULL;
    const size_t bytes = end ? (size_t)(end - data) + 1 : l->t.bytes;
    LT_TRY(lt_manifest_parse(l->m, data, bytes, &l->head, &l->rep));
cleanup:
    return st;
}

static lt_status check_version(const lt_job *job, int head_ok, const lt_manifest_head *h)
{
    if (!head_ok || h->version == LT_MANIFEST_VERSION) return LT_OK;
    return LT_FAIL(
        LT_ERR_DATA,
        "job folder of format version %lld, this program knows %d (%s): use the "
        "program that made it, or take another --job",
        (long long)h->version, LT_MANIFEST_VERSION, job->path);
}

/* The manifest to build on: the newest that is whole, else what has more sound lines. */
static listing *choose(listing *main, listing *prev)
{
    if (main->rep.whole) return main;
    if (prev->rep.whole) return prev;
    return prev->rep.lines_kept > main->rep.lines_kept ? prev : main;
}

/* Everything that one look at the folder gives. *again: a fold went on meanwhile. */
static lt_status load_once(lt_job *job, int *again)
{
    lt_status st = LT_OK;
    listing main = { 0 }, prev = { 0 };
    text journal = { 0 };
    lt_manifest_head jh = { 0 };
    lt_manifest_report jr = { 0 };
    LT_TRY(listing_load(&main, job->path, LT_JOB_MANIFEST, 0));
    LT_TRY(listing_load(&prev, job->path, LT_JOB_PREV, main.rep.whole));
    LT_TRY(read_text(job->path, LT_JOB_JOURNAL, &journal));
    LT_TRY(check_version(job, main.rep.head_ok, &main.head));
    LT_TRY(check_version(job, prev.rep.head_ok, &prev.head));

    listing *base = choose(&main, &prev);
    const int64_t from = base->rep.whole ? base->head.seq : -1;
    LT_TRY(lt_journal_parse(base->m, journal.data ? journal.data : "", journal.bytes,
                            from, &jh, &jr));
    LT_TRY(check_version(job, jr.head_ok, &jh));
    if (!main.rep.head_ok && !prev.rep.head_ok && !jr.head_ok) {
        st = LT_FAIL(LT_ERR_DATA,
                     "manifest and journal are damaged beyond use (%s): start over with "
                     "--fresh",
                     job->path);
        goto cleanup;
    }
    job->id = main.rep.head_ok ? main.head.id : prev.rep.head_ok ? prev.head.id : jh.id;
    job->main_seq = main.rep.whole ? main.head.seq : -1;
    const int prev_ok = main.rep.whole ? prev.rep.head_ok : prev.rep.whole;
    job->prev_seq = prev_ok ? prev.head.seq : -1;
    job->from_start = jr.head_ok && jh.seq == 0;
    job->seq = base->rep.last_seq > jr.last_seq ? base->rep.last_seq : jr.last_seq;
    if (main.rep.whole) lt_xxh128(main.t.data, main.t.bytes, job->main_hash);

    const int gap = from >= 0 && jr.head_ok && jh.seq > from;
    job->found.used_prev = base == &prev;
    job->found.lines_damaged =
        (main.t.there ? main.rep.lines_damaged : 0) + jr.lines_damaged + gap;
    job->found.torn_bytes = jr.torn_bytes;
    job->needs_mending = !main.rep.whole || !jr.whole || jr.unended || gap;
    *again = gap || (!main.rep.whole && !prev.rep.whole);
    job->m = base->m;
    base->m = NULL;
cleanup:
    listing_free(&main);
    listing_free(&prev);
    free(journal.data);
    return st;
}

/* Without the lock a fold may be going on: look again when it seems so. */
lt_status lt_joblog_load(lt_job *job)
{
    for (int round = 0;; round++) {
        int again = 0;
        lt_manifest_free(&job->m);
        const lt_status st = load_once(job, &again);
        if (job->mode != LT_JOB_READ || round == 5) return st;
        if (st == LT_OK && !again) return LT_OK;
        if (st != LT_OK && st != LT_ERR_DATA) return st;
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
}

lt_status lt_joblog_peek(const char *folder, int *any, int *sound)
{
    lt_status st = LT_OK;
    listing l = { 0 };
    lt_manifest_head head;
    lt_manifest_report rep;
    static const char *const name[] = { LT_JOB_MANIFEST, LT_JOB_PREV, LT_JOB_JOURNAL };
    *any = *sound = 0;
    for (int i = 0; i < 3 && !*sound; i++) {
        LT_TRY(listing_load(&l, folder, name[i], 1));
        *any |= l.t.there;
        *sound |= l.rep.head_ok;
        if (i == 2 && l.t.there) {
            LT_TRY(lt_journal_parse(l.m, l.t.data, l.t.bytes, INT64_MAX, &head, &rep));
            *sound |= rep.head_ok;
        }
        listing_free(&l);
    }
cleanup:
    listing_free(&l);
    return st;
}

/* ---- the journal ------------------------------------------------------------------ */

static void full_name(const lt_job *job, const char *name, char out[LT_PATH_MAX + 32])
{
    snprintf(out, LT_PATH_MAX + 32, "%s/%s", job->path, name);
}

static void head_now(const lt_job *job, lt_manifest_head *h, int64_t seq)
{
    *h = (lt_manifest_head){ .version = LT_MANIFEST_VERSION, .seq = seq, .id = job->id };
    memcpy(h->parent, job->main_hash, sizeof(h->parent));
}

lt_status lt_joblog_open(lt_job *job)
{
    char path[LT_PATH_MAX + 32];
    struct stat s;
    full_name(job, LT_JOB_JOURNAL, path);
    if (job->journal_fd >= 0) close(job->journal_fd);
    job->journal_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (job->journal_fd < 0 || fstat(job->journal_fd, &s) != 0)
        return lt_job_write_failed("cannot open the journal", path, errno);
    job->journal_bytes = s.st_size - job->found.torn_bytes;
    if (job->found.torn_bytes > 0 && ftruncate(job->journal_fd, job->journal_bytes) != 0)
        return lt_job_write_failed("cannot mend the journal", path, errno);
    return LT_OK;
}

/* 0 or an errno. */
static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Durable or not there at all. */
static lt_status append_bytes(lt_job *job, const char *data, size_t bytes,
                              const char *tag)
{
    lt_test_point(tag, "journal_before");
    int err = write_all(job->journal_fd, data, bytes / 2);
    if (!err) {
        lt_test_point(tag, "journal_during");
        err = write_all(job->journal_fd, data + bytes / 2, bytes - bytes / 2);
    }
    if (!err && fdatasync(job->journal_fd) != 0) err = errno;
    if (!err) {
        job->journal_bytes += (int64_t)bytes;
        lt_test_point(tag, "journal_after");
        return LT_OK;
    }
    /* A half line in the middle would be damage to the next reader. */
    if (ftruncate(job->journal_fd, job->journal_bytes) != 0) job->broken = 1;
    return lt_job_write_failed("cannot write to the journal", job->path, err);
}

lt_status lt_joblog_append(lt_job *job, lt_op op, const lt_record *r, int64_t n)
{
    lt_status st = LT_OK;
    char tag[LT_STAGE_MAX + 24], *buf = NULL;
    size_t used = 0;
    if (n == 0) return LT_OK;
    if (job->broken || job->journal_fd < 0)
        return LT_FAIL(LT_ERR_IO,
                       "the journal cannot be written any more (%s): check the "
                       "disk, then run the same command again",
                       job->path);
    if (n < 0 || (uint64_t)n > SIZE_MAX / LT_LINE_MAX)
        return LT_FAIL(LT_ERR_ARG, "number of records out of range: report this");
    buf = malloc((size_t)n * LT_LINE_MAX);
    if (!buf) return LT_FAIL(LT_ERR_NOMEM, "out of memory (journal)");
    for (int64_t i = 0; i < n; i++) {
        const size_t len = lt_journal_line(buf + used, job->seq + 1 + i, op, &r[i]);
        if (len == 0) {
            st = LT_FAIL(LT_ERR_ARG,
                         "a record is out of range (%s, unit %lld): report this",
                         r[i].stage ? r[i].stage : "NULL", (long long)r[i].unit);
            goto cleanup;
        }
        used += len;
    }
    snprintf(tag, sizeof(tag), "%s:%" PRId64, r[0].stage, r[0].unit);
    LT_TRY(append_bytes(job, buf, used, tag));
    job->seq += n;
    job->journal_lines += n;
    for (int64_t i = 0; i < n; i++) {
        st = lt_manifest_apply(job->m, op, &r[i]);
        if (st == LT_OK) continue;
        job->broken = 1;
        goto cleanup;
    }
cleanup:
    free(buf);
    return st;
}

/* ---- folding ---------------------------------------------------------------------- */

/* Sound lines with a number above `after`, behind a new head. */
static lt_status trimmed(const lt_job *job, int64_t after, char **out, size_t *bytes)
{
    lt_status st = LT_OK;
    text t = { 0 };
    lt_manifest_head h;
    char *buf = NULL;
    size_t used = 0;
    LT_TRY(read_text(job->path, LT_JOB_JOURNAL, &t));
    buf = malloc(t.bytes + LT_LINE_MAX);
    if (!buf) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (journal)");
        goto cleanup;
    }
    head_now(job, &h, after);
    used = lt_head_line(buf, &h, 1);
    for (size_t at = 0; at < t.bytes;) {
        const char *line = t.data + at, *end = memchr(line, '\n', t.bytes - at);
        if (!end) break;
        const size_t len = (size_t)(end - line);
        at += len + 1;
        if (!lt_line_sound(line, len) || strncmp(line, "{\"seq\":", 7) != 0) continue;
        if (strtoll(line + 7, NULL, 10) <= after) continue;
        memcpy(buf + used, line, len + 1);
        used += len + 1;
    }
    *out = buf;
    *bytes = used;
    buf = NULL;
cleanup:
    free(buf);
    free(t.data);
    return st;
}

/* Put the new manifest in place; the old one, if whole, becomes .prev first. */
static lt_status rotate(lt_job *job, const char *data, size_t bytes)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX + 32], prev[LT_PATH_MAX + 32], fresh[LT_PATH_MAX + 32];
    full_name(job, LT_JOB_MANIFEST, path);
    full_name(job, LT_JOB_PREV, prev);
    full_name(job, LT_JOB_NEW, fresh);
    LT_TRY(lt_file_write(fresh, data, bytes, "fold:0"));
    if (job->main_seq >= 0) {
        if (rename(path, prev) != 0) {
            st = lt_job_write_failed("cannot keep the old manifest", prev, errno);
            goto cleanup;
        }
        job->prev_seq = job->main_seq;
        job->main_seq = -1;
        lt_test_point("fold:0", "between");
    }
    LT_TRY(lt_file_publish(fresh, path, "publish:0"));
    job->main_seq = job->seq;
    lt_xxh128(data, bytes, job->main_hash);
    /* A .prev that nobody could use would be named by every verify. */
    if (job->prev_seq < 0) LT_TRY(lt_file_remove(prev));
cleanup:
    return st;
}

/* The journal keeps what is newer than .prev, so that .prev and journal together are
 * always the whole. A kill anywhere in here leaves a folder that loads the same. */
lt_status lt_joblog_fold(lt_job *job)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX + 32], *data = NULL;
    size_t bytes = 0;
    lt_manifest_head h;
    if (job->broken) return LT_OK;
    head_now(job, &h, job->seq);
    LT_TRY(lt_manifest_format(job->m, &h, &data, &bytes));
    LT_TRY(rotate(job, data, bytes));
    job->journal_lines = 0;
    free(data);
    data = NULL;
    LT_TRY(trimmed(job, job->prev_seq >= 0 ? job->prev_seq : job->seq, &data, &bytes));
    full_name(job, LT_JOB_JOURNAL, path);
    LT_TRY(lt_file_write(path, data, bytes, "trim:0"));
    job->found.torn_bytes = 0;
    LT_TRY(lt_joblog_open(job));
cleanup:
    free(data);
    return st;
}

/* The journal comes first, then the manifest: an old journal must never be replayed on a
 * new manifest, nor an old .prev be found beside it. */
lt_status lt_joblog_create(lt_job *job)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX + 32], line[LT_LINE_MAX];
    lt_manifest_head h;
    lt_manifest_free(&job->m);
    job->seq = job->main_seq = 0;
    job->prev_seq = -1;
    job->journal_lines = 0;
    job->main_hash[0] = '\0';
    LT_TRY(lt_manifest_new(&job->m));
    head_now(job, &h, 0);
    full_name(job, LT_JOB_PREV, path);
    LT_TRY(lt_file_remove(path));
    for (int journal = 1; journal >= 0; journal--) {
        const size_t n = lt_head_line(line, &h, journal);
        if (n == 0) {
            st = LT_FAIL(LT_ERR_ARG, "identity of the job out of range: report this");
            goto cleanup;
        }
        full_name(job, journal ? LT_JOB_JOURNAL : LT_JOB_MANIFEST, path);
        LT_TRY(lt_file_write(path, line, n, journal ? "create:0" : "create:1"));
        if (!journal) lt_xxh128(line, n, job->main_hash);
    }
    job->found.torn_bytes = 0;
    LT_TRY(lt_joblog_open(job));
cleanup:
    return st;
}
