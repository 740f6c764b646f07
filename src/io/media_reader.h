#ifndef LT_IO_MEDIA_READER_H
#define LT_IO_MEDIA_READER_H

#include "io/frame_queue.h"
#include "io/media.h"

/* Frames of a video as RGB, one after the other, in bounded memory.
 *
 * One thread decodes and converts; the same file gives the same numbers on every run
 * and wherever reading began. Conversion: planes are scaled (Lanczos, three lobes,
 * low-pass when made smaller, chroma at its true place) and then multiplied by the
 * matrix of the video, in f32; R'G'B' stays in the transfer and the primaries of the
 * video, except where an HDR video is tone-mapped. An interlaced frame becomes one
 * progressive frame first (media_fields.h). */

typedef enum lt_media_format {
    LT_MEDIA_F32 = 0, /* [h][w][3] float in [0, 1] */
    LT_MEDIA_U8 = 1   /* [h][w][3] uint8_t, rounded */
} lt_media_format;

typedef struct lt_media_reader lt_media_reader;

struct AVFrame; /* of FFmpeg */

typedef struct lt_media_reader_options {
    lt_media_size size;     /* of the frames that come out; zeroed = as the source */
    lt_media_format format; /* of their values */
    int32_t rotate;       /* 1: turn upright (size counts after turning); 0: as coded, and
                         the writer carries the display matrix */
    int32_t tone_map;     /* 1: PQ and HLG become BT.709 SDR; see lt_media_reader_color */
    double damaged_share; /* damaged frames that are fatal: more than this share of the
                             selected frames, and more than damaged_count. 0, 0 = the
                             defaults 0.1 and 3; negative = never fatal */
    int64_t damaged_count;
} lt_media_reader_options;

/* Open a video for reading.
 *   info, frames  of the same file, from probe and scan; frames is borrowed until close
 * Errors: those of media.h; ARG; CONFIG (size does not fit). */
LT_NODISCARD lt_status lt_media_reader_open(lt_media_reader **reader, const char *path,
                                            const lt_media_info *info,
                                            const lt_media_frames *frames,
                                            const lt_media_reader_options *options);
void lt_media_reader_close(lt_media_reader **reader); /* accepts NULL and *NULL */

/* Bytes of one frame that comes out. */
int64_t lt_media_reader_frame_bytes(const lt_media_reader *reader);

/* Colour tags that fit the frames that come out: those of the source, or BT.709 after
 * tone mapping. A writer given these tags writes what the source would have looked
 * like. */
lt_media_color lt_media_reader_color(const lt_media_reader *reader);

/* The next frame read will be selected frame f, 0 <= f < n. Decoding begins at a key
 * frame at or before it, so that the result is the one of reading from 0 (a frame that
 * is damaged, but not so much that it is left out, may look different after a seek into
 * the damage). */
LT_NODISCARD lt_status lt_media_reader_seek(lt_media_reader *reader, int64_t f);

/* Read the next frame into `pixels` (frame_bytes bytes of the caller). After frame
 * n-1 *end is 1 and pixels untouched. A frame that cannot be decoded is a copy of the
 * frame before it (at the start of the file: of the first good one), is counted, and
 * has frame->damaged set.
 * Errors: DATA (too many damaged frames, or none good), NOMEM, IO. */
LT_NODISCARD lt_status lt_media_reader_next(lt_media_reader *reader, void *pixels,
                                            lt_frame *frame, int *end);

/* The same without converting: *picture is the frame as decoded (progressive, see
 * above), in its own pixel format and size, valid until the next call for the reader. Errors: as above. */
LT_NODISCARD lt_status lt_media_reader_next_raw(lt_media_reader *reader,
                                                const struct AVFrame **picture,
                                                lt_frame *frame, int *end);

/* Damaged frames handed out since open. */
int64_t lt_media_reader_damaged(const lt_media_reader *reader);

/* A queue whose thread reads from the reader, `capacity` frames ahead (>= 1). The
 * reader must not be used by anybody else, and is closed after the queue. */
LT_NODISCARD lt_status lt_media_reader_queue(lt_media_reader *reader, int64_t capacity,
                                             lt_frame_queue **queue);

#endif
