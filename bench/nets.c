#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/trace.h"
#include "core/random.h"
#include "models/text.h"
#include "models/unet.h"
#include "models/vae.h"

/* Times one whole net of a diffusers folder; a CSV line on stdout:
 *   machine,revision,path,compute,threads,net,size,samples,runs,first_s,wall_s,wall_min_s,
 *   cpu_s,cpu_min_s,gflop,gflops,roof_gflops,roof_share,weights_mb,peak_mb,cached_mb
 * Usage: bench_nets FOLDER NET SIZE SAMPLES [key=value ...]
 *   NET      unet, vae_encode, vae_decode, text
 *   SIZE     pixels of a side, a multiple of 8; for text the number of tokens, <= 77
 *   path=, compute=f32|bf16, threads=1, runs=3
 *   trace=1  where the time goes, a CSV line an operation and shape (trace.h)
 *   in=FILE  safetensors with the inputs, f32; else they are drawn with a fixed seed
 *   out=FILE writes inputs and output of the last run: "x" (text: "ids", i64), "context"
 *            of the UNet, "timestep", "out"; channels last
 * wall_s and cpu_s are medians of the runs after the first, which also makes the plans;
 * the rate and the share of the roof (multiply-adds in registers, measured before the
 * net is loaded) are of wall_min_s. weights_mb is what the pool holds when nothing runs
 * (MiB; token embeddings lie outside), peak_mb the most in use above it in a run,
 * cached_mb free blocks kept after it. */

#ifndef LT_REVISION
#define LT_REVISION "unknown"
#endif

enum { MAX_RUNS = 100, TEXT_TOKENS = 77 };

typedef struct bench {
    lt_bench b;
    lt_exec x; /* of b, perhaps timed */
    const char *folder, *net, *in, *out;
    int64_t size, samples;
    int runs, trace;
    lt_unet *unet;
    lt_vae *vae;
    lt_text_encoder *text;
    lt_unet_context *context;
    lt_tensor input, words, output; /* words: the UNet's context [77, dim] */
    int32_t ids[TEXT_TOKENS];
    double gflop;
} bench;

static void must(lt_status st)
{
    if (st == LT_OK) return;
    fprintf(stderr, "bench_nets: %s\n", lt_error_message());
    exit(lt_status_exit_code(st));
}

static int is(const bench *b, const char *net) { return strcmp(b->net, net) == 0; }

/* ---- inputs ---------------------------------------------------------------------- */

/* A tensor of in=FILE, or normal numbers of stream `frame`. */
static lt_tensor input(const bench *b, const char *name, uint32_t frame, int ndim,
                       const int64_t *shape)
{
    lt_tensor t;
    lt_weights *w = NULL;
    const lt_weight *found;
    must(lt_tensor_new(&t, b->x.pool, LT_F32, ndim, shape));
    if (!b->in) {
        const lt_random r = lt_random_stream(1, LT_PURPOSE_TEST, frame, 0);
        lt_random_normals(&r, 0, lt_f32(&t), lt_tensor_count(&t));
        return t;
    }
    must(lt_weights_open(b->in, &w));
    must(lt_weights_get(w, name, ndim, shape, &found));
    must(lt_weight_to_f32(found, 0, found->count, lt_f32(&t)));
    lt_weights_close(&w);
    return t;
}
#define INPUT(b, name, frame, ...)                                             \
    input((b), (name), (frame), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8), \
          (int64_t[]){ __VA_ARGS__ })

static void fresh_output(bench *b, int64_t n, int64_t h, int64_t w, int64_t c)
{
    must(LT_TENSOR_NEW(&b->output, b->x.pool, LT_F32, n, h, w, c));
}

static void open_unet(bench *b)
{
    must(lt_unet_load(&b->x, b->folder, &b->unet));
    const lt_unet_config *c = lt_unet_get_config(b->unet);
    const int64_t side = b->size / 8;
    double self = 0;
    b->input = INPUT(b, "x", 0, b->samples, side, side, c->in_channels);
    b->words = INPUT(b, "context", 1, TEXT_TOKENS, c->cross_attention_dim);
    must(lt_unet_context_new(&b->x, b->unet, &b->words, &b->context));
    fresh_output(b, b->samples, side, side, c->out_channels);
    lt_unet_cost(b->unet, side, side, TEXT_TOKENS, &b->gflop, &self);
}

static void open_vae(bench *b)
{
    must(lt_vae_load(&b->x, b->folder, &b->vae));
    const int64_t side = b->size / lt_vae_factor(b->vae), n = b->samples;
    const int64_t latent = lt_vae_latent_channels(b->vae);
    if (is(b, "vae_encode")) {
        b->input = INPUT(b, "x", 0, n, b->size, b->size, 3);
        fresh_output(b, n, side, side, latent);
        b->gflop = lt_vae_cost_encode(b->vae, side, side);
    } else {
        b->input = INPUT(b, "x", 0, n, side, side, latent);
        fresh_output(b, n, b->size, b->size, 3);
        b->gflop = lt_vae_cost_decode(b->vae, side, side);
    }
}

static void open_text(bench *b)
{
    if (b->size < 1 || b->size > TEXT_TOKENS || b->in) {
        fprintf(stderr, "bench_nets: 1 to 77 tokens, and no in=\n");
        exit(64);
    }
    must(lt_text_encoder_load(&b->x, b->folder, &b->text));
    lt_random r = lt_random_stream(1, LT_PURPOSE_TEST, 2, 0);
    for (int i = 0; i < b->size; i++)
        b->ids[i] =
            (int32_t)lt_random_below(&r, (uint64_t)lt_text_encoder_vocabulary(b->text));
    must(LT_TENSOR_NEW(&b->output, b->x.pool, LT_F32, b->size,
                       lt_text_encoder_width(b->text)));
}

static void open_net(bench *b)
{
    if (is(b, "unet"))
        open_unet(b);
    else if (is(b, "vae_encode") || is(b, "vae_decode"))
        open_vae(b);
    else if (is(b, "text"))
        open_text(b);
    else {
        fprintf(stderr, "bench_nets: no net %s\n", b->net);
        exit(64);
    }
    b->gflop *= 2e-9 * (double)b->samples;
}

/* ---- running --------------------------------------------------------------------- */

static lt_status run_unet(bench *b)
{
    const lt_unet_args a = { .batch = { .n_branches = 1,
                                        .branch = { LT_BRANCH_EDIT },
                                        .n_frames = b->samples },
                             .x = &b->input,
                             .timestep = 500,
                             .context = { b->context },
                             .out = &b->output };
    return lt_unet_forward(&b->x, b->unet, &a);
}

static lt_status run_net(bench *b)
{
    if (b->unet) return run_unet(b);
    if (b->text) return lt_text_encode(&b->x, b->text, b->ids, (int)b->size, &b->output);
    if (is(b, "vae_encode"))
        return lt_vae_encode(&b->x, b->vae, &b->input, &b->output, NULL);
    return lt_vae_decode(&b->x, b->vae, &b->input, &b->output);
}

static void write_result(bench *b)
{
    int64_t ids[TEXT_TOKENS], n_ids = b->size;
    float timestep = 500;
    lt_weight_out t[4] = { { "out", b->output } };
    int n = 1;
    for (int i = 0; b->text && i < b->size; i++) ids[i] = b->ids[i];
    if (b->text)
        t[n++] =
            (lt_weight_out){ "ids", lt_tensor_wrap(ids, LT_HOST, LT_I64, 1, &n_ids) };
    else
        t[n++] = (lt_weight_out){ "x", b->input };
    if (b->unet) {
        t[n++] = (lt_weight_out){ "context", b->words };
        t[n++] = (lt_weight_out){ "timestep", lt_tensor_wrap(&timestep, LT_HOST, LT_F32,
                                                             1, (int64_t[]){ 1 }) };
    }
    must(lt_weights_write(b->out, t, n, NULL));
}

static void measure(bench *b)
{
    static double wall[MAX_RUNS], cpu[MAX_RUNS];
    const double mib = 1.0 / (1 << 20);
    const double start = lt_bench_wall();
    must(run_net(b));
    const double first = lt_bench_wall() - start;
    const size_t weights = lt_pool_used(b->x.pool);
    lt_pool_trim(b->x.pool);
    lt_pool_reset_peak(b->x.pool);
    trace_reset();
    for (int i = 0; i < b->runs; i++) {
        const double w = lt_bench_wall(), c = lt_bench_cpu();
        must(run_net(b));
        wall[i] = lt_bench_wall() - w;
        cpu[i] = lt_bench_cpu() - c;
    }
    const lt_bench_times w = lt_bench_summary(wall, b->runs);
    const lt_bench_times c = lt_bench_summary(cpu, b->runs);
    const double rate = b->gflop / w.least;
    printf("machine,revision,path,compute,threads,net,size,samples,runs,first_s,wall_s,"
           "wall_min_s,cpu_s,cpu_min_s,gflop,gflops,roof_gflops,roof_share,weights_mb,"
           "peak_mb,cached_mb\n");
    printf("\"%s\",%s,%s,%s,%d,%s,%lld,%lld,%d,%.3f,%.3f,%.3f,%.3f,%.3f,%.1f,%.1f,%.1f,"
           "%.2f,%.1f,%.1f,%.1f\n",
           b->b.machine, b->b.o.revision, b->x.k->name, lt_dtype_name(b->x.k->compute),
           b->b.o.threads, b->net, (long long)b->size, (long long)b->samples, b->runs,
           first, w.median, w.least, c.median, c.least, b->gflop, rate, b->b.roof.flops,
           rate / b->b.roof.flops, (double)weights * mib,
           (double)(lt_pool_peak(b->x.pool) - weights) * mib,
           (double)lt_pool_cached(b->x.pool) * mib);
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_nets FOLDER unet|vae_encode|vae_decode|text SIZE "
                    "SAMPLES [path= compute= threads= runs= trace= in= out=]\n");
    exit(64);
}

static void read_options(bench *b, int argc, char **argv)
{
    lt_bench_options *o = &b->b.o;
    const char *type = "";
    *o = (lt_bench_options){
        .path = lt_cpu_path_best(), .threads = 1, .seconds = 1, .revision = LT_REVISION
    };
    for (int i = 5; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (!value) usage();
        value++;
        if (strncmp(argv[i], "path=", 5) == 0)
            must(lt_cpu_path_parse(value, &o->path));
        else if (strncmp(argv[i], "compute=", 8) == 0)
            type = value;
        else if (strncmp(argv[i], "threads=", 8) == 0)
            o->threads = atoi(value);
        else if (strncmp(argv[i], "runs=", 5) == 0)
            b->runs = atoi(value);
        else if (strncmp(argv[i], "trace=", 6) == 0)
            b->trace = atoi(value);
        else if (strncmp(argv[i], "in=", 3) == 0)
            b->in = value;
        else if (strncmp(argv[i], "out=", 4) == 0)
            b->out = value;
        else
            usage();
    }
    o->compute = lt_bench_compute(o->path);
    if (*type) o->compute = strcmp(type, "bf16") ? LT_F32 : LT_BF16;
    if (*type && o->compute == LT_F32 && strcmp(type, "f32") != 0) usage();
    if (b->runs < 1 || b->runs > MAX_RUNS || b->size < 1 || b->samples < 1) usage();
}

int main(int argc, char **argv)
{
    bench b = { .runs = 3 };
    if (argc < 5) usage();
    b.folder = argv[1];
    b.net = argv[2];
    b.size = atoi(argv[3]);
    b.samples = atoi(argv[4]);
    read_options(&b, argc, argv);
    const lt_bench_options o = b.b.o;
    must(lt_bench_open(&b.b, &o));
    b.x = b.b.x;
    if (b.trace) b.x.k = trace_table(b.x.k);
    open_net(&b);
    measure(&b);
    if (b.trace) trace_print(b.runs);
    if (b.out) write_result(&b);
    lt_tensor *const made[] = { &b.input, &b.words, &b.output };
    for (int i = 0; i < 3; i++) lt_tensor_free(made[i]);
    lt_unet_context_free(&b.context);
    lt_unet_free(&b.unet);
    lt_vae_free(&b.vae);
    lt_text_encoder_free(&b.text);
    lt_bench_close(&b.b);
    return 0;
}
