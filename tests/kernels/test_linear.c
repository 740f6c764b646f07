#include "ops.h"

/* Linear layers of every table against the reference, and the same bits for any number
 * of threads and samples. */

typedef struct problem {
    lt_linear *w;
    lt_tensor in, residual; /* [samples, rows, n] */
    int64_t rows, n_in, n_out;
    lt_act act;
    int use_residual, in_place;
} problem;

static lt_status run(const lt_exec *x, const void *arg, int64_t first, int64_t count,
                     lt_tensor *out)
{
    const problem *p = arg;
    lt_tensor in = lt_tensor_rows(&p->in, first, count);
    lt_tensor residual = lt_tensor_rows(&p->residual, first, count);
    lt_tensor *add = p->in_place ? out : &residual;
    if (p->in_place) CHECK(lt_tensor_copy(out, &residual, NULL) == LT_OK);
    const lt_linear_args a = { .w = p->w,
                               .in = &in,
                               .out = out,
                               .residual = p->use_residual ? add : NULL,
                               .rows_per_tile = p->rows,
                               .act = p->act };
    const lt_status st = x->k->linear(x, &a);
    lt_tensor_free(&in);
    lt_tensor_free(&residual);
    return st;
}

static problem problem_new(const bench_room *r, const lt_kernels *k, lt_dtype round,
                           lt_dtype out_type, int64_t samples, int64_t rows, int64_t n_in,
                           int64_t n_out, lt_dtype w_type, int bias)
{
    problem p = { .rows = rows, .n_in = n_in, .n_out = n_out };
    const lt_exec x = exec_of(r, k, 1);
    lt_tensor w = FILLED(r, w_type, round, 1, n_out, n_in);
    lt_tensor b = FILLED(r, LT_F32, LT_F32, 2, n_out);
    CHECK(k->linear_pack(&x, &w, bias ? &b : NULL, &p.w) == LT_OK);
    CHECK(lt_linear_n_in(p.w) == n_in && lt_linear_n_out(p.w) == n_out);
    p.in = FILLED(r, k->compute, round, 3, samples, rows, n_in);
    p.residual = FILLED(r, out_type, round, 4, samples, rows, n_out);
    /* A zero row, as padding makes them. */
    if (samples * rows > 1)
        memset(p.in.data, 0, (size_t)n_in * lt_dtype_size(p.in.dtype));
    lt_tensor_free(&w);
    lt_tensor_free(&b);
    return p;
}

static void problem_free(problem *p, const lt_kernels *k)
{
    k->linear_free(&p->w);
    lt_tensor_free(&p->in);
    lt_tensor_free(&p->residual);
}

typedef struct shape {
    int64_t samples, rows, n_in, n_out;
} shape;

static void check_one(const bench_room *r, const lt_kernels *k, const shape *s,
                      int variant)
{
    const lt_dtype round = k->compute;
    const lt_dtype out_type = variant & 1 ? LT_F32 : k->compute;
    const lt_dtype w_type = variant % 3 == 0 ? LT_F32 : k->compute;
    problem want = problem_new(r, r->ref, round, LT_F32, s->samples, s->rows, s->n_in,
                               s->n_out, LT_F32, variant & 2);
    problem got = problem_new(r, k, round, out_type, s->samples, s->rows, s->n_in,
                              s->n_out, w_type, variant & 2);
    want.act = got.act = (lt_act)(variant % 4);
    want.use_residual = got.use_residual = variant % 3 > 0;
    got.in_place = variant % 3 == 2;
    lt_tensor a = GUARDED(r, LT_F32, s->samples, s->rows, s->n_out);
    lt_tensor b = GUARDED(r, out_type, s->samples, s->rows, s->n_out);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    CHECK(run(&xr, &want, 0, s->samples, &a) == LT_OK);
    CHECK(run(&xk, &got, 0, s->samples, &b) == LT_OK);
    check_near(&b, &a, tol_of(k, 2e-5f, 2e-2f), "linear", k->name);
    check_guard(&b);
    if (s->samples > 0) check_same_bits(r, k, run, &got, &b, "linear");
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    problem_free(&want, r->ref);
    problem_free(&got, k);
}

static void check_errors(const bench_room *r, const lt_kernels *k)
{
    const lt_exec x = exec_of(r, k, 1);
    lt_linear *w = NULL;
    lt_tensor bad = FILLED(r, LT_F32, LT_F32, 1, 3, 4, 5);
    CHECK(k->linear_pack(&x, &bad, NULL, &w) == LT_ERR_SHAPE && !w);
    problem p = problem_new(r, k, LT_BF16, k->compute, 1, 2, 8, 8, LT_F32, 0);
    lt_tensor out = GUARDED(r, k->compute, 2, 7);
    const lt_linear_args a = { .w = p.w, .in = &p.in, .out = &out, .rows_per_tile = 2 };
    CHECK(k->linear(&x, &a) == LT_ERR_SHAPE);
    CHECK(lt_error_message()[0] != '\0');
    k->linear_free(NULL);
    lt_tensor_free(&out);
    lt_tensor_free(&bad);
    problem_free(&p, k);
    k->linear_free(&p.w);
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {
        { 1, 1, 1, 1 },      { 5, 1, 40, 96 },    { 2, 7, 33, 17 },  { 0, 4, 16, 16 },
        { 5, 64, 64, 64 },   { 2, 77, 100, 65 },  { 3, 16, 129, 5 }, { 2, 520, 64, 320 },
        { 5, 100, 320, 48 }, { 1, 1030, 24, 40 },
    };
    bench_room r = room_open(argc, argv);
    for (int t = 0; t < r.n_tables; t++) {
        for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
            for (int variant = 0; variant<12; variant += shapes[i].rows> 200 ? 5 : 1)
                check_one(&r, r.tables[t], &shapes[i], variant);
        check_errors(&r, r.tables[t]);
        printf("ok   linear %s == ref\n", r.tables[t]->name);
    }
    room_close(&r);
    return 0;
}
