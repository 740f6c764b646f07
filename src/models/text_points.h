#ifndef LT_MODELS_TEXT_POINTS_H
#define LT_MODELS_TEXT_POINTS_H

#include <utf8proc.h>

#include "core/status.h"

/* A prompt as CLIP's tokenizer sees it before the merges: NFC, lower case, cut into words.
 * Used inside this room only. */

/* Normalised text as code points, each with the byte of the user's text it came from. */
typedef struct lt_points {
    utf8proc_int32_t *c;
    int64_t *place;
    int64_t n, cap;
} lt_points;

/* Append bytes [begin, n) of the text, normalised. Free p with lt_points_free, also after
 * a failure.  Errors: DATA (not UTF-8), NOMEM. */
LT_NODISCARD lt_status lt_points_add(const char *text, int64_t begin, int64_t n,
                                     lt_points *p);
void lt_points_free(lt_points *p);

/* White space of Unicode, which separates words. */
int lt_point_is_space(utf8proc_int32_t c);

/* Length of the plain text `what` at p->c[i .. end), or 0. */
int64_t lt_points_start_with(const lt_points *p, int64_t i, int64_t end,
                             const char *what);

/* Length of the word at p->c[i .. end), whose first code point is no space. */
int64_t lt_points_word(const lt_points *p, int64_t i, int64_t end);

#endif
