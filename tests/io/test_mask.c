/* Masks in every form: what they mean, and what is refused before a run. */
#include "io/mask.h"

#include <sys/stat.h>

#include "io/image_png.h"
#include "media_help.h"

enum { W = 48, H = 32, N = 6 };

static lt_media_info video;
static lt_media_frames frames; /* of the whole video */

static lt_mask_options opt(const char *path, int32_t invert, int32_t dilate,
                           int32_t feather)
{
    return (lt_mask_options){ path, { invert, dilate, feather } };
}

/* A white rectangle in a grey picture. */
static void png(const char *path, int w, int h, int x, int y, int bw, int bh)
{
    uint8_t *p = calloc((size_t)(w * h), 1);
    for (int j = y; j < y + bh; j++) memset(p + j * w + x, 255, (size_t)bw);
    MUST(lt_image_png_write(path, w, h, 1, p));
    free(p);
}

/* The rectangle of picture i in the tests below. */
static void rect(int i, int *x, int *y) { *x = 4 + 3 * i, *y = 5 + i; }

static void folder_of(const char *path, const char *names, int first, int n)
{
    char file[128], name[64];
    CHECK(mkdir(path, 0700) == 0);
    for (int i = 0; i < n; i++) {
        int x, y;
        rect(i, &x, &y);
        snprintf(name, sizeof(name), names, first + i); // NOLINT
        snprintf(file, sizeof(file), "%s/%s", path, name);
        png(file, W, H, x, y, 10, 8);
    }
}

/* Weights of frame f are 1 in the rectangle and 0 elsewhere. */
static void is_rect(const float *k, int x, int y, int bw, int bh)
{
    for (int j = 0; j < H; j++)
        for (int i = 0; i < W; i++) {
            const int in = i >= x && i < x + bw && j >= y && j < y + bh;
            CHECK(k[j * W + i] == (in ? 1.0f : 0.0f));
        }
}

/* The mask gives the rectangles of pictures first, first + 1, ... to the frames. */
static void reads(const lt_mask_options *o, const lt_media_frames *f, int kind, int first,
                  int still)
{
    lt_mask_info info;
    lt_mask *m = NULL;
    const float *k = NULL;
    int x, y;
    MUST(lt_mask_look(o, &video, f, 1, &info));
    CHECK(info.kind == kind && !info.scaled && strlen(info.sha256) == 64);
    MUST(lt_mask_open(&m, o, &info, &video));
    const int order[] = { 0, 1, 2, 0, 2, 2, 1 };
    for (int i = 0; i < 7; i++) {
        MUST(lt_mask_read(m, order[i], &k));
        rect(still ? first : first + order[i], &x, &y);
        is_rect(k, x, y, 10, 8);
    }
    if (!still) CHECK(lt_mask_read(m, N, &k) == LT_ERR_ARG);
    CHECK(lt_mask_read(m, -1, &k) == LT_ERR_ARG);
    lt_mask_close(&m);
    lt_mask_close(&m);
}

static void forms(void)
{
    folder_of("a", "%04d.png", 0, N);
    folder_of("b", "mask2_%d.PNG", 7, N); /* 10 comes behind 9 */
    CHECK(sh("touch b/.DS_Store b/notes.txt; cp a/0002.png still.png") == 0);
    FFMPEG("-framerate 10 -i a/%%04d.png -c:v ffv1 -pix_fmt gray video.mkv");
    FFMPEG(
        "-framerate 10 -i a/%%04d.png -c:v libx264 -qp 0 -pix_fmt yuv444p lossless.mp4");
    FFMPEG("-framerate 10 -i a/%%04d.png -c:v ffv1 -pix_fmt bgr0 rgb.mkv");
    FFMPEG("-i a/0001.png -pix_fmt gray16be deep.png");
    FFMPEG("-i a/0001.png -pix_fmt monob bits.png");
    const lt_mask_options a = opt("a", 0, 0, 0), b = opt("b", 0, 0, 0);
    const lt_mask_options v = opt("video.mkv", 0, 0, 0), l = opt("lossless.mp4", 0, 0, 0);
    const lt_mask_options s = opt("still.png", 0, 0, 0);
    const lt_mask_options f = opt("rgb.mkv", 0, 0, 0), d = opt("deep.png", 0, 0, 0);
    const lt_mask_options t = opt("bits.png", 0, 0, 0);
    reads(&a, &frames, LT_MASK_FOLDER, 0, 0);
    reads(&b, &frames, LT_MASK_FOLDER, 0, 0);
    reads(&v, &frames, LT_MASK_VIDEO, 0, 0);
    reads(&l, &frames, LT_MASK_VIDEO, 0, 0);
    reads(&s, &frames, LT_MASK_STILL, 2, 1);
    reads(&f, &frames, LT_MASK_VIDEO, 0, 0);
    reads(&d, &frames, LT_MASK_STILL, 1, 1);
    reads(&t, &frames, LT_MASK_STILL, 1, 1);
    lt_mask_info info;
    MUST(lt_mask_look(&b, &video, &frames, 0, &info));
    CHECK(info.n_other == 1 && info.n == N && !info.sha256[0]);
}

/* A part of the video: masks of the whole, or of the part. */
static void parts(void)
{
    lt_media_frames part;
    lt_mask_info info;
    MUST(lt_media_scan("video.mp4", 200000, 500000, &part));
    CHECK(part.n == 3 && part.first == 2);
    const lt_mask_options whole = opt("a", 0, 0, 0), own = opt("p", 0, 0, 0);
    reads(&whole, &part, LT_MASK_FOLDER, 2, 0);
    folder_of("p", "%d.png", 100, 3);
    reads(&own, &part, LT_MASK_FOLDER, 0, 0);
    FAILS(lt_mask_look(&own, &video, &frames, 0, &info), LT_ERR_DATA,
          "for 3 frames and the video has 6");
    folder_of("five", "%d.png", 0, 5);
    const lt_mask_options five = opt("five", 0, 0, 0);
    FAILS(lt_mask_look(&five, &video, &part, 0, &info), LT_ERR_DATA,
          "for 5 frames, the video has 6 and the part of it 3");
    lt_media_frames_free(&part);
}

static const float *look_and_read(lt_mask **m, const lt_mask_options *o,
                                  const lt_media_info *v, lt_mask_info *info)
{
    const float *k = NULL;
    MUST(lt_mask_look(o, v, &frames, 0, info));
    MUST(lt_mask_open(m, o, info, v));
    MUST(lt_mask_read(*m, 0, &k));
    return k;
}

static void kinds_of_values(void)
{
    uint8_t rgba[W * H * 4];
    lt_mask_info info;
    lt_mask *m = NULL;
    /* alpha cuts an object out: its colours do not matter */
    for (int i = 0; i < W * H; i++) {
        const int in = i % W < 10;
        memcpy(rgba + 4 * i, in ? "\x05\x06\x07\xff" : "\xff\xff\xff\x00", 4);
    }
    MUST(lt_image_png_write("cut.png", W, H, 4, rgba));
    const lt_mask_options cut = opt("cut.png", 0, 0, 0);
    is_rect(look_and_read(&m, &cut, &video, &info), 0, 0, 10, H);
    CHECK(info.alpha);
    lt_mask_close(&m);
    /* opaque alpha says nothing: the brightest colour counts */
    for (int i = 0; i < W * H; i++)
        memcpy(rgba + 4 * i, i % W < 10 ? "\x00\xff\x00\xff" : "\x00\x00\x00\xff", 4);
    MUST(lt_image_png_write("green.png", W, H, 4, rgba));
    const lt_mask_options green = opt("green.png", 0, 0, 0);
    is_rect(look_and_read(&m, &green, &video, &info), 0, 0, 10, H);
    CHECK(!info.alpha);
    lt_mask_close(&m);
    /* a palette of colours: labels, also dark ones */
    FFMPEG(
        "-f lavfi -i color=0x400000:s=10x%d:d=0.04 -vf 'pad=%d:%d:0:0:black,split[a][b];"
        "[a]palettegen[p];[b][p]paletteuse' -frames:v 1 labels.png",
        H, W, H);
    const lt_mask_options labels = opt("labels.png", 0, 0, 0);
    is_rect(look_and_read(&m, &labels, &video, &info), 0, 0, 10, H);
    lt_mask_close(&m);
    /* inverted */
    const lt_mask_options inverted = opt("green.png", 1, 0, 0);
    is_rect(look_and_read(&m, &inverted, &video, &info), 10, 0, W - 10, H);
    lt_mask_close(&m);
    /* greys are weights, and stay off the ends */
    for (int i = 0; i < W * H; i++) rgba[i] = (uint8_t)(i % 256);
    MUST(lt_image_png_write("grey.png", W, H, 1, rgba));
    const lt_mask_options grey = opt("grey.png", 0, 0, 0);
    const float *k = look_and_read(&m, &grey, &video, &info);
    for (int i = 0; i < W * H; i++) {
        const int v = i % 256;
        CHECK(v <= 16 ? k[i] == 0.0f : v >= 239 ? k[i] == 1.0f : k[i] > 0 && k[i] < 1);
        CHECK(v <= 16 || v >= 239 || fabs(k[i] - (v - 16.5) / 222.0) < 1e-5);
    }
    lt_mask_close(&m);
}

static void sizes(void)
{
    lt_mask_info info;
    lt_mask *m = NULL;
    png("half.png", W / 2, H / 2, 4, 3, 6, 5);
    const lt_mask_options half = opt("half.png", 0, 0, 0),
                          hard = opt("half.png", 0, 1, 0);
    const float *k = look_and_read(&m, &half, &video, &info);
    CHECK(info.scaled && info.width == W / 2);
    CHECK(k[8 * W + 12] == 1.0f && k[8 * W + 6] == 0.0f && k[8 * W + 40] == 0.0f);
    lt_mask_close(&m);
    k = look_and_read(&m, &hard, &video, &info); /* grown by one pixel of the video */
    for (int x = 7; x < 21; x++) CHECK(k[10 * W + x] == 1.0f);
    CHECK(k[10 * W + 6] == 0.0f && k[10 * W + 21] == 0.0f);
    lt_mask_close(&m);
    png("double.png", 2 * W + 1, 2 * H, 10, 10, 20, 20); /* a pixel off: same aspect */
    const lt_mask_options twice = opt("double.png", 0, 0, 0);
    look_and_read(&m, &twice, &video, &info);
    lt_mask_close(&m);
    png("wrong.png", W, H + 4, 1, 1, 9, 9);
    png("huge.png", 5 * W, 5 * H, 1, 1, 9, 9);
    const lt_mask_options wrong = opt("wrong.png", 0, 0, 0),
                          huge = opt("huge.png", 0, 0, 0);
    FAILS(lt_mask_look(&wrong, &video, &frames, 0, &info), LT_ERR_DATA,
          "48 x 36 and the video 48 x 32");
    FAILS(lt_mask_look(&huge, &video, &frames, 0, &info), LT_ERR_DATA,
          "more than 4 times");
    /* as shown with sample aspect */
    lt_media_info wide = video;
    wide.display_width = 2 * W;
    png("wide.png", 2 * W, H, 20, 4, 20, 20);
    const lt_mask_options shown = opt("wide.png", 0, 1, 0);
    k = look_and_read(&m, &shown, &wide, &info);
    CHECK(info.scaled && k[10 * W + 10] == 1.0f && k[10 * W + 25] == 0.0f);
    lt_mask_close(&m);
}

/* The mask is upright, the frame as coded is not: the upper left corner of what is shown
 * lies elsewhere in the frame. */
static void turned(void)
{
    static const int corner[4][2] = {
        { 0, 0 }, { 0, H - 1 }, { W - 1, H - 1 }, { W - 1, 0 }
    };
    const lt_mask_options o = opt("box:0,0,3x2", 0, 0, 0);
    lt_mask_info info;
    lt_mask *m = NULL;
    for (int i = 0; i < 4; i++) {
        lt_media_info v = video;
        v.rotation = 90 * i;
        const float *k = look_and_read(&m, &o, &v, &info);
        const int cx = corner[i][0], cy = corner[i][1];
        const int bw = i % 2 ? 2 : 3, bh = i % 2 ? 3 : 2;
        CHECK(info.width == (i % 2 ? H : W) && info.height == (i % 2 ? W : H));
        is_rect(k, cx ? W - bw : 0, cy ? H - bh : 0, bw, bh);
        lt_mask_close(&m);
    }
    /* a film that is stored turned, and its mask made from what is shown */
    FFMPEG("-i video.mp4 -c copy -metadata:s:v:0 rotate=90 turned.mp4");
    lt_media_info v;
    MUST(lt_media_probe("turned.mp4", &v));
    if (v.rotation == 0) return; /* this ffmpeg does not write it */
    FFMPEG("-i turned.mp4 -vf 'drawbox=c=black:t=fill,drawbox=0:0:6:4:white:t=fill' "
           "-c:v ffv1 -pix_fmt gray shown.mkv");
    const lt_mask_options shown = opt("shown.mkv", 0, 0, 0);
    const float *k = look_and_read(&m, &shown, &v, &info);
    CHECK(info.width == H && info.height == W);
    double sum = 0;
    for (int i = 0; i < W * H; i++) sum += k[i];
    CHECK(sum == 24);
    lt_mask_close(&m);
}

static void boxes(void)
{
    static const char *const bad[] = {
        "box:",
        "box:1,2",
        "box:1,2,3",
        "box:1,2,3x",
        "box:1,2,3x4x5",
        "box:a,2,3x4",
        "box:1;2;3x4",
        "box:1,2,3x4 ",
        "box:nan,2,3x4",
        "box:1,2,nan%x4",
        "box:1,2,1e99%x4",
        "box:1,2,-5%x4",
        "box:1,2,3%%x4",
        "box:-1,2,3x4",
        "box:0,0,49x4",
        "box:0,0,4x33",
        "box:45,0,4x4",
        "box:0,29,4x4",
        "box:0,0,0x4",
        "box:0,0,4x-4",
        "box:100,100,5x5",
        "box:9999999999999999999,0,1x1",
        "box:60%,0,50%x10",
        "box:1.5,2,3x4",
    };
    lt_mask_box b;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK(lt_mask_is_box(bad[i]));
        CHECK(lt_mask_box_parse(bad[i], W, H, &b) == LT_ERR_CONFIG);
        CHECK(strstr(lt_error_message(), "mask.path"));
    }
    CHECK(!lt_mask_is_box("./box:1,2,3x4") && !lt_mask_is_box(""));
    MUST(lt_mask_box_parse("box:0,0,48x32", W, H, &b));
    MUST(lt_mask_box_parse("box:25%,50%,50%x25%", W, H, &b));
    CHECK(b.x == 12 && b.y == 16 && b.width == 24 && b.height == 8);
    MUST(lt_mask_box_parse("box:50%,50%,50%x50%", 33, 31, &b)); /* both halves round up */
    CHECK(b.x + b.width == 33 && b.y + b.height == 31);
    MUST(lt_mask_box_parse("box:10,0,50%x100%", W, H, &b));
    CHECK(b.x == 10 && b.width == 24 && b.height == 32);
}

static void bad_folders(void)
{
    lt_mask_info info;
    const struct {
        const char *make, *says;
        lt_status status;
    } cases[] = {
        { "mkdir d", "no PNG", LT_ERR_DATA },
        { "mkdir d; touch d/1.jpg d/2.jpg", "no PNG", LT_ERR_DATA },
        { "cp -r a d; rm d/0003.png", "missing between 0002.png and 0004.png",
          LT_ERR_DATA },
        { "cp -r a d; cp d/0003.png d/3.png", "two masks with the number 3",
          LT_ERR_DATA },
        { "cp -r a d; cp d/0003.png d/preview.png", "without a number", LT_ERR_DATA },
        { "cp -r a d; rm d/0005.png", "for 5 frames and the video has 6", LT_ERR_DATA },
        { "mkdir d; cp a/0000.png d", "for 1 frames and the video has 6", LT_ERR_DATA },
        { "mkdir d; cp a/0000.png d/a.png", "without a number", LT_ERR_DATA },
        { "cp -r a d; head -c 60 a/0004.png > d/0004.png", "cut short", LT_ERR_DATA },
        { "cp -r a d; echo text > d/0004.png", "not a PNG", LT_ERR_DATA },
        { "cp -r a d; cp half.png d/0004.png", "24 x 16 among others", LT_ERR_DATA },
        { "cp -r a d; rm d/0001.png; mkfifo d/0001.png", "not a PNG", LT_ERR_DATA },
        { "cp -r a d; rm d/0001.png; mkdir d/0001.png", "not a PNG", LT_ERR_DATA },
        { "cp -r a d; ln -sf 0001.png d/0001.png", "cannot read", LT_ERR_NOINPUT },
        { "cp -r a d; ln -sf /nowhere d/0001.png", "cannot read", LT_ERR_NOINPUT },
        { "ln -s d d", "cannot read", LT_ERR_NOINPUT },
    };
    const lt_mask_options o = opt("d", 0, 0, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CHECK(sh("rm -rf d; %s", cases[i].make) == 0);
        FAILS(lt_mask_look(&o, &video, &frames, 1, &info), cases[i].status,
              cases[i].says);
        CHECK(strstr(lt_error_message(), "d") && !strchr(lt_error_message(), '\n'));
    }
    /* links to elsewhere are fine */
    CHECK(sh("rm -rf d; mkdir d; for i in 0 1 2 3 4 5; do "
             "ln -s ../a/000$i.png d/$i.png; done") == 0);
    reads(&o, &frames, LT_MASK_FOLDER, 0, 0);
    /* alpha in one picture only */
    CHECK(sh("rm -rf d; cp -r a d; cp cut.png d/0002.png") == 0);
    lt_mask *m = NULL;
    const float *k = NULL;
    MUST(lt_mask_look(&o, &video, &frames, 0, &info));
    MUST(lt_mask_open(&m, &o, &info, &video));
    MUST(lt_mask_read(m, 1, &k));
    FAILS(lt_mask_read(m, 2, &k), LT_ERR_DATA, "transparent");
    /* changed while we run */
    CHECK(sh("cp half.png d/0003.png") == 0);
    FAILS(lt_mask_read(m, 3, &k), LT_ERR_DATA, "changed");
    lt_mask_close(&m);
    CHECK(sh("rm d/0005.png") == 0);
    FAILS(lt_mask_open(&m, &o, &info, &video), LT_ERR_DATA, "changed");
}

static void bad_files(void)
{
    lt_mask_info info;
    const struct {
        const char *make, *path, *says;
        lt_status status;
    } cases[] = {
        { ":", "none.png", "no", LT_ERR_NOINPUT },
        { ":", "none", "no", LT_ERR_NOINPUT },
        { "mkfifo pipe", "pipe", "not a file", LT_ERR_DATA },
        { "mkfifo pipe.png", "pipe.png", "not a PNG", LT_ERR_DATA },
        { "echo text > t.txt", "t.txt", "a folder of PNG", LT_ERR_DATA },
        { ": > empty.mkv", "empty.mkv", "empty file", LT_ERR_DATA },
        { "head -c 70 still.png > cut2.png", "cut2.png", "cut short", LT_ERR_DATA },
        { "(head -c 62 still.png; printf x; tail -c +64 still.png) > bad.png", "bad.png",
          "damaged", LT_ERR_DATA },
        { "head -c 700 video.mkv > cut.mkv", "cut.mkv", "cut.mkv", LT_ERR_DATA },
        { "ffmpeg -v error -y -i a/0003.png -c:v ffv1 first.mkv", "first.mkv",
          "for 1 frames and the video has 6", LT_ERR_DATA },
        { ":", "black.png", "brightest value is 1 of 255", LT_ERR_DATA },
    };
    uint8_t black[W * H];
    memset(black, 1, sizeof(black)); /* labels, not a mask */
    MUST(lt_image_png_write("black.png", W, H, 1, black));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const lt_mask_options o = opt(cases[i].path, 0, 0, 0);
        CHECK(sh("%s", cases[i].make) == 0);
        FAILS(lt_mask_look(&o, &video, &frames, 1, &info), cases[i].status,
              cases[i].says);
        CHECK(!strchr(lt_error_message(), '\n'));
    }
    const lt_mask_options gone = opt("still.png", 0, -40, 0); /* eroded away */
    FAILS(lt_mask_look(&gone, &video, &frames, 0, &info), LT_ERR_DATA, "empty");
    const lt_mask_options box = opt("box:0,0,48x32", 1, 0, 0);
    FAILS(lt_mask_look(&box, &video, &frames, 0, &info), LT_ERR_DATA, "empty");
    const lt_mask_options off = opt("box:40,0,10x10", 0, 0, 0);
    FAILS(lt_mask_look(&off, &video, &frames, 0, &info), LT_ERR_CONFIG, "48 x 32");
}

/* A frame of the mask video is damaged: found when it is read, and never guessed. */
static void damaged_video(void)
{
    lt_mask_info info;
    lt_mask *m = NULL;
    const float *k = NULL;
    FFMPEG("-framerate 10 -i a/%%04d.png -c:v ffv1 -level 3 -slicecrc 1 -pix_fmt gray "
           "hurt.mkv");
    struct stat sb;
    CHECK(stat("hurt.mkv", &sb) == 0);
    CHECK(
        sh("dd if=/dev/zero of=hurt.mkv bs=1 seek=%ld count=120 conv=notrunc 2>/dev/null",
           (long)sb.st_size * 6 / 10) == 0);
    const lt_mask_options o = opt("hurt.mkv", 0, 0, 0);
    lt_status st = lt_mask_look(&o, &video, &frames, 0, &info);
    if (st == LT_OK) {
        MUST(lt_mask_open(&m, &o, &info, &video));
        for (int f = 0; f < N && st == LT_OK; f++) st = lt_mask_read(m, f, &k);
        lt_mask_close(&m);
    }
    CHECK(st == LT_ERR_DATA);
}

static void any_bytes(void)
{
    uint8_t p[4096], q[4096], *v = NULL;
    uint64_t seed = 3;
    int32_t w, h;
    FILE *f = fopen("cut.png", "rb");
    CHECK(f);
    const size_t n = fread(p, 1, sizeof(p), f);
    fclose(f);
    MUST(lt_mask_decode(p, n, W, H, &w, &h, &v));
    CHECK(w == W && h == H && v[0] == 255 && v[W - 1] == 0);
    free(v);
    CHECK(lt_mask_decode(p, n, W - 1, H, &w, &h, &v) == LT_ERR_DATA);
    CHECK(lt_mask_decode(p, 0, W, H, &w, &h, &v) == LT_ERR_DATA);
    for (int i = 0; i < 2000; i++) {
        memcpy(q, p, n);
        for (int k = 0; k < 3; k++) q[check_rand(&seed) % n] = (uint8_t)check_rand(&seed);
        if (lt_mask_decode(q, check_rand(&seed) % (n + 1), W, H, &w, &h, &v) == LT_OK)
            free(v);
    }
}

int main(void)
{
    enter_folder();
    FFMPEG("-f lavfi -i testsrc2=s=%dx%d:r=10 -frames:v %d -c:v libx264 -pix_fmt yuv420p "
           "video.mp4",
           W, H, N);
    MUST(lt_media_probe("video.mp4", &video));
    MUST(lt_media_scan("video.mp4", -1, -1, &frames));
    forms();
    parts();
    kinds_of_values();
    sizes();
    turned();
    boxes();
    bad_folders();
    bad_files();
    damaged_video();
    any_bytes();
    lt_media_frames_free(&frames);
    return 0;
}
