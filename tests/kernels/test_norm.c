#include "ops.h"

/* Normalisations of every table against the reference: odd sizes, a large mean, zero
 * rows, and the same bits for any number of threads and samples. */

typedef struct problem {
    lt_tensor in, gamma, beta;
    int64_t groups; /* 0: layer norm */
    int silu;
} problem;

static lt_status run(const lt_exec *x, const void *arg, int64_t first, int64_t count,
                     lt_tensor *out)
{
    const problem *p = arg;
    lt_tensor in = lt_tensor_rows(&p->in, first, count);
    const lt_group_norm_args g = { .in = &in,
                                   .out = out,
                                   .gamma = &p->gamma,
                                   .beta = &p->beta,
                                   .groups = p->groups,
                                   .eps = 1e-5f,
                                   .silu = p->silu };
    const lt_layer_norm_args l = { &in, out, &p->gamma, &p->beta, 1e-5f };
    const lt_status st =
        p->groups > 0 ? x->k->group_norm(x, &g) : x->k->layer_norm(x, &l);
    lt_tensor_free(&in);
    return st;
}

static problem problem_new(const bench_room *r, lt_dtype dtype, lt_dtype round, int64_t n,
                           int64_t pixels, int64_t c, int64_t groups, float mean)
{
    problem p = { .in = GUARDED(r, dtype, n, pixels, c), .groups = groups };
    uint64_t seed = 7;
    for (int64_t i = 0; i < n * pixels * c; i++) {
        float v = mean + check_randf(&seed);
        if (i / c == 1 && mean == 0) v = 0; /* a zero row */
        if (round == LT_BF16) v = lt_f32_from_bf16(lt_bf16_from_f32(v));
        if (dtype == LT_F32)
            lt_f32(&p.in)[i] = v;
        else
            lt_u16(&p.in)[i] = lt_bf16_from_f32(v);
    }
    p.gamma = FILLED(r, LT_F32, LT_F32, 8, c);
    p.beta = FILLED(r, LT_F32, LT_F32, 9, c);
    return p;
}

static void problem_free(problem *p)
{
    lt_tensor_free(&p->in);
    lt_tensor_free(&p->gamma);
    lt_tensor_free(&p->beta);
}

static void check_one(const bench_room *r, const lt_kernels *k, int64_t n, int64_t pixels,
                      int64_t c, int64_t groups, float mean, int silu)
{
    problem want = problem_new(r, LT_F32, k->compute, n, pixels, c, groups, mean);
    problem got = problem_new(r, k->compute, k->compute, n, pixels, c, groups, mean);
    want.silu = got.silu = silu;
    lt_tensor a = GUARDED(r, LT_F32, n, pixels, c),
              b = GUARDED(r, k->compute, n, pixels, c);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    CHECK(run(&xr, &want, 0, n, &a) == LT_OK);
    CHECK(run(&xk, &got, 0, n, &b) == LT_OK);
    /* A mean of 1000 costs its share of the 24 bits of the inputs, in any order. */
    const float tol = mean > 100 ? 1e-3f : 1e-5f;
    check_near(&b, &a, tol_of(k, tol, 1e-2f), groups ? "group_norm" : "layer_norm",
               k->name);
    check_guard(&b);
    if (n > 0) check_same_bits(r, k, run, &got, &b, groups ? "group_norm" : "layer_norm");
    /* In place. */
    lt_tensor view = lt_tensor_view(&got.in);
    CHECK(run(&xk, &got, 0, n, &view) == LT_OK);
    check_bits(got.in.data, b.data, lt_tensor_bytes(&b), "norm in place", k->name, 1);
    check_guard(&got.in);
    lt_tensor_free(&view);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    problem_free(&want);
    problem_free(&got);
}

/* A NaN stays in its group and a constant input gives beta. */
static void check_special(const bench_room *r, const lt_kernels *k)
{
    problem p = problem_new(r, k->compute, LT_BF16, 2, 5, 8, 2, 0);
    lt_tensor out = GUARDED(r, k->compute, 2, 5, 8);
    const lt_exec x = exec_of(r, k, 1);
    for (int64_t i = 0; i < 80; i++) {
        const float v = i == 9 ? NAN : 3.0f;
        if (k->compute == LT_F32)
            lt_f32(&p.in)[i] = v;
        else
            lt_u16(&p.in)[i] = lt_bf16_from_f32(v);
    }
    CHECK(run(&x, &p, 0, 2, &out) == LT_OK);
    for (int64_t i = 0; i < 80; i++) {
        const float v = value_of(&out, i);
        const int sick = i < 40 && i % 8 < 4;
        CHECK(sick ? isnan(v) : check_close(v, lt_f32(&p.beta)[i % 8], 1e-2f));
    }
    p.groups = 3;
    CHECK(run(&x, &p, 0, 2, &out) == LT_ERR_SHAPE);
    lt_tensor_free(&out);
    problem_free(&p);
}

int main(int argc, char **argv)
{
    static const int64_t pixels[] = { 1, 7, 64, 1031 },
                         channels[] = { 1, 5, 32, 100, 320 };
    bench_room r = room_open(argc, argv);
    for (int t = 0; t < r.n_tables; t++) {
        const lt_kernels *k = r.tables[t];
        for (size_t i = 0; i < sizeof(pixels) / sizeof(*pixels); i++) {
            for (size_t j = 0; j < sizeof(channels) / sizeof(*channels); j++) {
                const int64_t c = channels[j], n = pixels[i] > 64 ? 2 : 5;
                check_one(&r, k, n, pixels[i], c, 0, 0, 0);
                check_one(&r, k, n, pixels[i], c, c % 32 == 0 ? 32 : 1, 0, i % 2 == 0);
            }
        }
        check_one(&r, k, 2, 1500, 96, 32, k->compute == LT_F32 ? 1000.0f : 4.0f, 0);
        check_one(&r, k, 2, 9, 96, 0, k->compute == LT_F32 ? 1000.0f : 4.0f, 0);
        check_one(&r, k, 0, 9, 32, 32, 0, 1);
        check_one(&r, k, 3, 0, 32, 32, 0, 1);
        check_special(&r, k);
        printf("ok   norms %s == ref\n", k->name);
    }
    room_close(&r);
    return 0;
}
