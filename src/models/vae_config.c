#include <string.h>

#include "models/config.h"
#include "models/expect.h"

enum { MAX_LEVELS = 8, MAX_CONFIG_BYTES = 1 << 20 };

static const lt_model_config_fixed fixed[] = {
    { "_class_name", "\"AutoencoderKL\"" },
    { "act_fn", "\"silu\"" },
    { "in_channels", "3" },
    { "latents_mean", "null" },
    { "latents_std", "null" },
    { "mid_block_add_attention", "true" },
    { "out_channels", "3" },
    { "shift_factor", "null" },
    { "use_post_quant_conv", "true" },
    { "use_quant_conv", "true" },
    { NULL, NULL },
};

static lt_status check_blocks(const lt_model_config *c, const char *key, int n,
                              const char *only)
{
    for (int i = 0; i < n; i++) {
        const char *type = NULL;
        const lt_status st = lt_model_config_list_text(c, key, n, i, &type);
        if (st != LT_OK) return st;
        if (strcmp(type, only) != 0)
            return LT_FAIL(LT_ERR_DATA,
                           "unsupported kind of model (%s, key %s): %.60s; only %s is "
                           "supported",
                           c->path, key, type, only);
    }
    return LT_OK;
}

static lt_status read_config(const lt_model_config *c, lt_vae_config *out)
{
    lt_status st = LT_OK;
    lt_vae_config v = { .image_channels = 3 };
    int64_t layers = 0;
    double scale = 0;
    LT_TRY(lt_model_config_check_fixed(c, fixed));
    LT_TRY(lt_model_config_ints(c, "block_out_channels", MAX_LEVELS, 1, 16384, v.channels,
                                &v.n_levels));
    LT_TRY(check_blocks(c, "down_block_types", v.n_levels, "DownEncoderBlock2D"));
    LT_TRY(check_blocks(c, "up_block_types", v.n_levels, "UpDecoderBlock2D"));
    LT_TRY(lt_model_config_int(c, "latent_channels", 4, 1, 64, &v.latent_channels));
    LT_TRY(lt_model_config_int(c, "layers_per_block", 1, 1, 8, &layers));
    LT_TRY(lt_model_config_int(c, "norm_num_groups", 32, 1, 16384, &v.norm_groups));
    LT_TRY(lt_model_config_real(c, "scaling_factor", 0.18215, 1e-6, 1e6, &scale));
    v.layers_per_block = (int)layers;
    v.scaling_factor = (float)scale;
    for (int i = 0; i < v.n_levels; i++)
        if (v.channels[i] % v.norm_groups) {
            st = LT_FAIL(LT_ERR_DATA,
                         "unusable model configuration (%s, key norm_num_groups): the "
                         "groups do not divide the channels",
                         c->path);
            goto cleanup;
        }
    *out = v;
cleanup:
    return st;
}

lt_status lt_vae_config_load(const char *dir, lt_vae_config *out)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_open(dir, "vae", "config.json", MAX_CONFIG_BYTES, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}

lt_status lt_vae_config_parse(const char *text, size_t bytes, const char *where,
                              lt_vae_config *out)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_parse(text, bytes, where, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}
