/* The VAE: batches, clamping, wrong shapes. Parity is in test_golden. */
#include "models_test.h"

static lt_tensor noise(const lt_exec *x, int64_t n, int64_t h, int64_t w, int64_t c)
{
    lt_tensor t = { 0 };
    uint64_t seed = 7;
    OK(LT_TENSOR_NEW(&t, x->pool, LT_F32, n, h, w, c));
    for (int64_t i = 0; i < lt_tensor_count(&t); i++) lt_f32(&t)[i] = check_randf(&seed);
    return t;
}

static lt_tensor empty(const lt_exec *x, int64_t n, int64_t h, int64_t w, int64_t c)
{
    lt_tensor t = { 0 };
    OK(LT_TENSOR_NEW(&t, x->pool, LT_F32, n, h, w, c));
    return t;
}

static void encode(const lt_exec *x, const lt_vae *v, const lt_tensor *image,
                   lt_tensor *mean, lt_tensor *logvar)
{
    const int f = lt_vae_factor(v);
    const int64_t n = image->shape[0], h = image->shape[1] / f, w = image->shape[2] / f;
    *mean = empty(x, n, h, w, 4);
    *logvar = empty(x, n, h, w, 4);
    OK(lt_vae_encode(x, v, image, mean, logvar));
}

/* Three images at once and one by one; memory does not grow with the batch. */
static void check_batch(const lt_exec *x, const lt_vae *v)
{
    const int f = lt_vae_factor(v);
    lt_tensor images = noise(x, 3, 3 * f, 2 * f, 3), mean, logvar, m1, l1;
    lt_pool_reset_peak(x->pool);
    encode(x, v, &images, &mean, &logvar);
    const size_t peak_3 = lt_pool_peak(x->pool);
    for (int64_t i = 0; i < 3; i++) {
        lt_tensor one = lt_tensor_rows(&images, i, 1);
        lt_tensor m = lt_tensor_rows(&mean, i, 1), l = lt_tensor_rows(&logvar, i, 1);
        lt_pool_reset_peak(x->pool);
        encode(x, v, &one, &m1, &l1);
        CHECK(peak_3 <= lt_pool_peak(x->pool) + 4096);
        CHECK(!memcmp(m.data, m1.data, lt_tensor_bytes(&m1)));
        CHECK(!memcmp(l.data, l1.data, lt_tensor_bytes(&l1)));
        lt_tensor_free(&one);
        lt_tensor_free(&m);
        lt_tensor_free(&l);
        lt_tensor_free(&m1);
        lt_tensor_free(&l1);
    }
    lt_tensor again = empty(x, 3, 3, 2, 4);
    OK(lt_vae_encode(x, v, &images, &again, NULL));
    CHECK(!memcmp(again.data, mean.data, lt_tensor_bytes(&mean)));
    lt_tensor_free(&again);
    lt_tensor_free(&images);
    lt_tensor_free(&mean);
    lt_tensor_free(&logvar);
}

static void check_decode_batch(const lt_exec *x, const lt_vae *v)
{
    const int f = lt_vae_factor(v);
    lt_tensor z = noise(x, 3, 3, 2, 4), all = empty(x, 3, 3 * f, 2 * f, 3);
    OK(lt_vae_decode(x, v, &z, &all));
    for (int64_t i = 0; i < 3; i++) {
        lt_tensor one = lt_tensor_rows(&z, i, 1), part = lt_tensor_rows(&all, i, 1);
        lt_tensor out = empty(x, 1, 3 * f, 2 * f, 3);
        OK(lt_vae_decode(x, v, &one, &out));
        CHECK(!memcmp(part.data, out.data, lt_tensor_bytes(&out)));
        lt_tensor_free(&one);
        lt_tensor_free(&part);
        lt_tensor_free(&out);
    }
    lt_tensor_free(&z);
    lt_tensor_free(&all);
}

/* An image far outside the range drives logvar to its limits. */
static void check_clamp(const lt_exec *x, const lt_vae *v)
{
    const int f = lt_vae_factor(v);
    lt_tensor image = noise(x, 1, 4 * f, 4 * f, 3), mean, logvar;
    encode(x, v, &image, &mean, &logvar);
    for (int64_t i = 0; i < lt_tensor_count(&logvar); i++)
        CHECK(lt_f32(&logvar)[i] >= -30 && lt_f32(&logvar)[i] <= 20);
    lt_tensor_free(&image);
    lt_tensor_free(&mean);
    lt_tensor_free(&logvar);
}

static void check_shapes(const lt_exec *x, const lt_vae *v)
{
    const int f = lt_vae_factor(v);
    lt_tensor image = noise(x, 1, 2 * f, 2 * f + 1, 3), z = empty(x, 1, 2, 2, 4);
    FAILS(LT_ERR_SHAPE, "VAE", lt_vae_encode(x, v, &image, &z, NULL));
    FAILS(LT_ERR_SHAPE, "VAE", lt_vae_decode(x, v, &z, &image));
    lt_tensor_free(&image);
    lt_tensor_free(&z);
}

int main(void)
{
    const lt_kernels *k[16];
    const int n = tables(k);
    for (int i = 0; i < n; i++)
        for (int m = 0; m < N_TEST_MODELS; m++) {
            char dir[4096];
            lt_vae *v = NULL;
            lt_exec x = open_exec(k[i]);
            OK(lt_kernels_threads_open(2, &x.threads));
            OK(lt_vae_load(&x, model_dir(test_models[m], dir), &v));
            CHECK(lt_vae_factor(v) == (m == 2 ? 4 : 8));
            CHECK(lt_vae_scaling_factor(v) == (m == 2 ? 0.25f : 0.18215f));
            CHECK(lt_vae_latent_channels(v) == 4);
            check_batch(&x, v);
            check_decode_batch(&x, v);
            check_clamp(&x, v);
            check_shapes(&x, v);
            lt_vae_free(&v);
            close_exec(&x);
        }
    return 0;
}
