/* Reading: what is refused, colours, seeking, damage, rotation, memory, the queue. */
#include <sys/resource.h>
#include <sys/stat.h>

#include "media_help.h"

static void refused(const char *path, lt_status want, const char *text)
{
    lt_media_info info;
    lt_media_frames frames;
    FAILS(lt_media_probe(path, &info), want, text);
    FAILS(lt_media_scan(path, -1, -1, &frames), want, text);
    CHECK(strstr(lt_error_message(), path) && !strchr(lt_error_message(), '\n'));
}

static void bad_inputs(void)
{
    CHECK(sh("echo 'this is a text, not a film' > text.mp4; : > empty.mp4; mkdir dir.mp4;"
             "head -c 5000 /dev/urandom > noise.mkv") == 0);
    FFMPEG("-f lavfi -i sine=440:d=1 -c:a aac sound.m4a");
    FFMPEG("-f lavfi -i testsrc2=s=64x48:r=10:d=2 -c:v libx264 good.mp4");
    CHECK(sh("head -c 1500 good.mp4 > cut.mp4") == 0);
    CHECK(sh("printf 'ffconcat version 1.0\\nfile good.mp4\\n' > list.mp4") == 0);
    CHECK(sh("printf '#EXTM3U\\n#EXT-X-TARGETDURATION:2\\n#EXTINF:2,\\ngood.mp4\\n' "
             "> list.m3u8") == 0);
    CHECK(mkfifo("pipe.mp4", 0600) == 0);
    refused("none.mp4", LT_ERR_NOINPUT, "no such file");
    refused("text.mp4", LT_ERR_DATA, "not a video");
    refused("empty.mp4", LT_ERR_DATA, "empty file");
    refused("dir.mp4", LT_ERR_DATA, "not a file");
    refused("pipe.mp4", LT_ERR_DATA, "not a file");
    refused("noise.mkv", LT_ERR_DATA, "not a video");
    refused("sound.m4a", LT_ERR_DATA, "no video stream");
    refused("cut.mp4", LT_ERR_DATA, "not a video");
    refused("list.mp4", LT_ERR_DATA, "not a video");
    refused("list.m3u8", LT_ERR_DATA, "not a video");
    lt_media_info info;
    FAILS(lt_media_probe("http://127.0.0.1:9/x.mp4", &info), LT_ERR_NOINPUT,
          "no such file");
    MUST(lt_media_probe("good.mp4", &info));
    CHECK(sh("cp good.mp4 'a:b c.mp4'") == 0);
    MUST(lt_media_probe("a:b c.mp4", &info));
    CHECK(info.width == 64 && info.height == 48 && info.bit_depth == 8);
    CHECK(info.assumed && info.color.matrix == 6 && info.color.range == 1);
    char text[64];
    lt_media_assumed(&info, text, sizeof(text));
    CHECK(!strcmp(text, "matrix smpte170m, range limited"));
}

/* ---- colour --------------------------------------------------------------------- */

static uint8_t *first_frame(const char *path, const lt_media_reader_options *opt,
                            lt_media_info *info)
{
    lt_media_frames frames;
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    MUST(lt_media_probe(path, info));
    MUST(lt_media_scan(path, -1, -1, &frames));
    MUST(lt_media_reader_open(&r, path, info, &frames, opt));
    uint8_t *pixels = malloc((size_t)lt_media_reader_frame_bytes(r));
    MUST(lt_media_reader_next(r, pixels, &f, &end));
    CHECK(!end && f.index == 0 && !f.damaged);
    lt_media_reader_close(&r);
    lt_media_frames_free(&frames);
    return pixels;
}

/* Eight bars of 32 pixels: their colours must come back within a level. The Y'CbCr
 * values are made here, from the definition, so FFmpeg's own conversion is not asked. */
static const uint8_t bars[8][3] = { { 235, 235, 235 }, { 255, 255, 0 }, { 0, 255, 255 },
                                    { 0, 200, 0 },     { 200, 0, 200 }, { 255, 0, 0 },
                                    { 0, 0, 255 },     { 10, 20, 30 } };

static void to_codes(const uint8_t rgb[3], double kr, double kb, int full, int depth,
                     uint16_t code[3])
{
    const double r = rgb[0] / 255.0, g = rgb[1] / 255.0, b = rgb[2] / 255.0;
    const double y = kr * r + (1 - kr - kb) * g + kb * b;
    const double u = (b - y) / (2 - 2 * kb), v = (r - y) / (2 - 2 * kr);
    const double k = 1 << (depth - 8), top = (1 << depth) - 1;
    code[0] = (uint16_t)lrint(full ? y * top : (16 + 219 * y) * k);
    code[1] = (uint16_t)lrint(full ? u * top + 128 * k : (128 + 224 * u) * k);
    code[2] = (uint16_t)lrint(full ? v * top + 128 * k : (128 + 224 * v) * k);
    for (int c = 0; c < 3; c++) /* +0.5 of full range has no code of its own */
        if (code[c] > top) code[c] = (uint16_t)top;
}

/* What the rounded codes mean, exactly. */
static double value_of(const uint16_t code[3], double kr, double kb, int full, int depth,
                       int c)
{
    const double k = 1 << (depth - 8), top = (1 << depth) - 1;
    const double y = full ? code[0] / top : (code[0] / k - 16) / 219;
    const double u = full ? (code[1] - 128 * k) / top : (code[1] / k - 128) / 224;
    const double v = full ? (code[2] - 128 * k) / top : (code[2] / k - 128) / 224;
    const double r = y + (2 - 2 * kr) * v, b = y + (2 - 2 * kb) * u;
    const double g = (y - kr * r - kb * b) / (1 - kr - kb);
    const double x = c == 0 ? r : c == 1 ? g : b;
    return 255.0 * (x < 0 ? 0 : x > 1 ? 1 : x);
}

/* A raw frame of 256 x 64; sub = 1: chroma is halved in both directions. */
static void write_raw(double kr, double kb, int full, int depth, int sub)
{
    FILE *f = fopen("bars.raw", "wb");
    CHECK(f);
    for (int c = 0; c < 3; c++) {
        const int s = c && sub ? 2 : 1;
        for (int y = 0; y < 64 / s; y++)
            for (int x = 0; x < 256 / s; x++) {
                uint16_t code[3];
                to_codes(bars[x * s / 32], kr, kb, full, depth, code);
                CHECK(fwrite(&code[c], depth > 8 ? 2 : 1, 1, f) == 1);
            }
    }
    fclose(f);
}

static void check_bars(double kr, double kb, const char *matrix, const char *range,
                       int depth, int sub)
{
    char fmt[32];
    write_raw(kr, kb, !strcmp(range, "pc"), depth, sub);
    snprintf(fmt, sizeof(fmt), "yuv%sp%s", sub ? "420" : "444", depth > 8 ? "10le" : "");
    CHECK(sh("ffmpeg -v error -y -f rawvideo -s 256x64 -pix_fmt %s -i bars.raw -c:v ffv1 "
             "-colorspace %s -color_range %s bars.mkv",
             fmt, matrix, range) == 0);
    lt_media_info info;
    const lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
    uint8_t *p = first_frame("bars.mkv", &opt, &info);
    CHECK(!info.assumed && info.bit_depth == depth);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 256; x++)
            for (int c = 0; c < 3; c++) {
                if (sub && (x % 32 < 8 || x % 32 >= 24)) continue; /* chroma bleeds */
                uint16_t code[3];
                to_codes(bars[x / 32], kr, kb, !strcmp(range, "pc"), depth, code);
                const double want =
                    value_of(code, kr, kb, !strcmp(range, "pc"), depth, c);
                const double off = fabs(p[(y * 256 + x) * 3 + c] - want);
                CHECK(off <= (sub ? 1.0 : 0.51));
                CHECK(depth == 8 || abs(p[(y * 256 + x) * 3 + c] - bars[x / 32][c]) <= 1);
            }
    free(p);
}

static void colours(void)
{
    for (int i = 0; i < 8; i++) {
        const char *range = i & 1 ? "pc" : "tv";
        const int depth = i & 2 ? 10 : 8, sub = i >> 2;
        check_bars(0.2126, 0.0722, "bt709", range, depth, sub);
        check_bars(0.299, 0.114, "smpte170m", range, depth, sub);
        check_bars(0.2627, 0.0593, "bt2020nc", range, depth, sub);
    }
}

static double pq_code(double nits)
{
    const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, y = pow(nits / 10000, m1);
    return pow((3424.0 / 4096 + 2413.0 / 128 * y) / (1 + 2392.0 / 128 * y), m2);
}

/* A grey ramp in PQ: dark greys keep their light, 1000 cd/m2 is white, grey is grey. */
static void tone_mapping(void)
{
    static const double nits[8] = { 0, 5, 36.54, 60, 203, 500, 1000, 4000 };
    FILE *f = fopen("bars.raw", "wb");
    CHECK(f);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256 * 64; i++) {
            const double y = 64 + 876 * pq_code(nits[i % 256 / 32]);
            const uint16_t code = (uint16_t)(c ? 512 : lrint(y));
            CHECK(fwrite(&code, 2, 1, f) == 1);
        }
    fclose(f);
    FFMPEG(
        "-f rawvideo -s 256x64 -pix_fmt yuv444p10le -i bars.raw -c:v ffv1 -colorspace "
        "bt2020nc -color_range tv -color_primaries bt2020 -color_trc smpte2084 hdr.mkv");
    lt_media_info info;
    const lt_media_reader_options opt = { .format = LT_MEDIA_U8, .tone_map = 1 };
    uint8_t *p = first_frame("hdr.mkv", &opt, &info), *q = p;
    CHECK(info.hdr && info.color.transfer == 16);
    int last = -1;
    for (int i = 0; i < 8; i++) {
        q = p + (32 * 256 + i * 32 + 16) * 3;
        CHECK(abs(q[0] - q[1]) <= 1 && abs(q[1] - q[2]) <= 1);
        CHECK(i == 7 || q[0] > last);
        last = q[0];
        const double light = nits[i] / 203, dark = 1.099 * pow(light, 0.45) - 0.099;
        if (nits[i] > 4 && nits[i] < 61) CHECK(fabs(q[0] - 255 * dark) < 1.6);
    }
    CHECK(p[(32 * 256 + 16) * 3] == 0 && p[(32 * 256 + 6 * 32 + 16) * 3] >= 254 &&
          *q == 255);
    free(p);
}

/* Formats of other shapes: packed, RGB, palette, grey. Red must come out as red. */
static void formats(void)
{
    static const char *const make[] = {
        "-c:v rawvideo -pix_fmt yuyv422 f.avi", "-c:v rawvideo -pix_fmt bgr24 f.avi",
        "-c:v ffv1 -pix_fmt bgr0 f.mkv",        "-c:v gif f.gif",
        "-c:v png -pix_fmt rgba f.mov",         "-c:v ffv1 -pix_fmt yuv422p10le f.mkv",
        "-c:v libx264rgb -qp 0 f.mp4",
    };
    for (size_t i = 0; i < sizeof(make) / sizeof(*make); i++) {
        CHECK(sh("ffmpeg -v error -y -f lavfi -i color=0xe01020:s=64x48:r=5:d=0.6 %s",
                 make[i]) == 0);
        const char *name = strrchr(make[i], ' ') + 1;
        lt_media_info info;
        const lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
        uint8_t *p = first_frame(name, &opt, &info);
        const uint8_t *q = p + (24 * 64 + 32) * 3;
        const int tol = strstr(name, "gif") ? 36 : 3; /* its palette has 3, 3, 2 bits */
        CHECK(abs(q[0] - 0xe0) <= tol && abs(q[1] - 0x10) <= tol);
        CHECK(abs(q[2] - 0x20) <= tol);
        free(p);
    }
}

/* Turned by us and by ffmpeg's own player logic: the same picture, either way round. */
static void upright(int degrees)
{
    FFMPEG("-f lavfi -i testsrc=s=64x48:r=5:d=1 -c:v ffv1 -pix_fmt gbrp flat.mov");
    CHECK(sh("ffmpeg -v error -y -i flat.mov -c copy -metadata:s:v rotate=%d t.mov",
             degrees) == 0);
    FFMPEG("-i t.mov -frames:v 1 -f rawvideo -pix_fmt rgb24 t.rgb");
    lt_media_info info;
    const lt_media_reader_options opt = { .format = LT_MEDIA_U8, .rotate = 1 };
    uint8_t *p = first_frame("t.mov", &opt, &info);
    const int n = 64 * 48 * 3;
    uint8_t *want = malloc((size_t)n);
    FILE *f = fopen("t.rgb", "rb");
    CHECK(f && fread(want, 1, (size_t)n, f) == (size_t)n);
    CHECK(!memcmp(p, want, (size_t)n));
    CHECK(info.display_width == (degrees == 180 ? 64 : 48));
    fclose(f);
    free(want);
    free(p);
}

/* Working sizes: content scaled, the rest repeats the edge. */
static void padding(void)
{
    lt_media_info info;
    lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
    FFMPEG("-f lavfi -i testsrc2=s=200x100:r=5:d=0.6 -c:v ffv1 wide.mkv");
    MUST(lt_media_working_size(200, 100, 5000, 0, 0, 64, &opt.size));
    CHECK(opt.size.width == 100 && opt.size.height == 50);
    CHECK(opt.size.padded_width == 128 && opt.size.padded_height == 64);
    uint8_t *p = first_frame("wide.mkv", &opt, &info);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 128; x++) {
            const int sx = x < 100 ? x : 99, sy = y < 50 ? y : 49;
            CHECK(!memcmp(p + (y * 128 + x) * 3, p + (sy * 128 + sx) * 3, 3));
        }
    free(p);
}

static void working_sizes(void)
{
    lt_media_size s;
    MUST(lt_media_working_size(1920, 1080, 512 * 512, 0, 0, 8, &s));
    CHECK((int64_t)s.width * s.height <= 512 * 512 && s.width == 682 && s.height == 384);
    CHECK(s.padded_width == 688 && s.padded_height == 384);
    MUST(lt_media_working_size(320, 240, 512 * 512, 0, 0, 64, &s));
    CHECK(s.width == 320 && s.height == 240 && s.padded_height == 256);
    MUST(lt_media_working_size(1920, 1080, 0, 512, 0, 64, &s));
    CHECK(s.width == 512 && s.height == 288 && s.padded_height == 320);
    MUST(lt_media_working_size(16384, 1, 64, 0, 0, 1, &s));
    CHECK(s.width * s.height <= 64 && s.height == 1);
    FAILS(lt_media_working_size(64, 64, 0, 20000, 0, 8, &s), LT_ERR_CONFIG, "size.width");
    CHECK(lt_media_working_size(0, 64, 0, 0, 0, 8, &s) == LT_ERR_ARG);
    for (int w = 1; w < 3000; w += 37)
        for (int h = 1; h < 3000; h += 41) {
            MUST(lt_media_working_size(w, h, 100000, 0, 0, 16, &s));
            CHECK((int64_t)s.width * s.height <= 100000 && s.width <= w && s.height <= h);
            CHECK(s.padded_width % 16 == 0 && s.padded_width - s.width < 16);
        }
}

/* ---- order, seeking, damage ----------------------------------------------------- */

static uint64_t *read_hashes(const char *path, film *m, int64_t *damaged)
{
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    film_open(m, path, -1, -1);
    MUST(lt_media_reader_open(&r, path, &m->info, &m->frames, NULL));
    const size_t bytes = (size_t)lt_media_reader_frame_bytes(r);
    float *p = malloc(bytes);
    uint64_t *h = malloc((size_t)m->frames.n * sizeof(*h));
    for (int64_t i = 0; i < m->frames.n; i++) {
        MUST(lt_media_reader_next(r, p, &f, &end));
        CHECK(!end && f.index == i);
        h[i] = fnv((const uint8_t *)p, (int)bytes);
    }
    MUST(lt_media_reader_next(r, p, &f, &end));
    CHECK(end);
    *damaged = lt_media_reader_damaged(r);
    lt_media_reader_close(&r);
    free(p);
    return h;
}

/* From wherever reading begins, frame f is the same. */
static void seek_everywhere(const char *path)
{
    film m;
    int64_t damaged = 0;
    uint64_t *h = read_hashes(path, &m, &damaged), seed = 7;
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    MUST(lt_media_reader_open(&r, path, &m.info, &m.frames, NULL));
    const size_t bytes = (size_t)lt_media_reader_frame_bytes(r);
    float *p = malloc(bytes);
    for (int k = 0; k < 25; k++) {
        const int64_t at = (int64_t)(check_rand(&seed) % (uint64_t)m.frames.n);
        MUST(lt_media_reader_seek(r, at));
        for (int64_t i = at; i < at + 3 && i < m.frames.n; i++) {
            MUST(lt_media_reader_next(r, p, &f, &end));
            CHECK(!end && f.index == i && f.pts == m.frames.pts[i]);
            CHECK(fnv((const uint8_t *)p, (int)bytes) == h[i]);
        }
    }
    CHECK(lt_media_reader_seek(r, m.frames.n) == LT_ERR_ARG);
    free(p);
    free(h);
    lt_media_reader_close(&r);
    lt_media_frames_free(&m.frames);
}

static void seeking(void)
{
    const char *src = "-f lavfi -i testsrc2=s=96x64:r=25:d=4";
    CHECK(sh("ffmpeg -v error -y %s -c:v libx264 -g 12 -bf 3 s.mp4", src) == 0);
    CHECK(sh("ffmpeg -v error -y %s -c:v libx264 -g 12 -bf 3 -flags -cgop "
             "-x264-params open-gop=1 s.mkv",
             src) == 0);
    CHECK(sh("ffmpeg -v error -y -i s.mp4 -c copy s.ts") == 0);
    CHECK(sh("ffmpeg -v error -y %s -c:v mpeg4 -g 10 -bf 2 s.avi", src) == 0);
    CHECK(sh("ffmpeg -v error -y %s -c:v mpeg2video -g 12 -bf 2 s.mpg", src) == 0);
    CHECK(sh("ffmpeg -v error -y -i s.mp4 -c copy s.h264") == 0);
    static const char *const names[] = { "s.mp4", "s.mkv", "s.ts",
                                         "s.avi", "s.mpg", "s.h264" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        film m;
        film_open(&m, names[i], -1, -1);
        CHECK(m.frames.n == 100 && m.frames.n_damaged == 0);
        const double length = (double)(m.frames.end - m.frames.pts[0]) *
                              m.info.time_base.num / m.info.time_base.den;
        CHECK(fabs(length - 4.0) < 1e-3); /* also without any PTS in the file */
        CHECK(strcmp(names[i], "s.h264") || m.frames.n_missing == 100);
        lt_media_frames_free(&m.frames);
        seek_everywhere(names[i]);
    }
}

/* Overwrite a few bytes of d1.mkv every `step` bytes from `from` on. */
static void hit(long from, long step)
{
    FILE *f = fopen("d1.mkv", "r+b");
    CHECK(f && fseek(f, 0, SEEK_END) == 0);
    const long size = ftell(f);
    for (long at = from; at < size - 3000; at += step) {
        CHECK(fseek(f, at, SEEK_SET) == 0);
        fputs("damagedamagedamagedamagedamage", f);
    }
    fclose(f);
}

/* Bytes in the middle are overwritten: the reader says so and goes on; where frames stand
 * alone it is the same from any start; with more damage it stops. */
static void damage(const char *codec, int alone, long few, long many)
{
    CHECK(sh("ffmpeg -v error -y -f lavfi -i testsrc2=s=96x64:r=25:d=4 -c:v %s d1.mkv",
             codec) == 0);
    film m;
    int64_t n_damaged = 0;
    hit(few, few);
    uint64_t *h = read_hashes("d1.mkv", &m, &n_damaged);
    CHECK(n_damaged >= 1 && n_damaged <= 8 && m.frames.n == 100);
    free(h);
    lt_media_frames_free(&m.frames);
    if (alone) seek_everywhere("d1.mkv");
    hit(many, many);
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    film_open(&m, "d1.mkv", -1, -1);
    MUST(lt_media_reader_open(&r, "d1.mkv", &m.info, &m.frames, NULL));
    void *p = malloc((size_t)lt_media_reader_frame_bytes(r));
    lt_status st = LT_OK;
    while (st == LT_OK && !end) st = lt_media_reader_next(r, p, &f, &end);
    CHECK(st == LT_ERR_DATA && strstr(lt_error_message(), "frames cannot be decoded"));
    free(p);
    lt_media_reader_close(&r);
    lt_media_frames_free(&m.frames);
}

/* A file that was cut short: what is there is read, and the scan knows what is not. */
static void truncated(void)
{
    FFMPEG(
        "-f lavfi -i testsrc2=s=96x64:r=25:d=4 -c:v libx264 -movflags +faststart l.mp4");
    CHECK(sh("head -c $(($(stat -c %%s l.mp4) * 6 / 10)) l.mp4 > l1.mp4") == 0);
    film m;
    int64_t n_damaged = 0;
    uint64_t *h = read_hashes("l1.mp4", &m, &n_damaged);
    CHECK(m.frames.n < 100 && m.frames.n > 20 && m.frames.n_declared == 100);
    CHECK(n_damaged <= 3);
    free(h);
    lt_media_frames_free(&m.frames);
}

/* Any bytes: an error with a message, or frames; never a crash and never a hang. */
static void read_mutant(const char *path)
{
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
    lt_media_reader *r = NULL;
    lt_frame f;
    int end = 0;
    lt_status st = lt_media_probe(path, &info);
    if (st == LT_OK) st = lt_media_scan(path, -1, -1, &frames);
    if (st != LT_OK) {
        CHECK(st == LT_ERR_DATA && lt_error_message()[0]);
        return;
    }
    MUST(lt_media_working_size(info.width, info.height, 4096, 0, 0, 8, &opt.size));
    st = lt_media_reader_open(&r, path, &info, &frames, &opt);
    if (st == LT_OK) {
        void *p = malloc((size_t)lt_media_reader_frame_bytes(r));
        for (int i = 0; i < 200 && st == LT_OK && !end; i++)
            st = lt_media_reader_next(r, p, &f, &end);
        free(p);
    }
    CHECK(st == LT_OK || st == LT_ERR_DATA);
    lt_media_reader_close(&r);
    lt_media_frames_free(&frames);
}

static void mutants(const char *make, const char *path, uint64_t seed)
{
    static uint8_t good[1 << 18], bad[1 << 18];
    CHECK(sh("ffmpeg -v error -y -f lavfi -i testsrc2=s=64x48:r=10:d=2 %s %s", make,
             path) == 0);
    FILE *f = fopen(path, "rb");
    CHECK(f);
    const size_t n = fread(good, 1, sizeof(good), f);
    fclose(f);
    for (int k = 0; k < 25; k++) {
        memcpy(bad, good, n);
        for (uint64_t i = check_rand(&seed) % 12 + 1; i > 0; i--) {
            const size_t range =
                check_rand(&seed) % 2 || n < 2000 ? n : 2000; /* headers */
            bad[check_rand(&seed) % range] = (uint8_t)check_rand(&seed);
        }
        const size_t m = check_rand(&seed) % 4 ? n : check_rand(&seed) % n + 1;
        f = fopen(path, "wb");
        CHECK(f && fwrite(bad, 1, m, f) == m);
        fclose(f);
        read_mutant(path);
    }
}

static void one_frame(void)
{
    FFMPEG("-f lavfi -i testsrc2=s=33x17:r=25 -frames:v 1 -c:v ffv1 one.mkv");
    film m;
    int64_t damaged = 0;
    free(read_hashes("one.mkv", &m, &damaged));
    CHECK(m.frames.n == 1 && m.frames.end > m.frames.pts[0]);
    lt_media_frames_free(&m.frames);
}

/* ---- bounded memory ------------------------------------------------------------- */

static long resident(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss; /* KiB, the peak so far */
}

/* 1,200 frames through a queue of 4: the peak of the first 100 is the peak of all. */
static void memory(void)
{
    FFMPEG("-f lavfi -i testsrc2=s=320x240:r=25:d=48 -c:v libx264 -preset ultrafast "
           "-g 50 long.mp4");
    film m;
    lt_media_reader *r = NULL;
    lt_frame_queue *q = NULL;
    lt_frame f;
    int end = 0;
    long early = 0;
    film_open(&m, "long.mp4", -1, -1);
    CHECK(m.frames.n == 1200);
    MUST(lt_media_reader_open(&r, "long.mp4", &m.info, &m.frames, NULL));
    MUST(lt_media_reader_queue(r, 4, &q));
    for (int64_t i = 0; i < 1200; i++) {
        MUST(lt_frame_queue_next(q, &f, &end));
        CHECK(!end && f.index == i && f.pixels);
        if (i == 100) early = resident();
    }
    MUST(lt_frame_queue_next(q, &f, &end));
    CHECK(end);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory */
    CHECK(resident() - early < 2048);
#else
    CHECK(early > 0);
#endif
    lt_frame_queue_close(&q);
    lt_media_reader_close(&r);
    lt_media_frames_free(&m.frames);
}

int main(void)
{
    enter_folder();
    memory(); /* first: the peak must be its own */
    bad_inputs();
    colours();
    tone_mapping();
    formats();
    upright(90);
    upright(180);
    upright(270);
    padding();
    working_sizes();
    seeking();
    damage("png", 1, 39000, 4000);
    damage("libx264 -g 12", 0, 13000, 700);
    truncated();
    one_frame();
    mutants("-c:v libx264 -bf 2 -g 10", "m.mp4", 1);
    mutants("-c:v ffv1", "m.mkv", 2);
    mutants("-c:v mpeg2video", "m.ts", 3);
    mutants("-c:v mpeg4", "m.avi", 4);
    return 0;
}
