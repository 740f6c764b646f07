#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "app/suite.h"
#include "core/file.h"
#include "core/units.h"
#include "io/mask.h"

enum { LIST_BYTES_MAX = 64 << 20, NAME_MAX_BYTES = 120, ENTRIES_MAX = 1 << 20 };

/* Every key of an entry, with the type of its value. */
typedef enum kind { TEXT, FILE_NAME, MASK, SWITCH, COUNT, SETTINGS, WORDS } kind;
static const struct {
    const char *key;
    kind kind;
} keys[] = { { "name", TEXT },          { "group", TEXT },
             { "variant", TEXT },       { "video", FILE_NAME },
             { "model", FILE_NAME },    { "method", TEXT },
             { "prompt", TEXT },        { "prompt_from", TEXT },
             { "source_prompt", TEXT }, { "negative_prompt", TEXT },
             { "mask", MASK },          { "use_mask", SWITCH },
             { "similarity", SWITCH },  { "curves", SWITCH },
             { "truth", FILE_NAME },    { "flow", FILE_NAME },
             { "settings", SETTINGS },  { "scene", FILE_NAME },
             { "seed", COUNT },         { "size", TEXT },
             { "frames", COUNT },       { "rate", TEXT },
             { "edit", WORDS } };
enum { N_KEYS = sizeof(keys) / sizeof(*keys) };

/* Where a list stands: for relative paths and messages. */
typedef struct place {
    const char *path;
    char folder[LT_PATH_MAX];
} place;

static lt_status no_memory(const place *p)
{
    return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", p->path);
}

static int find_key(const char *key)
{
    for (int i = 0; i < N_KEYS; i++)
        if (!strcmp(keys[i].key, key)) return i;
    return -1;
}

static lt_status unknown_key(const place *p, const char *where, const char *key)
{
    const char *known[N_KEYS + 1];
    char near[96];
    for (int i = 0; i < N_KEYS; i++) known[i] = keys[i].key;
    known[N_KEYS] = NULL;
    return LT_FAIL(LT_ERR_CONFIG, "unknown key %.60s%s (%s, %s): see docs/formats.md",
                   key, lt_cli_nearest(key, known, near), p->path, where);
}

static lt_status wrong_type(const place *p, const char *where, const char *key,
                            const char *want)
{
    return LT_FAIL(LT_ERR_CONFIG, "%.60s is no %s (%s, %s): see docs/formats.md", key,
                   want, p->path, where);
}

/* ---- values ------------------------------------------------------------------------ */

/* The text of a value of the configuration; NULL: no such value, or no memory. */
static json_t *setting_text(const json_t *v)
{
    char text[LT_UNIT_TEXT_MAX];
    if (json_is_string(v)) return json_string(json_string_value(v));
    if (json_is_boolean(v)) return json_string(json_is_true(v) ? "true" : "false");
    if (json_is_real(v)) return json_string(lt_float_format(json_real_value(v), text));
    if (!json_is_integer(v)) return NULL;
    snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
    return json_string(text);
}

/* Lay the settings of `from` over those of `to`. */
static lt_status lay_settings(const place *p, const char *where, json_t *to, json_t *from)
{
    const char *key;
    json_t *v;
    if (!json_is_object(from)) return wrong_type(p, where, "settings", "object");
    json_object_foreach(from, key, v)
    {
        json_t *text = setting_text(v);
        if (!text) return wrong_type(p, where, key, "text, number or boolean");
        if (json_object_set_new(to, key, text) != 0) return no_memory(p);
    }
    return LT_OK;
}

static lt_status absolute(const place *p, const char *where, const char *key,
                          const char *text, json_t **out)
{
    char path[LT_PATH_MAX];
    const lt_status st = lt_path_absolute(p->folder, text, path);
    if (st != LT_OK) return st;
    *out = json_string(path);
    return *out ? LT_OK : wrong_type(p, where, key, "name in UTF-8");
}

static lt_status take_words(const place *p, const char *where, const char *key,
                            const json_t *v, json_t **out)
{
    size_t i;
    json_t *word;
    if (json_is_string(v))
        *out = json_pack("[s]", json_string_value(v));
    else if (json_is_array(v))
        *out = json_copy((json_t *)v);
    else
        return wrong_type(p, where, key, "text or list of texts");
    if (!*out) return no_memory(p);
    json_array_foreach(*out, i, word)
    {
        if (json_is_string(word)) continue;
        json_decref(*out);
        *out = NULL;
        return wrong_type(p, where, key, "list of texts");
    }
    return LT_OK;
}

/* A value in its final form, the caller's. */
static lt_status take_value(const place *p, const char *where, int k, json_t *v,
                            json_t **out)
{
    const char *key = keys[k].key, *text = json_string_value(v);
    const kind what = keys[k].kind;
    if (what == WORDS) return take_words(p, where, key, v, out);
    if (what == SWITCH && !json_is_boolean(v))
        return wrong_type(p, where, key, "true or false");
    if (what == COUNT && (!json_is_integer(v) || json_integer_value(v) < 0))
        return wrong_type(p, where, key, "whole number, 0 or more");
    if (what != SWITCH && what != COUNT && !text)
        return wrong_type(p, where, key, "text");
    if (text && text[0] && (what == FILE_NAME || (what == MASK && !lt_mask_is_box(text))))
        return absolute(p, where, key, text, out);
    *out = json_incref(v);
    return LT_OK;
}

/* Lay the keys of `from` over the entry `to`. */
static lt_status lay(const place *p, const char *where, json_t *to, json_t *from)
{
    const char *key;
    json_t *v;
    if (!json_is_object(from)) return wrong_type(p, where, "the entry", "object");
    json_object_foreach(from, key, v)
    {
        json_t *value = NULL;
        const int k = find_key(key);
        if (k < 0) return unknown_key(p, where, key);
        lt_status st = LT_OK;
        if (keys[k].kind == SETTINGS) {
            st = lay_settings(p, where, json_object_get(to, key), v);
        } else {
            st = take_value(p, where, k, v, &value);
            if (st == LT_OK && json_object_set_new(to, key, value) != 0)
                st = no_memory(p);
        }
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* ---- entries ----------------------------------------------------------------------- */

static json_t *empty_entry(void)
{
    json_t *e = json_object();
    for (int i = 0; e && i < N_KEYS; i++) {
        json_t *v = keys[i].kind == SWITCH     ? json_false()
                    : keys[i].kind == COUNT    ? json_integer(0)
                    : keys[i].kind == SETTINGS ? json_object()
                    : keys[i].kind == WORDS    ? json_array()
                                               : json_string("");
        if (json_object_set_new(e, keys[i].key, v) != 0) {
            json_decref(e);
            e = NULL;
        }
    }
    return e;
}

static const char *text_of(const json_t *e, const char *key)
{
    const char *text = json_string_value(json_object_get(e, key));
    return text ? text : "";
}

/* --model, --method and --set come last. */
static lt_status lay_command_line(const place *p, const lt_cli *cli, json_t *e)
{
    json_t *settings = json_object_get(e, "settings");
    for (int i = 0; i < cli->n_settings; i++) {
        const lt_setting *s = &cli->settings[i];
        char key[128], path[LT_PATH_MAX];
        const char *value = s->value;
        int bad = 0;
        if (!strcmp(s->option, "model")) {
            const lt_status st = lt_path_absolute(NULL, s->value, path);
            if (st != LT_OK) return st;
            bad = json_object_set_new(e, "model", json_string(path));
        } else if (!strcmp(s->option, "method")) {
            bad = json_object_set_new(e, "method", json_string(s->value));
        } else {
            const size_t n = strcspn(value, "=");
            if (!value[n] || n >= sizeof(key))
                return LT_FAIL(LT_ERR_USAGE, "--set %.60s: give section.key=value",
                               value);
            snprintf(key, sizeof(key), "%.*s", (int)n, value);
            bad = json_object_set_new(settings, key, json_string(value + n + 1));
        }
        if (bad) return no_memory(p);
    }
    return LT_OK;
}

static int fits(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
}

/* The name of an entry that has none, and of its folder: of the film or the seed. */
static lt_status name_entry(const place *p, const char *where, json_t *e)
{
    char name[256];
    const char *given = text_of(e, "name"), *variant = text_of(e, "variant");
    const char *video = text_of(e, "video"), *slash = strrchr(video, '/');
    const char *stem = slash ? slash + 1 : video, *dot = strrchr(stem, '.');
    if (given[0])
        snprintf(name, sizeof(name), "%s", given);
    else if (stem[0])
        snprintf(name, sizeof(name), "%.*s",
                 dot && dot > stem ? (int)(dot - stem) : (int)strlen(stem), stem);
    else
        snprintf(name, sizeof(name), "seed-%lld",
                 (long long)json_integer_value(json_object_get(e, "seed")));
    for (char *c = name; *c && !given[0]; c++)
        if (!fits(*c)) *c = '_';
    const size_t n = strlen(name);
    if (variant[0]) snprintf(name + n, sizeof(name) - n, ".%s", variant);
    for (const char *c = name; *c; c++)
        if (!fits(*c) || name[0] == '.' || strlen(name) > NAME_MAX_BYTES)
            return LT_FAIL(LT_ERR_CONFIG,
                           "%.120s is no name of an entry (%s, %s): use at most %d of "
                           "a-z A-Z 0-9 . _ -, no dot in front",
                           name, p->path, where, NAME_MAX_BYTES);
    if (json_object_set_new(e, "name", json_string(name)) != 0) return no_memory(p);
    return LT_OK;
}

static lt_status check_entry(const place *p, const char *where, const json_t *e)
{
    const char *from = text_of(e, "prompt_from");
    const int scene = !text_of(e, "video")[0];
    if (!scene && (text_of(e, "scene")[0] || json_array_size(json_object_get(e, "edit"))))
        return LT_FAIL(LT_ERR_CONFIG,
                       "video and a scene are given (%s, %s): take one out", p->path,
                       where);
    if (scene && !json_array_size(json_object_get(e, "edit")))
        return LT_FAIL(LT_ERR_CONFIG,
                       "neither video nor edit is given (%s, %s): give a film, or a "
                       "seed and what to change",
                       p->path, where);
    if (!scene && !text_of(e, "prompt")[0])
        return LT_FAIL(LT_ERR_CONFIG, "no prompt (%s, %s): say what the result shows",
                       p->path, where);
    if (from[0] && strcmp(from, "caption") && strcmp(from, "instruction"))
        return LT_FAIL(LT_ERR_CONFIG,
                       "prompt_from is %.40s (%s, %s): give caption or instruction", from,
                       p->path, where);
    return LT_OK;
}

typedef struct list {
    place p;
    const lt_cli *cli;
    json_t *defaults, *variants; /* borrowed; NULL: none */
    json_t *names, *entries;
} list;

static lt_status add(list *l, json_t *from, json_t *variant, size_t i)
{
    lt_status st = LT_OK;
    char where[160];
    snprintf(where, sizeof(where), "entry %zu", i + 1);
    json_t *e = empty_entry();
    if (!e) return no_memory(&l->p);
    if (l->defaults) LT_TRY(lay(&l->p, "defaults", e, l->defaults));
    LT_TRY(lay(&l->p, where, e, from));
    if (variant) LT_TRY(lay(&l->p, "variants", e, variant));
    LT_TRY(lay_command_line(&l->p, l->cli, e));
    LT_TRY(name_entry(&l->p, where, e));
    LT_TRY(check_entry(&l->p, where, e));
    if (json_object_get(l->names, text_of(e, "name")))
        LT_TRY(LT_FAIL(LT_ERR_CONFIG,
                       "two entries are named %s (%s, %s): give each its own name",
                       text_of(e, "name"), l->p.path, where));
    const char *only = l->cli->eval.only;
    if (json_object_set_new(l->names, text_of(e, "name"), json_true()) != 0)
        LT_TRY(no_memory(&l->p));
    if (only && fnmatch(only, text_of(e, "name"), 0) != 0) goto cleanup;
    if (json_array_append(l->entries, e) != 0) st = no_memory(&l->p);
cleanup:
    json_decref(e);
    return st;
}

/* A variant has a name, which becomes the `variant` of its entries. */
static lt_status take_variants(list *l, json_t *variants)
{
    size_t i;
    json_t *v;
    if (!json_is_array(variants)) return wrong_type(&l->p, "top", "variants", "list");
    json_array_foreach(variants, i, v)
    {
        const char *name = text_of(v, "name");
        if (!name[0])
            return LT_FAIL(LT_ERR_CONFIG, "variant %zu has no name (%s): give it one",
                           i + 1, l->p.path);
        if (json_object_set_new(v, "variant", json_string(name)) != 0 ||
            json_object_del(v, "name") != 0)
            return no_memory(&l->p);
    }
    l->variants = variants;
    return LT_OK;
}

static lt_status take_list(list *l, json_t *root)
{
    lt_status st = LT_OK;
    json_t *entries = json_is_array(root) ? root : json_object_get(root, "entries");
    json_t *from, *variants = json_object_get(root, "variants");
    const char *key;
    size_t i, k;
    json_t *v;
    json_object_foreach(root, key, v)
    {
        if (strcmp(key, "entries") && strcmp(key, "variants") && strcmp(key, "defaults"))
            return LT_FAIL(LT_ERR_CONFIG,
                           "unknown key %.60s (%s): a list has defaults, variants and "
                           "entries",
                           key, l->p.path);
    }
    if (!json_is_array(entries) || !json_array_size(entries) ||
        json_array_size(entries) > ENTRIES_MAX)
        return LT_FAIL(LT_ERR_CONFIG, "no entries (%s): see docs/formats.md", l->p.path);
    l->defaults = json_object_get(root, "defaults");
    if (variants) LT_TRY(take_variants(l, variants));
    json_array_foreach(entries, i, from)
    {
        if (!l->variants || !json_array_size(l->variants))
            LT_TRY(add(l, from, NULL, i));
        else
            json_array_foreach(l->variants, k, v) LT_TRY(add(l, from, v, i));
    }
cleanup:
    return st;
}

static lt_status load(const char *path, json_t **root)
{
    lt_status st = LT_OK;
    void *text = NULL;
    size_t bytes = 0;
    json_error_t e;
    if (lt_folder_exists(path)) return lt_suite_layout_read(path, root);
    LT_TRY(lt_file_read(path, LIST_BYTES_MAX, &text, &bytes));
    *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &e);
    if (!*root)
        st = LT_FAIL(LT_ERR_DATA, "not JSON: %.200s (%s:%d): see docs/formats.md", e.text,
                     path, e.line);
cleanup:
    free(text);
    return st;
}

lt_status lt_suite_list_read(const char *path, const lt_cli *cli, json_t **entries)
{
    lt_status st = LT_OK;
    json_t *root = NULL;
    list l = { .p = { .path = path }, .cli = cli };
    l.names = json_object();
    l.entries = json_array();
    if (!l.names || !l.entries) LT_TRY(no_memory(&l.p));
    LT_TRY(load(path, &root));
    LT_TRY(lt_path_folder(path, l.p.folder));
    LT_TRY(take_list(&l, root));
    if (!json_array_size(l.entries))
        LT_TRY(LT_FAIL(LT_ERR_USAGE,
                       "no entry has such a name (--only %.80s): see %s for the names",
                       cli->eval.only, path));
    *entries = l.entries;
    l.entries = NULL;
cleanup:
    json_decref(l.names);
    json_decref(l.entries);
    json_decref(root);
    return st;
}
