/* index.h5: the view of a job, read in C here and by h5py in read_index.py. */
#include <time.h>

#include "job_util.h"
#include "tensor/tensor.h"

#ifndef LT_PYTHON
#define LT_PYTHON "/opt/ltvenv/bin/python"
#endif

enum { BLOCKS = 3, N = BLOCKS * FRAMES, STEPS = 2, CLIPS = 2, ROWS = 2 * FRAMES };

static float latent(int64_t level, int64_t frame, int64_t i)
{
    return (float)level * 8.0f + (float)frame + (float)i / 32.0f;
}

static void commit(lt_job *job, lt_shard_writer **w, const char *stage, int64_t unit,
                   int64_t rows)
{
    char name[LT_FILE_MAX], path[4096];
    lt_record r = { .stage = stage,
                    .unit = unit,
                    .step = LT_NO_STEP,
                    .file = name,
                    .first_frame = unit * FRAMES,
                    .n_frames = FRAMES,
                    .n_rows = rows };
    OK(lt_job_shard_name(name, 0, unit, stage, LT_NO_STEP));
    OK(lt_job_file(job, name, path, sizeof(path)));
    OK(lt_shard_commit(*w, path, NULL, &r.stamp));
    lt_shard_discard(w);
    OK(lt_job_commit(job, &r, 1));
}

/* levels = 0: [n, h, w, c] under path, else [levels, n, h, w, c]. */
static void put_latents(lt_job *job, const char *stage, const char *path, int64_t levels,
                        int64_t unit)
{
    enum { CELLS = H * W * C };
    float x[FRAMES * CELLS];
    lt_shard_writer *w = NULL;
    const int64_t all = levels ? levels : 1;
    lt_shard_dataset d = { .path = path, .cell = LT_CELL_F16, .ndim = levels ? 5 : 4 };
    const int64_t shape[5] = { levels, FRAMES, H, W, C };
    for (int i = 0; i < d.ndim; i++) d.shape[i] = d.chunk[i] = shape[i + (levels == 0)];
    d.chunk[0] = 1;
    OK(lt_shard_create(&w, stage));
    OK(lt_shard_add(w, &d));
    for (int64_t l = 0; l < all; l++) {
        for (int64_t f = 0; f < FRAMES; f++)
            for (int64_t i = 0; i < CELLS; i++)
                x[f * CELLS + i] = latent(l, unit * FRAMES + f, i);
        const int64_t start[5] = { l }, count[5] = { 1, FRAMES, H, W, C };
        OK(lt_shard_write_f32(w, path, levels ? start : NULL, levels ? count : NULL, x));
    }
    commit(job, &w, stage, unit, 0);
}

static void put_match(lt_job *job, int64_t unit)
{
    lt_shard_writer *w = NULL;
    int64_t frame[ROWS], key[ROWS];
    uint16_t index[ROWS * TOKENS];
    uint8_t sim[ROWS * TOKENS];
    const lt_shard_dataset d[4] = {
        { .path = "/match/frame", .cell = LT_CELL_I64, .ndim = 1, .shape = { ROWS } },
        { .path = "/match/keyframe", .cell = LT_CELL_I64, .ndim = 1, .shape = { ROWS } },
        { .path = "/match/2x3/index",
          .cell = LT_CELL_U16,
          .ndim = 2,
          .shape = { ROWS, TOKENS },
          .chunk = { 1, TOKENS } },
        { .path = "/match/2x3/similarity",
          .cell = LT_CELL_U8,
          .ndim = 2,
          .shape = { ROWS, TOKENS },
          .chunk = { 1, TOKENS } },
    };
    for (int i = 0; i < ROWS; i++) {
        frame[i] = unit * FRAMES + i / 2;
        key[i] = i % 2;
        for (int k = 0; k < TOKENS; k++) {
            index[i * TOKENS + k] = (uint16_t)(frame[i] + k);
            sim[i * TOKENS + k] = (uint8_t)(200 + i);
        }
    }
    const void *const data[4] = { frame, key, index, sim };
    OK(lt_shard_create(&w, "match"));
    for (int i = 0; i < 4; i++) {
        OK(lt_shard_add(w, &d[i]));
        OK(lt_shard_write(w, d[i].path, NULL, NULL, data[i]));
    }
    commit(job, &w, "match", unit, ROWS);
}

typedef struct arrays {
    int64_t pts[N], begin[CLIPS], key[STEPS * CLIPS], steps[LEVELS];
    float mean[N], region[N];
} arrays;

static lt_index_spec spec_of(arrays *a)
{
    for (int i = 0; i < N; i++) {
        a->pts[i] = i * 512;
        a->mean[i] = i ? 0.9f : (float)NAN;
        a->region[i] = i ? 0.7f : (float)NAN;
    }
    for (int i = 0; i < CLIPS; i++) a->begin[i] = i * 6;
    for (int i = 0; i < STEPS * CLIPS; i++) a->key[i] = i % CLIPS * 6 + i;
    for (int i = 0; i < LEVELS; i++) a->steps[i] = 1 + 20 * i;
    lt_index_spec s = { .n_frames = N,
                        .pts = a->pts,
                        .time_base_num = 1,
                        .time_base_den = 12800,
                        .h = H,
                        .w = W,
                        .c = C,
                        .cell = LT_CELL_F16,
                        .scale = 0.18215,
                        .source_stage = "encode",
                        .inversion_stage = "invert",
                        .match_stage = "match",
                        .edit_stage = "denoise",
                        .n_levels = LEVELS,
                        .timesteps = a->steps,
                        .n_clips = CLIPS,
                        .clip_begin = a->begin,
                        .mean_threshold = 0.75,
                        .region_threshold = 0.6,
                        .max_length = 400,
                        .similarity_mean = a->mean,
                        .similarity_region = a->region,
                        .n_steps = STEPS,
                        .clip_keyframe = a->key,
                        .n_grids = 1,
                        .n_stages = 4 };
    s.grids[0] = (lt_index_grid){ .h = 2, .w = 3 };
    s.stages[0] = (lt_index_stage){ "encode", BLOCKS };
    s.stages[1] = (lt_index_stage){ "invert", BLOCKS };
    s.stages[2] = (lt_index_stage){ "match", BLOCKS };
    s.stages[3] = (lt_index_stage){ "denoise", BLOCKS };
    return s;
}

/* Source everywhere; inversion without block 1; matches without block 0; no edit. */
static void make(const char *dir, lt_job **job)
{
    arrays a;
    const lt_index_spec s = spec_of(&a);
    OK(util_open(job, dir, LT_JOB_WRITE));
    OK(lt_index_write(*job, &s)); /* nothing there yet: a valid file all the same */
    for (int64_t b = 0; b < BLOCKS; b++) {
        put_latents(*job, "encode", "/source/latents", 0, b);
        if (b != 1) put_latents(*job, "invert", "/inversion/latents", LEVELS, b);
        if (b != 0) put_match(*job, b);
    }
    OK(lt_index_write(*job, &s));
}

/* What the reader of libhdf5 sees; the folder is given as a relative path. */
static void read_in_c(const char *dir)
{
    char path[1200];
    lt_shard_reader *r = NULL;
    float x[LEVELS * N * H * W * C];
    uint16_t index[2 * ROWS * TOKENS];
    uint8_t done[BLOCKS];
    int64_t frame[2 * ROWS];
    snprintf(path, sizeof(path), "%s/index.h5", dir);
    OK(lt_shard_open(&r, path, NULL));
    OK(lt_shard_read_f32(r, "/source/latents", NULL, NULL, x));
    for (int i = 0; i < N * H * W * C; i++)
        CHECK(x[i] == latent(0, i / (H * W * C), i % (H * W * C)));
    OK(lt_shard_read_f32(r, "/inversion/latents", NULL, NULL, x));
    for (int i = 0; i < LEVELS * N * H * W * C; i++) {
        const int frame_no = i / (H * W * C) % N, level = i / (N * H * W * C);
        if (frame_no / FRAMES == 1)
            CHECK(x[i] != x[i]);
        else
            CHECK(x[i] == latent(level, frame_no, i % (H * W * C)));
    }
    OK(lt_shard_read(r, "/match/frame", LT_CELL_I64, NULL, NULL, frame));
    OK(lt_shard_read(r, "/match/2x3/index", LT_CELL_U16, NULL, NULL, index));
    for (int i = 0; i < 2 * ROWS; i++) {
        CHECK(frame[i] == FRAMES + i / 2);
        CHECK(index[i * TOKENS + 3] == frame[i] + 3);
    }
    OK(lt_shard_read(r, "/stages/invert/done", LT_CELL_U8, NULL, NULL, done));
    CHECK(done[0] == 1 && done[1] == 0 && done[2] == 1);
    CHECK(lt_shard_read_f32(r, "/edit/latents", NULL, NULL, x) == LT_ERR_DATA);
    lt_shard_close(&r);
}

static void deterministic(lt_job *job)
{
    arrays a;
    const lt_index_spec s = spec_of(&a);
    void *x = NULL, *y = NULL;
    size_t nx = 0, ny = 0;
    OK(lt_index_image(job, &s, &x, &nx));
    sleep(1);
    OK(lt_index_image(job, &s, &y, &ny));
    CHECK(nx == ny && memcmp(x, y, nx) == 0);
    free(x);
    free(y);
}

static void bad_specs(lt_job *job)
{
    arrays a;
    lt_index_spec s = spec_of(&a);
    void *x = NULL;
    size_t n = 0;
    s.n_frames = N - 1; /* a record reaches behind the end */
    CHECK(lt_index_image(job, &s, &x, &n) == LT_ERR_ARG);
    s = spec_of(&a);
    s.n_grids = 99;
    CHECK(lt_index_image(job, &s, &x, &n) == LT_ERR_ARG);
    s = spec_of(&a);
    s.grids[0].h = -1;
    CHECK(lt_index_image(job, &s, &x, &n) == LT_ERR_ARG);
}

/* So many units that the view is one of parts; single ones and a long run are missing. */
static int missing(int64_t unit) { return unit == 0 || unit == 120 || unit / 128 == 1; }

static void many(const char *dir)
{
    enum { MANY = 450, FRAME = H * W * C };
    lt_job *job = NULL;
    arrays a;
    lt_index_spec s = spec_of(&a);
    lt_shard_reader *r = NULL;
    char path[1200];
    s.n_frames = MANY * FRAMES;
    s.pts = NULL;
    s.similarity_mean = s.similarity_region = NULL;
    s.n_stages = 0;
    OK(util_open(&job, dir, LT_JOB_WRITE));
    for (int64_t u = 0; u < MANY; u++)
        if (!missing(u)) put_latents(job, "invert", "/inversion/latents", LEVELS, u);
    OK(lt_index_write(job, &s));
    OK(lt_job_close(&job));

    float *x = malloc((size_t)LEVELS * MANY * FRAMES * FRAME * sizeof(*x));
    CHECK(x);
    snprintf(path, sizeof(path), "%s/index.h5", dir);
    OK(lt_shard_open(&r, path, NULL));
    OK(lt_shard_read_f32(r, "/inversion/latents", NULL, NULL, x));
    for (int64_t i = 0; i < (int64_t)LEVELS * MANY * FRAMES * FRAME; i++) {
        const int64_t f = i / FRAME % (MANY * FRAMES), l = i / FRAME / (MANY * FRAMES);
        const float want = lt_f32_from_f16(lt_f16_from_f32(latent(l, f, i % FRAME)));
        CHECK(missing(f / FRAMES) ? x[i] != x[i] : x[i] == want);
    }
    lt_shard_close(&r);
    free(x);
}

/* Processor time: other processes on the machine must not fail a test. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Views over an hour of blocks are written in reasonable time. */
static void hour(const char *root)
{
    enum { MANY = 5400 };
    static lt_record rec[MANY];
    static char name[MANY][LT_FILE_MAX];
    char dir[600];
    lt_job *job = NULL;
    arrays a;
    lt_index_spec s = spec_of(&a);
    int64_t *pts = calloc(MANY * 16, sizeof(*pts));
    CHECK(pts);
    snprintf(dir, sizeof(dir), "%s/hour", root);
    OK(util_open(&job, dir, LT_JOB_WRITE));
    for (int k = 0; k < 2; k++) {
        const char *stage = k ? "denoise" : "encode";
        for (int64_t u = 0; u < MANY; u++) {
            OK(lt_job_shard_name(name[u], u / 8, u, stage, LT_NO_STEP));
            rec[u] = (lt_record){ .stage = stage,
                                  .unit = u,
                                  .step = LT_NO_STEP,
                                  .file = name[u],
                                  .first_frame = u * 16,
                                  .n_frames = 16,
                                  .stamp = { .size = 1 } };
        }
        OK(lt_job_commit(job, rec, MANY));
    }
    s.n_frames = MANY * 16;
    s.pts = pts;
    s.similarity_mean = s.similarity_region = NULL;
    s.n_stages = 0; /* the files are not there */
    void *image = NULL;
    size_t n = 0;
    const double t0 = now();
    OK(lt_index_image(job, &s, &image, &n));
    printf("index of 2 x 5,400 shards: %.2f s, %zu bytes\n", now() - t0, n);
    free(image);
    free(pts);
    OK(lt_job_close(&job));
}

/* Run read_index.py on a folder from another working folder; -1: there is no h5py. */
static int python(const char *dir)
{
    char cmd[2400];
    if (access(LT_PYTHON, X_OK) != 0) return -1;
    snprintf(cmd, sizeof(cmd),
             "cd / && " LT_PYTHON " " LT_SOURCE "/tests/io/read_index.py '%s' >&2", dir);
    const int rc = system(cmd);
    CHECK(WIFEXITED(rc));
    return WEXITSTATUS(rc) == TEST_SKIP ? -1 : WEXITSTATUS(rc);
}

int main(void)
{
    char root[256], dir[600], moved[600];
    lt_job *job = NULL;
    util_dir(root);
    snprintf(dir, sizeof(dir), "%s/a.job", root);
    snprintf(moved, sizeof(moved), "%s/b.job", root);
    make(dir, &job);
    deterministic(job);
    bad_specs(job);
    OK(lt_job_close(&job));
    CHECK(util_verify(dir, NULL).bad == 0);
    read_in_c(dir);
    int py = python(dir);
    CHECK(py <= 0);
    CHECK(rename(dir, moved) == 0);
    read_in_c(moved);
    CHECK(chdir(root) == 0);
    read_in_c("b.job");
    CHECK(python(moved) <= 0);
    hour(root);
    CHECK(chdir("/") == 0);
    snprintf(dir, sizeof(dir), "%s/many.job", root);
    many(dir);
    CHECK(python(dir) <= 0);
    util_rm(root);
    if (py < 0) fprintf(stderr, "skipped: the part with h5py (no h5py here)\n");
    return py < 0 ? TEST_SKIP : 0;
}
