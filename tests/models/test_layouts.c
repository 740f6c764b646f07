/* The same random weights in every layout that users hold give the same output bytes. */
#include <stdarg.h>

#include "core/file.h"
#include "core/tmpdir.h"
#include "layouts.h"
#include "models/source.h"

enum { SIDE = 8 }; /* of the latents */

/* What the three networks of a model say to fixed inputs. */
typedef struct answer {
    float v[16384];
    int64_t n;
    int pad; /* the token behind the end */
} answer;

static void keep(answer *a, const lt_tensor *t)
{
    float *v = as_f32(t);
    const int64_t n = lt_tensor_count(t);
    CHECK(a->n + n <= 16384);
    memcpy(a->v + a->n, v, (size_t)n * sizeof(*v));
    a->n += n;
    free(v);
}

static lt_tensor noise(const lt_exec *x, int64_t channels)
{
    lt_tensor t = { 0 };
    uint64_t seed = 7;
    OK(LT_TENSOR_NEW(&t, x->pool, LT_F32, 1, SIDE, SIDE, channels));
    for (int64_t i = 0; i < lt_tensor_count(&t); i++) lt_f32(&t)[i] = check_randf(&seed);
    return t;
}

static void ask_unet(const lt_exec *x, const lt_model *m, const lt_tensor *prompt,
                     answer *a)
{
    lt_unet_context *c = NULL;
    const lt_unet_config *cfg = lt_unet_get_config(m->unet);
    lt_tensor in = noise(x, cfg->in_channels), out = { 0 };
    OK(LT_TENSOR_NEW(&out, x->pool, LT_F32, 1, SIDE, SIDE, cfg->out_channels));
    OK(lt_unet_context_new(x, m->unet, prompt, &c));
    const lt_unet_args args = { .batch = { .n_branches = 1, .n_frames = 1 },
                                .x = &in,
                                .timestep = 481,
                                .context = { c },
                                .out = &out };
    OK(lt_unet_forward(x, m->unet, &args));
    keep(a, &out);
    lt_unet_context_free(&c);
    lt_tensor_free(&in);
    lt_tensor_free(&out);
}

static void ask_vae(const lt_exec *x, const lt_model *m, answer *a)
{
    lt_tensor in = noise(x, 4), image = { 0 }, mean = { 0 };
    const int64_t f = lt_vae_factor(m->vae);
    OK(LT_TENSOR_NEW(&image, x->pool, LT_F32, 1, SIDE * f, SIDE * f, 3));
    OK(LT_TENSOR_NEW(&mean, x->pool, LT_F32, 1, SIDE, SIDE, 4));
    OK(lt_vae_decode(x, m->vae, &in, &image));
    OK(lt_vae_encode(x, m->vae, &image, &mean, NULL));
    keep(a, &mean);
    lt_tensor_free(&in);
    lt_tensor_free(&image);
    lt_tensor_free(&mean);
}

static lt_exec exec_of_test(void)
{
    const lt_kernels *k[16];
    const int n = tables(k);
    lt_exec x = open_exec(k[n > 1 ? 1 : 0]);
    OK(lt_kernels_threads_open(2, &x.threads));
    return x;
}

static answer *ask(const lt_model_spec *spec)
{
    lt_exec x = exec_of_test();
    lt_model *m = NULL;
    lt_tokens tokens;
    lt_tensor prompt = { 0 };
    answer *a = calloc(1, sizeof(*a));
    OK(lt_model_open(&x, spec, LT_MODEL_ALL, &m));
    OK(lt_model_encode_prompt(&x, m, "a red ball", &tokens, &prompt));
    a->pad = tokens.id[tokens.n + 2];
    keep(a, &prompt);
    ask_unet(&x, m, &prompt, a);
    ask_vae(&x, m, a);
    lt_tensor_free(&prompt);
    lt_model_free(&m);
    close_exec(&x);
    return a;
}

static answer *ask_path(const char *path)
{
    return ask(&(lt_model_spec){ .path = path });
}

static int same(const answer *a, const answer *b)
{
    return a->n == b->n && a->pad == b->pad &&
           !memcmp(a->v, b->v, (size_t)a->n * sizeof(*a->v));
}

/* The answer of `path` is that of the model in diffusers' layout. */
static void expect(const char *what, const answer *want, answer *got)
{
    if (!same(want, got)) fprintf(stderr, "%s: another output\n", what);
    CHECK(same(want, got));
    free(got);
}

/* ---- a golden model -------------------------------------------------------------- */

typedef struct parts {
    const char *name;
    lt_weights *unet, *vae, *text;
    char dir[4096];
} parts;

static parts open_parts(const char *name)
{
    parts p = { .name = name };
    char folder[4200];
    model_dir(name, p.dir);
    snprintf(folder, sizeof(folder), "%s/unet", p.dir);
    OK(lt_weights_open_folder(folder, "diffusion_pytorch_model", &p.unet));
    snprintf(folder, sizeof(folder), "%s/vae", p.dir);
    OK(lt_weights_open_folder(folder, "diffusion_pytorch_model", &p.vae));
    snprintf(folder, sizeof(folder), "%s/text_encoder", p.dir);
    OK(lt_weights_open_folder(folder, "model", &p.text));
    return p;
}

static void close_parts(parts *p)
{
    lt_weights_close(&p->unet);
    lt_weights_close(&p->vae);
    lt_weights_close(&p->text);
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[8192];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    CHECK(system(command) == 0);
}

/* What shapes do not say of these tiny models. */
static const char side15[] =
    "{\"unet\":{\"attention_head_dim\":2,\"norm_num_groups\":4,\"sample_size\":8},"
    "\"vae\":{\"norm_num_groups\":4},"
    "\"text_encoder\":{\"num_attention_heads\":2}}";
static const char side21[] =
    "{\"unet\":{\"attention_head_dim\":[1,2,2,3],\"norm_num_groups\":8,\"sample_size\":8}"
    ","
    "\"vae\":{\"norm_num_groups\":4},"
    "\"text_encoder\":{\"num_attention_heads\":5,\"hidden_act\":\"gelu\"},"
    "\"scheduler\":{\"prediction_type\":\"v_prediction\"}}";

static const char *side_of(const parts *p)
{
    return strstr(p->name, "21") ? side21 : side15;
}

/* A folder with a tokenizer. */
static const char *new_folder(const parts *p, char dir[64])
{
    tmpdir_make(dir);
    shell("cp -r %s/tokenizer %s", p->dir, dir);
    return dir;
}

/* ---- verify and list ------------------------------------------------------------- */

static void count_line(void *self, const lt_verify_line *line)
{
    int *n = self; /* lines, faults */
    n[0]++;
    n[1] += line->fault != NULL;
}

static void count_model(void *self, const lt_model_info *info)
{
    int *n = self;
    n[0]++;
    n[1] += info->fault != NULL;
    CHECK(info->parameters > 100000 && info->width == 64);
}

static void check_tools(const char *dir, const char *file)
{
    int n[2] = { 0 };
    OK(lt_model_verify(file, count_line, n));
    CHECK(n[0] == 2 + 4 + 3 && n[1] == 0); /* tokenizer, derived, parts */
    n[0] = 0;
    OK(lt_model_scan(dir, 0, count_model, n));
    CHECK(n[0] == 1 && n[1] == 0);
}

/* A value that is not a number, in the last tensor of the file. */
static void check_damage(writer *w, const char *file)
{
    int n[2] = { 0 };
    lt_weight_raw *last = &w->t[w->n - 2]; /* before alphas_cumprod */
    uint8_t *bytes = own(w, malloc(last->bytes));
    memset(bytes, 0xff, last->bytes);
    last->data = bytes;
    write_file(w, file);
    FAILS(LT_ERR_DATA, "NaN or infinity", lt_model_verify(file, count_line, n));
    CHECK(n[1] == 1);
}

/* ---- layouts --------------------------------------------------------------------- */

static void test_single(const parts *p, const answer *want)
{
    char dir[64];
    new_folder(p, dir);
    writer *w = writer_new();
    add_part(w, p->unet, "model.diffusion_model.", compvis_unet);
    add_vae(w, p->vae, "first_stage_model.");
    if (strstr(p->name, "21"))
        add_openclip(w, p->text, "cond_stage_model.model.", 3);
    else
        add_part(w, p->text, "cond_stage_model.transformer.", same_name);
    add_f32(w, "alphas_cumprod", 1, (int64_t[]){ 2 }, (float[]){ 1, 0 });
    write_file(w, in(dir, "any name.safetensors"));
    put_text(in(dir, "any name.model.json"), side_of(p));
    expect("a single file", want, ask_path(in(dir, "any name.safetensors")));
    check_tools(dir, in(dir, "any name.safetensors"));

    /* as shards with an index */
    FILE *f = fopen(in(dir, "m.safetensors.index.json"), "w");
    fprintf(f, "{\"weight_map\":{");
    writer half[2] = { { .n = 0 }, { .n = 0 } };
    for (int i = 0; i < w->n; i++) {
        half[i % 2].t[half[i % 2].n++] = w->t[i];
        fprintf(f, "%s\"%s\":\"m-0000%d-of-00002.safetensors\"", i ? "," : "",
                w->t[i].name, 1 + i % 2);
    }
    fprintf(f, "}}");
    CHECK(fclose(f) == 0);
    write_file(&half[0], in(dir, "m-00001-of-00002.safetensors"));
    write_file(&half[1], in(dir, "m-00002-of-00002.safetensors"));
    put_text(in(dir, "m.model.json"), side_of(p));
    expect("shards of one", want, ask_path(in(dir, "m.safetensors.index.json")));
    if (strstr(p->name, "15")) check_damage(w, in(dir, "any name.safetensors"));
    writer_free(w);
    tmpdir_remove(dir);
}

/* Averaged weights are used when they are there, and can be left alone. */
static void test_ema(const parts *p, const answer *want)
{
    char dir[64];
    new_folder(p, dir);
    writer *w = writer_new();
    add_ema(w, p->unet);
    add_part(w, p->unet, "model.diffusion_model.", compvis_unet);
    /* other weights under the plain names: the first tensor is halved */
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->t[i].name, "model.diffusion_model.out.2.weight")) {
            const lt_weight *t = must(p->unet, "conv_out.weight");
            widen(w, i, t);
            for (int64_t k = 0; k < t->count; k++) ((float *)w->t[i].data)[k] *= 0.5f;
        }
    add_vae(w, p->vae, "first_stage_model.");
    add_part(w, p->text, "cond_stage_model.transformer.", same_name);
    write_file(w, in(dir, "ema.safetensors"));
    put_text(in(dir, "ema.model.json"), side_of(p));
    expect("averaged weights", want, ask_path(in(dir, "ema.safetensors")));
    answer *plain =
        ask(&(lt_model_spec){ .path = in(dir, "ema.safetensors"), .ignore_ema = 1 });
    CHECK(!same(want, plain));
    free(plain);
    lt_source *s = NULL;
    OK(lt_source_open(&(lt_model_spec){ .path = in(dir, "ema.safetensors") }, &s));
    CHECK(lt_source_n_notes(s) == 1 && strstr(lt_source_note(s, 0), "EMA"));
    lt_source_close(&s);
    writer_free(w);
    tmpdir_remove(dir);
}

/* Files of parts in folders, as ComfyUI keeps them; another naming each. */
static void test_loose(const parts *p, const answer *want)
{
    char dir[64];
    new_folder(p, dir);
    shell("mkdir %s/diffusion_models %s/vae %s/clip", dir, dir, dir);
    writer *u = writer_new(), *v = writer_new(), *t = writer_new();
    add_part(u, p->unet, "", same_name);
    add_vae(v, p->vae, "");
    for (int64_t i = 0; i < lt_weights_count(p->text); i++) {
        const lt_weight *x = lt_weights_at(p->text, i);
        add(t, after(x->name, "text_model."), x);
    }
    /* some in f32: precision may be mixed */
    for (int i = 0; i < u->n; i += 3) widen(u, i, lt_weights_at(p->unet, i));
    write_file(u, in(dir, "diffusion_models/x.safetensors"));
    write_file(v, in(dir, "vae/y.safetensors"));
    write_file(t, in(dir, "clip/z.safetensors"));
    put_text(in(dir, "model.json"), side_of(p));
    expect("loose parts", want, ask_path(dir));

    /* a second file of a kind is ambiguous, a file of something else is not */
    writer *other = writer_new();
    add_f32(other, "lora_unet_x.alpha", 0, NULL, (float[]){ 1 });
    write_file(other, in(dir, "vae/style.safetensors"));
    expect("loose parts and a LoRA", want, ask_path(dir));
    write_file(v, in(dir, "vae/second.safetensors"));
    lt_source *s = NULL;
    FAILS(LT_ERR_DATA, "two files hold a VAE",
          lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    shell("rm %s/vae/*", dir);
    OK(lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    const lt_weights *none = NULL;
    FAILS(LT_ERR_NOINPUT, "no VAE", lt_source_weights(s, LT_PART_VAE, &none));
    lt_source_close(&s);
    writer_free(u);
    writer_free(v);
    writer_free(t);
    writer_free(other);
    tmpdir_remove(dir);
}

/* diffusers' layout with shards, with .fp16, with old and new names of the VAE. */
static void test_diffusers(const parts *p, const answer *want)
{
    static const char *const names[4][2] = { { ".query.", ".to_q." },
                                             { ".key.", ".to_k." },
                                             { ".value.", ".to_v." },
                                             { ".proj_attn.", ".to_out.0." } };
    char dir[64];
    tmpdir_make(dir);
    shell("cp -r %s/. %s", p->dir, dir);
    writer *v = writer_new();
    const int to_new = strstr(p->name, "15") != NULL;
    for (int64_t i = 0; i < lt_weights_count(p->vae); i++) {
        const lt_weight *t = lt_weights_at(p->vae, i);
        const char *name = t->name;
        for (int k = 0; k < 4; k++) {
            const char *at = strstr(t->name, names[k][!to_new]);
            if (at && strstr(t->name, "mid_block"))
                name = text("%.*s%s%s", (int)(at - t->name), t->name, names[k][to_new],
                            at + strlen(names[k][!to_new]));
        }
        add(v, name, t);
    }
    shell("rm %s/vae/*.safetensors", dir);
    write_file(v, in(dir, "vae/diffusion_pytorch_model.fp16.safetensors"));
    expect("the other names of the VAE, .fp16", want, ask_path(dir));
    writer_free(v);

    /* in a cache of Hugging Face */
    char cache[64];
    tmpdir_make(cache);
    shell("mkdir -p %s/models--a--b/snapshots %s/models--a--b/refs && "
          "mv %s %s/models--a--b/snapshots/0123abc && "
          "printf 0123abc > %s/models--a--b/refs/main",
          cache, cache, dir, cache, cache);
    expect("a cache folder", want, ask_path(in(cache, "models--a--b")));
    shell("rm -r %s/models--a--b/refs", cache);
    expect("a cache folder without refs", want, ask_path(in(cache, "models--a--b")));
    lt_source *s = NULL;
    shell("mkdir -p %s/models--a--b/snapshots/other", cache);
    FAILS(LT_ERR_NOINPUT, "2 snapshots",
          lt_source_open(&(lt_model_spec){ .path = in(cache, "models--a--b") }, &s));
    shell(
        "mkdir -p %s/models--a--b/refs && printf ../../../x > %s/models--a--b/refs/main",
        cache, cache);
    FAILS(LT_ERR_DATA, "broken Hugging Face cache",
          lt_source_open(&(lt_model_spec){ .path = in(cache, "models--a--b") }, &s));
    tmpdir_remove(cache);
}

/* ---- what is derived ------------------------------------------------------------- */

/* The published shapes, without data: what is said of Stable Diffusion 1.5, 2.1 and
 * InstructPix2Pix when nothing but their tensors is there. */
static void test_derived(const parts *p)
{
    char dir[64];
    lt_source *s = NULL;
    lt_unet_config u;
    lt_scheduler sched;
    new_folder(p, dir);
    writer *w = writer_new();
    add_part(w, p->unet, "model.diffusion_model.", compvis_unet);
    const lt_weight *t = must(p->unet, "conv_in.weight");
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->t[i].name, "model.diffusion_model.input_blocks.0.0.weight")) {
            w->t[i].shape[1] = 8;
            w->t[i].bytes = 2 * t->bytes;
            w->t[i].data = own(w, calloc(2, t->bytes));
        }
    write_file(w, in(dir, "i.safetensors"));
    put_text(in(dir, "i.model.json"), side_of(p));
    OK(lt_source_open(&(lt_model_spec){ .path = in(dir, "i.safetensors") }, &s));
    OK(lt_source_unet(s, &u));
    OK(lt_source_scheduler(s, &sched));
    CHECK(u.in_channels == 8 && u.out_channels == 4 && u.layers_per_block == 2);
    CHECK(sched.kind == LT_SAMPLER_EULER_ANCESTRAL);
    lt_source_close(&s);

    OK(lt_source_open(
        &(lt_model_spec){ .path = in(dir, "i.safetensors"), .prediction = 2 }, &s));
    OK(lt_source_scheduler(s, &sched));
    CHECK(sched.prediction == LT_PREDICT_V);
    lt_source_close(&s);

    /* what the file says of itself goes before a guess */
    static const char *const said[] = { "modelspec.prediction_type", "v",
                                        "modelspec.resolution", "768x768", NULL };
    OK(lt_weights_write_raw(in(dir, "v.safetensors"), w->t, w->n, said));
    put_text(in(dir, "v.model.json"),
             "{\"unet\":{\"attention_head_dim\":1,\"norm_num_groups\":4}}");
    OK(lt_source_open(&(lt_model_spec){ .path = in(dir, "v.safetensors") }, &s));
    OK(lt_source_scheduler(s, &sched));
    OK(lt_source_unet(s, &u));
    CHECK(sched.prediction == LT_PREDICT_V && u.sample_size == 96);
    lt_source_close(&s);
    writer_free(w);
    tmpdir_remove(dir);
}

static void test_refusals(const parts *p)
{
    char dir[64], hex[65], other[65];
    lt_source *s = NULL;
    lt_tokenizer *tok = NULL;
    tmpdir_make(dir);
    const lt_model_spec file = { .path = in(dir, "m.safetensors") };
    FAILS(LT_ERR_NOINPUT, "no model folder or file", lt_source_open(&file, &s));
    FAILS(LT_ERR_NOINPUT, "no model in this folder",
          lt_source_open(&(lt_model_spec){ .path = dir }, &s));
    FILE *f = fopen(in(dir, "m.safetensors"), "wb");
    CHECK(f && fwrite("PK\3\4 and so on", 1, 13, f) == 13 && fclose(f) == 0);
    FAILS(LT_ERR_DATA, "longtake models convert", lt_source_open(&file, &s));
    writer *w = writer_new();
    add_f32(w, "x", 0, NULL, (float[]){ 1 });
    write_file(w, file.path);
    FAILS(LT_ERR_DATA, "no part of a model", lt_source_open(&file, &s));
    add_f32(w, "model.diffusion_model.label_emb.0.0.weight", 0, NULL, (float[]){ 1 });
    write_file(w, file.path);
    FAILS(LT_ERR_DATA, "Stable Diffusion XL", lt_source_open(&file, &s));
    writer_free(w);

    w = writer_new();
    add_part(w, p->unet, "model.diffusion_model.", compvis_unet);
    add_vae(w, p->vae, "first_stage_model.");
    add_part(w, p->text, "cond_stage_model.transformer.", same_name);
    write_file(w, file.path);
    put_text(in(dir, "m.model.json"), side_of(p));
    OK(lt_source_open(&file, &s));
    FAILS(LT_ERR_NOINPUT, "no tokenizer beside the weights",
          lt_source_tokenizer(s, &tok));
    lt_source_close(&s);
    FAILS(LT_ERR_NOINPUT, "no tokenizer beside", lt_model_identity(&file, hex));

    /* a tokenizer from anywhere; the identity does not depend on where files are */
    const lt_model_spec named = { .path = file.path, .tokenizer = p->dir };
    OK(lt_model_identity(&named, hex));
    shell("cp -r %s/tokenizer %s && mv %s/m.safetensors %s/n.safetensors && "
          "mv %s/m.model.json %s/n.model.json",
          p->dir, dir, dir, dir, dir, dir);
    OK(lt_model_sha256(in(dir, "n.safetensors"), other));
    CHECK(!strcmp(hex, other));
    put_text(in(dir, "n.model.json"), "{\"unet\":{\"sample_size\":9}}");
    OK(lt_model_sha256(in(dir, "n.safetensors"), other));
    CHECK(strcmp(hex, other) != 0);

    static const char *const bad[][2] = {
        { "{", "n.model.json, line 1" },
        { "[]", "not a JSON object" },
        { "{\"unet\":1}", "key unet" },
        { "{\"sampler\":{}}", "key sampler" },
        { "{\"unet\":{},\"unet\":{}}", "line 1" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put_text(in(dir, "n.model.json"), bad[i][0]);
        FAILS(LT_ERR_DATA, bad[i][1],
              lt_source_open(&(lt_model_spec){ .path = in(dir, "n.safetensors") }, &s));
    }
    /* a tensor less */
    put_text(in(dir, "n.model.json"), side_of(p));
    for (int i = 0; i < w->n; i++)
        if (strstr(w->t[i].name, "output_blocks.4.1.proj_out.bias"))
            w->t[i].name = "gone";
    write_file(w, in(dir, "n.safetensors"));
    OK(lt_source_open(&(lt_model_spec){ .path = in(dir, "n.safetensors") }, &s));
    const lt_weights *view = NULL;
    FAILS(LT_ERR_DATA, "model.diffusion_model.output_blocks.4.1.proj_out.bias is missing",
          lt_source_weights(s, LT_PART_UNET, &view));
    lt_source_close(&s);
    writer_free(w);
    tmpdir_remove(dir);
}

int main(void)
{
    static const char *const names[] = { "sd15-tiny", "sd21-tiny" };
    for (int i = 0; i < 2; i++) {
        parts p = open_parts(names[i]);
        answer *want = ask_path(p.dir);
        test_single(&p, want);
        if (i == 0) test_ema(&p, want);
        test_loose(&p, want);
        test_diffusers(&p, want);
        test_derived(&p);
        if (i == 0) test_refusals(&p);
        free(want);
        close_parts(&p);
    }
    return 0;
}
