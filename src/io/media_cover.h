#ifndef LT_IO_MEDIA_COVER_H
#define LT_IO_MEDIA_COVER_H

#include "io/media_mux.h"

/* Cover art: a picture beside the film. An mp4 holds it as a stream of one packet, a
 * Matroska file as an attachment; QuickTime's own mov has no place for it. */

/* 1: the stream is cover art whose picture was read. */
int lt_is_cover(const AVStream *stream);

/* Add cover art of source stream i to the output.
 * 1 = done, 0 = this container or this kind of picture does not go, -1 = no memory. */
int lt_cover_add(lt_mux *m, unsigned i);

/* Write the pictures that are packets, after the header. FFmpeg numbers. */
int lt_cover_write(lt_mux *m);

/* What of the source is left out, in words, and the containers that would carry it. */
typedef struct lt_left_out {
    int covers, videos, data, attachments; /* streams of each kind */
} lt_left_out;

/* text: "" when nothing is left out. size >= 1 byte. */
void lt_left_out_text(const lt_left_out *l, char *text, size_t size);

#endif
