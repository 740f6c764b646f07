#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/job_impl.h"

typedef struct verify {
    lt_job *job;
    lt_verify_fn *fn;
    void *ctx;
    int64_t damaged;
    int64_t bytes;
} verify;

static lt_status tell(verify *v, lt_verify_kind kind, const char *file,
                      const lt_record *r, const char *message)
{
    v->damaged += kind == LT_VERIFY_MISSING || kind == LT_VERIFY_DAMAGED;
    if (v->fn && v->fn(v->ctx, kind, file, r, message) != 0)
        return LT_FAIL(LT_ERR_STOPPED, "verify was stopped (%s): run it again",
                       v->job->path);
    return LT_OK;
}

/* ---- manifest and journal --------------------------------------------------------- */

static lt_status tell_lines(verify *v, const char *name, const lt_manifest_report *rep,
                            int version_ok)
{
    char text[160];
    if (!version_ok) return tell(v, LT_VERIFY_DAMAGED, name, NULL, "of another version");
    if (!rep->whole) {
        snprintf(text, sizeof(text),
                 "%lld lines do not verify, the first is line %lld; %lld are missing",
                 (long long)rep->lines_damaged, (long long)rep->first_damaged,
                 (long long)rep->missing);
        return tell(v, LT_VERIFY_DAMAGED, name, NULL, text);
    }
    snprintf(text, sizeof(text), "%lld lines%s", (long long)rep->lines_kept,
             rep->torn_bytes ? ", and an unfinished one of a killed run" : "");
    return tell(v, LT_VERIFY_OK, name, NULL, text);
}

static lt_status check_text(verify *v, const char *name, int journal, int must_exist)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *data = NULL;
    size_t bytes = 0;
    lt_manifest *m = NULL;
    lt_manifest_head head = { .version = LT_MANIFEST_VERSION };
    lt_manifest_report rep = { 0 };
    LT_TRY(lt_job_file(v->job, name, path, sizeof(path)));
    if (!lt_file_exists(path)) {
        if (must_exist) st = tell(v, LT_VERIFY_MISSING, name, NULL, "missing");
        goto cleanup;
    }
    LT_TRY(lt_file_read(path, (size_t)1 << 33, &data, &bytes));
    v->bytes += (int64_t)bytes;
    LT_TRY(lt_manifest_new(&m));
    if (journal)
        LT_TRY(lt_journal_parse(m, data, bytes, -1, &head, &rep));
    else
        LT_TRY(lt_manifest_parse(m, data, bytes, &head, &rep));
    LT_TRY(tell_lines(v, name, &rep, head.version == LT_MANIFEST_VERSION));
cleanup:
    lt_manifest_free(&m);
    free(data);
    return st;
}

/* ---- recorded files --------------------------------------------------------------- */

/* A message of ours without what names the file: the caller does. */
static lt_status tell_failure(verify *v, const lt_record *r, lt_status why)
{
    char text[LT_MESSAGE_MAX];
    snprintf(text, sizeof(text), "%s", lt_error_message());
    char *where = strstr(text, " (");
    if (where) *where = '\0';
    return tell(v, why == LT_ERR_NOINPUT ? LT_VERIFY_MISSING : LT_VERIFY_DAMAGED, r->file,
                r, text);
}

static int by_file(const void *a, const void *b)
{
    const lt_record *x = *(const lt_record *const *)a, *y = *(const lt_record *const *)b;
    const int c = strcmp(x->file, y->file);
    if (c) return c;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static lt_status check_record(verify *v, const lt_record *r)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    if (!r->file[0]) return LT_OK;
    LT_TRY(lt_job_file(v->job, r->file, path, sizeof(path)));
    st = lt_stamp_check(path, &r->stamp, &v->bytes);
    if (st == LT_ERR_NOINPUT || st == LT_ERR_DATA)
        st = tell_failure(v, r, st);
    else if (st == LT_OK)
        st = tell(v, LT_VERIFY_OK, r->file, r, "whole");
cleanup:
    return st;
}

static lt_status check_records(verify *v)
{
    lt_status st = LT_OK;
    const lt_record **list = NULL;
    int64_t n = 0;
    LT_TRY(lt_manifest_list(v->job->m, NULL, &list, &n));
    qsort(list, (size_t)n, sizeof(*list), by_file);
    for (int64_t i = 0; i < n; i++) LT_TRY(check_record(v, list[i]));
cleanup:
    free(list);
    return st;
}

static lt_status tell_stray(void *ctx, const char *rel)
{
    return tell(ctx, LT_VERIFY_STRAY, rel, NULL,
                "not recorded; left by a killed run, the next one removes it");
}

lt_status lt_job_verify(lt_job *job, lt_verify_fn *fn, void *ctx, int64_t *damaged,
                        int64_t *bytes)
{
    lt_status st = LT_OK;
    verify v = { .job = job, .fn = fn, .ctx = ctx };
    LT_TRY(check_text(&v, LT_JOB_JOURNAL, 1, 1));
    /* A run killed within a fold leaves .prev alone, one killed while it makes the
     * folder a journal alone: both are whole. */
    const int needed = job->main_seq < 0 && job->prev_seq < 0 && !job->from_start;
    LT_TRY(check_text(&v, LT_JOB_MANIFEST, 0, needed));
    LT_TRY(check_text(&v, LT_JOB_PREV, 0, 0));
    LT_TRY(check_records(&v));
    LT_TRY(lt_job_strays(job, tell_stray, &v));
    *damaged = v.damaged;
    if (bytes) *bytes += v.bytes;
cleanup:
    return st;
}
