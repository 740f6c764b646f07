#ifndef LT_STAGES_CLIPS_H
#define LT_STAGES_CLIPS_H

#include "stages/features.h"
#include "stages/run.h"

/* Stage "clips": Adaptive Keyframe Selection (methods/adaflow.md 1.4 with the decisions
 * of design.md section 5: the first frame of a clip is its reference, a clip has at most
 * clips.max_length frames, windows are at least one token wide). One unit; its shard
 * holds /clips/begin, /clips/similarity_mean, /clips/similarity_region. */

/* One frame against the reference: M(p) = max_q cos(F_r(p), F_f(q)). */
typedef struct lt_clip_similarity {
    float mean;   /* over all tokens of the reference */
    float region; /* lowest mean of a sliding window  */
} lt_clip_similarity;

/* From the map M [h * w] (windows of side max(h, w) / 16, stride max(h, w) / 32). */
lt_clip_similarity lt_clip_similarity_of(const float *map, int64_t h, int64_t w);

/* The split rule: does frame f begin a new clip, seen from reference r? */
int lt_clip_splits(const lt_config *cfg, lt_clip_similarity s, int64_t reference,
                   int64_t f);

/* The layout of clips that begin at *begin [*n_clips], with its keyframes as the options
 * draw them; keyframes.per_clip cuts the clips, *begin is then replaced by their parts.
 * The caller frees the layout.  Errors: those of lt_layout_make. */
LT_NODISCARD lt_status lt_clips_layout(const lt_config *cfg, int64_t n_frames,
                                       int64_t **begin, int64_t *n_clips,
                                       lt_layout *layout);

/* Collective. Find the clips (or take them from the options), make r->layout with its
 * keyframes, and read the similarity curves when clips.mode is adaptive.
 * Errors: CONFIG (clips.begins beyond the video), STOPPED, IO, NOSPACE, NOMEM. */
LT_NODISCARD lt_status lt_stage_clips(lt_run *r);

/* Collective. The layout of a method without clips: fixed pieces of `length` frames. */
LT_NODISCARD lt_status lt_layout_pieces(lt_run *r, int64_t length);

#endif
