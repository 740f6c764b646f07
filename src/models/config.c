#include "models/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

void lt_model_config_close(lt_model_config *c)
{
    json_decref(c->root);
    free(c->path);
    c->root = NULL;
    c->path = NULL;
}

lt_status lt_model_config_parse(const char *text, size_t bytes, const char *where,
                                lt_model_config *c)
{
    json_error_t err;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &err);
    if (!json_is_object(root)) {
        json_decref(root);
        return LT_FAIL(LT_ERR_DATA, "not a JSON object (%s, line %d): %s", where,
                       root ? 1 : err.line, root ? "another value" : err.text);
    }
    c->root = root;
    c->path = strdup(where);
    if (c->path) return LT_OK;
    lt_model_config_close(c);
    return LT_FAIL(LT_ERR_NOMEM, "out of memory for a path");
}

lt_status lt_model_config_open(const char *dir, const char *part, const char *name,
                               size_t max_bytes, lt_model_config *c)
{
    lt_status st = LT_OK;
    char *path = NULL;
    void *text = NULL;
    size_t bytes = 0;
    const int made = part ? asprintf(&path, "%s/%s/%s", dir, part, name)
                          : asprintf(&path, "%s/%s", dir, name);
    if (made < 0) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a path");
    LT_TRY(lt_file_read(path, max_bytes, &text, &bytes));
    LT_TRY(lt_model_config_parse(text, bytes, path, c));
cleanup:
    free(text);
    free(path);
    return st;
}

/* The value, or NULL where the default holds. */
static const json_t *get(const lt_model_config *c, const char *key)
{
    const json_t *v = json_object_get(c->root, key);
    return json_is_null(v) ? NULL : v;
}

static lt_status bad(const lt_model_config *c, const char *key, const char *what)
{
    return LT_FAIL(LT_ERR_DATA, "unusable model configuration (%s, key %s): %s", c->path,
                   key, what);
}

static lt_status check_int(const lt_model_config *c, const char *key, const json_t *v,
                           int64_t min, int64_t max, int64_t *out)
{
    /* Some writers print 8.0 for 8. */
    const double real = json_is_real(v) ? json_real_value(v) : 0;
    const int whole =
        json_is_real(v) && real >= -1e15 && real <= 1e15 && real == (double)(int64_t)real;
    if (!json_is_integer(v) && !whole) return bad(c, key, "expected a whole number");
    const int64_t value = whole ? (int64_t)real : json_integer_value(v);
    if (value < min || value > max)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable model configuration (%s, key %s): %lld is outside "
                       "%lld .. %lld",
                       c->path, key, (long long)value, (long long)min, (long long)max);
    *out = value;
    return LT_OK;
}

lt_status lt_model_config_int(const lt_model_config *c, const char *key, int64_t preset,
                              int64_t min, int64_t max, int64_t *out)
{
    const json_t *v = get(c, key);
    if (v) return check_int(c, key, v, min, max, out);
    *out = preset;
    return LT_OK;
}

lt_status lt_model_config_real(const lt_model_config *c, const char *key, double preset,
                               double min, double max, double *out)
{
    const json_t *v = get(c, key);
    if (v && !json_is_number(v)) return bad(c, key, "expected a number");
    const double value = v ? json_number_value(v) : preset;
    if (!(value >= min && value <= max))
        return LT_FAIL(LT_ERR_DATA,
                       "unusable model configuration (%s, key %s): %g is outside "
                       "%g .. %g",
                       c->path, key, value, min, max);
    *out = value;
    return LT_OK;
}

lt_status lt_model_config_bool(const lt_model_config *c, const char *key, int preset,
                               int *out)
{
    const json_t *v = get(c, key);
    if (v && !json_is_boolean(v)) return bad(c, key, "expected true or false");
    *out = v ? json_is_true(v) : preset;
    return LT_OK;
}

lt_status lt_model_config_text(const lt_model_config *c, const char *key,
                               const char *preset, const char **out)
{
    const json_t *v = get(c, key);
    if (v && !json_is_string(v)) return bad(c, key, "expected a text");
    *out = v ? json_string_value(v) : preset;
    return LT_OK;
}

lt_status lt_model_config_ints(const lt_model_config *c, const char *key, int cap,
                               int64_t min, int64_t max, int64_t *out, int *n)
{
    const json_t *v = get(c, key);
    const size_t count = json_array_size(v); /* 0 for anything else */
    if (count < 1 || count > (size_t)cap)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable model configuration (%s, key %s): expected a list of 1 "
                       "to %d whole numbers",
                       c->path, key, cap);
    for (size_t i = 0; i < count; i++) {
        const lt_status st = check_int(c, key, json_array_get(v, i), min, max, &out[i]);
        if (st != LT_OK) return st;
    }
    *n = (int)count;
    return LT_OK;
}

lt_status lt_model_config_list_text(const lt_model_config *c, const char *key, int n,
                                    int i, const char **out)
{
    const json_t *v = get(c, key);
    const char *text = json_string_value(json_array_get(v, (size_t)i));
    if (json_array_size(v) != (size_t)n || !text)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable model configuration (%s, key %s): expected a list of %d "
                       "names",
                       c->path, key, n);
    *out = text;
    return LT_OK;
}

static int is_allowed(const json_t *v, const char *allowed)
{
    json_t *want = json_loads(allowed, JSON_DECODE_ANY, NULL);
    const int same = json_is_number(v) && json_is_number(want)
                         ? json_number_value(v) == json_number_value(want)
                         : json_equal(v, want);
    json_decref(want);
    return same;
}

lt_status lt_model_config_check_fixed(const lt_model_config *c,
                                      const lt_model_config_fixed *list)
{
    for (; list->key; list++) {
        const json_t *v = get(c, list->key);
        if (!v || is_allowed(v, list->allowed)) continue;
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        const lt_status st =
            LT_FAIL(LT_ERR_DATA,
                    "unsupported kind of model (%s, key %s): %.80s; only %s is supported",
                    c->path, list->key, text ? text : "?", list->allowed);
        free(text);
        return st;
    }
    return LT_OK;
}
