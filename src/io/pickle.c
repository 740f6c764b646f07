#include "io/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "io/pickle_impl.h"

/* ---- collecting tensors ---------------------------------------------------------- */

typedef struct walker {
    lt_pickle *p;
    const char *where;
    int64_t seen; /* a value that stands in many lists is met again and again */
    char name[LT_PICKLE_NAME];
} walker;

static lt_status bad(const walker *w, const char *what)
{
    return LT_FAIL(LT_ERR_DATA, "unusable torch file (%s, at %.200s): %s", w->where,
                   w->name[0] ? w->name : "the root", what);
}

static lt_status add_tensor(walker *w, const lt_value *v)
{
    lt_pickle *p = w->p;
    if (p->n == p->cap) {
        const int64_t cap = p->cap ? 2 * p->cap : 256;
        lt_pickle_tensor *t = realloc(p->t, (size_t)cap * sizeof(*t));
        if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of tensors");
        p->t = t;
        p->cap = cap;
    }
    if (memchr(v->key.s, '\0', v->key.n))
        return bad(w, "the key of a storage is no text");
    char *name = strdup(w->name), *key = strndup(v->key.s, v->key.n);
    if (!name || !key) {
        free(name);
        free(key);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tensor name");
    }
    p->t[p->n] = *v->u.tensor;
    p->t[p->n].name = name;
    p->t[p->n++].storage = key;
    return LT_OK;
}

static lt_status walk(walker *w, const lt_value *v, int depth);

/* Walk into `v` under the name so far and `part`. */
static lt_status walk_part(walker *w, const char *part, size_t n, const lt_value *v,
                           int depth)
{
    const size_t old = strlen(w->name), dot = old > 0;
    w->seen++;
    if (v->kind != LT_VALUE_TENSOR && v->kind != LT_VALUE_DICT &&
        v->kind != LT_VALUE_LIST)
        return LT_OK;
    if (memchr(part, '\0', n) || old + dot + n >= sizeof(w->name))
        return bad(w, "a key is too long, or no text");
    if (dot) w->name[old] = '.';
    memcpy(w->name + old + dot, part, n);
    w->name[old + dot + n] = '\0';
    const lt_status st = walk(w, v, depth + 1);
    if (st == LT_OK) w->name[old] = '\0';
    return st;
}

static lt_status walk_entry(walker *w, const lt_value *key, const lt_value *v, int depth)
{
    char number[24];
    if (key->kind == LT_VALUE_TEXT)
        return walk_part(w, key->u.text.s, key->u.text.n, v, depth);
    if (key->kind != LT_VALUE_INT) return LT_OK; /* no name: nothing that a model needs */
    const int n = snprintf(number, sizeof(number), "%lld", (long long)key->u.i);
    return walk_part(w, number, (size_t)n, v, depth);
}

static lt_status walk(walker *w, const lt_value *v, int depth)
{
    lt_status st = LT_OK;
    if (depth > LT_PICKLE_DEPTH) return bad(w, "lists and dicts are nested too deep");
    if (w->seen++ > LT_PICKLE_VALUES) return bad(w, "more values than any model has");
    if (v->kind == LT_VALUE_TENSOR) return add_tensor(w, v);
    const lt_value_list *l = &v->u.list;
    if (v->kind == LT_VALUE_DICT)
        for (size_t i = 0; i + 1 < l->n; i += 2)
            LT_TRY(walk_entry(w, l->v[i], l->v[i + 1], depth));
    if (v->kind == LT_VALUE_LIST)
        for (size_t i = 0; i < l->n; i++) {
            char number[24];
            const int n = snprintf(number, sizeof(number), "%zu", i);
            LT_TRY(walk_part(w, number, (size_t)n, l->v[i], depth));
        }
cleanup:
    return st;
}

/* The entry "state_dict" of the root, or the root. */
static const lt_value *find_model(const lt_value *root)
{
    static const char key[] = "state_dict";
    const lt_value_list *l = &root->u.list;
    for (size_t i = 0; root->kind == LT_VALUE_DICT && i + 1 < l->n; i += 2)
        if (l->v[i]->kind == LT_VALUE_TEXT && l->v[i]->u.text.n == sizeof(key) - 1 &&
            !memcmp(l->v[i]->u.text.s, key, sizeof(key) - 1) &&
            l->v[i + 1]->kind == LT_VALUE_DICT)
            return l->v[i + 1];
    return root;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static lt_status check_names(const lt_pickle *p, const char *where)
{
    lt_status st = LT_OK;
    const char **names = malloc((size_t)p->n * sizeof(*names) + 1);
    if (!names) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of tensors");
    for (int64_t i = 0; i < p->n; i++) {
        names[i] = p->t[i].name;
        if (!lt_utf8_valid(names[i]))
            LT_TRY(
                LT_FAIL(LT_ERR_DATA,
                        "unusable torch file (%s): the name of tensor %lld is no UTF-8 "
                        "text",
                        where, (long long)i));
    }
    qsort(names, (size_t)p->n, sizeof(*names), by_name);
    for (int64_t i = 1; i < p->n; i++)
        if (!strcmp(names[i - 1], names[i]))
            LT_TRY(LT_FAIL(LT_ERR_DATA,
                           "unusable torch file (%s): two tensors are called %.200s",
                           where, names[i]));
cleanup:
    free(names);
    return st;
}

lt_status lt_pickle_parse(const void *data, size_t bytes, const char *where,
                          lt_pickle **out)
{
    lt_status st = LT_OK;
    lt_value *root = NULL, *all = NULL;
    walker *w = calloc(1, sizeof(*w));
    lt_pickle *p = calloc(1, sizeof(*p));
    if (!w || !p) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of tensors");
        goto cleanup;
    }
    LT_TRY(lt_pickle_run(data, bytes, where, &root, &all));
    w->p = p;
    w->where = where;
    LT_TRY(walk(w, find_model(root), 0));
    LT_TRY(check_names(p, where));
    if (p->n == 0)
        LT_TRY(
            LT_FAIL(LT_ERR_DATA, "torch file without tensors (%s): not a model", where));
    *out = p;
    p = NULL;
cleanup:
    lt_values_free(all);
    lt_pickle_close(&p);
    free(w);
    return st;
}

void lt_pickle_close(lt_pickle **p)
{
    if (!p || !*p) return;
    for (int64_t i = 0; i < (*p)->n; i++) {
        free((char *)(*p)->t[i].name);
        free((char *)(*p)->t[i].storage);
    }
    free((*p)->t);
    free(*p);
    *p = NULL;
}

int64_t lt_pickle_count(const lt_pickle *p) { return p->n; }

const lt_pickle_tensor *lt_pickle_at(const lt_pickle *p, int64_t i)
{
    return i >= 0 && i < p->n ? &p->t[i] : NULL;
}
