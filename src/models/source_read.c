#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "models/source_impl.h"

enum { MAX_VOCAB_BYTES = 64 << 20 };

static lt_status no_memory(void)
{
    return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
}

/* ---- what is asked for ----------------------------------------------------------- */

static lt_status missing(const lt_source *s, int part)
{
    return LT_FAIL(LT_ERR_NOINPUT,
                   "no %s (%s): put its file beside the others into one folder, and give "
                   "the folder",
                   lt_part_words[part == LT_SOURCE_SCHEDULER ? LT_PART_UNET : part],
                   s->path);
}

/* The derived configuration as the text of a config.json, and its name for messages. */
static lt_status config_text(const lt_source *s, int i, char **text, char **where)
{
    *text = *where = NULL;
    if (!s->config[i]) return missing(s, i);
    *text = json_dumps(s->config[i], JSON_COMPACT | JSON_SORT_KEYS);
    if (*text &&
        asprintf(where, "%s, derived %s", s->path, lt_source_config_names[i]) >= 0)
        return LT_OK;
    free(*text);
    *text = NULL;
    return no_memory();
}

lt_status lt_source_unet(const lt_source *s, lt_unet_config *c)
{
    char *text = NULL, *where = NULL;
    if (s->diffusers) return lt_unet_config_load(s->path, c);
    lt_status st = config_text(s, LT_PART_UNET, &text, &where);
    if (st == LT_OK) st = lt_unet_config_parse(text, strlen(text), where, c);
    free(text);
    free(where);
    return st;
}

lt_status lt_source_vae(const lt_source *s, lt_vae_config *c)
{
    char *text = NULL, *where = NULL;
    if (s->diffusers) return lt_vae_config_load(s->path, c);
    lt_status st = config_text(s, LT_PART_VAE, &text, &where);
    if (st == LT_OK) st = lt_vae_config_parse(text, strlen(text), where, c);
    free(text);
    free(where);
    return st;
}

lt_status lt_source_text(const lt_source *s, lt_text_config *c)
{
    char *text = NULL, *where = NULL;
    if (s->diffusers) return lt_text_config_load(s->path, c);
    lt_status st = config_text(s, LT_PART_TEXT, &text, &where);
    if (st == LT_OK) st = lt_text_config_parse(text, strlen(text), where, c);
    free(text);
    free(where);
    return st;
}

static lt_status read_scheduler(const lt_source *s, lt_scheduler *c)
{
    char *text = NULL, *where = NULL;
    if (s->diffusers) return lt_scheduler_load(s->path, c);
    lt_status st = config_text(s, LT_SOURCE_SCHEDULER, &text, &where);
    if (st == LT_OK) st = lt_scheduler_parse(text, strlen(text), where, c);
    free(text);
    free(where);
    return st;
}

lt_status lt_source_scheduler(const lt_source *s, lt_scheduler *c)
{
    const lt_status st = read_scheduler(s, c);
    if (st == LT_OK && s->spec.prediction)
        c->prediction = s->spec.prediction == 2 ? LT_PREDICT_V : LT_PREDICT_EPSILON;
    return st;
}

lt_status lt_source_tensors(const lt_source *s, lt_part part, lt_tensor_visitor *visit,
                            void *self)
{
    lt_unet_config u;
    lt_vae_config v;
    lt_text_config t;
    lt_status st = LT_OK;
    if (part == LT_PART_UNET) {
        st = lt_source_unet(s, &u);
        return st == LT_OK ? lt_unet_tensors(&u, visit, self) : st;
    }
    if (part == LT_PART_VAE) {
        st = lt_source_vae(s, &v);
        return st == LT_OK ? lt_vae_tensors(&v, visit, self) : st;
    }
    st = lt_source_text(s, &t);
    return st == LT_OK ? lt_text_tensors(&t, visit, self) : st;
}

static lt_status make_view(lt_source *s, lt_part part)
{
    lt_view_maker m = { .p = &s->part[part], .part = part };
    lt_status st = LT_OK;
    if (!m.p->w) return missing(s, part);
    LT_TRY(lt_weights_view_open(lt_weights_where(m.p->w), &m.view));
    LT_TRY(lt_source_tensors(s, part, lt_view_maker_visit, &m));
    LT_TRY(m.st);
    LT_TRY(lt_weights_view_finish(m.view));
    s->weights[part] = m.view;
    m.view = NULL;
cleanup:
    lt_weights_close(&m.view);
    return st;
}

lt_status lt_source_weights(lt_source *s, lt_part part, const lt_weights **w)
{
    static const char *const stems[LT_N_PARTS] = { "model", "diffusion_pytorch_model",
                                                   "diffusion_pytorch_model" };
    char folder[LT_PATH_MAX];
    lt_status st = LT_OK;
    if (!s->weights[part] && s->diffusers) {
        LT_TRY(lt_source_join(folder, s->path, lt_source_config_names[part]));
        LT_TRY(lt_weights_open_folder(folder, stems[part], &s->weights[part]));
    } else if (!s->weights[part])
        LT_TRY(make_view(s, part));
    *w = s->weights[part];
cleanup:
    return st;
}

/* ---- tokenizer ------------------------------------------------------------------- */

static int holds_tokenizer(const char *folder)
{
    return lt_source_has_file(folder, "vocab.json") &&
           lt_source_has_file(folder, "merges.txt");
}

/* The folder with vocab.json: FOLDER/tokenizer or FOLDER. 0: neither. */
static int find_in(const char *folder, char out[LT_PATH_MAX])
{
    const int n = snprintf(out, LT_PATH_MAX, "%s/tokenizer", folder);
    if (n > 0 && n < LT_PATH_MAX && holds_tokenizer(out)) return 1;
    snprintf(out, LT_PATH_MAX, "%s", folder);
    return holds_tokenizer(out);
}

static lt_status find_tokenizer(const lt_source *s, char out[LT_PATH_MAX])
{
    lt_status st = LT_OK;
    char folder[LT_PATH_MAX];
    if (s->spec.tokenizer && s->spec.tokenizer[0]) {
        LT_TRY(lt_path_absolute(NULL, s->spec.tokenizer, folder));
        if (find_in(folder, out)) return LT_OK;
        return LT_FAIL(
            LT_ERR_NOINPUT,
            "no tokenizer (%s): model.tokenizer names a folder with vocab.json "
            "and merges.txt",
            folder);
    }
    if (lt_folder_exists(s->path))
        snprintf(folder, sizeof(folder), "%s", s->path);
    else
        LT_TRY(lt_path_folder(s->path, folder));
    if (find_in(folder, out)) return LT_OK;
    st = LT_FAIL(LT_ERR_NOINPUT,
                 "no tokenizer beside the weights (%s/tokenizer/vocab.json and "
                 "merges.txt): copy that folder of Stable Diffusion 1.5 or 2.1 there, or "
                 "name one with model.tokenizer",
                 folder);
cleanup:
    return st;
}

static lt_status read_text(const char *folder, const char *name, char **text)
{
    char path[LT_PATH_MAX];
    void *data = NULL;
    size_t n = 0;
    lt_status st = lt_source_join(path, folder, name);
    if (st == LT_OK) st = lt_file_read(path, MAX_VOCAB_BYTES, &data, &n);
    if (st == LT_OK) *text = data;
    return st;
}

/* Padding belongs to the text encoder, not to the folder that the words came from: "!" in
 * the 2.x family, the end token in 1.x. */
static lt_status padding(const lt_source *s, const char **specials)
{
    lt_text_config c;
    const lt_status st = lt_source_text(s, &c);
    *specials = c.act == LT_ACT_GELU ? "{\"pad_token\":\"!\"}"
                                     : "{\"pad_token\":\"<|endoftext|>\"}";
    return st;
}

lt_status lt_source_tokenizer(const lt_source *s, lt_tokenizer **tok)
{
    lt_status st = LT_OK;
    char folder[LT_PATH_MAX];
    char *vocab = NULL, *merges = NULL, *own = NULL;
    lt_tokenizer_texts t = { 0 };
    if (s->diffusers && !(s->spec.tokenizer && s->spec.tokenizer[0]))
        return lt_tokenizer_load(s->path, tok);
    LT_TRY(find_tokenizer(s, folder));
    LT_TRY(read_text(folder, "vocab.json", &vocab));
    LT_TRY(read_text(folder, "merges.txt", &merges));
    if (!s->diffusers)
        LT_TRY(padding(s, &t.specials));
    else if (lt_source_has_file(folder, "special_tokens_map.json")) {
        LT_TRY(read_text(folder, "special_tokens_map.json", &own));
        t.specials = own;
    }
    t.vocab = vocab;
    t.merges = merges;
    LT_TRY(lt_tokenizer_parse(&t, folder, tok));
cleanup:
    free(vocab);
    free(merges);
    free(own);
    return st;
}

/* ---- files ----------------------------------------------------------------------- */

static lt_status list_one(const lt_source *s, const char *folder, const char *name,
                          const char *as, lt_source_file *file, void *self)
{
    char path[LT_PATH_MAX];
    const lt_status st = lt_source_join(path, folder ? folder : s->path, name);
    return st == LT_OK ? file(self, as, path, NULL) : st;
}

static lt_status list_tokenizer(const lt_source *s, lt_source_file *file, void *self)
{
    static const char *const names[][2] = { { "vocab.json", "tokenizer/vocab.json" },
                                            { "merges.txt", "tokenizer/merges.txt" } };
    char folder[LT_PATH_MAX];
    lt_status st = LT_OK;
    if (s->diffusers && !(s->spec.tokenizer && s->spec.tokenizer[0]))
        LT_TRY(lt_source_join(folder, s->path, "tokenizer"));
    else
        LT_TRY(find_tokenizer(s, folder));
    for (int i = 0; i < 2; i++)
        LT_TRY(list_one(s, folder, names[i][0], names[i][1], file, self));
cleanup:
    return st;
}

/* A map of special tokens, when it is read and there. */
static lt_status list_specials(const lt_source *s, lt_source_file *file, void *self)
{
    static const char name[] = "special_tokens_map.json",
                      as[] = "tokenizer/special_tokens_map.json";
    char folder[LT_PATH_MAX];
    lt_status st = LT_OK;
    if (!s->spec.tokenizer || !s->spec.tokenizer[0])
        LT_TRY(lt_source_join(folder, s->path, "tokenizer"));
    else
        LT_TRY(find_tokenizer(s, folder));
    if (lt_source_has_file(folder, name))
        LT_TRY(list_one(s, folder, name, as, file, self));
cleanup:
    return st;
}

/* The files of one part, named by it; an index of shards before its shards. */
static lt_status list_part(lt_source *s, lt_part part, lt_source_file *file, void *self)
{
    lt_status st = LT_OK;
    const lt_weights *w = s->part[part].w;
    if (s->diffusers) LT_TRY(lt_source_weights(s, part, &w));
    if (!w) return missing(s, part);
    for (int i = 0; i < lt_weights_n_files(w); i++) {
        char name[LT_PATH_MAX];
        const char *path = lt_weights_file(w, i), *base = strrchr(path, '/');
        if (s->diffusers)
            snprintf(name, sizeof(name), "%s%s", lt_source_config_names[part],
                     base ? base : "");
        else
            snprintf(name, sizeof(name), "%s.%d", lt_source_config_names[part], i);
        LT_TRY(file(self, name, path, NULL));
    }
cleanup:
    return st;
}

static lt_status list_derived(lt_source *s, lt_source_file *file, void *self)
{
    lt_status st = LT_OK;
    char *text = NULL, *where = NULL, name[64];
    for (int i = 0; i < LT_SOURCE_CONFIGS; i++) {
        LT_TRY(config_text(s, i, &text, &where));
        snprintf(name, sizeof(name), "%s (derived)", lt_source_config_names[i]);
        LT_TRY(file(self, name, NULL, text));
        free(text);
        free(where);
        text = where = NULL;
    }
cleanup:
    free(text);
    free(where);
    return st;
}

lt_status lt_source_files(lt_source *s, lt_source_file *file, void *self)
{
    static const char *const configs[] = { "text_encoder/config.json", "vae/config.json",
                                           "unet/config.json" };
    lt_status st = LT_OK;
    if (s->diffusers)
        LT_TRY(list_one(s, NULL, "scheduler/scheduler_config.json",
                        "scheduler/scheduler_config.json", file, self));
    LT_TRY(list_tokenizer(s, file, self));
    for (int i = 0; s->diffusers && i < 3; i++)
        LT_TRY(list_one(s, NULL, configs[i], configs[i], file, self));
    if (s->diffusers) LT_TRY(list_specials(s, file, self));
    if (!s->diffusers) LT_TRY(list_derived(s, file, self));
    for (int i = 0; i < LT_N_PARTS; i++) LT_TRY(list_part(s, (lt_part)i, file, self));
cleanup:
    return st;
}
