#ifndef LT_APP_CLI_H
#define LT_APP_CLI_H

#include <stdio.h>

#include "core/status.h"

/* The command line: one typed table of options serves parser, checks and --help, so that
 * these cannot disagree. GNU style: --name VALUE, --name=VALUE, -x VALUE, -xVALUE,
 * switches in one word (-qv), options anywhere, `--` ends them. */

typedef struct lt_app lt_app;

/* Which commands an option belongs to. */
enum {
    LT_CMD_EDIT = 1 << 0,
    LT_CMD_RESUME = 1 << 1,
    LT_CMD_PLAN = 1 << 2,
    LT_CMD_STATUS = 1 << 3,
    LT_CMD_VERIFY = 1 << 4,
    LT_CMD_PREVIEW = 1 << 5,
    LT_CMD_MODELS = 1 << 6,
    LT_CMD_DOCTOR = 1 << 7,
    LT_CMD_SYNTH = 1 << 8,
    LT_CMD_REPORT = 1 << 9,
    LT_CMD_EVAL = 1 << 10,
    LT_CMD_BENCH = 1 << 11,
    LT_CMD_ALL = (1 << 12) - 1,
    LT_CMD_EDITING = LT_CMD_EDIT | LT_CMD_PLAN | LT_CMD_PREVIEW
};

typedef struct lt_command {
    const char *name;
    unsigned bit;
    const char *args;            /* "DIR", for the usage line; "" = none             */
    const char *summary;         /* one line                                         */
    const char *const *examples; /* command lines, NULL at the end                   */
    const char *details;         /* a paragraph, lines ending in \n; may be ""       */
    int min_args, max_args;      /* operands                                         */
    int lists_keys;              /* 1: --help shows the keys of --set                */
    lt_status (*run)(lt_app *app);
} lt_command;

/* A value for the configuration, as the user gave it; of synth and eval: one --edit. */
typedef struct lt_setting {
    const char *section, *key; /* NULL: value is "section.key=value" of --set */
    const char *value;
    const char *option; /* "--seed", for messages */
} lt_setting;

/* Options of synth, NULL: not given. */
typedef struct lt_cli_synth {
    const char *seed, *output, *size, *frames, *rate, *codec;
    const char *truth, *mask, *flow, *captions;
    int training;
} lt_cli_synth;

/* Options of eval, NULL: not given; its --edit are settings. */
typedef struct lt_cli_eval {
    const char *truth, *mask, *source, *flow, *scene, *seed, *ss, *to, *curves;
    const char *suite, *only, *output;
} lt_cli_eval;

/* Options of bench, NULL: not given. */
typedef struct lt_cli_bench {
    const char *model, *seconds;
    int csv;
} lt_cli_bench;

/* Options of report, NULL: not given. */
typedef struct lt_cli_report {
    const char *film, *sheet;
} lt_cli_report;

/* What a command line says. Texts are borrowed from argv. */
typedef struct lt_cli {
    const lt_command *command; /* NULL: none (--help, --version) */
    const char **args;         /* operands, [n_args] */
    int n_args;
    lt_setting *settings; /* in the order typed: later ones win */
    int n_settings;
    int help, version, quiet, verbose, json, no_color;
    int fresh, allow_path_change, compare;
    const char *job, *at, *golden, *dtype, *cpu_path, *threads; /* NULL: not given */
    lt_cli_synth synth;
    lt_cli_eval eval;
    lt_cli_bench bench;
    lt_cli_report report;
} lt_cli;

/* Read a command line; argv[0] is skipped. The caller frees *cli with lt_cli_free.
 * `command` is set as soon as it is known, also when the rest is wrong.
 * Errors: USAGE, naming what is wrong and the nearest name that exists; NOMEM. */
LT_NODISCARD lt_status lt_cli_parse(int argc, char **argv, lt_cli *cli);
void lt_cli_free(lt_cli *cli);

/* --help of a command, or of the program (NULL). Check ferror(f). */
void lt_cli_help(const lt_command *command, FILE *f);

/* " (did you mean `x`?)", or "" when no name is near. names is a
 * list with NULL at the end; out holds 96 bytes. Returns out. */
const char *lt_cli_nearest(const char *word, const char *const *names, char out[96]);

/* All commands, {0} at the end (commands.c). */
extern const lt_command lt_commands[];

#endif
