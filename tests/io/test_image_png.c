/* PNG: round trips, other kinds of PNG, damaged files, outputs that appear whole. */
#include "io/image_png.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char folder[] = "/tmp/lt-png-XXXXXX";

static void leave(void)
{
    char line[128];
    snprintf(line, sizeof(line), "rm -rf %s", folder);
    CHECK(system(line) == 0);
}

static void round_trip(int32_t w, int32_t h, int32_t channels)
{
    const size_t n = (size_t)w * (size_t)h * (size_t)channels;
    uint8_t *p = malloc(n);
    uint64_t seed = 3;
    lt_image image;
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)check_rand(&seed);
    CHECK(lt_image_png_write("a.png", w, h, channels, p) == LT_OK);
    CHECK(lt_image_png_read("a.png", 0, &image) == LT_OK);
    CHECK(image.width == w && image.height == h && image.channels == channels);
    CHECK(!memcmp(image.pixels, p, n));
    lt_image_free(&image);
    lt_image_free(&image);
    free(p);
}

static void sixteen(void)
{
    const uint16_t p[6] = { 0, 255, 256, 32768, 65535, 514 };
    lt_image image;
    CHECK(lt_image_png_write16("b.png", 2, 1, 3, p) == LT_OK);
    CHECK(lt_image_png_read("b.png", 0, &image) == LT_OK);
    CHECK(image.channels == 3);
    for (int i = 0; i < 6; i++) /* nearest of 257 steps */
        CHECK(image.pixels[i] == (p[i] * 255u + 32767u) / 65535u);
    lt_image_free(&image);
}

static void conversions(void)
{
    const uint8_t rgb[6] = { 10, 20, 30, 200, 100, 50 };
    lt_image image;
    CHECK(lt_image_png_write("c.png", 2, 1, 3, rgb) == LT_OK);
    CHECK(lt_image_png_read("c.png", 4, &image) == LT_OK);
    const uint8_t rgba[8] = { 10, 20, 30, 255, 200, 100, 50, 255 };
    CHECK(!memcmp(image.pixels, rgba, 8));
    lt_image_free(&image);
    CHECK(lt_image_png_read("c.png", 1, &image) == LT_OK);
    CHECK(abs(image.pixels[0] - 19) <= 2 && abs(image.pixels[1] - 118) <= 2);
    lt_image_free(&image);
    const uint8_t grey[2] = { 7, 250 };
    CHECK(lt_image_png_write("d.png", 2, 1, 1, grey) == LT_OK);
    CHECK(lt_image_png_read("d.png", 3, &image) == LT_OK);
    const uint8_t want[6] = { 7, 7, 7, 250, 250, 250 };
    CHECK(!memcmp(image.pixels, want, 6));
    lt_image_free(&image);
    CHECK(lt_image_png_read("d.png", 2, &image) == LT_ERR_ARG);
}

static void expect(const char *path, lt_status want)
{
    lt_image image = { .pixels = NULL };
    CHECK(lt_image_png_read(path, 0, &image) == want && !image.pixels);
    CHECK(strstr(lt_error_message(), path));
}

static void put_file(const char *path, const uint8_t *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(p, 1, n, f) == n);
    fclose(f);
}

/* Cut at every byte, one bit turned in every byte: an error or an image, never more. */
static void damaged(void)
{
    uint8_t p[4096], q[4096], pixels[16 * 16 * 3];
    uint64_t seed = 5;
    lt_image image;
    int refused = 0;
    for (size_t i = 0; i < sizeof(pixels); i++) pixels[i] = (uint8_t)check_rand(&seed);
    CHECK(lt_image_png_write("e.png", 16, 16, 3, pixels) == LT_OK);
    FILE *f = fopen("e.png", "rb");
    CHECK(f);
    const size_t n = fread(p, 1, sizeof(p), f);
    fclose(f);
    for (size_t i = 0; i < n; i += 3) {
        put_file("f.png", p, i);
        expect("f.png", LT_ERR_DATA);
        memcpy(q, p, n);
        q[i] ^= (uint8_t)(1 << (i % 8));
        put_file("f.png", q, n);
        const lt_status st = lt_image_png_read("f.png", 3, &image);
        CHECK(st == LT_OK || st == LT_ERR_DATA);
        refused += st != LT_OK;
        if (st == LT_OK) lt_image_free(&image);
    }
    CHECK((size_t)refused * 30 > n * 9); /* checksums see nearly all */
}

/* Size without decoding, and the same picture from memory. */
static void looking(void)
{
    uint8_t p[4096], pixels[40 * 7 * 4];
    uint64_t seed = 7;
    lt_image_head head;
    lt_image image;
    for (size_t i = 0; i < sizeof(pixels); i++) pixels[i] = (uint8_t)check_rand(&seed);
    CHECK(lt_image_png_write("g.png", 40, 7, 4, pixels) == LT_OK);
    CHECK(lt_image_png_look("g.png", &head) == LT_OK);
    CHECK(head.width == 40 && head.height == 7 && head.channels == 4);
    FILE *f = fopen("g.png", "rb");
    CHECK(f);
    const size_t n = fread(p, 1, sizeof(p) - 100, f);
    fclose(f);
    CHECK(lt_image_png_decode(p, n, "memory", 0, &image) == LT_OK);
    CHECK(!image.palette && !memcmp(image.pixels, pixels, sizeof(pixels)));
    lt_image_free(&image);
    CHECK(lt_image_png_decode(p, 0, "memory", 0, &image) == LT_ERR_DATA);
    for (size_t i = 0; i < n; i++) {
        put_file("h.png", p, i);
        CHECK(lt_image_png_look("h.png", &head) == LT_ERR_DATA);
        CHECK(lt_image_png_decode(p, i, "memory", 0, &image) == LT_ERR_DATA);
    }
    memset(p + n, 9, 100);
    put_file("h.png", p, n + 100);
    CHECK(lt_image_png_look("h.png", &head) == LT_OK);
    memcpy(p + 16, "\x40\x00\x00\x01", 4); /* a width beyond all measure */
    put_file("h.png", p, n);
    CHECK(lt_image_png_look("h.png", &head) == LT_ERR_DATA);
    CHECK(mkfifo("pipe.png", 0600) == 0);
    CHECK(lt_image_png_look("pipe.png", &head) == LT_ERR_DATA);
    expect("pipe.png", LT_ERR_DATA);
}

static void refused(void)
{
    uint8_t one[3] = { 1, 2, 3 };
    expect("none.png", LT_ERR_NOINPUT);
    put_file("text.png", (const uint8_t *)"not an image at all", 19);
    expect("text.png", LT_ERR_DATA);
    put_file("empty.png", one, 0);
    expect("empty.png", LT_ERR_DATA);
    CHECK(mkdir("dir.png", 0700) == 0);
    expect("dir.png", LT_ERR_DATA);
    CHECK(lt_image_png_write("no/folder/x.png", 1, 1, 3, one) == LT_ERR_CANTCREAT);
    CHECK(lt_image_png_write("x.png", 0, 1, 3, one) == LT_ERR_ARG);
    CHECK(lt_image_png_write("x.png", 1, 20000, 3, one) == LT_ERR_ARG);
    CHECK(access("x.png", F_OK) != 0);
}

int main(void)
{
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    atexit(leave);
    round_trip(1, 1, 3);
    round_trip(17, 5, 1);
    round_trip(33, 64, 3);
    round_trip(8, 9, 4);
    sixteen();
    conversions();
    damaged();
    looking();
    refused();
    return 0;
}
