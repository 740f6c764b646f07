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

static lt_status write_report(lt_app *app, const lt_request *q)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX], folder[LT_PATH_MAX], *html = NULL;
    size_t bytes = 0;
    lt_job *job = NULL;
    LT_TRY(lt_job_open(&job, q->job_dir, &(lt_job_options){ .mode = LT_JOB_READ }));
    LT_TRY(lt_job_file(job, "report", folder, sizeof(folder)));
    LT_TRY(lt_folder_make(folder));
    LT_TRY(lt_report_make(&(lt_report_args){ .job = job,
                                             .cfg = &q->cfg,
                                             .facts = &q->facts,
                                             .command = "longtake",
                                             .log = app->log },
                          &html, &bytes));
    LT_TRY(lt_job_file(job, "report/report.html", path, sizeof(path)));
    LT_TRY(lt_file_write(path, html, bytes, NULL));
    LT_TRY(print_path(app, path, bytes));
cleanup:
    free(html);
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
