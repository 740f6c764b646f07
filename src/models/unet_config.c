#include <string.h>

#include "models/config.h"
#include "models/expect.h"

enum { MAX_LEVELS = 8, MAX_CONFIG_BYTES = 1 << 20 };

/* Keys of diffusers' UNet2DConditionModel that select another network. */
static const lt_model_config_fixed fixed[] = {
    { "_class_name", "\"UNet2DConditionModel\"" },
    { "act_fn", "\"silu\"" },
    { "addition_embed_type", "null" },
    { "addition_time_embed_dim", "null" },
    { "attention_type", "\"default\"" },
    { "center_input_sample", "false" },
    { "class_embed_type", "null" },
    { "class_embeddings_concat", "false" },
    { "conv_in_kernel", "3" },
    { "conv_out_kernel", "3" },
    { "cross_attention_norm", "null" },
    { "downsample_padding", "1" },
    { "dual_cross_attention", "false" },
    { "encoder_hid_dim", "null" },
    { "encoder_hid_dim_type", "null" },
    { "mid_block_only_cross_attention", "false" },
    { "mid_block_scale_factor", "1" },
    { "mid_block_type", "\"UNetMidBlock2DCrossAttn\"" },
    { "num_attention_heads", "null" },
    { "num_class_embeds", "null" },
    { "only_cross_attention", "false" },
    { "projection_class_embeddings_input_dim", "null" },
    { "resnet_out_scale_factor", "1" },
    { "resnet_skip_time_act", "false" },
    { "resnet_time_scale_shift", "\"default\"" },
    { "reverse_transformer_layers_per_block", "null" },
    { "time_cond_proj_dim", "null" },
    { "time_embedding_act_fn", "null" },
    { "time_embedding_dim", "null" },
    { "time_embedding_type", "\"positional\"" },
    { "timestep_post_act", "null" },
    { "transformer_layers_per_block", "1" },
    { NULL, NULL },
};

static lt_status bad(const lt_model_config *c, const char *key, const char *what)
{
    return LT_FAIL(LT_ERR_DATA, "unusable model configuration (%s, key %s): %s", c->path,
                   key, what);
}

/* 1: has attention, 0: plain. */
static lt_status read_block_types(const lt_model_config *c, const char *key, int n,
                                  const char *with, const char *plain, int *attention)
{
    for (int i = 0; i < n; i++) {
        const char *type = NULL;
        const lt_status st = lt_model_config_list_text(c, key, n, i, &type);
        if (st != LT_OK) return st;
        attention[i] = !strcmp(type, with);
        if (!attention[i] && strcmp(type, plain) != 0)
            return LT_FAIL(
                LT_ERR_DATA,
                "unsupported kind of model (%s, key %s): %.60s; only %s and %s "
                "are supported",
                c->path, key, type, with, plain);
    }
    return LT_OK;
}

/* attention_head_dim means the number of heads; one for all levels, or a list. */
static lt_status read_heads(const lt_model_config *c, lt_unet_config *u)
{
    lt_status st = LT_OK;
    int64_t heads[MAX_LEVELS] = { 0 };
    int n = 1;
    const char *key = "attention_head_dim";
    if (json_is_array(json_object_get(c->root, key)))
        st = lt_model_config_ints(c, key, MAX_LEVELS, 1, 1024, heads, &n);
    else
        st = lt_model_config_int(c, key, 8, 1, 1024, heads);
    if (st != LT_OK) return st;
    if (n != 1 && n != u->n_levels) return bad(c, key, "one number a level is expected");
    for (int i = 0; i < u->n_levels; i++) {
        u->heads[i] = (int)heads[n == 1 ? 0 : i];
        if (u->channels[i] % u->heads[i])
            return bad(c, key, "the heads do not divide the channels");
    }
    return LT_OK;
}

static lt_status read_sizes(const lt_model_config *c, lt_unet_config *u)
{
    lt_status st = LT_OK;
    int64_t layers = 0;
    LT_TRY(lt_model_config_ints(c, "block_out_channels", MAX_LEVELS, 2, 16384,
                                u->channels, &u->n_levels));
    LT_TRY(lt_model_config_int(c, "in_channels", 4, 1, 64, &u->in_channels));
    LT_TRY(lt_model_config_int(c, "out_channels", 4, 1, 64, &u->out_channels));
    LT_TRY(lt_model_config_int(c, "sample_size", 64, 1, 4096, &u->sample_size));
    LT_TRY(lt_model_config_int(c, "layers_per_block", 2, 1, 8, &layers));
    LT_TRY(lt_model_config_int(c, "cross_attention_dim", 768, 1, 16384,
                               &u->cross_attention_dim));
    LT_TRY(lt_model_config_int(c, "norm_num_groups", 32, 1, 16384, &u->norm_groups));
    u->layers_per_block = (int)layers;
    for (int i = 0; i < u->n_levels; i++)
        if (u->channels[i] % u->norm_groups)
            return bad(c, "norm_num_groups", "the groups do not divide the channels");
    if (u->channels[0] % 2) return bad(c, "block_out_channels", "the first must be even");
cleanup:
    return st;
}

static lt_status read_switches(const lt_model_config *c, lt_unet_config *u)
{
    lt_status st = LT_OK;
    double eps = 0, shift = 0;
    LT_TRY(lt_model_config_real(c, "norm_eps", 1e-5, 0, 1, &eps));
    LT_TRY(lt_model_config_real(c, "freq_shift", 0, -1, 1, &shift));
    LT_TRY(lt_model_config_bool(c, "flip_sin_to_cos", 1, &u->flip_sin_to_cos));
    LT_TRY(lt_model_config_bool(c, "use_linear_projection", 0, &u->linear_projection));
    LT_TRY(lt_model_config_bool(c, "upcast_attention", 0, &u->upcast_attention));
    u->norm_eps = (float)eps;
    u->freq_shift = (float)shift;
    if ((double)(u->channels[0] / 2) - shift <= 0)
        return bad(c, "freq_shift", "it leaves no frequencies");
cleanup:
    return st;
}

static lt_status read_config(const lt_model_config *c, lt_unet_config *out)
{
    lt_status st = LT_OK;
    lt_unet_config u = { 0 };
    LT_TRY(lt_model_config_check_fixed(c, fixed));
    LT_TRY(read_sizes(c, &u));
    LT_TRY(read_switches(c, &u));
    LT_TRY(read_heads(c, &u));
    LT_TRY(read_block_types(c, "down_block_types", u.n_levels, "CrossAttnDownBlock2D",
                            "DownBlock2D", u.down_attention));
    LT_TRY(read_block_types(c, "up_block_types", u.n_levels, "CrossAttnUpBlock2D",
                            "UpBlock2D", u.up_attention));
    *out = u;
cleanup:
    return st;
}

lt_status lt_unet_config_load(const char *dir, lt_unet_config *out)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_open(dir, "unet", "config.json", MAX_CONFIG_BYTES, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}

lt_status lt_unet_config_parse(const char *text, size_t bytes, const char *where,
                               lt_unet_config *out)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_parse(text, bytes, where, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}
