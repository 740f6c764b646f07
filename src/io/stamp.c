#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "io/shard.h"

static lt_stamp make(uint64_t size, XXH128_hash_t h)
{
    lt_stamp s = { .size = size };
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, h);
    memcpy(s.xxh3, c.digest, sizeof(s.xxh3));
    return s;
}

lt_stamp lt_stamp_of(const void *data, size_t bytes)
{
    return make(bytes, XXH3_128bits(data, bytes));
}

static lt_status read_failed(const char *file)
{
    const int err = errno;
    if (err == ENOENT || err == ENOTDIR || err == ELOOP)
        return LT_FAIL(LT_ERR_NOINPUT, "missing (%s): it has to be made again", file);
    return LT_FAIL(LT_ERR_IO, "cannot read, %s (%s): check the disk or the file server",
                   strerror(err), file);
}

/* Hash an open file in pieces; *bytes grows by what was read. */
static lt_status hash_fd(int fd, const char *file, lt_stamp *out, int64_t *bytes)
{
    enum { PIECE = 1 << 20 };
    lt_status st = LT_OK;
    uint64_t total = 0;
    XXH3_state_t *x = XXH3_createState();
    char *buf = malloc(PIECE);
    if (!x || !buf) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", file);
        goto cleanup;
    }
    XXH3_128bits_reset(x);
    for (;;) {
        const ssize_t n = read(fd, buf, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            st = read_failed(file);
            goto cleanup;
        }
        if (n == 0) break;
        XXH3_128bits_update(x, buf, (size_t)n);
        total += (uint64_t)n;
        if (bytes) *bytes += n;
    }
    *out = make(total, XXH3_128bits_digest(x));
cleanup:
    XXH3_freeState(x);
    free(buf);
    return st;
}

lt_status lt_stamp_check(const char *file, const lt_stamp *want, int64_t *bytes)
{
    lt_status st = LT_OK;
    struct stat s;
    lt_stamp got = { 0 };
    const int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return read_failed(file);
    if (fstat(fd, &s) != 0) {
        st = read_failed(file);
        goto cleanup;
    }
    if (!S_ISREG(s.st_mode) || (uint64_t)s.st_size != want->size) {
        st = LT_FAIL(LT_ERR_DATA,
                     "damaged, %lld bytes instead of %lld (%s): it has to be made again",
                     (long long)s.st_size, (long long)want->size, file);
        goto cleanup;
    }
    LT_TRY(hash_fd(fd, file, &got, bytes));
    if (got.size != want->size || memcmp(got.xxh3, want->xxh3, sizeof(got.xxh3)) != 0)
        st =
            LT_FAIL(LT_ERR_DATA,
                    "damaged, its hash does not fit (%s): it has to be made again", file);
cleanup:
    close(fd);
    return st;
}
