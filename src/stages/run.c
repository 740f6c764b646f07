#include "stages/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double lt_run_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t lt_run_n_groups(const lt_run *r)
{
    return (r->n_frames + LT_GROUP_FRAMES - 1) / LT_GROUP_FRAMES;
}

int64_t lt_run_group_first(int64_t group) { return group * LT_GROUP_FRAMES; }

int64_t lt_run_group_n(const lt_run *r, int64_t group)
{
    const int64_t left = r->n_frames - lt_run_group_first(group);
    return left < LT_GROUP_FRAMES ? left : LT_GROUP_FRAMES;
}

static lt_record record_of(const lt_run *r, const lt_done *d)
{
    lt_record rec = { .stage = d->stage,
                      .unit = d->unit,
                      .step = d->step,
                      .file = d->file,
                      .stamp = d->stamp,
                      .first_frame = d->first_frame,
                      .n_frames = d->n_frames,
                      .n_rows = d->n_rows };
    if (d->n_frames > 0) {
        rec.pts_first = r->frames.pts[d->first_frame];
        rec.pts_last = r->frames.pts[d->first_frame + d->n_frames - 1];
    }
    return rec;
}

static lt_status write_metrics(lt_run *r, const lt_done *d, int rank, int64_t memory)
{
    return lt_metrics_write(r->metrics,
                            &(lt_metric){ .event = d->counts ? "unit_done" : "state_done",
                                          .stage = d->stage,
                                          .segment = d->segment,
                                          .unit = d->unit,
                                          .seconds = d->seconds,
                                          .bytes_read = d->bytes_read,
                                          .bytes_written = d->bytes_written,
                                          .bytes_gathered = d->bytes_gathered,
                                          .memory = memory,
                                          .rank = rank });
}

/* What every rank says at the end of a round. */
typedef struct round_head {
    int64_t n;
    int64_t stop;
    int64_t memory; /* [bytes] largest resident size so far */
} round_head;

static int64_t peak_memory(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (int64_t)u.ru_maxrss * 1024 : 0;
}

typedef struct round_done {
    round_head *head; /* [size] */
    lt_done *all;     /* [total], in rank order */
    int64_t total;
} round_done;

static void round_free(round_done *g)
{
    free(g->head);
    free(g->all);
}

/* Collective. */
static lt_status gather_round(lt_run *r, const lt_done *done, int64_t n, round_done *g)
{
    lt_status st = LT_OK;
    const round_head mine = { .n = n,
                              .stop = lt_stop_requested(r->stop) != 0,
                              .memory = peak_memory() };
    int64_t *bytes = NULL;
    g->head = calloc((size_t)r->size, sizeof(*g->head));
    bytes = calloc((size_t)r->size, sizeof(*bytes));
    if (!g->head || !bytes) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (commit)"));
    LT_TRY(lt_comm_gather_bytes(r->comm, &mine, sizeof(mine), g->head));
    for (int i = 0; i < r->size; i++) {
        g->total += g->head[i].n;
        bytes[i] = g->head[i].n * (int64_t)sizeof(*done);
        if (g->head[i].stop) r->stop_wanted = 1;
    }
    g->all = calloc((size_t)(g->total ? g->total : 1), sizeof(*g->all));
    if (!g->all) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (commit)"));
    const int64_t sum = g->total * (int64_t)sizeof(*done);
    lt_tensor part = lt_tensor_wrap((void *)(uintptr_t)done, LT_HOST, LT_U8, 1,
                                    (int64_t[]){ bytes[r->rank] });
    lt_tensor whole = lt_tensor_wrap(g->all, LT_HOST, LT_U8, 1, (int64_t[]){ sum });
    LT_TRY(lt_comm_gather_rows(r->comm, &part, bytes, &whole, NULL));
cleanup:
    free(bytes);
    return st;
}

/* Rank 0 writes the journal; the others only learn. */
static lt_status record_round(lt_run *r, const round_done *g, lt_record *rec)
{
    for (int64_t i = 0; i < g->total; i++) rec[i] = record_of(r, &g->all[i]);
    lt_status st = r->rank == 0 ? lt_job_commit(r->job, rec, g->total) : LT_OK;
    st = lt_comm_agree(r->comm, st);
    for (int64_t i = 0; st == LT_OK && r->rank > 0 && i < g->total; i++)
        st = lt_job_learn(r->job, LT_OP_ADD, &rec[i]);
    return st;
}

static lt_status report_round(lt_run *r, const round_done *g)
{
    int64_t i = 0;
    for (int rank = 0; rank < r->size; rank++)
        for (int64_t k = 0; k < g->head[rank].n; k++, i++) {
            const lt_done *d = &g->all[i];
            if (d->counts) lt_progress_add(r->progress, 1, d->n_frames);
            const lt_status st = write_metrics(r, d, rank, g->head[rank].memory);
            if (st != LT_OK) return st;
        }
    return LT_OK;
}

lt_status lt_run_commit(lt_run *r, lt_status local, const lt_done *done, int64_t n)
{
    lt_status st = LT_OK;
    round_done g = { 0 };
    lt_record *rec = NULL;
    LT_TRY(lt_comm_agree(r->comm, local));
    LT_TRY(gather_round(r, done, n, &g));
    if (g.total == 0) goto cleanup;
    rec = calloc((size_t)g.total, sizeof(*rec));
    LT_TRY(lt_comm_agree(r->comm,
                         rec ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (commit)")));
    LT_TRY(record_round(r, &g, rec));
    LT_TRY(lt_comm_agree(r->comm, r->rank == 0 ? report_round(r, &g) : LT_OK));
cleanup:
    free(rec);
    round_free(&g);
    return st;
}

lt_status lt_run_forget(lt_run *r, const lt_record *list, int64_t n, int drop)
{
    lt_status st = LT_OK;
    if (n == 0) return LT_OK;
    if (r->rank == 0)
        st = drop ? lt_job_drop(r->job, list, n) : lt_job_remove(r->job, list, n);
    st = lt_comm_agree(r->comm, st);
    for (int64_t i = 0; st == LT_OK && r->rank > 0 && i < n; i++)
        st = lt_job_learn(r->job, drop ? LT_OP_DROP : LT_OP_REMOVE, &list[i]);
    return st;
}

/* The keys of states to forget; the same on every rank: all know the same records. */
static int64_t old_states(const lt_manifest *m, const char *stage, int64_t unit,
                          int64_t below, int64_t *step, int64_t cap, lt_record *out)
{
    int64_t n = 0;
    const int64_t there = lt_manifest_steps(m, stage, unit, step, cap);
    for (int64_t i = 0; i < there && i < cap; i++)
        if (step[i] < below)
            out[n++] = (lt_record){ .stage = stage, .unit = unit, .step = step[i] };
    return n;
}

lt_status lt_run_forget_states(lt_run *r, const char *stage, const int64_t *unit,
                               int64_t n, int64_t below)
{
    const lt_manifest *m = lt_job_manifest(r->job);
    const int64_t cap = lt_manifest_count(m, stage);
    int64_t old = 0;
    if (cap == 0) return LT_OK;
    lt_record *list = calloc((size_t)cap, sizeof(*list));
    int64_t *step = calloc((size_t)cap, sizeof(*step));
    lt_status st = list && step ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (states)");
    st = lt_comm_agree(r->comm, st);
    for (int64_t i = 0; st == LT_OK && i < n; i++)
        old += old_states(m, stage, unit[i], below, step, cap, list + old);
    if (st == LT_OK) st = lt_run_forget(r, list, old, 0);
    free(list);
    free(step);
    return st;
}

lt_status lt_run_check_stop(const lt_run *r)
{
    if (!r->stop_wanted) return LT_OK;
    return LT_FAIL(LT_ERR_STOPPED,
                   "stopped as asked, nothing is lost (%s): run the same command or "
                   "`longtake resume` to continue",
                   lt_job_path(r->job));
}

/* ---- verification ------------------------------------------------------------------ */

/* Collective. lost[i] = 1 for every damaged record, from all ranks. */
static lt_status find_lost(lt_run *r, const lt_record **list, int64_t n, uint8_t *lost)
{
    lt_status st = LT_OK;
    uint8_t *all = malloc((size_t)(n ? n : 1) * (size_t)r->size);
    if (!all) return LT_FAIL(LT_ERR_NOMEM, "out of memory (verify)");
    memset(lost, 0, (size_t)n);
    for (int64_t i = r->rank; st == LT_OK && i < n; i += r->size) {
        const lt_record rec = *list[i];
        if (!rec.file[0]) continue;
        const lt_status c = lt_job_check(r->job, rec.stage, rec.unit, rec.step, NULL);
        lost[i] = c == LT_ERR_DATA || c == LT_ERR_NOINPUT;
        if (c != LT_OK && !lost[i]) st = c;
    }
    st = lt_comm_agree(r->comm, st);
    if (st == LT_OK) st = lt_comm_gather_bytes(r->comm, lost, (size_t)n, all);
    for (int64_t i = 0; st == LT_OK && i < n; i++)
        for (int k = 0; k < r->size; k++) lost[i] |= all[k * n + i];
    free(all);
    return st;
}

/* Records with copies of their texts: the manifest's own may go while we forget. */
static lt_status copy_records(const lt_record **list, int64_t n, lt_done **out)
{
    lt_done *d = calloc((size_t)(n ? n : 1), sizeof(*d));
    if (!d) return LT_FAIL(LT_ERR_NOMEM, "out of memory (verify)");
    for (int64_t i = 0; i < n; i++) {
        snprintf(d[i].stage, sizeof(d[i].stage), "%s", list[i]->stage);
        snprintf(d[i].file, sizeof(d[i].file), "%s", list[i]->file);
        d[i].unit = list[i]->unit;
        d[i].step = list[i]->step;
    }
    *out = d;
    return LT_OK;
}

lt_status lt_run_verify(lt_run *r)
{
    lt_status st = LT_OK;
    const lt_record **list = NULL;
    lt_done *copy = NULL;
    uint8_t *lost = NULL;
    int64_t n = 0;
    LT_TRY(lt_manifest_list(lt_job_manifest(r->job), NULL, &list, &n));
    LT_TRY(copy_records(list, n, &copy));
    lost = malloc((size_t)(n ? n : 1));
    if (!lost) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (verify)"));
    LT_TRY(find_lost(r, list, n, lost));
    for (int64_t i = 0; i < n; i++) {
        if (!lost[i]) continue;
        lt_log_warn(r->log, "%s is damaged or missing and is made again", copy[i].file);
        const lt_record rec = { .stage = copy[i].stage,
                                .unit = copy[i].unit,
                                .step = copy[i].step,
                                .file = copy[i].file };
        LT_TRY(lt_run_forget(r, &rec, 1, 0));
    }
cleanup:
    free(list);
    free(copy);
    free(lost);
    return st;
}

/* ---- units ------------------------------------------------------------------------- */

/* The list is the same on every rank: all know the same records. */
static lt_status todo_list(lt_run *r, const lt_unit_stage *s, int64_t **todo, int64_t *n)
{
    int64_t *t = malloc((size_t)(s->n ? s->n : 1) * sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory (units)");
    *n = 0;
    for (int64_t u = s->first; u < s->first + s->n; u++)
        if (!lt_job_done(r->job, s->name, u, LT_NO_STEP)) t[(*n)++] = u;
    const lt_status st = s->blocks ? lt_layout_longest_first(&r->layout, t, *n) : LT_OK;
    *todo = t;
    return st;
}

static lt_status run_one(lt_run *r, const lt_unit_stage *s, int64_t unit, lt_done *d)
{
    const double t0 = lt_run_clock();
    memset(d, 0, sizeof(*d));
    snprintf(d->stage, sizeof(d->stage), "%s", s->name);
    d->unit = unit;
    d->step = LT_NO_STEP;
    d->segment = -1;
    d->counts = 1;
    const lt_status st = s->run(r, s->ctx, unit, d);
    d->seconds = lt_run_clock() - t0;
    return st;
}

void lt_run_progress_blocks(lt_run *r, const char *stage)
{
    const lt_layout *l = &r->layout;
    int64_t done = 0, frames = 0;
    for (int64_t b = 0; b < l->n_blocks; b++)
        if (lt_job_unit(r->job, stage, b, LT_NO_STEP) != LT_UNIT_TODO) {
            done++;
            frames += l->block[b].n;
        }
    lt_progress_stage(r->progress, stage, done, l->n_blocks, frames, r->n_frames);
}

lt_status lt_run_units(lt_run *r, const lt_unit_stage *s)
{
    int64_t *todo = NULL, n = 0;
    lt_status st = lt_comm_agree(r->comm, todo_list(r, s, &todo, &n));
    for (int64_t i = 0; st == LT_OK && i < n; i += r->size) {
        lt_done d;
        const int mine = i + r->rank < n;
        const lt_status local = mine ? run_one(r, s, todo[i + r->rank], &d) : LT_OK;
        st = lt_run_commit(r, local, &d, mine);
        if (st == LT_OK) st = lt_run_check_stop(r);
    }
    free(todo);
    return st;
}

/* ---- shards ------------------------------------------------------------------------ */

lt_status lt_run_read_f32(lt_run *r, const char *stage, int64_t unit, int64_t step,
                          const char *dataset, const int64_t *start, const int64_t *count,
                          float *data, int64_t *bytes_read)
{
    lt_shard_reader *in = NULL;
    lt_status st = lt_job_shard(r->job, stage, unit, step, &in);
    if (st == LT_OK) st = lt_shard_read_f32(in, dataset, start, count, data);
    if (st == LT_OK && bytes_read) *bytes_read += lt_shard_bytes_read(in);
    lt_shard_close(&in);
    return st;
}

lt_status lt_run_put_shard(lt_run *r, lt_shard_writer *w, int64_t segment, int64_t block,
                           const char *kind, int64_t step, lt_done *done)
{
    char path[LT_PATH_MAX], tag[LT_STAGE_MAX + 24];
    snprintf(tag, sizeof(tag), "%s:%lld", done->stage, (long long)done->unit);
    lt_status st = lt_job_shard_name(done->file, segment, block, kind, step);
    if (st == LT_OK) st = lt_job_file(r->job, done->file, path, sizeof(path));
    if (st == LT_OK) st = lt_shard_commit(w, path, tag, &done->stamp);
    if (st == LT_OK) done->bytes_written += (int64_t)done->stamp.size;
    return st;
}
