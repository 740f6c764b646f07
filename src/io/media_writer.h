#ifndef LT_IO_MEDIA_WRITER_H
#define LT_IO_MEDIA_WRITER_H

#include "io/media.h"
#include "io/media_reader.h"

/* Encoding: a part of a video (joined later, media_join.h) or a whole clip.
 *
 * One encoder thread and fixed settings: equal frames and settings give equal bytes,
 * whatever the machine's cores. Files come into being under another name beside their
 * own and are renamed when complete. */

typedef struct lt_media_encode {
    char codec[LT_MEDIA_NAME_MAX];   /* "libx264", "libx265", "ffv1" (lossless), "prores"
                                        (422 HQ, or 4444 in yuv444p10le) */
    char preset[LT_MEDIA_NAME_MAX];  /* of x264 and x265: "ultrafast" ... "placebo"; ""
                                        = "medium"; the others have none */
    char pix_fmt[LT_MEDIA_NAME_MAX]; /* yuv420p, yuv422p, yuv444p, or these with 10le;
                                        ffv1 also bgr0, gbrp10le: lossless RGB; prores
                                        yuv422p10le and yuv444p10le only */
    double crf;                      /* of x264 and x265: 0 .. 51 */
    int32_t width, height;           /* pixels of the output */
    lt_rational sar;                 /* sample aspect */
    lt_rational time_base;           /* of every PTS given to a writer */
    lt_rational rate;                /* nominal frames a second */
    lt_media_color color;            /* tags, and how RGB becomes Y'CbCr */
    int32_t expand; /* 1: color is HDR, the frames that are put were tone-mapped by a
                       reader: the writer undoes it (what was clipped stays so) */
    lt_media_light light; /* to carry, with an HDR color */
    int32_t has_matrix;   /* display matrix to carry */
    int32_t display_matrix[9];
} lt_media_encode;

/* Settings that follow a source: libx264, crf 18, its preset, yuv420p; size, sample
 * aspect, time base, rate, colour and display matrix of `info`. A full-range source
 * gives a full-range output. */
lt_media_encode lt_media_encode_of(const lt_media_info *info);

/* Bits of a sample in a pixel format, 0 when there is no such format. */
int32_t lt_media_depth(const char *pix_fmt);

/* Check settings without encoding.
 * Errors: CONFIG: unknown codec (names output.codec), crf or preset out of range,
 * pixel format unknown or not of this codec, odd size with subsampled chroma (both name
 * output.pix_fmt and one that works); UNSUPPORTED (FFmpeg lacks the encoder). */
LT_NODISCARD lt_status lt_media_check_encode(const lt_media_encode *encode);

/* ---- parts ---------------------------------------------------------------------- */

typedef struct lt_media_writer lt_media_writer;

/* Begin a part: a run of frames as one closed group of pictures that begins with a key
 * frame, in a NUT file.
 *   path    of the finished part; while writing: `NAME.tmp.PID` in the same folder
 *   size    of the frames that will be put; the content is cut out of the padding and
 *           scaled to encode->width x height
 * Errors: those of lt_media_check_encode; CANTCREAT, NOSPACE, IO, NOMEM. */
LT_NODISCARD lt_status lt_media_writer_open(lt_media_writer **writer, const char *path,
                                            const lt_media_encode *encode,
                                            const lt_media_size *size,
                                            lt_media_format format);

/* Encode one frame, [padded_height][padded_width][3]. pts: output PTS, ascending.
 * f32 values outside [0, 1] are clamped, NaN becomes 0.
 * Errors: ARG (pts), NOSPACE, IO, NOMEM. After an error only close is allowed. */
LT_NODISCARD lt_status lt_media_writer_put(lt_media_writer *writer, const void *pixels,
                                           int64_t pts);

/* The same; `touch` (NULL: nothing) may then change the planes of the frame, in the
 * encoder's pixel format and size, before they are encoded.
 * Errors: as above; those of touch. */
struct AVFrame; /* of FFmpeg */
typedef lt_status lt_media_touch_fn(void *ctx, struct AVFrame *frame);
LT_NODISCARD lt_status lt_media_writer_put_touched(lt_media_writer *writer,
                                                   const void *pixels, int64_t pts,
                                                   lt_media_touch_fn *touch, void *ctx);

/* Finish: flush the encoder, fsync, rename to the final name, fsync the folder.
 *   last_duration  ticks the last frame is shown
 *   bytes          size of the file; may be NULL
 * Errors: ARG (no frame was put), NOSPACE, IO. */
LT_NODISCARD lt_status lt_media_writer_commit(lt_media_writer *writer,
                                              int64_t last_duration, int64_t *bytes);

/* Free; without a commit before, nothing is left on disk. Accepts NULL and *NULL. */
void lt_media_writer_close(lt_media_writer **writer);

/* ---- whole clips ---------------------------------------------------------------- */

/* Sound of a clip. fill writes n samples of every channel, interleaved [n][channels]
 * in [-1, 1], beginning at sample `first`; it must not fail. */
typedef void lt_media_audio_fn(void *ctx, int64_t first, int64_t n, float *samples);

typedef struct lt_media_audio {
    char
        codec[LT_MEDIA_NAME_MAX]; /* "aac", "flac" (mkv, mp4) or "pcm_s16le" (mkv, mov) */
    int32_t rate;                 /* samples a second, 8000 .. 192000 */
    int32_t channels;             /* 1 or 2 */
    int64_t samples;              /* of each channel, length of the track */
    lt_media_audio_fn *fill;
    void *ctx;
} lt_media_audio;

/* As lt_media_writer_open, but path is a whole clip for a player (.mp4, .mov, .mkv),
 * with put, commit and close as above. PTS may be of any rate, in encode->time_base.
 *   audio  NULL = silent film; copied, its callback is called during put and commit
 * Errors: as above; CONFIG (container unknown, or cannot hold the codec). */
LT_NODISCARD lt_status lt_media_clip_open(lt_media_writer **writer, const char *path,
                                          const lt_media_encode *encode,
                                          const lt_media_size *size,
                                          lt_media_format format,
                                          const lt_media_audio *audio);

#endif
