#ifndef LT_MODELS_LORA_H
#define LT_MODELS_LORA_H

#include "models/source.h"

/* LoRA files, merged into the weights when a model is loaded:
 *     W += weight * alpha / rank * up x down
 * in f32, before W is packed for the kernels. Every layer of UNet and text encoder that
 * has a matrix can be a target, 3x3 convolutions, too.
 *
 * Names that are understood, for a layer PATH of the UNet (text encoder):
 *   unet.PATH.lora_A.weight, .lora_B.weight         diffusers, peft (text_encoder.PATH)
 *   unet.PATH.lora.down.weight, .lora.up.weight     older diffusers
 *   [unet.]PATH.processor.to_q_lora.down.weight     attention processors
 *   base_model.model.PATH.lora_A.weight             peft, adapter_config.json beside it
 *   lora_unet_PATH.lora_down.weight, .lora_up.weight, .alpha     kohya (lora_te_PATH),
 *                                                   dots of PATH as underscores, layers
 *                                                   by diffusers' or by LDM's names
 * Alpha is the tensor .alpha, else lora_alpha of the file's metadata
 * (lora_adapter_metadata) or of adapter_config.json, else the rank. */
typedef struct lt_lora lt_lora;

/* Open the files of a list and match every tensor with a layer of the model.
 *   list   NULL or "": *l becomes NULL. Else FILE or FILE:WEIGHT a line; a weight is a
 *          number in [-100, 100] and 1 when it is left out
 *   s      for its configurations; not kept
 * Errors: NOINPUT, IO, NOMEM; DATA: a tensor that belongs to no layer (names the first,
 * counts them), another shape, a matrix without its partner, a kind of LoRA that is not
 * read (DoRA, LoHa, LoKr, Tucker), a broken file. CONFIG: a weight that is none. */
LT_NODISCARD lt_status lt_lora_open(const char *list, const lt_source *s, lt_lora **l);

/* Accepts NULL. */
void lt_lora_close(lt_lora **l);

/* Add what all files have for tensor `name` of a part to its values w [rows, columns]
 * f32, `count` in all, in the order of the list. l may be NULL.  Errors: DATA (not finite),
 * NOMEM. */
LT_NODISCARD lt_status lt_lora_merge(const lt_lora *l, lt_part part, const char *name,
                                     int64_t count, float *w);

/* The files, in the order of the list: path, weight, number of layers they change. */
int lt_lora_n_files(const lt_lora *l);
const char *lt_lora_path(const lt_lora *l, int i);
double lt_lora_weight(const lt_lora *l, int i);
int64_t lt_lora_n_layers(const lt_lora *l, int i);

/* Call `file` for every file of a list, named "lora <weight>", without matching anything,
 * for the model's identity.  Errors: CONFIG, NOMEM, or what `file` returns. */
LT_NODISCARD lt_status lt_lora_files(const char *list, lt_source_file *file, void *self);

#endif
