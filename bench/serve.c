#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cases.h"

/* Runs cases on demand, so that another program can time its own version in turn with
 * ours, on the same inputs (tools/peers).
 * Usage: bench_serve PATH f32|bf16 THREADS
 * One request a line on stdin, one answer a line on stdout, `ok ...` or `error ...`:
 *   roof                            ok GFLOP/s triad GB/s copy GB/s
 *   machine                         ok the CPU; the revision
 *   model DIR [PARTS]               load it (instead of the last one); PARTS of t v u
 *   case OP SIZES...                open a case (instead of the last); ok kind work shape
 *   in I FILE                       input I from a file of f32
 *   ready                           pack weights
 *   run N                           N runs; ok wall and processor seconds of all
 *   store FILE                      the output, f32 or i32
 *   memory                          ok resident now, most since the last `memory` [bytes]
 *   close                           the case
 * It ends at the end of its input. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

typedef struct server {
    lt_bench b;
    lt_model *model;
    lt_case c;
    int open, ready;
} server;

enum { MAX_WORDS = 16 };

static void close_case(server *s)
{
    if (s->open) lt_case_close(&s->b.x, &s->c);
    s->open = s->ready = 0;
    if (s->b.x.pool) lt_pool_trim(s->b.x.pool); /* NULL when opening failed */
    malloc_trim(0);
}

static lt_status need_case(const server *s)
{
    return s->open ? LT_OK : LT_FAIL(LT_ERR_USAGE, "no case is open: send `case` first");
}

static lt_status need_ready(const server *s)
{
    if (s->open && !s->ready)
        return LT_FAIL(LT_ERR_USAGE, "the case is not ready: send `ready` first");
    return need_case(s);
}

static lt_status load_model(server *s, char **word, int n)
{
    int parts = n > 2 ? 0 : LT_MODEL_ALL;
    for (const char *p = n > 2 ? word[2] : ""; *p; p++)
        parts |= *p == 't' ? LT_MODEL_TEXT : *p == 'v' ? LT_MODEL_VAE : LT_MODEL_UNET;
    close_case(s);
    lt_model_free(&s->model);
    lt_pool_trim(s->b.x.pool);
    const lt_status st = lt_model_load(&s->b.x, word[1], parts, &s->model);
    malloc_trim(0);
    if (st == LT_OK) printf("ok\n");
    return st;
}

static lt_status open_case(server *s, char **word, int n)
{
    static const char *const kinds[] = { "flops", "bytes", "runs" };
    int64_t size[MAX_WORDS];
    for (int i = 2; i < n; i++) size[i - 2] = strtoll(word[i], NULL, 10);
    close_case(s);
    const lt_status st = lt_case_open(&s->b.x, s->model, word[1], size, n - 2, &s->c);
    if (st != LT_OK) {
        lt_case_close(&s->b.x, &s->c);
        return st;
    }
    s->open = 1;
    printf("ok %s %.17g %s\n", kinds[s->c.kind], s->c.work, s->c.shape);
    return LT_OK;
}

static lt_status run_case(server *s, int64_t n)
{
    const double wall = lt_bench_wall(), cpu = lt_bench_cpu();
    for (int64_t i = 0; i < n; i++) {
        const lt_status st = lt_case_run(&s->b.x, &s->c);
        if (st != LT_OK) return st;
    }
    printf("ok %.9f %.9f\n", lt_bench_wall() - wall, lt_bench_cpu() - cpu);
    return LT_OK;
}

/* A line "Name:  123 kB" of /proc/self/status, in bytes. */
static int64_t status_bytes(const char *name)
{
    char line[256];
    int64_t kib = -1;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoll(line + strlen(name), NULL, 10);
    if (f) fclose(f);
    return kib * 1024;
}

static lt_status tell_memory(void)
{
    FILE *f = NULL;
    printf("ok %lld %lld\n", (long long)status_bytes("VmRSS:"),
           (long long)status_bytes("VmHWM:"));
    f = fopen("/proc/self/clear_refs", "we"); /* forget the peak */
    if (!f) return LT_OK;
    fputs("5\n", f);
    fclose(f);
    return LT_OK;
}

static lt_status file_request(server *s, char **word, int n)
{
    lt_status st = need_case(s);
    if (st != LT_OK) return st;
    st = n == 3 ? lt_case_load(&s->c, atoi(word[1]), word[2])
                : lt_case_store(&s->b.x, &s->c, word[1]);
    if (st == LT_OK) printf("ok\n");
    return st;
}

static lt_status plain_request(server *s, const char *what)
{
    lt_status st = LT_OK;
    const lt_roof *r = &s->b.roof;
    if (!strcmp(what, "memory")) return tell_memory();
    if (!strcmp(what, "roof"))
        printf("ok %.1f %.1f %.1f\n", r->flops, r->triad, r->copy);
    else if (!strcmp(what, "machine"))
        printf("ok %s; %s\n", s->b.machine, LT_REVISION);
    else if (!strcmp(what, "close"))
        close_case(s), printf("ok\n");
    else if (!strcmp(what, "ready")) {
        st = need_case(s);
        if (st == LT_OK && !s->ready) st = lt_case_ready(&s->b.x, &s->c);
        if (st == LT_OK) s->ready = printf("ok\n") > 0;
    } else
        st = LT_FAIL(LT_ERR_USAGE, "unknown request %.40s", what);
    return st;
}

static lt_status answer(server *s, char **word, int n)
{
    if (n == 1) return plain_request(s, word[0]);
    if (!strcmp(word[0], "model") && n <= 3) return load_model(s, word, n);
    if (!strcmp(word[0], "case")) return open_case(s, word, n);
    if ((!strcmp(word[0], "in") && n == 3) || (!strcmp(word[0], "store") && n == 2))
        return file_request(s, word, n);
    if (!strcmp(word[0], "run") && n == 2) {
        const lt_status st = need_ready(s);
        return st == LT_OK ? run_case(s, strtoll(word[1], NULL, 10)) : st;
    }
    return LT_FAIL(LT_ERR_USAGE, "unknown request %.40s", word[0]);
}

static void serve(server *s)
{
    char *line = NULL, *save = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        char *word[MAX_WORDS];
        int n = 0;
        for (char *w = strtok_r(line, " \n", &save); w && n < MAX_WORDS;
             w = strtok_r(NULL, " \n", &save))
            word[n++] = w;
        if (n > 0 && answer(s, word, n) != LT_OK)
            printf("error %s\n", lt_error_message());
        fflush(stdout);
    }
    free(line);
}

int main(int argc, char **argv)
{
    server s = { 0 };
    lt_status st = LT_OK;
    if (argc != 4)
        LT_TRY(LT_FAIL(LT_ERR_USAGE, "usage: bench_serve PATH f32|bf16 THREADS"));
    lt_bench_options o = { .compute = strcmp(argv[2], "bf16") ? LT_F32 : LT_BF16,
                           .threads = atoi(argv[3]),
                           .revision = LT_REVISION };
    LT_TRY(lt_cpu_path_parse(argv[1], &o.path));
    LT_TRY(lt_bench_open(&s.b, &o));
    serve(&s);
cleanup:
    if (st != LT_OK) fprintf(stderr, "bench_serve: %s\n", lt_error_message());
    close_case(&s);
    lt_model_free(&s.model);
    lt_bench_close(&s.b);
    return lt_status_exit_code(st);
}
