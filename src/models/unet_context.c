#include <stdlib.h>

#include "models/unet_impl.h"

void lt_unet_context_free(lt_unet_context **c)
{
    if (!c || !*c) return;
    for (int i = 0; i < (*c)->unet->n_sites; i++) {
        if ((*c)->k) lt_tensor_free(&(*c)->k[i]);
        if ((*c)->v) lt_tensor_free(&(*c)->v[i]);
    }
    free((*c)->k);
    free((*c)->v);
    free(*c);
    *c = NULL;
}

static lt_status project(const lt_exec *x, const lt_linear *w, const lt_tensor *text,
                         int64_t channels, lt_tensor *out)
{
    const lt_status st =
        LT_TENSOR_NEW(out, x->pool, x->k->compute, 1, text->shape[1], channels);
    return st != LT_OK ? st : lt_run_linear(x, w, text, LT_ACT_NONE, NULL, out);
}

lt_status lt_unet_context_new(const lt_exec *x, const lt_unet *unet,
                              const lt_tensor *text, lt_unet_context **out)
{
    lt_status st = LT_OK;
    lt_tensor batch = { 0 }, tokens = { 0 };
    if (text->ndim != 2 || text->dtype != LT_F32 || text->shape[0] < 1 ||
        text->shape[1] != unet->c.cross_attention_dim)
        return LT_FAIL(
            LT_ERR_SHAPE,
            "a prompt of width %lld for a model of width %lld: the text encoder "
            "and the UNet do not belong together",
            (long long)text->shape[1], (long long)unet->c.cross_attention_dim);
    const size_t n = (size_t)unet->n_sites;
    lt_unet_context *c = calloc(1, sizeof(*c));
    if (!c) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
    c->unet = unet;
    c->n_tokens = text->shape[0];
    c->k = calloc(n, sizeof(*c->k));
    c->v = calloc(n, sizeof(*c->v));
    if (!c->k || !c->v) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
        goto cleanup;
    }
    batch = LT_RESHAPE(text, 1, text->shape[0], text->shape[1]);
    LT_TRY(lt_as_compute(x, &batch, &tokens));
    for (int i = 0; i < unet->n_sites; i++) {
        const lt_transformer *t = unet->site[i];
        LT_TRY(project(x, t->cross.to_k, &tokens, t->channels, &c->k[i]));
        LT_TRY(project(x, t->cross.to_v, &tokens, t->channels, &c->v[i]));
    }
    *out = c;
    c = NULL;
cleanup:
    lt_tensor_free(&batch);
    lt_tensor_free(&tokens);
    lt_unet_context_free(&c);
    return st;
}
