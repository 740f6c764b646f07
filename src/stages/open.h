#ifndef LT_STAGES_OPEN_H
#define LT_STAGES_OPEN_H

#include "stages/run.h"

/* From a configuration to a run: find the CPU path, look at the video, load the model,
 * make or continue the job folder. */

typedef struct lt_run_env {
    lt_comm *comm;
    lt_log *log;
    lt_progress *progress;
    const lt_stop *stop;
    lt_job_owner owner;
    const char *tool_version;  /* "0.1.0 (git 1a2b3c4)" */
    char libraries[512];       /* "FFmpeg 5.1, HDF5 1.10.8"; "" = not said */
    int fresh;                 /* --fresh */
    int resume_only;           /* `resume DIR`: the folder must exist */
    int allow_path_change;     /* --allow-path-change */
    int no_job;                /* plan, preview: touch no job folder */
    int hold_isa;              /* 1: hold oneDNN to the job's CPU path; see
                                * lt_kernels_limit_isa: for programs that run one job */
    lt_model_parts parts;      /* 0 = all */
    char job_dir[LT_PATH_MAX]; /* absolute; unused with no_job */
} lt_run_env;

/* Collective. cfg is complete (paths absolute, lt_config_check passed), equal on all
 * ranks, and is borrowed until lt_run_close; env is copied.
 *
 * When the folder has a job already, the stored configuration is compared: a key that
 * affects the result refuses the run (CONFIG, naming key, old and new value, and
 * --fresh); one that affects encoding throws the encoded parts away; other input or model
 * (by SHA-256) is refused likewise, and another CPU path without allow_path_change.
 * facts: section `job` of the file the configuration came from (NULL: none); hashes in
 * it must agree with what is found.
 *
 * What is checked on the way: input and mask (NOINPUT, DATA), model (NOINPUT, DATA), output
 * (CONFIG, CANTCREAT), disk space (CANTCREAT when known beforehand to be too small),
 * locks (CANTCREAT). Damaged units are found and forgotten (lt_run_verify).
 * *run is the caller's: lt_run_close. */
LT_NODISCARD lt_status lt_run_open(const lt_config *cfg, const lt_facts *facts,
                                   const lt_run_env *env, lt_run **run);

/* Collective. Write index.h5, fold the journal, release the lock, free. Accepts NULL.
 * The status is that of the folder's last writes. */
LT_NODISCARD lt_status lt_run_close(lt_run **run);

/* Free a run after a failure: nothing is written but what the journal already has, the
 * lock is released. Not collective. Accepts NULL. */
void lt_run_discard(lt_run **run);

/* The prompts a method needs (NULL text = skip): fills r->text. Warns about prompts that
 * were cut at 77 tokens, saying what was cut. */
LT_NODISCARD lt_status lt_run_encode_texts(lt_run *r, int with_empty);

#endif
