#ifndef LT_MODELS_UNET_H
#define LT_MODELS_UNET_H

#include "io/weights.h"
#include "models/site.h"

/* UNet2DConditionModel of the Stable Diffusion family, any width, head count, group
 * count and depth that its config.json names (methods/via.md section 6).
 * Block types: CrossAttnDownBlock2D, DownBlock2D, UNetMidBlock2DCrossAttn,
 * CrossAttnUpBlock2D, UpBlock2D. */
typedef struct lt_unet lt_unet;

typedef struct lt_unet_config {
    int64_t in_channels, out_channels, sample_size;
    int n_levels, layers_per_block;
    int64_t channels[8];   /* block_out_channels */
    int heads[8];          /* attention_head_dim means the number of heads */
    int down_attention[8]; /* 1: CrossAttnDownBlock2D */
    int up_attention[8];   /* 1: CrossAttnUpBlock2D, in execution order */
    int64_t cross_attention_dim, norm_groups;
    float norm_eps;
    int linear_projection, upcast_attention, flip_sin_to_cos;
    float freq_shift;
} lt_unet_config;

/* Load DIR/unet (config.json + safetensors, also sharded). Weights are packed for
 * x->k and stay with it. The caller frees with lt_unet_free.
 * Errors: NOINPUT (missing file, named), DATA (config not JSON, unsupported key or
 * value, tensor missing / wrong shape / not finite), NOMEM. */
LT_NODISCARD lt_status lt_unet_load(const lt_exec *x, const char *dir, lt_unet **unet);
void lt_unet_free(lt_unet **unet);

const lt_unet_config *lt_unet_get_config(const lt_unet *unet);

/* Number of self-attention layers, and the sites in order of execution for a latent
 * grid of h x w (paths are borrowed from the unet). */
int lt_unet_n_sites(const lt_unet *unet);
LT_NODISCARD lt_status lt_unet_site(const lt_unet *unet, int index, int64_t h, int64_t w,
                                    lt_attention_site *site);

/* The distinct token grids of the self-attention layers, finest first (AdaFlow matches
 * tokens once per grid). Returns how many (<= 8). */
int lt_unet_grids(const lt_unet *unet, int64_t h, int64_t w, int64_t grid_h[8],
                  int64_t grid_w[8]);

/* Cross-attention keys and values of one prompt, computed once for all layers.
 *   text  [n_tokens, cross_attention_dim] f32, in the space of the table.
 * The caller frees, before the unet.  Errors: SHAPE, NOMEM. */
typedef struct lt_unet_context lt_unet_context;
LT_NODISCARD lt_status lt_unet_context_new(const lt_exec *x, const lt_unet *unet,
                                           const lt_tensor *text, lt_unet_context **c);
void lt_unet_context_free(lt_unet_context **c);

/* Where a forward pass may end early. */
typedef enum lt_unet_stop {
    LT_STOP_NEVER,
    LT_STOP_AFTER_UP_BLOCK, /* `features`: the output of up_blocks.<stop_up_block> */
    LT_STOP_AFTER_LAST_SELF /* behind the last self-attention; nothing is returned */
} lt_unet_stop;

typedef struct lt_unet_args {
    lt_batch batch;
    const lt_tensor *x; /* [n_branches * n_frames, h, w, in_channels] f32 */
    float timestep;     /* of the whole batch */
    const lt_unet_context *context[LT_MAX_BRANCHES]; /* per branch of the batch */
    const lt_policy *policy;                         /* NULL: plain */
    lt_unet_stop stop;
    int stop_up_block;
    lt_tensor *features; /* LT_STOP_AFTER_UP_BLOCK: allocated here from x->pool,
                              * [n, h', w', c] compute dtype, the caller frees */
    lt_tensor *out;      /* LT_STOP_NEVER: [n_live * n_frames, h, w, out_channels] f32,
                              * written; branches that a policy dropped are left out:
                              * rows belong to the branches in `live` */
    lt_batch *live;      /* NULL or: the batch that remained */
} lt_unet_args;

/* One evaluation. Upsampled maps take the size of the skip connection, so odd sizes
 * work. x->k must be the table that the unet was loaded for. Samples are independent:
 * each has the same bits in any batch, and whether or not other branches are dropped.
 * A policy with a `hidden` callback rounds residual sums apart from conv2, so a bf16
 * result differs in the last bits from one without the callback.
 * Errors: SHAPE, ARG, NOMEM, whatever the policy returns. */
LT_NODISCARD lt_status lt_unet_forward(const lt_exec *x, const lt_unet *unet,
                                       const lt_unet_args *a);

/* Multiply-adds of one sample on an h x w latent with n_text tokens, for `plan`:
 * the whole, and the share of self-attention (projections and products). */
void lt_unet_cost(const lt_unet *unet, int64_t h, int64_t w, int64_t n_text,
                  double *macs_all, double *macs_self_attention);

#endif
