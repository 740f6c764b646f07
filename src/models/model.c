#include "models/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/options.h"

void lt_model_free(lt_model **model)
{
    if (!model || !*model) return;
    lt_tokenizer_free(&(*model)->tokenizer);
    lt_text_encoder_free(&(*model)->text);
    lt_vae_free(&(*model)->vae);
    lt_unet_free(&(*model)->unet);
    free((*model)->dir);
    free(*model);
    *model = NULL;
}

static lt_status load_parts(const lt_exec *x, int parts, lt_model *m)
{
    lt_status st = LT_OK;
    LT_TRY(lt_scheduler_load(m->dir, &m->scheduler));
    if (parts & LT_MODEL_TEXT) {
        LT_TRY(lt_tokenizer_load(m->dir, &m->tokenizer));
        LT_TRY(lt_text_encoder_load(x, m->dir, &m->text));
    }
    if (parts & LT_MODEL_VAE) LT_TRY(lt_vae_load(x, m->dir, &m->vae));
    if (parts & LT_MODEL_UNET) LT_TRY(lt_unet_load(x, m->dir, &m->unet));
cleanup:
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

lt_status lt_model_load(const lt_exec *x, const char *dir, int parts, lt_model **model)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    lt_model *m = calloc(1, sizeof(*m));
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    LT_TRY(lt_path_absolute(NULL, dir, path));
    m->dir = strdup(path);
    if (!m->dir) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a path");
        goto cleanup;
    }
    if (!lt_folder_exists(path)) {
        st = LT_FAIL(LT_ERR_NOINPUT,
                     "no model folder (%s): give a folder in the layout of diffusers, "
                     "with unet, vae, text_encoder, tokenizer and scheduler",
                     path);
        goto cleanup;
    }
    LT_TRY(load_parts(x, parts, m));
    LT_TRY(check_fit(m));
    *model = m;
    m = NULL;
cleanup:
    lt_model_free(&m);
    return st;
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

/* "<sha256>  <name>\n" for every file, as sha256sum prints it; that text is hashed. */
typedef struct listing {
    FILE *f;
    const char *dir;
} listing;

static lt_status list_file(const listing *l, const char *name)
{
    char path[LT_PATH_MAX], hex[LT_SHA256_HEX];
    const int n = snprintf(path, sizeof(path), "%s/%s", l->dir, name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s...)", l->dir);
    const lt_status st = lt_sha256_file(path, hex);
    if (st == LT_OK) fprintf(l->f, "%s  %s\n", hex, name);
    return st;
}

static lt_status list_weights(const listing *l, const char *part, const char *stem)
{
    lt_status st = LT_OK;
    lt_weights *w = NULL;
    char folder[LT_PATH_MAX], name[LT_PATH_MAX];
    const int n = snprintf(folder, sizeof(folder), "%s/%s", l->dir, part);
    if (n < 0 || (size_t)n >= sizeof(folder))
        return LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s...)", l->dir);
    LT_TRY(lt_weights_open_folder(folder, stem, &w));
    for (int i = 0; i < lt_weights_n_files(w); i++) {
        const char *file = strrchr(lt_weights_file(w, i), '/');
        snprintf(name, sizeof(name), "%s%s", part, file ? file : "");
        LT_TRY(list_file(l, name));
    }
cleanup:
    lt_weights_close(&w);
    return st;
}

static lt_status list_all(const listing *l)
{
    static const char *const files[] = {
        "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "text_encoder/config.json",        "vae/config.json",      "unet/config.json"
    };
    static const char special[] = "tokenizer/special_tokens_map.json";
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        LT_TRY(list_file(l, files[i]));
    const int n = snprintf(path, sizeof(path), "%s/%s", l->dir, special);
    if (n > 0 && (size_t)n < sizeof(path) && lt_file_exists(path))
        LT_TRY(list_file(l, special));
    LT_TRY(list_weights(l, "text_encoder", "model"));
    LT_TRY(list_weights(l, "vae", "diffusion_pytorch_model"));
    LT_TRY(list_weights(l, "unet", "diffusion_pytorch_model"));
cleanup:
    return st;
}

lt_status lt_model_list_files(const char *dir, char **text)
{
    size_t bytes = 0;
    char *buffer = NULL;
    FILE *f = open_memstream(&buffer, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of files");
    const listing l = { .f = f, .dir = dir };
    lt_status st = list_all(&l);
    if (fclose(f) != 0 && st == LT_OK)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a list of files");
    if (st == LT_OK)
        *text = buffer;
    else
        free(buffer);
    return st;
}

lt_status lt_model_sha256(const char *dir, char hex[65])
{
    char *text = NULL;
    lt_status st = lt_model_list_files(dir, &text);
    if (st == LT_OK) st = lt_sha256(text, strlen(text), hex);
    free(text);
    return st;
}
