#include "attention/inject.h"
#include "methods/common.h"
#include "stages/inversion.h"
#include "stages/open.h"
#include "stages/render.h"
#include "stages/source.h"

/* One step of the frame alone; kept holds the source's latents of the kept levels. */
static lt_status preview_step(lt_run *r, const lt_levels *levels, const float *kept,
                              int i, lt_tensor *x)
{
    lt_status st = LT_OK;
    lt_tensor in = { 0 }, out = { 0 }, pred = { 0 }, part = { 0 };
    const int64_t n = lt_tensor_count(x);
    const int t = levels->sampling[i];
    lt_inject inject = lt_inject_at_step(i, levels->n_steps, r->cfg->attention.inject,
                                         r->cfg->attention.inject_features);
    const lt_policy policy = lt_inject_policy(&inject);
    const int source = lt_inject_needs_source(&inject);
    lt_batch live;
    lt_unet_args a = { .timestep = (float)t, .policy = &policy, .live = &live };
    const lt_branch branch[] = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE, LT_BRANCH_EDIT };
    lt_unet_context *const text[] = { r->text.source, r->text.negative, r->text.edit };
    LT_TRY(LT_TENSOR_NEW(&in, r->x.pool, LT_F32, 2 + source, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&out, r->x.pool, LT_F32, 2 + source, r->h, r->w, r->c));
    for (int b = !source; b < 3; b++) {
        const int at = a.batch.n_branches++;
        a.batch.branch[at] = branch[b];
        a.context[at] = text[b];
        part = lt_tensor_rows(&in, at, 1);
        const float *from = b == 0 ? kept + lt_levels_kept(levels, t) * n : lt_f32(x);
        for (int64_t k = 0; k < n; k++) lt_f32(&part)[k] = from[k];
        lt_tensor_free(&part);
    }
    a.batch.n_frames = 1;
    a.x = &in;
    a.out = &out;
    LT_TRY(lt_unet_forward(&r->x, r->model->unet, &a));
    pred = lt_tensor_rows(&out, live.n_branches - 2, 2);
    LT_TRY(lt_edit_step(r, t, i + 1 < levels->n_steps ? levels->sampling[i + 1] : -1,
                        &pred, x));
cleanup:
    lt_tensor_free(&part);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
    lt_tensor_free(&pred);
    return st;
}

/* x0 [1, h, w, c] becomes the edited latents. */
static lt_status edit_latents(lt_run *r, lt_tensor *x0)
{
    lt_status st = LT_OK;
    lt_levels levels = { 0 };
    lt_tensor x = { 0 }, kept = { 0 };
    LT_TRY(lt_levels_make(r->cfg, &r->model->scheduler, &levels));
    LT_TRY(LT_TENSOR_NEW(&kept, r->x.pool, LT_F32, levels.n_kept, r->h, r->w, r->c));
    LT_TRY(lt_tensor_new(&x, r->x.pool, LT_F32, x0->ndim, x0->shape));
    LT_TRY(lt_tensor_copy(&x, x0, r->x.stream));
    LT_TRY(lt_inversion_run(r, &levels, &x, lt_f32(&kept)));
    lt_run_round(r, lt_f32(&x), lt_tensor_count(&x));
    LT_TRY(lt_edit_start(r, &levels, x0, &x));
    for (int i = 0; i < levels.n_steps; i++)
        LT_TRY(preview_step(r, &levels, lt_f32(&kept), i, &x));
    LT_TRY(lt_tensor_copy(x0, &x, r->x.stream));
cleanup:
    lt_levels_free(&levels);
    lt_tensor_free(&x);
    lt_tensor_free(&kept);
    return st;
}

lt_status lt_preview_frame(lt_run *r, int64_t frame, const lt_tensor *image,
                           lt_tensor *out)
{
    lt_status st = LT_OK;
    (void)frame; /* nothing of it depends on where the frame stands */
    lt_tensor x = { 0 }, edited = { 0 };
    LT_TRY(lt_run_encode_texts(r, 0));
    LT_TRY(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(lt_source_encode(r, image, &x, NULL, NULL));
    LT_TRY(edit_latents(r, &x));
    LT_TRY(lt_tensor_new(&edited, r->x.pool, LT_F32, image->ndim, image->shape));
    LT_TRY(lt_render_decode(r, &x, &edited));
    *out = edited;
    edited = (lt_tensor){ 0 };
cleanup:
    lt_tensor_free(&x);
    lt_tensor_free(&edited);
    return st;
}
