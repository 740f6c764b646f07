#ifndef LT_METRICS_ACCURACY_H
#define LT_METRICS_ACCURACY_H

#include "core/status.h"
#include "core/threads.h"
#include "synth/synth.h"

/* Did the edit do what was asked? In the demo world there is a picture for every answer:
 * the scene as it should be, with the asked factor at each of its values. The frame is
 * compared with all of them, and the nearest (least sum of squares of R'G'B'; of equal
 * ones the lower value) is what it shows.
 *
 * Shape, colour and material are compared where the object is in any of the pictures;
 * the other factors in the whole frame. */
typedef struct lt_accuracy lt_accuracy;

/*   asked    the true edit, copied
 *   factors  [n] the factors that the edit changes, 1 <= n <= LT_SYNTH_N_FACTORS
 * The caller closes. Errors: ARG (factor, size), NOMEM. */
LT_NODISCARD lt_status lt_accuracy_open(lt_accuracy **out, const lt_scene *asked,
                                        const int32_t *factors, int n, int32_t w,
                                        int32_t h);
void lt_accuracy_close(lt_accuracy **a); /* accepts NULL and *NULL */

/* Judge frame number `frame`, rgb [h][w][3].
 *   value  [n] the value that is nearest, for each factor; -1 when the object is not in
 *          sight, so that nothing can be said
 * The tiles are the values. Errors: those of lt_parallel_for. */
LT_NODISCARD lt_status lt_accuracy_frame(lt_accuracy *a, lt_threads *threads,
                                         const uint8_t *rgb, int64_t frame,
                                         int32_t *value);

/* Share of the n values of a frame that are as asked; NaN when nothing can be said. */
double lt_accuracy_share(const lt_accuracy *a, const int32_t *value);

#endif
