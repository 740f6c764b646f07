#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "report/page.h"

/* Colours by role, light and dark; everything is sized in relation to the text. */
static const char style[] =
    ":root{--bg:#fbfbf9;--fg:#1d2126;--soft:#5f6873;--line:#d9dde1;--card:#fff;"
    "--a:#1f6fb2;--b:#c2571a;--c0:#b9d3e8;--c1:#7fb0d6;--k:#3c7a3a;--cut:#9b1c31}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--soft:#9aa4ae;"
    "--line:#31373d;--card:#1b1f23;--a:#6cb3ec;--b:#f0a063;--c0:#2b4a63;--c1:#3f6d92;"
    "--k:#86c684;--cut:#f07f92}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--bg);"
    "color:var(--fg);font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.15rem}"
    "h3{font-size:1rem}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
    "padding:.25rem 1rem 1rem;margin:1rem 0}section>video:first-child{margin-top:1rem}"
    ".note,.legend,figcaption{color:var(--soft);font-size:.875rem}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.875rem}"
    "th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid "
    "var(--line);vertical-align:top}td{overflow-wrap:anywhere}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".bar{display:inline-block;height:.7em;background:var(--a);border-radius:2px;"
    "min-width:1px}"
    "td:has(.bar){min-width:10rem}"
    "pre{overflow-x:auto;background:var(--bg);padding:.6rem;border-radius:.3rem}"
    "video,img,svg{max-width:100%;height:auto;display:block}.wide "
    "svg{min-width:38rem}video{width:46rem}"
    ".sheet{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fill,"
    "minmax(8.5rem,1fr))}"
    "figure{margin:0}figure img{width:100%;margin-bottom:2px;border-radius:3px}"
    ".pairs{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(16rem,"
    "1fr))}"
    "svg text{font:11px system-ui,sans-serif;fill:var(--soft)}"
    ".middle{text-anchor:middle}.right{text-anchor:end}"
    "path{fill:none;stroke-width:1.5}.mean{stroke:var(--a)}.region{stroke:var(--b)}"
    ".dash{stroke-dasharray:5 5;stroke-width:1}.key{stroke:var(--k)}"
    ".cut{stroke:var(--cut)}rect.clip0{fill:var(--c0)}rect.clip1{fill:var(--c1)}"
    ".legend i{display:inline-block;width:1em;height:.7em;border-radius:2px;"
    "margin:0 .2em 0 .8em}i.mean{background:var(--a)}i.region{background:var(--b)}"
    "i.clip0{background:var(--c0)}i.clip1{background:var(--c1);margin-left:0}"
    "i.key{background:var(--k)}i.cut{background:var(--cut)}";

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
    fprintf(p->f, " - longtake</title>\n<style>%s</style></head>\n<body>\n<h1>", style);
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

static void print_summary(const lt_page *p)
{
    const lt_config *cfg = p->a->cfg;
    char text[LT_UNIT_TEXT_MAX];
    const lt_option *method = lt_config_option("method", "name");
    fputs("<p class=\"note\">", p->f);
    lt_page_text(p->f, name_of(cfg->input.path));
    fputs(" &rarr; ", p->f);
    lt_page_text(p->f, name_of(cfg->output.path));
    fprintf(p->f,
            "; %lld frames, %s; method %s, %lld steps, guidance %g, seed %lld; model ",
            (long long)p->c.spec.n_frames, lt_duration_format(film_seconds(p), text),
            method->choices[cfg->method.name], (long long)cfg->sampler.steps,
            cfg->sampler.guidance, (long long)cfg->sampler.seed);
    lt_page_text(p->f, name_of(cfg->model.path));
    fputs(lt_job_done(p->a->job, "mux", 0, LT_NO_STEP) ? "; finished" : "; not finished",
          p->f);
    fputs("</p>\n", p->f);
}

static lt_status print_page(lt_page *p)
{
    lt_status st = LT_OK;
    print_head(p);
    print_summary(p);
    LT_TRY(lt_page_films(p));
    LT_TRY(lt_page_mask(p));
    lt_page_timeline(p);
    LT_TRY(lt_page_tokens(p));
    lt_page_figures(p);
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
