#include "io/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/job_impl.h"

enum { AUTO_FOLD = 4096 };
static const char CONFIG_STAGE[] = "config";

/* ---- opening ---------------------------------------------------------------------- */

static lt_status check_options(const lt_job_options *o)
{
    const int makes = o->mode == LT_JOB_WRITE || o->mode == LT_JOB_FRESH;
    if ((unsigned)o->mode > LT_JOB_FRESH || (makes && (!o->identity || !o->config)))
        return LT_FAIL(LT_ERR_ARG, "job options incomplete: report this");
    return LT_OK;
}

/* May this folder be opened so? */
static lt_status check_folder(const lt_job *job, lt_folder_kind kind)
{
    const int makes = job->mode == LT_JOB_WRITE || job->mode == LT_JOB_FRESH;
    if (!makes && kind == LT_FOLDER_ABSENT)
        return LT_FAIL(LT_ERR_NOINPUT, "no such job folder (%s): check the name",
                       job->path);
    if (!makes && (kind == LT_FOLDER_EMPTY || kind == LT_FOLDER_FOREIGN))
        return LT_FAIL(LT_ERR_NOINPUT,
                       "no job in this folder (%s): give the folder that "
                       "`longtake edit --job` made",
                       job->path);
    if (kind == LT_FOLDER_FOREIGN)
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "not a job folder, and not empty (%s): take another --job",
                       job->path);
    if (kind == LT_FOLDER_RUINED && job->mode != LT_JOB_FRESH)
        return LT_FAIL(
            LT_ERR_DATA,
            "manifest and journal are damaged beyond use (%s): start over with "
            "--fresh",
            job->path);
    return LT_OK;
}

static lt_status make_folders(const lt_job *job)
{
    lt_status st = LT_OK;
    static const char *const sub[] = { "shards", "video", "log", "report" };
    char path[LT_PATH_MAX + 16];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", job->path, sub[i]);
        LT_TRY(lt_folder_make(path));
    }
cleanup:
    return st;
}

/* Delete the files of a list of names and free both. */
static lt_status unlink_all(const lt_job *job, char **name, int64_t n)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX + LT_FILE_MAX];
    for (int64_t i = 0; i < n; i++) {
        if (name[i] && name[i][0]) {
            snprintf(path, sizeof(path), "%s/%s", job->path, name[i]);
            const lt_status one = lt_file_remove(path);
            if (st == LT_OK) st = one;
        }
        free(name[i]);
    }
    free(name);
    return st;
}

/* Copies of the file names of a list of records. */
static lt_status copy_names(const lt_record *const *list, int64_t n, char ***out)
{
    char **name = calloc((size_t)n + 1, sizeof(*name));
    for (int64_t i = 0; name && i < n; i++) {
        name[i] = strdup(list[i]->file);
        if (name[i]) continue;
        for (int64_t k = 0; k < i; k++) free(name[k]);
        free(name);
        name = NULL;
    }
    if (!name) return LT_FAIL(LT_ERR_NOMEM, "out of memory (list of files)");
    *out = name;
    return LT_OK;
}

/* Forget everything first, then delete what the records named and what has our names. */
static lt_status throw_away(lt_job *job, lt_folder_kind kind)
{
    lt_status st = LT_OK;
    const lt_record **list = NULL;
    char **name = NULL;
    int64_t n = 0;
    if (kind == LT_FOLDER_JOB) {
        LT_TRY(lt_joblog_load(job));
        LT_TRY(lt_manifest_list(job->m, NULL, &list, &n));
        LT_TRY(copy_names(list, n, &name));
    }
    const lt_job_found clean = { .took_over = job->found.took_over };
    job->found = clean;
    job->needs_mending = 0;
    LT_TRY(lt_joblog_create(job));
    if (name) st = unlink_all(job, name, n);
    name = NULL;
    if (st == LT_OK) st = lt_job_sweep_all(job);
cleanup:
    free(list);
    if (name) {
        for (int64_t i = 0; i < n; i++) free(name[i]);
        free(name);
    }
    return st;
}

/* The first entries of a folder that has none yet, or was killed before it had them. */
static lt_status first_entries(lt_job *job, const lt_job_options *o)
{
    lt_status st = LT_OK;
    job->found.is_new = 1;
    job->id = *o->identity;
    LT_TRY(lt_job_set_config(job, o->config, o->identity));
cleanup:
    return st;
}

/* job.yaml is there but not recorded: the run was killed in between. It was committed
 * atomically, so it is whole. */
static lt_status adopt_config(lt_job *job)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *data = NULL;
    size_t bytes = 0;
    LT_TRY(lt_job_file(job, LT_JOB_CONFIG, path, sizeof(path)));
    LT_TRY(lt_file_read(path, 16 << 20, &data, &bytes));
    const lt_record r = { .stage = CONFIG_STAGE,
                          .step = LT_NO_STEP,
                          .file = LT_JOB_CONFIG,
                          .stamp = lt_stamp_of(data, bytes) };
    LT_TRY(lt_joblog_append(job, LT_OP_ADD, &r, 1));
cleanup:
    free(data);
    return st;
}

static lt_status settle_config(lt_job *job, const lt_job_options *o)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    if (lt_job_record(job, CONFIG_STAGE, 0, LT_NO_STEP)) return LT_OK;
    LT_TRY(lt_job_file(job, LT_JOB_CONFIG, path, sizeof(path)));
    if (lt_file_exists(path))
        st = adopt_config(job);
    else if (o->config)
        st = first_entries(job, o);
cleanup:
    return st;
}

static lt_status open_for_writing(lt_job *job, const lt_job_options *o,
                                  lt_folder_kind kind)
{
    lt_status st = LT_OK;
    LT_TRY(lt_folder_make(job->path));
    LT_TRY(lt_job_lock(job->path, &o->owner, &job->lock_fd, &job->found.took_over));
    /* Another run may have made the job before we had the lock. */
    LT_TRY(lt_folder_classify(job->path, &kind));
    LT_TRY(check_folder(job, kind));
    LT_TRY(make_folders(job));
    const int took_over = job->found.took_over;
    if (o->identity) job->id = *o->identity;
    if (job->mode == LT_JOB_FRESH)
        LT_TRY(throw_away(job, kind));
    else if (kind == LT_FOLDER_JOB)
        LT_TRY(lt_joblog_load(job));
    else
        LT_TRY(lt_joblog_create(job));
    if (job->mode == LT_JOB_FRESH) job->id = *o->identity;
    job->found.took_over = took_over;
    if (job->needs_mending) {
        /* Twice, so that .prev is whole, too. */
        LT_TRY(lt_joblog_fold(job));
        LT_TRY(lt_joblog_fold(job));
    } else {
        LT_TRY(lt_joblog_open(job));
    }
    job->needs_mending = 0;
    LT_TRY(settle_config(job, o));
    LT_TRY(lt_job_sweep(job));
cleanup:
    return st;
}

lt_status lt_job_open(lt_job **out, const char *path, const lt_job_options *o)
{
    lt_status st = LT_OK;
    lt_folder_kind kind = LT_FOLDER_ABSENT;
    lt_job *job = calloc(1, sizeof(*job));
    if (!job) return LT_FAIL(LT_ERR_NOMEM, "out of memory (job)");
    job->mode = o->mode;
    job->lock_fd = job->journal_fd = -1;
    LT_TRY(check_options(o));
    LT_TRY(lt_path_absolute(NULL, path, job->path));
    if (strlen(job->path) > LT_PATH_MAX - LT_FILE_MAX - 32) {
        st = LT_FAIL(LT_ERR_ARG, "path too long (%.80s...): use a shorter one", path);
        goto cleanup;
    }
    LT_TRY(lt_folder_classify(job->path, &kind));
    LT_TRY(check_folder(job, kind));
    LT_TRY(job->mode == LT_JOB_READ ? lt_joblog_load(job)
                                    : open_for_writing(job, o, kind));
    *out = job;
    job = NULL;
cleanup:
    if (job) {
        job->broken = 1; /* leave the folder as it is */
        (void)lt_job_close(&job);
    }
    return st;
}

lt_status lt_job_close(lt_job **out)
{
    lt_status st = LT_OK;
    if (!out || !*out) return LT_OK;
    lt_job *job = *out;
    *out = NULL;
    if (job->journal_fd >= 0 && !job->broken && job->seq > job->main_seq)
        st = lt_joblog_fold(job);
    if (job->journal_fd >= 0) close(job->journal_fd);
    lt_job_unlock(&job->lock_fd);
    lt_manifest_free(&job->m);
    free(job);
    return st;
}

const lt_job_found *lt_job_found_of(const lt_job *job) { return &job->found; }
const lt_job_identity *lt_job_identity_of(const lt_job *job) { return &job->id; }
const lt_manifest *lt_job_manifest(const lt_job *job) { return job->m; }
const char *lt_job_path(const lt_job *job) { return job->path; }

/* ---- names ------------------------------------------------------------------------ */

lt_status lt_job_file(const lt_job *job, const char *file, char *buf, size_t cap)
{
    const int n = snprintf(buf, cap, "%s/%s", job->path, file);
    if (n < 0 || (size_t)n >= cap)
        return LT_FAIL(LT_ERR_ARG, "path too long (%.80s...): use a shorter one",
                       job->path);
    return LT_OK;
}

lt_status lt_job_shard_name(char *buf, int64_t segment, int64_t block, const char *kind,
                            int64_t step)
{
    char b[32] = "", s[32] = "";
    if (block >= 0) snprintf(b, sizeof(b), ".b%03lld", (long long)block);
    if (step >= 0) snprintf(s, sizeof(s), ".%04lld", (long long)step);
    const int n = snprintf(buf, LT_FILE_MAX, "shards/seg-%05lld%s.%s%s.h5",
                           (long long)segment, b, kind, s);
    if (segment < 0 || !lt_stage_name_ok(kind) || n < 0 || n >= LT_FILE_MAX)
        return LT_FAIL(LT_ERR_ARG, "shard name out of range (%s): report this", kind);
    return LT_OK;
}

/* ---- configuration ---------------------------------------------------------------- */

lt_status lt_job_config(lt_job *job, char **text)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *data = NULL;
    size_t bytes = 0;
    LT_TRY(lt_job_file(job, LT_JOB_CONFIG, path, sizeof(path)));
    const lt_record *r = lt_job_record(job, CONFIG_STAGE, 0, LT_NO_STEP);
    if (r) {
        const lt_stamp want = r->stamp;
        LT_TRY(lt_stamp_check(path, &want, NULL));
    }
    LT_TRY(lt_file_read(path, 16 << 20, &data, &bytes));
    *text = data;
cleanup:
    return st;
}

/* Without a record while it changes, so that a kill in between is no damage. */
lt_status lt_job_set_config(lt_job *job, const char *text,
                            const lt_job_identity *identity)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    lt_record r = { .stage = CONFIG_STAGE, .step = LT_NO_STEP, .file = LT_JOB_CONFIG };
    const lt_job_identity before = job->id;
    LT_TRY(lt_job_file(job, LT_JOB_CONFIG, path, sizeof(path)));
    if (lt_job_record(job, CONFIG_STAGE, 0, LT_NO_STEP))
        LT_TRY(lt_joblog_append(job, LT_OP_REMOVE, &r, 1));
    LT_TRY(lt_file_write(path, text, strlen(text), "config:0"));
    r.stamp = lt_stamp_of(text, strlen(text));
    LT_TRY(lt_joblog_append(job, LT_OP_ADD, &r, 1));
    if (identity) {
        job->id = *identity;
        st = lt_joblog_fold(job);
        if (st != LT_OK) job->id = before;
    }
cleanup:
    return st;
}

/* ---- units ------------------------------------------------------------------------ */

lt_status lt_job_commit(lt_job *job, const lt_record *records, int64_t n)
{
    lt_status st = LT_OK;
    char **old = calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*old));
    if (!old) return LT_FAIL(LT_ERR_NOMEM, "out of memory (commit)");
    for (int64_t i = 0; i < n; i++) {
        const lt_record *r = &records[i];
        const lt_record *o = lt_job_record(job, r->stage, r->unit, r->step);
        if (!o || !r->file || strcmp(o->file, r->file) == 0) continue;
        old[i] = strdup(o->file); /* without it the file is swept later */
    }
    LT_TRY(lt_joblog_append(job, LT_OP_ADD, records, n));
    (void)unlink_all(job, old, n); /* what stays is swept later */
    old = NULL;
    /* The units are safe in the journal, whatever becomes of the fold. */
    if (job->journal_lines >= AUTO_FOLD && lt_joblog_fold(job) != LT_OK)
        job->journal_lines = 0;
cleanup:
    for (int64_t i = 0; old && i < n; i++) free(old[i]);
    free(old);
    return st;
}

lt_status lt_job_learn(lt_job *job, lt_op op, const lt_record *record)
{
    return lt_manifest_apply(job->m, op, record);
}

/* This job forgets a unit whose file is gone or damaged. The record on disk may stay:
 * the next run finds the same. */
static void lose(lt_job *job, const lt_record *r)
{
    const lt_record key = { .stage = r->stage, .unit = r->unit, .step = r->step };
    if (lt_manifest_apply(job->m, LT_OP_REMOVE, &key) != LT_OK) job->broken = 1;
}

lt_unit_state lt_job_unit(lt_job *job, const char *stage, int64_t unit, int64_t step)
{
    char path[LT_PATH_MAX + LT_FILE_MAX];
    struct stat s;
    const lt_unit_state state = lt_manifest_state(job->m, stage, unit, step);
    if (state != LT_UNIT_DONE) return state;
    const lt_record *r = lt_manifest_find(job->m, stage, unit, step);
    if (!r->file[0] || (lt_manifest_marks(r) & LT_MARK_SEEN)) return LT_UNIT_DONE;
    snprintf(path, sizeof(path), "%s/%s", job->path, r->file);
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode) ||
        (uint64_t)s.st_size != r->stamp.size) {
        lose(job, r);
        return LT_UNIT_TODO;
    }
    lt_manifest_mark(r, LT_MARK_SEEN);
    return LT_UNIT_DONE;
}

int lt_job_done(lt_job *job, const char *stage, int64_t unit, int64_t step)
{
    return lt_job_unit(job, stage, unit, step) == LT_UNIT_DONE;
}

const lt_record *lt_job_record(const lt_job *job, const char *stage, int64_t unit,
                               int64_t step)
{
    return lt_manifest_find(job->m, stage, unit, step);
}

/* The record of a unit with its file's full name. */
static lt_status locate(lt_job *job, const char *stage, int64_t unit, int64_t step,
                        const lt_record **r, char *path, size_t cap)
{
    *r = lt_job_record(job, stage, unit, step);
    if (!*r)
        return LT_FAIL(LT_ERR_NOINPUT,
                       "unit %lld of stage %s is not there (%s): run "
                       "`longtake resume` on the folder",
                       (long long)unit, stage, job->path);
    return lt_job_file(job, (*r)->file, path, cap);
}

lt_status lt_job_check(lt_job *job, const char *stage, int64_t unit, int64_t step,
                       int64_t *verified)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    const lt_record *r = NULL;
    LT_TRY(locate(job, stage, unit, step, &r, path, sizeof(path)));
    if (!r->file[0] || (lt_manifest_marks(r) & LT_MARK_VERIFIED)) return LT_OK;
    st = lt_stamp_check(path, &r->stamp, verified);
    if (st == LT_ERR_NOINPUT || st == LT_ERR_DATA) {
        lose(job, r);
        st = LT_ERR_DATA; /* the message of lt_stamp_check stays */
    } else if (st == LT_OK) {
        lt_manifest_mark(r, LT_MARK_SEEN | LT_MARK_VERIFIED);
    }
cleanup:
    return st;
}

lt_status lt_job_shard(lt_job *job, const char *stage, int64_t unit, int64_t step,
                       lt_shard_reader **reader)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    const lt_record *r = NULL;
    int64_t verified = 0;
    LT_TRY(lt_job_check(job, stage, unit, step, &verified));
    LT_TRY(locate(job, stage, unit, step, &r, path, sizeof(path)));
    LT_TRY(lt_shard_open(reader, path, NULL));
    lt_shard_count_verified(*reader, verified);
cleanup:
    return st;
}

/* Journal first: a kill before the files are gone leaves files without a record, which
 * the next run removes; the other order would leave records without files. */
static lt_status take_out(lt_job *job, lt_op op, const lt_record *records, int64_t n)
{
    lt_status st = LT_OK;
    int64_t m = 0;
    char **name = NULL;
    lt_record *key = calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*key));
    const lt_record **found = calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*found));
    if (!key || !found) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (list of files)");
        goto cleanup;
    }
    for (int64_t i = 0; i < n; i++) {
        const lt_record *r = &records[i];
        found[m] = lt_job_record(job, r->stage, r->unit, r->step);
        if (found[m]) key[m++] = (lt_record){ .stage = r->stage, r->unit, r->step };
    }
    LT_TRY(copy_names(found, m, &name));
    LT_TRY(lt_joblog_append(job, op, key, m));
    st = unlink_all(job, name, m);
    name = NULL;
cleanup:
    for (int64_t i = 0; name && i < m; i++) free(name[i]);
    free(name);
    free(found);
    free(key);
    return st;
}

lt_status lt_job_remove(lt_job *job, const lt_record *records, int64_t n)
{
    return take_out(job, LT_OP_REMOVE, records, n);
}

lt_status lt_job_drop(lt_job *job, const lt_record *records, int64_t n)
{
    return take_out(job, LT_OP_DROP, records, n);
}

lt_status lt_job_fold(lt_job *job) { return lt_joblog_fold(job); }

/* ---- states within a denoise ------------------------------------------------------ */

int64_t lt_job_state_step(lt_job *job, const char *stage, const int64_t *units, int64_t n)
{
    int64_t step[256], best = LT_NO_STEP;
    if (n < 1) return LT_NO_STEP;
    int64_t k = lt_manifest_steps(job->m, stage, units[0], step, 256);
    for (k = (k < 256 ? k : 256) - 1; k >= 0 && best == LT_NO_STEP; k--) {
        if (step[k] < 0) continue;
        int64_t have = 0;
        while (have < n && lt_job_done(job, stage, units[have], step[k])) have++;
        if (have == n) best = step[k];
    }
    return best;
}
