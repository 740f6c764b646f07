#ifndef LT_MODELS_UNET_IMPL_H
#define LT_MODELS_UNET_IMPL_H

#include "models/expect.h"
#include "models/resnet.h"
#include "models/unet.h"

/* Shared by the unet_*.c files only. */

enum { LT_UNET_PATH = 80, LT_UNET_MAX_LEVELS = 8 };

/* Transformer2DModel with one block. */
typedef struct lt_transformer {
    char path_self[LT_UNET_PATH], path_cross[LT_UNET_PATH];
    int64_t channels;
    int heads, index, level, up_block, attention;
    lt_norm norm, norm1, norm2, norm3;
    lt_linear *proj_in, *proj_out, *ff_in, *ff_out;
    lt_attention_weights self, cross;
} lt_transformer;

typedef struct lt_unet_resnet {
    char path[LT_UNET_PATH];
    int up_block, number;
    lt_resnet r;
} lt_unet_resnet;

/* A down, mid or up block. The middle one has a resnet more than attentions. */
typedef struct lt_unet_block {
    int n_resnets, n_attentions;
    lt_unet_resnet *resnet;
    lt_transformer *attention;
    lt_conv *sample; /* downsampler or upsampler, or NULL */
} lt_unet_block;

struct lt_unet {
    const lt_kernels *k;   /* of the packed weights */
    const lt_kernels *k32; /* of the time embedding: lt_exec_f32 */
    lt_unet_config c;
    lt_conv *conv_in, *conv_out;
    lt_linear *time_1, *time_2;
    lt_norm norm_out;
    lt_unet_block down[LT_UNET_MAX_LEVELS], mid, up[LT_UNET_MAX_LEVELS];
    int n_sites;
    lt_transformer **site; /* [n_sites], borrowed, in order of execution */
};

struct lt_unet_context {
    const lt_unet *unet;
    int64_t n_tokens;
    lt_tensor *k, *v; /* [n_sites] of [1, n_tokens, channels] compute dtype */
};

/* Width of the time embedding after its two layers. */
static inline int64_t lt_unet_time_dim(const lt_unet_config *c)
{
    return 4 * c->channels[0];
}

/* The site of a transformer on an h x w latent. */
lt_attention_site lt_transformer_site(const lt_unet *u, const lt_transformer *t,
                                      lt_attention_kind kind, int64_t h, int64_t w);

#endif
