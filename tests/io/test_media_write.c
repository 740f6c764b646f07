/* Writing: equal bytes, lossless round trips, refused settings, kills, a full disk, whole
 * clips with sound. */
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "media_help.h"

static lt_media_encode settings(int w, int h, const char *codec, const char *pix_fmt)
{
    lt_media_encode e;
    memset(&e, 0, sizeof(e));
    strcpy(e.codec, codec);
    strcpy(e.preset, "veryfast");
    strcpy(e.pix_fmt, pix_fmt);
    e.crf = 18.0;
    e.width = w;
    e.height = h;
    e.sar = (lt_rational){ 1, 1 };
    e.time_base = (lt_rational){ 1, 12800 };
    e.rate = (lt_rational){ 25, 1 };
    e.color = (lt_media_color){ 1, 1, 1, 1, 1 };
    return e;
}

/* A soft picture that moves; f32 values of [h][w][3]. */
static void paint(float *p, int w, int h, int t)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            float *q = p + ((int64_t)y * w + x) * 3;
            q[0] = 0.5f + 0.5f * sinf(0.10f * (float)(x + t));
            q[1] = 0.5f + 0.5f * sinf(0.13f * (float)(y - t));
            q[2] = (float)((x * 3 + y + 5 * t) % 256) / 255.0f;
        }
}

static void write_part(const char *path, const lt_media_encode *e, int n)
{
    const lt_media_size s = { e->width, e->height, e->width, e->height };
    lt_media_writer *w = NULL;
    float *p = malloc((size_t)lt_media_size_values(&s) * sizeof(*p));
    unlink(path);
    MUST(lt_media_writer_open(&w, path, e, &s, LT_MEDIA_F32));
    CHECK(!exists(path)); /* not before it is complete */
    for (int t = 0; t < n; t++) {
        paint(p, e->width, e->height, t);
        MUST(lt_media_writer_put(w, p, 512 * t));
    }
    FAILS(lt_media_writer_put(w, p, 512 * (n - 1)), LT_ERR_ARG, "PTS");
    MUST(lt_media_writer_commit(w, 512, NULL));
    lt_media_writer_close(&w);
    free(p);
    CHECK(exists(path));
}

static void same_bytes(void)
{
    const lt_media_encode e = settings(320, 192, "libx264", "yuv420p");
    write_part("a.nut", &e, 40);
    write_part("b.nut", &e, 40);
    CHECK(sh("cmp a.nut b.nut") == 0);
    const lt_media_encode v = settings(320, 192, "ffv1", "yuv420p");
    write_part("c.nut", &v, 10);
    write_part("d.nut", &v, 10);
    CHECK(sh("cmp c.nut d.nut") == 0);
    CHECK(count_files("a.nut") == 1);
}

/* ffv1 gives the Y'CbCr codes back; what is left is their rounding: half a level in RGB
 * for 8-bit RGB, under two for 8-bit 4:4:4, a quarter of it for 10 bits. */
static void lossless(const char *pix_fmt, int range, double limit)
{
    enum { W = 96, H = 64, N = 5 };
    lt_media_encode e = settings(W, H, "ffv1", pix_fmt);
    e.color.range = range;
    write_part("l.nut", &e, N);
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    /* a part has no colour tags of its own: wrap it as the joiner does */
    lt_media_frames all = { .n = N, .n_all = N, .end = 512 * N };
    int64_t pts[N];
    for (int i = 0; i < N; i++) pts[i] = 512 * i;
    all.pts = all.all = pts;
    const char *const parts[] = { "l.nut" };
    const lt_media_output o = { .path = "l.mkv", .encode = &e, .frames = &all };
    MUST(lt_media_join(&o, parts, 1, NULL));
    MUST(lt_media_probe("l.mkv", &info));
    MUST(lt_media_scan("l.mkv", -1, -1, &frames));
    CHECK(frames.n == N && !strcmp(info.pix_fmt, pix_fmt) && !info.assumed);
    CHECK(info.color.range == range || strpbrk(pix_fmt, "g"));
    MUST(lt_media_reader_open(&r, "l.mkv", &info, &frames, NULL));
    float *got = malloc(W * H * 3 * sizeof(*got)),
          *want = malloc(W * H * 3 * sizeof(*want));
    double worst = 0;
    for (int t = 0; t < N; t++) {
        MUST(lt_media_reader_next(r, got, &f, &end));
        paint(want, W, H, t);
        for (int i = 0; i < W * H * 3; i++) {
            const double off = 255.0 * fabs((double)got[i] - (double)want[i]);
            if (!(off <= worst)) worst = off;
        }
    }
    CHECK(worst <= limit);
    free(got);
    free(want);
    lt_media_reader_close(&r);
    lt_media_frames_free(&frames);
}

static void refused(void)
{
    lt_media_encode e = settings(321, 192, "libx264", "yuv420p");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.pix_fmt): set it to yuv444p");
    strcpy(e.pix_fmt, "yuv420p10le");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "yuv444p10le");
    strcpy(e.pix_fmt, "yuv444p");
    MUST(lt_media_check_encode(&e));
    strcpy(e.pix_fmt, "yuv444");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.pix_fmt");
    strcpy(e.pix_fmt, "bgr0");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.pix_fmt");
    strcpy(e.pix_fmt, "yuv444p");
    strcpy(e.codec, "h265");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "use libx264, libx265, ffv1 or");
    strcpy(e.codec, "prores");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.pix_fmt): use yuv422p10le");
    strcpy(e.pix_fmt, "yuv422p10le"); /* the side is odd */
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.pix_fmt): set it to yuv444p");
    strcpy(e.pix_fmt, "yuv444p10le");
    MUST(lt_media_check_encode(&e));
    strcpy(e.pix_fmt, "yuv444p");
    strcpy(e.codec, "libx265");
    e.crf = 52.0;
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.crf");
    e.crf = 18.0;
    strcpy(e.codec, "libx264");
    strcpy(e.preset, "fastest");
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.preset");
    strcpy(e.preset, "fast");
    e.crf = NAN;
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "output.crf");
    e.crf = 20;
    e.width = 20000;
    FAILS(lt_media_check_encode(&e), LT_ERR_CONFIG, "20000");
    e.width = 64;
    lt_media_writer *w = NULL;
    const lt_media_size s = { 64, 192, 64, 192 };
    FAILS(lt_media_writer_open(&w, "no/such/part.nut", &e, &s, LT_MEDIA_U8),
          LT_ERR_CANTCREAT, "no/such/part.nut");
    CHECK(!w);
}

/* Odd work sizes with padding come out at the output's size; bad values do no harm. */
static void scaled(void)
{
    lt_media_encode e = settings(64, 48, "ffv1", "yuv444p");
    const lt_media_size s = { 33, 25, 64, 32 };
    lt_media_writer *w = NULL;
    float *p = calloc((size_t)lt_media_size_values(&s), sizeof(*p));
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 64; x++) {
            const int inside = x < 33 && y < 25;
            for (int c = 0; c < 3; c++) p[(y * 64 + x) * 3 + c] = inside ? 0.25f : 1.0f;
        }
    p[0] = NAN;
    p[1] = INFINITY;
    p[2] = -3.0f;
    MUST(lt_media_clip_open(&w, "scaled.mkv", &e, &s, LT_MEDIA_F32, NULL));
    MUST(lt_media_writer_put(w, p, 0));
    MUST(lt_media_writer_commit(w, 512, NULL));
    lt_media_writer_close(&w);
    free(p);
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    const lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
    MUST(lt_media_probe("scaled.mkv", &info));
    MUST(lt_media_scan("scaled.mkv", -1, -1, &frames));
    MUST(lt_media_reader_open(&r, "scaled.mkv", &info, &frames, &opt));
    uint8_t *q = malloc((size_t)lt_media_reader_frame_bytes(r));
    MUST(lt_media_reader_next(r, q, &f, &end));
    for (int y = 16; y < 48; y++) /* the padding's white has not come in */
        for (int x = 16; x < 64; x++) CHECK(abs(q[(y * 64 + x) * 3] - 64) <= 1);
    free(q);
    lt_media_reader_close(&r);
    lt_media_frames_free(&frames);
}

/* ---- clips with sound ----------------------------------------------------------- */

static void tone(void *ctx, int64_t first, int64_t n, float *samples)
{
    const double rate = *(const double *)ctx;
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 2; c++)
            samples[2 * i + c] = 0.5f * (float)sin(2 * 3.14159265358979 * 440.0 *
                                                   (double)(first + i) / rate);
}

static void clip(const char *path, const char *codec, int exact)
{
    lt_media_encode e = settings(96, 64, "libx264", "yuv420p");
    e.time_base = (lt_rational){ 1001, 30000 };
    e.rate = (lt_rational){ 30000, 1001 };
    const lt_media_size s = { 96, 64, 96, 64 };
    double rate = 48000;
    lt_media_audio a = {
        .rate = 48000, .channels = 2, .samples = 48048, .fill = tone, .ctx = &rate
    };
    snprintf(a.codec, sizeof(a.codec), "%s", codec);
    lt_media_writer *w = NULL;
    float *p = malloc(96 * 64 * 3 * sizeof(*p));
    MUST(lt_media_clip_open(&w, path, &e, &s, LT_MEDIA_F32, &a));
    for (int t = 0; t < 30; t++) {
        paint(p, 96, 64, t);
        MUST(lt_media_writer_put(w, p, t));
    }
    MUST(lt_media_writer_commit(w, 1, NULL));
    lt_media_writer_close(&w);
    free(p);
    film m;
    film_open(&m, path, -1, -1);
    CHECK(m.frames.n == 30 && m.info.n_audio == 1);
    if (exact) CHECK((m.frames.end - m.frames.pts[0]) == 30 * 1001);
    lt_media_frames_free(&m.frames);
    packets *l = read_packets(path, AVMEDIA_TYPE_AUDIO, 0);
    CHECK(l->n > 10 && l->at[0].time <= 0.0);
    free(l);
    CHECK(sh("ffmpeg -v error -i %s -map 0:a -f s16le -ac 1 s.raw -y", path) == 0);
    struct stat sb;
    CHECK(stat("s.raw", &sb) == 0 && labs((long)sb.st_size / 2 - 48048) <= 1024);
}

static void clips(void)
{
    clip("c1.mp4", "aac", 1);
    clip("c2.mkv", "flac", 0);
    clip("c3.mov", "pcm_s16le", 1);
    clip("c4.mkv", "pcm_s16le", 0);
    const lt_media_encode e = settings(96, 64, "libx264", "yuv420p");
    const lt_media_size s = { 96, 64, 96, 64 };
    lt_media_audio a = {
        .codec = "pcm_s16le", .rate = 48000, .channels = 2, .samples = 10, .fill = tone
    };
    lt_media_writer *w = NULL;
    FAILS(lt_media_clip_open(&w, "c5.mp4", &e, &s, LT_MEDIA_F32, &a), LT_ERR_CONFIG,
          "pcm_s16le");
    FAILS(lt_media_clip_open(&w, "c5.webm", &e, &s, LT_MEDIA_F32, NULL), LT_ERR_CONFIG,
          ".mkv");
    CHECK(count_files("c5") == 0);
}

/* ---- kills and full disks ------------------------------------------------------- */

/* A source of some size, so that joining takes a while. */
static void make_big(film *m)
{
    FFMPEG("-f lavfi -i testsrc2=s=320x240:r=25:d=4 -f lavfi -i anoisesrc=d=4 -c:v mpeg4 "
           "-q:v 1 -c:a pcm_s16le big.mov");
    film_open(m, "big.mov", -1, -1);
    strcpy(m->encode.codec, "ffv1");
    encode_part(m, "big.mov", 0, m->frames.n, "big.nut");
}

static lt_status join_big(const film *m, const char *path)
{
    const char *const parts[] = { "big.nut" };
    const lt_media_output o = {
        .path = path, .encode = &m->encode, .source = "big.mov", .frames = &m->frames
    };
    return lt_media_join(&o, parts, 1, NULL);
}

/* A process that joins into out.mkv and is killed once its file has `most` bytes: by the
 * kernel's limit, so that it dies at that byte on a machine of any speed. */
static pid_t join_and_die(const film *m, rlim_t most)
{
    const pid_t pid = fork(); /* no thread of this program is running */
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    const struct rlimit file = { most, most }, none = { 0, 0 };
    if (setrlimit(RLIMIT_FSIZE, &file) || setrlimit(RLIMIT_CORE, &none) ||
        signal(SIGXFSZ, SIG_DFL) == SIG_ERR)
        _exit(2);
    _exit(join_big(m, "out.mkv") == LT_OK ? 0 : 1);
}

/* What lies at the path after a kill is nothing; the next join removes the leftovers. */
static void killed(const film *m)
{
    struct stat whole;
    MUST(join_big(m, "ref.mkv"));
    CHECK(stat("ref.mkv", &whole) == 0);
    for (int k = 0; k < 12; k++) {
        int how = 0;
        const pid_t pid = join_and_die(m, (rlim_t)(whole.st_size * k / 12));
        CHECK(waitpid(pid, &how, 0) == pid);
        CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGXFSZ);
        CHECK(!exists("out.mkv"));
        CHECK(count_files("out.mkv.tmp") == 1);
    }
    MUST(join_big(m, "out.mkv"));
    CHECK(sh("cmp out.mkv ref.mkv") == 0 && count_files("out.mkv.tmp") == 0);
}

static void full_disk(const film *m)
{
    CHECK(mkdir("small", 0700) == 0);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "small", "tmpfs", 0, "size=400k")) {
        puts("full disk: not tested, no permission to mount");
        return;
    }
    FAILS(join_big(m, "small/out.mkv"), LT_ERR_NOSPACE, "disk full");
    CHECK(sh("exit $(ls -A small | wc -l)") == 0);
    lt_media_encode e = settings(320, 240, "ffv1", "yuv444p");
    const lt_media_size s = { 320, 240, 320, 240 };
    lt_media_writer *w = NULL;
    float *p = malloc(320 * 240 * 3 * sizeof(*p));
    lt_status st = LT_OK;
    MUST(lt_media_writer_open(&w, "small/p.nut", &e, &s, LT_MEDIA_F32));
    for (int t = 0; t < 60 && st == LT_OK; t++) {
        paint(p, 320, 240, t);
        st = lt_media_writer_put(w, p, 512 * t);
    }
    CHECK(st == LT_ERR_NOSPACE);
    lt_media_writer_close(&w);
    CHECK(sh("exit $(ls -A small | wc -l)") == 0);
    free(p);
    CHECK(umount("small") == 0);
}

int main(void)
{
    enter_folder();
    same_bytes();
    lossless("bgr0", 2, 0.51);
    lossless("gbrp10le", 2, 0.13);
    lossless("yuv444p", 1, 2.0);
    lossless("yuv444p", 2, 2.0);
    lossless("yuv444p10le", 1, 0.5);
    refused();
    scaled();
    clips();
    film m;
    make_big(&m);
    killed(&m);
    full_disk(&m);
    lt_media_frames_free(&m.frames);
    return 0;
}
