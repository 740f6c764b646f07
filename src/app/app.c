#include "app/app.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/libraries.h"
#include "app/version.h"

const char *lt_app_version(void) { return LT_VERSION " (git " LT_REVISION ")"; }

double lt_app_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

lt_status lt_app_alone(lt_app *app, lt_status (*work)(lt_app *app))
{
    return lt_comm_agree(app->comm, app->rank == 0 ? work(app) : LT_OK);
}

lt_status lt_app_dtype(const lt_cli *cli, lt_dtype *dtype)
{
    if (!cli->dtype) return LT_OK;
    if (strcmp(cli->dtype, "f32") != 0 && strcmp(cli->dtype, "bf16") != 0)
        return LT_FAIL(LT_ERR_USAGE, "--dtype %.40s is unknown: f32 or bf16", cli->dtype);
    *dtype = cli->dtype[0] == 'f' ? LT_F32 : LT_BF16;
    return LT_OK;
}

lt_status lt_app_cpu_path(const lt_cli *cli, lt_cpu_path *path)
{
    if (!cli->cpu_path || !strcmp(cli->cpu_path, "auto")) return LT_OK;
    return lt_cpu_path_parse(cli->cpu_path, path);
}

lt_status lt_app_threads(const lt_cli *cli, int *threads)
{
    int64_t n = lt_threads_available();
    const lt_status st = cli->threads ? lt_int_parse(cli->threads, &n) : LT_OK;
    if (st != LT_OK || n < 1 || n > LT_THREADS_MAX)
        return LT_FAIL(LT_ERR_USAGE, "--threads %.40s is out of range: give 1 to %d",
                       cli->threads, LT_THREADS_MAX);
    *threads = (int)n;
    return LT_OK;
}

static void name_libraries(char *text, size_t cap)
{
    lt_library list[LT_N_LIBRARIES];
    const int n = lt_libraries(list);
    size_t used = 0;
    for (int i = 0; i < n && used < cap; i++)
        if (list[i].version[0])
            used += (size_t)snprintf(text + used, cap - used, "%s%s %s", used ? ", " : "",
                                     list[i].name, list[i].version);
}

lt_run_env lt_app_env(const lt_app *app)
{
    const char *restart = getenv("SLURM_RESTART_COUNT");
    lt_run_env env = { .comm = app->comm,
                       .log = app->log,
                       .progress = app->progress,
                       .stop = app->stop,
                       .owner = { .slurm_job = getenv("SLURM_JOB_ID"),
                                  .slurm_restart =
                                      restart ? strtoll(restart, NULL, 10) : 0 },
                       .tool_version = lt_app_version(),
                       .fresh = app->cli.fresh,
                       .allow_path_change = app->cli.allow_path_change,
                       .hold_isa = 1 };
    name_libraries(env.libraries, sizeof(env.libraries));
    return env;
}

/* ---- signals ----------------------------------------------------------------------- */

/* A handler gets no context: the one global of the program, set before its install. */
static lt_stop *stop_of_process;
static struct timespec first_signal;

static double since_first(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - first_signal.tv_sec) +
           1e-9 * (double)(t.tv_nsec - first_signal.tv_nsec);
}

static void on_signal(int number)
{
    const int saved = errno;
    if (!lt_stop_requested(stop_of_process)) {
        clock_gettime(CLOCK_MONOTONIC, &first_signal);
        (void)lt_stop_request(stop_of_process, number);
    } else if (since_first() > 0.3) {
        _exit(number == SIGINT ? 130 : 143);
    }
    errno = saved;
}

void lt_app_catch_signals(lt_app *app)
{
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    stop_of_process = app->stop;
    sigemptyset(&a.sa_mask);
    sigaddset(&a.sa_mask, SIGTERM);
    sigaddset(&a.sa_mask, SIGINT);
    sigaddset(&a.sa_mask, SIGUSR1);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
}

/* ---- results ----------------------------------------------------------------------- */

json_t *lt_app_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

lt_status lt_app_print_json(json_t *o)
{
    if (!o)
        return LT_FAIL(LT_ERR_INTERNAL, "cannot make JSON of the result (stdout): names "
                                        "must be UTF-8; leave --json out");
    const int bad = json_dumpf(o, stdout, JSON_COMPACT) != 0;
    json_decref(o);
    putchar('\n');
    if (bad && errno != EPIPE)
        return LT_FAIL(LT_ERR_IO,
                       "cannot write the result, %s (stdout): check where it goes",
                       strerror(errno));
    return LT_OK;
}
