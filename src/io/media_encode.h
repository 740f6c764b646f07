#ifndef LT_IO_MEDIA_ENCODE_H
#define LT_IO_MEDIA_ENCODE_H

#include "io/media_ff.h"
#include "io/media_writer.h"

/* Open the encoder of checked settings: one thread, closed groups of pictures, headers
 * apart from the packets. It counts frames (time base 1 / rate, PTS 0, 1, 2, ...), so
 * that what it decides never depends on the times of the film.
 * Errors: those of lt_media_check_encode, NOMEM. */
LT_NODISCARD lt_status lt_encoder_open(AVCodecContext **enc, const lt_media_encode *e);

/* A preset for an encoder that has none is a mistake of the user (CONFIG); to open such
 * an encoder it is ignored. */
LT_NODISCARD lt_status lt_encoder_check_preset(const lt_media_encode *e);

/* Describe the stream that such an encoder makes, without its headers: tags, aspect,
 * rate and display matrix of `e`. */
LT_NODISCARD lt_status lt_encoder_stream(AVStream *stream, const lt_media_encode *e);

#endif
