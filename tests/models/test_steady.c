/* A step after the first two takes no memory from the system: its activations come from the
 * pool, which has what a step needs, and its primitives are made. Handles of oneDNN, some
 * hundred bytes each, are all that is allocated. */
#include <malloc.h>
#include <stdatomic.h>

#include "attention/inject.h"
#include "models_test.h"

enum { LARGE = 4096, H = 8, W = 12, SAMPLES = 6 };

static atomic_int counting, n_large;
static atomic_size_t largest;

/* The program's own malloc family, in front of the C library's. */
#ifdef __SANITIZE_ADDRESS__
enum { COUNTED = 0 }; /* the sanitizer has its own */
#else
enum { COUNTED = 1 };
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void note(size_t n)
{
    if (!atomic_load(&counting) || n < LARGE) return;
    atomic_fetch_add(&n_large, 1);
    if (n > atomic_load(&largest)) atomic_store(&largest, n);
}

void *malloc(size_t n)
{
    note(n);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    note(n * size);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    note(n);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    note(n);
    return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    note(n);
    *p = __libc_memalign(align, n);
    return *p ? 0 : 12; /* ENOMEM */
}
#endif

static void evaluate(const lt_exec *x, const lt_unet *unet, lt_unet_context *text,
                     const lt_tensor *in, lt_tensor *out)
{
    lt_inject inject = { .attention = 1, .features = 1 };
    const lt_policy policy = lt_inject_policy(&inject);
    lt_batch live;
    lt_unet_args a = { .batch = { .n_branches = 3,
                                  .branch = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE,
                                              LT_BRANCH_EDIT },
                                  .n_frames = SAMPLES / 3 },
                       .x = in,
                       .timestep = 481,
                       .context = { text, text, text },
                       .policy = &policy,
                       .out = out,
                       .live = &live };
    OK(lt_unet_forward(x, unet, &a));
}

static void test_table(const lt_kernels *k)
{
    char dir[4096];
    lt_exec x = open_exec(k);
    lt_unet *unet = NULL;
    lt_unet_context *text = NULL;
    lt_tensor prompt = { 0 }, in = { 0 }, out = { 0 };
    OK(lt_kernels_threads_open(2, &x.threads));
    OK(lt_unet_load(&x, model_dir("sd15-tiny", dir), &unet));
    OK(LT_TENSOR_NEW(&prompt, x.pool, LT_F32, 77,
                     lt_unet_get_config(unet)->cross_attention_dim));
    OK(LT_TENSOR_NEW(&in, x.pool, LT_F32, SAMPLES, H, W, 4));
    OK(LT_TENSOR_NEW(&out, x.pool, LT_F32, SAMPLES, H, W, 4));
    OK(lt_tensor_zero(&prompt, NULL));
    OK(lt_tensor_zero(&in, NULL));
    OK(lt_unet_context_new(&x, unet, &prompt, &text));
    /* The first makes the plans and lays the weights out anew, which leaves free blocks
     * of other sizes than those of a step: the second fills up. */
    for (int i = 0; i < 2; i++) evaluate(&x, unet, text, &in, &out);
    const size_t held = lt_pool_used(x.pool) + lt_pool_cached(x.pool);
    atomic_store(&n_large, 0);
    atomic_store(&largest, 0);
    atomic_store(&counting, 1);
    for (int i = 0; i < 3; i++) evaluate(&x, unet, text, &in, &out);
    atomic_store(&counting, 0);
    printf("%-16s %d large allocations, largest %zu\n", k->name, atomic_load(&n_large),
           atomic_load(&largest));
    CHECK(lt_pool_used(x.pool) + lt_pool_cached(x.pool) == held);
    CHECK(atomic_load(&n_large) == 0);
    lt_unet_context_free(&text);
    lt_tensor_free(&prompt);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
    lt_unet_free(&unet);
    close_exec(&x);
}

/* The counter itself counts. */
static void test_counter(void)
{
    atomic_store(&counting, 1);
    void *volatile p = malloc(LARGE);
    void *volatile q = aligned_alloc(64, LARGE);
    atomic_store(&counting, 0);
    CHECK(atomic_load(&n_large) == 2);
    free(p);
    free(q);
}

int main(void)
{
    const lt_kernels *table[16];
    if (!COUNTED) return TEST_SKIP;
    test_counter();
    const int n = lt_kernels_list(table, 16);
    for (int i = 1; i < n; i++)
        test_table(table[i]); /* the reference is for small work */
    return 0;
}
