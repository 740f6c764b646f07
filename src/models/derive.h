#ifndef LT_MODELS_DERIVE_H
#define LT_MODELS_DERIVE_H

#include <jansson.h>

#include "models/ldm.h"

/* A model without config.json: its parts are found by the names of their tensors, and its
 * configuration follows from their shapes, as far as these say it. Used by source.c. */

/* A part of a model as a file holds it. */
typedef struct lt_found_part {
    const lt_weights *w; /* the file; NULL: the part was not found */
    lt_naming naming;
    const char *prefix; /* static */
    lt_ldm_shape shape; /* set when the configuration is derived */
} lt_found_part;

/* What a file holds; parts that it has not stay as they were. *is_xl: it is a Stable
 * Diffusion XL checkpoint, or another network that is not built here. With ema = 0 the
 * averaged weights of the UNet are left alone. */
void lt_found_look(const lt_weights *w, int ema, lt_found_part part[LT_N_PARTS],
                   int *is_xl);

/* The configuration in the keys of diffusers, a new object each. What shapes do not say
 * is assumed as in Stable Diffusion 1.5 or 2.1, whichever the shapes belong to.
 * Errors: DATA (a tensor is missing that every such model has), NOMEM. */
LT_NODISCARD lt_status lt_derive_unet(lt_found_part *p, json_t **config);
LT_NODISCARD lt_status lt_derive_vae(lt_found_part *p, json_t **config);
LT_NODISCARD lt_status lt_derive_text(lt_found_part *p, json_t **config);

/* The noise schedule of the family, for this UNet. */
LT_NODISCARD lt_status lt_derive_scheduler(const lt_found_part *unet,
                                           const json_t *unet_config, json_t **config);

/* How a UNet of Stable Diffusion 2.x shape predicts, and what says so. */
typedef enum lt_predict_source {
    LT_PREDICT_FAMILY,   /* Stable Diffusion 1.x: epsilon */
    LT_PREDICT_METADATA, /* modelspec.prediction_type of the file, or a tensor "v_pred" */
    LT_PREDICT_GUESS     /* the spread of one bias, as ComfyUI guesses */
} lt_predict_source;
LT_NODISCARD lt_status lt_derive_prediction(const lt_found_part *unet, int *is_v,
                                            lt_predict_source *source);

/* Collects the tensors that a configuration asks for as a list under their own names;
 * visit is a lt_tensor_visitor, self a lt_view_maker. */
typedef struct lt_view_maker {
    const lt_found_part *p;
    lt_part part;
    lt_weights *view;
    lt_status st; /* of the first tensor that failed */
} lt_view_maker;
void lt_view_maker_visit(void *self, const char *name, int ndim, const int64_t *shape);

#endif
