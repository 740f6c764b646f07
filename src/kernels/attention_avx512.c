#include "kernels/attention_avx512.h"

/* f32 attention with AVX-512: 6 rows x 64 scores, then 6 rows x up to 64 channels, in
 * 24 registers. */

enum { KEYS = LT_SCORE_KEYS, ROWS = LT_SCORE_ROWS };

static void pack_v(void *to, const lt_flash_rows *src, int64_t dv, int keys)
{
    for (int j = 0; j < keys; j++) {
        float *v = (float *)to + j * dv;
        for (int64_t c = 0; c < dv; c += 16)
            _mm512_store_ps(
                v + c, j < src->n ? load16(lt_flash_row(src, j), src->bf16, c, src->d)
                                  : _mm512_setzero_ps());
    }
}

/* out[ROWS][16 * nv] += w[ROWS][KEYS] v[KEYS][16 * nv]. The block is summed by itself
 * first: with a million keys, small terms would vanish beside a large sum. */
LT_INLINE void add_values(const float *w, const float *v, int64_t dv, float *out, int nv)
{
    __m512 acc[ROWS][4];
    LT_UNROLL
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < nv; i++) acc[r][i] = _mm512_setzero_ps();
    for (int j = 0; j < KEYS; j++) {
        __m512 b[4];
        LT_UNROLL
        for (int i = 0; i < nv; i++) b[i] = _mm512_load_ps(v + j * dv + 16 * i);
        LT_UNROLL
        for (int r = 0; r < ROWS; r++) {
            const __m512 x = _mm512_set1_ps(w[r * KEYS + j]);
            LT_UNROLL
            for (int i = 0; i < nv; i++) acc[r][i] = _mm512_fmadd_ps(x, b[i], acc[r][i]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < nv; i++) {
            float *o = out + r * dv + 16 * i;
            _mm512_store_ps(o, _mm512_add_ps(_mm512_load_ps(o), acc[r][i]));
        }
}

static void add_1(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 1);
}
static void add_2(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 2);
}
static void add_3(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 3);
}
static void add_4(const float *w, const float *v, int64_t dv, float *out)
{
    add_values(w, v, dv, out, 4);
}

static void add_all(const float *w, const float *v, int64_t dv, float *out)
{
    int64_t left = dv / 16;
    while (left > 0) {
        /* 5 = 3 + 2, not 4 + 1: one register a row would wait for itself */
        const int64_t n = left == 5 ? 3 : left < 4 ? left : 4;
        (n == 4 ? add_4 : n == 3 ? add_3 : n == 2 ? add_2 : add_1)(w, v, dv, out);
        v += 16 * n;
        out += 16 * n;
        left -= n;
    }
}

static void block(lt_flash_tile *t, const void *k, const void *const *v,
                  int64_t first_key, int n)
{
    float *s = t->scratch;
    for (int r0 = 0; r0 < t->rows; r0 += ROWS) {
        if (lt_flash_visible(t, r0 + ROWS - 1, first_key, n) == 0) continue;
        score((const float *)t->q + r0 * t->dk, k, t->dk, s);
        for (int r = 0; r < ROWS; r++) {
            __m512 x[4];
            const int seen = lt_flash_visible(t, r0 + r, first_key, n);
            LT_UNROLL
            for (int i = 0; i < 4; i++) x[i] = _mm512_load_ps(s + r * KEYS + 16 * i);
            if (seen == 0)
                for (int i = 0; i < 4; i++) x[i] = _mm512_setzero_ps();
            else if (seen == KEYS)
                weigh(t, r0 + r, x, 4, KEYS, 1);
            else
                weigh(t, r0 + r, x, 4, seen, 1);
            LT_UNROLL
            for (int i = 0; i < 4; i++) _mm512_store_ps(s + r * KEYS + 16 * i, x[i]);
        }
        for (int i = 0; i < t->n_values; i++)
            add_all(s, v[i], t->dv, t->acc[i] + r0 * t->dv);
    }
}

static const lt_flash_path avx512_f32 = { .keys = KEYS,
                                          .row_group = ROWS,
                                          .rows = 192,
                                          .elem = 4,
                                          .dk_align = 1,
                                          .dv_align = 16,
                                          .scratch = ROWS * KEYS * sizeof(float),
                                          .pack_q = pack_q,
                                          .pack_k = pack_k,
                                          .pack_v = pack_v,
                                          .block = block };

lt_status lt_attention_avx512_f32(const lt_exec *x, const lt_attention_args *a)
{
    return lt_flash_attention(&avx512_f32, x, a);
}
