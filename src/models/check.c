#include "models/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"

double lt_relative_error(const float *a, const float *b, int64_t n)
{
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]), m = fabs((double)b[i]);
        if (!isfinite(d) || !isfinite(m)) return INFINITY;
        if (d > worst) worst = d;
        if (m > largest) largest = m;
    }
    return worst == 0 ? 0 : worst / largest;
}

typedef struct run {
    const lt_exec *x;
    const char *dir;
    const lt_weights *golden;
    lt_check_report *report;
    void *self;
    lt_model *model; /* the part in use */
    int n_lines;
    lt_check_line worst;
} run;

/* ---- between the layouts: [n, c, h, w] in files, [n, h, w, c] here ------------- */

static void swap_layout(const float *src, float *dst, int64_t n, int64_t outer,
                        int64_t inner)
{
    for (int64_t s = 0; s < n; s++, src += outer * inner, dst += outer * inner)
        for (int64_t i = 0; i < outer; i++)
            for (int64_t j = 0; j < inner; j++) dst[j * outer + i] = src[i * inner + j];
}

static lt_status find(const run *r, const char *name, int ndim, const lt_weight **t)
{
    *t = lt_weights_find(r->golden, name);
    if (!*t)
        return LT_FAIL(LT_ERR_DATA, "golden file without %s (%s)", name,
                       lt_weights_where(r->golden));
    if ((*t)->ndim == ndim && (*t)->count > 0) return LT_OK;
    char found[LT_SHAPE_TEXT];
    return LT_FAIL(LT_ERR_DATA, "tensor %s has shape %s, expected %d dimensions (%s)",
                   name, lt_shape_text((*t)->ndim, (*t)->shape, found), ndim,
                   lt_weights_where(r->golden));
}

/* All values, in the order of the file; the caller frees. */
static lt_status values(const lt_weight *t, float **out)
{
    float *v = malloc((size_t)t->count * sizeof(*v) + 1);
    if (!v) return LT_FAIL(LT_ERR_NOMEM, "out of memory for %s", t->name);
    const lt_status st = lt_weight_to_f32(t, 0, t->count, v);
    if (st == LT_OK)
        *out = v;
    else
        free(v);
    return st;
}

/* An image-like input as an f32 tensor [n, h, w, c] of the table's space. */
static lt_status read_map(const run *r, const char *name, lt_tensor *out)
{
    lt_status st = LT_OK;
    const lt_weight *t = NULL;
    float *v = NULL, *swapped = NULL;
    LT_TRY(find(r, name, 4, &t));
    LT_TRY(values(t, &v));
    const int64_t *s = t->shape, shape[4] = { s[0], s[2], s[3], s[1] };
    swapped = malloc((size_t)t->count * sizeof(*swapped));
    if (!swapped) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for %s", name);
        goto cleanup;
    }
    swap_layout(v, swapped, s[0], s[1], s[2] * s[3]);
    LT_TRY(lt_to_exec(r->x, swapped, LT_F32, 4, shape, out));
cleanup:
    free(v);
    free(swapped);
    return st;
}

static void report_line(run *r, const char *model, const char *output, double error)
{
    const double limit = r->x->k->compute == LT_BF16 ? 2e-2 : 1e-4;
    const lt_check_line line = { .model = model,
                                 .output = output,
                                 .error = error,
                                 .limit = limit,
                                 .ok = error <= limit };
    if (r->report) r->report(r->self, &line);
    if (r->n_lines++ == 0 || !(error <= r->worst.error)) r->worst = line;
}

/* Compare a result with out.<model>.<output>: maps are 4-dimensional. */
static lt_status compare(run *r, const char *model, const char *output,
                         const lt_tensor *result)
{
    lt_status st = LT_OK;
    char name[LT_NAME_MAX];
    const lt_weight *t = NULL;
    float *want = NULL, *got = NULL, *swapped = NULL;
    const int64_t n = lt_tensor_count(result);
    snprintf(name, sizeof(name), "out.%s.%s", model, output);
    LT_TRY(find(r, name, result->ndim, &t));
    const int64_t *s = result->shape;
    const int64_t inner = result->ndim == 4 ? s[3] : 1;
    const int64_t shape[4] = { s[0], s[3], s[1], s[2] };
    LT_TRY(
        lt_weights_get(r->golden, name, result->ndim, result->ndim == 4 ? shape : s, &t));
    LT_TRY(values(t, &want));
    got = malloc((size_t)n * sizeof(*got));
    swapped = malloc((size_t)n * sizeof(*swapped));
    if (!got || !swapped) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for %s", name);
        goto cleanup;
    }
    lt_tensor host = lt_tensor_wrap(got, LT_HOST, LT_F32, result->ndim, s);
    LT_TRY(lt_tensor_copy(&host, result, r->x->stream));
    swap_layout(got, swapped, s[0], n / s[0] / inner, inner);
    report_line(r, model, output, lt_relative_error(swapped, want, n));
cleanup:
    free(want);
    free(got);
    free(swapped);
    return st;
}

/* ---- the models ---------------------------------------------------------------- */

static lt_status load(run *r, int parts)
{
    lt_model_free(&r->model);
    return lt_model_load(r->x, r->dir, parts, &r->model);
}

/* One timestep, or one a sample, as integers or floats. */
static lt_status read_timesteps(const run *r, int64_t n, float *t)
{
    lt_status st = LT_OK;
    const lt_weight *w = lt_weights_find(r->golden, "in.unet.timestep");
    if (!w || (w->count != 1 && w->count != n))
        return LT_FAIL(LT_ERR_DATA,
                       "golden file without in.unet.timestep of 1 or %lld values (%s)",
                       (long long)n, lt_weights_where(r->golden));
    int64_t *whole = malloc((size_t)w->count * sizeof(*whole));
    if (!whole) return LT_FAIL(LT_ERR_NOMEM, "out of memory for timesteps");
    if (w->type != LT_WEIGHT_I64 && w->type != LT_WEIGHT_I32) {
        LT_TRY(lt_weight_to_f32(w, 0, w->count, t));
    } else {
        LT_TRY(lt_weight_to_i64(w, whole));
        for (int64_t i = 0; i < w->count; i++) t[i] = (float)whole[i];
    }
    for (int64_t i = w->count; i < n; i++) t[i] = t[0];
cleanup:
    free(whole);
    return st;
}

/* Sample i under its own prompt. */
static lt_status unet_sample(run *r, const lt_tensor *x, const lt_tensor *text, int64_t i,
                             float timestep, lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_unet_context *context = NULL;
    lt_tensor row = lt_tensor_rows(text, i, 1), in = lt_tensor_rows(x, i, 1);
    lt_tensor to = lt_tensor_rows(out, i, 1);
    lt_tensor prompt = LT_RESHAPE(&row, text->shape[1], text->shape[2]);
    LT_TRY(lt_unet_context_new(r->x, r->model->unet, &prompt, &context));
    const lt_unet_args a = {
        .batch = { .n_branches = 1, .branch = { LT_BRANCH_EDIT }, .n_frames = 1 },
        .x = &in,
        .timestep = timestep,
        .context = { context },
        .out = &to
    };
    LT_TRY(lt_unet_forward(r->x, r->model->unet, &a));
cleanup:
    lt_unet_context_free(&context);
    lt_tensor_free(&row);
    lt_tensor_free(&in);
    lt_tensor_free(&to);
    lt_tensor_free(&prompt);
    return st;
}

static lt_status read_text(const run *r, int64_t n, lt_tensor *text)
{
    const char *name = "in.unet.encoder_hidden_states";
    const lt_weight *t = NULL;
    float *v = NULL;
    lt_status st = find(r, name, 3, &t);
    if (st == LT_OK && t->shape[0] != n)
        st = LT_FAIL(LT_ERR_DATA, "%s is for %lld samples, in.unet.sample has %lld (%s)",
                     name, (long long)t->shape[0], (long long)n,
                     lt_weights_where(r->golden));
    if (st == LT_OK) st = values(t, &v);
    if (st == LT_OK) st = lt_to_exec(r->x, v, LT_F32, 3, t->shape, text);
    free(v);
    return st;
}

static lt_status check_unet(run *r)
{
    lt_status st = LT_OK;
    lt_tensor x = { 0 }, text = { 0 }, out = { 0 };
    float *t = NULL;
    LT_TRY(load(r, LT_MODEL_UNET));
    LT_TRY(read_map(r, "in.unet.sample", &x));
    const int64_t n = x.shape[0];
    LT_TRY(read_text(r, n, &text));
    t = malloc((size_t)n * sizeof(*t));
    if (!t) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for timesteps");
        goto cleanup;
    }
    LT_TRY(read_timesteps(r, n, t));
    LT_TRY(LT_TENSOR_NEW(&out, r->x->pool, LT_F32, n, x.shape[1], x.shape[2],
                         lt_unet_get_config(r->model->unet)->out_channels));
    for (int64_t i = 0; i < n; i++) LT_TRY(unet_sample(r, &x, &text, i, t[i], &out));
    LT_TRY(compare(r, "unet", "sample", &out));
cleanup:
    free(t);
    lt_tensor_free(&x);
    lt_tensor_free(&text);
    lt_tensor_free(&out);
    return st;
}

static lt_status check_encode(run *r)
{
    lt_status st = LT_OK;
    lt_tensor image = { 0 }, mean = { 0 }, logvar = { 0 };
    LT_TRY(load(r, LT_MODEL_VAE));
    LT_TRY(read_map(r, "in.vae.encode.image", &image));
    const int f = lt_vae_factor(r->model->vae);
    const int64_t shape[4] = { image.shape[0], image.shape[1] / f, image.shape[2] / f,
                               lt_vae_latent_channels(r->model->vae) };
    LT_TRY(lt_tensor_new(&mean, r->x->pool, LT_F32, 4, shape));
    LT_TRY(lt_tensor_new(&logvar, r->x->pool, LT_F32, 4, shape));
    LT_TRY(lt_vae_encode(r->x, r->model->vae, &image, &mean, &logvar));
    LT_TRY(compare(r, "vae.encode", "mean", &mean));
    LT_TRY(compare(r, "vae.encode", "logvar", &logvar));
cleanup:
    lt_tensor_free(&image);
    lt_tensor_free(&mean);
    lt_tensor_free(&logvar);
    return st;
}

static lt_status check_decode(run *r)
{
    lt_status st = LT_OK;
    lt_tensor latents = { 0 }, image = { 0 };
    LT_TRY(load(r, LT_MODEL_VAE));
    LT_TRY(read_map(r, "in.vae.decode.latents", &latents));
    const int f = lt_vae_factor(r->model->vae);
    LT_TRY(LT_TENSOR_NEW(&image, r->x->pool, LT_F32, latents.shape[0],
                         latents.shape[1] * f, latents.shape[2] * f, 3));
    LT_TRY(lt_vae_decode(r->x, r->model->vae, &latents, &image));
    LT_TRY(compare(r, "vae.decode", "image", &image));
cleanup:
    lt_tensor_free(&latents);
    lt_tensor_free(&image);
    return st;
}

static lt_status encode_ids(run *r, const lt_weight *t, const int64_t *ids, int32_t *row,
                            lt_tensor *out)
{
    for (int64_t i = 0; i < t->shape[0]; i++) {
        for (int64_t j = 0; j < t->shape[1]; j++) {
            const int64_t id = ids[i * t->shape[1] + j];
            row[j] = id < 0 || id > INT32_MAX ? -1 : (int32_t)id;
        }
        lt_tensor to = lt_tensor_rows(out, i, 1);
        const lt_status st =
            lt_text_encode(r->x, r->model->text, row, (int)t->shape[1], &to);
        lt_tensor_free(&to);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status check_text(run *r)
{
    lt_status st = LT_OK;
    const lt_weight *t = NULL;
    lt_tensor out = { 0 };
    int64_t *ids = NULL;
    int32_t *row = NULL;
    LT_TRY(load(r, LT_MODEL_TEXT));
    LT_TRY(find(r, "in.text.ids", 2, &t));
    ids = malloc((size_t)t->count * sizeof(*ids));
    row = malloc((size_t)t->shape[1] * sizeof(*row));
    if (!ids || !row || t->shape[1] > 4096) {
        st = LT_FAIL(ids && row ? LT_ERR_DATA : LT_ERR_NOMEM, "cannot use in.text.ids");
        goto cleanup;
    }
    LT_TRY(lt_weight_to_i64(t, ids));
    LT_TRY(LT_TENSOR_NEW(&out, r->x->pool, LT_F32, t->shape[0], t->shape[1],
                         lt_text_encoder_width(r->model->text)));
    LT_TRY(encode_ids(r, t, ids, row, &out));
    LT_TRY(compare(r, "text", "last_hidden_state", &out));
cleanup:
    free(ids);
    free(row);
    lt_tensor_free(&out);
    return st;
}

lt_status lt_model_check(const lt_exec *x, const char *dir, const char *golden,
                         lt_check_report *report, void *self)
{
    static const struct {
        const char *input;
        lt_status (*check)(run *r);
    } checks[] = {
        { "in.text.ids", check_text },
        { "in.vae.encode.image", check_encode },
        { "in.vae.decode.latents", check_decode },
        { "in.unet.sample", check_unet },
    };
    lt_status st = LT_OK;
    lt_weights *w = NULL;
    run r = { .x = x, .dir = dir, .report = report, .self = self };
    LT_TRY(lt_weights_open(golden, &w));
    r.golden = w;
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
        if (lt_weights_find(w, checks[i].input)) LT_TRY(checks[i].check(&r));
    if (r.n_lines == 0)
        st = LT_FAIL(LT_ERR_DATA,
                     "golden file without inputs of a model (%s): names such as "
                     "in.unet.sample are in docs/formats.md",
                     golden);
    else if (!r.worst.ok)
        st = LT_FAIL(
            LT_ERR_DATA,
            "%s.%s differs by %.3g, more than %.3g (%s): the model is another one, "
            "or this machine computes wrongly",
            r.worst.model, r.worst.output, r.worst.error, r.worst.limit, golden);
cleanup:
    lt_model_free(&r.model);
    lt_weights_close(&w);
    return st;
}
