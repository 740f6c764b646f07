#ifndef LT_REPORT_PAGE_H
#define LT_REPORT_PAGE_H

#include <stdio.h>

#include "report/report.h"
#include "stages/contents.h"

/* Parts of the page: each function writes one <section> to f, or a sentence that says
 * why it is empty. Failures of the stream are looked at once, at the end. */

extern const char lt_page_style[]; /* its CSS */

typedef struct lt_page {
    const lt_report_args *a;
    lt_contents c;
    FILE *f;
} lt_page;

/* Text with <, >, &, " and ' made harmless. */
void lt_page_text(FILE *f, const char *text);

/* "data:<mime>;base64,..." */
void lt_page_data_uri(FILE *f, const char *mime, const void *data, size_t bytes);

/* A word of a shell command, in quotes. */
void lt_page_word(FILE *f, const char *word);

/* A sentence in place of a part. */
void lt_page_note(const lt_page *p, const char *text);

/* Print a part that may fail. Memory, disk and I/O stay failures; after anything else (a
 * film that has moved, say) a note stands in place of the whole part, and a warning
 * "<what>: <why>" is logged. */
typedef lt_status lt_page_part_fn(lt_page *p);
LT_NODISCARD lt_status lt_page_part(const lt_page *p, lt_page_part_fn *print,
                                    const char *what);

/* One row of a two-column table; value is plain text. */
void lt_page_row(const lt_page *p, const char *name, const char *value);

/* Side by side as a film, and a sheet of single frames: source above edit; of a job that
 * is not finished the source alone.
 * Errors: NOMEM, IO; films that cannot be read are a note. */
LT_NODISCARD lt_status lt_page_films(lt_page *p);

/* The user's mask over single frames; nothing without one. */
LT_NODISCARD lt_status lt_page_mask(const lt_page *p);

/* Units done of every stage, of a job that is not finished. */
void lt_page_progress(const lt_page *p);

/* Clips, keyframes and similarity curves along the film. */
void lt_page_timeline(const lt_page *p);

/* Token correspondences, and the tokens that slimming kept, of a few segments.
 * Errors: NOMEM; shards that cannot be read are a note. */
LT_NODISCARD lt_status lt_page_tokens(lt_page *p);

/* Seconds and memory of every stage and rank, from log/metrics.jsonl. */
LT_NODISCARD lt_status lt_page_times(lt_page *p);

/* report/eval.json of the job folder, when there is one, with the curves of
 * report/curves.csv (`longtake eval --job`). */
LT_NODISCARD lt_status lt_page_figures(lt_page *p);
LT_NODISCARD lt_status lt_page_curves(lt_page *p);

/* Command, settings that are not the defaults, versions, hashes. */
LT_NODISCARD lt_status lt_page_origin(const lt_page *p);

#endif
