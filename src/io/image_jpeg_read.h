#ifndef LT_IO_IMAGE_JPEG_READ_H
#define LT_IO_IMAGE_JPEG_READ_H

#include "io/image_png.h"

/* Read the grey (luma, 0 .. 255) of a JPEG file, as masks of public suites are stored.
 * Any file may be given; sides up to 16384. The caller frees *image (lt_image_free).
 * Errors: NOINPUT, DATA (not a JPEG, damaged, too large), NOMEM, IO, UNSUPPORTED (a build
 * without media). */
LT_NODISCARD lt_status lt_image_jpeg_read_grey(const char *path, lt_image *image);

#endif
