#include "models/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/options.h"
#include "models/expect.h"

void lt_model_free(lt_model **model)
{
    if (!model || !*model) return;
    lt_tokenizer_free(&(*model)->tokenizer);
    lt_text_encoder_free(&(*model)->text);
    lt_vae_free(&(*model)->vae);
    lt_unet_free(&(*model)->unet);
    free((*model)->dir);
    free((*model)->notes);
    free(*model);
    *model = NULL;
}

static lt_status write_notes(const lt_source *s, const lt_lora *lora, lt_model *m)
{
    size_t bytes = 0;
    FILE *f = open_memstream(&m->notes, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory for notes");
    for (int i = 0; i < lt_source_n_notes(s); i++)
        fprintf(f, "%s\n", lt_source_note(s, i));
    for (int i = 0; i < lt_lora_n_files(lora); i++)
        fprintf(f, "LoRA %s with weight %g changes %lld layers\n", lt_lora_path(lora, i),
                lt_lora_weight(lora, i), (long long)lt_lora_n_layers(lora, i));
    if (fclose(f) != 0) return LT_FAIL(LT_ERR_NOMEM, "out of memory for notes");
    return LT_OK;
}

static lt_status load_text(const lt_exec *x, lt_source *s, const lt_lora *lora,
                           lt_model *m)
{
    lt_status st = LT_OK;
    const lt_weights *w = NULL;
    lt_text_config c;
    LT_TRY(lt_source_tokenizer(s, &m->tokenizer));
    LT_TRY(lt_source_text(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_TEXT, &w));
    LT_TRY(lt_text_build(x, &c, w, lora, &m->text));
cleanup:
    return st;
}

static lt_status load_vae(const lt_exec *x, lt_source *s, lt_model *m)
{
    lt_status st = LT_OK;
    const lt_weights *w = NULL;
    lt_vae_config c;
    LT_TRY(lt_source_vae(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_VAE, &w));
    LT_TRY(lt_vae_build(x, &c, w, &m->vae));
cleanup:
    return st;
}

static lt_status load_unet(const lt_exec *x, lt_source *s, const lt_lora *lora,
                           lt_model *m)
{
    lt_status st = LT_OK;
    const lt_weights *w = NULL;
    lt_unet_config c;
    LT_TRY(lt_source_unet(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_UNET, &w));
    LT_TRY(lt_unet_build(x, &c, w, lora, &m->unet));
cleanup:
    return st;
}

static lt_status load_parts(const lt_exec *x, lt_source *s, const char *list, int parts,
                            lt_model *m)
{
    lt_status st = LT_OK;
    lt_lora *lora = NULL;
    LT_TRY(lt_source_scheduler(s, &m->scheduler));
    if (list && parts & (LT_MODEL_TEXT | LT_MODEL_UNET))
        LT_TRY(lt_lora_open(list, s, &lora));
    if (parts & LT_MODEL_TEXT) LT_TRY(load_text(x, s, lora, m));
    if (parts & LT_MODEL_VAE) LT_TRY(load_vae(x, s, m));
    if (parts & LT_MODEL_UNET) LT_TRY(load_unet(x, s, lora, m));
    LT_TRY(write_notes(s, lora, m));
cleanup:
    lt_lora_close(&lora);
    return st;
}

static lt_status check_fit(const lt_model *m)
{
    if (m->text && m->tokenizer &&
        lt_tokenizer_largest_id(m->tokenizer) >= lt_text_encoder_vocabulary(m->text))
        return LT_FAIL(
            LT_ERR_DATA,
            "tokenizer with token %d for a text encoder with a vocabulary of %lld (%s): "
            "they belong to different models",
            (int)lt_tokenizer_largest_id(m->tokenizer),
            (long long)lt_text_encoder_vocabulary(m->text), m->dir);
    if (m->text && m->unet &&
        lt_text_encoder_width(m->text) !=
            lt_unet_get_config(m->unet)->cross_attention_dim)
        return LT_FAIL(
            LT_ERR_DATA,
            "text encoder of width %lld with a UNet for %lld (%s): they belong "
            "to different models",
            (long long)lt_text_encoder_width(m->text),
            (long long)lt_unet_get_config(m->unet)->cross_attention_dim, m->dir);
    if (m->vae && m->unet &&
        lt_vae_latent_channels(m->vae) != lt_unet_get_config(m->unet)->out_channels)
        return LT_FAIL(
            LT_ERR_DATA,
            "VAE of %lld latent channels with a UNet for %lld (%s): they belong "
            "to different models",
            (long long)lt_vae_latent_channels(m->vae),
            (long long)lt_unet_get_config(m->unet)->out_channels, m->dir);
    return LT_OK;
}

lt_status lt_model_open(const lt_exec *x, const lt_model_spec *spec, int parts,
                        lt_model **model)
{
    lt_status st = LT_OK;
    lt_source *s = NULL;
    lt_model *m = calloc(1, sizeof(*m));
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    LT_TRY(lt_source_open(spec, &s));
    m->dir = strdup(lt_source_path(s));
    if (!m->dir) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory for a path"));
    LT_TRY(load_parts(x, s, spec->lora, parts, m));
    LT_TRY(check_fit(m));
    *model = m;
    m = NULL;
cleanup:
    lt_source_close(&s);
    lt_model_free(&m);
    return st;
}

lt_status lt_model_load(const lt_exec *x, const char *dir, int parts, lt_model **model)
{
    return lt_model_open(x, &(lt_model_spec){ .path = dir }, parts, model);
}

lt_status lt_model_encode_prompt(const lt_exec *x, const lt_model *m, const char *text,
                                 lt_tokens *tokens, lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_tokens t;
    lt_tensor embeds = { 0 };
    if (!m->tokenizer || !m->text)
        return LT_FAIL(LT_ERR_ARG, "the model was loaded without its text encoder");
    LT_TRY(lt_tokenize(m->tokenizer, text, &t));
    LT_TRY(LT_TENSOR_NEW(&embeds, x->pool, LT_F32, LT_MAX_TEXT_TOKENS,
                         lt_text_encoder_width(m->text)));
    LT_TRY(lt_text_encode(x, m->text, t.id, LT_MAX_TEXT_TOKENS, &embeds));
    if (tokens) *tokens = t;
    *out = embeds;
    memset(&embeds, 0, sizeof(embeds));
cleanup:
    lt_tensor_free(&embeds);
    return st;
}

int64_t lt_model_training_pixels(const lt_model *m)
{
    if (!m->unet || !m->vae) return 0;
    const int64_t side = lt_unet_get_config(m->unet)->sample_size * lt_vae_factor(m->vae);
    return side * side;
}

/* ---- identity ------------------------------------------------------------------ */

/* "<sha256>  <name>\n" for every file, as sha256sum prints it; that text is hashed. A
 * checkpoint holds three parts: its file is hashed once. */
typedef struct listing {
    FILE *f;
    char path[LT_PATH_MAX], hex[LT_SHA256_HEX]; /* the last file */
} listing;

static lt_status list_file(void *self, const char *name, const char *path,
                           const char *text)
{
    listing *l = self;
    lt_status st = LT_OK;
    if (text) {
        l->path[0] = '\0';
        st = lt_sha256(text, strlen(text), l->hex);
    } else if (strcmp(path, l->path) != 0) {
        st = lt_sha256_file(path, l->hex);
        snprintf(l->path, sizeof(l->path), "%s", st == LT_OK ? path : "");
    }
    if (st == LT_OK) fprintf(l->f, "%s  %s\n", l->hex, name);
    return st;
}

static lt_status list_all(const lt_model_spec *spec, listing *l)
{
    lt_source *s = NULL;
    lt_status st = lt_source_open(spec, &s);
    if (st == LT_OK) st = lt_source_files(s, list_file, l);
    if (st == LT_OK) st = lt_lora_files(spec->lora, list_file, l);
    lt_source_close(&s);
    return st;
}

lt_status lt_model_list_files(const lt_model_spec *spec, char **text)
{
    size_t bytes = 0;
    char *buffer = NULL;
    listing l = { .f = open_memstream(&buffer, &bytes) };
    if (!l.f) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of files");
    lt_status st = list_all(spec, &l);
    if (fclose(l.f) != 0 && st == LT_OK)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of files");
    if (st == LT_OK)
        *text = buffer;
    else
        free(buffer);
    return st;
}

lt_status lt_model_identity(const lt_model_spec *spec, char hex[65])
{
    char *text = NULL;
    lt_status st = lt_model_list_files(spec, &text);
    if (st == LT_OK) st = lt_sha256(text, strlen(text), hex);
    free(text);
    return st;
}

lt_status lt_model_sha256(const char *dir, char hex[65])
{
    return lt_model_identity(&(lt_model_spec){ .path = dir }, hex);
}
