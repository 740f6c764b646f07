#include "app/eval_input.h"
#include "app/request.h"
#include "stages/features.h"
#include "stages/source.h"

/* A run that has a model and a film, and no job. */
typedef struct seer {
    lt_run *run;
    lt_feature_shape shape;
    lt_media_reader *reader;
    lt_tensor image, latents, mean, logvar, score;
} seer;

static lt_status order(lt_app *alone, const lt_eval_what *w, lt_request *q)
{
    enum { N = 5 };
    char text[N][LT_PATH_MAX + 32];
    lt_setting set[N];
    snprintf(text[0], sizeof(text[0]), "input.path=%s", w->edited);
    snprintf(text[1], sizeof(text[1]), "model.path=%s", w->model);
    snprintf(text[2], sizeof(text[2]), "model.dtype=f32");
    snprintf(text[3], sizeof(text[3]), "features.ensemble=1");
    snprintf(text[4], sizeof(text[4]), "prompt.edit=-"); /* a job has one; never read */
    for (int i = 0; i < N; i++)
        set[i] = (lt_setting){ .value = text[i], .option = "set" };
    alone->cli.args = NULL;
    alone->cli.n_args = 0;
    alone->cli.settings = set;
    alone->cli.n_settings = N;
    const lt_status st = lt_request_make(alone, 1, q);
    alone->cli.n_settings = 0;
    return st;
}

static lt_status open_seer(seer *s)
{
    lt_status st = LT_OK;
    lt_run *r = s->run;
    const lt_media_reader_options o = { .size = r->work,
                                        .format = LT_MEDIA_F32,
                                        .tone_map = r->info.hdr };
    LT_TRY(lt_run_encode_texts(r, 1));
    LT_TRY(lt_features_shape(r, &s->shape));
    LT_TRY(LT_TENSOR_NEW(&s->image, r->x.pool, LT_F32, 1, r->work.padded_height,
                         r->work.padded_width, 3));
    LT_TRY(LT_TENSOR_NEW(&s->latents, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&s->mean, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&s->logvar, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&s->score, r->x.pool, LT_F32, s->shape.h * s->shape.w));
    LT_TRY(
        lt_media_reader_open(&s->reader, r->cfg->input.path, &r->info, &r->frames, &o));
cleanup:
    return st;
}

static void close_seer(seer *s)
{
    lt_media_reader_close(&s->reader);
    lt_tensor_free(&s->image);
    lt_tensor_free(&s->latents);
    lt_tensor_free(&s->mean);
    lt_tensor_free(&s->logvar);
    lt_tensor_free(&s->score);
    lt_run_discard(&s->run);
}

/* Unit rows of the features of the next frame. */
static lt_status see(seer *s, int64_t t, lt_tensor *rows)
{
    lt_status st = LT_OK;
    lt_tensor features = { 0 };
    lt_frame frame;
    int end = 0;
    LT_TRY(lt_media_reader_next(s->reader, s->image.data, &frame, &end));
    if (end)
        LT_TRY(LT_FAIL(LT_ERR_DATA, "frame %lld is missing (%s): make it again",
                       (long long)t, s->run->cfg->input.path));
    LT_TRY(lt_source_encode(s->run, &s->image, &s->latents, &s->mean, &s->logvar));
    LT_TRY(lt_features_compute(s->run, t, &s->mean, &s->logvar, &features));
    LT_TRY(lt_features_rows(s->run, &s->shape, &features, s->shape.h, s->shape.w, rows));
cleanup:
    lt_tensor_free(&features);
    return st;
}

/* Mean over the tokens of `now` of the cosine to the most similar one of `next`. */
static lt_status compare(seer *s, const lt_tensor *now, const lt_tensor *next,
                         double *out)
{
    const int64_t n = s->shape.h * s->shape.w;
    const lt_best_match_args a = {
        .a = now, .b = next, .similarity = &s->score, .rows_per_tile = n
    };
    const lt_status st = s->run->x.k->best_match(&s->run->x, &a);
    double sum = 0;
    for (int64_t i = 0; st == LT_OK && i < n; i++) sum += (double)lt_f32(&s->score)[i];
    *out = sum / (double)n;
    return st;
}

static lt_status look(lt_app *app, seer *s, const lt_judged_frame *frames, int64_t n,
                      double *similarity)
{
    lt_status st = LT_OK;
    lt_tensor rows[2] = { 0 };
    double sum = 0, one = 0;
    int64_t pairs = 0;
    lt_progress_stage(app->progress, "similarity", 0, n, 0, n);
    for (int64_t t = 0; t < n; t++) {
        if (lt_stop_requested(app->stop))
            LT_TRY(LT_FAIL(LT_ERR_STOPPED,
                           "stopped at frame %lld of %lld (%s): nothing is lost, run the "
                           "same command again",
                           (long long)t, (long long)n, s->run->cfg->input.path));
        lt_tensor_free(&rows[t % 2]);
        LT_TRY(see(s, t, &rows[t % 2]));
        if (t && !frames[t].cut) {
            LT_TRY(compare(s, &rows[(t + 1) % 2], &rows[t % 2], &one));
            sum += one;
            pairs++;
        }
        lt_progress_add(app->progress, 1, 1);
    }
    if (pairs) *similarity = sum / (double)pairs;
cleanup:
    lt_tensor_free(&rows[0]);
    lt_tensor_free(&rows[1]);
    return st;
}

lt_status lt_eval_similarity(lt_app *app, const lt_eval_what *what,
                             const lt_judged_frame *frames, int64_t n, double *similarity)
{
    lt_status st = LT_OK;
    lt_request q = { 0 };
    seer s = { 0 };
    lt_app alone = *app;
    alone.comm = NULL;
    alone.rank = 0;
    alone.size = 1;
    LT_TRY(lt_comm_open_self(&alone.comm));
    LT_TRY(order(&alone, what, &q));
    lt_run_env env = lt_app_env(&alone);
    env.no_job = 1;
    LT_TRY(lt_run_open(&q.cfg, NULL, &env, &s.run));
    LT_TRY(open_seer(&s));
    LT_TRY(look(app, &s, frames, n, similarity));
cleanup:
    close_seer(&s);
    lt_request_free(&q);
    lt_comm_close(&alone.comm);
    return st;
}
