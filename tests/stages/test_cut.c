/* Two real clips joined by FFmpeg: the similarity curve has its minimum exactly at the
 * cut, and any threshold below the second minimum splits there and nowhere else. */
#include "golden_run.h"
#include "stages/clips.h"
#include "stages/source.h"

enum { CUT = 12, FRAMES = 24 };

static int make_clip(const char *shared)
{
    char command[4096];
    snprintf(command, sizeof(command),
             "ffmpeg -v error -y -i %s/media/clips/woman-running.mp4 -i "
             "%s/media/clips/blackswan.mp4 "
             "-filter_complex '[0:v]trim=end_frame=%d,setpts=N/24/TB,scale=128:128[a];"
             "[1:v]trim=end_frame=%d,setpts=N/24/TB,scale=128:128[b];[a][b]concat' "
             "-r 24 -c:v ffv1 cut.mkv",
             shared, shared, CUT, FRAMES - CUT);
    return system(command) == 0;
}

static void run_clips(double threshold, float *mean, int64_t *begin, int64_t *n)
{
    char text[4200];
    lt_config cfg = { 0 };
    lt_comm *comm = NULL;
    OK(lt_config_default(&cfg));
    snprintf(text, sizeof(text), "model.path=%s/models/sd15-tiny", LT_GOLDEN);
    set(&cfg, text);
    set(&cfg, "input.path=cut.mkv");
    set(&cfg, "size.max_pixels=16384");
    set(&cfg, "features.ensemble=1");
    set(&cfg, "clips.region_threshold=-1");
    snprintf(text, sizeof(text), "clips.mean_threshold=%.9f", threshold);
    set(&cfg, text);
    OK(lt_comm_open_self(&comm));
    lt_run *r = open_run(&cfg, comm, "cut.job");
    OK(lt_run_encode_texts(r, 1));
    OK(lt_stage_source(r, 1));
    OK(lt_stage_clips(r));
    CHECK(r->n_frames == FRAMES);
    memcpy(mean, r->similarity_mean, FRAMES * sizeof(*mean));
    *n = r->layout.n_clips;
    for (int64_t c = 0; c < *n; c++) begin[c] = r->layout.clip[c].first;
    OK(lt_run_close(&r));
    lt_comm_close(&comm);
    lt_config_free(&cfg);
}

/* The value of the lowest and the second lowest similarity, and where the lowest is. */
static void two_lowest(const float *mean, int *at, float *first, float *second)
{
    *first = *second = 2.0f;
    for (int f = 1; f < FRAMES; f++)
        if (mean[f] < *first) {
            *second = *first;
            *first = mean[f];
            *at = f;
        } else if (mean[f] < *second) {
            *second = mean[f];
        }
}

int main(int argc, char **argv)
{
    float mean[FRAMES], low, next;
    int64_t begin[FRAMES], n;
    int at = 0;
    CHECK(argc == 2);
    if (!make_clip(argv[1])) return TEST_SKIP;
    /* Without a split everything is compared with frame 0; the first split then lies at
     * the cut, and the curve behind it belongs to the second clip. */
    run_clips(-1.0, mean, begin, &n);
    CHECK(n == 1);
    const float at_cut = mean[CUT];
    for (int f = 1; f < CUT; f++) CHECK(mean[f] > at_cut);
    run_clips(at_cut + 1e-4, mean, begin, &n);
    two_lowest(mean, &at, &low, &next);
    for (int f = 1; f < FRAMES; f++) printf("%d %.4f\n", f, mean[f]);
    CHECK(at == CUT && low < next);
    const double inside[] = { low + 0.02 * (next - low), 0.5 * (low + next),
                              next - 0.02 * (next - low) };
    for (int i = 0; i < 3; i++) {
        run_clips(inside[i], mean, begin, &n);
        printf("threshold %.4f: %lld clips, second at %lld\n", inside[i], (long long)n,
               (long long)(n > 1 ? begin[1] : -1));
        CHECK(n == 2 && begin[1] == CUT);
        two_lowest(mean, &at, &low, &next);
        CHECK(at == CUT);
    }
    return 0;
}
