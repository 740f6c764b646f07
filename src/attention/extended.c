#include "attention/extended.h"

#include <stdlib.h>
#include <string.h>

/* One joint attention: q of the own keyframes against k and v of all. */
typedef struct joint {
    lt_extended *e;
    const lt_exec *x;
    const lt_attention_site *site;
    const lt_slim_grid *lists; /* NULL: all tokens */
    int64_t first_own, n_own;  /* keyframes of this rank */
    int64_t tokens;            /* S */
    lt_dtype dtype;
    int n_values;
    const lt_tensor *q, *k; /* [n_own, S, C] */
    const lt_tensor *v[LT_MAX_VALUES];
    lt_attention_state state;
} joint;

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t count_chunks(const joint *j)
{
    if (j->lists) return j->lists->n_chunks;
    return (j->e->n_keyframes + LT_KEYFRAME_CHUNK - 1) / LT_KEYFRAME_CHUNK;
}

/* Its first keyframe; of the one behind the last: K. */
static int64_t chunk_begin(const joint *j, int64_t chunk)
{
    if (j->lists) return j->lists->chunk[chunk];
    return min64(chunk * LT_KEYFRAME_CHUNK, j->e->n_keyframes);
}

/* The first position in [from, to) of an ascending list whose token is no less. */
static int64_t lower_bound(const int32_t *token, int64_t from, int64_t to, int64_t least)
{
    while (from < to) {
        const int64_t mid = from + (to - from) / 2;
        if (token[mid] < least)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* Positions [*from, *to) of the shared list that belong to keyframes [k0, k1) of a
 * chunk. */
static void list_range(const joint *j, int64_t chunk, int64_t k0, int64_t k1,
                       int64_t *from, int64_t *to)
{
    const lt_token_list *l = &j->lists->list[0];
    const int64_t base = chunk_begin(j, chunk), end = l->chunk_from[chunk + 1];
    *from = lower_bound(l->token, l->chunk_from[chunk], end, (k0 - base) * j->tokens);
    *to = lower_bound(l->token, *from, end, (k1 - base) * j->tokens);
}

static int is_shared(const joint *j)
{
    return j->lists && j->e->slim->mode == LT_SLIMMING_SHARED;
}

/* Rows that keyframes [k0, k1) contribute to a chunk. */
static int64_t rows_of(const joint *j, int64_t chunk, int64_t k0, int64_t k1)
{
    int64_t from, to;
    if (!is_shared(j)) return (k1 - k0) * j->tokens;
    list_range(j, chunk, k0, k1, &from, &to);
    return to - from;
}

/* Keyframes of rank r inside a chunk: [*k0, *k1), possibly empty. */
static void rank_range(const joint *j, int r, int64_t chunk, int64_t *k0, int64_t *k1)
{
    int64_t first = 0;
    for (int i = 0; i < r; i++) first += j->e->rank_keyframes[i];
    const int64_t c0 = chunk_begin(j, chunk), c1 = chunk_begin(j, chunk + 1);
    *k0 = min64(max64(first, c0), c1);
    *k1 = max64(min64(first + j->e->rank_keyframes[r], c1), *k0);
}

/* This rank's rows of a chunk of t ([n_own, S, C]): a view, or a copy of listed ones. */
static lt_status own_rows(const joint *j, const lt_tensor *t, int64_t chunk,
                          lt_tensor *part)
{
    int64_t k0, k1, from, to;
    rank_range(j, lt_comm_rank(j->e->comm), chunk, &k0, &k1);
    const int64_t c = j->site->heads * j->site->head_dim;
    /* an empty range may start outside this rank's keyframes */
    lt_tensor frames = lt_tensor_rows(t, k1 > k0 ? k0 - j->first_own : 0, k1 - k0);
    lt_tensor rows = LT_RESHAPE(&frames, (k1 - k0) * j->tokens, c);
    lt_tensor_free(&frames);
    if (!is_shared(j)) {
        *part = rows;
        return LT_OK;
    }
    const lt_token_list *l = &j->lists->list[0];
    list_range(j, chunk, k0, k1, &from, &to);
    const int64_t skip = (k0 - chunk_begin(j, chunk)) * j->tokens;
    lt_tensor picked = { 0 }, index = { 0 };
    lt_status st = LT_TENSOR_NEW(&picked, j->x->pool, t->dtype, to - from, c);
    if (st == LT_OK) st = LT_TENSOR_NEW(&index, j->x->pool, LT_I32, to - from);
    for (int64_t i = from; st == LT_OK && i < to; i++)
        lt_i32(&index)[i - from] = (int32_t)(l->token[i] - skip);
    if (st == LT_OK && to > from) st = j->x->k->gather_rows(j->x, &rows, &index, &picked);
    lt_tensor_free(&rows);
    lt_tensor_free(&index);
    if (st == LT_OK)
        *part = picked;
    else
        lt_tensor_free(&picked);
    return st;
}

/* Collective. The rows of a chunk from all ranks as [1, rows, C]. */
static lt_status gather_chunk(const joint *j, const lt_tensor *t, int64_t chunk,
                              lt_tensor *out)
{
    lt_status st = LT_OK;
    lt_tensor part = { 0 }, whole = { 0 };
    const int size = lt_comm_size(j->e->comm), me = lt_comm_rank(j->e->comm);
    const int64_t c = j->site->heads * j->site->head_dim;
    int64_t total = 0, *rows = calloc((size_t)size, sizeof(*rows));
    if (!rows) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (gather)"));
    for (int r = 0; r < size; r++) {
        int64_t k0, k1;
        rank_range(j, r, chunk, &k0, &k1);
        total += rows[r] = rows_of(j, chunk, k0, k1);
    }
    LT_TRY(own_rows(j, t, chunk, &part));
    if (size == 1) {
        *out = LT_RESHAPE(&part, 1, total, c);
        goto cleanup;
    }
    LT_TRY(LT_TENSOR_NEW(&whole, j->x->pool, t->dtype, total, c));
    LT_TRY(lt_comm_gather_rows(j->e->comm, &part, rows, &whole, j->x->stream));
    j->e->bytes_gathered += (total - rows[me]) * c * (int64_t)lt_dtype_size(t->dtype);
    *out = LT_RESHAPE(&whole, 1, total, c);
cleanup:
    lt_tensor_free(&part);
    lt_tensor_free(&whole);
    free(rows);
    return st;
}

/* Index lists of a chunk, one a query keyframe; all NULL without slimming. */
typedef struct chunk_lists {
    const int32_t **list; /* [n_own] */
    int64_t *n;           /* [n_own] */
    int32_t *buffer;      /* what `list` points into, shared mode */
} chunk_lists;

static void chunk_lists_free(chunk_lists *l)
{
    free(l->list);
    free(l->n);
    free(l->buffer);
}

/* Shared mode: the gathered rows are the listed tokens of the chunk in order; a query
 * frame leaves out its own, which it sees anyway. */
static void shared_lists(const joint *j, int64_t chunk, chunk_lists *l)
{
    const lt_token_list *all = &j->lists->list[0];
    const int64_t first = all->chunk_from[chunk], n = all->chunk_from[chunk + 1] - first;
    int32_t *at = l->buffer;
    for (int64_t s = 0; s < j->n_own; s++) {
        const int64_t own = j->first_own + s - chunk_begin(j, chunk);
        l->list[s] = at;
        for (int64_t i = 0; i < n; i++)
            if (all->token[first + i] / j->tokens != own) *at++ = (int32_t)i;
        l->n[s] = at - l->list[s];
    }
}

static lt_status chunk_lists_make(const joint *j, int64_t chunk, chunk_lists *l)
{
    memset(l, 0, sizeof(*l));
    if (!j->lists) return LT_OK;
    const size_t n = (size_t)(j->n_own ? j->n_own : 1);
    l->list = malloc(n * sizeof(*l->list));
    l->n = malloc(n * sizeof(*l->n));
    const lt_token_list *first = &j->lists->list[0];
    if (is_shared(j))
        l->buffer = malloc(
            n * (size_t)(first->chunk_from[chunk + 1] - first->chunk_from[chunk] + 1) *
            sizeof(*l->buffer));
    if (!l->list || !l->n || (is_shared(j) && !l->buffer)) {
        chunk_lists_free(l);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (slim lists)");
    }
    if (is_shared(j)) {
        shared_lists(j, chunk, l);
        return LT_OK;
    }
    for (int64_t s = 0; s < j->n_own; s++) {
        const lt_token_list *t = &j->lists->list[s];
        l->list[s] = t->token + t->chunk_from[chunk];
        l->n[s] = t->chunk_from[chunk + 1] - t->chunk_from[chunk];
    }
    return LT_OK;
}

/* Fold k and v (as [1 or n_own, n, C]) into the running softmax. */
static lt_status fold(joint *j, const lt_tensor *k, const lt_tensor *v,
                      const chunk_lists *l)
{
    lt_attention_args a = { .q = j->q,
                            .k = k,
                            .n_values = j->n_values,
                            .heads = j->site->heads,
                            .scale = j->site->scale,
                            .index = l ? l->list : NULL,
                            .n_index = l ? l->n : NULL,
                            .state = &j->state };
    for (int i = 0; i < j->n_values; i++) a.v[i] = &v[i];
    return j->x->k->attention(j->x, &a);
}

static lt_status fold_chunk(joint *j, int64_t chunk)
{
    lt_status st = LT_OK;
    lt_tensor k = { 0 }, v[LT_MAX_VALUES] = { { 0 } };
    chunk_lists l = { 0 };
    LT_TRY(gather_chunk(j, j->k, chunk, &k));
    for (int i = 0; i < j->n_values; i++) LT_TRY(gather_chunk(j, j->v[i], chunk, &v[i]));
    if (j->n_own == 0) goto cleanup; /* only here for the gathers */
    LT_TRY(chunk_lists_make(j, chunk, &l));
    LT_TRY(fold(j, &k, v, j->lists ? &l : NULL));
cleanup:
    chunk_lists_free(&l);
    lt_tensor_free(&k);
    for (int i = 0; i < LT_MAX_VALUES; i++) lt_tensor_free(&v[i]);
    return st;
}

static lt_status fold_own(joint *j)
{
    lt_tensor v[LT_MAX_VALUES];
    for (int i = 0; i < j->n_values; i++) v[i] = *j->v[i]; /* borrowed for the call */
    return fold(j, j->k, v, NULL);
}

/* Collective. out[i] = joint attention with value set i; out is unused with n_own = 0. */
static lt_status joint_run(joint *j, lt_tensor *const *out)
{
    lt_status st = LT_OK;
    const int64_t n_chunks = count_chunks(j);
    if (j->n_own)
        LT_TRY(lt_attention_state_new(j->x, j->n_own, j->tokens, j->site->heads,
                                      j->site->head_dim, j->n_values, &j->state));
    for (int64_t c = 0; c < n_chunks; c++) LT_TRY(fold_chunk(j, c));
    if (j->n_own && is_shared(j)) LT_TRY(fold_own(j));
    if (j->n_own) LT_TRY(j->x->k->attention_finish(j->x, &j->state, out));
cleanup:
    lt_attention_state_free(&j->state);
    return st;
}

static void joint_init(joint *j, lt_extended *e, const lt_exec *x,
                       const lt_attention_site *site)
{
    memset(j, 0, sizeof(*j));
    j->e = e;
    j->x = x;
    j->site = site;
    j->tokens = site->h * site->w;
    if (e->slim && e->slim->mode != LT_SLIMMING_NONE)
        j->lists = lt_slim_find(e->slim, j->tokens);
    for (int r = 0; r < lt_comm_rank(e->comm); r++) j->first_own += e->rank_keyframes[r];
    j->n_own = e->rank_keyframes[lt_comm_rank(e->comm)];
}

/* Joint attention of `count` branches from position `first` that share q and k. */
static lt_status joint_branches(lt_extended *e, const lt_attention_call *call,
                                const lt_tensor *q, const lt_tensor *k, int first,
                                int count)
{
    lt_status st = LT_OK;
    lt_tensor v[LT_MAX_VALUES] = { { 0 } }, out[LT_MAX_VALUES] = { { 0 } };
    lt_tensor *outs[LT_MAX_VALUES];
    const int64_t n = call->batch->n_frames;
    joint j;
    joint_init(&j, e, call->x, call->site);
    j.q = q;
    j.k = k;
    j.n_values = count;
    for (int i = 0; i < count; i++) {
        LT_TRY(lt_branch_project(call, LT_V, first + i, &v[i]));
        LT_TRY(lt_site_tensor(call, n, &out[i]));
        j.v[i] = &v[i];
        outs[i] = &out[i];
    }
    LT_TRY(joint_run(&j, outs));
    for (int i = 0; i < count; i++)
        LT_TRY(lt_site_output(call, &out[i], (first + i) * n, n));
cleanup:
    for (int i = 0; i < LT_MAX_VALUES; i++) {
        lt_tensor_free(&v[i]);
        lt_tensor_free(&out[i]);
    }
    return st;
}

/* q and k come from the source branch: its own attention first, then all edit branches
 * with the same softmax weights. */
static lt_status injected_site(lt_extended *e, const lt_attention_call *call)
{
    lt_status st = LT_OK;
    lt_tensor q = { 0 }, k = { 0 }, v = { 0 };
    const lt_batch *b = call->batch;
    LT_TRY(lt_branch_project(call, LT_Q, 0, &q));
    LT_TRY(lt_branch_project(call, LT_K, 0, &k));
    LT_TRY(lt_branch_project(call, LT_V, 0, &v));
    LT_TRY(lt_branch_attend(call, 0, &q, &k, &v));
    for (int i = 1; i < b->n_branches; i += LT_MAX_VALUES)
        LT_TRY(joint_branches(e, call, &q, &k, i,
                              (int)min64(b->n_branches - i, LT_MAX_VALUES)));
cleanup:
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&v);
    return st;
}

static lt_status joint_branch(lt_extended *e, const lt_attention_call *call, int position)
{
    lt_status st = LT_OK;
    lt_tensor q = { 0 }, k = { 0 };
    LT_TRY(lt_branch_project(call, LT_Q, position, &q));
    LT_TRY(lt_branch_project(call, LT_K, position, &k));
    LT_TRY(joint_branches(e, call, &q, &k, position, 1));
cleanup:
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    return st;
}

static lt_status extended(void *self, const lt_attention_call *call)
{
    lt_extended *e = self;
    const lt_batch *b = call->batch;
    lt_status st = LT_OK;
    const int source = lt_batch_find(b, LT_BRANCH_SOURCE);
    if (source == 0 && lt_inject_site(e->inject, call->site))
        return injected_site(e, call);
    if (source == 0) LT_TRY(lt_site_plain(call, 0, b->n_frames));
    for (int i = source == 0; i < b->n_branches; i++) LT_TRY(joint_branch(e, call, i));
cleanup:
    return st;
}

static lt_status hidden(void *self, const lt_hidden_call *call)
{
    return lt_inject_hidden(((const lt_extended *)self)->inject, call);
}

static int drop(void *self, int up_block, int resnet, int attention,
                const lt_batch *batch)
{
    (void)attention;
    const lt_extended *e = self;
    const int keep = e->keep_source || (e->inject && e->inject->attention);
    return lt_inject_drop(e->inject, keep, up_block, resnet, batch);
}

lt_policy lt_extended_policy(lt_extended *e)
{
    return (lt_policy){
        .self = e, .self_attention = extended, .hidden = hidden, .drop_branches = drop
    };
}

/* The gathers of one site, as a rank that holds nothing sees them. */
static lt_status follow_site(lt_extended *e, const lt_exec *x,
                             const lt_attention_site *site, int edit_branches)
{
    lt_status st = LT_OK;
    const int injected = lt_inject_site(e->inject, site);
    const int together = injected ? LT_MAX_VALUES : 1;
    lt_tensor none = { 0 };
    LT_TRY(LT_TENSOR_NEW(&none, x->pool, x->k->compute, 0, site->h * site->w,
                         site->heads * site->head_dim));
    for (int i = 0; i < edit_branches; i += together) {
        joint j;
        joint_init(&j, e, x, site);
        j.q = j.k = &none;
        j.n_values = (int)min64(edit_branches - i, together);
        for (int v = 0; v < j.n_values; v++) j.v[v] = &none;
        LT_TRY(joint_run(&j, NULL));
    }
cleanup:
    lt_tensor_free(&none);
    return st;
}

lt_status lt_extended_follow(lt_extended *e, const lt_exec *x, const lt_unet *unet,
                             int64_t h, int64_t w, int edit_branches)
{
    for (int i = 0; i < lt_unet_n_sites(unet); i++) {
        lt_attention_site site;
        lt_status st = lt_unet_site(unet, i, h, w, &site);
        if (st == LT_OK) st = follow_site(e, x, &site, edit_branches);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}
