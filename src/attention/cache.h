#ifndef LT_ATTENTION_CACHE_H
#define LT_ATTENTION_CACHE_H

#include "comm/comm.h"
#include "models/unet.h"

/* Recorded self-attention of keyframes: what propagation gathers from.
 *
 * For each site what to_out returned (before the residual), and, where frames are matched
 * during the edit, the source branch's normalised inputs as unit rows; where frames
 * attend to keyframes, the keys and values, too; all in the compute dtype. Reused from
 * step to step. Frames are the own keyframes, 0 .. n - 1; frame -1 is the keyframe in
 * front of them, received from the rank that holds it (of it only out and rows). */
typedef struct lt_recorded_site {
    lt_batch batch;   /* the branches and frames that were live at the site */
    lt_tensor out;    /* [n_branches * n_frames, h*w, channels], empty until recorded */
    lt_tensor rows;   /* [n_frames, h*w, channels], or empty */
    lt_tensor k, v;   /* like out, or empty */
    lt_tensor before; /* [n_branches, h*w, channels] of frame -1, or empty */
    lt_tensor before_rows; /* [1, h*w, channels] of frame -1, or empty */
} lt_recorded_site;

typedef struct lt_attention_cache {
    int n_sites;
    lt_recorded_site *site; /* [n_sites] */
} lt_attention_cache;

/* Room for n_sites sites.  Errors: NOMEM. */
LT_NODISCARD lt_status lt_attention_cache_open(lt_attention_cache *c, int n_sites);
void lt_attention_cache_close(lt_attention_cache *c); /* frees and zeroes */

/* Forget what was recorded, give the memory back to the pool. */
void lt_attention_cache_clear(lt_attention_cache *c);

/* Policy "recorded": what `inner` (or plain attention) returns is kept in `cache`. */
typedef struct lt_record_attention {
    lt_policy inner;
    lt_attention_cache *cache;
    int with_rows; /* 1: the source's unit rows, too; the source must be live everywhere */
    int with_keys; /* 1: keys and values of every live branch, too */
} lt_record_attention;
lt_policy lt_record_policy(lt_record_attention *r);

/* The rows of one branch and frame of a recorded site: [h*w, channels], a counted view;
 * free it.  Errors: INTERNAL (not recorded). */
LT_NODISCARD lt_status lt_attention_cache_frame(const lt_attention_cache *c, int site,
                                                lt_branch branch, int64_t frame,
                                                lt_tensor *view);
/* Likewise its keys and values, [1, h*w, channels] each (NULL: not
 * wanted); free them. */
LT_NODISCARD lt_status lt_attention_cache_keys(const lt_attention_cache *c, int site,
                                               lt_branch branch, int64_t frame,
                                               lt_tensor *k, lt_tensor *v);
/* Likewise the unit rows of the source's inputs. */
LT_NODISCARD lt_status lt_attention_cache_rows(const lt_attention_cache *c, int site,
                                               int64_t frame, lt_tensor *view);

/* The normalised inputs of the branch at `position` (the source) of a call as unit rows:
 * *rows [n_frames * h*w, channels] in the compute dtype is the caller's. Errors: NOMEM. */
LT_NODISCARD lt_status lt_source_rows(const lt_attention_call *call, int position,
                                      lt_tensor *rows);

/* Who passes its last keyframe to whom. Ranks form a chain; -1: nobody. To keep the chain
 * from waiting for itself every second rank sends first. */
typedef struct lt_cache_neighbours {
    int to, from;
    int send_first;
} lt_cache_neighbours;

/* Collective over the ranks of the chain; all have recorded the same sites and branches.
 * Hand the own last keyframe to `to`, receive frame -1 from `from`. Without `from` the
 * cache has no frame -1.
 *   bytes_received  grows by the payload
 * Errors: NOMEM (before anything was sent: agree first, see lt_attention_cache_room),
 * COMM. */
LT_NODISCARD lt_status lt_attention_cache_pass(lt_attention_cache *c, lt_comm *comm,
                                               const lt_cache_neighbours *n,
                                               int64_t *bytes_received);

/* Room for frame -1 at every recorded site, before lt_attention_cache_pass. Errors:
 * NOMEM. */
LT_NODISCARD lt_status lt_attention_cache_room(lt_attention_cache *c, const lt_exec *x);

#endif
