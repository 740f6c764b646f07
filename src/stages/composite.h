#ifndef LT_STAGES_COMPOSITE_H
#define LT_STAGES_COMPOSITE_H

#include "io/media_writer.h"
#include "stages/run.h"

/* The user's mask in an edit: outside it the source's pixels are put back, at the size of
 * the output, in the planes that the encoder is given (io/media_over.h says what is
 * equal). Latents never see it, so another mask only renders again.
 *
 * Each rank reads source and mask for the parts that it renders, so both must be
 * readable by all of them. A few frames are in memory at a time. */

/* The mask that the configuration asks for; path "" = none. Borrows cfg. */
lt_mask_options lt_composite_mask(const lt_config *cfg);

/* One line about the mask of a run, for people: "16 pictures of 512x512, one for each
 * frame of the whole video". "" when there is none. */
void lt_composite_describe(const lt_run *r, char *text, size_t size);

/* Bytes that compositing takes on a rank; 0 without a mask. */
int64_t lt_composite_bytes(const lt_run *r);

typedef struct lt_composite lt_composite;

/* Not collective. *composite is NULL for a job without a mask.
 *   encode  of the writers that frames will be put to
 * Errors: those of lt_media_reader_open and lt_mask_open. */
LT_NODISCARD lt_status lt_composite_open(lt_run *r, const lt_media_encode *encode,
                                         lt_composite **composite);
void lt_composite_close(lt_composite **composite); /* accepts NULL and *NULL */

/* lt_media_writer_put of edited frame `frame`, composited; NULL: just put it.
 * Errors: those of lt_media_writer_put, lt_media_reader_next, lt_mask_read. */
LT_NODISCARD lt_status lt_composite_put(lt_composite *composite, lt_media_writer *writer,
                                        int64_t frame, const void *pixels, int64_t pts);

/* The same at the working size, for `preview`: edit and source [1, H, W, 3] f32 in
 * [0, 1]; edit becomes source + weight * (edit - source), the source where the weight is
 * 0. Nothing happens without a mask. */
LT_NODISCARD lt_status lt_composite_preview(lt_run *r, int64_t frame,
                                            const lt_tensor *source, lt_tensor *edit);

#endif
