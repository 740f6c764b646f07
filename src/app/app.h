#ifndef LT_APP_APP_H
#define LT_APP_APP_H

#include <jansson.h>

#include "app/cli.h"
#include "comm/comm.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/stop.h"
#include "stages/open.h"

/* The running program: what main hands to a command. */
struct lt_app {
    lt_cli cli;
    lt_comm *comm;
    lt_log *log;
    lt_progress *progress;
    lt_stop *stop;
    int rank, size;
    double started; /* lt_app_clock() at the start */
};

/* One function a command. On entry all ranks are there; on failure the message is set.
 * A command that has work for one rank only leaves through lt_comm_agree. */
lt_status lt_cmd_edit(lt_app *app);
lt_status lt_cmd_resume(lt_app *app);
lt_status lt_cmd_plan(lt_app *app);
lt_status lt_cmd_status(lt_app *app);
lt_status lt_cmd_verify(lt_app *app);
lt_status lt_cmd_preview(lt_app *app);
lt_status lt_cmd_report(lt_app *app);
lt_status lt_cmd_eval(lt_app *app);
lt_status lt_cmd_synth(lt_app *app);
lt_status lt_cmd_models(lt_app *app);
lt_status lt_cmd_bench(lt_app *app);
lt_status lt_cmd_doctor(lt_app *app);

/* Render what the options of synth in app->cli say, and print nothing: the work of one
 * process (cmd_synth.c). Errors: those of `longtake synth`. */
LT_NODISCARD lt_status lt_app_synth(lt_app *app);

/* Run `work` on rank 0 while the others wait; collective, the status is everybody's. */
LT_NODISCARD lt_status lt_app_alone(lt_app *app, lt_status (*work)(lt_app *app));

/* "0.1.0 (git 1a2b3c4)". */
const char *lt_app_version(void);

/* --dtype, --cpu-path and --threads of commands that have no configuration. *dtype and
 * *path stay as they are when the option is missing, or `auto` for the path; without
 * --threads it is all CPUs that may be used.  Errors: USAGE, CONFIG (no such path). */
LT_NODISCARD lt_status lt_app_dtype(const lt_cli *cli, lt_dtype *dtype);
LT_NODISCARD lt_status lt_app_cpu_path(const lt_cli *cli, lt_cpu_path *path);
LT_NODISCARD lt_status lt_app_threads(const lt_cli *cli, int *threads);

/* Seconds of CLOCK_MONOTONIC. */
double lt_app_clock(void);

/* What the environment says to lt_run_open, the command line included. */
lt_run_env lt_app_env(const lt_app *app);

/* From here on SIGTERM, SIGINT and SIGUSR1 ask app->stop; a second one, more than 0.3 s
 * later (`timeout` sends two at once), ends the process with 130 or 143. */
void lt_app_catch_signals(lt_app *app);

/* Print an object on one line of stdout and free it. Errors: INTERNAL (o = NULL: jansson
 * refused a text or ran out of memory), IO. */
LT_NODISCARD lt_status lt_app_print_json(json_t *o);

/* A number, or null when it is not finite. */
json_t *lt_app_number(double x);

#endif
