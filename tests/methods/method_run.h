#ifndef LT_TESTS_METHOD_RUN_H
#define LT_TESTS_METHOD_RUN_H

#include "methods/method.h"
#include "stages/golden_run.h"
#include "stages/levels.h"

/* Whole methods on small videos. */

/* Run the configured method in a new folder; the caller closes the run. */
static inline lt_run *run_method(const lt_config *cfg, lt_comm *comm, const char *job)
{
    OK(lt_config_check(cfg));
    lt_run *r = open_run(cfg, comm, job);
    OK(lt_method_get(cfg)->run(r));
    return r;
}

/* The final latents of all frames, [n_frames, h, w, c]; free them. */
static inline float *final_latents(lt_run *r)
{
    const int64_t frame = r->h * r->w * r->c;
    float *x = malloc((size_t)(r->n_frames * frame) * sizeof(*x));
    CHECK(x);
    for (int64_t b = 0; b < r->layout.n_blocks; b++)
        OK(lt_run_read_f32(r, "edit", b, LT_NO_STEP, "/edit/latents", NULL, NULL,
                           x + r->layout.block[b].first * frame, NULL));
    return x;
}

/* Frames of the finished video, at the source's times. */
static inline void check_output(const lt_run *r)
{
    lt_media_frames f = { 0 };
    OK(lt_media_scan(r->cfg->output.path, -1, -1, &f));
    CHECK(f.n == r->n_frames);
    for (int64_t i = 1; i < f.n; i++) CHECK(f.pts[i] > f.pts[i - 1]);
    lt_media_frames_free(&f);
}

#endif
