#ifndef LT_MODELS_SITE_H
#define LT_MODELS_SITE_H

#include "kernels/kernels.h"

/* Where an edit can reach into a denoiser.
 *
 * A model knows no edit. At every attention layer and behind the second convolution of
 * every residual block it announces the place (a "site") and hands its data to the
 * policy of the running stage. Without a policy, plain attention is computed.
 *
 * The batch of a denoiser is (branch, frame), branch-major: sample b * n_frames + f is
 * frame f of live branch b. */

typedef enum lt_branch {
    LT_BRANCH_SOURCE = 0,   /* the source video under the source prompt */
    LT_BRANCH_NEGATIVE = 1, /* unconditional: the negative prompt       */
    LT_BRANCH_EDIT = 2,     /* conditional: the edit prompt             */
    LT_BRANCH_NO_IMAGE = 3, /* InstructPix2Pix: negative prompt, no source */
    LT_MAX_BRANCHES = 4
} lt_branch;

typedef enum lt_attention_kind {
    LT_SELF_ATTENTION,
    LT_CROSS_ATTENTION
} lt_attention_kind;

/* Projections of one attention layer; packed by the model. */
typedef struct lt_attention_weights {
    lt_linear *to_q, *to_k, *to_v, *to_out;
} lt_attention_weights;

typedef struct lt_attention_site {
    const char *path; /* "up_blocks.1.attentions.2.transformer_blocks.0.attn1" */
    lt_attention_kind kind;
    int index;     /* 0, 1, ...: order of execution among layers of this kind */
    int up_block;  /* i of up_blocks.i, or -1                                  */
    int attention; /* j of attentions.j                                        */
    int64_t h, w;  /* token grid of this call                                  */
    int heads;
    int64_t head_dim; /* channels = heads * head_dim                              */
    int last_self;    /* 1: no self-attention is executed after this one          */
    float scale;      /* head_dim^-1/2                                            */
    const lt_attention_weights *weights;
} lt_attention_site;

/* The part of a batch that is still computed. A policy may drop leading branches. */
typedef struct lt_batch {
    int n_branches; /* live ones, >= 1 */
    lt_branch branch[LT_MAX_BRANCHES];
    int64_t n_frames;
} lt_batch;

typedef struct lt_attention_call {
    const lt_exec *x;
    const lt_attention_site *site;
    const lt_batch *batch;
    const lt_tensor
        *in;        /* [n_branches * n_frames, h*w, channels] normalised, compute dtype */
    lt_tensor *out; /* like in: what to_out returns, without the residual; the policy
                          * writes all of it */
} lt_attention_call;

/* A place in a residual block: the hidden map after conv2, before the shortcut is
 * added. */
typedef struct lt_hidden_call {
    const lt_exec *x;
    const char *path; /* "up_blocks.1.resnets.1" */
    int up_block;     /* or -1 */
    int resnet;       /* j of resnets.j */
    lt_tensor
        *hidden; /* [n_branches * n_frames, h, w, c] compute dtype; may be changed */
    const lt_batch *batch;
} lt_hidden_call;

/* What an edit does at the sites. Any callback may be NULL (= plain). */
typedef struct lt_policy {
    void *self;
    /* Self-attention of every transformer block. */
    lt_status (*self_attention)(void *self, const lt_attention_call *call);
    lt_status (*hidden)(void *self, const lt_hidden_call *call);
    /* Called right after `hidden` and after every attention layer: how many leading
     * branches nobody reads any more from here on (they are dropped from the batch;
     * at least one branch must stay). up_block / position name the place just passed:
     * resnet >= 0: behind resnets.<resnet>, else behind attentions.<attention>. */
    int (*drop_branches)(void *self, int up_block, int resnet, int attention,
                         const lt_batch *batch);
} lt_policy;

/* ---- what policies build on ------------------------------------------------------ */

typedef enum lt_projection { LT_Q, LT_K, LT_V } lt_projection;

/* dst = projection of samples [first, first + count) of call->in; dst is
 * [count, h*w, channels] in the compute dtype, allocated by the caller.
 * Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_site_project(const lt_attention_call *call, lt_projection which,
                                       int64_t first, int64_t count, lt_tensor *dst);

/* Samples [first, first + count) of call->out = to_out(attended).
 * attended: [count, h*w, channels] compute dtype.  Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_site_output(const lt_attention_call *call,
                                      const lt_tensor *attended, int64_t first,
                                      int64_t count);

/* Plain attention, each sample over its own tokens, for samples [first, first + count).
 * Scratch memory does not grow with count.  Errors: SHAPE, NOMEM. */
LT_NODISCARD lt_status lt_site_plain(const lt_attention_call *call, int64_t first,
                                     int64_t count);

#endif
