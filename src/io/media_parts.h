#ifndef LT_IO_MEDIA_PARTS_H
#define LT_IO_MEDIA_PARTS_H

#include "io/media_ff.h"

/* The packets of encoded parts, one part after the other. */
typedef struct lt_parts {
    const char *const *paths; /* borrowed */
    int64_t n_paths, at;      /* at: part being read */
    AVRational tb;            /* of the packets that come out */
    AVFormatContext *fmt;     /* of part `at`, NULL before it is opened */
} lt_parts;

/* The tag that a part gives a codec which NUT has no tag for, else 0: NUT's own. */
uint32_t lt_part_tag(enum AVCodecID id);

/* Open part `at` if it is not open yet. Errors: DATA, naming the part; NOMEM. */
LT_NODISCARD lt_status lt_parts_open(lt_parts *p);

/* The next packet of all parts; *end = 1 behind the last one. */
LT_NODISCARD lt_status lt_parts_next(lt_parts *p, AVPacket *packet, int *end);
void lt_parts_close(lt_parts *p);

/* Read all parts and check that they hold the expected frames: every part a run of
 * them that begins with a key frame, with equal headers.
 *   pts    [n] expected, ascending, in time base tb
 *   order  [n] written: PTS in the order of the packets
 * Errors: DATA, naming the part; NOMEM. */
LT_NODISCARD lt_status lt_parts_check(const char *const *paths, int64_t n_paths,
                                      const int64_t *pts, int64_t n, AVRational tb,
                                      int64_t *order);

/* Turn `order` into DTS, in place: strictly ascending, dts[i] <= order[i]. The DTS are
 * the PTS themselves, delayed by as many frames as the deepest reordering needs; in
 * front of them the clock runs on backwards.
 *   pts   [n + 1] with the end of the last frame
 *   last  how long the last packet lasts in DTS, >= 1: the DTS then span as much time
 *         as the PTS, which is what an mp4 takes for the length of the track */
void lt_parts_dts(const int64_t *pts, int64_t n, int64_t *order, int64_t *last);

#endif
