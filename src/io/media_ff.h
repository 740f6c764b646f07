#ifndef LT_IO_MEDIA_FF_H
#define LT_IO_MEDIA_FF_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "io/media.h"

/* What the media*.c files share around FFmpeg. Nothing prints: FFmpeg's own error lines
 * are kept, one a thread, and end up in our messages. */

/* Turn FFmpeg's error number into a failure "<what> (<path>): <why><how>".
 * ENOSPC becomes NOSPACE, ENOMEM NOMEM, EIO IO; anything else `st`. `how` may be "". */
lt_status lt_ff_fail(lt_status st, int averror, const char *what, const char *path,
                     const char *how);

/* Route FFmpeg's log to us. Called by everything below; once is enough. */
void lt_ff_quiet(void);

/* Open a regular file as one of the containers we read, and find its streams.
 *   only  short name of the one container that is allowed, or NULL = all of ours
 * The caller closes with avformat_close_input. Errors: those of media.h. */
LT_NODISCARD lt_status lt_ff_open(AVFormatContext **fmt, const char *path,
                                  const char *only);

/* Index of the video stream: the first that is no cover art and has a decoder, those
 * marked as default first. Errors: DATA. */
LT_NODISCARD lt_status lt_ff_video_stream(const AVFormatContext *fmt, const char *path,
                                          int *index);

/* 1: a data track that only repeats what the muxer makes anew: the chapter titles of an
 * mp4, its time code. Nobody misses it. */
int lt_ff_is_made_anew(const AVFormatContext *fmt, const AVStream *stream);

/* Tell the demuxer to skip every stream but one. */
void lt_ff_only_stream(AVFormatContext *fmt, int index);

/* Open a decoder for the stream: one thread, limits on pixels. */
LT_NODISCARD lt_status lt_ff_decoder(AVCodecContext **dec, const AVStream *stream,
                                     const char *path);

/* A stream of decoded frames: fmt, decoder, and where we are in it. */
typedef struct lt_ff_source {
    const char *path; /* borrowed */
    AVFormatContext *fmt;
    AVCodecContext *dec;
    AVPacket *packet;
    int stream;
    int drained;      /* the demuxer is at its end, the decoder is being emptied */
    int64_t n_errors; /* packets the decoder refused since open */
    int64_t n_frames; /* frames handed out since open or the last seek */
} lt_ff_source;

LT_NODISCARD lt_status lt_ff_source_open(lt_ff_source *s, const char *path);
void lt_ff_source_close(lt_ff_source *s);

/* Decode until the next frame. *end = 1: there are no more. A damaged packet is skipped
 * and counted. Errors: NOMEM, IO. */
LT_NODISCARD lt_status lt_ff_source_next(lt_ff_source *s, AVFrame *frame, int *end);

/* Continue at the key frame at or before `pts`. *ok = 0: the container cannot seek. */
void lt_ff_source_seek(lt_ff_source *s, int64_t pts, int *ok);

/* 1: the decoder itself says that the frame is not what was encoded. */
int lt_ff_damaged(const AVFrame *frame);

static inline AVRational lt_ff_q(lt_rational q) { return (AVRational){ q.num, q.den }; }
lt_rational lt_ff_rational(AVRational q); /* 0/1 for what is not a positive number */

#endif
