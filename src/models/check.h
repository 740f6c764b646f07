#ifndef LT_MODELS_CHECK_H
#define LT_MODELS_CHECK_H

#include "kernels/kernels.h"
#include "models/loader.h"

/* What `longtake models check`, `verify` and `list` do; the program prints. */

/* One line of `models check`: a model and one of its outputs. */
typedef struct lt_check_line {
    const char *model;  /* "unet", "vae.encode", "vae.decode", "text" */
    const char *output; /* "sample", "mean", "logvar", "image", "last_hidden_state" */
    double error;       /* max|a-b| / max|b|; infinite when something is not finite */
    double limit;       /* f32 tables 1e-4, bf16 tables 2e-2 */
    int ok;
} lt_check_line;

typedef void lt_check_report(void *self, const lt_check_line *line);

/* Run the models of DIR on the inputs in `golden` (names in docs/formats.md) with the
 * table of x and compare. A model whose tensors are not in the file is left out; with
 * none at all, or a name without its partners, the file is DATA. Every line is reported
 * before a failure is returned.  Errors: DATA (a line above its limit: names the worst),
 * NOINPUT, NOMEM. */
LT_NODISCARD lt_status lt_model_check(const lt_exec *x, const char *dir,
                                      const char *golden, lt_check_report *report,
                                      void *self);

/* One file of a model folder that `models verify` has read. */
typedef struct lt_verify_line {
    const char *file;   /* name inside the folder; else the part and the file's name */
    const char *sha256; /* 64 hex digits */
    const char *fault;  /* NULL, or what is wrong */
} lt_verify_line;

typedef void lt_verify_report(void *self, const lt_verify_line *line);

/* Read a whole model in any layout of source.h: configurations, headers, every expected tensor with its
 * shape, every value finite, tokenizer and scheduler usable; the hash of every file.
 * All faults are reported before a failure is returned. No kernels are needed.
 * Errors: DATA (something is damaged: names the first), NOINPUT, IO, NOMEM. */
LT_NODISCARD lt_status lt_model_verify(const char *dir, lt_verify_report *report,
                                       void *self);

/* A model that `models list` found. */
typedef struct lt_model_info {
    const char *dir;    /* absolute */
    const char *family; /* "SD 1.x", "SD 2.x", "InstructPix2Pix", "SD-like" */
    const char *dtype;  /* of the UNet's first tensor: "F16" */
    const char *fault;  /* NULL, or why it cannot be used (its config, no weights ...) */
    int64_t parameters; /* of UNet, VAE and text encoder */
    int64_t width, height; /* trained for, pixels */
    int v_prediction;
} lt_model_info;

typedef void lt_model_found(void *self, const lt_model_info *info);

/* Look for models: `folder` itself, and below it to a depth of `depth` (a Hugging
 * Face cache needs 4: models--x--y/snapshots/<commit>/). A folder counts when it has
 * unet/config.json, a safetensors file when it holds UNet, VAE and text encoder. In alphabetical order; links to folders are followed, hidden folders
 * are not. A folder that does not exist holds none.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_model_scan(const char *folder, int depth, lt_model_found *found,
                                     void *self);

/* Describe one folder or file; faults do not fail.  info's texts live in `text`. */
enum { LT_INFO_TEXT = 2048 };
LT_NODISCARD lt_status lt_model_describe(const char *dir, lt_model_info *info,
                                         char text[LT_INFO_TEXT]);

/* max|a-b| / max|b| over n values; infinite when a value is not finite or when max|b| is
 * 0 and a is not. */
double lt_relative_error(const float *a, const float *b, int64_t n);

#endif
