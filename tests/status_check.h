#ifndef LT_TESTS_STATUS_CHECK_H
#define LT_TESTS_STATUS_CHECK_H

#include <string.h>

#include "check.h"
#include "core/status.h"

/* The call succeeds; else its message is printed. */
#define OK(expr)                                                                    \
    do {                                                                            \
        if ((expr) != LT_OK) {                                                      \
            fprintf(stderr, "FAIL %s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #expr, \
                    lt_error_message(), lt_error_place());                          \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

/* The call fails with this status and a message that holds `text`. */
#define FAILS(status, text, expr)                                                 \
    do {                                                                          \
        const lt_status got_ = (expr);                                            \
        if (got_ != (status) || !strstr(lt_error_message(), text)) {              \
            fprintf(stderr, "FAIL %s:%d: %s: status %d, message: %s\n", __FILE__, \
                    __LINE__, #expr, (int)got_, lt_error_message());              \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

#endif
