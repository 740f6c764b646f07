#ifndef LT_MODELS_SOURCE_H
#define LT_MODELS_SOURCE_H

#include <stdio.h>

#include "models/ldm.h"
#include "models/scheduler.h"
#include "models/text.h"

/* Where a model comes from: one of these layouts, told apart by what is in the files and
 * not by their names (docs/models.md has the table).
 *   - a folder in diffusers' layout, or a Hugging Face cache folder that holds one
 *   - one safetensors file with UNet, VAE and text encoder, also as shards with an index
 *   - a folder of loose files, each a part, as ComfyUI keeps them
 * The last two have no configuration: derive.h, and beside them a side file
 * (STEM.model.json, or model.json in the folder) with what shapes cannot say:
 *   {"unet": {...}, "vae": {...}, "text_encoder": {...}, "scheduler": {...}}
 * in the keys of diffusers. */

typedef struct lt_model_spec {
    const char *path;
    const char *tokenizer; /* folder of vocab.json and merges.txt, or of one named
                            * tokenizer; NULL or "": found beside the model */
    int prediction;        /* 0: as the model says; 1: epsilon; 2: v */
    int ignore_ema;        /* 1: leave the averaged weights of a checkpoint alone */
    const char *lora;      /* NULL, "", or a list: lora.h */
} lt_model_spec;

typedef struct lt_source lt_source;

/* Find the files and, where there is no config.json, derive the configuration. Headers
 * are read, weights are not. The texts of spec are borrowed until the source is closed.
 * Errors: NOINPUT (nothing there, or no file that is a model), DATA (a pickle, which has
 * to be converted; two files for one part; Stable Diffusion XL; a broken header), IO,
 * NOMEM. */
LT_NODISCARD lt_status lt_source_open(const lt_model_spec *spec, lt_source **s);

/* Accepts NULL. */
void lt_source_close(lt_source **s);

/* The folder or file that is read: absolute, a cache folder resolved to its snapshot. */
const char *lt_source_path(const lt_source *s);

/* 1: a folder in diffusers' layout. */
int lt_source_is_diffusers(const lt_source *s);

/* Configurations.  Errors: NOINPUT (a file is missing; this part is missing), DATA. */
LT_NODISCARD lt_status lt_source_unet(const lt_source *s, lt_unet_config *c);
LT_NODISCARD lt_status lt_source_vae(const lt_source *s, lt_vae_config *c);
LT_NODISCARD lt_status lt_source_text(const lt_source *s, lt_text_config *c);
LT_NODISCARD lt_status lt_source_scheduler(const lt_source *s, lt_scheduler *c);
LT_NODISCARD lt_status lt_source_tokenizer(const lt_source *s, lt_tokenizer **tok);

/* The tensors of a part under diffusers' names, owned by the source.  Errors: same. */
LT_NODISCARD lt_status lt_source_weights(lt_source *s, lt_part part,
                                         const lt_weights **w);

/* Call visit for every tensor that a part must have.  Errors: as above. */
LT_NODISCARD lt_status lt_source_tensors(const lt_source *s, lt_part part,
                                         lt_tensor_visitor *visit, void *self);

/* What was chosen or assumed and should be said, one sentence each. */
int lt_source_n_notes(const lt_source *s);
const char *lt_source_note(const lt_source *s, int i);

/* Every file that is read with the name it has in the model's identity, in a fixed order;
 * path is NULL for the derived configuration, whose text is given instead.
 * Errors: as above, or what `file` returns. */
typedef lt_status lt_source_file(void *self, const char *name, const char *path,
                                 const char *text);
LT_NODISCARD lt_status lt_source_files(lt_source *s, lt_source_file *file, void *self);

#endif
