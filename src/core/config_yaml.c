/* The YAML side of the configuration: a walk over libyaml's events. Nesting is fixed by
 * the grammar (section, key, value or list), so a hostile file cannot make it deep. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/config.h"

enum { YAML_BYTES_MAX = 1 << 20 };

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *name, *folder, *text;
    size_t bytes;
    lt_config *config;
    lt_facts *facts;
    int line[LT_N_OPTIONS]; /* where this file sets each option; 0: it does not */
    char seen_sections[64][64];
    int n_sections;
} reader;

static int line_of(const reader *r) { return (int)r->event.start_mark.line + 1; }

static lt_status refuse(const reader *r, const char *what, const char *how)
{
    return LT_FAIL(LT_ERR_CONFIG, "%s (%s:%d): %s", what, r->name, line_of(r), how);
}

/* Line of a complaint; libyaml gives an offset only when the bytes are no text. */
static int problem_line(const reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error != YAML_READER_ERROR) return (int)p->problem_mark.line + 1;
    int line = 1;
    for (size_t i = 0; i < p->problem_offset && i < r->bytes; i++)
        line += r->text[i] == '\n';
    return line;
}

static lt_status syntax_error(const reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", r->name);
    return LT_FAIL(LT_ERR_CONFIG, "not valid YAML, %s (%s:%d): %s",
                   p->problem ? p->problem : "unreadable", r->name, problem_line(r),
                   p->error == YAML_READER_ERROR ? "save it as UTF-8 text"
                                                 : "check indentation and quotes");
}

/* What no event of a configuration may carry. */
static lt_status check_event(const reader *r)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (e->type == YAML_ALIAS_EVENT)
        return refuse(r, "aliases are not allowed", "write the value itself");
    if (e->type == YAML_SCALAR_EVENT)
        anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
    else if (e->type == YAML_MAPPING_START_EVENT)
        anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
    if (anchor) return refuse(r, "anchors are not allowed", "take the & name out");
    if (tag) return refuse(r, "tags are not allowed", "take the ! word out");
    if (e->type == YAML_SCALAR_EVENT &&
        strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
        return refuse(r, "a text holds a zero byte", "take it out");
    return LT_OK;
}

static lt_status next(reader *r)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) return syntax_error(r);
    return check_event(r);
}

static const char *scalar(const reader *r)
{
    return (const char *)r->event.data.scalar.value;
}

static bool is_plain(const reader *r)
{
    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A plain empty value, ~ or null: nothing was given. */
static bool is_null(const reader *r)
{
    return r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
           (!*scalar(r) || !strcmp(scalar(r), "~") || !strcmp(scalar(r), "null"));
}

static bool takes_quotes(const lt_option *o)
{
    return o->type == LT_OPT_TEXT || o->type == LT_OPT_PATH || o->type == LT_OPT_ENUM ||
           o->type == LT_OPT_TIME || o->type == LT_OPT_BYTES || o->type == LT_OPT_FILES;
}

static lt_status wrong_type(const reader *r, const lt_option *o, const char *what)
{
    return LT_FAIL(LT_ERR_CONFIG, "%s.%s is %s (%s:%d): write it like %s", o->section,
                   o->key, what, r->name, line_of(r), o->def[0] ? o->def : "a text");
}

/* Collect a sequence of plain scalars as "a,b,c", the form of the command line; one of
 * files as a line each. */
static lt_status read_list(reader *r, const lt_option *o, FILE *f)
{
    lt_status st = LT_OK;
    for (int64_t n = 0;; n++) {
        LT_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        if (r->event.type != YAML_SCALAR_EVENT) {
            st = wrong_type(r, o, "nested too deep");
            break;
        }
        if (o->type == LT_OPT_FILES) {
            if (is_null(r) || strchr(scalar(r), '\n'))
                LT_TRY(wrong_type(r, o, "not a list of files"));
            fprintf(f, "%s\n", scalar(r));
            continue;
        }
        if (!is_plain(r) || strchr(scalar(r), ',') || is_null(r)) {
            st = wrong_type(r, o, "not a list of numbers");
            break;
        }
        fprintf(f, "%s%s", n ? "," : "", scalar(r));
    }
cleanup:
    return st;
}

static lt_status value_list(reader *r, const lt_option *o)
{
    lt_status st = LT_OK;
    char *buf = NULL;
    size_t bytes = 0;
    char where[LT_WHERE_MAX];
    if (o->type != LT_OPT_INTS && o->type != LT_OPT_FILES)
        return wrong_type(r, o, "a list, not one value");
    snprintf(where, sizeof(where), "%.*s:%d", LT_PATH_MAX, r->name, line_of(r));
    FILE *f = open_memstream(&buf, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", r->name);
    st = read_list(r, o, f);
    const bool bad = ferror(f) != 0;
    if ((fclose(f) != 0 || bad) && st == LT_OK)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", r->name);
    if (st == LT_OK) st = lt_option_parse(o, buf, r->folder, where, r->config);
    free(buf);
    return st;
}

static lt_status value_scalar(reader *r, const lt_option *o)
{
    char where[LT_WHERE_MAX];
    const char *text = scalar(r);
    const bool texty = o->type == LT_OPT_TEXT || o->type == LT_OPT_PATH ||
                       o->type == LT_OPT_TIME || o->type == LT_OPT_FILES;
    if (is_null(r) && !texty) return wrong_type(r, o, "without a value");
    if (is_null(r)) text = "";
    if (!is_plain(r) && !takes_quotes(o)) return wrong_type(r, o, "a text in quotes");
    if (o->type == LT_OPT_INTS) return wrong_type(r, o, "one value, not a list");
    snprintf(where, sizeof(where), "%.*s:%d", LT_PATH_MAX, r->name, line_of(r));
    return lt_option_parse(o, text, r->folder, where, r->config);
}

/* One "key: value" of a section; the key is the current event. */
static lt_status read_option(reader *r, const char *section)
{
    lt_status st = LT_OK;
    char where[LT_WHERE_MAX];
    snprintf(where, sizeof(where), "%.*s:%d", LT_PATH_MAX, r->name, line_of(r));
    const lt_option *o = lt_config_option(section, scalar(r));
    if (!o) return lt_config_unknown(section, scalar(r), where);
    int *line = &r->line[o - lt_config_options()];
    if (*line)
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s is set twice (%s): line %d has it already",
                       o->section, o->key, where, *line);
    *line = line_of(r);
    LT_TRY(next(r));
    if (r->event.type == YAML_SCALAR_EVENT)
        st = value_scalar(r, o);
    else if (r->event.type == YAML_SEQUENCE_START_EVENT)
        st = value_list(r, o);
    else
        st = wrong_type(r, o, "a mapping, not one value");
cleanup:
    return st;
}

/* One "key: text" of the section job; the key is the current event. */
static lt_status read_fact(reader *r)
{
    lt_status st = LT_OK;
    char key[64];
    if (strlen(scalar(r)) >= sizeof(key))
        return refuse(r, "a key of job is too long", "take it out");
    strcpy(key, scalar(r));
    if (lt_facts_get(r->facts, key))
        return refuse(r, "a key of job is set twice", "take one out");
    LT_TRY(next(r));
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "a value of job is not a text", "write key: \"text\"");
    st = lt_facts_set(r->facts, key, scalar(r));
    if (st == LT_ERR_ARG)
        st = refuse(r, "a key of job is not a word, or there are too many",
                    "leave this section as longtake wrote it");
cleanup:
    return st;
}

/* Remember a section name; refuse it the second time. */
static lt_status enter_section(reader *r, const char *section)
{
    for (int i = 0; i < r->n_sections; i++)
        if (!strcmp(r->seen_sections[i], section))
            return refuse(r, "a section appears twice", "join the two");
    strcpy(r->seen_sections[r->n_sections++], section); /* known names: they fit */
    return LT_OK;
}

static bool known_section(const char *section)
{
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (!strcmp(lt_config_options()[i].section, section)) return true;
    return !strcmp(section, "job");
}

/* One "section: mapping"; the name is the current event. */
static lt_status read_section(reader *r)
{
    lt_status st = LT_OK;
    char name[64], where[LT_WHERE_MAX];
    snprintf(where, sizeof(where), "%.*s:%d", LT_PATH_MAX, r->name, line_of(r));
    if (!known_section(scalar(r))) return lt_config_unknown(scalar(r), "", where);
    snprintf(name, sizeof(name), "%s", scalar(r));
    LT_TRY(enter_section(r, name));
    LT_TRY(next(r));
    if (is_null(r)) return LT_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return LT_FAIL(LT_ERR_CONFIG,
                       "section '%s' is not a mapping (%s): write its keys below it, "
                       "indented",
                       name, where);
    for (;;) {
        LT_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, "a key is not a word", "write key: value");
        LT_TRY(!strcmp(name, "job") ? read_fact(r) : read_option(r, name));
    }
cleanup:
    return st;
}

static lt_status read_sections(reader *r)
{
    lt_status st = LT_OK;
    if (is_null(r)) return LT_OK; /* a document of comments */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return refuse(r, "not a configuration",
                      "write sections with keys, see "
                      "configs/reference.yaml");
    for (;;) {
        LT_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, "a section name is not a word", "write section: keys");
        LT_TRY(read_section(r));
    }
cleanup:
    return st;
}

static lt_status read_stream(reader *r)
{
    lt_status st = LT_OK;
    LT_TRY(next(r)); /* stream start */
    LT_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return LT_OK;
    LT_TRY(next(r)); /* behind document start */
    LT_TRY(read_sections(r));
    LT_TRY(next(r)); /* document end */
    LT_TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        st = refuse(r, "a second document", "keep one configuration a file");
cleanup:
    return st;
}

/* What was read becomes the configuration; the old one is freed. */
static void publish(reader *r, lt_config *c, lt_facts *facts, lt_config *made,
                    lt_facts *found)
{
    snprintf(made->file, sizeof(made->file), "%s", r->name);
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (r->line[i] || made->line[i] > 0)
            made->line[i] = r->line[i] ? r->line[i] : LT_LINE_OTHER;
    lt_config_free(c);
    *c = *made;
    memset(made, 0, sizeof(*made));
    if (!facts) return;
    lt_facts_free(facts);
    *facts = *found;
    *found = (lt_facts){ 0 };
}

lt_status lt_config_load_text(lt_config *c, lt_facts *facts, const char *text,
                              size_t bytes, const char *name, const char *folder)
{
    lt_status st = LT_OK;
    lt_facts found = { 0 };
    lt_config *made = calloc(1, sizeof(*made));
    reader *r = calloc(1, sizeof(*r));
    if (!made || !r || !yaml_parser_initialize(&r->parser)) {
        free(made);
        free(r);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", name);
    }
    LT_TRY(lt_config_copy(made, c));
    r->name = name, r->folder = folder, r->config = made, r->facts = &found;
    r->text = text, r->bytes = bytes;
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, bytes);
    LT_TRY(read_stream(r));
    publish(r, c, facts, made, &found);
cleanup:
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    lt_facts_free(&found);
    lt_config_free(made);
    free(made);
    free(r);
    return st;
}

lt_status lt_config_load(lt_config *c, lt_facts *facts, const char *path)
{
    lt_status st = LT_OK;
    void *text = NULL;
    size_t bytes = 0;
    char folder[LT_PATH_MAX];
    LT_TRY(lt_file_read(path, YAML_BYTES_MAX, &text, &bytes));
    LT_TRY(lt_path_folder(path, folder));
    LT_TRY(lt_config_load_text(c, facts, text, bytes, path, folder));
cleanup:
    free(text);
    return st;
}
