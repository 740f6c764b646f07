#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/mask_impl.h"

typedef struct entry {
    int64_t number; /* -1: none in the name */
    char *name;
} entry;

typedef struct entries {
    entry *at;
    int64_t n, cap, n_other;
} entries;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The last number of a name without its ending; -1: none, or one beyond all measure. */
static int64_t number_of(const char *name)
{
    const char *end = strrchr(name, '.');
    int64_t v = 0;
    while (end > name && !is_digit(end[-1])) end--;
    const char *begin = end;
    while (begin > name && is_digit(begin[-1])) begin--;
    while (begin < end && *begin == '0' && begin + 1 < end) begin++;
    if (begin == end || end - begin > 15) return -1;
    while (begin < end) v = v * 10 + (*begin++ - '0');
    return v;
}

static int is_png(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && !strcasecmp(name + n - 4, ".png");
}

static lt_status add(entries *e, const char *name, const char *path)
{
    if (e->n >= LT_MEDIA_MAX_FRAMES)
        return LT_FAIL(LT_ERR_DATA, "more than %d pictures (%s): cut the job into pieces",
                       LT_MEDIA_MAX_FRAMES, path);
    if (e->n == e->cap) {
        const int64_t cap = e->cap ? e->cap * 2 : 64;
        entry *at = realloc(e->at, (size_t)cap * sizeof(*at));
        if (!at) return LT_FAIL(LT_ERR_NOMEM, "out of memory (list of masks)");
        e->at = at;
        e->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy) return LT_FAIL(LT_ERR_NOMEM, "out of memory (list of masks)");
    e->at[e->n++] = (entry){ number_of(name), copy };
    return LT_OK;
}

static lt_status read_folder(const char *path, entries *e)
{
    lt_status st = LT_OK;
    DIR *dir = opendir(path);
    if (!dir)
        return LT_FAIL(LT_ERR_NOINPUT,
                       "cannot read the folder of masks, %s (%s): check the rights",
                       strerror(errno), path);
    for (;;) {
        errno = 0;
        const struct dirent *d = readdir(dir);
        if (!d && errno)
            st = LT_FAIL(LT_ERR_IO,
                         "cannot read the folder of masks, %s (%s): check the disk",
                         strerror(errno), path);
        if (!d || st != LT_OK) break;
        if (d->d_name[0] == '.') continue;
        if (is_png(d->d_name))
            st = add(e, d->d_name, path);
        else
            e->n_other++;
    }
    closedir(dir);
    return st;
}

static int by_number(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return strcmp(x->name, y->name);
}

static lt_status check_order(const entries *e, const char *path)
{
    if (e->n == 0)
        return LT_FAIL(
            LT_ERR_DATA,
            "no PNG in the folder of masks (%s): put one picture a frame there", path);
    if (e->at[0].number < 0)
        return LT_FAIL(
            LT_ERR_DATA,
            "a mask without a number in its name (%s/%.100s): name them 0001.png, "
            "0002.png and so on",
            path, e->at[0].name);
    for (int64_t i = 1; i < e->n; i++) {
        const entry *a = &e->at[i - 1], *b = &e->at[i];
        if (a->number == b->number)
            return LT_FAIL(
                LT_ERR_DATA,
                "two masks with the number %lld, %.100s and %.100s (%s): leave "
                "one picture a frame there",
                (long long)a->number, a->name, b->name, path);
        if (b->number != a->number + 1)
            return LT_FAIL(
                LT_ERR_DATA,
                "masks are missing between %.100s and %.100s (%s): number them "
                "without gaps",
                a->name, b->name, path);
    }
    return LT_OK;
}

lt_status lt_mask_folder_list(const char *path, lt_mask_folder *folder)
{
    lt_status st = LT_OK;
    entries e = { 0 };
    LT_TRY(read_folder(path, &e));
    if (e.n > 1) qsort(e.at, (size_t)e.n, sizeof(*e.at), by_number);
    LT_TRY(check_order(&e, path));
    folder->name = malloc((size_t)e.n * sizeof(*folder->name));
    if (!folder->name) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (list of masks)"));
    for (int64_t i = 0; i < e.n; i++) {
        folder->name[i] = e.at[i].name;
        e.at[i].name = NULL;
    }
    folder->n = e.n;
    folder->n_other = e.n_other;
cleanup:
    for (int64_t i = 0; i < e.n; i++) free(e.at[i].name);
    free(e.at);
    return st;
}

void lt_mask_folder_free(lt_mask_folder *folder)
{
    for (int64_t i = 0; i < folder->n; i++) free(folder->name[i]);
    free(folder->name);
    memset(folder, 0, sizeof(*folder));
}

lt_status lt_mask_folder_path(const char *path, const lt_mask_folder *folder, int64_t i,
                              char out[LT_PATH_MAX])
{
    const int n = snprintf(out, LT_PATH_MAX, "%s/%s", path, folder->name[i]);
    if (n > 0 && n < LT_PATH_MAX) return LT_OK;
    return LT_FAIL(LT_ERR_DATA, "path too long (%.200s...): use a shorter one", path);
}
