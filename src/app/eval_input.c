#include "app/eval_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[LT_FILMS] = { "EDITED", "--truth", "--source" };

static const char *path_of(const lt_eval_what *w, int film)
{
    return film == LT_FILM_EDITED  ? w->edited
           : film == LT_FILM_TRUTH ? w->truth
                                   : w->source;
}

/* ---- films ------------------------------------------------------------------------- */

static lt_status open_film(lt_eval_film_reader *f, const char *path, int64_t ss,
                           int64_t to)
{
    lt_status st = LT_OK;
    LT_TRY(lt_media_probe(path, &f->info));
    LT_TRY(lt_media_scan(path, ss, to, &f->frames));
    const lt_media_reader_options o = { .format = LT_MEDIA_U8, .tone_map = f->info.hdr };
    LT_TRY(lt_media_reader_open(&f->reader, path, &f->info, &f->frames, &o));
cleanup:
    return st;
}

static void close_film(lt_eval_film_reader *f)
{
    lt_media_reader_close(&f->reader);
    lt_media_frames_free(&f->frames);
}

/* Nanoseconds from the first frame to frame i (i = n: to the end), exact to rounding. */
static int64_t time_of(const lt_eval_film_reader *f, int64_t i)
{
    const int64_t ticks =
        (i < f->frames.n ? f->frames.pts[i] : f->frames.end) - f->frames.pts[0];
    const __int128 ns = (__int128)ticks * f->info.time_base.num * 1000000000;
    return (int64_t)(ns / f->info.time_base.den);
}

/* Containers round times; half the way to the next frame is another frame. */
static lt_status compare_times(const lt_eval_input *in, int film)
{
    const lt_eval_film_reader *a = &in->film[LT_FILM_EDITED], *b = &in->film[film];
    for (int64_t i = 1; i < in->n; i++) {
        const int64_t at = time_of(a, i), other = time_of(b, i);
        const int64_t before = at - time_of(a, i - 1), after = time_of(a, i + 1) - at;
        const int64_t shorter = after > 0 && after < before ? after : before;
        if (llabs(at - other) <= shorter / 2 + 1000000) continue;
        return LT_FAIL(LT_ERR_DATA,
                       "frame %lld is shown at %.3f s in %s, at %.3f s in %s (%s): give "
                       "films whose frames belong together",
                       (long long)i, 1e-9 * (double)at, in->what->edited,
                       1e-9 * (double)other, path_of(in->what, film), names[film]);
    }
    return LT_OK;
}

static lt_status compare(const lt_eval_input *in, int film)
{
    const lt_eval_film_reader *f = &in->film[film];
    const char *path = path_of(in->what, film);
    if (f->info.width != in->width || f->info.height != in->height)
        return LT_FAIL(LT_ERR_DATA,
                       "%s is %d x %d pixels, %s %d x %d (%s): give films of one size",
                       in->what->edited, in->width, in->height, path, f->info.width,
                       f->info.height, names[film]);
    if (f->frames.n != in->n)
        return LT_FAIL(LT_ERR_DATA,
                       "%s has %lld frames, %s %lld (%s): give films of one length, or "
                       "--ss and --to of the part that was edited",
                       in->what->edited, (long long)in->n, path, (long long)f->frames.n,
                       names[film]);
    return compare_times(in, film);
}

static lt_status open_films(lt_eval_input *in)
{
    lt_status st = LT_OK;
    const lt_eval_what *w = in->what;
    lt_eval_film_reader *edited = &in->film[LT_FILM_EDITED];
    LT_TRY(open_film(edited, w->edited, -1, -1));
    in->n = edited->frames.n;
    in->width = edited->info.width;
    in->height = edited->info.height;
    for (int k = 1; k < LT_FILMS; k++) {
        if (!path_of(w, k)[0]) continue;
        LT_TRY(open_film(&in->film[k], path_of(w, k), w->ss, w->to));
        LT_TRY(compare(in, k));
    }
cleanup:
    return st;
}

/* ---- the rest ---------------------------------------------------------------------- */

/* A scene moves in seconds: at the film's rate, unless they differ by rounding only. */
static void set_rate(lt_scene *s, const lt_media_info *info)
{
    const double rate = info->rate.den > 0 && info->rate.num > 0
                            ? (double)info->rate.num / (double)info->rate.den
                            : (double)s->rate;
    if (fabs(rate - (double)s->rate) > 1e-3 * rate) s->rate = (float)rate;
}

static lt_status open_mask(lt_eval_input *in)
{
    lt_status st = LT_OK;
    const lt_mask_options o = { .path = in->what->mask };
    const lt_eval_film_reader *source = &in->film[LT_FILM_SOURCE];
    const lt_eval_film_reader *f = source->reader ? source : &in->film[LT_FILM_EDITED];
    lt_mask_info info;
    LT_TRY(lt_mask_look(&o, &f->info, &f->frames, 0, &info));
    LT_TRY(lt_mask_open(&in->mask, &o, &info, &f->info));
cleanup:
    return st;
}

static lt_status allocate(lt_eval_input *in)
{
    const size_t n = (size_t)in->width * (size_t)in->height;
    int good = 1;
    for (int k = 0; k < LT_FILMS; k++) good &= (in->pixels[k] = malloc(3 * n)) != NULL;
    in->cover = malloc(n);
    in->visible = malloc(n);
    in->motion = in->has_flow ? malloc(n * 2 * sizeof(float)) : NULL;
    if (good && in->cover && in->visible && (!in->has_flow || in->motion)) return LT_OK;
    return LT_FAIL(LT_ERR_NOMEM, "out of memory (frames of %d x %d pixels)", in->width,
                   in->height);
}

lt_status lt_eval_input_open(lt_eval_input *in, const lt_eval_what *w)
{
    lt_status st = LT_OK;
    in->what = w;
    LT_TRY(open_films(in));
    in->has_truth = w->truth[0] || (w->has_scene && w->n_factors);
    in->has_source = w->source[0] || w->has_scene;
    in->has_mask = w->mask[0] || w->has_scene;
    in->has_flow = in->n > 1 && (w->flow[0] || w->has_scene);
    in->scene = w->scene;
    in->asked = w->asked;
    set_rate(&in->scene, &in->film[LT_FILM_EDITED].info);
    in->asked.rate = in->scene.rate;
    if (w->mask[0]) LT_TRY(open_mask(in));
    if (w->flow[0] && in->n > 1)
        LT_TRY(lt_flow_reader_open(&in->flow, w->flow, in->n - 1, in->width, in->height));
    LT_TRY(allocate(in));
cleanup:
    return st;
}

void lt_eval_input_close(lt_eval_input *in)
{
    for (int k = 0; k < LT_FILMS; k++) {
        close_film(&in->film[k]);
        free(in->pixels[k]);
    }
    lt_mask_close(&in->mask);
    lt_flow_reader_close(&in->flow);
    free(in->cover);
    free(in->visible);
    free(in->motion);
    memset(in, 0, sizeof(*in));
}

/* ---- frames ------------------------------------------------------------------------ */

static lt_status read_films(lt_eval_input *in, int64_t t)
{
    for (int k = 0; k < LT_FILMS; k++) {
        lt_frame f;
        int end = 0;
        if (!in->film[k].reader) continue;
        const lt_status st =
            lt_media_reader_next(in->film[k].reader, in->pixels[k], &f, &end);
        if (st != LT_OK) return st;
        if (end)
            return LT_FAIL(LT_ERR_DATA, "frame %lld is missing (%s %s): make it again",
                           (long long)t, names[k], path_of(in->what, k));
    }
    return LT_OK;
}

/* Weights to the scale of part.h: 0 becomes what a lossy black may be, 16. */
static lt_status read_mask(lt_eval_input *in, int64_t t)
{
    const float *weight = NULL;
    const lt_status st = lt_mask_read(in->mask, t, &weight);
    if (st != LT_OK) return st;
    for (int64_t i = 0; i < (int64_t)in->width * in->height; i++)
        in->cover[i] = (uint8_t)(16.5f + 223.0f * weight[i]);
    return LT_OK;
}

static void render(lt_eval_input *in, int64_t t)
{
    const int moves = in->has_flow && !in->flow && t + 1 < in->n;
    const lt_synth_frame source = { .rgb = in->film[LT_FILM_SOURCE].reader
                                               ? NULL
                                               : in->pixels[LT_FILM_SOURCE],
                                    .mask = in->mask ? NULL : in->cover,
                                    .flow = moves ? in->motion : NULL,
                                    .visible = moves ? in->visible : NULL };
    const lt_synth_frame truth = { .rgb = in->pixels[LT_FILM_TRUTH] };
    if (!in->what->has_scene) return;
    lt_synth_render(&in->scene, t, in->width, in->height, &source);
    if (in->has_truth && !in->film[LT_FILM_TRUTH].reader)
        lt_synth_render(&in->asked, t, in->width, in->height, &truth);
}

lt_status lt_eval_input_next(lt_eval_input *in, int64_t t, lt_judge_input *out)
{
    lt_status st = LT_OK;
    LT_TRY(read_films(in, t));
    if (in->mask) LT_TRY(read_mask(in, t));
    if (in->flow && t + 1 < in->n)
        LT_TRY(lt_flow_reader_get(in->flow, t, in->motion, in->visible));
    render(in, t);
    *out = (lt_judge_input){ .mask = in->has_mask ? in->cover : NULL };
    out->film[LT_FILM_EDITED] = in->pixels[LT_FILM_EDITED];
    if (in->has_truth) out->film[LT_FILM_TRUTH] = in->pixels[LT_FILM_TRUTH];
    if (in->has_source) out->film[LT_FILM_SOURCE] = in->pixels[LT_FILM_SOURCE];
    if (in->has_flow && t + 1 < in->n) {
        out->flow = in->motion;
        out->visible = in->visible;
    }
cleanup:
    return st;
}
