#include "kernels/attention_amx_rows.h"

/* bf16 attention with AMX, softmax in f32 with AVX-512: units of 32 rows x 128 keys. The
 * scores of the next unit are interleaved with the softmax of this one, so that tiles and
 * vectors work at the same time. */

enum { KEYS = LT_AMX_KEYS, ROWS = LT_AMX_ROWS, GROUP = LT_AMX_GROUP };

typedef struct scratch {
    float s[2][ROWS * KEYS];
    uint16_t w[ROWS * KEYS];
} scratch;

/* out[ROWS][dv] += w[ROWS][n keys] v. The running sum stays in the tiles: adding a block
 * summed by itself (as the f32 paths do) would cost more than bf16 weights deserve. */
static void add_values(const uint16_t *w, const uint16_t *v, int64_t dv, int n,
                       float *out)
{
    const int64_t step = dv * 4;
    int64_t c = 0;
    LT_TILES_FENCE();
    for (; c + 32 <= dv; c += 32) {
        float *o = out + c;
        LT_TILE_LOAD(0, o, step);
        LT_TILE_LOAD(1, o + 16, step);
        LT_TILE_LOAD(2, o + 16 * dv, step);
        LT_TILE_LOAD(3, o + 16 * dv + 16, step);
        for (int j = 0; j < n; j += GROUP) {
            const uint16_t *b = v + j * dv + c * 32;
            LT_TILE_LOAD(4, w + j, KEYS * 2);
            LT_TILE_LOAD(6, b, 64);
            LT_TILE_DOT(0, 4, 6);
            LT_TILE_LOAD(7, b + LT_TILE, 64);
            LT_TILE_DOT(1, 4, 7);
            LT_TILE_LOAD(5, w + 16 * KEYS + j, KEYS * 2);
            LT_TILE_DOT(2, 5, 6);
            LT_TILE_DOT(3, 5, 7);
        }
        LT_TILE_STORE(0, o, step);
        LT_TILE_STORE(1, o + 16, step);
        LT_TILE_STORE(2, o + 16 * dv, step);
        LT_TILE_STORE(3, o + 16 * dv + 16, step);
    }
    if (c == dv) return;
    LT_TILE_LOAD(0, out + c, step);
    LT_TILE_LOAD(2, out + 16 * dv + c, step);
    for (int j = 0; j < n; j += GROUP) {
        LT_TILE_LOAD(4, w + j, KEYS * 2);
        LT_TILE_LOAD(6, v + j * dv + c * 32, 64);
        LT_TILE_DOT(0, 4, 6);
        LT_TILE_LOAD(5, w + 16 * KEYS + j, KEYS * 2);
        LT_TILE_DOT(2, 5, 6);
    }
    LT_TILE_STORE(0, out + c, step);
    LT_TILE_STORE(2, out + 16 * dv + c, step);
}

static inline void weigh_row(lt_flash_tile *t, int r, const float *s, uint16_t *w,
                             int seen)
{
    __m512 x[8];
    LT_UNROLL
    for (int i = 0; i < 8; i++) x[i] = _mm512_load_ps(s + 16 * i);
    if (seen == 0)
        for (int i = 0; i < 8; i++) x[i] = _mm512_setzero_ps();
    else if (seen == KEYS)
        weigh(t, r, x, 8, KEYS);
    else
        weigh(t, r, x, 8, seen);
    LT_UNROLL
    for (int i = 0; i < 8; i += 2) store_weights(w + 16 * i, x[i], x[i + 1]);
}

static void block(lt_flash_tile *t, const void *k, const void *const *v,
                  int64_t first_key, int n)
{
    scratch *m = t->scratch;
    const uint16_t *q = t->q;
    int unit = 0, turn = 0;
    while (unit < t->rows && lt_flash_visible(t, unit + ROWS - 1, first_key, n) == 0)
        unit += ROWS; /* causal: these rows see nothing yet */
    int seen = lt_flash_visible(t, unit + ROWS - 1, first_key, n);
    for (int j = 0; unit < t->rows && j < seen; j += GROUP)
        score_amx(q + unit * t->dk, k, t->dk, j, m->s[turn]);

    for (; unit < t->rows; unit += ROWS, turn ^= 1) {
        const int next = unit + ROWS;
        const int next_seen =
            next < t->rows ? lt_flash_visible(t, next + ROWS - 1, first_key, n) : 0;
        for (int part = 0; part < 4; part++) {
            if (part * GROUP < next_seen)
                score_amx(q + next * t->dk, k, t->dk, part * GROUP, m->s[turn ^ 1]);
            for (int r = part * 8; r < part * 8 + 8; r++)
                weigh_row(t, unit + r, m->s[turn] + r * KEYS, m->w + r * KEYS,
                          lt_flash_visible(t, unit + r, first_key, n));
        }
        for (int i = 0; i < t->n_values; i++)
            add_values(m->w, v[i], t->dv, seen, t->acc[i] + unit * t->dv);
        seen = next_seen;
    }
}

static void begin(lt_flash_tile *t)
{
    t->mode = _mm_getcsr();
    _mm_setcsr(t->mode | _MM_FLUSH_ZERO_ON); /* tiny weights cost much, change nothing */
    lt_tiles_begin();
}
static void end(lt_flash_tile *t)
{
    lt_tiles_end();
    _mm_setcsr(t->mode);
}

static const lt_flash_path amx_bf16 = { .keys = KEYS,
                                        .row_group = ROWS,
                                        .rows = 192,
                                        .elem = 2,
                                        .dk_align = 32,
                                        .dv_align = 16,
                                        .scratch = sizeof(scratch),
                                        .pack_q = pack_q_bf16,
                                        .pack_k = pack_k_bf16,
                                        .pack_v = pack_v_bf16,
                                        .block = block,
                                        .begin = begin,
                                        .end = end };

lt_status lt_attention_amx_bf16(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&amx_bf16, x, a);
}
