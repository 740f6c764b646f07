#ifndef LT_ATTENTION_INJECT_H
#define LT_ATTENTION_INJECT_H

#include "models/site.h"

/* Plug-and-play injection (methods/adaflow.md 1.8): what the edit branches take over
 * from the source branch so that they keep its structure.
 *
 *   attention  queries and keys of the source, in the self-attention layers
 *              up_blocks.1.attentions.{1,...}, up_blocks.{2,...}.attentions.*
 *              (8 layers of SD 1.5 / 2.1); values stay their own
 *   features   the hidden map behind conv2 of up_blocks.1.resnets.1
 *
 * Both only during the first steps of the denoising; the caller sets the flags anew for
 * every step. */
typedef struct lt_inject {
    int attention;
    int features;
} lt_inject;

/* The flags of step i (0 = noisiest) of n: the first floor(n * share) steps inject. */
lt_inject lt_inject_at_step(int64_t i, int64_t n, double attention_share,
                            double feature_share);

/* 1 if this site takes over queries and keys. inj may be NULL. */
int lt_inject_site(const lt_inject *inj, const lt_attention_site *site);

/* Callback body for lt_policy.hidden: copies the source's map to every other live branch
 * at the injection point; nothing elsewhere. The source must be the first live branch. */
LT_NODISCARD lt_status lt_inject_hidden(const lt_inject *inj, const lt_hidden_call *call);

/* How many leading branches nobody needs behind this place (lt_policy.drop_branches):
 * the source, once it was read for the last time.
 *   keep_source  1: later layers read it (queries and keys are injected) */
int lt_inject_drop(const lt_inject *inj, int keep_source, int up_block, int resnet,
                   const lt_batch *batch);

/* 1 if the source branch has to be computed at all in a pass that only needs it for the
 * injection of features (propagation), or also of queries and keys (keyframes, frame). */
static inline int lt_inject_needs_source(const lt_inject *inj)
{
    return inj->attention || inj->features;
}

/* The position of a branch in a batch, -1 when it is not live. */
int lt_batch_find(const lt_batch *batch, lt_branch branch);

/* Self-attention of every frame over its own tokens, with injection: the baseline that
 * edits each frame alone. As a policy: */
lt_policy lt_inject_policy(lt_inject *inj);

/* ---- parts for other policies ---------------------------------------------------- */

/* q, k or v of all frames of the branch at `position`: *t is [n_frames, h*w, channels],
 * allocated from call->x->pool, owned by the caller.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_branch_project(const lt_attention_call *call,
                                         lt_projection which, int position, lt_tensor *t);

/* Shape of what a site hands out for n frames: [n, h*w, channels], compute dtype. */
LT_NODISCARD lt_status lt_site_tensor(const lt_attention_call *call, int64_t n_frames,
                                      lt_tensor *t);

/* Attention of q [n_frames, h*w, channels] over k and v (as many frames, or one for all),
 * and to_out, into a branch's rows of call->out.  Errors: NOMEM, those of the kernel. */
LT_NODISCARD lt_status lt_branch_attend(const lt_attention_call *call, int position,
                                        const lt_tensor *q, const lt_tensor *k,
                                        const lt_tensor *v);

#endif
