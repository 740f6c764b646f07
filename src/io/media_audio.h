#ifndef LT_IO_MEDIA_AUDIO_H
#define LT_IO_MEDIA_AUDIO_H

#include "io/media_mux.h"

/* The audio track of a rendered clip: asked for, encoded and muxed along the video. */
typedef struct lt_audio_track {
    lt_media_audio spec;
    AVCodecContext *enc;
    AVFrame *frame;
    AVPacket *packet;
    float *samples; /* [frame size][channels] */
    int frame_size, stream, done;
    int64_t at; /* samples produced so far */
} lt_audio_track;

/* Add the stream to the container. Errors: CONFIG (codec, rate, channels, container),
 * NOMEM. */
LT_NODISCARD lt_status lt_audio_open(lt_audio_track *t, lt_mux *m,
                                     const lt_media_audio *spec, const char *path);

/* Encode and mux until `pts` of time base tb (pts < 0: to the end). FFmpeg numbers. */
int lt_audio_until(lt_audio_track *t, lt_mux *m, int64_t pts, AVRational tb);
void lt_audio_close(lt_audio_track *t);

#endif
