#include "io/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/mask_impl.h"
#include "io/media_reader.h"

void lt_mask_upright(const lt_media_info *video, int32_t *width, int32_t *height)
{
    const int across = video->rotation == 90 || video->rotation == 270;
    *width = across ? video->height : video->width;
    *height = across ? video->width : video->height;
}

/* ---- reading -------------------------------------------------------------------- */

struct lt_mask {
    lt_mask_options opt;
    char *path;
    lt_mask_info info;
    int32_t rotation, cw, ch; /* of the frame as coded */
    int32_t w, h;             /* of the frame, upright */
    int64_t at;               /* picture that `weight` holds, -1 = none */
    uint8_t *value;           /* [info.height][info.width] */
    float *raw;               /* the same in [0, 1]; NULL where nothing is scaled */
    float *upright;           /* [h][w] */
    float *weight;            /* [ch][cw]; = upright where nothing is turned */
    lt_mask_shaper *shaper;
    lt_mask_scaler *scaler;
    /* by kind */
    lt_mask_folder folder;
    lt_media_info video;
    lt_media_frames frames;
    lt_media_reader *reader;
    uint8_t *rgb;
};

void lt_mask_close(lt_mask **mask)
{
    lt_mask *m = mask ? *mask : NULL;
    if (!m) return;
    lt_media_reader_close(&m->reader);
    lt_media_frames_free(&m->frames);
    lt_mask_folder_free(&m->folder);
    lt_mask_shaper_close(&m->shaper);
    lt_mask_scaler_close(&m->scaler);
    if (m->weight != m->upright) free(m->weight);
    free(m->upright);
    free(m->raw);
    free(m->value);
    free(m->rgb);
    free(m->path);
    free(m);
    *mask = NULL;
}

static lt_status open_video(lt_mask *m)
{
    lt_status st = LT_OK;
    const lt_media_reader_options o = { .format = LT_MEDIA_U8,
                                        .rotate = 1,
                                        .damaged_share = -1.0 };
    LT_TRY(lt_media_probe(m->path, &m->video));
    LT_TRY(lt_media_scan(m->path, -1, -1, &m->frames));
    LT_TRY(lt_media_reader_open(&m->reader, m->path, &m->video, &m->frames, &o));
    m->rgb = malloc((size_t)lt_media_reader_frame_bytes(m->reader));
    if (!m->rgb) st = LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)");
cleanup:
    return st;
}

static lt_status changed(const lt_mask *m)
{
    return LT_FAIL(LT_ERR_DATA,
                   "the mask has changed since the run began (%s): run again", m->path);
}

/* The lists of this kind; the number and size of pictures are as they were. */
static lt_status open_pictures(lt_mask *m)
{
    lt_status st = LT_OK;
    int64_t n = m->info.n;
    int32_t w = m->info.width, h = m->info.height;
    if (m->info.kind == LT_MASK_FOLDER) {
        LT_TRY(lt_mask_folder_list(m->path, &m->folder));
        n = m->folder.n;
    } else if (m->info.kind == LT_MASK_VIDEO) {
        LT_TRY(open_video(m));
        n = m->frames.n;
        lt_mask_upright(&m->video, &w, &h);
    }
    if (n != m->info.n || w != m->info.width || h != m->info.height) st = changed(m);
cleanup:
    return st;
}

static lt_status open_buffers(lt_mask *m)
{
    lt_status st = LT_OK;
    const size_t n = (size_t)m->w * (size_t)m->h;
    const size_t pictures = (size_t)m->info.width * (size_t)m->info.height;
    m->upright = malloc(n * sizeof(float));
    m->weight = m->rotation ? malloc(n * sizeof(float)) : m->upright;
    m->value = malloc(pictures);
    if (m->info.scaled) m->raw = malloc(pictures * sizeof(float));
    if (!m->upright || !m->weight || !m->value || (m->info.scaled && !m->raw))
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (mask of %d x %d)", m->w, m->h));
    LT_TRY(lt_mask_shaper_open(&m->shaper, m->w, m->h));
    if (m->info.scaled)
        LT_TRY(
            lt_mask_scaler_open(&m->scaler, m->info.width, m->info.height, m->w, m->h));
cleanup:
    return st;
}

lt_status lt_mask_open(lt_mask **mask, const lt_mask_options *options,
                       const lt_mask_info *info, const lt_media_info *video)
{
    lt_status st = LT_OK;
    lt_mask *m = calloc(1, sizeof(*m));
    if (!m) return LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)");
    m->opt = *options;
    m->info = *info;
    m->at = -1;
    m->rotation = video->rotation;
    m->cw = video->width;
    m->ch = video->height;
    lt_mask_upright(video, &m->w, &m->h);
    m->path = strdup(options->path);
    if (!m->path) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (mask)"));
    LT_TRY(open_pictures(m));
    LT_TRY(open_buffers(m));
    *mask = m;
    m = NULL;
cleanup:
    lt_mask_close(&m);
    return st;
}

static lt_status read_png(lt_mask *m, int64_t i)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    lt_image_head head;
    lt_image image = { 0 };
    if (m->info.kind == LT_MASK_FOLDER)
        LT_TRY(lt_mask_folder_path(m->path, &m->folder, i, path));
    else
        snprintf(path, sizeof(path), "%s", m->path);
    LT_TRY(lt_image_png_look(path, &head)); /* before memory is taken */
    if (head.width != m->info.width || head.height != m->info.height) LT_TRY(changed(m));
    LT_TRY(lt_image_png_read(path, 0, &image));
    if (image.width != m->info.width || image.height != m->info.height)
        LT_TRY(changed(m));
    LT_TRY(lt_mask_values(&image, m->info.alpha, path, m->value));
cleanup:
    lt_image_free(&image);
    return st;
}

static lt_status read_video(lt_mask *m, int64_t i)
{
    lt_status st = LT_OK;
    lt_frame f;
    int end = 0;
    LT_TRY(lt_media_reader_seek(m->reader, i));
    LT_TRY(lt_media_reader_next(m->reader, m->rgb, &f, &end));
    if (end || f.damaged)
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "frame %lld of the mask cannot be decoded (%s): repair it",
                       (long long)i, m->path));
    const lt_image image = {
        .width = m->info.width, .height = m->info.height, .channels = 3, .pixels = m->rgb
    };
    LT_TRY(lt_mask_values(&image, 0, m->path, m->value));
cleanup:
    return st;
}

static void draw_box(lt_mask *m)
{
    const lt_mask_box *b = &m->info.box;
    memset(m->value, 0, (size_t)m->w * (size_t)m->h);
    for (int32_t y = b->y; y < b->y + b->height; y++)
        memset(m->value + (int64_t)y * m->w + b->x, 255, (size_t)b->width);
}

/* Where the pixel (x, y) of the frame as coded is shown upright. */
static int64_t upright_of(const lt_mask *m, int32_t x, int32_t y)
{
    switch (m->rotation) {
    case 90: return (int64_t)x * m->w + (m->ch - 1 - y);
    case 180: return (int64_t)(m->ch - 1 - y) * m->w + (m->cw - 1 - x);
    case 270: return (int64_t)(m->cw - 1 - x) * m->w + y;
    default: return (int64_t)y * m->w + x;
    }
}

static void make_weights(lt_mask *m)
{
    const int64_t n = (int64_t)m->info.width * m->info.height;
    float *v = m->info.scaled ? m->raw : m->upright;
    for (int64_t i = 0; i < n; i++) v[i] = (float)m->value[i] / 255.0f;
    if (m->info.scaled) lt_mask_scale(m->scaler, m->raw, m->upright);
    lt_mask_shape(m->shaper, &m->opt.shaping, m->upright);
    if (m->weight == m->upright) return;
    for (int32_t y = 0; y < m->ch; y++)
        for (int32_t x = 0; x < m->cw; x++)
            m->weight[(int64_t)y * m->cw + x] = m->upright[upright_of(m, x, y)];
}

lt_status lt_mask_read(lt_mask *m, int64_t f, const float **weight)
{
    lt_status st = LT_OK;
    const int still = m->info.kind == LT_MASK_STILL || m->info.kind == LT_MASK_BOX;
    const int64_t i = still ? 0 : m->info.first + f;
    if (f < 0 || i >= m->info.n)
        return LT_FAIL(LT_ERR_ARG, "mask of frame %lld of %lld", (long long)f,
                       (long long)m->info.n);
    if (i != m->at) {
        m->at = -1;
        switch (m->info.kind) {
        case LT_MASK_BOX: draw_box(m); break;
        case LT_MASK_VIDEO: LT_TRY(read_video(m, i)); break;
        default: LT_TRY(read_png(m, i)); break;
        }
        make_weights(m);
        m->at = i;
    }
    *weight = m->weight;
cleanup:
    return st;
}

const uint8_t *lt_mask_picture(const lt_mask *m) { return m->value; }

int64_t lt_mask_bytes(const lt_mask_info *info, const lt_media_info *video)
{
    const int64_t frame = (int64_t)video->width * video->height;
    const int64_t picture = (int64_t)info->width * info->height;
    if (info->kind == LT_MASK_NONE) return 0;
    /* inside 1, two distances 4 + 4, weights 4 + 4; value 1 + 4, as decoded up to 4 */
    return frame * 17 + picture * (info->kind == LT_MASK_VIDEO ? 5 + 3 + 12 + 24 : 9);
}
