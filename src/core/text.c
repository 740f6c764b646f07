#include "core/text.h"

#include <string.h>

int lt_utf8_next(const char *s, uint32_t *code)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char c = (unsigned char)s[0];
    const int n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
    if (n == 0 || c > 0xf4) return 0;
    uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80) return 0;
        v = (v << 6) | ((unsigned char)s[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return 0;
    *code = v;
    return n;
}

bool lt_utf8_valid(const char *text)
{
    uint32_t code = 0;
    while (*text) {
        const int n = lt_utf8_next(text, &code);
        if (n == 0) return false;
        text += n;
    }
    return true;
}

void lt_text_one_line(char *text)
{
    while (*text) {
        uint32_t code = 0;
        int n = lt_utf8_next(text, &code);
        if (n == 0) *text = '?', n = 1, code = '?';
        if (code < 0x20 || (code >= 0x7f && code < 0xa0)) memset(text, ' ', (size_t)n);
        text += n;
    }
}

/* Characters that a YAML file may not hold as they are, or that end a line in it. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
           c == 0xfeff || c == 0xfffe || c == 0xffff;
}

void lt_yaml_quote(const char *text, FILE *f)
{
    fputc('"', f);
    while (*text) {
        uint32_t code = 0;
        const int n = lt_utf8_next(text, &code);
        if (n == 0) break;
        if (code == '"' || code == '\\')
            fprintf(f, "\\%c", (int)code);
        else if (code == '\n')
            fputs("\\n", f);
        else if (needs_escape(code))
            fprintf(f, "\\u%04x", (unsigned)code);
        else
            fwrite(text, 1, (size_t)n, f);
        text += n;
    }
    fputc('"', f);
}

int lt_edit_distance(const char *a, const char *b)
{
    int row[3][64]; /* the one before the last, the last, the one being made */
    int *older = row[0], *last = row[1], *now = row[2];
    const int la = (int)strnlen(a, 63), lb = (int)strnlen(b, 63);
    for (int j = 0; j <= lb; j++) last[j] = j;
    for (int i = 1; i <= la; i++) {
        now[0] = i;
        for (int j = 1; j <= lb; j++) {
            const int change = last[j - 1] + (a[i - 1] != b[j - 1]);
            const int insert = now[j - 1] + 1, drop = last[j] + 1;
            int best = change < insert ? change : insert;
            if (drop < best) best = drop;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
        int *const spare = older;
        older = last, last = now, now = spare;
    }
    return last[lb];
}
