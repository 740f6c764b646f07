#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/options.h"

#ifdef LT_TEST_HOOKS
/* The exception to "no mutable globals": see the header. Written before threads. */
static char test_stop[256];

void lt_test_stop_set(const char *spec)
{
    snprintf(test_stop, sizeof(test_stop), "%s", spec ? spec : "");
}

/* Does one part of the spec, up to ':' or the end, match the same part of the name? */
static bool part_matches(const char **spec, const char **name)
{
    const size_t n = strcspn(*spec, ":"), m = strcspn(*name, ":");
    const bool same =
        (n == 1 && **spec == '*') || (n == m && strncmp(*spec, *name, n) == 0);
    *spec += n + ((*spec)[n] == ':');
    *name += m + ((*name)[m] == ':');
    return same;
}

void lt_test_point(const char *tag, const char *point)
{
    char full[256];
    if (!tag || !test_stop[0]) return;
    snprintf(full, sizeof(full), "%s:%s", tag, point);
    const char *spec = test_stop, *name = full;
    while (*spec && *name)
        if (!part_matches(&spec, &name)) return;
    if (!*spec && !*name) raise(SIGKILL);
}
#else
void lt_test_stop_set(const char *spec) { (void)spec; }
void lt_test_point(const char *tag, const char *point) { (void)tag, (void)point; }
#endif

static lt_status write_failed(const char *what, const char *path, int err)
{
    char text[128];
    const char *why = strerror_r(err, text, sizeof(text));
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return LT_FAIL(LT_ERR_NOSPACE,
                       "%s, %s (%s): free some space, then run the same command again",
                       what, why, path);
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case EISDIR:
    case EEXIST:
    case ELOOP:
    case ENAMETOOLONG:
        return LT_FAIL(LT_ERR_CANTCREAT, "%s, %s (%s): check the folder and the rights",
                       what, why, path);
    }
    return LT_FAIL(LT_ERR_IO, "%s, %s (%s): check the disk or the file server", what, why,
                   path);
}

static lt_status read_failed(const char *what, const char *path, int err)
{
    char text[128];
    const char *why = strerror_r(err, text, sizeof(text));
    const bool absent = err == ENOENT || err == ENOTDIR || err == EACCES ||
                        err == EPERM || err == ELOOP || err == ENAMETOOLONG;
    return LT_FAIL(
        absent ? LT_ERR_NOINPUT : LT_ERR_IO, "%s, %s (%s): %s", what, why, path,
        absent ? "check the name and the rights" : "check the disk or the file server");
}

/* Write everything; 0 or an errno. */
static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t n = write(fd, data, bytes > (1u << 30) ? (1u << 30) : bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Write in two halves with a crash point between them; 0 or an errno. */
static int write_halves(int fd, const char *data, size_t bytes, const char *tag)
{
    const size_t half = bytes / 2;
    const int err = write_all(fd, data, half);
    if (err) return err;
    lt_test_point(tag, "during");
    return write_all(fd, data + half, bytes - half);
}

static int sync_fd(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

/* Make a name in a folder durable; 0 or an errno. */
static int sync_folder_of(const char *path)
{
    char folder[LT_PATH_MAX];
    if (lt_path_folder(path, folder) != LT_OK) return ENAMETOOLONG;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return 0; /* writable, not readable: cannot be synced */
    if (fd < 0) return errno;
    int err = sync_fd(fd);
    if (err == EINVAL) err = 0; /* a file system that cannot: nothing more to be had */
    close(fd);
    return err;
}

lt_status lt_file_temp_name(const char *path, char *out)
{
    const int n = snprintf(out, LT_PATH_MAX, "%s.tmp.%ld", path, (long)getpid());
    if (n < 0 || n >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_ARG, "path too long (%.80s...): use a shorter one", path);
    return LT_OK;
}

/* Rename and make the name durable. */
static lt_status commit(const char *temp, const char *path, const char *tag)
{
    lt_test_point(tag, "written");
    if (rename(temp, path) != 0) {
        const int err = errno;
        unlink(temp);
        return write_failed("cannot put a file in place", path, err);
    }
    const int err = sync_folder_of(path);
    if (err) return write_failed("cannot make a file durable", path, err);
    lt_test_point(tag, "after");
    return LT_OK;
}

lt_status lt_file_publish(const char *temp, const char *path, const char *tag)
{
    const int fd = open(temp, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return write_failed("a written file is gone", temp, errno);
    const int err = sync_fd(fd);
    close(fd);
    if (err) {
        unlink(temp);
        return write_failed("cannot write", path, err);
    }
    return commit(temp, path, tag);
}

lt_status lt_file_write(const char *path, const void *data, size_t bytes, const char *tag)
{
    lt_status st = LT_OK;
    char temp[LT_PATH_MAX];
    LT_TRY(lt_file_temp_name(path, temp));
    lt_test_point(tag, "before");
    const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = write_failed("cannot create a file", path, errno);
        goto cleanup;
    }
    int err = write_halves(fd, data, bytes, tag);
    if (!err) err = sync_fd(fd);
    if (close(fd) != 0 && !err) err = errno; /* NFS reports a full disk here */
    if (err) {
        unlink(temp);
        st = write_failed("cannot write", path, err);
        goto cleanup;
    }
    LT_TRY(commit(temp, path, tag));
cleanup:
    return st;
}

/* Is this "<something>.tmp.<digits>"? */
static bool is_leftover(const char *name)
{
    const size_t n = strlen(name);
    size_t i = n;
    while (i > 0 && name[i - 1] >= '0' && name[i - 1] <= '9') i--;
    return i < n && i > 5 && memcmp(name + i - 5, ".tmp.", 5) == 0;
}

lt_status lt_file_sweep(const char *folder, int64_t *n_removed)
{
    lt_status st = LT_OK;
    int64_t n = 0;
    DIR *d = opendir(folder);
    if (!d && errno != ENOENT) return read_failed("cannot list a folder", folder, errno);
    while (d) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e && errno) st = read_failed("cannot list a folder", folder, errno);
        if (!e) break;
        if (is_leftover(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) == 0) n++;
    }
    if (d) closedir(d);
    if (st == LT_OK && n_removed) *n_removed = n;
    return st;
}

/* Does the file end inside a line? *size is its length. 0 or an errno. */
static int tail_of(int fd, off_t *size, bool *torn)
{
    struct stat s;
    char last = '\n';
    if (fstat(fd, &s) != 0) return errno;
    if (s.st_size > 0 && pread(fd, &last, 1, s.st_size - 1) != 1) return EIO;
    *size = s.st_size;
    *torn = last != '\n';
    return 0;
}

/* Append [\n] line \n to an open journal; 0 or an errno, then the old length is back. */
static int append_open(int fd, const char *line, const char *tag, bool *is_new)
{
    off_t size = 0;
    bool torn = false;
    int err = tail_of(fd, &size, &torn);
    if (err) return err;
    const size_t n = strlen(line);
    char *text = malloc(n + 2);
    if (!text) return ENOMEM;
    text[0] = '\n';
    memcpy(text + torn, line, n);
    text[n + torn] = '\n';
    err = write_halves(fd, text, n + torn + 1, tag);
    free(text);
    if (!err) err = sync_fd(fd);
    if (err && ftruncate(fd, size) != 0) err = EIO; /* the torn line is closed later */
    *is_new = size == 0;
    return err;
}

lt_status lt_file_append_line(const char *path, const char *line, const char *tag)
{
    if (strchr(line, '\n'))
        return LT_FAIL(LT_ERR_ARG, "a journal line has a line end (%s): report this",
                       path);
    lt_test_point(tag, "before");
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return write_failed("cannot open a journal", path, errno);
    bool is_new = false;
    int err = append_open(fd, line, tag, &is_new);
    if (close(fd) != 0 && !err) err = errno;
    if (!err && is_new) err = sync_folder_of(path);
    if (err == ENOMEM) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    if (err) return write_failed("cannot write to a journal", path, err);
    lt_test_point(tag, "after");
    return LT_OK;
}

/* Open a regular file for reading and tell its size. O_NONBLOCK: a pipe must not hang
 * us before we see that it is one. */
static lt_status open_regular(const char *path, int *out, int64_t *size)
{
    struct stat s;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return read_failed("cannot read a file", path, errno);
    const bool ok = fstat(fd, &s) == 0;
    if (!ok || !S_ISREG(s.st_mode)) {
        close(fd);
        return LT_FAIL(LT_ERR_DATA, "not a regular file (%s): give a file", path);
    }
    *out = fd;
    *size = s.st_size;
    return LT_OK;
}

FILE *lt_file_stream(const char *path)
{
    int fd = -1;
    int64_t size = 0;
    if (open_regular(path, &fd, &size) != LT_OK) return NULL;
    FILE *f = fdopen(fd, "rb");
    if (!f) close(fd);
    return f;
}

/* Read up to `bytes` bytes; the number read (less only at the end), or -1 and errno. */
static int64_t read_all(int fd, char *data, size_t bytes)
{
    size_t n = 0;
    while (n < bytes) {
        const ssize_t r = read(fd, data + n, bytes - n);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return -1;
        if (r == 0) break;
        n += (size_t)r;
    }
    return (int64_t)n;
}

lt_status lt_file_read(const char *path, size_t max_bytes, void **data, size_t *bytes)
{
    lt_status st = LT_OK;
    int fd = -1;
    int64_t size = 0;
    char *buf = NULL;
    LT_TRY(open_regular(path, &fd, &size));
    if ((uint64_t)size > max_bytes) {
        st = LT_FAIL(LT_ERR_DATA, "file larger than %zu bytes (%s): is it the right one?",
                     max_bytes, path);
        goto cleanup;
    }
    buf = malloc((size_t)size + 1);
    if (!buf) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
        goto cleanup;
    }
    const int64_t n = read_all(fd, buf, (size_t)size);
    if (n < 0) {
        st = read_failed("cannot read a file", path, errno);
        goto cleanup;
    }
    buf[n] = '\0';
    *data = buf;
    *bytes = (size_t)n;
    buf = NULL;
cleanup:
    free(buf);
    if (fd >= 0) close(fd);
    return st;
}

lt_status lt_file_size(const char *path, int64_t *bytes)
{
    int fd = -1;
    int64_t size = 0;
    const lt_status st = open_regular(path, &fd, &size);
    if (st != LT_OK) return st;
    close(fd);
    *bytes = size;
    return LT_OK;
}

bool lt_path_ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcasecmp(path + n - m, end) == 0;
}

bool lt_file_exists(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0;
}

bool lt_file_is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

bool lt_folder_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

lt_status lt_file_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return LT_FAIL(LT_ERR_IO, "cannot remove a file, %s (%s): check the rights",
                       strerror(errno), path);
    return LT_OK;
}

lt_status lt_folder_make(const char *path)
{
    char part[LT_PATH_MAX];
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return LT_FAIL(LT_ERR_ARG, "folder name empty or too long (%.80s): use another",
                       path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) == 0) {
            const int err = sync_folder_of(part);
            if (err) return write_failed("cannot make a folder durable", part, err);
        } else if (!lt_folder_exists(part)) {
            return write_failed("cannot make a folder", part, errno);
        }
    }
    return LT_OK;
}

lt_status lt_disk_free(const char *path, int64_t *bytes)
{
    struct statvfs v;
    if (statvfs(path, &v) != 0)
        return LT_FAIL(LT_ERR_IO,
                       "cannot ask for free disk space, %s (%s): check the "
                       "folder",
                       strerror(errno), path);
    const uint64_t unit = v.f_frsize ? v.f_frsize : v.f_bsize;
    uint64_t n = 0;
    if (__builtin_mul_overflow(unit, (uint64_t)v.f_bavail, &n) || n > INT64_MAX)
        n = INT64_MAX;
    *bytes = (int64_t)n;
    return LT_OK;
}

/* Copy a path without empty and "." parts; in place is fine, it only gets shorter. */
static void tidy_path(char *path)
{
    const char *from = path;
    char *to = path;
    while (*from) {
        while (*from == '/') from++;
        const size_t n = strcspn(from, "/");
        if (n > 0 && !(n == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += n;
    }
    if (to == path) *to++ = '/';
    *to = '\0';
}

lt_status lt_path_absolute(const char *folder, const char *path, char *out)
{
    char full[3 * LT_PATH_MAX], cwd[LT_PATH_MAX];
    const bool rooted = path[0] == '/';
    if (!rooted && !(folder && folder[0] == '/') && !getcwd(cwd, sizeof(cwd)))
        return LT_FAIL(LT_ERR_IO,
                       "cannot tell the working folder, %s (%s): cd into one "
                       "that exists",
                       strerror(errno), path);
    int n = 0;
    if (rooted)
        n = snprintf(full, sizeof(full), "%s", path);
    else if (!folder)
        n = snprintf(full, sizeof(full), "%s/%s", cwd, path);
    else if (folder[0] == '/')
        n = snprintf(full, sizeof(full), "%s/%s", folder, path);
    else
        n = snprintf(full, sizeof(full), "%s/%s/%s", cwd, folder, path);
    if (n >= 0 && n < (int)sizeof(full)) tidy_path(full);
    if (n < 0 || n >= (int)sizeof(full) || strlen(full) >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_ARG, "path too long (%.80s...): use a shorter one", path);
    memcpy(out, full, strlen(full) + 1);
    return LT_OK;
}

lt_status lt_path_folder(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    const size_t n = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_ARG, "path too long (%.80s...): use a shorter one", path);
    memcpy(out, slash ? path : ".", n);
    out[n] = '\0';
    return LT_OK;
}

static void to_hex(const unsigned char *bytes, size_t n, char *hex)
{
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static lt_status crypto_failed(void)
{
    return LT_FAIL(LT_ERR_INTERNAL, "SHA-256 failed (libcrypto): report this");
}

lt_status lt_sha256(const void *data, size_t bytes, char hex[LT_SHA256_HEX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (EVP_Digest(data, bytes, sum, &n, EVP_sha256(), NULL) != 1 || n != 32)
        return crypto_failed();
    to_hex(sum, n, hex);
    return LT_OK;
}

/* Feed an open file to the digest. */
static lt_status digest_file(EVP_MD_CTX *md, int fd, const char *path, char *buf,
                             size_t size)
{
    for (;;) {
        const int64_t n = read_all(fd, buf, size);
        if (n < 0) return read_failed("cannot read a file", path, errno);
        if (n == 0) return LT_OK;
        if (EVP_DigestUpdate(md, buf, (size_t)n) != 1) return crypto_failed();
    }
}

lt_status lt_sha256_file(const char *path, char hex[LT_SHA256_HEX])
{
    lt_status st = LT_OK;
    enum { PIECE = 1 << 20 };
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    int fd = -1;
    int64_t size = 0;
    char *buf = malloc(PIECE);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!buf || !md) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
        goto cleanup;
    }
    LT_TRY(open_regular(path, &fd, &size));
    if (EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        st = crypto_failed();
        goto cleanup;
    }
    LT_TRY(digest_file(md, fd, path, buf, PIECE));
    if (EVP_DigestFinal_ex(md, sum, &n) != 1 || n != 32) {
        st = crypto_failed();
        goto cleanup;
    }
    to_hex(sum, n, hex);
cleanup:
    EVP_MD_CTX_free(md);
    free(buf);
    if (fd >= 0) close(fd);
    return st;
}

void lt_xxh128(const void *data, size_t bytes, char hex[LT_XXH128_HEX])
{
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(data, bytes));
    to_hex(sum.digest, sizeof(sum.digest), hex);
}
