#ifndef LT_IO_MEDIA_FIELDS_H
#define LT_IO_MEDIA_FIELDS_H

#include <libavutil/frame.h>

#include "core/status.h"

/* One progressive frame of an interlaced one, in place.
 *
 * The lines of the field that is shown first stay as they are. A sample of the other
 * field becomes the median of itself and of the samples above and below: where nothing
 * moves it stays, where something moves the comb is gone. A frame that is not marked as
 * interlaced is left alone; the mark is taken off. The frame's buffers are copied when
 * somebody else holds them too.
 * Errors: DATA (a pixel format without planes of whole bytes), NOMEM. */
LT_NODISCARD lt_status lt_fields_join(AVFrame *frame);

#endif
