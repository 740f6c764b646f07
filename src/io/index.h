#ifndef LT_IO_INDEX_H
#define LT_IO_INDEX_H

#include <stdint.h>

#include "core/status.h"
#include "io/job.h"

/* index.h5: one self-describing view of a job of the Stable Diffusion family (interface
 * section 4, docs/formats.md). It holds small arrays itself and shows the shards through
 * HDF5 virtual datasets, by relative names, so that a moved folder stays readable.
 *
 * What each stage's shards must hold (n frames of the block, dataset paths as in the
 * index, cell types equal in all shards of a stage):
 *     source     /source/latents    [n, h, w, c]                  f16 | f32
 *     inversion  /inversion/latents [levels, n, h, w, c]          f16 | f32
 *     edit       /edit/latents      [n, h, w, c]                  f16 | f32
 *     match      /match/frame, /match/keyframe [rows] i64 (global frame numbers),
 *                /match/<h>x<w>/index [rows, h*w] u16 | u32,
 *                /match/<h>x<w>/similarity [rows, h*w] u8; record.n_rows = rows
 * A row of a match is one (frame, keyframe of its clip) pair. In the index the rows of
 * the units that are done follow each other in unit order. */

enum { LT_INDEX_MAX_GRIDS = 8, LT_INDEX_MAX_STAGES = 32 };

typedef struct lt_index_stage {
    const char *name; /* as in the records */
    int64_t n_units;  /* of the whole job */
} lt_index_stage;

typedef struct lt_index_grid {
    int64_t h, w; /* of the attention layer whose tokens are matched */
    int wide;     /* index cells: 0 u16, 1 u32 */
} lt_index_grid;

/* All arrays are borrowed for the call. A NULL array or stage name, or a count of 0,
 * means "not known yet": the group is absent. So is the group of a stage without a
 * finished unit. */
typedef struct lt_index_spec {
    int64_t n_frames;
    const int64_t *pts; /* [n_frames] */
    int64_t time_base_num, time_base_den;

    int64_t h, w, c; /* of the latents */
    lt_cell cell;    /* of all latents: f16, or f32 with model.dtype=f32 */
    double scale;    /* latents are VAE latents times this */
    const char *source_stage, *inversion_stage, *match_stage, *edit_stage;

    int64_t n_levels;         /* levels kept */
    const int64_t *timesteps; /* [n_levels], ascending noise */

    int64_t n_clips;
    const int64_t *clip_begin; /* [n_clips] */
    double mean_threshold, region_threshold;
    int64_t max_length;
    const float *similarity_mean;   /* [n_frames], NaN where none */
    const float *similarity_region; /* [n_frames] */
    int64_t n_steps;
    const int64_t *clip_keyframe; /* [n_steps, n_clips], order of denoising */

    int n_grids;
    lt_index_grid grids[LT_INDEX_MAX_GRIDS];
    int n_stages;
    lt_index_stage stages[LT_INDEX_MAX_STAGES];
} lt_index_spec;

/* Write JOB/index.h5 from the records of the job, atomically, and record it. The same
 * job and spec give the same bytes. Errors: ARG, NOMEM, INTERNAL, IO, NOSPACE. */
LT_NODISCARD lt_status lt_index_write(lt_job *job, const lt_index_spec *spec);

/* The index's bytes without a file, for tests: *image is the caller's (free). */
LT_NODISCARD lt_status lt_index_image(lt_job *job, const lt_index_spec *spec,
                                      void **image, size_t *bytes);

#endif
