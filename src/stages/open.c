#include "stages/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/composite.h"
#include "stages/contents.h"
#include "stages/instruct.h"
#include "stages/output.h"
#include "stages/stored.h"

/* ---- kernels ----------------------------------------------------------------------- */

static lt_cpu_path path_of_choice(int choice)
{
    switch (choice) {
    case LT_CPU_REF: return LT_PATH_REF;
    case LT_CPU_AVX2_F32: return LT_PATH_AVX2_F32;
    case LT_CPU_AVX512_F32: return LT_PATH_AVX512_F32;
    case LT_CPU_AVX512_BF16: return LT_PATH_AVX512_BF16;
    case LT_CPU_AMX_BF16: return LT_PATH_AMX_BF16;
    default: return lt_cpu_path_best();
    }
}

static int has_bf16(lt_cpu_path path)
{
    return path == LT_PATH_AVX512_BF16 || path == LT_PATH_AMX_BF16;
}

static lt_status kernels_of(const lt_config *cfg, lt_cpu_path path, const lt_kernels **k)
{
    lt_dtype compute = has_bf16(path) ? LT_BF16 : LT_F32;
    if (cfg->model.dtype == LT_PRECISION_F32) compute = LT_F32;
    if (cfg->model.dtype == LT_PRECISION_BF16) compute = LT_BF16;
    if (cfg->model.dtype == LT_PRECISION_F16)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "no CPU path computes in f16 (model.dtype): use auto, bf16 or f32");
    return lt_kernels_get(path, compute, k);
}

/* ---- what is stored already -------------------------------------------------------- */

/* The path is frozen in the job: bits differ between paths. */
static lt_status frozen_path(const lt_stored *s, const lt_config *cfg, int allow,
                             lt_cpu_path *path)
{
    const char *name = lt_facts_get(&s->facts, "cpu_path");
    lt_cpu_path was;
    *path = path_of_choice(cfg->run.cpu_path);
    if (!name) return LT_OK;
    const lt_status st = lt_cpu_path_parse(name, &was);
    if (st != LT_OK) return st;
    if (cfg->run.cpu_path == LT_CPU_AUTO && lt_cpu_path_supported(was)) *path = was;
    if (*path == was || allow) return LT_OK;
    return LT_FAIL(
        LT_ERR_CONFIG,
        "this job was begun on the CPU path %s and would go on with %s, which "
        "changes bits of the result (run.cpu_path): run it where %s exists, or "
        "give --allow-path-change",
        name, lt_cpu_path_name(*path), name);
}

/* ---- rank 0 looks, all know -------------------------------------------------------- */

/* What rank 0 found; sent to the others as bytes. */
typedef struct findings {
    lt_media_info info;
    lt_mask_info mask;
    lt_media_frames frames; /* pointers are set anew on every rank */
    lt_cpu_path path;
    int32_t exists, reencode, changed;
    char input_sha256[65], model_sha256[65], latents_sha256[65]; /* last: "none" */
} findings;

static lt_status look_at_video(lt_run *r, findings *f)
{
    const lt_config *cfg = r->cfg;
    const int64_t ss = cfg->input.ss > 0 ? cfg->input.ss / 1000 : -1;
    const int64_t to = cfg->input.to == LT_TIME_NONE ? -1 : cfg->input.to / 1000;
    char assumed[128];
    lt_status st = LT_OK;
    if (!cfg->input.path[0])
        return LT_FAIL(LT_ERR_CONFIG, "no input is given (input.path): give -i FILE");
    LT_TRY(lt_media_probe(cfg->input.path, &f->info));
    LT_TRY(lt_media_scan(cfg->input.path, ss, to, &f->frames));
    lt_media_assumed(&f->info, assumed, sizeof(assumed));
    if (assumed[0])
        lt_log_warn(r->log, "the video does not say its colours; assumed: %s (%s)",
                    assumed, cfg->input.path);
    if (f->info.interlaced)
        lt_log_warn(r->log,
                    "the video is interlaced: each frame is made progressive, from its "
                    "first field where something moves (%s)",
                    cfg->input.path);
    if (f->frames.n_missing || f->frames.n_repeated)
        lt_log_warn(r->log,
                    "%lld frames had no or repeated time stamps, which were "
                    "repaired (%s)",
                    (long long)(f->frames.n_missing + f->frames.n_repeated),
                    cfg->input.path);
    if (f->frames.n_declared > f->frames.n_all)
        lt_log_warn(r->log, "the file is cut short: %lld of %lld frames are there (%s)",
                    (long long)f->frames.n_all, (long long)f->frames.n_declared,
                    cfg->input.path);
cleanup:
    return st;
}

static lt_status look_at_mask(lt_run *r, const lt_run_env *env, findings *f)
{
    const lt_mask_options mask = lt_composite_mask(r->cfg);
    if (!mask.path[0]) return LT_OK;
    const lt_status st =
        lt_mask_look(&mask, &f->info, &f->frames, !env->no_job, &f->mask);
    if (st == LT_OK && f->mask.n_other > 0)
        lt_log_warn(r->log, "%lld files in the folder of masks are not used (%s)",
                    (long long)f->mask.n_other, mask.path);
    if (st == LT_OK && f->mask.alpha_unused)
        lt_log_warn(r->log,
                    "the alpha channel of a mask video is not used: its "
                    "brightness counts (%s)",
                    mask.path);
    return st;
}

/* Another mask in the same place: only encoding is redone. */
static void compare_mask(lt_stored *s, const findings *f)
{
    const char *was = lt_facts_get(&s->facts, "mask_sha256");
    if (strcmp(was ? was : "", f->mask.sha256) != 0) s->reencode = s->changed = 1;
}

/* The texts stay those of cfg. */
static lt_model_spec model_spec(const lt_config *cfg)
{
    return (lt_model_spec){ .path = cfg->model.path,
                            .tokenizer = cfg->model.tokenizer,
                            .prediction = cfg->model.prediction,
                            .ignore_ema = cfg->model.ema == LT_EMA_IGNORE,
                            .lora = cfg->model.lora };
}

/* What the model's files left open and how it was settled. */
static void say_notes(lt_run *r)
{
    char *save = NULL;
    for (char *p = strtok_r(r->model->notes, "\n", &save); p;
         p = strtok_r(NULL, "\n", &save))
        lt_log_info(r->log, "%s", p);
}

static lt_status look(lt_run *r, const lt_run_env *env, findings *f, lt_stored *s)
{
    lt_status st = LT_OK;
    if (!r->cfg->model.path[0])
        return LT_FAIL(LT_ERR_CONFIG, "no model is given (model.path): give --model DIR");
    LT_TRY(look_at_video(r, f));
    LT_TRY(look_at_mask(r, env, f));
    if (!env->no_job) {
        LT_TRY(lt_sha256_file(r->cfg->input.path, f->input_sha256));
        const lt_model_spec spec = model_spec(r->cfg);
        LT_TRY(lt_model_identity(&spec, f->model_sha256));
        snprintf(f->latents_sha256, sizeof(f->latents_sha256), "none");
        if (r->cfg->sampler.latents[0])
            LT_TRY(lt_sha256_file(r->cfg->sampler.latents, f->latents_sha256));
        if (!env->fresh) LT_TRY(lt_stored_read(env->job_dir, s));
    }
    if (s->exists) {
        LT_TRY(lt_stored_compare(s, r->cfg, env->job_dir));
        LT_TRY(lt_stored_compare_fact(&s->facts, "input_sha256", f->input_sha256,
                                      "the input video", r->cfg->input.path));
        LT_TRY(lt_stored_compare_fact(&s->facts, "model_sha256", f->model_sha256,
                                      "the model", r->cfg->model.path));
        compare_mask(s, f);
        LT_TRY(lt_stored_compare_fact(&s->facts, "latents_sha256", f->latents_sha256,
                                      "the file of sampler.latents", env->job_dir));
    }
    LT_TRY(frozen_path(s, r->cfg, env->allow_path_change, &f->path));
    f->exists = s->exists;
    f->reencode = s->reencode;
    f->changed = s->changed;
cleanup:
    return st;
}

/* Collective. Copy an array that rank 0 holds to everybody. */
static lt_status share_array(lt_run *r, void **data, size_t bytes)
{
    if (r->rank > 0) *data = malloc(bytes);
    const lt_status st = lt_comm_agree(
        r->comm, *data ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (frame list)"));
    return st == LT_OK ? lt_comm_broadcast_bytes(r->comm, *data, bytes, 0) : st;
}

/* Collective. */
static lt_status share_findings(lt_run *r, findings *f)
{
    lt_status st = LT_OK;
    int64_t *all = f->frames.all;
    uint8_t *key = f->frames.key;
    LT_TRY(lt_comm_broadcast_bytes(r->comm, f, sizeof(*f), 0));
    f->frames.all = r->rank == 0 ? all : NULL;
    f->frames.key = r->rank == 0 ? key : NULL;
    LT_TRY(share_array(r, (void **)&f->frames.all,
                       (size_t)f->frames.n_all * sizeof(int64_t)));
    LT_TRY(share_array(r, (void **)&f->frames.key, (size_t)f->frames.n_all));
    f->frames.pts = f->frames.all + f->frames.first;
cleanup:
    return st;
}

/* ---- the parts of a run ------------------------------------------------------------ */

/* Collective. How many ranks run on the CPUs of this one, and which of them it is. */
static lt_status share_cpus(lt_run *r, int *share, int *shares)
{
    const uint64_t own = lt_threads_place();
    uint64_t *all = malloc((size_t)r->size * sizeof(*all));
    lt_status st = lt_comm_agree(
        r->comm, all ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (threads)"));
    if (st == LT_OK) st = lt_comm_gather_bytes(r->comm, &own, sizeof(own), all);
    *share = *shares = 0;
    for (int i = 0; st == LT_OK && i < r->size; i++) {
        if (all[i] != own) continue;
        *share += i < r->rank;
        ++*shares;
    }
    free(all);
    return st;
}

static lt_status open_compute(lt_run *r, const lt_run_env *env, const findings *f,
                              int share, int shares)
{
    lt_status st = LT_OK;
    const int64_t want = r->cfg->run.threads;
    const int even = lt_threads_available() / shares;
    const int n = want > 0 ? (int)want : even > 0 ? even : 1;
    r->path = f->path;
    if (env->hold_isa) LT_TRY(lt_kernels_limit_isa(f->path));
    LT_TRY(kernels_of(r->cfg, f->path, &r->x.k));
    LT_TRY(lt_kernels_threads_open(n, &r->x.threads));
    (void)lt_threads_pin(r->x.threads, share, shares); /* only for speed */
    LT_TRY(lt_pool_open(&r->x.pool, LT_HOST,
                        r->cfg->run.memory > 0 ? "run.memory" : "model and activations",
                        (size_t)r->cfg->run.memory));
cleanup:
    return st;
}

static lt_status open_sizes(lt_run *r, const findings *f)
{
    const lt_config *cfg = r->cfg;
    const int factor = lt_vae_factor(r->model->vae);
    const int64_t bound = cfg->size.max_pixels > 0 ? cfg->size.max_pixels
                                                   : lt_model_training_pixels(r->model);
    r->info = f->info;
    r->frames = f->frames;
    r->n_frames = f->frames.n;
    r->mask = f->mask;
    const lt_status st = lt_media_working_size(
        f->info.width, f->info.height, bound, (int32_t)cfg->size.width,
        (int32_t)cfg->size.height, factor, &r->work);
    if (st != LT_OK) return st;
    r->h = r->work.padded_height / factor;
    r->w = r->work.padded_width / factor;
    r->c = lt_vae_latent_channels(r->model->vae);
    r->cell = cfg->model.dtype == LT_PRECISION_F32 ? LT_CELL_F32 : LT_CELL_F16;
    return LT_OK;
}

/* An InstructPix2Pix model: method `frame` alone, and what it reads is there. */
static lt_status check_instruct(lt_run *r)
{
    lt_instruct p = { 0 };
    if (r->cfg->method.name != LT_METHOD_FRAME)
        return LT_FAIL(LT_ERR_CONFIG,
                       "the model is an InstructPix2Pix model (model.path, %s), which "
                       "method.name=%s cannot use yet: give --method frame, or a model "
                       "with a UNet of %lld channels",
                       r->model->dir,
                       lt_config_option("method", "name")->choices[r->cfg->method.name],
                       (long long)r->c);
    if (r->cfg->sampler.strength < 1)
        return LT_FAIL(LT_ERR_CONFIG,
                       "sampler.strength with an InstructPix2Pix model, which begins at "
                       "noise alone: leave it at 1");
    const lt_status st = lt_instruct_open(r, 0, &p);
    lt_instruct_close(&p);
    return st;
}

static lt_status check_model(lt_run *r)
{
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    if (lt_run_is_instruct(r)) return check_instruct(r);
    if (u->in_channels == r->c && u->out_channels == r->c)
        return lt_config_check_inversion(r->cfg);
    return LT_FAIL(
        LT_ERR_DATA,
        "the UNet takes %lld channels and the VAE gives %lld (%s): give a text-to-image "
        "model of the Stable Diffusion family, or InstructPix2Pix",
        (long long)u->in_channels, (long long)r->c, r->model->dir);
}

/* ---- the job folder ---------------------------------------------------------------- */

static lt_status make_facts(lt_run *r, const lt_run_env *env, const findings *f,
                            lt_facts *facts)
{
    lt_status st = LT_OK;
    LT_TRY(lt_facts_set(facts, "tool_version", env->tool_version));
    if (env->libraries[0]) LT_TRY(lt_facts_set(facts, "libraries", env->libraries));
    LT_TRY(lt_facts_set(facts, "cpu_path", lt_cpu_path_name(f->path)));
    LT_TRY(lt_facts_set(facts, "compute", lt_dtype_name(r->x.k->compute)));
    LT_TRY(lt_facts_set(facts, "input_sha256", f->input_sha256));
    LT_TRY(lt_facts_set(facts, "model_sha256", f->model_sha256));
    if (f->mask.sha256[0]) { /* the path, too: the hash holds for this file only */
        LT_TRY(lt_facts_set(facts, "mask_path", r->cfg->mask.path));
        LT_TRY(lt_facts_set(facts, "mask_sha256", f->mask.sha256));
    }
    LT_TRY(lt_facts_set(facts, "latents_sha256", f->latents_sha256));
    LT_TRY(lt_contents_facts(r, facts));
cleanup:
    return st;
}

static lt_status make_identity(lt_run *r, const lt_run_env *env, const findings *f,
                               lt_job_identity *id)
{
    memset(id, 0, sizeof(*id));
    snprintf(id->input_sha256, sizeof(id->input_sha256), "%s", f->input_sha256);
    snprintf(id->model_sha256, sizeof(id->model_sha256), "%s", f->model_sha256);
    snprintf(id->tool_version, sizeof(id->tool_version), "%.31s", env->tool_version);
    id->created = (int64_t)time(NULL);
    id->seed = r->cfg->sampler.seed;
    return lt_config_sha256(r->cfg, id->config_sha256);
}

static lt_status compare_mask_fact(const lt_facts *given, const findings *f,
                                   const char *path)
{
    const char *was = lt_facts_get(given, "mask_sha256");
    if (!was || !strcmp(was, f->mask.sha256)) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG,
                   "the mask is not the one this file was written with: other content "
                   "(%s, job.mask_sha256): take the line out to use it as it is",
                   path);
}

/* A job.yaml that was given (NULL: none was) must describe what is found here. */
static lt_status check_given_facts(const lt_facts *given, const findings *f,
                                   const char *mask)
{
    if (!given) return LT_OK;
    const char *given_mask = lt_facts_get(given, "mask_path");
    lt_status st = lt_stored_compare_fact(given, "input_sha256", f->input_sha256,
                                          "the input video", "job.input_sha256");
    if (st == LT_OK)
        st = lt_stored_compare_fact(given, "model_sha256", f->model_sha256, "the model",
                                    "job.model_sha256");
    if (st == LT_OK && given_mask && !strcmp(given_mask, mask))
        st = compare_mask_fact(given, f, mask);
    if (st == LT_OK)
        st = lt_stored_compare_fact(given, "latents_sha256", f->latents_sha256,
                                    "the file of sampler.latents", "job.latents_sha256");
    return st;
}

/* Rank 0. */
static lt_status open_job_first(lt_run *r, const lt_run_env *env, const findings *f)
{
    lt_status st = LT_OK;
    lt_facts facts = { 0 };
    lt_job_identity id;
    LT_TRY(make_facts(r, env, f, &facts));
    LT_TRY(lt_config_text(r->cfg, &facts, &r->config_text));
    LT_TRY(make_identity(r, env, f, &id));
    const lt_job_options o = { .mode = env->fresh         ? LT_JOB_FRESH
                                       : env->resume_only ? LT_JOB_RESUME
                                                          : LT_JOB_WRITE,
                               .owner = env->owner,
                               .identity = &id,
                               .config = r->config_text };
    LT_TRY(lt_job_open(&r->job, env->job_dir, &o));
    if (f->exists && f->changed) LT_TRY(lt_job_set_config(r->job, r->config_text, NULL));
    char path[LT_PATH_MAX];
    LT_TRY(lt_job_file(r->job, "log/metrics.jsonl", path, sizeof(path)));
    LT_TRY(lt_metrics_open(&r->metrics, path));
cleanup:
    lt_facts_free(&facts);
    return st;
}

static void say_mask(const lt_run *r)
{
    char text[256];
    lt_composite_describe(r, text, sizeof(text));
    if (text[0] && r->rank == 0) lt_log_info(r->log, "mask: %s", text);
}

static void say_what_was_found(lt_run *r)
{
    const lt_job_found *found = lt_job_found_of(r->job);
    if (found->took_over)
        lt_log_warn(r->log, "took over the lock of a run that is gone (%s)",
                    lt_job_path(r->job));
    if (found->used_prev || found->lines_damaged)
        lt_log_warn(r->log,
                    "the list of finished units was damaged (%lld lines); what cannot be "
                    "trusted is made again (%s)",
                    (long long)found->lines_damaged, lt_job_path(r->job));
}

/* Collective. Encoded parts of other settings. */
static lt_status forget_encoded(lt_run *r)
{
    lt_status st = LT_OK;
    const char *stage[] = { "render", "mux" };
    for (int i = 0; i < 2; i++) {
        const lt_record **list = NULL;
        lt_record *copy = NULL;
        int64_t n = 0;
        st = lt_manifest_list(lt_job_manifest(r->job), stage[i], &list, &n);
        if (st == LT_OK) copy = calloc((size_t)(n ? n : 1), sizeof(*copy));
        if (st == LT_OK && !copy) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (parts)");
        for (int64_t k = 0; st == LT_OK && k < n; k++)
            copy[k] = (lt_record){ .stage = stage[i],
                                   .unit = list[k]->unit,
                                   .step = list[k]->step };
        st = lt_comm_agree(r->comm, st);
        if (st == LT_OK) st = lt_run_forget(r, copy, n, 0);
        free(list);
        free(copy);
        if (st != LT_OK) return st;
    }
    return st;
}

/* Collective. */
static lt_status open_job(lt_run *r, const lt_run_env *env, const findings *f)
{
    lt_status st = LT_OK;
    LT_TRY(lt_comm_agree(r->comm, r->rank == 0 ? open_job_first(r, env, f) : LT_OK));
    if (r->rank > 0)
        st = lt_job_open(&r->job, env->job_dir, &(lt_job_options){ .mode = LT_JOB_READ });
    LT_TRY(lt_comm_agree(r->comm, st));
    say_what_was_found(r);
    if (f->exists && f->reencode) LT_TRY(forget_encoded(r));
    if (f->exists) LT_TRY(lt_run_verify(r));
    if (!lt_job_done(r->job, "frames", 0, LT_NO_STEP)) LT_TRY(lt_contents_frames(r));
cleanup:
    return st;
}

/* ---- texts ------------------------------------------------------------------------- */

static lt_status encode_text(lt_run *r, const char *what, const char *text,
                             lt_unet_context **out)
{
    lt_tensor t = { 0 };
    lt_tokens tokens;
    lt_status st = lt_model_encode_prompt(&r->x, r->model, text, &tokens, &t);
    if (st == LT_OK && tokens.n_cut > 0 && r->rank == 0)
        lt_log_warn(r->log,
                    "%s is longer than %d tokens; the last %d are not seen: \"%s\"", what,
                    LT_MAX_TEXT_TOKENS, tokens.n_cut, text + tokens.cut_at);
    if (st == LT_OK) st = lt_unet_context_new(&r->x, r->model->unet, &t, out);
    lt_tensor_free(&t);
    return st;
}

lt_status lt_run_encode_texts(lt_run *r, int with_empty)
{
    lt_status st = LT_OK;
    const lt_config *cfg = r->cfg;
    LT_TRY(encode_text(r, "the edit prompt", cfg->prompt.edit, &r->text.edit));
    LT_TRY(encode_text(r, "the source prompt", cfg->prompt.source, &r->text.source));
    LT_TRY(
        encode_text(r, "the negative prompt", cfg->prompt.negative, &r->text.negative));
    if (with_empty) LT_TRY(encode_text(r, "the empty prompt", "", &r->text.empty));
cleanup:
    return lt_comm_agree(r->comm, st);
}

/* ---- open and close ---------------------------------------------------------------- */

static lt_status open_all(lt_run *r, const lt_facts *facts, const lt_run_env *env,
                          findings *f, lt_stored *s)
{
    lt_status st = LT_OK;
    const lt_model_spec spec = model_spec(r->cfg);
    int share, shares;
    LT_TRY(lt_comm_agree(r->comm, r->rank == 0 ? look(r, env, f, s) : LT_OK));
    LT_TRY(share_findings(r, f));
    r->frames = f->frames; /* owned from here on */
    LT_TRY(share_cpus(r, &share, &shares));
    st = open_compute(r, env, f, share, shares);
    if (st == LT_OK)
        st = lt_model_open(&r->x, &spec, env->parts ? env->parts : LT_MODEL_ALL,
                           &r->model);
    if (st == LT_OK && r->rank == 0) say_notes(r);
    if (st == LT_OK) st = open_sizes(r, f);
    if (st == LT_OK && r->model->unet) st = check_model(r);
    if (st == LT_OK && r->rank == 0) st = lt_run_check_output(r);
    if (st == LT_OK && !env->no_job) {
        /* going on in a folder, another mask is rendered */
        const char *mask = env->resume_only ? "" : r->cfg->mask.path;
        st = check_given_facts(facts, f, mask);
    }
    LT_TRY(lt_comm_agree(r->comm, st));
    say_mask(r);
    if (!env->no_job) LT_TRY(open_job(r, env, f));
cleanup:
    return st;
}

lt_status lt_run_open(const lt_config *cfg, const lt_facts *facts, const lt_run_env *env,
                      lt_run **run)
{
    findings f = { 0 };
    lt_stored s = { 0 };
    lt_run *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (run)");
    *r = (lt_run){ .cfg = cfg,
                   .comm = env->comm,
                   .log = env->log,
                   .progress = env->progress,
                   .stop = env->stop,
                   .rank = lt_comm_rank(env->comm),
                   .size = lt_comm_size(env->comm) };
    lt_status st = open_all(r, facts, env, &f, &s);
    lt_stored_free(&s);
    if (st != LT_OK) {
        if (!r->frames.all) lt_media_frames_free(&f.frames);
        lt_run_discard(&r);
        return st;
    }
    *run = r;
    return LT_OK;
}

void lt_run_discard(lt_run **run)
{
    if (!run || !*run) return;
    lt_run *r = *run;
    lt_unet_context_free(&r->text.empty);
    lt_unet_context_free(&r->text.source);
    lt_unet_context_free(&r->text.negative);
    lt_unet_context_free(&r->text.edit);
    lt_model_free(&r->model);
    lt_layout_free(&r->layout);
    lt_media_frames_free(&r->frames);
    lt_metrics_close(r->metrics);
    free(r->similarity_mean);
    free(r->similarity_region);
    free(r->config_text);
    /* A failure to fold loses nothing: the journal has it all. */
    if (lt_job_close(&r->job) != LT_OK) lt_log_debug(r->log, "%s", lt_error_message());
    lt_pool_close(&r->x.pool);
    lt_threads_close(r->x.threads);
    free(r);
    *run = NULL;
}

lt_status lt_run_close(lt_run **run)
{
    lt_status st = LT_OK;
    if (!run || !*run) return LT_OK;
    lt_run *r = *run;
    if (r->job && r->rank == 0) st = lt_contents_index(r);
    if (r->job && r->rank == 0) {
        const lt_status closed = lt_job_close(&r->job);
        if (st == LT_OK) st = closed;
    }
    st = lt_comm_agree(r->comm, st);
    lt_run_discard(run);
    return st;
}
