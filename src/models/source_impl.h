#ifndef LT_MODELS_SOURCE_IMPL_H
#define LT_MODELS_SOURCE_IMPL_H

#include <jansson.h>

#include "core/options.h"
#include "models/derive.h"
#include "models/source.h"

/* Shared by the source*.c files only. */

enum {
    LT_SOURCE_FILES = 64,
    LT_SOURCE_NOTES = 16,
    LT_SOURCE_SCHEDULER = LT_N_PARTS, /* configurations: the parts, then this */
    LT_SOURCE_CONFIGS
};

struct lt_source {
    lt_model_spec spec;
    char path[LT_PATH_MAX];
    int diffusers;
    lt_weights *file[LT_SOURCE_FILES]; /* opened, when not diffusers */
    int n_files;
    lt_found_part part[LT_N_PARTS];
    lt_weights *weights[LT_N_PARTS];   /* under diffusers' names, once asked for */
    json_t *config[LT_SOURCE_CONFIGS]; /* derived; NULL: the part was not found */
    char *note[LT_SOURCE_NOTES];
    int n_notes;
};

/* "UNet", and the folder or key of diffusers: "unet". */
extern const char *const lt_part_words[LT_N_PARTS];
extern const char *const lt_source_config_names[LT_SOURCE_CONFIGS];

/* FOLDER/NAME.  Errors: NOINPUT (too long). */
LT_NODISCARD lt_status lt_source_join(char out[LT_PATH_MAX], const char *folder,
                                      const char *name);
int lt_source_has_file(const char *folder, const char *name);

#endif
