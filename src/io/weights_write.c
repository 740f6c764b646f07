#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/options.h"
#include "io/weights_impl.h"

static const char *type_name(lt_dtype dtype)
{
    switch (dtype) {
    case LT_F32: return "F32";
    case LT_F16: return "F16";
    case LT_BF16: return "BF16";
    case LT_I64: return "I64";
    default: return NULL;
    }
}

static json_t *entry_json(const lt_weight_raw *t, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->ndim; i++)
        json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->type, "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + t->bytes));
}

static lt_status header_json(const lt_weight_raw *t, int n, const char *const *metadata,
                             json_t *root)
{
    size_t at = 0;
    if (metadata) {
        json_t *m = json_object();
        for (int i = 0; metadata[i]; i += 2)
            json_object_set_new(m, metadata[i], json_string(metadata[i + 1]));
        json_object_set_new(root, "__metadata__", m);
    }
    for (int i = 0; i < n; i++) {
        if (json_object_get(root, t[i].name))
            return LT_FAIL(LT_ERR_ARG, "tensor %s is given twice", t[i].name);
        if (json_object_set_new(root, t[i].name, entry_json(&t[i], at)) != 0)
            return LT_FAIL(LT_ERR_NOMEM, "out of memory for a weights header");
        at += t[i].bytes;
    }
    return LT_OK;
}

static int put(FILE *f, const char *header, const lt_weight_raw *t, int n)
{
    const size_t text = strlen(header), padded = (text + 7) / 8 * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    int ok = fwrite(length, 1, 8, f) == 8 && fwrite(header, 1, text, f) == text;
    for (size_t i = text; ok && i < padded; i++) ok = fputc(' ', f) != EOF;
    for (int i = 0; ok && i < n; i++)
        ok = t[i].bytes == 0 || fwrite(t[i].data, 1, t[i].bytes, f) == t[i].bytes;
    return ok && fflush(f) == 0;
}

/* Write everything to temp; *why is errno where it failed. */
static int write_temp(const char *temp, const char *header, const lt_weight_raw *t, int n,
                      int *why)
{
    FILE *f = fopen(temp, "wbe");
    int ok = f && put(f, header, t, n);
    *why = errno;
    if (f && fclose(f) != 0 && ok) {
        ok = 0;
        *why = errno;
    }
    return ok;
}

static lt_status write_failure(const char *path, int why)
{
    const int place = why == ENOENT || why == EACCES || why == EROFS || why == ENOTDIR;
    return LT_FAIL(why == ENOSPC || why == EDQUOT ? LT_ERR_NOSPACE
                   : place                        ? LT_ERR_CANTCREAT
                                                  : LT_ERR_IO,
                   "cannot write weights, %s (%s): check the folder and the rights",
                   strerror(why), path);
}

lt_status lt_weights_write_raw(const char *path, const lt_weight_raw *t, int n,
                               const char *const *metadata)
{
    lt_status st = LT_OK;
    json_t *root = json_object();
    char *header = NULL, temp[LT_PATH_MAX];
    int why = 0;

    LT_TRY(header_json(t, n, metadata, root));
    LT_TRY(lt_file_temp_name(path, temp));
    header = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (!header) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a weights header");
        goto cleanup;
    }
    if (!write_temp(temp, header, t, n, &why)) {
        unlink(temp);
        st = write_failure(path, why);
        goto cleanup;
    }
    st = lt_file_publish(temp, path, NULL);
cleanup:
    json_decref(root);
    free(header);
    return st;
}

static lt_status describe(const lt_weight_out *t, lt_weight_raw *raw)
{
    const lt_tensor *x = &t->tensor;
    if (!type_name(x->dtype) || x->space != LT_HOST)
        return LT_FAIL(LT_ERR_ARG, "cannot write tensor %s of type %s", t->name,
                       lt_dtype_name(x->dtype));
    *raw = (lt_weight_raw){ .name = t->name,
                            .type = type_name(x->dtype),
                            .ndim = x->ndim,
                            .data = x->data,
                            .bytes = lt_tensor_bytes(x) };
    memcpy(raw->shape, x->shape, sizeof(raw->shape));
    return LT_OK;
}

lt_status lt_weights_write(const char *path, const lt_weight_out *t, int n,
                           const char *const *metadata)
{
    lt_status st = LT_OK;
    lt_weight_raw *raw = calloc((size_t)n + 1, sizeof(*raw));
    if (!raw) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of tensors");
    for (int i = 0; i < n; i++) LT_TRY(describe(&t[i], &raw[i]));
    st = lt_weights_write_raw(path, raw, n, metadata);
cleanup:
    free(raw);
    return st;
}
