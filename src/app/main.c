#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/libraries.h"
#include "app/version.h"
#include "core/file.h"

/* ---- start ------------------------------------------------------------------------- */

static int under_mpi(void)
{
    static const char *const signs[] = { "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",
                                         "PMI_RANK" };
    for (int i = 0; i < 3; i++)
        if (getenv(signs[i])) return 1;
    return 0;
}

/* Collective. Ranks with different command lines would edit the video of rank 0. */
static lt_status same_words(lt_app *app, int argc, char **argv)
{
    char mine[LT_XXH128_HEX] = "", *text = NULL, *all = NULL;
    size_t bytes = 0;
    lt_status st = LT_OK;
    FILE *f = open_memstream(&text, &bytes);
    for (int i = 1; f && i < argc; i++) fprintf(f, "%s%c", argv[i], '\0');
    if (!f || fclose(f) != 0 || !(all = malloc((size_t)app->size * sizeof(mine))))
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (command line)");
    LT_TRY(lt_comm_agree(app->comm, st));
    lt_xxh128(text, bytes, mine);
    LT_TRY(lt_comm_gather_bytes(app->comm, mine, sizeof(mine), all));
    for (int r = 1; st == LT_OK && r < app->size; r++)
        if (memcmp(all, all + (size_t)r * sizeof(mine), sizeof(mine)) != 0)
            st = LT_FAIL(LT_ERR_USAGE,
                         "process %d was started with other arguments than process 0 "
                         "(mpirun): give all the same, or start them apart",
                         r);
    LT_TRY(lt_comm_agree(app->comm, st));
cleanup:
    free(text);
    free(all);
    return st;
}

static lt_status open_comm(lt_app *app, int *argc, char ***argv)
{
    const lt_status st = under_mpi() ? lt_comm_open_world(argc, argv, &app->comm)
                                     : lt_comm_open_self(&app->comm);
    if (st != LT_OK) return st;
    app->rank = lt_comm_rank(app->comm);
    app->size = lt_comm_size(app->comm);
    return app->size > 1 ? same_words(app, *argc, *argv) : LT_OK;
}

static lt_status open_log(lt_app *app)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    const int terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    const lt_log_options o = { .level = app->rank > 0      ? LT_LOG_NONE
                                        : app->cli.quiet   ? LT_LOG_ERROR
                                        : app->cli.verbose ? LT_LOG_DEBUG
                                                           : LT_LOG_INFO,
                               .color = terminal && !app->cli.no_color &&
                                        !(no_color && no_color[0]),
                               .rank = app->rank };
    lt_status st = lt_log_open(&app->log, &o);
    if (st == LT_OK)
        st = lt_progress_open(
            &app->progress,
            &(lt_progress_options){ .log = app->log, .terminal = terminal });
    return st;
}

/* srun without MPI support starts N processes that know nothing of each other. */
static void warn_of_lonely_tasks(const lt_app *app)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS"), *me = getenv("SLURM_PROCID");
    if (app->size > 1 || !tasks || atoi(tasks) < 2 || !me || strcmp(me, "0") != 0) return;
    if (app->cli.command->bit & (LT_CMD_EDIT | LT_CMD_RESUME | LT_CMD_PLAN))
        lt_log_warn(app->log,
                    "srun started %s processes, but each works alone: give srun "
                    "--mpi=pmix if they are meant to share the work",
                    tasks);
}

/* ---- what needs no command --------------------------------------------------------- */

static void print_version(void)
{
    lt_library list[LT_N_LIBRARIES];
    const int n = lt_libraries(list);
    printf("longtake %s\nbuild: %s\n", lt_app_version(), LT_BUILD);
    for (int i = 0; i < n; i++)
        printf("%s: %s\n", list[i].name,
               list[i].version[0] ? list[i].version : "not built in");
    printf("CUDA: not built in\n");
}

static lt_status work(lt_app *app, int argc, char **argv)
{
    lt_status st = LT_OK;
    LT_TRY(open_comm(app, &argc, &argv));
    LT_TRY(lt_comm_agree(app->comm, lt_cli_parse(argc, argv, &app->cli)));
    if (app->cli.help || app->cli.version) {
        if (app->rank == 0 && app->cli.help) lt_cli_help(app->cli.command, stdout);
        if (app->rank == 0 && !app->cli.help) print_version();
        return LT_OK;
    }
    LT_TRY(lt_comm_agree(app->comm, open_log(app)));
    warn_of_lonely_tasks(app);
    st = app->cli.command->run(app);
cleanup:
    return st;
}

/* ---- end --------------------------------------------------------------------------- */

/* What to add to a message so that the user knows that work is not lost. */
static const char *comfort(const lt_app *app, lt_status st, const char *text)
{
    const unsigned bit = app->cli.command ? app->cli.command->bit : 0;
    if (st != LT_ERR_NOSPACE || !(bit & (LT_CMD_EDIT | LT_CMD_RESUME))) return "";
    return strstr(text, "again") ? "; nothing is lost, the job goes on from there"
                                 : ": make room and run the same command again; nothing "
                                   "is lost, the job goes on from there";
}

static void say(lt_app *app, lt_status st)
{
    const char *text = lt_error_message();
    if (!text[0]) text = lt_status_text(st);
    const char *end = comfort(app, st, text);
    if (!app->log || app->rank > 0) fprintf(stderr, "longtake: %s%s\n", text, end);
    lt_log_error(app->log, "%s%s", text, end);
    lt_log_debug(app->log, "%s, reported at %s", lt_status_text(st), lt_error_place());
}

static lt_status flush_results(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return LT_OK;
    if (errno == EPIPE) return LT_OK; /* `longtake ... | head` */
    return LT_FAIL(LT_ERR_IO, "cannot write the result, %s (stdout): check where it goes",
                   strerror(errno));
}

/* Say what failed, from one rank, and take all ranks along. */
static int leave(lt_app *app, lt_status st)
{
    const lt_status flushed = flush_results();
    if (st == LT_OK) st = flushed;
    const int code = lt_status_exit_code(st);
    const int together = app->size <= 1 || lt_comm_failed_together(app->comm);
    lt_progress_close(app->progress);
    if (st != LT_OK && (!together || app->rank == 0)) say(app, st);
    if (st != LT_OK && !together) lt_comm_abort(app->comm, code);
    lt_comm_close(&app->comm);
    lt_log_close(app->log);
    lt_cli_free(&app->cli);
    return code;
}

/* Hand large blocks back to the system as soon as they are freed. glibc raises both
 * thresholds by itself, and what libhdf5 and FFmpeg free then stays as holes: 1.7 instead
 * of 2.0 KiB a frame, and 4 MB less from the start. The kernels' memory is pooled. */
static void keep_heap_small(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    mallopt(M_TRIM_THRESHOLD, 64 << 10);
    mallopt(M_TOP_PAD, 0);
}

int main(int argc, char **argv)
{
    static lt_stop stop; /* signal handlers reach it until the process is gone */
    lt_app app = { .stop = &stop, .size = 1, .started = lt_app_clock() };
    keep_heap_small();
    signal(SIGPIPE, SIG_IGN);
    lt_test_stop_set(getenv("LT_TEST_STOP"));
    return leave(&app, work(&app, argc, argv));
}
