#ifndef LT_MODELS_MODEL_H
#define LT_MODELS_MODEL_H

#include "models/lora.h"
#include "models/unet.h"
#include "models/vae.h"

/* A whole model, in any layout of source.h. */
typedef enum lt_model_parts {
    LT_MODEL_TEXT = 1,
    LT_MODEL_VAE = 2,
    LT_MODEL_UNET = 4,
    LT_MODEL_ALL = 7
} lt_model_parts;

typedef struct lt_model {
    char *dir; /* the folder or file, absolute */
    lt_tokenizer *tokenizer;
    lt_text_encoder *text;
    lt_vae *vae;
    lt_unet *unet;
    lt_scheduler scheduler;
    char *notes; /* what was chosen or assumed and should be said, a line each; "" */
} lt_model;

/* Load the parts asked for (others stay NULL; scheduler always).  Errors: NOINPUT (names
 * the missing file), DATA, NOMEM. */
LT_NODISCARD lt_status lt_model_open(const lt_exec *x, const lt_model_spec *spec,
                                     int parts, lt_model **model);

/* The same for a path alone. */
LT_NODISCARD lt_status lt_model_load(const lt_exec *x, const char *dir, int parts,
                                     lt_model **model);
void lt_model_free(lt_model **model);

/* tokenize + encode: *out [77, width] f32 from x->pool, owned by the caller; tokens may
 * be NULL. */
LT_NODISCARD lt_status lt_model_encode_prompt(const lt_exec *x, const lt_model *m,
                                              const char *text, lt_tokens *tokens,
                                              lt_tensor *out);

/* The files that the loader reads, in a fixed order, as "<SHA-256>  <name>" lines like
 * sha256sum's; *text is owned by the caller (free). All of a model, not only the parts
 * that some caller loads, and its LoRA files.  Errors: NOINPUT, IO, DATA, CONFIG, NOMEM. */
LT_NODISCARD lt_status lt_model_list_files(const lt_model_spec *spec, char **text);

/* Identity of a model: SHA-256 of that list, as 64 hex digits + terminator. Independent
 * of where the files are.  Errors: the same. */
LT_NODISCARD lt_status lt_model_identity(const lt_model_spec *spec, char hex[65]);

/* The same for a path alone. */
LT_NODISCARD lt_status lt_model_sha256(const char *dir, char hex[65]);

/* The size a model was trained for, in pixels (sample_size * factor) squared. */
int64_t lt_model_training_pixels(const lt_model *m);

#endif
