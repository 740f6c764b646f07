#ifndef LT_TESTS_CORE_TMPDIR_H
#define LT_TESTS_CORE_TMPDIR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A fresh folder of this test process, removed by tmpdir_remove. */
static inline const char *tmpdir_make(char buf[64])
{
    snprintf(buf, 64, "/tmp/lt-test-XXXXXX");
    CHECK(mkdtemp(buf) != NULL);
    return buf;
}

static inline void tmpdir_remove(const char *folder)
{
    char command[128];
    CHECK(strncmp(folder, "/tmp/lt-test-", 13) == 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

/* "folder/name" in one of a few static buffers. */
static inline const char *in(const char *folder, const char *name)
{
    static char buf[8][512];
    static int next;
    char *out = buf[next++ % 8];
    CHECK(snprintf(out, 512, "%s/%s", folder, name) < 512);
    return out;
}

static inline void put_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Run fn in a child; its exit code, or minus the signal that ended it. */
static inline int run_child(int (*fn)(const char *), const char *arg)
{
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) _exit(fn(arg));
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
