#include "stages/render.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/media_writer.h"
#include "stages/composite.h"
#include "stages/output.h"

static int64_t n_parts(const lt_run *r)
{
    return (r->n_frames + LT_RENDER_FRAMES - 1) / LT_RENDER_FRAMES;
}

static int64_t part_n(const lt_run *r, int64_t unit)
{
    const int64_t left = r->n_frames - unit * LT_RENDER_FRAMES;
    return left < LT_RENDER_FRAMES ? left : LT_RENDER_FRAMES;
}

lt_status lt_render_decode(lt_run *r, const lt_tensor *latents, lt_tensor *image)
{
    lt_status st = LT_OK;
    lt_tensor z = { 0 };
    const float scale = lt_vae_scaling_factor(r->model->vae);
    const int64_t n = lt_tensor_count(latents);
    LT_TRY(lt_tensor_new(&z, r->x.pool, LT_F32, latents->ndim, latents->shape));
    for (int64_t i = 0; i < n; i++) lt_f32(&z)[i] = lt_f32(latents)[i] / scale;
    LT_TRY(lt_vae_decode(&r->x, r->model->vae, &z, image));
    for (int64_t i = 0; i < lt_tensor_count(image); i++) {
        const float v = lt_f32(image)[i] * 0.5f + 0.5f;
        lt_f32(image)[i] = v > 0.0f ? (v < 1.0f ? v : 1.0f) : 0.0f; /* NaN becomes 0 */
    }
cleanup:
    lt_tensor_free(&z);
    return st;
}

/* ---- one part ---------------------------------------------------------------------- */

typedef struct part {
    lt_run *r;
    lt_media_writer *writer;
    lt_composite *over;       /* borrowed; NULL without a mask */
    lt_shard_reader *in;      /* of the block that holds the running frame */
    int64_t block;            /* -1: none open */
    lt_tensor latents, image; /* one frame */
    int64_t bytes_read;
} part;

static void part_close(part *p)
{
    if (p->in) p->bytes_read += lt_shard_bytes_read(p->in);
    lt_shard_close(&p->in);
    lt_media_writer_close(&p->writer);
    lt_tensor_free(&p->latents);
    lt_tensor_free(&p->image);
}

static lt_status read_frame(part *p, int64_t frame)
{
    lt_run *r = p->r;
    const int64_t block = lt_layout_block_of(&r->layout, frame);
    lt_status st = LT_OK;
    if (block != p->block) {
        if (p->in) p->bytes_read += lt_shard_bytes_read(p->in);
        lt_shard_close(&p->in);
        LT_TRY(lt_job_shard(r->job, "edit", block, LT_NO_STEP, &p->in));
        p->block = block;
    }
    const int64_t at = frame - r->layout.block[block].first;
    LT_TRY(lt_shard_read_f32(p->in, "/edit/latents", (int64_t[]){ at, 0, 0, 0 },
                             (int64_t[]){ 1, r->h, r->w, r->c }, lt_f32(&p->latents)));
cleanup:
    return st;
}

static lt_status put_frame(part *p, int64_t frame)
{
    lt_status st = read_frame(p, frame);
    if (st == LT_OK) st = lt_render_decode(p->r, &p->latents, &p->image);
    if (st == LT_OK)
        st = lt_composite_put(p->over, p->writer, frame, p->image.data,
                              lt_media_out_pts(&p->r->frames, frame));
    return st;
}

static lt_status open_part(part *p, const char *path)
{
    lt_run *r = p->r;
    lt_status st = LT_OK;
    const lt_media_encode encode = lt_run_encode_options(r);
    p->block = -1;
    LT_TRY(LT_TENSOR_NEW(&p->latents, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&p->image, r->x.pool, LT_F32, 1, r->work.padded_height,
                         r->work.padded_width, 3));
    LT_TRY(lt_media_writer_open(&p->writer, path, &encode, &r->work, LT_MEDIA_F32));
cleanup:
    return st;
}

static lt_status stamp_of_file(const char *path, lt_stamp *stamp)
{
    void *data = NULL;
    size_t bytes = 0;
    const lt_status st = lt_file_read(path, (size_t)1 << 40, &data, &bytes);
    if (st == LT_OK) *stamp = lt_stamp_of(data, bytes);
    free(data);
    return st;
}

static lt_status run_part(lt_run *r, void *ctx, int64_t unit, lt_done *d)
{
    lt_status st = LT_OK;
    part p = { .r = r, .over = ctx };
    char path[LT_PATH_MAX], tag[40];
    snprintf(tag, sizeof(tag), "render:%lld", (long long)unit);
    lt_test_point(tag, "before");
    d->first_frame = unit * LT_RENDER_FRAMES;
    d->n_frames = part_n(r, unit);
    const int64_t end = d->first_frame + d->n_frames;
    snprintf(d->file, sizeof(d->file), "video/seg-%05lld.nut", (long long)unit);
    LT_TRY(lt_job_file(r->job, d->file, path, sizeof(path)));
    LT_TRY(open_part(&p, path));
    for (int64_t f = d->first_frame; f < end; f++) LT_TRY(put_frame(&p, f));
    lt_test_point(tag, "during");
    LT_TRY(lt_media_writer_commit(
        p.writer,
        lt_media_out_pts(&r->frames, end) - lt_media_out_pts(&r->frames, end - 1), NULL));
    lt_test_point(tag, "after");
    LT_TRY(stamp_of_file(path, &d->stamp));
    d->bytes_written = (int64_t)d->stamp.size;
cleanup:
    part_close(&p);
    d->bytes_read = p.bytes_read;
    return st;
}

lt_status lt_stage_render(lt_run *r)
{
    lt_status st = LT_OK;
    int64_t done = 0, frames = 0;
    lt_composite *over = NULL;
    const lt_media_encode encode = lt_run_encode_options(r);
    lt_unit_stage s = { .name = "render", .n = n_parts(r), .run = run_part };
    for (int64_t u = 0; u < s.n; u++)
        if (lt_job_done(r->job, "render", u, LT_NO_STEP)) {
            done++;
            frames += part_n(r, u);
        }
    lt_progress_stage(r->progress, "render", done, s.n, frames, r->n_frames);
    if (done < s.n) LT_TRY(lt_comm_agree(r->comm, lt_composite_open(r, &encode, &over)));
    s.ctx = over;
    LT_TRY(lt_run_units(r, &s));
cleanup:
    lt_composite_close(&over);
    return st;
}

/* ---- joining ----------------------------------------------------------------------- */

static lt_status join(lt_run *r, lt_done *d)
{
    lt_status st = LT_OK;
    const int64_t n = n_parts(r);
    const lt_media_encode encode = lt_run_encode_options(r);
    const lt_media_output out = lt_run_output(r, &encode);
    char **parts = calloc((size_t)n, sizeof(*parts));
    if (!parts) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (parts)"));
    for (int64_t u = 0; u < n; u++) {
        char path[LT_PATH_MAX];
        LT_TRY(lt_job_check(r->job, "render", u, LT_NO_STEP, NULL));
        LT_TRY(lt_job_file(r->job, lt_job_record(r->job, "render", u, LT_NO_STEP)->file,
                           path, sizeof(path)));
        parts[u] = strdup(path);
        if (!parts[u]) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (parts)"));
    }
    lt_test_point("mux:0", "before");
    LT_TRY(lt_media_join(&out, (const char *const *)parts, n, &d->bytes_written));
    lt_test_point("mux:0", "after");
cleanup:
    for (int64_t u = 0; parts && u < n; u++) free(parts[u]);
    free(parts);
    return st;
}

lt_status lt_stage_mux(lt_run *r)
{
    int64_t there = lt_job_done(r->job, "mux", 0, LT_NO_STEP) &&
                    (r->rank > 0 || lt_file_exists(r->cfg->output.path));
    const double t0 = lt_run_clock();
    lt_done d = { .stage = "mux", .step = LT_NO_STEP, .segment = -1, .counts = 1 };
    lt_status st = lt_comm_broadcast_bytes(r->comm, &there, sizeof(there), 0);
    if (st != LT_OK || there) return st;
    lt_progress_stage(r->progress, "mux", 0, 1, 0, 0);
    if (r->rank == 0) st = join(r, &d);
    d.seconds = lt_run_clock() - t0;
    return lt_run_commit(r, st, &d, r->rank == 0);
}
