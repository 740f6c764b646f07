#ifndef LT_APP_SUITE_H
#define LT_APP_SUITE_H

#include "app/app.h"

/* Suites: many edits that are made, judged and resumed as a whole. docs/formats.md has
 * the list and the folder. */

/* Read a list into entries: an array of objects, one an edit, with every key that the
 * list may have (what is not given is "", 0, false or empty), absolute paths, names that
 * differ, and what the command line says (--model, --method, --set) laid over them.
 * --only leaves those whose name, variant included, it matches (a pattern as of fnmatch).
 *   path   a LIST.json, or a folder in the layout of LongV-EVAL or FiVE-Bench
 * *entries is the caller's. Errors: NOINPUT, DATA (no JSON, or no such layout), CONFIG
 * (unknown key, wrong type, names), USAGE (--only matches nothing), IO, NOMEM. */
LT_NODISCARD lt_status lt_suite_list_read(const char *path, const lt_cli *cli,
                                          json_t **entries);

/* A folder of a public suite as a list of that form (before defaults). Recognised by its
 * content:
 *   LongV-EVAL  videos/NAME.mp4 and foreground/, background/, style/NAME.txt: one prompt
 *               a file, its quotes taken off
 *   FiVE-Bench  edit_prompt/<name>.json, videos/NAME.mp4 and, where there are any,
 *               masks in bmasks/NAME/: here or in data/. Prompts lose their [ and ]
 * *list is the caller's. Errors: DATA (neither; a file of it that is not as it should
 * be), IO, NOMEM. */
LT_NODISCARD lt_status lt_suite_layout_read(const char *folder, json_t **list);

/* Masks as FiVE-Bench has them: when `folder` holds JPEG pictures, write their grey as
 * PNG into the folder `out` (made when missing), for the mask reader; *made says whether.
 * Pictures that are there already stay. Errors: DATA (a picture), CANTCREAT, NOSPACE, IO,
 * NOMEM, UNSUPPORTED (a build without media). */
LT_NODISCARD lt_status lt_suite_masks(const char *folder, const char *out, int *made);

/* Collective. `longtake eval --suite`: everything that is not done yet, in the order of
 * the list. A failed entry is noted in the CSV and does not keep the others from their
 * turn; at the end the first failure is the suite's. Errors: those of lt_suite_list_read,
 * CANTCREAT (the folder; another run has it), STOPPED, NOSPACE, those of the entries. */
LT_NODISCARD lt_status lt_suite_run(lt_app *app);

#endif
