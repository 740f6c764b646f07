/* The configuration as a user meets it. Argument: the folder configs/ of the tree; or
 * --write FILE, which rewrites the reference from the option table. */
#include "core/config.h"

#include <string.h>

#include "check.h"
#include "tmpdir.h"

static const char *configs;

static lt_status load(lt_config *c, lt_facts *facts, const char *text, size_t bytes)
{
    return lt_config_load_text(c, facts, text, bytes, "job.yaml", "/base");
}

/* What is written, the line of the complaint, and words it must hold. */
static const struct {
    const char *yaml;
    int line;
    const char *words[2];
} refusals[] = {
    { "sampler:\n  stepps: 3\n",
      2,
      { "unknown key 'sampler.stepps'", "'sampler.steps'" } },
    { "sampler:\n  ensemble: 3\n", 2, { "unknown key", "'features.ensemble'" } },
    { "sampler:\n  qqqqqqqq: 3\n", 2, { "unknown key", "reference.yaml" } },
    { "sampller:\n  steps: 3\n", 1, { "unknown section 'sampller'", "'sampler'" } },
    { "quux:\n  steps: 3\n", 1, { "unknown section 'quux'", "reference.yaml" } },
    { "video:\n  path: m.mp4\n", 1, { "unknown section 'video'", "" } },
    { "mask:\n  feather: -1\n", 2, { "mask.feather", "out of range" } },
    { "mask:\n  dilate: .nan\n", 2, { "mask.dilate", "whole number" } },
    { "mask:\n  invert: maybe\n", 2, { "mask.invert", "true or false" } },
    { "method:\n  name: raft\n", 2, { "'raft'", "adaflow, frame, tokenflow" } },
    { "sampler:\n  steps: fifty\n", 2, { "sampler.steps", "whole number" } },
    { "sampler:\n  steps: 50x\n", 2, { "sampler.steps", "'50x'" } },
    { "sampler:\n  steps: 5 0\n", 2, { "sampler.steps", "'5 0'" } },
    { "sampler:\n  steps: \"50\"\n", 2, { "sampler.steps", "in quotes" } },
    { "sampler:\n  steps:\n", 2, { "sampler.steps", "without a value" } },
    { "sampler:\n  steps: 0\n", 2, { "out of range", "1 to 1000" } },
    { "sampler:\n  seed: -1\n", 2, { "sampler.seed", "out of range" } },
    { "sampler:\n  seed: 9223372036854775808\n", 2, { "sampler.seed", "whole number" } },
    { "sampler:\n  guidance: .inf\n", 2, { "sampler.guidance", "not a number" } },
    { "sampler:\n  guidance: 101\n", 2, { "sampler.guidance", "0 to 100" } },
    { "sampler:\n  steps: [50]\n", 2, { "sampler.steps", "list" } },
    { "sampler:\n  steps: {a: 1}\n", 2, { "sampler.steps", "mapping" } },
    { "sampler: 50\n", 1, { "section 'sampler'", "not a mapping" } },
    { "sampler: [steps]\n", 1, { "section 'sampler'", "not a mapping" } },
    { "clips:\n  begins: 0\n", 2, { "clips.begins", "not a list" } },
    { "clips:\n  begins: [0, [1]]\n", 2, { "clips.begins", "nested" } },
    { "clips:\n  begins: [0, x]\n", 2, { "clips.begins", "'x'" } },
    { "clips:\n  begins: [0, \"1\"]\n", 2, { "clips.begins", "numbers" } },
    { "clips:\n  begins: [0, -1]\n", 2, { "clips.begins", "out of range" } },
    { "clips:\n  begins:\n    - 0\n    -\n", 4, { "clips.begins", "numbers" } },
    { "input:\n  ss: 00:61\n", 2, { "input.ss", "HH:MM:SS" } },
    { "run:\n  memory: lots\n", 2, { "run.memory", "64G" } },
    { "sampler:\n  steps: 3\n  steps: 3\n", 3, { "set twice", "line 2" } },
    { "run:\n  threads: 1\nsampler:\n  steps: 3\nrun:\n  keep: all\n",
      5,
      { "twice", "" } },
    { "sampler: &a\n  steps: 3\n", 1, { "anchors", "" } },
    { "sampler:\n  steps: &a 3\n", 2, { "anchors", "" } },
    { "sampler: *a\n", 1, { "aliases", "" } },
    { "sampler:\n  steps: !!int 3\n", 2, { "tags", "" } },
    { "sampler:\n  <<: {steps: 3}\n", 2, { "unknown key 'sampler.<<'", "" } },
    { "? [a, b]\n: 3\n", 1, { "section name", "" } },
    { "sampler:\n  ? [a, b]\n  : 3\n", 2, { "a key is not a word", "" } },
    { "- sampler\n", 1, { "not a configuration", "" } },
    { "sampler\n", 1, { "not a configuration", "" } },
    { "---\nsampler:\n  steps: 3\n---\nrun:\n", 4, { "second document", "" } },
    { "sampler:\n\tsteps: 3\n", 2, { "not valid YAML", "" } },
    { "sampler: {steps: 3\n", 2, { "not valid YAML", "" } },
    { "sampler:\n  steps: \"3\n", 3, { "not valid YAML", "" } },
    { "prompt:\n  edit: \"a\\0b\"\n", 2, { "zero byte", "" } },
    { "prompt:\n  edit: \xff\n", 2, { "not valid YAML", "" } },
    { "job:\n  a: [1]\n", 2, { "job", "text" } },
    { "job:\n  a: 1\n  a: 2\n", 3, { "twice", "" } },
    { "job:\n  A b: 1\n", 2, { "job", "" } },
};

static void test_refusals(void)
{
    static lt_config c, before;
    char line[32];
    lt_facts facts = { 0 };
    CHECK(lt_config_default(&c) == LT_OK && lt_config_default(&before) == LT_OK);
    CHECK(lt_facts_set(&facts, "kept", "1") == LT_OK);
    const lt_option *differ[LT_N_OPTIONS];
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const char *yaml = refusals[i].yaml;
        const lt_status st = load(&c, &facts, yaml, strlen(yaml));
        snprintf(line, sizeof(line), "(job.yaml:%d): ", refusals[i].line);
        const char *message = lt_error_message();
        if (st != LT_ERR_CONFIG || !strstr(message, line) ||
            !strstr(message, refusals[i].words[0]) ||
            !strstr(message, refusals[i].words[1]) || strchr(message, '\n')) {
            fprintf(stderr, "case %zu, status %d:\n%s%s\n", i, st, yaml, message);
            CHECK(!"the refusal above");
        }
        CHECK(lt_config_compare(&c, &before, differ) == 0);
        CHECK(facts.n == 1 && !strcmp(lt_facts_get(&facts, "kept"), "1"));
    }
    lt_facts_free(&facts);
    lt_config_free(&c);
    lt_config_free(&before);
}

static void test_hostile_size(void)
{
    static lt_config c;
    const size_t n = 1 << 20;
    char *text = malloc(n);
    CHECK(text && lt_config_default(&c) == LT_OK);
    memset(text, '[', n);
    CHECK(load(&c, NULL, text, n) == LT_ERR_CONFIG);
    memset(text, '{', n);
    CHECK(load(&c, NULL, text, n) == LT_ERR_CONFIG);
    memset(text, 0, n);
    CHECK(load(&c, NULL, text, n) == LT_ERR_CONFIG);
    free(text);
    lt_config_free(&c);
}

/* Every prefix and every one-byte damage of a real file: an error or fine, no crash. */
static void test_damage(void)
{
    static const char yaml[] = "input: {path: a.mp4, ss: '1:30'}\nclips:\n  mode: list\n"
                               "  begins: [0, 5, 10]\nprompt:\n  edit: >\n    a dog\n"
                               "    runs\njob: {x: \"1\"}\n";
    static lt_config c;
    static char text[sizeof(yaml)];
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof(yaml); i++) {
        for (int k = 0; k < 8; k++) {
            memcpy(text, yaml, sizeof(yaml));
            if (k > 0) text[i] = (char)check_rand(&seed);
            CHECK(lt_config_default(&c) == LT_OK);
            const lt_status st = load(&c, NULL, text, k > 0 ? sizeof(yaml) - 1 : i);
            CHECK(st == LT_OK || st == LT_ERR_CONFIG);
            lt_config_free(&c);
        }
    }
}

static void test_accepted(void)
{
    static const char yaml[] = "# a comment\nprompt:\n  edit: 42\n  source: null\n"
                               "  negative: |\n    one\n    two\nrun:\n"
                               "input:\n  path: sub/a.mp4\n  to: 1:00:00.5\n"
                               "clips:\n  mode: list\n  begins:\n    - 0\n    - 7\n"
                               "job:\n  input_sha256: abc\n  empty: \"\"\n";
    static lt_config c;
    char where[LT_WHERE_MAX];
    lt_facts facts = { 0 };
    CHECK(lt_config_default(&c) == LT_OK);
    CHECK(load(&c, &facts, yaml, strlen(yaml)) == LT_OK);
    CHECK(!strcmp(c.prompt.edit, "42") && !*c.prompt.source);
    CHECK(!strcmp(c.prompt.negative, "one\ntwo\n"));
    CHECK(!strcmp(c.input.path, "/base/sub/a.mp4"));
    CHECK(c.input.to == 3600 * LT_TIME_SECOND + LT_TIME_SECOND / 2 && c.input.ss == 0);
    CHECK(c.clips.begins.n == 2 && c.clips.begins.v[1] == 7);
    CHECK(c.sampler.steps == 50 && c.sampler.guidance == 7.5);
    CHECK(facts.n == 2 && !strcmp(lt_facts_get(&facts, "input_sha256"), "abc"));
    CHECK(!strcmp(lt_facts_get(&facts, "empty"), "") && !lt_facts_get(&facts, "none"));
    CHECK(lt_config_check(&c) == LT_OK);
    const lt_option *o = lt_config_option("clips", "begins");
    CHECK(!strcmp(lt_config_where(&c, o, where), "job.yaml:14"));
    CHECK(load(&c, NULL, "", 0) == LT_OK && load(&c, NULL, "# only\n", 7) == LT_OK);
    CHECK(load(&c, NULL, "{\"sampler\": {\"steps\": 9}}", 25) == LT_OK); /* JSON */
    CHECK(c.sampler.steps == 9 && c.clips.begins.n == 2);
    lt_facts_free(&facts);
    lt_config_free(&c);
}

static void test_set(void)
{
    static const char *const bad[][2] = {
        { "sampler.steps", "section.key=value" },
        { "sampler=3", "section.key=value" },
        { ".steps=3", "section.key=value" },
        { "sampler.=3", "section.key=value" },
        { "=", "section.key=value" },
        { "sampler.step=3", "'sampler.steps'" },
        { "sampler.steps=", "whole number" },
        { "sampler.steps=3 ", "'3 '" },
        { "sampler.steps=\"3\"", "whole number" },
        { "clips.begins=[0,x]", "'x'" },
        { "method.name=via", "adaflow, frame" },
        { "job.input_sha256=0", "unknown section" },
    };
    static lt_config c;
    CHECK(lt_config_default(&c) == LT_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(lt_config_set(&c, bad[i][0]) == LT_ERR_CONFIG);
        CHECK(strstr(lt_error_message(), "(--set ") &&
              strstr(lt_error_message(), bad[i][1]));
    }
    CHECK(lt_config_set(&c, "prompt.edit=a = b.c: {d}") == LT_OK);
    CHECK(!strcmp(c.prompt.edit, "a = b.c: {d}"));
    CHECK(lt_config_set(&c, "clips.begins=[0, 12]") == LT_OK && c.clips.begins.n == 2);
    CHECK(lt_config_set(&c, "clips.begins=0,1,2") == LT_OK && c.clips.begins.n == 3);
    CHECK(lt_config_set_value(&c, "sampler", "seed", "9x", "--seed 9x") == LT_ERR_CONFIG);
    CHECK(strstr(lt_error_message(), "(--seed 9x)"));
    lt_config_free(&c);
}

static void test_check(void)
{
    /* Settings, and the key that is complained about; NULL: fine. */
    static const char *const cases[][4] = {
        { "sampler.steps=20", NULL, NULL, "sampler.inversion_steps" },
        { "sampler.steps=20", "sampler.inversion_steps=100", NULL, NULL },
        { "sampler.inversion_steps=25", NULL, NULL, "sampler.inversion_steps" },
        { "sampler.name=ddim", NULL, NULL, NULL },
        { "sampler.name=euler", NULL, NULL, "sampler.name" },
        { "sampler.latents=x", NULL, NULL, "sampler.latents" },
        { "sampler.name=euler", "sampler.latents=x", "method.name=frame", NULL },
        { "sampler.steps=20", "method.name=frame", NULL, NULL }, /* the model says */
        { "sampler.strength=0.9", NULL, NULL, NULL },
        { "sampler.strength=0.04", NULL, NULL, NULL }, /* one of 50 steps */
        { "sampler.strength=0.03", NULL, NULL, "sampler.strength" },
        { "sampler.strength=0", NULL, NULL, "sampler.strength" },
        { "input.ss=5", "input.to=5", NULL, "input.to" },
        { "input.ss=5", "input.to=5.000000001", NULL, NULL },
        { "clips.begins=0,5", NULL, NULL, "clips.begins" },
        { "clips.mode=list", NULL, NULL, "clips.begins" },
        { "clips.mode=list", "clips.begins=1,5", NULL, "clips.begins" },
        { "clips.mode=list", "clips.begins=0,5,5", NULL, "clips.begins" },
        { "clips.mode=list", "clips.begins=0,401", NULL, "clips.begins" },
        { "clips.mode=list", "clips.begins=0,400", NULL, NULL },
        { "clips.mode=fixed", "clips.length=500", NULL, "clips.length" },
        { "clips.length=500", NULL, NULL, NULL },
        { "mask.invert=true", NULL, NULL, "mask.invert" },
        { "mask.dilate=-3", NULL, NULL, "mask.dilate" },
        { "mask.feather=3", "mask.path=", NULL, "mask.feather" },
        { "mask.feather=3", "mask.path=box:1,2,3x4", NULL, NULL },
    };
    static lt_config c;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(lt_config_default(&c) == LT_OK);
        for (int k = 0; k < 3 && cases[i][k]; k++)
            CHECK(lt_config_set(&c, cases[i][k]) == LT_OK);
        const lt_status st = lt_config_check(&c);
        CHECK(st == (cases[i][3] ? LT_ERR_CONFIG : LT_OK));
        if (st != LT_OK) CHECK(strstr(lt_error_message(), cases[i][3]));
        lt_config_free(&c);
    }
    CHECK(lt_config_default(&c) == LT_OK);
    CHECK(load(&c, NULL, "sampler:\n  inversion_steps: 7\n", 30) == LT_OK);
    CHECK(lt_config_check(&c) == LT_ERR_CONFIG);
    CHECK(strstr(lt_error_message(), "(job.yaml:2): "));
    lt_config_free(&c);
}

/* A value other than the default, for every option. */
static void set_other(lt_config *c, const lt_option *o)
{
    char value[64] = "x \"y\"\n\u00e4\u2028";
    if (o->type == LT_OPT_PATH) strcpy(value, "some/where");
    if (o->type == LT_OPT_TIME) strcpy(value, "7.25");
    if (o->type == LT_OPT_BYTES) strcpy(value, "3G");
    if (o->type == LT_OPT_INTS) strcpy(value, "0,3");
    if (o->type == LT_OPT_BOOL) strcpy(value, "true");
    if (o->type == LT_OPT_ENUM)
        strcpy(value, o->choices[1] ? o->choices[1] : o->choices[0]);
    if (o->type == LT_OPT_INT) {
        snprintf(value, sizeof(value), "%lld", (long long)o->imax);
        if (!strcmp(value, o->def)) strcpy(value, "1");
    }
    if (o->type == LT_OPT_FLOAT) strcpy(value, "0.123456789012345678");
    CHECK(lt_config_set_value(c, o->section, o->key, value, "test") == LT_OK);
}

static void test_round_trip(void)
{
    static lt_config a, b;
    const lt_option *differ[LT_N_OPTIONS];
    char *one = NULL, *two = NULL;
    lt_facts facts = { 0 }, back = { 0 };
    CHECK(lt_config_default(&a) == LT_OK && lt_config_default(&b) == LT_OK);
    for (int i = 0; i < LT_N_OPTIONS; i++) set_other(&a, &lt_config_options()[i]);
    CHECK(lt_facts_set(&facts, "cpu_path", "avx2_f32") == LT_OK);
    CHECK(lt_facts_set(&facts, "note", "a: \"b\" # c\n") == LT_OK);
    CHECK(lt_facts_set(&facts, "cpu_path", "ref") == LT_OK && facts.n == 2);
    CHECK(lt_facts_set(&facts, "Bad Key", "") == LT_ERR_ARG);
    CHECK(lt_config_text(&a, &facts, &one) == LT_OK);
    CHECK(load(&b, &back, one, strlen(one)) == LT_OK);
    CHECK(lt_config_compare(&a, &b, differ) == 0);
    CHECK(lt_config_text(&b, &back, &two) == LT_OK && !strcmp(one, two));
    CHECK(!strcmp(lt_facts_get(&back, "cpu_path"), "ref"));
    CHECK(!strcmp(lt_facts_get(&back, "note"), "a: \"b\" # c\n"));
    free(one);
    free(two);
    lt_facts_free(&facts);
    lt_facts_free(&back);
    lt_config_free(&a);
    lt_config_free(&b);
}

/* An option changes the hash exactly when it affects the result; compare names it. */
static void test_hash(void)
{
    static lt_config a, b;
    char plain[LT_SHA256_HEX], other[LT_SHA256_HEX];
    const lt_option *differ[LT_N_OPTIONS];
    CHECK(lt_config_default(&a) == LT_OK && lt_config_sha256(&a, plain) == LT_OK);
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const lt_option *o = &lt_config_options()[i];
        CHECK(lt_config_copy(&b, &a) == LT_OK);
        set_other(&b, o);
        const int n = lt_config_compare(&a, &b, differ);
        const bool one_choice = o->type == LT_OPT_ENUM && !o->choices[1];
        CHECK(one_choice ? n == 0 : n == 1 && differ[0] == o);
        CHECK(lt_config_sha256(&b, other) == LT_OK);
        CHECK((strcmp(plain, other) != 0) == (n == 1 && o->affects == LT_AFFECTS_RESULT));
        if (!strcmp(o->section, "run") || !strcmp(o->section, "output"))
            CHECK(o->affects != LT_AFFECTS_RESULT);
        lt_config_free(&b);
    }
    lt_config_free(&a);
}

static void test_table(void)
{
    for (int i = 0; i < LT_N_OPTIONS; i++) {
        const lt_option *o = &lt_config_options()[i];
        CHECK(lt_config_option(o->section, o->key) == o);
        CHECK(strlen(o->help) > 10 && !strchr(o->help, '\n') && o->unit && o->def);
        if (i > 0 && strcmp(o->section, o[-1].section) != 0) /* sections together */
            for (int k = 0; k < i; k++)
                CHECK(strcmp(lt_config_options()[k].section, o->section) != 0);
    }
}

static void test_files(void)
{
    static lt_config c, d;
    char dir[64];
    tmpdir_make(dir);
    const lt_option *differ[LT_N_OPTIONS];
    CHECK(lt_config_default(&c) == LT_OK && lt_config_default(&d) == LT_OK);
    CHECK(lt_config_load(&c, NULL, in(dir, "none.yaml")) == LT_ERR_NOINPUT);
    CHECK(lt_config_load(&c, NULL, dir) == LT_ERR_DATA);
    put_text(in(dir, "job.yaml"), "input:\n  path: a.mp4\n");
    CHECK(lt_config_load(&c, NULL, in(dir, "job.yaml")) == LT_OK);
    CHECK(!strcmp(c.input.path, in(dir, "a.mp4")));
    CHECK(chdir(dir) == 0 && lt_config_load(&d, NULL, "job.yaml") == LT_OK);
    CHECK(lt_config_compare(&c, &d, differ) == 0);
    FILE *f = fopen("big.yaml", "w");
    for (int i = 0; f && i < 70000; i++) fputs("# a long comment\n", f);
    CHECK(f && fclose(f) == 0);
    CHECK(lt_config_load(&c, NULL, "big.yaml") == LT_ERR_DATA);
    CHECK(chdir("/") == 0);
    lt_config_free(&c);
    lt_config_free(&d);
    tmpdir_remove(dir);
}

/* A method's own defaults reach the keys that nobody has set. */
static void test_method_defaults(void)
{
    static lt_config c;
    CHECK(lt_config_default(&c) == LT_OK && lt_config_method_defaults(&c) == LT_OK);
    CHECK(c.clips.mode == LT_CLIPS_ADAPTIVE && c.attention.inject == 0.8);
    CHECK(c.attention.kv_budget == 20 && c.propagate.blend == LT_BLEND_OWN);
    CHECK(lt_config_set(&c, "method.name=tokenflow") == LT_OK);
    CHECK(lt_config_set(&c, "attention.kv_budget=20") == LT_OK);
    CHECK(lt_config_method_defaults(&c) == LT_OK && lt_config_check(&c) == LT_OK);
    CHECK(c.clips.mode == LT_CLIPS_FIXED && c.clips.length == 8);
    CHECK(c.attention.inject == 0.5 && c.attention.inject_features == 0.8);
    CHECK(c.attention.kv_budget == 20); /* asked for, though it is the table's default */
    CHECK(c.propagate.blend == LT_BLEND_NEIGHBOURS);
    CHECK(lt_config_set(&c, "propagate.blend=own") == LT_OK);
    CHECK(lt_config_check(&c) == LT_ERR_CONFIG);
    CHECK(strstr(lt_error_message(), "propagate.blend"));
    lt_config_free(&c);
}

/* configs/: the reference is the generated text and means the defaults; the ready-made
 * jobs load and pass the rules between keys. */
static void test_tree(void)
{
    static lt_config c, d;
    char *text = NULL;
    size_t bytes = 0, n = 0;
    void *file = NULL;
    const lt_option *differ[LT_N_OPTIONS];
    FILE *f = open_memstream(&text, &bytes);
    CHECK(f && lt_config_write_reference(f) == LT_OK && fclose(f) == 0);
    CHECK(lt_file_read(in(configs, "reference.yaml"), 1 << 20, &file, &n) == LT_OK);
    if (n != bytes || memcmp(file, text, n) != 0) {
        fprintf(stderr, "configs/reference.yaml is old: ninja reference-config\n");
        CHECK(!"reference.yaml equals the table");
    }
    CHECK(lt_config_default(&c) == LT_OK && lt_config_default(&d) == LT_OK);
    CHECK(lt_config_load(&c, NULL, in(configs, "reference.yaml")) == LT_OK);
    CHECK(lt_config_compare(&c, &d, differ) == 0 && lt_config_check(&c) == LT_OK);
    CHECK(lt_config_load(&c, NULL, in(configs, "adaflow.yaml")) == LT_OK);
    CHECK(lt_config_check(&c) == LT_OK && c.clips.mean_threshold == 0.75);
    CHECK(lt_config_load(&d, NULL, in(configs, "draft.yaml")) == LT_OK);
    CHECK(lt_config_check(&d) == LT_OK && d.sampler.steps == 10);
    CHECK(d.features.ensemble == 1);
    lt_config_free(&c);
    CHECK(lt_config_default(&c) == LT_OK);
    CHECK(lt_config_load(&c, NULL, in(configs, "instruct.yaml")) == LT_OK);
    CHECK(lt_config_method_defaults(&c) == LT_OK && lt_config_check(&c) == LT_OK);
    CHECK(c.method.name == LT_METHOD_FRAME && c.sampler.image_guidance == 1.5);
    lt_config_free(&c);
    CHECK(lt_config_default(&c) == LT_OK);
    CHECK(lt_config_load(&c, NULL, in(configs, "tokenflow.yaml")) == LT_OK);
    CHECK(lt_config_method_defaults(&c) == LT_OK && lt_config_check(&c) == LT_OK);
    CHECK(c.method.name == LT_METHOD_TOKENFLOW && c.sampler.inversion_steps == 500);
    CHECK(c.attention.kv_budget == 0 && c.attention.inject == 0.5);
    free(text);
    free(file);
    lt_config_free(&c);
    lt_config_free(&d);
}

static int write_reference(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f || lt_config_write_reference(f) != LT_OK || fclose(f) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write")) return write_reference(argv[2]);
    CHECK(argc == 2);
    configs = argv[1];
    test_table();
    test_refusals();
    test_hostile_size();
    test_damage();
    test_accepted();
    test_set();
    test_check();
    test_round_trip();
    test_hash();
    test_files();
    test_method_defaults();
    test_tree();
    return 0;
}
