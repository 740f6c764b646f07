#ifndef LT_MODELS_VAE_H
#define LT_MODELS_VAE_H

#include "io/weights.h"
#include "kernels/kernels.h"

/* AutoencoderKL (methods/via.md 4.6), any widths that its config names. */
typedef struct lt_vae lt_vae;

/* Load DIR/vae. Errors as lt_unet_load. */
LT_NODISCARD lt_status lt_vae_load(const lt_exec *x, const char *dir, lt_vae **vae);
void lt_vae_free(lt_vae **vae);

int64_t lt_vae_latent_channels(const lt_vae *vae);
int lt_vae_factor(const lt_vae *vae);           /* pixels per latent cell, 8 */
float lt_vae_scaling_factor(const lt_vae *vae); /* 0.18215 */

/* image [n, H, W, 3] f32, usually in [-1, 1]; H, W multiples of the factor.
 * mean, logvar: [n, H/f, W/f, latent_channels] f32, written, unscaled; logvar is clamped
 * to [-30, 20] as in diffusers, and may be NULL.  Samples are computed one after the
 * other, so memory does not depend on n.  Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_vae_encode(const lt_exec *x, const lt_vae *vae,
                                     const lt_tensor *image, lt_tensor *mean,
                                     lt_tensor *logvar);

/* latents [n, h, w, latent_channels] f32, unscaled (already divided by the scaling
 * factor); image [n, h*f, w*f, 3] f32, written, not clamped.  Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_vae_decode(const lt_exec *x, const lt_vae *vae,
                                     const lt_tensor *latents, lt_tensor *image);

/* Multiply-adds of one frame of h x w latents, for `plan`. */
double lt_vae_cost_encode(const lt_vae *vae, int64_t h, int64_t w);
double lt_vae_cost_decode(const lt_vae *vae, int64_t h, int64_t w);

#endif
