#include "app/request.h"

#include <stdlib.h>
#include <string.h>

#include "models/defaults.h"

/* ---- from the command line --------------------------------------------------------- */

static lt_status apply(lt_config *cfg, const lt_setting *s)
{
    char option[40];
    if (!s->section) return lt_config_set(cfg, s->value);
    snprintf(option, sizeof(option), "--%s", s->option);
    return lt_config_set_value(cfg, s->section, s->key, s->value, option);
}

static int is_lora(const lt_setting *s)
{
    return s->option && !strcmp(s->option, "lora");
}

/* Every --lora adds to those before it; the first takes the place of the file's list. */
static lt_status apply_loras(const lt_cli *cli, int last, lt_config *cfg)
{
    char *list = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&list, &bytes);
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (--lora)");
    for (int i = 0; i <= last; i++)
        if (is_lora(&cli->settings[i])) fprintf(f, "%s\n", cli->settings[i].value);
    lt_status st =
        fclose(f) == 0 ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "out of memory (--lora)");
    if (st == LT_OK) st = lt_config_set_value(cfg, "model", "lora", list, "--lora");
    free(list);
    return st;
}

static lt_status apply_all(const lt_cli *cli, lt_config *cfg)
{
    lt_status st = LT_OK;
    for (int i = 0; i < cli->n_settings; i++)
        if (is_lora(&cli->settings[i]))
            LT_TRY(apply_loras(cli, i, cfg));
        else
            LT_TRY(apply(cfg, &cli->settings[i]));
    if (cli->threads)
        LT_TRY(lt_config_set_value(cfg, "run", "threads", cli->threads, "--threads"));
cleanup:
    return st;
}

/* The name of a file without folder and ending. */
static void stem_of(const char *path, char *stem, size_t size, const char **ending)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const int n = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    snprintf(stem, size, "%.*s", n, name);
    *ending = dot && dot > name ? dot : "";
}

/* Containers that can be written keep their ending; others become Matroska, which holds
 * whatever they hold. */
static const char *output_ending(const char *ending)
{
    static const char *const writable[] = { ".mp4", ".m4v", ".mov", ".mkv" };
    for (int i = 0; i < 4; i++)
        if (!strcasecmp(ending, writable[i])) return ending;
    return ".mkv";
}

static lt_status default_output(lt_config *cfg)
{
    char stem[LT_PATH_MAX], name[LT_PATH_MAX + 32];
    const char *ending;
    if (cfg->output.path[0] || !cfg->input.path[0]) return LT_OK;
    stem_of(cfg->input.path, stem, sizeof(stem), &ending);
    snprintf(name, sizeof(name), "%s.edited%s", stem, output_ending(ending));
    return lt_path_absolute(NULL, name, cfg->output.path);
}

static lt_status job_folder(const lt_cli *cli, const lt_config *cfg, char *out)
{
    char stem[LT_PATH_MAX], folder[LT_PATH_MAX], path[2 * LT_PATH_MAX + 8];
    const char *ending;
    if (cli->job && !cli->job[0])
        return LT_FAIL(LT_ERR_USAGE, "--job is empty: name a folder");
    if (cli->job) return lt_path_absolute(NULL, cli->job, out);
    if (!cfg->output.path[0]) return LT_OK;
    stem_of(cfg->output.path, stem, sizeof(stem), &ending);
    const lt_status st = lt_path_folder(cfg->output.path, folder);
    if (st != LT_OK) return st;
    snprintf(path, sizeof(path), "%s/%s.job", folder, stem);
    return lt_path_absolute(NULL, path, out);
}

/* A key whose files have a hash among the facts. */
static int is_hashed(const lt_option *o)
{
    const int others = !strcmp(o->section, "input") || !strcmp(o->section, "sampler");
    return !strcmp(o->section, "model") || (others && o->type == LT_OPT_PATH);
}

/* Hashes of a resolved job.yaml hold for the files it names, not for others. */
static void drop_foreign_facts(lt_request *r, const lt_config *before)
{
    const lt_option *o = lt_config_options();
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (is_hashed(&o[i]) && !lt_option_equal(&o[i], before, &r->cfg))
            lt_facts_free(&r->facts);
}

static lt_status make_on_first(lt_app *app, int preview, lt_request *r)
{
    lt_status st = LT_OK;
    lt_config before = { 0 };
    LT_TRY(lt_config_default(&r->cfg));
    if (app->cli.n_args > 0) LT_TRY(lt_config_load(&r->cfg, &r->facts, app->cli.args[0]));
    LT_TRY(lt_config_copy(&before, &r->cfg));
    LT_TRY(apply_all(&app->cli, &r->cfg));
    drop_foreign_facts(r, &before);
    if (!preview) LT_TRY(default_output(&r->cfg));
    if (!preview) LT_TRY(job_folder(&app->cli, &r->cfg, r->job_dir));
    LT_TRY(lt_config_method_defaults(&r->cfg));
    LT_TRY(lt_model_defaults(r->cfg.model.path, &r->cfg));
    LT_TRY(lt_config_check(&r->cfg));
cleanup:
    lt_config_free(&before);
    return st;
}

/* ---- to the other ranks ------------------------------------------------------------ */

/* Collective. */
static lt_status share_text(lt_app *app, char **text)
{
    lt_status st = LT_OK;
    int64_t bytes = *text ? (int64_t)strlen(*text) + 1 : 0;
    LT_TRY(lt_comm_broadcast_bytes(app->comm, &bytes, sizeof(bytes), 0));
    if (app->rank > 0 && !(*text = malloc((size_t)bytes)))
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (configuration)");
    LT_TRY(lt_comm_agree(app->comm, st));
    LT_TRY(lt_comm_broadcast_bytes(app->comm, *text, (size_t)bytes, 0));
cleanup:
    return st;
}

/* Collective. What rank 0 has becomes everybody's; `st` is rank 0's outcome so far. */
static lt_status share(lt_app *app, lt_status st, lt_request *r)
{
    char *text = NULL;
    if (st == LT_OK && app->rank == 0) st = lt_config_text(&r->cfg, &r->facts, &text);
    LT_TRY(lt_comm_agree(app->comm, st));
    if (app->size == 1) goto cleanup;
    LT_TRY(share_text(app, &text));
    LT_TRY(lt_comm_broadcast_bytes(app->comm, r->job_dir, sizeof(r->job_dir), 0));
    if (app->rank > 0) st = lt_config_default(&r->cfg);
    if (app->rank > 0 && st == LT_OK)
        st =
            lt_config_load_text(&r->cfg, &r->facts, text, strlen(text), "job.yaml", NULL);
    LT_TRY(lt_comm_agree(app->comm, st));
cleanup:
    free(text);
    return st;
}

lt_status lt_request_make(lt_app *app, int preview, lt_request *r)
{
    *r = (lt_request){ 0 };
    const lt_status st =
        share(app, app->rank == 0 ? make_on_first(app, preview, r) : LT_OK, r);
    if (st != LT_OK) lt_request_free(r);
    return st;
}

static lt_status read_folder(lt_app *app, const char *folder, lt_request *r)
{
    lt_status st = LT_OK;
    lt_job *job = NULL;
    char *text = NULL;
    LT_TRY(lt_path_absolute(NULL, folder, r->job_dir));
    LT_TRY(lt_job_open(&job, r->job_dir, &(lt_job_options){ .mode = LT_JOB_READ }));
    LT_TRY(lt_job_config(job, &text));
    LT_TRY(lt_config_default(&r->cfg));
    LT_TRY(lt_config_load_text(&r->cfg, &r->facts, text, strlen(text), "job.yaml",
                               r->job_dir));
    LT_TRY(apply_all(&app->cli, &r->cfg));
    LT_TRY(lt_config_method_defaults(&r->cfg));
    LT_TRY(lt_config_check(&r->cfg));
cleanup:
    free(text);
    if (job && lt_job_close(&job) != LT_OK && st == LT_OK) st = LT_ERR_IO;
    return st;
}

lt_status lt_request_of_folder(lt_app *app, const char *folder, lt_request *r)
{
    *r = (lt_request){ 0 };
    const lt_status st =
        share(app, app->rank == 0 ? read_folder(app, folder, r) : LT_OK, r);
    if (st != LT_OK) lt_request_free(r);
    return st;
}

lt_status lt_request_status(const lt_request *r, lt_status st)
{
    return st == LT_ERR_NOMEM && r->cfg.run.memory > 0 ? LT_ERR_CONFIG : st;
}

void lt_request_free(lt_request *r)
{
    lt_config_free(&r->cfg);
    lt_facts_free(&r->facts);
    *r = (lt_request){ 0 };
}
