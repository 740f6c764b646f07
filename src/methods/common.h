#ifndef LT_METHODS_COMMON_H
#define LT_METHODS_COMMON_H

#include "methods/method.h"
#include "stages/edit.h"
#include "stages/levels.h"

/* What the methods of the Stable Diffusion family share. */

/* What a method does to one segment: everything up to its edited latents. */
typedef lt_status lt_segment_fn(lt_run *r, const lt_levels *levels, int64_t segment);

/* Collective. Segment after segment: skip what has its result, run `fn`, drop what
 * run.keep does not want; bring index.h5 up to date at the end. */
LT_NODISCARD lt_status lt_edit_segments(lt_run *r, lt_segment_fn *fn);

/* Collective. Is there room on the disk for what is still to be written? With `known`
 * too little: CANTCREAT, naming both figures. */
LT_NODISCARD lt_status lt_check_disk(lt_run *r);

/* The frame edited alone, in memory: lt_method.preview of both methods (with one frame
 * the joint attention is plain attention and propagation the identity). */
lt_status lt_preview_frame(lt_run *r, int64_t frame, const lt_tensor *image,
                           lt_tensor *out);

/* The method `frame` with an InstructPix2Pix model: run and preview of lt_method. */
lt_status lt_instruct_edit(lt_run *r);
lt_status lt_instruct_preview(lt_run *r, int64_t frame, const lt_tensor *image,
                              lt_tensor *out);

#endif
