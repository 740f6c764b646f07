#ifndef LT_IO_MANIFEST_H
#define LT_IO_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/shard.h"

/* The list of what a job has finished, in memory and as text. No files here: io/job.h
 * reads and commits them. All parse functions take any bytes and never fail on them:
 * what does not verify is counted and left out.
 *
 * Text: JSON lines. Every line ends in ,"sum":"<16 hex digits>"} : XXH3-64 of the bytes
 * of the line before that. The first line is the head; see docs/formats.md. */

enum {
    LT_LINE_MAX = 4096, /* bytes of a line, the newline included; longer is damage */
    LT_STAGE_MAX = 32,  /* bytes of a stage name, terminator included: [a-z0-9_-] */
    LT_FILE_MAX = 256,  /* bytes of a file name, terminator included; relative, below
                            the job folder, [A-Za-z0-9._/-], no "." or ".." part */
    LT_MAX_STAGES = 64, /* different stage names in a job */
    LT_MAX_RECORDS = 1 << 24
};

#define LT_NO_STEP (-1)

/* What a job is; the head of manifest and journal, and the root attributes of index.h5.
 * Hashes are SHA-256 in 64 hex digits, "" when unknown. */
typedef struct lt_job_identity {
    char config_sha256[65];
    char input_sha256[65];
    char model_sha256[65];
    char tool_version[32]; /* of the program that made the job */
    int64_t created;       /* seconds since 1970 UTC, set once: bytes stay stable */
    int64_t seed;
} lt_job_identity;

/* A finished unit. A unit has at most one file; without one, file is "" and the stamp
 * is zero. Units of a stage are numbered from 0, all stages of a job by their own count
 * (segments, blocks, ...). */
typedef struct lt_record {
    const char *stage; /* in a manifest: owned by it, as long as the record */
    int64_t unit;      /* >= 0 */
    int64_t step;      /* LT_NO_STEP, or >= 0 for a state within a denoise */
    const char *file;  /* relative to the job folder: "shards/seg-00000.b000.state..." */
    lt_stamp stamp;
    int64_t first_frame; /* >= 0, in the output's count */
    int64_t n_frames;    /* >= 0; 0: no frames of its own */
    int64_t n_rows;      /* rows of a ragged dataset (match), else 0 */
    int64_t pts_first;   /* source time base */
    int64_t pts_last;
} lt_record;

/* How things stand with a unit. */
typedef enum lt_unit_state {
    LT_UNIT_TODO = 0,   /* no record, or lost */
    LT_UNIT_DONE = 1,   /* recorded, the file is there with the right size */
    LT_UNIT_DROPPED = 2 /* was done; its file was thrown away on purpose (run.keep) */
} lt_unit_state;

/* What a journal line does to the list. */
typedef enum lt_op {
    LT_OP_ADD = 0,   /* the unit is done: replaces an older record of the same key */
    LT_OP_DROP = 1,  /* its file is thrown away, the unit counts as dropped */
    LT_OP_REMOVE = 2 /* forget the unit: old state, lost or damaged file, redo */
} lt_op;

typedef struct lt_manifest lt_manifest;

LT_NODISCARD lt_status lt_manifest_new(lt_manifest **m);
void lt_manifest_free(lt_manifest **m); /* accepts NULL, sets *m to NULL */

/* Apply an operation; r is copied (DROP and REMOVE use only its key). Dropping or
 * removing what is not there is no error. The change is made whole or not at all.
 * Errors: ARG (a field outside its range), NOMEM. */
LT_NODISCARD lt_status lt_manifest_apply(lt_manifest *m, lt_op op, const lt_record *r);

/* Find a record in constant time; NULL when there is none. Dropped ones are found by
 * lt_manifest_state only. The pointer is good until the next change of that key. */
const lt_record *lt_manifest_find(const lt_manifest *m, const char *stage, int64_t unit,
                                  int64_t step);
lt_unit_state lt_manifest_state(const lt_manifest *m, const char *stage, int64_t unit,
                                int64_t step);

/* The steps recorded (not dropped) for a unit, ascending, at most cap of them; returns
 * how many there are. */
int64_t lt_manifest_steps(const lt_manifest *m, const char *stage, int64_t unit,
                          int64_t *steps, int64_t cap);

/* Records that are not dropped, of one stage or (NULL) of all. */
int64_t lt_manifest_count(const lt_manifest *m, const char *stage);

/* All records that are not dropped, of one stage or (NULL) of all, sorted by stage name,
 * unit, step. *list is the caller's (free); the records stay the manifest's.
 * Errors: NOMEM. */
LT_NODISCARD lt_status lt_manifest_list(const lt_manifest *m, const char *stage,
                                        const lt_record ***list, int64_t *n);

/* Bytes of memory held. */
size_t lt_manifest_memory(const lt_manifest *m);

/* ---- text ------------------------------------------------------------------------- */

/* The first line of a manifest or journal. */
typedef struct lt_manifest_head {
    int64_t version; /* of the format; LT_MANIFEST_VERSION here */
    int64_t seq;     /* number of the last operation contained (journal: before it) */
    int64_t records; /* lines that follow (manifest); 0 in a journal */
    char parent[33]; /* XXH3-128 of the manifest before, 32 hex digits, or "" */
    lt_job_identity id;
} lt_manifest_head;

enum { LT_MANIFEST_VERSION = 1 };

/* What reading a text found. */
typedef struct lt_manifest_report {
    int head_ok;           /* the first line is a sound head (of whatever version) */
    int whole;             /* nothing missing, nothing damaged */
    int64_t lines_kept;    /* records or operations taken */
    int64_t lines_damaged; /* lines left out */
    int64_t first_damaged; /* number of the first of these, from 1; 0 = none */
    int64_t missing;       /* operations whose numbers are missing (journal) */
    int64_t torn_bytes;    /* unfinished last line of a killed writer, left out; no
                              damage. Only for a journal */
    int unended;           /* the last line was taken, but has no newline (journal) */
    int64_t last_seq;      /* highest operation number seen */
} lt_manifest_report;

/* Read a manifest text into m (new and empty): records that verify are taken.
 * *head is written when report->head_ok. A text of another version is not taken.
 * Errors: NOMEM only. */
LT_NODISCARD lt_status lt_manifest_parse(lt_manifest *m, const char *text, size_t bytes,
                                         lt_manifest_head *head,
                                         lt_manifest_report *report);

/* Replay a journal text on m: operations with a number above after_seq, in order.
 * Errors: NOMEM only. */
LT_NODISCARD lt_status lt_journal_parse(lt_manifest *m, const char *text, size_t bytes,
                                        int64_t after_seq, lt_manifest_head *head,
                                        lt_manifest_report *report);

/* The whole manifest as text, sorted, the same list giving the same bytes; head->records
 * is filled in. *text is the caller's (free). Errors: NOMEM. */
LT_NODISCARD lt_status lt_manifest_format(const lt_manifest *m,
                                          const lt_manifest_head *head, char **text,
                                          size_t *bytes);

/* One line with its newline into buf (LT_LINE_MAX bytes); returns its length, 0 when a
 * field is outside its range. */
size_t lt_head_line(char *buf, const lt_manifest_head *head, int journal);
size_t lt_journal_line(char *buf, int64_t seq, lt_op op, const lt_record *r);

/* Is a name fit for a record? */
int lt_stage_name_ok(const char *stage);
int lt_file_name_ok(const char *file);

#endif
