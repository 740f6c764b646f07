#include "io/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/file.h"
#include "io/job_impl.h"
#include "io/shard_impl.h"

static const char INDEX_STAGE[] = "index";

enum { VIEW_UNITS = 128 }; /* shards of one virtual dataset */

/* ---- small arrays ----------------------------------------------------------------- */

static lt_status put(lt_shard_writer *w, const char *path, lt_cell cell, int64_t a,
                     int64_t b, const void *data)
{
    lt_status st = LT_OK;
    const lt_shard_dataset d = {
        .path = path, .cell = cell, .ndim = b ? 2 : 1, .shape = { a, b }
    };
    LT_TRY(lt_shard_add(w, &d));
    LT_TRY(lt_shard_write(w, path, NULL, NULL, data));
cleanup:
    return st;
}

static lt_status put_root(lt_shard_writer *w, const lt_job_identity *id)
{
    lt_status st = LT_OK;
    char created[40] = "unknown";
    struct tm tm;
    const time_t t = (time_t)id->created;
    if (gmtime_r(&t, &tm)) strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
    LT_TRY(lt_shard_attr_text(w, "/", "tool_version", id->tool_version));
    LT_TRY(lt_shard_attr_text(w, "/", "created", created));
    LT_TRY(lt_shard_attr_text(w, "/", "config_sha256", id->config_sha256));
    LT_TRY(lt_shard_attr_text(w, "/", "input_sha256", id->input_sha256));
    LT_TRY(lt_shard_attr_text(w, "/", "model_sha256", id->model_sha256));
    LT_TRY(lt_shard_attr_i64(w, "/", "seed", &id->seed, 1));
cleanup:
    return st;
}

static lt_status put_frames(lt_shard_writer *w, const lt_index_spec *s)
{
    lt_status st = LT_OK;
    const int64_t base[2] = { s->time_base_num, s->time_base_den };
    if (!s->pts || s->n_frames < 1) return LT_OK;
    LT_TRY(put(w, "/frames/pts", LT_CELL_I64, s->n_frames, 0, s->pts));
    LT_TRY(lt_shard_attr_i64(w, "/frames/pts", "time_base", base, 2));
cleanup:
    return st;
}

static lt_status put_clips(lt_shard_writer *w, const lt_index_spec *s)
{
    lt_status st = LT_OK;
    static const char begin[] = "/clips/begin";
    if (s->clip_begin && s->n_clips > 0) {
        LT_TRY(put(w, begin, LT_CELL_I64, s->n_clips, 0, s->clip_begin));
        LT_TRY(lt_shard_attr_f64(w, begin, "mean_threshold", &s->mean_threshold, 1));
        LT_TRY(lt_shard_attr_f64(w, begin, "region_threshold", &s->region_threshold, 1));
        LT_TRY(lt_shard_attr_i64(w, begin, "max_length", &s->max_length, 1));
    }
    if (s->similarity_mean && s->n_frames > 0)
        LT_TRY(put(w, "/clips/similarity_mean", LT_CELL_F32, s->n_frames, 0,
                   s->similarity_mean));
    if (s->similarity_region && s->n_frames > 0)
        LT_TRY(put(w, "/clips/similarity_region", LT_CELL_F32, s->n_frames, 0,
                   s->similarity_region));
    if (s->clip_keyframe && s->n_steps > 0 && s->n_clips > 0)
        LT_TRY(put(w, "/clips/keyframe", LT_CELL_I64, s->n_steps, s->n_clips,
                   s->clip_keyframe));
cleanup:
    return st;
}

static lt_status put_done(lt_shard_writer *w, lt_job *job, const lt_index_stage *stage)
{
    lt_status st = LT_OK;
    char path[LT_STAGE_MAX + 32];
    if (!lt_stage_name_ok(stage->name))
        return LT_FAIL(LT_ERR_ARG, "stage name out of range (index): report this");
    if (stage->n_units < 1) return LT_OK;
    uint8_t *done =
        stage->n_units > LT_MAX_RECORDS ? NULL : malloc((size_t)stage->n_units);
    if (!done) return LT_FAIL(LT_ERR_NOMEM, "out of memory (index)");
    for (int64_t u = 0; u < stage->n_units; u++)
        done[u] = (uint8_t)lt_job_done(job, stage->name, u, LT_NO_STEP);
    snprintf(path, sizeof(path), "/stages/%s/done", stage->name);
    st = put(w, path, LT_CELL_U8, stage->n_units, 0, done);
    free(done);
    return st;
}

/* ---- views of the shards ---------------------------------------------------------- */

/* The records of a stage, those without a step and with a file. */
typedef struct units {
    const lt_record **list;
    int64_t n;
    lt_h5_source *source; /* [n] */
} units;

static void units_free(units *u)
{
    free(u->list);
    free(u->source);
    *u = (units){ 0 };
}

static lt_status units_of(units *u, lt_job *job, const char *stage)
{
    lt_status st = LT_OK;
    int64_t n = 0;
    if (!stage) return LT_OK;
    LT_TRY(lt_manifest_list(lt_job_manifest(job), stage, &u->list, &n));
    for (int64_t i = 0; i < n; i++)
        if (u->list[i]->step == LT_NO_STEP && u->list[i]->file[0])
            u->list[u->n++] = u->list[i];
    u->source = calloc((size_t)u->n + 1, sizeof(*u->source));
    if (!u->source) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (index)");
    for (int64_t i = 0; st == LT_OK && i < u->n; i++)
        u->source[i].file = u->list[i]->file;
cleanup:
    return st;
}

/* Where unit i lies in a dataset of shape d: at [first, first + count) of `axis` and all
 * of the others. rows: ragged rows one after the other, else frames. */
static lt_status place(const lt_shard_dataset *d, units *u, int axis, int rows)
{
    int64_t at = 0;
    for (int64_t i = 0; i < u->n; i++) {
        const lt_record *r = u->list[i];
        lt_h5_source *s = &u->source[i];
        const int64_t first = rows ? at : r->first_frame;
        const int64_t count = rows ? r->n_rows : r->n_frames;
        if (count < 1 || first < at || first > d->shape[axis] ||
            count > d->shape[axis] - first)
            return LT_FAIL(LT_ERR_ARG,
                           "frames or rows of a unit are out of range (%s, unit %lld): "
                           "report this",
                           r->stage, (long long)r->unit);
        s->path = d->path;
        for (int k = 0; k < d->ndim; k++) {
            s->start[k] = k == axis ? first : 0;
            s->count[k] = k == axis ? count : d->shape[k];
        }
        at = first + count;
    }
    return LT_OK;
}

/* A part of d: a virtual dataset under `path` over n sources that follow each other along
 * `axis`. *part is where d shows it. */
static lt_status put_part(lt_shard_writer *w, const lt_shard_dataset *d,
                          lt_h5_source *source, int64_t n, int axis, const char *path,
                          lt_h5_source *part)
{
    lt_shard_dataset inner = *d;
    const int64_t first = source[0].start[axis];
    *part = source[0];
    part->file = ".";
    part->path = path;
    part->count[axis] = source[n - 1].start[axis] + source[n - 1].count[axis] - first;
    inner.path = path;
    inner.shape[axis] = part->count[axis];
    for (int64_t i = 0; i < n; i++) source[i].start[axis] -= first;
    return lt_h5_add_virtual(w, &inner, source, n);
}

/* A view of many units is a view of parts, themselves views of VIEW_UNITS units: libhdf5
 * then never holds the units of a whole film, neither here nor in a reader. */
static lt_status put_parts(lt_shard_writer *w, const lt_shard_dataset *d, units *u,
                           int axis)
{
    lt_status st = LT_OK;
    const int64_t n = (u->n + VIEW_UNITS - 1) / VIEW_UNITS;
    lt_h5_source *part = calloc((size_t)n, sizeof(*part));
    char(*path)[LT_SHARD_PATH_MAX] = calloc((size_t)n, sizeof(*path));
    if (!part || !path) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (index)"));
    for (int64_t p = 0; p < n; p++) {
        const int64_t at = p * VIEW_UNITS, left = u->n - at;
        snprintf(path[p], sizeof(path[p]), "/parts%s/%lld", d->path, (long long)p);
        LT_TRY(put_part(w, d, u->source + at, left < VIEW_UNITS ? left : VIEW_UNITS, axis,
                        path[p], &part[p]));
    }
    LT_TRY(lt_h5_add_virtual(w, d, part, n));
cleanup:
    free(path);
    free(part);
    return st;
}

static lt_status put_view(lt_shard_writer *w, const lt_shard_dataset *d, units *u,
                          int axis, int rows)
{
    lt_status st = LT_OK;
    LT_TRY(place(d, u, axis, rows));
    if (u->n > VIEW_UNITS) return put_parts(w, d, u, axis);
    LT_TRY(lt_h5_add_virtual(w, d, u->source, u->n));
cleanup:
    return st;
}

static lt_status put_latents(lt_shard_writer *w, lt_job *job, const lt_index_spec *s,
                             const char *stage, const char *path)
{
    lt_status st = LT_OK;
    units u = { 0 };
    const lt_shard_dataset d = { .path = path,
                                 .cell = s->cell,
                                 .ndim = 4,
                                 .shape = { s->n_frames, s->h, s->w, s->c } };
    LT_TRY(units_of(&u, job, stage));
    if (u.n == 0) goto cleanup;
    LT_TRY(put_view(w, &d, &u, 0, 0));
    LT_TRY(lt_shard_attr_f64(w, path, "scale", &s->scale, 1));
    LT_TRY(lt_shard_attr_text(w, path, "layout", "NHWC"));
cleanup:
    units_free(&u);
    return st;
}

static lt_status put_inversion(lt_shard_writer *w, lt_job *job, const lt_index_spec *s)
{
    lt_status st = LT_OK;
    units u = { 0 };
    static const char path[] = "/inversion/latents";
    const lt_shard_dataset d = { .path = path,
                                 .cell = s->cell,
                                 .ndim = 5,
                                 .shape = { s->n_levels, s->n_frames, s->h, s->w,
                                            s->c } };
    LT_TRY(units_of(&u, job, s->inversion_stage));
    if (u.n == 0 || s->n_levels < 1 || !s->timesteps) goto cleanup;
    LT_TRY(put_view(w, &d, &u, 1, 0));
    LT_TRY(lt_shard_attr_i64(w, path, "timesteps", s->timesteps, s->n_levels));
    LT_TRY(lt_shard_attr_f64(w, path, "scale", &s->scale, 1));
    LT_TRY(lt_shard_attr_text(w, path, "layout", "LNHWC"));
cleanup:
    units_free(&u);
    return st;
}

static lt_status put_grid(lt_shard_writer *w, const lt_index_grid *g, units *u,
                          int64_t rows)
{
    lt_status st = LT_OK;
    char group[64], path[96];
    int64_t tokens = 0;
    if (g->h < 1 || g->w < 1 || __builtin_mul_overflow(g->h, g->w, &tokens))
        return LT_FAIL(LT_ERR_ARG, "size of a grid out of range (index): report this");
    snprintf(group, sizeof(group), "/match/%lldx%lld", (long long)g->h, (long long)g->w);
    snprintf(path, sizeof(path), "%s/index", group);
    lt_shard_dataset d = { .path = path, .ndim = 2, .shape = { rows, tokens } };
    d.cell = g->wide ? LT_CELL_U32 : LT_CELL_U16;
    LT_TRY(put_view(w, &d, u, 0, 1));
    snprintf(path, sizeof(path), "%s/similarity", group);
    d.cell = LT_CELL_U8;
    LT_TRY(put_view(w, &d, u, 0, 1));
cleanup:
    return st;
}

static lt_status put_match(lt_shard_writer *w, lt_job *job, const lt_index_spec *s)
{
    lt_status st = LT_OK;
    units u = { 0 };
    int64_t rows = 0, n = 0;
    LT_TRY(units_of(&u, job, s->match_stage));
    for (int64_t i = 0; i < u.n; i++) { /* a unit may have no rows at all */
        if (u.list[i]->n_rows < 1) continue;
        u.source[n].file = u.list[i]->file;
        u.list[n++] = u.list[i];
        if (__builtin_add_overflow(rows, u.list[i]->n_rows, &rows)) rows = INT64_MAX;
    }
    u.n = n;
    if (n == 0) goto cleanup;
    lt_shard_dataset d = { .cell = LT_CELL_I64, .ndim = 1, .shape = { rows } };
    d.path = "/match/frame";
    LT_TRY(put_view(w, &d, &u, 0, 1));
    d.path = "/match/keyframe";
    LT_TRY(put_view(w, &d, &u, 0, 1));
    for (int i = 0; i < s->n_grids; i++) LT_TRY(put_grid(w, &s->grids[i], &u, rows));
cleanup:
    units_free(&u);
    return st;
}

/* ---- the whole -------------------------------------------------------------------- */

lt_status lt_index_image(lt_job *job, const lt_index_spec *s, void **image, size_t *bytes)
{
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    lt_stamp stamp = { 0 };
    if (s->n_grids < 0 || s->n_grids > LT_INDEX_MAX_GRIDS || s->n_stages < 0 ||
        s->n_stages > LT_INDEX_MAX_STAGES)
        return LT_FAIL(LT_ERR_ARG, "too many grids or stages (index): report this");
    LT_TRY(lt_h5_create(&w, LT_INDEX_FORMAT, NULL));
    LT_TRY(put_root(w, lt_job_identity_of(job)));
    LT_TRY(put_frames(w, s));
    LT_TRY(put_clips(w, s));
    /* Looking at the files forgets units whose file is gone, so it comes first. */
    for (int i = 0; i < s->n_stages; i++) LT_TRY(put_done(w, job, &s->stages[i]));
    LT_TRY(put_latents(w, job, s, s->source_stage, "/source/latents"));
    LT_TRY(put_inversion(w, job, s));
    LT_TRY(put_match(w, job, s));
    LT_TRY(put_latents(w, job, s, s->edit_stage, "/edit/latents"));
    LT_TRY(lt_shard_finish(w, image, &stamp));
    *bytes = (size_t)stamp.size;
cleanup:
    lt_shard_discard(&w);
    return st;
}

/* Without a record while it changes, so that a kill in between is no damage. An index
 * that is the same stays as it is. */
lt_status lt_index_write(lt_job *job, const lt_index_spec *s)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *image = NULL;
    size_t bytes = 0;
    lt_record r = { .stage = INDEX_STAGE, .step = LT_NO_STEP, .file = LT_JOB_INDEX };
    LT_TRY(lt_index_image(job, s, &image, &bytes));
    LT_TRY(lt_job_file(job, LT_JOB_INDEX, path, sizeof(path)));
    r.stamp = lt_stamp_of(image, bytes);
    const lt_record *old = lt_job_record(job, INDEX_STAGE, 0, LT_NO_STEP);
    if (old && lt_job_done(job, INDEX_STAGE, 0, LT_NO_STEP) &&
        memcmp(&old->stamp, &r.stamp, sizeof(r.stamp)) == 0 &&
        lt_stamp_check(path, &r.stamp, NULL) == LT_OK)
        goto cleanup;
    if (lt_job_record(job, INDEX_STAGE, 0, LT_NO_STEP))
        LT_TRY(lt_joblog_append(job, LT_OP_REMOVE, &r, 1));
    LT_TRY(lt_file_write(path, image, bytes, "index:0"));
    LT_TRY(lt_joblog_append(job, LT_OP_ADD, &r, 1));
cleanup:
    free(image);
    return st;
}
