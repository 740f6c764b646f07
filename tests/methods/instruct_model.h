#ifndef LT_TESTS_INSTRUCT_MODEL_H
#define LT_TESTS_INSTRUCT_MODEL_H

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/weights.h"
#include "status_check.h"

/* A small InstructPix2Pix model: the golden model sd15-tiny with 4 more input channels,
 * whose weights come from a formula (tools/golden/instruct.py). */

static inline void instruct_path(char *out, const char *dir, const char *name)
{
    CHECK(snprintf(out, 4096, "%s/%s", dir, name) < 4096);
}

static inline void instruct_write(const char *dir, const char *name, const char *text)
{
    char path[4096];
    instruct_path(path, dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* [o, 4, 3, 3] -> [o, 8, 3, 3] */
static inline float *instruct_conv_in(const lt_weight *t)
{
    const int64_t n = t->shape[0];
    float *old = malloc((size_t)(n * 36) * sizeof(*old));
    float *wide = malloc((size_t)(n * 72) * sizeof(*wide));
    CHECK(old && wide && t->count == n * 36);
    OK(lt_weight_to_f32(t, 0, t->count, old));
    for (int64_t o = 0; o < n; o++)
        for (int64_t i = 0; i < 4; i++)
            for (int64_t k = 0; k < 9; k++) {
                const int64_t mix = 37 * o + 11 * i + 5 * (k / 3) + 3 * (k % 3);
                wide[(o * 8 + i) * 9 + k] = old[(o * 4 + i) * 9 + k];
                wide[(o * 8 + 4 + i) * 9 + k] = (float)(mix % 23 - 11) / 64.0f;
            }
    free(old);
    return wide;
}

static inline lt_dtype instruct_dtype(const lt_weight *t)
{
    return t->type == LT_WEIGHT_F16    ? LT_F16
           : t->type == LT_WEIGHT_BF16 ? LT_BF16
           : t->type == LT_WEIGHT_F32  ? LT_F32
                                       : LT_I64;
}

static inline void instruct_unet(const char *from, const char *to)
{
    char path[4096];
    lt_weights *w = NULL;
    float *conv_in = NULL;
    OK(lt_weights_open_folder(from, "diffusion_pytorch_model", &w));
    const int n = (int)lt_weights_count(w);
    lt_weight_out *out = calloc((size_t)n, sizeof(*out));
    CHECK(out);
    for (int i = 0; i < n; i++) {
        const lt_weight *t = lt_weights_at(w, i);
        out[i].name = t->name;
        if (!strcmp(t->name, "conv_in.weight")) {
            conv_in = instruct_conv_in(t);
            out[i].tensor = lt_tensor_wrap(conv_in, LT_HOST, LT_F32, 4,
                                           (int64_t[]){ t->shape[0], 8, 3, 3 });
        } else
            out[i].tensor = lt_tensor_wrap((void *)(uintptr_t)t->data, LT_HOST,
                                           instruct_dtype(t), t->ndim, t->shape);
    }
    instruct_path(path, to, "diffusion_pytorch_model.safetensors");
    OK(lt_weights_write(path, out, n, NULL));
    free(out);
    free(conv_in);
    lt_weights_close(&w);
}

static inline void instruct_unet_config(const char *from, const char *to)
{
    char path[4096], text[8192];
    void *data = NULL;
    size_t bytes = 0;
    instruct_path(path, from, "config.json");
    OK(lt_file_read(path, sizeof(text) - 1, &data, &bytes));
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    char *four = strstr(text, "\"in_channels\": 4");
    CHECK(four);
    four[strlen("\"in_channels\": ")] = '8';
    instruct_write(to, "config.json", text);
    free(data);
}

/* Make or complete the folder `dir`; scheduler: class, and further keys as JSON, which
 * begin with a comma when there are any. */
static inline void write_instruct_model(const char *dir, const char *class_name,
                                        const char *more)
{
    static const char *const parts[] = { "text_encoder", "vae", "tokenizer" };
    static const char golden[] = LT_GOLDEN "/models/sd15-tiny";
    char path[4096], unet[4096], from[4096], text[1024];
    CHECK(mkdir(dir, 0777) == 0 || errno == EEXIST);
    instruct_path(path, dir, "scheduler");
    instruct_path(unet, dir, "unet");
    CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
    snprintf(text, sizeof(text),
             "{\"_class_name\":\"%s\",\"beta_start\":0.00085,\"beta_end\":0.012,"
             "\"beta_schedule\":\"scaled_linear\",\"steps_offset\":1%s}",
             class_name, more);
    instruct_write(path, "scheduler_config.json", text);
    if (mkdir(unet, 0777) != 0) return; /* the rest is there */
    for (int i = 0; i < 3; i++) {
        instruct_path(path, dir, parts[i]);
        instruct_path(from, golden, parts[i]);
        CHECK(symlink(from, path) == 0);
    }
    instruct_path(from, golden, "unet");
    instruct_unet(from, unet);
    instruct_unet_config(from, unet);
}

#endif
