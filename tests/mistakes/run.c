#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "mistakes/mistakes.h"

enum {
    WORDS_MAX = 64,
    TEXT_MAX = 1 << 16,
    NOBODY = 65534,
    MEMORY_ALONE = 72 << 10 /* KiB: libraries, decoder, buffers, without any model */
};
#ifdef LT_SANITIZED /* everything is larger and slower there */
enum { SECONDS_MAX = 90, SANITIZED = 1 };
#else
enum { SECONDS_MAX = 30, SANITIZED = 0 };
#endif

static struct {
    char root[64], program[4096], golden[4096];
    char *prelude;
    long plan_kib;
    int nobody_works;
    jmp_buf leave; /* where a row that fails goes on */
} here;

/* What a command did. */
typedef struct outcome {
    int code; /* exit code, or -signal */
    long peak_kib;
    double seconds;
    char out[TEXT_MAX], err[TEXT_MAX];
} outcome;

/* Leaves the row. */
static void fail(const mistake *m, const outcome *o, const char *what)
{
    fprintf(stderr, "FAIL: %s\n  made by: %s\n  longtake %s\n", what,
            m->make ? m->make : "nothing", m->args);
    if (o)
        fprintf(stderr,
                "  code %d, wanted %d and \"%s\"\n  peak %ld KiB, %.1f s\n"
                "  stdout: %s\n  stderr: %s\n",
                o->code, m->code, m->says, o->peak_kib, o->seconds, o->out, o->err);
    longjmp(here.leave, 1);
}

/* ---- processes --------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Read both pipes to their ends; 0 when the time is over. */
static int collect(const int fd[2], outcome *o, double end)
{
    char *text[2] = { o->out, o->err };
    size_t n[2] = { 0, 0 };
    int open[2] = { 1, 1 };
    while (open[0] || open[1]) {
        struct pollfd p[2] = { { open[0] ? fd[0] : -1, POLLIN, 0 },
                               { open[1] ? fd[1] : -1, POLLIN, 0 } };
        if (now() > end) return 0;
        if (poll(p, 2, 200) < 0) continue;
        for (int i = 0; i < 2; i++) {
            char waste[4096];
            if (!open[i] || !p[i].revents) continue;
            const size_t room = TEXT_MAX - 1 - n[i];
            const ssize_t k =
                read(fd[i], room ? text[i] + n[i] : waste, room ? room : sizeof(waste));
            if (k <= 0) open[i] = 0;
            if (k > 0 && room) n[i] += (size_t)k;
        }
    }
    return 1;
}

static void become(const mistake *m, const int out[2], const int err[2])
{
    const int none = open("/dev/null", O_RDONLY);
    dup2(none, 0);
    dup2(m->flags & M_FULL_OUT ? open("/dev/full", O_WRONLY) : out[1], 1);
    dup2(err[1], 2);
    for (int i = 3; i < 64; i++) close(i);
    setpgid(0, 0);
    if (m->flags & M_LITTLE) {
        const struct rlimit little = { 1 << 30, 1 << 30 };
        setrlimit(RLIMIT_AS, &little);
    }
    if (m->flags & M_NOBODY && geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
        _exit(126);
}

/* Run words[] (NULL at the end) in the working folder. */
static void run_words(const mistake *m, char *const *words, outcome *o)
{
    int out[2], err[2], status = 0;
    struct rusage use;
    memset(o, 0, sizeof(*o));
    CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    const double begun = now();
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        become(m, out, err);
        execv(words[0], words);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    const int fd[2] = { out[0], err[0] };
    const int ended = collect(fd, o, begun + SECONDS_MAX);
    if (!ended) kill(-pid, SIGKILL);
    CHECK(wait4(pid, &status, 0, &use) == pid);
    close(out[0]);
    close(err[0]);
    o->seconds = now() - begun;
    o->peak_kib = use.ru_maxrss;
    o->code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (!ended) fail(m, o, "it hangs");
}

/* The words of a command line; blanks part them, ' keeps them together. text is cut up. */
static void split(char *text, char *words[WORDS_MAX])
{
    int n = 1;
    words[0] = here.program;
    while (*(text += strspn(text, " "))) {
        char *to = text;
        int quoted = 0;
        CHECK(n < WORDS_MAX - 1);
        words[n++] = text;
        for (; *text && (quoted || *text != ' '); text++) {
            if (*text == '\'')
                quoted = !quoted;
            else
                *to++ = *text;
        }
        const int last = !*text;
        *to = '\0';
        if (last) break;
        text++;
    }
    words[n] = NULL;
}

static void run_args(const mistake *m, outcome *o)
{
    char *words[WORDS_MAX], *text = strdup(m->args);
    CHECK(text);
    split(text, words);
    run_words(m, words, o);
    free(text);
}

static void shell(const mistake *m, const char *command)
{
    outcome o;
    char *script = NULL;
    static const mistake plain = { .args = "" };
    CHECK(asprintf(&script, "set -e\n%s\n%s", here.prelude, command) > 0);
    char *words[] = { "/bin/sh", "-c", script, NULL };
    run_words(&plain, words, &o);
    if (o.code != 0) fail(m, &o, "the input could not be made");
    free(script);
}

/* ---- files ------------------------------------------------------------------------- */

static FILE *listing; /* of nftw, which hands over no context */

static int list_one(const char *path, const struct stat *sb, int type, struct FTW *at)
{
    (void)type, (void)at;
    const int folder = S_ISDIR(sb->st_mode);
    fprintf(listing, "%s %o %lld %lld\n", path, sb->st_mode,
            folder ? 0 : (long long)sb->st_size,
            folder ? 0 : (long long)sb->st_mtim.tv_nsec);
    return 0;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything below the root, sorted: names, modes, sizes, times. */
static char *list_files(void)
{
    char *text = NULL, *line[4096], *sorted = NULL, *save = NULL;
    size_t size = 0;
    int n = 0;
    listing = open_memstream(&text, &size);
    CHECK(listing && nftw(here.root, list_one, 16, FTW_PHYS) == 0);
    CHECK(fclose(listing) == 0);
    for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
        CHECK(n < 4096);
        line[n++] = s;
    }
    qsort(line, (size_t)n, sizeof(*line), by_line);
    FILE *f = open_memstream(&sorted, &size);
    for (int i = 0; i < n; i++) fprintf(f, "%s\n", line[i]);
    CHECK(fclose(f) == 0);
    free(text);
    return sorted;
}

/* The first line that two lists do not share. */
static void compare_files(const mistake *m, const outcome *o, const char *a,
                          const char *b)
{
    char what[512];
    while (*a && *a == *b) a++, b++;
    if (!*a && !*b) return;
    snprintf(what, sizeof(what), "files changed, near: %.*s | %.*s",
             (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
    fail(m, o, what);
}

/* ---- checks ------------------------------------------------------------------------ */

static int matches(const char *pattern, const char *text)
{
    regex_t r;
    CHECK(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    const int found = regexec(&r, text, 0, NULL, 0) == 0;
    regfree(&r);
    return found;
}

static int ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return k > 0 && n >= k && !strcasecmp(text + n - k, end);
}

/* Texts of the operating system and of libraries that help nobody who has no more. */
static int ends_raw(const char *message)
{
    static const char *const raw[] = { "invalid data found when processing input",
                                       "unknown error", "error", "failed", "failure" };
    for (int e = 1; e < 134; e++)
        if (ends_with(message, strerror(e))) return 1;
    for (size_t i = 0; i < sizeof(raw) / sizeof(*raw); i++)
        if (ends_with(message, raw[i])) return 1;
    return 0;
}

static void check_message(const mistake *m, const outcome *o)
{
    char text[TEXT_MAX], *save = NULL, message[TEXT_MAX] = "";
    int lines = 0, errors = 0;
    snprintf(text, sizeof(text), "%s", o->err);
    for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
        lines++;
        if (strncmp(s, "longtake: ", 10) != 0) fail(m, o, "a line that is not ours");
        if (!strncmp(s, "longtake: warning: ", 19)) continue;
        errors++;
        snprintf(message, sizeof(message), "%s", s + 10);
    }
    if (errors != 1) fail(m, o, "not one error message");
    if (lines > 3) fail(m, o, "more than three lines");
    if (!matches(m->says, message)) fail(m, o, "the message says something else");
    if (matches("\\.[ch]:[0-9]|0x[0-9a-f]{6}|AddressSan|[Aa]ssert|lt_[a-z]+_", message))
        fail(m, o, "the message shows the inside of the program");
    if (ends_raw(message)) fail(m, o, "the message ends with a bare error");
    if (strlen(message) > 900) fail(m, o, "the message is very long");
    if (!matches("[:;,?] ?.*[a-z].* ", message)) fail(m, o, "the message does not help");
}

static void check_memory(const mistake *m, const outcome *o)
{
    const int model = strstr(m->args, "model") != NULL || strstr(m->args, "job") != NULL;
    if (!SANITIZED && o->peak_kib > MEMORY_ALONE + (model ? here.plan_kib : 0))
        fail(m, o, "more memory than planned");
}

static void check(const mistake *m, const outcome *o)
{
    if (o->code != m->code) fail(m, o, "another exit code");
    if (m->code != 0)
        check_message(m, o);
    else if (!matches(m->says, o->err))
        fail(m, o, "it says something else");
    if (m->code != 0 && !(m->flags & M_OUT) && o->out[0]) fail(m, o, "output");
    check_memory(m, o);
}

/* ---- one row ----------------------------------------------------------------------- */

static void clear(void) /* also what was made read-only */
{
    CHECK(system("chmod -R u+rwX . && rm -rf ./* ./.[!.]*") == 0);
}

static int can_be_tried(const mistake *m)
{
    if (m->flags & M_TMPFS) {
        CHECK(mkdir("small", 0755) == 0);
        if (mount("tmpfs", "small", "tmpfs", 0, "size=64k") != 0) return 0;
    }
    if (m->flags & M_LITTLE && SANITIZED) return 0; /* shadow memory needs terabytes */
    if (m->flags & M_NO_AMX && system("grep -q amx_bf16 /proc/cpuinfo") == 0) return 0;
    return !(m->flags & M_NOBODY) || here.nobody_works;
}

static void try_row(const mistake *m, outcome *o)
{
    if (m->make) shell(m, m->make);
    char *before = list_files();
    run_args(m, o);
    char *after = list_files();
    check(m, o);
    if (!(m->flags & M_FILES)) compare_files(m, o, before, after);
    free(before);
    free(after);
}

mistake_result mistake_run(const mistake *m)
{
    outcome *volatile o = malloc(sizeof(*o));
    volatile mistake_result result = MISTAKE_RIGHT;
    CHECK(o);
    if (!can_be_tried(m))
        result = MISTAKE_SKIPPED;
    else if (setjmp(here.leave) == 0)
        try_row(m, o);
    else
        result = MISTAKE_WRONG;
    if (m->flags & M_TMPFS) (void)umount2("small", MNT_DETACH);
    clear();
    free(o);
    return result;
}

/* ---- begin and end ----------------------------------------------------------------- */

/* m                the model as a folder of links, which `own FILE` makes writable
 * hdr TEXT BYTES   a safetensors file with this header and so many zero bytes
 * raw N TEXT       the same with the length N given in the header's place */
static const char prelude[] =
    "G=../model\n"
    "U=m/unet/diffusion_pytorch_model.safetensors\n"
    "V=m/vae/diffusion_pytorch_model.safetensors\n"
    "T=m/text_encoder/model.safetensors\n"
    "m() { mkdir m; (cd $G/ && find . -type d) | (cd m && xargs mkdir -p);\n"
    "  (cd $G/ && find . -type f) | while read -r f; do\n"
    "    ln -s \"$(realpath $G)/$f\" \"m/$f\"; done; }\n"
    "own() { cp --remove-destination \"$(realpath \"$1\")\" \"$1\"; chmod u+w \"$1\"; }\n"
    "put() { rm -f \"$1\"; printf '%b' \"$2\" >\"$1\"; }\n"
    "u8() { i=0; n=$1; while [ $i -lt 8 ]; do\n"
    "  printf \"\\\\$(printf %03o $((n & 255)))\"; n=$((n >> 8)); i=$((i+1)); done; }\n"
    "raw() { u8 \"$1\"; printf %s \"$2\"; }\n"
    "hdr() { raw ${#1} \"$1\"; head -c \"$2\" /dev/zero; }\n"
    "js() { own $1; tr -d '\\n' <$1 >js.tmp\n" /* FILE KEY VALUE */
    "  sed -e \"s/\\\"$2\\\": *\\(\\[[^]]*\\]\\|[^],}]*\\),*//\" -e \"s/{/{\\\"$2\\\": "
    "$3,/\" -e 's/, *}/}/g' js.tmp >$1\n"
    "  rm js.tmp; }\n"
    "sub() { own \"$1\"; LC_ALL=C sed -i \"$2\" \"$1\"; }\n"
    "same() { cmp -s \"$1\" \"$(echo $1 | sed s,^m,$G,)\" && exit 9 || true; }\n";

static void set_up(const char *args)
{
    const mistake m = { .args = args, .says = "" };
    if (setjmp(here.leave) != 0) exit(1);
    outcome *o = malloc(sizeof(*o));
    CHECK(o);
    run_args(&m, o);
    if (o->code != 0) fail(&m, o, "setting up");
    if (strstr(args, "--json")) {
        json_t *plan = json_loads(o->out, 0, NULL);
        here.plan_kib = (long)(json_integer_value(json_object_get(plan, "memory")) >> 10);
        CHECK(here.plan_kib > 0);
        json_decref(plan);
    }
    free(o);
}

/* Can the user nobody run the program here? */
static int try_nobody(void)
{
    const mistake m = { .args = "--version", .says = "", .flags = M_NOBODY };
    outcome *o = malloc(sizeof(*o));
    CHECK(o);
    run_args(&m, o);
    const int works = o->code == 0;
    free(o);
    return works;
}

void mistake_begin(const char *program, const char *golden)
{
    static const char *const unset[] = { "LONGTAKE_MODELS", "HF_HUB_CACHE", "HF_HOME",
                                         "LT_TEST_STOP",    "TERM",         "NO_COLOR" };
    char path[4200];
    for (size_t i = 0; i < sizeof(unset) / sizeof(*unset); i++) unsetenv(unset[i]);
    setenv("LC_ALL", "C", 1);
    CHECK(realpath(program, here.program) && realpath(golden, here.golden));
    snprintf(path, sizeof(path), "%s/../fuzz", here.golden);
    setenv("FUZZ", path, 1);
    setenv("LONGTAKE", here.program, 1); /* for the rows that make clips */
    here.prelude = (char *)prelude;
    strcpy(here.root, "/tmp/longtake-mistakes.XXXXXX");
    CHECK(mkdtemp(here.root) && chmod(here.root, 0755) == 0 && chdir(here.root) == 0);
    snprintf(path, sizeof(path), /* a copy: everybody may read it */
             "cp -rL %s/models/sd15-tiny model && chmod -R a+rX model", here.golden);
    CHECK(system(path) == 0);
    CHECK(mkdir("case", 0777) == 0 && chmod("case", 0777) == 0 && chdir("case") == 0);
    set_up("synth -q --seed 3 --frames 6 --size 64x48 -o ../clip.mp4");
    set_up("plan --json" QUICK PROMPT CLIP MODEL);
    set_up("edit -q" QUICK PROMPT CLIP MODEL "--method frame -o ../done.mp4");
    here.nobody_works = geteuid() != 0 || try_nobody();
}

void mistake_end(void)
{
    if (!here.root[0] || chdir("/") != 0) return;
    (void)umount2("small", MNT_DETACH);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", here.root);
    (void)!system(command);
}
