#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/app.h"
#include "app/request.h"
#include "io/image_png.h"
#include "io/media_reader.h"
#include "methods/method.h"
#include "stages/composite.h"

/* ---- which frame ------------------------------------------------------------------- */

static double seconds_of(const lt_run *r, int64_t pts)
{
    return (double)(pts - r->frames.all[0]) * (double)r->info.time_base.num /
           (double)r->info.time_base.den;
}

/* The selected frame that is shown at `at` [ns] from the start of the stream. */
static lt_status frame_at(const lt_run *r, int64_t at, int64_t *frame)
{
    const lt_media_frames *f = &r->frames;
    const double t = 1e-9 * (double)at + 1e-6; /* times of frames are rounded up, too */
    int64_t low = 0, high = f->n;
    if (t < seconds_of(r, f->pts[0]) || t >= seconds_of(r, f->end) + 1e-6)
        return LT_FAIL(LT_ERR_CONFIG,
                       "no frame is shown at this time (--at): it must lie from %.3f to "
                       "%.3f s of %s",
                       seconds_of(r, f->pts[0]), seconds_of(r, f->end),
                       r->cfg->input.path);
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (seconds_of(r, f->pts[middle]) <= t)
            low = middle;
        else
            high = middle;
    }
    *frame = low;
    return LT_OK;
}

static lt_status decode(lt_run *r, int64_t frame, lt_tensor *image)
{
    lt_status st = LT_OK;
    lt_media_reader *reader = NULL;
    lt_frame f;
    int end = 0;
    const lt_media_reader_options o = { .size = r->work,
                                        .format = LT_MEDIA_F32,
                                        .tone_map = r->info.hdr };
    LT_TRY(LT_TENSOR_NEW(image, r->x.pool, LT_F32, 1, r->work.padded_height,
                         r->work.padded_width, 3));
    LT_TRY(lt_media_reader_open(&reader, r->cfg->input.path, &r->info, &r->frames, &o));
    LT_TRY(lt_media_reader_seek(reader, frame));
    LT_TRY(lt_media_reader_next(reader, image->data, &f, &end));
    if (end || f.damaged)
        st = LT_FAIL(LT_ERR_DATA, "frame %lld cannot be decoded (%s): give another --at",
                     (long long)frame, r->cfg->input.path);
cleanup:
    lt_media_reader_close(&reader);
    return st;
}

/* ---- the picture ------------------------------------------------------------------- */

typedef struct picture {
    int32_t width, height;
    uint8_t *rgb;
} picture;

static uint8_t byte_of(float v)
{
    const float x = v * 255.0f + 0.5f;
    return x >= 255.0f ? 255 : x > 0.0f ? (uint8_t)x : 0; /* NaN becomes 0 */
}

/* Where the pixel (x, y) of the upright picture lies in the frame as coded. */
static int64_t source_pixel(const lt_run *r, int32_t x, int32_t y)
{
    const int64_t w = r->work.width, h = r->work.height;
    int64_t sx = x, sy = y;
    switch (r->info.rotation) {
    case 90: sx = y, sy = h - 1 - x; break;
    case 180: sx = w - 1 - x, sy = h - 1 - y; break;
    case 270: sx = w - 1 - y, sy = x; break;
    default: break;
    }
    return sy * r->work.padded_width + sx;
}

/* The content of `image`, upright, into the picture from column `left` on. */
static void put(const lt_run *r, const lt_tensor *image, picture *p, int32_t left,
                int32_t width)
{
    const float *in = lt_f32(image);
    for (int32_t y = 0; y < p->height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                p->rgb[((int64_t)y * p->width + left + x) * 3 + c] =
                    byte_of(in[source_pixel(r, x, y) * 3 + c]);
}

static lt_status write_picture(const lt_run *r, const lt_tensor *source,
                               const lt_tensor *edit, const char *path)
{
    const int turned = r->info.rotation % 180 != 0;
    const int32_t width = turned ? r->work.height : r->work.width;
    picture p = { .width = source ? 2 * width : width,
                  .height = turned ? r->work.width : r->work.height };
    p.rgb = malloc((size_t)p.width * (size_t)p.height * 3);
    if (!p.rgb) return LT_FAIL(LT_ERR_NOMEM, "out of memory (picture)");
    if (source) put(r, source, &p, 0, width);
    put(r, edit, &p, source ? width : 0, width);
    const lt_status st = lt_image_png_write(path, p.width, p.height, 3, p.rgb);
    free(p.rgb);
    return st;
}

/* ---- the command ------------------------------------------------------------------- */

/* The picture must not take the place of the film, nor have the name of another format. */
static lt_status check_picture(const lt_config *cfg, const char *path)
{
    const char *dot = strrchr(path, '.');
    struct stat a;
    if (!dot || strcasecmp(dot, ".png") != 0)
        return LT_FAIL(LT_ERR_CONFIG,
                       "a preview is a PNG picture (%s): end the name in .png", path);
    if (stat(path, &a) != 0) return LT_OK;
    if (!S_ISREG(a.st_mode))
        return LT_FAIL(LT_ERR_CANTCREAT, "the output is not a file (%s): name a file",
                       path);
    if (lt_file_is_same(path, cfg->input.path))
        return LT_FAIL(LT_ERR_CONFIG,
                       "the picture would replace the input (%s): give "
                       "another --output",
                       path);
    return LT_OK;
}

/* -o, else <stem>.preview.png in the working folder; the run itself has no output. */
static lt_status picture_path(const lt_cli *cli, lt_config *cfg, char path[LT_PATH_MAX])
{
    char name[LT_PATH_MAX + 16];
    int given = 0;
    for (int i = 0; i < cli->n_settings; i++)
        given |= cli->settings[i].section && !strcmp(cli->settings[i].option, "output");
    if (given) snprintf(path, LT_PATH_MAX, "%s", cfg->output.path);
    cfg->output.path[0] = '\0';
    if (given) return LT_OK;
    const char *slash = strrchr(cfg->input.path, '/');
    const char *stem = slash ? slash + 1 : cfg->input.path;
    const char *dot = strrchr(stem, '.');
    snprintf(name, sizeof(name), "%.*s.preview.png",
             dot && dot > stem ? (int)(dot - stem) : (int)strlen(stem), stem);
    return lt_path_absolute(NULL, name, path);
}

static lt_status print_result(lt_app *app, const lt_run *run, const char *path,
                              int64_t frame)
{
    const double at = seconds_of(run, run->frames.pts[frame]);
    if (app->cli.json)
        return lt_app_print_json(json_pack("{s:s, s:I, s:f, s:f}", "picture", path,
                                           "frame",
                                           (json_int_t)(run->frames.first + frame), "at",
                                           at, "seconds", lt_app_clock() - app->started));
    lt_log_info(app->log, "frame %lld, at %.3f s", (long long)(run->frames.first + frame),
                at);
    printf("%s\n", path);
    return LT_OK;
}

static lt_status show(lt_app *app, const lt_request *q, lt_comm *self, int64_t at,
                      const char *path)
{
    lt_status st = LT_OK;
    lt_run *run = NULL;
    lt_tensor image = { 0 }, edit = { 0 };
    int64_t frame = 0;
    lt_run_env env = lt_app_env(app);
    env.comm = self;
    env.no_job = 1;
    LT_TRY(lt_run_open(&q->cfg, NULL, &env, &run));
    LT_TRY(frame_at(run, at, &frame));
    LT_TRY(decode(run, frame, &image));
    LT_TRY(lt_method_get(&q->cfg)->preview(run, frame, &image, &edit));
    LT_TRY(lt_composite_preview(run, frame, &image, &edit));
    LT_TRY(write_picture(run, app->cli.compare ? &image : NULL, &edit, path));
    LT_TRY(print_result(app, run, path, frame));
cleanup:
    lt_tensor_free(&image);
    lt_tensor_free(&edit);
    lt_run_discard(&run);
    return lt_request_status(q, st);
}

/* One frame is the work of one process. */
static lt_status run(lt_app *app)
{
    lt_status st = LT_OK;
    lt_request q = { 0 };
    lt_comm *self = NULL;
    char path[LT_PATH_MAX];
    int64_t at = 0;
    lt_app alone = *app;
    if (!app->cli.at)
        return LT_FAIL(LT_ERR_USAGE, "preview needs --at TIME: see `longtake preview "
                                     "--help`");
    if (lt_time_parse(app->cli.at, &at) != LT_OK)
        return LT_FAIL(LT_ERR_USAGE,
                       "--at %.40s is not a time: give seconds, MM:SS or HH:MM:SS.fff",
                       app->cli.at);
    LT_TRY(lt_comm_open_self(&self));
    alone.comm = self;
    alone.size = 1;
    LT_TRY(lt_request_make(&alone, 1, &q));
    LT_TRY(picture_path(&app->cli, &q.cfg, path));
    LT_TRY(check_picture(&q.cfg, path));
    LT_TRY(show(app, &q, self, at, path));
cleanup:
    lt_request_free(&q);
    lt_comm_close(&self);
    return st;
}

lt_status lt_cmd_preview(lt_app *app) { return lt_app_alone(app, run); }
