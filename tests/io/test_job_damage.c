/* Damage on the disk: every kind of file, named by verify, taken as lost, mended. */
#include "job_util.h"

enum { UNITS = 4 };

/* A folder with a folded part and a journal part: units 0, 1 in the manifest before the
 * last fold, 2 in the last, 3 in the journal alone. */
static void make(const char *dir)
{
    lt_job *job = NULL;
    static const int64_t pts[UNITS * FRAMES] = { 0, 1, 2 };
    lt_index_spec s = { .n_frames = UNITS * FRAMES,
                        .pts = pts,
                        .time_base_num = 1,
                        .time_base_den = 25,
                        .n_stages = 1 };
    s.stages[0] = (lt_index_stage){ "edit", UNITS };
    OK(util_open(&job, dir, LT_JOB_FRESH));
    for (int64_t u = 0; u < UNITS; u++) {
        OK(util_unit(job, "edit", u, LT_NO_STEP));
        if (u == 0) OK(lt_index_write(job, &s));
        if (u == 1 || u == 2) OK(lt_job_fold(job));
    }
    /* As after a kill: without the fold that close makes. */
    static const char *const file[] = { "journal.jsonl", "manifest.jsonl",
                                        "manifest.jsonl.prev" };
    char *text[3];
    size_t bytes[3];
    for (int i = 0; i < 3; i++) text[i] = util_read(dir, file[i], &bytes[i]);
    OK(lt_job_close(&job));
    for (int i = 0; i < 3; i++) {
        util_write(dir, file[i], text[i], bytes[i]);
        free(text[i]);
    }
    CHECK(util_verify(dir, NULL).bad == 0);
}

static int count_done(lt_job *job)
{
    int n = 0;
    for (int64_t u = 0; u < UNITS; u++)
        n += lt_job_done(job, "edit", u, LT_NO_STEP) &&
             lt_job_check(job, "edit", u, LT_NO_STEP, NULL) == LT_OK;
    return n;
}

/* Open as the next run does, redo what is lost; then all is well again. */
static int mend(const char *dir)
{
    lt_job *job = NULL;
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(!lt_job_found_of(job)->is_new);
    const int had = count_done(job);
    for (int64_t u = 0; u < UNITS; u++) {
        if (!lt_job_done(job, "edit", u, LT_NO_STEP))
            OK(util_unit(job, "edit", u, LT_NO_STEP));
        util_expect(job, "edit", u, LT_NO_STEP);
    }
    OK(lt_job_close(&job));
    return had;
}

/* One flipped bit at many places of each kind of file. */
static void flips(const char *dir)
{
    static const struct {
        const char *file;
        int lost; /* units lost at most */
    } kind[] = { { "manifest.jsonl", 0 },
                 { "manifest.jsonl.prev", 0 },
                 { "journal.jsonl", 2 },
                 { "job.yaml", 0 },
                 { "index.h5", 0 },
                 { "shards/seg-00000.b000.edit.h5", 1 },
                 { "shards/seg-00000.b003.edit.h5", 1 } };
    for (size_t k = 0; k < sizeof(kind) / sizeof(*kind); k++) {
        size_t n = 0;
        make(dir);
        char *data = util_read(dir, kind[k].file, &n);
        const size_t step = n / 40 + 1;
        for (size_t at = 0; at < n; at += step) {
            data[at] ^= (char)(1 << at % 8);
            util_write(dir, kind[k].file, data, n);
            data[at] ^= (char)(1 << at % 8);
            const util_seen s = util_verify(dir, kind[k].file);
            CHECK(s.named && s.bad >= 1);
        }
        data[n - 1] ^= 2; /* the last newline of the texts */
        util_write(dir, kind[k].file, data, n);
        CHECK(util_verify(dir, kind[k].file).named);
        data[n - 1] ^= 2;
        data[n / 2] ^= 16;
        util_write(dir, kind[k].file, data, n);
        free(data);
        const int had = mend(dir);
        CHECK(had >= UNITS - kind[k].lost);
        const util_seen s = util_verify(dir, kind[k].file);
        const int rewritten = k != 3 && k != 4; /* those two are the caller's to redo */
        CHECK(s.bad == !rewritten);
    }
}

/* Cut at every 512 bytes (shards, index) or 64 (texts). */
static void cuts(const char *dir)
{
    static const char *const file[] = { "manifest.jsonl", "manifest.jsonl.prev",
                                        "journal.jsonl", "index.h5",
                                        "shards/seg-00000.b001.edit.h5" };
    for (size_t k = 0; k < 5; k++) {
        size_t n = 0;
        make(dir);
        char *data = util_read(dir, file[k], &n);
        for (size_t cut = 0; cut < n; cut += k < 3 ? 64 : 512) {
            util_write(dir, file[k], data, cut);
            lt_job *job = NULL;
            if (k != 2) CHECK(util_verify(dir, file[k]).named);
            OK(util_open(&job, dir, LT_JOB_READ));
            const int had = count_done(job);
            CHECK(had >= UNITS - 1);
            OK(lt_job_close(&job));
        }
        util_write(dir, file[k], data, n / 2);
        free(data);
        CHECK(mend(dir) >= UNITS - 1);
    }
}

/* The newest manifest that verifies is taken, and what it lacks is in the journal. */
static void previous(const char *dir)
{
    lt_job *job = NULL;
    size_t n = 0;
    make(dir);
    char *data = util_read(dir, "manifest.jsonl", &n);
    data[n / 2] ^= 1;
    util_write(dir, "manifest.jsonl", data, n);
    free(data);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_found_of(job)->used_prev && lt_job_found_of(job)->lines_damaged >= 1);
    CHECK(count_done(job) == UNITS);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0); /* mended */
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(!lt_job_found_of(job)->used_prev && lt_job_found_of(job)->lines_damaged == 0);
    OK(lt_job_close(&job));

    /* Gone altogether: no damage, this is what a kill within a fold leaves. */
    make(dir);
    char path[1200];
    snprintf(path, sizeof(path), "%s/manifest.jsonl", dir);
    CHECK(unlink(path) == 0);
    CHECK(util_verify(dir, NULL).bad == 0);
    CHECK(mend(dir) == UNITS);

    /* Both damaged: what verifies is kept, the rest is done again. */
    make(dir);
    for (int i = 0; i < 2; i++) {
        const char *file = i ? "manifest.jsonl.prev" : "manifest.jsonl";
        data = util_read(dir, file, &n);
        data[n - 40] ^= 1;
        util_write(dir, file, data, n);
        free(data);
    }
    CHECK(mend(dir) >= UNITS - 2);
    CHECK(util_verify(dir, NULL).bad == 0);

    /* Without any head there is nothing to build on. */
    make(dir);
    util_write(dir, "manifest.jsonl", "x", 1);
    util_write(dir, "manifest.jsonl.prev", "y\n", 2);
    util_write(dir, "journal.jsonl", "", 0);
    CHECK(util_open(&job, dir, LT_JOB_WRITE) == LT_ERR_DATA);
    CHECK(strstr(lt_error_message(), "--fresh"));
    CHECK(util_open(&job, dir, LT_JOB_READ) == LT_ERR_DATA);
    make(dir); /* opens with FRESH */
}

/* A torn last line is cut; the next line stands alone. */
static void torn(const char *dir)
{
    lt_job *job = NULL;
    size_t n = 0;
    make(dir);
    char *data = util_read(dir, "journal.jsonl", &n);
    util_write(dir, "journal.jsonl", data, n - 20);
    free(data);
    const util_seen s = util_verify(dir, NULL);
    CHECK(s.bad == 0 && s.stray == 1); /* the shard whose record was torn */
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_found_of(job)->torn_bytes > 0 && lt_job_found_of(job)->swept == 1);
    CHECK(count_done(job) == UNITS - 1);
    OK(util_unit(job, "edit", 3, LT_NO_STEP));
    CHECK(util_verify(dir, NULL).bad == 0); /* while the job is open */
    OK(lt_job_close(&job));
    CHECK(mend(dir) == UNITS);
}

/* A message for each damaged file, one line, and the walk can be stopped. */
static int stop_at_once(void *ctx, lt_verify_kind kind, const char *file,
                        const lt_record *record, const char *message)
{
    (void)kind, (void)record;
    CHECK(file[0] && !strchr(message, '\n'));
    ++*(int *)ctx;
    return 1;
}

static void stopping(const char *dir)
{
    lt_job *job = NULL;
    int calls = 0;
    int64_t damaged = -1;
    make(dir);
    OK(util_open(&job, dir, LT_JOB_READ));
    CHECK(lt_job_verify(job, stop_at_once, &calls, &damaged, NULL) == LT_ERR_STOPPED);
    CHECK(calls == 1 && damaged == -1);
    int64_t bytes = 0;
    OK(lt_job_verify(job, NULL, NULL, &damaged, &bytes));
    CHECK(damaged == 0 && bytes > 4 * 1000);
    OK(lt_job_close(&job));
}

int main(void)
{
    char root[256], dir[600];
    util_dir(root);
    snprintf(dir, sizeof(dir), "%s/d.job", root);
    flips(dir);
    cuts(dir);
    previous(dir);
    torn(dir);
    stopping(dir);
    util_rm(root);
    return 0;
}
