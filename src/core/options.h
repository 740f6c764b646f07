#ifndef LT_CORE_OPTIONS_H
#define LT_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Typed options: one row says how a value is read, checked, printed, compared and
 * explained, so that parser, help text, reference file and hash cannot disagree. */

enum {
    LT_PATH_MAX = 4096,  /* bytes of a path option, terminator included   */
    LT_TEXT_MAX = 4096,  /* bytes of a string option, terminator included */
    LT_INTS_MAX = 100000 /* entries of a list option                      */
};

typedef enum lt_option_type {
    LT_OPT_BOOL,  /* bool                                                       */
    LT_OPT_INT,   /* int64_t in [imin, imax]                                    */
    LT_OPT_FLOAT, /* double in [fmin, fmax]                                     */
    LT_OPT_TEXT,  /* char[LT_TEXT_MAX], UTF-8                                   */
    LT_OPT_PATH,  /* char[LT_PATH_MAX], UTF-8; "" = none, else absolute; a text
                   * that begins with a word of `choices` is none and stays     */
    LT_OPT_ENUM,  /* int, index into choices                                    */
    LT_OPT_TIME,  /* int64_t nanoseconds, LT_TIME_NONE = none (text "")         */
    LT_OPT_BYTES, /* int64_t bytes in [imin, imax]                              */
    LT_OPT_INTS,  /* lt_ints, every entry in [imin, imax]                       */
    LT_OPT_FILES  /* char[LT_TEXT_MAX], a line a file, each made absolute like a
                   * PATH; what an entry holds behind the path (":0.8") stays   */
} lt_option_type;

/* What a change of the value touches in a job that has already begun. */
typedef enum lt_affects {
    LT_AFFECTS_NOTHING, /* the job simply goes on                                     */
    LT_AFFECTS_ENCODE,  /* only encoding is redone                                    */
    LT_AFFECTS_RESULT,  /* refused: another result (part of the configuration's hash) */
    LT_AFFECTS_APART    /* the result, but judged by something else than this text:
                         * the content of a file, or the CPU path the job has frozen.
                         * Not in the hash; the job keeps that other thing itself     */
} lt_affects;

/* An owned list of whole numbers; {NULL, 0} is the empty list. */
typedef struct lt_ints {
    int64_t *v;
    int64_t n;
} lt_ints;

typedef struct lt_option {
    const char *section, *key; /* lower case                                       */
    lt_option_type type;
    lt_affects affects;
    size_t offset;              /* of the value in the struct that holds it          */
    const char *def;            /* default, as text                                  */
    const char *const *choices; /* ENUM: names, PATH: see above; NULL at the end     */
    int64_t imin, imax;         /* INT, BYTES, INTS                                  */
    double fmin, fmax;          /* FLOAT                                             */
    const char *unit;           /* "" when it has none                               */
    const char *help;           /* one line                                          */
} lt_option;

/* Read `text` as the value of o into the struct at `base`. The old value stays when it
 * fails; a list that stood there is freed when it works.
 *   folder  PATH: relative paths are made absolute in it; NULL: the working folder
 *   where   for the message: "job.yaml:12" or "--set sampler.steps=5O"
 * A list is "[1, 2]" or "1,2"; one of files may also have an entry a line, each with its
 * line end, which leaves commas to their names. Errors: CONFIG, NOMEM. */
LT_NODISCARD lt_status lt_option_parse(const lt_option *o, const char *text,
                                       const char *folder, const char *where, void *base);

/* Print the value as YAML (texts, paths and times in double quotes); reading it back
 * gives the same value. Check ferror(f) at the end. */
void lt_option_print(const lt_option *o, const void *base, FILE *f);

/* Do two structs hold the same value of o? */
bool lt_option_equal(const lt_option *o, const void *a, const void *b);

/* Copy the value of o; the list that stood in dst is freed. Errors: NOMEM. */
LT_NODISCARD lt_status lt_option_copy(const lt_option *o, void *dst, const void *src);

/* Free what the value owns (a list) and leave it empty. */
void lt_option_clear(const lt_option *o, void *base);

/* Print what is allowed, for people: "0 .. 1", "query | shared", "text". */
void lt_option_print_range(const lt_option *o, FILE *f);

/* "result", "encode", "nothing" or "result, judged apart". */
const char *lt_affects_text(lt_affects a);

#endif
