#ifndef LT_CORE_STATUS_H
#define LT_CORE_STATUS_H

/* Status codes and the text of the last failure.
 *
 * The numbers appear in logs: append, never renumber. The third column is the exit
 * code a user sees when the failure reaches main (docs: README, interface). */
/* clang-format off */
#define LT_STATUS_LIST(X)                                                        \
    X(LT_OK,               0,  0, "success")                                     \
    X(LT_ERR_ARG,          1, 70, "argument outside its documented range")       \
    X(LT_ERR_SHAPE,        2, 70, "tensor shapes do not agree")                  \
    X(LT_ERR_NOMEM,        3,  1, "out of memory")                               \
    X(LT_ERR_IO,           4, 74, "file or container I/O failed")                \
    X(LT_ERR_CUDA,         5, 69, "CUDA call failed")                            \
    X(LT_ERR_COMM,         6,  1, "MPI or NCCL call failed")                     \
    X(LT_ERR_UNSUPPORTED,  7, 69, "not built in, or no such device here")        \
    X(LT_ERR_PEER,         8,  1, "another rank failed; its log has the cause")  \
    X(LT_ERR_USAGE,        9, 64, "wrong command line")                          \
    X(LT_ERR_DATA,        10, 65, "bad input data")                              \
    X(LT_ERR_NOINPUT,     11, 66, "no such input")                               \
    X(LT_ERR_INTERNAL,    12, 70, "internal error")                              \
    X(LT_ERR_CANTCREAT,   13, 73, "cannot create output, or it is in use")       \
    X(LT_ERR_STOPPED,     14, 75, "stopped early, nothing lost")                 \
    X(LT_ERR_CONFIG,      15, 78, "bad configuration")                           \
    X(LT_ERR_NOSPACE,     16, 75, "no space left on the device")
/* clang-format on */

#define LT_X_ENUM(name, value, exit_code, text) name = value,
typedef enum lt_status { LT_STATUS_LIST(LT_X_ENUM) } lt_status;
#undef LT_X_ENUM

#define LT_NODISCARD __attribute__((warn_unused_result))

enum { LT_MESSAGE_MAX = 1024 }; /* bytes of a failure message, terminator included */

/* A short text for the code, and the exit code it becomes. */
const char *lt_status_text(lt_status st);
int lt_status_exit_code(lt_status st);

/* Remember a failure for this thread and return st. The message is what the user
 * reads after "longtake: ", so it says what, where and how to mend it:
 *     "not a video (clip.txt): give a file that FFmpeg can open"
 * It becomes one line of UTF-8 whatever the arguments hold. Nothing is printed here;
 * main prints the message of the failure that reaches it. */
lt_status lt_fail_at(lt_status st, const char *file, int line, const char *func,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Report a new failure here. */
#define LT_FAIL(st, ...) lt_fail_at((st), __FILE__, __LINE__, __func__, __VA_ARGS__)

/* The last failure of the calling thread: its message ("" when there was none) and
 * the place in the source that reported it, for the log. */
const char *lt_error_message(void);
const char *lt_error_place(void);

/* Take over a failure that another thread of this process reported, so that the
 * thread that waited for it can pass it on. message and place are copied. */
void lt_error_adopt(const char *message, const char *place);

/* Run expr; on failure keep its status in the local `st` and jump to the local
 * label `cleanup`. The only macro in the project with hidden control flow. */
#define LT_TRY(expr)                   \
    do {                               \
        st = (expr);                   \
        if (st != LT_OK) goto cleanup; \
    } while (0)

#endif
