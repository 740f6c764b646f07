#include "core/units.h"

#include <locale.h>
#include <string.h>

#include "check.h"

static const struct {
    const char *text;
    int64_t ns; /* -1: refused */
} times[] = {
    { "0", 0 },
    { "12.5", 12500000000 },
    { "90", 90000000000 },
    { "1:30", 90000000000 }, /* the first field may have any number of digits */
    { "01:30", 90000000000 },
    { "00:00:00.000000001", 1 },
    { "01:02:03.5", 3723500000000 },
    { "100:00:00", 360000000000000 },
    { "999:59:59.999999999", 3599999999999999 },
    { "1000:00:00", -1 },
    { "3600000", -1 },
    { "99999999999999999999", -1 },
    { "", -1 },
    { "-1", -1 },
    { "+1", -1 },
    { "1.", -1 },
    { ".5", -1 },
    { "1.0000000001", -1 },
    { "1e3", -1 },
    { "00:60", -1 },
    { "00:5", -1 },
    { "01:60:00", -1 },
    { "1:2:3:4", -1 },
    { "12s", -1 },
    { " 12", -1 },
    { "12 ", -1 },
    { "nan", -1 },
};

static void test_time(void)
{
    char buf[LT_UNIT_TEXT_MAX];
    int64_t t = -7;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        t = -7;
        const lt_status st = lt_time_parse(times[i].text, &t);
        CHECK(st == (times[i].ns < 0 ? LT_ERR_CONFIG : LT_OK));
        CHECK(t == (times[i].ns < 0 ? -7 : times[i].ns));
        if (st != LT_OK) continue;
        CHECK(lt_time_parse(lt_time_format(t, buf), &t) == LT_OK && t == times[i].ns);
    }
    CHECK(!strcmp(lt_time_format(3723500000000, buf), "01:02:03.5"));
    CHECK(!strcmp(lt_time_format(LT_TIME_NONE, buf), ""));
    CHECK(!strcmp(lt_time_format(LT_TIME_MAX - 1, buf), "999:59:59.999999999"));
}

static void test_duration(void)
{
    char buf[LT_UNIT_TEXT_MAX];
    CHECK(!strcmp(lt_duration_format(8460, buf), "2h21m"));
    CHECK(!strcmp(lt_duration_format(184.2, buf), "3m05s"));
    CHECK(!strcmp(lt_duration_format(11.5, buf), "12s"));
    CHECK(!strcmp(lt_duration_format(0, buf), "0s"));
    CHECK(!strcmp(lt_duration_format(NAN, buf), "?"));
    CHECK(!strcmp(lt_duration_format(-1, buf), "?"));
    CHECK(!strcmp(lt_duration_format(1e300, buf), "?"));
}

static void test_bytes(void)
{
    static const char *const bad[] = { "",         "G",    "-1",
                                       "1.5G",     "64X",  "64GiBB",
                                       "9999999T", "64 G", "99999999999999999999" };
    char buf[LT_UNIT_TEXT_MAX];
    int64_t v = -7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(lt_bytes_parse(bad[i], &v) == LT_ERR_CONFIG && v == -7);
    CHECK(lt_bytes_parse("0", &v) == LT_OK && v == 0);
    CHECK(lt_bytes_parse("64G", &v) == LT_OK && v == INT64_C(64) << 30);
    CHECK(!strcmp(lt_bytes_format(v, buf), "64G"));
    CHECK(lt_bytes_parse("1500mib", &v) == LT_OK && v == 1500 << 20);
    CHECK(!strcmp(lt_bytes_format(v, buf), "1500M"));
    CHECK(lt_bytes_parse("3kb", &v) == LT_OK && v == 3072);
    CHECK(!strcmp(lt_bytes_format(1025, buf), "1025"));
    CHECK(!strcmp(lt_bytes_format(INT64_C(5) << 50, buf), "5120T"));
    CHECK(!strcmp(lt_bytes_about(4375536, buf), "4.17 MiB"));
    CHECK(!strcmp(lt_bytes_about(0, buf), "0 KiB"));
    CHECK(!strcmp(lt_bytes_about(1000 << 20, buf), "0.977 GiB"));
    CHECK(!strcmp(lt_bytes_about(1023180, buf), "999 KiB"));   /* 999.2 */
    CHECK(!strcmp(lt_bytes_about(1023693, buf), "0.976 MiB")); /* 999.7 */
    CHECK(!strcmp(lt_bytes_about(-1, buf), "not known"));
}

static void test_numbers(void)
{
    static const char *const bad_int[] = { "",
                                           "x",
                                           "1x",
                                           "0x10",
                                           "010",
                                           "1.0",
                                           "1e3",
                                           "--1",
                                           " 1",
                                           "1 ",
                                           "9223372036854775808",
                                           "-" };
    static const char *const bad_float[] = { "",    "nan", "inf", "1e999", "0x1p3", "1.",
                                             "1,5", "1e",  "e1",  "1.5x",  ".",     "+" };
    char buf[LT_UNIT_TEXT_MAX];
    int64_t v = -7;
    double f = -7;
    for (size_t i = 0; i < sizeof(bad_int) / sizeof(bad_int[0]); i++)
        CHECK(lt_int_parse(bad_int[i], &v) == LT_ERR_CONFIG && v == -7);
    CHECK(lt_int_parse("-9223372036854775808", &v) == LT_OK && v == INT64_MIN);
    CHECK(lt_int_parse("+9223372036854775807", &v) == LT_OK && v == INT64_MAX);
    CHECK(lt_int_parse("0", &v) == LT_OK && v == 0);
    for (size_t i = 0; i < sizeof(bad_float) / sizeof(bad_float[0]); i++)
        CHECK(lt_float_parse(bad_float[i], &f) == LT_ERR_CONFIG && f == -7);
    CHECK(lt_float_parse("-.5e1", &f) == LT_OK && f == -5);
    uint64_t seed = 1;
    for (int i = 0; i < 1000; i++) {
        const double x = (double)(int64_t)check_rand(&seed) * 0x1p-40;
        CHECK(lt_float_parse(lt_float_format(x, buf), &f) == LT_OK && f == x);
    }
    CHECK(!strcmp(lt_float_format(0.1, buf), "0.1"));
    CHECK(!strcmp(lt_float_format(7.5, buf), "7.5"));
    CHECK(!strcmp(lt_float_format(-100, buf), "-100"));
}

int main(void)
{
    test_time();
    test_duration();
    test_bytes();
    test_numbers();
    /* A program that sets a locale with a decimal comma must not change a file. */
    if (setlocale(LC_ALL, "de_DE.UTF-8")) test_numbers();
    return 0;
}
