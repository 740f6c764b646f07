#ifndef LT_IO_MEDIA_H
#define LT_IO_MEDIA_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Video files: what is in them, which frames, and at which size we work.
 *
 * Nothing here holds frames; memory depends on the number of frames by a few bytes
 * each. Times are integers in the time base of the video stream, never floats.
 * Every struct without a pointer may be sent to another rank as bytes.
 *
 * A path is a local, regular file: no protocol but `file` is ever opened, and only
 * containers of video (mp4/mov, mkv/webm, avi, ts, mpeg, nut, flv, ogg, mxf, asf, ivf,
 * gif, raw h264/hevc/mpeg video, y4m). In a build with LT_MEDIA=OFF every function
 * that opens a file fails with UNSUPPORTED.
 *
 * Errors that all of them share: NOINPUT (no such file, or no permission), DATA (not a
 * video, no video stream, no frames, beyond the limits below), NOMEM, IO. */

enum {
    LT_MEDIA_MAX_SIDE = 16384,     /* pixels of width or height */
    LT_MEDIA_MAX_STREAMS = 64,     /* streams of one file */
    LT_MEDIA_MAX_FRAMES = 1 << 24, /* frames of one video: 77 hours at 60 a second */
    LT_MEDIA_NAME_MAX = 32,
};

typedef struct lt_rational {
    int32_t num, den; /* den > 0; 0/1 where a file does not say */
} lt_rational;

/* The numbers of ITU-T H.273 for primaries, transfer and matrix; 2 = not said. */
typedef struct lt_media_color {
    int32_t primaries, transfer, matrix;
    int32_t range; /* 0 = not said, 1 = limited, 2 = full */
    int32_t
        chroma; /* 0 = not said, 1 left, 2 centre, 3 top-left, 4 top, 5 b.-left, 6 b. */
} lt_media_color;

/* Light of the display that an HDR film was graded on, and of the film. */
typedef struct lt_media_light {
    int32_t has_mastering, has_content;
    lt_rational point[4][2];          /* red, green, blue, white: x and y of CIE 1931 */
    lt_rational darkest, brightest;   /* cd/m2 of the display */
    int32_t max_content, max_average; /* MaxCLL and MaxFALL, cd/m2 */
} lt_media_light;

/* What a file says about itself, and its first frame about it. */
typedef struct lt_media_info {
    char container[LT_MEDIA_NAME_MAX]; /* "mp4", "matroska", ... */
    char codec[LT_MEDIA_NAME_MAX];     /* "h264", ... */
    char pix_fmt[LT_MEDIA_NAME_MAX];   /* as decoded: "yuv420p10le", ... */
    int32_t video_stream;              /* index of the stream that is read */
    int32_t width, height;             /* pixels as decoded, both in [1, MAX_SIDE] */
    int32_t coded_width, coded_height; /* with the codec's padding; >= width, height */
    int32_t display_width, display_height; /* after sample aspect and rotation */
    lt_rational sar;           /* sample aspect, 1/1 where a file does not say */
    int32_t rotation;          /* degrees clockwise to show it: 0, 90, 180, 270 */
    int32_t has_matrix;        /* 1: display_matrix is set (also for flips) */
    int32_t display_matrix[9]; /* 16.16 and 2.30 fixed point, as in mp4 */
    lt_rational time_base;     /* seconds per tick of every PTS */
    lt_rational rate;          /* average frames a second */
    lt_rational nominal_rate;  /* the rate that the container names */
    int64_t start_pts;         /* of the first frame, as the container says */
    int64_t duration;          /* ticks, 0 = the container does not say */
    int32_t bit_depth;         /* bits of a component */
    int32_t has_alpha;         /* 1: an alpha plane, which is ignored */
    int32_t hdr;               /* 1: transfer is PQ or HLG */
    int32_t interlaced;        /* 1: fields; a reader makes each frame of its first one */
    lt_media_light light;      /* of an HDR video, where it says so */
    lt_media_color tagged;     /* as found */
    lt_media_color color;      /* as used: nothing unsaid, see assumed */
    int32_t assumed; /* 1: part of `color` is a guess; text in lt_media_assumed */
    int32_t n_audio, n_subtitles, n_other; /* other: data, cover art, more videos */
    int32_t n_chapters, n_metadata;
} lt_media_info;

/* Read what a file says and decode one frame of it. *info is written on success. */
LT_NODISCARD lt_status lt_media_probe(const char *path, lt_media_info *info);

/* What was assumed for colour tags that the file lacks, for a warning:
 * "matrix bt709, range limited". "" when nothing was assumed. Size: >= 1 byte. */
void lt_media_assumed(const lt_media_info *info, char *text, size_t size);

/* The frames of a video, or of a part of it, in presentation order. */
typedef struct lt_media_frames {
    int64_t n;          /* frames selected, >= 1 */
    int64_t first;      /* number in the whole video of frame 0 */
    int64_t n_all;      /* frames of the whole video */
    int64_t *all;       /* [n_all] source PTS, strictly ascending; owned */
    uint8_t *key;       /* [n_all] 1: decoding can begin there; owned */
    int64_t *pts;       /* [n] = all + first */
    int64_t end;        /* source PTS at which frame n-1 ends */
    int64_t offset;     /* output PTS = source PTS - offset: 0, or pts[0] after a cut */
    int32_t by_order;   /* 1: PTS were repaired, or cannot be trusted: frames are
                           found by counting, so a seek costs decoding from 0 */
    int64_t n_missing;  /* frames without a PTS, which got one */
    int64_t n_repeated; /* frames whose PTS was not above the one before; moved */
    int64_t n_damaged;  /* packets that the container marks as damaged */
    int64_t n_declared; /* frames that the container claims, 0 = it does not say;
                           more than n_all: the file is cut short */
} lt_media_frames;

/* Find the frames of the video stream by reading all packets (by decoding, where
 * packets cannot be trusted: no PTS, packets that are not frames).
 *   ss, to  microseconds from frame 0 of the stream; -1 = not given. Frames with
 *           ss <= time < to are selected, compared exactly
 * The caller frees *frames with lt_media_frames_free.
 * Errors: CONFIG (nothing lies between ss and to; names input.ss). */
LT_NODISCARD lt_status lt_media_scan(const char *path, int64_t ss, int64_t to,
                                     lt_media_frames *frames);

/* Frees the lists and zeroes *frames; accepts NULL and zeroed frames. */
void lt_media_frames_free(lt_media_frames *frames);

/* Output PTS of selected frame f in [0, n), and of the end of the last frame, f = n. */
int64_t lt_media_out_pts(const lt_media_frames *frames, int64_t f);

/* ---- the size we work at -------------------------------------------------------- */

/* Frames at work: `width` x `height` pixels of content at the upper left of
 * `padded_width` x `padded_height`; the rest repeats the last column and row. */
typedef struct lt_media_size {
    int32_t width, height;
    int32_t padded_width, padded_height;
} lt_media_size;

/* Working size of a source of src_w x src_h pixels.
 *   max_pixels     bound for width * height, 0 = none; a source is never enlarged by it
 *   width, height  wished content size, 0 = derived from the other one and the aspect,
 *                  both 0 = the largest within max_pixels
 *   multiple       what the model can take, >= 1: padded sizes are multiples of it
 * Errors: ARG (source size, multiple), CONFIG (size.* beyond LT_MEDIA_MAX_SIDE). */
LT_NODISCARD lt_status lt_media_working_size(int32_t src_w, int32_t src_h,
                                             int64_t max_pixels, int32_t width,
                                             int32_t height, int32_t multiple,
                                             lt_media_size *size);

/* Pixels and components of one frame at work: padded width * height * 3. */
int64_t lt_media_size_values(const lt_media_size *size);

#endif
