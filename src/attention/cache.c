#include "attention/cache.h"

#include <stdlib.h>
#include <string.h>

#include "attention/inject.h"

lt_status lt_attention_cache_open(lt_attention_cache *c, int n_sites)
{
    lt_recorded_site *site = calloc((size_t)n_sites, sizeof(*site));
    if (!site) return LT_FAIL(LT_ERR_NOMEM, "out of memory (attention cache)");
    *c = (lt_attention_cache){ .n_sites = n_sites, .site = site };
    return LT_OK;
}

void lt_attention_cache_clear(lt_attention_cache *c)
{
    for (int i = 0; i < c->n_sites; i++) lt_tensor_free(&c->site[i].out);
}

void lt_attention_cache_close(lt_attention_cache *c)
{
    if (!c->site) return;
    lt_attention_cache_clear(c);
    free(c->site);
    memset(c, 0, sizeof(*c));
}

static lt_status keep(lt_attention_cache *c, const lt_attention_call *call)
{
    lt_recorded_site *rec = &c->site[call->site->index];
    lt_tensor *t = &rec->out;
    const lt_tensor *out = call->out;
    if (!t->storage || !lt_tensor_same_shape(t, out)) {
        lt_tensor_free(t);
        const lt_status st =
            lt_tensor_new(t, call->x->pool, out->dtype, out->ndim, out->shape);
        if (st != LT_OK) return st;
    }
    rec->batch = *call->batch;
    return lt_tensor_copy(t, out, call->x->stream);
}

static lt_status record_attention(void *self, const lt_attention_call *call)
{
    lt_record_attention *r = self;
    if (call->site->index < 0 || call->site->index >= r->cache->n_sites)
        return LT_FAIL(LT_ERR_INTERNAL, "no room to record %s", call->site->path);
    const lt_status st =
        r->inner.self_attention
            ? r->inner.self_attention(r->inner.self, call)
            : lt_site_plain(call, 0, call->batch->n_branches * call->batch->n_frames);
    return st == LT_OK ? keep(r->cache, call) : st;
}

static lt_status record_hidden(void *self, const lt_hidden_call *call)
{
    lt_record_attention *r = self;
    return r->inner.hidden ? r->inner.hidden(r->inner.self, call) : LT_OK;
}

static int record_drop(void *self, int up_block, int resnet, int attention,
                       const lt_batch *batch)
{
    lt_record_attention *r = self;
    return r->inner.drop_branches
               ? r->inner.drop_branches(r->inner.self, up_block, resnet, attention, batch)
               : 0;
}

lt_policy lt_record_policy(lt_record_attention *r)
{
    return (lt_policy){ .self = r,
                        .self_attention = record_attention,
                        .hidden = record_hidden,
                        .drop_branches = record_drop };
}

lt_status lt_attention_cache_frame(const lt_attention_cache *c, int site,
                                   lt_branch branch, int64_t frame, lt_tensor *view)
{
    const lt_recorded_site *rec = site >= 0 && site < c->n_sites ? &c->site[site] : NULL;
    const int at = rec && rec->out.storage ? lt_batch_find(&rec->batch, branch) : -1;
    if (at < 0 || frame < 0 || frame >= rec->batch.n_frames)
        return LT_FAIL(LT_ERR_INTERNAL,
                       "attention of site %d, branch %d, frame %lld was not recorded",
                       site, (int)branch, (long long)frame);
    lt_tensor row = lt_tensor_rows(&rec->out, at * rec->batch.n_frames + frame, 1);
    *view = LT_RESHAPE(&row, row.shape[1], row.shape[2]);
    lt_tensor_free(&row);
    return LT_OK;
}
