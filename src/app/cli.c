#include "app/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/text.h"

typedef enum flag_kind {
    FLAG_SWITCH, /* int at `offset` becomes 1             */
    FLAG_TEXT,   /* const char * at `offset`              */
    FLAG_KEY,    /* a value of the configuration          */
    FLAG_SET     /* "key=value", may be repeated          */
} flag_kind;

typedef struct flag {
    const char *name;
    char letter; /* 0: none */
    flag_kind kind;
    unsigned commands;
    size_t offset;
    const char *section, *key; /* FLAG_KEY */
    const char *arg;           /* name of the value in --help */
    const char *help;
} flag;

#define SWITCH(name, letter, commands, field, help)                                    \
    {                                                                                  \
        name, letter, FLAG_SWITCH, commands, offsetof(lt_cli, field), 0, 0, NULL, help \
    }
#define TEXT(name, commands, field, arg, help)                                 \
    {                                                                          \
        name, 0, FLAG_TEXT, commands, offsetof(lt_cli, field), 0, 0, arg, help \
    }
#define KEY(name, letter, section, key, arg, help)                         \
    {                                                                      \
        name, letter, FLAG_KEY, LT_CMD_EDITING, 0, section, key, arg, help \
    }

#define SYNTH(name, letter, field, arg, help)                                        \
    {                                                                                \
        name, letter, FLAG_TEXT, LT_CMD_SYNTH,                                       \
            offsetof(lt_cli, synth) + offsetof(lt_cli_synth, field), 0, 0, arg, help \
    }

#define EVAL(name, field, arg, help)                                                   \
    {                                                                                  \
        name, 0, FLAG_TEXT, LT_CMD_EVAL,                                               \
            offsetof(lt_cli, eval) + offsetof(lt_cli_eval, field), 0, 0, arg, help     \
    }

#define REPORT(name, field, arg, help)                                                 \
    {                                                                                  \
        name, 0, FLAG_TEXT, LT_CMD_REPORT,                                             \
            offsetof(lt_cli, report) + offsetof(lt_cli_report, field), 0, 0, arg, help \
    }

/* clang-format off */
static const flag flags[] = {
    KEY("input", 'i', "input", "path", "FILE", "the video to edit"),
    KEY("output", 'o', "output", "path", "FILE",
        "the result; default <stem>.edited.<ext> here (preview: <stem>.preview.png)"),
    TEXT("job", LT_CMD_EDITING, job, "DIR",
         "job folder; default: the output without its extension plus .job"),
    KEY("model", 0, "model", "path", "PATH",
        "a model: a folder in diffusers' layout, or a safetensors file"),
    KEY("lora", 0, "model", "lora", "FILE[:WEIGHT]",
        "LoRA merged into the model; may be repeated"),
    KEY("method", 0, "method", "name", "NAME", "adaflow | tokenflow | frame"),
    KEY("prompt", 0, "prompt", "edit", "TEXT", "what the result shows"),
    KEY("source-prompt", 0, "prompt", "source", "TEXT", "what the source shows"),
    KEY("negative-prompt", 0, "prompt", "negative", "TEXT", "what it must not show"),
    KEY("mask", 0, "mask", "path", "PATH",
        "what may change, white = edit: PNG, folder of PNG, video, or box:X,Y,WxH"),
    KEY("seed", 0, "sampler", "seed", "N", "of the random numbers"),
    KEY("ss", 0, "input", "ss", "TIME", "begin here: seconds, MM:SS or HH:MM:SS.fff"),
    KEY("to", 0, "input", "to", "TIME", "end before this time"),
    KEY("codec", 0, "output", "codec", "NAME", "libx264 | libx265 | ffv1 | prores"),
    KEY("crf", 0, "output", "crf", "N", "constant quality: smaller is better"),
    KEY("preset", 0, "output", "preset", "NAME", "of the encoder: ultrafast .. placebo"),
    KEY("pix-fmt", 0, "output", "pix_fmt", "NAME", "pixel format: yuv420p10le, ..."),
    TEXT("at", LT_CMD_PREVIEW, at, "TIME", "the frame shown at this time"),
    SWITCH("compare", 0, LT_CMD_PREVIEW, compare, "source and edit side by side"),
    TEXT("golden", LT_CMD_MODELS, golden, "FILE", "check: what to compare with"),
    TEXT("dtype", LT_CMD_MODELS, dtype, "NAME", "check: f32 (default) or bf16"),
    TEXT("cpu-path", LT_CMD_MODELS, cpu_path, "NAME",
         "check: as run.cpu_path; default: what suits this CPU"),
    SWITCH("fresh", 0, LT_CMD_EDITING, fresh, "throw the folder's work away"),
    SWITCH("allow-path-change", 0, LT_CMD_EDITING | LT_CMD_RESUME | LT_CMD_EVAL,
           allow_path_change,
           "go on with another CPU path: the result's bits change"),
    { "set", 0, FLAG_SET, LT_CMD_EDITING, 0, 0, 0, "KEY=VALUE",
      "section.key=value of the configuration; repeatable" },
    SYNTH("output", 'o', output, "FILE",
          "the clip, .mp4, .mov or .mkv; default <stem of SCENE>.mp4 or seed-<N>.mp4"),
    SYNTH("seed", 0, seed, "N", "what the scene does not say is drawn from it (1)"),
    SYNTH("size", 0, size, "WxH", "pixels (256x256)"),
    SYNTH("frames", 0, frames, "N", "length (96)"),
    SYNTH("rate", 0, rate, "R",
          "frames a second, 24 or 30000/1001; default: the scene's"),
    SYNTH("codec", 0, codec, "NAME", "libx264 (default) or ffv1: lossless, in .mkv"),
    { "edit", 0, FLAG_SET, LT_CMD_SYNTH, 0, 0, 0, "FACTOR[=VALUE]",
      "change a factor, to a value of your choice or of the seed's; repeatable" },
    SYNTH("truth", 0, truth, "FILE", "the true edited clip, as -o"),
    SYNTH("mask", 0, mask, "FILE",
          "where the object is in the source: white; lossless in .mkv"),
    SYNTH("flow", 0, flow, "FILE.h5", "exact motion: /flow and /visible"),
    SYNTH("captions", 0, captions, "FILE.json", "texts: source, edit, instruction"),
    { "training", 0, FLAG_SWITCH, LT_CMD_SYNTH,
      offsetof(lt_cli, synth) + offsetof(lt_cli_synth, training), 0, 0, NULL,
      "refuse the combinations that are kept for judging" },
    EVAL("truth", truth, "FILE", "the true edit, frame for frame"),
    EVAL("source", source, "FILE", "what was edited"),
    EVAL("mask", mask, "PATH", "white = edited: video, folder, PNG or box:X,Y,WxH"),
    EVAL("flow", flow, "FILE.h5", "motion of `synth --flow`; default: estimated"),
    EVAL("scene", scene, "FILE", "scene of the source: what is not given is rendered"),
    EVAL("seed", seed, "N", "seed of the scene"),
    { "edit", 0, FLAG_SET, LT_CMD_EVAL, 0, 0, 0, "FACTOR[=VALUE]",
      "what the edit was to change in the scene; repeatable" },
    EVAL("suite", suite, "LIST", "LIST.json or a folder: many edits, made and judged"),
    EVAL("only", only, "PATTERN", "of a suite: entries whose name is like `robot*`"),
    { "output", 'o', FLAG_TEXT, LT_CMD_EVAL,
      offsetof(lt_cli, eval) + offsetof(lt_cli_eval, output), 0, 0, "FILE.csv",
      "of a suite: the table; default results.csv in its folder" },
    TEXT("job", LT_CMD_EVAL, job, "DIR",
         "the edit's job: keep the figures for its report; of a suite: its folder"),
    { "model", 0, FLAG_KEY, LT_CMD_EVAL, 0, "model", "path", "DIR",
      "tell how similar frames are by its features; of a suite: model of all" },
    { "method", 0, FLAG_KEY, LT_CMD_EVAL, 0, "method", "name", "NAME",
      "of a suite: method of all entries" },
    { "set", 0, FLAG_SET, LT_CMD_EVAL, 0, 0, 0, "KEY=VALUE",
      "of a suite: section.key=value for all entries; repeatable" },
    SWITCH("fresh", 0, LT_CMD_EVAL, fresh, "of a suite: throw its work away"),
    EVAL("ss", ss, "TIME", "truth and source begin here, as the edit did"),
    EVAL("to", to, "TIME", "truth and source end before this time"),
    EVAL("curves", curves, "FILE.csv", "write the figures of every frame"),
    REPORT("film", film, "FILE", "write source and edit side by side, .mp4, .mov or .mkv"),
    REPORT("sheet", sheet, "FILE", "write frames, source above edit, .jpg or .png"),
    TEXT("model", LT_CMD_BENCH, bench.model, "DIR",
         "time a whole UNet, VAE and text encoder, too"),
    TEXT("dtype", LT_CMD_BENCH, dtype, "NAME", "f32 or bf16; default: what the path is for"),
    TEXT("cpu-path", LT_CMD_BENCH, cpu_path, "NAME",
         "as run.cpu_path; default: what suits this CPU"),
    TEXT("seconds", LT_CMD_BENCH, bench.seconds, "S", "a case is repeated so long (0.3)"),
    SWITCH("csv", 0, LT_CMD_BENCH, bench.csv, "the result as CSV"),
    TEXT("threads",
         LT_CMD_EVAL | LT_CMD_EDITING | LT_CMD_RESUME | LT_CMD_MODELS | LT_CMD_BENCH,
         threads, "N",
         "threads of a process; default: all CPUs it may use"),
    SWITCH("help", 'h', LT_CMD_ALL, help, "show this"),
    SWITCH("version", 0, LT_CMD_ALL, version, "versions of longtake and its libraries"),
    SWITCH("quiet", 'q', LT_CMD_ALL, quiet, "errors only"),
    SWITCH("verbose", 'v', LT_CMD_ALL, verbose, "more about what happens"),
    SWITCH("json", 0, LT_CMD_ALL, json, "the result as one JSON object"),
    SWITCH("no-color", 0, LT_CMD_ALL, no_color, "no colours on the terminal"),
};
/* clang-format on */

enum { N_FLAGS = sizeof(flags) / sizeof(*flags) };

/* ---- suggestions ------------------------------------------------------------------- */

const char *lt_cli_nearest(const char *word, const char *const *names, char out[96])
{
    const char *best = NULL;
    int least = 1 + (int)(strlen(word) / 3); /* farther than this is no typing error */
    if (least > 3) least = 3;
    for (; *names; names++) {
        const int d = lt_edit_distance(word, *names);
        const int begins = strlen(word) >= 4 && !strncmp(word, *names, strlen(word));
        if ((best ? d >= least : d > least) && !(begins && !best)) continue;
        if (d <= least) least = d;
        best = *names;
    }
    out[0] = '\0';
    if (best) snprintf(out, 96, " (did you mean `%.40s`?)", best);
    return out;
}

static lt_status unknown_option(const lt_cli *c, const char *word)
{
    const char *names[N_FLAGS + 1];
    char dashed[N_FLAGS][32], plain[64], near[96];
    int n = 0;
    for (int i = 0; i < N_FLAGS; i++) {
        if (c->command && !(flags[i].commands & c->command->bit)) continue;
        snprintf(dashed[n], sizeof(dashed[n]), "--%s", flags[i].name);
        names[n] = dashed[n];
        n++;
    }
    names[n] = NULL;
    snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(word, "="), word);
    lt_cli_nearest(plain, names, near);
    return LT_FAIL(LT_ERR_USAGE, "unknown option %.80s%s: see `longtake%s%s --help`",
                   plain, near, c->command ? " " : "",
                   c->command ? c->command->name : "");
}

static lt_status unknown_command(const char *word)
{
    const char *names[16];
    char near[96];
    int n = 0;
    for (const lt_command *k = lt_commands; k->name && n < 15; k++) names[n++] = k->name;
    names[n] = NULL;
    return LT_FAIL(LT_ERR_USAGE, "unknown command %.80s%s: see `longtake --help`", word,
                   lt_cli_nearest(word, names, near));
}

/* ---- parsing ----------------------------------------------------------------------- */

typedef struct parser {
    int argc, i; /* i: the next word */
    char **argv;
    lt_cli *c;
} parser;

/* Options of other commands are unknown; before the command only those of all count. */
static const flag *find_flag(const lt_cli *c, const char *name, size_t n, char letter)
{
    for (int i = 0; i < N_FLAGS; i++) {
        const flag *f = &flags[i];
        const int here =
            c->command ? (f->commands & c->command->bit) != 0 : f->commands == LT_CMD_ALL;
        if (!here) continue;
        if (letter && f->letter == letter) return f;
        if (name && strlen(f->name) == n && !strncmp(f->name, name, n)) return f;
    }
    return NULL;
}

static void store(lt_cli *c, const flag *f, const char *value)
{
    char *base = (char *)c;
    if (f->kind == FLAG_SWITCH) {
        const int one = 1;
        memcpy(base + f->offset, &one, sizeof(one));
    } else if (f->kind == FLAG_TEXT) {
        memcpy(base + f->offset, &value, sizeof(value));
    } else {
        c->settings[c->n_settings++] = (lt_setting){
            .section = f->section, .key = f->key, .value = value, .option = f->name
        };
    }
}

/* The value of an option: the rest of its word, or the next word. */
static lt_status take_value(parser *p, const flag *f, const char *rest)
{
    if (!rest && p->i >= p->argc)
        return LT_FAIL(LT_ERR_USAGE, "--%s needs a value (%s): see `longtake %s --help`",
                       f->name, f->arg, p->c->command->name);
    store(p->c, f, rest ? rest : p->argv[p->i++]);
    return LT_OK;
}

static lt_status parse_long(parser *p, const char *word)
{
    const char *name = word + 2;
    const size_t n = strcspn(name, "=");
    const flag *f = find_flag(p->c, name, n, 0);
    if (!f) return unknown_option(p->c, word);
    if (f->kind != FLAG_SWITCH) return take_value(p, f, name[n] ? name + n + 1 : NULL);
    if (name[n])
        return LT_FAIL(LT_ERR_USAGE, "--%s takes no value (%.80s): leave it out", f->name,
                       word);
    store(p->c, f, NULL);
    return LT_OK;
}

static lt_status parse_letters(parser *p, const char *word)
{
    for (const char *s = word + 1; *s; s++) {
        const flag *f = find_flag(p->c, NULL, 0, *s);
        if (!f) return unknown_option(p->c, word);
        if (f->kind != FLAG_SWITCH) return take_value(p, f, s[1] ? s + 1 : NULL);
        store(p->c, f, NULL);
    }
    return LT_OK;
}

static lt_status parse_operand(parser *p, const char *word)
{
    lt_cli *c = p->c;
    if (c->command) {
        c->args[c->n_args++] = word;
        return LT_OK;
    }
    for (const lt_command *k = lt_commands; k->name; k++)
        if (!strcmp(k->name, word)) c->command = k;
    return c->command ? LT_OK : unknown_command(word);
}

static lt_status check_operands(const lt_cli *c)
{
    const lt_command *k = c->command;
    if (c->help || c->version) return LT_OK;
    if (!k)
        return LT_FAIL(LT_ERR_USAGE,
                       "no command is given: see `longtake --help` for what there is");
    if (c->quiet && c->verbose)
        return LT_FAIL(LT_ERR_USAGE,
                       "--quiet and --verbose contradict each other: leave one out");
    if (c->n_args < k->min_args)
        return LT_FAIL(LT_ERR_USAGE, "%s needs %s: see `longtake %s --help`", k->name,
                       k->args, k->name);
    if (c->n_args > k->max_args)
        return LT_FAIL(LT_ERR_USAGE,
                       "unexpected argument %.80s: see `longtake %s --help`",
                       c->args[k->max_args], k->name);
    return LT_OK;
}

lt_status lt_cli_parse(int argc, char **argv, lt_cli *cli)
{
    lt_status st = LT_OK;
    parser p = { .argc = argc, .i = 1, .argv = argv, .c = cli };
    const size_t n = (size_t)(argc > 0 ? argc : 1);
    int ended = 0;
    *cli = (lt_cli){ 0 };
    cli->args = calloc(n, sizeof(*cli->args));
    cli->settings = calloc(n, sizeof(*cli->settings));
    if (!cli->args || !cli->settings)
        LT_TRY(LT_FAIL(LT_ERR_NOMEM, "out of memory (command line)"));
    while (p.i < argc) {
        const char *word = argv[p.i++];
        if (!ended && !strcmp(word, "--"))
            ended = 1;
        else if (!ended && !strncmp(word, "--", 2))
            LT_TRY(parse_long(&p, word));
        else if (!ended && word[0] == '-' && word[1])
            LT_TRY(parse_letters(&p, word));
        else
            LT_TRY(parse_operand(&p, word));
    }
    LT_TRY(check_operands(cli));
cleanup:
    return st;
}

void lt_cli_free(lt_cli *cli)
{
    free(cli->args);
    free(cli->settings);
    *cli = (lt_cli){ 0 };
}

/* ---- help -------------------------------------------------------------------------- */

static void print_flag(const flag *f, FILE *out)
{
    char left[64];
    const char letter[5] = { '-', f->letter, ',', ' ', '\0' };
    snprintf(left, sizeof(left), "%s--%s%s%s", f->letter ? letter : "    ", f->name,
             f->arg ? " " : "", f->arg ? f->arg : "");
    fprintf(out, "  %-28s %s\n", left, f->help);
}

static void print_keys(FILE *out)
{
    const lt_option *o = lt_config_options();
    fprintf(out, "\nKeys of --set and of JOB.yaml, with their defaults "
                 "(more: configs/reference.yaml):\n");
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        char left[96];
        snprintf(left, sizeof(left), "%s.%s=%s", o[i].section, o[i].key, o[i].def);
        fprintf(out, "  %-32s %s\n", left, o[i].help);
    }
}

static void help_program(FILE *out)
{
    fprintf(out,
            "longtake edits long videos from a text prompt.\n\nExamples:\n"
            "  longtake edit -i clip.mp4 --model sd15 --prompt \"a silver robot\"\n"
            "  longtake preview -i clip.mp4 --model sd15 --prompt \"a silver robot\" "
            "--at 3.5\n"
            "  mpirun -n 8 longtake edit job.yaml\n\nCommands:\n");
    for (const lt_command *k = lt_commands; k->name; k++) {
        char left[64];
        snprintf(left, sizeof(left), "%s %s", k->name, k->args);
        fprintf(out, "  %-28s %s\n", left, k->summary);
    }
    fprintf(out, "\nOptions of all commands:\n");
    for (int i = 0; i < N_FLAGS; i++)
        if (flags[i].commands == LT_CMD_ALL) print_flag(&flags[i], out);
    fprintf(out,
            "\n`longtake COMMAND --help` says more. Exit codes: 0 done, 64 usage, 65 "
            "bad data,\n66 no such input, 69 device or library missing, 73 cannot "
            "create or in use,\n74 I/O, 75 stopped early (run again to continue), "
            "78 bad configuration.\n");
}

void lt_cli_help(const lt_command *k, FILE *out)
{
    if (!k) {
        help_program(out);
        return;
    }
    fprintf(out, "longtake %s: %s\n\nExamples:\n", k->name, k->summary);
    for (const char *const *e = k->examples; *e; e++) fprintf(out, "  %s\n", *e);
    fprintf(out, "\nUsage: longtake %s %s%s[options]\n", k->name, k->args,
            k->args[0] ? " " : "");
    if (k->details[0]) fprintf(out, "\n%s", k->details);
    fprintf(out, "\nOptions:\n");
    for (int i = 0; i < N_FLAGS; i++)
        if (flags[i].commands & k->bit) print_flag(&flags[i], out);
    if (k->lists_keys) print_keys(out);
}
