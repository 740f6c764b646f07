#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

static _Thread_local char last_message[LT_MESSAGE_MAX];
static _Thread_local char last_place[256];

const char *lt_status_text(lt_status st)
{
    switch (st) {
#define LT_X_CASE(name, value, exit_code, text) \
    case name: return text;
        LT_STATUS_LIST(LT_X_CASE)
#undef LT_X_CASE
    }
    return "unknown status";
}

int lt_status_exit_code(lt_status st)
{
    switch (st) {
#define LT_X_CASE(name, value, exit_code, text) \
    case name: return exit_code;
        LT_STATUS_LIST(LT_X_CASE)
#undef LT_X_CASE
    }
    return 70;
}

lt_status lt_fail_at(lt_status st, const char *file, int line, const char *func,
                     const char *fmt, ...)
{
    char text[LT_MESSAGE_MAX]; /* the arguments may contain the last message itself */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    lt_text_one_line(text); /* names in it may hold anything */
    memcpy(last_message, text, sizeof(text));
    snprintf(last_place, sizeof(last_place), "%s:%d %s", file, line, func);
    return st;
}

const char *lt_error_message(void) { return last_message; }
const char *lt_error_place(void) { return last_place; }

void lt_error_adopt(const char *message, const char *place)
{
    snprintf(last_message, sizeof(last_message), "%s", message);
    snprintf(last_place, sizeof(last_place), "%s", place);
}
