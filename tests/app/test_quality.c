/* The suites of bench/quality are held out: no scene of theirs, in any of its shots, has a
 * seed that training draws (it draws odd ones, tools/train/train.py), unless training
 * refuses the scene and its edit. And they are what run.sh takes them for. */
#include <string.h>

#include "app/scene_file.h"
#include "app/suite.h"
#include "status_check.h"

enum { LONG_FRAMES = 240 };

/* cli.c needs the whole program; messages do without a guess here. */
const char *lt_cli_nearest(const char *word, const char *const *names, char out[96])
{
    (void)word, (void)names;
    out[0] = '\0';
    return out;
}

static const char *text_of(const json_t *e, const char *key)
{
    return json_string_value(json_object_get(e, key));
}

static int all_seeds_even(const lt_scene *s, int64_t frames)
{
    int even = s->seed % 2 == 0;
    for (int64_t shot = 1; shot <= lt_synth_shot_of(s, frames - 1); shot++) {
        lt_scene seen;
        lt_synth_shot_scene(&seen, s, shot);
        even &= seen.seed % 2 == 0;
    }
    return even;
}

/* Training refuses the scene or the edit. */
static int refused(const char *path, const lt_scene *scene, const char *edit)
{
    lt_scene s = *scene;
    int factor = 0;
    if (lt_scene_file_read(&s, path, NULL, LT_SYNTH_TRAINING) != LT_OK) return 1;
    return lt_scene_edit_text(&s, edit, LT_SYNTH_TRAINING, &factor) != LT_OK;
}

static int held_out(const char *path, const char *edit, int64_t frames, lt_scene *scene)
{
    OK(lt_scene_file_read(scene, path, NULL, 0));
    return all_seeds_even(scene, frames) || refused(path, scene, edit);
}

/* The name says what the scene has: class, length, kind. */
static void check_name(const json_t *e, const lt_scene *s, int64_t frames, int factor)
{
    const char *name = text_of(e, "name"), *group = text_of(e, "group");
    const int fg = factor <= LT_SYNTH_MATERIAL, style = factor == LT_SYNTH_STYLE;
    CHECK(!strncmp(name, fg ? "fg" : style ? "st" : "bg", 2));
    CHECK(!strcmp(group, fg ? "foreground" : style ? "style" : "background"));
    CHECK((strstr(name, "-long-") != NULL) == (frames >= 96));
    CHECK((strstr(name, "-cuts.") != NULL) == (s->shot_frames > 0));
    CHECK((strstr(name, "-occluded.") != NULL) == (s->front > 0));
    CHECK(!s->shot_frames || lt_synth_shot_of(s, frames - 1) > 0);
}

static json_t *read_suite(const char *folder, const char *name)
{
    char path[LT_PATH_MAX];
    json_t *entries = NULL;
    const lt_cli cli = { 0 };
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    OK(lt_suite_list_read(path, &cli, &entries));
    return entries;
}

/* Returns the number of scenes; *reserved: those with a combination that is reserved. */
static int check_suite(const char *folder, const char *name, const char *first_variant,
                       int64_t least_frames, int *reserved)
{
    json_t *entries = read_suite(folder, name), *e;
    size_t i;
    int n = 0;
    *reserved = 0;
    json_array_foreach(entries, i, e)
    {
        lt_scene scene, asked;
        int factor = 0;
        const int64_t frames = json_integer_value(json_object_get(e, "frames"));
        const json_t *edits = json_object_get(e, "edit");
        const char *edit = json_string_value(json_array_get(edits, 0));
        CHECK(json_array_size(edits) == 1 && frames >= least_frames);
        CHECK(!json_integer_value(json_object_get(e, "seed")));
        CHECK(held_out(text_of(e, "scene"), edit, frames, &scene));
        asked = scene;
        OK(lt_scene_edit_text(&asked, edit, 0, &factor));
        check_name(e, &scene, frames, factor);
        if (strcmp(text_of(e, "variant"), first_variant)) continue;
        n++;
        *reserved += lt_synth_reserved(&scene) || lt_synth_reserved(&asked);
    }
    json_decref(entries);
    return n;
}

static void write_scene(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* What the check is worth: it finds scenes that training may have seen. */
static void check_checks(void)
{
    lt_scene s;
    const char *path = "quality-scene.yaml";
    write_scene(path, "seed: 7\nshape: car\ncolour: blue\nsecond: none\nstyle: plain\n");
    CHECK(!held_out(path, "colour=green", 24, &s));
    CHECK(held_out(path, "style=mosaic", 24, &s)); /* reserved: a car as a mosaic */
    write_scene(path, "seed: 7\nshape: ball\ncolour: purple\nsecond: none\n");
    CHECK(held_out(path, "colour=green", 24, &s)); /* reserved: a purple ball */
    write_scene(path, "seed: 8\nshape: car\ncolour: blue\nmaterial: plain\n"
                      "second: none\nstyle: plain\nshot_frames: 8\n");
    CHECK(held_out(path, "colour=green", 4, &s));
    CHECK(!held_out(path, "colour=green", 800, &s)); /* shots have seeds of their own */
    CHECK(remove(path) == 0);
}

int main(int argc, char **argv)
{
    int reserved = 0;
    CHECK(argc == 2); /* bench/quality */
    check_checks();
    CHECK(check_suite(argv[1], "main.json", "adaflow", 24, &reserved) == 60);
    CHECK(reserved >= 10);
    CHECK(check_suite(argv[1], "ablation.json", "base", LONG_FRAMES, &reserved) == 12);
    CHECK(check_suite(argv[1], "why.json", "frame", 24, &reserved) == 8);
    return 0;
}
