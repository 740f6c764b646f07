#ifndef LT_STAGES_EDIT_IMPL_H
#define LT_STAGES_EDIT_IMPL_H

#include "attention/cache.h"
#include "attention/inject.h"
#include "stages/edit.h"
#include "stages/match.h"

/* A segment on one rank, while it is edited. edit.c holds the loop over steps and the
 * saving, edit_joint.c the joint pass, edit_block.c propagation and the step of a block,
 * edit_start.c where denoising starts. */
typedef struct lt_edit {
    lt_run *r;
    const lt_levels *levels;
    const lt_edit_options *o;
    const lt_segment *segment;
    int64_t number;                /* of the segment */
    int64_t *unit;                 /* [segment->n_blocks] blocks of the segment */
    int64_t *clip_from;            /* [size + 1] clips of each rank */
    int64_t first_clip, n_clips;   /* of this rank */
    int64_t first_block, n_blocks; /* of this rank */
    int64_t first_frame, n_frames; /* of this rank */
    lt_tensor x;                   /* [n_frames, h, w, c] f32 */
    int64_t step;                  /* steps done */
    int64_t saved;                 /* step of the newest saved state, 0 = none */
    lt_grids grids;
    lt_attention_cache cache;
    lt_tensor key_x;  /* [n_clips, h, w, c] own keyframes behind the running step, as the
                      * joint pass made them; empty unless they keep their trajectory */
    lt_inject inject; /* of the running step */
    int64_t bytes_read, bytes_gathered; /* since the last commit */
    double t0;
} lt_edit;

/* Global frame number of a clip's keyframe in the running step. */
int64_t lt_edit_keyframe(const lt_edit *e, int64_t clip);

/* Rows of e->x of a block: a counted view, free it. */
lt_tensor lt_edit_block_x(const lt_edit *e, const lt_block *b);

/* 1 if blocks read the source's latents in the running step, and if keyframes do. */
int lt_edit_block_source(const lt_edit *e);
int lt_edit_joint_source(const lt_edit *e);

/* The source's latents of the running step: n frames of a block from its frame `first`
 * into data [n, h, w, c]. */
LT_NODISCARD lt_status lt_edit_read_source(lt_edit *e, int64_t block, int64_t first,
                                           int64_t n, float *data);

/* The branches of a pass: negative and edit, with the source before them if asked. */
lt_batch lt_edit_batch(int with_source, int64_t n_frames);

/* What the UNet is told of a batch: texts and the timestep of the running step. */
lt_unet_args lt_edit_args(const lt_edit *e, const lt_batch *batch, const lt_tensor *in);

/* x of n frames for all branches; the source branch takes `source`. *in
 * [n_branches * n, h, w, c] f32 is the caller's, after a failure too. */
LT_NODISCARD lt_status lt_edit_input(lt_edit *e, const lt_batch *batch,
                                     const lt_tensor *source, const lt_tensor *x,
                                     lt_tensor *in);

/* The prediction of the negative and the edit branch: *pred [2 n, h, w, c] f32, the
 * caller's. The source is dropped inside the pass, or its part is left out. */
LT_NODISCARD lt_status lt_edit_predict(lt_edit *e, const lt_policy *policy,
                                       const lt_tensor *in, const lt_batch *batch,
                                       lt_tensor *pred);

/* Timestep after the running step; -1 behind the last one. */
int lt_edit_next(const lt_edit *e);

/* Collective. The joint pass of the running step: fills e->cache with the own keyframes
 * and, when neighbours are blended, the one in front of them; with
 * keyframes.trajectory own also e->key_x. all_source: source latents
 * of the own frames, or empty. A failure inside the pass is this rank's alone, the others
 * wait for it in a gather: leave at once, without another collective call, and main ends
 * them (lt_comm_failed_together tells the two kinds apart). */
LT_NODISCARD lt_status lt_edit_joint_pass(lt_edit *e, const lt_tensor *all_source);

/* One step of one block of this rank. all_source as above. */
LT_NODISCARD lt_status lt_edit_block_step(lt_edit *e, int64_t block,
                                          const lt_tensor *all_source);

#endif
