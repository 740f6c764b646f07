#include <math.h>
#include <string.h>

#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kernels/similarity_impl.h"

/* What is bound by memory, not by arithmetic: plain C in loops that compilers turn into
 * vector code, the same bits on every CPU. */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- unit_rows ------------------------------------------------------------------- */

enum { UNIT_TILE = 64, LANES = 16 };

typedef struct unit_job {
    const lt_tensor *in;
    lt_tensor *out;
} unit_job;

static void load(float *to, const lt_tensor *t, int64_t first, int64_t n)
{
    if (t->dtype == LT_F32) {
        memcpy(to, (const float *)t->data + first, (size_t)n * sizeof(*to));
    } else {
        const uint16_t *from = (const uint16_t *)t->data + first;
        for (int64_t i = 0; i < n; i++) to[i] = lt_bf16_widen(from[i]);
    }
}

/* n <= LANES */
static void store_scaled(const lt_tensor *t, int64_t first, const float *x, int64_t n,
                         float divisor)
{
    if (t->dtype == LT_F32) {
        float *o = (float *)t->data + first;
        for (int64_t i = 0; i < n; i++) o[i] = x[i] / divisor;
    } else {
        uint16_t *o = (uint16_t *)t->data + first;
        for (int64_t i = 0; i < n; i++) o[i] = lt_bf16_round(x[i] / divisor);
    }
}

static float norm(const lt_tensor *in, int64_t first, int64_t c)
{
    float sum[LANES] = { 0 }, x[LANES];
    for (int64_t i = 0; i < c; i += LANES) {
        const int64_t n = least(LANES, c - i);
        if (n < LANES) memset(x, 0, sizeof(x));
        load(x, in, first + i, n);
        for (int j = 0; j < LANES; j++) sum[j] += x[j] * x[j];
    }
    for (int n = LANES / 2; n >= 1; n /= 2)
        for (int j = 0; j < n; j++) sum[j] += sum[j + n];
    return sqrtf(sum[0]);
}

static lt_status unit_tile(void *arg, int64_t tile, int worker)
{
    const unit_job *b = arg;
    (void)worker;
    const int64_t c = b->in->shape[1];
    const int64_t end = least((tile + 1) * UNIT_TILE, b->in->shape[0]);
    for (int64_t r = tile * UNIT_TILE; r < end; r++) {
        const float length = norm(b->in, r * c, c);
        const float divisor = length < 1e-12f ? 1e-12f : length;
        for (int64_t i = 0; i < c; i += LANES) {
            float x[LANES];
            const int64_t n = least(LANES, c - i);
            load(x, b->in, r * c + i, n);
            store_scaled(b->out, r * c + i, x, n, divisor);
        }
    }
    return LT_OK;
}

lt_status lt_unit_rows_cpu(const lt_exec *x, const lt_tensor *in, lt_tensor *out)
{
    lt_status st = LT_OK;
    unit_job b = { in, out };
    LT_TRY(lt_unit_rows_check(in, out));
    LT_TRY(lt_parallel_for(x->threads, (in->shape[0] + UNIT_TILE - 1) / UNIT_TILE,
                           unit_tile, &b));
cleanup:
    return st;
}

/* ---- top_k: the k-th largest rank digit by digit, then one ascending sweep --------- */

enum { DIGITS = 3, BINS = 2048 };
static const int digit_shift[DIGITS] = { 21, 10, 0 };
static const uint32_t digit_mask[DIGITS] = { 0x7ff, 0x7ff, 0x3ff };

/* Find the rank that the k-th best score has (k >= 1); *ties is how many scores of
 * exactly that rank belong to the k best. */
static uint32_t find_threshold(const float *scores, int64_t n, int64_t k, int64_t *ties)
{
    uint32_t found = 0, known = 0; /* leading digits, and their mask */
    for (int d = 0; d < DIGITS; d++) {
        int64_t count[BINS] = { 0 };
        for (int64_t i = 0; i < n; i++) {
            const uint32_t rank = lt_score_rank(scores[i]);
            if ((rank & known) == found) count[rank >> digit_shift[d] & digit_mask[d]]++;
        }
        uint32_t bin = digit_mask[d];
        for (; k > count[bin]; bin--) k -= count[bin];
        found |= bin << digit_shift[d];
        known |= digit_mask[d] << digit_shift[d];
    }
    *ties = k;
    return found;
}

lt_status lt_top_k_cpu(const lt_exec *x, const lt_tensor *scores, int64_t k,
                       lt_tensor *out)
{
    (void)x;
    lt_status st = LT_OK;
    LT_TRY(lt_top_k_check(scores, k, out));
    if (k == 0) goto cleanup;
    const int64_t n = scores->shape[0];
    const float *s = lt_f32(scores);
    int32_t *to = lt_i32(out);
    int64_t ties = 0;
    const uint32_t threshold = find_threshold(s, n, k, &ties);
    for (int64_t i = 0; i < n; i++) {
        const uint32_t rank = lt_score_rank(s[i]);
        if (rank < threshold || (rank == threshold && ties-- <= 0)) continue;
        *to++ = (int32_t)i;
    }
cleanup:
    return st;
}

/* ---- gather_rows ----------------------------------------------------------------- */

enum { GATHER_TILE = 128 };

typedef struct gather_job {
    const char *src;
    char *out;
    const int32_t *index;
    int64_t n;
    size_t row; /* bytes */
} gather_job;

static lt_status gather_tile(void *arg, int64_t tile, int worker)
{
    const gather_job *b = arg;
    (void)worker;
    const int64_t end = least((tile + 1) * GATHER_TILE, b->n);
    for (int64_t i = tile * GATHER_TILE; i < end; i++)
        memcpy(b->out + (size_t)i * b->row, b->src + (size_t)b->index[i] * b->row,
               b->row);
    return LT_OK;
}

lt_status lt_gather_rows_cpu(const lt_exec *x, const lt_tensor *src,
                             const lt_tensor *index, lt_tensor *out)
{
    lt_status st = LT_OK;
    LT_TRY(lt_gather_rows_check(src, index, out));
    gather_job b = { .src = src->data,
                     .out = out->data,
                     .index = lt_i32(index),
                     .n = index->shape[0],
                     .row = (size_t)src->shape[1] * lt_dtype_size(src->dtype) };
    if (b.row == 0) goto cleanup;
    LT_TRY(lt_parallel_for(x->threads, (b.n + GATHER_TILE - 1) / GATHER_TILE, gather_tile,
                           &b));
cleanup:
    return st;
}
