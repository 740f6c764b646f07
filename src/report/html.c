#include <stdint.h>
#include <string.h>

#include "report/page.h"

void lt_page_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        const char *name = *text == '<'    ? "&lt;"
                           : *text == '>'  ? "&gt;"
                           : *text == '&'  ? "&amp;"
                           : *text == '"'  ? "&quot;"
                           : *text == '\'' ? "&#39;"
                                           : NULL;
        if (name)
            fputs(name, f);
        else
            putc(*text, f);
    }
}

void lt_page_data_uri(FILE *f, const char *mime, const void *data, size_t bytes)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = data;
    fprintf(f, "data:%s;base64,", mime);
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const uint32_t v = (uint32_t)b[i] << 16 |
                           (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
                           (left > 2 ? b[i + 2] : 0);
        putc(digit[v >> 18], f);
        putc(digit[v >> 12 & 63], f);
        putc(left > 1 ? digit[v >> 6 & 63] : '=', f);
        putc(left > 2 ? digit[v & 63] : '=', f);
    }
}

void lt_page_note(const lt_page *p, const char *text)
{
    fputs("<p class=\"note\">", p->f);
    lt_page_text(p->f, text);
    fputs("</p>\n", p->f);
}

lt_status lt_page_or_note(const lt_page *p, lt_status st, const char *what)
{
    if (st == LT_OK || st == LT_ERR_NOMEM || st == LT_ERR_NOSPACE || st == LT_ERR_IO)
        return st;
    lt_page_note(p, lt_error_message());
    lt_log_warn(p->a->log, "%s: %s", what, lt_error_message());
    return LT_OK;
}

void lt_page_row(const lt_page *p, const char *name, const char *value)
{
    fputs("<tr><th scope=\"row\">", p->f);
    lt_page_text(p->f, name);
    fputs("</th><td>", p->f);
    lt_page_text(p->f, value);
    fputs("</td></tr>\n", p->f);
}
