/* Whole edits with AdaFlow and TokenFlow on every kind of model - linear projections and
 * v prediction, odd levels, bf16 - with joint attention slimmed, and the same bytes of
 * every shard and of the video with 1, 2 and 3 threads. */
#include "method_run.h"

typedef struct model_case {
    const char *model, *dtype, *path; /* values of model.dtype and run.cpu_path */
    const char *slim;
    const char *method, *budget; /* of method.name and attention.kv_budget */
} model_case;

static const model_case cases[] = {
    { "sd21-tiny", "f32", "auto", "query", "adaflow", "2" },
    { "odd-tiny", "f32", "auto", "shared", "adaflow", "2" },
    { "sd15-tiny", "bf16", "avx512_bf16", "query", "adaflow", "2" },
    { "odd-tiny", "f32", "auto", "shared", "tokenflow", "2" }, /* pieces combined */
    { "sd21-tiny", "bf16", "avx512_bf16", "query", "tokenflow", "0" },
};

typedef struct listing {
    char *text; /* a line for every shard: name, size, hash */
    size_t bytes;
    void *video;
    size_t video_bytes;
} listing;

static listing list_job(lt_run *r)
{
    listing l = { 0 };
    const lt_record **list = NULL;
    int64_t n = 0;
    OK(lt_manifest_list(lt_job_manifest(r->job), NULL, &list, &n));
    FILE *f = open_memstream(&l.text, &l.bytes);
    CHECK(f && n > 0);
    for (int64_t i = 0; i < n; i++) {
        const lt_record *k = list[i];
        /* these tell the configuration, run.threads with it */
        if (!strcmp(k->stage, "config") || !strcmp(k->stage, "index")) continue;
        fprintf(f, "%s %lld %lld %s %llu ", k->stage, (long long)k->unit,
                (long long)k->step, k->file, (unsigned long long)k->stamp.size);
        for (size_t b = 0; b < sizeof(k->stamp.xxh3); b++)
            fprintf(f, "%02x", (unsigned)k->stamp.xxh3[b]);
        fputc('\n', f);
    }
    CHECK(fclose(f) == 0);
    free(list);
    OK(lt_file_read(r->cfg->output.path, (size_t)1 << 28, &l.video, &l.video_bytes));
    return l;
}

static void listing_free(listing *l)
{
    free(l->text);
    free(l->video);
}

static void settings(lt_config *cfg, const model_case *c, int threads)
{
    char text[128];
    golden_settings(cfg, c->model, "golden-film.mkv");
    set(cfg, "output.path=models.mp4");
    set(cfg, "clips.mode=fixed");
    set(cfg, "clips.length=3"); /* 4 keyframes, more than the budget of 2 */
    set(cfg, "sampler.steps=3");
    set(cfg, "sampler.inversion_steps=3");
    set(cfg, "features.ensemble=2");
    snprintf(text, sizeof(text), "method.name=%s", c->method);
    set(cfg, text);
    snprintf(text, sizeof(text), "attention.kv_budget=%s", c->budget);
    set(cfg, text);
    snprintf(text, sizeof(text), "attention.slim=%s", c->slim);
    set(cfg, text);
    snprintf(text, sizeof(text), "model.dtype=%s", c->dtype);
    set(cfg, text);
    snprintf(text, sizeof(text), "run.cpu_path=%s", c->path);
    set(cfg, text);
    snprintf(text, sizeof(text), "run.threads=%d", threads);
    set(cfg, text);
    OK(lt_config_method_defaults(cfg));
}

static listing run_case(lt_comm *comm, const model_case *c, int threads)
{
    lt_config cfg = { 0 };
    settings(&cfg, c, threads);
    lt_run *r = run_method(&cfg, comm, "models.job");
    CHECK(r->n_frames == 12 && r->layout.n_clips == 4);
    float *x = final_latents(r);
    for (int64_t i = 0; i < 12 * r->h * r->w * r->c; i++) CHECK(isfinite(x[i]));
    free(x);
    check_output(r);
    const listing l = list_job(r);
    OK(lt_run_close(&r));
    lt_config_free(&cfg);
    return l;
}

static void check_case(lt_comm *comm, const model_case *c)
{
    listing one = run_case(comm, c, 1);
    CHECK(strstr(one.text, "inversion"));
    CHECK(!strstr(one.text, "match") == !strcmp(c->method, "tokenflow"));
    for (int threads = 2; threads <= 3; threads++) {
        listing more = run_case(comm, c, threads);
        if (strcmp(one.text, more.text) != 0)
            fprintf(stderr, "%s, %d threads:\n%s\n1 thread:\n%s", c->model, threads,
                    more.text, one.text);
        CHECK(!strcmp(one.text, more.text));
        CHECK(one.video_bytes == more.video_bytes);
        CHECK(!memcmp(one.video, more.video, one.video_bytes));
        listing_free(&more);
    }
    listing_free(&one);
}

int main(void)
{
    lt_comm *comm = NULL;
    lt_weights *source = open_golden("adaflow-source");
    if (!write_film(source, "golden-film.mkv")) return TEST_SKIP;
    lt_weights_close(&source);
    OK(lt_comm_open_self(&comm));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!strcmp(cases[i].dtype, "bf16") &&
            !lt_cpu_path_supported(LT_PATH_AVX512_BF16))
            continue;
        printf("%s %s %s\n", cases[i].method, cases[i].model, cases[i].dtype);
        check_case(comm, &cases[i]);
    }
    lt_comm_close(&comm);
    return 0;
}
