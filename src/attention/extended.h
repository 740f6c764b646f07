#ifndef LT_ATTENTION_EXTENDED_H
#define LT_ATTENTION_EXTENDED_H

#include "attention/inject.h"
#include "attention/slim.h"
#include "comm/comm.h"

/* Extended self-attention of the joint keyframe pass (methods/adaflow.md 1.7, pass 1):
 * in the edit branches every keyframe's queries see the keys and values of all keyframes
 * of the segment, or the slimmed lists; the source branch stays on its own frames.
 *
 * The keyframes of a segment are numbered in global order; a rank holds a run of them
 * and computes their queries. Keys and values are gathered in chunks of
 * keyframes (attention/slim.h) and folded into the running softmax in global order, so
 * the result does not depend on who holds which. Collective: every rank of the group
 * evaluates its denoiser with this policy at the same time, also one without keyframes
 * (lt_extended_follow). */
typedef struct lt_extended {
    lt_comm *comm;
    const int64_t *rank_keyframes; /* [size] how many each rank holds, in order */
    int64_t n_keyframes;           /* their sum, K */
    const lt_inject *inject;
    const lt_slimming *slim; /* mode NONE: all tokens */
    int keep_source;         /* 1: somebody reads the source branch at every layer */
    int64_t bytes_gathered;  /* grows: payload received from other ranks */
} lt_extended;

lt_policy lt_extended_policy(lt_extended *e);

/* Collective. What a rank without keyframes does while the others evaluate: it takes
 * part in the gathers of every self-attention site.
 *   unet, h, w   as the others use them; edit_branches: how many (not the source) */
LT_NODISCARD lt_status lt_extended_follow(lt_extended *e, const lt_exec *x,
                                          const lt_unet *unet, int64_t h, int64_t w,
                                          int edit_branches);

#endif
