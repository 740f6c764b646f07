#ifndef LT_IO_JOB_H
#define LT_IO_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/manifest.h"
#include "io/shard.h"

/* The job folder: layout, lock, commit, resume (design.md section 3, docs/formats.md).
 *
 * Rank 0 opens it for writing and alone changes journal, manifest, job.yaml and
 * index.h5. Other ranks open it for reading after rank 0 has it open, commit shards of
 * their own (lt_shard_commit), send the record to rank 0, and hear of records by
 * lt_job_learn. Not collective; one thread at a time. */

typedef struct lt_job lt_job;

typedef enum lt_job_mode {
    LT_JOB_READ =
        0, /* must exist; no lock, changes nothing (status, verify, ranks > 0) */
    LT_JOB_WRITE = 1,  /* make it, or continue it when it exists */
    LT_JOB_RESUME = 2, /* must exist, continue it */
    LT_JOB_FRESH = 3   /* make it; throw away the work of one that exists */
} lt_job_mode;

/* Who holds the folder, beside host, process and process start time. */
typedef struct lt_job_owner {
    const char *slurm_job; /* SLURM_JOB_ID or NULL */
    int64_t slurm_restart; /* SLURM_RESTART_COUNT, 0 when unset: a requeued job takes
                              over the lock of its own earlier run on any host */
} lt_job_owner;

typedef struct lt_job_options {
    lt_job_mode mode;
    lt_job_owner owner;              /* not used for READ */
    const lt_job_identity *identity; /* of a folder that is made; NULL for READ, RESUME */
    const char *config;              /* text of its job.yaml; NULL for READ, RESUME */
} lt_job_options;

/* What was found on opening; counts are 0 in a sound folder. */
typedef struct lt_job_found {
    int is_new;            /* the folder was made now (or thrown away: FRESH) */
    int used_prev;         /* the manifest was damaged: manifest.jsonl.prev + journal */
    int took_over;         /* a stale lock was taken over */
    int64_t lines_damaged; /* of manifest and journal, left out */
    int64_t torn_bytes;    /* of the journal's last line */
    int64_t swept; /* leftover files removed: temporaries, shards without record */
} lt_job_found;

/* Open the folder `path` (made with its parents). WRITE, RESUME and FRESH take the lock,
 * mend what a killed run or a bad disk left in journal and manifest, and remove
 * leftovers of a killed run; so no other rank may write before this returns. FRESH
 * deletes only files that a record names or that have our names. On success *job is the
 * caller's: lt_job_close.
 * Errors: NOINPUT (READ, RESUME: no such folder, no job in it), CANTCREAT (another run
 * holds it, named in the message; not a job folder and not empty; cannot be made), DATA
 * (another format version; no sound head left), IO, NOSPACE, NOMEM, ARG. */
LT_NODISCARD lt_status lt_job_open(lt_job **job, const char *path,
                                   const lt_job_options *options);

/* Fold the journal when there is one, release the lock, free. *job becomes NULL in any
 * case; accepts NULL. Errors: of lt_job_fold: nothing is lost, the journal has it. */
lt_status lt_job_close(lt_job **job);

const lt_job_found *lt_job_found_of(const lt_job *job);
const lt_job_identity *lt_job_identity_of(const lt_job *job);
const lt_manifest *lt_job_manifest(const lt_job *job);
const char *lt_job_path(const lt_job *job);

/* `<job>/<file>` into buf (PATH_MAX bytes fit always). Errors: ARG (too long). */
LT_NODISCARD lt_status lt_job_file(const lt_job *job, const char *file, char *buf,
                                   size_t cap);

/* Names of files, relative: "shards/seg-00012.b003.inversion.h5"; with a step >= 0
 * "shards/seg-00012.b003.state.0010.h5"; with block < 0 "shards/seg-00012.final.h5".
 * kind: [a-z0-9-]. Names of other forms are not swept. buf has LT_FILE_MAX bytes.
 * Errors: ARG. */
LT_NODISCARD lt_status lt_job_shard_name(char *buf, int64_t segment, int64_t block,
                                         const char *kind, int64_t step);

/* ---- configuration ---------------------------------------------------------------- */

/* The stored job.yaml, checked; *text (terminated) is the caller's.
 * Errors: NOINPUT, DATA (damaged), IO, NOMEM. */
LT_NODISCARD lt_status lt_job_config(lt_job *job, char **text);

/* Replace job.yaml, after a change that is allowed. identity = NULL: as it was.
 * Errors: IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_job_set_config(lt_job *job, const char *text,
                                         const lt_job_identity *identity);

/* ---- units ------------------------------------------------------------------------ */

/* The stages "config" (job.yaml) and "index" (index.h5) are the folder's own.
 *
 * Record n finished units; their files are in place (committed). One journal write and
 * one fsync for all. After LT_OK they survive anything; after a failure none of them is
 * recorded. Another file that a unit had before is deleted. No two units share a file.
 * Crash points with the tag "stage:unit" of the first record: "journal_before",
 * "journal_during" (half a line), "journal_after".
 * Errors: ARG (a bad field), IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_job_commit(lt_job *job, const lt_record *records, int64_t n);

/* Tell a job that is open for reading what rank 0 has done (memory only). */
LT_NODISCARD lt_status lt_job_learn(lt_job *job, lt_op op, const lt_record *record);

/* How a unit stands: recorded, and its file there with the right size (looked at once).
 * A file that is not there is taken as lost: this job forgets the record, and the unit
 * is to be done again. */
lt_unit_state lt_job_unit(lt_job *job, const char *stage, int64_t unit, int64_t step);
int lt_job_done(lt_job *job, const char *stage, int64_t unit, int64_t step);

/* The record of a unit, NULL when there is none; the file is not looked at. */
const lt_record *lt_job_record(const lt_job *job, const char *stage, int64_t unit,
                               int64_t step);

/* Check a unit's file against its hash, once per process. When it is missing or damaged
 * the unit is taken as lost: DATA, and it is to be done again. *verified (may be NULL)
 * grows by the bytes read.
 * Errors: NOINPUT (not recorded), DATA (lost), IO. */
LT_NODISCARD lt_status lt_job_check(lt_job *job, const char *stage, int64_t unit,
                                    int64_t step, int64_t *verified);

/* lt_job_check and open the shard. */
LT_NODISCARD lt_status lt_job_shard(lt_job *job, const char *stage, int64_t unit,
                                    int64_t step, lt_shard_reader **reader);

/* Forget units so that they are redone, and delete their files (redo, lost). */
LT_NODISCARD lt_status lt_job_remove(lt_job *job, const lt_record *records, int64_t n);

/* Delete the files of finished units on purpose (run.keep): they count as dropped.
 * For both: only the key of a record is used; the journal is written first, so a kill in
 * between leaves a file without a record, which the next open removes.
 * Errors: IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_job_drop(lt_job *job, const lt_record *records, int64_t n);

/* The newest step whose state all n units have done, LT_NO_STEP when there is none. A
 * unit whose file is missing does not have it. */
int64_t lt_job_state_step(lt_job *job, const char *stage, const int64_t *units,
                          int64_t n);

/* Fold the journal into a new manifest now (end of a stage, a stop). It also happens by
 * itself every 4,096 journal lines. Errors: IO, NOSPACE, NOMEM: nothing is lost. */
LT_NODISCARD lt_status lt_job_fold(lt_job *job);

/* ---- verify ----------------------------------------------------------------------- */

typedef enum lt_verify_kind {
    LT_VERIFY_OK = 0,      /* file is whole */
    LT_VERIFY_MISSING = 1, /* damage: recorded, not there */
    LT_VERIFY_DAMAGED =
        2,              /* damage: other size or content, or lines that do not verify */
    LT_VERIFY_STRAY = 3 /* no damage: a file of ours without a record */
} lt_verify_kind;

/* file: relative to the folder; record: NULL for files that have none; message: one line
 * without the file name. Return 0 to go on, anything else to stop. */
typedef int lt_verify_fn(void *ctx, lt_verify_kind kind, const char *file,
                         const lt_record *record, const char *message);

/* Re-read and re-hash everything that is stored: manifests, journal, job.yaml, index.h5,
 * every recorded file. fn is called for every file, sorted. *damaged counts MISSING and
 * DAMAGED. Nothing is changed and nothing taken as lost. Errors: IO, NOMEM, STOPPED (fn
 * said so). */
LT_NODISCARD lt_status lt_job_verify(lt_job *job, lt_verify_fn *fn, void *ctx,
                                     int64_t *damaged, int64_t *bytes);

#endif
