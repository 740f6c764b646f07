#include "models/lora.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/options.h"
#include "core/units.h"
#include "models/lora_names.h"

enum { MAX_FILES = 32, MAX_ADAPTER_BYTES = 1 << 20 };

/* What one file has for one layer. */
typedef struct pair {
    const lt_weight *of[3]; /* by lt_lora_role */
} pair;

typedef struct lora_file {
    char path[LT_PATH_MAX];
    double weight;
    lt_weights *w;
    pair *pair; /* [targets], as in the list of layers */
    int64_t n_layers;
    double alpha[LT_N_PARTS]; /* of the metadata; 0: none */
} lora_file;

struct lt_lora {
    lt_lora_layers *layers;
    lora_file *file;
    int n_files;
};

static lt_status no_memory(void)
{
    return LT_FAIL(LT_ERR_NOMEM, "out of memory for a LoRA");
}

/* ---- the list ---------------------------------------------------------------------- */

/* "FILE:0.8": what follows the last colon is a weight when all of it is a number. */
static lt_status read_entry(const char *entry, size_t n, char path[LT_PATH_MAX],
                            double *weight)
{
    char number[32];
    const char *colon = memrchr(entry, ':', n);
    *weight = 1;
    if (colon && n - (size_t)(colon - entry) <= sizeof(number)) {
        const size_t k = n - (size_t)(colon - entry) - 1;
        memcpy(number, colon + 1, k);
        number[k] = '\0';
        if (lt_float_parse(number, weight) == LT_OK)
            n = (size_t)(colon - entry);
        else
            *weight = 1;
    }
    if (!(*weight >= -100 && *weight <= 100) || n == 0 || n >= LT_PATH_MAX)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "unusable LoRA %.*s (model.lora): write FILE or FILE:WEIGHT with a "
            "weight from -100 to 100",
            n > 200 ? 200 : (int)n, entry);
    memcpy(path, entry, n);
    path[n] = '\0';
    return LT_OK;
}

typedef lt_status entry_fn(void *self, const char *path, double weight);

static lt_status each_entry(const char *list, entry_fn *fn, void *self)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    double weight = 1;
    while (list && *list) {
        const size_t n = strcspn(list, "\n");
        LT_TRY(read_entry(list, n, path, &weight));
        LT_TRY(fn(self, path, weight));
        list += n + (list[n] == '\n');
    }
cleanup:
    return st;
}

/* ---- alpha of the metadata ------------------------------------------------------- */

static int is_set(const json_t *v)
{
    return v && !json_is_null(v) && !json_is_false(v) &&
           !(json_is_object(v) && json_object_size(v) == 0);
}

/* peft's LoraConfig, its keys behind `prefix`. */
static lt_status read_config(lora_file *f, const json_t *o, const char *prefix, int part)
{
    static const char *const refused[] = { "use_dora", "use_rslora", "alpha_pattern" };
    char key[64];
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        snprintf(key, sizeof(key), "%s%s", prefix, refused[i]);
        if (is_set(json_object_get(o, key)))
            return LT_FAIL(LT_ERR_DATA, "unsupported kind of LoRA (%s): %s is set",
                           f->path, key);
    }
    snprintf(key, sizeof(key), "%slora_alpha", prefix);
    const json_t *alpha = json_object_get(o, key);
    if (json_is_number(alpha)) f->alpha[part] = json_number_value(alpha);
    return LT_OK;
}

static lt_status read_metadata(lora_file *f)
{
    const char *text = lt_weights_metadata(f->w, "lora_adapter_metadata");
    json_t *o = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!text) return LT_OK;
    lt_status st =
        o ? LT_OK
          : LT_FAIL(LT_ERR_DATA, "broken LoRA (%s): lora_adapter_metadata is no JSON",
                    f->path);
    if (st == LT_OK) st = read_config(f, o, "unet.", LT_PART_UNET);
    if (st == LT_OK) st = read_config(f, o, "text_encoder.", LT_PART_TEXT);
    json_decref(o);
    return st;
}

static lt_status adapter_path(const char *path, char out[LT_PATH_MAX])
{
    char folder[LT_PATH_MAX];
    lt_status st = lt_path_folder(path, folder);
    if (st != LT_OK) return st;
    const int n = snprintf(out, LT_PATH_MAX, "%s/adapter_config.json", folder);
    if (n > 0 && n < LT_PATH_MAX) return LT_OK;
    return LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s...)", path);
}

/* A file of peft itself, whose alpha stands in a file beside it. */
static lt_status read_adapter(lora_file *f)
{
    static const char mark[] = "base_model.model.";
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t n = 0;
    json_t *o = NULL;
    const lt_weight *first = lt_weights_at(f->w, 0);
    if (!first || strncmp(first->name, mark, sizeof(mark) - 1) != 0) return LT_OK;
    LT_TRY(adapter_path(f->path, path));
    LT_TRY(lt_file_read(path, MAX_ADAPTER_BYTES, &text, &n));
    o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(o)) LT_TRY(LT_FAIL(LT_ERR_DATA, "not a JSON object (%s)", path));
    LT_TRY(read_config(f, o, "", LT_PART_UNET));
    LT_TRY(read_config(f, o, "", LT_PART_TEXT));
cleanup:
    json_decref(o);
    free(text);
    return st;
}

/* ---- matching -------------------------------------------------------------------- */

static lt_status unmatched(const lora_file *f, const char *first, int64_t n)
{
    return LT_FAIL(LT_ERR_DATA,
                   "%lld of the %lld tensors of a LoRA belong to no layer of this model "
                   "(%s, the first is %.200s): it was made for another kind of model",
                   (long long)n, (long long)lt_weights_count(f->w), f->path, first);
}

static lt_status match_tensor(lora_file *f, const lt_lora_layers *layers,
                              const lt_weight *t, int *found)
{
    lt_lora_role role;
    int64_t at = 0;
    *found = 0;
    if (!lt_lora_role_of(t->name, &role))
        return LT_FAIL(LT_ERR_DATA,
                       "unsupported kind of LoRA (%s, tensor %.200s): only pairs of "
                       "matrices, up and down, and their alpha are read",
                       f->path, t->name);
    if (!lt_lora_find_layer(layers, t->name, &at)) return LT_OK;
    if (f->pair[at].of[role])
        return LT_FAIL(LT_ERR_DATA,
                       "broken LoRA (%s): %.200s and %.200s mean the same matrix",
                       f->path, f->pair[at].of[role]->name, t->name);
    f->pair[at].of[role] = t;
    *found = 1;
    return LT_OK;
}

static lt_status wrong_shape(const lora_file *f, const lt_weight *t, int64_t a, int64_t b)
{
    char found[LT_SHAPE_TEXT];
    return LT_FAIL(
        LT_ERR_DATA,
        "LoRA for another model (%s, tensor %.200s): its shape is %s, expected "
        "%lldx%lld",
        f->path, t->name, lt_shape_text(t->ndim, t->shape, found), (long long)a,
        (long long)b);
}

/* up [rows, rank], down [rank, columns], each perhaps with sizes of 1 behind, or as the
 * convolution that it belongs to. */
static lt_status check_pair(const lora_file *f, const lt_lora_layer *l, const pair *p)
{
    const lt_weight *up = p->of[LT_LORA_UP], *down = p->of[LT_LORA_DOWN];
    const lt_weight *alpha = p->of[LT_LORA_ALPHA];
    if (!up || !down)
        return LT_FAIL(LT_ERR_DATA,
                       "broken LoRA (%s, tensor %.200s): its partner is not "
                       "there",
                       f->path,
                       (up     ? up
                        : down ? down
                               : alpha)
                           ->name);
    const int64_t rank = down->ndim > 0 ? down->shape[0] : 0;
    if (rank < 1 || down->ndim < 2 || down->count != rank * l->columns ||
        (down->ndim > 2 && l->ndim > 2 && down->shape[1] != l->shape[1]))
        return wrong_shape(f, down, rank, l->columns);
    if (up->ndim < 2 || up->shape[0] != l->rows || up->count != l->rows * rank)
        return wrong_shape(f, up, l->rows, rank);
    if (alpha && alpha->count != 1) return wrong_shape(f, alpha, 1, 1);
    return LT_OK;
}

static lt_status match(lora_file *f, const lt_lora_layers *layers)
{
    lt_status st = LT_OK;
    const char *first = NULL;
    int64_t n_lost = 0;
    f->pair = calloc((size_t)lt_lora_n_targets(layers) + 1, sizeof(*f->pair));
    if (!f->pair) return no_memory();
    if (lt_weights_count(f->w) == 0)
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "LoRA without tensors (%s): give a file of diffusers or kohya",
                       f->path));
    for (int64_t i = 0; i < lt_weights_count(f->w); i++) {
        const lt_weight *t = lt_weights_at(f->w, i);
        int found = 0;
        LT_TRY(match_tensor(f, layers, t, &found));
        if (!found && n_lost++ == 0) first = t->name;
    }
    if (n_lost) LT_TRY(unmatched(f, first, n_lost));
    for (int64_t i = 0; i < lt_lora_n_targets(layers); i++) {
        const pair *p = &f->pair[i];
        if (!p->of[0] && !p->of[1] && !p->of[2]) continue;
        LT_TRY(check_pair(f, lt_lora_target(layers, i), p));
        f->n_layers++;
    }
cleanup:
    return st;
}

/* ---- open and close -------------------------------------------------------------- */

static lt_status open_one(void *self, const char *path, double weight)
{
    lt_lora *l = self;
    lt_status st = LT_OK;
    if (l->n_files == MAX_FILES)
        return LT_FAIL(LT_ERR_CONFIG, "more than %d LoRA files (model.lora): give fewer",
                       MAX_FILES);
    lora_file *more = realloc(l->file, (size_t)(l->n_files + 1) * sizeof(*more));
    if (!more) return no_memory();
    l->file = more;
    lora_file *f = &more[l->n_files++];
    *f = (lora_file){ .weight = weight };
    snprintf(f->path, sizeof(f->path), "%s", path);
    LT_TRY(lt_weights_open(path, &f->w));
    LT_TRY(read_metadata(f));
    LT_TRY(read_adapter(f));
    LT_TRY(match(f, l->layers));
cleanup:
    return st;
}

lt_status lt_lora_open(const char *list, const lt_source *s, lt_lora **out)
{
    lt_status st = LT_OK;
    lt_lora *l = NULL;
    *out = NULL;
    if (!list || !*list) return LT_OK;
    l = calloc(1, sizeof(*l));
    if (!l) return no_memory();
    LT_TRY(lt_lora_layers_new(s, &l->layers));
    LT_TRY(each_entry(list, open_one, l));
    *out = l;
    l = NULL;
cleanup:
    lt_lora_close(&l);
    return st;
}

void lt_lora_close(lt_lora **lora)
{
    if (!lora || !*lora) return;
    lt_lora *l = *lora;
    for (int i = 0; i < l->n_files; i++) {
        lt_weights_close(&l->file[i].w);
        free(l->file[i].pair);
    }
    free(l->file);
    lt_lora_layers_free(&l->layers);
    free(l);
    *lora = NULL;
}

int lt_lora_n_files(const lt_lora *l) { return l ? l->n_files : 0; }
const char *lt_lora_path(const lt_lora *l, int i) { return l->file[i].path; }
double lt_lora_weight(const lt_lora *l, int i) { return l->file[i].weight; }
int64_t lt_lora_n_layers(const lt_lora *l, int i) { return l->file[i].n_layers; }

/* ---- merging --------------------------------------------------------------------- */

static lt_status scale_of(const lora_file *f, const pair *p, lt_part part, int64_t rank,
                          float *scale)
{
    const lt_weight *t = p->of[LT_LORA_ALPHA];
    float alpha = f->alpha[part] != 0 ? (float)f->alpha[part] : (float)rank;
    int64_t whole = 0;
    lt_status st = LT_OK;
    if (t && (t->type == LT_WEIGHT_I64 || t->type == LT_WEIGHT_I32)) {
        st = lt_weight_to_i64(t, &whole);
        alpha = (float)whole;
    } else if (t)
        st = lt_weight_to_f32(t, 0, 1, &alpha);
    *scale = (float)(f->weight * (double)alpha / (double)rank);
    return st;
}

/* w[o] += scale * sum over r of up[o][r] down[r]; sums in the order of r. */
static void add_product(const float *up, const float *down, float *row, int64_t rows,
                        int64_t rank, int64_t columns, float scale, float *w)
{
    for (int64_t o = 0; o < rows; o++, w += columns) {
        memset(row, 0, (size_t)columns * sizeof(*row));
        for (int64_t r = 0; r < rank; r++) {
            const float u = up[o * rank + r], *d = down + r * columns;
            for (int64_t c = 0; c < columns; c++) row[c] += u * d[c];
        }
        for (int64_t c = 0; c < columns; c++) w[c] += scale * row[c];
    }
}

static lt_status merge_pair(const lora_file *f, const lt_lora_layer *l, const pair *p,
                            float *w)
{
    lt_status st = LT_OK;
    const lt_weight *up = p->of[LT_LORA_UP], *down = p->of[LT_LORA_DOWN];
    const int64_t rank = down->shape[0];
    float scale = 0;
    float *room = malloc((size_t)(up->count + down->count + l->columns) * sizeof(*room));
    if (!room) return no_memory();
    LT_TRY(lt_weight_to_f32(up, 0, up->count, room));
    LT_TRY(lt_weight_to_f32(down, 0, down->count, room + up->count));
    LT_TRY(scale_of(f, p, l->part, rank, &scale));
    add_product(room, room + up->count, room + up->count + down->count, l->rows, rank,
                l->columns, scale, w);
cleanup:
    free(room);
    return st;
}

lt_status lt_lora_merge(const lt_lora *l, lt_part part, const char *name, int64_t count,
                        float *w)
{
    int64_t at = 0;
    if (!l || !lt_lora_find_tensor(l->layers, part, name, &at)) return LT_OK;
    const lt_lora_layer *layer = lt_lora_target(l->layers, at);
    if (layer->rows * layer->columns != count)
        return LT_FAIL(LT_ERR_INTERNAL, "tensor %s has another size than its layer",
                       name);
    for (int i = 0; i < l->n_files; i++) {
        const pair *p = &l->file[i].pair[at];
        if (!p->of[LT_LORA_UP]) continue;
        const lt_status st = merge_pair(&l->file[i], layer, p, w);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* ---- identity -------------------------------------------------------------------- */

typedef struct lister {
    lt_source_file *file;
    void *self;
} lister;

static lt_status list_one(void *self, const char *path, double weight)
{
    const lister *l = self;
    char name[64], number[LT_UNIT_TEXT_MAX], adapter[LT_PATH_MAX];
    snprintf(name, sizeof(name), "lora %s", lt_float_format(weight, number));
    lt_status st = l->file(l->self, name, path, NULL);
    if (st == LT_OK) st = adapter_path(path, adapter);
    if (st == LT_OK && lt_file_exists(adapter))
        st = l->file(l->self, "lora adapter_config.json", adapter, NULL);
    return st;
}

lt_status lt_lora_files(const char *list, lt_source_file *file, void *self)
{
    lister l = { file, self };
    return each_entry(list, list_one, &l);
}
