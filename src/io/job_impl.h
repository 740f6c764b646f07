#ifndef LT_IO_JOB_IMPL_H
#define LT_IO_JOB_IMPL_H

#include "core/options.h"
#include "io/job.h"
#include "io/manifest_impl.h"

/* What the job_*.c files share. Not for other rooms. */

#define LT_JOB_MANIFEST "manifest.jsonl"
#define LT_JOB_PREV     "manifest.jsonl.prev"
#define LT_JOB_NEW      "manifest.jsonl.new"
#define LT_JOB_JOURNAL  "journal.jsonl"
#define LT_JOB_CONFIG   "job.yaml"
#define LT_JOB_INDEX    "index.h5"
#define LT_JOB_LOCK     "lock"

struct lt_job {
    char path[LT_PATH_MAX]; /* absolute */
    lt_job_mode mode;
    lt_job_found found;
    lt_job_identity id;
    lt_manifest *m;
    int64_t seq;      /* number of the last operation */
    int64_t main_seq; /* last operation in manifest.jsonl; -1: not there or not whole */
    int64_t prev_seq; /* the same for manifest.jsonl.prev */
    int from_start;   /* the journal goes back to the first operation */
    char main_hash[33];
    int needs_mending;     /* damage was found: fold before work begins */
    int broken;            /* memory and journal may disagree: no more commits */
    int journal_fd;        /* -1 with READ */
    int64_t journal_bytes; /* length that is known to be good */
    int64_t journal_lines; /* operations since the last fold */
    int lock_fd;
};

/* A failure of a call that wrote `path`, from errno. */
lt_status lt_job_write_failed(const char *what, const char *path, int err);

/* ---- job_lock.c ------------------------------------------------------------------- */

/* Take the lock of a folder. *took_over: it was stale. Errors: CANTCREAT (held), IO. */
LT_NODISCARD lt_status lt_job_lock(const char *folder, const lt_job_owner *owner, int *fd,
                                   int *took_over);
void lt_job_unlock(int *fd); /* also without a lock (-1) */

/* ---- job_log.c: manifest and journal on disk -------------------------------------- */

/* Is there a sound head in manifest, .prev or journal? *any: one of the files exists. */
LT_NODISCARD lt_status lt_joblog_peek(const char *folder, int *any, int *sound);

/* Read manifest and journal into job->m, id, seq and found. Errors: DATA (no sound head,
 * another version), IO, NOMEM. */
LT_NODISCARD lt_status lt_joblog_load(lt_job *job);

/* Empty journal and manifest for job->id, over what there is. */
LT_NODISCARD lt_status lt_joblog_create(lt_job *job);

/* Open the journal for lt_joblog_append, cutting a torn line. */
LT_NODISCARD lt_status lt_joblog_open(lt_job *job);

/* Write n operations with one fsync, then apply them. */
LT_NODISCARD lt_status lt_joblog_append(lt_job *job, lt_op op, const lt_record *r,
                                        int64_t n);

LT_NODISCARD lt_status lt_joblog_fold(lt_job *job);

/* ---- job_sweep.c ------------------------------------------------------------------ */

/* What a folder is, by the names in it. */
typedef enum lt_folder_kind {
    LT_FOLDER_ABSENT,
    LT_FOLDER_EMPTY,  /* or a job that was killed while it was being made */
    LT_FOLDER_JOB,    /* has a sound head */
    LT_FOLDER_RUINED, /* only names of ours, no sound head left */
    LT_FOLDER_FOREIGN /* other people's files, or no folder at all */
} lt_folder_kind;
LT_NODISCARD lt_status lt_folder_classify(const char *folder, lt_folder_kind *kind);

/* Call fn for every file of shards/ and video/ that has one of our names and no record;
 * rel is relative to the folder. fn's failure ends the walk. */
typedef lt_status lt_stray_fn(void *ctx, const char *rel);
LT_NODISCARD lt_status lt_job_strays(lt_job *job, lt_stray_fn *fn, void *ctx);

/* Remove temporaries and strays; counts in job->found.swept. */
LT_NODISCARD lt_status lt_job_sweep(lt_job *job);

/* Remove logs, reports, index and configuration (FRESH). */
LT_NODISCARD lt_status lt_job_sweep_all(lt_job *job);

#endif
