#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/suite.h"
#include "core/file.h"
#include "io/image_jpeg_read.h"

enum { PROMPT_BYTES_MAX = 1 << 16, PROMPTS_BYTES_MAX = 64 << 20 };

static const char *const classes[] = { "foreground", "background", "style", NULL };

/* ---- files ------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct files {
    char **name; /* sorted; the caller's */
    size_t n;
} files;

static void files_free(files *f)
{
    for (size_t i = 0; i < f->n; i++) free(f->name[i]);
    free(f->name);
    *f = (files){ 0 };
}

/* The files of a folder whose names end in `end`; hidden ones are left out. */
static lt_status list_files(const char *folder, const char *end, files *out)
{
    lt_status st = LT_OK;
    DIR *d = opendir(folder);
    if (!d)
        return LT_FAIL(LT_ERR_IO, "cannot read the folder, %s (%s): check the rights",
                       strerror(errno), folder);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.' || !lt_path_ends_in(e->d_name, end)) continue;
        char **grown = realloc(out->name, (out->n + 1) * sizeof(*grown));
        if (grown) out->name = grown;
        char *name = grown ? strdup(e->d_name) : NULL;
        if (!name) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", folder));
        out->name[out->n++] = name;
    }
    if (out->n) qsort(out->name, out->n, sizeof(*out->name), compare_names);
cleanup:
    closedir(d);
    return st;
}

/* folder/part/name and the ending; an empty part is left out. */
static lt_status join(char *out, const char *folder, const char *part, const char *name,
                      const char *ending)
{
    const int n = snprintf(out, LT_PATH_MAX, "%s%s%s/%s%s", folder, part[0] ? "/" : "",
                           part, name, ending);
    if (n < LT_PATH_MAX) return LT_OK;
    return LT_FAIL(LT_ERR_DATA, "a name is too long (%.200s): move the folder", folder);
}

static int has_folder(const char *folder, const char *name)
{
    char path[LT_PATH_MAX];
    return join(path, folder, "", name, "") == LT_OK && lt_folder_exists(path);
}

/* ---- LongV-EVAL -------------------------------------------------------------------- */

/* Without white space and one pair of double quotes around it, in place. */
static char *bare(char *text)
{
    static const char white[] = " \t\r\n";
    text += strspn(text, white);
    for (int twice = 0; twice < 2; twice++) {
        size_t n = strlen(text);
        while (n && strchr(white, text[n - 1])) text[--n] = '\0';
        if (twice || n < 2 || text[0] != '"' || text[n - 1] != '"') break;
        text[n - 1] = '\0';
        text++;
        text += strspn(text, white);
    }
    return text;
}

static lt_status add_long_video(const char *folder, const char *class, const char *file,
                                json_t *entries)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX], video[LT_PATH_MAX], stem[256], name[320];
    void *text = NULL;
    size_t bytes = 0;
    snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(file) - 4), file);
    snprintf(name, sizeof(name), "%s-%s", stem, class);
    LT_TRY(join(path, folder, class, file, ""));
    LT_TRY(join(video, folder, "videos", stem, ".mp4"));
    LT_TRY(lt_file_read(path, PROMPT_BYTES_MAX, &text, &bytes));
    json_t *e = json_pack("{s:s, s:s, s:s, s:s}", "name", name, "group", class, "video",
                          video, "prompt", bare(text));
    if (!e)
        st = LT_FAIL(LT_ERR_DATA, "not UTF-8 (%s): mend the file", path);
    else if (json_array_append_new(entries, e) != 0)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", folder);
cleanup:
    free(text);
    return st;
}

static lt_status read_long(const char *folder, json_t *entries)
{
    lt_status st = LT_OK;
    files f = { 0 };
    char path[LT_PATH_MAX];
    for (int c = 0; classes[c]; c++) {
        if (!has_folder(folder, classes[c])) continue;
        LT_TRY(join(path, folder, "", classes[c], ""));
        LT_TRY(list_files(path, ".txt", &f));
        for (size_t i = 0; i < f.n; i++)
            LT_TRY(add_long_video(folder, classes[c], f.name[i], entries));
        files_free(&f);
    }
cleanup:
    files_free(&f);
    return st;
}

/* ---- FiVE-Bench -------------------------------------------------------------------- */

/* What the prompts mark by [ ] is marked no more. */
static char *without_brackets(const char *text)
{
    char *out = strdup(text), *to = out;
    if (!out) return NULL;
    for (const char *c = text; *c; c++)
        if (*c != '[' && *c != ']') *to++ = *c;
    *to = '\0';
    return out;
}

static json_t *five_entry(const char *folder, const char *file, size_t i,
                          const json_t *item)
{
    char video[LT_PATH_MAX + 64], mask[LT_PATH_MAX + 64], name[256], group[128];
    const char *film = json_string_value(json_object_get(item, "video_name"));
    const char *source = json_string_value(json_object_get(item, "source_prompt"));
    const char *target = json_string_value(json_object_get(item, "target_prompt"));
    const json_t *type = json_object_get(item, "editing_type_id");
    json_t *e = NULL;
    if (!film || !source || !target || strchr(film, '/') || strlen(film) > 128)
        return NULL;
    if (json_is_string(type))
        snprintf(group, sizeof(group), "%.100s", json_string_value(type));
    else
        snprintf(group, sizeof(group), "%lld", (long long)json_integer_value(type));
    snprintf(name, sizeof(name), "%s-%.*s-%03zu", film, (int)strcspn(file, "_."), file,
             i + 1);
    snprintf(video, sizeof(video), "%s/videos/%s.mp4", folder, film);
    snprintf(mask, sizeof(mask), "%s/bmasks/%s", folder, film);
    char *before = without_brackets(source), *after = without_brackets(target);
    if (before && after)
        e = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "group", group,
                      "video", video, "source_prompt", before, "prompt", after, "mask",
                      lt_folder_exists(mask) ? mask : "");
    free(before);
    free(after);
    return e;
}

static lt_status read_prompts(const char *folder, const char *file, json_t *entries)
{
    lt_status st = LT_OK;
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t bytes = 0, i;
    json_t *root = NULL, *item;
    LT_TRY(join(path, folder, "edit_prompt", file, ""));
    LT_TRY(lt_file_read(path, PROMPTS_BYTES_MAX, &text, &bytes));
    root = json_loadb(text, bytes, 0, NULL);
    if (!json_is_array(root))
        LT_TRY(LT_FAIL(LT_ERR_DATA, "not a list of prompts of FiVE-Bench (%s): mend it",
                       path));
    json_array_foreach(root, i, item)
    {
        json_t *e = five_entry(folder, file, i, item);
        if (!e || json_array_append_new(entries, e) != 0)
            LT_TRY(LT_FAIL(LT_ERR_DATA,
                           "item %zu lacks video_name, source_prompt or target_prompt "
                           "(%s): mend it",
                           i + 1, path));
    }
cleanup:
    json_decref(root);
    free(text);
    return st;
}

static lt_status read_five(const char *folder, json_t *entries)
{
    lt_status st = LT_OK;
    files f = { 0 };
    char path[LT_PATH_MAX];
    LT_TRY(join(path, folder, "", "edit_prompt", ""));
    LT_TRY(list_files(path, ".json", &f));
    for (size_t i = 0; i < f.n; i++) LT_TRY(read_prompts(folder, f.name[i], entries));
cleanup:
    files_free(&f);
    return st;
}

static lt_status convert(const char *from, const char *to)
{
    lt_status st = LT_OK;
    lt_image image = { 0 };
    if (lt_file_exists(to)) return LT_OK;
    LT_TRY(lt_image_jpeg_read_grey(from, &image));
    LT_TRY(lt_image_png_write(to, image.width, image.height, 1, image.pixels));
cleanup:
    lt_image_free(&image);
    return st;
}

lt_status lt_suite_masks(const char *folder, const char *out, int *made)
{
    lt_status st = LT_OK;
    char from[LT_PATH_MAX], to[LT_PATH_MAX], stem[256];
    files f = { 0 };
    *made = 0;
    LT_TRY(list_files(folder, ".jpg", &f));
    if (f.n) LT_TRY(lt_folder_make(out));
    for (size_t i = 0; i < f.n; i++) {
        snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(f.name[i]) - 4), f.name[i]);
        LT_TRY(join(from, folder, "", f.name[i], ""));
        LT_TRY(join(to, out, "", stem, ".png"));
        LT_TRY(convert(from, to));
    }
    *made = f.n > 0;
cleanup:
    files_free(&f);
    return st;
}

/* ---- which ------------------------------------------------------------------------- */

static int is_long(const char *folder)
{
    int n = 0;
    for (int c = 0; classes[c]; c++) n += has_folder(folder, classes[c]);
    return n > 0 && has_folder(folder, "videos");
}

static int is_five(const char *folder)
{
    return has_folder(folder, "edit_prompt") && has_folder(folder, "videos");
}

lt_status lt_suite_layout_read(const char *folder, json_t **list)
{
    lt_status st = LT_OK;
    char data[LT_PATH_MAX];
    json_t *root = json_pack("{s:[]}", "entries");
    json_t *entries = json_object_get(root, "entries");
    if (!root) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", folder);
    LT_TRY(join(data, folder, "", "data", ""));
    if (is_long(folder))
        LT_TRY(read_long(folder, entries));
    else if (is_five(folder))
        LT_TRY(read_five(folder, entries));
    else if (is_five(data))
        LT_TRY(read_five(data, entries));
    else
        LT_TRY(LT_FAIL(LT_ERR_DATA,
                       "no suite (%s): give a LIST.json, or a folder of LongV-EVAL "
                       "(videos, foreground, background, style) or FiVE-Bench (videos, "
                       "edit_prompt)",
                       folder));
    if (!json_array_size(entries))
        LT_TRY(LT_FAIL(LT_ERR_DATA, "no prompts (%s): the suite is empty", folder));
    *list = root;
    root = NULL;
cleanup:
    json_decref(root);
    return st;
}
