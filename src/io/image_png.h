#ifndef LT_IO_IMAGE_PNG_H
#define LT_IO_IMAGE_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* PNG files, read with limits (16384 x 16384 pixels, no network, no colour profiles:
 * values are taken as they are) and written as whole files. */

typedef struct lt_image {
    int32_t width, height; /* pixels, >= 1 */
    int32_t channels;      /* 1 = grey, 3 = RGB, 4 = RGBA */
    uint8_t *pixels;       /* [height][width][channels]; owned */
    int32_t palette;       /* 1: the file is a picture of indices; colours stand here */
} lt_image;

/* What the first bytes of a PNG say; nothing is decoded. */
typedef struct lt_image_head {
    int32_t width, height; /* pixels, 1 .. 16384 */
    int32_t channels;      /* as stored: 1 grey or palette, 2 grey + alpha, 3, 4 */
} lt_image_head;

/* Look at a PNG file: its size, and that it is there to its end (a file cut short is
 * found). Errors: NOINPUT, DATA, IO. */
LT_NODISCARD lt_status lt_image_png_look(const char *path, lt_image_head *head);

/* The same for the begin of a PNG in memory. Any bytes may be given. Errors: DATA. */
LT_NODISCARD lt_status lt_image_png_head(const void *data, size_t bytes, const char *name,
                                         lt_image_head *head);

/* Read any PNG as 8 bits: 16 bits are rounded, palettes and 1, 2, 4 bit greys expanded.
 *   channels  1, 3, 4, or 0 = what the file has (grey + alpha gives RGBA). Alpha is
 *             dropped where fewer are asked for; RGB to grey takes BT.709 weights
 * The caller frees *image. Errors: NOINPUT, DATA (not a PNG, damaged, too large),
 * ARG, NOMEM, IO. */
LT_NODISCARD lt_status lt_image_png_read(const char *path, int32_t channels,
                                         lt_image *image);
/* The same from memory; `name` is for messages. Any bytes may be given. */
LT_NODISCARD lt_status lt_image_png_decode(const void *data, size_t bytes,
                                           const char *name, int32_t channels,
                                           lt_image *image);
void lt_image_free(lt_image *image); /* accepts NULL and a zeroed image */

/* Write [height][width][channels] values, 8 bits or 16 (host order), channels 1, 3, 4.
 * The file appears complete under its name or not at all; equal values, equal bytes.
 * Errors: ARG, CANTCREAT, NOSPACE, IO, NOMEM. */
LT_NODISCARD lt_status lt_image_png_write(const char *path, int32_t width, int32_t height,
                                          int32_t channels, const uint8_t *pixels);
LT_NODISCARD lt_status lt_image_png_write16(const char *path, int32_t width,
                                            int32_t height, int32_t channels,
                                            const uint16_t *pixels);

#endif
