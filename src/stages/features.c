#include "stages/features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/random.h"
#include "io/half.h"
#include "stages/source.h"

/* ---- computing --------------------------------------------------------------------- */

static lt_status forward(lt_run *r, const lt_tensor *x, int t, lt_tensor *features)
{
    const lt_unet_args a = { .batch = { .n_branches = 1,
                                        .branch = { LT_BRANCH_SOURCE },
                                        .n_frames = x->shape[0] },
                             .x = x,
                             .timestep = (float)t,
                             .context = { r->text.empty },
                             .stop = LT_STOP_AFTER_UP_BLOCK,
                             .stop_up_block = (int)r->cfg->features.block,
                             .features = features };
    return lt_unet_forward(&r->x, r->model->unet, &a);
}

lt_status lt_features_shape(lt_run *r, lt_feature_shape *shape)
{
    lt_tensor x = { 0 }, f = { 0 };
    const int n_blocks = lt_unet_get_config(r->model->unet)->n_levels;
    if (r->cfg->features.block >= n_blocks)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "the model has up blocks 0 to %d (features.block: %lld): choose one "
            "of them",
            n_blocks - 1, (long long)r->cfg->features.block);
    lt_status st = LT_TENSOR_NEW(&x, r->x.pool, LT_F32, 1, r->h, r->w, r->c);
    if (st == LT_OK) st = lt_tensor_zero(&x, r->x.stream);
    if (st == LT_OK) st = forward(r, &x, 0, &f);
    if (st == LT_OK) *shape = (lt_feature_shape){ f.shape[1], f.shape[2], f.shape[3] };
    lt_tensor_free(&x);
    lt_tensor_free(&f);
    return st;
}

static void normals(const lt_run *r, lt_purpose purpose, int64_t frame, int64_t member,
                    float *out, int64_t n)
{
    const lt_random s = lt_random_stream((uint64_t)r->cfg->sampler.seed, purpose,
                                         (uint32_t)frame, (uint32_t)member);
    lt_random_normals(&s, 0, out, n);
}

/* One member of the ensemble: a sample of the posterior with the noise of the level. */
static lt_status sample(lt_run *r, int64_t frame, int64_t member, const lt_tensor *mean,
                        const lt_tensor *logvar, lt_tensor *x)
{
    lt_status st = LT_OK;
    lt_tensor noise = { 0 };
    const int64_t n = lt_tensor_count(mean);
    const float scale = lt_vae_scaling_factor(r->model->vae);
    const float *m = lt_f32(mean), *lv = lt_f32(logvar);
    float *o = lt_f32(x), *e;
    LT_TRY(lt_tensor_new(&noise, r->x.pool, LT_F32, mean->ndim, mean->shape));
    e = lt_f32(&noise);
    normals(r, LT_PURPOSE_POSTERIOR, frame, member, e, n);
    for (int64_t i = 0; i < n; i++) o[i] = (m[i] + expf(0.5f * lv[i]) * e[i]) * scale;
    normals(r, LT_PURPOSE_FEATURE, frame, member, e, n);
    LT_TRY(lt_ddim_add_noise(&r->x, &r->model->scheduler, (int)r->cfg->features.step, x,
                             &noise, x));
cleanup:
    lt_tensor_free(&noise);
    return st;
}

static lt_status member_input(lt_run *r, int64_t frame, int64_t member,
                              const lt_tensor *mean, const lt_tensor *logvar,
                              lt_tensor *x)
{
    if (r->cfg->features.ensemble > 1) return sample(r, frame, member, mean, logvar, x);
    const float scale = lt_vae_scaling_factor(r->model->vae);
    for (int64_t i = 0; i < lt_tensor_count(mean); i++)
        lt_f32(x)[i] = lt_f32(mean)[i] * scale;
    return LT_OK;
}

/* Members are averaged in their order, in f32. */
static lt_status ensemble(lt_run *r, int64_t frame, const lt_tensor *mean,
                          const lt_tensor *logvar, lt_tensor *x, lt_tensor *sum)
{
    lt_status st = LT_OK;
    lt_tensor f = { 0 }, wide = { 0 }, flat = { 0 };
    const int64_t n = r->cfg->features.ensemble;
    for (int64_t e = 0; e < n; e++) {
        LT_TRY(member_input(r, frame, e, mean, logvar, x));
        LT_TRY(forward(r, x, (int)r->cfg->features.step, &f));
        LT_TRY(
            LT_TENSOR_NEW(&wide, r->x.pool, LT_F32, f.shape[1] * f.shape[2], f.shape[3]));
        flat = LT_RESHAPE(&f, f.shape[1] * f.shape[2], f.shape[3]);
        LT_TRY(r->x.k->convert(&r->x, &flat, &wide));
        if (e == 0) LT_TRY(lt_tensor_new(sum, r->x.pool, LT_F32, 2, wide.shape));
        LT_TRY(r->x.k->axpby(&r->x, e ? 1.0f : 0.0f, e ? sum : &wide, 1.0f / (float)n,
                             &wide, sum));
        lt_tensor_free(&f);
        lt_tensor_free(&flat);
        lt_tensor_free(&wide);
    }
cleanup:
    lt_tensor_free(&f);
    lt_tensor_free(&flat);
    lt_tensor_free(&wide);
    return st;
}

lt_status lt_features_compute(lt_run *r, int64_t frame, const lt_tensor *mean,
                              const lt_tensor *logvar, lt_tensor *t)
{
    lt_tensor x = { 0 }, sum = { 0 };
    lt_status st = lt_tensor_new(&x, r->x.pool, LT_F32, mean->ndim, mean->shape);
    if (st == LT_OK) st = ensemble(r, frame, mean, logvar, &x, &sum);
    lt_tensor_free(&x);
    if (st != LT_OK) {
        lt_tensor_free(&sum);
        return st;
    }
    lt_run_round(r, lt_f32(&sum), lt_tensor_count(&sum));
    *t = sum;
    return LT_OK;
}

/* ---- keeping ----------------------------------------------------------------------- */

/* A file of run.temp: this head, then the values in the job's storage type. The hash of
 * the values tells a whole file of this job from anything else. */
typedef struct feature_head {
    char magic[8];
    int64_t frame, tokens, channels, cell;
    uint8_t job[32]; /* first half of the configuration's SHA-256, as text */
    lt_stamp stamp;
} feature_head;

static lt_status temp_name(const lt_run *r, int64_t frame, char *path)
{
    const char *dir = r->cfg->run.temp;
    const lt_job_identity *id = lt_job_identity_of(r->job);
    int n;
    if (dir[0])
        n = snprintf(path, LT_PATH_MAX, "%s/longtake-%.16s-%.16s-%lld.feat", dir,
                     id->config_sha256, id->input_sha256, (long long)frame);
    else
        n = snprintf(path, LT_PATH_MAX, "%s/temp/%lld.feat", lt_job_path(r->job),
                     (long long)frame);
    if (n < 0 || n >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_CONFIG, "path too long (run.temp): choose a shorter one");
    return LT_OK;
}

static feature_head head_of(const lt_run *r, int64_t frame, const lt_tensor *t,
                            const void *data, size_t bytes)
{
    feature_head h = { .frame = frame,
                       .tokens = t->shape[0],
                       .channels = t->shape[1],
                       .cell = r->cell,
                       .stamp = lt_stamp_of(data, bytes) };
    memcpy(h.magic, "ltfeat1", 8);
    memcpy(h.job, lt_job_identity_of(r->job)->config_sha256, sizeof(h.job));
    return h;
}

static lt_status write_file(lt_run *r, int64_t frame, const lt_tensor *t)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX], folder[LT_PATH_MAX];
    const int64_t n = lt_tensor_count(t);
    const size_t bytes = (size_t)n * lt_cell_size(r->cell);
    char *buffer = malloc(sizeof(feature_head) + bytes), *body;
    if (!buffer) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (features)"));
    body = buffer + sizeof(feature_head);
    if (r->cell == LT_CELL_F16)
        lt_half_from_f32((uint16_t *)(void *)body, lt_f32(t), n);
    else
        memcpy(body, t->data, bytes);
    const feature_head h = head_of(r, frame, t, body, bytes);
    memcpy(buffer, &h, sizeof(h));
    LT_TRY(temp_name(r, frame, path));
    LT_TRY(lt_path_folder(path, folder));
    LT_TRY(lt_folder_make(folder));
    LT_TRY(lt_file_write(path, buffer, sizeof(h) + bytes, NULL));
cleanup:
    free(buffer);
    return st;
}

/* Features can be computed again, so a run does without the file: two ranks of different
 * hosts that store the same frame may even share the temporary name (equal process
 * numbers), and the slower one finds its file gone. A full disk is told, since shards go
 * the same way next. */
static lt_status store(lt_run *r, int64_t frame, const lt_tensor *t)
{
    const lt_status st = write_file(r, frame, t);
    if (st == LT_OK || st == LT_ERR_NOSPACE || st == LT_ERR_CONFIG) return st;
    lt_log_debug(r->log, "features of frame %lld are not kept: %s", (long long)frame,
                 lt_error_message());
    if (!r->features_warned)
        lt_log_warn(r->log, "features cannot be kept and are computed again: %s",
                    lt_error_message());
    r->features_warned = 1;
    return LT_OK;
}

/* 1 when the file is there, whole and of this job; anything else is computed anew. */
static int load(lt_run *r, int64_t frame, lt_tensor *t)
{
    char path[LT_PATH_MAX];
    void *data = NULL;
    size_t bytes = 0;
    feature_head h;
    int ok = 0;
    if (temp_name(r, frame, path) != LT_OK ||
        lt_file_read(path, (size_t)1 << 32, &data, &bytes) != LT_OK)
        return 0;
    if (bytes > sizeof(h)) {
        memcpy(&h, data, sizeof(h));
        const char *body = (const char *)data + sizeof(h);
        const size_t size = bytes - sizeof(h);
        const lt_tensor want = { .shape = { h.tokens, h.channels }, .ndim = 2 };
        const feature_head expect = head_of(r, frame, &want, body, size);
        ok = !memcmp(&h, &expect, sizeof(h)) && h.tokens > 0 && h.channels > 0 &&
             (size_t)h.tokens * (size_t)h.channels * lt_cell_size(r->cell) == size &&
             LT_TENSOR_NEW(t, r->x.pool, LT_F32, h.tokens, h.channels) == LT_OK;
        if (ok && r->cell == LT_CELL_F16)
            lt_half_to_f32(lt_f32(t), (const uint16_t *)(const void *)body,
                           h.tokens * h.channels);
        else if (ok)
            memcpy(lt_f32(t), body, size);
    }
    free(data);
    return ok;
}

lt_status lt_features_get(lt_run *r, int64_t frame, lt_tensor *t)
{
    lt_status st = LT_OK;
    lt_tensor mean = { 0 }, logvar = { 0 };
    if (load(r, frame, t)) return LT_OK;
    LT_TRY(LT_TENSOR_NEW(&mean, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&logvar, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(lt_source_read(r, "/features/mean", frame, 1, lt_f32(&mean), NULL));
    LT_TRY(lt_source_read(r, "/features/logvar", frame, 1, lt_f32(&logvar), NULL));
    LT_TRY(lt_features_compute(r, frame, &mean, &logvar, t));
    st = store(r, frame, t);
    if (st != LT_OK) lt_tensor_free(t);
cleanup:
    lt_tensor_free(&mean);
    lt_tensor_free(&logvar);
    return st;
}

lt_status lt_features_rows(lt_run *r, const lt_feature_shape *shape,
                           const lt_tensor *features, int64_t gh, int64_t gw,
                           lt_tensor *rows)
{
    lt_status st = LT_OK;
    lt_tensor map = { 0 }, small = { 0 }, flat = { 0 }, unit = { 0 };
    map = LT_RESHAPE(features, 1, shape->h, shape->w, shape->c);
    if (gh == shape->h && gw == shape->w) {
        small = lt_tensor_view(&map);
    } else {
        LT_TRY(LT_TENSOR_NEW(&small, r->x.pool, LT_F32, 1, gh, gw, shape->c));
        LT_TRY(r->x.k->bilinear(&r->x, &map, &small));
    }
    flat = LT_RESHAPE(&small, gh * gw, shape->c);
    LT_TRY(LT_TENSOR_NEW(&unit, r->x.pool, r->x.k->compute, gh * gw, shape->c));
    LT_TRY(r->x.k->unit_rows(&r->x, &flat, &unit));
    *rows = unit;
    memset(&unit, 0, sizeof(unit));
cleanup:
    lt_tensor_free(&map);
    lt_tensor_free(&small);
    lt_tensor_free(&flat);
    lt_tensor_free(&unit);
    return st;
}

void lt_features_forget(lt_run *r, int64_t first, int64_t n)
{
    char path[LT_PATH_MAX];
    for (int64_t f = first; f < first + n; f++)
        if (temp_name(r, f, path) != LT_OK || lt_file_remove(path) != LT_OK)
            lt_log_debug(r->log, "features of frame %lld stay: %s", (long long)f,
                         lt_error_message());
}
