#include "models/derive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 8, MAX_LAYERS = 128 };

/* ---- what is in a file ------------------------------------------------------------ */

/* Tensors that only this part in this naming has. */
static const struct {
    lt_part part;
    lt_naming naming;
    const char *prefix, *probe;
} known[] = {
    { LT_PART_UNET, LT_NAMES_LDM, "model.diffusion_model.", "out.2.weight" },
    { LT_PART_UNET, LT_NAMES_LDM, "diffusion_model.", "out.2.weight" },
    { LT_PART_UNET, LT_NAMES_LDM, "", "output_blocks.0.0.in_layers.0.weight" },
    { LT_PART_UNET, LT_NAMES_EMA, "model_ema.diffusion_model", "out2weight" },
    { LT_PART_UNET, LT_NAMES_DIFFUSERS, "",
      "up_blocks.0.resnets.0.time_emb_proj.weight" },
    { LT_PART_UNET, LT_NAMES_DIFFUSERS, "unet.",
      "up_blocks.0.resnets.0.time_emb_proj.weight" },
    { LT_PART_VAE, LT_NAMES_LDM, "first_stage_model.",
      "decoder.mid.block_1.norm1.weight" },
    { LT_PART_VAE, LT_NAMES_LDM, "vae.", "decoder.mid.block_1.norm1.weight" },
    { LT_PART_VAE, LT_NAMES_LDM, "", "decoder.mid.block_1.norm1.weight" },
    { LT_PART_VAE, LT_NAMES_DIFFUSERS, "", "decoder.mid_block.resnets.0.norm1.weight" },
    { LT_PART_VAE, LT_NAMES_DIFFUSERS, "vae.",
      "decoder.mid_block.resnets.0.norm1.weight" },
    { LT_PART_TEXT, LT_NAMES_DIFFUSERS, "cond_stage_model.transformer.",
      "text_model.embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_BARE, "cond_stage_model.transformer.",
      "embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_DIFFUSERS, "text_encoders.clip_l.transformer.",
      "text_model.embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_DIFFUSERS, "text_encoders.clip_h.transformer.",
      "text_model.embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_DIFFUSERS, "text_encoder.",
      "text_model.embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_DIFFUSERS, "",
      "text_model.embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_BARE, "", "embeddings.token_embedding.weight" },
    { LT_PART_TEXT, LT_NAMES_OPENCLIP, "cond_stage_model.model.",
      "transformer.resblocks.0.ln_1.weight" },
    { LT_PART_TEXT, LT_NAMES_OPENCLIP, "", "transformer.resblocks.0.ln_1.weight" },
};

/* Tensors of networks whose other names look like ours. */
static const char *const others[] = {
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "model.diffusion_model.label_emb.0.0.weight",
    "model.diffusion_model.middle_block.1.transformer_blocks.1.norm1.weight",
    "label_emb.0.0.weight",
    "add_embedding.linear_1.weight",
};

static int has(const lt_weights *w, const char *prefix, const char *name)
{
    char whole[LT_NAME_MAX];
    snprintf(whole, sizeof(whole), "%s%s", prefix, name);
    return lt_weights_find(w, whole) != NULL;
}

void lt_found_look(const lt_weights *w, int ema, lt_found_part part[LT_N_PARTS],
                   int *is_xl)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        lt_found_part *p = &part[known[i].part];
        const int average = known[i].naming == LT_NAMES_EMA;
        if (!has(w, known[i].prefix, known[i].probe) || (average && !ema)) continue;
        if (p->w == w && !average) continue; /* the first naming that fits */
        *p = (lt_found_part){ .w = w,
                              .naming = known[i].naming,
                              .prefix = known[i].prefix };
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        *is_xl |= has(w, "", others[i]);
}

static const lt_weight *find(const lt_found_part *p, lt_part part, const char *name,
                             lt_ldm_place *place)
{
    if (!lt_ldm_find_place(part, p->naming, p->prefix, &p->shape, name, place))
        return NULL;
    const lt_weight *t = lt_weights_find(p->w, place->name);
    if (t || part != LT_PART_VAE) return t;
    /* the old names of the attention in VAE files of diffusers */
    char other[LT_NAME_MAX];
    return lt_weights_find(p->w, lt_resolve_name(p->w, place->name, other));
}

/* Whether a name with one or two numbers in it is there. */
static int is_there(const lt_found_part *p, lt_part part, const char *format, int i,
                    int j)
{
    char name[LT_NAME_MAX];
    lt_ldm_place place;
    snprintf(name, sizeof(name), format, i, j);
    return find(p, part, name, &place) != NULL;
}

/* A tensor that every such model has, of so many dimensions. */
static lt_status need(const lt_found_part *p, lt_part part, const char *name, int ndim,
                      const lt_weight **t)
{
    lt_ldm_place place = { .name = "" };
    char shape[LT_SHAPE_TEXT];
    *t = find(p, part, name, &place);
    if (!*t)
        return LT_FAIL(
            LT_ERR_DATA,
            "tensor %s is missing (%s): the model is not whole, download it again",
            place.name[0] ? place.name : name, lt_weights_where(p->w));
    if ((*t)->ndim == ndim) return LT_OK;
    return LT_FAIL(
        LT_ERR_DATA,
        "tensor %s has shape %s, expected %d dimensions (%s): download the model again",
        (*t)->name, lt_shape_text((*t)->ndim, (*t)->shape, shape), ndim, (*t)->file);
}

static lt_status finished(json_t *o, json_t **config)
{
    if (!o) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model configuration");
    *config = o;
    return LT_OK;
}

/* ---- UNet ------------------------------------------------------------------------ */

/* Resnets of a down block. LDM numbers blocks through, so there the first downsampler
 * says how many stand before it. */
static int count_layers(const lt_found_part *p)
{
    int n = 0;
    if (p->naming == LT_NAMES_DIFFUSERS) {
        while (n < MAX_LEVELS &&
               is_there(p, LT_PART_UNET, "down_blocks.0.resnets.%d.conv1.weight", n, 0))
            n++;
        return n;
    }
    for (n = 1; n <= MAX_LEVELS; n++) {
        char name[64];
        snprintf(name, sizeof(name),
                 p->naming == LT_NAMES_EMA ? "input_blocks%d0opweight"
                                           : "input_blocks.%d.0.op.weight",
                 n + 1);
        if (has(p->w, p->prefix, name)) return n;
    }
    return 0;
}

static int64_t rows(const lt_weight *t) { return t->ndim > 0 ? t->shape[0] : 0; }

/* Shape of the graph; sets p->shape and the output channels of the levels. */
static lt_status unet_graph(lt_found_part *p, int64_t channels[MAX_LEVELS],
                            int down_attention[MAX_LEVELS])
{
    char name[64];
    lt_ldm_place place;
    lt_ldm_shape *s = &p->shape;
    s->layers = count_layers(p);
    for (s->n_levels = 0; s->layers && s->n_levels < MAX_LEVELS; s->n_levels++) {
        snprintf(name, sizeof(name), "down_blocks.%d.resnets.0.conv1.weight",
                 s->n_levels);
        const lt_weight *t = find(p, LT_PART_UNET, name, &place);
        if (!t) break;
        channels[s->n_levels] = rows(t);
    }
    if (s->n_levels == 0)
        return LT_FAIL(LT_ERR_DATA,
                       "UNet without the blocks of Stable Diffusion (%s): its first "
                       "tensors are missing",
                       lt_weights_where(p->w));
    for (int i = 0; i < s->n_levels; i++) {
        down_attention[i] =
            is_there(p, LT_PART_UNET, "down_blocks.%d.attentions.0.norm.weight", i, 0);
        s->up_attention[i] =
            is_there(p, LT_PART_UNET, "up_blocks.%d.attentions.0.norm.weight", i, 0);
    }
    return LT_OK;
}

static json_t *block_types(const int *attention, int n, const char *with,
                           const char *plain)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(attention[i] ? with : plain));
    return list;
}

static json_t *numbers(const int64_t *v, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(v[i]));
    return list;
}

/* 64 channels a head in Stable Diffusion 2.x, 8 heads in 1.x. */
static json_t *heads(const int64_t *channels, int n, int linear)
{
    int64_t v[MAX_LEVELS];
    for (int i = 0; i < n; i++) v[i] = linear ? channels[i] / 64 : 8;
    return numbers(v, n);
}

lt_status lt_derive_unet(lt_found_part *p, json_t **config)
{
    lt_status st = LT_OK;
    const lt_weight *in = NULL, *out = NULL, *key = NULL;
    lt_ldm_place place;
    int64_t channels[MAX_LEVELS] = { 0 };
    int attention[MAX_LEVELS] = { 0 };
    LT_TRY(unet_graph(p, channels, attention));
    LT_TRY(need(p, LT_PART_UNET, "conv_in.weight", 4, &in));
    LT_TRY(need(p, LT_PART_UNET, "conv_out.weight", 4, &out));
    LT_TRY(need(p, LT_PART_UNET,
                "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", 2,
                &key));
    const lt_weight *proj =
        find(p, LT_PART_UNET, "mid_block.attentions.0.proj_in.weight", &place);
    const int n = p->shape.n_levels, linear = proj && proj->ndim == 2;
    st = finished(
        json_pack(
            "{s:s, s:I, s:I, s:i, s:i, s:o, s:o, s:o, s:o, s:I, s:b}", "_class_name",
            "UNet2DConditionModel", "in_channels", (json_int_t)in->shape[1],
            "out_channels", (json_int_t)rows(out), "sample_size", 64, "layers_per_block",
            p->shape.layers, "block_out_channels", numbers(channels, n),
            "attention_head_dim", heads(channels, n, linear), "down_block_types",
            block_types(attention, n, "CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types",
            block_types(p->shape.up_attention, n, "CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim", (json_int_t)key->shape[1], "use_linear_projection",
            linear),
        config);
cleanup:
    return st;
}

/* ---- how it predicts -------------------------------------------------------------- */

/* Standard deviation of a whole tensor. */
static lt_status spread(const lt_weight *t, double *out)
{
    double sum = 0, squares = 0;
    float x[256];
    for (int64_t i = 0; i < t->count; i += 256) {
        const int64_t n = t->count - i < 256 ? t->count - i : 256;
        const lt_status st = lt_weight_to_f32(t, i, n, x);
        if (st != LT_OK) return st;
        for (int64_t j = 0; j < n; j++) {
            sum += (double)x[j];
            squares += (double)x[j] * (double)x[j];
        }
    }
    const double mean = sum / (double)t->count;
    *out = sqrt(fmax(0, squares / (double)t->count - mean * mean));
    return LT_OK;
}

lt_status lt_derive_prediction(const lt_found_part *u, int *is_v,
                               lt_predict_source *source)
{
    static const char last[] = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias";
    lt_status st = LT_OK;
    lt_ldm_place place;
    const char *said = lt_weights_metadata(u->w, "modelspec.prediction_type");
    const lt_weight *key =
        find(u, LT_PART_UNET,
             "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", &place);
    const lt_weight *in = find(u, LT_PART_UNET, "conv_in.weight", &place);
    const lt_weight *bias = find(u, LT_PART_UNET, last, &place);
    double s = 0;
    *is_v = 0;
    *source = LT_PREDICT_METADATA;
    if (said) {
        *is_v = said[0] == 'v';
    } else if (lt_weights_find(u->w, "v_pred")) {
        *is_v = 1;
    } else if (key && key->shape[1] == 1024 && in && in->shape[1] == 4) {
        *source = LT_PREDICT_GUESS;
        if (bias && bias->count) LT_TRY(spread(bias, &s));
        *is_v = s > 0.09;
    } else
        *source = LT_PREDICT_FAMILY;
cleanup:
    return st;
}

lt_status lt_derive_scheduler(const lt_found_part *unet, const json_t *unet_config,
                              json_t **config)
{
    int is_v = 0;
    lt_predict_source source;
    const lt_status st = lt_derive_prediction(unet, &is_v, &source);
    if (st != LT_OK) return st;
    const int instruct =
        json_integer_value(json_object_get(unet_config, "in_channels")) == 8;
    return finished(
        json_pack("{s:s, s:f, s:f, s:s, s:i, s:b, s:i, s:s}", "_class_name",
                  instruct ? "EulerAncestralDiscreteScheduler" : "DDIMScheduler",
                  "beta_start", 0.00085, "beta_end", 0.012, "beta_schedule",
                  "scaled_linear", "num_train_timesteps", 1000, "set_alpha_to_one", 0,
                  "steps_offset", 1, "prediction_type",
                  is_v ? "v_prediction" : "epsilon"),
        config);
}

/* ---- VAE and text encoder ---------------------------------------------------------- */

lt_status lt_derive_vae(lt_found_part *p, json_t **config)
{
    lt_status st = LT_OK;
    const lt_weight *quant = NULL;
    int64_t channels[MAX_LEVELS] = { 0 };
    int n = 0, layers = 0;
    char name[64];
    lt_ldm_place place;
    for (; n < MAX_LEVELS; n++) {
        snprintf(name, sizeof(name), "encoder.down_blocks.%d.resnets.0.conv1.weight", n);
        const lt_weight *t = find(p, LT_PART_VAE, name, &place);
        if (!t) break;
        channels[n] = rows(t);
    }
    while (layers < MAX_LEVELS &&
           is_there(p, LT_PART_VAE, "encoder.down_blocks.0.resnets.%d.conv1.weight",
                    layers, 0))
        layers++;
    p->shape.n_levels = n;
    LT_TRY(need(p, LT_PART_VAE, "quant_conv.weight", 4, &quant));
    st = finished(
        json_pack("{s:s, s:o, s:i, s:I, s:f, s:o, s:o}", "_class_name", "AutoencoderKL",
                  "block_out_channels", numbers(channels, n), "layers_per_block", layers,
                  "latent_channels", (json_int_t)(rows(quant) / 2), "scaling_factor",
                  0.18215, "down_block_types",
                  block_types(p->shape.up_attention, n, "", "DownEncoderBlock2D"),
                  "up_block_types",
                  block_types(p->shape.up_attention, n, "", "UpDecoderBlock2D")),
        config);
cleanup:
    return st;
}

/* Stable Diffusion 2.x takes the text from before the last layer of its encoder, so that
 * layer is not built; files that were made for it may have left it out. */
static int layers_used(const lt_found_part *p, int n, int64_t width)
{
    enum { VIT_H = 24 };
    if (p->naming == LT_NAMES_OPENCLIP)
        return n == VIT_H - 1 && width == 1024 ? n : n - 1;
    return n == VIT_H && width == 1024 ? n - 1 : n;
}

lt_status lt_derive_text(lt_found_part *p, json_t **config)
{
    lt_status st = LT_OK;
    const lt_weight *tokens = NULL, *places = NULL, *fc = NULL;
    int n = 0;
    LT_TRY(need(p, LT_PART_TEXT, "text_model.embeddings.token_embedding.weight", 2,
                &tokens));
    LT_TRY(need(p, LT_PART_TEXT, "text_model.embeddings.position_embedding.weight", 2,
                &places));
    LT_TRY(need(p, LT_PART_TEXT, "text_model.encoder.layers.0.mlp.fc1.weight", 2, &fc));
    while (n < MAX_LAYERS &&
           is_there(p, LT_PART_TEXT, "text_model.encoder.layers.%d.layer_norm1.weight", n,
                    0))
        n++;
    const int64_t width = tokens->shape[1];
    const int gelu = p->naming == LT_NAMES_OPENCLIP || width == 1024;
    st = finished(json_pack("{s:s, s:I, s:I, s:I, s:i, s:I, s:I, s:s}", "model_type",
                            "clip_text_model", "vocab_size", (json_int_t)rows(tokens),
                            "hidden_size", (json_int_t)width, "intermediate_size",
                            (json_int_t)rows(fc), "num_hidden_layers",
                            layers_used(p, n, width), "num_attention_heads",
                            (json_int_t)(width / 64), "max_position_embeddings",
                            (json_int_t)rows(places), "hidden_act",
                            gelu ? "gelu" : "quick_gelu"),
                  config);
cleanup:
    return st;
}

/* ---- the tensors under their own names --------------------------------------------- */

/* The same numbers in the same order: a linear layer and a 1x1 convolution. */
static int is_same_matrix(const lt_weight *t, int64_t n_rows, int ndim,
                          const int64_t *shape)
{
    int a = t->ndim, b = ndim;
    while (a > 2 && t->shape[a - 1] == 1) a--;
    while (b > 2 && shape[b - 1] == 1) b--;
    if (a != b || a != 2) return 0;
    return n_rows == shape[0] && t->shape[1] == shape[1];
}

void lt_view_maker_visit(void *self, const char *name, int ndim, const int64_t *shape)
{
    lt_view_maker *m = self;
    lt_ldm_place place = { .name = "" };
    if (m->st != LT_OK) return;
    const lt_weight *t = find(m->p, m->part, name, &place);
    if (!t) {
        m->st = LT_FAIL(
            LT_ERR_DATA,
            "tensor %s is missing (%s): the model is not whole, download it again",
            place.name[0] ? place.name : name, lt_weights_where(m->p->w));
        return;
    }
    int64_t own[LT_MAX_DIMS], first = 0;
    int own_ndim = t->ndim;
    memcpy(own, t->shape, sizeof(own));
    if (place.third >= 0 && t->ndim > 0 && t->shape[0] % 3 == 0) {
        first = place.third * (t->count / 3);
        own[0] /= 3;
    }
    if (is_same_matrix(t, own[0], ndim, shape)) {
        own_ndim = ndim;
        memcpy(own, shape, (size_t)ndim * sizeof(*own));
    }
    m->st = lt_weights_view_add(m->view, name, t, first, own_ndim, own);
}
