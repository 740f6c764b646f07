#include "ops.h"

/* Convolutions of every table against the reference, and the same bits for any number
 * of threads and samples. */

typedef struct problem {
    lt_conv *w;
    lt_tensor in, residual, per_sample;
    int use_residual, use_per_sample, in_place, upsample;
} problem;

static lt_status run(const lt_exec *x, const void *arg, int64_t first, int64_t count,
                     lt_tensor *out)
{
    const problem *p = arg;
    lt_tensor in = lt_tensor_rows(&p->in, first, count);
    lt_tensor residual = lt_tensor_rows(&p->residual, first, count);
    lt_tensor per = lt_tensor_rows(&p->per_sample, first, count);
    lt_tensor *add = p->in_place ? out : &residual;
    if (p->in_place) CHECK(lt_tensor_copy(out, &residual, NULL) == LT_OK);
    const lt_conv_args a = { .w = p->w,
                             .in = &in,
                             .out = out,
                             .per_sample = p->use_per_sample ? &per : NULL,
                             .residual = p->use_residual ? add : NULL,
                             .upsample = p->upsample };
    const lt_status st = x->k->conv(x, &a);
    lt_tensor_free(&in);
    lt_tensor_free(&residual);
    lt_tensor_free(&per);
    return st;
}

typedef struct shape {
    int64_t n, h, w, c_in, c_out, kh, kw;
    lt_conv_shape conv;
    int upsample;
} shape;

static problem problem_new(const bench_room *r, const lt_kernels *k, lt_dtype round,
                           lt_dtype out_type, const shape *s, int bias)
{
    problem p = { 0 };
    const lt_exec x = exec_of(r, k, 1);
    lt_tensor w = FILLED(r, k->compute, round, 1, s->c_out, s->c_in, s->kh, s->kw);
    lt_tensor b = FILLED(r, LT_F32, LT_F32, 2, s->c_out);
    CHECK(k->conv_pack(&x, &w, bias ? &b : NULL, s->conv, &p.w) == LT_OK);
    CHECK(lt_conv_c_in(p.w) == s->c_in && lt_conv_c_out(p.w) == s->c_out);
    const int64_t h = s->h << s->upsample, w_in = s->w << s->upsample;
    const int64_t oh = lt_conv_out_h(p.w, h), ow = lt_conv_out_w(p.w, w_in);
    p.upsample = s->upsample;
    CHECK(oh == (h + s->conv.top + s->conv.bottom - s->kh) / s->conv.stride + 1);
    p.in = FILLED(r, k->compute, round, 3, s->n, s->h, s->w, s->c_in);
    p.residual = FILLED(r, out_type, round, 4, s->n, oh, ow, s->c_out);
    p.per_sample = FILLED(r, LT_F32, LT_F32, 5, s->n, s->c_out);
    lt_tensor_free(&w);
    lt_tensor_free(&b);
    return p;
}

static void problem_free(problem *p, const lt_kernels *k)
{
    k->conv_free(&p->w);
    CHECK(!p->w);
    lt_tensor_free(&p->in);
    lt_tensor_free(&p->residual);
    lt_tensor_free(&p->per_sample);
}

static void check_one(const bench_room *r, const lt_kernels *k, const shape *s,
                      int variant)
{
    const lt_dtype out_type = variant & 1 ? LT_F32 : k->compute;
    problem want = problem_new(r, r->ref, k->compute, LT_F32, s, variant & 2);
    problem got = problem_new(r, k, k->compute, out_type, s, variant & 2);
    want.use_residual = got.use_residual = variant % 3 > 0;
    want.use_per_sample = got.use_per_sample = variant % 4 > 1;
    got.in_place = variant % 3 == 2;
    const int64_t *shape_out = want.residual.shape;
    lt_tensor a = guarded(r, LT_F32, 4, shape_out),
              b = guarded(r, out_type, 4, shape_out);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    CHECK(run(&xr, &want, 0, s->n, &a) == LT_OK);
    CHECK(run(&xk, &got, 0, s->n, &b) == LT_OK);
    check_near(&b, &a, tol_of(k, 2e-5f, 2e-2f), "conv", k->name);
    check_guard(&b);
    if (s->n > 0) check_same_bits(r, k, run, &got, &b, "conv");
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    problem_free(&want, r->ref);
    problem_free(&got, k);
}

/* One set of weights for images of several sizes, in turn: layouts may change. */
static void check_sizes(const bench_room *r, const lt_kernels *k)
{
    const lt_conv_shape pad = { 1, 1, 1, 1, 1 };
    const shape s = { 1, 64, 64, 32, 48, 3, 3, pad, 0 };
    problem p = problem_new(r, k, LT_BF16, k->compute, &s, 1);
    problem q = problem_new(r, r->ref, LT_BF16, LT_F32, &s, 1);
    static const int64_t sizes[] = { 3, 16, 1, 5, 16 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const int64_t n = sizes[i];
        const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 2);
        lt_tensor in = FILLED(r, k->compute, LT_BF16, 9, 2, n, n + 1, 32);
        lt_tensor in_ref = FILLED(r, LT_F32, LT_BF16, 9, 2, n, n + 1, 32);
        lt_tensor a = GUARDED(r, LT_F32, 2, n, n + 1, 48);
        lt_tensor b = GUARDED(r, k->compute, 2, n, n + 1, 48);
        CHECK(r->ref->conv(&xr, &(lt_conv_args){ .w = q.w, .in = &in_ref, .out = &a }) ==
              LT_OK);
        CHECK(k->conv(&xk, &(lt_conv_args){ .w = p.w, .in = &in, .out = &b }) == LT_OK);
        check_near(&b, &a, tol_of(k, 2e-5f, 2e-2f), "conv of several sizes", k->name);
        check_guard(&b);
        lt_tensor_free(&in);
        lt_tensor_free(&in_ref);
        lt_tensor_free(&a);
        lt_tensor_free(&b);
    }
    problem_free(&p, k);
    problem_free(&q, r->ref);
}

static void check_errors(const bench_room *r, const lt_kernels *k)
{
    const lt_conv_shape pad = { 1, 1, 1, 1, 1 };
    const lt_exec x = exec_of(r, k, 1);
    const shape s = { 1, 4, 4, 8, 8, 3, 3, pad, 0 };
    problem p = problem_new(r, k, LT_BF16, k->compute, &s, 0);
    lt_tensor out = GUARDED(r, k->compute, 1, 4, 5, 8),
              big = FILLED(r, LT_F32, LT_F32, 1, 8);
    CHECK(k->conv(&x, &(lt_conv_args){ .w = p.w, .in = &p.in, .out = &out }) ==
          LT_ERR_SHAPE);
    lt_conv *w = NULL;
    CHECK(k->conv_pack(&x, &big, NULL, pad, &w) == LT_ERR_SHAPE && !w);
    k->conv_free(NULL);
    k->conv_free(&w);
    lt_tensor_free(&out);
    lt_tensor_free(&big);
    problem_free(&p, k);
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {
        { 1, 1, 1, 1, 1, 1, 1, { 1, 0, 0, 0, 0 }, 0 },
        { 2, 9, 11, 7, 5, 3, 3, { 1, 1, 1, 1, 1 }, 0 },
        { 5, 16, 16, 32, 64, 3, 3, { 1, 1, 1, 1, 1 }, 0 },
        { 5, 40, 36, 4, 32, 3, 3, { 1, 1, 1, 1, 1 }, 0 }, /* bands */
        { 2, 70, 33, 16, 3, 3, 3, { 1, 1, 1, 1, 1 }, 0 }, /* bands, the last is shorter */
        { 2, 17, 15, 24, 40, 3, 3, { 2, 1, 1, 1, 1 }, 0 }, /* UNet's way down */
        { 2, 66, 70, 8, 16, 3, 3, { 2, 0, 0, 1, 1 }, 0 },  /* VAE's way down */
        { 5, 33, 35, 48, 16, 1, 1, { 1, 0, 0, 0, 0 }, 0 },
        { 0, 8, 8, 16, 16, 3, 3, { 1, 1, 1, 1, 1 }, 0 },
        { 2, 8, 8, 3, 20, 4, 4, { 4, 0, 0, 0, 0 }, 0 }, /* patches */
        { 2, 23, 9, 24, 40, 3, 3, { 1, 1, 1, 1, 1 }, 0 },
        { 2, 1, 2, 16, 33, 3, 3, { 1, 1, 1, 1, 1 }, 0 },
        { 2, 9, 7, 24, 40, 3, 3, { 1, 1, 1, 1, 1 }, 1 }, /* read enlarged */
        { 3, 16, 8, 40, 17, 3, 3, { 1, 1, 1, 1, 1 }, 1 },
        { 2, 3, 2, 5, 8, 3, 3, { 1, 1, 1, 1, 1 }, 1 },
        { 1, 4, 5, 16, 16, 3, 3, { 2, 1, 1, 1, 1 }, 1 },
    };
    bench_room r = room_open(argc, argv);
    for (int t = 0; t < r.n_tables; t++) {
        for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
            for (int variant = 0; variant<12; variant += shapes[i].h> 16 ? 5 : 2)
                check_one(&r, r.tables[t], &shapes[i], variant);
        check_sizes(&r, r.tables[t]);
        check_errors(&r, r.tables[t]);
        printf("ok   conv %s == ref\n", r.tables[t]->name);
    }
    room_close(&r);
    return 0;
}
