#ifndef LT_APP_SCENE_FILE_H
#define LT_APP_SCENE_FILE_H

#include "core/status.h"
#include "synth/synth.h"

/* A scene as a user writes it: a YAML file of lines `key: value`, and --edit. */

/* Read a scene file: the scene of its seed (key `seed`, else 1; a seed that is given
 * wins), with every key of the file set (names: lt_synth_set in synth.h).
 *   path   NULL: no file, the scene of the seed alone
 *   seed   NULL: that of the file
 *   flags  LT_SYNTH_TRAINING: a combination that is kept for judging is refused
 * Errors: NOINPUT, DATA, IO (the file), CONFIG with name and line (no YAML, unknown or
 * repeated key, unknown value), NOMEM. */
LT_NODISCARD lt_status lt_scene_file_read(lt_scene *out, const char *path,
                                          const uint64_t *seed, unsigned flags);

/* Change *s as one --edit says: "colour=blue", or "colour" for a value of the seed's.
 * *factor becomes the factor's number. Errors: USAGE. */
LT_NODISCARD lt_status lt_scene_edit_text(lt_scene *s, const char *text, unsigned flags,
                                          int *factor);

#endif
