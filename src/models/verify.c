#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/options.h"
#include "models/check.h"
#include "models/expect.h"
#include "models/model.h"

/* Folder and file name joined; 0 when it does not fit. */
static int join(char *out, const char *dir, const char *name)
{
    const int n = snprintf(out, LT_PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < LT_PATH_MAX;
}

/* ---- models verify ------------------------------------------------------------- */

typedef struct verifier {
    const char *dir;
    lt_verify_report *report;
    void *self;
    int n_faults;
    lt_status first; /* status and message of the first fault */
    char message[LT_MESSAGE_MAX];
} verifier;

/* Keep a failure as a fault of `file`; the next files are read all the same. */
static void fault(verifier *v, const char *file, lt_status st)
{
    const lt_verify_line line = { .file = file,
                                  .sha256 = "",
                                  .fault = lt_error_message() };
    if (v->n_faults++ == 0) {
        v->first = st;
        snprintf(v->message, sizeof(v->message), "%s", lt_error_message());
    }
    if (v->report) v->report(v->self, &line);
}

/* Hash a file and report it with what `st` says about its content. */
static void report_file(verifier *v, const char *file, lt_status st)
{
    char path[LT_PATH_MAX], hex[LT_SHA256_HEX];
    if (st == LT_OK && !join(path, v->dir, file))
        st = LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s)", v->dir);
    if (st == LT_OK) st = lt_sha256_file(path, hex);
    if (st != LT_OK) {
        fault(v, file, st);
        return;
    }
    const lt_verify_line line = { .file = file, .sha256 = hex };
    if (v->report) v->report(v->self, &line);
}

/* What a component's weights must hold. */
typedef struct expected {
    const lt_weights *w;
    lt_status st; /* of the first tensor that is not right */
} expected;

static void check_tensor(void *self, const char *name, int ndim, const int64_t *shape)
{
    expected *e = self;
    char other[LT_NAME_MAX];
    const lt_weight *t = NULL;
    if (e->st != LT_OK) return;
    e->st = lt_weights_get(e->w, lt_resolve_name(e->w, name, other), ndim, shape, &t);
    if (e->st == LT_OK) e->st = lt_weight_check_finite(t);
}

typedef struct component {
    const char *part, *stem;
    lt_status (*tensors)(const char *dir, lt_tensor_visitor *visit, void *self);
} component;

static lt_status unet_tensors(const char *dir, lt_tensor_visitor *visit, void *self)
{
    lt_unet_config c;
    const lt_status st = lt_unet_config_load(dir, &c);
    return st != LT_OK ? st : lt_unet_tensors(&c, visit, self);
}

static lt_status vae_tensors(const char *dir, lt_tensor_visitor *visit, void *self)
{
    lt_vae_config c;
    const lt_status st = lt_vae_config_load(dir, &c);
    return st != LT_OK ? st : lt_vae_tensors(&c, visit, self);
}

static lt_status text_tensors(const char *dir, lt_tensor_visitor *visit, void *self)
{
    lt_text_config c;
    const lt_status st = lt_text_config_load(dir, &c);
    return st != LT_OK ? st : lt_text_tensors(&c, visit, self);
}

static const component components[] = {
    { "text_encoder", "model", text_tensors },
    { "vae", "diffusion_pytorch_model", vae_tensors },
    { "unet", "diffusion_pytorch_model", unet_tensors },
};
enum { N_COMPONENTS = sizeof(components) / sizeof(*components) };

static void skip_tensor(void *self, const char *name, int ndim, const int64_t *shape)
{
    (void)self, (void)name, (void)ndim, (void)shape;
}

/* A tensor fault is reported with the file that holds the tensor, or the first one. */
static void verify_weights(verifier *v, const component *c)
{
    char folder[LT_PATH_MAX], file[LT_PATH_MAX];
    lt_weights *w = NULL;
    expected e = { .st = LT_OK };
    lt_status st = join(folder, v->dir, c->part)
                       ? lt_weights_open_folder(folder, c->stem, &w)
                       : LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s)", v->dir);
    if (st != LT_OK) {
        fault(v, c->part, st);
        return;
    }
    e.w = w;
    st = c->tensors(v->dir, check_tensor, &e);
    /* without a usable config.json, which has its own line, only the header is known */
    if (st == LT_OK && e.st != LT_OK) fault(v, c->part, e.st);
    for (int i = 0; i < lt_weights_n_files(w); i++) {
        const char *name = strrchr(lt_weights_file(w, i), '/');
        snprintf(file, sizeof(file), "%s%s", c->part, name ? name : "");
        report_file(v, file, LT_OK);
    }
    lt_weights_close(&w);
}

static void verify_tokenizer(verifier *v)
{
    static const char special[] = "tokenizer/special_tokens_map.json";
    char path[LT_PATH_MAX];
    lt_tokenizer *tok = NULL;
    const lt_status st = lt_tokenizer_load(v->dir, &tok);
    lt_tokenizer_free(&tok);
    if (st != LT_OK) fault(v, "tokenizer", st);
    report_file(v, "tokenizer/vocab.json", LT_OK);
    report_file(v, "tokenizer/merges.txt", LT_OK);
    if (join(path, v->dir, special) && lt_file_exists(path))
        report_file(v, special, LT_OK);
}

/* ---- layouts without config.json -------------------------------------------------- */

/* Names, shapes and values of one part. */
static lt_status verify_part(lt_source *s, lt_part part)
{
    expected e = { .st = LT_OK };
    lt_status st = lt_source_weights(s, part, &e.w);
    if (st == LT_OK) st = lt_source_tensors(s, part, check_tensor, &e);
    return st == LT_OK ? e.st : st;
}

static lt_status print_source_file(void *self, const char *name, const char *path,
                                   const char *text)
{
    verifier *v = self;
    char hex[LT_SHA256_HEX];
    const lt_status st =
        text ? lt_sha256(text, strlen(text), hex) : lt_sha256_file(path, hex);
    if (st != LT_OK) {
        fault(v, name, st);
        return LT_OK; /* the next files are read all the same */
    }
    const char *slash = path ? strrchr(path, '/') : NULL;
    char line_name[LT_PATH_MAX];
    snprintf(line_name, sizeof(line_name), "%s%s%s", name, slash ? " = " : "",
             slash ? slash + 1 : "");
    const lt_verify_line line = { .file = line_name, .sha256 = hex };
    if (v->report) v->report(v->self, &line);
    return LT_OK;
}

static void verify_source(verifier *v, lt_source *s)
{
    static const char *const names[LT_N_PARTS] = { "text_encoder", "vae", "unet" };
    lt_scheduler scheduler;
    lt_tokenizer *tok = NULL;
    lt_status st = lt_source_scheduler(s, &scheduler);
    if (st != LT_OK) fault(v, "scheduler", st);
    st = lt_source_tokenizer(s, &tok);
    lt_tokenizer_free(&tok);
    if (st != LT_OK) fault(v, "tokenizer", st);
    for (int i = 0; i < LT_N_PARTS; i++) {
        st = verify_part(s, (lt_part)i);
        if (st != LT_OK) fault(v, names[i], st);
    }
    if (v->n_faults == 0) {
        st = lt_source_files(s, print_source_file, v);
        if (st != LT_OK) fault(v, "files", st);
    }
}

static lt_status verdict(const verifier *v)
{
    if (v->n_faults == 0) return LT_OK;
    return LT_FAIL(v->first == LT_ERR_NOINPUT ? LT_ERR_NOINPUT : LT_ERR_DATA, "%s",
                   v->message);
}

static void verify_folder(verifier *v)
{
    lt_scheduler scheduler;
    report_file(v, "scheduler/scheduler_config.json",
                lt_scheduler_load(v->dir, &scheduler));
    verify_tokenizer(v);
    for (int i = 0; i < N_COMPONENTS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/config.json", components[i].part);
        report_file(v, name, components[i].tensors(v->dir, skip_tensor, NULL));
        verify_weights(v, &components[i]);
    }
}

lt_status lt_model_verify(const char *dir, lt_verify_report *report, void *self)
{
    verifier v = { .dir = dir, .report = report, .self = self };
    lt_source *s = NULL;
    lt_status st = lt_source_open(&(lt_model_spec){ .path = dir }, &s);
    if (st != LT_OK) return st;
    if (lt_source_is_diffusers(s)) {
        v.dir = lt_source_path(s);
        verify_folder(&v);
    } else
        verify_source(&v, s);
    st = verdict(&v);
    lt_source_close(&s);
    return st;
}

/* ---- models list --------------------------------------------------------------- */

static void count_tensor(void *self, const char *name, int ndim, const int64_t *shape)
{
    int64_t n = 1;
    (void)name;
    for (int i = 0; i < ndim; i++) n *= shape[i];
    *(int64_t *)self += n;
}

static const char *family(const lt_unet_config *c)
{
    if (c->in_channels == 2 * c->out_channels) return "InstructPix2Pix";
    if (c->cross_attention_dim == 768) return "SD 1.x";
    if (c->cross_attention_dim == 1024) return "SD 2.x";
    return "SD-like";
}

/* Everything but dir; the first failure is the model's fault. */
static lt_status describe(const char *path, lt_model_info *info, char dtype[16])
{
    lt_status st = LT_OK;
    lt_source *s = NULL;
    lt_unet_config unet;
    lt_vae_config vae;
    lt_scheduler scheduler;
    const lt_weights *w = NULL;
    LT_TRY(lt_source_open(&(lt_model_spec){ .path = path }, &s));
    LT_TRY(lt_source_unet(s, &unet));
    info->family = family(&unet);
    LT_TRY(lt_source_vae(s, &vae));
    info->width = info->height = unet.sample_size << (vae.n_levels - 1);
    LT_TRY(lt_source_scheduler(s, &scheduler));
    info->v_prediction = scheduler.prediction == LT_PREDICT_V;
    for (int i = 0; i < LT_N_PARTS; i++) {
        LT_TRY(lt_source_tensors(s, (lt_part)i, count_tensor, &info->parameters));
        LT_TRY(lt_source_weights(s, (lt_part)i, &w));
    }
    if (lt_weights_count(w) > 0) strcpy(dtype, lt_weights_at(w, 0)->type_name);
cleanup:
    lt_source_close(&s);
    return st;
}

lt_status lt_model_describe(const char *dir, lt_model_info *info, char text[LT_INFO_TEXT])
{
    char absolute[LT_PATH_MAX], dtype[16] = "";
    lt_status st = lt_path_absolute(NULL, dir, absolute);
    lt_model_info m = { .family = "unknown" };
    if (st != LT_OK) return st;
    st = describe(absolute, &m, dtype);
    if (st == LT_ERR_NOMEM) return st;
    /* three texts, one behind the other; a path that is too long is cut */
    const int fault_at = 16, dir_at = fault_at + LT_MESSAGE_MAX;
    snprintf(text, 16, "%s", dtype);
    snprintf(text + fault_at, LT_MESSAGE_MAX, "%s",
             st == LT_OK ? "" : lt_error_message());
    snprintf(text + dir_at, (size_t)(LT_INFO_TEXT - dir_at), "%.*s",
             LT_INFO_TEXT - dir_at - 1, absolute);
    m.dtype = text;
    m.fault = st == LT_OK ? NULL : text + fault_at;
    m.dir = text + dir_at;
    *info = m;
    return LT_OK;
}

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

/* Whether a file is a whole model; others, and shards, are none of ours. */
static int is_whole_model(const char *path)
{
    static const char end[] = ".safetensors";
    const size_t n = strlen(path), k = sizeof(end) - 1;
    lt_source *s = NULL;
    lt_unet_config unet;
    lt_vae_config vae;
    lt_text_config text;
    if (n <= k || strcmp(path + n - k, end) != 0 || strstr(path, "-of-")) return 0;
    const int whole = lt_source_open(&(lt_model_spec){ .path = path }, &s) == LT_OK &&
                      lt_source_unet(s, &unet) == LT_OK &&
                      lt_source_vae(s, &vae) == LT_OK &&
                      lt_source_text(s, &text) == LT_OK;
    lt_source_close(&s);
    return whole;
}

static lt_status tell(const char *path, lt_model_found *found, void *self)
{
    char text[LT_INFO_TEXT];
    lt_model_info info;
    const lt_status st = lt_model_describe(path, &info, text);
    if (st == LT_OK) found(self, &info);
    return st;
}

lt_status lt_model_scan(const char *folder, int depth, lt_model_found *found, void *self)
{
    char path[LT_PATH_MAX];
    struct dirent **entry = NULL;
    lt_status st = LT_OK;
    if (join(path, folder, "unet/config.json") && lt_file_exists(path))
        return tell(folder, found, self); /* models do not nest */
    const int n = scandir(folder, &entry, visible, alphasort);
    for (int i = 0; i < n; i++) {
        const int fits = st == LT_OK && join(path, folder, entry[i]->d_name);
        if (fits && lt_folder_exists(path)) {
            if (depth > 0) st = lt_model_scan(path, depth - 1, found, self);
        } else if (fits && is_whole_model(path))
            st = tell(path, found, self);
        free(entry[i]);
    }
    free(entry);
    return st;
}
