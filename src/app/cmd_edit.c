#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/request.h"
#include "methods/method.h"

/* JOB/log/rank-00000.log; a log that cannot be opened does not stop the work. */
static void open_log_file(lt_app *app, lt_run *run)
{
    char name[32], path[LT_PATH_MAX];
    snprintf(name, sizeof(name), "log/rank-%05d.log", app->rank);
    lt_status st = lt_job_file(run->job, name, path, sizeof(path));
    if (st == LT_OK) st = lt_log_add_file(app->log, path);
    if (st != LT_OK) lt_log_warn(app->log, "%s", lt_error_message());
    lt_log_debug(app->log, "longtake %s, %s, process %d of %d, path %s", lt_app_version(),
                 app->cli.command->name, app->rank, app->size,
                 lt_cpu_path_name(run->path));
}

static void say_where(lt_app *app, const lt_run *run)
{
    lt_log_info(app->log, "job folder: %s", lt_job_path(run->job));
    if (run->rank == 0 && !lt_job_found_of(run->job)->is_new)
        lt_log_info(app->log, "continuing what an earlier run has begun");
}

static lt_edit_summary sum_up(const lt_run *run)
{
    return (lt_edit_summary){ .n_frames = run->n_frames,
                      .n_clips = run->layout.n_clips,
                      .n_segments = run->layout.n_segments,
                      .bytes_gathered = run->bytes_gathered,
                      .resumed = run->rank == 0 && !lt_job_found_of(run->job)->is_new };
}

/* Collective. A stop ends the run as properly as success does: index, manifest, lock.
 * Its message must outlive that. */
static lt_status close_run(lt_app *app, lt_run **run, lt_status st)
{
    char message[LT_MESSAGE_MAX], place[256];
    if (st != LT_OK && st != LT_ERR_STOPPED) return st;
    snprintf(message, sizeof(message), "%s", lt_error_message());
    snprintf(place, sizeof(place), "%s", lt_error_place());
    const lt_status closed = lt_run_close(run);
    if (closed != LT_OK || st == LT_OK) return closed;
    lt_error_adopt(message, place);
    return lt_comm_agree(app->comm, st);
}

static lt_status print_result(lt_app *app, const lt_request *r, const lt_edit_summary *s)
{
    const double seconds = lt_app_clock() - app->started;
    char took[LT_UNIT_TEXT_MAX];
    if (app->rank > 0) return LT_OK;
    if (app->cli.json)
        return lt_app_print_json(json_pack(
            "{s:s, s:s, s:I, s:f, s:b, s:I, s:I, s:I}", "output", r->cfg.output.path,
            "job", r->job_dir, "frames", (json_int_t)s->n_frames, "seconds", seconds,
            "resumed", s->resumed, "clips", (json_int_t)s->n_clips, "segments",
            (json_int_t)s->n_segments, "bytes_gathered", (json_int_t)s->bytes_gathered));
    lt_log_info(app->log, "%lld frames in %s", (long long)s->n_frames,
                lt_duration_format(seconds, took));
    printf("%s\n", r->cfg.output.path);
    return LT_OK;
}

lt_status lt_app_edit(lt_app *app, const lt_request *r, int resume_only,
                      lt_edit_summary *s)
{
    lt_status st = LT_OK;
    lt_run *run = NULL;
    lt_run_env env = lt_app_env(app);
    env.resume_only = resume_only;
    snprintf(env.job_dir, sizeof(env.job_dir), "%s", r->job_dir);
    lt_app_catch_signals(app);
    LT_TRY(lt_run_open(&r->cfg, &r->facts, &env, &run));
    open_log_file(app, run);
    say_where(app, run);
    st = lt_method_get(&r->cfg)->run(run);
    *s = sum_up(run);
    LT_TRY(close_run(app, &run, st));
cleanup:
    lt_run_discard(&run);
    return lt_request_status(r, st);
}

/* Collective. */
static lt_status run_job(lt_app *app, const lt_request *r, int resume_only)
{
    lt_edit_summary s = { 0 };
    const lt_status st = lt_app_edit(app, r, resume_only, &s);
    return st == LT_OK ? print_result(app, r, &s) : st;
}

lt_status lt_cmd_edit(lt_app *app)
{
    lt_request r;
    lt_status st = lt_request_make(app, 0, &r);
    if (st != LT_OK) return st;
    st = run_job(app, &r, 0);
    lt_request_free(&r);
    return st;
}

lt_status lt_cmd_resume(lt_app *app)
{
    lt_request r;
    lt_status st = lt_request_of_folder(app, app->cli.args[0], &r);
    if (st != LT_OK) return st;
    st = run_job(app, &r, 1);
    lt_request_free(&r);
    return st;
}
