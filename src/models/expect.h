#ifndef LT_MODELS_EXPECT_H
#define LT_MODELS_EXPECT_H

#include "models/loader.h"
#include "models/text.h"
#include "models/unet.h"
#include "models/vae.h"

/* Configurations of the parts of a model, and the tensors that each one needs: names as
 * in the files of diffusers and transformers, each exactly once. No weights are read. */

typedef struct lt_vae_config {
    int n_levels, layers_per_block;
    int64_t channels[8]; /* block_out_channels */
    int64_t image_channels, latent_channels, norm_groups;
    float scaling_factor; /* 0.18215 */
} lt_vae_config;

typedef struct lt_text_config {
    int64_t vocab_size, width, mlp_width, n_layers, n_positions;
    int n_heads;
    float norm_eps;
    lt_act act; /* quick_gelu or gelu */
} lt_text_config;

/* Read DIR/unet/config.json and so on. Unknown keys are ignored, except those that
 * would change the mathematics (methods/via.md 4.7).  Errors: NOINPUT, DATA. */
LT_NODISCARD lt_status lt_unet_config_load(const char *dir, lt_unet_config *c);
LT_NODISCARD lt_status lt_vae_config_load(const char *dir, lt_vae_config *c);
LT_NODISCARD lt_status lt_text_config_load(const char *dir, lt_text_config *c);

/* The same from the text of a config.json, for tests and fuzzing. */
LT_NODISCARD lt_status lt_unet_config_parse(const char *text, size_t bytes,
                                            const char *where, lt_unet_config *c);
LT_NODISCARD lt_status lt_vae_config_parse(const char *text, size_t bytes,
                                           const char *where, lt_vae_config *c);
LT_NODISCARD lt_status lt_text_config_parse(const char *text, size_t bytes,
                                            const char *where, lt_text_config *c);

/* Build a part from tensors under diffusers' names; lora: NULL or what is merged into
 * them. The weights are not kept.  Errors: DATA, NOMEM. */
struct lt_lora;
LT_NODISCARD lt_status lt_unet_build(const lt_exec *x, const lt_unet_config *c,
                                     const lt_weights *w, const struct lt_lora *lora,
                                     lt_unet **unet);
LT_NODISCARD lt_status lt_vae_build(const lt_exec *x, const lt_vae_config *c,
                                    const lt_weights *w, lt_vae **vae);
LT_NODISCARD lt_status lt_text_build(const lt_exec *x, const lt_text_config *c,
                                     const lt_weights *w, const struct lt_lora *lora,
                                     lt_text_encoder **te);

/* Call visit for every tensor.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_unet_tensors(const lt_unet_config *c, lt_tensor_visitor *visit,
                                       void *self);
LT_NODISCARD lt_status lt_vae_tensors(const lt_vae_config *c, lt_tensor_visitor *visit,
                                      void *self);
LT_NODISCARD lt_status lt_text_tensors(const lt_text_config *c, lt_tensor_visitor *visit,
                                       void *self);

/* lt_unet_cost for a configuration alone. */
void lt_unet_config_cost(const lt_unet_config *c, int64_t h, int64_t w, int64_t n_text,
                         double *macs_all, double *macs_self_attention);

/* Multiply-adds of a whole text encoder for n_tokens. */
double lt_text_config_cost(const lt_text_config *c, int64_t n_tokens);

/* lt_vae_cost_* for a configuration alone; h x w latents. */
double lt_vae_config_cost_encode(const lt_vae_config *c, int64_t h, int64_t w);
double lt_vae_config_cost_decode(const lt_vae_config *c, int64_t h, int64_t w);

/* Files use two names for the same tensor: "to_q" / "query" and so on in the VAE, with or
 * without "text_model." in the text encoder. The name under which this file has it;
 * `name` itself when it has none. other: [LT_NAME_MAX], used when the name changes. */
const char *lt_resolve_name(const lt_weights *w, const char *name, char *other);

#endif
