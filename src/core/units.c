#include "core/units.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Read 1..max_digits decimal digits at *p; false when there are none or too many. */
static bool read_digits(const char **p, int max_digits, int64_t *out)
{
    int64_t v = 0;
    int n = 0;
    for (; is_digit(**p); (*p)++, n++) {
        if (n == max_digits) return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return n > 0;
}

/* Read an optional fraction of a second at *p, at most nine digits. */
static bool read_fraction(const char **p, int64_t *ns)
{
    *ns = 0;
    if (**p != '.') return true;
    (*p)++;
    const char *begin = *p;
    int64_t v = 0;
    if (!read_digits(p, 9, &v)) return false;
    for (int64_t n = *p - begin; n < 9; n++) v *= 10;
    *ns = v;
    return true;
}

lt_status lt_time_parse(const char *text, int64_t *out)
{
    const char *p = text;
    int64_t field[3] = { 0 }, ns = 0;
    int n = 0;
    bool ok = read_digits(&p, 8, &field[n++]);
    while (ok && *p == ':' && n < 3) {
        p++;
        const char *begin = p;
        ok = read_digits(&p, 2, &field[n]) && p - begin == 2 && field[n] < 60;
        n++;
    }
    ok = ok && read_fraction(&p, &ns) && *p == '\0';
    int64_t seconds = 0;
    for (int i = 0; i < n; i++) seconds = seconds * 60 + field[i];
    if (!ok || seconds >= LT_TIME_MAX / LT_TIME_SECOND)
        return LT_FAIL(LT_ERR_CONFIG,
                       "not a time (%.40s): write seconds, MM:SS.fff or HH:MM:SS.fff",
                       text);
    *out = seconds * LT_TIME_SECOND + ns;
    return LT_OK;
}

const char *lt_time_format(int64_t t, char buf[LT_UNIT_TEXT_MAX])
{
    if (t < 0) {
        buf[0] = '\0';
        return buf;
    }
    const int64_t s = t / LT_TIME_SECOND;
    const int ns = (int)(t % LT_TIME_SECOND);
    int n = snprintf(buf, LT_UNIT_TEXT_MAX, "%02lld:%02d:%02d", (long long)(s / 3600),
                     (int)(s / 60 % 60), (int)(s % 60));
    if (ns == 0) return buf;
    n += snprintf(buf + n, LT_UNIT_TEXT_MAX - (size_t)n, ".%09d", ns);
    while (buf[n - 1] == '0') buf[--n] = '\0';
    return buf;
}

const char *lt_duration_format(double seconds, char buf[LT_UNIT_TEXT_MAX])
{
    if (!(seconds >= 0 && seconds <= 9999 * 3600.0)) {
        snprintf(buf, LT_UNIT_TEXT_MAX, "?");
        return buf;
    }
    const long long s = (long long)ceil(seconds);
    if (s >= 3600)
        snprintf(buf, LT_UNIT_TEXT_MAX, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(buf, LT_UNIT_TEXT_MAX, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(buf, LT_UNIT_TEXT_MAX, "%llds", s);
    return buf;
}

static const char *const suffixes[] = { "K", "M", "G", "T" };

/* Bits to shift for the suffix text "", "G", "GB", "GiB"; -1 when it is none. */
static int suffix_shift(const char *s)
{
    if (*s == '\0') return 0;
    for (int i = 0; i < 4; i++) {
        if (strncasecmp(s, suffixes[i], 1) != 0) continue;
        if (s[1] == '\0' || !strcasecmp(s + 1, "B") || !strcasecmp(s + 1, "iB"))
            return 10 * (i + 1);
    }
    return -1;
}

lt_status lt_bytes_parse(const char *text, int64_t *out)
{
    const char *p = text;
    int64_t v = 0;
    const bool ok = read_digits(&p, 18, &v);
    const int shift = ok ? suffix_shift(p) : -1;
    if (shift < 0 || v > (INT64_MAX >> shift))
        return LT_FAIL(LT_ERR_CONFIG,
                       "not a number of bytes (%.40s): write it like 1500M or 64G", text);
    *out = v << shift;
    return LT_OK;
}

const char *lt_bytes_format(int64_t bytes, char buf[LT_UNIT_TEXT_MAX])
{
    int shift = 0;
    while (bytes > 0 && shift < 40 && ((bytes >> shift) & 1023) == 0) shift += 10;
    const char *suffix = shift ? suffixes[shift / 10 - 1] : "";
    snprintf(buf, LT_UNIT_TEXT_MAX, "%lld%s", (long long)(bytes >> shift), suffix);
    return buf;
}

const char *lt_bytes_about(int64_t bytes, char buf[LT_UNIT_TEXT_MAX])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes / 1024;
    int u = 0;
    for (; u < 3 && v >= 999.5; u++) v /= 1024; /* would round to 1e+03 */
    snprintf(buf, LT_UNIT_TEXT_MAX, "%.3g %s", v, units[u]);
    return bytes < 0 ? strcpy(buf, "not known") : buf;
}

lt_status lt_int_parse(const char *text, int64_t *out)
{
    const bool negative = text[0] == '-';
    const char *p = text + (text[0] == '-' || text[0] == '+');
    const char *begin = p;
    int64_t v = 0;
    bool overflow = false;
    for (; is_digit(*p); p++) {
        const int d = negative ? '0' - *p : *p - '0';
        overflow |= __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v);
    }
    if (p == begin || *p || overflow || (*begin == '0' && p - begin > 1))
        return LT_FAIL(LT_ERR_CONFIG, "not a whole number (%.40s): write it like 50",
                       text);
    *out = v;
    return LT_OK;
}

/* Skip digits; false when there are none. */
static bool skip_digits(const char **p)
{
    const char *begin = *p;
    while (is_digit(**p)) (*p)++;
    return *p > begin;
}

/* [+-] digits [. digits] [e [+-] digits], or [+-] . digits: what JSON and people
 * write, without the hexadecimal, inf and nan that strtod would take. */
static bool is_float_text(const char *p)
{
    if (*p == '+' || *p == '-') p++;
    const bool whole = skip_digits(&p);
    if (*p == '.') {
        p++;
        if (!skip_digits(&p)) return false;
    } else if (!whole) {
        return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        if (!skip_digits(&p)) return false;
    }
    return *p == '\0';
}

lt_status lt_float_parse(const char *text, double *out)
{
    double v = NAN;
    if (is_float_text(text)) {
        const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (!c) return LT_FAIL(LT_ERR_NOMEM, "out of memory (reading a number)");
        v = strtod_l(text, NULL, c);
        freelocale(c);
    }
    if (!isfinite(v))
        return LT_FAIL(LT_ERR_CONFIG, "not a number (%.40s): write it like 7.5", text);
    *out = v;
    return LT_OK;
}

const char *lt_float_format(double v, char buf[LT_UNIT_TEXT_MAX])
{
    if (v == floor(v) && fabs(v) < 1e15) { /* %g would write 1e+02 */
        snprintf(buf, LT_UNIT_TEXT_MAX, "%.0f", v);
        return buf;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, LT_UNIT_TEXT_MAX, "%.*g", digits, v);
        if (strtod(buf, NULL) == v) break;
    }
    char *comma = strchr(buf, ','); /* printf and strtod agree on the locale's mark */
    if (comma) *comma = '.';
    return buf;
}
