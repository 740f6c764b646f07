#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/eval.h"
#include "app/scene_file.h"
#include "app/suite.h"
#include "core/file.h"
#include "core/units.h"

/* ---- the command line -------------------------------------------------------------- */

static lt_status take_file(const char *option, const char *text, char *out)
{
    if (!text) return LT_OK;
    if (!text[0]) return LT_FAIL(LT_ERR_USAGE, "%s is empty: give a file", option);
    return lt_path_absolute(NULL, text, out);
}

static lt_status take_job(const char *text, char *out)
{
    char config[LT_PATH_MAX];
    lt_status st = take_file("--job", text, out);
    if (st != LT_OK || !out[0]) return st;
    st = lt_path_absolute(out, "job.yaml", config);
    if (st == LT_OK && !lt_file_exists(config))
        st = LT_FAIL(LT_ERR_NOINPUT, "no job folder (--job %s): give that of the edit",
                     text);
    return st;
}

static lt_status take_mask(const char *text, char *out)
{
    if (!text || !lt_mask_is_box(text)) return take_file("--mask", text, out);
    if (strlen(text) >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_USAGE, "--mask is too long: give box:X,Y,WxH");
    snprintf(out, LT_PATH_MAX, "%s", text);
    return LT_OK;
}

static lt_status take_time(const char *option, const char *text, int64_t *out)
{
    int64_t ns = 0;
    *out = -1;
    if (!text) return LT_OK;
    if (lt_time_parse(text, &ns) != LT_OK)
        return LT_FAIL(LT_ERR_USAGE, "%s %.40s: give seconds, MM:SS or HH:MM:SS.fff",
                       option, text);
    *out = ns / 1000;
    return LT_OK;
}

static lt_status take_seed(const char *text, uint64_t *seed)
{
    int64_t n = 0;
    if (lt_int_parse(text, &n) != LT_OK || n < 0)
        return LT_FAIL(LT_ERR_USAGE, "--seed %.40s: give a whole number, 0 or more",
                       text);
    *seed = (uint64_t)n;
    return LT_OK;
}

static lt_status take_scene(const lt_cli *cli, lt_eval_what *w)
{
    lt_status st = LT_OK;
    uint64_t seed = 0;
    int edits = 0;
    for (int i = 0; i < cli->n_settings; i++)
        edits += !strcmp(cli->settings[i].option, "edit");
    w->has_scene = cli->eval.scene || cli->eval.seed;
    if (!w->has_scene && edits)
        return LT_FAIL(LT_ERR_USAGE, "--edit needs a scene: give --scene or --seed, too");
    if (!w->has_scene) return LT_OK;
    if (cli->eval.seed) LT_TRY(take_seed(cli->eval.seed, &seed));
    LT_TRY(
        lt_scene_file_read(&w->scene, cli->eval.scene, cli->eval.seed ? &seed : NULL, 0));
    w->asked = w->scene;
    for (int i = 0; i < cli->n_settings; i++) {
        int factor = 0;
        if (strcmp(cli->settings[i].option, "edit")) continue;
        LT_TRY(lt_scene_edit_text(&w->asked, cli->settings[i].value, 0, &factor));
        for (int k = 0; k < w->n_factors; k++)
            if (w->factor[k] == factor)
                LT_TRY(LT_FAIL(LT_ERR_USAGE,
                               "%s is edited twice (--edit %.60s): take "
                               "one out",
                               lt_synth_factor_name(factor), cli->settings[i].value));
        w->factor[w->n_factors++] = factor;
    }
cleanup:
    return st;
}

/* By its name, so that a slip does not write over a film. */
static lt_status take_curves(const char *text, char *out)
{
    if (text && !lt_path_ends_in(text, ".csv"))
        return LT_FAIL(LT_ERR_USAGE,
                       "--curves %.80s: the file is made anew, so its name must end in "
                       ".csv",
                       text);
    return take_file("--curves", text, out);
}

static lt_status take_what(const lt_cli *cli, lt_eval_what *w)
{
    lt_status st = LT_OK;
    const lt_cli_eval *c = &cli->eval;
    LT_TRY(take_file("EDITED", cli->args[0], w->edited));
    LT_TRY(take_file("--truth", c->truth, w->truth));
    LT_TRY(take_file("--source", c->source, w->source));
    LT_TRY(take_file("--flow", c->flow, w->flow));
    LT_TRY(take_curves(c->curves, w->curves));
    LT_TRY(take_job(cli->job, w->job));
    LT_TRY(take_mask(c->mask, w->mask));
    for (int i = 0; i < cli->n_settings; i++)
        if (!strcmp(cli->settings[i].option, "model"))
            LT_TRY(take_file("--model", cli->settings[i].value, w->model));
    LT_TRY(take_time("--ss", c->ss, &w->ss));
    LT_TRY(take_time("--to", c->to, &w->to));
    LT_TRY(take_scene(cli, w));
cleanup:
    return st;
}

/* ---- one film ---------------------------------------------------------------------- */

static lt_status judge(lt_app *app)
{
    lt_status st = LT_OK;
    lt_verdict v;
    lt_eval_what *w = calloc(1, sizeof(*w));
    if (!w) return LT_FAIL(LT_ERR_NOMEM, "out of memory (eval)");
    LT_TRY(take_what(&app->cli, w));
    lt_app_catch_signals(app);
    LT_TRY(lt_eval_film(app, w, &v));
    if (app->cli.json)
        LT_TRY(lt_app_print_json(lt_eval_json(&v)));
    else
        lt_eval_print(&v, stdout);
cleanup:
    free(w);
    return st;
}

/* What belongs to one film makes no sense for a suite, and the other way round. */
static lt_status check(const lt_cli *cli)
{
    const lt_cli_eval *c = &cli->eval;
    const char *film = c->truth    ? "--truth"
                       : c->mask   ? "--mask"
                       : c->source ? "--source"
                       : c->flow   ? "--flow"
                       : c->scene  ? "--scene"
                       : c->seed   ? "--seed"
                       : c->curves ? "--curves"
                       : c->ss     ? "--ss"
                       : c->to     ? "--to"
                                   : NULL;
    const char *suite = c->output ? "--output" : c->only ? "--only" : NULL;
    for (int i = 0; i < cli->n_settings; i++) {
        const char *name = cli->settings[i].option;
        if (!strcmp(name, "edit"))
            film = "--edit";
        else if (!suite && strcmp(name, "model"))
            suite = !strcmp(name, "set") ? "--set" : "--method";
    }
    if (!c->suite && !cli->n_args)
        return LT_FAIL(LT_ERR_USAGE, "eval needs EDITED or --suite LIST.json: see "
                                     "`longtake eval --help`");
    if (c->suite && cli->n_args)
        return LT_FAIL(LT_ERR_USAGE, "EDITED and --suite are given (%.80s): take one out",
                       cli->args[0]);
    if (c->suite && film)
        return LT_FAIL(LT_ERR_USAGE,
                       "%s is for one film: with --suite it stands in the "
                       "list",
                       film);
    if (!c->suite && suite)
        return LT_FAIL(LT_ERR_USAGE, "%s needs --suite: give a list, too", suite);
    return LT_OK;
}

lt_status lt_cmd_eval(lt_app *app)
{
    const lt_status st = lt_comm_agree(app->comm, check(&app->cli));
    if (st != LT_OK) return st;
    return app->cli.eval.suite ? lt_suite_run(app) : lt_app_alone(app, judge);
}
