#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/pickle.h"
#include "io/weights.h"

/* Zip archives, as far as torch.save writes them: APPNOTE.TXT 4.3 and 4.5.3. */
enum {
    END_BYTES = 22,
    END_SEARCH = END_BYTES + 65535, /* a comment may follow */
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_MEMBERS = 200000
};

typedef struct member {
    const char *name; /* in the archive, no zero at its end */
    size_t n_name;
    const uint8_t *data;
    uint64_t bytes;
} member;

struct lt_torch_file {
    const uint8_t *map; /* NULL when the image is borrowed */
    size_t map_bytes;
    lt_pickle *p;
    const uint8_t **storage; /* [count of p] */
};

/* An archive being read. */
typedef struct archive {
    const uint8_t *data;
    size_t bytes;
    const char *where;
    member *m; /* [n], sorted by name */
    size_t n;
} archive;

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static lt_status bad(const archive *a, const char *what)
{
    return LT_FAIL(LT_ERR_DATA, "unusable torch file (%s): %s", a->where, what);
}

/* Whether [at, at + n) lies in the file. */
static int inside(const archive *a, uint64_t at, uint64_t n)
{
    return at <= a->bytes && n <= a->bytes - at;
}

/* ---- the list of members --------------------------------------------------------- */

static lt_status find_end(const archive *a, size_t *end)
{
    const size_t least = a->bytes > END_SEARCH ? a->bytes - END_SEARCH : 0;
    if (a->bytes < END_BYTES) return bad(a, "it is truncated; download it again");
    for (size_t at = a->bytes - END_BYTES + 1; at-- > least;)
        if (!memcmp(a->data + at, "PK\5\6", 4)) {
            *end = at;
            return LT_OK;
        }
    return bad(a, "its archive has no end: it is truncated, download it again");
}

/* Where the list of members is and how many it has. */
static lt_status find_list(const archive *a, uint64_t *at, uint64_t *n)
{
    size_t end = 0;
    const lt_status st = find_end(a, &end);
    if (st != LT_OK) return st;
    const uint8_t *p = a->data + end;
    *n = number(p + 10, 2);
    *at = number(p + 16, 4);
    if (end < LOCATOR_BYTES || memcmp(p - LOCATOR_BYTES, "PK\6\7", 4) != 0) return LT_OK;
    const uint64_t big = number(p - LOCATOR_BYTES + 8, 8);
    if (!inside(a, big, END64_BYTES) || memcmp(a->data + big, "PK\6\6", 4) != 0)
        return bad(a, "its archive is damaged, download it again");
    *n = number(a->data + big + 32, 8);
    *at = number(a->data + big + 48, 8);
    return LT_OK;
}

/* Sizes above 32 bits stand in an extra field, those that need it, in this order. */
static void read_extra(const uint8_t *p, size_t n, uint64_t *const value[3])
{
    while (n >= 4) {
        const size_t id = number(p, 2), size = number(p + 2, 2);
        if (size > n - 4) return;
        size_t at = 4;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*value[i] != 0xffffffffu || at + 8 > 4 + size) continue;
            *value[i] = number(p + at, 8);
            at += 8;
        }
        p += 4 + size;
        n -= 4 + size;
    }
}

static lt_status read_entry(const archive *a, const uint8_t *p, uint64_t room, member *m,
                            uint64_t *used)
{
    if (room < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return bad(a, "its archive is damaged, download it again");
    const uint64_t flags = number(p + 8, 2), method = number(p + 10, 2);
    const size_t n_name = number(p + 28, 2), n_extra = number(p + 30, 2);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), at = number(p + 42, 4);
    uint64_t *const wide[3] = { &size, &packed, &at };
    *used = ENTRY_BYTES + n_name + n_extra + number(p + 32, 2);
    if (*used > room) return bad(a, "its archive is damaged, download it again");
    read_extra(p + ENTRY_BYTES + n_name, n_extra, wide);
    if (method != 0 || packed != size || flags & 1)
        return bad(a, "its archive is compressed or encrypted, which torch.save never "
                      "does");
    if (!inside(a, at, LOCAL_BYTES) || memcmp(a->data + at, "PK\3\4", 4) != 0)
        return bad(a, "its archive is damaged, download it again");
    const uint64_t skip =
        LOCAL_BYTES + number(a->data + at + 26, 2) + number(a->data + at + 28, 2);
    if (!inside(a, at, skip) || !inside(a, at + skip, size))
        return bad(a, "a member of its archive ends beyond the file: it is truncated, "
                      "download it again");
    *m = (member){ .name = (const char *)p + ENTRY_BYTES,
                   .n_name = n_name,
                   .data = a->data + at + skip,
                   .bytes = size };
    return LT_OK;
}

static int by_name(const void *x, const void *y)
{
    const member *a = x, *b = y;
    const size_t n = a->n_name < b->n_name ? a->n_name : b->n_name;
    const int order = memcmp(a->name, b->name, n);
    return order ? order : (a->n_name > b->n_name) - (a->n_name < b->n_name);
}

static lt_status read_list(archive *a)
{
    lt_status st = LT_OK;
    uint64_t at = 0, n = 0, used = 0;
    LT_TRY(find_list(a, &at, &n));
    if (n > MAX_MEMBERS || !inside(a, at, n * ENTRY_BYTES))
        return bad(a, "its archive is damaged, download it again");
    a->m = calloc((size_t)n + 1, sizeof(*a->m));
    if (!a->m) return LT_FAIL(LT_ERR_NOMEM, "out of memory for the list of an archive");
    for (uint64_t i = 0; i < n; i++, at += used)
        LT_TRY(read_entry(a, a->data + at, a->bytes - at, &a->m[a->n++], &used));
    qsort(a->m, a->n, sizeof(*a->m), by_name);
    for (size_t i = 1; i < a->n; i++)
        if (by_name(&a->m[i - 1], &a->m[i]) == 0)
            return bad(a, "two members of its archive have one name");
cleanup:
    return st;
}

/* ---- torch's members ------------------------------------------------------------- */

static const member *find_member(const archive *a, const char *name, size_t n)
{
    const member key = { .name = name, .n_name = n };
    return a->n ? bsearch(&key, a->m, a->n, sizeof(*a->m), by_name) : NULL;
}

/* FOLDER/data.pkl, with FOLDER a plain name. */
static const member *find_pickle(const archive *a)
{
    static const char tail[] = "/data.pkl";
    const size_t n = sizeof(tail) - 1;
    for (size_t i = 0; i < a->n; i++) {
        const member *m = &a->m[i];
        if (m->n_name > n && !memcmp(m->name + m->n_name - n, tail, n) &&
            !memchr(m->name, '/', m->n_name - n))
            return m;
    }
    return NULL;
}

static lt_status find_storage(const archive *a, const member *pickle,
                              const lt_pickle_tensor *t, const uint8_t **data)
{
    char *name = NULL;
    const int folder = (int)pickle->n_name - 9; /* strlen("/data.pkl") */
    const int n = asprintf(&name, "%.*s/data/%s", folder, pickle->name, t->storage);
    if (n < 0) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a name");
    const member *m = find_member(a, name, (size_t)n);
    free(name);
    if (!m)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable torch file (%s, tensor %.200s): its archive has no "
                       "storage %.60s",
                       a->where, t->name, t->storage);
    if (m->bytes / (uint64_t)t->cell < (uint64_t)t->storage_count)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable torch file (%s, tensor %.200s): its storage has %llu "
                       "bytes, %lld elements of %s are expected",
                       a->where, t->name, (unsigned long long)m->bytes,
                       (long long)t->storage_count, t->type);
    *data = m->data;
    return LT_OK;
}

static lt_status check_order(const archive *a, const member *pickle)
{
    char name[128];
    const int n = snprintf(name, sizeof(name), "%.*s/byteorder", (int)pickle->n_name - 9,
                           pickle->name);
    if (n < 0 || (size_t)n >= sizeof(name)) return LT_OK;
    const member *m = find_member(a, name, (size_t)n);
    if (!m || (m->bytes == 6 && !memcmp(m->data, "little", 6))) return LT_OK;
    return bad(a, "its numbers are big-endian: save it again on another machine");
}

int lt_torch_looks(const void *data, size_t bytes)
{
    /* protocol 2, and the magic number of torch before 1.6 as a long of 10 bytes */
    static const uint8_t old[] = { 0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46 };
    return (bytes >= 4 && !memcmp(data, "PK\3\4", 4)) ||
           (bytes >= sizeof(old) && !memcmp(data, old, sizeof(old)));
}

static lt_status check_start(const archive *a)
{
    static const char lfs[] = "version https://git-lfs";
    if (a->bytes >= sizeof(lfs) - 1 && !memcmp(a->data, lfs, sizeof(lfs) - 1))
        return bad(a, "a git-lfs pointer stands in its place: run \"git lfs pull\"");
    if (a->bytes >= 4 && !memcmp(a->data, "PK\3\4", 4)) return LT_OK;
    if (lt_torch_looks(a->data, a->bytes))
        return bad(a,
                   "it was written by torch before 1.6; load it with torch and save it "
                   "again with torch.save");
    return bad(a, "it is no archive of torch.save");
}

lt_status lt_torch_parse(const void *data, size_t bytes, const char *where,
                         lt_torch_file **out)
{
    lt_status st = LT_OK;
    archive a = { .data = data, .bytes = bytes, .where = where };
    lt_torch_file *t = calloc(1, sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a torch file");
    LT_TRY(check_start(&a));
    LT_TRY(read_list(&a));
    const member *pickle = find_pickle(&a);
    if (!pickle) LT_TRY(bad(&a, "its archive holds no data.pkl: it is no model"));
    LT_TRY(check_order(&a, pickle));
    LT_TRY(lt_pickle_parse(pickle->data, pickle->bytes, where, &t->p));
    t->storage = calloc((size_t)lt_pickle_count(t->p) + 1, sizeof(*t->storage));
    if (!t->storage) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory for a torch file"));
    for (int64_t i = 0; i < lt_pickle_count(t->p); i++)
        LT_TRY(find_storage(&a, pickle, lt_pickle_at(t->p, i), &t->storage[i]));
    *out = t;
    t = NULL;
cleanup:
    free(a.m);
    lt_torch_close(&t);
    return st;
}

static lt_status map_file(const char *path, const uint8_t **map, size_t *bytes)
{
    struct stat info;
    /* O_NONBLOCK: a pipe must not hang us before we see that it is one */
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        const int e = errno;
        if (fd >= 0) close(fd);
        return LT_FAIL(e == EIO ? LT_ERR_IO : LT_ERR_NOINPUT,
                       "cannot open the torch file, %s (%s): check the name and the "
                       "rights",
                       strerror(e), path);
    }
    void *p = S_ISREG(info.st_mode) && info.st_size > 0
                  ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                  : MAP_FAILED;
    close(fd);
    if (p == MAP_FAILED)
        return LT_FAIL(LT_ERR_DATA,
                       "cannot read the torch file (%s): it is empty, or no "
                       "file; download it again",
                       path);
    *map = p;
    *bytes = (size_t)info.st_size;
    return LT_OK;
}

lt_status lt_torch_open(const char *path, lt_torch_file **t)
{
    const uint8_t *map = NULL;
    size_t bytes = 0;
    lt_status st = map_file(path, &map, &bytes);
    if (st != LT_OK) return st;
    st = lt_torch_parse(map, bytes, path, t);
    if (st == LT_OK) {
        (*t)->map = map;
        (*t)->map_bytes = bytes;
    } else
        munmap((void *)map, bytes);
    return st;
}

void lt_torch_close(lt_torch_file **t)
{
    if (!t || !*t) return;
    if ((*t)->map) munmap((void *)(*t)->map, (*t)->map_bytes);
    lt_pickle_close(&(*t)->p);
    free((*t)->storage);
    free(*t);
    *t = NULL;
}

int64_t lt_torch_count(const lt_torch_file *t) { return lt_pickle_count(t->p); }

const lt_pickle_tensor *lt_torch_at(const lt_torch_file *t, int64_t i)
{
    return lt_pickle_at(t->p, i);
}

const uint8_t *lt_torch_storage(const lt_torch_file *t, int64_t i)
{
    return t->storage[i];
}

/* ---- conversion ------------------------------------------------------------------ */

static int is_contiguous(const lt_pickle_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] > 1 && t->stride[i] != step) return 0;
        step *= t->shape[i];
    }
    return 1;
}

/* The elements one after the other, in memory of their own. */
static lt_status make_contiguous(const lt_pickle_tensor *t, const uint8_t *storage,
                                 uint8_t **out)
{
    const size_t cell = (size_t)t->cell;
    int64_t at[LT_MAX_DIMS] = { 0 }, from = t->offset;
    uint8_t *p = malloc((size_t)t->count * cell + 1);
    if (!p) return LT_FAIL(LT_ERR_NOMEM, "out of memory for tensor %.200s", t->name);
    for (int64_t i = 0; i < t->count; i++) {
        memcpy(p + (size_t)i * cell, storage + (size_t)from * cell, cell);
        for (int d = t->ndim - 1; d >= 0; d--) { /* the next element */
            from += t->stride[d];
            if (++at[d] < t->shape[d]) break;
            from -= t->shape[d] * t->stride[d];
            at[d] = 0;
        }
    }
    *out = p;
    return LT_OK;
}

/* One storage may stand in many tensors, so a small file could ask for a huge one. */
static lt_status check_total(const lt_torch_file *t, const char *where, int64_t *total)
{
    enum { TIMES = 4, SMALL = 1 << 20 };
    const uint64_t most = TIMES * (uint64_t)t->map_bytes + SMALL;
    uint64_t sum = 0;
    for (int64_t i = 0; i < lt_torch_count(t); i++) {
        const lt_pickle_tensor *x = lt_torch_at(t, i);
        sum += (uint64_t)x->count * (uint64_t)x->cell;
        if (sum > most)
            return LT_FAIL(LT_ERR_DATA,
                           "unusable torch file (%s): its tensors share their storage so "
                           "often that they are larger than the file many times over",
                           where);
    }
    *total = (int64_t)sum;
    return LT_OK;
}

static lt_status describe(const lt_torch_file *t, int64_t i, lt_weight_raw *raw,
                          uint8_t **copy)
{
    const lt_pickle_tensor *x = lt_torch_at(t, i);
    const uint8_t *storage = lt_torch_storage(t, i);
    lt_status st = LT_OK;
    if (!is_contiguous(x)) st = make_contiguous(x, storage, copy);
    *raw = (lt_weight_raw){ .name = x->name,
                            .type = x->type,
                            .ndim = x->ndim,
                            .data = *copy ? *copy : storage + x->offset * x->cell,
                            .bytes = (size_t)(x->count * x->cell) };
    memcpy(raw->shape, x->shape, sizeof(raw->shape));
    return st;
}

lt_status lt_torch_convert(const char *in, const char *out, lt_torch_report *report)
{
    static const char *const metadata[] = { "format", "pt", NULL };
    lt_status st = LT_OK;
    lt_torch_file *t = NULL;
    lt_weight_raw *raw = NULL;
    uint8_t **copy = NULL;
    int64_t n = 0, total = 0;
    LT_TRY(lt_torch_open(in, &t));
    LT_TRY(check_total(t, in, &total));
    if (lt_file_exists(out))
        LT_TRY(LT_FAIL(LT_ERR_CANTCREAT,
                       "the file is there already (%s): remove it, or give another name",
                       out));
    n = lt_torch_count(t);
    raw = calloc((size_t)n, sizeof(*raw));
    copy = calloc((size_t)n, sizeof(*copy));
    if (!raw || !copy) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory for a list"));
    for (int64_t i = 0; i < n; i++) LT_TRY(describe(t, i, &raw[i], &copy[i]));
    LT_TRY(lt_weights_write_raw(out, raw, (int)n, metadata));
    if (report) *report = (lt_torch_report){ .tensors = n, .bytes = total };
cleanup:
    for (int64_t i = 0; copy && i < n; i++) free(copy[i]);
    free(copy);
    free(raw);
    lt_torch_close(&t);
    return st;
}
