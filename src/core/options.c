#include "core/options.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "core/units.h"

static void *at(const lt_option *o, void *base) { return (char *)base + o->offset; }
static const void *cat(const lt_option *o, const void *base)
{
    return (const char *)base + o->offset;
}

static lt_status parse_bool(const lt_option *o, const char *text, const char *where,
                            void *out)
{
    const bool yes = !strcmp(text, "true");
    if (!yes && strcmp(text, "false") != 0)
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s.%s is neither true nor false: '%.60s' (%s): "
                       "write true or false",
                       o->section, o->key, text, where);
    *(bool *)out = yes;
    return LT_OK;
}

static lt_status out_of_range(const lt_option *o, const char *text, const char *where)
{
    char lo[LT_UNIT_TEXT_MAX], hi[LT_UNIT_TEXT_MAX];
    if (o->type == LT_OPT_FLOAT) {
        lt_float_format(o->fmin, lo);
        lt_float_format(o->fmax, hi);
    } else if (o->type == LT_OPT_BYTES) {
        lt_bytes_format(o->imin, lo);
        lt_bytes_format(o->imax, hi);
    } else {
        snprintf(lo, sizeof(lo), "%lld", (long long)o->imin);
        snprintf(hi, sizeof(hi), "%lld", (long long)o->imax);
    }
    return LT_FAIL(LT_ERR_CONFIG, "%s.%s is out of range: %.60s (%s): choose %s to %s",
                   o->section, o->key, text, where, lo, hi);
}

static lt_status parse_int(const lt_option *o, const char *text, const char *where,
                           void *out)
{
    int64_t v = 0;
    const bool bytes = o->type == LT_OPT_BYTES;
    if ((bytes ? lt_bytes_parse(text, &v) : lt_int_parse(text, &v)) != LT_OK)
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s is not a %s: '%.60s' (%s): write it like %s",
                       o->section, o->key, bytes ? "number of bytes" : "whole number",
                       text, where, bytes ? "1500M or 64G" : o->def);
    if (v < o->imin || v > o->imax) return out_of_range(o, text, where);
    *(int64_t *)out = v;
    return LT_OK;
}

static lt_status parse_float(const lt_option *o, const char *text, const char *where,
                             void *out)
{
    double v = 0;
    const lt_status st = lt_float_parse(text, &v);
    if (st == LT_ERR_NOMEM) return st;
    if (st != LT_OK)
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s.%s is not a number: '%.60s' (%s): write it like %s",
                       o->section, o->key, text, where, o->def);
    if (v < o->fmin || v > o->fmax) return out_of_range(o, text, where);
    *(double *)out = v == 0 ? 0 : v; /* -0 would be the same setting under another text */
    return LT_OK;
}

static bool is_no_path(const lt_option *o, const char *text)
{
    for (int i = 0; o->choices && o->choices[i]; i++)
        if (!strncmp(text, o->choices[i], strlen(o->choices[i]))) return true;
    return false;
}

static lt_status parse_text(const lt_option *o, const char *text, const char *folder,
                            const char *where, void *out)
{
    if (!lt_utf8_valid(text))
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s is not UTF-8 text (%s): save it as UTF-8",
                       o->section, o->key, where);
    const bool path = o->type == LT_OPT_PATH;
    const size_t max = path ? LT_PATH_MAX : LT_TEXT_MAX;
    if (strlen(text) >= max)
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s is too long (%s): use fewer than %zu bytes",
                       o->section, o->key, where, max);
    if (!path || !*text || is_no_path(o, text)) {
        memcpy(out, text, strlen(text) + 1);
        return LT_OK;
    }
    const lt_status st = lt_path_absolute(folder, text, out);
    if (st != LT_ERR_ARG) return st;
    return LT_FAIL(LT_ERR_CONFIG, "%s.%s is too long (%s): use a shorter path",
                   o->section, o->key, where);
}

/* All names of an enum in one text: "query, shared". */
static void list_choices(const lt_option *o, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = '\0';
    for (int i = 0; o->choices[i] && n < size; i++) {
        const int w = snprintf(buf + n, size - n, "%s%s", i ? ", " : "", o->choices[i]);
        n += w > 0 ? (size_t)w : 0;
    }
}

/* The value that is meant by a slip, as " did you mean 'x'?", or "". */
static void suggest(const lt_option *o, const char *text, char *buf, size_t size)
{
    const char *best = NULL;
    int least = strlen(text) > 4 ? 3 : 2; /* as many slips and more are another word */
    for (int i = 0; o->choices[i]; i++) {
        const int d = lt_edit_distance(text, o->choices[i]);
        if (d < least) best = o->choices[i], least = d;
    }
    snprintf(buf, size, best ? " did you mean '%.60s'?" : "%s", best ? best : "");
}

static lt_status parse_enum(const lt_option *o, const char *text, const char *where,
                            void *out)
{
    char names[400], near[96];
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) != 0) continue;
        *(int *)out = i;
        return LT_OK;
    }
    list_choices(o, names, sizeof(names));
    suggest(o, text, near, sizeof(near));
    return LT_FAIL(LT_ERR_CONFIG, "%s.%s has no value '%.60s' (%s):%s choose one of %s",
                   o->section, o->key, text, where, near, names);
}

static lt_status parse_time(const lt_option *o, const char *text, const char *where,
                            void *out)
{
    if (*text == '\0') {
        *(int64_t *)out = LT_TIME_NONE;
        return LT_OK;
    }
    int64_t t = 0;
    if (lt_time_parse(text, &t) != LT_OK)
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s.%s is not a time: '%.60s' (%s): write seconds, MM:SS.fff or "
                       "HH:MM:SS.fff",
                       o->section, o->key, text, where);
    *(int64_t *)out = t;
    return LT_OK;
}

/* One entry of a list, [begin, end) without the blanks around it. */
static lt_status parse_entry(const lt_option *o, const char *begin, const char *end,
                             const char *where, int64_t *out)
{
    char word[64];
    while (begin < end && *begin == ' ') begin++;
    while (end > begin && end[-1] == ' ') end--;
    snprintf(word, sizeof(word), "%.*s", (int)(end - begin > 63 ? 63 : end - begin),
             begin);
    return parse_int(o, word, where, out);
}

static lt_status parse_ints(const lt_option *o, const char *text, const char *where,
                            void *out)
{
    lt_status st = LT_OK;
    lt_ints list = { 0 };
    const char *p = text, *end = text + strlen(text);
    if (*p == '[' && end[-1] == ']' && end - p >= 2) p++, end--;
    while (p < end && *p == ' ') p++;
    int64_t n = p < end;
    for (const char *c = p; c < end; c++) n += *c == ',';
    if (n > LT_INTS_MAX) {
        st = LT_FAIL(LT_ERR_CONFIG, "%s.%s has %lld entries (%s): use at most %d",
                     o->section, o->key, (long long)n, where, LT_INTS_MAX);
        goto cleanup;
    }
    list.v = n ? malloc((size_t)n * sizeof(*list.v)) : NULL;
    if (n && !list.v) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (reading %s.%s)", o->section, o->key);
        goto cleanup;
    }
    while (list.n < n) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        LT_TRY(parse_entry(o, p, comma ? comma : end, where, &list.v[list.n]));
        list.n++;
        p = comma ? comma + 1 : end;
    }
    free(((lt_ints *)out)->v);
    *(lt_ints *)out = list;
    list.v = NULL;
cleanup:
    free(list.v);
    return st;
}

/* Add one entry of a list of files, [begin, end), to the lines in `out`. */
static lt_status add_file(const lt_option *o, const char *begin, const char *end,
                          const char *folder, const char *where, char *out)
{
    char entry[LT_PATH_MAX];
    const size_t used = strlen(out);
    while (begin < end && *begin == ' ') begin++;
    while (end > begin && end[-1] == ' ') end--;
    const size_t n = (size_t)(end - begin);
    if (n == 0)
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s has an empty entry (%s): name a file",
                       o->section, o->key, where);
    lt_status st = LT_ERR_ARG;
    if (n < sizeof(entry)) {
        memcpy(entry, begin, n);
        entry[n] = '\0';
        st = lt_path_absolute(folder, entry, entry);
    }
    if (st == LT_ERR_ARG || (st == LT_OK && used + strlen(entry) + 2 > LT_TEXT_MAX))
        return LT_FAIL(LT_ERR_CONFIG,
                       "%s.%s is too long (%s): use fewer or shorter paths", o->section,
                       o->key, where);
    if (st == LT_OK && used) strcat(out, "\n");
    if (st == LT_OK) strcat(out, entry);
    return st;
}

static lt_status parse_files(const lt_option *o, const char *text, const char *folder,
                             const char *where, void *out)
{
    char files[LT_TEXT_MAX] = "";
    const char *p = text, *end = text + strlen(text);
    const char separator = strchr(text, '\n') ? '\n' : ',';
    if (!lt_utf8_valid(text))
        return LT_FAIL(LT_ERR_CONFIG, "%s.%s is not UTF-8 text (%s): save it as UTF-8",
                       o->section, o->key, where);
    if (separator == ',' && *p == '[' && end[-1] == ']' && end - p >= 2) p++, end--;
    while (p < end && *p == ' ') p++;
    while (p < end) {
        const char *next = memchr(p, separator, (size_t)(end - p));
        const lt_status st = add_file(o, p, next ? next : end, folder, where, files);
        if (st != LT_OK) return st;
        p = next ? next + 1 : end;
    }
    strcpy(out, files);
    return LT_OK;
}

lt_status lt_option_parse(const lt_option *o, const char *text, const char *folder,
                          const char *where, void *base)
{
    void *out = at(o, base);
    switch (o->type) {
    case LT_OPT_BOOL: return parse_bool(o, text, where, out);
    case LT_OPT_INT:
    case LT_OPT_BYTES: return parse_int(o, text, where, out);
    case LT_OPT_FLOAT: return parse_float(o, text, where, out);
    case LT_OPT_TEXT:
    case LT_OPT_PATH: return parse_text(o, text, folder, where, out);
    case LT_OPT_ENUM: return parse_enum(o, text, where, out);
    case LT_OPT_TIME: return parse_time(o, text, where, out);
    case LT_OPT_INTS: return parse_ints(o, text, where, out);
    case LT_OPT_FILES: return parse_files(o, text, folder, where, out);
    }
    return LT_FAIL(LT_ERR_INTERNAL, "option %s.%s has no type (%s): report this",
                   o->section, o->key, where);
}

static void print_ints(const lt_ints *list, FILE *f)
{
    fputc('[', f);
    for (int64_t i = 0; i < list->n; i++)
        fprintf(f, "%s%lld", i ? ", " : "", (long long)list->v[i]);
    fputc(']', f);
}

static void print_files(const char *files, FILE *f)
{
    char entry[LT_TEXT_MAX];
    fputc('[', f);
    for (const char *p = files; *p;) {
        const size_t n = strcspn(p, "\n");
        memcpy(entry, p, n);
        entry[n] = '\0';
        if (p != files) fputs(", ", f);
        lt_yaml_quote(entry, f);
        p += n + (p[n] == '\n');
    }
    fputc(']', f);
}

void lt_option_print(const lt_option *o, const void *base, FILE *f)
{
    const void *v = cat(o, base);
    char buf[LT_UNIT_TEXT_MAX];
    switch (o->type) {
    case LT_OPT_BOOL: fputs(*(const bool *)v ? "true" : "false", f); break;
    case LT_OPT_INT: fprintf(f, "%lld", (long long)*(const int64_t *)v); break;
    case LT_OPT_BYTES: fputs(lt_bytes_format(*(const int64_t *)v, buf), f); break;
    case LT_OPT_FLOAT: fputs(lt_float_format(*(const double *)v, buf), f); break;
    case LT_OPT_TEXT:
    case LT_OPT_PATH: lt_yaml_quote(v, f); break;
    case LT_OPT_ENUM: fputs(o->choices[*(const int *)v], f); break;
    case LT_OPT_TIME: lt_yaml_quote(lt_time_format(*(const int64_t *)v, buf), f); break;
    case LT_OPT_INTS: print_ints(v, f); break;
    case LT_OPT_FILES: print_files(v, f); break;
    }
}

bool lt_option_equal(const lt_option *o, const void *a, const void *b)
{
    const void *x = cat(o, a), *y = cat(o, b);
    switch (o->type) {
    case LT_OPT_BOOL: return *(const bool *)x == *(const bool *)y;
    case LT_OPT_INT:
    case LT_OPT_BYTES:
    case LT_OPT_TIME: return *(const int64_t *)x == *(const int64_t *)y;
    case LT_OPT_FLOAT: return *(const double *)x == *(const double *)y;
    case LT_OPT_TEXT:
    case LT_OPT_FILES:
    case LT_OPT_PATH: return strcmp(x, y) == 0;
    case LT_OPT_ENUM: return *(const int *)x == *(const int *)y;
    case LT_OPT_INTS: break;
    }
    const lt_ints *p = x, *q = y;
    return p->n == q->n &&
           (p->n == 0 || memcmp(p->v, q->v, (size_t)p->n * sizeof(*p->v)) == 0);
}

static lt_status copy_ints(lt_ints *dst, const lt_ints *src)
{
    const size_t bytes = (size_t)src->n * sizeof(*src->v);
    int64_t *v = src->n ? malloc(bytes) : NULL;
    if (src->n && !v) return LT_FAIL(LT_ERR_NOMEM, "out of memory (copying options)");
    if (v) memcpy(v, src->v, bytes);
    free(dst->v);
    *dst = (lt_ints){ v, src->n };
    return LT_OK;
}

lt_status lt_option_copy(const lt_option *o, void *dst, const void *src)
{
    void *to = at(o, dst);
    const void *from = cat(o, src);
    switch (o->type) {
    case LT_OPT_BOOL: *(bool *)to = *(const bool *)from; break;
    case LT_OPT_INT:
    case LT_OPT_BYTES:
    case LT_OPT_TIME: *(int64_t *)to = *(const int64_t *)from; break;
    case LT_OPT_FLOAT: *(double *)to = *(const double *)from; break;
    case LT_OPT_TEXT:
    case LT_OPT_FILES:
    case LT_OPT_PATH: strcpy(to, from); break;
    case LT_OPT_ENUM: *(int *)to = *(const int *)from; break;
    case LT_OPT_INTS: return copy_ints(to, from);
    }
    return LT_OK;
}

void lt_option_clear(const lt_option *o, void *base)
{
    if (o->type != LT_OPT_INTS) return;
    lt_ints *list = at(o, base);
    free(list->v);
    *list = (lt_ints){ 0 };
}

void lt_option_print_range(const lt_option *o, FILE *f)
{
    char lo[LT_UNIT_TEXT_MAX], hi[LT_UNIT_TEXT_MAX];
    switch (o->type) {
    case LT_OPT_BOOL: fputs("true | false", f); break;
    case LT_OPT_INTS: fputs("list, each ", f); /* fall through */
    case LT_OPT_INT:
        fprintf(f, "%lld .. %lld", (long long)o->imin, (long long)o->imax);
        break;
    case LT_OPT_BYTES:
        fprintf(f, "%s .. %s", lt_bytes_format(o->imin, lo),
                lt_bytes_format(o->imax, hi));
        break;
    case LT_OPT_FLOAT:
        fprintf(f, "%s .. %s", lt_float_format(o->fmin, lo),
                lt_float_format(o->fmax, hi));
        break;
    case LT_OPT_TEXT: fputs("text", f); break;
    case LT_OPT_PATH: fputs("path", f); break;
    case LT_OPT_FILES: fputs("list of FILE or FILE:WEIGHT", f); break;
    case LT_OPT_TIME: fputs("time: seconds, MM:SS.fff or HH:MM:SS.fff", f); break;
    case LT_OPT_ENUM:
        for (int i = 0; o->choices[i]; i++)
            fprintf(f, "%s%s", i ? " | " : "", o->choices[i]);
        break;
    }
}

const char *lt_affects_text(lt_affects a)
{
    switch (a) {
    case LT_AFFECTS_NOTHING: return "nothing";
    case LT_AFFECTS_ENCODE: return "encode";
    case LT_AFFECTS_RESULT: return "result";
    case LT_AFFECTS_APART: return "result, judged apart";
    }
    return "?";
}
