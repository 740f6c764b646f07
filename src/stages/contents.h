#ifndef LT_STAGES_CONTENTS_H
#define LT_STAGES_CONTENTS_H

#include "io/index.h"
#include "stages/run.h"

/* What a job folder says about itself to readers: the shard with the frames' time
 * stamps, facts in job.yaml, and index.h5 (interface section 4). With the facts the
 * index can be written without the model (`longtake status`). */

/* Add what the index needs to know: frames, latents, storage, scale, grids, levels. */
LT_NODISCARD lt_status lt_contents_facts(lt_run *r, lt_facts *facts);

/* Collective. Stage "frames": one unit with /frames/pts [N] i64. */
LT_NODISCARD lt_status lt_contents_frames(lt_run *r);

/* Rank 0: write index.h5 from the running job. */
LT_NODISCARD lt_status lt_contents_index(lt_run *r);

/* Write index.h5 from the folder alone: job is open for writing; cfg and facts are those
 * of its job.yaml.  Errors: DATA (facts missing), those of lt_index_write. */
LT_NODISCARD lt_status lt_contents_index_of(lt_job *job, const lt_config *cfg,
                                            const lt_facts *facts);

/* Number of units of a stage of this job, -1 while it is not known (clips not found
 * yet). For progress and `status`. */
int64_t lt_contents_units(lt_job *job, const lt_config *cfg, const lt_facts *facts,
                          const char *stage);

/* What index.h5 says, in memory: for reports. Read with lt_contents_read. */
typedef struct lt_contents {
    lt_index_spec spec; /* its arrays point to those below; absent parts are NULL */
    lt_layout layout;   /* n_clips = 0 while the clips are not known */
    int64_t *pts, *timesteps, *begin;
    float *mean, *region;
} lt_contents;

/* job is open; cfg and facts are those of its job.yaml. The caller frees with
 * lt_contents_free, after a failure too (*c zeroed before).
 * Errors: DATA (facts missing, another video), those of lt_job_shard. */
LT_NODISCARD lt_status lt_contents_read(lt_job *job, const lt_config *cfg,
                                        const lt_facts *facts, lt_contents *c);
void lt_contents_free(lt_contents *c); /* zeroes; accepts a zeroed one */

/* Names of the stages of a job in their order, NULL at the end. */
const char *const *lt_contents_stages(const lt_config *cfg, const lt_facts *facts);

#endif
