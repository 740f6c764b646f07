#ifndef LT_IO_MEDIA_OVER_H
#define LT_IO_MEDIA_OVER_H

#include "io/media_writer.h"

/* An edited frame laid over its source, in the planes that an encoder is given.
 *
 * Every sample of every plane: weight 0 is the source's sample and weight 1 the edited
 * one, exactly; between them source + weight * (edit - source), rounded. The weight of
 * a chroma sample is the mean over the pixels that share it, but 0 when one of them has
 * weight 0: so all samples of a pixel of weight 0 are the source's.
 *
 * The source's samples are the decoded ones, bit for bit, when source and output agree
 * in size, kind of planes (RGB or Y'CbCr), chroma subsampling and bit depth, and for
 * Y'CbCr in matrix, range and chroma place, and when nothing is tone-mapped. Otherwise
 * they are what the source becomes when it is brought to the size and pixel format of
 * the output in the way of an edited frame (to RGB as the reader does it, back as the
 * writer does). */
typedef struct lt_media_over lt_media_over;

struct AVFrame; /* of FFmpeg */

/*   source    of the video whose frames will be given
 *   encode    of the writer whose frames will be given
 *   tone_map  as given to the reader
 * Errors: CONFIG (a matrix that is not supported), NOMEM. */
LT_NODISCARD lt_status lt_media_over_open(lt_media_over **over,
                                          const lt_media_info *source,
                                          const lt_media_encode *encode,
                                          int32_t tone_map);
void lt_media_over_close(lt_media_over **over); /* accepts NULL and *NULL */

/* Change `frame` (of the writer's size and pixel format) as said above.
 *   source  a decoded frame, from lt_media_reader_next_raw
 *   weight  [height][width] of the output, in [0, 1]
 * Errors: DATA (a source frame that cannot be read), NOMEM. */
LT_NODISCARD lt_status lt_media_over_run(lt_media_over *over,
                                         const struct AVFrame *source,
                                         const float *weight, struct AVFrame *frame);

/* 1: the last run took the decoded samples as they are. */
int lt_media_over_exact(const lt_media_over *over);

#endif
