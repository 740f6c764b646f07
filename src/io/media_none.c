/* Builds without FFmpeg: what touches a video file fails, so that callers need no
 * variants of their own. */
#include <string.h>

#include "io/image_jpeg.h"
#include "io/image_jpeg_read.h"
#include "io/media.h"
#include "io/media_join.h"
#include "io/media_over.h"
#include "io/media_reader.h"
#include "io/media_writer.h"

static lt_status none(const char *path)
{
    return LT_FAIL(LT_ERR_UNSUPPORTED,
                   "built without video (%s): install the FFmpeg "
                   "libraries and build with -DLT_MEDIA=ON",
                   path ? path : "FFmpeg");
}

lt_status lt_media_probe(const char *path, lt_media_info *info)
{
    (void)info;
    return none(path);
}

void lt_media_assumed(const lt_media_info *info, char *text, size_t size)
{
    (void)info;
    if (size) text[0] = 0;
}

lt_status lt_media_scan(const char *path, int64_t ss, int64_t to, lt_media_frames *frames)
{
    (void)ss;
    (void)to;
    (void)frames;
    return none(path);
}

lt_status lt_media_reader_open(lt_media_reader **reader, const char *path,
                               const lt_media_info *info, const lt_media_frames *frames,
                               const lt_media_reader_options *options)
{
    (void)reader;
    (void)info;
    (void)frames;
    (void)options;
    return none(path);
}

void lt_media_reader_close(lt_media_reader **reader) { (void)reader; }

int64_t lt_media_reader_frame_bytes(const lt_media_reader *reader)
{
    (void)reader;
    return 0;
}

lt_media_color lt_media_reader_color(const lt_media_reader *reader)
{
    (void)reader;
    return (lt_media_color){ 2, 2, 2, 0, 0 };
}

lt_status lt_media_reader_seek(lt_media_reader *reader, int64_t f)
{
    (void)reader;
    (void)f;
    return none(NULL);
}

lt_status lt_media_reader_next(lt_media_reader *reader, void *pixels, lt_frame *frame,
                               int *end)
{
    (void)reader;
    (void)pixels;
    (void)frame;
    (void)end;
    return none(NULL);
}

lt_status lt_media_reader_next_raw(lt_media_reader *reader,
                                   const struct AVFrame **picture, lt_frame *frame,
                                   int *end)
{
    (void)picture;
    return lt_media_reader_next(reader, NULL, frame, end);
}

int64_t lt_media_reader_damaged(const lt_media_reader *reader)
{
    (void)reader;
    return 0;
}

lt_status lt_media_reader_queue(lt_media_reader *reader, int64_t capacity,
                                lt_frame_queue **queue)
{
    (void)reader;
    (void)capacity;
    (void)queue;
    return none(NULL);
}

lt_media_encode lt_media_encode_of(const lt_media_info *info)
{
    lt_media_encode e;
    memset(&e, 0, sizeof(e));
    e.width = info->width;
    e.height = info->height;
    return e;
}

lt_status lt_media_check_encode(const lt_media_encode *encode)
{
    (void)encode;
    return none(NULL);
}

lt_status lt_media_writer_open(lt_media_writer **writer, const char *path,
                               const lt_media_encode *encode, const lt_media_size *size,
                               lt_media_format format)
{
    (void)writer;
    (void)encode;
    (void)size;
    (void)format;
    return none(path);
}

lt_status lt_media_clip_open(lt_media_writer **writer, const char *path,
                             const lt_media_encode *encode, const lt_media_size *size,
                             lt_media_format format, const lt_media_audio *audio)
{
    (void)audio;
    return lt_media_writer_open(writer, path, encode, size, format);
}

lt_status lt_media_writer_put(lt_media_writer *writer, const void *pixels, int64_t pts)
{
    (void)writer;
    (void)pixels;
    (void)pts;
    return none(NULL);
}

lt_status lt_media_writer_put_touched(lt_media_writer *writer, const void *pixels,
                                      int64_t pts, lt_media_touch_fn *touch, void *ctx)
{
    (void)touch;
    (void)ctx;
    return lt_media_writer_put(writer, pixels, pts);
}

int32_t lt_media_depth(const char *pix_fmt)
{
    (void)pix_fmt;
    return 0;
}

lt_status lt_media_over_open(lt_media_over **over, const lt_media_info *source,
                             const lt_media_encode *encode, int32_t tone_map)
{
    (void)over;
    (void)source;
    (void)encode;
    (void)tone_map;
    return none(NULL);
}

void lt_media_over_close(lt_media_over **over) { (void)over; }

lt_status lt_media_over_run(lt_media_over *over, const struct AVFrame *source,
                            const float *weight, struct AVFrame *frame)
{
    (void)over;
    (void)source;
    (void)weight;
    (void)frame;
    return none(NULL);
}

int lt_media_over_exact(const lt_media_over *over)
{
    (void)over;
    return 0;
}

lt_status lt_media_writer_commit(lt_media_writer *writer, int64_t last_duration,
                                 int64_t *bytes)
{
    (void)writer;
    (void)last_duration;
    (void)bytes;
    return none(NULL);
}

void lt_media_writer_close(lt_media_writer **writer) { (void)writer; }

lt_status lt_media_check_output(const lt_media_output *output, char *dropped, size_t size)
{
    if (dropped && size) dropped[0] = 0;
    return none(output ? output->path : NULL);
}

lt_status lt_media_join(const lt_media_output *output, const char *const *parts,
                        int64_t n_parts, int64_t *bytes)
{
    (void)parts;
    (void)n_parts;
    (void)bytes;
    return none(output ? output->path : NULL);
}

lt_status lt_image_jpeg(const uint8_t *rgb, int32_t width, int32_t height,
                        int32_t quality, void **data, size_t *bytes)
{
    (void)rgb;
    (void)width;
    (void)height;
    (void)quality;
    (void)data;
    (void)bytes;
    return none(NULL);
}

lt_status lt_image_jpeg_read_grey(const char *path, lt_image *image)
{
    (void)image;
    return none(path);
}
