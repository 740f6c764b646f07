#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "io/mask_impl.h"

/* ---- pictures ------------------------------------------------------------------- */

int lt_mask_has_alpha(const lt_image *image)
{
    const int64_t n = (int64_t)image->width * image->height;
    if (image->channels != 4) return 0;
    for (int64_t i = 0; i < n; i++)
        if (image->pixels[4 * i + 3] != 255) return 1;
    return 0;
}

static uint8_t brightest(const uint8_t *p, int32_t channels)
{
    if (channels == 1) return p[0];
    const uint8_t v = p[0] > p[1] ? p[0] : p[1];
    return v > p[2] ? v : p[2];
}

/* A picture of labels: indices, some of which stand for colours. */
static int is_labels(const lt_image *image)
{
    const int64_t n = (int64_t)image->width * image->height;
    if (!image->palette || image->channels < 3) return 0;
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *p = image->pixels + i * image->channels;
        if (p[0] != p[1] || p[1] != p[2]) return 1;
    }
    return 0;
}

lt_status lt_mask_values(const lt_image *image, int alpha, const char *name,
                         uint8_t *value)
{
    const int64_t n = (int64_t)image->width * image->height;
    const int32_t c = image->channels;
    if (alpha && c != 4)
        return LT_FAIL(LT_ERR_DATA,
                       "no alpha channel, but the first mask has one (%s): write all "
                       "masks in one way",
                       name);
    if (!alpha && lt_mask_has_alpha(image))
        return LT_FAIL(LT_ERR_DATA,
                       "transparent pixels, but the first mask has none (%s): write all "
                       "masks in one way",
                       name);
    const int labels = is_labels(image);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *p = image->pixels + i * c;
        const uint8_t v = alpha ? p[3] : brightest(p, c);
        value[i] = labels && !alpha && v ? 255 : v;
    }
    return LT_OK;
}

lt_status lt_mask_decode(const void *png, size_t bytes, int32_t max_width,
                         int32_t max_height, int32_t *width, int32_t *height,
                         uint8_t **value)
{
    lt_status st = LT_OK;
    lt_image_head head;
    lt_image image = { 0 };
    uint8_t *v = NULL;
    LT_TRY(lt_image_png_head(png, bytes, "mask", &head));
    if (head.width > max_width || head.height > max_height)
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "mask of %d x %d is too large (mask): at most %d x %d", head.width,
                       head.height, max_width, max_height));
    LT_TRY(lt_image_png_decode(png, bytes, "mask", 0, &image));
    v = malloc((size_t)image.width * (size_t)image.height);
    if (!v) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)"));
    LT_TRY(lt_mask_values(&image, lt_mask_has_alpha(&image), "mask", v));
    *width = image.width;
    *height = image.height;
    *value = v;
    v = NULL;
cleanup:
    free(v);
    lt_image_free(&image);
    return st;
}

/* ---- rectangles ----------------------------------------------------------------- */

static const char prefix[] = "box:";

int lt_mask_is_box(const char *text)
{
    return !strncmp(text, prefix, sizeof(prefix) - 1);
}

/* One number up to `end`, in pixels or with % of `whole`. */
static int parse_length(const char **text, char end, int32_t whole, int32_t *out)
{
    char word[32];
    const size_t n = strcspn(*text, ",x");
    double v = 0.0;
    int64_t pixels = 0;
    if (n == 0 || n >= sizeof(word) || (*text)[n] != end) return 0;
    memcpy(word, *text, n);
    word[n] = '\0';
    *text += n + (end != '\0');
    if (word[n - 1] == '%') {
        word[n - 1] = '\0';
        if (lt_float_parse(word, &v) != LT_OK || !(v >= 0.0 && v <= 100.0)) return 0;
        pixels = (int64_t)floor(v / 100.0 * whole + 0.5);
    } else if (lt_int_parse(word, &pixels) != LT_OK) {
        return 0;
    }
    if (pixels < -LT_MEDIA_MAX_SIDE || pixels > 2 * LT_MEDIA_MAX_SIDE) return 0;
    *out = (int32_t)pixels;
    return 1;
}

lt_status lt_mask_box_parse(const char *text, int32_t width, int32_t height,
                            lt_mask_box *box)
{
    lt_mask_box b = { 0 };
    const char *p = lt_mask_is_box(text) ? text + sizeof(prefix) - 1 : "";
    if (!parse_length(&p, ',', width, &b.x) || !parse_length(&p, ',', height, &b.y) ||
        !parse_length(&p, 'x', width, &b.width) ||
        !parse_length(&p, '\0', height, &b.height))
        return LT_FAIL(
            LT_ERR_CONFIG,
            "not a rectangle: %.60s (mask.path): write box:X,Y,WxH in pixels or "
            "percent, e.g. box:25%%,25%%,50%%x50%%",
            text);
    /* two percentages that were rounded up together */
    if (strchr(text, '%') && b.x + b.width == width + 1) b.width--;
    if (strchr(text, '%') && b.y + b.height == height + 1) b.height--;
    if (b.width < 1 || b.height < 1 || b.x < 0 || b.y < 0 || b.x > width - b.width ||
        b.y > height - b.height)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "the rectangle of %d x %d at %d,%d does not lie within the frame of "
            "%d x %d (mask.path): make it smaller",
            b.width, b.height, b.x, b.y, width, height);
    *box = b;
    return LT_OK;
}
