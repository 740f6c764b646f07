#ifndef LT_STAGES_RENDER_H
#define LT_STAGES_RENDER_H

#include "stages/run.h"

/* Stage "render": VAE-decode the edited latents and encode them, LT_RENDER_FRAMES
 * consecutive frames a unit, each a closed group of pictures video/seg-00012.nut; stage
 * "mux": join the parts with the source's sound into the output (rank 0). */

enum { LT_RENDER_FRAMES = 64 };

/* Collective.  Errors: STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_render(lt_run *r);
LT_NODISCARD lt_status lt_stage_mux(lt_run *r);

/* latents [n, h, w, c] f32 scaled -> image [n, H, W, 3] f32 in [0, 1]. */
LT_NODISCARD lt_status lt_render_decode(lt_run *r, const lt_tensor *latents,
                                        lt_tensor *image);

#endif
