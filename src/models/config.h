#ifndef LT_MODELS_CONFIG_H
#define LT_MODELS_CONFIG_H

#include <jansson.h>

#include "core/status.h"

/* The config.json files of a model folder, read with a limit on every number. Used
 * inside this room only. Every failure names file and key.
 *
 * A key that is absent or null takes the default; a wrong type or a value outside
 * [min, max] is DATA. */
typedef struct lt_model_config {
    json_t *root; /* an object */
    char *path;
} lt_model_config;

/* Read `DIR/part/name` (part NULL: DIR/name), at most max_bytes.
 * Free with lt_model_config_close.  Errors: NOINPUT, DATA, IO, NOMEM. */
LT_NODISCARD lt_status lt_model_config_open(const char *dir, const char *part,
                                            const char *name, size_t max_bytes,
                                            lt_model_config *c);
/* The same from text in memory, for tests and fuzzing; `where` is for messages. */
LT_NODISCARD lt_status lt_model_config_parse(const char *text, size_t bytes,
                                             const char *where, lt_model_config *c);
void lt_model_config_close(lt_model_config *c);

LT_NODISCARD lt_status lt_model_config_int(const lt_model_config *c, const char *key,
                                           int64_t preset, int64_t min, int64_t max,
                                           int64_t *out);
LT_NODISCARD lt_status lt_model_config_real(const lt_model_config *c, const char *key,
                                            double preset, double min, double max,
                                            double *out);
LT_NODISCARD lt_status lt_model_config_bool(const lt_model_config *c, const char *key,
                                            int preset, int *out);
/* *out is borrowed from c, or is `preset`. */
LT_NODISCARD lt_status lt_model_config_text(const lt_model_config *c, const char *key,
                                            const char *preset, const char **out);

/* A list of 1 .. cap integers; the key must be there. */
LT_NODISCARD lt_status lt_model_config_ints(const lt_model_config *c, const char *key,
                                            int cap, int64_t min, int64_t max,
                                            int64_t *out, int *n);
/* Item i of a list of exactly n texts, borrowed. */
LT_NODISCARD lt_status lt_model_config_list_text(const lt_model_config *c,
                                                 const char *key, int n, int i,
                                                 const char **out);

/* Keys that would change the mathematics: each must be absent, null, or equal to its
 * allowed value, given as JSON ("1", "\"default\"", "null" = nothing else). The list
 * ends with a NULL key. */
typedef struct lt_model_config_fixed {
    const char *key, *allowed;
} lt_model_config_fixed;
LT_NODISCARD lt_status lt_model_config_check_fixed(const lt_model_config *c,
                                                   const lt_model_config_fixed *list);

#endif
