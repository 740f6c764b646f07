#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/text.h"

static lt_fact *find(const lt_facts *f, const char *key)
{
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->v[i].key, key)) return &f->v[i];
    return NULL;
}

static bool is_key(const char *key)
{
    const size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n < 64 && key[n] == '\0';
}

static lt_status add(lt_facts *f, const char *key, char *value)
{
    lt_fact *v = realloc(f->v, (size_t)(f->n + 1) * sizeof(*v));
    if (v) f->v = v;
    char *name = v ? strdup(key) : NULL;
    if (!name) return LT_FAIL(LT_ERR_NOMEM, "out of memory (keeping %s)", key);
    f->v[f->n++] = (lt_fact){ name, value };
    return LT_OK;
}

lt_status lt_facts_set(lt_facts *f, const char *key, const char *value)
{
    lt_fact *old = find(f, key);
    if (!is_key(key) || !lt_utf8_valid(value) || strlen(value) >= LT_TEXT_MAX ||
        (!old && f->n >= LT_FACTS_MAX))
        return LT_FAIL(LT_ERR_ARG, "bad fact of the job (%.60s): report this", key);
    char *copy = strdup(value);
    if (!copy) return LT_FAIL(LT_ERR_NOMEM, "out of memory (keeping %s)", key);
    if (!old) {
        const lt_status st = add(f, key, copy);
        if (st != LT_OK) free(copy);
        return st;
    }
    free(old->value);
    old->value = copy;
    return LT_OK;
}

const char *lt_facts_get(const lt_facts *f, const char *key)
{
    const lt_fact *found = find(f, key);
    return found ? found->value : NULL;
}

void lt_facts_free(lt_facts *f)
{
    if (!f) return;
    for (int i = 0; i < f->n; i++) {
        free(f->v[i].key);
        free(f->v[i].value);
    }
    free(f->v);
    *f = (lt_facts){ 0 };
}
