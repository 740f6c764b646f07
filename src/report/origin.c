#include <stdlib.h>

#include "report/page.h"

static lt_status print_settings(const lt_page *p)
{
    lt_config def;
    const lt_option *changed[LT_N_OPTIONS];
    const lt_status st = lt_config_default(&def);
    if (st != LT_OK) return st;
    const int n = lt_config_compare(&def, p->a->cfg, changed);
    fputs("<h3>Settings that are not the defaults</h3>\n<div class=\"wide\"><table>\n",
          p->f);
    for (int i = 0; i < n; i++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *f = open_memstream(&text, &bytes);
        if (!f) break; /* the stream of the page says it at the end */
        lt_option_print(changed[i], p->a->cfg, f);
        fclose(f);
        fprintf(p->f, "<tr><th scope=\"row\">%s.%s</th><td>", changed[i]->section,
                changed[i]->key);
        lt_page_text(p->f, text ? text : "");
        fputs("</td></tr>\n", p->f);
        free(text);
    }
    fputs("</table></div>\n", p->f);
    lt_config_free(&def);
    return LT_OK;
}

static void print_versions(const lt_page *p)
{
    fputs("<h3>Versions and identity</h3>\n<div class=\"wide\"><table>\n", p->f);
    for (int i = 0; i < p->a->facts->n; i++)
        lt_page_row(p, p->a->facts->v[i].key, p->a->facts->v[i].value);
    fputs("</table></div>\n", p->f);
}

lt_status lt_page_origin(const lt_page *p)
{
    fputs("<section><h2>Command and versions</h2>\n<p>This gives the same bytes "
          "again:</p>\n<pre>",
          p->f);
    lt_page_text(p->f, p->a->command);
    fputs(" edit ", p->f);
    char path[LT_PATH_MAX];
    lt_status st = lt_job_file(p->a->job, "job.yaml", path, sizeof(path));
    if (st == LT_OK) lt_page_word(p->f, path);
    fputs(" --job NEW-FOLDER -o NEW-FILE</pre>\n", p->f);
    if (st == LT_OK) st = print_settings(p);
    print_versions(p);
    fputs("</section>\n", p->f);
    return st;
}
