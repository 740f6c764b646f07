#ifndef LT_ATTENTION_PROPAGATE_H
#define LT_ATTENTION_PROPAGATE_H

#include "attention/cache.h"
#include "attention/inject.h"

/* Propagation (methods/adaflow.md 1.7, pass 2): a frame's self-attention is not computed;
 * its output is gathered from the recorded output of its clip's keyframe along token
 * correspondences of the source video:
 *
 *     own[branch][frame][p] = cache[branch][keyframe][ match[frame][p] ]
 *     out = own                                           own keyframe alone (AdaFlow)
 *     out = weight[frame] own + (1 - weight[frame]) other  with the keyframe of the clip
 *                                                          before (TokenFlow)
 *
 * Where even the best match is a poor one (its cosine below min_similarity), the token
 * attends to the keyframe instead of copying from it: own queries, the keyframe's keys and
 * values (Via's swap attention with a group of one, methods/via.md; with injected queries
 * and keys those of the source branch of both). The keyframe's are then in the cache
 * (lt_record_attention.with_keys).
 *
 * The correspondences are given (from features, once per video), or found at every layer
 * and step: the most similar token by the cosine of the source branch's normalised
 * inputs, this frame's against those recorded from the keyframe. Then the source branch
 * runs up to the last self-attention layer, else only up to the injection of features. */
typedef struct lt_propagate {
    const lt_attention_cache *cache;
    int64_t keyframe;       /* frame of the cache: the clip's; keyframe - 1 is the one of
                             * the clip before (-1: what another rank has sent) */
    const float *weight;    /* [n_frames] in (0, 1), or NULL: own keyframe alone */
    int n_grids;            /* of the given correspondences; 0: found here */
    int64_t tokens[8];      /* h * w of each grid */
    const lt_tensor *match; /* [n_grids] tensors [n_frames, h*w] i32 */
    const lt_tensor
        *match_before;           /* the same for the clip before; unused without weight */
    float min_similarity;        /* 0: every match is good enough */
    const lt_tensor *similarity; /* [n_grids] tensors [n_frames, h*w] f32, cosines of
                                  * `match`; unused while min_similarity is 0 */
    const lt_inject *inject;     /* features are injected in this pass, too */
    int passed_last;             /* the policy's own; 0 at the start of an evaluation */
} lt_propagate;

lt_policy lt_propagate_policy(lt_propagate *p);

/* The own keyframe's weight for a frame, sigmoid(b / (a + b)) where a and b are the
 * distances of the frame to the centres of its clip and of the clip before (begin +
 * length / 2, rounded down: not to the keyframes themselves, as published). It lies in
 * [0.5, 0.731]; the centres differ. */
float lt_propagate_weight(int64_t frame, int64_t centre, int64_t centre_before);

#endif
