/* The UNet's hooks: sites, hidden maps, dropped branches, early stops, batches. */
#include "models_test.h"

/* A loaded UNet with inputs: `frames` frames a branch, two prompts. */
typedef struct bench {
    lt_exec x;
    lt_unet *unet;
    lt_weights *golden;
    lt_unet_context *context[2];
    int64_t h, w;
} bench;

static bench open_bench(const lt_kernels *k, const char *model, int64_t h, int64_t w)
{
    char dir[4096], path[4096], name[64];
    bench b = { .x = open_exec(k), .h = h, .w = w };
    OK(lt_kernels_threads_open(2, &b.x.threads));
    OK(lt_unet_load(&b.x, model_dir(model, dir), &b.unet));
    snprintf(name, sizeof(name), "check-%s.safetensors", model);
    OK(lt_weights_open(golden_path(name, path), &b.golden));
    lt_tensor text = golden_tensor(&b.x, b.golden, "in.unet.encoder_hidden_states");
    for (int i = 0; i < 2; i++) {
        lt_tensor row = lt_tensor_rows(&text, i, 1);
        lt_tensor prompt = LT_RESHAPE(&row, text.shape[1], text.shape[2]);
        OK(lt_unet_context_new(&b.x, b.unet, &prompt, &b.context[i]));
        lt_tensor_free(&row);
        lt_tensor_free(&prompt);
    }
    lt_tensor_free(&text);
    return b;
}

static void close_bench(bench *b)
{
    for (int i = 0; i < 2; i++) lt_unet_context_free(&b->context[i]);
    lt_weights_close(&b->golden);
    lt_unet_free(&b->unet);
    close_exec(&b->x);
}

/* n samples of noise; sample i is the same in every batch. */
static lt_tensor noise(const bench *b, int64_t first, int64_t n)
{
    lt_tensor t = { 0 };
    OK(LT_TENSOR_NEW(&t, b->x.pool, LT_F32, n, b->h, b->w, 4));
    const int64_t each = b->h * b->w * 4;
    for (int64_t i = 0; i < n; i++) {
        uint64_t seed = (uint64_t)(first + i) + 1;
        for (int64_t j = 0; j < each; j++) lt_f32(&t)[i * each + j] = check_randf(&seed);
    }
    return t;
}

/* One pass over branches x frames; sample s of the input is noise number at[s]. */
static lt_tensor forward(const bench *b, int branches, int64_t frames,
                         const int *contexts, const lt_tensor *x, const lt_policy *policy,
                         lt_batch *live)
{
    lt_tensor out = { 0 };
    OK(LT_TENSOR_NEW(&out, b->x.pool, LT_F32, branches * frames, b->h, b->w, 4));
    memset(out.data, 0xff, lt_tensor_bytes(&out));
    lt_unet_args a = { .batch = { .n_branches = branches,
                                  .branch = { LT_BRANCH_SOURCE, LT_BRANCH_NEGATIVE,
                                              LT_BRANCH_EDIT },
                                  .n_frames = frames },
                       .x = x,
                       .timestep = 481,
                       .policy = policy,
                       .out = &out,
                       .live = live };
    for (int i = 0; i < branches; i++) a.context[i] = b->context[contexts[i]];
    OK(lt_unet_forward(&b->x, b->unet, &a));
    return out;
}

static int same_rows(const lt_tensor *a, int64_t i, const lt_tensor *b, int64_t j,
                     int64_t n)
{
    const int64_t each = lt_tensor_count(a) / a->shape[0];
    return !memcmp(lt_f32(a) + i * each, lt_f32(b) + j * each,
                   (size_t)(n * each) * sizeof(float));
}

/* ---- batches --------------------------------------------------------------------- */

static void check_batches(const bench *b)
{
    static const int contexts[] = { 0, 1, 0 };
    lt_batch live;
    lt_tensor x = noise(b, 0, 6);
    lt_tensor all = forward(b, 3, 2, contexts, &x, NULL, &live);
    CHECK(live.n_branches == 3 && live.n_frames == 2);
    for (int s = 0; s < 6; s++) {
        lt_tensor one = noise(b, s, 1);
        lt_tensor out = forward(b, 1, 1, contexts + s / 2, &one, NULL, NULL);
        CHECK(same_rows(&all, s, &out, 0, 1));
        lt_tensor_free(&one);
        lt_tensor_free(&out);
    }
    CHECK(!same_rows(&all, 0, &all, 1, 1) && !same_rows(&all, 0, &all, 2, 1));
    for (int threads = 1; threads <= 3; threads += 2) {
        bench other = *b;
        OK(lt_kernels_threads_open(threads, &other.x.threads));
        lt_tensor out = forward(&other, 3, 2, contexts, &x, NULL, NULL);
        CHECK(same_rows(&all, 0, &out, 0, 6));
        lt_tensor_free(&out);
        lt_threads_close(other.x.threads);
    }
    lt_tensor_free(&x);
    lt_tensor_free(&all);
}

/* ---- recording -------------------------------------------------------------------- */

typedef struct record {
    int n_self, n_hidden, n_places;
    char self[40][96], hidden[60][96];
    int last_self;                           /* index of the site that said so, or -1 */
    int up_block, resnet, attention, n_drop; /* where to drop how many, once */
} record;

static lt_status plain(void *self, const lt_attention_call *c)
{
    record *r = self;
    const lt_attention_site *s = c->site;
    const int64_t n = c->batch->n_branches * c->batch->n_frames;
    CHECK(s->index == r->n_self && s->kind == LT_SELF_ATTENTION);
    CHECK(c->in->shape[0] == n && c->in->shape[1] == s->h * s->w);
    CHECK(c->in->shape[2] == s->heads * s->head_dim && c->in->dtype == c->x->k->compute);
    CHECK(lt_tensor_same_shape(c->in, c->out));
    CHECK(fabsf(s->scale * s->scale * (float)s->head_dim - 1) < 1e-5f);
    if (s->last_self) {
        CHECK(r->last_self < 0);
        r->last_self = s->index;
    }
    strcpy(r->self[r->n_self++], s->path);
    /* in two parts, as policies do */
    const lt_status st = lt_site_plain(c, 0, 1);
    return st != LT_OK ? st : lt_site_plain(c, 1, n - 1);
}

static lt_status see_hidden(void *self, const lt_hidden_call *c)
{
    record *r = self;
    CHECK(c->hidden->ndim == 4 && c->hidden->dtype == c->x->k->compute);
    CHECK(c->hidden->shape[0] == c->batch->n_branches * c->batch->n_frames);
    CHECK((c->up_block >= 0) == !strncmp(c->path, "up_blocks", 9));
    strcpy(r->hidden[r->n_hidden++], c->path);
    return LT_OK;
}

static int drop(void *self, int up_block, int resnet, int attention,
                const lt_batch *batch)
{
    record *r = self;
    r->n_places++;
    CHECK((resnet >= 0) != (attention >= 0));
    if (!r->n_drop || up_block != r->up_block || resnet != r->resnet ||
        attention != r->attention || batch->n_branches != 3)
        return 0;
    return r->n_drop;
}

static void check_record(const bench *b)
{
    static const int contexts[] = { 0, 1 };
    record r = { .last_self = -1 };
    const lt_policy policy = { &r, plain, see_hidden, drop };
    lt_tensor x = noise(b, 0, 2);
    lt_tensor with = forward(b, 2, 1, contexts, &x, &policy, NULL);
    lt_tensor without = forward(b, 2, 1, contexts, &x, NULL, NULL);
    check_near("recorded", b->x.k, &with, &without,
               b->x.k->compute == LT_BF16 ? 8e-2 : 2e-5);
    const lt_unet_config *c = lt_unet_get_config(b->unet);
    CHECK(r.n_self == lt_unet_n_sites(b->unet) && r.last_self == r.n_self - 1);
    CHECK(r.n_hidden == c->n_levels * (2 * c->layers_per_block + 1) + 2);
    CHECK(r.n_places == r.n_hidden + 2 * r.n_self);
    for (int i = 0; i < r.n_self; i++) {
        lt_attention_site s;
        OK(lt_unet_site(b->unet, i, b->h, b->w, &s));
        CHECK(!strcmp(s.path, r.self[i]) && s.index == i);
        CHECK(s.last_self == (i == r.n_self - 1));
    }
    lt_tensor_free(&x);
    lt_tensor_free(&with);
    lt_tensor_free(&without);
}

/* Stable Diffusion's 16 layers in their order. */
static void check_sd_sites(const bench *b)
{
    static const char *const paths[16] = {
        "down_blocks.0.attentions.0", "down_blocks.0.attentions.1",
        "down_blocks.1.attentions.0", "down_blocks.1.attentions.1",
        "down_blocks.2.attentions.0", "down_blocks.2.attentions.1",
        "mid_block.attentions.0",     "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",   "up_blocks.1.attentions.2",
        "up_blocks.2.attentions.0",   "up_blocks.2.attentions.1",
        "up_blocks.2.attentions.2",   "up_blocks.3.attentions.0",
        "up_blocks.3.attentions.1",   "up_blocks.3.attentions.2",
    };
    static const int64_t grids[16] = { 48, 48, 24, 24, 12, 12, 6,  12,
                                       12, 12, 24, 24, 24, 48, 48, 48 };
    int64_t gh[8], gw[8];
    lt_attention_site s;
    CHECK(lt_unet_n_sites(b->unet) == 16);
    for (int i = 0; i < 16; i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s.transformer_blocks.0.attn1", paths[i]);
        OK(lt_unet_site(b->unet, i, 48, 84, &s));
        CHECK(!strcmp(s.path, path) && s.h == grids[i]);
        CHECK(s.up_block == (i < 7 ? -1 : paths[i][10] - '0'));
        CHECK(s.attention == paths[i][strlen(paths[i]) - 1] - '0');
    }
    CHECK(lt_unet_grids(b->unet, 48, 84, gh, gw) == 4);
    CHECK(gh[0] == 48 && gw[0] == 84 && gh[2] == 12 && gw[2] == 21);
    CHECK(gh[3] == 6 && gw[3] == 11); /* odd sizes round up */
    CHECK(lt_unet_grids(b->unet, 1, 1, gh, gw) == 1);
    FAILS(LT_ERR_ARG, "16", lt_unet_site(b->unet, 16, 8, 8, &s));
}

/* ---- dropping branches ------------------------------------------------------------ */

static void check_drop_at(const bench *b, int up_block, int resnet, int attention, int n)
{
    static const int contexts[] = { 0, 1, 1 };
    record r = {
        .last_self = -1, .up_block = up_block, .resnet = resnet, .attention = attention
    };
    const lt_policy policy = { &r, plain, see_hidden, drop };
    lt_batch live;
    lt_tensor x = noise(b, 0, 6);
    lt_tensor whole = forward(b, 3, 2, contexts, &x, &policy, &live);
    CHECK(live.n_branches == 3);
    r = (record){ .last_self = -1,
                  .up_block = up_block,
                  .resnet = resnet,
                  .attention = attention,
                  .n_drop = n };
    lt_tensor rest = forward(b, 3, 2, contexts, &x, &policy, &live);
    CHECK(live.n_branches == 3 - n && live.n_frames == 2);
    CHECK(live.branch[live.n_branches - 1] == LT_BRANCH_EDIT);
    CHECK(same_rows(&whole, 2 * n, &rest, 0, 2 * (3 - n)));
    uint32_t untouched;
    memcpy(&untouched, lt_f32(&rest) + lt_tensor_count(&rest) - 1, 4);
    CHECK(untouched == 0xffffffffu);
    lt_tensor_free(&x);
    lt_tensor_free(&whole);
    lt_tensor_free(&rest);
}

static void check_drop(const bench *b)
{
    check_drop_at(b, 1, -1, 0, 1);  /* behind a self-attention: the first of two calls */
    check_drop_at(b, 1, 1, -1, 2);  /* behind a residual block */
    check_drop_at(b, -1, 0, -1, 1); /* in the first block: every skip is cut */
    check_drop_at(b, 3, -1, 2, 1);
    lt_tensor x = noise(b, 0, 1), out = noise(b, 0, 1);
    record r = { .last_self = -1, .up_block = 1, .resnet = 0, .attention = -1 };
    lt_policy policy = { &r, NULL, NULL, drop };
    lt_unet_args a = { .batch = { .n_branches = 1, .n_frames = 1 },
                       .x = &x,
                       .policy = &policy,
                       .out = &out,
                       .context = { b->context[0] } };
    OK(lt_unet_forward(&b->x, b->unet, &a)); /* the last branch is never asked for */
    lt_tensor_free(&x);
    lt_tensor_free(&out);
}

/* ---- early stops ------------------------------------------------------------------ */

/* What the hooks see is what diffusers has at those places. */
typedef struct places {
    const lt_weights *w;
    int n;
} places;

static double block_limit(const lt_kernels *k)
{
    return k->compute == LT_BF16 ? 6e-2 : 1e-4;
}

static void check_place(places *p, const lt_exec *x, const char *prefix, const char *path,
                        const char *part, const lt_tensor *got)
{
    char name[256];
    snprintf(name, sizeof(name), "%s.unet.%s%s", prefix, path, part);
    if (!lt_weights_find(p->w, name)) return;
    lt_tensor want = golden_tensor(x, p->w, name);
    check_near(name, x->k, got, &want, block_limit(x->k));
    lt_tensor_free(&want);
    p->n++;
}

static lt_status golden_self(void *self, const lt_attention_call *c)
{
    check_place(self, c->x, "in", c->site->path, "", c->in);
    const lt_status st = lt_site_plain(c, 0, c->in->shape[0]);
    check_place(self, c->x, "out", c->site->path, "", c->out);
    return st;
}

static lt_status golden_hidden(void *self, const lt_hidden_call *c)
{
    check_place(self, c->x, "out", c->path, ".conv2", c->hidden);
    return LT_OK;
}

static void check_features(const lt_kernels *k, const char *model)
{
    char path[4096], name[64];
    bench b = open_bench(k, model, 1, 1);
    lt_weights *w = NULL;
    snprintf(name, sizeof(name), "blocks-%s.safetensors", model);
    OK(lt_weights_open(golden_path(name, path), &w));
    lt_tensor x = golden_tensor(&b.x, w, "in.unet.sample");
    lt_tensor t = golden_tensor(&b.x, w, "in.unet.encoder_hidden_states");
    lt_tensor prompt = LT_RESHAPE(&t, t.shape[1], t.shape[2]);
    lt_unet_context *c = NULL;
    int64_t step = 0;
    OK(lt_unet_context_new(&b.x, b.unet, &prompt, &c));
    OK(lt_weight_to_i64(lt_weights_find(w, "in.unet.timestep"), &step));
    for (int i = 0; i < lt_unet_get_config(b.unet)->n_levels; i++) {
        places seen = { .w = w };
        lt_policy policy = { &seen, golden_self, golden_hidden, NULL };
        lt_tensor got = { 0 };
        lt_unet_args a = { .batch = { .n_branches = 1, .n_frames = 1 },
                           .x = &x,
                           .timestep = (float)step,
                           .context = { c },
                           .policy = &policy,
                           .stop = LT_STOP_AFTER_UP_BLOCK,
                           .stop_up_block = i,
                           .features = &got };
        OK(lt_unet_forward(&b.x, b.unet, &a));
        snprintf(name, sizeof(name), "out.unet.up_blocks.%d", i);
        lt_tensor want = golden_tensor(&b.x, w, name);
        CHECK(got.dtype == k->compute && lt_tensor_same_shape(&got, &want));
        check_near(name, k, &got, &want, block_limit(k));
        CHECK(seen.n == (i ? 4 : 3)); /* attn1 twice, two resnets of which one is up */
        lt_tensor_free(&got);
        lt_tensor_free(&want);
    }
    lt_unet_context_free(&c);
    lt_tensor_free(&x);
    lt_tensor_free(&t);
    lt_tensor_free(&prompt);
    lt_weights_close(&w);
    close_bench(&b);
}

/* The joint pass ends behind the last self-attention, whose output nobody reads. */
static void check_last_self(const bench *b)
{
    record r = { .last_self = -1 };
    lt_policy policy = { &r, plain, see_hidden, drop };
    lt_tensor x = noise(b, 0, 2), features = { 0 };
    lt_unet_args a = { .batch = { .n_branches = 1, .n_frames = 2 },
                       .x = &x,
                       .context = { b->context[0] },
                       .policy = &policy,
                       .stop = LT_STOP_AFTER_LAST_SELF };
    OK(lt_unet_forward(&b->x, b->unet, &a));
    CHECK(r.n_self == lt_unet_n_sites(b->unet) && r.last_self == r.n_self - 1);
    r = (record){ .last_self = -1 };
    a.stop = LT_STOP_AFTER_UP_BLOCK;
    a.stop_up_block = 1;
    a.features = &features;
    OK(lt_unet_forward(&b->x, b->unet, &a));
    CHECK(r.n_self == 10 && r.last_self == 9); /* the last of this pass */
    lt_tensor_free(&features);
    lt_tensor_free(&x);
}

/* ---- failures --------------------------------------------------------------------- */

static lt_status refuse(void *self, const lt_attention_call *c)
{
    (void)c;
    return ++*(int *)self == 9 ? LT_FAIL(LT_ERR_DATA, "refused") : lt_site_plain(c, 0, 1);
}

static int drop_all(void *self, int up_block, int resnet, int attention,
                    const lt_batch *batch)
{
    (void)self, (void)up_block, (void)resnet, (void)attention;
    return batch->n_branches;
}

/* A failure anywhere frees everything (close_exec checks) and is passed on. */
static void check_failures(bench *b)
{
    int calls = 0;
    lt_policy policy = { &calls, refuse, NULL, NULL };
    lt_tensor x = noise(b, 0, 1), out = noise(b, 0, 1);
    lt_unet_args a = { .batch = { .n_branches = 1, .n_frames = 1 },
                       .x = &x,
                       .context = { b->context[0] },
                       .policy = &policy,
                       .out = &out };
    FAILS(LT_ERR_DATA, "refused", lt_unet_forward(&b->x, b->unet, &a));
    policy = (lt_policy){ .drop_branches = drop_all };
    FAILS(LT_ERR_ARG, "dropped 1 of 1", lt_unet_forward(&b->x, b->unet, &a));
    a.policy = NULL;
    a.batch.n_frames = 2;
    FAILS(LT_ERR_SHAPE, "UNet input", lt_unet_forward(&b->x, b->unet, &a));
    a.batch.n_frames = 1;
    a.context[0] = NULL;
    FAILS(LT_ERR_ARG, "prompt", lt_unet_forward(&b->x, b->unet, &a));
    a.context[0] = b->context[0];
    lt_exec small = b->x;
    const size_t used = lt_pool_used(b->x.pool);
    OK(lt_pool_open(&small.pool, LT_HOST, "small", 40000));
    FAILS(LT_ERR_NOMEM, "small", lt_unet_forward(&small, b->unet, &a));
    CHECK(lt_pool_used(small.pool) == 0 && lt_pool_used(b->x.pool) == used);
    lt_pool_close(&small.pool);
    lt_tensor wrong = { 0 };
    lt_unet_context *c = NULL;
    OK(LT_TENSOR_NEW(&wrong, b->x.pool, LT_F32, 77, 5));
    FAILS(LT_ERR_SHAPE, "width 5", lt_unet_context_new(&b->x, b->unet, &wrong, &c));
    lt_tensor_free(&wrong);
    lt_tensor_free(&x);
    lt_tensor_free(&out);
}

int main(void)
{
    const lt_kernels *k[16];
    const int n = tables(k);
    for (int i = 0; i < n; i++) {
        bench b = open_bench(k[i], "sd15-tiny", 8, 8);
        check_batches(&b);
        check_record(&b);
        check_drop(&b);
        check_last_self(&b);
        if (i == 0) {
            check_sd_sites(&b);
            check_failures(&b);
        }
        close_bench(&b);
        bench odd = open_bench(k[i], "odd-tiny", 7, 5); /* 7 x 5 -> 4 x 3 -> 2 x 2 */
        check_batches(&odd);
        check_record(&odd);
        close_bench(&odd);
        for (int m = 0; m < N_TEST_MODELS; m++) check_features(k[i], test_models[m]);
    }
    return 0;
}
