#include "stages/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/half.h"
#include "io/media_reader.h"

void lt_run_round(const lt_run *r, float *v, int64_t n)
{
    if (r->cell == LT_CELL_F32) return;
    lt_half_round(v, n);
}

/* ---- encoding ---------------------------------------------------------------------- */

/* out = 2 * image - 1 */
static lt_status to_signed(lt_run *r, const lt_tensor *image, lt_tensor *out)
{
    lt_status st = lt_tensor_new(out, r->x.pool, LT_F32, image->ndim, image->shape);
    if (st != LT_OK) return st;
    const float *in = lt_f32(image);
    float *o = lt_f32(out);
    for (int64_t i = 0; i < lt_tensor_count(image); i++) o[i] = 2.0f * in[i] - 1.0f;
    return LT_OK;
}

static void scale_and_round(lt_run *r, lt_tensor *latents)
{
    const float s = lt_vae_scaling_factor(r->model->vae);
    float *v = lt_f32(latents);
    const int64_t n = lt_tensor_count(latents);
    for (int64_t i = 0; i < n; i++) v[i] *= s;
    lt_run_round(r, v, n);
}

lt_status lt_source_encode(lt_run *r, const lt_tensor *image, lt_tensor *latents,
                           lt_tensor *mean, lt_tensor *logvar)
{
    lt_status st = LT_OK;
    lt_tensor signed_image = { 0 };
    const int own_pass = mean && r->cfg->features.range == LT_RANGE_UNIT;
    LT_TRY(to_signed(r, image, &signed_image));
    LT_TRY(lt_vae_encode(&r->x, r->model->vae, &signed_image, latents,
                         own_pass ? NULL : logvar));
    if (own_pass) /* a defect of the original that its thresholds were tuned on */
        LT_TRY(lt_vae_encode(&r->x, r->model->vae, image, mean, logvar));
    else if (mean)
        LT_TRY(lt_tensor_copy(mean, latents, r->x.stream));
    scale_and_round(r, latents);
    if (mean) {
        lt_run_round(r, lt_f32(mean), lt_tensor_count(mean));
        lt_run_round(r, lt_f32(logvar), lt_tensor_count(logvar));
    }
cleanup:
    lt_tensor_free(&signed_image);
    return st;
}

/* ---- one group --------------------------------------------------------------------- */

typedef struct source_stage {
    int with_features;
    int64_t *todo, n_todo;
    lt_media_reader *reader; /* rank 0 */
    lt_frame_queue *queue;   /* rank 0 */
    int64_t next_frame;      /* that the queue will give; -1: no queue */
} source_stage;

static lt_status put_dataset(lt_run *r, lt_shard_writer *w, const char *path,
                             const lt_tensor *t)
{
    const lt_shard_dataset d = { .path = path,
                                 .cell = r->cell,
                                 .ndim = 4,
                                 .shape = { t->shape[0], r->h, r->w, r->c },
                                 .chunk = { 1, r->h, r->w, r->c } };
    lt_status st = lt_shard_add(w, &d);
    if (st == LT_OK) st = lt_shard_write_f32(w, path, NULL, NULL, lt_f32(t));
    return st;
}

static lt_status encode_group(lt_run *r, const source_stage *s, const lt_tensor *image,
                              lt_done *d)
{
    lt_status st = LT_OK;
    lt_tensor latents = { 0 }, mean = { 0 }, logvar = { 0 };
    lt_shard_writer *w = NULL;
    const int64_t n = image->shape[0];
    LT_TRY(LT_TENSOR_NEW(&latents, r->x.pool, LT_F32, n, r->h, r->w, r->c));
    if (s->with_features) {
        LT_TRY(LT_TENSOR_NEW(&mean, r->x.pool, LT_F32, n, r->h, r->w, r->c));
        LT_TRY(LT_TENSOR_NEW(&logvar, r->x.pool, LT_F32, n, r->h, r->w, r->c));
    }
    LT_TRY(lt_source_encode(r, image, &latents, s->with_features ? &mean : NULL,
                            s->with_features ? &logvar : NULL));
    LT_TRY(lt_shard_create(&w, "source"));
    LT_TRY(put_dataset(r, w, "/source/latents", &latents));
    if (s->with_features) {
        LT_TRY(put_dataset(r, w, "/features/mean", &mean));
        LT_TRY(put_dataset(r, w, "/features/logvar", &logvar));
    }
    LT_TRY(lt_run_put_shard(r, w, d->unit, -1, "source", LT_NO_STEP, d));
cleanup:
    lt_shard_discard(&w);
    lt_tensor_free(&latents);
    lt_tensor_free(&mean);
    lt_tensor_free(&logvar);
    return st;
}

/* ---- frames from rank 0 to their owners -------------------------------------------- */

static lt_status open_reader(lt_run *r, source_stage *s)
{
    const lt_media_reader_options o = { .size = r->work,
                                        .format = LT_MEDIA_F32,
                                        .tone_map = r->info.hdr };
    return lt_media_reader_open(&s->reader, r->cfg->input.path, &r->info, &r->frames, &o);
}

/* Bring the queue to frame f: go on reading when it is near, else seek. */
static lt_status queue_at(lt_run *r, source_stage *s, int64_t f)
{
    lt_status st = LT_OK;
    if (!s->reader) LT_TRY(open_reader(r, s));
    if (!s->queue || f < s->next_frame || f > s->next_frame + 2 * LT_GROUP_FRAMES) {
        lt_frame_queue_close(&s->queue);
        LT_TRY(lt_media_reader_seek(s->reader, f));
        LT_TRY(lt_media_reader_queue(s->reader, LT_GROUP_FRAMES, &s->queue));
        s->next_frame = f;
    }
cleanup:
    return st;
}

static lt_status next_frame(lt_run *r, source_stage *s, int64_t f, lt_frame *frame)
{
    lt_status st = queue_at(r, s, f);
    for (int end = 0; st == LT_OK && s->next_frame <= f; s->next_frame++) {
        st = lt_frame_queue_next(s->queue, frame, &end);
        if (st == LT_OK && end)
            st = LT_FAIL(LT_ERR_DATA,
                         "the video ended at frame %lld of %lld (%s): it has changed "
                         "since the job began; check the file",
                         (long long)s->next_frame, (long long)r->n_frames,
                         r->cfg->input.path);
        if (st != LT_OK) return st;
        if (frame->damaged)
            lt_log_warn(r->log, "frame %lld cannot be decoded and repeats its neighbour",
                        (long long)s->next_frame);
    }
    return st;
}

/* Rank 0: decode the group and send or keep it. */
static lt_status give_group(lt_run *r, source_stage *s, int64_t group, int owner,
                            lt_tensor *image)
{
    const int64_t first = lt_run_group_first(group), n = lt_run_group_n(r, group);
    const size_t bytes = (size_t)lt_media_size_values(&r->work) * sizeof(float);
    for (int64_t i = 0; i < n; i++) {
        lt_frame frame;
        lt_status st = next_frame(r, s, first + i, &frame);
        if (st != LT_OK) return st; /* the others wait: main aborts them */
        if (owner == 0)
            memcpy((char *)image->data + (size_t)i * bytes, frame.pixels, bytes);
        else
            st = lt_comm_send(r->comm, frame.pixels, bytes, owner);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

static lt_status take_group(lt_run *r, lt_tensor *image)
{
    const size_t bytes = (size_t)lt_media_size_values(&r->work) * sizeof(float);
    for (int64_t i = 0; i < image->shape[0]; i++) {
        const lt_status st =
            lt_comm_receive(r->comm, (char *)image->data + (size_t)i * bytes, bytes, 0);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* Collective. Groups todo[at .. at + size) to ranks 0 .. size - 1, frames in order. */
static lt_status spread_round(lt_run *r, source_stage *s, int64_t at, lt_tensor *image)
{
    lt_status st = LT_OK;
    const int mine = at + r->rank < s->n_todo;
    if (mine) {
        const int64_t n = lt_run_group_n(r, s->todo[at + r->rank]);
        LT_TRY(LT_TENSOR_NEW(image, r->x.pool, LT_F32, n, r->work.padded_height,
                             r->work.padded_width, 3));
    }
    if (r->rank > 0) return mine ? take_group(r, image) : LT_OK;
    for (int o = 0; o < r->size && at + o < s->n_todo; o++)
        LT_TRY(give_group(r, s, s->todo[at + o], o, image));
cleanup:
    return st;
}

static lt_status run_round(lt_run *r, source_stage *s, int64_t at)
{
    lt_tensor image = { 0 };
    const int mine = at + r->rank < s->n_todo;
    const double t0 = lt_run_clock();
    lt_done d = { .stage = "source", .step = LT_NO_STEP, .segment = -1, .counts = 1 };
    lt_status st = spread_round(r, s, at, &image);
    if (st != LT_OK) return st; /* ranks are out of step: no agreement is possible */
    if (mine) {
        d.unit = s->todo[at + r->rank];
        d.first_frame = lt_run_group_first(d.unit);
        d.n_frames = lt_run_group_n(r, d.unit);
        st = encode_group(r, s, &image, &d);
        d.seconds = lt_run_clock() - t0;
    }
    lt_tensor_free(&image);
    st = lt_run_commit(r, st, &d, mine);
    return st == LT_OK ? lt_run_check_stop(r) : st;
}

static lt_status list_todo(lt_run *r, source_stage *s, int64_t *frames_done)
{
    const int64_t n = lt_run_n_groups(r);
    s->todo = malloc((size_t)n * sizeof(*s->todo));
    if (!s->todo) return LT_FAIL(LT_ERR_NOMEM, "out of memory (units)");
    *frames_done = 0;
    for (int64_t g = 0; g < n; g++)
        if (lt_job_done(r->job, "source", g, LT_NO_STEP))
            *frames_done += lt_run_group_n(r, g);
        else
            s->todo[s->n_todo++] = g;
    return LT_OK;
}

lt_status lt_stage_source(lt_run *r, int with_features)
{
    source_stage s = { .with_features = with_features, .next_frame = -1 };
    int64_t frames_done = 0;
    lt_status st = lt_comm_agree(r->comm, list_todo(r, &s, &frames_done));
    if (st == LT_OK)
        lt_progress_stage(r->progress, "source", lt_run_n_groups(r) - s.n_todo,
                          lt_run_n_groups(r), frames_done, r->n_frames);
    for (int64_t at = 0; st == LT_OK && at < s.n_todo; at += r->size)
        st = run_round(r, &s, at);
    lt_frame_queue_close(&s.queue);
    lt_media_reader_close(&s.reader);
    free(s.todo);
    return st;
}

lt_status lt_source_read(lt_run *r, const char *dataset, int64_t first, int64_t n,
                         float *data, int64_t *bytes_read)
{
    const int64_t frame = r->h * r->w * r->c;
    while (n > 0) {
        const int64_t g = first / LT_GROUP_FRAMES, at = first % LT_GROUP_FRAMES;
        const int64_t left = LT_GROUP_FRAMES - at, take = n < left ? n : left;
        const lt_status st = lt_run_read_f32(
            r, "source", g, LT_NO_STEP, dataset, (int64_t[]){ at, 0, 0, 0 },
            (int64_t[]){ take, r->h, r->w, r->c }, data, bytes_read);
        if (st != LT_OK) return st;
        first += take;
        n -= take;
        data += take * frame;
    }
    return LT_OK;
}
