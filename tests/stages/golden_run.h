#ifndef LT_TESTS_GOLDEN_RUN_H
#define LT_TESTS_GOLDEN_RUN_H

#include <string.h>

#include "io/media_writer.h"
#include "io/weights.h"
#include "stages/open.h"
#include "status_check.h"

/* Helpers for tests that run stages on the golden film and model. */

/* A golden array as floats; *n = its elements. Free it. */
static inline float *golden_f32(const lt_weights *g, const char *name, int64_t *n)
{
    const lt_weight *t = lt_weights_find(g, name);
    if (!t) fprintf(stderr, "no golden array %s\n", name);
    CHECK(t);
    int64_t count = 1;
    for (int d = 0; d < t->ndim; d++) count *= t->shape[d];
    float *v = malloc((size_t)count * sizeof(*v));
    CHECK(v);
    CHECK(t->type == LT_WEIGHT_F32); /* as it is: some hold NaN on purpose */
    memcpy(v, t->data, (size_t)count * sizeof(*v));
    *n = count;
    return v;
}

static inline int64_t *golden_i64(const lt_weights *g, const char *name, int64_t *n)
{
    const lt_weight *t = lt_weights_find(g, name);
    if (!t) fprintf(stderr, "no golden array %s\n", name);
    CHECK(t);
    int64_t count = 1;
    for (int d = 0; d < t->ndim; d++) count *= t->shape[d];
    int64_t *v = malloc((size_t)count * sizeof(*v));
    CHECK(v);
    if (!strcmp(t->type_name, "I32"))
        for (int64_t i = 0; i < count; i++) {
            int32_t x;
            memcpy(&x, t->data + 4 * i, sizeof(x));
            v[i] = x;
        }
    else
        OK(lt_weight_to_i64(t, v));
    *n = count;
    return v;
}

/* [n, c, h, w] -> [n, h, w, c], in place. */
static inline void to_channels_last(float *v, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t frame = c * h * w;
    float *t = malloc((size_t)frame * sizeof(*t));
    CHECK(t);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                t[p * c + k] = v[i * frame + k * h * w + p];
        memcpy(v + i * frame, t, (size_t)frame * sizeof(*t));
    }
    free(t);
}

/* max|a - b| / max|b|; infinite when a is not finite. */
static inline double relative_error(const float *a, const float *b, int64_t n)
{
    double d = 0, m = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) return INFINITY;
        d = fmax(d, fabs((double)a[i] - b[i]));
        m = fmax(m, fabs((double)b[i]));
    }
    return d / m;
}

/* Frames [n, h, w, 3] as a lossless RGB video by the ffmpeg program; 0 without it. */
static inline int write_clip(const uint8_t *frames, int64_t n, int w, int h,
                             const char *path)
{
    char command[512];
    if (system("ffmpeg -version >/dev/null 2>&1") != 0) return 0;
    snprintf(command, sizeof(command),
             "ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s %dx%d -r 24 -i - "
             "-c:v ffv1 -pix_fmt bgr0 %s",
             w, h, path);
    FILE *f = popen(command, "w");
    CHECK(f);
    const size_t bytes = (size_t)(n * h * w * 3);
    CHECK(fwrite(frames, 1, bytes, f) == bytes);
    CHECK(pclose(f) == 0);
    return 1;
}

/* The golden film, or 0. */
static inline int write_film(const lt_weights *g, const char *path)
{
    const lt_weight *t = lt_weights_find(g, "frames");
    CHECK(t && t->ndim == 4 && t->shape[3] == 3);
    return write_clip(t->data, t->shape[0], (int)t->shape[2], (int)t->shape[1], path);
}

static inline void set(lt_config *c, const char *assignment)
{
    OK(lt_config_set(c, assignment));
}

/* What all golden edits have in common (tools/golden/loops.py), on a golden model and
 * the best f32 path of this machine; `film` is a video of 64 x 96 pixels. */
static inline void golden_settings(lt_config *c, const char *model, const char *film)
{
    static const char *const common[] = {
        "model.dtype=f32",
        "size.max_pixels=6144",
        "prompt.source=a yellow circle and a blue square on a stone wall",
        "prompt.edit=a red ball and a wooden boat in the snow",
        "prompt.negative=ugly, blurry, low res",
        "sampler.steps=6",
        "sampler.inversion_steps=6",
        "attention.kv_budget=2",
        "attention.inject=0.5",
        "attention.inject_features=0.5",
        "features.ensemble=1",
        "clips.region_threshold=0.5",
        "run.keep=all",
        "run.threads=1",
    };
    char text[4200];
    OK(lt_config_default(c));
    snprintf(text, sizeof(text), "model.path=%s/models/%s", LT_GOLDEN, model);
    set(c, text);
    snprintf(text, sizeof(text), "input.path=%s", film);
    set(c, text);
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) set(c, common[i]);
}

static inline lt_weights *open_golden(const char *name)
{
    char path[4096];
    lt_weights *g = NULL;
    snprintf(path, sizeof(path), "%s/%s.safetensors", LT_GOLDEN, name);
    OK(lt_weights_open(path, &g));
    return g;
}

/* A run over the golden film in folder `job` (made anew). */
static inline lt_run *open_run(const lt_config *cfg, lt_comm *comm, const char *job)
{
    lt_run_env env = { .comm = comm, .tool_version = "test", .fresh = 1 };
    lt_run *r = NULL;
    OK(lt_path_absolute(NULL, job, env.job_dir));
    OK(lt_run_open(cfg, NULL, &env, &r));
    return r;
}

#endif
