#ifndef LT_IO_MASK_H
#define LT_IO_MASK_H

#include "core/file.h"
#include "io/mask_shape.h"
#include "io/media.h"

/* Masks from the user: which pixels of which frame may change. White = edit.
 *
 * `path` is
 *   a PNG                one still picture, for all frames
 *   a folder of PNG      one a frame. The last number in a name counts, so 2.png comes
 *                        before 10.png; numbers begin anywhere and leave no gap. Hidden
 *                        files are ignored, others are counted in n_other
 *   a video              one picture a frame; its times do not matter
 *   box:X,Y,WxH          a rectangle in all frames: left, top, width and height, each in
 *                        pixels or with % in hundredths of the frame's width or height
 *
 * A mask means the frame as it is shown upright, before its sample aspect: for a video
 * that is stored turned by 90 degrees the sides are exchanged. Its size is that of the
 * frame, or another one with the same aspect (also the aspect as shown with sample
 * aspect; within a pixel), and then it is scaled.
 *
 * The value of a pixel is the brightest of its colours (grey: the grey), of 255; 16-bit
 * pictures are rounded to 8. Where the first picture has an alpha channel that is not
 * opaque throughout, alpha is the value in all of them. In a PNG with a palette of
 * colours (a picture of labels) black is 0 and every other colour 255.
 *
 * There are as many pictures as frames in the whole video, or as frames selected with
 * --ss and --to; only a PNG and a box stand for all frames. */

typedef enum lt_mask_kind {
    LT_MASK_NONE,
    LT_MASK_BOX,
    LT_MASK_STILL,
    LT_MASK_FOLDER,
    LT_MASK_VIDEO
} lt_mask_kind;

typedef struct lt_mask_options {
    const char *path;        /* borrowed while in use */
    lt_mask_shaping shaping; /* distances in pixels of the frame */
} lt_mask_options;

/* A rectangle [x, x + width) x [y, y + height) in pixels. */
typedef struct lt_mask_box {
    int32_t x, y, width, height;
} lt_mask_box;

/* What is known of a mask that was looked at; may be sent to other ranks as bytes. */
typedef struct lt_mask_info {
    int32_t kind;          /* lt_mask_kind; NONE = all zero */
    int32_t width, height; /* of its pictures (a box: of the upright frame) */
    int32_t scaled;        /* 1: they are brought to the frame's size */
    int32_t alpha;         /* 1: alpha is the value */
    int32_t alpha_unused;  /* 1: a video with alpha, which is not looked at */
    lt_mask_box box;
    int64_t n;                  /* pictures; a still and a box have 1 */
    int64_t first;              /* number of the picture of selected frame 0 */
    int64_t n_other;            /* files of the folder that are not used */
    char sha256[LT_SHA256_HEX]; /* of the content: see lt_mask_look; "" = not asked for */
} lt_mask_info;

/* 1: the text is a rectangle, not a path. */
int lt_mask_is_box(const char *text);

/* Read "box:X,Y,WxH" for a frame of width x height pixels. Percentages are rounded to
 * the nearest pixel. Any text may be given.
 * Errors: CONFIG (not such a text, no number, empty, or not within the frame). */
LT_NODISCARD lt_status lt_mask_box_parse(const char *text, int32_t width, int32_t height,
                                         lt_mask_box *box);

/* Check a mask against the video before anything runs: that it can be read, its size,
 * its number of pictures, and that some pixel of some selected frame has a weight (for
 * that, pictures are decoded up to the first that does).
 *   hash  1: fill sha256: a file's own, of a folder that of one line "<SHA-256>" per
 *         picture in order; a box has none, its text says it all
 * Errors: NOINPUT; DATA: not a mask, a picture damaged or of another size, number or
 * size do not fit (both are named), or empty everywhere; CONFIG (box); NOMEM, IO. */
LT_NODISCARD lt_status lt_mask_look(const lt_mask_options *options,
                                    const lt_media_info *video,
                                    const lt_media_frames *frames, int hash,
                                    lt_mask_info *info);

/* A mask that is being read. Memory: a few frames, whatever its length. */
typedef struct lt_mask lt_mask;

/*   info  from lt_mask_look of the same options and video; copied
 * Errors: NOINPUT, DATA (it has changed since), NOMEM, IO. */
LT_NODISCARD lt_status lt_mask_open(lt_mask **mask, const lt_mask_options *options,
                                    const lt_mask_info *info, const lt_media_info *video);
void lt_mask_close(lt_mask **mask); /* accepts NULL and *NULL */

/* Weights of selected frame f of the video, in any order (going forward is
 * cheapest): [height][width] of the video as coded, in [0, 1]. Borrowed until the next
 * call.  Errors: DATA (a picture damaged or not as the first), NOMEM, IO. */
LT_NODISCARD lt_status lt_mask_read(lt_mask *mask, int64_t f, const float **weight);

/* Bytes that reading takes for a video of this size. */
int64_t lt_mask_bytes(const lt_mask_info *info, const lt_media_info *video);

/* Decode a PNG from memory as a mask, as lt_mask_look and lt_mask_read do; any bytes may
 * be given. For tests and fuzzing: values [height][width], freed by the caller.
 * max_width, max_height: larger pictures are refused before they are decoded.
 * Errors: DATA, NOMEM. */
LT_NODISCARD lt_status lt_mask_decode(const void *png, size_t bytes, int32_t max_width,
                                      int32_t max_height, int32_t *width, int32_t *height,
                                      uint8_t **value);

#endif
