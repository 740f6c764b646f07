#ifndef LT_IO_MEDIA_JOIN_H
#define LT_IO_MEDIA_JOIN_H

#include "io/media.h"
#include "io/media_writer.h"

/* Joining encoded parts with everything else of the source, by packet.
 *
 * The video gets the PTS of the source's frames (minus frames->offset) exactly, in the
 * source's time base; Matroska alone counts milliseconds, so an .mkv has them rounded
 * to 1 ms. DTS are derived once over the whole video. Audio and subtitle packets are
 * copied byte by byte with their times; after a cut, those that overlap the interval.
 * Chapters, metadata, languages, dispositions, display matrix, colour tags are carried.
 * Memory does not depend on the length, but for some bytes a packet of the index. */

typedef struct lt_media_output {
    const char *path;               /* .mp4, .m4v, .mov or .mkv decides the container */
    const lt_media_encode *encode;  /* as given to the part writers */
    const char *source;             /* audio, subtitles, metadata; NULL = none */
    const lt_media_frames *frames;  /* the selected frames of the source */
    int32_t no_audio, no_subtitles; /* 1: leave them out */
} lt_media_output;

/* What a container cannot carry is found before the run.
 *   dropped  text for a warning on what will be left out (data streams, cover
 *            art in mov, attachments outside of mkv), "" when nothing is; size >= 1 byte
 * frames may be NULL here. Errors: CONFIG (extension unknown; a stream or a display
 * matrix that the container cannot carry: names one that can), those of
 * lt_media_check_encode, CANTCREAT (no such folder, not writable), those of media.h. */
LT_NODISCARD lt_status lt_media_check_output(const lt_media_output *output, char *dropped,
                                             size_t size);

/* Join the parts, in order, to output->path. Until the end it is `NAME.tmp.PID` in the
 * same folder; an error or a kill leaves what was at the path before. A leftover of a
 * killed process is removed by the next join to the same path on the same host.
 *   parts  [n_parts] paths, every frame of output->frames once, in order
 *   bytes  size of the file; may be NULL
 * Errors: DATA (a part is damaged or does not hold the expected frames; named),
 * CONFIG, CANTCREAT, NOSPACE, IO, NOMEM. */
LT_NODISCARD lt_status lt_media_join(const lt_media_output *output,
                                     const char *const *parts, int64_t n_parts,
                                     int64_t *bytes);

#endif
