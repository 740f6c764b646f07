#include "models/lora_names.h"

#include <stdlib.h>
#include <string.h>

/* A layer under one of its names: "u:" or "t:" and the path with underscores. */
typedef struct alias {
    char key[LT_NAME_MAX + 2];
    int64_t at;
} alias;

struct lt_lora_layers {
    lt_lora_layer *layer;
    int64_t n, cap;
    alias *alias; /* sorted */
    int64_t n_aliases;
    lt_part part; /* while collecting */
    lt_status st;
};

static const struct {
    const char *end;
    lt_lora_role role;
} roles[] = {
    { ".lora_A.weight", LT_LORA_DOWN },
    { ".lora_B.weight", LT_LORA_UP },
    { ".lora_A.default.weight", LT_LORA_DOWN },
    { ".lora_B.default.weight", LT_LORA_UP },
    { ".lora_down.weight", LT_LORA_DOWN },
    { ".lora_up.weight", LT_LORA_UP },
    { ".lora.down.weight", LT_LORA_DOWN },
    { ".lora.up.weight", LT_LORA_UP },
    { ".lora_linear_layer.down.weight", LT_LORA_DOWN },
    { ".lora_linear_layer.up.weight", LT_LORA_UP },
    { "_lora.down.weight", LT_LORA_DOWN },
    { "_lora.up.weight", LT_LORA_UP },
    { ".alpha", LT_LORA_ALPHA },
};
enum { N_ROLES = sizeof(roles) / sizeof(*roles) };

/* The end of the name that says the role; N_ROLES: none. */
static int find_role(const char *name)
{
    const size_t n = strlen(name);
    int i = 0;
    for (; i < N_ROLES; i++) {
        const size_t k = strlen(roles[i].end);
        if (n > k && !strcmp(name + n - k, roles[i].end)) break;
    }
    return i;
}

int lt_lora_role_of(const char *name, lt_lora_role *role)
{
    const int i = find_role(name);
    if (i < N_ROLES) *role = roles[i].role;
    return i < N_ROLES;
}

/* ---- keys ------------------------------------------------------------------------- */

static int skip(const char **text, const char *head)
{
    const size_t n = strlen(head);
    if (strncmp(*text, head, n) != 0) return 0;
    *text += n;
    return 1;
}

/* Write the key of a path of n bytes; 0 when it does not fit. */
static int make_key(lt_part part, const char *path, size_t n, char *key)
{
    if (n >= LT_NAME_MAX) return 0;
    key[0] = part == LT_PART_UNET ? 'u' : 't';
    key[1] = ':';
    for (size_t i = 0; i < n; i++) key[2 + i] = path[i] == '.' ? '_' : path[i];
    key[2 + n] = '\0';
    return 1;
}

/* Which part a name of diffusers or peft speaks of; *path behind its prefixes. */
static lt_part part_of(const char **path)
{
    skip(path, "base_model.model.");
    if (skip(path, "unet.")) return LT_PART_UNET;
    if (skip(path, "text_encoder.")) return LT_PART_TEXT;
    return strncmp(*path, "text_model.", 11) ? LT_PART_UNET : LT_PART_TEXT;
}

/* Take out ".processor" and name the output projection as today. */
static void modernise(char *key)
{
    static const char processor[] = "_processor_", out[] = "_to_out";
    char *at = strstr(key, processor);
    if (at)
        memmove(at, at + sizeof(processor) - 2, strlen(at + sizeof(processor) - 2) + 1);
    const size_t n = strlen(key), k = sizeof(out) - 1;
    if (n > k && n + 2 < LT_NAME_MAX + 2 && !strcmp(key + n - k, out))
        memcpy(key + n, "_0", 3);
}

static int key_of(const char *name, char *key)
{
    const int role = find_role(name);
    if (role == N_ROLES) return 0;
    const char *path = name, *end = name + strlen(name) - strlen(roles[role].end);
    lt_part part;
    if (skip(&path, "lora_unet_"))
        part = LT_PART_UNET;
    else if (skip(&path, "lora_te_"))
        part = LT_PART_TEXT;
    else
        part = part_of(&path);
    if (path >= end || !make_key(part, path, (size_t)(end - path), key)) return 0;
    modernise(key);
    return 1;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const alias *)a)->key, ((const alias *)b)->key);
}

static int find_key(const lt_lora_layers *l, const alias *key, int64_t *at)
{
    const alias *found =
        bsearch(key, l->alias, (size_t)l->n_aliases, sizeof(*l->alias), by_key);
    if (found) *at = found->at;
    return found != NULL;
}

int lt_lora_find_layer(const lt_lora_layers *l, const char *name, int64_t *at)
{
    alias key;
    return key_of(name, key.key) && find_key(l, &key, at);
}

int lt_lora_find_tensor(const lt_lora_layers *l, lt_part part, const char *name,
                        int64_t *at)
{
    static const char end[] = ".weight";
    alias key;
    const size_t n = strlen(name), k = sizeof(end) - 1;
    if (n <= k || strcmp(name + n - k, end) != 0 || !make_key(part, name, n - k, key.key))
        return 0;
    return find_key(l, &key, at) && l->layer[*at].part == part &&
           !strcmp(l->layer[*at].name, name);
}

/* ---- the list of layers ----------------------------------------------------------- */

static void add_layer(void *self, const char *name, int ndim, const int64_t *shape)
{
    static const char end[] = ".weight";
    lt_lora_layers *l = self;
    const size_t n = strlen(name), k = sizeof(end) - 1;
    if (l->st != LT_OK || ndim < 2 || n <= k || n >= LT_NAME_MAX ||
        strcmp(name + n - k, end) != 0)
        return;
    if (l->n == l->cap) {
        const int64_t cap = l->cap ? 2 * l->cap : 512;
        lt_lora_layer *more = realloc(l->layer, (size_t)cap * sizeof(*more));
        if (!more) {
            l->st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of layers");
            return;
        }
        l->layer = more;
        l->cap = cap;
    }
    lt_lora_layer *y = &l->layer[l->n++];
    *y = (lt_lora_layer){ .part = l->part, .ndim = ndim, .rows = shape[0], .columns = 1 };
    strcpy(y->name, name);
    for (int i = 0; i < ndim; i++) y->shape[i] = shape[i];
    for (int i = 1; i < ndim; i++) y->columns *= shape[i];
}

/* The names of LDM, too: some files of kohya use them. */
static int ldm_key(const lt_unet_config *c, const char *name, char *key)
{
    lt_ldm_shape s = { .n_levels = c->n_levels, .layers = c->layers_per_block };
    lt_ldm_place place;
    memcpy(s.up_attention, c->up_attention, sizeof(s.up_attention));
    return lt_ldm_find_place(LT_PART_UNET, LT_NAMES_LDM, "", &s, name, &place) &&
           make_key(LT_PART_UNET, place.name, strlen(place.name) - 7, key);
}

static lt_status name_layers(lt_lora_layers *l, const lt_unet_config *c)
{
    l->alias = calloc(2 * (size_t)l->n + 1, sizeof(*l->alias));
    if (!l->alias) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of layers");
    for (int64_t i = 0; i < l->n; i++) {
        const lt_lora_layer *y = &l->layer[i];
        alias *a = &l->alias[l->n_aliases];
        a->at = i;
        l->n_aliases += make_key(y->part, y->name, strlen(y->name) - 7, a->key);
        a = &l->alias[l->n_aliases];
        a->at = i;
        if (y->part == LT_PART_UNET) l->n_aliases += ldm_key(c, y->name, a->key);
    }
    qsort(l->alias, (size_t)l->n_aliases, sizeof(*l->alias), by_key);
    return LT_OK;
}

lt_status lt_lora_layers_new(const lt_source *s, lt_lora_layers **out)
{
    static const lt_part parts[] = { LT_PART_TEXT, LT_PART_UNET };
    lt_status st = LT_OK;
    lt_unet_config c;
    lt_lora_layers *l = calloc(1, sizeof(*l));
    if (!l) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of layers");
    LT_TRY(lt_source_unet(s, &c));
    for (int i = 0; i < 2; i++) {
        l->part = parts[i];
        LT_TRY(lt_source_tensors(s, parts[i], add_layer, l));
        LT_TRY(l->st);
    }
    LT_TRY(name_layers(l, &c));
    *out = l;
    l = NULL;
cleanup:
    lt_lora_layers_free(&l);
    return st;
}

void lt_lora_layers_free(lt_lora_layers **l)
{
    if (!l || !*l) return;
    free((*l)->layer);
    free((*l)->alias);
    free(*l);
    *l = NULL;
}

int64_t lt_lora_n_targets(const lt_lora_layers *l) { return l->n; }
const lt_lora_layer *lt_lora_target(const lt_lora_layers *l, int64_t i)
{
    return &l->layer[i];
}
