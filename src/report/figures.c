#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"

/* What `longtake eval` says, in the words of a reader; what has no row here is shown
 * under its own name. */
typedef enum wish { HIGH, LOW, NEITHER } wish;

static const struct row {
    const char *name, *text;
    wish better;
    int digits;
} rows[] = {
    { "psnr", "PSNR to the true edit [dB]", HIGH, 2 },
    { "ssim", "SSIM to the true edit", HIGH, 4 },
    { "ms_ssim", "multi-scale SSIM to the true edit", HIGH, 4 },
    { "kept_psnr", "PSNR to the source [dB]", HIGH, 2 },
    { "kept_ssim", "SSIM to the source", HIGH, 4 },
    { "kept_ms_ssim", "multi-scale SSIM to the source", HIGH, 4 },
    { "accuracy", "share of frames that show what was asked", HIGH, 3 },
    { "strength", "strength: change of the source [levels]", NEITHER, 2 },
    { "strength_truth", "strength of the true edit [levels]", NEITHER, 2 },
    { "warp_error", "warp error [1/1000]", LOW, 3 },
    { "warp_error_truth", "warp error of the true edit [1/1000]", NEITHER, 3 },
    { "warp_error_source", "warp error of the source [1/1000]", NEITHER, 3 },
    { "flicker", "flicker [levels]", LOW, 3 },
    { "drift", "drift, first to last tenth [levels]", LOW, 3 },
    { "drift_psnr", "PSNR lost, first to last tenth [dB]", LOW, 2 },
    { "similarity", "similarity of neighbouring frames", HIGH, 4 },
};
enum { N_ROWS = sizeof(rows) / sizeof(*rows), PARTS = 3, NAME_BYTES = 40 };
static const char *const ends[PARTS] = { "", "_inside", "_outside" };

static json_t *value_of(const json_t *o, const char *name, int part)
{
    char full[NAME_BYTES];
    /* what is of one part only has the name without its ending */
    if (part != 2 && !strncmp(name, "kept_", 5)) return NULL;
    if (!strncmp(name, "kept_", 5)) part = 0;
    snprintf(full, sizeof(full), "%s%s", name, ends[part]);
    return json_object_get(o, full);
}

/* PSNR of equal pictures is null, as is that of unknown ones: SSIM tells them apart. */
static int is_equal(const json_t *o, const char *name, int part)
{
    const char *twin = !strcmp(name, "psnr")        ? "ssim"
                       : !strcmp(name, "kept_psnr") ? "kept_ssim"
                                                    : NULL;
    const json_t *v = twin ? value_of(o, twin, part) : NULL;
    return json_is_number(v) && json_number_value(v) == 1;
}

static void print_cell(const lt_page *p, const json_t *o, const struct row *r, int part)
{
    const json_t *v = value_of(o, r->name, part);
    if (json_is_number(v))
        fprintf(p->f, "<td class=\"n\">%.*f</td>", r->digits, json_number_value(v));
    else
        fprintf(p->f, "<td class=\"n\">%s</td>",
                is_equal(o, r->name, part) ? "equal" : "");
}

static void print_row(const lt_page *p, const json_t *o, const struct row *r)
{
    static const char *const wishes[] = { "&uarr;", "&darr;", "" };
    int known = 0;
    for (int i = 0; i < PARTS; i++)
        known |= json_is_number(value_of(o, r->name, i)) || is_equal(o, r->name, i);
    if (!known) return;
    fputs("<tr><th scope=\"row\">", p->f);
    lt_page_text(p->f, r->text);
    fprintf(p->f, " %s</th>", wishes[r->better]);
    for (int i = 0; i < PARTS; i++) print_cell(p, o, r, i);
    fputs("</tr>\n", p->f);
}

static int has_row(const char *name)
{
    if (!strcmp(name, "frames") || !strcmp(name, "shots")) return 1;
    for (int i = 0; i < N_ROWS; i++) {
        const size_t n = strlen(rows[i].name);
        for (int k = 0; k < PARTS; k++)
            if (!strncmp(name, rows[i].name, n) && !strcmp(name + n, ends[k])) return 1;
    }
    return 0;
}

static void print_other(const lt_page *p, const char *name, const json_t *v)
{
    char text[64];
    if (has_row(name) || json_is_null(v)) return;
    if (json_is_number(v)) {
        snprintf(text, sizeof(text), "%.6g", json_number_value(v));
        lt_page_row(p, name, text);
    } else if (json_is_string(v)) {
        lt_page_row(p, name, json_string_value(v));
    }
}

static void print_table(const lt_page *p, json_t *o)
{
    const char *name;
    json_t *v;
    fputs("<div class=\"wide\"><table><thead><tr><th></th><th class=\"n\">all</th>"
          "<th class=\"n\">inside</th><th class=\"n\">outside</th></tr></thead>"
          "<tbody>\n",
          p->f);
    for (int i = 0; i < N_ROWS; i++) print_row(p, o, &rows[i]);
    json_object_foreach(o, name, v) print_other(p, name, v);
    fputs("</tbody></table></div>\n<p class=\"legend\">Inside and outside of the mask. "
          "&uarr; more is better, &darr; less is better; levels of 255. Formulas: "
          "docs/metrics.md.</p>\n",
          p->f);
}

/* Figures of a film that has been written again since are old. */
static lt_status print_age(const lt_page *p, const json_t *o)
{
    char hex[LT_SHA256_HEX];
    const char *film = json_string_value(json_object_get(o, "film_sha256"));
    const char *path = p->a->cfg->output.path;
    if (!film || !lt_file_exists(path)) return LT_OK;
    const lt_status st = lt_sha256_file(path, hex);
    if (st == LT_OK && strcmp(hex, film) != 0)
        lt_page_note(p, "These are figures of an earlier version of the edited film: run "
                        "`longtake eval` again.");
    return st;
}

static lt_status print_figures(lt_page *p)
{
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t bytes = 0;
    lt_status st = lt_job_file(p->a->job, "report/eval.json", path, sizeof(path));
    if (st == LT_OK) st = lt_file_read(path, 1 << 20, &text, &bytes);
    if (st != LT_OK) return st;
    json_t *o = json_loadb(text, bytes, 0, NULL);
    free(text);
    if (!json_is_object(o)) {
        json_decref(o);
        return LT_FAIL(LT_ERR_DATA,
                       "not a JSON object (%s): make it with `longtake eval "
                       "--job`",
                       path);
    }
    st = print_age(p, o);
    json_object_del(o, "film_sha256");
    print_table(p, o);
    json_decref(o);
    return st == LT_OK ? lt_page_curves(p) : st;
}

lt_status lt_page_figures(lt_page *p)
{
    char path[LT_PATH_MAX];
    if (lt_job_file(p->a->job, "report/eval.json", path, sizeof(path)) != LT_OK ||
        !lt_file_exists(path))
        return LT_OK; /* most jobs have none */
    fputs("<section><h2>How good it is</h2>\n", p->f);
    const lt_status st = lt_page_part(p, print_figures, "figures are not shown");
    fputs("</section>\n", p->f);
    return st;
}
