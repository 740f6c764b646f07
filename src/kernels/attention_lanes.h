#ifndef LT_KERNELS_ATTENTION_LANES_H
#define LT_KERNELS_ATTENTION_LANES_H

#include <string.h>

#include "kernels/lanes.h"

/* The attention loops over lanes.h. */

enum { LT_LANES_ROWS = 192 };

typedef struct lt_lanes_scratch {
    float s[LT_LANES_KEYS * 3 * VW];
    float keep[3 * VW]; /* what the sums so far count after a larger score came up */
} lt_lanes_scratch;

/* Write x where row r does not see key j (causal). The rows of the group start at number
 * `row`, the keys at number `key`. */
LT_INLINE void hide(float *s, int64_t row, int64_t key, int n, vf x, int nv)
{
    for (int j = 0; j < n; j++) LT_UNROLL
    for (int v = 0; v < nv; v++) {
        float *at = s + (j * nv + v) * VW;
        v_store(at, LT_F32, 0, v_join(x, v_load(at, LT_F32, 0), key + j - row - v * VW));
    }
}

/* The rows' maxima including n scores each; m->keep for what was summed before. */
LT_INLINE void raise_max(lt_flash_tile *t, lt_lanes_scratch *m, int r0, int n, int nv)
{
    vf top[4][3];
    LT_UNROLL
    for (int i = 0; i < 4 * nv; i++) top[i / nv][i % nv] = v_set(-FLT_MAX);
    for (int j = 0; j < n; j += 4) LT_UNROLL
    for (int i = 0; i < 4 * nv; i++)
        top[i / nv][i % nv] =
            v_max(v_load(m->s, LT_F32, j * nv * VW + i * VW), top[i / nv][i % nv]);
    LT_UNROLL
    for (int v = 0; v < nv; v++) {
        const vf best = v_max(v_max(top[0][v], top[1][v]), v_max(top[2][v], top[3][v]));
        const vf old = v_load(t->max + r0, LT_F32, v * VW);
        const vf max = v_max(best * v_set(t->factor), old);
        v_store(t->max + r0, LT_F32, v * VW, max);
        v_store(m->keep, LT_F32, v * VW, v_exp2(old - max, 1));
    }
}

LT_INLINE vf weight(const float *s, vf factor, vf max)
{
    return v_exp2(v_fms(v_load(s, LT_F32, 0), factor, max), LT_FINE);
}

/* Turn the scores of n keys into weights and account for them. */
LT_INLINE void weigh(lt_flash_tile *t, lt_lanes_scratch *m, int r0, int n, int nv)
{
    const vf factor = v_set(t->factor);
    vf max[3], sum[3];
    LT_UNROLL
    for (int v = 0; v < nv; v++) {
        max[v] = v_load(t->max + r0, LT_F32, v * VW);
        sum[v] = v_set(0);
    }
#ifdef LT_LANES_BF16
    for (int j = 0; j < n; j += 2) LT_UNROLL
    for (int v = 0; v < nv; v++) {
        const vf a = weight(m->s + (j * nv + v) * VW, factor, max[v]);
        vf b = v_set(0);
        if (j + 1 < n) b = weight(m->s + ((j + 1) * nv + v) * VW, factor, max[v]);
        sum[v] = sum[v] + (a + b);
        v_store(m->s, LT_F32, (j / 2 * nv + v) * VW, pair_bf16(a, b));
    }
#else
    for (int j = 0; j < n; j++) LT_UNROLL
    for (int v = 0; v < nv; v++) {
        const vf x = weight(m->s + (j * nv + v) * VW, factor, max[v]);
        v_store(m->s, LT_F32, (j * nv + v) * VW, x);
        sum[v] = sum[v] + x;
    }
#endif
    LT_UNROLL
    for (int v = 0; v < nv; v++) {
        float *to = t->sum + r0 + v * VW;
        v_store(to, LT_F32, 0,
                v_fma(v_load(to, LT_F32, 0), v_load(m->keep, LT_F32, v * VW), sum[v]));
    }
}

/* out[LT_TIED][nv][VW] = out * keep + w v over n cells of keys. The block is summed by
 * itself first: with a million keys, small terms would vanish beside a large sum. */
LT_INLINE void add_values(const float *w, const cell *val, int n, const float *keep,
                          float *out, int nv)
{
    vf sum[LT_TIED][3];
    LT_UNROLL
    for (int i = 0; i < LT_TIED * nv; i++) sum[i / nv][i % nv] = v_set(0);
    for (int j = 0; j < n; j++) {
        vf x[3];
        LT_UNROLL
        for (int v = 0; v < nv; v++) x[v] = v_load(w, LT_F32, (j * nv + v) * VW);
        LT_UNROLL
        for (int i = 0; i < LT_TIED; i++) {
            const vf b = v_set(val[j * LT_TIED + i]);
            LT_UNROLL
            for (int v = 0; v < nv; v++) sum[i][v] = v_dot(sum[i][v], x[v], b);
        }
    }
    LT_UNROLL
    for (int i = 0; i < LT_TIED * nv; i++)
        v_store(out, LT_F32, i * VW,
                v_fma(v_load(out, LT_F32, i * VW), v_load(keep, LT_F32, i % nv * VW),
                      sum[i / nv][i % nv]));
}

/* Fold n keys into the group of nv vectors of rows from r0 on. */
LT_INLINE void fold_group(lt_flash_tile *t, int r0, const void *k, const void *const *v,
                          int64_t first_key, int n, int nv)
{
    lt_lanes_scratch *m = t->scratch;
    const int64_t cells = t->dk / LT_PER_CELL, row = t->first_row + r0;
    n = lt_flash_visible(t, r0 + nv * VW - 1, first_key, n);
    if (n == 0) return;
    const int partly = t->causal && first_key + n - 1 > row;
    score((const cell *)t->q + r0 * cells, k, cells, n, m->s, nv);
    for (int i = n * nv; i < up_to(n, LT_TIED) * nv; i++)
        v_store(m->s, LT_F32, i * VW, v_set(-FLT_MAX));
    if (partly) hide(m->s, row, first_key, n, v_set(-FLT_MAX), nv);
    raise_max(t, m, r0, n, nv);
    weigh(t, m, r0, n, nv);
    for (int i = 0; i < t->n_values; i++)
        for (int64_t c = 0; c < t->d; c += LT_TIED)
            add_values(m->s, (const cell *)v[i] + c * (LT_LANES_KEYS / LT_PER_CELL),
                       (n + LT_PER_CELL - 1) / LT_PER_CELL, m->keep,
                       t->lanes[i] + r0 * t->dv + c * nv * VW, nv);
}

static inline void block(lt_flash_tile *t, const void *k, const void *const *v,
                         int64_t first_key, int n)
{
    for (int r0 = 0, nv; r0 < t->rows; r0 += nv * VW) {
        nv = next_group(t->rows - r0);
        if (nv == 3)
            fold_group(t, r0, k, v, first_key, n, 3);
        else if (nv == 2)
            fold_group(t, r0, k, v, first_key, n, 2);
        else
            fold_group(t, r0, k, v, first_key, n, 1);
    }
}

/* Move VW rows and VW channels between the driver's rows and the lanes. */
LT_INLINE void turn(const float *from, int64_t from_step, float *to, int64_t to_step)
{
    vf x[VW];
    LT_UNROLL
    for (int i = 0; i < VW; i++) x[i] = v_load(from, LT_F32, i * from_step);
    v_transpose(x);
    LT_UNROLL
    for (int i = 0; i < VW; i++) v_store(to, LT_F32, i * to_step, x[i]);
}

static inline void turn_all(lt_flash_tile *t, int to_rows)
{
    for (int i = 0; i < t->n_values; i++)
        for (int r0 = 0, nv; r0 < t->rows; r0 += nv * VW) {
            nv = next_group(t->rows - r0);
            for (int v = 0; v < nv; v++)
                for (int64_t c = 0; c < t->dv; c += VW) {
                    float *row = t->acc[i] + (r0 + v * VW) * t->dv + c;
                    float *lane = t->lanes[i] + r0 * t->dv + (c * nv + v) * VW;
                    if (to_rows)
                        turn(lane, nv * VW, row, t->dv);
                    else
                        turn(row, t->dv, lane, nv * VW);
                }
        }
}

static inline void begin(lt_flash_tile *t)
{
    t->mode = _mm_getcsr();
    _mm_setcsr(t->mode | _MM_FLUSH_ZERO_ON); /* weights below 2^-126 cost hundreds of
                                                cycles and change nothing */
    if (t->fresh)
        for (int i = 0; i < t->n_values; i++)
            memset(t->lanes[i], 0, (size_t)(t->rows * t->dv) * sizeof(float));
    else
        turn_all(t, 0);
}

static inline void end(lt_flash_tile *t)
{
    turn_all(t, 1);
    _mm_setcsr(t->mode);
}

#define LT_LANES_PATH                                                                 \
    {                                                                                 \
        .keys = LT_LANES_KEYS, .row_group = VW, .rows = LT_LANES_ROWS,                \
        .elem = 4 / LT_PER_CELL, .dk_align = LT_PER_CELL, .dv_align = VW, .lanes = 1, \
        .scratch = sizeof(lt_lanes_scratch), .pack_q = pack_q, .pack_k = pack_k,      \
        .pack_v = pack_v, .block = block, .begin = begin, .end = end                  \
    }

#endif
