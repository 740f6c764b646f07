#include "stages/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/job.h"

void lt_stored_free(lt_stored *s)
{
    if (s->exists) lt_config_free(&s->cfg);
    lt_facts_free(&s->facts);
}

lt_status lt_stored_read(const char *dir, lt_stored *s)
{
    lt_status st = LT_OK;
    lt_job *job = NULL;
    char *text = NULL, path[LT_PATH_MAX];
    if (!lt_folder_exists(dir)) return LT_OK;
    st = lt_job_open(&job, dir, &(lt_job_options){ .mode = LT_JOB_READ });
    if (st == LT_ERR_NOINPUT) return LT_OK; /* an empty folder: the job is made there */
    LT_TRY(st);
    LT_TRY(lt_job_file(job, "job.yaml", path, sizeof(path)));
    if (!lt_job_record(job, "config", 0, LT_NO_STEP) && !lt_file_exists(path))
        goto cleanup; /* killed before it had one: the job is made there */
    LT_TRY(lt_job_config(job, &text));
    LT_TRY(lt_config_default(&s->cfg));
    s->exists = 1;
    LT_TRY(lt_config_load_text(&s->cfg, &s->facts, text, strlen(text), "job.yaml", dir));
cleanup:
    free(text);
    if (lt_job_close(&job) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    return st;
}

static lt_status print_value(const lt_option *o, const lt_config *c, char *out,
                             size_t size)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (comparing options)");
    lt_option_print(o, c, f);
    if (fclose(f) != 0) {
        free(text);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (comparing options)");
    }
    snprintf(out, size, "%.*s", (int)(size - 1), text);
    free(text);
    return LT_OK;
}

static lt_status refuse_change(const lt_option *o, const lt_stored *s,
                               const lt_config *cfg, const char *dir)
{
    char was[128], is[128];
    lt_status st = print_value(o, &s->cfg, was, sizeof(was));
    if (st == LT_OK) st = print_value(o, cfg, is, sizeof(is));
    if (st != LT_OK) return st;
    return LT_FAIL(
        LT_ERR_CONFIG,
        "%s.%s was %s and is now %s, which changes the result (%s): give --fresh "
        "to start over, or another --job",
        o->section, o->key, was, is, dir);
}

lt_status lt_stored_compare(lt_stored *s, const lt_config *cfg, const char *dir)
{
    const lt_option *diff[LT_N_OPTIONS];
    const int n = lt_config_compare(&s->cfg, cfg, diff);
    s->changed = n > 0;
    for (int i = 0; i < n; i++) {
        if (diff[i]->affects == LT_AFFECTS_RESULT)
            return refuse_change(diff[i], s, cfg, dir);
        if (diff[i]->affects == LT_AFFECTS_ENCODE) s->reencode = 1;
    }
    return LT_OK;
}

lt_status lt_stored_compare_fact(const lt_facts *facts, const char *key, const char *now,
                                 const char *what, const char *where)
{
    const char *was = lt_facts_get(facts, key);
    if (!was || !strcmp(was, now)) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG,
                   "%s is not the one this job was made with: other content (%s): give "
                   "--fresh to start over, or another --job",
                   what, where);
}
