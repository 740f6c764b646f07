/* One user a folder: refused while it is held, taken over when provably stale. */
#include <signal.h>

#include "job_util.h"

static const char *const names = "shards";

static lt_status open_as(lt_job **job, const char *dir, const char *slurm,
                         int64_t restart)
{
    const lt_job_identity id = util_identity();
    const lt_job_options o = { .mode = LT_JOB_WRITE,
                               .owner = { .slurm_job = slurm, .slurm_restart = restart },
                               .identity = &id,
                               .config = "a: 1\n" };
    return lt_job_open(job, dir, &o);
}

/* A child that opens the folder, tells, and waits to be killed. */
static pid_t holder(const char *dir, const char *slurm)
{
    int ready[2];
    char c = 0;
    CHECK(pipe(ready) == 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        lt_job *job = NULL;
        const lt_status st = open_as(&job, dir, slurm, 0);
        c = st == LT_OK ? 'y' : 'n';
        if (write(ready[1], &c, 1) != 1) _exit(1);
        for (;;) pause();
    }
    CHECK(read(ready[0], &c, 1) == 1 && c == 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void kill_child(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

static void lock_text(const char *dir, const char *host, long pid, long start,
                      const char *slurm)
{
    char text[512];
    const int n = snprintf(text, sizeof(text),
                           "{\"host\":\"%s\",\"pid\":%ld,\"start\":%ld,\"boot\":\"\","
                           "\"slurm_job\":\"%s\",\"slurm_restart\":0}\n",
                           host, pid, start, slurm);
    util_write(dir, "lock", text, (size_t)n);
}

static void expect(const char *dir, const char *slurm, int64_t restart, int taken)
{
    lt_job *job = NULL;
    const lt_status st = open_as(&job, dir, slurm, restart);
    CHECK(st == (taken ? LT_OK : LT_ERR_CANTCREAT));
    CHECK(!taken || lt_job_found_of(job)->took_over);
    CHECK(taken || !job);
    OK(lt_job_close(&job));
}

int main(void)
{
    char root[256], dir[600], host[256] = "", want[64];
    lt_job *job = NULL, *second = NULL;
    util_dir(root);
    snprintf(dir, sizeof(dir), "%s/a.job", root);
    CHECK(gethostname(host, sizeof(host) - 1) == 0);

    /* Held by another process: refused, and it is named; reading goes on. */
    const pid_t pid = holder(dir, "4711");
    CHECK(util_open(&job, dir, LT_JOB_WRITE) == LT_ERR_CANTCREAT && !job);
    snprintf(want, sizeof(want), "process %ld", (long)pid);
    CHECK(strstr(lt_error_message(), want) && strstr(lt_error_message(), host));
    CHECK(strstr(lt_error_message(), "4711"));
    CHECK(lt_status_exit_code(LT_ERR_CANTCREAT) == 73);
    CHECK(util_open(&job, dir, LT_JOB_FRESH) == LT_ERR_CANTCREAT && !job);
    CHECK(open_as(&job, dir, "4711", 1) == LT_ERR_CANTCREAT); /* it lives and locks */
    OK(util_open(&job, dir, LT_JOB_READ));
    OK(lt_job_close(&job));

    /* Killed: taken over at once. */
    kill_child(pid);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_found_of(job)->took_over);
    /* Twice in one process, too. */
    CHECK(util_open(&second, dir, LT_JOB_WRITE) == LT_ERR_CANTCREAT && !second);
    OK(lt_job_close(&job));
    OK(util_open(&job, dir, LT_JOB_WRITE)); /* released at close */
    CHECK(!lt_job_found_of(job)->took_over);
    OK(lt_job_close(&job));

    /* Where the file system has no locks the text decides. */
    lock_text(dir, host, getpid(), 1, ""); /* this number, another process */
    expect(dir, NULL, 0, 1);
    lock_text(dir, host, 1, 1, "");
    expect(dir, NULL, 0, 1);
    lock_text(dir, "elsewhere.example", 1, 1, "");
    expect(dir, NULL, 0, 0);
    expect(dir, "4711", 1, 0);
    lock_text(dir, "elsewhere.example", 1, 1, "4711");
    expect(dir, "4711", 0, 0);
    expect(dir, "4712", 1, 0);
    expect(dir, "4711", 1, 1); /* the same Slurm job, started again */
    util_write(dir, "lock", "torn {", 6);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    OK(lt_job_close(&job));
    CHECK(util_exists(dir, names));
    util_rm(root);
    return 0;
}
