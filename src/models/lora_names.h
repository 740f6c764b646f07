#ifndef LT_MODELS_LORA_NAMES_H
#define LT_MODELS_LORA_NAMES_H

#include "models/source.h"

/* Names in LoRA files, for lora.c only. */

typedef enum lt_lora_role { LT_LORA_UP, LT_LORA_DOWN, LT_LORA_ALPHA } lt_lora_role;

/* A layer with a matrix that a LoRA can change. */
typedef struct lt_lora_layer {
    lt_part part;
    char name[LT_NAME_MAX]; /* of its tensor: PATH.weight */
    int ndim;
    int64_t shape[LT_MAX_DIMS];
    int64_t rows, columns; /* shape[0], and the product of the rest */
} lt_lora_layer;

typedef struct lt_lora_layers lt_lora_layers;

/* All layers of UNet and text encoder.  Errors: as lt_source_tensors. */
LT_NODISCARD lt_status lt_lora_layers_new(const lt_source *s, lt_lora_layers **l);
void lt_lora_layers_free(lt_lora_layers **l);
int64_t lt_lora_n_targets(const lt_lora_layers *l);
const lt_lora_layer *lt_lora_target(const lt_lora_layers *l, int64_t i);

/* What a tensor of a LoRA file is, by the end of its name. 0: nothing that is known. */
int lt_lora_role_of(const char *name, lt_lora_role *role);

/* The layer that a tensor of a LoRA file belongs to. 0: none. */
int lt_lora_find_layer(const lt_lora_layers *l, const char *name, int64_t *at);

/* The layer whose tensor has this name. 0: none. */
int lt_lora_find_tensor(const lt_lora_layers *l, lt_part part, const char *name,
                        int64_t *at);

#endif
