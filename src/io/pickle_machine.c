#include <stdlib.h>
#include <string.h>

#include "io/pickle_impl.h"

typedef struct machine {
    const uint8_t *data;
    size_t bytes, at;
    const char *where;
    lt_value *all;
    int64_t n_values, n_entries, n_tensors;
    lt_value **stack;
    size_t n_stack, cap_stack;
    size_t *mark; /* heights of the stack */
    size_t n_marks, cap_marks;
    lt_value **memo;
    size_t n_memo, cap_memo;
} machine;

#define BAD(m, what)                                                             \
    LT_FAIL(LT_ERR_DATA, "unusable torch file (%s, byte %zu of its pickle): %s", \
            (m)->where, (m)->at, what)

/* ---- storage --------------------------------------------------------------------- */

/* Room for one more of n in *array; never more than the bound. */
static lt_status grow(machine *m, void **array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return LT_OK;
    if (n >= LT_PICKLE_VALUES) return BAD(m, "more values than any model has");
    const size_t want = *cap ? 2 * *cap : 64;
    void *p = realloc(*array, want * size);
    if (!p) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a pickle");
    *array = p;
    *cap = want;
    return LT_OK;
}

static lt_status push(machine *m, lt_value *v)
{
    const lt_status st =
        grow(m, (void **)&m->stack, m->n_stack, &m->cap_stack, sizeof(*m->stack));
    if (st == LT_OK) m->stack[m->n_stack++] = v;
    return st;
}

/* A new value on the stack. */
static lt_status push_new(machine *m, lt_value_kind kind, lt_value **out)
{
    if (m->n_values >= LT_PICKLE_VALUES) return BAD(m, "more values than any model has");
    lt_value *v = calloc(1, sizeof(*v));
    if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a pickle");
    v->kind = kind;
    v->older = m->all;
    m->all = v;
    m->n_values++;
    if (out) *out = v;
    return push(m, v);
}

void lt_values_free(lt_value *all)
{
    while (all) {
        lt_value *older = all->older;
        if (all->kind == LT_VALUE_LIST || all->kind == LT_VALUE_DICT) free(all->u.list.v);
        if (all->kind == LT_VALUE_TENSOR) free(all->u.tensor);
        free(all);
        all = older;
    }
}

static lt_status append(machine *m, lt_value *to, lt_value *v)
{
    lt_value_list *l = &to->u.list;
    if (m->n_entries++ >= LT_PICKLE_VALUES)
        return BAD(m, "more values than any model has");
    const lt_status st = grow(m, (void **)&l->v, l->n, &l->cap, sizeof(*l->v));
    if (st == LT_OK) l->v[l->n++] = v;
    return st;
}

/* Where the values above the last mark begin, or above all when no mark is left. */
static size_t floor_of(const machine *m)
{
    return m->n_marks ? m->mark[m->n_marks - 1] : 0;
}

static lt_status pop(machine *m, lt_value **v)
{
    if (m->n_stack <= floor_of(m)) return BAD(m, "it takes from an empty stack");
    *v = m->stack[--m->n_stack];
    return LT_OK;
}

static lt_status pop_kind(machine *m, lt_value_kind kind, lt_value **v)
{
    const lt_status st = pop(m, v);
    if (st != LT_OK) return st;
    return (*v)->kind == kind ? LT_OK : BAD(m, "it applies an operation to another type");
}

static lt_status push_mark(machine *m)
{
    const lt_status st =
        grow(m, (void **)&m->mark, m->n_marks, &m->cap_marks, sizeof(*m->mark));
    if (st == LT_OK) m->mark[m->n_marks++] = m->n_stack;
    return st;
}

static lt_status pop_mark(machine *m, size_t *height)
{
    if (!m->n_marks) return BAD(m, "it looks for a mark that is not there");
    *height = m->mark[--m->n_marks];
    return LT_OK;
}

/* ---- reading arguments ----------------------------------------------------------- */

static lt_status take(machine *m, size_t n, const uint8_t **p)
{
    if (n > m->bytes - m->at) return BAD(m, "it is truncated");
    *p = m->data + m->at;
    m->at += n;
    return LT_OK;
}

/* Little-endian, 1 .. 8 bytes. */
static lt_status take_number(machine *m, int n, uint64_t *v)
{
    const uint8_t *p = NULL;
    const lt_status st = take(m, (size_t)n, &p);
    *v = 0;
    for (int i = n - 1; st == LT_OK && i >= 0; i--) *v = *v << 8 | p[i];
    return st;
}

static lt_status take_line(machine *m, lt_value_text *line)
{
    const uint8_t *p = m->data + m->at;
    const uint8_t *end = memchr(p, '\n', m->bytes - m->at);
    if (!end) return BAD(m, "it is truncated");
    *line = (lt_value_text){ (const char *)p, (size_t)(end - p) };
    m->at += line->n + 1;
    return LT_OK;
}

/* A line with a decimal number. */
static lt_status take_decimal(machine *m, int64_t *v)
{
    lt_value_text line = { 0 };
    const lt_status st = take_line(m, &line);
    if (st != LT_OK) return st;
    char text[24], *end = NULL;
    if (line.n && line.s[line.n - 1] == 'L') line.n--; /* Python 2's long */
    if (line.n == 0 || line.n >= sizeof(text)) return BAD(m, "a number is too long");
    memcpy(text, line.s, line.n);
    text[line.n] = '\0';
    *v = strtoll(text, &end, 10);
    return *end ? BAD(m, "a number is not one") : LT_OK;
}

static lt_status push_int(machine *m, int64_t i)
{
    lt_value *v = NULL;
    const lt_status st = push_new(m, LT_VALUE_INT, &v);
    if (st == LT_OK) v->u.i = i;
    return st;
}

static lt_status push_unsigned(machine *m, int n)
{
    uint64_t v = 0;
    const lt_status st = take_number(m, n, &v);
    return st == LT_OK ? push_int(m, (int64_t)v) : st;
}

static lt_status push_signed_32(machine *m)
{
    uint64_t v = 0;
    const lt_status st = take_number(m, 4, &v);
    return st == LT_OK ? push_int(m, (int32_t)(uint32_t)v) : st;
}

static lt_status push_decimal(machine *m)
{
    int64_t v = 0;
    const lt_status st = take_decimal(m, &v);
    return st == LT_OK ? push_int(m, v) : st;
}

/* A long of n bytes, two's complement; only those of 64 bits are numbers for us. */
static lt_status push_long(machine *m, int size_bytes)
{
    uint64_t n = 0;
    const uint8_t *p = NULL;
    lt_status st = take_number(m, size_bytes, &n);
    if (st == LT_OK) st = take(m, n, &p);
    if (st != LT_OK) return st;
    if (n > 8) return push_new(m, LT_VALUE_NONE, NULL);
    uint64_t v = n && p[n - 1] & 0x80 ? ~(uint64_t)0 : 0;
    for (size_t i = n; i > 0; i--) v = v << 8 | p[i - 1];
    return push_int(m, (int64_t)v);
}

static lt_status push_text(machine *m, lt_value_text text)
{
    lt_value *v = NULL;
    const lt_status st = push_new(m, LT_VALUE_TEXT, &v);
    if (st == LT_OK) v->u.text = text;
    return st;
}

/* Bytes behind a length of size_bytes; a text, or something nobody asks for. */
static lt_status push_counted(machine *m, int size_bytes, int is_text)
{
    uint64_t n = 0;
    const uint8_t *p = NULL;
    lt_status st = take_number(m, size_bytes, &n);
    if (st == LT_OK) st = take(m, n, &p);
    if (st != LT_OK) return st;
    if (!is_text) return push_new(m, LT_VALUE_NONE, NULL);
    return push_text(m, (lt_value_text){ (const char *)p, n });
}

/* Texts of protocol 0 stand in quotes. */
static lt_status push_line(machine *m, int quoted)
{
    lt_value_text t = { 0 };
    const lt_status st = take_line(m, &t);
    if (st != LT_OK) return st;
    if (quoted) {
        if (t.n < 2) return BAD(m, "a text has no quotes");
        t = (lt_value_text){ t.s + 1, t.n - 2 };
    }
    return push_text(m, t);
}

static lt_status skip_and_push_none(machine *m, size_t n)
{
    const uint8_t *p = NULL;
    const lt_status st = take(m, n, &p);
    return st == LT_OK ? push_new(m, LT_VALUE_NONE, NULL) : st;
}

/* ---- containers ------------------------------------------------------------------ */

/* The n topmost values, in their order, become a list in their place. */
static lt_status gather(machine *m, size_t n, lt_value_kind kind)
{
    lt_status st = LT_OK;
    lt_value *v = NULL;
    if (m->n_stack - floor_of(m) < n) return BAD(m, "it takes from an empty stack");
    const size_t from = m->n_stack - n;
    LT_TRY(push_new(m, kind, &v));
    for (size_t i = 0; i < n; i++) LT_TRY(append(m, v, m->stack[from + i]));
    m->stack[from] = v;
    m->n_stack = from + 1;
cleanup:
    return st;
}

static lt_status gather_marked(machine *m, lt_value_kind kind)
{
    size_t height = 0;
    const lt_status st = pop_mark(m, &height);
    if (st != LT_OK) return st;
    if (kind == LT_VALUE_DICT && (m->n_stack - height) % 2)
        return BAD(m, "a dict has a key without a value");
    return gather(m, m->n_stack - height, kind);
}

/* The values from `from` on go into the container below them. */
static lt_status add_from(machine *m, size_t from, lt_value_kind kind)
{
    lt_status st = LT_OK;
    if (from <= floor_of(m) || m->stack[from - 1]->kind != kind)
        return BAD(m, "it fills something that is no list and no dict");
    if (kind == LT_VALUE_DICT && (m->n_stack - from) % 2)
        return BAD(m, "a dict has a key without a value");
    for (size_t i = from; i < m->n_stack; i++)
        LT_TRY(append(m, m->stack[from - 1], m->stack[i]));
    m->n_stack = from;
cleanup:
    return st;
}

static lt_status add_marked(machine *m, lt_value_kind kind)
{
    size_t height = 0;
    const lt_status st = pop_mark(m, &height);
    return st == LT_OK ? add_from(m, height, kind) : st;
}

static lt_status add_top(machine *m, size_t n, lt_value_kind kind)
{
    if (m->n_stack < n) return BAD(m, "it takes from an empty stack");
    return add_from(m, m->n_stack - n, kind);
}

/* ---- memo ------------------------------------------------------------------------ */

static lt_status put_memo(machine *m, uint64_t i)
{
    if (i >= LT_PICKLE_VALUES) return BAD(m, "more values than any model has");
    if (m->n_stack <= floor_of(m)) return BAD(m, "it takes from an empty stack");
    while (m->n_memo <= i) {
        const lt_status st =
            grow(m, (void **)&m->memo, m->n_memo, &m->cap_memo, sizeof(*m->memo));
        if (st != LT_OK) return st;
        m->memo[m->n_memo++] = NULL;
    }
    m->memo[i] = m->stack[m->n_stack - 1];
    return LT_OK;
}

static lt_status get_memo(machine *m, uint64_t i)
{
    if (i >= m->n_memo || !m->memo[i]) return BAD(m, "it asks for an unknown value");
    return push(m, m->memo[i]);
}

static lt_status memo_number(machine *m, int n, int put)
{
    uint64_t i = 0;
    int64_t line = 0;
    const lt_status st = n ? take_number(m, n, &i) : take_decimal(m, &line);
    if (st != LT_OK) return st;
    if (!n) i = (uint64_t)line;
    return put ? put_memo(m, i) : get_memo(m, i);
}

/* ---- names and calls ------------------------------------------------------------- */

static const struct {
    const char *module, *name;
    lt_known_name known;
    const char *type;
    int cell;
} names[] = {
    { "collections", "OrderedDict", LT_NAME_ORDERED_DICT, NULL, 0 },
    { "torch._utils", "_rebuild_tensor_v2", LT_NAME_TENSOR_V2, NULL, 0 },
    { "torch._utils", "_rebuild_parameter", LT_NAME_PARAMETER, NULL, 0 },
    { "torch", "FloatStorage", LT_NAME_STORAGE, "F32", 4 },
    { "torch", "HalfStorage", LT_NAME_STORAGE, "F16", 2 },
    { "torch", "BFloat16Storage", LT_NAME_STORAGE, "BF16", 2 },
    { "torch", "DoubleStorage", LT_NAME_STORAGE, "F64", 8 },
    { "torch", "LongStorage", LT_NAME_STORAGE, "I64", 8 },
    { "torch", "IntStorage", LT_NAME_STORAGE, "I32", 4 },
    { "torch", "ShortStorage", LT_NAME_STORAGE, "I16", 2 },
    { "torch", "CharStorage", LT_NAME_STORAGE, "I8", 1 },
    { "torch", "ByteStorage", LT_NAME_STORAGE, "U8", 1 },
    { "torch", "BoolStorage", LT_NAME_STORAGE, "BOOL", 1 },
};

static int same(lt_value_text t, const char *s)
{
    return t.n == strlen(s) && !memcmp(t.s, s, t.n);
}

static lt_status push_name(machine *m, lt_value_text module, lt_value_text name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        lt_value *v = NULL;
        if (!same(module, names[i].module) || !same(name, names[i].name)) continue;
        const lt_status st = push_new(m, LT_VALUE_NAME, &v);
        if (st != LT_OK) return st;
        v->name = names[i].known;
        v->u.storage = (lt_value_storage){ .type = names[i].type, .cell = names[i].cell };
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_DATA,
                   "refused torch file (%s): it asks for %.*s.%.*s, and only tensors, "
                   "dicts, lists, numbers and texts are read; download a safetensors "
                   "file, or save the state_dict alone",
                   m->where, (int)(module.n < 100 ? module.n : 100), module.s,
                   (int)(name.n < 100 ? name.n : 100), name.s);
}

static lt_status push_global(machine *m)
{
    lt_value_text module = { 0 }, name = { 0 };
    lt_status st = take_line(m, &module);
    if (st == LT_OK) st = take_line(m, &name);
    return st == LT_OK ? push_name(m, module, name) : st;
}

static lt_status push_stack_global(machine *m)
{
    lt_value *name = NULL, *module = NULL;
    lt_status st = pop_kind(m, LT_VALUE_TEXT, &name);
    if (st == LT_OK) st = pop_kind(m, LT_VALUE_TEXT, &module);
    return st == LT_OK ? push_name(m, module->u.text, name->u.text) : st;
}

/* ('storage', torch.FloatStorage, key, device, number of elements) */
static lt_status load_storage(machine *m)
{
    lt_value *id = NULL, *out = NULL;
    lt_status st = pop_kind(m, LT_VALUE_LIST, &id);
    if (st != LT_OK) return st;
    lt_value *const *v = id->u.list.v;
    if (id->u.list.n != 5 || v[0]->kind != LT_VALUE_TEXT ||
        !same(v[0]->u.text, "storage") || v[1]->kind != LT_VALUE_NAME ||
        v[1]->name != LT_NAME_STORAGE || v[2]->kind != LT_VALUE_TEXT ||
        v[4]->kind != LT_VALUE_INT || v[4]->u.i < 0)
        return BAD(m, "a storage is not described as torch does");
    st = push_new(m, LT_VALUE_STORAGE, &out);
    if (st != LT_OK) return st;
    out->u.storage = v[1]->u.storage;
    out->u.storage.key = v[2]->u.text;
    out->u.storage.count = v[4]->u.i;
    return LT_OK;
}

/* Shape and strides from two tuples. */
static lt_status read_shape(machine *m, const lt_value *size, const lt_value *stride,
                            lt_pickle_tensor *t)
{
    if (size->kind != LT_VALUE_LIST || stride->kind != LT_VALUE_LIST ||
        size->u.list.n != stride->u.list.n || size->u.list.n > LT_MAX_DIMS)
        return BAD(m, "the shape of a tensor is not one");
    t->ndim = (int)size->u.list.n;
    t->count = 1;
    for (int i = 0; i < LT_MAX_DIMS; i++) t->shape[i] = 1, t->stride[i] = 0;
    for (int i = 0; i < t->ndim; i++) {
        const lt_value *n = size->u.list.v[i], *s = stride->u.list.v[i];
        if (n->kind != LT_VALUE_INT || s->kind != LT_VALUE_INT || n->u.i < 0 ||
            s->u.i < 0)
            return BAD(m, "the shape of a tensor is not one");
        t->shape[i] = n->u.i;
        t->stride[i] = s->u.i;
        if (__builtin_mul_overflow(t->count, n->u.i, &t->count))
            return BAD(m, "a tensor is larger than its storage");
    }
    return LT_OK;
}

/* Every element lies in the storage, and there are not more than it holds. */
static lt_status check_inside(machine *m, const lt_pickle_tensor *t)
{
    int64_t last = t->offset, bytes = 0;
    if (t->offset < 0 || t->count > t->storage_count ||
        __builtin_mul_overflow(t->storage_count, t->cell, &bytes))
        return BAD(m, "a tensor is larger than its storage");
    for (int i = 0; t->count && i < t->ndim; i++) {
        int64_t step = 0;
        if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return BAD(m, "a tensor is larger than its storage");
    }
    if (t->count && last >= t->storage_count)
        return BAD(m, "a tensor is larger than its storage");
    return LT_OK;
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static lt_status call_tensor(machine *m, const lt_value_list *a)
{
    lt_status st = LT_OK;
    lt_value *out = NULL;
    lt_pickle_tensor t = { 0 };
    if (m->n_tensors++ >= LT_PICKLE_TENSORS)
        return BAD(m, "more tensors than any model has");
    if (a->n < 4 || a->v[0]->kind != LT_VALUE_STORAGE || a->v[1]->kind != LT_VALUE_INT)
        return BAD(m, "a tensor is not described as torch does");
    const lt_value_storage *s = &a->v[0]->u.storage;
    t.type = s->type;
    t.cell = s->cell;
    t.storage_count = s->count;
    t.offset = a->v[1]->u.i;
    LT_TRY(read_shape(m, a->v[2], a->v[3], &t));
    LT_TRY(check_inside(m, &t));
    lt_pickle_tensor *copy = malloc(sizeof(*copy));
    if (!copy) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a pickle");
    *copy = t;
    st = push_new(m, LT_VALUE_NONE, &out);
    if (st != LT_OK) {
        free(copy);
        return st;
    }
    out->kind = LT_VALUE_TENSOR;
    out->u.tensor = copy;
    out->key = s->key;
cleanup:
    return st;
}

/* OrderedDict() or OrderedDict([[key, value], ...]) */
static lt_status call_dict(machine *m, const lt_value_list *a)
{
    lt_status st = LT_OK;
    lt_value *out = NULL;
    if (a->n > 1 || (a->n == 1 && a->v[0]->kind != LT_VALUE_LIST))
        return BAD(m, "an OrderedDict is made of something else than pairs");
    LT_TRY(push_new(m, LT_VALUE_DICT, &out));
    for (size_t i = 0; a->n && i < a->v[0]->u.list.n; i++) {
        const lt_value *pair = a->v[0]->u.list.v[i];
        if (pair->kind != LT_VALUE_LIST || pair->u.list.n != 2)
            return BAD(m, "an OrderedDict is made of something else than pairs");
        LT_TRY(append(m, out, pair->u.list.v[0]));
        LT_TRY(append(m, out, pair->u.list.v[1]));
    }
cleanup:
    return st;
}

static lt_status call(machine *m)
{
    lt_value *args = NULL, *fn = NULL;
    lt_status st = pop_kind(m, LT_VALUE_LIST, &args);
    if (st == LT_OK) st = pop_kind(m, LT_VALUE_NAME, &fn);
    if (st != LT_OK) return st;
    const lt_value_list *a = &args->u.list;
    switch (fn->name) {
    case LT_NAME_ORDERED_DICT: return call_dict(m, a);
    case LT_NAME_TENSOR_V2: return call_tensor(m, a);
    case LT_NAME_PARAMETER: /* (tensor, requires_grad, hooks) */
        if (a->n >= 1 && a->v[0]->kind == LT_VALUE_TENSOR) return push(m, a->v[0]);
        return BAD(m, "a parameter holds no tensor");
    case LT_NAME_STORAGE: break;
    }
    return BAD(m, "it calls a type of storage");
}

/* The attributes of an OrderedDict (_metadata of a state_dict) are not needed. */
static lt_status set_attributes(machine *m)
{
    lt_value *state = NULL;
    const lt_status st = pop(m, &state);
    if (st != LT_OK) return st;
    if (m->n_stack <= floor_of(m) || m->stack[m->n_stack - 1]->kind != LT_VALUE_DICT)
        return BAD(m, "it sets attributes of something that is no dict");
    return LT_OK;
}

/* ---- the operations -------------------------------------------------------------- */

static lt_status drop(machine *m)
{
    lt_value *v = NULL;
    if (m->n_marks && m->n_stack == floor_of(m)) { /* a mark counts as a value */
        m->n_marks--;
        return LT_OK;
    }
    return pop(m, &v);
}

static lt_status drop_marked(machine *m)
{
    size_t height = 0;
    const lt_status st = pop_mark(m, &height);
    if (st == LT_OK) m->n_stack = height;
    return st;
}

static lt_status duplicate(machine *m)
{
    if (m->n_stack <= floor_of(m)) return BAD(m, "it takes from an empty stack");
    return push(m, m->stack[m->n_stack - 1]);
}

static lt_status skip_line(machine *m)
{
    lt_value_text line = { 0 };
    const lt_status st = take_line(m, &line);
    return st == LT_OK ? push_new(m, LT_VALUE_NONE, NULL) : st;
}

static lt_status skip(machine *m, size_t n)
{
    const uint8_t *p = NULL;
    return take(m, n, &p);
}

/* Everything but STOP; the letters are those of Python's pickle.py. */
static lt_status step(machine *m, uint8_t op)
{
    switch (op) {
    case 0x80: return skip(m, 1); /* PROTO */
    case 0x95: return skip(m, 8); /* FRAME */
    case '(': return push_mark(m);
    case '0': return drop(m);
    case '1': return drop_marked(m);
    case '2': return duplicate(m);
    case 'N':
    case 0x88: /* True */
    case 0x89: return push_new(m, LT_VALUE_NONE, NULL);
    case 'J': return push_signed_32(m);
    case 'K': return push_unsigned(m, 1);
    case 'M': return push_unsigned(m, 2);
    case 'I':
    case 'L': return push_decimal(m);
    case 0x8a: return push_long(m, 1);
    case 0x8b: return push_long(m, 4);
    case 'F': return skip_line(m);
    case 'G': return skip_and_push_none(m, 8);
    case 'X': return push_counted(m, 4, 1);
    case 0x8c: return push_counted(m, 1, 1);
    case 0x8d: return push_counted(m, 8, 1);
    case 'T': return push_counted(m, 4, 1);
    case 'U': return push_counted(m, 1, 1);
    case 'V': return push_line(m, 0);
    case 'S': return push_line(m, 1);
    case 'B': return push_counted(m, 4, 0);
    case 'C': return push_counted(m, 1, 0);
    case 0x8e: return push_counted(m, 8, 0);
    case ']':
    case ')': return push_new(m, LT_VALUE_LIST, NULL);
    case '}': return push_new(m, LT_VALUE_DICT, NULL);
    case 'l':
    case 't': return gather_marked(m, LT_VALUE_LIST);
    case 'd': return gather_marked(m, LT_VALUE_DICT);
    case 0x85: return gather(m, 1, LT_VALUE_LIST);
    case 0x86: return gather(m, 2, LT_VALUE_LIST);
    case 0x87: return gather(m, 3, LT_VALUE_LIST);
    case 'a': return add_top(m, 1, LT_VALUE_LIST);
    case 'e': return add_marked(m, LT_VALUE_LIST);
    case 's': return add_top(m, 2, LT_VALUE_DICT);
    case 'u': return add_marked(m, LT_VALUE_DICT);
    case 'q': return memo_number(m, 1, 1);
    case 'r': return memo_number(m, 4, 1);
    case 'p': return memo_number(m, 0, 1);
    case 0x94: return put_memo(m, m->n_memo);
    case 'h': return memo_number(m, 1, 0);
    case 'j': return memo_number(m, 4, 0);
    case 'g': return memo_number(m, 0, 0);
    case 'c': return push_global(m);
    case 0x93: return push_stack_global(m);
    case 'Q': return load_storage(m);
    case 'R': return call(m);
    case 'b': return set_attributes(m);
    }
    m->at--;
    return LT_FAIL(
        LT_ERR_DATA,
        "unusable torch file (%s, byte %zu of its pickle): operation 0x%02x is "
        "none that tensors need",
        m->where, m->at, op);
}

lt_status lt_pickle_run(const uint8_t *data, size_t bytes, const char *where,
                        lt_value **root, lt_value **all)
{
    lt_status st = LT_OK;
    machine m = { .data = data, .bytes = bytes, .where = where };
    const uint8_t *op = NULL;
    if (bytes > LT_PICKLE_BYTES)
        return LT_FAIL(LT_ERR_DATA,
                       "unusable torch file (%s): a pickle of %zu bytes is larger than "
                       "that of any model",
                       where, bytes);
    for (;;) {
        LT_TRY(take(&m, 1, &op));
        if (*op == '.') break;
        LT_TRY(step(&m, *op));
    }
    LT_TRY(pop(&m, root));
cleanup:
    *all = m.all;
    free(m.stack);
    free(m.mark);
    free(m.memo);
    return st;
}
