#include "core/file.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "check.h"
#include "core/options.h"
#include "tmpdir.h"

static char dir[64];

static void check_content(const char *path, const char *text)
{
    void *data = NULL;
    size_t n = 0;
    CHECK(lt_file_read(path, 1 << 24, &data, &n) == LT_OK);
    CHECK(n == strlen(text) && memcmp(data, text, n) == 0);
    free(data);
}

static void test_write_read(void)
{
    void *data = NULL;
    size_t n = 77;
    int64_t size = 0;
    const char *path = in(dir, "file");
    CHECK(lt_file_write(path, "old", 3, NULL) == LT_OK);
    CHECK(lt_file_write(path, "newer", 5, "stage:7") == LT_OK);
    check_content(path, "newer");
    CHECK(lt_file_size(path, &size) == LT_OK && size == 5);
    CHECK(lt_file_read(path, 4, &data, &n) == LT_ERR_DATA && !data && n == 77);
    CHECK(lt_file_write(path, "", 0, NULL) == LT_OK);
    check_content(path, "");
    CHECK(lt_file_read(in(dir, "none"), 9, &data, &n) == LT_ERR_NOINPUT);
    CHECK(lt_file_read(dir, 9, &data, &n) == LT_ERR_DATA);
    CHECK(mkfifo(in(dir, "pipe"), 0600) == 0); /* must not hang */
    CHECK(lt_file_read(in(dir, "pipe"), 9, &data, &n) == LT_ERR_DATA);
    CHECK(lt_file_write(in(dir, "none/x"), "a", 1, NULL) == LT_ERR_CANTCREAT);
    CHECK(lt_file_write(in(dir, "file/x"), "a", 1, NULL) == LT_ERR_CANTCREAT);
    CHECK(lt_folder_make(in(dir, "taken")) == LT_OK);
    CHECK(lt_file_write(in(dir, "taken"), "a", 1, NULL) == LT_ERR_CANTCREAT);
    CHECK(symlink("file", in(dir, "link")) == 0);
    CHECK(lt_file_is_same(path, in(dir, "link")) && lt_file_is_same(path, path));
    CHECK(!lt_file_is_same(path, dir) && !lt_file_is_same(path, in(dir, "none")));
    CHECK(lt_file_remove(path) == LT_OK && lt_file_remove(path) == LT_OK);
    CHECK(!lt_file_is_same(path, path)); /* nothing is there */
    CHECK(!lt_file_exists(path));
    CHECK(lt_path_ends_in("a.b.MP4", ".mp4") && !lt_path_ends_in(".mp4", ".mp4"));
    CHECK(!lt_path_ends_in("a.mp4.tmp", ".mp4") && !lt_path_ends_in("4", ".mp4"));
}

/* Names that end like a temporary file's, in the folder. */
static int count_leftovers(const char *folder)
{
    char command[256];
    int n = -1;
    snprintf(command, sizeof(command), "ls %s | grep -c '[.]tmp[.]'", folder);
    FILE *p = popen(command, "r");
    CHECK(p && fscanf(p, "%d", &n) == 1);
    pclose(p);
    return n;
}

static void test_publish_and_sweep(void)
{
    char temp[LT_PATH_MAX];
    int64_t n = 0;
    const char *path = in(dir, "movie.mp4");
    CHECK(lt_file_temp_name(path, temp) == LT_OK);
    put_text(temp, "frames");
    CHECK(lt_file_publish(temp, path, NULL) == LT_OK && !lt_file_exists(temp));
    check_content(path, "frames");
    CHECK(lt_file_publish(temp, path, NULL) == LT_ERR_CANTCREAT);
    put_text(temp, "left");
    put_text(in(dir, "a.tmp.12x"), "keep");
    put_text(in(dir, "a.tmp."), "keep");
    put_text(in(dir, "b.tmp.99"), "left");
    CHECK(lt_file_sweep(dir, &n) == LT_OK && n == 2);
    CHECK(lt_file_exists(in(dir, "a.tmp.12x")) && lt_file_exists(in(dir, "a.tmp.")));
    CHECK(lt_file_sweep(in(dir, "nowhere"), &n) == LT_OK && n == 0);
    CHECK(lt_file_remove(in(dir, "a.tmp.12x")) == LT_OK);
    CHECK(lt_file_remove(in(dir, "a.tmp.")) == LT_OK);
}

static void test_journal(void)
{
    const char *path = in(dir, "journal");
    CHECK(lt_file_append_line(path, "one", NULL) == LT_OK);
    CHECK(lt_file_append_line(path, "two", "s:1") == LT_OK);
    check_content(path, "one\ntwo\n");
    put_text(path, "one\nto"); /* torn by a kill */
    CHECK(lt_file_append_line(path, "three", NULL) == LT_OK);
    check_content(path, "one\nto\nthree\n");
    CHECK(lt_file_append_line(path, "a\nb", NULL) == LT_ERR_ARG);
    CHECK(lt_file_append_line(in(dir, "none/j"), "a", NULL) == LT_ERR_CANTCREAT);
    check_content(path, "one\nto\nthree\n");
}

#ifdef LT_TEST_HOOKS
static int write_new(const char *spec)
{
    lt_test_stop_set(spec);
    return lt_file_write(in(dir, "file"), "new content", 11, "match:s3.b1") == LT_OK ? 0
                                                                                     : 9;
}

static int append_new(const char *spec)
{
    lt_test_stop_set(spec);
    return lt_file_append_line(in(dir, "journal"), "second", "match:s3.b1") == LT_OK ? 0
                                                                                     : 9;
}

/* A kill at each point leaves the old file or the new one; what is left over is swept. */
static void test_kills(void)
{
    static const struct {
        const char *spec;
        bool dies, is_new;
    } cases[] = {
        { "match:s3.b1:before", true, false },
        { "match:s3.b1:during", true, false },
        { "match:s3.b1:written", true, false },
        { "match:s3.b1:after", true, true },
        { "*:s3.b1:after", true, true },
        { "match:*:during", true, false },
        { "match:s3.b2:before", false, true },
        { "match:s3.b1", false, true },
        { "matc:s3.b1:before", false, true },
        { "match:s3.b1:before:x", false, true },
        { "", false, true },
    };
    int64_t n = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(lt_file_write(in(dir, "file"), "old", 3, NULL) == LT_OK);
        const int rc = run_child(write_new, cases[i].spec);
        CHECK(rc == (cases[i].dies ? -SIGKILL : 0));
        check_content(in(dir, "file"), cases[i].is_new ? "new content" : "old");
        const int left = count_leftovers(dir);
        CHECK(lt_file_sweep(dir, &n) == LT_OK && n == left);
        CHECK(count_leftovers(dir) == 0);
    }
}

static void test_journal_kills(void)
{
    static const char *const specs[] = { "match:s3.b1:before", "match:s3.b1:during",
                                         "match:s3.b1:after" };
    static const char *const after[] = { "first\nthird\n", "first\nsec\nthird\n",
                                         "first\nsecond\nthird\n" };
    for (int i = 0; i < 3; i++) {
        put_text(in(dir, "journal"), "first\n");
        CHECK(run_child(append_new, specs[i]) == -SIGKILL);
        CHECK(lt_file_append_line(in(dir, "journal"), "third", NULL) == LT_OK);
        check_content(in(dir, "journal"), after[i]);
    }
}
#else
static void test_kills(void) {}
static void test_journal_kills(void) {}
#endif

/* A file system of 64 KiB. Needs the right to mount. */
static bool test_full_disk(void)
{
    enum { BIG = 60 * 1024 };
    static char big[BIG + 1], line[BIG + 1];
    char disk[128];
    snprintf(disk, sizeof(disk), "%s/disk", dir);
    int64_t n = 0;
    CHECK(lt_folder_make(disk) == LT_OK);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=64k") != 0) return false;
    memset(big, 'a', BIG);
    memset(line, 'b', 8 * 1024);
    CHECK(lt_disk_free(disk, &n) == LT_OK && n <= 64 * 1024 && n > 32 * 1024);
    CHECK(lt_file_write(in(disk, "file"), "old", 3, NULL) == LT_OK);
    CHECK(lt_file_append_line(in(disk, "journal"), "first", NULL) == LT_OK);
    CHECK(lt_file_write(in(disk, "file"), big, BIG, NULL) == LT_ERR_NOSPACE);
    CHECK(strstr(lt_error_message(), "free some space"));
    check_content(in(disk, "file"), "old");
    CHECK(count_leftovers(disk) == 0);
    CHECK(lt_file_write(in(disk, "fill"), big, 52 * 1024, NULL) == LT_OK);
    CHECK(lt_file_append_line(in(disk, "journal"), line, NULL) == LT_ERR_NOSPACE);
    check_content(in(disk, "journal"), "first\n");
    CHECK(lt_file_remove(in(disk, "fill")) == LT_OK);
    CHECK(lt_file_append_line(in(disk, "journal"), "second", NULL) == LT_OK);
    check_content(in(disk, "journal"), "first\nsecond\n");
    CHECK(umount(disk) == 0);
    return true;
}

static void test_folders_and_paths(void)
{
    char out[LT_PATH_MAX], cwd[LT_PATH_MAX];
    static char longer[2 * LT_PATH_MAX];
    CHECK(lt_folder_make(in(dir, "a/b//c/")) == LT_OK);
    CHECK(lt_folder_make(in(dir, "a/b/c")) == LT_OK);
    CHECK(lt_folder_exists(in(dir, "a/b/c")) && !lt_folder_exists(in(dir, "file")));
    CHECK(lt_folder_make(in(dir, "file/x")) == LT_ERR_CANTCREAT);
    CHECK(lt_folder_make("") == LT_ERR_ARG);
    CHECK(lt_path_absolute("/a/b", "../c/./d//", out) == LT_OK);
    CHECK(!strcmp(out, "/a/b/../c/d"));
    CHECK(lt_path_absolute("/a", "/x", out) == LT_OK && !strcmp(out, "/x"));
    CHECK(lt_path_absolute("/", ".", out) == LT_OK && !strcmp(out, "/"));
    CHECK(chdir(dir) == 0 && getcwd(cwd, sizeof(cwd)));
    CHECK(lt_path_absolute(NULL, "x", out) == LT_OK && !strcmp(out, in(cwd, "x")));
    CHECK(lt_path_absolute("q", "x", out) == LT_OK && !strcmp(out, in(cwd, "q/x")));
    CHECK(lt_path_absolute(NULL, out, out) == LT_OK && !strcmp(out, in(cwd, "q/x")));
    memset(longer, 'x', sizeof(longer) - 1);
    CHECK(lt_path_absolute(NULL, longer, out) == LT_ERR_ARG);
    CHECK(lt_path_folder(longer, out) == LT_OK && !strcmp(out, "."));
    CHECK(lt_file_temp_name(longer, out) == LT_ERR_ARG);
    CHECK(lt_path_folder("/a/b", out) == LT_OK && !strcmp(out, "/a"));
    CHECK(lt_path_folder("/b", out) == LT_OK && !strcmp(out, "/"));
    CHECK(lt_path_folder("b", out) == LT_OK && !strcmp(out, "."));
    CHECK(chdir("/") == 0);
}

static void test_hashes(void)
{
    char hex[LT_SHA256_HEX], again[LT_SHA256_HEX], xx[LT_XXH128_HEX];
    static char data[3 << 20];
    CHECK(lt_sha256("abc", 3, hex) == LT_OK);
    CHECK(!strcmp(hex, "ba7816bf8f01cfea414140de5dae2223"
                       "b00361a396177a9cb410ff61f20015ad"));
    memset(data, 'q', sizeof(data));
    CHECK(lt_file_write(in(dir, "data"), data, sizeof(data) - 1, NULL) == LT_OK);
    CHECK(lt_sha256(data, sizeof(data) - 1, hex) == LT_OK);
    CHECK(lt_sha256_file(in(dir, "data"), again) == LT_OK && !strcmp(hex, again));
    CHECK(lt_sha256_file(in(dir, "none"), again) == LT_ERR_NOINPUT);
    lt_xxh128("", 0, xx); /* the published value for no input and seed 0 */
    CHECK(!strcmp(xx, "99aa06d3014798d86001c324468d497f"));
}

int main(int argc, char **argv)
{
    tmpdir_make(dir);
    if (argc > 1 && !strcmp(argv[1], "--full-disk")) {
        const bool mounted = test_full_disk();
        tmpdir_remove(dir);
        if (!mounted) fprintf(stderr, "no right to mount a small file system\n");
        return mounted ? 0 : TEST_SKIP;
    }
    test_write_read();
    test_publish_and_sweep();
    test_journal();
    test_kills();
    test_journal_kills();
    put_text(in(dir, "file"), "x");
    test_folders_and_paths();
    test_hashes();
    tmpdir_remove(dir);
    return 0;
}
