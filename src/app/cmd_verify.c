#include <stdlib.h>

#include "app/app.h"

typedef struct verify {
    lt_app *app;
    json_t *list; /* NULL unless --json */
    int64_t n_files;
} verify;

static const char *const kinds[] = { "ok", "missing", "damaged", "stray" };

static int report(void *ctx, lt_verify_kind kind, const char *file,
                  const lt_record *record, const char *message)
{
    verify *v = ctx;
    v->n_files++;
    if (v->list) {
        json_t *o = json_pack("{s:s, s:s, s:s*}", "file", file, "state", kinds[kind],
                              "message", message);
        if (o && record && kind != LT_VERIFY_OK)
            (void)json_object_set_new(o, "unit",
                                      json_pack("{s:s, s:I}", "stage", record->stage,
                                                "unit", (json_int_t)record->unit));
        return json_array_append_new(v->list, o) != 0;
    }
    if (kind != LT_VERIFY_OK)
        printf("%-8s %s%s%s\n", kinds[kind], file, message ? ": " : "",
               message ? message : "");
    else if (v->app->cli.verbose)
        printf("%-8s %s\n", kinds[kind], file);
    return 0;
}

static lt_status print_end(const verify *v, const char *folder, int64_t damaged,
                           int64_t bytes)
{
    if (v->list)
        return lt_app_print_json(json_pack(
            "{s:s, s:b, s:I, s:I, s:I, s:O}", "job", folder, "whole", damaged == 0,
            "damaged", (json_int_t)damaged, "files", (json_int_t)v->n_files, "bytes",
            (json_int_t)bytes, "list", v->list));
    printf("%s: %lld files, %.1f MB, %lld damaged\n", folder, (long long)v->n_files,
           1e-6 * (double)bytes, (long long)damaged);
    return LT_OK;
}

static lt_status run(lt_app *app)
{
    const char *folder = app->cli.args[0];
    lt_status st = LT_OK;
    lt_job *job = NULL;
    int64_t damaged = 0, bytes = 0;
    verify v = { .app = app };
    if (app->cli.json && !(v.list = json_array()))
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (JSON)"));
    LT_TRY(lt_job_open(&job, folder, &(lt_job_options){ .mode = LT_JOB_READ }));
    LT_TRY(lt_job_verify(job, report, &v, &damaged, &bytes));
    LT_TRY(print_end(&v, folder, damaged, bytes));
    if (damaged > 0)
        st = LT_FAIL(LT_ERR_DATA,
                     "%lld files are missing or damaged (%s): `longtake resume` makes "
                     "them again",
                     (long long)damaged, folder);
cleanup:
    json_decref(v.list);
    if (job && lt_job_close(&job) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    return st;
}

lt_status lt_cmd_verify(lt_app *app) { return lt_app_alone(app, run); }
