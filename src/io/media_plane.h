#ifndef LT_IO_MEDIA_PLANE_H
#define LT_IO_MEDIA_PLANE_H

#include <stdint.h>

#include "core/status.h"

/* Scaling of one plane of f32 values in two separable passes.
 *
 * An axis maps position d of the target to position scale * d + shift of the source,
 * both counted in samples from the centre of the first one. The filter is Lanczos with
 * three lobes, widened by `scale` when the target is smaller, its weights sum to 1, and
 * samples beyond the edge repeat the edge. scale 1, shift 0 copies. */
typedef struct lt_plane_axis {
    int32_t n_src, n_dst, taps;
    int32_t *first; /* [n_dst] source sample of the first weight; first + taps <= n_src */
    float *weight;  /* [n_dst][taps] */
} lt_plane_axis;

/* The caller frees *axis. Errors: NOMEM. */
LT_NODISCARD lt_status lt_plane_axis_make(lt_plane_axis *axis, int32_t n_src,
                                          int32_t n_dst, double scale, double shift);
void lt_plane_axis_free(lt_plane_axis *axis);

/* dst [y->n_dst][x->n_dst] = src [y->n_src][x->n_src] through both axes.
 *   row  scratch of x->n_src values. dst overlaps nothing. */
void lt_plane_scale(float *dst, const float *src, const lt_plane_axis *x,
                    const lt_plane_axis *y, float *row);

#endif
