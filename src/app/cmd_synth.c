#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/flow_file.h"
#include "app/scene_file.h"
#include "core/file.h"
#include "core/units.h"
#include "io/media_writer.h"
#include "synth/synth.h"

enum { SIDE_MIN = 16, TONE_RATE = 48000, TONE_HZ = 440, TICK = 240 /* samples */ };

/* What is asked for. Empty paths are not wanted. */
typedef struct order {
    lt_scene source, edit;
    int edited; /* 1: some --edit is given */
    int32_t width, height;
    int64_t frames;
    lt_rational rate;
    const char *codec;
    char clip[LT_PATH_MAX], truth[LT_PATH_MAX], mask[LT_PATH_MAX], flow[LT_PATH_MAX],
        captions[LT_PATH_MAX];
} order;

/* What is being written. */
typedef struct work {
    const order *o;
    lt_media_writer *clip, *truth, *mask;
    lt_flow_file *flow_file;
    uint8_t *rgb, *cover, *visible; /* cover: the mask, before it becomes a picture */
    float *flow;
} work;

/* ---- the command line -------------------------------------------------------------- */

static lt_status whole(const char *option, const char *text, int64_t low, int64_t high,
                       int64_t *out)
{
    int64_t n = 0;
    if (lt_int_parse(text, &n) != LT_OK || n < low || n > high)
        return LT_FAIL(LT_ERR_USAGE, "%s %.40s: give a whole number, %lld to %lld",
                       option, text, (long long)low, (long long)high);
    *out = n;
    return LT_OK;
}

static lt_status take_size(order *o, const char *text)
{
    char left[16];
    int64_t w = 0, h = 0;
    const size_t n = strcspn(text, "xX");
    snprintf(left, sizeof(left), "%.*s", (int)(n < 15 ? n : 15), text);
    if (!text[n] || n > 15 || lt_int_parse(left, &w) != LT_OK ||
        lt_int_parse(text + n + 1, &h) != LT_OK || w < SIDE_MIN || h < SIDE_MIN ||
        w > LT_SYNTH_MAX_SIDE || h > LT_SYNTH_MAX_SIDE)
        return LT_FAIL(LT_ERR_USAGE,
                       "--size %.40s: give WIDTHxHEIGHT, like 256x192, sides from %d to "
                       "%d",
                       text, SIDE_MIN, LT_SYNTH_MAX_SIDE);
    o->width = (int32_t)w;
    o->height = (int32_t)h;
    return LT_OK;
}

/* The ratio that is meant by a rate in decimals: 23.976 is 24000/1001. */
static lt_rational ratio_of(double rate)
{
    const double upper = floor(rate * 1.001 + 0.5);
    if (fabs(rate - floor(rate + 0.5)) < 1e-6)
        return (lt_rational){ (int32_t)floor(rate + 0.5), 1 };
    if (fabs(rate - upper / 1.001) < 6e-4)
        return (lt_rational){ (int32_t)upper * 1000, 1001 };
    return (lt_rational){ (int32_t)floor(rate * 1000 + 0.5), 1000 };
}

static lt_status take_rate(order *o, const char *text)
{
    char left[16];
    int64_t num = 0, den = 1;
    double decimal = 0;
    const size_t n = strcspn(text, "/");
    snprintf(left, sizeof(left), "%.*s", (int)(n < 15 ? n : 15), text);
    int good = n <= 15;
    if (good && text[n]) {
        good = lt_int_parse(left, &num) == LT_OK &&
               lt_int_parse(text + n + 1, &den) == LT_OK && den >= 1 && den <= 1000000 &&
               num >= 1 && num <= 240 * den && num <= 100000000;
        if (good) o->rate = (lt_rational){ (int32_t)num, (int32_t)den };
    } else if (good) {
        good = lt_float_parse(left, &decimal) == LT_OK && decimal >= 1 && decimal <= 240;
        if (good) o->rate = ratio_of(decimal);
    }
    if (!good || o->rate.num < o->rate.den)
        return LT_FAIL(LT_ERR_USAGE, "--rate %.40s: give 1 to 240, like 24 or 30000/1001",
                       text);
    o->source.rate = (float)((double)o->rate.num / (double)o->rate.den);
    return LT_OK;
}

static lt_status take_edits(order *o, const lt_cli *cli, unsigned flags)
{
    int seen[LT_SYNTH_N_FACTORS] = { 0 };
    o->edit = o->source;
    for (int i = 0; i < cli->n_settings; i++) {
        int factor = 0;
        const char *text = cli->settings[i].value;
        const lt_status st = lt_scene_edit_text(&o->edit, text, flags, &factor);
        if (st != LT_OK) return st;
        if (seen[factor]++)
            return LT_FAIL(LT_ERR_USAGE,
                           "%s is edited twice (--edit %.60s): take one out",
                           lt_synth_factor_name(factor), text);
        o->edited = 1;
    }
    return LT_OK;
}

/* A video that is asked for by `option`. */
static lt_status check_video(const char *option, const char *path, int lossless)
{
    if (!lt_path_ends_in(path, ".mp4") && !lt_path_ends_in(path, ".mov") &&
        !lt_path_ends_in(path, ".mkv"))
        return LT_FAIL(LT_ERR_USAGE,
                       "unknown container (%s %s): end the name in .mp4, .mov or .mkv",
                       option, path);
    if (lossless && !lt_path_ends_in(path, ".mkv"))
        return LT_FAIL(LT_ERR_USAGE, "ffv1 needs .mkv (%s %s): change the name", option,
                       path);
    return LT_OK;
}

static lt_status take_path(const char *option, const char *text, char out[LT_PATH_MAX])
{
    if (!text) return LT_OK;
    if (!text[0]) return LT_FAIL(LT_ERR_USAGE, "%s is empty: give a file name", option);
    if (strlen(text) >= LT_PATH_MAX - 32)
        return LT_FAIL(LT_ERR_USAGE, "%s: the name is too long", option);
    if (lt_folder_exists(text))
        return LT_FAIL(LT_ERR_CANTCREAT, "is a folder (%s %s): give a file name", option,
                       text);
    return lt_path_absolute(NULL, text, out);
}

/* The clip without -o: <stem of the scene file>.mp4 or seed-<N>.mp4 here. */
static lt_status default_clip(order *o, const lt_cli *cli)
{
    char name[LT_PATH_MAX];
    const char *end = strcmp(o->codec, "ffv1") ? ".mp4" : ".mkv";
    const char *file = cli->n_args ? cli->args[0] : NULL;
    const char *slash = file ? strrchr(file, '/') : NULL;
    const char *stem = slash ? slash + 1 : file;
    const char *dot = stem ? strrchr(stem, '.') : NULL;
    if (!stem)
        snprintf(name, sizeof(name), "seed-%llu%s", (unsigned long long)o->source.seed,
                 end);
    else
        snprintf(name, sizeof(name), "%.*s%s",
                 dot && dot > stem ? (int)(dot - stem) : (int)strlen(stem), stem, end);
    return lt_path_absolute(NULL, name, o->clip);
}

static lt_status check_apart(const order *o)
{
    const char *const path[] = { o->clip, o->truth, o->mask, o->flow, o->captions };
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            if (path[i][0] && !strcmp(path[i], path[k]))
                return LT_FAIL(LT_ERR_USAGE,
                               "two results have one name (%s): give each its own",
                               path[i]);
    return LT_OK;
}

static lt_status take_paths(order *o, const lt_cli *cli)
{
    lt_status st = LT_OK;
    const lt_cli_synth *c = &cli->synth;
    const int lossless = !strcmp(o->codec, "ffv1");
    LT_TRY(c->output ? take_path("--output", c->output, o->clip) : default_clip(o, cli));
    LT_TRY(take_path("--truth", c->truth, o->truth));
    LT_TRY(take_path("--mask", c->mask, o->mask));
    LT_TRY(take_path("--flow", c->flow, o->flow));
    LT_TRY(take_path("--captions", c->captions, o->captions));
    LT_TRY(check_video("--output", o->clip, lossless));
    if (c->truth) LT_TRY(check_video("--truth", o->truth, lossless));
    if (c->mask) LT_TRY(check_video("--mask", o->mask, 0));
    if (c->truth && !o->edited)
        st = LT_FAIL(LT_ERR_USAGE, "--truth needs an edit: give --edit, too");
    else if (c->flow && o->frames < 2)
        st = LT_FAIL(LT_ERR_USAGE, "--flow needs two frames: give a larger --frames");
    else
        st = check_apart(o);
cleanup:
    return st;
}

static lt_status take_codec(order *o, const char *codec)
{
    static const char *const codecs[] = { "libx264", "ffv1", NULL };
    char near[96];
    o->codec = codec ? codec : codecs[0];
    for (int i = 0; codecs[i]; i++)
        if (!strcmp(o->codec, codecs[i])) return LT_OK;
    return LT_FAIL(LT_ERR_USAGE, "unknown codec %.40s%s (--codec): use libx264 or ffv1",
                   codec, lt_cli_nearest(codec, codecs, near));
}

static lt_status take_order(order *o, const lt_cli *cli)
{
    lt_status st = LT_OK;
    const lt_cli_synth *c = &cli->synth;
    const unsigned flags = c->training ? LT_SYNTH_TRAINING : 0;
    const char *file = cli->n_args ? cli->args[0] : NULL;
    int64_t number = 0;
    uint64_t seed = 0;
    if (!file && !c->seed)
        return LT_FAIL(LT_ERR_USAGE,
                       "synth needs SCENE.yaml or --seed N: see `longtake synth --help`");
    if (c->seed) LT_TRY(whole("--seed", c->seed, 0, INT64_MAX, &number));
    seed = (uint64_t)number;
    o->width = o->height = 256;
    o->frames = 96;
    if (c->size) LT_TRY(take_size(o, c->size));
    if (c->frames)
        LT_TRY(whole("--frames", c->frames, 1, LT_MEDIA_MAX_FRAMES, &o->frames));
    LT_TRY(take_codec(o, c->codec));
    LT_TRY(lt_scene_file_read(&o->source, file, c->seed ? &seed : NULL, flags));
    o->rate = ratio_of((double)o->source.rate);
    if (c->rate) LT_TRY(take_rate(o, c->rate));
    LT_TRY(take_edits(o, cli, flags));
    LT_TRY(take_paths(o, cli));
cleanup:
    return st;
}

/* ---- sound and pictures ------------------------------------------------------------ */

/* A quiet tone, whose periods fill a second, with a tick where one begins. */
static void tone(void *ctx, int64_t first, int64_t n, float *samples)
{
    const double turn = 2 * 3.14159265358979323846 / TONE_RATE;
    (void)ctx;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = (first + i) % TONE_RATE;
        const double tick = at < TICK ? 0.5 * sin(turn * 2000 * (double)at) : 0;
        samples[i] = (float)(0.1 * sin(turn * TONE_HZ * (double)at) + tick);
    }
}

static lt_media_encode encode_of(const order *o, int lossless, double crf)
{
    lt_media_encode e = { .width = o->width, .height = o->height, .crf = crf };
    const int even = o->width % 2 == 0 && o->height % 2 == 0;
    snprintf(e.codec, sizeof(e.codec), "%s", lossless ? "ffv1" : "libx264");
    if (!lossless) snprintf(e.preset, sizeof(e.preset), "medium"); /* ffv1 has none */
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "%s",
             lossless ? "bgr0"
             : even   ? "yuv420p"
                      : "yuv444p");
    e.sar = (lt_rational){ 1, 1 };
    e.time_base = (lt_rational){ o->rate.den, o->rate.num };
    e.rate = o->rate;
    /* BT.709 with the transfer of sRGB; RGB itself has no matrix and is full range */
    e.color = (lt_media_color){
        .primaries = 1, .transfer = 13, .matrix = 1, .range = 1, .chroma = 1
    };
    if (lossless) e.color.matrix = 0, e.color.range = 2;
    return e;
}

static lt_status open_clip(const order *o, const char *path, lt_media_writer **out)
{
    const int lossless = !strcmp(o->codec, "ffv1");
    const lt_media_encode e = encode_of(o, lossless, 18);
    const lt_media_size size = { o->width, o->height, o->width, o->height };
    lt_media_audio a = { .rate = TONE_RATE, .channels = 1, .fill = tone };
    snprintf(a.codec, sizeof(a.codec), "%s", lossless ? "flac" : "aac");
    a.samples = o->frames * o->rate.den * TONE_RATE / o->rate.num;
    return lt_media_clip_open(out, path, &e, &size, LT_MEDIA_U8, &a);
}

static lt_status open_mask(const order *o, lt_media_writer **out)
{
    const lt_media_encode e = encode_of(o, lt_path_ends_in(o->mask, ".mkv"), 4);
    const lt_media_size size = { o->width, o->height, o->width, o->height };
    return lt_media_clip_open(out, o->mask, &e, &size, LT_MEDIA_U8, NULL);
}

/* The captions come last: a folder that cannot take them is told before the work. */
static lt_status check_captions(const order *o)
{
    char folder[LT_PATH_MAX];
    const lt_status st = lt_path_folder(o->captions, folder);
    if (st != LT_OK || access(folder, W_OK) == 0) return st;
    return LT_FAIL(
        LT_ERR_CANTCREAT,
        "cannot create a file in this folder (--captions %s): check the folder "
        "and the rights",
        o->captions);
}

static lt_status open_work(work *w)
{
    lt_status st = LT_OK;
    const order *o = w->o;
    const size_t pixels = (size_t)o->width * (size_t)o->height;
    w->rgb = malloc(pixels * 3);
    w->cover = malloc(pixels);
    w->visible = malloc(pixels);
    w->flow = o->flow[0] ? malloc(pixels * 2 * sizeof(float)) : NULL;
    if (!w->rgb || !w->cover || !w->visible || (o->flow[0] && !w->flow))
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (--size %d x %d): make it smaller",
                       o->width, o->height));
    if (o->captions[0]) LT_TRY(check_captions(o));
    LT_TRY(open_clip(o, o->clip, &w->clip));
    if (o->truth[0]) LT_TRY(open_clip(o, o->truth, &w->truth));
    if (o->mask[0]) LT_TRY(open_mask(o, &w->mask));
    if (o->flow[0])
        LT_TRY(lt_flow_file_open(&w->flow_file, o->flow, o->frames - 1, o->width,
                                 o->height));
cleanup:
    return st;
}

static void close_work(work *w)
{
    lt_media_writer_close(&w->clip);
    lt_media_writer_close(&w->truth);
    lt_media_writer_close(&w->mask);
    lt_flow_file_close(&w->flow_file);
    free(w->rgb);
    free(w->cover);
    free(w->visible);
    free(w->flow);
}

/* The mask as a grey picture, in the buffer of the frame that is already written. */
static lt_status put_mask(work *w, int64_t t)
{
    const int64_t pixels = (int64_t)w->o->width * w->o->height;
    for (int64_t i = 0; i < pixels; i++) memset(w->rgb + 3 * i, w->cover[i], 3);
    return lt_media_writer_put(w->mask, w->rgb, t);
}

static lt_status put_frame(work *w, int64_t t)
{
    lt_status st = LT_OK;
    const order *o = w->o;
    const int moves = w->flow_file && t + 1 < o->frames;
    const lt_synth_frame out = { .rgb = w->rgb,
                                 .mask = w->mask ? w->cover : NULL,
                                 .flow = moves ? w->flow : NULL,
                                 .visible = moves ? w->visible : NULL };
    lt_synth_render(&o->source, t, o->width, o->height, &out);
    LT_TRY(lt_media_writer_put(w->clip, w->rgb, t));
    if (moves) LT_TRY(lt_flow_file_put(w->flow_file, t, w->flow, w->visible));
    if (w->mask) LT_TRY(put_mask(w, t));
    if (w->truth) {
        const lt_synth_frame truth = { .rgb = w->rgb };
        lt_synth_render(&o->edit, t, o->width, o->height, &truth);
        LT_TRY(lt_media_writer_put(w->truth, w->rgb, t));
    }
cleanup:
    return st;
}

/* ---- texts ------------------------------------------------------------------------- */

static json_t *captions_of(const order *o)
{
    char source[LT_SYNTH_TEXT], edit[LT_SYNTH_TEXT] = "", told[LT_SYNTH_TEXT] = "";
    lt_synth_caption(source, &o->source, 0);
    if (o->edited) {
        lt_synth_caption(edit, &o->edit, 0);
        lt_synth_instruction(told, &o->source, &o->edit);
    }
    return json_pack("{s:s, s:s, s:s}", "source", source, "edit", edit, "instruction",
                     told);
}

static lt_status write_captions(const order *o)
{
    json_t *texts = captions_of(o);
    char *line = texts ? json_dumps(texts, JSON_INDENT(2)) : NULL;
    char *text = line ? malloc(strlen(line) + 2) : NULL;
    lt_status st = LT_OK;
    if (text) {
        const size_t n = strlen(line);
        memcpy(text, line, n);
        text[n] = '\n';
        st = lt_file_write(o->captions, text, n + 1, NULL);
    } else {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", o->captions);
    }
    free(text);
    free(line);
    json_decref(texts);
    return st;
}

/* ---- the command ------------------------------------------------------------------- */

/* The clip last: where it is, everything is. */
static lt_status commit(work *w)
{
    lt_status st = LT_OK;
    if (w->truth) LT_TRY(lt_media_writer_commit(w->truth, 1, NULL));
    if (w->mask) LT_TRY(lt_media_writer_commit(w->mask, 1, NULL));
    if (w->flow_file) LT_TRY(lt_flow_file_commit(w->flow_file));
    if (w->o->captions[0]) LT_TRY(write_captions(w->o));
    LT_TRY(lt_media_writer_commit(w->clip, 1, NULL));
cleanup:
    return st;
}

static lt_status render(lt_app *app, const order *o)
{
    lt_status st = LT_OK;
    work w = { .o = o };
    LT_TRY(open_work(&w));
    lt_progress_stage(app->progress, "synth", 0, o->frames, 0, o->frames);
    for (int64_t t = 0; t < o->frames; t++) {
        if (lt_stop_requested(app->stop))
            LT_TRY(LT_FAIL(LT_ERR_STOPPED,
                           "stopped at frame %lld of %lld (%s): nothing is written, run "
                           "the same command again",
                           (long long)t, (long long)o->frames, o->clip));
        LT_TRY(put_frame(&w, t));
        lt_progress_add(app->progress, 1, 1);
    }
    LT_TRY(commit(&w));
cleanup:
    close_work(&w);
    return st;
}

static lt_status print_result(const lt_app *app, const order *o)
{
    char rate[32];
    if (!app->cli.json) {
        printf("%s\n", o->clip);
        return LT_OK;
    }
    snprintf(rate, sizeof(rate), "%d/%d", o->rate.num, o->rate.den);
    return lt_app_print_json(json_pack(
        "{s:s, s:I, s:i, s:i, s:s, s:o, s:f}", "clip", o->clip, "frames",
        (json_int_t)o->frames, "width", (int)o->width, "height", (int)o->height, "rate",
        rate, "captions", captions_of(o), "seconds", lt_app_clock() - app->started));
}

/* Frames are drawn in order into one encoder: the work of one process. */
static lt_status make(lt_app *app, int say)
{
    lt_status st = LT_OK;
    order *o = calloc(1, sizeof(*o));
    if (!o) return LT_FAIL(LT_ERR_NOMEM, "out of memory (synth)");
    LT_TRY(take_order(o, &app->cli));
    lt_app_catch_signals(app);
    LT_TRY(render(app, o));
    if (say) LT_TRY(print_result(app, o));
cleanup:
    free(o);
    return st;
}

static lt_status run(lt_app *app) { return make(app, 1); }

lt_status lt_app_synth(lt_app *app) { return make(app, 0); }

lt_status lt_cmd_synth(lt_app *app) { return lt_app_alone(app, run); }
