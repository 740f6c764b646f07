#include "methods/method.h"

#include "methods/common.h"

const lt_method *lt_method_get(const lt_config *cfg)
{
    switch (cfg->method.name) {
    case LT_METHOD_FRAME: return &lt_method_frame;
    case LT_METHOD_TOKENFLOW: return &lt_method_tokenflow;
    default: return &lt_method_adaflow;
    }
}

int lt_method_needs_features(const lt_config *cfg)
{
    switch (cfg->method.name) {
    case LT_METHOD_FRAME: return 0;
    case LT_METHOD_TOKENFLOW:
        return cfg->clips.mode == LT_CLIPS_ADAPTIVE || cfg->attention.kv_budget > 0;
    default: return 1;
    }
}
