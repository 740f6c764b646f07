#ifndef LT_STAGES_SAMPLE_H
#define LT_STAGES_SAMPLE_H

#include "stages/run.h"

/* Stage "sample": a small record of what matching and slimming did in a segment, for the
 * report; matches are dropped with their segment (run.keep). No result depends on it.
 * One unit a segment; its shard holds, on the largest token grid of at most
 * LT_SAMPLE_TOKENS tokens, at the first step of denoising:
 *     /sample/frame, /sample/keyframe   [1] a frame in the middle clip, its keyframe
 *     /sample/index [h, w] u32, /sample/similarity [h, w] u8   as in /match
 *     /sample/keyframes [K] i64         keyframes of the segment
 *     /sample/kept [K, h, w] u8         1: a token of the keyframe that the joint
 *                                       attention of /sample/keyframe keeps; all 1
 *                                       without slimming */

enum { LT_SAMPLE_TOKENS = 1024 };

/* Collective. Matches of the segment need not be there; features are read, or made.
 * Errors: STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_sample(lt_run *r, int64_t segment);

#endif
