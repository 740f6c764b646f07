/* Two signals force the end: 130 after Ctrl-C, 143 after TERM. One unit of work must take
 * longer than the 0.3 s after which a second signal counts, so the frame is large and the
 * plain C kernels do it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "mistakes/mistakes.h"

static void wait_ms(int ms)
{
    const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static pid_t start(const char *program)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    execl(program, program, "edit", "-q", "-i", "large.mp4", "-o", "o.mp4", "--model",
          "../model", "--threads", "1", "--set", "run.cpu_path=ref", "--set",
          "size.width=1024", "--set", "size.height=1024", (char *)NULL);
    _exit(127);
}

static int code_after(const char *program, int number)
{
    int status = 0;
    const pid_t pid = start(program);
    for (int i = 0; i < 600 && access("o.job/log/metrics.jsonl", F_OK) != 0; i++)
        wait_ms(50);
    kill(pid, number);
    for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        wait_ms(400);
        kill(pid, number);
    }
    CHECK(system("rm -rf o.job") == 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int mistake_stops(const char *program)
{
    char command[4300];
    snprintf(command, sizeof(command),
             "%s synth -q --seed 1 --frames 1 --size 1024x1024 -o large.mp4 >out",
             program);
    CHECK(system(command) == 0);
    const int c = code_after(program, SIGINT), t = code_after(program, SIGTERM);
    if (c == 130 && t == 143) return 0;
    fprintf(stderr, "FAIL: two signals gave %d and %d, not 130 and 143\n", c, t);
    return 1;
}
