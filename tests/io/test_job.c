/* The job folder: making, refusing, resuming, units, states, configuration. */
#include <time.h>

#include "job_util.h"

static lt_status open_as(lt_job **job, const char *dir, lt_job_mode mode,
                         const char *slurm, int64_t restart)
{
    const lt_job_identity id = util_identity();
    const lt_job_options o = { .mode = mode,
                               .owner = { .slurm_job = slurm, .slurm_restart = restart },
                               .identity = &id,
                               .config = "a: 1\n" };
    return lt_job_open(job, dir, &o);
}

static void making(const char *root)
{
    char dir[600], path[4096], *text = NULL;
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/new/deep.job", root);
    CHECK(util_open(&job, dir, LT_JOB_READ) == LT_ERR_NOINPUT);
    CHECK(util_open(&job, dir, LT_JOB_RESUME) == LT_ERR_NOINPUT && !job);
    CHECK(!util_exists(root, "new"));
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_found_of(job)->is_new && !lt_job_found_of(job)->took_over);
    OK(lt_job_config(job, &text));
    CHECK(strcmp(text, "method:\n  name: adaflow\n") == 0);
    free(text);
    const char *part[] = { "manifest.jsonl", "journal.jsonl", "job.yaml", "shards",
                           "video",          "log",           "report" };
    for (int i = 0; i < 7; i++) CHECK(util_exists(dir, part[i]));
    OK(lt_job_file(job, "shards", path, sizeof(path)));
    CHECK(path[0] == '/' && lt_folder_exists(path));
    CHECK(lt_job_file(job, "shards", path, 10) == LT_ERR_ARG);
    OK(lt_job_close(&job));
    OK(lt_job_close(&job));

    OK(open_as(&job, dir, LT_JOB_WRITE, NULL, 0)); /* another configuration: kept */
    CHECK(!lt_job_found_of(job)->is_new &&
          lt_job_identity_of(job)->created == 1700000000);
    OK(lt_job_config(job, &text));
    CHECK(strncmp(text, "method", 6) == 0);
    free(text);
    lt_job_identity id = util_identity();
    memset(id.config_sha256, 'd', 64);
    OK(lt_job_set_config(job, "b: 2\n", &id));
    OK(lt_job_close(&job));
    OK(util_open(&job, dir, LT_JOB_READ));
    CHECK(lt_job_identity_of(job)->config_sha256[0] == 'd');
    OK(lt_job_config(job, &text));
    CHECK(strcmp(text, "b: 2\n") == 0);
    free(text);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0);
}

static void refusing(const char *root)
{
    char dir[600];
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/other", root);
    OK(lt_folder_make(dir));
    OK(util_open(&job, dir, LT_JOB_WRITE)); /* empty: fine */
    OK(lt_job_close(&job));

    snprintf(dir, sizeof(dir), "%s/theirs", root);
    OK(lt_folder_make(dir));
    util_write(dir, "thesis.tex", "x", 1);
    util_write(dir, "manifest.jsonl", "{\"audio\": \"a.wav\"}\n",
               19); /* of another tool */
    CHECK(util_open(&job, dir, LT_JOB_WRITE) == LT_ERR_CANTCREAT);
    CHECK(strstr(lt_error_message(), "theirs") && strstr(lt_error_message(), "--job"));
    CHECK(util_open(&job, dir, LT_JOB_FRESH) == LT_ERR_CANTCREAT);
    CHECK(util_open(&job, dir, LT_JOB_RESUME) == LT_ERR_NOINPUT);
    CHECK(util_open(&job, dir, LT_JOB_READ) == LT_ERR_NOINPUT);
    CHECK(!util_exists(dir, "lock") && !util_exists(dir, "shards"));
    snprintf(dir, sizeof(dir), "%s/theirs/thesis.tex", root);
    CHECK(util_open(&job, dir, LT_JOB_WRITE) == LT_ERR_CANTCREAT);

    snprintf(dir, sizeof(dir), "%s/future", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    OK(lt_job_close(&job));
    char line[LT_LINE_MAX];
    const lt_manifest_head h = { .version = 2, .id = util_identity() };
    util_write(dir, "manifest.jsonl", line, lt_head_line(line, &h, 0));
    for (int m = LT_JOB_READ; m <= LT_JOB_FRESH; m++) {
        CHECK(util_open(&job, dir, (lt_job_mode)m) == LT_ERR_DATA && !job);
        CHECK(strstr(lt_error_message(), "version 2"));
    }
}

static void units(const char *root)
{
    char dir[600];
    lt_job *job = NULL;
    lt_shard_reader *r = NULL;
    snprintf(dir, sizeof(dir), "%s/units", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    for (int64_t u = 0; u < 6; u++) OK(util_unit(job, "invert", u, LT_NO_STEP));
    CHECK(lt_job_done(job, "invert", 5, LT_NO_STEP) &&
          !lt_job_done(job, "invert", 6, -1));
    const lt_record nothing = { .stage = "join", .step = LT_NO_STEP, .file = "" };
    OK(lt_job_commit(job, &nothing, 1));
    CHECK(lt_job_done(job, "join", 0, LT_NO_STEP));
    lt_record bad = nothing;
    bad.unit = -3;
    const lt_record two[2] = { { .stage = "x", .step = LT_NO_STEP, .file = "" }, bad };
    CHECK(lt_job_commit(job, two, 2) == LT_ERR_ARG);
    CHECK(!lt_job_done(job, "x", 0, LT_NO_STEP)); /* none of them */

    lt_record key[2] = { { .stage = "invert", .unit = 1, .step = LT_NO_STEP },
                         { .stage = "invert", .unit = 2, .step = LT_NO_STEP } };
    OK(lt_job_drop(job, &key[0], 1));
    OK(lt_job_remove(job, &key[1], 1));
    OK(lt_job_remove(job, &key[1], 1));
    CHECK(!util_exists(dir, "shards/seg-00000.b001.invert.h5"));
    CHECK(!util_exists(dir, "shards/seg-00000.b002.invert.h5"));
    OK(lt_job_close(&job));

    OK(util_open(&job, dir, LT_JOB_RESUME));
    CHECK(lt_job_unit(job, "invert", 0, LT_NO_STEP) == LT_UNIT_DONE);
    CHECK(lt_job_unit(job, "invert", 1, LT_NO_STEP) == LT_UNIT_DROPPED);
    CHECK(lt_job_unit(job, "invert", 2, LT_NO_STEP) == LT_UNIT_TODO);
    util_expect(job, "invert", 3, LT_NO_STEP);
    OK(lt_job_shard(job, "invert", 4, LT_NO_STEP, &r));
    const lt_record *rec = lt_job_record(job, "invert", 4, LT_NO_STEP);
    CHECK(lt_shard_bytes_verified(r) == (int64_t)rec->stamp.size);
    lt_shard_close(&r);
    OK(lt_job_shard(job, "invert", 4, LT_NO_STEP, &r)); /* once per process */
    CHECK(lt_shard_bytes_verified(r) == 0);
    lt_shard_close(&r);

    /* Missing, shortened, changed: lost, and the others stay. */
    util_write(dir, "shards/seg-00000.b003.invert.h5", "short", 5);
    CHECK(lt_job_check(job, "invert", 3, LT_NO_STEP, NULL) == LT_OK); /* known since */
    OK(lt_job_close(&job));
    OK(util_open(&job, dir, LT_JOB_RESUME));
    CHECK(!lt_job_done(job, "invert", 3, LT_NO_STEP));
    CHECK(!lt_job_record(job, "invert", 3, LT_NO_STEP));
    size_t n = 0;
    char *data = util_read(dir, "shards/seg-00000.b004.invert.h5", &n);
    data[n / 2] ^= 4;
    util_write(dir, "shards/seg-00000.b004.invert.h5", data, n);
    free(data);
    CHECK(lt_job_done(job, "invert", 4, LT_NO_STEP)); /* the size is right */
    CHECK(lt_job_shard(job, "invert", 4, LT_NO_STEP, &r) == LT_ERR_DATA && !r);
    CHECK(strstr(lt_error_message(), "seg-00000.b004.invert.h5"));
    CHECK(!lt_job_done(job, "invert", 4, LT_NO_STEP));
    CHECK(lt_job_shard(job, "invert", 4, LT_NO_STEP, &r) == LT_ERR_NOINPUT);
    for (int64_t u = 2; u < 5; u++) OK(util_unit(job, "invert", u, LT_NO_STEP));
    for (int64_t u = 2; u < 5; u++) util_expect(job, "invert", u, LT_NO_STEP);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0 && util_verify(dir, NULL).stray == 0);
}

/* A reader hears of what rank 0 does, and never changes the folder. */
static void readers(const char *root)
{
    char dir[600], name[LT_FILE_MAX];
    lt_job *job = NULL, *other = NULL;
    lt_record r;
    snprintf(dir, sizeof(dir), "%s/units", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    OK(util_open(&other, dir, LT_JOB_READ));
    OK(util_shard(other, "invert", 20, LT_NO_STEP, &r, name)); /* a rank's own shard */
    CHECK(lt_job_commit(other, &r, 1) == LT_ERR_IO);
    OK(lt_job_commit(job, &r, 1));
    CHECK(!lt_job_done(other, "invert", 20, LT_NO_STEP));
    OK(lt_job_learn(other, LT_OP_ADD, &r));
    util_expect(other, "invert", 20, LT_NO_STEP);
    OK(lt_job_close(&other));
    OK(util_open(&other, dir, LT_JOB_READ)); /* from the journal */
    util_expect(other, "invert", 20, LT_NO_STEP);
    OK(lt_job_close(&other));
    OK(lt_job_close(&job));
}

static void remove_states(lt_job *job, int64_t step)
{
    lt_record old[3];
    for (int64_t u = 0; u < 3; u++)
        old[u] = (lt_record){ .stage = "state", .unit = u, .step = step };
    OK(lt_job_remove(job, old, 3));
}

static void states(const char *root)
{
    char dir[600];
    lt_job *job = NULL;
    const int64_t unit[3] = { 0, 1, 2 };
    snprintf(dir, sizeof(dir), "%s/states", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_state_step(job, "state", unit, 3) == LT_NO_STEP);
    for (int64_t step = 5; step <= 20; step += 5) {
        OK(util_unit(job, "state", 0, step));
        OK(util_unit(job, "state", 1, step));
        CHECK(lt_job_state_step(job, "state", unit, 3) == (step > 5 ? step - 5 : -1));
        OK(util_unit(job, "state", 2, step));
        CHECK(lt_job_state_step(job, "state", unit, 3) == step);
        if (step > 10) remove_states(job, step - 10);
    }
    CHECK(lt_manifest_count(lt_job_manifest(job), "state") == 6); /* 15 and 20 */
    CHECK(!util_exists(dir, "shards/seg-00000.b001.state.0010.h5"));
    CHECK(util_exists(dir, "shards/seg-00000.b001.state.0015.h5"));
    OK(lt_job_close(&job));
    CHECK(unlink("/nonexistent") != 0);
    char path[1200];
    snprintf(path, sizeof(path), "%s/shards/seg-00000.b002.state.0020.h5", dir);
    CHECK(unlink(path) == 0);
    OK(util_open(&job, dir, LT_JOB_RESUME));
    CHECK(lt_job_state_step(job, "state", unit, 3) == 15); /* one generation back */
    util_expect(job, "state", 2, 15);
    remove_states(job, 15);
    remove_states(job, 20);
    CHECK(lt_manifest_count(lt_job_manifest(job), "state") == 0);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0 && util_verify(dir, NULL).stray == 0);
}

/* --fresh throws away what we made and nothing else. */
static void fresh(const char *root)
{
    char dir[600];
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/units", root);
    util_write(dir, "notes.txt", "mine", 4);
    util_write(dir, "shards/readme", "mine", 4);
    util_write(dir, "log/metrics.jsonl", "{}\n", 3);
    OK(util_open(&job, dir, LT_JOB_FRESH));
    CHECK(lt_job_found_of(job)->is_new);
    CHECK(lt_manifest_count(lt_job_manifest(job), "invert") == 0);
    CHECK(!lt_job_done(job, "join", 0, LT_NO_STEP));
    CHECK(!util_exists(dir, "shards/seg-00000.b000.invert.h5"));
    CHECK(!util_exists(dir, "log/metrics.jsonl"));
    CHECK(util_exists(dir, "notes.txt") && util_exists(dir, "shards/readme"));
    OK(lt_job_close(&job));
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(!lt_job_found_of(job)->is_new);
    CHECK(lt_manifest_count(lt_job_manifest(job), "invert") == 0);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0);
}

/* Leftovers of killed writers go; the stem alone makes a file ours. */
static void sweeping(const char *root)
{
    char dir[600];
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/units", root);
    util_write(dir, "shards/seg-00000.b009.invert.h5", "x", 1);
    util_write(dir, "shards/seg-00000.b009.invert.h5.tmp.123", "x", 1);
    util_write(dir, "video/seg-00001.mp4", "x", 1);
    util_write(dir, "video/other.mp4", "x", 1);
    CHECK(util_verify(dir, NULL).stray == 3);
    OK(util_open(&job, dir, LT_JOB_READ));
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).stray == 3);
    OK(util_open(&job, dir, LT_JOB_RESUME));
    CHECK(lt_job_found_of(job)->swept == 3);
    OK(lt_job_close(&job));
    CHECK(util_exists(dir, "video/other.mp4") &&
          !util_exists(dir, "video/seg-00001.mp4"));
}

/* Processor time: other processes on the machine must not fail a test. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A folder of an hour: commit in batches, fold by itself, load. */
static void hour(const char *root)
{
    enum { BLOCKS = 5400, STAGES = 6, BATCH = 100 };
    static const char *const stage[STAGES] = { "source", "features", "invert",
                                               "match",  "edit",     "decode" };
    static lt_record batch[BATCH];
    static char name[BATCH][LT_FILE_MAX];
    char dir[600];
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/hour", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    const double t0 = now();
    for (int s = 0; s < STAGES; s++) {
        for (int64_t u = 0; u < BLOCKS; u += BATCH) {
            for (int64_t i = 0; i < BATCH; i++) {
                OK(lt_job_shard_name(name[i], u / 8, u + i, stage[s], -1));
                batch[i] = (lt_record){ .stage = stage[s],
                                        .unit = u + i,
                                        .step = LT_NO_STEP,
                                        .file = name[i],
                                        .stamp = { .size = 1 },
                                        .n_frames = 16,
                                        .first_frame = (u + i) * 16 };
            }
            OK(lt_job_commit(job, batch, BATCH));
        }
    }
    OK(lt_job_fold(job));
    const double t1 = now();
    lt_job *reader = NULL;
    OK(util_open(&reader, dir, LT_JOB_READ));
    const double t2 = now();
    CHECK(lt_manifest_count(lt_job_manifest(reader), NULL) == BLOCKS * STAGES + 1);
    printf("32,400 records: commit and fold %.2f s, load %.2f s\n", t1 - t0, t2 - t1);
#ifndef __SANITIZE_ADDRESS__
    CHECK(t2 - t1 < 1.0);
#endif
    OK(lt_job_close(&reader));
    OK(lt_job_close(&job));
}

int main(void)
{
    char root[256];
    util_dir(root);
    making(root);
    refusing(root);
    units(root);
    readers(root);
    states(root);
    fresh(root);
    sweeping(root);
    hour(root);
    util_rm(root);
    return 0;
}
