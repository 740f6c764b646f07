#ifndef LT_STAGES_RUN_H
#define LT_STAGES_RUN_H

#include "comm/comm.h"
#include "core/config.h"
#include "core/log.h"
#include "core/metrics_log.h"
#include "core/progress.h"
#include "core/stop.h"
#include "io/job.h"
#include "io/mask.h"
#include "io/media.h"
#include "models/model.h"
#include "stages/layout.h"

/* One edit on one rank: everything the stages share. Opened by lt_run_open, used by the
 * methods; every rank holds one, and all functions marked Collective are called by all
 * ranks in the same order.
 *
 * A stage is a pure function of video, options, seed and model over units; its results
 * go to shards of the job folder and are read back from there, so that a resumed run
 * sees the same numbers. This file owns what stages have in common: committing units,
 * checking what is there, stopping, progress. */

enum { LT_GROUP_FRAMES = 16 }; /* frames of a unit of the stages before clips are known */

/* Texts of a job, encoded once; NULL where the method does not need it. */
typedef struct lt_run_texts {
    lt_unet_context *empty, *source, *negative, *edit;
} lt_run_texts;

typedef struct lt_run {
    /* borrowed from the caller of lt_run_open */
    const lt_config *cfg;
    lt_comm *comm;
    lt_log *log;
    lt_progress *progress;
    const lt_stop *stop;

    int rank, size;
    lt_exec x;
    lt_cpu_path path;
    lt_model *model;
    lt_run_texts text;

    lt_media_info info;
    lt_media_frames frames;
    lt_media_size work; /* frames at work: content and padding */
    lt_mask_info mask;  /* kind NONE: all of a frame is edited */
    int64_t n_frames;
    int64_t h, w, c; /* of the latents */
    lt_cell cell;    /* how latents are stored */

    lt_job *job;             /* NULL in plan and preview */
    lt_metrics_log *metrics; /* rank 0 */
    char *config_text;       /* the resolved job.yaml */
    int stop_wanted; /* some rank was asked to stop; equal on all ranks after a commit */
    int features_warned; /* said once that run.temp cannot be written */

    lt_layout layout; /* after the clips are known; n_clips = 0 before */
    float *similarity_mean, *similarity_region; /* [n_frames], NULL unless adaptive */
    int64_t bytes_gathered;                     /* by this rank in joint attention */
    int64_t n_edit_units_before;                /* steps done before this run */
} lt_run;

/* Frames of group g. */
int64_t lt_run_n_groups(const lt_run *r);
int64_t lt_run_group_first(int64_t group);
int64_t lt_run_group_n(const lt_run *r, int64_t group);

/* ---- finishing units --------------------------------------------------------------- */

/* A finished unit of this rank: what lt_run_commit records. */
typedef struct lt_done {
    char stage[LT_STAGE_MAX];
    char file[LT_FILE_MAX]; /* "" = no file */
    int64_t unit, step;     /* step: LT_NO_STEP, or of a state */
    lt_stamp stamp;
    int64_t first_frame, n_frames, n_rows;
    int64_t segment; /* for the metrics, -1 = none */
    double seconds;
    int64_t bytes_read, bytes_written, bytes_gathered;
    int counts; /* 1: a unit of work for the progress; 0: a state in between */
} lt_done;

/* Collective. End of a round: every rank gives its outcome and the units it finished
 * (n = 0 when it had none). A failure of any rank becomes the failure of all. Rank 0
 * writes the journal, all learn of the records, metrics and progress move on, and
 * r->stop_wanted is brought up to date.  Errors: `local`, IO, NOSPACE, NOMEM, COMM. */
LT_NODISCARD lt_status lt_run_commit(lt_run *r, lt_status local, const lt_done *done,
                                     int64_t n);

/* Collective. Forget units (their files are deleted): `drop` = kept as done without a
 * file (run.keep), else to be redone. All ranks give the same list. */
LT_NODISCARD lt_status lt_run_forget(lt_run *r, const lt_record *list, int64_t n,
                                     int drop);

/* Collective. Forget the states of these units (records of `stage` with a step) that are
 * older than step `below`, INT64_MAX: all of them. One journal write for all.
 * All ranks give the same arguments. */
LT_NODISCARD lt_status lt_run_forget_states(lt_run *r, const char *stage,
                                            const int64_t *unit, int64_t n,
                                            int64_t below);

/* LT_ERR_STOPPED with the message for the user when a stop is wanted, else LT_OK. */
LT_NODISCARD lt_status lt_run_check_stop(const lt_run *r);

/* Collective. Re-hash everything the job has stored; what is damaged or missing is
 * forgotten, with a warning that names it, and so redone. */
LT_NODISCARD lt_status lt_run_verify(lt_run *r);

/* ---- stages of independent units --------------------------------------------------- */

typedef struct lt_unit_stage {
    const char *name; /* record name and test point */
    int64_t first, n; /* units first .. first + n - 1 of the job */
    int blocks;       /* 1: they are blocks, the longest come first */
    /* Compute unit `unit`, put its shard in place, fill *done (zeroed, stage and unit
     * set by the runner). Not collective. */
    lt_status (*run)(lt_run *r, void *ctx, int64_t unit, lt_done *done);
    void *ctx;
} lt_unit_stage;

/* The progress shows a stage whose units are the blocks of the job from here on. */
void lt_run_progress_blocks(lt_run *r, const char *stage);

/* Collective. Run the units that are not done, one a rank and round; stops between
 * rounds when asked to.  Errors: STOPPED, those of run. */
LT_NODISCARD lt_status lt_run_units(lt_run *r, const lt_unit_stage *s);

/* Seconds since some fixed point, for lt_done.seconds only: never part of a result. */
double lt_run_clock(void);

/* ---- helpers of stages ------------------------------------------------------------- */

/* Read a box of a float dataset of a finished unit into t (dense f32, the box's count);
 * bytes_read (may be NULL) grows by the payload. start = NULL: the whole dataset.
 * Errors: those of lt_job_shard and lt_shard_read. */
LT_NODISCARD lt_status lt_run_read_f32(lt_run *r, const char *stage, int64_t unit,
                                       int64_t step, const char *dataset,
                                       const int64_t *start, const int64_t *count,
                                       float *data, int64_t *bytes_read);

/* Commit a writer as a shard of the job: name it, put it in place, fill file, stamp and
 * bytes_written of *done. segment, block, kind, step: see lt_job_shard_name. */
LT_NODISCARD lt_status lt_run_put_shard(lt_run *r, lt_shard_writer *w, int64_t segment,
                                        int64_t block, const char *kind, int64_t step,
                                        lt_done *done);

#endif
