#ifndef LT_CORE_UNITS_H
#define LT_CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Times and byte counts as people write them. All parsers want the whole text (no
 * trailing characters), are independent of the locale, and write *out only on success.
 *
 * A time is an int64 in nanoseconds from the start of the stream, 0 <= t < 1000 hours,
 * exact: a text with more than nine decimals is refused, not rounded. */

#define LT_TIME_NONE   INT64_C(-1) /* no time given: "until the end" */
#define LT_TIME_SECOND INT64_C(1000000000)
#define LT_TIME_MAX    (INT64_C(3600000) * LT_TIME_SECOND) /* exclusive */

enum { LT_UNIT_TEXT_MAX = 32 }; /* bytes any formatted time or byte count needs */

/* "12.5" (seconds), "MM:SS", "MM:SS.fff", "HH:MM:SS", "HH:MM:SS.fff"; minutes and
 * seconds after a colon are below 60, hours may have up to three digits.
 * Errors: CONFIG (the message has no place; callers that know one say their own). */
LT_NODISCARD lt_status lt_time_parse(const char *text, int64_t *out);

/* "HH:MM:SS" with as many decimals as needed; "" for LT_TIME_NONE. Parsing the result
 * gives the same time. Returns buf. */
const char *lt_time_format(int64_t t, char buf[LT_UNIT_TEXT_MAX]);

/* "2h21m", "3m05s", "12s": seconds for people, rounded up; "?" when not known (NaN,
 * negative, above 9999 hours). Returns buf. */
const char *lt_duration_format(double seconds, char buf[LT_UNIT_TEXT_MAX]);

/* A whole number with an optional suffix K, M, G or T (powers of 1024, "KiB" and "KB"
 * accepted, case ignored): "64G", "1500MiB", "0". Errors: CONFIG. */
LT_NODISCARD lt_status lt_bytes_parse(const char *text, int64_t *out);

/* The shortest exact text with a suffix of lt_bytes_parse: "64G". Returns buf. */
const char *lt_bytes_format(int64_t bytes, char buf[LT_UNIT_TEXT_MAX]);

/* "4.2 MiB": sizes for people, three digits; "not known" below 0. Returns buf. */
const char *lt_bytes_about(int64_t bytes, char buf[LT_UNIT_TEXT_MAX]);

/* A decimal whole number, optional sign, no leading zeros. Errors: CONFIG. */
LT_NODISCARD lt_status lt_int_parse(const char *text, int64_t *out);

/* A decimal number: digits, optional fraction and exponent; never inf or NaN.
 * Errors: CONFIG, NOMEM. */
LT_NODISCARD lt_status lt_float_parse(const char *text, double *out);

/* The shortest decimal text that reads back as exactly v, with a point also in
 * locales that use a comma. Returns buf. */
const char *lt_float_format(double v, char buf[LT_UNIT_TEXT_MAX]);

#endif
