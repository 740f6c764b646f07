#include "ops.h"

/* Concatenation and image resizing of every table against the reference. */

typedef lt_status resize_fn(const lt_exec *x, const lt_tensor *in, lt_tensor *out);

typedef struct problem {
    lt_tensor in, other;
    int op; /* 0 concat, 1 upsample, 2 bilinear */
} problem;

static const char *const names[] = { "concat", "upsample", "bilinear" };

static lt_status run(const lt_exec *x, const void *arg, int64_t first, int64_t count,
                     lt_tensor *out)
{
    const problem *p = arg;
    lt_tensor in = lt_tensor_rows(&p->in, first, count);
    lt_tensor other = lt_tensor_rows(&p->other, first, count);
    const lt_status st = p->op == 0   ? x->k->concat(x, &in, &other, out)
                         : p->op == 1 ? x->k->upsample(x, &in, out)
                                      : x->k->bilinear(x, &in, out);
    lt_tensor_free(&in);
    lt_tensor_free(&other);
    return st;
}

static void check_one(const bench_room *r, const lt_kernels *k, int op, const int64_t *in,
                      const int64_t *out)
{
    const int64_t other[] = { in[0], in[1], in[2], op == 0 ? out[3] - in[3] : 1 };
    const lt_dtype round = k->compute;
    problem want = { filled(r, LT_F32, round, 1, 4, in),
                     filled(r, LT_F32, round, 2, 4, other), op };
    problem got = { filled(r, k->compute, round, 1, 4, in),
                    filled(r, k->compute, round, 2, 4, other), op };
    lt_tensor a = guarded(r, LT_F32, 4, out), b = guarded(r, k->compute, 4, out);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    CHECK(run(&xr, &want, 0, in[0], &a) == LT_OK);
    CHECK(run(&xk, &got, 0, in[0], &b) == LT_OK);
    const float tol = op < 2 ? 0.0f : tol_of(k, 1e-6f, 1e-2f);
    check_near(&b, &a, tol, names[op], k->name);
    check_guard(&b);
    if (in[0] > 0) check_same_bits(r, k, run, &got, &b, names[op]);
    lt_tensor *const made[] = { &want.in, &want.other, &got.in, &got.other, &a, &b };
    for (int i = 0; i < 6; i++) lt_tensor_free(made[i]);
}

/* Values worked out by hand: [0 1] along x to 4 columns. */
static void check_definition(const bench_room *r, const lt_kernels *k)
{
    const float nearest[] = { 0, 0, 1, 1 }, linear[] = { 0, 0.25f, 0.75f, 1 };
    const lt_exec x = exec_of(r, k, 1);
    lt_tensor in = GUARDED(r, LT_F32, 1, 1, 2, 1), out = GUARDED(r, LT_F32, 1, 1, 4, 1);
    lt_f32(&in)[0] = 0;
    lt_f32(&in)[1] = 1;
    CHECK(k->upsample(&x, &in, &out) == LT_OK);
    for (int i = 0; i < 4; i++) CHECK(lt_f32(&out)[i] == nearest[i]);
    CHECK(k->bilinear(&x, &in, &out) == LT_OK);
    for (int i = 0; i < 4; i++) CHECK(lt_f32(&out)[i] == linear[i]);
    lt_tensor bad = GUARDED(r, LT_F32, 1, 1, 4, 2);
    CHECK(k->bilinear(&x, &in, &bad) == LT_ERR_SHAPE);
    CHECK(k->concat(&x, &in, &in, &bad) == LT_ERR_SHAPE);
    lt_tensor_free(&bad);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
}

int main(int argc, char **argv)
{
    static const int64_t concat[][2][4] = {
        { { 5, 4, 4, 32 }, { 5, 4, 4, 80 } },
        { { 2, 3, 7, 5 }, { 2, 3, 7, 12 } },
        { { 2, 64, 64, 33 }, { 2, 64, 64, 34 } },
        { { 0, 3, 7, 5 }, { 0, 3, 7, 6 } },
    };
    static const int64_t resize[][2][4] = {
        { { 5, 8, 8, 32 }, { 5, 16, 16, 32 } },   { { 2, 7, 5, 3 }, { 2, 13, 11, 3 } },
        { { 2, 16, 16, 19 }, { 2, 5, 9, 19 } },   { { 2, 1, 1, 17 }, { 2, 3, 3, 17 } },
        { { 2, 40, 40, 40 }, { 2, 80, 80, 40 } }, { { 0, 8, 8, 4 }, { 0, 16, 16, 4 } },
    };
    bench_room r = room_open(argc, argv);
    check_definition(&r, r.ref);
    for (int t = 0; t < r.n_tables; t++) {
        const lt_kernels *k = r.tables[t];
        for (size_t i = 0; i < sizeof(concat) / sizeof(*concat); i++)
            check_one(&r, k, 0, concat[i][0], concat[i][1]);
        for (size_t i = 0; i < sizeof(resize) / sizeof(*resize); i++)
            for (int op = 1; op < 3; op++)
                check_one(&r, k, op, resize[i][0], resize[i][1]);
        check_definition(&r, k);
        printf("ok   resample %s == ref\n", k->name);
    }
    room_close(&r);
    return 0;
}
