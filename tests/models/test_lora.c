/* LoRA files in every naming, against what peft merges (tools/golden/lora.py). */
#include "models/lora.h"

#include <sys/stat.h>

#include "core/file.h"
#include "core/tmpdir.h"
#include "layouts.h"

enum { RANK = 3, KEPT = 48 };

static const struct {
    const char *path; /* of the layer in diffusers */
    const char *ldm;  /* of CompVis; NULL: another part than the UNet */
} layers[] = {
    { "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
      "input_blocks.1.1.transformer_blocks.0.attn1.to_q" },
    { "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
      "input_blocks.1.1.transformer_blocks.0.attn2.to_out.0" },
    { "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj",
      "input_blocks.1.1.transformer_blocks.0.ff.net.0.proj" },
    { "down_blocks.0.attentions.0.proj_in", "input_blocks.1.1.proj_in" },
    { "up_blocks.1.resnets.0.conv1", "output_blocks.3.0.in_layers.2" },
    { "down_blocks.1.downsamplers.0.conv", "input_blocks.6.0.op" },
    { "text_model.encoder.layers.1.self_attn.q_proj", NULL },
};
enum { N_LAYERS = sizeof(layers) / sizeof(*layers) };

typedef struct base {
    lt_source *s;
    const lt_weights *w[LT_N_PARTS];
    char dir[4096];
} base;

static base open_base(const char *model)
{
    base b = { 0 };
    model_dir(model, b.dir);
    OK(lt_source_open(&(lt_model_spec){ .path = b.dir }, &b.s));
    OK(lt_source_weights(b.s, LT_PART_UNET, &b.w[LT_PART_UNET]));
    OK(lt_source_weights(b.s, LT_PART_TEXT, &b.w[LT_PART_TEXT]));
    return b;
}

static lt_part part_of(int i) { return layers[i].ldm ? LT_PART_UNET : LT_PART_TEXT; }

static const lt_weight *weight_of(const base *b, int i)
{
    return must(b->w[part_of(i)], text("%s.weight", layers[i].path));
}

/* The formula of tools/golden/lora.py. */
static void fill(int salt, int64_t n, float *v)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = ((i + 1000 * (int64_t)salt) * 40503 + 30011) % 65536;
        v[i] = ((float)x / 65536.0f - 0.5f) / 4.0f;
    }
}

/* up and down of layer i under two names; 1x1 stay matrices with `flat`. */
static void add_pair(writer *w, const base *b, int i, const char *down, const char *up,
                     int flat)
{
    const lt_weight *t = weight_of(b, i);
    const int one = t->ndim == 4 && t->shape[2] == 1, ndim = flat && one ? 2 : t->ndim;
    int64_t a[LT_MAX_DIMS], u[4] = { t->shape[0], RANK, 1, 1 };
    memcpy(a, t->shape, sizeof(a));
    a[0] = RANK;
    const int64_t n_down = RANK * (t->count / t->shape[0]), n_up = RANK * t->shape[0];
    float *v = malloc(4 * (size_t)(n_down > n_up ? n_down : n_up));
    fill(2 * i, n_down, v);
    add_f32(w, down, ndim, a, v);
    fill(2 * i + 1, n_up, v);
    add_f32(w, up, ndim, u, v);
    free(v);
}

typedef enum naming {
    PEFT,
    OLD_DIFFUSERS,
    PROCESSORS,
    KOHYA,
    KOHYA_LDM,
    N_NAMINGS
} naming;

static const char *underscores(const char *path)
{
    char *out = (char *)text("%s", path);
    for (char *p = out; *p; p++)
        if (*p == '.') *p = '_';
    return out;
}

/* The stem of a name, and how the two matrices end. */
static const char *stem(naming n, int i, const char *end[2])
{
    static const char *const ends[N_NAMINGS][2] = {
        { ".lora_A.weight", ".lora_B.weight" },
        { ".lora.down.weight", ".lora.up.weight" },
        { "_lora.down.weight", "_lora.up.weight" },
        { ".lora_down.weight", ".lora_up.weight" },
        { ".lora_down.weight", ".lora_up.weight" },
    };
    const int unet = layers[i].ldm != NULL;
    const char *path = layers[i].path, *attn = strstr(path, "attn");
    end[0] = ends[n][0];
    end[1] = ends[n][1];
    if (n >= KOHYA)
        return text("lora_%s_%s", unet ? "unet" : "te",
                    underscores(n == KOHYA_LDM && unet ? layers[i].ldm : path));
    if (n == PROCESSORS && unet && attn) /* attn1.processor.to_q_lora, to_out_lora */
        return text("%.*s.processor.%.*s", (int)(attn - path) + 5, path,
                    (int)strcspn(attn + 6, "."), attn + 6);
    if (n == PROCESSORS) { /* such files had nothing else */
        end[0] = ends[PEFT][0];
        end[1] = ends[PEFT][1];
    }
    return text("%s.%s", unet ? "unet" : "text_encoder", path);
}

static void add_layer(writer *w, const base *b, naming n, int i)
{
    const char *end[2];
    const char *name = stem(n, i, end);
    add_pair(w, b, i, text("%s%s", name, end[0]), text("%s%s", name, end[1]), n >= KOHYA);
    add_f32(w, text("%s.alpha", name), 0, NULL, (float[]){ 6 });
}

static void write_lora(const base *b, naming n, const char *path)
{
    writer *w = writer_new();
    for (int i = 0; i < N_LAYERS; i++) add_layer(w, b, n, i);
    write_file(w, path);
    writer_free(w);
}

/* Merged values of a layer, [count]; the caller frees. */
static float *merge(const base *b, const lt_lora *l, int i)
{
    const lt_weight *t = weight_of(b, i);
    float *v = malloc(4 * (size_t)t->count);
    OK(lt_weight_to_f32(t, 0, t->count, v));
    OK(lt_lora_merge(l, part_of(i), t->name, t->count, v));
    return v;
}

static void test_against_peft(const base *b, const char *dir)
{
    char path[4096];
    lt_weights *golden = NULL;
    float *first[N_LAYERS] = { 0 };
    double worst = 0;
    OK(lt_weights_open(golden_path("lora.safetensors", path), &golden));
    for (int n = 0; n < N_NAMINGS; n++) {
        lt_lora *l = NULL;
        char file[512];
        snprintf(file, sizeof(file), "%s", in(dir, text("lora-%d.safetensors", n)));
        write_lora(b, (naming)n, file);
        OK(lt_lora_open(text("%s:0.75", file), b->s, &l));
        CHECK(lt_lora_n_files(l) == 1 && lt_lora_weight(l, 0) == 0.75);
        CHECK(lt_lora_n_layers(l, 0) == N_LAYERS);
        for (int i = 0; i < N_LAYERS; i++) {
            const lt_weight *t = weight_of(b, i);
            const lt_weight *g =
                must(golden, text("%s.%s", layers[i].ldm ? "unet" : "text_encoder",
                                  layers[i].path));
            float want[KEPT], *got = merge(b, l, i);
            OK(lt_weight_to_f32(g, 0, KEPT, want));
            for (int k = 0; k < KEPT; k++) {
                const double d = fabs((double)got[k * t->count / KEPT] - (double)want[k]);
                if (!(d <= worst)) worst = d;
            }
            if (!first[i])
                first[i] = got;
            else { /* every naming gives the same bits */
                CHECK(!memcmp(first[i], got, 4 * (size_t)t->count));
                free(got);
            }
        }
        lt_lora_close(&l);
    }
    printf("LoRA merged, largest difference from peft: %.2g\n", worst);
    CHECK(worst <= 1e-5);
    for (int i = 0; i < N_LAYERS; i++) free(first[i]);
    lt_weights_close(&golden);
}

/* Several files, weights, where alpha comes from, and layers that none changes. */
static void test_lists(const base *b, const char *dir)
{
    const char *file = in(dir, "lora-0.safetensors");
    lt_lora *once = NULL, *twice = NULL, *none = NULL;
    OK(lt_lora_open(NULL, b->s, &none));
    CHECK(!none && lt_lora_n_files(none) == 0);
    OK(lt_lora_open("", b->s, &none));
    CHECK(!none);
    OK(lt_lora_open(text("%s:1.5", file), b->s, &once));
    OK(lt_lora_open(text("%s\n%s:.5", file, file), b->s, &twice));
    CHECK(lt_lora_n_files(twice) == 2 && lt_lora_weight(twice, 0) == 1);
    float *x = merge(b, once, 0), *y = merge(b, twice, 0);
    for (int64_t i = 0; i < weight_of(b, 0)->count; i++)
        CHECK(check_close(x[i], y[i], 1e-6f));
    free(x);
    free(y);
    float v[4 * 16 * 9] = { 0 }; /* layers that no file changes */
    OK(lt_lora_merge(once, LT_PART_UNET, "conv_out.weight", 4 * 16 * 9, v));
    OK(lt_lora_merge(once, LT_PART_VAE, "conv_in.weight", 1, v));
    OK(lt_lora_merge(once, LT_PART_UNET, "conv_in.bias", 16, v));
    for (int i = 0; i < 4 * 16 * 9; i++) CHECK(v[i] == 0);
    lt_lora_close(&once);
    lt_lora_close(&twice);
}

/* The same merged values from another place of alpha. */
static void expect_scale(const base *b, const char *file, float times_of_rank)
{
    lt_lora *l = NULL;
    OK(lt_lora_open(file, b->s, &l));
    const lt_weight *t = weight_of(b, 0);
    const int64_t columns = t->count / t->shape[0];
    float *got = merge(b, l, 0), *up = malloc(4 * (size_t)(RANK * t->shape[0])),
          *down = malloc(4 * (size_t)(RANK * columns)), old[1], sum = 0;
    fill(0, RANK * columns, down);
    fill(1, RANK * t->shape[0], up);
    OK(lt_weight_to_f32(t, 0, 1, old));
    for (int r = 0; r < RANK; r++) sum += up[r] * down[r * columns];
    CHECK(check_close(got[0], old[0] + times_of_rank * sum, 1e-6f));
    free(got);
    free(up);
    free(down);
    lt_lora_close(&l);
}

static void test_alpha(const base *b, const char *dir)
{
    static const char *const meta[] = { "lora_adapter_metadata",
                                        "{\"unet.lora_alpha\": 12, \"unet.r\": 3}",
                                        NULL };
    static const char *const dora[] = { "lora_adapter_metadata",
                                        "{\"unet.use_dora\": true}", NULL };
    lt_lora *l = NULL;
    writer *w = writer_new();
    const char *name = text("unet.%s", layers[0].path);
    add_pair(w, b, 0, text("%s.lora_A.weight", name), text("%s.lora_B.weight", name), 0);
    write_file(w, in(dir, "plain.safetensors"));
    expect_scale(b, in(dir, "plain.safetensors"), 1); /* alpha is the rank */
    OK(lt_weights_write_raw(in(dir, "meta.safetensors"), w->t, w->n, meta));
    expect_scale(b, in(dir, "meta.safetensors"), 4);
    OK(lt_weights_write_raw(in(dir, "dora.safetensors"), w->t, w->n, dora));
    FAILS(LT_ERR_DATA, "use_dora", lt_lora_open(in(dir, "dora.safetensors"), b->s, &l));
    for (int i = 0; i < 2; i++)
        w->t[i].name = own(w, strdup(text("base_model.model.%s", w->t[i].name + 5)));
    CHECK(mkdir(in(dir, "peft"), 0700) == 0);
    const char *file = in(dir, "peft/adapter_model.safetensors");
    write_file(w, file);
    FAILS(LT_ERR_NOINPUT, "adapter_config.json", lt_lora_open(file, b->s, &l));
    put_text(in(dir, "peft/adapter_config.json"), "{\"lora_alpha\": 6, \"r\": 3}");
    expect_scale(b, file, 2);
    put_text(in(dir, "peft/adapter_config.json"), "[]");
    FAILS(LT_ERR_DATA, "not a JSON object", lt_lora_open(file, b->s, &l));
    writer_free(w);
}

/* ---- what is refused ------------------------------------------------------------- */

static void refuse(const base *b, const char *dir, writer *w, const char *message)
{
    lt_lora *l = NULL;
    write_file(w, in(dir, "bad.safetensors"));
    FAILS(LT_ERR_DATA, message, lt_lora_open(in(dir, "bad.safetensors"), b->s, &l));
    CHECK(!l);
    writer_free(w);
}

static writer *one_layer(const base *b)
{
    writer *w = writer_new();
    add_layer(w, b, KOHYA, 0);
    return w;
}

static void test_refusals(const base *b, const char *dir)
{
    lt_lora *l = NULL;
    writer *w = one_layer(b);
    add_f32(w, "lora_unet_no_such_layer.lora_up.weight", 2, (int64_t[]){ 1, 1 },
            (float[]){ 1 });
    add_f32(w, "lora_te2_text_model.alpha", 0, NULL, (float[]){ 1 });
    refuse(b, dir, w, "2 of the 5 tensors of a LoRA belong to no layer");
    CHECK(strstr(lt_error_message(), "the first is lora_te2_text_model.alpha"));

    w = one_layer(b);
    w->t[0].shape[1] /= 2; /* a narrower model */
    w->t[0].bytes /= 2;
    refuse(b, dir, w, "its shape is 3x8, expected 3x16");
    w = one_layer(b);
    w->t[1].shape[0] /= 2;
    w->t[1].bytes /= 2;
    refuse(b, dir, w, "its shape is 8x3, expected 16x3");
    w = one_layer(b);
    w->t[1] = w->t[--w->n];
    refuse(b, dir, w, "its partner is not there");
    w = one_layer(b);
    w->t[0].ndim = 1;
    w->t[0].shape[0] = 48;
    refuse(b, dir, w, "for another model");
    w = one_layer(b);
    w->t[2].ndim = 1;
    w->t[2].shape[0] = 0;
    w->t[2].bytes = 0;
    refuse(b, dir, w, "for another model");
    w = one_layer(b);
    add_layer(w, b, PEFT, 0);
    refuse(b, dir, w, "mean the same matrix");
    w = one_layer(b);
    add_f32(w, "lora_unet_x.dora_scale", 0, NULL, (float[]){ 1 });
    refuse(b, dir, w, "unsupported kind of LoRA");
    w = one_layer(b);
    add_f32(w, "lora_unet_x.hada_w1_a", 0, NULL, (float[]){ 1 });
    refuse(b, dir, w, "hada_w1_a");
    refuse(b, dir, writer_new(), "without tensors");

    static const char *const entries[] = { "a.safetensors:101", "a:nan", ":0.5" };
    for (int i = 0; i < 3; i++) CHECK(lt_lora_open(entries[i], b->s, &l) != LT_OK);
    FAILS(LT_ERR_CONFIG, "from -100 to 100", lt_lora_open(entries[0], b->s, &l));
    FAILS(LT_ERR_NOINPUT, "/no/such:x", lt_lora_open("/no/such:x", b->s, &l));
    /* SD 2.1 is wider in the middle of the same names */
    base other = open_base("sd21-tiny");
    FAILS(LT_ERR_DATA, "expected",
          lt_lora_open(in(dir, "lora-0.safetensors"), other.s, &l));
    lt_source_close(&other.s);
}

/* ---- a whole model --------------------------------------------------------------- */

/* Loading with a LoRA is loading weights that were merged before. */
static void test_whole(const base *b, const char *dir)
{
    char hex[65], with[65], half[65];
    const lt_kernels *k[16];
    lt_lora *l = NULL;
    lt_model *m[2] = { 0 };
    lt_tensor out[2] = { 0 };
    char list[600];
    snprintf(list, sizeof(list), "%s:0.75", in(dir, "lora-3.safetensors"));
    CHECK(system(text("cp -r %.300s %.64s/merged", b->dir, dir)) == 0);
    OK(lt_lora_open(list, b->s, &l));
    writer *w = writer_new();
    for (int64_t i = 0; i < lt_weights_count(b->w[LT_PART_TEXT]); i++) {
        const lt_weight *t = lt_weights_at(b->w[LT_PART_TEXT], i);
        add(w, t->name, t);
        if (strcmp(t->name, text("%s.weight", layers[6].path)) != 0) continue;
        float *v = merge(b, l, 6);
        w->n--;
        add_f32(w, t->name, t->ndim, t->shape, v);
        free(v);
    }
    write_file(w, in(dir, "merged/text_encoder/model.safetensors"));
    tables(k);
    lt_exec x = open_exec(k[0]);
    const lt_model_spec specs[2] = { { .path = b->dir, .lora = list },
                                     { .path = in(dir, "merged") } };
    for (int i = 0; i < 2; i++) {
        OK(lt_model_open(&x, &specs[i], LT_MODEL_TEXT, &m[i]));
        OK(lt_model_encode_prompt(&x, m[i], "a red ball", NULL, &out[i]));
    }
    CHECK(!memcmp(out[0].data, out[1].data, lt_tensor_bytes(&out[0])));
    CHECK(strstr(m[0]->notes, "changes 7 layers") && !m[1]->notes[0]);
    /* the content of the file and its weight are part of the identity, not its place */
    OK(lt_model_sha256(b->dir, hex));
    OK(lt_model_identity(&specs[0], with));
    OK(lt_model_identity(
        &(lt_model_spec){ .path = b->dir, .lora = in(dir, "lora-3.safetensors") }, half));
    CHECK(strcmp(hex, with) && strcmp(with, half) && strcmp(hex, half));
    CHECK(rename(in(dir, "lora-3.safetensors"), in(dir, "other.safetensors")) == 0);
    OK(lt_model_identity(
        &(lt_model_spec){ .path = b->dir, .lora = in(dir, "other.safetensors") }, with));
    CHECK(!strcmp(with, half));
    for (int i = 0; i < 2; i++) {
        lt_tensor_free(&out[i]);
        lt_model_free(&m[i]);
    }
    lt_lora_close(&l);
    writer_free(w);
    close_exec(&x);
}

int main(void)
{
    char folder[64];
    const char *dir = tmpdir_make(folder);
    base b = open_base("sd15-tiny");
    test_against_peft(&b, dir);
    test_lists(&b, dir);
    test_alpha(&b, dir);
    test_refusals(&b, dir);
    test_whole(&b, dir);
    lt_source_close(&b.s);
    tmpdir_remove(dir);
    return 0;
}
