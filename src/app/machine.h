#ifndef LT_APP_MACHINE_H
#define LT_APP_MACHINE_H

#include <stdint.h>

/* What this machine has. */

/* Bytes this process could still take: what the kernel calls available, or what is left
 * below the limit of its control group, whichever is less; -1 when not known. */
int64_t lt_machine_memory(void);

/* First line of a file under /proc or /sys without its end; "" when there is none.
 * Returns out. */
const char *lt_machine_line(const char *path, char *out, int size);

/* Is there a program of this name in PATH? `found` holds `size` bytes. */
int lt_machine_program(const char *name, char *found, int size);

/* Bytes free below a path that need not exist yet; -1 when not known. */
int64_t lt_machine_disk(const char *path);

#endif
