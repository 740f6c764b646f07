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
    for (int i = 0; i < c->n_sites; i++) {
        lt_tensor_free(&c->site[i].out);
        lt_tensor_free(&c->site[i].rows);
        lt_tensor_free(&c->site[i].k);
        lt_tensor_free(&c->site[i].v);
        lt_tensor_free(&c->site[i].before);
        lt_tensor_free(&c->site[i].before_rows);
    }
}

void lt_attention_cache_close(lt_attention_cache *c)
{
    if (!c->site) return;
    lt_attention_cache_clear(c);
    free(c->site);
    memset(c, 0, sizeof(*c));
}

/* ---- recording --------------------------------------------------------------------- */

/* *t becomes a tensor of this shape; one that has it already stays. */
static lt_status reuse(lt_tensor *t, const lt_exec *x, lt_dtype dtype, int ndim,
                       const int64_t *shape)
{
    int same = t->storage && t->dtype == dtype && t->ndim == ndim;
    for (int d = 0; same && d < ndim; d++) same = t->shape[d] == shape[d];
    if (same) return LT_OK;
    lt_tensor_free(t);
    return lt_tensor_new(t, x->pool, dtype, ndim, shape);
}

static lt_status keep(lt_attention_cache *c, const lt_attention_call *call)
{
    lt_recorded_site *rec = &c->site[call->site->index];
    const lt_tensor *out = call->out;
    const lt_status st = reuse(&rec->out, call->x, out->dtype, out->ndim, out->shape);
    if (st != LT_OK) return st;
    rec->batch = *call->batch;
    return lt_tensor_copy(&rec->out, out, call->x->stream);
}

/* Unit rows of the branch at `position` into out [n_frames * h*w, channels]. */
static lt_status unit_rows(const lt_attention_call *call, int position, lt_tensor *out)
{
    const int64_t n = call->batch->n_frames;
    lt_tensor part = lt_tensor_rows(call->in, position * n, n);
    lt_tensor in = LT_RESHAPE(&part, n * part.shape[1], part.shape[2]);
    const lt_status st = call->x->k->unit_rows(call->x, &in, out);
    lt_tensor_free(&part);
    lt_tensor_free(&in);
    return st;
}

lt_status lt_source_rows(const lt_attention_call *call, int position, lt_tensor *rows)
{
    lt_tensor made = { 0 };
    lt_status st =
        LT_TENSOR_NEW(&made, call->x->pool, call->in->dtype,
                      call->batch->n_frames * call->in->shape[1], call->in->shape[2]);
    if (st == LT_OK) st = unit_rows(call, position, &made);
    if (st == LT_OK)
        *rows = made;
    else
        lt_tensor_free(&made);
    return st;
}

static lt_status keep_rows(lt_attention_cache *c, const lt_attention_call *call)
{
    lt_recorded_site *rec = &c->site[call->site->index];
    const int source = lt_batch_find(call->batch, LT_BRANCH_SOURCE);
    const int64_t shape[3] = { call->batch->n_frames, call->in->shape[1],
                               call->in->shape[2] };
    if (source < 0)
        return LT_FAIL(LT_ERR_INTERNAL, "no source branch to match with (%s)",
                       call->site->path);
    lt_status st = reuse(&rec->rows, call->x, call->in->dtype, 3, shape);
    if (st != LT_OK) return st;
    lt_tensor flat = LT_RESHAPE(&rec->rows, shape[0] * shape[1], shape[2]);
    st = unit_rows(call, source, &flat);
    lt_tensor_free(&flat);
    return st;
}

static lt_status keep_keys(lt_attention_cache *c, const lt_attention_call *call)
{
    lt_status st = LT_OK;
    lt_recorded_site *rec = &c->site[call->site->index];
    const lt_tensor *in = call->in;
    LT_TRY(reuse(&rec->k, call->x, call->x->k->compute, in->ndim, in->shape));
    LT_TRY(reuse(&rec->v, call->x, call->x->k->compute, in->ndim, in->shape));
    LT_TRY(lt_site_project(call, LT_K, 0, in->shape[0], &rec->k));
    LT_TRY(lt_site_project(call, LT_V, 0, in->shape[0], &rec->v));
cleanup:
    return st;
}

static lt_status record_attention(void *self, const lt_attention_call *call)
{
    lt_record_attention *r = self;
    lt_status st = LT_OK;
    if (call->site->index < 0 || call->site->index >= r->cache->n_sites)
        return LT_FAIL(LT_ERR_INTERNAL, "no room to record %s", call->site->path);
    if (r->with_rows) LT_TRY(keep_rows(r->cache, call));
    if (r->with_keys) LT_TRY(keep_keys(r->cache, call));
    LT_TRY(r->inner.self_attention
               ? r->inner.self_attention(r->inner.self, call)
               : lt_site_plain(call, 0, call->batch->n_branches * call->batch->n_frames));
    LT_TRY(keep(r->cache, call));
cleanup:
    return st;
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

/* ---- reading ----------------------------------------------------------------------- */

/* Sample `row` of t as [h*w, channels]. */
static lt_tensor sample(const lt_tensor *t, int64_t row)
{
    lt_tensor one = lt_tensor_rows(t, row, 1);
    lt_tensor view = LT_RESHAPE(&one, one.shape[1], one.shape[2]);
    lt_tensor_free(&one);
    return view;
}

lt_status lt_attention_cache_frame(const lt_attention_cache *c, int site,
                                   lt_branch branch, int64_t frame, lt_tensor *view)
{
    const lt_recorded_site *rec = site >= 0 && site < c->n_sites ? &c->site[site] : NULL;
    const int at = rec && rec->out.storage ? lt_batch_find(&rec->batch, branch) : -1;
    if (at < 0 || frame < -1 || frame >= rec->batch.n_frames ||
        (frame < 0 && !rec->before.storage))
        return LT_FAIL(LT_ERR_INTERNAL,
                       "attention of site %d, branch %d, frame %lld was not recorded",
                       site, (int)branch, (long long)frame);
    *view = frame < 0 ? sample(&rec->before, at)
                      : sample(&rec->out, at * rec->batch.n_frames + frame);
    return LT_OK;
}

lt_status lt_attention_cache_keys(const lt_attention_cache *c, int site, lt_branch branch,
                                  int64_t frame, lt_tensor *k, lt_tensor *v)
{
    const lt_recorded_site *rec = site >= 0 && site < c->n_sites ? &c->site[site] : NULL;
    const int at = rec && rec->k.storage ? lt_batch_find(&rec->batch, branch) : -1;
    if (at < 0 || frame < 0 || frame >= rec->batch.n_frames)
        return LT_FAIL(LT_ERR_INTERNAL,
                       "keys of site %d, branch %d, frame %lld were not recorded", site,
                       (int)branch, (long long)frame);
    const int64_t row = at * rec->batch.n_frames + frame;
    if (k) *k = lt_tensor_rows(&rec->k, row, 1);
    if (v) *v = lt_tensor_rows(&rec->v, row, 1);
    return LT_OK;
}

lt_status lt_attention_cache_rows(const lt_attention_cache *c, int site, int64_t frame,
                                  lt_tensor *view)
{
    const lt_recorded_site *rec = site >= 0 && site < c->n_sites ? &c->site[site] : NULL;
    const lt_tensor *t = !rec ? NULL : frame < 0 ? &rec->before_rows : &rec->rows;
    if (!t || !t->storage || frame < -1 || frame >= rec->batch.n_frames)
        return LT_FAIL(LT_ERR_INTERNAL, "rows of site %d, frame %lld were not recorded",
                       site, (long long)frame);
    *view = sample(t, frame < 0 ? 0 : frame);
    return LT_OK;
}

/* ---- passing the last keyframe on -------------------------------------------------- */

lt_status lt_attention_cache_room(lt_attention_cache *c, const lt_exec *x)
{
    lt_status st = LT_OK;
    for (int i = 0; i < c->n_sites; i++) {
        lt_recorded_site *s = &c->site[i];
        const int64_t out[3] = { s->batch.n_branches, s->out.shape[1], s->out.shape[2] };
        const int64_t rows[3] = { 1, s->rows.shape[1], s->rows.shape[2] };
        if (s->out.storage) LT_TRY(reuse(&s->before, x, s->out.dtype, 3, out));
        if (s->rows.storage) LT_TRY(reuse(&s->before_rows, x, s->rows.dtype, 3, rows));
    }
cleanup:
    return st;
}

static lt_status send_sample(lt_comm *comm, const lt_tensor *t, int64_t row, int to)
{
    lt_tensor one = lt_tensor_rows(t, row, 1);
    const lt_status st = lt_comm_send(comm, one.data, lt_tensor_bytes(&one), to);
    lt_tensor_free(&one);
    return st;
}

static lt_status send_site(const lt_recorded_site *s, lt_comm *comm, int to)
{
    lt_status st = LT_OK;
    const int64_t n = s->batch.n_frames;
    for (int b = 0; b < s->batch.n_branches; b++)
        LT_TRY(send_sample(comm, &s->out, b * n + n - 1, to));
    if (s->rows.storage) LT_TRY(send_sample(comm, &s->rows, n - 1, to));
cleanup:
    return st;
}

static lt_status receive_site(lt_recorded_site *s, lt_comm *comm, int from,
                              int64_t *bytes)
{
    lt_status st = LT_OK;
    const size_t all = lt_tensor_bytes(&s->before);
    const size_t one = all / (size_t)s->batch.n_branches;
    for (int b = 0; b < s->batch.n_branches; b++)
        LT_TRY(
            lt_comm_receive(comm, (char *)s->before.data + (size_t)b * one, one, from));
    *bytes += (int64_t)all;
    if (s->rows.storage) {
        const size_t rows = lt_tensor_bytes(&s->before_rows);
        LT_TRY(lt_comm_receive(comm, s->before_rows.data, rows, from));
        *bytes += (int64_t)rows;
    }
cleanup:
    return st;
}

lt_status lt_attention_cache_pass(lt_attention_cache *c, lt_comm *comm,
                                  const lt_cache_neighbours *n, int64_t *bytes_received)
{
    lt_status st = LT_OK;
    for (int i = 0; i < c->n_sites; i++) {
        lt_recorded_site *s = &c->site[i];
        if (!s->out.storage) continue;
        if (n->send_first && n->to >= 0) LT_TRY(send_site(s, comm, n->to));
        if (n->from >= 0) LT_TRY(receive_site(s, comm, n->from, bytes_received));
        if (!n->send_first && n->to >= 0) LT_TRY(send_site(s, comm, n->to));
    }
cleanup:
    return st;
}
