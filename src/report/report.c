#include "report/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"

static void print_head(const lt_page *p)
{
    const lt_config *cfg = p->a->cfg;
    const char *prompt = cfg->prompt.edit[0] ? cfg->prompt.edit : "no prompt";
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "img-src data:; media-src data:; style-src 'unsafe-inline'\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          p->f);
    lt_page_text(p->f, prompt);
    fprintf(p->f, " - longtake</title>\n<style>%s</style></head>\n<body>\n<header>",
            lt_page_style);
    fputs("<p>an edit by longtake</p>\n<h1>", p->f);
    if (cfg->prompt.source[0]) {
        lt_page_text(p->f, cfg->prompt.source);
        fputs(" &rarr; ", p->f);
    }
    lt_page_text(p->f, prompt);
    fputs("</h1>\n", p->f);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static double film_seconds(const lt_page *p)
{
    const lt_index_spec *s = &p->c.spec;
    if (!s->pts || s->n_frames < 2 || s->time_base_den <= 0) return 0;
    const double span = (double)(s->pts[s->n_frames - 1] - s->pts[0]);
    return span * (double)s->n_frames / (double)(s->n_frames - 1) *
           (double)s->time_base_num / (double)s->time_base_den;
}

/* One of the facts below the title. */
static void print_fact(const lt_page *p, const char *format, ...)
{
    char text[LT_PATH_MAX + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fputs("<li>", p->f);
    lt_page_text(p->f, text);
    fputs("</li>", p->f);
}

static void print_summary(const lt_page *p)
{
    const lt_config *cfg = p->a->cfg;
    const int done = lt_job_done(p->a->job, "mux", 0, LT_NO_STEP);
    const lt_option *method = lt_config_option("method", "name");
    fprintf(p->f, "<ul><li class=\"%s\">%s</li>", done ? "done" : "open",
            done ? "finished" : "not finished");
    print_fact(p, "%s \u2192 %s", name_of(cfg->input.path), name_of(cfg->output.path));
    print_fact(p, "%lld frames, %.2f s", (long long)p->c.spec.n_frames, film_seconds(p));
    print_fact(p, "method %s", method->choices[cfg->method.name]);
    print_fact(p, "model %s", name_of(cfg->model.path));
    print_fact(p, "%lld steps", (long long)cfg->sampler.steps);
    print_fact(p, "guidance %g", cfg->sampler.guidance);
    print_fact(p, "seed %lld", (long long)cfg->sampler.seed);
    if (cfg->mask.path[0]) print_fact(p, "with a mask");
    fputs("</ul></header>\n", p->f);
}

static lt_status print_page(lt_page *p)
{
    lt_status st = LT_OK;
    print_head(p);
    print_summary(p);
    LT_TRY(lt_page_films(p));
    lt_page_progress(p);
    LT_TRY(lt_page_figures(p));
    LT_TRY(lt_page_mask(p));
    lt_page_timeline(p);
    LT_TRY(lt_page_tokens(p));
    LT_TRY(lt_page_times(p));
    LT_TRY(lt_page_origin(p));
    fputs("</body></html>\n", p->f);
cleanup:
    return st;
}

lt_status lt_report_make(const lt_report_args *a, char **html, size_t *bytes)
{
    lt_status st = LT_OK;
    lt_page p = { .a = a };
    char *text = NULL;
    size_t n = 0;
    LT_TRY(lt_contents_read(a->job, a->cfg, a->facts, &p.c));
    p.f = open_memstream(&text, &n);
    if (!p.f) LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (report)"));
    st = print_page(&p);
    if (fclose(p.f) != 0 && st == LT_OK)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
    if (st != LT_OK) goto cleanup;
    *html = text;
    *bytes = n;
    text = NULL;
cleanup:
    free(text);
    lt_contents_free(&p.c);
    return st;
}
