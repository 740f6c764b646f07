#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "io/manifest_impl.h"

static const char *const op_name[] = { "add", "drop", "remove" };

/* ---- writing ---------------------------------------------------------------------- */

/* Put the sum and the newline behind n bytes; the length of the whole, 0 if too long. */
static size_t close_line(char *buf, int n)
{
    if (n < 0 || n + LT_SUM_TAIL + 1 >= LT_LINE_MAX) return 0;
    const uint64_t sum = XXH3_64bits(buf, (size_t)n);
    n += snprintf(buf + n, LT_SUM_TAIL + 2, ",\"sum\":\"%016" PRIx64 "\"}\n", sum);
    return (size_t)n;
}

static int is_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f')) return 0;
    return 1;
}

/* Empty, or n hex digits; s may be any text. */
static int hash_ok(const char *s, size_t n)
{
    const size_t len = strnlen(s, n + 1);
    return len == 0 || (len == n && is_hex(s, n));
}

/* Printable, and nothing that JSON would want escaped. */
static int version_ok(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (n + 1 >= 32 || s[n] < ' ' || s[n] > '~' || s[n] == '"' || s[n] == '\\')
            return 0;
    return 1;
}

size_t lt_head_line(char *buf, const lt_manifest_head *h, int journal)
{
    const lt_job_identity *id = &h->id;
    if (h->seq < 0 || h->records < 0 || !hash_ok(h->parent, 32) ||
        !hash_ok(id->config_sha256, 64) || !hash_ok(id->input_sha256, 64) ||
        !hash_ok(id->model_sha256, 64) || !version_ok(id->tool_version))
        return 0;
    const int n = snprintf(
        buf, LT_LINE_MAX,
        "{\"format\":\"%s\",\"version\":%d,\"seq\":%" PRId64 ",\"records\":%" PRId64
        ",\"parent\":\"%s\",\"config_sha256\":\"%s\",\"input_sha256\":\"%s\","
        "\"model_sha256\":\"%s\",\"tool_version\":\"%s\",\"created\":%" PRId64
        ",\"seed\":%" PRId64,
        journal ? "longtake-journal" : "longtake-manifest", (int)h->version, h->seq,
        journal ? 0 : h->records, h->parent, id->config_sha256, id->input_sha256,
        id->model_sha256, id->tool_version, id->created, id->seed);
    return close_line(buf, n);
}

static void hex_of(char out[33], const uint8_t v[16])
{
    for (int i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", v[i]);
}

/* "stage":...,"pts":[a,b] : the fields of a record, without braces. */
static int put_record(char *buf, size_t cap, const lt_record *r)
{
    char hex[33];
    hex_of(hex, r->stamp.xxh3);
    return snprintf(buf, cap,
                    "\"stage\":\"%s\",\"unit\":%" PRId64 ",\"step\":%" PRId64
                    ",\"file\":\"%s\",\"size\":%" PRIu64
                    ",\"xxh3\":\"%s\",\"frames\":[%" PRId64 ",%" PRId64
                    "],\"rows\":%" PRId64 ",\"pts\":[%" PRId64 ",%" PRId64 "]",
                    r->stage, r->unit, r->step, r->file, r->stamp.size, hex,
                    r->first_frame, r->n_frames, r->n_rows, r->pts_first, r->pts_last);
}

size_t lt_journal_line(char *buf, int64_t seq, lt_op op, const lt_record *r)
{
    if (seq < 0 || (unsigned)op > LT_OP_REMOVE || !lt_record_ok(op, r)) return 0;
    int n = snprintf(buf, LT_LINE_MAX, "{\"seq\":%" PRId64 ",\"op\":\"%s\",", seq,
                     op_name[op]);
    if (op == LT_OP_ADD)
        n += put_record(buf + n, LT_LINE_MAX - (size_t)n, r);
    else
        n += snprintf(buf + n, LT_LINE_MAX - (size_t)n,
                      "\"stage\":\"%s\",\"unit\":%" PRId64 ",\"step\":%" PRId64, r->stage,
                      r->unit, r->step);
    return close_line(buf, n);
}

static size_t manifest_line(char *buf, const lt_record *r)
{
    buf[0] = '{';
    int n = 1 + put_record(buf + 1, LT_LINE_MAX - 1, r);
    if (lt_manifest_is_dropped(r))
        n += snprintf(buf + n, LT_LINE_MAX - (size_t)n, ",\"dropped\":true");
    return close_line(buf, n);
}

lt_status lt_manifest_format(const lt_manifest *m, const lt_manifest_head *head,
                             char **text, size_t *bytes)
{
    lt_status st = LT_OK;
    const lt_record **list = NULL;
    int64_t n = 0;
    char line[LT_LINE_MAX], *buf = NULL;
    size_t used = 0, cap = 0;
    lt_manifest_head h = *head;
    LT_TRY(lt_manifest_list_all(m, &list, &n));
    h.records = n;
    for (int64_t i = -1; i < n; i++) {
        const size_t len =
            i < 0 ? lt_head_line(line, &h, 0) : manifest_line(line, list[i]);
        if (len == 0) {
            st = LT_FAIL(LT_ERR_ARG, "a head or record is out of range (manifest): "
                                     "report this");
            goto cleanup;
        }
        if (used + len > cap) {
            cap = 2 * (used + len) + 4096;
            char *more = realloc(buf, cap);
            if (!more) {
                st = LT_FAIL(LT_ERR_NOMEM, "out of memory (manifest)");
                goto cleanup;
            }
            buf = more;
        }
        memcpy(buf + used, line, len);
        used += len;
    }
    *text = buf;
    *bytes = used;
    buf = NULL;
cleanup:
    free(buf);
    free(list);
    return st;
}

/* ---- reading one line ------------------------------------------------------------- */

int lt_line_sound(const char *line, size_t bytes)
{
    char want[LT_SUM_TAIL + 1];
    if (bytes < LT_SUM_TAIL + 2 || bytes >= LT_LINE_MAX) return 0;
    const size_t n = bytes - LT_SUM_TAIL;
    snprintf(want, sizeof(want), ",\"sum\":\"%016" PRIx64 "\"}", XXH3_64bits(line, n));
    return memcmp(line + n, want, LT_SUM_TAIL) == 0;
}

/* Takes what it needs from an object; strings stay the object's. 0 when it is not fit. */
typedef int read_fn(const json_t *o, void *out);

/* Parse a line and read it; *o, which keeps the strings, is NULL when the line does not
 * verify or is not fit. Short of memory jansson reports bad syntax or leaves values out,
 * and then a sound line would be mended away: so try twice, then look for memory. */
static lt_status read_line(const char *line, size_t bytes, read_fn *fn, void *out,
                           json_t **o)
{
    *o = NULL;
    if (!lt_line_sound(line, bytes)) return LT_OK;
    for (int round = 0; round < 2; round++) {
        *o = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(*o) && fn(*o, out)) return LT_OK;
        json_decref(*o);
        *o = NULL;
    }
    void *probe = malloc(1 << 20);
    if (!probe) return LT_FAIL(LT_ERR_NOMEM, "out of memory (manifest)");
    free(probe);
    return LT_OK;
}

static int get_int(const json_t *o, const char *key, int64_t *v)
{
    const json_t *j = json_object_get(o, key);
    if (!json_is_integer(j)) return 0;
    *v = json_integer_value(j);
    return 1;
}

/* Two integers in an array. */
static int get_pair(const json_t *o, const char *key, int64_t *a, int64_t *b)
{
    const json_t *j = json_object_get(o, key);
    const json_t *x = json_array_get(j, 0), *y = json_array_get(j, 1);
    if (json_array_size(j) != 2 || !json_is_integer(x) || !json_is_integer(y)) return 0;
    *a = json_integer_value(x);
    *b = json_integer_value(y);
    return 1;
}

/* A string that lives as long as o; jansson refuses zero bytes inside. */
static const char *get_text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int copy_text(const json_t *o, const char *key, char *out, size_t cap)
{
    const char *s = get_text(o, key);
    if (!s || strlen(s) >= cap) return 0;
    memcpy(out, s, strlen(s) + 1);
    return 1;
}

static int read_hex(const char *s, uint8_t out[16])
{
    if (!s || strlen(s) != 32 || !is_hex(s, 32)) return 0;
    for (int i = 0; i < 16; i++) {
        const char two[3] = { s[2 * i], s[2 * i + 1], '\0' };
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return 1;
}

static int read_record(const json_t *o, lt_op op, lt_record *r)
{
    int64_t size = 0;
    *r = (lt_record){ .stage = get_text(o, "stage"), .file = "" };
    if (!get_int(o, "unit", &r->unit) || !get_int(o, "step", &r->step)) return 0;
    if (op != LT_OP_ADD) return lt_record_ok(op, r);
    r->file = get_text(o, "file");
    if (!get_int(o, "size", &size) || size < 0 || !get_int(o, "rows", &r->n_rows) ||
        !read_hex(get_text(o, "xxh3"), r->stamp.xxh3) ||
        !get_pair(o, "frames", &r->first_frame, &r->n_frames) ||
        !get_pair(o, "pts", &r->pts_first, &r->pts_last))
        return 0;
    r->stamp.size = (uint64_t)size;
    return lt_record_ok(op, r);
}

typedef struct head_line {
    const char *format;
    lt_manifest_head head;
} head_line;

static int read_head(const json_t *o, void *out)
{
    head_line *l = out;
    lt_manifest_head t = { 0 };
    char again[LT_LINE_MAX];
    const char *f = get_text(o, "format");
    if (!f || strcmp(f, l->format) != 0 || !get_int(o, "version", &t.version)) return 0;
    /* Another version may have other fields; only its number is of use. */
    if (t.version == LT_MANIFEST_VERSION &&
        (!get_int(o, "seq", &t.seq) || !get_int(o, "records", &t.records) ||
         !copy_text(o, "parent", t.parent, sizeof(t.parent)) ||
         !copy_text(o, "config_sha256", t.id.config_sha256, 65) ||
         !copy_text(o, "input_sha256", t.id.input_sha256, 65) ||
         !copy_text(o, "model_sha256", t.id.model_sha256, 65) ||
         !copy_text(o, "tool_version", t.id.tool_version, 32) ||
         !get_int(o, "created", &t.id.created) || !get_int(o, "seed", &t.id.seed) ||
         lt_head_line(again, &t, 0) == 0))
        return 0;
    l->head = t;
    return 1;
}

/* The first line of a text. */
static lt_status take_head(const char *line, size_t len, const char *format,
                           lt_manifest_head *head, int *sound)
{
    head_line l = { .format = format };
    json_t *o = NULL;
    const lt_status st = read_line(line, len, read_head, &l, &o);
    *sound = o != NULL;
    if (o) *head = l.head;
    json_decref(o);
    return st;
}

/* ---- reading a text --------------------------------------------------------------- */

typedef struct cursor {
    const char *text;
    size_t bytes, at;
    int64_t number; /* of the line handed out last, from 1 */
} cursor;

/* The next line without its newline; 0 at the end. *whole: a newline ended it. */
static int next_line(cursor *c, const char **line, size_t *len, int *whole)
{
    if (c->at >= c->bytes) return 0;
    *line = c->text + c->at;
    const char *end = memchr(*line, '\n', c->bytes - c->at);
    *whole = end != NULL;
    *len = end ? (size_t)(end - *line) : c->bytes - c->at;
    c->at += *len + (size_t)*whole;
    c->number++;
    return 1;
}

static void damaged(lt_manifest_report *rep, int64_t number)
{
    rep->lines_damaged++;
    if (!rep->first_damaged) rep->first_damaged = number;
}

typedef struct op_line {
    lt_record r;
    lt_op op;
    int64_t seq;
    int dropped;
} op_line;

static int read_listed(const json_t *o, void *out)
{
    op_line *l = out;
    l->dropped = json_is_true(json_object_get(o, "dropped"));
    return read_record(o, LT_OP_ADD, &l->r);
}

/* A line of a manifest into m. Only running out of memory is a failure: what m refuses
 * (too many of something) is damage, too. */
static lt_status take_record(lt_manifest *m, const char *line, size_t len, int64_t number,
                             lt_manifest_report *rep)
{
    op_line l = { 0 };
    json_t *o = NULL;
    lt_status st = read_line(line, len, read_listed, &l, &o);
    if (st == LT_OK && o) st = lt_manifest_apply(m, LT_OP_ADD, &l.r);
    if (st == LT_OK && o && l.dropped) st = lt_manifest_apply(m, LT_OP_DROP, &l.r);
    if (st == LT_OK && o)
        rep->lines_kept++;
    else
        damaged(rep, number);
    json_decref(o);
    return st == LT_ERR_NOMEM ? st : LT_OK;
}

lt_status lt_manifest_parse(lt_manifest *m, const char *text, size_t bytes,
                            lt_manifest_head *head, lt_manifest_report *report)
{
    lt_status st = LT_OK;
    lt_manifest_report rep = { 0 };
    cursor c = { .text = text, .bytes = bytes };
    const char *line = NULL;
    size_t len = 0;
    int whole = 0;
    if (next_line(&c, &line, &len, &whole)) {
        if (whole) LT_TRY(take_head(line, len, "longtake-manifest", head, &rep.head_ok));
        if (!rep.head_ok) damaged(&rep, c.number);
    } else {
        damaged(&rep, 1); /* even an empty list has a head */
    }
    const int taken = !rep.head_ok || head->version == LT_MANIFEST_VERSION;
    while (taken && next_line(&c, &line, &len, &whole)) {
        if (whole)
            LT_TRY(take_record(m, line, len, c.number, &rep));
        else
            damaged(&rep, c.number);
    }
    if (rep.head_ok && taken) {
        rep.last_seq = head->seq;
        rep.missing = head->records - rep.lines_kept;
        rep.whole = rep.lines_damaged == 0 && rep.missing == 0;
        if (rep.missing < 0) rep.missing = 0;
    }
    *report = rep;
cleanup:
    return st;
}

static int read_op(const json_t *o, void *out)
{
    op_line *l = out;
    const char *name = get_text(o, "op");
    if (!name || !get_int(o, "seq", &l->seq) || l->seq < 1) return 0;
    for (int i = 0; i <= LT_OP_REMOVE; i++) {
        if (strcmp(name, op_name[i]) != 0) continue;
        l->op = (lt_op)i;
        return read_record(o, l->op, &l->r);
    }
    return 0;
}

/* A line of a journal onto m, if its number is above after_seq. */
static lt_status take_op(lt_manifest *m, const char *line, size_t len, int64_t number,
                         int64_t after_seq, lt_manifest_report *rep)
{
    op_line l = { 0 };
    json_t *o = NULL;
    lt_status st = read_line(line, len, read_op, &l, &o);
    /* Without a head nobody knows where the numbers begin. */
    if (o && !rep->head_ok && rep->lines_kept == 0) rep->last_seq = l.seq - 1;
    const int fits = o && l.seq > rep->last_seq;
    if (st == LT_OK && fits && l.seq > after_seq) st = lt_manifest_apply(m, l.op, &l.r);
    if (st == LT_OK && fits) {
        rep->missing += l.seq - rep->last_seq - 1;
        rep->last_seq = l.seq;
        rep->lines_kept++;
    } else {
        damaged(rep, number);
    }
    json_decref(o);
    return st == LT_ERR_NOMEM ? st : LT_OK;
}

/* The last line has no newline. A killed writer leaves the beginning of a line: that is
 * no damage. A whole line, with another byte or nothing where the newline was, is taken,
 * since its sum holds; the byte is damage. */
static lt_status take_tail(lt_manifest *m, const char *line, size_t len, int64_t number,
                           int64_t after_seq, lt_manifest_report *rep)
{
    rep->unended = lt_line_sound(line, len);
    if (rep->unended) return take_op(m, line, len, number, after_seq, rep);
    if (len > 0 && lt_line_sound(line, len - 1)) {
        damaged(rep, number);
        return take_op(m, line, len - 1, number, after_seq, rep);
    }
    rep->torn_bytes = (int64_t)len;
    return LT_OK;
}

lt_status lt_journal_parse(lt_manifest *m, const char *text, size_t bytes,
                           int64_t after_seq, lt_manifest_head *head,
                           lt_manifest_report *report)
{
    lt_status st = LT_OK;
    lt_manifest_report rep = { 0 };
    cursor c = { .text = text, .bytes = bytes };
    const char *line = NULL;
    size_t len = 0;
    int whole = 0, taken = 1;
    if (next_line(&c, &line, &len, &whole)) {
        if (whole) LT_TRY(take_head(line, len, "longtake-journal", head, &rep.head_ok));
        if (!rep.head_ok) damaged(&rep, c.number);
        taken = !rep.head_ok || head->version == LT_MANIFEST_VERSION;
        rep.last_seq = rep.head_ok && taken ? head->seq : 0;
    } else {
        damaged(&rep, 1);
    }
    while (taken && next_line(&c, &line, &len, &whole)) {
        if (whole)
            LT_TRY(take_op(m, line, len, c.number, after_seq, &rep));
        else
            LT_TRY(take_tail(m, line, len, c.number, after_seq, &rep));
    }
    rep.whole = rep.head_ok && taken && rep.lines_damaged == 0 && rep.missing == 0;
    *report = rep;
cleanup:
    return st;
}
