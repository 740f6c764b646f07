#ifndef LT_TESTS_FUZZ_H
#define LT_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/status.h"

/* What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput: it hands
 * the bytes to a reader and checks what must hold of anything that was read. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, also without NDEBUG; the fuzzer keeps the input. */
#define MUST(cond)                                                                 \
    do {                                                                           \
        if (!(cond)) {                                                             \
            fprintf(stderr, "%s:%d: MUST(%s) fails\n", __FILE__, __LINE__, #cond); \
            abort();                                                               \
        }                                                                          \
    } while (0)

/* A refusal has a message of one line that says more than a few words. */
static inline void fuzz_refused(lt_status st)
{
    if (st == LT_OK) return;
    MUST(strlen(lt_error_message()) > 8);
    MUST(!strpbrk(lt_error_message(), "\n\r\033"));
    MUST(st != LT_ERR_INTERNAL && st != LT_ERR_ARG && st != LT_ERR_SHAPE);
}

/* The input as a text with an end; zero bytes become blanks. Free it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text);
    if (size) memcpy(text, data, size);
    for (size_t i = 0; i < size; i++)
        if (!text[i]) text[i] = ' ';
    text[size] = '\0';
    return text;
}

/* For readers that want a file: its path in memory, until fuzz_file_close. */
typedef struct fuzz_file {
    int fd;
    char path[40];
} fuzz_file;

static inline fuzz_file fuzz_file_open(const uint8_t *data, size_t size)
{
    fuzz_file f = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };
    MUST(f.fd >= 0 && write(f.fd, data, size) == (ssize_t)size);
    snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void fuzz_file_close(fuzz_file *f) { close(f->fd); }

#endif
