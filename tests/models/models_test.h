#ifndef LT_TESTS_MODELS_TEST_H
#define LT_TESTS_MODELS_TEST_H

#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "models/check.h"
#include "models/model.h"
#include "status_check.h"

/* What the tests of this room share. */

static const char *const test_models[] = { "sd15-tiny", "sd21-tiny", "odd-tiny" };
enum { N_TEST_MODELS = 3 };

static inline const char *golden_path(const char *name, char *path)
{
    snprintf(path, 4096, "%s/%s", LT_GOLDEN, name);
    return path;
}

static inline const char *model_dir(const char *name, char *path)
{
    snprintf(path, 4096, "%s/models/%s", LT_GOLDEN, name);
    return path;
}

static inline lt_exec open_exec(const lt_kernels *k)
{
    lt_exec x = { .k = k };
    OK(lt_pool_open(&x.pool, LT_HOST, "test", 0));
    return x;
}

/* Every tensor must have been freed. */
static inline void close_exec(lt_exec *x)
{
    CHECK(lt_pool_used(x->pool) == 0);
    lt_pool_close(&x->pool);
    lt_threads_close(x->threads);
}

/* The host tables of this machine, the reference first. */
static inline int tables(const lt_kernels **k)
{
    const int n = lt_kernels_list(k, 16);
    CHECK(n >= 1);
    return n;
}

static inline double tolerance(const lt_kernels *k)
{
    return k->compute == LT_BF16 ? 2e-2 : 1e-4;
}

/* A golden tensor [n, c, h, w] as f32 [n, h, w, c]; other ranks keep their order. */
static inline lt_tensor golden_tensor(const lt_exec *x, const lt_weights *w,
                                      const char *name)
{
    const lt_weight *t = lt_weights_find(w, name);
    if (!t) fprintf(stderr, "no golden tensor %s\n", name);
    CHECK(t);
    float *v = malloc((size_t)t->count * sizeof(*v));
    OK(lt_weight_to_f32(t, 0, t->count, v));
    lt_tensor out = { 0 };
    if (t->ndim != 4) {
        OK(lt_tensor_new(&out, x->pool, LT_F32, t->ndim, t->shape));
        memcpy(out.data, v, (size_t)t->count * sizeof(*v));
        free(v);
        return out;
    }
    const int64_t *s = t->shape, hw = s[2] * s[3];
    OK(LT_TENSOR_NEW(&out, x->pool, LT_F32, s[0], s[2], s[3], s[1]));
    for (int64_t n = 0; n < s[0]; n++)
        for (int64_t c = 0; c < s[1]; c++)
            for (int64_t i = 0; i < hw; i++)
                lt_f32(&out)[(n * hw + i) * s[1] + c] = v[(n * s[1] + c) * hw + i];
    free(v);
    return out;
}

/* Any float tensor as f32 values; the caller frees. */
static inline float *as_f32(const lt_tensor *t)
{
    const int64_t n = lt_tensor_count(t);
    float *v = malloc((size_t)n * sizeof(*v) + 1);
    lt_tensor out = lt_tensor_wrap(v, LT_HOST, LT_F32, 1, &n);
    lt_tensor flat = lt_tensor_reshape(t, 1, &n);
    OK(t->dtype == LT_F32 ? lt_tensor_copy(&out, &flat, NULL)
                          : lt_tensor_convert(&out, &flat));
    lt_tensor_free(&flat);
    return v;
}

/* Same shape, and within a relative error. */
static inline void check_near(const char *what, const lt_kernels *k, const lt_tensor *got,
                              const lt_tensor *want, double limit)
{
    float *a = as_f32(got), *b = as_f32(want);
    CHECK(lt_tensor_count(got) == lt_tensor_count(want));
    const double e = lt_relative_error(a, b, lt_tensor_count(got));
    if (!(e <= limit))
        fprintf(stderr, "%s on %s: error %g > %g\n", what, k->name, e, limit);
    CHECK(e <= limit);
    free(a);
    free(b);
}

#endif
