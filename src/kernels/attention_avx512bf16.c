#include "kernels/attention_bf16.h"

/* bf16 attention with vdpbf16ps, softmax in f32: 6 rows x 64 scores, then 6 rows x up to
 * 64 channels, in 24 registers. */

enum { KEYS = LT_SCORE_KEYS, ROWS = LT_SCORE_ROWS };

typedef struct scratch {
    float s[ROWS * KEYS];
    uint16_t w[ROWS * KEYS];
} scratch;

/* out[ROWS][16 * nv] += w[ROWS][KEYS] v[KEYS][16 * nv], the block summed by itself. */
LT_INLINE void add_values(const uint16_t *w, const uint16_t *v, int64_t dv, float *out,
                          int nv)
{
    __m512 acc[ROWS][4];
    LT_UNROLL
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < nv; i++) acc[r][i] = _mm512_setzero_ps();
    for (int j = 0; j < KEYS; j += 2) {
        const uint16_t *at = v + j / 32 * 32 * dv + j % 32 * 16;
        __m512bh b[4];
        LT_UNROLL
        for (int i = 0; i < nv; i++) b[i] = load_bf16(at + i * LT_TILE);
        LT_UNROLL
        for (int r = 0; r < ROWS; r++) {
            const __m512bh x = two(w + r * KEYS + j);
            LT_UNROLL
            for (int i = 0; i < nv; i++) acc[r][i] = _mm512_dpbf16_ps(acc[r][i], x, b[i]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < nv; i++) {
            float *o = out + r * dv + 16 * i;
            _mm512_store_ps(o, _mm512_add_ps(_mm512_load_ps(o), acc[r][i]));
        }
}

static void add_1(const uint16_t *w, const uint16_t *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 1);
}
static void add_2(const uint16_t *w, const uint16_t *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 2);
}
static void add_3(const uint16_t *w, const uint16_t *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 3);
}
static void add_4(const uint16_t *w, const uint16_t *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 4);
}

static void add_all(const uint16_t *w, const uint16_t *v, int64_t dv, float *out)
{
    int64_t left = dv / 16;
    while (left > 0) {
        /* 5 = 3 + 2, not 4 + 1: one register a row would wait for itself */
        const int64_t n = left == 5 ? 3 : left < 4 ? left : 4;
        (n == 4 ? add_4 : n == 3 ? add_3 : n == 2 ? add_2 : add_1)(w, v, dv, out);
        v += LT_TILE * n;
        out += 16 * n;
        left -= n;
    }
}

static void weigh_row(lt_flash_tile *t, int r, const float *s, uint16_t *w, int seen)
{
    __m512 x[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++) x[i] = _mm512_load_ps(s + 16 * i);
    if (seen == 0)
        for (int i = 0; i < 4; i++) x[i] = _mm512_setzero_ps();
    else if (seen == KEYS)
        weigh(t, r, x, 4, KEYS, 0);
    else
        weigh(t, r, x, 4, seen, 0);
    store_weights(w, x[0], x[1]);
    store_weights(w + 32, x[2], x[3]);
}

static void block(lt_flash_tile *t, const void *k, const void *const *v,
                  int64_t first_key, int n)
{
    scratch *m = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += ROWS) {
        if (lt_flash_visible(t, r0 + ROWS - 1, first_key, n) == 0) continue;
        score_bf16((const uint16_t *)t->q + r0 * t->dk, k, t->d, t->dk, m->s);
        for (int r = 0; r < ROWS; r++)
            weigh_row(t, r0 + r, m->s + r * KEYS, m->w + r * KEYS,
                      lt_flash_visible(t, r0 + r, first_key, n));
        for (int i = 0; i < t->n_values; i++)
            add_all(m->w, v[i], t->dv, t->acc[i] + r0 * t->dv);
    }
}

static const lt_flash_path avx512_bf16 = { .keys = KEYS,
                                           .row_group = ROWS,
                                           .rows = 192,
                                           .elem = 2,
                                           .dk_align = 32,
                                           .dv_align = 16,
                                           .scratch = sizeof(scratch),
                                           .pack_q = pack_q_bf16,
                                           .pack_k = pack_k_bf16,
                                           .pack_v = pack_v_bf16,
                                           .block = block };

lt_status lt_attention_avx512_bf16(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx512_bf16, x, a);
}
