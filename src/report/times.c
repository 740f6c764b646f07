#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"

/* Ranks beyond the last row are added up in it: the page stays readable for 512 ranks. */
enum { STAGES_MAX = 16, RANKS_MAX = 32, NAME_MAX_BYTES = 32 };

typedef struct stage_times {
    char name[NAME_MAX_BYTES];
    int64_t units;
    double seconds[RANKS_MAX];
    int64_t read, written, gathered;
} stage_times;

typedef struct times {
    stage_times stage[STAGES_MAX];
    int n_stages, n_ranks;
    int64_t memory[RANKS_MAX]; /* [bytes] peak */
} times;

/* States saved on the way belong to their stage. */
static const char *stage_of(const char *name)
{
    if (!strcmp(name, "state")) return "edit";
    if (!strcmp(name, "inversion-state")) return "inversion";
    return name;
}

static stage_times *find_stage(times *t, const char *name)
{
    for (int i = 0; i < t->n_stages; i++)
        if (!strcmp(t->stage[i].name, name)) return &t->stage[i];
    if (t->n_stages == STAGES_MAX || strlen(name) >= NAME_MAX_BYTES) return NULL;
    stage_times *s = &t->stage[t->n_stages++];
    strcpy(s->name, name);
    return s;
}

static int64_t whole(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void take_line(times *t, const char *line)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "stage"));
    const char *event = json_string_value(json_object_get(o, "event"));
    const json_int_t said = json_integer_value(json_object_get(o, "rank"));
    stage_times *s = name && said >= 0 ? find_stage(t, stage_of(name)) : NULL;
    if (s) {
        const int rank = said < RANKS_MAX ? (int)said : RANKS_MAX - 1;
        const int64_t memory = whole(o, "memory");
        if (rank >= t->n_ranks) t->n_ranks = rank + 1;
        s->units += event && !strcmp(event, "unit_done");
        s->seconds[rank] += json_number_value(json_object_get(o, "seconds"));
        s->read += whole(o, "bytes_read");
        s->written += whole(o, "bytes_written");
        s->gathered += whole(o, "bytes_gathered");
        if (memory > t->memory[rank]) t->memory[rank] = memory;
    }
    json_decref(o);
}

static void read_times(const lt_page *p, times *t)
{
    char path[LT_PATH_MAX], *line = NULL;
    size_t room = 0;
    if (lt_job_file(p->a->job, "log/metrics.jsonl", path, sizeof(path)) != LT_OK) return;
    FILE *f = lt_file_stream(path);
    while (f && getline(&line, &room, f) > 0) take_line(t, line);
    free(line);
    if (f) fclose(f);
}

static double stage_seconds(const times *t, const stage_times *s)
{
    double sum = 0;
    for (int r = 0; r < t->n_ranks; r++) sum += s->seconds[r];
    return sum;
}

static void print_bytes(FILE *f, int64_t bytes)
{
    char text[LT_UNIT_TEXT_MAX];
    fprintf(f, "<td class=\"n\">%s</td>", bytes ? lt_bytes_about(bytes, text) : "");
}

static void print_stages(const lt_page *p, const times *t)
{
    double total = 0;
    for (int i = 0; i < t->n_stages; i++) total += stage_seconds(t, &t->stage[i]);
    fputs("<h3>By stage</h3>\n<div class=\"wide\"><table><thead><tr><th>stage</th>"
          "<th class=\"n\">units</th><th class=\"n\">seconds</th><th>share</th>"
          "<th class=\"n\">read</th><th class=\"n\">written</th>"
          "<th class=\"n\">between ranks</th></tr></thead><tbody>\n",
          p->f);
    for (int i = 0; i < t->n_stages; i++) {
        const stage_times *s = &t->stage[i];
        const double seconds = stage_seconds(t, s);
        const double share = total > 0 ? seconds / total : 0;
        fprintf(p->f,
                "<tr><th scope=\"row\">%s</th><td class=\"n\">%lld</td>"
                "<td class=\"n\">%.1f</td><td><span class=\"bar\" "
                "style=\"width:%.1f%%\"></span> %.0f %%</td>",
                s->name, (long long)s->units, seconds, 70 * share, 100 * share);
        print_bytes(p->f, s->read);
        print_bytes(p->f, s->written);
        print_bytes(p->f, s->gathered);
        fputs("</tr>\n", p->f);
    }
    fprintf(p->f,
            "<tr><th scope=\"row\">all</th><td></td><td class=\"n\">%.1f</td></tr>\n"
            "</tbody></table></div>\n",
            total);
}

static double rank_seconds(const times *t, int rank)
{
    double sum = 0;
    for (int i = 0; i < t->n_stages; i++) sum += t->stage[i].seconds[rank];
    return sum;
}

static void print_ranks(const lt_page *p, const times *t)
{
    char text[LT_UNIT_TEXT_MAX];
    fputs("<h3>By rank, seconds</h3>\n<div class=\"wide\"><table><thead><tr><th>rank"
          "</th><th class=\"n\">peak memory</th><th class=\"n\">all</th>",
          p->f);
    for (int i = 0; i < t->n_stages; i++)
        fprintf(p->f, "<th class=\"n\">%s</th>", t->stage[i].name);
    fputs("</tr></thead><tbody>\n", p->f);
    for (int r = 0; r < t->n_ranks; r++) {
        fprintf(p->f,
                "<tr><th scope=\"row\">%d%s</th><td class=\"n\">%s</td>"
                "<td class=\"n\">%.1f</td>",
                r, r == RANKS_MAX - 1 ? " and above" : "",
                t->memory[r] ? lt_bytes_about(t->memory[r], text) : "not known",
                rank_seconds(t, r));
        for (int i = 0; i < t->n_stages; i++)
            fprintf(p->f, "<td class=\"n\">%.1f</td>", t->stage[i].seconds[r]);
        fputs("</tr>\n", p->f);
    }
    fputs("</tbody></table></div>\n", p->f);
}

lt_status lt_page_times(lt_page *p)
{
    times *t = calloc(1, sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
    read_times(p, t);
    fputs("<section><h2>Time and memory</h2>\n", p->f);
    if (t->n_stages) {
        lt_page_note(p,
                     "Seconds of work, all ranks together, from log/metrics.jsonl; work "
                     "done twice after an interruption counts twice.");
        print_stages(p, t);
        print_ranks(p, t);
    } else {
        lt_page_note(p, "log/metrics.jsonl is not there or empty.");
    }
    fputs("</section>\n", p->f);
    free(t);
    return LT_OK;
}
