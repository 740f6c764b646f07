#include "io/weights.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/weights_impl.h"

enum { MAX_SHARDS = 1000, MAX_INDEX_BYTES = 4 << 20 };

void lt_weights_close(lt_weights **w)
{
    if (!w || !*w) return;
    for (int64_t i = 0; i < (*w)->n; i++) free((char *)(*w)->t[i].name);
    for (int i = 0; i < (*w)->n_files; i++) {
        lt_weight_file *f = &(*w)->file[i];
        if (f->map) munmap((void *)f->map, f->bytes);
        json_decref(f->metadata);
        free(f->path);
    }
    free((*w)->file);
    free((*w)->t);
    free(*w);
    *w = NULL;
}

static lt_status new_weights(lt_weights **w)
{
    *w = calloc(1, sizeof(**w));
    return *w ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of tensors");
}

/* A new, empty file record with the path. */
static lt_status add_file(lt_weights *w, const char *path, lt_weight_file **file)
{
    lt_weight_file *f = realloc(w->file, (size_t)(w->n_files + 1) * sizeof(*f));
    char *copy = strdup(path);
    if (f) w->file = f;
    if (!f || !copy) {
        free(copy);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of files");
    }
    *file = &w->file[w->n_files++];
    **file = (lt_weight_file){ .path = copy };
    return LT_OK;
}

static lt_status open_file(const char *path, int *fd, size_t *bytes)
{
    struct stat info;
    /* O_NONBLOCK: a pipe must not hang us before we see that it is one */
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &info) != 0) {
        const int e = errno;
        return LT_FAIL(e == EIO ? LT_ERR_IO : LT_ERR_NOINPUT,
                       "cannot open weights, %s (%s): check the name and the rights",
                       strerror(e), path);
    }
    if (!S_ISREG(info.st_mode))
        return LT_FAIL(LT_ERR_NOINPUT, "weights are not a file (%s): give a file", path);
    *bytes = (size_t)info.st_size;
    return LT_OK;
}

/* Map one safetensors file and append its tensors. */
static lt_status add_safetensors(lt_weights *w, const char *path)
{
    lt_status st = LT_OK;
    lt_weight_file *f = NULL;
    size_t bytes = 0;
    int fd = -1;

    LT_TRY(open_file(path, &fd, &bytes));
    LT_TRY(add_file(w, path, &f));
    if (bytes > 0) { /* an empty file cannot be mapped; the parser refuses it */
        void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            st = LT_FAIL(LT_ERR_IO, "cannot read weights, %s (%s): check the disk",
                         strerror(errno), path);
            goto cleanup;
        }
        f->map = map;
        f->bytes = bytes;
    }
    LT_TRY(lt_weights_add_image(w, f->map, bytes, f->path, &f->metadata));
cleanup:
    if (fd >= 0) close(fd);
    return st;
}

static lt_status open_one(const char *path, lt_weights **out)
{
    lt_status st = LT_OK;
    lt_weights *w = NULL;
    LT_TRY(new_weights(&w));
    LT_TRY(add_safetensors(w, path));
    LT_TRY(lt_weights_finish(w));
    *out = w;
    w = NULL;
cleanup:
    lt_weights_close(&w);
    return st;
}

lt_status lt_weights_parse(const void *data, size_t bytes, const char *where,
                           lt_weights **out)
{
    lt_status st = LT_OK;
    lt_weights *w = NULL;
    lt_weight_file *f = NULL;
    LT_TRY(new_weights(&w));
    LT_TRY(add_file(w, where, &f));
    LT_TRY(lt_weights_add_image(w, data, bytes, f->path, &f->metadata));
    LT_TRY(lt_weights_finish(w));
    *out = w;
    w = NULL;
cleanup:
    lt_weights_close(&w);
    return st;
}

/* ---- shards ------------------------------------------------------------------ */

/* A shard is a plain name: an index from elsewhere must not reach other folders. */
static int is_plain_name(const char *name)
{
    return name && name[0] != '\0' && name[0] != '.' && !strpbrk(name, "/\\");
}

static lt_status add_shard(lt_weights *w, const char *index, const char *name)
{
    const char *slash = strrchr(index, '/');
    const int folder = slash ? (int)(slash - index) : 1;
    char *path = NULL;
    if (asprintf(&path, "%.*s/%s", folder, slash ? index : ".", name) < 0)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for a path");
    for (int i = 0; i < w->n_files; i++) {
        if (strcmp(w->file[i].path, path) != 0) continue;
        free(path); /* opened already */
        return LT_OK;
    }
    lt_status st = w->n_files < MAX_SHARDS
                       ? add_safetensors(w, path)
                       : LT_FAIL(LT_ERR_DATA, "more than %d shards (%s): not a model",
                                 MAX_SHARDS, index);
    free(path);
    return st;
}

/* Every name of the map must be in the file that the map says. */
static lt_status check_map(const lt_weights *w, json_t *map, const char *index)
{
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
    {
        const lt_weight *t = lt_weights_find(w, name);
        const char *file = t ? strrchr(t->file, '/') : NULL;
        if (!t || strcmp(file ? file + 1 : t->file, json_string_value(value)) != 0)
            return LT_FAIL(LT_ERR_DATA,
                           "tensor %.200s is not in %.200s as its index says (%s): "
                           "download the weights again",
                           name, json_string_value(value), index);
    }
    return LT_OK;
}

static lt_status add_shards(lt_weights *w, json_t *map, const char *index)
{
    const char *name;
    json_t *value;
    if (!json_is_object(map))
        return LT_FAIL(LT_ERR_DATA, "broken index of shards (%s): no weight_map", index);
    json_object_foreach(map, name, value)
    {
        const char *file = json_string_value(value);
        if (!is_plain_name(file))
            return LT_FAIL(LT_ERR_DATA,
                           "broken index of shards (%s, tensor %.200s): the file must be "
                           "a plain name in the same folder",
                           index, name);
        const lt_status st = add_shard(w, index, file);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status open_index(const char *path, lt_weights **out)
{
    lt_status st = LT_OK;
    lt_weights *w = NULL;
    lt_weight_file *f = NULL;
    json_t *root = NULL;
    json_error_t err;
    size_t bytes = 0;
    int fd = -1;

    LT_TRY(new_weights(&w));
    LT_TRY(open_file(path, &fd, &bytes));
    LT_TRY(add_file(w, path, &f));
    if (bytes <= MAX_INDEX_BYTES) root = json_loadfd(fd, JSON_REJECT_DUPLICATES, &err);
    if (!json_is_object(root)) {
        st = LT_FAIL(LT_ERR_DATA, "broken index of shards (%s): %s", path,
                     bytes > MAX_INDEX_BYTES ? "too large"
                     : root                  ? "not an object"
                                             : err.text);
        goto cleanup;
    }
    json_t *map = json_object_get(root, "weight_map");
    LT_TRY(add_shards(w, map, path));
    LT_TRY(lt_weights_finish(w));
    LT_TRY(check_map(w, map, path));
    *out = w;
    w = NULL;
cleanup:
    if (fd >= 0) close(fd);
    json_decref(root);
    lt_weights_close(&w);
    return st;
}

lt_status lt_weights_open(const char *path, lt_weights **w)
{
    const size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".json") ? open_index(path, w)
                                                   : open_one(path, w);
}

/* ---- views --------------------------------------------------------------------- */

lt_status lt_weights_view_open(const char *where, lt_weights **w)
{
    lt_weight_file *f = NULL;
    lt_status st = new_weights(w);
    if (st == LT_OK) st = add_file(*w, where, &f);
    if (st != LT_OK) lt_weights_close(w);
    return st;
}

lt_status lt_weights_view_add(lt_weights *w, const char *name, const lt_weight *t,
                              int64_t first, int ndim, const int64_t *shape)
{
    lt_weight v = *t;
    const size_t cell = t->count > 0 ? t->bytes / (size_t)t->count : 0;
    v.ndim = ndim;
    v.count = 1;
    for (int i = 0; i < LT_MAX_DIMS; i++) {
        v.shape[i] = i < ndim ? shape[i] : 1;
        v.count *= v.shape[i];
    }
    assert(first >= 0 && v.count >= 0 && first + v.count <= t->count);
    v.data += (size_t)first * cell;
    v.bytes = (size_t)v.count * cell;
    v.name = strdup(name);
    if (!v.name) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tensor name");
    const lt_status st = lt_weights_append(w, &v);
    if (st != LT_OK) free((char *)v.name);
    return st;
}

lt_status lt_weights_view_finish(lt_weights *w) { return lt_weights_finish(w); }

static int exists(const char *dir, const char *stem, const char *ending)
{
    char path[4096];
    const int n = snprintf(path, sizeof(path), "%s/%s%s", dir, stem, ending);
    return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

lt_status lt_weights_open_folder(const char *dir, const char *stem, lt_weights **w)
{
    static const char *const endings[] = { ".safetensors", ".safetensors.index.json",
                                           ".fp16.safetensors",
                                           ".safetensors.index.fp16.json",
                                           ".bf16.safetensors" };
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        char path[4096];
        if (!exists(dir, stem, endings[i])) continue;
        snprintf(path, sizeof(path), "%s/%s%s", dir, stem, endings[i]);
        return lt_weights_open(path, w);
    }
    if (exists(dir, stem, ".bin") || exists(dir, "pytorch_model", ".bin"))
        return LT_FAIL(LT_ERR_NOINPUT,
                       "no safetensors file (%s): its .bin file is a pickle; make a "
                       "safetensors file of it with `longtake models convert`, or "
                       "download one",
                       dir);
    return LT_FAIL(LT_ERR_NOINPUT,
                   "no weights (%s/%s.safetensors): give a model folder in the layout of "
                   "diffusers",
                   dir, stem);
}

/* ---- looking up --------------------------------------------------------------- */

int64_t lt_weights_count(const lt_weights *w) { return w->n; }

const lt_weight *lt_weights_at(const lt_weights *w, int64_t i)
{
    return i >= 0 && i < w->n ? &w->t[i] : NULL;
}

static int compare_name(const void *key, const void *t)
{
    return strcmp(key, ((const lt_weight *)t)->name);
}

const lt_weight *lt_weights_find(const lt_weights *w, const char *name)
{
    if (w->n == 0) return NULL;
    return bsearch(name, w->t, (size_t)w->n, sizeof(*w->t), compare_name);
}

int lt_weights_n_files(const lt_weights *w) { return w->n_files; }
const char *lt_weights_file(const lt_weights *w, int i) { return w->file[i].path; }
const char *lt_weights_where(const lt_weights *w) { return w->file[0].path; }

const char *lt_weights_metadata(const lt_weights *w, const char *key)
{
    return json_string_value(json_object_get(w->file[0].metadata, key));
}

const char *lt_shape_text(int ndim, const int64_t *shape, char *text)
{
    if (ndim <= 0) return strcpy(text, "scalar");
    size_t n = 0;
    for (int i = 0; i < ndim; i++)
        n += (size_t)snprintf(text + n, LT_SHAPE_TEXT - n, "%s%lld", i ? "x" : "",
                              (long long)shape[i]);
    return text;
}

lt_status lt_weights_get(const lt_weights *w, const char *name, int ndim,
                         const int64_t *shape, const lt_weight **out)
{
    char found[LT_SHAPE_TEXT], expected[LT_SHAPE_TEXT];
    const lt_weight *t = lt_weights_find(w, name);
    if (!t)
        return LT_FAIL(LT_ERR_DATA,
                       "missing tensor %s of shape %s (%s): config.json and weights do "
                       "not belong together",
                       name, lt_shape_text(ndim, shape, expected), lt_weights_where(w));
    int same = t->ndim == ndim;
    for (int i = 0; same && i < ndim; i++) same = t->shape[i] == shape[i];
    if (!same)
        return LT_FAIL(
            LT_ERR_DATA,
            "tensor %s has shape %s, expected %s (%s): config.json and weights "
            "do not belong together",
            name, lt_shape_text(t->ndim, t->shape, found),
            lt_shape_text(ndim, shape, expected), t->file);
    *out = t;
    return LT_OK;
}
