#ifndef LT_IO_MANIFEST_IMPL_H
#define LT_IO_MANIFEST_IMPL_H

#include "io/manifest.h"

/* What manifest.c, manifest_text.c and the job_*.c files share. Not for other rooms. */

/* Marks that a job keeps at a record; not stored. */
enum {
    LT_MARK_SEEN = 1,    /* the file is there and has its size */
    LT_MARK_VERIFIED = 2 /* its hash was found right by this process */
};
void lt_manifest_mark(const lt_record *r, unsigned marks);
unsigned lt_manifest_marks(const lt_record *r);

/* All records, also dropped ones; lt_manifest_is_dropped tells which. *list is
 * the caller's (free). */
LT_NODISCARD lt_status lt_manifest_list_all(const lt_manifest *m, const lt_record ***list,
                                            int64_t *n);
int lt_manifest_is_dropped(const lt_record *r);

/* Are all fields in range? */
int lt_record_ok(lt_op op, const lt_record *r);

/* The sum that ends a line: XXH3-64 of its first `bytes` bytes as 16 hex digits. */
enum { LT_SUM_TAIL = 26 }; /* ,"sum":"0123456789abcdef"} */

/* Does a line (without newline) end in the sum of what is before? */
int lt_line_sound(const char *line, size_t bytes);

#endif
