#include <string.h>

#include "report/page.h"

static void print_stage(const lt_page *p, const char *name)
{
    const lt_report_args *a = p->a;
    const int64_t all = lt_contents_units(a->job, a->cfg, a->facts, name);
    int64_t done = 0;
    for (int64_t u = 0; u < all; u++)
        done += lt_job_unit(a->job, name, u, LT_NO_STEP) != LT_UNIT_TODO;
    const double share = all > 0 ? (double)done / (double)all : 0;
    fprintf(p->f, "<tr><th scope=\"row\">%s</th><td class=\"n\">%lld of ", name,
            (long long)done);
    if (all < 0)
        fputs("?", p->f);
    else
        fprintf(p->f, "%lld", (long long)all);
    fprintf(p->f,
            "</td><td><span class=\"bar\" style=\"width:%.1f%%\"></span></td></tr>\n",
            100 * share);
}

void lt_page_progress(const lt_page *p)
{
    if (lt_job_done(p->a->job, "mux", 0, LT_NO_STEP)) return;
    fputs("<section><h2>Not finished: how far it is</h2>\n<div class=\"wide\"><table>"
          "<thead><tr><th>stage</th><th class=\"n\">units done</th><th></th></tr></thead>"
          "<tbody>\n",
          p->f);
    for (const char *const *name = lt_contents_stages(p->a->cfg, p->a->facts); *name;
         name++) {
        const int given = p->a->cfg->clips.mode != LT_CLIPS_ADAPTIVE;
        if (!(given && !strcmp(*name, "clips"))) print_stage(p, *name);
    }
    fputs("</tbody></table></div>\n<p>This goes on with it:</p>\n<pre>", p->f);
    lt_page_text(p->f, p->a->command);
    fputs(" resume ", p->f);
    lt_page_word(p->f, lt_job_path(p->a->job));
    fputs("</pre>\n</section>\n", p->f);
}
