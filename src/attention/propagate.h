#ifndef LT_ATTENTION_PROPAGATE_H
#define LT_ATTENTION_PROPAGATE_H

#include "attention/cache.h"
#include "attention/inject.h"

/* Propagation (methods/adaflow.md 1.7, pass 2): a frame's self-attention is not computed;
 * its output is gathered from the recorded output of its clip's keyframe along the token
 * correspondences of the source video:
 *
 *     out[branch][frame][p] = cache[branch][keyframe][ match[grid][frame][p] ]  */
typedef struct lt_propagate {
    const lt_attention_cache *cache;
    int64_t keyframe; /* frame of the cache: the clip's keyframe */
    int n_grids;
    int64_t tokens[8];       /* h * w of each grid */
    const lt_tensor *match;  /* [n_grids] tensors [n_frames, h*w] i32 */
    const lt_inject *inject; /* features are injected in this pass, too */
} lt_propagate;

lt_policy lt_propagate_policy(lt_propagate *p);

#endif
