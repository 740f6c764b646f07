#include <stdlib.h>
#include <string.h>

#include "io/manifest_impl.h"

/* One allocation a record, the file name behind it; chained in buckets by (stage, unit),
 * so that the steps of a unit lie in one chain. */
typedef struct node {
    struct node *next;
    lt_record r;
    uint8_t stage;   /* number of the name */
    uint8_t dropped; /* known, but no file any more */
    uint8_t marks;
    char file[];
} node;

struct lt_manifest {
    node **bucket;
    size_t n_buckets; /* a power of two */
    int64_t n;        /* records, dropped ones included */
    int n_stages;
    char stage[LT_MAX_STAGES][LT_STAGE_MAX];
    int64_t count[LT_MAX_STAGES]; /* not dropped */
    size_t bytes;
};

lt_status lt_manifest_new(lt_manifest **m)
{
    enum { FIRST = 64 };
    lt_manifest *s = calloc(1, sizeof(*s));
    if (s) s->bucket = calloc(FIRST, sizeof(*s->bucket));
    if (!s || !s->bucket) {
        free(s);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (manifest)");
    }
    s->n_buckets = FIRST;
    s->bytes = sizeof(*s) + FIRST * sizeof(*s->bucket);
    *m = s;
    return LT_OK;
}

void lt_manifest_free(lt_manifest **m)
{
    if (!m || !*m) return;
    for (size_t b = 0; b < (*m)->n_buckets; b++) {
        for (node *k = (*m)->bucket[b], *next; k; k = next) {
            next = k->next;
            free(k);
        }
    }
    free((*m)->bucket);
    free(*m);
    *m = NULL;
}

/* ---- names and ranges ------------------------------------------------------------- */

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

int lt_stage_name_ok(const char *stage)
{
    size_t n = 0;
    if (!stage) return 0;
    for (; stage[n]; n++)
        if (!is_word(stage[n]) || n + 1 >= LT_STAGE_MAX) return 0;
    return n > 0;
}

int lt_file_name_ok(const char *file)
{
    if (!file) return 0;
    const size_t n = strnlen(file, LT_FILE_MAX);
    if (n == 0 || n >= LT_FILE_MAX) return 0;
    for (const char *p = file;; p++) {
        const size_t part = strcspn(p, "/");
        if (part == 0 || strncmp(p, ".", part) == 0 ||
            (part == 2 && p[0] == '.' && p[1] == '.'))
            return 0;
        for (size_t i = 0; i < part; i++)
            if (!is_word(p[i]) && p[i] != '.' && !(p[i] >= 'A' && p[i] <= 'Z')) return 0;
        p += part;
        if (!*p) return 1;
    }
}

int lt_record_ok(lt_op op, const lt_record *r)
{
    if (!lt_stage_name_ok(r->stage) || r->unit < 0 || r->step < LT_NO_STEP) return 0;
    if (op != LT_OP_ADD) return 1;
    if (r->first_frame < 0 || r->n_frames < 0 || r->n_rows < 0 ||
        r->first_frame > INT64_MAX - r->n_frames || r->stamp.size > INT64_MAX)
        return 0;
    if (!r->file) return 0;
    return r->file[0] ? lt_file_name_ok(r->file) : r->stamp.size == 0;
}

/* ---- the table -------------------------------------------------------------------- */

static int stage_number(const lt_manifest *m, const char *stage)
{
    for (int i = 0; i < m->n_stages; i++)
        if (strcmp(m->stage[i], stage) == 0) return i;
    return -1;
}

static size_t slot(const lt_manifest *m, int stage, int64_t unit)
{
    uint64_t z = (uint64_t)unit * 64 + (uint64_t)stage;
    z = (z ^ (z >> 31)) * 0x9e3779b97f4a7c15u;
    return (size_t)(z >> 32) & (m->n_buckets - 1);
}

/* The link that points to the record, or to the NULL at the end of its chain. */
static node **find_link(const lt_manifest *m, int stage, int64_t unit, int64_t step)
{
    node **link = &m->bucket[slot(m, stage, unit)];
    for (; *link; link = &(*link)->next)
        if ((*link)->stage == stage && (*link)->r.unit == unit && (*link)->r.step == step)
            break;
    return link;
}

static node *find(const lt_manifest *m, const char *stage, int64_t unit, int64_t step)
{
    const int s = stage ? stage_number(m, stage) : -1;
    return s < 0 ? NULL : *find_link(m, s, unit, step);
}

/* Twice the buckets; a failure only leaves longer chains. */
static void grow(lt_manifest *m)
{
    const size_t old = m->n_buckets;
    node **from = m->bucket;
    node **to = calloc(2 * old, sizeof(*to));
    if (!to) return;
    m->bucket = to;
    m->n_buckets = 2 * old;
    m->bytes += old * sizeof(*to);
    for (size_t b = 0; b < old; b++) {
        for (node *k = from[b], *next; k; k = next) {
            node **head = &to[slot(m, k->stage, k->r.unit)];
            next = k->next;
            k->next = *head;
            *head = k;
        }
    }
    free(from);
}

static size_t node_bytes(const node *k) { return sizeof(*k) + strlen(k->file) + 1; }

static lt_status add(lt_manifest *m, const lt_record *r)
{
    int s = stage_number(m, r->stage);
    if (s < 0 && m->n_stages == LT_MAX_STAGES)
        return LT_FAIL(LT_ERR_ARG, "more than %d stages (%s): report this", LT_MAX_STAGES,
                       r->stage);
    if (m->n >= LT_MAX_RECORDS)
        return LT_FAIL(LT_ERR_ARG, "more than %d units (%s): edit the video in parts",
                       LT_MAX_RECORDS, r->stage);
    const size_t name = strlen(r->file) + 1;
    node *k = malloc(sizeof(*k) + name);
    if (!k) return LT_FAIL(LT_ERR_NOMEM, "out of memory (manifest)");
    if (s < 0) {
        s = m->n_stages++;
        memcpy(m->stage[s], r->stage, strlen(r->stage) + 1);
    }
    *k = (node){ .r = *r, .stage = (uint8_t)s };
    memcpy(k->file, r->file, name);
    k->r.stage = m->stage[s];
    k->r.file = k->file;

    node **link = find_link(m, s, r->unit, r->step), *old = *link;
    k->next = old ? old->next : NULL;
    *link = k;
    m->n += !old;
    m->count[s] += !old || old->dropped;
    m->bytes += node_bytes(k) - (old ? node_bytes(old) : 0);
    free(old);
    if ((size_t)m->n > m->n_buckets) grow(m);
    return LT_OK;
}

static void take_out(lt_manifest *m, const lt_record *r, lt_op op)
{
    const int s = stage_number(m, r->stage);
    node **link = s < 0 ? NULL : find_link(m, s, r->unit, r->step);
    node *k = link ? *link : NULL;
    if (!k) return;
    m->count[s] -= !k->dropped;
    k->dropped = 1;
    if (op == LT_OP_DROP) return;
    *link = k->next;
    m->n--;
    m->bytes -= node_bytes(k);
    free(k);
}

lt_status lt_manifest_apply(lt_manifest *m, lt_op op, const lt_record *r)
{
    if (!lt_record_ok(op, r))
        return LT_FAIL(LT_ERR_ARG,
                       "a record is out of range (%s, unit %lld): report this",
                       r->stage ? r->stage : "NULL", (long long)r->unit);
    if (op == LT_OP_ADD) return add(m, r);
    take_out(m, r, op);
    return LT_OK;
}

/* ---- looking up ------------------------------------------------------------------- */

const lt_record *lt_manifest_find(const lt_manifest *m, const char *stage, int64_t unit,
                                  int64_t step)
{
    const node *k = find(m, stage, unit, step);
    return k && !k->dropped ? &k->r : NULL;
}

lt_unit_state lt_manifest_state(const lt_manifest *m, const char *stage, int64_t unit,
                                int64_t step)
{
    const node *k = find(m, stage, unit, step);
    return !k ? LT_UNIT_TODO : k->dropped ? LT_UNIT_DROPPED : LT_UNIT_DONE;
}

/* Insert v into the ascending list of the smallest cap values. */
static void insert_step(int64_t *steps, int64_t n, int64_t cap, int64_t v)
{
    int64_t i = n < cap ? n : cap;
    if (i == cap && (cap == 0 || steps[cap - 1] <= v)) return;
    if (i == cap) i--;
    for (; i > 0 && steps[i - 1] > v; i--) steps[i] = steps[i - 1];
    steps[i] = v;
}

int64_t lt_manifest_steps(const lt_manifest *m, const char *stage, int64_t unit,
                          int64_t *steps, int64_t cap)
{
    int64_t n = 0;
    const int s = stage ? stage_number(m, stage) : -1;
    if (s < 0) return 0;
    for (const node *k = m->bucket[slot(m, s, unit)]; k; k = k->next) {
        if (k->stage != s || k->r.unit != unit || k->dropped) continue;
        insert_step(steps, n, cap, k->r.step);
        n++;
    }
    return n;
}

int64_t lt_manifest_count(const lt_manifest *m, const char *stage)
{
    int64_t n = 0;
    for (int i = 0; i < m->n_stages; i++)
        if (!stage || strcmp(m->stage[i], stage) == 0) n += m->count[i];
    return n;
}

static int by_key(const void *a, const void *b)
{
    const lt_record *x = *(const lt_record *const *)a, *y = *(const lt_record *const *)b;
    const int c = x->stage == y->stage ? 0 : strcmp(x->stage, y->stage);
    if (c) return c;
    if (x->unit != y->unit) return x->unit < y->unit ? -1 : 1;
    return x->step < y->step ? -1 : x->step > y->step;
}

static lt_status list(const lt_manifest *m, const char *stage, int dropped_too,
                      const lt_record ***out, int64_t *n_out)
{
    int64_t n = 0;
    const int s = stage ? stage_number(m, stage) : -1;
    const lt_record **l = malloc(((size_t)m->n + 1) * sizeof(const lt_record *));
    if (!l) return LT_FAIL(LT_ERR_NOMEM, "out of memory (manifest)");
    for (size_t b = 0; b < m->n_buckets; b++)
        for (const node *k = m->bucket[b]; k; k = k->next)
            if ((!stage || k->stage == s) && (dropped_too || !k->dropped)) l[n++] = &k->r;
    qsort(l, (size_t)n, sizeof(*l), by_key);
    *out = l;
    *n_out = n;
    return LT_OK;
}

lt_status lt_manifest_list(const lt_manifest *m, const char *stage,
                           const lt_record ***out, int64_t *n)
{
    return list(m, stage, 0, out, n);
}

lt_status lt_manifest_list_all(const lt_manifest *m, const lt_record ***out, int64_t *n)
{
    return list(m, NULL, 1, out, n);
}

size_t lt_manifest_memory(const lt_manifest *m) { return m->bytes; }

static node *node_of(const lt_record *r)
{
    return (node *)((char *)(uintptr_t)r - offsetof(node, r));
}

void lt_manifest_mark(const lt_record *r, unsigned marks)
{
    node_of(r)->marks |= (uint8_t)marks;
}
unsigned lt_manifest_marks(const lt_record *r) { return node_of(r)->marks; }
int lt_manifest_is_dropped(const lt_record *r) { return node_of(r)->dropped; }
