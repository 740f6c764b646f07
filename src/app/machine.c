#include "app/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/options.h"

const char *lt_machine_line(const char *path, char *out, int size)
{
    out[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f) return out;
    if (!fgets(out, size, f)) out[0] = '\0';
    fclose(f);
    out[strcspn(out, "\n")] = '\0';
    return out;
}

static int64_t available(void)
{
    char line[256];
    int64_t kib = -1;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && kib < 0 && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %" SCNd64, &kib) != 1) kib = -1;
    if (f) fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

static int64_t number_in(const char *folder, const char *name)
{
    char path[LT_PATH_MAX], line[64];
    int64_t v = -1;
    snprintf(path, sizeof(path), "%.3900s/%s", folder, name);
    if (sscanf(lt_machine_line(path, line, sizeof(line)), "%" SCNd64, &v) != 1) return -1;
    return v;
}

/* What is left in the control group of this process and in those above it (cgroup 2). */
static int64_t left_in_group(void)
{
    char line[1024], folder[2048];
    int64_t left = -1;
    if (strncmp(lt_machine_line("/proc/self/cgroup", line, sizeof(line)), "0::/", 4))
        return -1;
    snprintf(folder, sizeof(folder), "/sys/fs/cgroup%s", line + 3);
    while (strlen(folder) >= strlen("/sys/fs/cgroup")) {
        const int64_t max = number_in(folder, "memory.max");
        const int64_t used = number_in(folder, "memory.current");
        if (max >= 0 && used >= 0 && (left < 0 || max - used < left)) left = max - used;
        char *slash = strrchr(folder, '/');
        *slash = '\0';
    }
    return left;
}

int64_t lt_machine_memory(void)
{
    const int64_t a = available(), g = left_in_group();
    if (a < 0 || g < 0) return a < 0 ? g : a;
    return a < g ? a : g;
}

int lt_machine_program(const char *name, char *found, int size)
{
    const char *list = getenv("PATH");
    char *copy = strdup(list ? list : ""), *save = NULL;
    int is = 0;
    for (char *f = copy ? strtok_r(copy, ":", &save) : NULL; f && !is;
         f = strtok_r(NULL, ":", &save)) {
        snprintf(found, (size_t)size, "%s/%s", f, name);
        is = access(found, X_OK) == 0;
    }
    free(copy);
    return is;
}

int64_t lt_machine_disk(const char *path)
{
    char at[LT_PATH_MAX], up[LT_PATH_MAX];
    int64_t bytes = -1;
    if (lt_path_absolute(NULL, path, at) != LT_OK) return -1;
    while (!lt_folder_exists(at) && strcmp(at, "/") != 0) {
        if (lt_path_folder(at, up) != LT_OK) return -1;
        memcpy(at, up, sizeof(at));
    }
    return lt_disk_free(at, &bytes) == LT_OK ? bytes : -1;
}
