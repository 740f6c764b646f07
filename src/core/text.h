#ifndef LT_CORE_TEXT_H
#define LT_CORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Texts that come from users: UTF-8 or what claims to be it. */

/* Length in bytes of the UTF-8 sequence at s (no surrogates, no overlong forms) and its
 * code point; 0 when it is not valid, *code unwritten. At the end: 1, code 0. */
int lt_utf8_next(const char *s, uint32_t *code);

/* Is the whole text valid UTF-8? */
bool lt_utf8_valid(const char *text);

/* Make a text fit for one line of a terminal or a log, in place: control characters
 * become spaces, bytes that are not UTF-8 question marks. */
void lt_text_one_line(char *text);

/* Print a text as a double-quoted YAML scalar on one line; it ends at the first byte
 * that is not UTF-8. */
void lt_yaml_quote(const char *text, FILE *f);

/* How many slips lie between two texts: a byte changed, added, left out, or swapped with
 * its neighbour. At most 63 bytes of each are counted. */
int lt_edit_distance(const char *a, const char *b);

#endif
