#ifndef LT_STAGES_LAYOUT_H
#define LT_STAGES_LAYOUT_H

#include <stdint.h>

#include "core/status.h"

/* How a video is cut: clips, blocks, segments, and the keyframes of every step. All of
 * it follows from the video and the options, never from the number of ranks
 * (design.md section 2).
 *
 *   clip     consecutive frames that share a keyframe at a time
 *   block    up to LT_BLOCK_FRAMES consecutive frames of one clip: the unit of work
 *   segment  a run of clips that is edited in one joint inference */

enum { LT_BLOCK_FRAMES = 16 };

typedef struct lt_clip {
    int64_t first, n; /* frames */
    int64_t first_block, n_blocks;
    int64_t segment;
} lt_clip;

typedef struct lt_block {
    int64_t first, n; /* frames */
    int64_t clip;
    int64_t segment;
    int64_t in_segment; /* its number within the segment, for file names */
} lt_block;

typedef struct lt_segment {
    int64_t first_clip, n_clips;
    int64_t first_block, n_blocks;
    int64_t first, n; /* frames */
} lt_segment;

typedef struct lt_layout {
    int64_t n_frames, n_clips, n_blocks, n_segments;
    lt_clip *clip;       /* [n_clips]    */
    lt_block *block;     /* [n_blocks]   */
    lt_segment *segment; /* [n_segments] */
    int64_t n_steps;
    int64_t *keyframe; /* [n_steps][n_clips] global frame numbers, order of denoising;
                        * NULL when the method has no keyframes */
} lt_layout;

/* Cut n_frames at `begin` ([n_clips], begin[0] = 0, ascending) and pack the clips into
 * segments of at most max_clips clips. The caller frees with lt_layout_free.
 * Errors: ARG (begins), NOMEM. */
LT_NODISCARD lt_status lt_layout_make(int64_t n_frames, const int64_t *begin,
                                      int64_t n_clips, int64_t max_clips,
                                      lt_layout *layout);
void lt_layout_free(lt_layout *layout); /* zeroes; accepts a zeroed one */

/* Begins of fixed clips: 0, length, 2 length ... *begin is the caller's (free). */
LT_NODISCARD lt_status lt_layout_fixed(int64_t n_frames, int64_t length, int64_t **begin,
                                       int64_t *n_clips);

/* Cut every clip into `parts` even ones (a clip shorter than that into single frames):
 * keyframes.per_clip. *begin [*n_clips] is replaced.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_layout_parts(int64_t n_frames, int64_t parts, int64_t **begin,
                                       int64_t *n_clips);

typedef enum lt_keyframe_pick {
    LT_KEYFRAME_RANDOM, /* uniform in the clip */
    LT_KEYFRAME_MIDDLE, /* begin + length / 2, rounded down */
    LT_KEYFRAME_FIRST
} lt_keyframe_pick;

typedef struct lt_keyframe_rule {
    lt_keyframe_pick pick;
    int once; /* 1: the draw of the first step holds for all steps */
    uint64_t seed;
} lt_keyframe_rule;

/* Draw the keyframe of every clip for every step, keyed by (seed, clip, step).
 * Errors: NOMEM. */
LT_NODISCARD lt_status lt_layout_keyframes(lt_layout *layout, int64_t n_steps,
                                           const lt_keyframe_rule *rule);

/* The different keyframes that any step draws for a clip, ascending, into out (room for
 * min(n_steps, clip length)); returns how many. */
int64_t lt_layout_clip_keyframes(const lt_layout *layout, int64_t clip, int64_t *out);

/* The clip in front of this one in the same segment, -1 for the first of a segment: what
 * frames of the clip are blended with (propagate.blend). */
int64_t lt_layout_clip_before(const lt_layout *layout, int64_t clip);

/* The middle frame of a clip: begin + length / 2, rounded down. */
int64_t lt_clip_centre(const lt_clip *clip);

/* Hand whole clips of a segment to `size` ranks, in order and even in frames: rank r
 * has clips [first[r], first[r + 1]) (global numbers). first: [size + 1]. */
void lt_layout_assign(const lt_layout *layout, int64_t segment, int size, int64_t *first);

/* Put blocks (their numbers, [n]) in the order in which ranks take them, one each a round:
 * the longest first, so that the blocks of a round take the same time.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_layout_longest_first(const lt_layout *layout, int64_t *block,
                                               int64_t n);

/* The block that holds a frame. */
int64_t lt_layout_block_of(const lt_layout *layout, int64_t frame);

#endif
