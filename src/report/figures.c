#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/page.h"

static void print_value(const lt_page *p, const char *name, const json_t *v)
{
    char text[64];
    if (json_is_null(v)) {
        lt_page_row(p, name, "not defined");
    } else if (json_is_number(v)) {
        snprintf(text, sizeof(text), "%.6g", json_number_value(v));
        lt_page_row(p, name, text);
    } else if (json_is_string(v)) {
        lt_page_row(p, name, json_string_value(v));
    }
}

void lt_page_figures(const lt_page *p)
{
    char path[LT_PATH_MAX];
    void *text = NULL;
    size_t bytes = 0;
    const char *name;
    json_t *v;
    if (lt_job_file(p->a->job, "report/eval.json", path, sizeof(path)) != LT_OK ||
        lt_file_read(path, 1 << 20, &text, &bytes) != LT_OK)
        return; /* most jobs have none */
    json_t *o = json_loadb(text, bytes, 0, NULL);
    free(text);
    fputs("<section><h2>Quality figures</h2>\n", p->f);
    if (json_is_object(o)) {
        fputs("<div class=\"wide\"><table>\n", p->f);
        json_object_foreach(o, name, v) print_value(p, name, v);
        fputs("</table></div>\n", p->f);
    } else {
        lt_page_note(p, "report/eval.json is not a JSON object: make it with `longtake "
                        "eval --json`.");
    }
    fputs("</section>\n", p->f);
    json_decref(o);
}
