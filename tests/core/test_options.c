/* Values of every type, through tables of the test's own. */
#include "core/options.h"

#include <string.h>

#include "check.h"
#include "core/text.h"
#include "core/units.h"

static const char *const no_paths[] = { "box:", "net:", NULL };

typedef struct values {
    bool flag;
    int64_t number, time, bytes;
    double real;
    char text[LT_TEXT_MAX], path[LT_PATH_MAX], place[LT_PATH_MAX];
    int choice;
    lt_ints list;
    char files[LT_TEXT_MAX];
} values;

#define ROW(k, t, ...)                                                                   \
    {                                                                                    \
        .section = "s", .key = #k, .type = t, .offset = offsetof(values, k), .unit = "", \
        .help = "", __VA_ARGS__                                                          \
    }
static const char *const names[] = { "red", "green", NULL };
static const lt_option rows[] = {
    ROW(flag, LT_OPT_BOOL, .def = "false"),
    ROW(number, LT_OPT_INT, .def = "5", .imin = -10, .imax = 10),
    ROW(time, LT_OPT_TIME, .def = ""),
    ROW(bytes, LT_OPT_BYTES, .def = "0", .imin = 0, .imax = 1 << 30),
    ROW(real, LT_OPT_FLOAT, .def = "0.5", .fmin = 0, .fmax = 1),
    ROW(text, LT_OPT_TEXT, .def = ""),
    ROW(path, LT_OPT_PATH, .def = ""),
    ROW(place, LT_OPT_PATH, .def = "", .choices = no_paths),
    ROW(choice, LT_OPT_ENUM, .def = "red", .choices = names),
    ROW(list, LT_OPT_INTS, .def = "[]", .imin = 0, .imax = 99),
    ROW(files, LT_OPT_FILES, .def = ""),
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static const lt_option *find(const char *key)
{
    for (int i = 0; i < N_ROWS; i++)
        if (!strcmp(rows[i].key, key)) return &rows[i];
    CHECK(!"no such row");
    return NULL;
}

/* Key, text, what it prints; NULL: refused. */
static const char *const cases[][3] = {
    { "files", "", "[]" },
    { "files", "[]", "[]" },
    { "files", "/a/./b:0.5", "[\"/a/b:0.5\"]" },
    { "files", "/a:1, /b/c", "[\"/a:1\", \"/b/c\"]" },
    { "files", "[/a:1,/b]", "[\"/a:1\", \"/b\"]" },
    { "files", "/a,b\n", "[\"/a,b\"]" }, /* a line an entry: commas are part of names */
    { "files", "/a,b:2\n/c\n", "[\"/a,b:2\", \"/c\"]" },
    { "files", "/a,,/b", NULL },
    { "files", ",", NULL },
    { "files", "/a\n\n/b\n", NULL },
    { "files", "/\xff", NULL },
    { "flag", "true", "true" },
    { "flag", "false", "false" },
    { "flag", "yes", NULL },
    { "flag", "1", NULL },
    { "flag", "", NULL },
    { "number", "-10", "-10" },
    { "number", "11", NULL },
    { "number", "-11", NULL },
    { "number", "3.0", NULL },
    { "number", "3x", NULL },
    { "time", "1:30", "\"00:01:30\"" },
    { "time", "", "\"\"" },
    { "time", "soon", NULL },
    { "bytes", "1G", "1G" },
    { "bytes", "2G", NULL },
    { "bytes", "-1", NULL },
    { "real", "1e-1", "0.1" },
    { "real", "-0", "0" },
    { "real", "1.0000001", NULL },
    { "real", "nan", NULL },
    { "text", "a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"" },
    { "text", "two\nlines\t", "\"two\\nlines\\u0009\"" },
    { "text", "ä\xe2\x80\xa8\xef\xbb\xbf", "\"ä\\u2028\\ufeff\"" },
    { "text", "\xf0\x9f\x90\x95", "\"\xf0\x9f\x90\x95\"" },
    { "text", "\xff", NULL },
    { "text", "\xc0\x80", NULL },         /* overlong */
    { "text", "\xed\xa0\x80", NULL },     /* surrogate */
    { "text", "\xf4\x90\x80\x80", NULL }, /* above U+10FFFF */
    { "text", "\xe2\x80", NULL },         /* cut */
    { "path", "/a//b/./c/", "\"/a/b/c\"" },
    { "path", "x/../y", "\"/base/x/../y\"" },
    { "path", "", "\"\"" },
    { "path", "/", "\"/\"" },
    { "path", "box:1", "\"/base/box:1\"" },
    { "place", "box:1,2", "\"box:1,2\"" },
    { "place", "net:", "\"net:\"" },
    { "place", "boxes", "\"/base/boxes\"" },
    { "place", "./box:1", "\"/base/box:1\"" },
    { "choice", "green", "green" },
    { "choice", "Green", NULL },
    { "choice", "", NULL },
    { "list", "[0, 5,99]", "[0, 5, 99]" },
    { "list", "1,2", "[1, 2]" },
    { "list", "[]", "[]" },
    { "list", "", "[]" },
    { "list", "[1,,2]", NULL },
    { "list", "[1,]", NULL },
    { "list", "[1", NULL },
    { "list", "1,100", NULL },
    { "list", "[[1]]", NULL },
};

static void print(const lt_option *o, const values *v, char *out, size_t size)
{
    FILE *f = fmemopen(out, size, "w");
    CHECK(f);
    lt_option_print(o, v, f);
    CHECK(fclose(f) == 0);
}

static void test_case(const char *key, const char *text, const char *printed)
{
    static values v, w;
    static char out[2 * LT_TEXT_MAX], again[2 * LT_TEXT_MAX];
    const lt_option *o = find(key);
    memset(&v, 0, sizeof(v));
    memset(&w, 0, sizeof(w));
    CHECK(lt_option_parse(o, o->def, "/base", "default", &v) == LT_OK);
    print(o, &v, again, sizeof(again));
    const lt_status st = lt_option_parse(o, text, "/base", "here:1", &v);
    CHECK(st == (printed ? LT_OK : LT_ERR_CONFIG));
    print(o, &v, out, sizeof(out));
    if (!printed) {
        CHECK(!strcmp(out, again)); /* the old value stays */
        CHECK(strstr(lt_error_message(), "(here:1): "));
    } else {
        CHECK(!strcmp(out, printed));
        CHECK(lt_option_copy(o, &w, &v) == LT_OK && lt_option_equal(o, &w, &v));
        lt_option_clear(o, &w);
    }
    lt_option_clear(o, &v);
}

static void test_long_texts(void)
{
    static values v;
    static char text[3 * LT_TEXT_MAX];
    memset(text, 'a', LT_TEXT_MAX);
    CHECK(lt_option_parse(find("text"), text, NULL, "x", &v) == LT_ERR_CONFIG);
    text[LT_TEXT_MAX - 1] = '\0';
    CHECK(lt_option_parse(find("text"), text, NULL, "x", &v) == LT_OK);
    CHECK(lt_option_parse(find("path"), text, "/b", "x", &v) == LT_ERR_CONFIG);
}

static void test_long_list(void)
{
    static values v;
    char *text = malloc(2 * LT_INTS_MAX + 3);
    CHECK(text);
    for (int i = 0; i <= LT_INTS_MAX; i++) memcpy(text + 2 * i, "1,", 2);
    text[2 * LT_INTS_MAX + 1] = '\0';
    CHECK(lt_option_parse(find("list"), text, NULL, "x", &v) == LT_ERR_CONFIG);
    text[2 * LT_INTS_MAX - 1] = '\0';
    CHECK(lt_option_parse(find("list"), text, NULL, "x", &v) == LT_OK);
    CHECK(v.list.n == LT_INTS_MAX);
    lt_option_clear(find("list"), &v);
    free(text);
}

static void test_distance(void)
{
    CHECK(lt_edit_distance("", "") == 0);
    CHECK(lt_edit_distance("step", "steps") == 1);
    CHECK(lt_edit_distance("kitten", "sitting") == 3);
    CHECK(lt_edit_distance("abc", "") == 3);
    CHECK(lt_edit_distance("sede", "seed") == 1 && lt_edit_distance("ab", "ba") == 1);
    CHECK(lt_edit_distance("shpae", "shape") == 1 && lt_edit_distance("ca", "abc") == 3);
}

static void test_one_line(void)
{
    char text[] = "a\n\x1b[31m\xff \xc3\xa4\xc2\x9b.\xe2\x82";
    lt_text_one_line(text);
    CHECK(!strcmp(text, "a  [31m? \xc3\xa4  .??"));
    CHECK(LT_FAIL(LT_ERR_DATA, "a\nb %s", "\xff\t") == LT_ERR_DATA);
    CHECK(!strcmp(lt_error_message(), "a b ? "));
}

int main(void)
{
    test_one_line();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        test_case(cases[i][0], cases[i][1], cases[i][2]);
    test_long_texts();
    test_long_list();
    test_distance();
    return 0;
}
