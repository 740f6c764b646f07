#ifndef LT_MODELS_RESNET_H
#define LT_MODELS_RESNET_H

#include "models/loader.h"

/* The residual block of UNet and VAE:
 *   h = conv1(silu(norm1(x))) [+ linear(silu(time embedding)) per channel]
 *   h = conv2(silu(norm2(h)));  out = shortcut(x) + h
 * Used inside this room only. */
typedef struct lt_resnet {
    int64_t c_in, c_out, groups;
    float eps;
    lt_norm norm1, norm2;
    lt_conv *conv1, *conv2;
    lt_linear *time;     /* of the table of lt_exec_f32; NULL: no time embedding (VAE) */
    lt_linear *shortcut; /* NULL when c_in == c_out */
} lt_resnet;

/* c_in, c_out, groups and eps of *r are set by the caller. time_dim 0: no embedding. */
LT_NODISCARD lt_status lt_resnet_load(const lt_loader *l, const char *path,
                                      int64_t time_dim, lt_resnet *r);
/* k32: the table of lt_exec_f32, or NULL when time_dim was 0. */
void lt_resnet_free(const lt_kernels *k, const lt_kernels *k32, lt_resnet *r);

/* *map [n, h, w, c_in] compute dtype is replaced by the output [n, h, w, c_out].
 *   time  silu of the time embedding, [1, time_dim] in the dtype of lt_exec_f32, or NULL
 * After a failure *map is still the caller's, perhaps empty.  Errors: NOMEM, SHAPE. */
LT_NODISCARD lt_status lt_resnet_run(const lt_exec *x, const lt_resnet *r,
                                     const lt_tensor *time, lt_tensor *map);

/* The same in two steps, for a change in between: *hidden is what conv2 gives, allocated
 * here; then *map = shortcut(*map) + *hidden, and *hidden is consumed. Rounding differs
 * from lt_resnet_run, where conv2 adds the shortcut. */
LT_NODISCARD lt_status lt_resnet_hidden(const lt_exec *x, const lt_resnet *r,
                                        const lt_tensor *time, const lt_tensor *map,
                                        lt_tensor *hidden);
LT_NODISCARD lt_status lt_resnet_join(const lt_exec *x, const lt_resnet *r,
                                      lt_tensor *map, lt_tensor *hidden);

/* *map [n, h, w, c] becomes conv(*map). */
LT_NODISCARD lt_status lt_run_conv(const lt_exec *x, const lt_conv *w, lt_tensor *map);

/* Nearest neighbour to oh x ow, then the convolution. */
LT_NODISCARD lt_status lt_run_upsample(const lt_exec *x, const lt_conv *w, int64_t oh,
                                       int64_t ow, lt_tensor *map);

/* `in` in the compute dtype: a view when it is that already.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_as_compute(const lt_exec *x, const lt_tensor *in,
                                     lt_tensor *out);

#endif
