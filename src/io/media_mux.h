#ifndef LT_IO_MEDIA_MUX_H
#define LT_IO_MEDIA_MUX_H

#include "io/media_encode.h"
#include "io/media_join.h"

/* An output container with the streams it will hold, and the source they come from. */
typedef struct lt_mux {
    AVFormatContext *out;
    AVFormatContext *src;            /* NULL: nothing is copied */
    int video;                       /* stream of out */
    int src_video;                   /* stream of src, -1 without one */
    int map[LT_MEDIA_MAX_STREAMS];   /* stream of src -> stream of out, -1 = left out */
    int cover[LT_MEDIA_MAX_STREAMS]; /* the same for cover art that is a packet */
    int64_t last_dts[LT_MEDIA_MAX_STREAMS + 1]; /* of streams of out */
    AVDictionary *options;
} lt_mux;

/* Short name of the container that a path's extension asks for ("mp4", "mov",
 * "matroska"). Errors: CONFIG, naming output.path and what works. */
LT_NODISCARD lt_status lt_mux_container(const char *path, const char **name);

/* An output with a video stream of `e` only, options set. */
LT_NODISCARD lt_status lt_mux_new(lt_mux *m, const char *path, const lt_media_encode *e);

/* The output that o asks for: video, copied streams, metadata, chapters. What the
 * container cannot carry is a CONFIG error that names one that can. `dropped` as in
 * lt_media_check_output, may be NULL. */
LT_NODISCARD lt_status lt_mux_build(lt_mux *m, const lt_media_output *o, char *dropped,
                                    size_t size);

/* Write the header (after the extradata of the video were set) and the cover art.
 * FFmpeg numbers. */
int lt_mux_begin(lt_mux *m, AVIOContext *pb);

/* Give the packet (stream_index of out, times in `tb`) to the muxer; p is unreferenced.
 * DTS that do not rise are lifted by a tick (damaged sources only). */
int lt_mux_write(lt_mux *m, AVPacket *p, AVRational tb);

void lt_mux_free(lt_mux *m);

#endif
