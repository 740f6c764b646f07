#include <stdlib.h>
#include <string.h>

#include "attention/extended.h"
#include "bench/cases.h"

/* What slimming gains in the joint pass of keyframes: one evaluation of a UNet with joint
 * attention over all tokens, with lists per query frame, and with one shared list, in
 * turn; CSV on stdout. Alone or under mpirun.
 * Usage: bench_slim MODEL SIDE KEYFRAMES ROUNDS [THREADS [cpu]]
 *   SIDE       of the latents; one edit branch
 *   KEYFRAMES  of the segment; budgets are a quarter and a tenth of them
 * attention_ms is the joint attention alone; ideal is keyframes / budget, and share
 * compares the gain of attention with it. Lists are made of random features, so their
 * tokens lie anywhere. bytes_gathered: received by all ranks in a step. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

enum { TEXT = 77, FEATURES = 32, VARIANTS = 5, MAX_ROUNDS = 50, MAX_RANKS = 64 };

/* A table whose joint attention is timed; x->k points to its first member. */
typedef struct timed_table {
    lt_kernels k;
    const lt_kernels *inner;
    int cpu_clock;
    double seconds;
} timed_table;

typedef struct variant {
    lt_slimming slim;
    int64_t budget; /* 0: all */
    double step[MAX_ROUNDS], attention[MAX_ROUNDS];
    int64_t bytes;
} variant;

typedef struct setup {
    lt_bench b;
    lt_exec x; /* b.x with the timed table */
    timed_table table;
    lt_comm *comm;
    lt_model *model;
    lt_unet_context *text;
    int64_t side, keyframes, share[MAX_RANKS], first, own;
    lt_tensor in, out;
    variant v[VARIANTS];
} setup;

static double now(int cpu_clock) { return cpu_clock ? lt_bench_cpu() : lt_bench_wall(); }

static lt_status timed_attention(const lt_exec *x, const lt_attention_args *a)
{
    timed_table *t = (timed_table *)(uintptr_t)x->k;
    lt_exec inner = *x;
    inner.k = t->inner;
    const double begin = now(t->cpu_clock);
    const lt_status st = t->inner->attention(&inner, a);
    if (a->state) t->seconds += now(t->cpu_clock) - begin; /* the joint one */
    return st;
}

static void fill(lt_tensor *t, uint32_t s)
{
    for (int64_t i = 0; i < lt_tensor_count(t); i++) {
        s = s * 1664525u + 1013904223u;
        lt_f32(t)[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
}

static lt_status features(void *ctx, int64_t keyframe, int grid, lt_tensor *rows)
{
    setup *s = ctx;
    lt_status st = LT_OK;
    int64_t h[8], w[8];
    lt_tensor raw = { 0 };
    (void)lt_unet_grids(s->model->unet, s->side, s->side, h, w);
    LT_TRY(LT_TENSOR_NEW(&raw, s->x.pool, LT_F32, h[grid] * w[grid], FEATURES));
    fill(&raw, (uint32_t)(1000 * grid + keyframe));
    LT_TRY(LT_TENSOR_NEW(rows, s->x.pool, s->x.k->compute, h[grid] * w[grid], FEATURES));
    LT_TRY(s->x.k->unit_rows(&s->x, &raw, rows));
cleanup:
    lt_tensor_free(&raw);
    return st;
}

static lt_status make_lists(setup *s, variant *v, lt_slimming_mode mode, int64_t budget)
{
    int64_t h[8], w[8];
    v->budget = mode == LT_SLIMMING_NONE ? 0 : budget;
    v->slim.mode = mode;
    if (mode == LT_SLIMMING_NONE) return LT_OK;
    lt_slim_args a = { .mode = mode,
                       .n_keyframes = s->keyframes,
                       .budget = budget,
                       .first_own = s->first,
                       .n_own = s->own,
                       .n_grids = lt_unet_grids(s->model->unet, s->side, s->side, h, w),
                       .features = features,
                       .ctx = s };
    for (int g = 0; g < a.n_grids; g++) a.tokens[g] = h[g] * w[g];
    return lt_slim_make(&s->x, &a, &v->slim);
}

/* ---- one step ---------------------------------------------------------------------- */

static lt_status step(setup *s, variant *v, int round)
{
    const lt_inject none = { 0 };
    lt_status st = LT_OK;
    int64_t ns[2];
    lt_extended e = { .comm = s->comm,
                      .rank_keyframes = s->share,
                      .n_keyframes = s->keyframes,
                      .inject = &none,
                      .slim = &v->slim };
    const lt_policy policy = lt_extended_policy(&e);
    const lt_unet_args a = { .batch = { 1, { LT_BRANCH_EDIT }, s->own },
                             .x = &s->in,
                             .timestep = 500,
                             .context = { s->text },
                             .policy = &policy,
                             .out = &s->out };
    LT_TRY(lt_comm_agree(s->comm, LT_OK)); /* begin together */
    s->table.seconds = 0;
    const double begin = now(s->b.o.cpu_clock);
    LT_TRY(lt_unet_forward(&s->x, s->model->unet, &a));
    const double seconds = now(s->b.o.cpu_clock) - begin;
    LT_TRY(lt_comm_max(s->comm, (int64_t)(1e9 * seconds), &ns[0]));
    LT_TRY(lt_comm_max(s->comm, (int64_t)(1e9 * s->table.seconds), &ns[1]));
    if (round >= 0) {
        v->step[round] = 1e-9 * (double)ns[0];
        v->attention[round] = 1e-9 * (double)ns[1];
    }
    v->bytes = e.bytes_gathered;
cleanup:
    return st;
}

/* Collective. */
static lt_status total_bytes(setup *s, variant *v)
{
    int64_t all[MAX_RANKS];
    const lt_status st = lt_comm_gather_bytes(s->comm, &v->bytes, sizeof(v->bytes), all);
    v->bytes = 0;
    for (int r = 0; st == LT_OK && r < lt_comm_size(s->comm); r++) v->bytes += all[r];
    return st;
}

/* ---- opening ----------------------------------------------------------------------- */

static lt_status share_keyframes(setup *s)
{
    const int size = lt_comm_size(s->comm), me = lt_comm_rank(s->comm);
    if (size > MAX_RANKS || s->keyframes < size || s->keyframes < 10)
        return LT_FAIL(LT_ERR_USAGE,
                       "%lld keyframes for %d ranks: give at least 10, and "
                       "one a rank, of at most %d",
                       (long long)s->keyframes, size, MAX_RANKS);
    for (int r = 0; r < size; r++) {
        s->share[r] = s->keyframes * (r + 1) / size - s->keyframes * r / size;
        if (r < me) s->first += s->share[r];
    }
    s->own = s->share[me];
    return LT_OK;
}

static lt_status open_all(setup *s, const char *dir)
{
    static const lt_slimming_mode modes[] = { LT_SLIMMING_NONE, LT_SLIMMING_QUERY,
                                              LT_SLIMMING_QUERY, LT_SLIMMING_SHARED,
                                              LT_SLIMMING_SHARED };
    lt_status st = LT_OK;
    lt_tensor words = { 0 };
    s->table = (timed_table){ *s->b.x.k, s->b.x.k, s->b.o.cpu_clock, 0 };
    s->table.k.attention = timed_attention;
    s->x = s->b.x;
    s->x.k = &s->table.k;
    LT_TRY(lt_model_load(&s->x, dir, LT_MODEL_UNET, &s->model));
    const lt_unet_config *g = lt_unet_get_config(s->model->unet);
    LT_TRY(LT_TENSOR_NEW(&words, s->x.pool, LT_F32, TEXT, g->cross_attention_dim));
    fill(&words, 1);
    LT_TRY(lt_unet_context_new(&s->x, s->model->unet, &words, &s->text));
    LT_TRY(LT_TENSOR_NEW(&s->in, s->x.pool, LT_F32, s->own, s->side, s->side,
                         g->in_channels));
    fill(&s->in, (uint32_t)(2 + s->first));
    LT_TRY(LT_TENSOR_NEW(&s->out, s->x.pool, LT_F32, s->own, s->side, s->side,
                         g->out_channels));
    for (int i = 0; i < VARIANTS; i++)
        LT_TRY(make_lists(s, &s->v[i], modes[i], s->keyframes / (i % 2 ? 4 : 10)));
cleanup:
    lt_tensor_free(&words);
    return st;
}

static void print(setup *s, int rounds)
{
    static const char *const names[] = { "full", "query", "shared" };
    printf(
        "machine,revision,path,compute,ranks,threads,clock,mode,keyframes,latent,budget,"
        "step_ms,attention_ms,step_gain,attention_gain,ideal,share,bytes_gathered\n");
    double step0 = 0, attention0 = 0;
    for (int i = 0; i < VARIANTS; i++) {
        variant *v = &s->v[i];
        const double t = lt_bench_summary(v->step, rounds).median;
        const double a = lt_bench_summary(v->attention, rounds).median;
        const double ideal = v->budget ? (double)s->keyframes / (double)v->budget : 1;
        if (i == 0) step0 = t, attention0 = a;
        printf("\"%s\",%s,%s,%s,%d,%d,%s,%s,%lld,%lldx%lld,%lld,%.2f,%.2f,%.3f,%.3f,%.2f,"
               "%.3f,%lld\n",
               s->b.machine, LT_REVISION, lt_cpu_path_name(s->b.o.path),
               lt_dtype_name(s->b.o.compute), lt_comm_size(s->comm), s->b.o.threads,
               s->b.o.cpu_clock ? "cpu" : "wall", names[v->slim.mode],
               (long long)s->keyframes, (long long)s->side, (long long)s->side,
               (long long)(v->budget ? v->budget : s->keyframes), 1e3 * t, 1e3 * a,
               step0 / t, attention0 / a, ideal, attention0 / a / ideal,
               (long long)v->bytes);
    }
}

static lt_status measure(setup *s, int rounds)
{
    lt_status st = LT_OK;
    LT_TRY(step(s, &s->v[VARIANTS - 1], -1)); /* packs the weights */
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < VARIANTS; i++) LT_TRY(step(s, &s->v[i], r));
    for (int i = 0; i < VARIANTS; i++) LT_TRY(total_bytes(s, &s->v[i]));
    if (lt_comm_rank(s->comm) == 0) print(s, rounds);
cleanup:
    return st;
}

static void close_all(setup *s)
{
    for (int i = 0; i < VARIANTS; i++) lt_slim_free(&s->v[i].slim);
    lt_tensor_free(&s->in);
    lt_tensor_free(&s->out);
    lt_unet_context_free(&s->text);
    lt_model_free(&s->model);
    lt_bench_close(&s->b);
    lt_comm_close(&s->comm);
}

int main(int argc, char **argv)
{
    static setup s;
    lt_status st = LT_OK;
    const int ranks = getenv("OMPI_COMM_WORLD_SIZE") != NULL;
    LT_TRY(ranks ? lt_comm_open_world(&argc, &argv, &s.comm)
                 : lt_comm_open_self(&s.comm));
    if (argc < 5 || argc > 7)
        LT_TRY(LT_FAIL(LT_ERR_USAGE, "usage: bench_slim MODEL SIDE KEYFRAMES ROUNDS "
                                     "[THREADS [cpu]]"));
    const int rounds = atoi(argv[4]);
    lt_bench_options o = { .path = lt_cpu_path_best(),
                           .threads = argc > 5 ? atoi(argv[5]) : 1,
                           .revision = LT_REVISION };
    LT_TRY(lt_bench_clock(argc > 6 ? argv[6] : NULL, &o.cpu_clock));
    o.compute = lt_bench_compute(o.path);
    s.side = atoi(argv[2]);
    s.keyframes = atoi(argv[3]);
    if (s.side < 8 || rounds < 1 || rounds > MAX_ROUNDS)
        LT_TRY(LT_FAIL(LT_ERR_USAGE, "SIDE is at least 8, ROUNDS 1 to %d", MAX_ROUNDS));
    LT_TRY(share_keyframes(&s));
    LT_TRY(lt_bench_open(&s.b, &o));
    LT_TRY(open_all(&s, argv[1]));
    LT_TRY(measure(&s, rounds));
cleanup:
    if (st != LT_OK) {
        fprintf(stderr, "bench_slim: %s\n", lt_error_message());
        if (s.comm) lt_comm_abort(s.comm, lt_status_exit_code(st));
    }
    close_all(&s);
    return lt_status_exit_code(st);
}
