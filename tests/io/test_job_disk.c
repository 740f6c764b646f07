/* A full disk: nothing is lost, and the job goes on when there is space again. Needs a
 * small file system of its own, so root; otherwise skipped. */
#include <sys/mount.h>

#include "job_util.h"

static const char *const BALLAST = "ballast";

/* Fill the disk but for `leave` bytes. */
static void fill_disk(const char *dir, int64_t leave)
{
    static const char zero[4096];
    char path[1200];
    int64_t left = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, BALLAST);
    FILE *f = fopen(path, "ab");
    CHECK(f);
    setbuf(f, NULL);
    OK(lt_disk_free(dir, &left));
    for (; left > leave; left -= 4096)
        if (fwrite(zero, 1, sizeof(zero), f) != sizeof(zero)) break;
    fclose(f);
}

static void make_space(const char *dir)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", dir, BALLAST);
    CHECK(unlink(path) == 0);
}

/* Run until the disk is full; how many units are done. */
static int64_t until_full(lt_job *job, int64_t from)
{
    for (int64_t u = from; u < 200; u++) {
        const lt_status st = util_unit(job, "edit", u, LT_NO_STEP);
        if (st == LT_OK) continue;
        CHECK(st == LT_ERR_NOSPACE && lt_status_exit_code(st) == 75);
        CHECK(strstr(lt_error_message(), "space"));
        CHECK(!lt_job_record(job, "edit", u, LT_NO_STEP));
        return u;
    }
    CHECK(!"the disk never became full");
    return -1;
}

static void check_units(const char *dir, lt_job *job, int64_t n)
{
    CHECK(util_verify(dir, NULL).bad == 0);
    for (int64_t u = 0; u < n; u++) util_expect(job, "edit", u, LT_NO_STEP);
}

/* Full at every few KiB, so that shard, journal, manifest and trim all meet it. */
static void full(const char *mount_at)
{
    char dir[600];
    lt_job *job = NULL;
    snprintf(dir, sizeof(dir), "%s/a.job", mount_at);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    for (int64_t u = 0; u < 3; u++) OK(util_unit(job, "edit", u, LT_NO_STEP));
    int64_t n = 3, total = 0;
    for (int64_t leave = 0; leave < 40960; leave += 4096) {
        fill_disk(mount_at, leave);
        const int64_t got = until_full(job, n);
        check_units(dir, job, got);
        n = got;
        const lt_status st = lt_job_fold(job);
        CHECK(st == LT_OK || st == LT_ERR_NOSPACE);
        check_units(dir, job, n);
        /* As after a stop: closing may fail for space, and loses nothing. */
        const lt_status closed = lt_job_close(&job);
        CHECK(closed == LT_OK || closed == LT_ERR_NOSPACE);
        const util_seen s = util_verify(dir, NULL);
        CHECK(s.bad == 0);
        const lt_status again = util_open(&job, dir, LT_JOB_WRITE);
        CHECK(again == LT_OK || again == LT_ERR_NOSPACE);
        make_space(mount_at);
        if (again != LT_OK) OK(util_open(&job, dir, LT_JOB_WRITE));
        check_units(dir, job, n);
        OK(util_unit(job, "edit", n, LT_NO_STEP)); /* it goes on */
        total += n + 1;
        for (; n >= 3; n--) {
            const lt_record key = { .stage = "edit", .unit = n, .step = LT_NO_STEP };
            OK(lt_job_remove(job, &key, 1));
        }
        n = 3;
    }
    printf("%lld units over 10 full disks\n", (long long)total);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0);

    /* No space for a new job at all. */
    snprintf(dir, sizeof(dir), "%s/b.job", mount_at);
    fill_disk(mount_at, 0);
    CHECK(util_open(&job, dir, LT_JOB_WRITE) == LT_ERR_NOSPACE && !job);
    make_space(mount_at);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    OK(lt_job_close(&job));
}

int main(void)
{
    char root[256];
    util_dir(root);
    if (mount("tmpfs", root, "tmpfs", 0, "size=256k") != 0) {
        fprintf(stderr, "skipped: cannot mount a tmpfs here\n");
        util_rm(root);
        return TEST_SKIP;
    }
    full(root);
    CHECK(umount(root) == 0);
    util_rm(root);
    return 0;
}
