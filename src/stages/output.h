#ifndef LT_STAGES_OUTPUT_H
#define LT_STAGES_OUTPUT_H

#include "io/media_join.h"
#include "stages/run.h"

/* The output file of a run: what the configuration asks for and what the source gives. */

/* Options for the encoder of the parts. */
lt_media_encode lt_run_encode_options(const lt_run *r);

/* The container around them; encode is borrowed. */
lt_media_output lt_run_output(const lt_run *r, const lt_media_encode *encode);

/* Rank 0. Warns of light, depth and streams that the output loses.
 * Errors: CONFIG (a codec or container that cannot hold it), CANTCREAT. */
LT_NODISCARD lt_status lt_run_check_output(lt_run *r);

#endif
