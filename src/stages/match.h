#ifndef LT_STAGES_MATCH_H
#define LT_STAGES_MATCH_H

#include "stages/features.h"
#include "stages/run.h"

/* Stage "match": token correspondences (methods/adaflow.md 1.5). For every frame of a
 * clip and every keyframe of the clip that some step draws (with propagate.blend
 * neighbours also of the clip in front, in the same segment), each token's best match
 *     match[p] = argmax_q cos(F_frame(p), F_keyframe(q))
 * on every token grid of the self-attention layers. Units are blocks; a shard holds rows
 * ordered by keyframe, then frame:
 *     /match/frame, /match/keyframe [rows]
 *     /match/<h>x<w>/index [rows, h*w] u16 (u32 above 65,536 tokens)
 *     /match/<h>x<w>/similarity [rows, h*w] u8: round(255 * max(cos, 0)) */

enum { LT_MAX_GRIDS = 8 };

typedef struct lt_grids {
    int n;
    int64_t h[LT_MAX_GRIDS], w[LT_MAX_GRIDS];
} lt_grids;

/* Token grids of this job's latents. */
lt_grids lt_match_grids(const lt_run *r);

/* Collective. Match the blocks of a segment that are not done. */
LT_NODISCARD lt_status lt_stage_match(lt_run *r, int64_t segment);

/* Read the matches of a block to one keyframe: match[g] becomes [n, h*w] i32, and
 * similarity[g] (or NULL) [n, h*w] f32 in [0, 1], the caller's (free each).
 * Errors: INTERNAL (the keyframe has no row). */
LT_NODISCARD lt_status lt_match_read(lt_run *r, int64_t block, int64_t keyframe,
                                     const lt_grids *grids, lt_tensor *match,
                                     lt_tensor *similarity, int64_t *bytes_read);

/* Match one frame to one keyframe in memory (preview, tests): rows are features of
 * lt_features_rows on one grid; index [h*w] i32, similarity [h*w] f32 or NULL. */
LT_NODISCARD lt_status lt_match_rows(lt_run *r, const lt_tensor *frame_rows,
                                     const lt_tensor *keyframe_rows, lt_tensor *index,
                                     lt_tensor *similarity);

#endif
