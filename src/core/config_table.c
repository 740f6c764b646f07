#include <float.h>
#include <string.h>

#include "core/config.h"

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define AT(field)  .offset = offsetof(lt_config, field)
#define RESULT     .affects = LT_AFFECTS_RESULT
#define ENCODE     .affects = LT_AFFECTS_ENCODE
#define APART      .affects = LT_AFFECTS_APART
#define NOTHING    .affects = LT_AFFECTS_NOTHING

#define PATH(s, k) \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_PATH, .def = "", .unit = ""
#define TEXT(s, k, d) \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_TEXT, .def = d, .unit = ""
#define BOOL(s, k, d) \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_BOOL, .def = d, .unit = ""
#define TIME(s, k, d) \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_TIME, .def = d, .unit = ""
#define ENUM(s, k, d, ...)                                            \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_ENUM, .def = d, \
    .choices = NAMES(__VA_ARGS__), .unit = ""
#define INT(s, k, d, lo, hi, u)                                                  \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_INT, .def = d, .imin = lo, \
    .imax = hi, .unit = u
#define FLOAT(s, k, d, lo, hi)                                                     \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_FLOAT, .def = d, .fmin = lo, \
    .fmax = hi, .unit = ""
#define BYTES(s, k, d)                                                            \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_BYTES, .def = d, .imin = 0, \
    .imax = INT64_C(1) << 60, .unit = "bytes"
#define FILES(s, k) \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_FILES, .def = "", .unit = ""
#define INTS(s, k, d, lo, hi, u)                                                  \
    .section = #s, .key = #k, AT(s.k), .type = LT_OPT_INTS, .def = d, .imin = lo, \
    .imax = hi, .unit = u

/* The order of the rows is the canonical order of files and hashes: sections together,
 * new keys at the end of their section. Names of enums stand in the order of the enums
 * in config.h. */
/* clang-format off */
static const lt_option table[] = {
    { PATH(input, path), APART,
      .help = "The video to edit; its content counts, not its name." },
    { TIME(input, ss, "00:00:00"), RESULT,
      .help = "Begin here, from the start of the stream." },
    { TIME(input, to, ""), RESULT,
      .help = "End before this time; empty: the end of the video." },

    { PATH(output, path), ENCODE,
      .help = "The edited video; empty: <stem>.edited.<ext> in the working folder." },
    { ENUM(output, scale, "source", "source", "work"), ENCODE,
      .help = "Size of the result: scaled back to the source's, or the model's "
              "working size." },
    { TEXT(output, codec, "libx264"), ENCODE,
      .help = "Encoder: libx264, libx265, ffv1 (lossless) or prores (422 HQ or 4444)." },
    { INT(output, crf, "18", 0, 63, ""), ENCODE,
      .help = "Constant quality of libx264 and libx265, 0 .. 51: smaller is better "
              "and larger on disk; the others have none." },
    { TEXT(output, preset, ""), ENCODE,
      .help = "Preset of libx264 and libx265, ultrafast .. placebo; empty: medium." },
    { TEXT(output, pix_fmt, "yuv420p"), ENCODE,
      .help = "FFmpeg pixel format of the result; 10 bits (yuv420p10le) keep HDR." },
    { ENUM(output, audio, "copy", "copy", "none"), ENCODE,
      .help = "Carry audio packets over bit-exact, or leave them out." },
    { ENUM(output, subtitles, "copy", "copy", "none"), ENCODE,
      .help = "Carry subtitle packets over bit-exact, or leave them out." },

    { PATH(model, path), APART,
      .help = "Model: a folder in the layout of diffusers, a safetensors file, or a "
              "folder of its parts; its content counts." },
    { ENUM(model, dtype, "auto", "auto", "f32", "bf16", "f16"), RESULT,
      .help = "Compute type; auto: the best that the CPU path or the GPU has. f32 "
              "also stores latents in f32." },
    { FILES(model, lora), APART,
      .help = "LoRA files merged into the model, each with a weight (1): "
              "[style.safetensors:0.8]; their content counts." },
    { PATH(model, tokenizer), APART,
      .help = "Folder of vocab.json and merges.txt; empty: the one in or beside the "
              "model." },
    { ENUM(model, prediction, "auto", "auto", "epsilon", "v_prediction"), RESULT,
      .help = "What the UNet predicts; auto: as the model's files say." },
    { ENUM(model, ema, "use", "use", "ignore"), RESULT,
      .help = "Averaged weights of a single-file checkpoint that has both." },

    { TEXT(prompt, edit, ""), RESULT,
      .help = "What the result shows." },
    { TEXT(prompt, source, ""), RESULT,
      .help = "What the source shows; the inversion is told this." },
    { TEXT(prompt, negative, ""), RESULT,
      .help = "What the result must not show." },

    { INT(size, max_pixels, "0", 0, 1 << 26, "pixels"), RESULT,
      .help = "Most pixels of a working frame, aspect kept, never enlarged; 0: the "
              "model's training area." },
    { INT(size, width, "0", 0, 16384, "pixels"), RESULT,
      .help = "Width of a working frame; 0: derived from the source." },
    { INT(size, height, "0", 0, 16384, "pixels"), RESULT,
      .help = "Height of a working frame; 0: derived from the source." },
    { ENUM(size, fit, "pad", "pad"), RESULT,
      .help = "How a frame gets a size that the model can take: padded, and cropped "
              "back at the end." },

    { INT(sampler, steps, "50", 1, 1000, "steps"), RESULT,
      .help = "Denoising steps." },
    { INT(sampler, inversion_steps, "50", 1, 1000, "steps"), RESULT,
      .help = "Inversion steps, a multiple of sampler.steps." },
    { FLOAT(sampler, guidance, "7.5", 0, 100), RESULT,
      .help = "Classifier-free guidance scale; 1: none." },
    { INT(sampler, seed, "1", 0, INT64_MAX, ""), RESULT,
      .help = "The same seed gives the same result, on any number of ranks and "
              "threads." },
    { FLOAT(sampler, strength, "1", 0, 1), RESULT,
      .help = "How much noise sampling begins with: 1 all of it, below that the last "
              "steps * strength - 1 steps (SDEdit as published, one step less than the "
              "share)." },
    { ENUM(sampler, noise, "ddim", "ddim", "gaussian"), RESULT,
      .help = "Noise that sampling begins with: that of the inversion, or one drawn "
              "from the seed for all frames." },
    { ENUM(sampler, name, "auto", "auto", "ddim", "euler", "euler_ancestral"), RESULT,
      .help = "Way from noise to the result with an InstructPix2Pix model; auto: as its "
              "scheduler folder says. Methods that invert take DDIM." },
    { FLOAT(sampler, image_guidance, "1.5", 0, 100), RESULT,
      .help = "How strongly an InstructPix2Pix model keeps to the source; below 1 all "
              "guidance is off." },
    { ENUM(sampler, frame_noise, "same", "same", "own"), RESULT,
      .help = "Noise of an InstructPix2Pix edit: the same for all frames, which flickers "
              "less, or drawn for each." },
    { PATH(sampler, latents), APART,
      .help = "safetensors file with noise for an InstructPix2Pix edit in place of drawn "
              "noise; its content counts." },

    { ENUM(method, name, "adaflow", "adaflow", "frame", "tokenflow"), RESULT,
      .help = "adaflow: joint keyframes and propagation; frame: every frame on its "
              "own; tokenflow: fixed clips, matched anew at every step, two keyframes "
              "a frame." },

    { ENUM(clips, mode, "adaptive", "adaptive", "fixed", "list"), RESULT,
      .help = "Where clips begin: where the content changes, every clips.length "
              "frames, or at clips.begins." },
    { INT(clips, length, "8", 1, 100000, "frames"), RESULT,
      .help = "Length of a clip with clips.mode fixed." },
    { INTS(clips, begins, "[]", 0, INT32_MAX, "frames"), RESULT,
      .help = "First frames of the clips with clips.mode list: ascending, the first "
              "is 0." },
    { FLOAT(clips, mean_threshold, "0.75", -2, 2), RESULT,
      .help = "A clip ends where the mean similarity to its first frame falls below "
              "this." },
    { FLOAT(clips, region_threshold, "0.6", -2, 2), RESULT,
      .help = "A clip ends where the similarity of some region to its first frame "
              "falls below this." },
    { INT(clips, max_length, "400", 1, 100000, "frames"), RESULT,
      .help = "A clip has at most so many frames." },

    { INT(segments, keyframes, "128", 1, 100000, "keyframes"), RESULT,
      .help = "Most keyframes in one joint inference; a constant of the job, not of "
              "the machine." },

    { ENUM(keyframes, pick, "random", "random", "middle", "first"), RESULT,
      .help = "Which frame of a clip is its keyframe; random draws one for every "
              "step." },
    { ENUM(keyframes, trajectory, "shared", "shared", "own"), RESULT,
      .help = "What a keyframe goes on from: shared, what propagation made of it, like "
              "any frame; own: what the joint pass made of it, the same frame in every "
              "step." },
    { INT(keyframes, per_clip, "1", 1, 100000, "keyframes"), RESULT,
      .help = "Keyframes of a clip: it is cut into so many even parts with one each. "
              "More than 1 only with keyframes.trajectory own." },

    { INT(attention, kv_budget, "20", 0, 100000, "frames of tokens"), RESULT,
      .help = "How many frames' worth of keys and values a keyframe attends to; 0: "
              "all." },
    { ENUM(attention, slim, "query", "query", "shared", "random"), RESULT,
      .help = "Which tokens stay in the budget: a list per query frame, one list a step "
              "for all, or (to compare with) such a list drawn at random." },
    { FLOAT(attention, inject, "0.8", 0, 1), RESULT,
      .help = "Share of the steps in which queries and keys of the source are "
              "injected." },
    { FLOAT(attention, inject_features, "0.8", 0, 1), RESULT,
      .help = "Share of the steps in which convolution features of the source are "
              "injected." },

    { INT(features, step, "0", 0, 999, "timestep"), RESULT,
      .help = "Noise level of the features for clips and matches." },
    { INT(features, block, "2", 0, 3, ""), RESULT,
      .help = "Up block of the UNet whose output the features are." },
    { INT(features, ensemble, "8", 1, 64, "passes"), RESULT,
      .help = "Noisy passes averaged into a feature; 1: one pass without added noise." },
    { ENUM(features, range, "unit", "unit", "signed"), RESULT,
      .help = "Pixel range fed to the feature pass: [0,1] as published, or [-1,1]." },

    { ENUM(propagate, blend, "own", "own", "neighbours"), RESULT,
      .help = "A frame takes the attention of its own clip's keyframe, or of that and "
              "the one before, mixed by distance." },
    { FLOAT(propagate, min_similarity, "0", 0, 1), RESULT,
      .help = "A token whose best match is less similar than this attends to the keyframe "
              "instead of copying from it; 0: never." },

    { PATH(mask, path), ENCODE, .choices = NAMES("box:"),
      .help = "What may change, white = edit: a PNG for all frames, a folder of PNG, a "
              "video, or box:X,Y,WxH in pixels or %." },
    { BOOL(mask, invert, "false"), ENCODE,
      .help = "Turn the mask round: black = edit." },
    { INT(mask, dilate, "0", -4096, 4096, "pixels"), ENCODE,
      .help = "Grow the mask by a disc of this radius, in pixels of the source; below 0: "
              "shrink it." },
    { INT(mask, feather, "0", 0, 4096, "pixels"), ENCODE,
      .help = "Width of the ramp from source to edit, inside the (grown) mask; outside "
              "nothing changes." },

    { ENUM(run, placement, "auto", "auto", "colocated"), NOTHING,
      .help = "Which ranks hold keyframes; colocated (and auto): every rank those of "
              "its own clips." },
    { INT(run, threads, "0", 0, 4096, "threads"), NOTHING,
      .help = "Threads of a rank; 0: one a CPU that it may use, divided among the ranks "
              "that may use the same." },
    { BYTES(run, memory, "0"), NOTHING,
      .help = "Memory that a rank may use; 0: what the machine has." },
    { ENUM(run, cpu_path, "auto", "auto", "ref", "avx2_f32", "avx512_f32",
           "avx512_bf16", "amx_bf16"), APART,
      .help = "Instructions and compute type on a CPU; frozen in the job, see "
              "--allow-path-change." },
    { INT(run, checkpoint_steps, "5", 1, 1000, "steps"), NOTHING,
      .help = "Within a segment the state is saved every so many steps." },
    { ENUM(run, keep, "none", "none", "inversion", "all"), NOTHING,
      .help = "What stays of a finished segment beside its latents." },
    { PATH(run, temp), NOTHING,
      .help = "Fast local folder for scratch data; empty: the job folder." },
};
/* clang-format on */

_Static_assert(sizeof(table) / sizeof(table[0]) == LT_N_OPTIONS, "count in config.h");

const lt_option *lt_config_options(void) { return table; }

const lt_option *lt_config_option(const char *section, const char *key)
{
    for (int i = 0; i < LT_N_OPTIONS; i++)
        if (!strcmp(table[i].section, section) && !strcmp(table[i].key, key))
            return &table[i];
    return NULL;
}

/* Where a method has other defaults than the table: its published ones. */
static const struct {
    int method;
    const char *section, *key, *value;
} method_defaults[] = {
    { LT_METHOD_TOKENFLOW, "clips", "mode", "fixed" },
    { LT_METHOD_TOKENFLOW, "attention", "kv_budget", "0" },
    { LT_METHOD_TOKENFLOW, "attention", "inject", "0.5" },
    { LT_METHOD_TOKENFLOW, "propagate", "blend", "neighbours" },
};

const char *lt_config_method_default(const lt_option *o, int id)
{
    for (size_t i = 0; i < sizeof(method_defaults) / sizeof(method_defaults[0]); i++)
        if (method_defaults[i].method == id &&
            !strcmp(method_defaults[i].section, o->section) &&
            !strcmp(method_defaults[i].key, o->key))
            return method_defaults[i].value;
    return NULL;
}
