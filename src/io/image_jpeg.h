#ifndef LT_IO_IMAGE_JPEG_H
#define LT_IO_IMAGE_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Pictures for pages: baseline JPEG (BT.601, full range, 4:2:0), in memory.
 *   rgb      [height][width][3]; both sides in [1, 4096]
 *   quality  1 (best) .. 31, the scale of FFmpeg's -q:v
 * *data is the caller's (free). Equal pictures give equal bytes.
 * Errors: ARG, NOMEM, UNSUPPORTED (a build without media, or FFmpeg lacks mjpeg). */
LT_NODISCARD lt_status lt_image_jpeg(const uint8_t *rgb, int32_t width, int32_t height,
                                     int32_t quality, void **data, size_t *bytes);

#endif
