#ifndef LT_APP_EVAL_INPUT_H
#define LT_APP_EVAL_INPUT_H

#include "app/eval.h"
#include "app/flow_file.h"
#include "io/mask.h"
#include "io/media_reader.h"

/* Everything that is known of a film, read frame by frame in step: from files, and from
 * the scene where there is no file. Memory: a few frames. */
typedef struct lt_eval_film_reader {
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader *reader;
} lt_eval_film_reader;

typedef struct lt_eval_input {
    const lt_eval_what *what;
    int64_t n;
    int32_t width, height;
    int has_truth, has_source, has_mask, has_flow;
    lt_eval_film_reader film[LT_FILMS]; /* reader NULL: rendered, or not there */
    lt_scene scene, asked;              /* at the rate of the film */
    lt_mask *mask;
    lt_flow_reader *flow;
    uint8_t *pixels[LT_FILMS], *cover, *visible;
    float *motion;
} lt_eval_input;

/* Open what is asked for and compare numbers of frames, sizes and times. `in` is zeroed
 * by the caller, who closes it whatever comes out. Errors: those of lt_eval_film. */
LT_NODISCARD lt_status lt_eval_input_open(lt_eval_input *in, const lt_eval_what *what);

/* The next frame, number t; *out points into `in` until the next call. */
LT_NODISCARD lt_status lt_eval_input_next(lt_eval_input *in, int64_t t,
                                          lt_judge_input *out);
void lt_eval_input_close(lt_eval_input *in);

/* How similar neighbouring frames of the edited film are to a model (what->model): mean
 * over the pairs that no cut divides, and over the tokens of the first one, of the cosine
 * of its features to the most similar token's of the second. Features in f32, posterior
 * mean, one pass. *similarity stays without a pair. (eval_features.c)
 *   frames  [n] of the judge, for the cuts
 * Errors: those of lt_run_open, of the features, STOPPED. */
LT_NODISCARD lt_status lt_eval_similarity(lt_app *app, const lt_eval_what *what,
                                          const lt_judged_frame *frames, int64_t n,
                                          double *similarity);

#endif
