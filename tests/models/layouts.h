#ifndef LT_TESTS_MODELS_LAYOUTS_H
#define LT_TESTS_MODELS_LAYOUTS_H

#include <stdarg.h>

#include "models_test.h"

/* Writes a golden model in the layouts that users hold. The names are spelled out here
 * once more, from CompVis' and OpenCLIP's modules, so that a wrong name in
 * src/models/ldm.c cannot agree with itself. */

typedef struct writer {
    lt_weight_raw t[4096];
    int n;
    void *owned[8192];
    int n_owned;
} writer;

static inline void *own(writer *w, void *p)
{
    CHECK(p && w->n_owned < 8192);
    return w->owned[w->n_owned++] = p;
}

static inline writer *writer_new(void)
{
    writer *w = calloc(1, sizeof(*w));
    CHECK(w);
    return w;
}

static inline void writer_free(writer *w)
{
    for (int i = 0; i < w->n_owned; i++) free(w->owned[i]);
    free(w);
}

static inline void add(writer *w, const char *name, const lt_weight *t)
{
    lt_weight_raw *r = &w->t[w->n++];
    CHECK(w->n < 4096);
    *r = (lt_weight_raw){ .name = own(w, strdup(name)),
                          .type = own(w, strdup(t->type_name)),
                          .ndim = t->ndim,
                          .data = t->data,
                          .bytes = t->bytes };
    memcpy(r->shape, t->shape, sizeof(r->shape));
}

static inline void add_f32(writer *w, const char *name, int ndim, const int64_t *shape,
                           const float *v)
{
    lt_weight_raw *r = &w->t[w->n++];
    int64_t n = 1;
    *r = (lt_weight_raw){ .name = own(w, strdup(name)), .type = "F32", .ndim = ndim };
    for (int i = 0; i < ndim; i++) n *= r->shape[i] = shape[i];
    r->bytes = 4 * (size_t)n;
    r->data = memcpy(own(w, malloc(r->bytes + 1)), v, r->bytes);
}

/* The same values in f32. */
static inline void widen(writer *w, int i, const lt_weight *t)
{
    float *v = own(w, malloc(4 * (size_t)t->count + 4));
    OK(lt_weight_to_f32(t, 0, t->count, v));
    w->t[i].type = "F32";
    w->t[i].data = v;
    w->t[i].bytes = 4 * (size_t)t->count;
}

static inline void write_file(const writer *w, const char *path)
{
    OK(lt_weights_write_raw(path, w->t, w->n, NULL));
}

static inline const char *text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
static inline const char *text(const char *format, ...)
{
    static char buf[16][512];
    static int next;
    char *out = buf[next++ % 16];
    va_list list;
    va_start(list, format);
    vsnprintf(out, 512, format, list);
    va_end(list);
    return out;
}

static inline const char *after(const char *name, const char *head)
{
    const size_t n = strlen(head);
    return strncmp(name, head, n) ? NULL : name + n;
}

/* ---- CompVis' UNet, 4 levels of 2 resnets ---------------------------------------- */

static inline const char *compvis_block(const char *rest)
{
    static const char *const to[][2] = {
        { "norm1", "in_layers.0" },          { "conv1", "in_layers.2" },
        { "norm2", "out_layers.0" },         { "conv2", "out_layers.3" },
        { "time_emb_proj", "emb_layers.1" }, { "conv_shortcut", "skip_connection" },
    };
    for (int i = 0; i < 6; i++) {
        const char *end = after(rest, to[i][0]);
        if (end && *end == '.') return text("%s%s", to[i][1], end);
    }
    CHECK(!"a part of a resnet");
    return NULL;
}

static inline const char *compvis_unet(const char *name)
{
    static const int in_of[4][2] = { { 1, 2 }, { 4, 5 }, { 7, 8 }, { 10, 11 } };
    static const int out_of[4][3] = {
        { 0, 1, 2 }, { 3, 4, 5 }, { 6, 7, 8 }, { 9, 10, 11 }
    };
    static const char *const samplers[][2] = {
        { "down_blocks.0.downsamplers.0.conv.", "input_blocks.3.0.op." },
        { "down_blocks.1.downsamplers.0.conv.", "input_blocks.6.0.op." },
        { "down_blocks.2.downsamplers.0.conv.", "input_blocks.9.0.op." },
        { "up_blocks.0.upsamplers.0.conv.", "output_blocks.2.1.conv." },
        { "up_blocks.1.upsamplers.0.conv.", "output_blocks.5.2.conv." },
        { "up_blocks.2.upsamplers.0.conv.", "output_blocks.8.2.conv." },
        { "conv_in.", "input_blocks.0.0." },
        { "conv_out.", "out.2." },
        { "conv_norm_out.", "out.0." },
        { "time_embedding.linear_1.", "time_embed.0." },
        { "time_embedding.linear_2.", "time_embed.2." },
        { "mid_block.attentions.0.", "middle_block.1." },
    };
    for (size_t i = 0; i < sizeof(samplers) / sizeof(*samplers); i++)
        if (after(name, samplers[i][0]))
            return text("%s%s", samplers[i][1], after(name, samplers[i][0]));
    const char *rest = after(name, "mid_block.resnets.");
    if (rest)
        return text("middle_block.%c.%s", rest[0] == '0' ? '0' : '2',
                    compvis_block(rest + 2));
    const int up = after(name, "up_blocks.") != NULL;
    const char *p = up ? after(name, "up_blocks.") : after(name, "down_blocks.");
    CHECK(p);
    const int block = p[0] - '0', is_resnet = after(p + 2, "resnets.") != NULL;
    p = after(p + 2, is_resnet ? "resnets." : "attentions.");
    CHECK(p);
    const int place = up ? out_of[block][p[0] - '0'] : in_of[block][p[0] - '0'];
    return text("%s_blocks.%d.%d.%s", up ? "output" : "input", place, !is_resnet,
                is_resnet ? compvis_block(p + 2) : p + 2);
}

/* ---- CompVis' autoencoder, 4 levels ---------------------------------------------- */

static inline const char *compvis_vae(const char *name)
{
    static const char *const to[][2] = {
        { "mid_block.resnets.0.", "mid.block_1." },
        { "mid_block.resnets.1.", "mid.block_2." },
        { "mid_block.attentions.0.group_norm.", "mid.attn_1.norm." },
        { "mid_block.attentions.0.to_q.", "mid.attn_1.q." },
        { "mid_block.attentions.0.to_k.", "mid.attn_1.k." },
        { "mid_block.attentions.0.to_v.", "mid.attn_1.v." },
        { "mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out." },
        { "mid_block.attentions.0.query.", "mid.attn_1.q." },
        { "mid_block.attentions.0.key.", "mid.attn_1.k." },
        { "mid_block.attentions.0.value.", "mid.attn_1.v." },
        { "mid_block.attentions.0.proj_attn.", "mid.attn_1.proj_out." },
        { "conv_norm_out.", "norm_out." },
    };
    static const int level[2][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 } };
    const int up = after(name, "decoder.") != NULL;
    const char *p = up ? after(name, "decoder.") : after(name, "encoder.");
    if (!p) return text("%s", name);
    const char *half = up ? "decoder" : "encoder";
    for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++)
        if (after(p, to[i][0]))
            return text("%s.%s%s", half, to[i][1], after(p, to[i][0]));
    const char *q = up ? after(p, "up_blocks.") : after(p, "down_blocks.");
    if (!q) return text("%s.%s", half, p);
    const char *way = up ? "up" : "down";
    const int n = level[up][q[0] - '0'];
    if (after(q + 2, "resnets.")) {
        const char *r = after(q + 2, "resnets.");
        const char *cut = after(r + 2, "conv_shortcut.");
        return text("%s.%s.%d.block.%c.%s%s", half, way, n, r[0],
                    cut ? "nin_shortcut." : "", cut ? cut : r + 2);
    }
    const char *s = strstr(q, "samplers.0.");
    CHECK(s);
    return text("%s.%s.%d.%ssample.%s", half, way, n, way, s + strlen("samplers.0."));
}

/* ---- OpenCLIP's text tower ------------------------------------------------------- */

static inline const lt_weight *must(const lt_weights *w, const char *name)
{
    const lt_weight *t = lt_weights_find(w, name);
    if (!t) fprintf(stderr, "no %s\n", name);
    CHECK(t);
    return t;
}

static inline void add_packed(writer *w, const lt_weights *from, const char *prefix,
                              int n, const char *what)
{
    const char *names = "qkv";
    const lt_weight *t = NULL;
    uint8_t *room = NULL;
    for (int i = 0; i < 3; i++) {
        t = must(from, text("text_model.encoder.layers.%d.self_attn.%c_proj.%s", n,
                            names[i], what));
        if (!room) room = own(w, malloc(3 * t->bytes));
        memcpy(room + (size_t)i * t->bytes, t->data, t->bytes);
    }
    add(w, text("%stransformer.resblocks.%d.attn.in_proj_%s", prefix, n, what), t);
    w->t[w->n - 1].data = room;
    w->t[w->n - 1].bytes *= 3;
    w->t[w->n - 1].shape[0] *= 3;
}

/* All layers of `from`, and one more behind them that must not be used. */
static inline void add_openclip(writer *w, const lt_weights *from, const char *prefix,
                                int layers)
{
    static const char *const to[][2] = {
        { "layer_norm1", "ln_1" },
        { "layer_norm2", "ln_2" },
        { "mlp.fc1", "mlp.c_fc" },
        { "mlp.fc2", "mlp.c_proj" },
        { "self_attn.out_proj", "attn.out_proj" },
    };
    static const char *const kinds[] = { "weight", "bias" };
    for (int n = 0; n <= layers; n++)
        for (int k = 0; k < 2; k++) {
            const int of = n < layers ? n : 0;
            add_packed(w, from, prefix, of, kinds[k]);
            if (n == layers)
                w->t[w->n - 1].name =
                    own(w, strdup(text("%stransformer.resblocks.%d.attn.in_proj_%s",
                                       prefix, n, kinds[k])));
            for (int i = 0; i < 5; i++)
                add(w,
                    text("%stransformer.resblocks.%d.%s.%s", prefix, n, to[i][1],
                         kinds[k]),
                    must(from, text("text_model.encoder.layers.%d.%s.%s", of, to[i][0],
                                    kinds[k])));
        }
    add(w, text("%stoken_embedding.weight", prefix),
        must(from, "text_model.embeddings.token_embedding.weight"));
    add(w, text("%spositional_embedding", prefix),
        must(from, "text_model.embeddings.position_embedding.weight"));
    for (int k = 0; k < 2; k++)
        add(w, text("%sln_final.%s", prefix, kinds[k]),
            must(from, text("text_model.final_layer_norm.%s", kinds[k])));
    add_f32(w, text("%stext_projection", prefix), 2, (int64_t[]){ 1, 1 }, (float[]){ 1 });
    add_f32(w, text("%slogit_scale", prefix), 0, NULL, (float[]){ 4.6f });
}

/* ---- parts of a file ------------------------------------------------------------- */

typedef const char *namer(const char *name);

static inline const char *same_name(const char *name) { return name; }

static inline void add_part(writer *w, const lt_weights *from, const char *prefix,
                            namer *rename)
{
    for (int64_t i = 0; i < lt_weights_count(from); i++) {
        const lt_weight *t = lt_weights_at(from, i);
        add(w, text("%s%s", prefix, rename(t->name)), t);
    }
}

/* The VAE's attention as 1x1 convolutions, which CompVis has. */
static inline void add_vae(writer *w, const lt_weights *from, const char *prefix)
{
    const int first = w->n;
    add_part(w, from, prefix, compvis_vae);
    for (int i = first; i < w->n; i++)
        if (strstr(w->t[i].name, "attn_1.") && w->t[i].ndim == 2) w->t[i].ndim = 4;
}

/* Averaged weights: the names without their dots. */
static inline void add_ema(writer *w, const lt_weights *unet)
{
    for (int64_t i = 0; i < lt_weights_count(unet); i++) {
        const lt_weight *t = lt_weights_at(unet, i);
        char name[512], *to = name;
        for (const char *s = compvis_unet(t->name); *s; s++)
            if (*s != '.') *to++ = *s;
        *to = '\0';
        add(w, text("model_ema.diffusion_model%s", name), t);
    }
    add_f32(w, "model_ema.decay", 0, NULL, (float[]){ 0.9999f });
}

#endif
