#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/pickle.h"
#include "io/weights_impl.h"

/* The format allows 100,000,000 bytes; what a header becomes in memory is up to 40 times as
 * large, and no model comes near: Stable Diffusion in one file has 140,000. */
enum { FORMAT_MAX = 100000000, HEADER_MAX = 4 << 20 };

static const struct type_row {
    const char *name;
    lt_weight_type type;
    int bytes;
} types[] = {
    { "F32", LT_WEIGHT_F32, 4 },       { "F16", LT_WEIGHT_F16, 2 },
    { "BF16", LT_WEIGHT_BF16, 2 },     { "I64", LT_WEIGHT_I64, 8 },
    { "F64", LT_WEIGHT_OTHER, 8 },     { "I32", LT_WEIGHT_I32, 4 },
    { "I16", LT_WEIGHT_OTHER, 2 },     { "I8", LT_WEIGHT_OTHER, 1 },
    { "U64", LT_WEIGHT_OTHER, 8 },     { "U32", LT_WEIGHT_OTHER, 4 },
    { "U16", LT_WEIGHT_OTHER, 2 },     { "U8", LT_WEIGHT_OTHER, 1 },
    { "BOOL", LT_WEIGHT_OTHER, 1 },    { "F8_E4M3", LT_WEIGHT_OTHER, 1 },
    { "F8_E5M2", LT_WEIGHT_OTHER, 1 },
};

static const struct type_row *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

/* One entry of the header while it is read. */
typedef struct entry {
    const char *where, *name;
    json_t *json;
    uint64_t data_bytes; /* of the whole file */
    uint64_t begin, end;
} entry;

#define BAD(e, text)                                                                    \
    LT_FAIL(LT_ERR_DATA, "broken safetensors file (%s, tensor %.200s): %s", (e)->where, \
            (e)->name, (text))

static lt_status read_type(const entry *e, lt_weight *t, int *type_bytes)
{
    const char *name = json_string_value(json_object_get(e->json, "dtype"));
    if (!name) return BAD(e, "dtype is missing or not a string");
    const struct type_row *row = find_type(name);
    if (!row)
        return LT_FAIL(
            LT_ERR_DATA,
            "tensor of type %.40s (%s, tensor %.200s): this type is not known; "
            "convert the weights to F32, F16 or BF16",
            name, e->where, e->name);
    t->type = row->type;
    strcpy(t->type_name, row->name);
    *type_bytes = row->bytes;
    return LT_OK;
}

static lt_status read_shape(const entry *e, lt_weight *t, int type_bytes)
{
    const json_t *shape = json_object_get(e->json, "shape");
    if (!json_is_array(shape)) return BAD(e, "shape is missing or not a list");
    if (json_array_size(shape) > LT_MAX_DIMS)
        return BAD(e, "more dimensions than any weight has");
    t->ndim = (int)json_array_size(shape);
    int64_t bytes = type_bytes;
    t->count = 1;
    for (int i = 0; i < t->ndim; i++) {
        const json_t *v = json_array_get(shape, (size_t)i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return BAD(e, "a size in the shape is not a number of elements");
        t->shape[i] = json_integer_value(v);
        if (__builtin_mul_overflow(t->count, t->shape[i], &t->count) ||
            __builtin_mul_overflow(bytes, t->shape[i], &bytes))
            return BAD(e, "the shape is larger than any file");
    }
    for (int i = t->ndim; i < LT_MAX_DIMS; i++) t->shape[i] = 1;
    t->bytes = (size_t)bytes;
    return LT_OK;
}

static lt_status read_range(entry *e, const lt_weight *t)
{
    const json_t *range = json_object_get(e->json, "data_offsets");
    const json_t *a = json_array_get(range, 0), *b = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(a) || !json_is_integer(b) ||
        json_integer_value(a) < 0 || json_integer_value(b) < json_integer_value(a))
        return BAD(e, "data_offsets is not a range");
    e->begin = (uint64_t)json_integer_value(a);
    e->end = (uint64_t)json_integer_value(b);
    if (e->end - e->begin != t->bytes)
        return BAD(e, "the range of the data does not fit type and shape");
    if (e->end > e->data_bytes)
        return BAD(e, "the data end beyond the end of the file: it is truncated, "
                      "download it again");
    return LT_OK;
}

lt_status lt_weights_append(lt_weights *w, const lt_weight *t)
{
    if (w->n == w->cap) {
        const int64_t cap = w->cap ? 2 * w->cap : 256;
        lt_weight *more = realloc(w->t, (size_t)cap * sizeof(*more));
        if (!more)
            return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of %lld tensors",
                           (long long)cap);
        w->t = more;
        w->cap = cap;
    }
    w->t[w->n++] = *t;
    return LT_OK;
}

static lt_status add_entry(lt_weights *w, entry *e, const uint8_t *data)
{
    lt_weight t = { .file = e->where };
    int type_bytes = 0;
    lt_status st = json_is_object(e->json) ? LT_OK : BAD(e, "the entry is no object");
    if (st == LT_OK) st = read_type(e, &t, &type_bytes);
    if (st == LT_OK) st = read_shape(e, &t, type_bytes);
    if (st == LT_OK) st = read_range(e, &t);
    if (st != LT_OK) return st;
    t.data = data + e->begin;
    t.name = strdup(e->name);
    if (!t.name) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tensor name");
    st = lt_weights_append(w, &t);
    if (st != LT_OK) free((char *)t.name);
    return st;
}

static int by_place(const void *a, const void *b)
{
    const lt_weight *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Ranges in order must touch: that excludes overlaps, holes and a loose end at once. */
static lt_status check_cover(lt_weight *t, int64_t n, const uint8_t *data, uint64_t bytes,
                             const char *where)
{
    if (n) qsort(t, (size_t)n, sizeof(*t), by_place);
    const uint8_t *at = data;
    for (int64_t i = 0; i < n; i++) {
        if (t[i].data != at)
            return LT_FAIL(LT_ERR_DATA,
                           "broken safetensors file (%s, tensor %.200s): its data %s",
                           where, t[i].name,
                           t[i].data < at ? "overlap those of another tensor"
                                          : "follow a hole that belongs to no tensor");
        at += t[i].bytes;
    }
    if (at != data + bytes)
        return LT_FAIL(LT_ERR_DATA,
                       "broken safetensors file (%s): %llu bytes at its end belong to no "
                       "tensor; download it again",
                       where, (unsigned long long)(data + bytes - at));
    return LT_OK;
}

/* The JSON text of the header; *skip is where the data begin. */
static lt_status find_header(const uint8_t *data, size_t bytes, const char *where,
                             size_t *skip)
{
    static const char lfs[] = "version https://git-lfs";
    if (bytes >= sizeof(lfs) - 1 && !memcmp(data, lfs, sizeof(lfs) - 1))
        return LT_FAIL(LT_ERR_DATA,
                       "git-lfs pointer instead of weights (%s): run \"git lfs pull\" in "
                       "the model's folder, or download the file itself",
                       where);
    if (bytes < 8 + 2)
        return LT_FAIL(LT_ERR_DATA,
                       "not a safetensors file (%s): it has only %zu bytes; download it "
                       "again",
                       where, bytes);
    if (lt_torch_looks(data, bytes))
        return LT_FAIL(LT_ERR_DATA,
                       "a torch file, which is a pickle, and no safetensors file (%s): "
                       "make one of it with `longtake models convert IN OUT`",
                       where);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | data[i];
    if (n > FORMAT_MAX)
        return LT_FAIL(LT_ERR_DATA,
                       "not a safetensors file (%s): a header of %llu bytes is longer "
                       "than the format allows; download the file again",
                       where, (unsigned long long)n);
    if (n > bytes - 8)
        return LT_FAIL(LT_ERR_DATA,
                       "truncated safetensors file (%s): its header has %llu bytes, the "
                       "file %zu; download it again",
                       where, (unsigned long long)n, bytes);
    if (n > HEADER_MAX)
        return LT_FAIL(LT_ERR_DATA,
                       "not the weights of a model (%s): its header has %llu bytes, more "
                       "than %d; download the model again",
                       where, (unsigned long long)n, HEADER_MAX);
    if (n < 2 || data[8] != '{')
        return LT_FAIL(LT_ERR_DATA,
                       "not a safetensors file (%s): its header does not begin with {",
                       where);
    *skip = 8 + (size_t)n;
    return LT_OK;
}

static lt_status check_metadata(json_t *m, const char *where)
{
    const char *key;
    json_t *value;
    int ok = json_is_object(m);
    json_object_foreach(m, key, value) ok = ok && json_is_string(value);
    if (ok) return LT_OK;
    return LT_FAIL(LT_ERR_DATA,
                   "broken safetensors file (%s): __metadata__ must hold texts only",
                   where);
}

lt_status lt_weights_add_image(lt_weights *w, const uint8_t *data, size_t bytes,
                               const char *where, json_t **metadata)
{
    lt_status st = LT_OK;
    json_t *root = NULL;
    json_error_t err;
    size_t skip = 0;
    const int64_t first = w->n;

    LT_TRY(find_header(data, bytes, where, &skip));
    root = json_loadb((const char *)data + 8, skip - 8, JSON_REJECT_DUPLICATES, &err);
    if (!json_is_object(root)) {
        st = LT_FAIL(LT_ERR_DATA, "broken safetensors file (%s, header): %s", where,
                     root ? "not an object" : err.text);
        goto cleanup;
    }
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        entry e = {
            .where = where, .name = name, .json = value, .data_bytes = bytes - skip
        };
        if (!strcmp(name, "__metadata__"))
            LT_TRY(check_metadata(value, where));
        else
            LT_TRY(add_entry(w, &e, data + skip));
    }
    lt_weight *new = w->t ? w->t + first : NULL; /* a file may hold no tensor at all */
    LT_TRY(check_cover(new, w->n - first, data + skip, bytes - skip, where));
    if (metadata) *metadata = json_incref(json_object_get(root, "__metadata__"));
cleanup:
    json_decref(root);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const lt_weight *)a)->name, ((const lt_weight *)b)->name);
}

lt_status lt_weights_finish(lt_weights *w)
{
    if (w->n) qsort(w->t, (size_t)w->n, sizeof(*w->t), by_name);
    for (int64_t i = 1; i < w->n; i++)
        if (!strcmp(w->t[i - 1].name, w->t[i].name))
            return LT_FAIL(LT_ERR_DATA,
                           "tensor %.200s is in two shards (%s and %s): keep one of them",
                           w->t[i].name, w->t[i - 1].file, w->t[i].file);
    return LT_OK;
}
