#include <stdlib.h>

#include "app/app.h"
#include "app/request.h"
#include "report/report.h"

static lt_status print_path(const lt_app *app, const char *path, size_t bytes)
{
    if (app->cli.json)
        return lt_app_print_json(
            json_pack("{s:s, s:I}", "report", path, "bytes", (json_int_t)bytes));
    printf("%s\n", path);
    return LT_OK;
}

/* Where --film or --sheet writes; "" without it. The job's own films stay. */
static lt_status take_path(const char *text, const lt_config *cfg, char path[LT_PATH_MAX])
{
    path[0] = '\0';
    const lt_status st = text ? lt_path_absolute(NULL, text, path) : LT_OK;
    if (st != LT_OK || !text) return st;
    if (lt_file_is_same(path, cfg->input.path) || lt_file_is_same(path, cfg->output.path))
        return LT_FAIL(LT_ERR_USAGE,
                       "this would replace a film of the job (%s): give another name",
                       path);
    return LT_OK;
}

static lt_status write_page(const lt_report_args *a, char *path, size_t *bytes)
{
    lt_status st = LT_OK;
    char folder[LT_PATH_MAX], *html = NULL;
    LT_TRY(lt_job_file(a->job, "report", folder, sizeof(folder)));
    LT_TRY(lt_folder_make(folder));
    LT_TRY(lt_report_make(a, &html, bytes));
    LT_TRY(lt_job_file(a->job, "report/report.html", path, LT_PATH_MAX));
    LT_TRY(lt_file_write(path, html, *bytes, NULL));
cleanup:
    free(html);
    return st;
}

static lt_status write_report(lt_app *app, const lt_request *q)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX], film[LT_PATH_MAX], sheet[LT_PATH_MAX];
    size_t bytes = 0;
    lt_job *job = NULL;
    LT_TRY(take_path(app->cli.report.film, &q->cfg, film));
    LT_TRY(take_path(app->cli.report.sheet, &q->cfg, sheet));
    LT_TRY(lt_job_open(&job, q->job_dir, &(lt_job_options){ .mode = LT_JOB_READ }));
    const lt_report_args a = { .job = job,
                               .cfg = &q->cfg,
                               .facts = &q->facts,
                               .command = "longtake",
                               .log = app->log };
    LT_TRY(write_page(&a, path, &bytes));
    if (film[0]) LT_TRY(lt_report_film(&a, film));
    if (sheet[0]) LT_TRY(lt_report_sheet(&a, sheet));
    LT_TRY(print_path(app, path, bytes));
cleanup:
    if (lt_job_close(&job) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    return st;
}

lt_status lt_cmd_report(lt_app *app)
{
    lt_status st = LT_OK;
    lt_request q = { 0 };
    LT_TRY(lt_request_of_folder(app, app->cli.args[0], &q));
    LT_TRY(lt_comm_agree(app->comm, app->rank == 0 ? write_report(app, &q) : LT_OK));
cleanup:
    lt_request_free(&q);
    return st;
}
