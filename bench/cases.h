#ifndef LT_BENCH_CASES_H
#define LT_BENCH_CASES_H

#include "bench/bench.h"
#include "models/model.h"

/* What can be timed: an operation, or a whole model, with the sizes given as numbers.
 * One list for `bench_kernels`, `longtake bench` and the comparison with other programs
 * (bench_serve), so that all of them time the same thing.
 *
 *   op              sizes                              inputs, f32 unless said
 *   attention       sets n_q n_kv heads d              q k v   [sets, n, heads * d]
 *   attention_half  the same; every second key         q k v
 *   best_match      n_a n_b c                          a b     unit rows [n, c]; out i32
 *   linear          batch rows n_in n_out              in w bias
 *   linear_gelu, linear_residual  the same             in w bias (residual: out = 0 + ..)
 *   conv            batch c_in c_out size k stride     in [n,h,w,c] w [o,i,k,k] bias
 *   group_norm      batch pixels c; 32 groups, SiLU    in gamma beta
 *   layer_norm      batch pixels c                     in gamma beta
 *   geglu           batch pixels c                     in [n, pixels, 2 c]
 *   silu gelu add concat   batch pixels c              in, or a b
 *   unet            n h w                              x [n,h,w,4] text [77, width]
 *   vae_decode      n h w (latent)                     latents
 *   vae_encode      n h w (latent)                     image; out: mean
 *   text            tokens                             ids [tokens]
 * The last four need a model. A UNet sees timestep 500 and one prompt. */

enum { LT_CASE_INPUTS = 3, LT_CASE_SIZES = 6 };

typedef struct lt_case {
    const struct lt_case_op *op;
    int64_t size[LT_CASE_SIZES];
    char shape[96]; /* for people: "4096x4096x8x40" */
    lt_bench_kind kind;
    double work; /* of one run, see lt_bench_kind */
    int n_in;
    lt_tensor in[LT_CASE_INPUTS]; /* f32 or compute type, as the operation takes them */
    lt_tensor out;
    /* Made by lt_case_ready. */
    lt_linear *linear;
    lt_conv *conv;
    int32_t *list;
    int64_t n_list;
    lt_unet_context *context;
    const lt_model *model; /* borrowed */
} lt_case;

/* Allocate a case and fill its inputs with numbers in [-1, 1), the same on every machine;
 * rows of best_match get unit length, ids stay in the vocabulary. model may be NULL for
 * operations. Close with lt_case_close, also after a failure.
 * Errors: CONFIG (no such operation, wrong number of sizes, a size below 1, no model),
 * NOMEM. */
LT_NODISCARD lt_status lt_case_open(const lt_exec *x, const lt_model *model,
                                    const char *op, const int64_t *size, int n_size,
                                    lt_case *c);
void lt_case_close(const lt_exec *x, lt_case *c);

/* Replace input i by a file of f32 numbers without header, in the order of the shape;
 * they are rounded to the type of the input.  Errors: CONFIG (no such input), NOINPUT,
 * DATA (another length). */
LT_NODISCARD lt_status lt_case_load(lt_case *c, int i, const char *file);

/* Once, after the inputs are there: pack weights, project the prompt. */
LT_NODISCARD lt_status lt_case_ready(const lt_exec *x, lt_case *c);

/* One run; an lt_bench_fn over lt_case. */
LT_NODISCARD lt_status lt_case_run(const lt_exec *x, void *c);

/* Write the output as f32 (indices as i32) to a file.  Errors: IO, NOMEM. */
LT_NODISCARD lt_status lt_case_store(const lt_exec *x, const lt_case *c,
                                     const char *file);

const char *lt_case_name(const lt_case *c);

/* Times one case and hands out the row; opens and closes it. */
typedef struct lt_case_request {
    const char *op;
    int64_t size[LT_CASE_SIZES];
    int n_size;
} lt_case_request;
LT_NODISCARD lt_status lt_case_time(const lt_bench *b, const lt_model *model,
                                    const lt_case_request *r, int min_runs,
                                    void (*row)(void *ctx, const lt_bench_row *),
                                    void *ctx);

/* ---- for cases_model.c ------------------------------------------------------------ */

typedef struct lt_case_op {
    const char *name;
    int n_sizes, needs_model;
    lt_status (*open)(const lt_exec *x, lt_case *c);
    lt_status (*ready)(const lt_exec *x, lt_case *c); /* or NULL */
    lt_status (*run)(const lt_exec *x, lt_case *c);
} lt_case_op;

extern const lt_case_op lt_case_models[]; /* {0} at the end */

/* An input: allocated in the type and filled. */
LT_NODISCARD lt_status lt_case_input(const lt_exec *x, lt_case *c, lt_dtype dtype,
                                     int ndim, const int64_t *shape);
#define LT_CASE_INPUT(x, c, dtype, ...)                                             \
    lt_case_input((x), (c), (dtype), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), \
                  (const int64_t[]){ __VA_ARGS__ })

#endif
