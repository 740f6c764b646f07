#ifndef LT_REPORT_REPORT_H
#define LT_REPORT_REPORT_H

#include <stddef.h>

#include "core/config.h"
#include "core/log.h"
#include "io/job.h"

/* One HTML page about a job: what was asked, source above edit, a clip side by side,
 * clips and keyframes, correspondences, time and memory, figures of `longtake eval`,
 * command and versions.
 *
 * The page is one file: pictures, film and drawings stand in it, nothing is fetched from
 * anywhere, no script runs. It shows what there is: of a job that is not finished the
 * stages so far. The same job gives the same page. */

typedef struct lt_report_args {
    lt_job *job; /* open, for reading at least */
    const lt_config *cfg;
    const lt_facts *facts; /* cfg and facts: those of its job.yaml */
    const char *command;   /* argv[0] to show in commands: "longtake" */
    lt_log *log;           /* warnings about parts that cannot be shown */
} lt_report_args;

/* Make the page; *html (with a zero byte behind the end) is the caller's (free). A part
 * whose files are gone (the source moved, say) is left out and says so on the page.
 * Errors: DATA, IO (the job itself cannot be read), NOMEM. */
LT_NODISCARD lt_status lt_report_make(const lt_report_args *a, char **html,
                                      size_t *bytes);

/* Files for other pages, of a job that is finished; equal jobs give equal bytes.
 * film: source and edit side by side, the whole length, silent, each at most 956 pixels
 * wide (.mp4, .mov, .mkv). sheet: 8 frames from the first to the last, the source above
 * the edit, each at most 160 pixels wide (.jpg, .png).
 * Errors: NOINPUT (not finished; a film is gone), DATA (the films have different
 * numbers of frames), USAGE (no such kind of file), CANTCREAT, NOSPACE, IO, NOMEM. */
LT_NODISCARD lt_status lt_report_film(const lt_report_args *a, const char *path);
LT_NODISCARD lt_status lt_report_sheet(const lt_report_args *a, const char *path);

#endif
