#ifndef LT_APP_REQUEST_H
#define LT_APP_REQUEST_H

#include "app/app.h"

/* What a command line asks for: a complete configuration, the same on every rank. */
typedef struct lt_request {
    lt_config cfg;
    lt_facts facts;            /* of a resolved job.yaml; empty otherwise              */
    char job_dir[LT_PATH_MAX]; /* absolute; "" when neither --job nor an output is set */
} lt_request;

/* Collective. Defaults, then the job file (an operand), then options and --set in the
 * order given; then the default names of output and job folder. Rank 0 reads, the others
 * are told, so that nothing depends on their working folders.
 *   preview  1: the output stays empty (-o means the picture)
 * The caller frees.  Errors: those of config.h. */
LT_NODISCARD lt_status lt_request_make(lt_app *app, int preview, lt_request *request);

/* Collective. The same from the job.yaml of a job folder, --threads laid over it.
 * Errors: those of lt_job_open, lt_job_config and config.h. */
LT_NODISCARD lt_status lt_request_of_folder(lt_app *app, const char *folder,
                                            lt_request *request);

/* The status of a run of this request: memory that does not suffice under run.memory is
 * CONFIG (the pool's message names the key), every other status is itself. */
lt_status lt_request_status(const lt_request *request, lt_status st);

void lt_request_free(lt_request *request); /* accepts a zeroed one */

/* What an edit did. */
typedef struct lt_edit_summary {
    int64_t n_frames, n_clips, n_segments, bytes_gathered;
    int resumed; /* the folder had a job before */
} lt_edit_summary;

/* Collective. Make or continue the job of a request: `longtake edit` without its output
 * (cmd_edit.c). The job's log file stays open until lt_log_drop_file.
 *   resume_only  1: the folder must exist
 * Errors: those of lt_run_open and of the stages; STOPPED. */
LT_NODISCARD lt_status lt_app_edit(lt_app *app, const lt_request *request,
                                   int resume_only, lt_edit_summary *summary);

#endif
