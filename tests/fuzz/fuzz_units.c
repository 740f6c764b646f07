/* Times, byte counts and numbers: what is read can be printed and read back. */
#include <math.h>

#include "core/units.h"
#include "fuzz.h"

static void times(const char *text)
{
    char buf[LT_UNIT_TEXT_MAX];
    int64_t t = -1, t2 = -1;
    if (lt_time_parse(text, &t) != LT_OK) return;
    MUST(t >= 0 && t < LT_TIME_MAX);
    MUST(lt_time_parse(lt_time_format(t, buf), &t2) == LT_OK && t == t2);
}

static void byte_counts(const char *text)
{
    char buf[LT_UNIT_TEXT_MAX];
    int64_t n = -1, n2 = -1;
    if (lt_bytes_parse(text, &n) != LT_OK) return;
    MUST(n >= 0);
    MUST(lt_bytes_parse(lt_bytes_format(n, buf), &n2) == LT_OK && n == n2);
}

static void numbers(const char *text)
{
    char buf[LT_UNIT_TEXT_MAX];
    int64_t n = 0;
    double v = 0, v2 = 0;
    (void)!lt_int_parse(text, &n);
    if (lt_float_parse(text, &v) != LT_OK) return;
    MUST(isfinite(v));
    MUST(lt_float_parse(lt_float_format(v, buf), &v2) == LT_OK && v == v2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char buf[LT_UNIT_TEXT_MAX], *text = fuzz_text(data, size);
    double seconds = 0;
    times(text);
    byte_counts(text);
    numbers(text);
    if (size >= sizeof(seconds)) memcpy(&seconds, data, sizeof(seconds));
    MUST(strlen(lt_duration_format(seconds, buf)) < LT_UNIT_TEXT_MAX);
    free(text);
    return 0;
}
