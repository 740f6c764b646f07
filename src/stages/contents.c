#include "stages/contents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/clips.h"
#include "stages/instruct.h"
#include "stages/levels.h"
#include "stages/match.h"
#include "stages/render.h"

static const char *const adaflow_stages[] = { "source", "clips",  "inversion", "match",
                                              "edit",   "render", "mux",       NULL };
static const char *const tokenflow_stages[] = { "source", "clips", "inversion", "edit",
                                                "render", "mux",   NULL };
static const char *const frame_stages[] = { "source", "inversion", "edit",
                                            "render", "mux",       NULL };
static const char *const noise_stages[] = { "source", "edit", "render", "mux", NULL };

/* Fact "model_kind" of a job with an InstructPix2Pix model. */
#define INSTRUCT "instruct_pix2pix"

static int is_instruct(const lt_facts *facts)
{
    const char *kind = lt_facts_get(facts, "model_kind");
    return kind && !strcmp(kind, INSTRUCT);
}

const char *const *lt_contents_stages(const lt_config *cfg, const lt_facts *facts)
{
    if (is_instruct(facts)) return noise_stages;
    if (cfg->method.name == LT_METHOD_ADAFLOW) return adaflow_stages;
    if (cfg->method.name == LT_METHOD_TOKENFLOW) return tokenflow_stages;
    return lt_levels_inverts(cfg) ? frame_stages : noise_stages;
}

/* ---- facts ------------------------------------------------------------------------- */

static lt_status set_number(lt_facts *f, const char *key, int64_t v)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)v);
    return lt_facts_set(f, key, text);
}

static lt_status set_grids(lt_run *r, lt_facts *facts)
{
    const lt_grids g = lt_match_grids(r);
    char text[256] = "";
    for (int i = 0; i < g.n; i++) {
        char one[48];
        snprintf(one, sizeof(one), "%s%lldx%lld", i ? " " : "", (long long)g.h[i],
                 (long long)g.w[i]);
        strncat(text, one, sizeof(text) - strlen(text) - 1);
    }
    return lt_facts_set(facts, "grids", text);
}

static lt_status set_levels(lt_run *r, lt_facts *facts)
{
    lt_levels l = { 0 };
    char *text = NULL;
    size_t n = 0;
    if (lt_run_is_instruct(r)) return LT_OK; /* inverts nothing */
    lt_status st = lt_levels_make(r->cfg, &r->model->scheduler, &l);
    FILE *f = st == LT_OK ? open_memstream(&text, &n) : NULL;
    if (st == LT_OK && !f) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (levels)");
    for (int i = 0; f && i < l.n_kept; i++) fprintf(f, "%s%d", i ? " " : "", l.kept[i]);
    if (f && fclose(f) != 0) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (levels)");
    if (st == LT_OK) st = lt_facts_set(facts, "levels", text);
    free(text);
    lt_levels_free(&l);
    return st;
}

lt_status lt_contents_facts(lt_run *r, lt_facts *facts)
{
    lt_status st = LT_OK;
    char scale[32];
    snprintf(scale, sizeof(scale), "%.9g", (double)lt_vae_scaling_factor(r->model->vae));
    LT_TRY(set_number(facts, "frames", r->n_frames));
    LT_TRY(set_number(facts, "work_width", r->work.width));
    LT_TRY(set_number(facts, "work_height", r->work.height));
    LT_TRY(set_number(facts, "padded_width", r->work.padded_width));
    LT_TRY(set_number(facts, "padded_height", r->work.padded_height));
    LT_TRY(set_number(facts, "latent_height", r->h));
    LT_TRY(set_number(facts, "latent_width", r->w));
    LT_TRY(set_number(facts, "latent_channels", r->c));
    LT_TRY(lt_facts_set(facts, "latent_type", lt_cell_name(r->cell)));
    LT_TRY(lt_facts_set(facts, "latent_scale", scale));
    LT_TRY(set_number(facts, "time_base_num", r->info.time_base.num));
    LT_TRY(set_number(facts, "time_base_den", r->info.time_base.den));
    LT_TRY(lt_facts_set(facts, "model_kind",
                        lt_run_is_instruct(r) ? INSTRUCT : "text_to_image"));
    LT_TRY(set_grids(r, facts));
    LT_TRY(set_levels(r, facts));
cleanup:
    return st;
}

lt_status lt_contents_frames(lt_run *r)
{
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    lt_done d = { .stage = "frames", .step = LT_NO_STEP, .segment = -1 };
    const lt_shard_dataset set = {
        .path = "/frames/pts", .cell = LT_CELL_I64, .ndim = 1, .shape = { r->n_frames }
    };
    if (r->rank == 0) {
        LT_TRY(lt_shard_create(&w, "frames"));
        LT_TRY(lt_shard_add(w, &set));
        LT_TRY(lt_shard_write(w, set.path, NULL, NULL, r->frames.pts));
        LT_TRY(lt_run_put_shard(r, w, 0, -1, "frames", LT_NO_STEP, &d));
    }
cleanup:
    lt_shard_discard(&w);
    return lt_run_commit(r, st, &d, r->rank == 0);
}

/* ---- reading facts ----------------------------------------------------------------- */

static lt_status get_number(const lt_facts *f, const char *key, int64_t *v)
{
    const char *text = lt_facts_get(f, key);
    char *end = NULL;
    if (text) *v = strtoll(text, &end, 10);
    if (!text || end == text || *end)
        return LT_FAIL(LT_ERR_DATA,
                       "the job's description lacks job.%s (job.yaml): it is of another "
                       "version of longtake or was edited",
                       key);
    return LT_OK;
}

void lt_contents_free(lt_contents *c)
{
    lt_layout_free(&c->layout);
    free(c->pts);
    free(c->timesteps);
    free(c->begin);
    free(c->mean);
    free(c->region);
    memset(c, 0, sizeof(*c));
}

static lt_status read_array(lt_job *job, const char *stage, const char *path,
                            lt_cell cell, void **data, int64_t *n)
{
    lt_status st = LT_OK;
    lt_shard_reader *in = NULL;
    lt_cell found;
    int ndim;
    int64_t shape[LT_SHARD_MAX_DIMS];
    void *buffer = NULL;
    LT_TRY(lt_job_shard(job, stage, 0, LT_NO_STEP, &in));
    LT_TRY(lt_shard_describe(in, path, &found, &ndim, shape));
    buffer = malloc((size_t)shape[0] * lt_cell_size(cell));
    if (!buffer) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path));
    LT_TRY(lt_shard_read(in, path, cell, NULL, NULL, buffer));
    *data = buffer;
    *n = shape[0];
    buffer = NULL;
cleanup:
    free(buffer);
    lt_shard_close(&in);
    return st;
}

static lt_status fill_latents(lt_contents *c, const lt_config *cfg, const lt_facts *facts)
{
    lt_status st = LT_OK;
    lt_index_spec *s = &c->spec;
    const char *type = lt_facts_get(facts, "latent_type");
    const char *scale = lt_facts_get(facts, "latent_scale");
    LT_TRY(get_number(facts, "frames", &s->n_frames));
    LT_TRY(get_number(facts, "latent_height", &s->h));
    LT_TRY(get_number(facts, "latent_width", &s->w));
    LT_TRY(get_number(facts, "latent_channels", &s->c));
    LT_TRY(get_number(facts, "time_base_num", &s->time_base_num));
    LT_TRY(get_number(facts, "time_base_den", &s->time_base_den));
    s->cell = type && !strcmp(type, "f32") ? LT_CELL_F32 : LT_CELL_F16;
    s->scale = scale ? strtod(scale, NULL) : NAN;
    s->source_stage = "source";
    s->inversion_stage = "inversion";
    s->edit_stage = "edit";
    if (cfg->method.name == LT_METHOD_ADAFLOW) s->match_stage = "match";
cleanup:
    return st;
}

static lt_status fill_levels(lt_contents *c, const lt_facts *facts)
{
    const char *text = lt_facts_get(facts, "levels");
    if (!text) return LT_OK;
    c->timesteps = malloc((strlen(text) + 1) * sizeof(*c->timesteps));
    if (!c->timesteps) return LT_FAIL(LT_ERR_NOMEM, "out of memory (levels)");
    for (char *end; *text; text = end) {
        c->timesteps[c->spec.n_levels] = strtoll(text, &end, 10);
        if (end == text) break;
        c->spec.n_levels++;
    }
    c->spec.timesteps = c->timesteps;
    return LT_OK;
}

static void fill_grids(lt_contents *c, const lt_facts *facts)
{
    const char *text = lt_facts_get(facts, "grids");
    for (int used; text && c->spec.n_grids < LT_INDEX_MAX_GRIDS; text += used) {
        long long h = 0, w = 0;
        used = 0;
        if (sscanf(text, "%lldx%lld%n", &h, &w, &used) != 2 || h < 1 || w < 1) break;
        c->spec.grids[c->spec.n_grids++] =
            (lt_index_grid){ .h = h, .w = w, .wide = h * w > 65536 };
    }
}

/* Clips as the run has them: found, listed or fixed. *begin stays NULL when an adaptive
 * scan has not ended. */
static lt_status clip_begins(lt_job *job, const lt_config *cfg, lt_contents *c)
{
    int64_t n_mean = 0, n_region = 0;
    lt_status st = LT_OK;
    if (cfg->method.name == LT_METHOD_FRAME)
        return lt_layout_fixed(c->spec.n_frames, LT_BLOCK_FRAMES, &c->begin,
                               &c->spec.n_clips);
    if (cfg->clips.mode == LT_CLIPS_FIXED)
        return lt_layout_fixed(c->spec.n_frames, cfg->clips.length, &c->begin,
                               &c->spec.n_clips);
    if (cfg->clips.mode == LT_CLIPS_LIST) {
        c->begin = malloc((size_t)cfg->clips.begins.n * sizeof(*c->begin));
        if (!c->begin) return LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
        memcpy(c->begin, cfg->clips.begins.v,
               (size_t)cfg->clips.begins.n * sizeof(*c->begin));
        c->spec.n_clips = cfg->clips.begins.n;
        return LT_OK;
    }
    if (!lt_job_done(job, "clips", 0, LT_NO_STEP)) return LT_OK;
    LT_TRY(read_array(job, "clips", "/clips/begin", LT_CELL_I64, (void **)&c->begin,
                      &c->spec.n_clips));
    LT_TRY(read_array(job, "clips", "/clips/similarity_mean", LT_CELL_F32,
                      (void **)&c->mean, &n_mean));
    LT_TRY(read_array(job, "clips", "/clips/similarity_region", LT_CELL_F32,
                      (void **)&c->region, &n_region));
    if (n_mean != c->spec.n_frames || n_region != c->spec.n_frames)
        LT_TRY(LT_FAIL(LT_ERR_DATA, "the clips are of another video (%s)",
                       lt_job_path(job)));
    c->spec.similarity_mean = c->mean;
    c->spec.similarity_region = c->region;
cleanup:
    return st;
}

static lt_status fill_clips(lt_job *job, const lt_config *cfg, lt_contents *c)
{
    lt_status st = clip_begins(job, cfg, c);
    if (st != LT_OK || !c->begin) return st;
    if (cfg->method.name == LT_METHOD_FRAME) { /* its pieces are no clips */
        LT_TRY(lt_layout_make(c->spec.n_frames, c->begin, c->spec.n_clips,
                              cfg->segments.keyframes, &c->layout));
        c->spec.n_clips = 0;
        return LT_OK;
    }
    LT_TRY(
        lt_clips_layout(cfg, c->spec.n_frames, &c->begin, &c->spec.n_clips, &c->layout));
    c->spec.clip_begin = c->begin;
    c->spec.mean_threshold = cfg->clips.mean_threshold;
    c->spec.region_threshold = cfg->clips.region_threshold;
    c->spec.max_length = cfg->clips.max_length;
    c->spec.n_steps = lt_levels_steps(cfg);
    c->spec.clip_keyframe = c->layout.keyframe;
cleanup:
    return st;
}

static int64_t count_units(const lt_contents *c, const lt_config *cfg, const char *stage)
{
    const int64_t n = c->spec.n_frames;
    if (!strcmp(stage, "source")) return (n + LT_GROUP_FRAMES - 1) / LT_GROUP_FRAMES;
    if (!strcmp(stage, "render")) return (n + LT_RENDER_FRAMES - 1) / LT_RENDER_FRAMES;
    if (!strcmp(stage, "clips")) return cfg->clips.mode == LT_CLIPS_ADAPTIVE;
    if (!strcmp(stage, "mux") || !strcmp(stage, "frames")) return 1;
    return c->layout.n_blocks > 0 ? c->layout.n_blocks : -1;
}

lt_status lt_contents_read(lt_job *job, const lt_config *cfg, const lt_facts *facts,
                           lt_contents *c)
{
    lt_status st = LT_OK;
    int64_t n = 0;
    LT_TRY(fill_latents(c, cfg, facts));
    LT_TRY(fill_levels(c, facts));
    fill_grids(c, facts);
    if (lt_job_done(job, "frames", 0, LT_NO_STEP)) {
        LT_TRY(
            read_array(job, "frames", "/frames/pts", LT_CELL_I64, (void **)&c->pts, &n));
        if (n == c->spec.n_frames) c->spec.pts = c->pts;
    }
    LT_TRY(fill_clips(job, cfg, c));
    for (const char *const *s = lt_contents_stages(cfg, facts); *s; s++) {
        const int64_t units = count_units(c, cfg, *s);
        if (units > 0) c->spec.stages[c->spec.n_stages++] = (lt_index_stage){ *s, units };
    }
cleanup:
    return st;
}

lt_status lt_contents_index_of(lt_job *job, const lt_config *cfg, const lt_facts *facts)
{
    lt_contents c = { 0 };
    lt_status st = lt_contents_read(job, cfg, facts, &c);
    if (st == LT_OK) st = lt_index_write(job, &c.spec);
    lt_contents_free(&c);
    return st;
}

lt_status lt_contents_index(lt_run *r)
{
    lt_facts facts = { 0 };
    lt_status st = lt_contents_facts(r, &facts);
    if (st == LT_OK) st = lt_contents_index_of(r->job, r->cfg, &facts);
    lt_facts_free(&facts);
    return st;
}

int64_t lt_contents_units(lt_job *job, const lt_config *cfg, const lt_facts *facts,
                          const char *stage)
{
    lt_contents c = { 0 };
    int64_t n = -1;
    if (lt_contents_read(job, cfg, facts, &c) == LT_OK) n = count_units(&c, cfg, stage);
    lt_contents_free(&c);
    return n;
}
