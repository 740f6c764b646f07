#ifndef LT_IO_MASK_IMPL_H
#define LT_IO_MASK_IMPL_H

#include "core/options.h"
#include "io/image_png.h"
#include "io/mask.h"

/* What the mask*.c files share. */

/* The pictures of a folder, in order. */
typedef struct lt_mask_folder {
    char **name; /* [n]; owned */
    int64_t n, n_other;
} lt_mask_folder;

/* Errors: NOINPUT, DATA (no picture, a number missing or twice), NOMEM, IO. */
LT_NODISCARD lt_status lt_mask_folder_list(const char *path, lt_mask_folder *folder);
void lt_mask_folder_free(lt_mask_folder *folder);

/* "<folder>/<name of picture i>". Errors: DATA (too long). */
LT_NODISCARD lt_status lt_mask_folder_path(const char *path, const lt_mask_folder *folder,
                                           int64_t i, char out[LT_PATH_MAX]);

/* Values of an image: see mask.h. alpha: 1 = the alpha channel is the value.
 * name is for messages. Errors: DATA (alpha is missing, or not expected). */
LT_NODISCARD lt_status lt_mask_values(const lt_image *image, int alpha, const char *name,
                                      uint8_t *value);

/* 1: an alpha channel that is not opaque throughout. */
int lt_mask_has_alpha(const lt_image *image);

/* Values [height][width] of the picture that was read last, for lt_mask_look. */
const uint8_t *lt_mask_picture(const lt_mask *mask);

/* Sides of the frame as it is shown upright. */
void lt_mask_upright(const lt_media_info *video, int32_t *width, int32_t *height);

#endif
