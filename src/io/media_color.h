#ifndef LT_IO_MEDIA_COLOR_H
#define LT_IO_MEDIA_COLOR_H

#include <libavutil/frame.h>

#include "io/media_plane.h"
#include "io/media_reader.h"

/* From decoded frames to RGB, and back to frames for an encoder. */

/* Coefficients of Y'CbCr: Y = kr R + (1 - kr - kb) G + kb B; is_rgb: no matrix. */
typedef struct lt_color_matrix {
    float kr, kb;
    int is_rgb;
} lt_color_matrix;

/* Errors: CONFIG (a matrix that is not Y'CbCr or RGB). */
LT_NODISCARD lt_status lt_color_matrix_of(int32_t h273, lt_color_matrix *m);

/* PQ or HLG in BT.2020 to BT.709 SDR, in place, n pixels of 3 values. `lut` as made by
 * lt_tone_make for the transfer; freed with free. Linear light is scaled to 203 cd/m2 =
 * 1, compressed above 0.3 (Moebius) to 1 at 1000 cd/m2, and clipped to BT.709. */
LT_NODISCARD lt_status lt_tone_make(float **lut, int32_t transfer);
void lt_tone_map(float *rgb, int64_t n, const float *lut, int32_t transfer,
                 int32_t primaries);

/* The way back: BT.709 SDR that lt_tone_map made, to PQ or HLG. What was not clipped
 * comes out as it was. */
LT_NODISCARD lt_status lt_tone_undo_make(float **lut);
void lt_tone_undo(float *rgb, int64_t n, const float *lut, int32_t transfer,
                  int32_t primaries);

/* A conversion of frames of one kind into one size. Made again when the kind changes. */
typedef struct lt_from_frame lt_from_frame;

/*   color  as used (nothing unsaid);  size  of the result;  turn  degrees clockwise */
LT_NODISCARD lt_status lt_from_frame_open(lt_from_frame **c, const lt_media_color *color,
                                          const lt_media_size *size,
                                          lt_media_format format, int32_t turn,
                                          int32_t tone_map);
LT_NODISCARD lt_status lt_from_frame_run(lt_from_frame *c, const AVFrame *frame,
                                         void *pixels);
void lt_from_frame_close(lt_from_frame **c);

/* A conversion of RGB at work into frames of an encoder. */
typedef struct lt_to_frame lt_to_frame;

LT_NODISCARD lt_status lt_to_frame_open(lt_to_frame **c, const lt_media_color *color,
                                        const lt_media_size *size, lt_media_format format,
                                        enum AVPixelFormat pix_fmt, int32_t width,
                                        int32_t height);
/* The pixels were tone-mapped, `color` is HDR: undo it. Errors: NOMEM. */
LT_NODISCARD lt_status lt_to_frame_expand(lt_to_frame *c);
/* frame has buffers of the size and format given to open. */
LT_NODISCARD lt_status lt_to_frame_run(lt_to_frame *c, const void *pixels,
                                       AVFrame *frame);
void lt_to_frame_close(lt_to_frame **c);

#endif
