#include <string.h>

#include "models/config.h"
#include "models/expect.h"

enum { MAX_CONFIG_BYTES = 1 << 20 };

static const lt_model_config_fixed fixed[] = {
    { "model_type", "\"clip_text_model\"" },
    { "quantization_config", "null" },
    { NULL, NULL },
};

static lt_status read_act(const lt_model_config *c, lt_act *act)
{
    const char *name = NULL;
    const lt_status st = lt_model_config_text(c, "hidden_act", "quick_gelu", &name);
    if (st != LT_OK) return st;
    if (strcmp(name, "quick_gelu") && strcmp(name, "gelu"))
        return LT_FAIL(LT_ERR_DATA,
                       "unsupported kind of model (%s, key hidden_act): %.40s; only "
                       "quick_gelu and gelu are supported",
                       c->path, name);
    *act = name[0] == 'q' ? LT_ACT_QUICK_GELU : LT_ACT_GELU;
    return LT_OK;
}

static lt_status read_config(const lt_model_config *c, lt_text_config *out)
{
    lt_status st = LT_OK;
    lt_text_config t = { 0 };
    int64_t heads = 0;
    double eps = 0;
    LT_TRY(lt_model_config_check_fixed(c, fixed));
    LT_TRY(lt_model_config_int(c, "vocab_size", 49408, 1, 1 << 22, &t.vocab_size));
    LT_TRY(lt_model_config_int(c, "hidden_size", 768, 1, 16384, &t.width));
    LT_TRY(lt_model_config_int(c, "intermediate_size", 3072, 1, 65536, &t.mlp_width));
    LT_TRY(lt_model_config_int(c, "num_hidden_layers", 12, 1, 128, &t.n_layers));
    LT_TRY(lt_model_config_int(c, "num_attention_heads", 12, 1, 1024, &heads));
    LT_TRY(
        lt_model_config_int(c, "max_position_embeddings", 77, 1, 4096, &t.n_positions));
    LT_TRY(lt_model_config_real(c, "layer_norm_eps", 1e-5, 0, 1, &eps));
    LT_TRY(read_act(c, &t.act));
    t.n_heads = (int)heads;
    t.norm_eps = (float)eps;
    if (t.width % heads) {
        st = LT_FAIL(LT_ERR_DATA,
                     "unusable model configuration (%s, key num_attention_heads): the "
                     "heads do not divide hidden_size",
                     c->path);
        goto cleanup;
    }
    *out = t;
cleanup:
    return st;
}

lt_status lt_text_config_load(const char *dir, lt_text_config *out)
{
    lt_model_config c = { 0 };
    lt_status st =
        lt_model_config_open(dir, "text_encoder", "config.json", MAX_CONFIG_BYTES, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}

lt_status lt_text_config_parse(const char *text, size_t bytes, const char *where,
                               lt_text_config *out)
{
    lt_model_config c = { 0 };
    lt_status st = lt_model_config_parse(text, bytes, where, &c);
    if (st == LT_OK) st = read_config(&c, out);
    lt_model_config_close(&c);
    return st;
}
