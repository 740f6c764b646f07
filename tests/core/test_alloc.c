/* Every allocation of the room fails once, and every thread that it starts: the call
 * returns NOMEM with a message, leaves its outputs alone and leaks nothing (the leak
 * checker of a sanitizer build sees to that). The linker sends the allocations of our
 * own objects through the wrappers below; those of other libraries stay whole. */
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "check.h"
#include "core/config.h"
#include "core/log.h"
#include "core/metrics_log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "tmpdir.h"

static int countdown; /* calls until one fails; 0: none does */
static int n_failed;

static int fails(void)
{
    if (countdown == 0 || --countdown > 0) return 0;
    n_failed++;
    return 1;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *),
                          void *arg);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *),
                          void *arg);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : __real_strdup(s); }
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *),
                          void *arg)
{
    return fails() ? 11 : __real_pthread_create(t, a, fn, arg);
}

static char dir[64];

static lt_status load_config(void)
{
    static const char yaml[] = "clips:\n  mode: list\n  begins: [0, 3]\n"
                               "job:\n  a: \"1\"\n  b: \"2\"\n";
    static lt_config c, d;
    lt_facts facts = { 0 };
    char hex[LT_SHA256_HEX];
    char *text = NULL;
    lt_status st = LT_OK;
    memset(&c, 0, sizeof(c));
    memset(&d, 0, sizeof(d));
    LT_TRY(lt_config_default(&c));
    st = lt_config_load_text(&c, &facts, yaml, strlen(yaml), "job.yaml", "/base");
    CHECK(st == LT_OK || (c.clips.begins.n == 0 && facts.n == 0)); /* as before */
    if (st != LT_OK) goto cleanup;
    LT_TRY(lt_config_set(&c, "clips.begins=0,4,5"));
    LT_TRY(lt_config_copy(&d, &c));
    LT_TRY(lt_facts_set(&facts, "a", "changed"));
    LT_TRY(lt_config_text(&d, &facts, &text));
    LT_TRY(lt_config_sha256(&d, hex));
cleanup:
    free(text);
    lt_facts_free(&facts);
    lt_config_free(&c);
    lt_config_free(&d);
    return st;
}

static lt_status use_files(void)
{
    lt_status st = LT_OK;
    void *data = NULL;
    size_t n = 0;
    char hex[LT_SHA256_HEX];
    LT_TRY(lt_file_write(in(dir, "file"), "abc", 3, NULL));
    LT_TRY(lt_file_append_line(in(dir, "file"), "line", NULL));
    LT_TRY(lt_file_read(in(dir, "file"), 100, &data, &n));
    LT_TRY(lt_sha256_file(in(dir, "file"), hex));
cleanup:
    free(data);
    return st;
}

static lt_status open_logs(void)
{
    lt_status st = LT_OK;
    lt_log *log = NULL;
    lt_progress *p = NULL;
    lt_metrics_log *m = NULL;
    const lt_log_options o = { .level = LT_LOG_NONE };
    const lt_metric e = { .event = "unit_done" };
    LT_TRY(lt_log_open(&log, &o));
    LT_TRY(lt_progress_open(&p, &(lt_progress_options){ .log = log }));
    LT_TRY(lt_metrics_open(&m, in(dir, "m.jsonl")));
    LT_TRY(lt_metrics_write(m, &e));
cleanup:
    lt_metrics_close(m);
    lt_progress_close(p);
    lt_log_close(log);
    return st;
}

static lt_status open_pool(void)
{
    lt_threads *p = NULL;
    const lt_status st = lt_threads_open(&p, 4, NULL, NULL);
    CHECK((st == LT_OK) == (p != NULL));
    lt_threads_close(p);
    return st;
}

/* Let call number 1, 2, ... fail until none is left to fail. */
static void each_failure(lt_status (*fn)(void), int at_least)
{
    CHECK(fn() == LT_OK);
    for (int k = 1;; k++) {
        CHECK(k < 1000);
        countdown = k;
        n_failed = 0;
        const lt_status st = fn();
        countdown = 0;
        if (n_failed == 0) {
            CHECK(st == LT_OK && k > at_least);
            return;
        }
        CHECK(st == LT_ERR_NOMEM && *lt_error_message());
    }
}

int main(void)
{
    tmpdir_make(dir);
    each_failure(load_config, 8);
    each_failure(use_files, 3);
    each_failure(open_logs, 3);
    each_failure(open_pool, 8);
    tmpdir_remove(dir);
    return 0;
}
