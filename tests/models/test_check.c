/* The engines of models check, verify and list. */
#include <sys/stat.h>
#include <unistd.h>

#include "models_test.h"

static void run(const char *format, const char *a, const char *b)
{
    char command[8192];
    snprintf(command, sizeof(command), format, a, b);
    CHECK(system(command) == 0);
}

static void copy_model(const char *name, char *dir)
{
    char from[4096];
    strcpy(dir, "/tmp/lt-model-XXXXXX");
    CHECK(mkdtemp(dir));
    run("cp -r %s/. %s", model_dir(name, from), dir);
}

/* Change byte `at` (from the end when negative) of a file. */
static void damage(const char *dir, const char *file, long at, int value)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, at, at < 0 ? SEEK_END : SEEK_SET) == 0);
    CHECK(fputc(value, f) == value && fclose(f) == 0);
}

/* ---- check ----------------------------------------------------------------------- */

static void count_lines(void *self, const lt_check_line *line)
{
    int *lines = self;
    lines[0]++;
    lines[1] += line->ok;
}

/* Golden tensors `names` (a list that ends with NULL) of sd15-tiny as another file; the
 * first value of `change` is moved. */
static void write_golden(const char *path, const char *const *names, const char *change)
{
    char from[4096];
    lt_weights *w = NULL;
    lt_weight_out out[16];
    int n = 0;
    OK(lt_weights_open(golden_path("check-sd15-tiny.safetensors", from), &w));
    for (; names[n]; n++) {
        const lt_weight *t = lt_weights_find(w, names[n]);
        const lt_dtype dtype = t->type == LT_WEIGHT_I64 ? LT_I64 : LT_F32;
        void *data = malloc(t->bytes);
        memcpy(data, t->data, t->bytes);
        if (change && !strcmp(names[n], change)) *(float *)data += 1;
        out[n] = (lt_weight_out){ names[n], lt_tensor_wrap(data, LT_HOST, dtype, t->ndim,
                                                           t->shape) };
    }
    OK(lt_weights_write(path, out, n, NULL));
    for (int i = 0; i < n; i++) free(out[i].tensor.data);
    lt_weights_close(&w);
}

static void check_golden(const lt_exec *x)
{
    static const char *const text[] = { "in.text.ids", "out.text.last_hidden_state",
                                        NULL };
    static const char *const lonely[] = { "in.text.ids", NULL };
    static const char *const nothing[] = { "out.text.last_hidden_state", NULL };
    static const char *const unet[] = { "in.unet.sample", "in.unet.encoder_hidden_states",
                                        "out.unet.sample", NULL };
    char dir[4096], path[] = "/tmp/lt-golden-XXXXXX";
    const int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0);
    int lines[2] = { 0 };
    model_dir("sd15-tiny", dir);
    write_golden(path, text, NULL);
    OK(lt_model_check(x, dir, path, count_lines, lines));
    CHECK(lines[0] == 1 && lines[1] == 1);
    write_golden(path, text, text[1]);
    FAILS(LT_ERR_DATA, "text.last_hidden_state differs by",
          lt_model_check(x, dir, path, count_lines, lines));
    CHECK(lines[0] == 2 && lines[1] == 1);
    write_golden(path, lonely, NULL);
    FAILS(LT_ERR_DATA, "without out.text.last_hidden_state",
          lt_model_check(x, dir, path, NULL, NULL));
    write_golden(path, nothing, NULL);
    FAILS(LT_ERR_DATA, "without inputs", lt_model_check(x, dir, path, NULL, NULL));
    write_golden(path, unet, NULL);
    FAILS(LT_ERR_DATA, "in.unet.timestep", lt_model_check(x, dir, path, NULL, NULL));
    write_golden(path, text, NULL); /* ids of another vocabulary */
    FAILS(LT_ERR_DATA, "outside the vocabulary",
          lt_model_check(x, model_dir("odd-tiny", dir), path, NULL, NULL));
    unlink(path);
    FAILS(LT_ERR_NOINPUT, path, lt_model_check(x, dir, path, NULL, NULL));
}

static void check_error_measure(void)
{
    const float a[3] = { 1, 2, 4 }, b[3] = { 1, 2.5f, 5 }, nan[3] = { 1, NAN, 5 };
    const float zero[3] = { 0 };
    CHECK(lt_relative_error(a, b, 3) == 0.2 && lt_relative_error(a, a, 3) == 0);
    CHECK(isinf(lt_relative_error(nan, b, 3)) && isinf(lt_relative_error(a, nan, 3)));
    CHECK(isinf(lt_relative_error(a, zero, 3)) && lt_relative_error(zero, zero, 3) == 0);
}

/* ---- verify ---------------------------------------------------------------------- */

typedef struct seen {
    int n, faults;
    char first[256]; /* file of the first fault */
} seen;

static void see(void *self, const lt_verify_line *line)
{
    seen *s = self;
    s->n++;
    CHECK(line->fault || strlen(line->sha256) == 64);
    if (line->fault && !s->faults++) strcpy(s->first, line->file);
}

static void check_verify(void)
{
    char dir[64], copy[4096];
    seen s = { 0 };
    for (int m = 0; m < N_TEST_MODELS; m++) {
        s = (seen){ 0 };
        OK(lt_model_verify(model_dir(test_models[m], copy), see, &s));
        CHECK(s.n == 10 && s.faults == 0);
    }
    copy_model("odd-tiny", dir);
    const char *unet = "unet/diffusion_pytorch_model.safetensors";
    damage(dir, unet, -1, 0x7f);
    damage(dir, unet, -2, 0x80); /* 0x7f80....: infinity or NaN in f32 */
    s = (seen){ 0 };
    FAILS(LT_ERR_DATA, "NaN or infinity", lt_model_verify(dir, see, &s));
    CHECK(s.faults == 1 && !strcmp(s.first, "unet") && s.n == 11);
    damage(dir, unet, 8, 'x');
    FAILS(LT_ERR_DATA, "does not begin with {", lt_model_verify(dir, see, &s));
    damage(dir, "vae/config.json", 0, '[');
    damage(dir, "scheduler/scheduler_config.json", 0, '[');
    s = (seen){ 0 };
    FAILS(LT_ERR_DATA, "scheduler_config.json", lt_model_verify(dir, see, &s));
    CHECK(s.faults == 3 && !strcmp(s.first, "scheduler/scheduler_config.json"));
    run("rm %s/tokenizer/%s", dir, "merges.txt");
    s = (seen){ 0 };
    CHECK(lt_model_verify(dir, see, &s) == LT_ERR_DATA && s.faults == 5);
    run("rm -r %s%s", dir, "");
    FAILS(LT_ERR_NOINPUT, dir, lt_model_verify(dir, see, &s));
}

/* ---- list ------------------------------------------------------------------------ */

typedef struct models {
    int n, faults;
    char name[8][32], dtype[8][8];
    int64_t parameters[8], width[8];
} models;

static void find(void *self, const lt_model_info *info)
{
    models *m = self;
    CHECK(m->n < 8 && info->dir[0] == '/');
    snprintf(m->name[m->n], 32, "%.31s", strrchr(info->dir, '/') + 1);
    snprintf(m->dtype[m->n], 8, "%.7s", info->dtype);
    m->parameters[m->n] = info->parameters;
    m->width[m->n++] = info->width;
    m->faults += info->fault != NULL;
    CHECK(!strcmp(info->family, "SD-like") || info->fault);
}

static void check_scan(void)
{
    char path[4096];
    models m = { 0 };
    OK(lt_model_scan(golden_path("models", path), 1, find, &m));
    CHECK(m.n == 3 && m.faults == 0);
    CHECK(!strcmp(m.name[0], "odd-tiny") && !strcmp(m.dtype[0], "F32"));
    CHECK(!strcmp(m.name[1], "sd15-tiny") && !strcmp(m.dtype[1], "F16"));
    CHECK(!strcmp(m.name[2], "sd21-tiny") && !strcmp(m.dtype[2], "BF16"));
    CHECK(m.width[0] == 44 && m.width[1] == 64 && m.parameters[1] > 100000);
    m = (models){ 0 };
    OK(lt_model_scan(path, 0, find, &m));
    CHECK(m.n == 0);
    OK(lt_model_scan("/no/such/folder", 4, find, &m));
    CHECK(m.n == 0);
    char dir[64];
    copy_model("odd-tiny", dir);
    run("rm %s/vae/%s", dir, "config.json");
    OK(lt_model_scan(dir, 0, find, &m)); /* the folder itself, with a fault */
    CHECK(m.n == 1 && m.faults == 1);
    run("rm -r %s%s", dir, "");
}

int main(void)
{
    const lt_kernels *k[16];
    tables(k);
    lt_exec x = open_exec(k[0]);
    check_golden(&x);
    close_exec(&x);
    check_error_measure();
    check_verify();
    check_scan();
    return 0;
}
