/* AdaFlow (methods/adaflow.md): keyframes chosen by content, joint attention over
 * slimmed keys and values, propagation along token correspondences.
 *
 *   source ──► features ──► clips (AKS)
 *   per segment: inversion ──► match ──► sample ──► edit (joint pass + propagation)
 *   render ──► mux                                                                  */
#include "methods/common.h"
#include "stages/clips.h"
#include "stages/inversion.h"
#include "stages/match.h"
#include "stages/open.h"
#include "stages/render.h"
#include "stages/sample.h"
#include "stages/source.h"

static lt_status edit_segment(lt_run *r, const lt_levels *levels, int64_t segment)
{
    const lt_edit_options joint = { .joint = 1 };
    lt_status st = LT_OK;
    LT_TRY(lt_stage_inversion(r, levels, segment));
    LT_TRY(lt_stage_match(r, segment));
    LT_TRY(lt_stage_sample(r, segment));
    LT_TRY(lt_stage_edit(r, levels, segment, &joint));
cleanup:
    return st;
}

static lt_status run(lt_run *r)
{
    lt_status st = LT_OK;
    LT_TRY(lt_run_encode_texts(r, 1));
    LT_TRY(lt_check_disk(r));
    LT_TRY(lt_stage_source(r, 1));
    LT_TRY(lt_stage_clips(r));
    LT_TRY(lt_edit_segments(r, edit_segment));
    LT_TRY(lt_stage_render(r));
    LT_TRY(lt_stage_mux(r));
cleanup:
    return st;
}

const lt_method lt_method_adaflow = {
    .name = "adaflow", .run = run, .preview = lt_preview_frame
};
