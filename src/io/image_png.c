#include "io/image_png.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

enum { SIDE_MAX = 16384 };

/* libpng reports errors by longjmp; this carries its text across. */
typedef struct trouble {
    jmp_buf jump;
    char text[128];
    lt_status status;
} trouble;

static void on_error(png_structp png, png_const_charp text)
{
    trouble *t = png_get_error_ptr(png);
    snprintf(t->text, sizeof(t->text), "%s", text);
    longjmp(t->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

void lt_image_free(lt_image *image)
{
    if (!image) return;
    free(image->pixels);
    memset(image, 0, sizeof(*image));
}

/* ---- reading -------------------------------------------------------------------- */

typedef struct reader {
    png_structp png;
    png_infop info;
    FILE *file;
    uint8_t *pixels, **rows;
    int32_t w, h, channels, palette;
} reader;

/* Everything to 8-bit RGB, RGBA or grey, as asked. Called under setjmp. */
static void set_transforms(reader *r, int32_t want)
{
    const int type = png_get_color_type(r->png, r->info);
    const int trns = png_get_valid(r->png, r->info, PNG_INFO_tRNS) != 0;
    const int grey = !(type & PNG_COLOR_MASK_COLOR);
    r->palette = type == PNG_COLOR_TYPE_PALETTE;
    const int alpha = (type & PNG_COLOR_MASK_ALPHA) || trns;
    r->channels = want ? want : alpha ? 4 : grey ? 1 : 3;
    png_set_scale_16(r->png);
    png_set_expand(r->png); /* palettes, small greys, transparent colours */
    if (r->channels != 4) png_set_strip_alpha(r->png);
    if (r->channels == 4 && !alpha) png_set_add_alpha(r->png, 0xff, PNG_FILLER_AFTER);
    if (r->channels == 1 && !grey) png_set_rgb_to_gray(r->png, 1, 0.2126, 0.7152);
    if (r->channels != 1 && grey) png_set_gray_to_rgb(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static void read_all(reader *r, trouble *t, int32_t want)
{
    png_init_io(r->png, r->file);
    png_set_user_limits(r->png, SIDE_MAX, SIDE_MAX);
    png_set_chunk_cache_max(r->png, 16);
    png_set_chunk_malloc_max(r->png, 1 << 20);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_read_info(r->png, r->info);
    r->w = (int32_t)png_get_image_width(r->png, r->info);
    r->h = (int32_t)png_get_image_height(r->png, r->info);
    set_transforms(r, want);
    const size_t row = png_get_rowbytes(r->png, r->info);
    if (row != (size_t)r->w * (size_t)r->channels) png_error(r->png, "unexpected layout");
    r->pixels = malloc(row * (size_t)r->h);
    r->rows = malloc((size_t)r->h * sizeof(*r->rows));
    if (!r->pixels || !r->rows) {
        t->status = LT_ERR_NOMEM;
        png_error(r->png, "out of memory");
    }
    for (int32_t y = 0; y < r->h; y++) r->rows[y] = r->pixels + row * (size_t)y;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
}

static lt_status not_png(const char *name)
{
    return LT_FAIL(LT_ERR_DATA, "not a PNG image (%s): convert it to PNG", name);
}

/* Not blocking: a pipe without a writer would hold us for ever. */
static lt_status open_file(const char *path, FILE **file, int64_t *bytes)
{
    struct stat sb = { 0 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return LT_FAIL(LT_ERR_NOINPUT,
                       "cannot read an image, %s (%s): check the name and the rights",
                       strerror(errno), path);
    FILE *f = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) ? fdopen(fd, "rb") : NULL;
    if (!f) {
        close(fd);
        return not_png(path);
    }
    *file = f;
    *bytes = (int64_t)sb.st_size;
    return LT_OK;
}

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Signature, then length and name of IHDR, its fields. */
lt_status lt_image_png_head(const void *data, size_t bytes, const char *name,
                            lt_image_head *head)
{
    const uint8_t *p = data;
    static const int8_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    if (bytes < 26 || png_sig_cmp(p, 0, 8) || big32(p + 8) != 13 ||
        memcmp(p + 12, "IHDR", 4))
        return not_png(name);
    const uint32_t w = big32(p + 16), h = big32(p + 20);
    if (w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX || p[25] > 6 || !channels[p[25]])
        return LT_FAIL(LT_ERR_DATA,
                       "PNG of %u x %u cannot be read (%s): sides are 1 .. %d", w, h,
                       name, SIDE_MAX);
    *head = (lt_image_head){ (int32_t)w, (int32_t)h, channels[p[25]] };
    return LT_OK;
}

/* Is the last chunk there? Some programs write a little of their own behind it. */
static int has_end(FILE *f, int64_t bytes)
{
    static const uint8_t end[12] = { 0, 0, 0, 0, 'I', 'E', 'N', 'D', 174, 66, 96, 130 };
    uint8_t tail[4096];
    const long n = bytes < (int64_t)sizeof(tail) ? (long)bytes : (long)sizeof(tail);
    return fseek(f, -n, SEEK_END) == 0 && fread(tail, 1, (size_t)n, f) == (size_t)n &&
           memmem(tail, (size_t)n, end, sizeof(end)) != NULL;
}

lt_status lt_image_png_look(const char *path, lt_image_head *head)
{
    uint8_t first[26];
    FILE *f = NULL;
    int64_t bytes = 0;
    lt_status st = open_file(path, &f, &bytes);
    if (st != LT_OK) return st;
    st = lt_image_png_head(first, fread(first, 1, sizeof(first), f), path, head);
    if (st == LT_OK && !has_end(f, bytes))
        st = LT_FAIL(LT_ERR_DATA, "damaged image (%s): the file is cut short", path);
    fclose(f);
    return st;
}

/* Decode from a stream, which is closed. */
static lt_status decode(FILE *file, const char *name, int32_t channels, lt_image *image)
{
    lt_status st = LT_OK;
    uint8_t head[8];
    /* on the heap: locals that change between setjmp and longjmp would be undefined */
    reader *r = calloc(1, sizeof(*r));
    trouble *t = calloc(1, sizeof(*t));
    if (!r || !t) {
        fclose(file);
        st = LT_FAIL(LT_ERR_NOMEM, "reading image %s", name);
        goto cleanup;
    }
    r->file = file;
    if (channels != 0 && channels != 1 && channels != 3 && channels != 4) {
        st = LT_FAIL(LT_ERR_ARG, "%d channels", channels);
        goto cleanup;
    }
    if (fread(head, 1, sizeof(head), file) != sizeof(head) ||
        png_sig_cmp(head, 0, sizeof(head))) {
        st = not_png(name);
        goto cleanup;
    }
    rewind(file);
    t->status = LT_ERR_DATA;
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, t, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) {
        st = LT_FAIL(LT_ERR_NOMEM, "reading image %s", name);
        goto cleanup;
    }
    if (setjmp(t->jump)) {
        st = LT_FAIL(t->status, "damaged image (%s): %s", name, t->text);
        goto cleanup;
    }
    read_all(r, t, channels);
    *image = (lt_image){ r->w, r->h, r->channels, r->pixels, r->palette };
    r->pixels = NULL;
cleanup:
    if (r) {
        if (r->png) png_destroy_read_struct(&r->png, &r->info, NULL);
        if (r->file) fclose(r->file);
        free(r->pixels);
        free(r->rows);
    }
    free(r);
    free(t);
    return st;
}

lt_status lt_image_png_read(const char *path, int32_t channels, lt_image *image)
{
    FILE *f = NULL;
    int64_t bytes = 0;
    const lt_status st = open_file(path, &f, &bytes);
    return st == LT_OK ? decode(f, path, channels, image) : st;
}

lt_status lt_image_png_decode(const void *data, size_t bytes, const char *name,
                              int32_t channels, lt_image *image)
{
    FILE *f = bytes > 0 ? fmemopen((void *)(uintptr_t)data, bytes, "rb") : NULL;
    if (bytes == 0) return not_png(name);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "reading image %s", name);
    return decode(f, name, channels, image);
}

/* ---- writing -------------------------------------------------------------------- */

typedef struct sink {
    uint8_t *data;
    size_t n, cap;
} sink;

static void append(png_structp png, png_bytep data, size_t n)
{
    sink *s = png_get_io_ptr(png);
    if (s->n + n > s->cap) {
        const size_t cap = (s->n + n) * 2;
        uint8_t *d = realloc(s->data, cap);
        if (!d) png_error(png, "out of memory");
        s->data = d;
        s->cap = cap;
    }
    memcpy(s->data + s->n, data, n);
    s->n += n;
}

static void flush(png_structp png) { (void)png; }

typedef struct picture {
    int32_t w, h, channels, depth;
    const uint8_t *pixels;
} picture;

static void write_all(png_structp png, png_infop info, const picture *p, sink *s)
{
    const int type = p->channels == 1   ? PNG_COLOR_TYPE_GRAY
                     : p->channels == 3 ? PNG_COLOR_TYPE_RGB
                                        : PNG_COLOR_TYPE_RGB_ALPHA;
    const size_t row = (size_t)p->w * (size_t)p->channels * (size_t)(p->depth / 8);
    png_set_write_fn(png, s, append, flush);
    png_set_IHDR(png, info, (png_uint_32)p->w, (png_uint_32)p->h, p->depth, type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    if (p->depth == 16) png_set_swap(png); /* PNG is big-endian, we run on little */
    for (int32_t y = 0; y < p->h; y++) png_write_row(png, p->pixels + row * (size_t)y);
    png_write_end(png, NULL);
}

static lt_status write_png(const char *path, const picture *p)
{
    lt_status st = LT_OK;
    png_structp png = NULL;
    png_infop info = NULL;
    if (p->w < 1 || p->h < 1 || p->w > SIDE_MAX || p->h > SIDE_MAX || !p->pixels ||
        (p->channels != 1 && p->channels != 3 && p->channels != 4))
        return LT_FAIL(LT_ERR_ARG, "image of %d x %d, %d channels", p->w, p->h,
                       p->channels);
    trouble *t = calloc(1, sizeof(*t));
    sink *s = calloc(1, sizeof(*s));
    if (t && s)
        png = png_create_write_struct(PNG_LIBPNG_VER_STRING, t, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
        st = LT_FAIL(LT_ERR_NOMEM, "writing image %s", path);
        goto cleanup;
    }
    if (setjmp(t->jump)) {
        st = LT_FAIL(LT_ERR_NOMEM, "cannot encode image (%s): %s", path, t->text);
        goto cleanup;
    }
    write_all(png, info, p, s);
    LT_TRY(lt_file_write(path, s->data, s->n, NULL));
cleanup:
    if (png) png_destroy_write_struct(&png, &info);
    if (s) free(s->data);
    free(s);
    free(t);
    return st;
}

lt_status lt_image_png_write(const char *path, int32_t width, int32_t height,
                             int32_t channels, const uint8_t *pixels)
{
    const picture p = { width, height, channels, 8, pixels };
    return write_png(path, &p);
}

lt_status lt_image_png_write16(const char *path, int32_t width, int32_t height,
                               int32_t channels, const uint16_t *pixels)
{
    const picture p = { width, height, channels, 16, (const uint8_t *)pixels };
    return write_png(path, &p);
}
