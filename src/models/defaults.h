#ifndef LT_MODELS_DEFAULTS_H
#define LT_MODELS_DEFAULTS_H

#include "core/config.h"

/* What suits a model is stored with it: `longtake.json` in its folder, an object of
 * sections with keys of the configuration,
 *
 *     { "clips": { "mean_threshold": 0.91 }, "sampler": { "guidance": 4 } }
 *
 * A model may say: clips.mean_threshold, region_threshold, max_length; features.step,
 * block, ensemble, range; sampler.steps, inversion_steps, guidance, image_guidance;
 * attention.inject, inject_features.
 *
 * Give those keys that neither a file nor the command line has set the model's values,
 * after lt_config_method_defaults, before lt_config_check. No folder or no such file: no
 * change.  Errors: DATA (not such a file; names file and key), CONFIG (a value that the
 * key does not take), IO, NOMEM. */
LT_NODISCARD lt_status lt_model_defaults(const char *dir, lt_config *cfg);

#endif
