#ifndef LT_CORE_FILE_H
#define LT_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Whole files, committed atomically: a reader sees the old file or the new one, never a
 * part, also after kill -9 or a power cut.
 *
 * Errors of all writers: NOSPACE (ENOSPC, EDQUOT), CANTCREAT (no such folder, no
 * permission, read-only), IO (anything else). Paths are UTF-8 or plain bytes, below
 * LT_PATH_MAX (options.h). Nothing here follows a lock: one writer a name. */

enum { LT_SHA256_HEX = 65, LT_XXH128_HEX = 33 }; /* bytes of the texts, with the end */

/* Write `bytes` bytes as the file `path`: <path>.tmp.<pid> beside it, fsync, rename,
 * fsync of the folder. On failure the old file stays and the temporary one is removed.
 *   tag   NULL, or "stage:unit" for the crash points "before" (nothing written),
 *         "during" (half written), "written" (complete, not renamed) and "after"
 * Errors: as above. */
LT_NODISCARD lt_status lt_file_write(const char *path, const void *data, size_t bytes,
                                     const char *tag);

/* The same for a file that another library writes: name the temporary file for `path`,
 * write and close it, then publish it (fsync, rename, fsync of the folder). When
 * publishing fails the temporary file is removed. out holds LT_PATH_MAX bytes.
 * Crash points of publish: "written" and "after". Errors: ARG (name too long). */
LT_NODISCARD lt_status lt_file_temp_name(const char *path, char *out);
LT_NODISCARD lt_status lt_file_publish(const char *temp, const char *path,
                                       const char *tag);

/* Remove what killed writers left in a folder (*.tmp.<digits>), not in its subfolders.
 * Only for a folder whose other writers are known to be gone: hold its lock. *n_removed
 * (NULL allowed) counts. A folder that does not exist holds nothing. Errors: IO. */
LT_NODISCARD lt_status lt_file_sweep(const char *folder, int64_t *n_removed);

/* Append one line to a journal, which is made when missing, and fsync it. `line` has no
 * line end; one is added. A torn line that a killed writer left is closed first, so
 * that the new line stands alone; after a failure the old length is restored.
 * Crash points: "before", "during" (half the line), "after". Errors: as above. */
LT_NODISCARD lt_status lt_file_append_line(const char *path, const char *line,
                                           const char *tag);

/* Read a regular file of at most max_bytes. *data is owned by the caller (free), has a
 * zero byte behind the end, and is written only on success, like *bytes.
 * Errors: NOINPUT (missing, not readable), DATA (larger, or no regular file), IO,
 * NOMEM. */
LT_NODISCARD lt_status lt_file_read(const char *path, size_t max_bytes, void **data,
                                    size_t *bytes);

/* Open a regular file as a stream for reading; NULL when it is missing, not readable or
 * no regular file (a pipe would hang its reader). The caller closes it with fclose. */
FILE *lt_file_stream(const char *path);

/* Size of a regular file. Errors: as lt_file_read. */
LT_NODISCARD lt_status lt_file_size(const char *path, int64_t *bytes);

/* Does the name end so (".mp4", in letters of either case), and is more than that? */
bool lt_path_ends_in(const char *path, const char *end);
bool lt_file_exists(const char *path);   /* a file, a folder, anything */
bool lt_folder_exists(const char *path); /* a folder                   */
/* Both are there and are one file or folder, whatever the names. */
bool lt_file_is_same(const char *a, const char *b);

/* Remove a file; one that is not there is no error. Errors: IO. */
LT_NODISCARD lt_status lt_file_remove(const char *path);

/* Make a folder and the folders above it; one that is there is no error.
 * Errors: as above; CANTCREAT when a file has that name. */
LT_NODISCARD lt_status lt_folder_make(const char *path);

/* Bytes that this user can still write on the file system of an existing path.
 * Errors: IO. */
LT_NODISCARD lt_status lt_disk_free(const char *path, int64_t *bytes);

/* Absolute form of `path` in `folder` (NULL: the working folder), without "." and empty
 * parts; ".." stays, since links may be in the way. No file need exist. out holds
 * LT_PATH_MAX bytes and may be the buffer of `path`. Errors: ARG (too long), IO. */
LT_NODISCARD lt_status lt_path_absolute(const char *folder, const char *path, char *out);

/* The folder part of a path: "/a" for "/a/b", "." for "b", "/" for "/b". out holds
 * LT_PATH_MAX bytes. Errors: ARG (too long). */
LT_NODISCARD lt_status lt_path_folder(const char *path, char *out);

/* SHA-256 in lower-case hex of a buffer, and of a file read in pieces.
 * Errors: INTERNAL (libcrypto refused), for the file also those of lt_file_read. */
LT_NODISCARD lt_status lt_sha256(const void *data, size_t bytes, char hex[LT_SHA256_HEX]);
LT_NODISCARD lt_status lt_sha256_file(const char *path, char hex[LT_SHA256_HEX]);

/* XXH3-128 (canonical order) in lower-case hex of a buffer. */
void lt_xxh128(const void *data, size_t bytes, char hex[LT_XXH128_HEX]);

/* Crash points for tests; without the CMake option LT_TEST_HOOKS both do nothing.
 * After lt_test_stop_set("stage:unit:point") the process kills itself (SIGKILL) when it
 * passes that point; "*" stands for any one part. NULL takes it back. The text is
 * copied. Set it before threads start (it is the one global of the room: crash points
 * lie too deep for a context, and builds for users can leave them out).
 * lt_test_point: tag "stage:unit" (NULL: nothing happens), point as listed above. */
void lt_test_stop_set(const char *spec);
void lt_test_point(const char *tag, const char *point);

#endif
