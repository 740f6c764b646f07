/* Clips of the golden film for other thresholds and lengths, on 1, 2 and 3 ranks: the
 * begins of the independent script, and the same again from the stored shard. */
#include "golden_run.h"
#include "stages/clips.h"
#include "stages/source.h"

enum { N_CASES = 6, FRAMES = 12 };

/* `splits` of adaflow.json: mean threshold, region threshold, longest clip. */
static const struct {
    double mean, region;
    int64_t longest;
} cases[N_CASES] = {
    { 0.75, 0.5, 400 }, { 0.75, 0.6, 400 }, { 0.75, 0.5, 4 },
    { 0.0, -1.0, 5 },   { 0.0, -1.0, 400 }, { 1.1, 0.5, 400 },
};

static void forget_layout(lt_run *r)
{
    lt_layout_free(&r->layout);
    free(r->similarity_mean);
    free(r->similarity_region);
    r->similarity_mean = r->similarity_region = NULL;
}

static void check_begins(const lt_run *r, const int64_t *want, int64_t n)
{
    CHECK(r->layout.n_clips == n && r->layout.n_frames == FRAMES);
    for (int64_t c = 0; c < n; c++) CHECK(r->layout.clip[c].first == want[c]);
    CHECK(r->layout.keyframe && r->layout.n_steps == 6);
}

/* Is frame f the first of a clip exactly when its stored similarities say so? */
static void check_curve(const lt_run *r)
{
    int64_t reference = 0;
    CHECK(isnan(r->similarity_mean[0]) && isnan(r->similarity_region[0]));
    for (int64_t f = 1; f < FRAMES; f++) {
        const lt_clip_similarity s = { r->similarity_mean[f], r->similarity_region[f] };
        const int split = lt_clip_splits(r->cfg, s, reference, f);
        CHECK(s.mean <= 1.0001f && s.region <= s.mean);
        CHECK(split ==
              (r->layout.clip[r->layout.block[lt_layout_block_of(&r->layout, f)].clip]
                   .first == f));
        if (split) reference = f;
    }
}

static void check_case(lt_run *r, lt_config *cfg, const lt_weights *source, int i)
{
    char name[32];
    int64_t n;
    const lt_record clips = { .stage = "clips", .step = LT_NO_STEP };
    snprintf(name, sizeof(name), "split.%d.begin", i);
    int64_t *want = golden_i64(source, name, &n);
    cfg->clips.mean_threshold = cases[i].mean;
    cfg->clips.region_threshold = cases[i].region;
    cfg->clips.max_length = cases[i].longest;
    OK(lt_run_forget(r, &clips, 1, 0));
    for (int again = 0; again < 2; again++) {
        forget_layout(r);
        CHECK(lt_job_done(r->job, "clips", 0, LT_NO_STEP) == again);
        OK(lt_stage_clips(r));
        check_begins(r, want, n);
        check_curve(r);
    }
    free(want);
}

/* A list of begins is taken as it is, unless the video is shorter. */
static void check_list(lt_run *r, lt_config *cfg)
{
    static const int64_t begins[] = { 0, 2, 11 };
    set(cfg, "clips.mode=list");
    set(cfg, "clips.begins=[0, 2, 11]");
    forget_layout(r);
    OK(lt_stage_clips(r));
    check_begins(r, begins, 3);
    forget_layout(r);
    set(cfg, "clips.begins=[0, 2, 12]");
    CHECK(lt_stage_clips(r) == LT_ERR_CONFIG);
    CHECK(strstr(lt_error_message(), "frame 12") && !r->layout.clip);
    set(cfg, "clips.begins=[0, 2, 11]"); /* the run is closed with it */
    OK(lt_stage_clips(r));
}

int main(int argc, char **argv)
{
    lt_comm *comm = NULL;
    lt_config cfg = { 0 };
    OK(lt_comm_open_world(&argc, &argv, &comm));
    lt_weights *source = open_golden("adaflow-source");
    int64_t film = 0;
    if (lt_comm_rank(comm) == 0) film = write_film(source, "golden-film.mkv");
    OK(lt_comm_max(comm, film, &film));
    if (!film) {
        lt_comm_close(&comm);
        return TEST_SKIP;
    }
    golden_settings(&cfg, "sd15-tiny", "golden-film.mkv");
    OK(lt_config_check(&cfg));
    lt_run *r = open_run(&cfg, comm, "clips.job");
    OK(lt_run_encode_texts(r, 1));
    OK(lt_stage_source(r, 1));
    for (int i = 0; i < N_CASES; i++) check_case(r, &cfg, source, i);
    check_list(r, &cfg);
    OK(lt_run_close(&r));
    lt_weights_close(&source);
    lt_config_free(&cfg);
    lt_comm_close(&comm);
    return 0;
}
