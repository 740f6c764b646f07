#ifndef LT_METRICS_JUDGE_H
#define LT_METRICS_JUDGE_H

#include "core/threads.h"
#include "metrics/accuracy.h"
#include "metrics/signal.h"

/* A film is judged frame by frame, against whatever is known of what it should be.
 * Formulas: docs/metrics.md. Memory: a few frames, and sizeof(lt_judged_frame) a frame.
 * The same frames give the same bits for any number of threads. */

typedef enum lt_film { LT_FILM_EDITED, LT_FILM_TRUTH, LT_FILM_SOURCE, LT_FILMS } lt_film;

/* What is known of one frame; NaN where something was not given or cannot be said.
 * Arrays are indexed by part (part.h), films by lt_film. */
typedef struct lt_judged_frame {
    int64_t pixels[LT_PARTS];
    double error[LT_PARTS]; /* sum of (edited - truth)^2 over pixels and colours */
    float ssim[LT_PARTS], ms_ssim[LT_PARTS]; /* edited to truth */
    double kept_error;                       /* outside the mask, edited to source */
    float kept_ssim, kept_ms_ssim;
    float strength[LT_PARTS];        /* mean |edited - source|, 0 .. 255 */
    float strength_truth[LT_PARTS];  /* mean |truth - source| */
    double warp[LT_FILMS][LT_PARTS]; /* from this frame to the next: sums of warp.h */
    int64_t warp_pixels[LT_PARTS];   /* pixels of these sums, the same for all films */
    double flicker;                  /* mean over blocks of the square; see verdict.h */
    float change;                    /* of luma from the frame before, mean of blocks */
    int32_t cut;                     /* 1: a new shot begins with this frame */
    float colour[LT_PARTS][LT_SIGNAL_COLOURS]; /* edited less reference */
    float accuracy;                            /* share of the factors; NaN: not judged */
} lt_judged_frame;

typedef struct lt_judge_options {
    int32_t width, height;                         /* of all films, >= 1 */
    int64_t n_frames;                              /* that will be put, >= 1 */
    int has_truth, has_source, has_mask, has_flow; /* what every frame will have */
    lt_threads *threads;                           /* borrowed; NULL: none */
    const lt_scene *asked;  /* the true edit, for accuracy; NULL: not judged; copied */
    const int32_t *factors; /* [n_factors] that it changes; copied */
    int n_factors;
    int64_t accuracy_every; /* judge accuracy in every so manieth frame, >= 1 */
    int64_t first_frame;    /* number in `asked` of the first frame put */
} lt_judge_options;

/* One frame; pointers as promised in the options, borrowed during the call. */
typedef struct lt_judge_input {
    const uint8_t *film[LT_FILMS]; /* [h][w][3] */
    const uint8_t *mask;           /* [h][w], 255 = inside (part.h) */
    /* [h][w][2], [h][w] from this frame to the next, NULL for the last. Without has_flow
     * motion is estimated on the source, else on the truth */
    const float *flow;
    const uint8_t *visible;
} lt_judge_input;

typedef struct lt_judge lt_judge;

/* The caller closes. Errors: ARG, NOMEM. */
LT_NODISCARD lt_status lt_judge_open(lt_judge **judge, const lt_judge_options *options);
void lt_judge_close(lt_judge **judge); /* accepts NULL and *NULL */

/* Judge the next frame. Errors: ARG (more frames than promised, something missing),
 * NOMEM. */
LT_NODISCARD lt_status lt_judge_put(lt_judge *judge, const lt_judge_input *input);

/* What was found, once all frames are put: [n_frames], borrowed until close. Cuts are
 * known after that only.  Errors: ARG (frames are missing). */
LT_NODISCARD lt_status lt_judge_frames(lt_judge *judge, const lt_judged_frame **frames);

#endif
