#include "app/scene_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "app/cli.h"
#include "core/file.h"
#include "core/units.h"

enum { FILE_BYTES_MAX = 1 << 16, PAIRS_MAX = 32, WORD_MAX = 64, N_KEYS = 21 };

/* Every key of a scene file; the first ones are the factors. */
static const char *const keys[N_KEYS + 1] = {
    "shape", "colour",      "material",    "place",         "time",
    "style", "weather",     "second",      "second_colour", "second_material",
    "front", "shot_frames", "places_vary", "size",          "speed",
    "spin",  "pan",         "zoom",        "shake",         "rate",
    "seed",  NULL
};

typedef struct pair {
    char key[WORD_MAX], value[WORD_MAX];
    int line;
} pair;

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *name;
    pair at[PAIRS_MAX];
    int n;
} reader;

/* ---- YAML -------------------------------------------------------------------------- */

static int line_of(const reader *r) { return (int)r->event.start_mark.line + 1; }

static lt_status refuse(const reader *r, const char *what)
{
    return LT_FAIL(LT_ERR_CONFIG, "%s (%s:%d): write lines `key: value`", what, r->name,
                   line_of(r));
}

static lt_status next(reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG, "not YAML: %s (%s:%d): write lines `key: value`",
                   r->parser.problem ? r->parser.problem : "unreadable", r->name,
                   (int)r->parser.problem_mark.line + 1);
}

static lt_status take_word(const reader *r, char out[WORD_MAX])
{
    const char *text = (const char *)r->event.data.scalar.value;
    if (r->event.type != YAML_SCALAR_EVENT) return refuse(r, "not a word or a number");
    if (r->event.data.scalar.anchor || strlen(text) != r->event.data.scalar.length ||
        strlen(text) >= WORD_MAX)
        return refuse(r, "not a word or a number");
    snprintf(out, WORD_MAX, "%s", text);
    return LT_OK;
}

static lt_status check_key(const reader *r, const pair *p)
{
    char near[96];
    int known = 0;
    for (int i = 0; i < N_KEYS; i++) known |= !strcmp(keys[i], p->key);
    if (!known)
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown key %s%s (%s:%d): see `longtake synth --help`", p->key,
                       lt_cli_nearest(p->key, keys, near), r->name, p->line);
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->at[i].key, p->key))
            return LT_FAIL(LT_ERR_CONFIG,
                           "%s is set twice (%s:%d): line %d has it already", p->key,
                           r->name, p->line, r->at[i].line);
    return LT_OK;
}

/* The pairs of the mapping; known and not repeated, so they fit. */
static lt_status read_pairs(reader *r)
{
    lt_status st = LT_OK;
    for (;;) {
        LT_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return LT_OK;
        pair p = { .line = line_of(r) };
        LT_TRY(take_word(r, p.key));
        LT_TRY(check_key(r, &p));
        LT_TRY(next(r));
        LT_TRY(take_word(r, p.value));
        r->at[r->n++] = p;
    }
cleanup:
    return st;
}

static lt_status read_document(reader *r)
{
    lt_status st = LT_OK;
    LT_TRY(next(r)); /* begin of the stream */
    LT_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return LT_OK; /* an empty file */
    LT_TRY(next(r));
    if (r->event.type == YAML_SCALAR_EVENT && !r->event.data.scalar.length)
        return LT_OK; /* comments alone */
    if (r->event.type != YAML_MAPPING_START_EVENT) return refuse(r, "not a scene");
    LT_TRY(read_pairs(r));
    LT_TRY(next(r)); /* end of the document */
    LT_TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT) st = refuse(r, "a second document");
cleanup:
    return st;
}

static lt_status read_file(reader *r, const char *path)
{
    lt_status st = LT_OK;
    void *text = NULL;
    size_t bytes = 0;
    r->name = path;
    LT_TRY(lt_file_read(path, FILE_BYTES_MAX, &text, &bytes));
    if (!yaml_parser_initialize(&r->parser)) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
        goto cleanup;
    }
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, text, bytes);
    st = read_document(r);
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
cleanup:
    free(text);
    return st;
}

/* ---- values ------------------------------------------------------------------------ */

/* " a, b, c" for messages. */
static void join(const char *const *names, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; names[i] && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s %s", i ? "," : "", names[i]);
}

/* " (did you mean `x`?): use one of a, b, c" for a factor, into out [512]. */
static void list_values(int factor, const char *word, char *out)
{
    const char *names[17];
    char near[96], list[384];
    int n = 0;
    for (; n < 16 && n < lt_synth_n_values(factor); n++)
        names[n] = lt_synth_value_name(factor, n);
    names[n] = NULL;
    join(names, list, sizeof(list));
    snprintf(out, 512, "%s: use one of%s", lt_cli_nearest(word, names, near), list);
}

/* The factor whose values a key takes, or -1. */
static int values_of(const char *key)
{
    if (!strcmp(key, "second")) return LT_SYNTH_SHAPE;
    if (!strncmp(key, "second_", 7)) key += 7;
    return lt_synth_factor_find(key);
}

static lt_status set_pair(lt_scene *s, const pair *p, const char *name)
{
    char list[512];
    const lt_synth_verdict v = lt_synth_set(s, p->key, p->value);
    const int factor = values_of(p->key);
    if (v == LT_SYNTH_OK) return LT_OK;
    if (v == LT_SYNTH_NO_VALUE && factor >= 0) {
        list_values(factor, p->value, list);
        return LT_FAIL(LT_ERR_CONFIG, "%s has no value %s (%s:%d)%s%s", p->key, p->value,
                       name, p->line, list, strcmp(p->key, "second") ? "" : ", or none");
    }
    return LT_FAIL(LT_ERR_CONFIG, "%s: %s is refused, %s (%s:%d): change the line",
                   p->key, p->value, lt_synth_verdict_text(v), name, p->line);
}

static lt_status find_seed(const reader *r, uint64_t *seed)
{
    int64_t n = 0;
    for (int i = 0; i < r->n; i++) {
        const pair *p = &r->at[i];
        if (strcmp(p->key, "seed")) continue;
        if (lt_int_parse(p->value, &n) != LT_OK || n < 0)
            return LT_FAIL(LT_ERR_CONFIG, "seed: %s (%s:%d): give a whole number >= 0",
                           p->value, r->name, p->line);
        *seed = (uint64_t)n;
    }
    return LT_OK;
}

/* The place goes first: which times there are depends on it. */
static lt_status apply(const reader *r, lt_scene *s)
{
    lt_status st = LT_OK;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < r->n; i++) {
            const int place = !strcmp(r->at[i].key, "place");
            if (place == (pass == 0) && strcmp(r->at[i].key, "seed"))
                LT_TRY(set_pair(s, &r->at[i], r->name));
        }
cleanup:
    return st;
}

lt_status lt_scene_file_read(lt_scene *out, const char *path, const uint64_t *seed,
                             unsigned flags)
{
    lt_status st = LT_OK;
    lt_scene s;
    uint64_t from = 1;
    reader *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (scene)");
    if (path) LT_TRY(read_file(r, path));
    LT_TRY(find_seed(r, &from));
    if (seed) from = *seed;
    lt_synth_scene_draw(&s, from, flags);
    LT_TRY(apply(r, &s));
    if ((flags & LT_SYNTH_TRAINING) && lt_synth_reserved(&s))
        LT_TRY(LT_FAIL(LT_ERR_CONFIG,
                       "the scene shows a combination that is kept for judging (%s): "
                       "change a factor, or leave --training out",
                       path ? path : "--seed"));
    *out = s;
cleanup:
    free(r);
    return st;
}

/* ---- --edit ------------------------------------------------------------------------ */

static lt_status unknown_factor(const char *name)
{
    const char *names[LT_SYNTH_N_FACTORS + 1];
    char near[96], list[256];
    for (int i = 0; i < LT_SYNTH_N_FACTORS; i++) names[i] = lt_synth_factor_name(i);
    names[LT_SYNTH_N_FACTORS] = NULL;
    join(names, list, sizeof(list));
    return LT_FAIL(LT_ERR_USAGE, "unknown factor %s%s (--edit): use one of%s", name,
                   lt_cli_nearest(name, names, near), list);
}

lt_status lt_scene_edit_text(lt_scene *s, const char *text, unsigned flags, int *factor)
{
    char name[WORD_MAX], list[512];
    const char *equals = strchr(text, '=');
    int value = -1;
    const size_t n = equals ? (size_t)(equals - text) : strlen(text);
    snprintf(name, sizeof(name), "%.*s", n < WORD_MAX ? (int)n : WORD_MAX - 1, text);
    const int f = lt_synth_factor_find(name);
    if (f < 0) return unknown_factor(name);
    if (equals && (value = lt_synth_value_find(f, equals + 1)) < 0) {
        list_values(f, equals + 1, list);
        return LT_FAIL(LT_ERR_USAGE, "%s has no value %.60s (--edit)%s", name, equals + 1,
                       list);
    }
    const lt_synth_verdict v = lt_synth_edit(s, s, f, value, flags);
    if (v != LT_SYNTH_OK)
        return LT_FAIL(LT_ERR_USAGE,
                       "the edit is refused, %s (--edit %.80s): choose another",
                       lt_synth_verdict_text(v), text);
    *factor = f;
    return LT_OK;
}
