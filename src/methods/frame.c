/* Each frame alone: inversion and plug-and-play editing without any tie between frames.
 * The baseline that the other methods are compared with. With an InstructPix2Pix model
 * there is no inversion: methods/instruct.c. */
#include "methods/common.h"
#include "stages/clips.h"
#include "stages/instruct.h"
#include "stages/inversion.h"
#include "stages/open.h"
#include "stages/render.h"
#include "stages/source.h"

static lt_status edit_segment(lt_run *r, const lt_levels *levels, int64_t segment)
{
    const lt_edit_options alone = { .joint = 0 };
    lt_status st = LT_OK;
    if (levels->n_kept > 0) st = lt_stage_inversion(r, levels, segment);
    return st == LT_OK ? lt_stage_edit(r, levels, segment, &alone) : st;
}

static lt_status run(lt_run *r)
{
    lt_status st = LT_OK;
    if (lt_run_is_instruct(r)) return lt_instruct_edit(r);
    LT_TRY(lt_run_encode_texts(r, 0));
    LT_TRY(lt_check_disk(r));
    LT_TRY(lt_stage_source(r, 0));
    LT_TRY(lt_comm_agree(r->comm, lt_layout_pieces(r, LT_BLOCK_FRAMES)));
    LT_TRY(lt_edit_segments(r, edit_segment));
    LT_TRY(lt_stage_render(r));
    LT_TRY(lt_stage_mux(r));
cleanup:
    return st;
}

static lt_status preview(lt_run *r, int64_t frame, const lt_tensor *image, lt_tensor *out)
{
    return lt_run_is_instruct(r) ? lt_instruct_preview(r, frame, image, out)
                                 : lt_preview_frame(r, frame, image, out);
}

const lt_method lt_method_frame = { .name = "frame", .run = run, .preview = preview };
