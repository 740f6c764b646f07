#ifndef LT_TESTS_IO_JOB_UTIL_H
#define LT_TESTS_IO_JOB_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "io/index.h"
#include "io/job.h"
#include "status_check.h"

/* What the tests of the job folder share. A block has FRAMES frames of H x W x C. */
enum { FRAMES = 4, H = 2, W = 3, C = 4, LEVELS = 3, TOKENS = H * W };

/* A new empty folder; cleaned by util_rm. In memory where possible: thousands of fsyncs
 * on a busy disk would take minutes, and what is tested here is order, not the disk. */
static inline char *util_dir(char buf[256])
{
    const char *base = getenv("TMPDIR");
    if (!base || !base[0]) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(buf, 256, "%s/lt-job-XXXXXX", base);
    CHECK(mkdtemp(buf));
    return buf;
}

static inline void util_rm(const char *dir)
{
    char cmd[600];
    CHECK(strstr(dir, "lt-job-"));
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    CHECK(system(cmd) == 0);
}

static inline lt_job_identity util_identity(void)
{
    lt_job_identity id = { .tool_version = "0.1.0-test",
                           .created = 1700000000,
                           .seed = 7 };
    memset(id.config_sha256, 'a', 64);
    memset(id.input_sha256, 'b', 64);
    memset(id.model_sha256, 'c', 64);
    return id;
}

static inline lt_status util_open(lt_job **job, const char *dir, lt_job_mode mode)
{
    static lt_job_identity id;
    id = util_identity();
    const lt_job_options o = { .mode = mode,
                               .identity = &id,
                               .config = "method:\n  name: adaflow\n" };
    return lt_job_open(job, dir, &o);
}

static inline float util_value(int64_t unit, int64_t i)
{
    return (float)unit + (float)i / 64.0f;
}

/* Build and commit the shard of a unit; the record is not written. */
static inline lt_status util_shard(lt_job *job, const char *stage, int64_t unit,
                                   int64_t step, lt_record *r, char name[LT_FILE_MAX])
{
    lt_status st = LT_OK;
    lt_shard_writer *w = NULL;
    char path[4096], tag[64];
    float x[FRAMES * H * W * C];
    for (int i = 0; i < FRAMES * H * W * C; i++) x[i] = util_value(unit, i);
    const lt_shard_dataset d = { .path = "/data",
                                 .cell = LT_CELL_F16,
                                 .ndim = 4,
                                 .shape = { FRAMES, H, W, C },
                                 .chunk = { 1, H, W, C } };
    LT_TRY(lt_shard_create(&w, stage));
    LT_TRY(lt_shard_add(w, &d));
    LT_TRY(lt_shard_write_f32(w, "/data", NULL, NULL, x));
    *r = (lt_record){ .stage = stage,
                      .unit = unit,
                      .step = step,
                      .file = name,
                      .first_frame = unit * FRAMES,
                      .n_frames = FRAMES,
                      .pts_first = unit * FRAMES * 512,
                      .pts_last = (unit * FRAMES + FRAMES - 1) * 512 };
    LT_TRY(lt_job_shard_name(name, 0, unit, stage, step));
    LT_TRY(lt_job_file(job, name, path, sizeof(path)));
    snprintf(tag, sizeof(tag), "%s:%lld", stage, (long long)unit);
    LT_TRY(lt_shard_commit(w, path, tag, &r->stamp));
cleanup:
    lt_shard_discard(&w);
    return st;
}

/* The whole life of a unit: shard, then record. */
static inline lt_status util_unit(lt_job *job, const char *stage, int64_t unit,
                                  int64_t step)
{
    char name[LT_FILE_MAX];
    lt_record r;
    const lt_status st = util_shard(job, stage, unit, step, &r, name);
    return st == LT_OK ? lt_job_commit(job, &r, 1) : st;
}

/* The data of a unit are there and right. */
static inline void util_expect(lt_job *job, const char *stage, int64_t unit, int64_t step)
{
    lt_shard_reader *r = NULL;
    float x[FRAMES * H * W * C];
    OK(lt_job_shard(job, stage, unit, step, &r));
    OK(lt_shard_read_f32(r, "/data", NULL, NULL, x));
    for (int i = 0; i < FRAMES * H * W * C; i++) CHECK(x[i] == util_value(unit, i));
    lt_shard_close(&r);
}

static inline int util_exists(const char *dir, const char *file)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    return lt_file_exists(path);
}

/* A file's bytes; the caller frees. */
static inline char *util_read(const char *dir, const char *file, size_t *bytes)
{
    char path[1200];
    void *data = NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    OK(lt_file_read(path, (size_t)1 << 30, &data, bytes));
    return data;
}

static inline void util_write(const char *dir, const char *file, const char *data,
                              size_t bytes)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    FILE *f = fopen(path, "wb");
    CHECK(f);
    CHECK(fwrite(data, 1, bytes, f) == bytes);
    CHECK(fclose(f) == 0);
}

/* Counts of a verify, and whether a name was among the damaged. */
typedef struct util_seen {
    const char *want;
    int64_t ok, bad, stray;
    int named;
} util_seen;

static inline int util_tell(void *ctx, lt_verify_kind kind, const char *file,
                            const lt_record *record, const char *message)
{
    util_seen *s = ctx;
    (void)record;
    CHECK(message && message[0]);
    if (kind == LT_VERIFY_OK)
        s->ok++;
    else if (kind == LT_VERIFY_STRAY)
        s->stray++;
    else
        s->bad++;
    if (kind != LT_VERIFY_OK && kind != LT_VERIFY_STRAY && s->want)
        s->named |= strcmp(file, s->want) == 0;
    return 0;
}

/* Verify a folder as `longtake verify` does. */
static inline util_seen util_verify(const char *dir, const char *want)
{
    util_seen s = { .want = want };
    lt_job *job = NULL;
    int64_t damaged = -1;
    OK(util_open(&job, dir, LT_JOB_READ));
    OK(lt_job_verify(job, util_tell, &s, &damaged, NULL));
    CHECK(damaged == s.bad);
    OK(lt_job_close(&job));
    return s;
}

#endif
