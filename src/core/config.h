#ifndef LT_CORE_CONFIG_H
#define LT_CORE_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "core/file.h"
#include "core/options.h"
#include "core/status.h"
#include "core/units.h"

/* The configuration of a job: what job.yaml and --set can say. One row of the table in
 * config_table.c a key; the table is the only place with defaults, ranges and help.
 * Read configs/reference.yaml for what each key means. */

/* clang-format off */
typedef enum lt_scale      { LT_SCALE_SOURCE, LT_SCALE_WORK } lt_scale;
typedef enum lt_carry      { LT_CARRY_COPY, LT_CARRY_NONE } lt_carry;
typedef enum lt_precision  { LT_PRECISION_AUTO, LT_PRECISION_F32, LT_PRECISION_BF16,
                             LT_PRECISION_F16 } lt_precision;
typedef enum lt_predict_choice { LT_PREDICTION_AUTO, LT_PREDICTION_EPSILON,
                             LT_PREDICTION_V } lt_predict_choice;
typedef enum lt_ema        { LT_EMA_USE, LT_EMA_IGNORE } lt_ema;
typedef enum lt_fit        { LT_FIT_PAD } lt_fit;
typedef enum lt_sampler_choice { LT_SAMPLER_AUTO, LT_SAMPLER_NAME_DDIM,
                             LT_SAMPLER_NAME_EULER,
                             LT_SAMPLER_NAME_ANCESTRAL } lt_sampler_choice;
typedef enum lt_frame_noise { LT_FRAME_NOISE_SAME, LT_FRAME_NOISE_OWN } lt_frame_noise;
typedef enum lt_method_id  { LT_METHOD_ADAFLOW, LT_METHOD_FRAME,
                             LT_METHOD_TOKENFLOW } lt_method_id;
typedef enum lt_start_noise { LT_NOISE_DDIM, LT_NOISE_GAUSSIAN } lt_start_noise;
typedef enum lt_clip_mode  { LT_CLIPS_ADAPTIVE, LT_CLIPS_FIXED,
                             LT_CLIPS_LIST } lt_clip_mode;
typedef enum lt_pick       { LT_PICK_RANDOM, LT_PICK_MIDDLE, LT_PICK_FIRST } lt_pick;
typedef enum lt_trajectory_choice { LT_TRAJECTORY_SHARED,
                                    LT_TRAJECTORY_OWN } lt_trajectory_choice;
typedef enum lt_slim       { LT_SLIM_QUERY, LT_SLIM_SHARED, LT_SLIM_RANDOM } lt_slim;
typedef enum lt_blend      { LT_BLEND_OWN, LT_BLEND_NEIGHBOURS } lt_blend;
typedef enum lt_range      { LT_RANGE_UNIT, LT_RANGE_SIGNED } lt_range;
typedef enum lt_placement  { LT_PLACEMENT_AUTO, LT_PLACEMENT_COLOCATED } lt_placement;
typedef enum lt_keep       { LT_KEEP_NONE, LT_KEEP_INVERSION, LT_KEEP_ALL } lt_keep;
typedef enum lt_cpu_choice { LT_CPU_AUTO, LT_CPU_REF, LT_CPU_AVX2_F32, LT_CPU_AVX512_F32,
                             LT_CPU_AVX512_BF16, LT_CPU_AMX_BF16 } lt_cpu_choice;
/* clang-format on */

enum { LT_N_OPTIONS = 66 }; /* rows of the table; checked at compile time */

/* Enum keys are int and hold the values above. Owns clips.begins. */
typedef struct lt_config {
    struct {
        char path[LT_PATH_MAX];
        int64_t ss, to; /* [ns]; to = LT_TIME_NONE: the end */
    } input;
    struct {
        char path[LT_PATH_MAX]; /* "": the caller derives it from the input */
        int scale;              /* lt_scale */
        char codec[LT_TEXT_MAX];
        int64_t crf;
        char preset[LT_TEXT_MAX]; /* "": the encoder's own */
        char pix_fmt[LT_TEXT_MAX];
        int audio, subtitles; /* lt_carry */
    } output;
    struct {
        char path[LT_PATH_MAX];
        int dtype; /* lt_precision */
        char lora[LT_TEXT_MAX]; /* FILE or FILE:WEIGHT, a line each */
        char tokenizer[LT_PATH_MAX];
        int prediction; /* lt_predict_choice */
        int ema;        /* lt_ema */
    } model;
    struct {
        char edit[LT_TEXT_MAX], source[LT_TEXT_MAX], negative[LT_TEXT_MAX];
    } prompt;
    struct {
        int64_t max_pixels;    /* 0: the model's training area */
        int64_t width, height; /* [pixels]; 0: derived         */
        int fit;               /* lt_fit */
    } size;
    struct {
        int64_t steps, inversion_steps;
        double guidance;
        int64_t seed;    /* >= 0 */
        double strength; /* in (0, 1] */
        int noise;       /* lt_start_noise */
        int name;     /* lt_sampler_choice */
        double image_guidance;
        int frame_noise; /* lt_frame_noise */
        char latents[LT_PATH_MAX];
    } sampler;
    struct {
        int name; /* lt_method_id */
    } method;
    struct {
        int mode;       /* lt_clip_mode */
        int64_t length; /* [frames] */
        lt_ints begins; /* [frames], ascending from 0; empty unless mode is list */
        double mean_threshold, region_threshold;
        int64_t max_length; /* [frames] */
    } clips;
    struct {
        int64_t keyframes;
    } segments;
    struct {
        int pick;       /* lt_pick */
        int trajectory; /* lt_trajectory_choice */
        int64_t per_clip;
    } keyframes;
    struct {
        int64_t kv_budget; /* [frames of tokens]; 0: all */
        int slim;          /* lt_slim */
        double inject, inject_features;
    } attention;
    struct {
        int64_t step, block, ensemble;
        int range; /* lt_range */
    } features;
    struct {
        int blend; /* lt_blend */
        double min_similarity; /* cosine */
    } propagate;
    struct {
        char path[LT_PATH_MAX]; /* or "box:..." */
        bool invert;
        int64_t dilate, feather; /* [pixels of the source] */
    } mask;
    struct {
        int placement;   /* lt_placement */
        int64_t threads; /* 0: all that this process may use    */
        int64_t memory;  /* [bytes]; 0: what the machine has    */
        int cpu_path;    /* lt_cpu_choice */
        int64_t checkpoint_steps;
        int keep; /* lt_keep */
        char temp[LT_PATH_MAX];
    } run;

    /* Where each value came from, for messages: a line of `file`, or LT_LINE_*. Not part
     * of the configuration: neither compared nor hashed. */
    char file[LT_PATH_MAX];
    int line[LT_N_OPTIONS];
} lt_config;

enum { LT_LINE_DEFAULT = 0, LT_LINE_SET = -1, LT_LINE_OTHER = -2 /* an earlier file */ };

/* Facts that a resolved job.yaml carries in its section `job` beside the options:
 * versions, hashes, the CPU path. Keys are lower-case words ([a-z0-9_], unique), values
 * UTF-8 text. Owned; start with {0}. */
typedef struct lt_fact {
    char *key, *value;
} lt_fact;
typedef struct lt_facts {
    lt_fact *v;
    int n;
} lt_facts;
enum { LT_FACTS_MAX = 256 };

/* Add a fact or replace its value; both texts are copied.
 * Errors: ARG (key, value or number not as above), NOMEM; then nothing has changed. */
LT_NODISCARD lt_status lt_facts_set(lt_facts *f, const char *key, const char *value);
/* The value, NULL when there is no such fact. Lives until the facts change. */
const char *lt_facts_get(const lt_facts *f, const char *key);
void lt_facts_free(lt_facts *f);

/* The option table, LT_N_OPTIONS rows in canonical order, and one row of it (NULL when
 * there is none). Static. */
const lt_option *lt_config_options(void);
const lt_option *lt_config_option(const char *section, const char *key);

/* Set every value to its default. c is uninitialised or freed before.
 * Errors: NOMEM, INTERNAL (a default that the table itself refuses). */
LT_NODISCARD lt_status lt_config_default(lt_config *c);

/* Give the keys that neither a file nor the command line has set (lt_config_where:
 * "default") the defaults of the method, where it has other ones than the table. Call it
 * when all is set, before lt_config_check. Errors: NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_config_method_defaults(lt_config *c);

/* The default of option o under method `id` as text, NULL: that of the table. */
const char *lt_config_method_default(const lt_option *o, int id);

/* Free what c owns; c may be used again after lt_config_default. Accepts zeroed c. */
void lt_config_free(lt_config *c);

/* dst (uninitialised or freed) becomes an independent copy. Errors: NOMEM. */
LT_NODISCARD lt_status lt_config_copy(lt_config *dst, const lt_config *src);

/* Lay the values of a YAML file over c: a mapping of sections to mappings of keys.
 * Refused, with file and line: unknown and repeated sections and keys, wrong types,
 * values out of range, anchors, aliases, tags, several documents, deeper nesting, more
 * than 1 MiB. Relative paths mean the file's folder. A section `job` is read into
 * `facts` (NULL: checked, then dropped). An empty file says nothing and is fine. On
 * failure c and facts are as before. Cross-key rules are not looked at: lt_config_check.
 * Errors: NOINPUT (missing, not readable), DATA (not a file, too large), CONFIG, NOMEM,
 * IO. */
LT_NODISCARD lt_status lt_config_load(lt_config *c, lt_facts *facts, const char *path);

/* The same from memory; `name` is for messages, `folder` for relative paths (NULL: the
 * working folder). */
LT_NODISCARD lt_status lt_config_load_text(lt_config *c, lt_facts *facts,
                                           const char *text, size_t bytes,
                                           const char *name, const char *folder);

/* Set one value from "section.key=value", checked like the file. Relative paths mean
 * the working folder. An enum, list or text is written without YAML quotes. `option`
 * is what the user typed, for messages: "--set" or, say, "--seed".
 * Errors: CONFIG, NOMEM, IO. */
LT_NODISCARD lt_status lt_config_set(lt_config *c, const char *assignment);
LT_NODISCARD lt_status lt_config_set_value(lt_config *c, const char *section,
                                           const char *key, const char *value,
                                           const char *option);

/* The rules of an edit that inverts the source: it samples by DDIM, takes no initial
 * latents, and inversion_steps is a multiple of steps. Whether method `frame` inverts is
 * for the model to say, so this is asked again when it is known. Errors: CONFIG. */
LT_NODISCARD lt_status lt_config_check_inversion(const lt_config *c);

/* The rules between keys: lt_config_check_inversion unless method.name is frame; to later
 * than ss;
 * clips.begins ascending from 0, only and always with mode list; no clip longer than
 * clips.max_length; at least one step left by sampler.strength; propagate.blend
 * neighbours with method tokenflow.
 * Errors: CONFIG, naming the line of the key. */
LT_NODISCARD lt_status lt_config_check(const lt_config *c);

/* Write every key in canonical order with absolute paths, then the facts (NULL: none)
 * as section `job`. Loading the text gives the same configuration and facts, writing it
 * again the same bytes. lt_config_text returns it as an owned text (free).
 * Errors: IO, NOMEM. */
LT_NODISCARD lt_status lt_config_write(const lt_config *c, const lt_facts *facts,
                                       FILE *f);
LT_NODISCARD lt_status lt_config_text(const lt_config *c, const lt_facts *facts,
                                      char **text);

/* The options in which two configurations differ, in canonical order, into out (room
 * for LT_N_OPTIONS). Returns how many. */
int lt_config_compare(const lt_config *a, const lt_config *b, const lt_option **out);

/* SHA-256 over the canonical text of all keys that affect the result (LT_AFFECTS_RESULT
 * only: paths, output and run keys leave it alone). Errors: NOMEM, INTERNAL. */
LT_NODISCARD lt_status lt_config_sha256(const lt_config *c, char hex[LT_SHA256_HEX]);

/* Write configs/reference.yaml: every key with default, range, effect and help. The
 * text is itself a valid configuration, that of the defaults. Errors: IO. */
LT_NODISCARD lt_status lt_config_write_reference(FILE *f);

/* Where the value of o (a row of the table) came from: "job.yaml:12", "command line",
 * "an earlier file" or "default". buf holds LT_PATH_MAX + 32 bytes. Returns buf. */
enum { LT_WHERE_MAX = LT_PATH_MAX + 32 };
const char *lt_config_where(const lt_config *c, const lt_option *o,
                            char buf[LT_WHERE_MAX]);

/* Say that `name` ("section.key" or a section) does not exist, with the nearest name
 * that does. Errors: CONFIG, always. */
LT_NODISCARD lt_status lt_config_unknown(const char *section, const char *key,
                                         const char *where);

#endif
