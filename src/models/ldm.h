#ifndef LT_MODELS_LDM_H
#define LT_MODELS_LDM_H

#include "models/expect.h"

/* Names of tensors in checkpoints that are not in diffusers' layout. The names of this
 * program are those of diffusers; what follows says how another file calls the same
 * tensor. */

typedef enum lt_part { LT_PART_TEXT, LT_PART_VAE, LT_PART_UNET, LT_N_PARTS } lt_part;

typedef enum lt_naming {
    LT_NAMES_DIFFUSERS, /* also transformers' text encoder                             */
    LT_NAMES_BARE,      /* the same text encoder without "text_model."                 */
    LT_NAMES_LDM,       /* CompVis: input_blocks.0.0, encoder.down.0.block.0           */
    LT_NAMES_EMA,       /* LDM's averaged weights: the same names without their dots   */
    LT_NAMES_OPENCLIP   /* transformer.resblocks.0.attn.in_proj_weight                 */
} lt_naming;

/* What a name of LDM depends on besides the name of diffusers. */
typedef struct lt_ldm_shape {
    int n_levels, layers; /* of the UNet, or of the VAE (levels only) */
    int up_attention[8];  /* UNet: up block i has attention           */
} lt_ldm_shape;

/* Where a tensor of diffusers stands: a name, and of a packed tensor which third. */
typedef struct lt_ldm_place {
    char name[LT_NAME_MAX];
    int third; /* 0, 1, 2: q, k, v of an in_proj tensor; -1: the whole */
} lt_ldm_place;

/* The place of tensor `name` in a file with this naming and prefix. Returns 0 when such a
 * file has no name for it. */
int lt_ldm_find_place(lt_part part, lt_naming naming, const char *prefix,
                      const lt_ldm_shape *shape, const char *name, lt_ldm_place *place);

#endif
