#include "models/defaults.h"

#include <string.h>
#include <unistd.h>

#include "models/config.h"

static const char *const allowed[][2] = {
    { "clips", "mean_threshold" },
    { "clips", "region_threshold" },
    { "clips", "max_length" },
    { "features", "step" },
    { "features", "block" },
    { "features", "ensemble" },
    { "features", "range" },
    { "sampler", "steps" },
    { "sampler", "guidance" },
    { "sampler", "inversion_steps" },
    { "attention", "inject" },
    { "sampler", "image_guidance" },
    { "attention", "inject_features" },
};

static int is_allowed(const char *section, const char *key)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
        if (!strcmp(section, allowed[i][0]) && !strcmp(key, allowed[i][1])) return 1;
    return 0;
}

static lt_status set_key(const lt_model_config *file, const char *section,
                         const char *key, const json_t *value, lt_config *cfg)
{
    char text[64];
    const lt_option *o = is_allowed(section, key) ? lt_config_option(section, key) : NULL;
    if (!o)
        return LT_FAIL(LT_ERR_DATA,
                       "not a setting that a model may have (%s, key %.40s.%.40s): take "
                       "it out",
                       file->path, section, key);
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(text), "%.17g", json_real_value(value));
    else if (json_is_string(value) && json_string_length(value) < sizeof(text))
        snprintf(text, sizeof(text), "%s", json_string_value(value));
    else
        return LT_FAIL(LT_ERR_DATA, "expected a number or a word (%s, key %s.%s)",
                       file->path, section, key);
    if (cfg->line[o - lt_config_options()] != LT_LINE_DEFAULT) return LT_OK;
    return lt_option_parse(o, text, NULL, file->path, cfg);
}

lt_status lt_model_defaults(const char *dir, lt_config *cfg)
{
    lt_status st = LT_OK;
    lt_model_config file = { 0 };
    char path[LT_PATH_MAX + 16];
    const char *section, *key;
    json_t *keys, *value;
    snprintf(path, sizeof(path), "%s/longtake.json", dir);
    if (!dir[0] || access(path, F_OK) != 0) return LT_OK;
    LT_TRY(lt_model_config_open(dir, NULL, "longtake.json", 1 << 16, &file));
    json_object_foreach(file.root, section, keys)
    {
        if (!json_is_object(keys))
            LT_TRY(LT_FAIL(LT_ERR_DATA, "expected an object of keys (%s, key %.40s)",
                           file.path, section));
        json_object_foreach(keys, key, value)
            LT_TRY(set_key(&file, section, key, value, cfg));
    }
cleanup:
    lt_model_config_close(&file);
    return st;
}
