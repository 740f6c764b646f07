#include "core/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static const lt_option *row(int i) { return lt_config_options() + i; }

lt_status lt_config_default(lt_config *c)
{
    memset(c, 0, sizeof(*c));
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const lt_status st = lt_option_parse(row(i), row(i)->def, NULL, "default", c);
        if (st == LT_OK) continue;
        lt_config_free(c);
        if (st == LT_ERR_NOMEM) return st;
        return LT_FAIL(LT_ERR_INTERNAL,
                       "bad default of %s.%s (option table): report this",
                       row(i)->section, row(i)->key);
    }
    return LT_OK;
}

lt_status lt_config_method_defaults(lt_config *c)
{
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const char *value = lt_config_method_default(row(i), c->method.name);
        if (!value || c->line[i] != LT_LINE_DEFAULT) continue;
        const lt_status st = lt_option_parse(row(i), value, NULL, "default", c);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

void lt_config_free(lt_config *c)
{
    for (int i = 0; c && i < LT_N_OPTIONS; i++) lt_option_clear(row(i), c);
}

lt_status lt_config_copy(lt_config *dst, const lt_config *src)
{
    memset(dst, 0, sizeof(*dst));
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const lt_status st = lt_option_copy(row(i), dst, src);
        if (st == LT_OK) continue;
        lt_config_free(dst);
        return st;
    }
    memcpy(dst->file, src->file, sizeof(dst->file));
    memcpy(dst->line, src->line, sizeof(dst->line));
    return LT_OK;
}

const char *lt_config_where(const lt_config *c, const lt_option *o,
                            char buf[LT_WHERE_MAX])
{
    const int line = c->line[o - lt_config_options()];
    if (line > 0)
        snprintf(buf, LT_WHERE_MAX, "%s:%d", c->file, line);
    else
        snprintf(buf, LT_WHERE_MAX, "%s",
                 line == LT_LINE_SET     ? "command line"
                 : line == LT_LINE_OTHER ? "an earlier file"
                                         : "default");
    return buf;
}

static bool section_exists(const char *section)
{
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (!strcmp(row(i)->section, section)) return true;
    return false;
}

/* The section nearest in spelling; NULL when none is near. */
static const char *near_section(const char *section)
{
    const char *best = NULL;
    int least = 3; /* more than two slips are another word */
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const int d = lt_edit_distance(section, row(i)->section);
        if (d < least) best = row(i)->section, least = d;
    }
    return best;
}

/* The option nearest in spelling; one slip in the section named is nearer than the very
 * word in another. */
static const lt_option *near_option(const char *section, const char *key)
{
    const lt_option *best = NULL;
    const int limit = strlen(key) > 8 ? 4 : 3;
    int least = 2 * limit + 3;
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const int d = lt_edit_distance(key, row(i)->key);
        const int cost = 2 * d + (strcmp(section, row(i)->section) ? 3 : 0);
        if (d < limit && cost < least) best = row(i), least = cost;
    }
    return best;
}

lt_status lt_config_unknown(const char *section, const char *key, const char *where)
{
    if (!section_exists(section)) {
        const char *near = near_section(section);
        if (near)
            return LT_FAIL(LT_ERR_CONFIG,
                           "unknown section '%.60s' (%s): did you mean '%s'?", section,
                           where, near);
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown section '%.60s' (%s): see configs/reference.yaml",
                       section, where);
    }
    const lt_option *near = near_option(section, key);
    if (near)
        return LT_FAIL(LT_ERR_CONFIG,
                       "unknown key '%.60s.%.60s' (%s): did you mean '%s.%s'?", section,
                       key, where, near->section, near->key);
    return LT_FAIL(LT_ERR_CONFIG,
                   "unknown key '%.60s.%.60s' (%s): see configs/reference.yaml", section,
                   key, where);
}

lt_status lt_config_set_value(lt_config *c, const char *section, const char *key,
                              const char *value, const char *option)
{
    char where[160];
    snprintf(where, sizeof(where), "%s", option);
    const lt_option *o = lt_config_option(section, key);
    if (!o) return lt_config_unknown(section, key, where);
    const lt_status st = lt_option_parse(o, value, NULL, where, c);
    if (st == LT_OK) c->line[o - lt_config_options()] = LT_LINE_SET;
    return st;
}

lt_status lt_config_set(lt_config *c, const char *assignment)
{
    char name[128], where[160];
    const char *equal = strchr(assignment, '=');
    const size_t n = equal ? (size_t)(equal - assignment) : 0;
    snprintf(where, sizeof(where), "--set %.100s", assignment);
    snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, assignment);
    char *dot = strchr(name, '.');
    if (!equal || !dot || dot == name || dot[1] == '\0')
        return LT_FAIL(LT_ERR_CONFIG, "not a setting (%s): write --set section.key=value",
                       where);
    *dot = '\0';
    return lt_config_set_value(c, name, dot + 1, equal + 1, where);
}

static lt_status check_begins(const lt_config *c, const char *where)
{
    const lt_ints *b = &c->clips.begins;
    const bool list = c->clips.mode == LT_CLIPS_LIST;
    if (!list && b->n > 0)
        return LT_FAIL(
            LT_ERR_CONFIG,
            "clips.begins without clips.mode list (%s): set clips.mode to list "
            "or take clips.begins out",
            where);
    if (!list) return LT_OK;
    if (b->n == 0 || b->v[0] != 0)
        return LT_FAIL(LT_ERR_CONFIG,
                       "clips.begins does not begin with 0 (%s): write clips.begins: "
                       "[0, ...]",
                       where);
    for (int64_t i = 1; i < b->n; i++) {
        const long long a = (long long)b->v[i - 1], z = (long long)b->v[i];
        if (z <= a)
            return LT_FAIL(LT_ERR_CONFIG,
                           "clips.begins does not ascend: %lld after %lld (%s): sort it",
                           z, a, where);
        if (z - a > c->clips.max_length)
            return LT_FAIL(LT_ERR_CONFIG,
                           "clips.begins has a clip of %lld frames at %lld (%s): raise "
                           "clips.max_length or add a begin",
                           z - a, a, where);
    }
    return LT_OK;
}

/* A rule between two keys is broken: `what`, at the place of the key, `how`. */
static lt_status broken(const lt_config *c, const char *section, const char *key,
                        const char *what, const char *how)
{
    char where[LT_WHERE_MAX];
    lt_config_where(c, lt_config_option(section, key), where);
    return LT_FAIL(LT_ERR_CONFIG, "%s (%s): %s", what, where, how);
}

lt_status lt_config_check_inversion(const lt_config *c)
{
    const int name = c->sampler.name;
    if (name != LT_SAMPLER_AUTO && name != LT_SAMPLER_NAME_DDIM)
        return broken(c, "sampler", "name",
                      "sampler.name is not ddim in an edit that inverts the source",
                      "set it to auto; only method frame with an InstructPix2Pix model "
                      "has other samplers");
    if (c->sampler.latents[0])
        return broken(
            c, "sampler", "latents",
            "sampler.latents in an edit that begins at the inverted source",
            "take it out; it is for method frame with an InstructPix2Pix model");
    if (c->sampler.inversion_steps % c->sampler.steps != 0)
        return broken(c, "sampler", "inversion_steps",
                      "sampler.inversion_steps is no multiple of sampler.steps",
                      "make it one, e.g. the same");
    return LT_OK;
}

/* What shapes a mask says nothing without one. */
static lt_status check_mask(const lt_config *c)
{
    const char *key = c->mask.invert    ? "invert"
                      : c->mask.dilate  ? "dilate"
                      : c->mask.feather ? "feather"
                                        : NULL;
    char what[48];
    if (!key || c->mask.path[0]) return LT_OK;
    snprintf(what, sizeof(what), "mask.%s without a mask", key);
    return broken(c, "mask", key, what, "give --mask PATH, or leave it out");
}

lt_status lt_config_check(const lt_config *c)
{
    char where[LT_WHERE_MAX];
    const lt_status mask = check_mask(c);
    if (mask != LT_OK) return mask;
    if (c->method.name != LT_METHOD_FRAME) {
        const lt_status st = lt_config_check_inversion(c);
        if (st != LT_OK) return st;
    }
    if (c->sampler.strength < 1 &&
        c->sampler.strength * (double)c->sampler.steps + 1e-9 < 2)
        return broken(c, "sampler", "strength", "sampler.strength leaves no step to take",
                      "raise it or sampler.steps until their product is 2 or more");
    if (c->method.name == LT_METHOD_TOKENFLOW && c->propagate.blend == LT_BLEND_OWN)
        return broken(c, "propagate", "blend",
                      "propagate.blend is own, but tokenflow mixes two keyframes",
                      "leave the key out, or take --method adaflow");
    if (c->keyframes.per_clip > 1 && c->keyframes.trajectory != LT_TRAJECTORY_OWN)
        return broken(c, "keyframes", "per_clip",
                      "keyframes.per_clip is above 1, but keyframes.trajectory is shared",
                      "set keyframes.trajectory=own, or per_clip to 1");
    if (c->input.to != LT_TIME_NONE && c->input.to <= c->input.ss)
        return broken(c, "input", "to", "input.to is not later than input.ss",
                      "give a later time");
    if (c->clips.mode == LT_CLIPS_FIXED && c->clips.length > c->clips.max_length)
        return broken(c, "clips", "length", "clips.length is above clips.max_length",
                      "lower it or raise clips.max_length");
    return check_begins(c,
                        lt_config_where(c, lt_config_option("clips", "begins"), where));
}

int lt_config_compare(const lt_config *a, const lt_config *b, const lt_option **out)
{
    int n = 0;
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (!lt_option_equal(row(i), a, b)) out[n++] = row(i);
    return n;
}

static void write_facts(const lt_facts *facts, FILE *f)
{
    if (!facts || facts->n == 0) return;
    fputs("\njob:\n", f);
    for (int i = 0; i < facts->n; i++) {
        fprintf(f, "  %s: ", facts->v[i].key);
        lt_yaml_quote(facts->v[i].value, f);
        fputc('\n', f);
    }
}

lt_status lt_config_write(const lt_config *c, const lt_facts *facts, FILE *f)
{
    const char *section = "";
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        if (strcmp(section, row(i)->section) != 0)
            fprintf(f, "%s%s:\n", i ? "\n" : "", row(i)->section);
        section = row(i)->section;
        fprintf(f, "  %s: ", row(i)->key);
        lt_option_print(row(i), c, f);
        fputc('\n', f);
    }
    write_facts(facts, f);
    if (fflush(f) != 0 || ferror(f))
        return LT_FAIL(LT_ERR_IO, "cannot write the configuration (job.yaml): check the "
                                  "disk");
    return LT_OK;
}

/* Close a memory stream and hand its text over; out of memory shows as a failed write
 * or close. */
static lt_status take_text(FILE *f, char **buf, lt_status st, char **text)
{
    const bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad || st != LT_OK) {
        free(*buf);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (writing the configuration)");
    }
    *text = *buf;
    return LT_OK;
}

lt_status lt_config_text(const lt_config *c, const lt_facts *facts, char **text)
{
    char *buf = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&buf, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (writing the configuration)");
    const lt_status st = lt_config_write(c, facts, f);
    return take_text(f, &buf, st, text);
}

lt_status lt_config_sha256(const lt_config *c, char hex[LT_SHA256_HEX])
{
    lt_status st = LT_OK;
    char *buf = NULL, *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&buf, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (hashing the configuration)");
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        if (row(i)->affects != LT_AFFECTS_RESULT) continue;
        fprintf(f, "%s.%s=", row(i)->section, row(i)->key);
        lt_option_print(row(i), c, f);
        fputc('\n', f);
    }
    LT_TRY(take_text(f, &buf, LT_OK, &text));
    LT_TRY(lt_sha256(text, strlen(text), hex));
cleanup:
    free(text);
    return st;
}

/* Defaults that a method has of its own. */
static void reference_methods(const lt_option *o, FILE *f)
{
    const lt_option *names = lt_config_option("method", "name");
    for (int id = 0; names->choices[id]; id++) {
        const char *value = lt_config_method_default(o, id);
        if (value)
            fprintf(f, "  # default with method %s: %s\n", names->choices[id], value);
    }
}

static void reference_option(const lt_option *o, FILE *f)
{
    fprintf(f, "  # %s\n  # ", o->help);
    lt_option_print_range(o, f);
    if (o->unit[0]) fprintf(f, " [%s]", o->unit);
    fprintf(f, "; affects: %s\n", lt_affects_text(o->affects));
    reference_methods(o, f);
    fprintf(f, "  %s: ", o->key);
    const bool quoted =
        o->type == LT_OPT_TEXT || o->type == LT_OPT_PATH || o->type == LT_OPT_TIME;
    if (quoted)
        lt_yaml_quote(o->def, f);
    else
        fputs(o->def, f);
    fputc('\n', f);
}

lt_status lt_config_write_reference(FILE *f)
{
    const char *section = "";
    fputs(
        "# Every key with its default. Generated from the option table "
        "(src/core/config_table.c);\n"
        "# rewrite with: ninja -C build reference-config\n"
        "#\n"
        "# affects: what a change touches in a job that has begun. result: refused "
        "without --fresh;\n"
        "# judged apart: a file's content or the frozen CPU path counts, not the text;\n"
        "# encode: only encoding is redone; nothing: the job goes on.\n",
        f);
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        if (strcmp(section, row(i)->section) != 0) fprintf(f, "\n%s:\n", row(i)->section);
        section = row(i)->section;
        reference_option(row(i), f);
    }
    if (fflush(f) != 0 || ferror(f))
        return LT_FAIL(LT_ERR_IO,
                       "cannot write the reference (reference.yaml): check the "
                       "disk");
    return LT_OK;
}
