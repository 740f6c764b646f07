#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/expect.h"
#include "models/lora.h"
#include "models/text.h"

typedef struct layer {
    lt_norm norm1, norm2;
    lt_linear *q, *k, *v, *out, *fc1, *fc2;
} layer;

struct lt_text_encoder {
    const lt_kernels *kernels; /* of the table of lt_exec_f32 */
    lt_text_config c;
    float *tokens;    /* [vocab_size, width], host: looked up, never multiplied */
    float *positions; /* [n_positions, width], host */
    layer *layer;     /* [n_layers] */
    lt_norm norm;
};

/* ---- loading ------------------------------------------------------------------ */

static lt_status load_layer(const lt_loader *l, const lt_text_config *c, int64_t number,
                            layer *y)
{
    static const char *const names[4] = { "q_proj", "k_proj", "v_proj", "out_proj" };
    lt_linear **const to[4] = { &y->q, &y->k, &y->v, &y->out };
    lt_status st = LT_OK;
    char path[64], name[LT_NAME_MAX];
    snprintf(path, sizeof(path), "text_model.encoder.layers.%d", (int)number);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s.self_attn.%s", path, names[i]);
        LT_TRY(lt_load_linear(l, name, c->width, c->width, LT_LINEAR, to[i]));
    }
    snprintf(name, sizeof(name), "%s.layer_norm1", path);
    LT_TRY(lt_load_norm(l, name, c->width, &y->norm1));
    snprintf(name, sizeof(name), "%s.mlp.fc1", path);
    LT_TRY(lt_load_linear(l, name, c->mlp_width, c->width, LT_LINEAR, &y->fc1));
    snprintf(name, sizeof(name), "%s.mlp.fc2", path);
    LT_TRY(lt_load_linear(l, name, c->width, c->mlp_width, LT_LINEAR, &y->fc2));
    snprintf(name, sizeof(name), "%s.layer_norm2", path);
    LT_TRY(lt_load_norm(l, name, c->width, &y->norm2));
cleanup:
    return st;
}

static lt_status build(const lt_loader *l, lt_text_encoder *te)
{
    lt_status st = LT_OK;
    const lt_text_config *c = &te->c;
    const int64_t tokens[2] = { c->vocab_size, c->width };
    const int64_t positions[2] = { c->n_positions, c->width };
    te->layer = calloc((size_t)c->n_layers, sizeof(*te->layer));
    if (!te->layer) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    LT_TRY(lt_load_host(l, "text_model.embeddings.token_embedding.weight", 2, tokens,
                        &te->tokens));
    LT_TRY(lt_load_host(l, "text_model.embeddings.position_embedding.weight", 2,
                        positions, &te->positions));
    for (int64_t i = 0; i < c->n_layers; i++) LT_TRY(load_layer(l, c, i, &te->layer[i]));
    LT_TRY(lt_load_norm(l, "text_model.final_layer_norm", c->width, &te->norm));
cleanup:
    return st;
}

static void free_layer(const lt_kernels *k, layer *y)
{
    lt_linear **const linears[] = { &y->q, &y->k, &y->v, &y->out, &y->fc1, &y->fc2 };
    for (size_t i = 0; i < sizeof(linears) / sizeof(*linears); i++)
        k->linear_free(linears[i]);
    lt_norm_free(&y->norm1);
    lt_norm_free(&y->norm2);
}

void lt_text_encoder_free(lt_text_encoder **te)
{
    if (!te || !*te) return;
    lt_text_encoder *t = *te;
    for (int64_t i = 0; t->layer && i < t->c.n_layers; i++)
        free_layer(t->kernels, &t->layer[i]);
    lt_norm_free(&t->norm);
    free(t->layer);
    free(t->tokens);
    free(t->positions);
    free(t);
    *te = NULL;
}

lt_status lt_text_build(const lt_exec *exec, const lt_text_config *c, const lt_weights *w,
                        const lt_lora *lora, lt_text_encoder **out)
{
    const lt_exec x = lt_exec_f32(exec);
    lt_status st = LT_OK;
    lt_load_scratch scratch = { 0 };
    lt_text_encoder *te = calloc(1, sizeof(*te));
    if (!te) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
    te->kernels = x.k;
    te->c = *c;
    const lt_loader l = {
        .x = &x, .w = w, .scratch = &scratch, .lora = lora, .part = LT_PART_TEXT
    };
    LT_TRY(build(&l, te));
    *out = te;
    te = NULL;
cleanup:
    lt_text_encoder_free(&te);
    free(scratch.data);
    return st;
}

lt_status lt_text_encoder_load(const lt_exec *x, const char *dir, lt_text_encoder **te)
{
    lt_status st = LT_OK;
    lt_source *s = NULL;
    const lt_weights *w = NULL;
    lt_text_config c;
    LT_TRY(lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    LT_TRY(lt_source_text(s, &c));
    LT_TRY(lt_source_weights(s, LT_PART_TEXT, &w));
    LT_TRY(lt_text_build(x, &c, w, NULL, te));
cleanup:
    lt_source_close(&s);
    return st;
}

lt_status lt_text_tensors(const lt_text_config *c, lt_tensor_visitor *visit, void *self)
{
    lt_text_encoder te = { .c = *c };
    const lt_loader l = { .visit = visit, .self = self };
    const lt_status st = build(&l, &te);
    free(te.layer); /* nothing else was made */
    return st;
}

int64_t lt_text_encoder_vocabulary(const lt_text_encoder *te) { return te->c.vocab_size; }
int64_t lt_text_encoder_width(const lt_text_encoder *te) { return te->c.width; }

double lt_text_config_cost(const lt_text_config *c, int64_t n_tokens)
{
    const double n = (double)n_tokens, w = (double)c->width;
    return (double)c->n_layers *
           (n * (4 * w * w + 2 * w * (double)c->mlp_width) + 2 * n * n * w);
}

/* ---- running ------------------------------------------------------------------ */

/* Token and position embeddings, [1, n, width] compute dtype. */
static lt_status embed(const lt_exec *x, const lt_text_encoder *te, const int32_t *ids,
                       int n, lt_tensor *out)
{
    const int64_t w = te->c.width, shape[3] = { 1, n, w };
    float *h = malloc((size_t)n * (size_t)w * sizeof(*h));
    if (!h) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < w; j++)
            h[i * w + j] = te->tokens[ids[i] * w + j] + te->positions[i * w + j];
    const lt_status st = lt_to_exec(x, h, x->k->compute, 3, shape, out);
    free(h);
    return st;
}

static lt_status norm(const lt_exec *x, const lt_text_encoder *te, const lt_norm *n,
                      const lt_tensor *in, lt_tensor *out)
{
    const lt_layer_norm_args a = {
        .in = in, .out = out, .gamma = &n->gamma, .beta = &n->beta, .eps = te->c.norm_eps
    };
    return x->k->layer_norm(x, &a);
}

/* h += out(attention(norm1(h))); every position sees those before it and itself. */
static lt_status attend(const lt_exec *x, const lt_text_encoder *te, const layer *y,
                        lt_tensor *h)
{
    lt_status st = LT_OK;
    lt_tensor in = { 0 }, q = { 0 }, k = { 0 }, v = { 0 };
    LT_TRY(lt_tensor_new(&in, x->pool, x->k->compute, 3, h->shape));
    LT_TRY(lt_tensor_new(&q, x->pool, x->k->compute, 3, h->shape));
    LT_TRY(lt_tensor_new(&k, x->pool, x->k->compute, 3, h->shape));
    LT_TRY(lt_tensor_new(&v, x->pool, x->k->compute, 3, h->shape));
    LT_TRY(norm(x, te, &y->norm1, h, &in));
    LT_TRY(lt_run_linear(x, y->q, &in, LT_ACT_NONE, NULL, &q));
    LT_TRY(lt_run_linear(x, y->k, &in, LT_ACT_NONE, NULL, &k));
    LT_TRY(lt_run_linear(x, y->v, &in, LT_ACT_NONE, NULL, &v));
    const double dim = (double)(te->c.width / te->c.n_heads);
    const lt_attention_args a = { .q = &q,
                                  .k = &k,
                                  .v = { &v },
                                  .out = { &in },
                                  .n_values = 1,
                                  .heads = te->c.n_heads,
                                  .scale = (float)(1.0 / sqrt(dim)),
                                  .causal = 1 };
    LT_TRY(x->k->attention(x, &a));
    LT_TRY(lt_run_linear(x, y->out, &in, LT_ACT_NONE, h, h));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&q);
    lt_tensor_free(&k);
    lt_tensor_free(&v);
    return st;
}

/* h += fc2(act(fc1(norm2(h)))) */
static lt_status feed_forward(const lt_exec *x, const lt_text_encoder *te, const layer *y,
                              lt_tensor *h)
{
    lt_status st = LT_OK;
    lt_tensor in = { 0 }, wide = { 0 };
    LT_TRY(lt_tensor_new(&in, x->pool, x->k->compute, 3, h->shape));
    LT_TRY(LT_TENSOR_NEW(&wide, x->pool, x->k->compute, 1, h->shape[1], te->c.mlp_width));
    LT_TRY(norm(x, te, &y->norm2, h, &in));
    LT_TRY(lt_run_linear(x, y->fc1, &in, te->c.act, NULL, &wide));
    LT_TRY(lt_run_linear(x, y->fc2, &wide, LT_ACT_NONE, h, h));
cleanup:
    lt_tensor_free(&in);
    lt_tensor_free(&wide);
    return st;
}

static lt_status check_args(const lt_exec *x, const lt_text_encoder *te,
                            const int32_t *ids, int n, const lt_tensor *out)
{
    if (x->k != te->kernels)
        return LT_FAIL(LT_ERR_ARG,
                       "the text encoder was loaded for the kernels %s, not %s",
                       te->kernels->name, x->k->name);
    if (n < 1 || n > te->c.n_positions || out->dtype != LT_F32 ||
        lt_tensor_count(out) != n * te->c.width)
        return LT_FAIL(LT_ERR_SHAPE, "%d tokens for a text encoder of %lld positions", n,
                       (long long)te->c.n_positions);
    for (int i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= te->c.vocab_size)
            return LT_FAIL(
                LT_ERR_DATA,
                "token %d is outside the vocabulary of %lld: tokenizer and text "
                "encoder do not belong together",
                (int)ids[i], (long long)te->c.vocab_size);
    return LT_OK;
}

lt_status lt_text_encode(const lt_exec *exec, const lt_text_encoder *te,
                         const int32_t *ids, int n_tokens, lt_tensor *out)
{
    const lt_exec x32 = lt_exec_f32(exec), *x = &x32;
    lt_status st = check_args(x, te, ids, n_tokens, out);
    lt_tensor h = { 0 };
    if (st != LT_OK) return st;
    LT_TRY(embed(x, te, ids, n_tokens, &h));
    for (int64_t i = 0; i < te->c.n_layers; i++) {
        LT_TRY(attend(x, te, &te->layer[i], &h));
        LT_TRY(feed_forward(x, te, &te->layer[i], &h));
    }
    LT_TRY(norm(x, te, &te->norm, &h, &h));
    if (h.dtype == LT_F32)
        LT_TRY(lt_tensor_copy(out, &h, x->stream));
    else
        LT_TRY(x->k->convert(x, &h, out));
cleanup:
    lt_tensor_free(&h);
    return st;
}
