#include "stages/instruct.h"

#include <string.h>

#include "stages/source.h"
#include "stages/trajectory.h"

int lt_run_is_instruct(const lt_run *r)
{
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    return u->in_channels == 2 * r->c && u->out_channels == r->c;
}

/* ---- from configuration and model -------------------------------------------------- */

static lt_sampler_kind sampler_kind(const lt_run *r)
{
    switch (r->cfg->sampler.name) {
    case LT_SAMPLER_NAME_DDIM: return LT_SAMPLER_DDIM;
    case LT_SAMPLER_NAME_EULER: return LT_SAMPLER_EULER;
    case LT_SAMPLER_NAME_ANCESTRAL: return LT_SAMPLER_EULER_ANCESTRAL;
    default: return r->model->scheduler.kind;
    }
}

static int guidance_is_on(const lt_config *c)
{
    return c->sampler.guidance > 1 && c->sampler.image_guidance >= 1;
}

int lt_instruct_branches(const lt_config *c, lt_branch branch[3])
{
    const double text = c->sampler.guidance, image = c->sampler.image_guidance;
    int n = 0;
    branch[n++] = LT_BRANCH_EDIT;
    if (!guidance_is_on(c)) return n;
    if (text != image) branch[n++] = LT_BRANCH_NEGATIVE;
    if (image != 1) branch[n++] = LT_BRANCH_NO_IMAGE;
    return n;
}

static void say_what_is_done(const lt_run *r, const lt_instruct *p)
{
    const lt_config *c = r->cfg;
    const char *file = r->model->scheduler.class_name;
    if (c->sampler.name == LT_SAMPLER_AUTO && !strcmp(file, "PNDMScheduler"))
        lt_log_warn(r->log,
                    "the model's scheduler %s is not built; DDIM takes its place: "
                    "sampler.name chooses another",
                    file);
    if (!guidance_is_on(c) && c->sampler.guidance > 1)
        lt_log_warn(r->log, "all guidance is off, as sampler.image_guidance is below 1");
    if (!guidance_is_on(c) && c->sampler.guidance <= 1 && c->sampler.image_guidance > 1)
        lt_log_warn(r->log, "all guidance is off, as sampler.guidance is not above 1");
    lt_log_debug(r->log, "sampler %s, %d predictions a step",
                 lt_sampler_name(p->sampler.kind), p->n_branches);
}

lt_status lt_instruct_open(lt_run *r, int tell, lt_instruct *p)
{
    lt_status st = LT_OK;
    lt_instruct made = { 0 };
    LT_TRY(lt_sampler_make(&r->model->scheduler, sampler_kind(r),
                           (int)r->cfg->sampler.steps, &made.sampler));
    LT_TRY(lt_noise_open(r, &made.noise));
    made.n_branches = lt_instruct_branches(r->cfg, made.branch);
    made.guidance = (float)r->cfg->sampler.guidance;
    made.image_guidance = (float)r->cfg->sampler.image_guidance;
    if (tell && r->rank == 0) say_what_is_done(r, &made);
    *p = made;
    made = (lt_instruct){ 0 };
cleanup:
    lt_instruct_close(&made);
    return st;
}

void lt_instruct_close(lt_instruct *p)
{
    lt_sampler_free(&p->sampler);
    lt_noise_close(&p->noise);
}

/* ---- one step ---------------------------------------------------------------------- */

/* Frames that are evaluated together. */
typedef struct company {
    lt_run *r;
    const lt_instruct *p;
    int64_t first, n; /* frames of the job */
    lt_tensor source; /* [n, h, w, c] as stored */
    lt_tensor x;      /* [n, h, w, c] */
} company;

/* Latents of one branch and the source beside them, pixel by pixel. */
static void join_channels(const company *g, lt_branch branch, float in_scale, float *out)
{
    const int64_t c = g->r->c, pixels = g->n * g->r->h * g->r->w;
    const float scale = lt_vae_scaling_factor(g->r->model->vae);
    const float *x = lt_f32(&g->x), *source = lt_f32(&g->source);
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t k = 0; k < c; k++) {
            out[2 * i * c + k] = in_scale * x[i * c + k];
            out[(2 * i + 1) * c + k] =
                branch == LT_BRANCH_NO_IMAGE ? 0.0f : source[i * c + k] / scale;
        }
}

/* *out [n_branches * n, h, w, c]: the predictions of step k. */
static lt_status predict(const company *g, int k, lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_run *r = g->r;
    const lt_instruct *p = g->p;
    const lt_sampler_step *step = &p->sampler.step[k];
    lt_tensor in = { 0 };
    lt_unet_args a = { .batch = { .n_branches = p->n_branches, .n_frames = g->n },
                       .x = &in,
                       .timestep = step->timestep,
                       .out = out };
    const int64_t all = p->n_branches * g->n, part = 2 * g->n * r->h * r->w * r->c;
    LT_TRY(LT_TENSOR_NEW(&in, r->x.pool, LT_F32, all, r->h, r->w, 2 * r->c));
    LT_TRY(LT_TENSOR_NEW(out, r->x.pool, LT_F32, all, r->h, r->w, r->c));
    for (int b = 0; b < p->n_branches; b++) {
        a.batch.branch[b] = p->branch[b];
        a.context[b] = p->branch[b] == LT_BRANCH_EDIT ? r->text.edit : r->text.negative;
        join_channels(g, p->branch[b], step->in_scale, lt_f32(&in) + b * part);
    }
    LT_TRY(lt_unet_forward(&r->x, r->model->unet, &a));
cleanup:
    lt_tensor_free(&in);
    return st;
}

/* The predictions mixed into the first n rows of `all`. */
static lt_status mix(const company *g, lt_tensor *all)
{
    lt_status st = LT_OK;
    const lt_instruct *p = g->p;
    const lt_exec *x = &g->r->x;
    const int last = p->n_branches - 1;
    if (last == 0) return LT_OK;
    /* with two predictions the second stands for both that are left out */
    lt_tensor text = lt_tensor_rows(all, 0, g->n);
    lt_tensor image = lt_tensor_rows(all, g->n, g->n);
    lt_tensor base = lt_tensor_rows(all, last * g->n, g->n);
    LT_TRY(x->k->axpby(x, 1.0f, &text, -1.0f, &image, &text));
    LT_TRY(x->k->axpby(x, 1.0f, &base, p->guidance, &text, &text));
    if (last == 2) {
        LT_TRY(x->k->axpby(x, 1.0f, &image, -1.0f, &base, &image));
        LT_TRY(x->k->axpby(x, 1.0f, &text, p->image_guidance, &image, &text));
    }
cleanup:
    lt_tensor_free(&text);
    lt_tensor_free(&image);
    lt_tensor_free(&base);
    return st;
}

/* Noise of every frame, like x: of step `step`, or the initial one. */
static lt_status fill_noise(const lt_noise *noise, int64_t first, int step, lt_tensor *t)
{
    const int64_t frame = t->shape[1] * t->shape[2] * t->shape[3];
    for (int64_t f = 0; f < t->shape[0]; f++) {
        const lt_status st = lt_noise_get(noise, first + f, step, lt_f32(t) + f * frame);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status one_step(company *g, int k)
{
    lt_status st = LT_OK;
    lt_tensor all = { 0 }, pred = { 0 }, noise = { 0 };
    LT_TRY(predict(g, k, &all));
    LT_TRY(mix(g, &all));
    pred = lt_tensor_rows(&all, 0, g->n);
    if (g->p->sampler.step[k].up > 0) {
        LT_TRY(lt_tensor_new(&noise, g->r->x.pool, LT_F32, g->x.ndim, g->x.shape));
        LT_TRY(fill_noise(&g->p->noise, g->first, k, &noise));
    }
    LT_TRY(lt_sampler_apply(&g->r->x, &g->p->sampler, k, &pred, &noise, &g->x));
cleanup:
    lt_tensor_free(&all);
    lt_tensor_free(&pred);
    lt_tensor_free(&noise);
    return st;
}

/* ---- many -------------------------------------------------------------------------- */

lt_status lt_instruct_start(const lt_instruct *p, int64_t first, lt_tensor *x)
{
    const lt_status st = fill_noise(&p->noise, first, -1, x);
    for (int64_t i = 0; st == LT_OK && i < lt_tensor_count(x); i++)
        lt_f32(x)[i] *= p->sampler.init_scale;
    return st;
}

lt_status lt_instruct_steps(lt_run *r, const lt_instruct *p, int64_t first,
                            const lt_tensor *source, int from, int to, lt_tensor *x)
{
    lt_status st = LT_OK;
    for (int64_t f = 0; st == LT_OK && f < x->shape[0]; f += LT_INSTRUCT_BATCH) {
        const int64_t left = x->shape[0] - f;
        company g = { .r = r, .p = p, .first = first + f };
        g.n = left < LT_INSTRUCT_BATCH ? left : LT_INSTRUCT_BATCH;
        g.source = lt_tensor_rows(source, f, g.n);
        g.x = lt_tensor_rows(x, f, g.n);
        for (int k = from; st == LT_OK && k < to; k++) st = one_step(&g, k);
        lt_tensor_free(&g.source);
        lt_tensor_free(&g.x);
    }
    return st;
}

/* ---- the stage --------------------------------------------------------------------- */

typedef struct instruct_block {
    const lt_instruct *p;
    int64_t first; /* frame of the job */
    int step;      /* steps done */
    lt_tensor source, x;
} instruct_block;

static lt_status begin_block(lt_run *r, void *self, int64_t block, int64_t step,
                             lt_done *d)
{
    lt_status st = LT_OK;
    instruct_block *i = self;
    const lt_block *b = &r->layout.block[block];
    i->first = b->first;
    i->step = (int)step;
    LT_TRY(LT_TENSOR_NEW(&i->source, r->x.pool, LT_F32, b->n, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&i->x, r->x.pool, LT_F32, b->n, r->h, r->w, r->c));
    LT_TRY(lt_source_read(r, "/source/latents", b->first, b->n, lt_f32(&i->source),
                          &d->bytes_read));
    if (step > 0)
        LT_TRY(lt_run_read_f32(r, "state", block, step, "/state/x", NULL, NULL,
                               lt_f32(&i->x), &d->bytes_read));
    else
        LT_TRY(lt_instruct_start(i->p, b->first, &i->x));
cleanup:
    return st;
}

static lt_status advance_block(lt_run *r, void *self, int to)
{
    instruct_block *i = self;
    const lt_status st =
        lt_instruct_steps(r, i->p, i->first, &i->source, i->step, to, &i->x);
    i->step = to;
    return st;
}

static lt_status put_block(lt_run *r, void *self, lt_shard_writer *w, int finished)
{
    const instruct_block *i = self;
    const lt_shard_dataset d = { .path = "/edit/latents",
                                 .cell = r->cell,
                                 .ndim = 4,
                                 .shape = { i->x.shape[0], r->h, r->w, r->c },
                                 .chunk = { 1, r->h, r->w, r->c } };
    if (!finished) return lt_trajectory_put_x(r, w, &i->x);
    const lt_status st = lt_shard_add(w, &d);
    return st == LT_OK ? lt_shard_write_f32(w, d.path, NULL, NULL, lt_f32(&i->x)) : st;
}

static void end_block(void *self)
{
    instruct_block *i = self;
    lt_tensor_free(&i->source);
    lt_tensor_free(&i->x);
}

lt_status lt_stage_instruct(lt_run *r)
{
    lt_instruct p = { 0 };
    instruct_block block = { .p = &p };
    int64_t done = 0, frames = 0;
    const lt_layout *l = &r->layout;
    lt_status st = lt_comm_agree(r->comm, lt_instruct_open(r, 1, &p));
    const lt_trajectory t = { .stage = "edit",
                              .state = "state",
                              .n_steps = p.sampler.n,
                              .self = &block,
                              .begin = begin_block,
                              .advance = advance_block,
                              .put = put_block,
                              .end = end_block };
    for (int64_t b = 0; b < l->n_blocks; b++)
        if (lt_job_done(r->job, "edit", b, LT_NO_STEP)) {
            done++;
            frames += l->block[b].n;
        }
    lt_progress_stage(r->progress, "edit", done, l->n_blocks, frames, r->n_frames);
    if (st == LT_OK) st = lt_run_trajectories(r, &t, 0, l->n_blocks);
    lt_instruct_close(&p);
    return st;
}
