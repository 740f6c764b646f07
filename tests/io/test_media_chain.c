/* The whole way without an edit, sample by sample: bars of every matrix and range, HDR
 * down to BT.709 and back, fields, every encoder. What is compared is what FFmpeg's own
 * program decodes. */
#include <math.h>
#include <sys/stat.h>

#include "media_help.h"

enum { W = 256, H = 64 };

/* LeakSanitizer asks: x265 itself does not free its copies of the parameters. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libx265\n"; }

static const uint8_t bars[8][3] = { { 255, 255, 255 }, { 191, 191, 0 }, { 0, 191, 191 },
                                    { 0, 191, 0 },     { 191, 0, 191 }, { 191, 0, 0 },
                                    { 0, 0, 191 },     { 16, 16, 16 } };

typedef struct kind {
    const char *pix_fmt, *primaries, *transfer, *matrix, *range, *codec, *ending;
    double kr, kb, limit; /* limit: codes of the format's depth */
} kind;

static int depth_of(const kind *k) { return strstr(k->pix_fmt, "10") ? 10 : 8; }

/* Codes by ITU-T H.273, for RGB in [0, 1]. */
static void to_codes(const double rgb[3], const kind *k, uint16_t code[3])
{
    const int depth = depth_of(k), full = !strcmp(k->range, "pc");
    const double unit = 1 << (depth - 8), top = (1 << depth) - 1;
    const double y = k->kr * rgb[0] + (1 - k->kr - k->kb) * rgb[1] + k->kb * rgb[2];
    const double c[3] = { y, (rgb[2] - y) / (2 - 2 * k->kb),
                          (rgb[0] - y) / (2 - 2 * k->kr) };
    code[0] = (uint16_t)lround(full ? y * top : (219 * y + 16) * unit);
    for (int i = 1; i < 3; i++)
        code[i] =
            (uint16_t)lround(full ? c[i] * top + 128 * unit : (224 * c[i] + 128) * unit);
}

/* Three frames of bars, chroma halved where the format says so. */
static void write_bars(const kind *k, const double rgb[8][3])
{
    FILE *f = fopen("bars.raw", "wb");
    CHECK(f);
    for (int t = 0; t < 3; t++)
        for (int c = 0; c < 3; c++) {
            const int sx = c && !strstr(k->pix_fmt, "444") ? 2 : 1;
            const int sy = c && strstr(k->pix_fmt, "420") ? 2 : 1;
            for (int i = 0; i < W / sx * (H / sy); i++) {
                uint16_t code[3];
                to_codes(rgb[i % (W / sx) * sx / 32], k, code);
                CHECK(fwrite(&code[c], depth_of(k) > 8 ? 2 : 1, 1, f) == 1);
            }
        }
    fclose(f);
    CHECK(sh("ffmpeg -v error -y -f rawvideo -s %dx%d -r 25 -pix_fmt %s -i bars.raw "
             "-c:v ffv1 -color_primaries %s -color_trc %s -colorspace %s -color_range %s "
             "bars.mkv",
             W, H, k->pix_fmt, k->primaries, k->transfer, k->matrix, k->range) == 0);
}

static uint8_t *slurp(const char *path, int64_t *bytes)
{
    struct stat sb;
    CHECK(stat(path, &sb) == 0);
    uint8_t *p = malloc((size_t)sb.st_size + 1);
    FILE *f = fopen(path, "rb");
    CHECK(p && f && fread(p, 1, (size_t)sb.st_size, f) == (size_t)sb.st_size);
    fclose(f);
    *bytes = sb.st_size;
    return p;
}

/* Largest difference of a sample between two raw films. At the edge of a bar chroma of
 * neighbours is mixed, there and back: those samples are left out. */
static double worst(const kind *k, const char *path_a, const char *path_b)
{
    int64_t na = 0, nb = 0;
    uint8_t *a = slurp(path_a, &na), *b = slurp(path_b, &nb);
    const int wide = depth_of(k) > 8 ? 2 : 1;
    double most = 0.0;
    CHECK(na == nb && na > 0);
    for (int64_t i = 0; i < na / wide; i++) {
        const int x = (int)(i % 32); /* every row of every plane is a multiple of 32 */
        uint16_t va = a[i], vb = b[i];
        if (wide == 2) memcpy(&va, a + 2 * i, 2), memcpy(&vb, b + 2 * i, 2);
        const int inner = strstr(k->pix_fmt, "444") ? 1 : x % 16 >= 5 && x % 16 < 11;
        if (inner) most = fmax(most, abs((int)va - (int)vb));
    }
    free(a);
    free(b);
    return most;
}

static void chain(const kind *k, const double rgb[8][3])
{
    film m;
    char out[32];
    write_bars(k, rgb);
    film_open(&m, "bars.mkv", -1, -1);
    CHECK(!m.info.assumed);
    snprintf(m.encode.codec, sizeof(m.encode.codec), "%s", k->codec);
    snprintf(m.encode.pix_fmt, sizeof(m.encode.pix_fmt), "%s", k->pix_fmt);
    m.encode.preset[0] = 0;
    m.encode.crf = 4.0;
    m.encode.expand = m.info.hdr;
    snprintf(out, sizeof(out), "out%s", k->ending);
    remake(&m, "bars.mkv", out, 3);
    /* FFmpeg's name for full range that is decoded from H.264 and HEVC */
    const int j = !strcmp(k->range, "pc") && !strncmp(k->codec, "libx", 4);
    CHECK(sh("ffmpeg -v error -y -i %s -f rawvideo -pix_fmt %s out.raw", out,
             j ? "yuvj420p" : k->pix_fmt) == 0);
    lt_media_info info;
    MUST(lt_media_probe(out, &info));
    CHECK(!memcmp(&info.tagged, &m.encode.color, 4 * sizeof(int32_t)));
    const double off = worst(k, "bars.raw", "out.raw");
    if (off > k->limit)
        fprintf(stderr, "%s %s %s %s: off by %g\n", k->pix_fmt, k->matrix, k->range,
                k->codec, off);
    CHECK(off <= k->limit);
    lt_media_frames_free(&m.frames);
}

static void colours(void)
{
    static const struct {
        const char *primaries, *transfer, *matrix;
        double kr, kb;
    } spaces[] = { { "bt709", "bt709", "bt709", 0.2126, 0.0722 },
                   { "smpte170m", "smpte170m", "smpte170m", 0.299, 0.114 },
                   { "bt2020", "bt2020-10", "bt2020nc", 0.2627, 0.0593 } };
    static const char *const formats[] = { "yuv420p", "yuv444p", "yuv422p10le" };
    double rgb[8][3];
    for (int i = 0; i < 24; i++) rgb[i / 3][i % 3] = bars[i / 3][i % 3] / 255.0;
    for (int s = 0; s < 3; s++)
        for (int f = 0; f < 3; f++)
            for (int full = 0; full < 2; full++) {
                const kind k = { formats[f],
                                 spaces[s].primaries,
                                 spaces[s].transfer,
                                 spaces[s].matrix,
                                 full ? "pc" : "tv",
                                 "ffv1",
                                 ".mkv",
                                 spaces[s].kr,
                                 spaces[s].kb,
                                 1.0 };
                chain(&k, rgb);
            }
}

/* Encoders that lose something: near enough that a wrong matrix or range would show. */
static void encoders(void)
{
    double rgb[8][3];
    for (int i = 0; i < 24; i++) rgb[i / 3][i % 3] = bars[i / 3][i % 3] / 255.0;
    const kind k[] = {
        { "yuv420p", "bt709", "bt709", "bt709", "tv", "libx264", ".mp4", 0.2126, 0.0722,
          2.0 },
        { "yuv420p", "smpte170m", "smpte170m", "smpte170m", "pc", "libx265", ".mp4",
          0.299, 0.114, 2.0 },
        { "yuv422p10le", "bt709", "bt709", "bt709", "tv", "prores", ".mov", 0.2126,
          0.0722, 8.0 },
        { "yuv444p10le", "bt709", "bt709", "bt709", "tv", "prores", ".mkv", 0.2126,
          0.0722, 8.0 },
    };
    for (size_t i = 0; i < sizeof(k) / sizeof(*k); i++) chain(&k[i], rgb);
}

/* HDR to what the model sees and back. Colours within BT.709 and below 1000 cd/m2. */
static void high_dynamic_range(void)
{
    static const double codes[8][3] = { /* PQ or HLG codes, little saturated */
                                        { 0.70, 0.70, 0.70 }, { 0.58, 0.56, 0.50 },
                                        { 0.50, 0.55, 0.57 }, { 0.30, 0.34, 0.31 },
                                        { 0.45, 0.42, 0.46 }, { 0.62, 0.58, 0.58 },
                                        { 0.33, 0.33, 0.38 }, { 0.15, 0.15, 0.15 }
    };
    const kind pq = { "yuv444p10le", "bt2020", "smpte2084", "bt2020nc", "tv",
                      "ffv1",        ".mkv",   0.2627,      0.0593,     2.0 };
    const kind hlg = { "yuv444p10le", "bt2020", "arib-std-b67", "bt2020nc", "tv",
                       "ffv1",        ".mkv",   0.2627,         0.0593,     2.0 };
    chain(&pq, codes);
    chain(&hlg, codes);
}

/* ---- fields ----------------------------------------------------------------------- */

/* Gray frames of 64 x 32 as they leave the reader. */
static void read_gray(const char *path, uint8_t gray[][32 * 64], int n)
{
    film m;
    lt_media_reader *r = NULL;
    const lt_media_reader_options opt = { .format = LT_MEDIA_U8 };
    uint8_t *p = malloc(64 * 32 * 3);
    lt_frame f;
    int end = 0;
    film_open(&m, path, -1, -1);
    CHECK(m.info.interlaced && m.frames.n == n);
    MUST(lt_media_reader_open(&r, path, &m.info, &m.frames, &opt));
    for (int t = 0; t < n; t++) {
        MUST(lt_media_reader_next(r, p, &f, &end));
        CHECK(!end);
        for (int i = 0; i < 64 * 32; i++) gray[t][i] = p[3 * i];
    }
    free(p);
    lt_media_reader_close(&r);
    lt_media_frames_free(&m.frames);
}

/* A white square that jumps between the fields of every frame, over a still edge. */
static void fields(int top_first)
{
    static uint8_t gray[3][32 * 64];
    FILE *f = fopen("fields.raw", "wb");
    CHECK(f);
    for (int t = 0; t < 3; t++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 64; x++) {
                const int second = (y & 1) == (top_first ? 1 : 0);
                const int at = 8 + 8 * (2 * t + second); /* of the square */
                const int v = y >= 24 ? 200 : x >= at && x < at + 8 ? 255 : 20;
                fputc(v, f);
            }
    fclose(f);
    CHECK(sh("ffmpeg -v error -y -f rawvideo -s 64x32 -r 25 -pix_fmt gray -i fields.raw "
             "-vf setfield=%s -c:v ffv1 -level 3 -color_range pc fields.mkv",
             top_first ? "tff" : "bff") == 0);
    read_gray("fields.mkv", gray, 3);
    for (int t = 0; t < 3; t++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 64; x++) {
                const int at = 8 + 16 * t;
                const int want = y >= 24 ? 200 : x >= at && x < at + 8 ? 255 : 20;
                if (y == 23 || y == 24) continue; /* lines of both fields meet */
                CHECK(abs(gray[t][y * 64 + x] - want) <= 1);
            }
}

int main(void)
{
    enter_folder();
    colours();
    encoders();
    high_dynamic_range();
    fields(1);
    fields(0);
    return 0;
}
