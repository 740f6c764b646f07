#ifndef LT_METRICS_PART_H
#define LT_METRICS_PART_H

#include <stdint.h>

/* The parts of a frame that are judged apart. A pixel is inside the mask when the mask
 * there is 128 or more of 255, and outside when it is 16 or less (what a lossy encoder
 * leaves of black); what lies between, the soft edge, belongs to neither. */
enum {
    LT_PART_ALL = 0,
    LT_PART_INSIDE,
    LT_PART_OUTSIDE,
    LT_PARTS,
    LT_MASK_INSIDE_FROM = 128,
    LT_MASK_OUTSIDE_TO = 16
};

typedef struct lt_parts {
    int32_t w, h;
    /* [h][w], 1 = belongs to it. [LT_PART_ALL] is NULL: everything belongs to it; the
     * others are NULL when there is no mask */
    const uint8_t *area[LT_PARTS];
} lt_parts;

/* 1: there is such a part. */
static inline int lt_part_exists(const lt_parts *p, int part)
{
    return part == LT_PART_ALL || p->area[part];
}
static inline int lt_part_has(const lt_parts *p, int part, int64_t pixel)
{
    return part == LT_PART_ALL || (p->area[part] && p->area[part][pixel]);
}

#endif
