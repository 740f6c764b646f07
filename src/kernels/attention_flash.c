#include "kernels/attention_flash.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

/* The most bytes of packed keys and values: above it every tile packs the blocks it needs
 * by itself. And those that stay in the second cache: up to it a thread takes the heads of
 * the same queries one after the other, above it the queries of the same head. Neither
 * changes a bit. */
static const size_t packed_limit = (size_t)512 << 20, cached_limit = (size_t)1 << 20;

/* So few queries are one tile: who attends packs the keys, and finds them in its cache. */
enum { FEW_ROWS = 256 };

typedef struct job {
    const lt_flash_path *path;
    const lt_attention_args *a;
    lt_attention_dims g;
    int64_t dk, dv;
    int rows;                /* of a tile */
    int64_t q_tiles;         /* tiles of one head of one set */
    int head_first;          /* tiles count the heads first, then the tiles of a head */
    int own_keys;            /* every set has keys, or a list, of its own */
    int64_t blocks;          /* of the set with the most keys */
    int64_t first_set;       /* sets in this round: all, or one with keys of its own */
    size_t k_bytes, v_bytes; /* of a packed block */
    size_t block_bytes;      /* k and all v */
    char *packed;            /* [heads][blocks][block_bytes]; NULL: pack in the tile */
    char *work;              /* [workers][work_bytes] */
    size_t work_bytes;
} job;

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
static size_t line(size_t bytes) { return (bytes + 63) / 64 * 64; }

static lt_flash_rows rows_of(const lt_tensor *t, int64_t set, int64_t head,
                             const lt_attention_dims *g)
{
    const int bf16 = t->dtype == LT_BF16;
    const int64_t first = set * t->shape[1] * g->width + head * g->d;
    return (lt_flash_rows){ .data =
                                (const char *)t->data + (size_t)first * (bf16 ? 2 : 4),
                            .bf16 = bf16,
                            .stride = g->width,
                            .d = g->d };
}

/* Pack keys [first, first + n) of a set's sequence and their values. */
static void pack_block(const job *b, int64_t set, int64_t head, int64_t first, int n,
                       char *to)
{
    const lt_attention_args *a = b->a;
    const int64_t kv_set = b->g.kv_sets == 1 ? 0 : set;
    for (int i = -1; i < a->n_values; i++) {
        lt_flash_rows src = rows_of(i < 0 ? a->k : a->v[i], kv_set, head, &b->g);
        src.index = a->index ? a->index[set] : NULL;
        src.first = first;
        src.n = n;
        if (i < 0)
            b->path->pack_k(to, &src, b->dk, b->path->keys);
        else
            b->path->pack_v(to + b->k_bytes + (size_t)i * b->v_bytes, &src, b->dv,
                            b->path->keys);
    }
}

static int64_t count_blocks(const job *b, int64_t n_keys)
{
    return (n_keys + b->path->keys - 1) / b->path->keys;
}

static int keys_left(const job *b, int64_t n_keys, int64_t block)
{
    const int64_t left = n_keys - block * b->path->keys;
    return left < b->path->keys ? (int)left : b->path->keys;
}

static char *packed_block(const job *b, int64_t head, int64_t block)
{
    return b->packed + (size_t)(head * b->blocks + block) * b->block_bytes;
}

/* One block of keys for all heads: whole rows, which the processor reads ahead. */
static lt_status pack_task(void *arg, int64_t block, int worker)
{
    const job *b = arg;
    (void)worker;
    const int64_t n_keys = lt_attention_n_keys(b->a, &b->g, b->first_set);
    for (int64_t head = 0; head < b->g.heads; head++)
        pack_block(b, b->first_set, head, block * b->path->keys,
                   keys_left(b, n_keys, block), packed_block(b, head, block));
    return LT_OK;
}

static int sum_lanes(const job *b) { return b->path->lanes ? 1 : LT_FLASH_LANES; }

/* Lay out a worker's memory; with t == NULL only count it. */
static size_t lay_out(const job *b, char *at, lt_flash_tile *t, char **block)
{
    const size_t rows = (size_t)b->rows;
    const size_t acc = rows * (size_t)b->dv * sizeof(float),
                 second = b->a->n_values > 1 ? acc : 0;
    size_t n = 0;
    const size_t sizes[] = {
        rows * (size_t)b->dk * (size_t)b->path->elem,
        rows * sizeof(float),
        rows * (size_t)sum_lanes(b) * sizeof(float),
        b->path->scratch,
        b->packed ? 0 : b->block_bytes,
        acc,
        second,
        b->path->lanes ? acc : 0,
        b->path->lanes ? second : 0,
    };
    enum { PARTS = sizeof(sizes) / sizeof(*sizes) };
    char *part[PARTS];
    for (int i = 0; i < PARTS; i++) {
        part[i] = at ? at + n : NULL;
        n += line(sizes[i]);
    }
    if (t) {
        t->q = part[0];
        t->max = (float *)(void *)part[1];
        t->sum = (float *)(void *)part[2];
        t->scratch = part[3];
        *block = part[4];
        for (int v = 0; v < LT_MAX_VALUES; v++) {
            t->acc[v] = (float *)(void *)part[5 + v];
            t->lanes[v] = (float *)(void *)part[7 + v];
        }
    }
    return n;
}

/* A tile's place in the tensors. */
typedef struct place {
    int64_t set, head, first_row;
    int rows;      /* that exist */
    int64_t stat;  /* first element in state->max and sum */
    int64_t value; /* first element in q, out and state->acc; rows are width apart */
} place;

static place place_of(const job *b, int64_t tile)
{
    const lt_attention_dims *g = &b->g;
    place p;
    const int64_t q_tile = b->head_first ? tile / g->heads : tile;
    p.head = b->head_first ? tile % g->heads : tile / b->q_tiles % g->heads;
    p.first_row = q_tile % b->q_tiles * b->rows;
    p.set = b->first_set + tile / b->q_tiles / g->heads;
    p.rows = (int)(g->n_q - p.first_row < b->rows ? g->n_q - p.first_row : b->rows);
    p.stat = (p.set * g->heads + p.head) * g->n_q + p.first_row;
    p.value = (p.set * g->n_q + p.first_row) * g->width + p.head * g->d;
    return p;
}

static void load_tile(const job *b, const place *p, lt_flash_tile *t)
{
    const lt_attention_state *s = b->a->state;
    const size_t rows = (size_t)t->rows;
    const int lanes = sum_lanes(b);
    memset(t->sum, 0, rows * (size_t)lanes * sizeof(float));
    for (int r = 0; r < t->rows; r++) {
        const int old = s && r < p->rows;
        t->max[r] = old ? lt_f32(&s->max)[p->stat + r] : -INFINITY;
        if (old) t->sum[r * lanes] = lt_f32(&s->sum)[p->stat + r];
    }
    for (int v = 0; v < t->n_values && !(b->path->lanes && t->fresh); v++) {
        memset(t->acc[v], 0, rows * (size_t)b->dv * sizeof(float));
        for (int r = 0; s && r < p->rows; r++)
            memcpy(t->acc[v] + r * b->dv, lt_f32(&s->acc[v]) + p->value + r * b->g.width,
                   (size_t)b->g.d * sizeof(float));
    }
    lt_flash_rows src = rows_of(b->a->q, p->set, p->head, &b->g);
    src.first = p->first_row;
    src.n = p->rows;
    memset((void *)t->q, 0, rows * (size_t)b->dk * (size_t)b->path->elem);
    b->path->pack_q((void *)t->q, &src, b->dk, b->a->scale < 0 ? -1.0f : 1.0f);
}

static float total(const float *lanes)
{
    float s[LT_FLASH_LANES / 2];
    for (int i = 0; i < LT_FLASH_LANES / 2; i++) s[i] = lanes[i] + lanes[i + 8];
    for (int n = LT_FLASH_LANES / 4; n >= 1; n /= 2)
        for (int i = 0; i < n; i++) s[i] = s[i] + s[i + n];
    return s[0];
}

static void store_tile(const job *b, const place *p, const lt_flash_tile *t)
{
    const lt_attention_state *s = b->a->state;
    for (int r = 0; r < p->rows; r++) {
        const float sum = b->path->lanes ? t->sum[r] : total(t->sum + r * LT_FLASH_LANES);
        const int64_t at = p->value + r * b->g.width;
        if (s) {
            lt_f32(&s->max)[p->stat + r] = t->max[r];
            lt_f32(&s->sum)[p->stat + r] = sum;
        }
        for (int v = 0; v < t->n_values; v++) {
            const float *acc = t->acc[v] + r * b->dv;
            if (s)
                memcpy(lt_f32(&s->acc[v]) + at, acc, (size_t)b->g.d * sizeof(float));
            else
                lt_attention_write_row(b->a->out[v], at, acc, sum, b->g.d);
        }
    }
}

static void walk(const job *b, const place *p, lt_flash_tile *t, char *own)
{
    int64_t n_keys = lt_attention_n_keys(b->a, &b->g, p->set);
    if (b->a->causal && n_keys > p->first_row + p->rows) n_keys = p->first_row + p->rows;
    for (int64_t i = 0; i < count_blocks(b, n_keys); i++) {
        const int n = keys_left(b, n_keys, i);
        const char *block = own;
        if (b->packed)
            block = packed_block(b, p->head, i);
        else
            pack_block(b, p->set, p->head, i * b->path->keys, n, own);
        const void *v[LT_MAX_VALUES] = { block + b->k_bytes,
                                         block + b->k_bytes + b->v_bytes };
        b->path->block(t, block, v, i * b->path->keys, n);
    }
}

static lt_status attend_tile(void *arg, int64_t tile, int worker)
{
    const job *b = arg;
    const place p = place_of(b, tile);
    char *own = NULL;
    lt_flash_tile t = { .d = b->g.d,
                        .dk = b->dk,
                        .dv = b->dv,
                        .rows = (int)round_up(p.rows, b->path->row_group),
                        .n_values = b->a->n_values,
                        .causal = b->a->causal,
                        .first_row = p.first_row,
                        .fresh = !b->a->state,
                        .factor = fmaxf(fabsf(b->a->scale) * (float)M_LOG2E, 1e-30f) };
    lay_out(b, b->work + (size_t)worker * b->work_bytes, &t, &own);
    load_tile(b, &p, &t);
    b->path->begin(&t);
    walk(b, &p, &t, own);
    b->path->end(&t);
    store_tile(b, &p, &t);
    return LT_OK;
}

static lt_status run(job *b, lt_threads *threads)
{
    lt_status st = LT_OK;
    const lt_attention_dims *g = &b->g;
    const int64_t rounds = b->packed && b->own_keys ? g->sets : 1;
    for (int64_t i = 0; i < rounds; i++) {
        b->first_set = i;
        const int64_t blocks = count_blocks(b, lt_attention_n_keys(b->a, g, i));
        if (b->packed) LT_TRY(lt_parallel_for(threads, blocks, pack_task, b));
        LT_TRY(lt_parallel_for(threads, g->sets / rounds * g->heads * b->q_tiles,
                               attend_tile, b));
    }
cleanup:
    return st;
}

static job new_job(const lt_flash_path *path, const lt_attention_args *a,
                   const lt_attention_dims *g)
{
    job b = { .path = path, .a = a, .g = *g };
    b.dk = round_up(g->d, path->dk_align);
    b.dv = round_up(g->d, path->dv_align);
    b.rows = g->d <= 128 || path->lanes ? path->rows : path->rows / 2;
    if (path->lanes && g->n_q <= FEW_ROWS)
        b.rows = (int)round_up(g->n_q, path->row_group);
    b.q_tiles = (g->n_q + b.rows - 1) / b.rows;
    b.k_bytes = (size_t)path->keys * (size_t)b.dk * (size_t)path->elem;
    b.v_bytes = (size_t)path->keys * (size_t)b.dv * (size_t)path->elem;
    b.block_bytes = b.k_bytes + (size_t)a->n_values * b.v_bytes;
    b.own_keys = g->kv_sets > 1 || a->index;
    for (int64_t s = 0; s < g->sets; s++) {
        const int64_t blocks = count_blocks(&b, lt_attention_n_keys(a, g, s));
        if (blocks > b.blocks) b.blocks = blocks;
    }
    return b;
}

lt_status lt_flash_attention(const lt_flash_path *path, const lt_exec *x,
                             const lt_attention_args *a)
{
    lt_status st = LT_OK;
    lt_attention_dims g;
    lt_tensor packed = { 0 }, work = { 0 };
    LT_TRY(lt_attention_check(a, &g));
    if (g.sets * g.n_q * g.width == 0) goto cleanup;

    job b = new_job(path, a, &g);
    const double bytes = (double)g.heads * (double)b.blocks * (double)b.block_bytes;
    b.head_first = bytes <= (double)cached_limit;
    const int sets_share = !b.own_keys && g.sets > 1;
    if (bytes > 0 && bytes <= (double)packed_limit && (b.q_tiles > 1 || sets_share)) {
        LT_TRY(LT_TENSOR_NEW(&packed, x->pool, LT_U8, (int64_t)bytes));
        b.packed = packed.data;
    }
    b.work_bytes = lay_out(&b, NULL, NULL, NULL);
    LT_TRY(LT_TENSOR_NEW(&work, x->pool, LT_U8, lt_threads_count(x->threads),
                         (int64_t)b.work_bytes));
    b.work = work.data;
    LT_TRY(run(&b, x->threads));
cleanup:
    lt_tensor_free(&packed);
    lt_tensor_free(&work);
    return st;
}
