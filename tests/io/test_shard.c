/* Shards: bytes, boxes, counting, damage. */
#include <fcntl.h>

#include "job_util.h"

static const lt_shard_dataset inversion = { .path = "/inversion/latents",
                                            .cell = LT_CELL_F16,
                                            .ndim = 5,
                                            .shape = { LEVELS, FRAMES, H, W, C },
                                            .chunk = { 1, FRAMES, H, W, C } };
enum { LEVEL = FRAMES * H * W * C };

static void fill(float *x, int level)
{
    for (int i = 0; i < LEVEL; i++) x[i] = (float)level * 8.0f + (float)i / 32.0f;
}

/* A shard whose levels are written in the given order. */
static lt_stamp build(const int order[LEVELS], void **image)
{
    lt_shard_writer *w = NULL;
    lt_stamp s;
    float x[LEVEL];
    const int64_t first = 5, steps[LEVELS] = { 20, 40, 60 };
    const int64_t ids[FRAMES] = { 1, -2, INT64_MAX, 4 };
    const uint32_t big[2] = { 0, UINT32_MAX };
    const double scale = 0.18215;
    const lt_shard_dataset a = {
        .path = "/ids", .cell = LT_CELL_I64, .ndim = 1, .shape = { FRAMES }
    };
    const lt_shard_dataset b = {
        .path = "/match/2x3/wide", .cell = LT_CELL_U32, .ndim = 1, .shape = { 2 }
    };
    OK(lt_shard_create(&w, "inversion"));
    OK(lt_shard_add(w, &inversion));
    OK(lt_shard_add(w, &a));
    OK(lt_shard_add(w, &b));
    for (int k = 0; k < LEVELS; k++) {
        const int64_t start[5] = { order[k] }, count[5] = { 1, FRAMES, H, W, C };
        if (order[k] < 0) continue;
        fill(x, order[k]);
        OK(lt_shard_write_f32(w, "/inversion/latents", start, count, x));
    }
    OK(lt_shard_write(w, "/ids", NULL, NULL, ids));
    OK(lt_shard_write(w, "/match/2x3/wide", NULL, NULL, big));
    OK(lt_shard_attr_i64(w, "/inversion/latents", "timesteps", steps, LEVELS));
    OK(lt_shard_attr_i64(w, "/", "first_frame", &first, 1));
    OK(lt_shard_attr_f64(w, "/inversion/latents", "scale", &scale, 1));
    OK(lt_shard_attr_text(w, "/inversion/latents", "layout", "LNHWC"));
    OK(lt_shard_finish(w, image, &s));
    lt_shard_discard(&w);
    return s;
}

/* Same bytes whatever the order of writes, the time and the heap. */
static void deterministic(void)
{
    void *a = NULL, *b = NULL;
    const lt_stamp s = build((const int[]){ 0, 1, 2 }, &a);
    void *noise = malloc(1 << 20);
    memset(noise, 0x5a, 1 << 20);
    free(noise);
    sleep(1); /* times would differ now */
    const lt_stamp t = build((const int[]){ 2, 0, 1 }, &b);
    CHECK(s.size == t.size && memcmp(a, b, s.size) == 0);
    CHECK(memcmp(&s, &t, sizeof(s)) == 0);
    CHECK(memcmp(a, "\211HDF\r\n\032\n", 8) == 0);
    free(a);
    free(b);
}

static void read_back(const char *dir)
{
    char path[600];
    void *image = NULL;
    float x[LEVEL], want[LEVEL], one[C];
    int64_t shape[LT_SHARD_MAX_DIMS], steps[LEVELS], ids[FRAMES];
    lt_cell cell;
    int ndim = 0;
    lt_shard_reader *r = NULL;
    const lt_stamp s = build((const int[]){ 0, -1, 2 }, &image);
    snprintf(path, sizeof(path), "%s/a.h5", dir);
    OK(lt_file_write(path, image, s.size, NULL));
    OK(lt_shard_open(&r, path, &s));
    CHECK(lt_shard_bytes_verified(r) == (int64_t)s.size && lt_shard_bytes_read(r) == 0);
    OK(lt_shard_describe(r, "/inversion/latents", &cell, &ndim, shape));
    CHECK(cell == LT_CELL_F16 && ndim == 5 && shape[0] == LEVELS && shape[4] == C);

    const int64_t start[5] = { 2 }, count[5] = { 1, FRAMES, H, W, C };
    OK(lt_shard_read_f32(r, "/inversion/latents", start, count, x));
    fill(want, 2);
    CHECK(memcmp(x, want, sizeof(x)) == 0); /* all values are halves */
    CHECK(lt_shard_bytes_read(r) == LEVEL * 2);
    const int64_t pixel[5] = { 0, 1, 1, 2, 0 }, four[5] = { 1, 1, 1, 1, C };
    OK(lt_shard_read_f32(r, "/inversion/latents", pixel, four, one));
    fill(want, 0);
    CHECK(memcmp(one, want + (FRAMES > 1 ? H * W * C : 0) + (W + 2) * C, sizeof(one)) ==
          0);
    CHECK(lt_shard_bytes_read(r) == LEVEL * 2 + C * 2);
    const int64_t hole[5] = { 1 };
    OK(lt_shard_read_f32(r, "/inversion/latents", hole, count, x));
    for (int i = 0; i < LEVEL; i++) CHECK(x[i] != x[i]); /* never written: NaN */

    OK(lt_shard_read_attr_i64(r, "/inversion/latents", "timesteps", steps, LEVELS));
    CHECK(steps[0] == 20 && steps[2] == 60);
    OK(lt_shard_read(r, "/ids", LT_CELL_I64, NULL, NULL, ids));
    CHECK(ids[1] == -2 && ids[2] == INT64_MAX);

    const int64_t beyond[5] = { 2, 1 };
    CHECK(lt_shard_read_f32(r, "/inversion/latents", beyond, count, x) == LT_ERR_DATA);
    CHECK(lt_shard_read_f32(r, "/nothing/here", NULL, NULL, x) == LT_ERR_DATA);
    CHECK(lt_shard_read_f32(r, "/ids", NULL, NULL, x) == LT_ERR_DATA);
    CHECK(lt_shard_read(r, "/ids", LT_CELL_U8, NULL, NULL, x) == LT_ERR_DATA);
    CHECK(lt_shard_read_attr_i64(r, "/", "nothing", steps, 1) == LT_ERR_DATA);
    CHECK(lt_shard_read_attr_i64(r, "/", "format", steps, 1) == LT_ERR_DATA);
    lt_shard_close(&r);
    lt_shard_close(&r);
    free(image);
}

/* Bytes that the process read by system calls. */
static int64_t rchar(void)
{
    long long n = -1;
    FILE *f = fopen("/proc/self/io", "r");
    if (!f) return -1;
    if (fscanf(f, "rchar: %lld", &n) != 1) n = -1;
    fclose(f);
    return n;
}

/* Reading one level reads that chunk and a little metadata, not the file. */
static void one_level(const char *dir)
{
    enum { L = 20, N = 16, S = 32 };
    const size_t level = (size_t)N * S * S * C;
    const lt_shard_dataset d = { .path = "/inversion/latents",
                                 .cell = LT_CELL_F16,
                                 .ndim = 5,
                                 .shape = { L, N, S, S, C },
                                 .chunk = { 1, N, S, S, C } };
    char path[600];
    lt_shard_writer *w = NULL;
    lt_shard_reader *r = NULL;
    lt_stamp s;
    float *x = malloc(level * sizeof(*x));
    CHECK(x);
    OK(lt_shard_create(&w, "inversion"));
    OK(lt_shard_add(w, &d));
    for (int64_t l = 0; l < L; l++) {
        const int64_t start[5] = { l }, count[5] = { 1, N, S, S, C };
        for (size_t i = 0; i < level; i++) x[i] = (float)l;
        OK(lt_shard_write_f32(w, "/inversion/latents", start, count, x));
    }
    snprintf(path, sizeof(path), "%s/levels.h5", dir);
    OK(lt_shard_commit(w, path, NULL, &s));
    lt_shard_discard(&w);
    OK(lt_stamp_check(path, &s, NULL));
    const int64_t before = rchar();
    OK(lt_shard_open(&r, path, NULL));
    const int64_t start[5] = { 7 }, count[5] = { 1, N, S, S, C };
    OK(lt_shard_read_f32(r, "/inversion/latents", start, count, x));
    const int64_t took = rchar() - before;
    for (size_t i = 0; i < level; i++) CHECK(x[i] == 7.0f);
    CHECK(lt_shard_bytes_read(r) == (int64_t)level * 2 &&
          lt_shard_bytes_verified(r) == 0);
    lt_shard_close(&r);
    printf("file %lld bytes, level %zu, read %lld\n", (long long)s.size, level * 2,
           (long long)took);
    CHECK(before < 0 || took < (int64_t)level * 2 + 16384);
    free(x);
}

/* No flipped bit and no truncation comes through. */
static void damage(const char *dir)
{
    char path[600];
    void *image = NULL;
    lt_shard_reader *r = NULL;
    const lt_stamp s = build((const int[]){ 0, 1, 2 }, &image);
    char *bad = malloc(s.size + 1);
    CHECK(bad);
    snprintf(path, sizeof(path), "%s/bad.h5", dir);
    CHECK(lt_shard_open(&r, path, &s) == LT_ERR_NOINPUT);
    for (size_t at = 0; at < s.size; at += 97) {
        memcpy(bad, image, s.size);
        bad[at] ^= 1;
        util_write(dir, "bad.h5", bad, s.size);
        CHECK(lt_shard_open(&r, path, &s) == LT_ERR_DATA && !r);
    }
    for (size_t n = 0; n < s.size; n += 512) {
        util_write(dir, "bad.h5", image, n);
        CHECK(lt_shard_open(&r, path, &s) == LT_ERR_DATA && !r);
        CHECK(strstr(lt_error_message(), "bad.h5") &&
              strstr(lt_error_message(), "bytes"));
    }
    util_write(dir, "bad.h5", "no hdf5 at all", 14);
    const lt_stamp fits = lt_stamp_of("no hdf5 at all", 14);
    CHECK(lt_shard_open(&r, path, &fits) == LT_ERR_DATA && !r);
    CHECK(!strchr(lt_error_message(), '\n'));
    free(bad);
    free(image);
}

static void arguments(void)
{
    lt_shard_writer *w = NULL;
    void *image = NULL;
    lt_stamp s;
    float x[LEVEL] = { 0 };
    OK(lt_shard_create(&w, "state"));
    lt_shard_dataset d = inversion;
    d.shape[1] = 0;
    CHECK(lt_shard_add(w, &d) == LT_ERR_ARG);
    d = inversion;
    d.chunk[1] = FRAMES + 1;
    CHECK(lt_shard_add(w, &d) == LT_ERR_ARG);
    d = inversion;
    d.shape[0] = d.shape[1] = INT64_MAX / 2;
    CHECK(lt_shard_add(w, &d) == LT_ERR_ARG);
    d = inversion;
    d.path = "relative";
    CHECK(lt_shard_add(w, &d) == LT_ERR_ARG);
    d = inversion;
    d.ndim = 7;
    CHECK(lt_shard_add(w, &d) == LT_ERR_ARG);
    OK(lt_shard_add(w, &inversion));
    CHECK(lt_shard_add(w, &inversion) == LT_ERR_ARG);
    const int64_t start[5] = { 3 }, count[5] = { 1, FRAMES, H, W, C };
    CHECK(lt_shard_write_f32(w, "/inversion/latents", start, count, x) == LT_ERR_ARG);
    CHECK(lt_shard_write_f32(w, "/other", NULL, NULL, x) == LT_ERR_ARG);
    CHECK(lt_shard_attr_text(w, "/other", "a", "b") == LT_ERR_ARG);
    OK(lt_shard_attr_text(w, "/", "a", "b"));
    CHECK(lt_shard_attr_text(w, "/", "a", "b") == LT_ERR_ARG);
    OK(lt_shard_finish(w, &image, &s));
    CHECK(lt_shard_finish(w, &image, &s) == LT_ERR_ARG);
    CHECK(lt_shard_add(w, &inversion) == LT_ERR_ARG);
    free(image);
    lt_shard_discard(&w);
    lt_shard_discard(&w);
}

int main(void)
{
    char dir[256];
    util_dir(dir);
    deterministic();
    read_back(dir);
    one_level(dir);
    damage(dir);
    arguments();
    util_rm(dir);
    return 0;
}
