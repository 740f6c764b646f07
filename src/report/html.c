#include <stdint.h>
#include <stdlib.h>

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

static lt_status paste(lt_page *part, lt_page_part_fn *print, const lt_page *p)
{
    char *text = NULL;
    size_t bytes = 0;
    part->f = open_memstream(&text, &bytes);
    if (!part->f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
    lt_status st = print(part);
    if (fclose(part->f) != 0 && st == LT_OK)
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (report)");
    if (st == LT_OK) fwrite(text, 1, bytes, p->f); /* looked at at the end */
    free(text);
    return st;
}

lt_status lt_page_part(const lt_page *p, lt_page_part_fn *print, const char *what)
{
    lt_page part = *p;
    const lt_status st = paste(&part, print, p);
    if (st == LT_OK || st == LT_ERR_NOMEM || st == LT_ERR_NOSPACE || st == LT_ERR_IO)
        return st;
    fprintf(p->f, "<p class=\"note\">%s: ", what);
    lt_page_text(p->f, lt_error_message());
    fputs("</p>\n", p->f);
    lt_log_warn(p->a->log, "%s: %s", what, lt_error_message());
    return LT_OK;
}

void lt_page_word(FILE *f, const char *word)
{
    char one[2] = "";
    fputs("&#39;", f);
    for (; *word; word++) {
        one[0] = *word;
        lt_page_text(f, *word == '\'' ? "'\\''" : one);
    }
    fputs("&#39;", f);
}

void lt_page_row(const lt_page *p, const char *name, const char *value)
{
    fputs("<tr><th scope=\"row\">", p->f);
    lt_page_text(p->f, name);
    fputs("</th><td>", p->f);
    lt_page_text(p->f, value);
    fputs("</td></tr>\n", p->f);
}
