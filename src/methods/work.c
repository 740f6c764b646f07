/* What a job will need, counted from the model and the options (performance.md 4). */
#include <math.h>

#include "attention/inject.h"
#include "methods/common.h"
#include "stages/composite.h"
#include "stages/instruct.h"
#include "stages/match.h"

enum { TEXT_TOKENS = 77 };

typedef struct shares {
    double attention, features, either; /* parts of the steps that inject */
} shares;

static shares step_shares(const lt_config *c)
{
    const double n = (double)lt_levels_steps(c);
    shares s = { .attention = floor(n * c->attention.inject + 1e-9),
                 .features = floor(n * c->attention.inject_features + 1e-9) };
    s.attention /= n;
    s.features /= n;
    s.either = s.attention > s.features ? s.attention : s.features;
    return s;
}

/* Different keyframes that the steps draw for one clip, at most. */
static double keyframes_drawn(const lt_config *c)
{
    const int once = c->keyframes.trajectory == LT_TRAJECTORY_OWN ||
                     c->keyframes.pick != LT_PICK_RANDOM;
    return once ? 1 : (double)lt_levels_steps(c);
}

static int64_t times(int64_t clips, int64_t per_clip, int64_t n_frames)
{
    return clips < n_frames / per_clip ? clips * per_clip : n_frames;
}

/* Clips that the options allow, or parts of clips with a keyframe each: fewest, most. */
static void clip_bounds(const lt_run *r, int64_t *fewest, int64_t *most)
{
    const lt_config *c = r->cfg;
    const int64_t n = r->n_frames;
    if (c->method.name == LT_METHOD_FRAME)
        *fewest = *most = 0;
    else if (r->layout.n_clips > 0)
        *fewest = *most = r->layout.n_clips;
    else if (c->clips.mode == LT_CLIPS_FIXED)
        *fewest = *most = (n + c->clips.length - 1) / c->clips.length;
    else if (c->clips.mode == LT_CLIPS_LIST)
        *fewest = *most = c->clips.begins.n;
    else {
        *fewest = (n + c->clips.max_length - 1) / c->clips.max_length;
        *most = n;
    }
    if (r->layout.n_clips == 0) {
        *fewest = times(*fewest, c->keyframes.per_clip, n);
        *most = times(*most, c->keyframes.per_clip, n);
    }
}

/* Products of keyframe queries with the keys of others, for k keyframes a segment. */
static double joint_attention_macs(const lt_run *r, double keyframes)
{
    lt_attention_site s;
    double macs = 0;
    const int64_t budget = r->cfg->attention.kv_budget;
    double seen = keyframes < (double)r->cfg->segments.keyframes
                      ? keyframes
                      : (double)r->cfg->segments.keyframes;
    if (budget > 0 && seen > (double)budget) seen = (double)budget;
    for (int i = 0; i < lt_unet_n_sites(r->model->unet); i++) {
        if (lt_unet_site(r->model->unet, i, r->h, r->w, &s) != LT_OK) continue;
        const double tokens = (double)(s.h * s.w);
        macs += 2 * 2 * tokens * tokens * (double)(s.heads * s.head_dim) * (seen - 1);
    }
    return macs * keyframes * (double)lt_levels_steps(r->cfg);
}

/* Products of a frame's tokens with those of one keyframe, at all layers. */
static double online_match_macs(const lt_run *r)
{
    lt_attention_site s;
    double macs = 0;
    for (int i = 0; i < lt_unet_n_sites(r->model->unet); i++)
        if (lt_unet_site(r->model->unet, i, r->h, r->w, &s) == LT_OK)
            macs += (double)(s.h * s.w) * (double)(s.h * s.w * s.heads * s.head_dim);
    return macs;
}

/* Keyframes that a frame is matched with at a step. */
static double keyframes_of_frame(const lt_config *c)
{
    return c->propagate.blend == LT_BLEND_NEIGHBOURS ? 2 : 1;
}

static double grid_tokens(const lt_run *r, double *square)
{
    const lt_grids g = lt_match_grids(r);
    double sum = 0;
    *square = 0;
    for (int i = 0; i < g.n; i++) {
        const double s = (double)(g.h[i] * g.w[i]);
        sum += s;
        *square += s * s;
    }
    return sum;
}

static void count_features(lt_run *r, double unet, double channels, lt_work *w)
{
    const double n = (double)r->n_frames, s = (double)(r->h * r->w);
    double square;
    grid_tokens(r, &square);
    w->macs_source += n * lt_vae_cost_encode(r->model->vae, r->h, r->w);
    w->macs_features = n * (double)r->cfg->features.ensemble * unet * 0.75;
    if (r->cfg->clips.mode == LT_CLIPS_ADAPTIVE) w->macs_features += n * s * s * channels;
    if (r->cfg->method.name == LT_METHOD_TOKENFLOW) return;
    const double drawn = keyframes_drawn(r->cfg);
    const double length = w->clips_most > 0 ? n / (double)w->clips_most : n;
    w->macs_match =
        n * fmin(drawn, fmax(length, 1)) * square * channels * keyframes_of_frame(r->cfg);
}

static int64_t count_inversion(lt_run *r)
{
    lt_levels l = { 0 };
    int64_t n = r->cfg->sampler.inversion_steps;
    if (lt_levels_make(r->cfg, &r->model->scheduler, &l) == LT_OK) n = l.n_inversion;
    lt_levels_free(&l);
    return n;
}

static void count_macs(lt_run *r, lt_work *w)
{
    const lt_config *c = r->cfg;
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    const double n = (double)r->n_frames, steps = (double)lt_levels_steps(c);
    const shares s = step_shares(c);
    const int online = c->method.name == LT_METHOD_TOKENFLOW;
    double unet, self;
    lt_unet_cost(r->model->unet, r->h, r->w, TEXT_TOKENS, &unet, &self);
    w->macs_source = n * lt_vae_cost_encode(r->model->vae, r->h, r->w);
    w->macs_render = n * lt_vae_cost_decode(r->model->vae, r->h, r->w);
    w->macs_inversion = n * (double)count_inversion(r) * unet;
    if (c->method.name == LT_METHOD_FRAME) {
        w->macs_edit = n * steps * (2 + s.either) * unet;
        return;
    }
    /* behind the injection of features the source is not needed: 0.35 of a pass; matching
     * in the pass, and tokens that attend with its queries, need it to the end. Of a block
     * with a token that has no good match all tokens attend. */
    const int attends = c->propagate.min_similarity > 0;
    const double source = online    ? 1
                          : attends ? fmax(s.attention, 0.35 * s.features)
                                    : 0.35 * s.features;
    w->macs_edit = n * steps * (2 + source) * (attends ? unet : unet - self);
    w->macs_joint =
        (double)w->clips_most * steps * (2 + (online ? 1 : s.attention)) * unet;
    w->macs_attention = joint_attention_macs(r, (double)w->clips_most);
    if (online) w->macs_match = n * steps * online_match_macs(r) * keyframes_of_frame(c);
    if (lt_method_needs_features(c))
        count_features(r, unet, (double)u->channels[u->n_levels > 1 ? 1 : 0], w);
}

/* Bytes of activations of one sample at the UNet's finest level: about 50 MB for SD 1.5
 * at 512 x 512 in f32, which is 10 maps of the first level; attention outputs kept for
 * propagation come on top. */
static double sample_bytes(const lt_run *r)
{
    const lt_unet_config *u = lt_unet_get_config(r->model->unet);
    const double size = (double)lt_dtype_size(r->x.k->compute);
    return 12.0 * (double)(r->h * r->w * u->channels[0]) * size;
}

/* Activations of the VAE's decoder. */
static double decoder_bytes(const lt_run *r)
{
    return 8.0 * (double)(r->work.padded_width * r->work.padded_height) * 128 *
           (double)lt_dtype_size(r->x.k->compute);
}

static double cache_bytes(const lt_run *r)
{
    lt_attention_site s;
    double sum = 0;
    for (int i = 0; i < lt_unet_n_sites(r->model->unet); i++)
        if (lt_unet_site(r->model->unet, i, r->h, r->w, &s) == LT_OK)
            sum += (double)(s.h * s.w * s.heads * s.head_dim);
    int maps = 3;
    if (r->cfg->method.name == LT_METHOD_TOKENFLOW) maps++;  /* the rows, too */
    if (r->cfg->propagate.min_similarity > 0) maps += 2 * 3; /* keys and values, too */
    return maps * sum * (double)lt_dtype_size(r->x.k->compute);
}

static void count_memory(lt_run *r, lt_work *w)
{
    const double per_sample = sample_bytes(r);
    const double keyframes =
        fmin((double)w->clips_most, (double)r->cfg->segments.keyframes) / (double)r->size;
    double need = per_sample * 3 * LT_BLOCK_FRAMES;
    if (keyframes > 0)
        need = fmax(need, keyframes * 3 * per_sample) + keyframes * cache_bytes(r);
    w->memory = (int64_t)(fmax(need, decoder_bytes(r)) + (double)lt_pool_used(r->x.pool));
}

static int64_t count_levels(lt_run *r)
{
    lt_levels l = { 0 };
    int64_t n = r->cfg->sampler.inversion_steps;
    if (lt_levels_make(r->cfg, &r->model->scheduler, &l) == LT_OK) n = l.n_kept;
    lt_levels_free(&l);
    return n;
}

static void count_disk(lt_run *r, lt_work *w)
{
    const lt_config *c = r->cfg;
    const double latent = (double)(r->h * r->w * r->c) * (double)lt_cell_size(r->cell);
    const double n = (double)r->n_frames;
    double square, match = 0;
    const double tokens = grid_tokens(r, &square);
    const int adaflow = c->method.name == LT_METHOD_ADAFLOW;
    if (adaflow)
        match = 3 * tokens * fmin(keyframes_drawn(c), 50) * keyframes_of_frame(c);
    const double per_frame = latent * (double)count_levels(r) + match;
    double in_flight = n; /* frames of one segment, the most there can be */
    if (c->run.keep == LT_KEEP_NONE && w->clips > 0)
        in_flight = fmin(n, n * (double)c->segments.keyframes / (double)w->clips);
    const double state = 2 * latent / (double)lt_cell_size(r->cell) * 4;
    const double pixels = (double)r->info.width * (double)r->info.height;
    const int features = lt_method_needs_features(c);
    w->disk_result = (int64_t)(n * (latent * (features ? 4 : 2) + pixels * 0.1));
    w->disk = w->disk_result + (int64_t)(in_flight * (per_frame + state));
    if (features && !c->run.temp[0]) { /* features of the segment in flight */
        const lt_unet_config *u = lt_unet_get_config(r->model->unet);
        const double channels = (double)u->channels[u->n_levels > 1 ? 1 : 0];
        const double kept = c->clips.mode == LT_CLIPS_ADAPTIVE ? n : in_flight;
        w->disk += (int64_t)(kept * (double)(r->h * r->w) * channels *
                             (double)lt_cell_size(r->cell));
    }
}

/* No inversion, its own number of predictions, small batches, a state a rank. */
static void count_instruct(lt_run *r, lt_work *w)
{
    lt_branch branch[3];
    double unet, self;
    const double n = (double)r->n_frames, latent = (double)(r->h * r->w * r->c);
    const double branches = lt_instruct_branches(r->cfg, branch);
    const double states = fmin(n, (double)(r->size * LT_BLOCK_FRAMES));
    lt_unet_cost(r->model->unet, r->h, r->w, TEXT_TOKENS, &unet, &self);
    w->macs_inversion = 0;
    w->macs_edit = n * (double)r->cfg->sampler.steps * branches * unet;
    w->memory =
        (int64_t)(fmax(sample_bytes(r) * branches * LT_INSTRUCT_BATCH, decoder_bytes(r)) +
                  (double)lt_pool_used(r->x.pool));
    w->disk = w->disk_result + (int64_t)(2 * states * latent * 4);
}

lt_status lt_method_work(lt_run *r, lt_work *work)
{
    lt_work w = { 0 };
    clip_bounds(r, &w.clips, &w.clips_most);
    count_macs(r, &w);
    count_memory(r, &w);
    count_disk(r, &w);
    if (lt_run_is_instruct(r)) count_instruct(r, &w);
    w.memory += lt_composite_bytes(r);
    *work = w;
    return LT_OK;
}
