#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/job_impl.h"

/* ---- walking a folder ------------------------------------------------------------- */

typedef lt_status entry_fn(void *ctx, const char *name);

/* Call fn for each name in a folder; one that does not exist is empty. */
static lt_status each_entry(const char *folder, entry_fn *fn, void *ctx)
{
    lt_status st = LT_OK;
    DIR *d = opendir(folder);
    if (!d && errno == ENOENT) return LT_OK;
    if (!d)
        return LT_FAIL(errno == EACCES ? LT_ERR_NOINPUT : LT_ERR_IO,
                       "cannot list a folder, %s (%s): check the rights", strerror(errno),
                       folder);
    while (st == LT_OK) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e && errno)
            st = LT_FAIL(LT_ERR_IO, "cannot list a folder, %s (%s): check the disk",
                         strerror(errno), folder);
        if (!e) break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            st = fn(ctx, e->d_name);
    }
    closedir(d);
    return st;
}

/* ---- what a folder is ------------------------------------------------------------- */

static int is_ours(const char *name)
{
    static const char *const ours[] = { LT_JOB_CONFIG, LT_JOB_MANIFEST, LT_JOB_PREV,
                                        LT_JOB_NEW,    LT_JOB_JOURNAL,  LT_JOB_INDEX,
                                        LT_JOB_LOCK,   "shards",        "video",
                                        "log",         "report",        "lost+found" };
    const char *tmp = strstr(name, ".tmp.");
    const size_t n = tmp && tmp[5 + strspn(tmp + 5, "0123456789")] == '\0'
                         ? (size_t)(tmp - name)
                         : strlen(name);
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (strlen(ours[i]) == n && memcmp(ours[i], name, n) == 0) return 1;
    return 0;
}

static lt_status count_foreign(void *ctx, const char *name)
{
    int *foreign = ctx;
    *foreign += !is_ours(name);
    return LT_OK;
}

lt_status lt_folder_classify(const char *folder, lt_folder_kind *kind)
{
    lt_status st = LT_OK;
    int any = 0, sound = 0, foreign = 0;
    if (!lt_file_exists(folder)) {
        *kind = LT_FOLDER_ABSENT;
        return LT_OK;
    }
    if (!lt_folder_exists(folder)) {
        *kind = LT_FOLDER_FOREIGN;
        return LT_OK;
    }
    LT_TRY(lt_joblog_peek(folder, &any, &sound));
    if (!sound) LT_TRY(each_entry(folder, count_foreign, &foreign));
    *kind = sound     ? LT_FOLDER_JOB
            : foreign ? LT_FOLDER_FOREIGN
            : any     ? LT_FOLDER_RUINED
                      : LT_FOLDER_EMPTY;
cleanup:
    return st;
}

/* ---- files without a record ------------------------------------------------------- */

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* "seg-" and a number: what lt_job_shard_name makes. */
static int is_unit_file(const char *name)
{
    return strncmp(name, "seg-", 4) == 0 && is_digit(name[4]);
}

typedef struct stray_walk {
    const lt_record **recorded; /* sorted by file name */
    int64_t n;
    const char *sub;
    lt_stray_fn *fn;
    void *ctx;
} stray_walk;

static int by_file(const void *a, const void *b)
{
    const lt_record *x = *(const lt_record *const *)a, *y = *(const lt_record *const *)b;
    return strcmp(x->file, y->file);
}

static lt_status stray_entry(void *ctx, const char *name)
{
    stray_walk *w = ctx;
    char rel[LT_FILE_MAX];
    if (!is_unit_file(name)) return LT_OK;
    const int n = snprintf(rel, sizeof(rel), "%s/%s", w->sub, name);
    if (n < 0 || n >= (int)sizeof(rel)) return LT_OK;
    const lt_record key = { .file = rel }, *k = &key;
    if (bsearch(&k, w->recorded, (size_t)w->n, sizeof(k), by_file)) return LT_OK;
    return w->fn(w->ctx, rel);
}

lt_status lt_job_strays(lt_job *job, lt_stray_fn *fn, void *ctx)
{
    lt_status st = LT_OK;
    static const char *const sub[] = { "shards", "video" };
    char folder[LT_PATH_MAX + 16];
    stray_walk w = { .fn = fn, .ctx = ctx };
    LT_TRY(lt_manifest_list(job->m, NULL, &w.recorded, &w.n));
    qsort(w.recorded, (size_t)w.n, sizeof(*w.recorded), by_file);
    for (int i = 0; i < 2; i++) {
        w.sub = sub[i];
        snprintf(folder, sizeof(folder), "%s/%s", job->path, sub[i]);
        LT_TRY(each_entry(folder, stray_entry, &w));
    }
cleanup:
    free(w.recorded);
    return st;
}

/* ---- sweeping --------------------------------------------------------------------- */

static lt_status remove_stray(void *ctx, const char *rel)
{
    lt_job *job = ctx;
    char path[LT_PATH_MAX + LT_FILE_MAX];
    struct stat s;
    snprintf(path, sizeof(path), "%s/%s", job->path, rel);
    if (lstat(path, &s) != 0 || S_ISDIR(s.st_mode)) return LT_OK;
    const lt_status st = lt_file_remove(path);
    job->found.swept += st == LT_OK;
    return st;
}

lt_status lt_job_sweep(lt_job *job)
{
    lt_status st = LT_OK;
    static const char *const sub[] = { "", "/shards", "/video", "/log", "/report" };
    char path[LT_PATH_MAX + 32];
    for (int i = 0; i < 5; i++) {
        int64_t n = 0;
        snprintf(path, sizeof(path), "%s%s", job->path, sub[i]);
        LT_TRY(lt_file_sweep(path, &n));
        job->found.swept += n;
    }
    snprintf(path, sizeof(path), "%s/" LT_JOB_NEW, job->path);
    LT_TRY(lt_file_remove(path));
    LT_TRY(lt_job_strays(job, remove_stray, job));
cleanup:
    return st;
}

typedef struct ending_walk {
    const char *folder;
    const char *const *ending;
} ending_walk;

static lt_status remove_ending(void *ctx, const char *name)
{
    const ending_walk *w = ctx;
    char path[LT_PATH_MAX + 512];
    const size_t n = strlen(name);
    for (int i = 0; w->ending[i]; i++) {
        const size_t e = strlen(w->ending[i]);
        if (n <= e || strcmp(name + n - e, w->ending[i]) != 0) continue;
        const int len = snprintf(path, sizeof(path), "%s/%s", w->folder, name);
        if (len > 0 && len < (int)sizeof(path)) return lt_file_remove(path);
    }
    return LT_OK;
}

lt_status lt_job_sweep_all(lt_job *job)
{
    lt_status st = LT_OK;
    static const char *const logs[] = { ".jsonl", ".log", NULL };
    static const char *const reports[] = { ".html", ".png", ".json", ".csv", NULL };
    static const char *const file[] = { LT_JOB_INDEX, LT_JOB_CONFIG };
    char path[LT_PATH_MAX + 32];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", job->path, file[i]);
        LT_TRY(lt_file_remove(path));
    }
    snprintf(path, sizeof(path), "%s/log", job->path);
    LT_TRY(each_entry(path, remove_ending, &(ending_walk){ path, logs }));
    snprintf(path, sizeof(path), "%s/report", job->path);
    LT_TRY(each_entry(path, remove_ending, &(ending_walk){ path, reports }));
    LT_TRY(lt_job_sweep(job));
cleanup:
    return st;
}
