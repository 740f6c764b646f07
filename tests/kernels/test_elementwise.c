#include "ops.h"

/* Activations, sums and conversions of every table against the reference. The position
 * of a value in its vector must not matter: results are compared bit by bit between a
 * long tensor and the same values one at a time. */

enum { N = 70001 };

static void fill_wide(lt_tensor *t, lt_dtype round, uint64_t seed)
{
    static const float special[] = { 0.0f,   -0.0f,   1e-30f, -1e-30f, 40.0f, -40.0f,
                                     200.0f, -200.0f, 5.5f,   -5.5f,   NAN,   INFINITY };
    fill(t, round, 12.0f, seed);
    const int64_t n = lt_tensor_count(t);
    for (int64_t i = 0; i < 12 && i < n; i++) {
        const float v = lt_f32_from_bf16(lt_bf16_from_f32(special[i]));
        if (t->dtype == LT_F32)
            lt_f32(t)[i] = v;
        else
            lt_u16(t)[i] = lt_bf16_from_f32(v);
    }
}

static void check_unary(const bench_room *r, const lt_kernels *k, lt_dtype dtype,
                        lt_act act)
{
    lt_tensor in = GUARDED(r, dtype, N), in_ref = GUARDED(r, LT_F32, N);
    lt_tensor want = GUARDED(r, LT_F32, N), got = GUARDED(r, dtype, N);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    fill_wide(&in, dtype, 3);
    fill_wide(&in_ref, dtype, 3);
    CHECK(r->ref->unary(&xr, act, &in_ref, &want) == LT_OK);
    CHECK(k->unary(&xk, act, &in, &got) == LT_OK);
    /* Relative to each value near 1 and below, not to the largest of all. */
    for (int64_t i = 0; i < N; i++) {
        const float x = value_of(&got, i), y = value_of(&want, i);
        const float tol = dtype == LT_F32 ? 1e-6f : 1e-2f;
        CHECK(isnan(y) ? isnan(x) : isinf(y) ? x == y : check_close(x, y, tol));
    }
    check_guard(&got);
    for (int64_t n = 1; n < 40; n++) {
        lt_tensor a = lt_tensor_rows(&in, 100, n), b = GUARDED(r, dtype, n);
        const size_t size = lt_dtype_size(dtype);
        CHECK(k->unary(&xk, act, &a, &b) == LT_OK);
        check_bits(b.data, (char *)got.data + 100 * size, (size_t)n * size, "unary",
                   k->name, 1);
        check_guard(&b);
        lt_tensor_free(&a);
        lt_tensor_free(&b);
    }
    for (int t = 2; t <= MAX_THREADS; t++) {
        const lt_exec x = exec_of(r, k, t);
        lt_tensor b = GUARDED(r, dtype, N);
        CHECK(k->unary(&x, act, &in, &b) == LT_OK);
        check_bits(b.data, got.data, lt_tensor_bytes(&got), "unary", k->name, t);
        lt_tensor_free(&b);
    }
    CHECK(k->unary(&xk, act, &in, &in) == LT_OK);
    check_bits(in.data, got.data, lt_tensor_bytes(&got), "unary in place", k->name, 1);
    lt_tensor_free(&in);
    lt_tensor_free(&in_ref);
    lt_tensor_free(&want);
    lt_tensor_free(&got);
}

static lt_status geglu(const lt_exec *x, const void *arg, int64_t first, int64_t count,
                       lt_tensor *out)
{
    lt_tensor in = lt_tensor_rows(arg, first, count);
    const lt_status st = x->k->geglu(x, &in, out);
    lt_tensor_free(&in);
    return st;
}

static void check_geglu(const bench_room *r, const lt_kernels *k, int64_t n, int64_t c)
{
    lt_tensor in = FILLED(r, k->compute, k->compute, 5, n, 3, 2 * c);
    lt_tensor in_ref = FILLED(r, LT_F32, k->compute, 5, n, 3, 2 * c);
    lt_tensor want = GUARDED(r, LT_F32, n, 3, c), got = GUARDED(r, k->compute, n, 3, c);
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 1);
    CHECK(r->ref->geglu(&xr, &in_ref, &want) == LT_OK);
    CHECK(k->geglu(&xk, &in, &got) == LT_OK);
    check_near(&got, &want, tol_of(k, 1e-6f, 1e-2f), "geglu", k->name);
    check_guard(&got);
    if (n > 0) check_same_bits(r, k, geglu, &in, &got, "geglu");
    lt_tensor_free(&in);
    lt_tensor_free(&in_ref);
    lt_tensor_free(&want);
    lt_tensor_free(&got);
}

static void check_add(const bench_room *r, const lt_kernels *k, int64_t n)
{
    const lt_dtype types[] = { LT_F32, k->compute };
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 2);
    for (int t = 0; t < 2; t++) {
        lt_tensor a = FILLED(r, types[t], types[t], 1, n);
        lt_tensor b = FILLED(r, types[t], types[t], 2, n);
        lt_tensor want = GUARDED(r, types[t], n), got = GUARDED(r, types[t], n);
        CHECK(r->ref->add(&xr, &a, &b, &want) == LT_OK);
        CHECK(k->add(&xk, &a, &b, &got) == LT_OK);
        check_bits(got.data, want.data, lt_tensor_bytes(&got), "add", k->name, 2);
        check_guard(&got);
        lt_tensor_free(&a);
        lt_tensor_free(&b);
        lt_tensor_free(&want);
        lt_tensor_free(&got);
    }
    lt_tensor a = FILLED(r, LT_F32, LT_F32, 1, n), b = FILLED(r, LT_F32, LT_F32, 2, n);
    lt_tensor want = GUARDED(r, LT_F32, n), got = GUARDED(r, LT_F32, n);
    CHECK(r->ref->axpby(&xr, 0.3f, &a, -1.7f, &b, &want) == LT_OK);
    CHECK(k->axpby(&xk, 0.3f, &a, -1.7f, &b, &got) == LT_OK);
    check_bits(got.data, want.data, lt_tensor_bytes(&got), "axpby", k->name, 2);
    check_guard(&got);
    CHECK(k->axpby(&xk, 0.3f, &a, -1.7f, &b, &b) == LT_OK);
    check_bits(b.data, want.data, lt_tensor_bytes(&got), "axpby in place", k->name, 2);
    lt_tensor_free(&a);
    lt_tensor_free(&b);
    lt_tensor_free(&want);
    lt_tensor_free(&got);
}

/* All 65,536 halves to f32 and back, and f32 values of every exponent to halves. */
static void check_convert(const bench_room *r, const lt_kernels *k)
{
    enum { ALL = 65536 };
    const lt_dtype halves[] = { LT_BF16, LT_F16 };
    const lt_exec xr = exec_of(r, r->ref, 1), xk = exec_of(r, k, 2);
    for (int t = 0; t < 2; t++) {
        lt_tensor h = GUARDED(r, halves[t], ALL), f = GUARDED(r, LT_F32, ALL);
        lt_tensor want = GUARDED(r, LT_F32, ALL), back = GUARDED(r, halves[t], ALL + 3);
        lt_tensor other = GUARDED(r, halves[1 - t], ALL),
                  other_k = GUARDED(r, halves[1 - t], ALL);
        for (int i = 0; i < ALL; i++) lt_u16(&h)[i] = (uint16_t)i;
        CHECK(r->ref->convert(&xr, &h, &want) == LT_OK);
        CHECK(k->convert(&xk, &h, &f) == LT_OK);
        check_bits(f.data, want.data, lt_tensor_bytes(&f), "convert to f32", k->name, 2);
        CHECK(r->ref->convert(&xr, &h, &other) == LT_OK);
        CHECK(k->convert(&xk, &h, &other_k) == LT_OK);
        check_bits(other.data, other_k.data, lt_tensor_bytes(&other), "convert", k->name,
                   2);

        lt_tensor wide = GUARDED(r, LT_F32, ALL + 3),
                  back_ref = GUARDED(r, halves[t], ALL + 3);
        uint64_t seed = 11;
        for (int i = 0; i < ALL + 3; i++) {
            const uint32_t bits = (uint32_t)check_rand(&seed);
            memcpy(lt_f32(&wide) + i, &bits, sizeof(bits));
        }
        CHECK(r->ref->convert(&xr, &wide, &back_ref) == LT_OK);
        CHECK(k->convert(&xk, &wide, &back) == LT_OK);
        check_bits(back.data, back_ref.data, lt_tensor_bytes(&back), "convert from f32",
                   k->name, 2);
        check_guard(&back);
        lt_tensor *const made[] = { &h,     &f,       &want, &back,
                                    &other, &other_k, &wide, &back_ref };
        for (int i = 0; i < 8; i++) lt_tensor_free(made[i]);
    }
}

int main(int argc, char **argv)
{
    bench_room r = room_open(argc, argv);
    for (int t = 0; t < r.n_tables; t++) {
        const lt_kernels *k = r.tables[t];
        for (int act = 0; act < 4; act++) {
            check_unary(&r, k, LT_F32, (lt_act)act);
            check_unary(&r, k, LT_BF16, (lt_act)act);
        }
        for (int64_t c = 0; c < 40; c += 3) check_geglu(&r, k, 5, c);
        check_geglu(&r, k, 2, 20000);
        check_geglu(&r, k, 0, 8);
        for (int64_t n = 0; n < 50; n += 7) check_add(&r, k, n);
        check_add(&r, k, N);
        check_convert(&r, k);
        printf("ok   elementwise %s == ref\n", k->name);
    }
    room_close(&r);
    return 0;
}
