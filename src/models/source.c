#include "models/source_impl.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/pickle.h"

enum { MAX_SIDE_BYTES = 1 << 20 };

const char *const lt_source_config_names[LT_SOURCE_CONFIGS] = { "text_encoder", "vae",
                                                                "unet", "scheduler" };
const char *const lt_part_words[LT_N_PARTS] = { "text encoder", "VAE", "UNet" };

static lt_status no_memory(void)
{
    return LT_FAIL(LT_ERR_NOMEM, "out of memory for a model");
}

lt_status lt_source_join(char out[LT_PATH_MAX], const char *folder, const char *name)
{
    const int n = snprintf(out, LT_PATH_MAX, "%s/%s", folder, name);
    if (n > 0 && n < LT_PATH_MAX) return LT_OK;
    return LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s...)", folder);
}

int lt_source_has_file(const char *folder, const char *name)
{
    char path[LT_PATH_MAX];
    const int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return n > 0 && n < LT_PATH_MAX && lt_file_exists(path);
}

static int ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n > k && !strcmp(text + n - k, end);
}

__attribute__((format(printf, 2, 3))) static lt_status add_note(lt_source *s,
                                                                const char *format, ...)
{
    va_list list;
    char *text = NULL;
    if (s->n_notes == LT_SOURCE_NOTES) return LT_OK;
    va_start(list, format);
    const int n = vasprintf(&text, format, list);
    va_end(list);
    if (n < 0) return no_memory();
    s->note[s->n_notes++] = text;
    return LT_OK;
}

/* ---- which layout ------------------------------------------------------------------ */

static int is_diffusers(const char *folder)
{
    static const char *const files[] = { "model_index.json", "unet/config.json",
                                         "vae/config.json", "text_encoder/config.json",
                                         "scheduler/scheduler_config.json" };
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (lt_source_has_file(folder, files[i])) return 1;
    return 0;
}

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

/* The only snapshot of a cache folder, when refs/main does not name one. */
static lt_status only_snapshot(const char *snapshots, char out[LT_PATH_MAX])
{
    struct dirent **entry = NULL;
    char name[256] = "";
    const int n = scandir(snapshots, &entry, visible, alphasort);
    for (int i = 0; i < n; i++) {
        if (i == 0) snprintf(name, sizeof(name), "%s", entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    if (n == 1) return lt_source_join(out, snapshots, name);
    return LT_FAIL(LT_ERR_NOINPUT,
                   "Hugging Face cache folder with %d snapshots and no refs/main (%s): "
                   "give the snapshot's folder",
                   n < 0 ? 0 : n, snapshots);
}

/* models--x--y of a Hugging Face cache becomes its snapshot. */
static lt_status resolve_cache(char path[LT_PATH_MAX])
{
    lt_status st = LT_OK;
    char snapshots[LT_PATH_MAX], ref[LT_PATH_MAX], out[LT_PATH_MAX];
    void *text = NULL;
    size_t n = 0;
    LT_TRY(lt_source_join(snapshots, path, "snapshots"));
    LT_TRY(lt_source_join(ref, path, "refs/main"));
    if (!lt_folder_exists(snapshots) || is_diffusers(path)) return LT_OK;
    if (lt_file_exists(ref)) {
        LT_TRY(lt_file_read(ref, 256, &text, &n));
        char *commit = text;
        commit[strcspn(commit, " \r\n\t")] = '\0';
        if (!commit[0] || commit[0] == '.' || strchr(commit, '/'))
            LT_TRY(LT_FAIL(LT_ERR_DATA,
                           "broken Hugging Face cache (%s): it names no "
                           "snapshot",
                           ref));
        LT_TRY(lt_source_join(out, snapshots, commit));
    } else
        LT_TRY(only_snapshot(snapshots, out));
    if (!lt_folder_exists(out))
        LT_TRY(LT_FAIL(LT_ERR_NOINPUT,
                       "the snapshot is not there (%s): download the model again", out));
    memcpy(path, out, LT_PATH_MAX);
cleanup:
    free(text);
    return st;
}

static lt_status open_file(lt_source *s, const char *path)
{
    if (s->n_files == LT_SOURCE_FILES)
        return LT_FAIL(LT_ERR_DATA,
                       "more than %d weights files (%s): give a folder with one model",
                       LT_SOURCE_FILES, s->path);
    const lt_status st = lt_weights_open(path, &s->file[s->n_files]);
    if (st == LT_OK) s->n_files++;
    return st;
}

/* model-00001-of-00003.safetensors: its index is read instead. */
static int is_shard(const char *name)
{
    int a = 0, b = 0, n = 0;
    const char *of = strstr(name, "-of-");
    return of && of - name >= 6 && sscanf(of - 6, "-%5d-of-%5d.%n", &a, &b, &n) == 2 && n;
}

/* Open the weights files of one folder; their number. */
static lt_status open_folder(lt_source *s, const char *folder, int depth)
{
    lt_status st = LT_OK;
    struct dirent **entry = NULL;
    char path[LT_PATH_MAX];
    const int n = scandir(folder, &entry, visible, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        if (st == LT_OK) st = lt_source_join(path, folder, name);
        if (st == LT_OK && lt_folder_exists(path)) {
            if (depth > 0) st = open_folder(s, path, depth - 1);
        } else if (st == LT_OK && ((ends_with(name, ".safetensors") && !is_shard(name)) ||
                                   ends_with(name, ".safetensors.index.json")))
            st = open_file(s, path);
        free(entry[i]);
    }
    free(entry);
    return st;
}

/* ---- which part from which file ---------------------------------------------------- */

static int count_parts(const lt_found_part part[LT_N_PARTS])
{
    int n = 0;
    for (int i = 0; i < LT_N_PARTS; i++) n += part[i].w != NULL;
    return n;
}

/* A file for one part goes before a whole checkpoint; two of a kind are ambiguous. */
static lt_status choose_part(lt_source *s, int i, const lt_found_part *p, int alone,
                             int taken_alone[LT_N_PARTS])
{
    lt_found_part *now = &s->part[i];
    if (now->w && taken_alone[i] == alone)
        return LT_FAIL(LT_ERR_DATA,
                       "two files hold a %s (%s and %s): give one file, or a folder with "
                       "one model",
                       lt_part_words[i], lt_weights_where(now->w),
                       lt_weights_where(p->w));
    if (now->w && taken_alone[i]) return LT_OK;
    *now = *p;
    taken_alone[i] = alone;
    return LT_OK;
}

static lt_status choose_parts(lt_source *s)
{
    int alone[LT_N_PARTS] = { 0 };
    for (int f = 0; f < s->n_files; f++) {
        lt_found_part part[LT_N_PARTS] = { 0 };
        int is_xl = 0;
        lt_found_look(s->file[f], !s->spec.ignore_ema, part, &is_xl);
        if (is_xl)
            return LT_FAIL(LT_ERR_DATA,
                           "unsupported kind of model (%s): Stable Diffusion XL or a "
                           "network like it; models of the 1.x and 2.x families are read",
                           lt_weights_where(s->file[f]));
        for (int i = 0; i < LT_N_PARTS; i++) {
            if (!part[i].w) continue;
            const lt_status st =
                choose_part(s, i, &part[i], count_parts(part) == 1, alone);
            if (st != LT_OK) return st;
        }
    }
    if (count_parts(s->part)) return LT_OK;
    return LT_FAIL(s->n_files ? LT_ERR_DATA : LT_ERR_NOINPUT,
                   s->n_files ? "no part of a model (%s): its tensors have no names of a "
                                "UNet, VAE or text encoder of Stable Diffusion"
                              : "no model in this folder (%s): no unet/config.json as in "
                                "the layout of diffusers, and no safetensors file",
                   s->path);
}

/* ---- configuration --------------------------------------------------------------- */

/* Width and height of modelspec.resolution in latents, or 0. */
static int said_size(const lt_weights *w)
{
    const char *text = lt_weights_metadata(w, "modelspec.resolution");
    int a = 0, b = 0;
    if (!text || sscanf(text, "%5dx%5d", &a, &b) != 2 || a < 64 || a > 8192) return 0;
    return a / 8;
}

/* The 768-pixel model of the 2.x family is the one that predicts v. */
static lt_status settle_prediction(lt_source *s)
{
    static const char *const names[] = { NULL, "epsilon", "v_prediction" };
    json_t *unet = s->config[LT_PART_UNET], *schedule = s->config[LT_SOURCE_SCHEDULER];
    const lt_weights *w = s->part[LT_PART_UNET].w;
    lt_predict_source source;
    int is_v = 0;
    lt_status st = lt_derive_prediction(&s->part[LT_PART_UNET], &is_v, &source);
    if (st != LT_OK) return st;
    if (s->spec.prediction) {
        is_v = s->spec.prediction == 2;
        if (json_object_set_new(schedule, "prediction_type",
                                json_string(names[1 + is_v])))
            return no_memory();
    } else if (source == LT_PREDICT_GUESS)
        st = add_note(
            s,
            "%s is taken for a model that predicts %s, by the spread of its last "
            "biases; if pictures are noise, set model.prediction=%s",
            lt_weights_where(w), is_v ? "v (768 pixels)" : "epsilon (512 pixels)",
            names[2 - is_v]);
    const int width =
        (int)json_integer_value(json_object_get(unet, "cross_attention_dim"));
    const int size = said_size(w) ? said_size(w) : is_v && width == 1024 ? 96 : 64;
    if (json_object_set_new(unet, "sample_size", json_integer(size)) ||
        json_object_set_new(unet, "upcast_attention", json_boolean(is_v)))
        return no_memory();
    return st;
}

static lt_status side_path(const lt_source *s, char out[LT_PATH_MAX])
{
    static const char *const ends[] = { ".safetensors.index.json", ".safetensors" };
    size_t n = strlen(s->path);
    if (lt_folder_exists(s->path)) return lt_source_join(out, s->path, "model.json");
    for (size_t i = 0; i < 2; i++)
        if (ends_with(s->path, ends[i])) {
            n -= strlen(ends[i]);
            break;
        }
    const int k = snprintf(out, LT_PATH_MAX, "%.*s.model.json", (int)n, s->path);
    if (k > 0 && k < LT_PATH_MAX) return LT_OK;
    return LT_FAIL(LT_ERR_NOINPUT, "path too long (%.80s...)", s->path);
}

static lt_status merge_side(lt_source *s, json_t *root, const char *path)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return LT_FAIL(LT_ERR_DATA, "not a JSON object (%s): see docs/models.md", path);
    json_object_foreach(root, key, value)
    {
        int i = 0;
        while (i < LT_SOURCE_CONFIGS && strcmp(key, lt_source_config_names[i]) != 0) i++;
        if (i == LT_SOURCE_CONFIGS || !json_is_object(value))
            return LT_FAIL(LT_ERR_DATA,
                           "unusable side file (%s, key %.80s): objects named unet, vae, "
                           "text_encoder and scheduler are read",
                           path, key);
        if (s->config[i] && json_object_update(s->config[i], value)) return no_memory();
    }
    return LT_OK;
}

static lt_status read_side(lt_source *s)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t n = 0;
    json_error_t err;
    json_t *root = NULL;
    LT_TRY(side_path(s, path));
    if (!lt_file_exists(path)) return LT_OK;
    LT_TRY(lt_file_read(path, MAX_SIDE_BYTES, &text, &n));
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &err);
    if (!root)
        LT_TRY(LT_FAIL(LT_ERR_DATA, "not a JSON object (%s, line %d): %s", path, err.line,
                       err.text));
    LT_TRY(merge_side(s, root, path));
cleanup:
    json_decref(root);
    free(text);
    return st;
}

static lt_status derive(lt_source *s)
{
    lt_status st = LT_OK;
    lt_found_part *p = s->part;
    if (p[LT_PART_TEXT].w)
        LT_TRY(lt_derive_text(&p[LT_PART_TEXT], &s->config[LT_PART_TEXT]));
    if (p[LT_PART_VAE].w) LT_TRY(lt_derive_vae(&p[LT_PART_VAE], &s->config[LT_PART_VAE]));
    if (p[LT_PART_UNET].w) {
        LT_TRY(lt_derive_unet(&p[LT_PART_UNET], &s->config[LT_PART_UNET]));
        LT_TRY(lt_derive_scheduler(&p[LT_PART_UNET], s->config[LT_PART_UNET],
                                   &s->config[LT_SOURCE_SCHEDULER]));
        LT_TRY(settle_prediction(s));
        if (p[LT_PART_UNET].naming == LT_NAMES_EMA)
            LT_TRY(add_note(s,
                            "the averaged (EMA) weights of %s are used; "
                            "model.ema=ignore takes the others",
                            lt_weights_where(p[LT_PART_UNET].w)));
    }
    LT_TRY(read_side(s));
cleanup:
    return st;
}

/* ---- open and close -------------------------------------------------------------- */

/* Refuse pickles before anything else looks at the file. */
static lt_status check_kind(const char *path)
{
    uint8_t head[16] = { 0 };
    FILE *f = lt_file_stream(path);
    const size_t n = f ? fread(head, 1, sizeof(head), f) : 0;
    if (f) fclose(f);
    if (!lt_torch_looks(head, n)) return LT_OK;
    return LT_FAIL(LT_ERR_DATA,
                   "a torch file, which is a pickle, is not read as a model (%s): make a "
                   "safetensors file of it with `longtake models convert IN OUT`",
                   path);
}

static lt_status open_layout(lt_source *s)
{
    lt_status st = LT_OK;
    LT_TRY(lt_path_absolute(NULL, s->spec.path, s->path));
    if (!lt_file_exists(s->path))
        LT_TRY(LT_FAIL(LT_ERR_NOINPUT,
                       "no model folder or file (%s): give a folder in the layout of "
                       "diffusers, or a safetensors file",
                       s->path));
    if (lt_folder_exists(s->path)) {
        LT_TRY(resolve_cache(s->path));
        s->diffusers = is_diffusers(s->path);
        if (!s->diffusers) LT_TRY(open_folder(s, s->path, 1));
    } else {
        LT_TRY(check_kind(s->path));
        LT_TRY(open_file(s, s->path));
    }
    if (s->diffusers) return LT_OK;
    LT_TRY(choose_parts(s));
    LT_TRY(derive(s));
cleanup:
    return st;
}

lt_status lt_source_open(const lt_model_spec *spec, lt_source **out)
{
    lt_source *s = calloc(1, sizeof(*s));
    if (!s) return no_memory();
    s->spec = *spec;
    const lt_status st = open_layout(s);
    if (st == LT_OK)
        *out = s;
    else
        lt_source_close(&s);
    return st;
}

void lt_source_close(lt_source **source)
{
    if (!source || !*source) return;
    lt_source *s = *source;
    for (int i = 0; i < LT_N_PARTS; i++) lt_weights_close(&s->weights[i]);
    for (int i = 0; i < s->n_files; i++) lt_weights_close(&s->file[i]);
    for (int i = 0; i < LT_SOURCE_CONFIGS; i++) json_decref(s->config[i]);
    for (int i = 0; i < s->n_notes; i++) free(s->note[i]);
    free(s);
    *source = NULL;
}

const char *lt_source_path(const lt_source *s) { return s->path; }
int lt_source_is_diffusers(const lt_source *s) { return s->diffusers; }
int lt_source_n_notes(const lt_source *s) { return s->n_notes; }
const char *lt_source_note(const lt_source *s, int i) { return s->note[i]; }
