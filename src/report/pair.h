#ifndef LT_REPORT_PAIR_H
#define LT_REPORT_PAIR_H

#include "report/film.h"

/* Source and edited film of a job in step, as pictures that show both. */
typedef struct lt_pair {
    lt_film source, edit;
    uint8_t *left, *right; /* the frame read last, [height][width][3] each */
} lt_pair;

/* Pictures of a film are at most `width` pixels wide and never larger than it. The
 * caller closes with lt_pair_close, also after a failure (*pair zeroed before).
 * Errors: those of lt_film_open; DATA (numbers of frames differ), NOMEM. */
LT_NODISCARD lt_status lt_pair_open(lt_pair *pair, const lt_config *cfg, int32_t width);
void lt_pair_close(lt_pair *pair);

/* Frame f into left and right. Errors: DATA, IO, NOMEM. */
LT_NODISCARD lt_status lt_pair_read(lt_pair *pair, int64_t f);

/* Both beside each other, source left, a black line between; an edit of another size is
 * cut, or lies on black. rgb [source.height][lt_pair_width][3]. */
int32_t lt_pair_width(const lt_pair *pair);
void lt_pair_join(const lt_pair *pair, uint8_t *rgb);

/* The first n frames side by side as a silent film.
 * Errors: those of lt_pair_read and of lt_media_clip_open. */
LT_NODISCARD lt_status lt_pair_film(lt_pair *pair, int64_t n, const char *path);

/* A picture of up to `columns` frames, evenly spread from the first to the last, the
 * source above the edit. *rgb [*height][*width][3] is the caller's (free).
 * Errors: as lt_pair_read. */
LT_NODISCARD lt_status lt_pair_sheet(lt_pair *pair, int columns, uint8_t **rgb,
                                     int32_t *width, int32_t *height);

/* Of n frames the one at place i of `shown`, evenly spread. */
int64_t lt_spread(int64_t i, int64_t shown, int64_t n);

#endif
