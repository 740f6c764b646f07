/* TokenFlow (methods/adaflow.md 1.7, 1.9): clips of equal length, joint attention over all
 * keyframes, every frame matched anew at every layer and step and mixed from two
 * keyframes.
 *
 *   source ──► clips
 *   per segment: inversion ──► edit (joint pass + propagation per step)
 *   render ──► mux
 *
 * Plug-and-play or SDEdit is a matter of options: attention.inject*, sampler.strength and
 * sampler.noise. With clips found by content or slimmed attention, which are not part of
 * the published method, diffusion features are computed for these. */
#include "methods/common.h"
#include "stages/clips.h"
#include "stages/inversion.h"
#include "stages/open.h"
#include "stages/render.h"
#include "stages/source.h"

static lt_status edit_segment(lt_run *r, const lt_levels *levels, int64_t segment)
{
    const lt_edit_options online = { .joint = 1, .online = 1 };
    const lt_status st = lt_stage_inversion(r, levels, segment);
    return st == LT_OK ? lt_stage_edit(r, levels, segment, &online) : st;
}

static lt_status run(lt_run *r)
{
    lt_status st = LT_OK;
    const int features = lt_method_needs_features(r->cfg);
    LT_TRY(lt_run_encode_texts(r, features));
    LT_TRY(lt_check_disk(r));
    LT_TRY(lt_stage_source(r, features));
    LT_TRY(lt_stage_clips(r));
    LT_TRY(lt_edit_segments(r, edit_segment));
    LT_TRY(lt_stage_render(r));
    LT_TRY(lt_stage_mux(r));
cleanup:
    return st;
}

const lt_method lt_method_tokenflow = { .name = "tokenflow",
                                        .run = run,
                                        .preview = lt_preview_frame };
