#include "methods/common.h"

#include <stdlib.h>

#include "stages/contents.h"
#include "stages/features.h"

/* ---- segments ---------------------------------------------------------------------- */

/* Collective. Some shards of a finished segment are needed no more. */
static lt_status drop_stage(lt_run *r, const lt_segment *s, const char *stage)
{
    int64_t n = 0;
    lt_record *list = calloc((size_t)s->n_blocks, sizeof(*list));
    lt_status st = lt_comm_agree(
        r->comm, list ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (units)"));
    for (int64_t b = s->first_block; st == LT_OK && b < s->first_block + s->n_blocks; b++)
        if (lt_job_record(r->job, stage, b, LT_NO_STEP))
            list[n++] = (lt_record){ .stage = stage, .unit = b, .step = LT_NO_STEP };
    if (st == LT_OK) st = lt_run_forget(r, list, n, 1);
    free(list);
    return st;
}

/* Collective. What an edited segment leaves behind; also of one that an earlier run has
 * edited, since a kill may have come in between. */
static lt_status finish_segment(lt_run *r, int64_t segment)
{
    const lt_segment *s = &r->layout.segment[segment];
    lt_status st = LT_OK;
    LT_TRY(lt_edit_forget_states(r, segment));
    if (r->cfg->run.keep == LT_KEEP_NONE) LT_TRY(drop_stage(r, s, "inversion"));
    if (r->cfg->run.keep == LT_KEEP_NONE) LT_TRY(drop_stage(r, s, "match"));
    if (lt_method_needs_features(r->cfg)) lt_features_forget(r, s->first, s->n);
cleanup:
    return st;
}

lt_status lt_edit_segments(lt_run *r, lt_segment_fn *fn)
{
    lt_levels levels = { 0 };
    lt_status st =
        lt_comm_agree(r->comm, lt_levels_make(r->cfg, &r->model->scheduler, &levels));
    for (int64_t s = 0; st == LT_OK && s < r->layout.n_segments; s++)
        if (lt_edit_segment_done(r, s)) st = finish_segment(r, s);
    for (int64_t s = 0; st == LT_OK && s < r->layout.n_segments; s++) {
        if (lt_edit_segment_done(r, s)) continue;
        st = fn(r, &levels, s);
        if (st == LT_OK) st = finish_segment(r, s);
    }
    lt_levels_free(&levels);
    if (st == LT_OK) st = lt_comm_agree(r->comm, r->rank ? LT_OK : lt_contents_index(r));
    return st;
}

/* ---- disk -------------------------------------------------------------------------- */

lt_status lt_check_disk(lt_run *r)
{
    lt_status st = LT_OK;
    lt_work work;
    int64_t free_bytes = 0;
    char need[LT_UNIT_TEXT_MAX], have[LT_UNIT_TEXT_MAX];
    if (r->rank == 0) {
        LT_TRY(lt_method_work(r, &work));
        LT_TRY(lt_disk_free(lt_job_path(r->job), &free_bytes));
        const int64_t there = lt_manifest_count(lt_job_manifest(r->job), "source");
        if (there == 0 && free_bytes < work.disk)
            st = LT_FAIL(
                LT_ERR_CANTCREAT,
                "the job needs about %s of disk and %s are free (%s): make room, or put "
                "--job on another disk",
                lt_bytes_format(work.disk, need), lt_bytes_format(free_bytes, have),
                lt_job_path(r->job));
    }
cleanup:
    return lt_comm_agree(r->comm, st);
}
