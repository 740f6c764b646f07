#ifndef LT_REPORT_FILM_H
#define LT_REPORT_FILM_H

#include "core/config.h"
#include "io/media_reader.h"

/* A film made small, to be looked at frame by frame, 8 bits. */
typedef struct lt_film {
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader *reader;
    int32_t width, height; /* of the pictures, both even */
} lt_film;

/* Open `path` from ss to `to` [ns] (LT_TIME_NONE: the end); pictures are `width` pixels
 * wide at most and never larger than the film.
 *   upright  1: turned as it is shown, square pixels; 0: as coded
 * The caller closes with lt_film_close,
 * also after a failure (*film zeroed before).
 * Errors: those of media.h. */
LT_NODISCARD lt_status lt_film_open(lt_film *film, const char *path, int64_t ss,
                                    int64_t to, int32_t width, int upright);
void lt_film_close(lt_film *film);

/* Frame f of the selected ones into rgb [height][width][3]; quick when f follows the
 * frame read before. Errors: DATA, IO, NOMEM. */
LT_NODISCARD lt_status lt_film_seek(lt_film *film, int64_t f);
LT_NODISCARD lt_status lt_film_next(lt_film *film, uint8_t *rgb);

#endif
