#ifndef LT_MODELS_LOADER_H
#define LT_MODELS_LOADER_H

#include "io/weights.h"
#include "kernels/kernels.h"

/* From tensors of a weights file to the packed layers of a kernel table. Used inside
 * this room only.
 *
 * A model is described once, by the function that builds it. With `w` it loads; without
 * it only tells `visit` which tensors it wants, which is how `models verify` and the
 * tests know the complete list of a configuration. */
typedef void lt_tensor_visitor(void *self, const char *name, int ndim,
                               const int64_t *shape);

/* Room for the weight in hand, reused: a fresh block for each would cost more in pages to
 * clear than the conversion itself. */
typedef struct lt_load_scratch {
    float *data;
    int64_t count;
} lt_load_scratch;

struct lt_lora; /* lora.h */

typedef struct lt_loader {
    const lt_exec *x;         /* NULL when w is NULL */
    const lt_weights *w;      /* NULL: nothing is loaded */
    lt_tensor_visitor *visit; /* NULL or called for every tensor */
    void *self;
    lt_load_scratch *scratch;   /* needed with w; the caller frees its data */
    const struct lt_lora *lora; /* NULL, or what is added to the tensors of `part` */
    int part;                   /* lt_part */
} lt_loader;

enum { LT_NAME_MAX = 160 }; /* bytes of a tensor name built here */

typedef struct lt_norm {
    lt_tensor gamma, beta; /* [c] f32 in the space of the table */
} lt_norm;

/* PATH.weight [c], PATH.bias [c].  Errors of all: DATA (missing, shape, not finite),
 * NOMEM. What was loaded is freed with the model, also after a failure. */
LT_NODISCARD lt_status lt_load_norm(const lt_loader *l, const char *path, int64_t c,
                                    lt_norm *norm);
void lt_norm_free(lt_norm *norm);

typedef enum lt_linear_form {
    LT_LINEAR,         /* weight [n_out, n_in], bias    */
    LT_LINEAR_NO_BIAS, /* weight [n_out, n_in]          */
    LT_LINEAR_CONV     /* weight [n_out, n_in, 1, 1], bias: a 1x1 convolution */
} lt_linear_form;

LT_NODISCARD lt_status lt_load_linear(const lt_loader *l, const char *path, int64_t n_out,
                                      int64_t n_in, lt_linear_form form, lt_linear **out);

/* LT_LINEAR packed for the table of lt_exec_f32. */
LT_NODISCARD lt_status lt_load_linear_f32(const lt_loader *l, const char *path,
                                          int64_t n_out, int64_t n_in, lt_linear **out);

/* PATH.weight [c_out, c_in, 3, 3], PATH.bias. */
LT_NODISCARD lt_status lt_load_conv(const lt_loader *l, const char *path, int64_t c_out,
                                    int64_t c_in, lt_conv_shape shape, lt_conv **out);

/* A whole tensor as f32 on the host, owned by the caller (free). NULL without w. */
LT_NODISCARD lt_status lt_load_host(const lt_loader *l, const char *name, int ndim,
                                    const int64_t *shape, float **out);

/* The usual padding: 1 pixel on all sides, with this stride. */
lt_conv_shape lt_conv_same(int stride);

/* Rows of one linear tile for samples of `rows` rows: a divisor of rows, so that tiles
 * never straddle samples, and small enough that one sample keeps several threads busy.
 * A function of the layer's shape only. */
int64_t lt_rows_per_tile(int64_t rows);

/* out = act(linear(in)) + residual for a [n, rows..., c] tensor. residual may be NULL. */
LT_NODISCARD lt_status lt_run_linear(const lt_exec *x, const lt_linear *w,
                                     const lt_tensor *in, lt_act act,
                                     const lt_tensor *residual, lt_tensor *out);

/* Group norm over [n, ..., c] from `in` to `out` (may be the same). */
LT_NODISCARD lt_status lt_run_group_norm(const lt_exec *x, const lt_norm *norm,
                                         int64_t groups, float eps, int silu,
                                         const lt_tensor *in, lt_tensor *out);
/* eps 1e-5, as in every transformer block of the UNet. */
LT_NODISCARD lt_status lt_run_layer_norm(const lt_exec *x, const lt_norm *norm,
                                         const lt_tensor *in, lt_tensor *out);

/* The same machine computing in f32, for the few layers whose rounding everything after
 * them inherits (time embedding, text encoder): the f32 table of the CPU path of x. x
 * itself when it computes in f32 already, and on a device, which has one table. */
lt_exec lt_exec_f32(const lt_exec *x);

/* Host f32 values [shape] as a tensor of the table's space and `dtype`. */
LT_NODISCARD lt_status lt_to_exec(const lt_exec *x, const float *values, lt_dtype dtype,
                                  int ndim, const int64_t *shape, lt_tensor *out);

/* Free *dst and take the value of *src, which is zeroed. */
void lt_tensor_move(lt_tensor *dst, lt_tensor *src);

#endif
