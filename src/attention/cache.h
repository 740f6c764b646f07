#ifndef LT_ATTENTION_CACHE_H
#define LT_ATTENTION_CACHE_H

#include "models/unet.h"

/* Recorded self-attention outputs of keyframes: what propagation gathers from.
 *
 * One tensor a site, [n_branches * n_frames, h*w, channels] in the compute dtype, what
 * to_out returned (before the residual). Reused from step to step. */
typedef struct lt_recorded_site {
    lt_tensor out;  /* empty until recorded */
    lt_batch batch; /* the branches and frames that were live at the site */
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
} lt_record_attention;
lt_policy lt_record_policy(lt_record_attention *r);

/* The rows of one branch and frame of a recorded site: [h*w, channels], a counted view;
 * free it.  Errors: INTERNAL (not recorded). */
LT_NODISCARD lt_status lt_attention_cache_frame(const lt_attention_cache *c, int site,
                                                lt_branch branch, int64_t frame,
                                                lt_tensor *view);

#endif
