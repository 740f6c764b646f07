/* A writer killed at every point leaves a folder that verifies, opens, loses at most the
 * unit it was at, and ends like a run that nobody killed. */
#include <signal.h>
#include <time.h>

#include "job_util.h"

enum { UNITS = 3, PHASES = 7 };

static lt_index_spec index_spec(void)
{
    static const int64_t pts[UNITS * FRAMES] = { 0, 512, 1024 };
    lt_index_spec s = { .n_frames = UNITS * FRAMES,
                        .pts = pts,
                        .time_base_num = 1,
                        .time_base_den = 12800,
                        .n_stages = 1 };
    s.stages[0] = (lt_index_stage){ "edit", UNITS };
    return s;
}

/* One phase of the run, as the runner would do it: only what is not done yet. */
static lt_status phase(lt_job **job, const char *dir, int p)
{
    lt_status st = LT_OK;
    const lt_record first = { .stage = "invert", .unit = 0, .step = LT_NO_STEP };
    const lt_index_spec spec = index_spec();
    lt_job_identity id = util_identity();
    switch (p) {
    case 0: return util_open(job, dir, LT_JOB_WRITE);
    case 1:
        for (int64_t u = 0; u < UNITS; u++) {
            if (lt_job_unit(*job, "invert", u, LT_NO_STEP) == LT_UNIT_TODO)
                LT_TRY(util_unit(*job, "invert", u, LT_NO_STEP));
            if (!lt_job_done(*job, "edit", u, LT_NO_STEP))
                LT_TRY(util_unit(*job, "edit", u, LT_NO_STEP));
        }
        break;
    case 2: return lt_job_drop(*job, &first, 1);
    case 3: return lt_job_fold(*job);
    case 4: id.seed = 8; return lt_job_set_config(*job, "changed: 1\n", &id);
    case 5: return lt_index_write(*job, &spec);
    default: return lt_job_close(job);
    }
cleanup:
    return st;
}

static void whole_run(const char *dir, const char *stop, int at_phase)
{
    lt_job *job = NULL;
    for (int p = 0; p < PHASES; p++) {
        lt_test_stop_set(p == at_phase ? stop : NULL);
        OK(phase(&job, dir, p));
    }
    lt_test_stop_set(NULL);
}

/* Every file but the lock and the manifests (they tell the history), byte by byte. */
static void same_folders(const char *a, const char *b)
{
    char cmd[1400];
    snprintf(cmd, sizeof(cmd),
             "diff -r -x lock -x manifest.jsonl -x manifest.jsonl.prev -x journal.jsonl "
             "'%s' '%s' >&2",
             a, b);
    CHECK(system(cmd) == 0);
    lt_job *x = NULL, *y = NULL;
    const lt_record **lx = NULL, **ly = NULL;
    int64_t nx = 0, ny = 0;
    OK(util_open(&x, a, LT_JOB_READ));
    OK(util_open(&y, b, LT_JOB_READ));
    OK(lt_manifest_list(lt_job_manifest(x), NULL, &lx, &nx));
    OK(lt_manifest_list(lt_job_manifest(y), NULL, &ly, &ny));
    CHECK(nx == ny);
    for (int64_t i = 0; i < nx; i++) {
        CHECK(strcmp(lx[i]->stage, ly[i]->stage) == 0 && lx[i]->unit == ly[i]->unit);
        CHECK(memcmp(&lx[i]->stamp, &ly[i]->stamp, sizeof(lt_stamp)) == 0);
    }
    CHECK(memcmp(lt_job_identity_of(x), lt_job_identity_of(y), sizeof(lt_job_identity)) ==
          0);
    CHECK(lt_job_unit(x, "invert", 0, LT_NO_STEP) == LT_UNIT_DROPPED);
    free(lx);
    free(ly);
    OK(lt_job_close(&x));
    OK(lt_job_close(&y));
}

/* What a killed run left: no damage, and nothing lost that was committed before. */
static void look_at(const char *dir, int p)
{
    lt_job *job = NULL;
    const lt_status st = util_open(&job, dir, LT_JOB_READ);
    if (st != LT_OK) { /* killed before there was anything */
        CHECK(p == 0 && st == LT_ERR_NOINPUT);
        return;
    }
    CHECK(lt_job_found_of(job)->lines_damaged == 0);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    CHECK(lt_job_found_of(job)->lines_damaged == 0);
    if (p > 1)
        for (int64_t u = 0; u < UNITS; u++) util_expect(job, "edit", u, LT_NO_STEP);
    OK(lt_job_close(&job));
    const util_seen s = util_verify(dir, NULL);
    CHECK(s.bad == 0 && s.stray == 0);
}

static void killed_at(const char *root, const char *reference, const char *stop, int p)
{
    char dir[600];
    int status = 0;
    snprintf(dir, sizeof(dir), "%s/killed", root);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        whole_run(dir, stop, p);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!WIFSIGNALED(status)) fprintf(stderr, "%s in phase %d: not reached\n", stop, p);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    look_at(dir, p);
    whole_run(dir, NULL, -1);
    const util_seen s = util_verify(dir, NULL);
    CHECK(s.bad == 0 && s.stray == 0);
    same_folders(dir, reference);
    char cmd[700];
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    CHECK(system(cmd) == 0);
}

static void at_points(const char *root, const char *reference)
{
    static const char *const file[] = { "before", "during", "written", "after" };
    static const char *const line[] = { "journal_before", "journal_during",
                                        "journal_after" };
    static const struct {
        const char *tag;
        int phase, files, lines;
    } at[] = {
        { "create:0", 0, 1, 0 }, { "create:1", 0, 1, 0 }, { "config:0", 0, 1, 1 },
        { "fold:0", 0, 1, 0 },   { "invert:0", 1, 1, 1 }, { "edit:1", 1, 1, 1 },
        { "invert:0", 2, 0, 1 }, { "fold:0", 3, 1, 0 },   { "trim:0", 3, 1, 0 },
        { "config:0", 4, 1, 1 }, { "fold:0", 4, 1, 0 },   { "index:0", 5, 1, 1 },
        { "fold:0", 6, 1, 0 },   { "trim:0", 6, 1, 0 },
    };
    char stop[128];
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        for (int k = 0; k < 4 * at[i].files; k++) {
            snprintf(stop, sizeof(stop), "%s:%s", at[i].tag, file[k]);
            killed_at(root, reference, stop, at[i].phase);
        }
        for (int k = 0; k < 3 * at[i].lines; k++) {
            snprintf(stop, sizeof(stop), "%s:%s", at[i].tag, line[k]);
            killed_at(root, reference, stop, at[i].phase);
        }
    }
    killed_at(root, reference, "fold:0:between", 3);
    killed_at(root, reference, "fold:0:between", 6);
    killed_at(root, reference, "publish:0:written", 3);
    killed_at(root, reference, "publish:0:after", 3);
}

/* Killed at any time, several times in a row. */
static void at_random(const char *root, const char *reference, int64_t run_us)
{
    char dir[600], cmd[700];
    uint64_t seed = 11;
    int kills = 0;
    for (int round = 0; round < 15 || (kills < 12 && round < 200); round++) {
        snprintf(dir, sizeof(dir), "%s/random", root);
        for (int again = 0; again < 3; again++) {
            int status = 0;
            const pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid == 0) {
                whole_run(dir, NULL, -1);
                _exit(0);
            }
            usleep((useconds_t)(check_rand(&seed) % (uint64_t)run_us));
            kill(pid, SIGKILL);
            CHECK(waitpid(pid, &status, 0) == pid);
            kills += WIFSIGNALED(status);
        }
        whole_run(dir, NULL, -1);
        CHECK(util_verify(dir, NULL).bad == 0);
        same_folders(dir, reference);
        snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
        CHECK(system(cmd) == 0);
    }
    printf("random kills: %d; a run takes %lld us\n", kills, (long long)run_us);
    CHECK(kills > 10);
}

/* Builds for users have no crash points. */
static int has_crash_points(void)
{
    int status = 0;
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        lt_test_stop_set("a:0:b");
        lt_test_point("a:0", "b");
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status);
}

int main(void)
{
    char root[256], reference[600];
    struct timespec a, b;
    if (!has_crash_points()) {
        fprintf(stderr, "skipped: built without LT_TEST_HOOKS\n");
        return TEST_SKIP;
    }
    util_dir(root);
    snprintf(reference, sizeof(reference), "%s/reference", root);
    clock_gettime(CLOCK_MONOTONIC, &a);
    whole_run(reference, NULL, -1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    const int64_t us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
    whole_run(reference, NULL, -1); /* a second run changes nothing */
    same_folders(reference, reference);
    at_points(root, reference);
    at_random(root, reference, us + 1000);
    util_rm(root);
    return 0;
}
