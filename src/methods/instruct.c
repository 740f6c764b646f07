/* The method `frame` with an InstructPix2Pix model (methods/via.md 4): the prompt is an
 * instruction, the source is given to the UNet, and nothing is inverted.
 *
 *   source ──► edit (every block from noise, three guided predictions a step)
 *   render ──► mux                                                                  */
#include "stages/instruct.h"
#include "methods/common.h"
#include "stages/clips.h"
#include "stages/contents.h"
#include "stages/open.h"
#include "stages/render.h"
#include "stages/source.h"

lt_status lt_instruct_edit(lt_run *r)
{
    lt_status st = LT_OK;
    LT_TRY(lt_run_encode_texts(r, 0));
    LT_TRY(lt_check_disk(r));
    LT_TRY(lt_stage_source(r, 0));
    LT_TRY(lt_comm_agree(r->comm, lt_layout_pieces(r, LT_BLOCK_FRAMES)));
    LT_TRY(lt_stage_instruct(r));
    LT_TRY(lt_comm_agree(r->comm, r->rank ? LT_OK : lt_contents_index(r)));
    LT_TRY(lt_stage_render(r));
    LT_TRY(lt_stage_mux(r));
cleanup:
    return st;
}

lt_status lt_instruct_preview(lt_run *r, int64_t frame, const lt_tensor *image,
                              lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_instruct p = { 0 };
    lt_tensor source = { 0 }, x = { 0 }, edited = { 0 };
    LT_TRY(lt_run_encode_texts(r, 0));
    LT_TRY(lt_instruct_open(r, 1, &p));
    LT_TRY(LT_TENSOR_NEW(&source, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(LT_TENSOR_NEW(&x, r->x.pool, LT_F32, 1, r->h, r->w, r->c));
    LT_TRY(lt_source_encode(r, image, &source, NULL, NULL));
    LT_TRY(lt_instruct_start(&p, frame, &x));
    LT_TRY(lt_instruct_steps(r, &p, frame, &source, 0, p.sampler.n, &x));
    lt_run_round(r, lt_f32(&x), lt_tensor_count(&x)); /* as stored */
    LT_TRY(lt_tensor_new(&edited, r->x.pool, LT_F32, image->ndim, image->shape));
    LT_TRY(lt_render_decode(r, &x, &edited));
    *out = edited;
    edited = (lt_tensor){ 0 };
cleanup:
    lt_instruct_close(&p);
    lt_tensor_free(&source);
    lt_tensor_free(&x);
    lt_tensor_free(&edited);
    return st;
}
