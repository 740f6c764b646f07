#include "models/text_points.h"

#include <stdlib.h>
#include <string.h>

/* ---- normalisation: NFC, lower case -------------------------------------------- */

static lt_status add_point(lt_points *p, utf8proc_int32_t c, int64_t place)
{
    if (p->n == p->cap) {
        const int64_t cap = p->cap ? 2 * p->cap : 256;
        utf8proc_int32_t *nc = realloc(p->c, (size_t)cap * sizeof(*nc));
        if (nc) p->c = nc;
        int64_t *np = nc ? realloc(p->place, (size_t)cap * sizeof(*np)) : NULL;
        if (np) p->place = np;
        if (!np) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
        p->cap = cap;
    }
    p->c[p->n] = c;
    p->place[p->n++] = place;
    return LT_OK;
}

/* Lower case of one code point at a time, as the tokenizer was trained. Only U+0130 has
 * two code points in lower case. */
static lt_status add_lower(lt_points *p, utf8proc_int32_t c, int64_t place)
{
    if (c != 0x130) return add_point(p, utf8proc_tolower(c), place);
    const lt_status st = add_point(p, 'i', place);
    return st != LT_OK ? st : add_point(p, 0x307, place);
}

/* Compose bytes [begin, end) of the text. Composition never crosses the border of a
 * grapheme, so normalising them one by one gives the NFC of the whole, and keeps the
 * places in the text. */
static lt_status add_grapheme(lt_points *p, const char *text, int64_t begin, int64_t end)
{
    lt_status st = LT_OK;
    utf8proc_uint8_t *nfc = NULL;
    const utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text + begin, end - begin, &nfc,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0)
        return LT_FAIL(LT_ERR_NOMEM, "cannot normalise a prompt: %s", utf8proc_errmsg(n));
    const int same = n == end - begin && !memcmp(nfc, text + begin, (size_t)n);
    for (int64_t i = 0; i < n;) {
        utf8proc_int32_t c = 0;
        const utf8proc_ssize_t k = utf8proc_iterate(nfc + i, n - i, &c);
        if (k <= 0) break;
        LT_TRY(add_lower(p, c, begin + (same ? i : 0)));
        i += k;
    }
cleanup:
    free(nfc);
    return st;
}

/* Bytes [begin, n) of the text. */
lt_status lt_points_add(const char *text, int64_t begin, int64_t n, lt_points *p)
{
    utf8proc_int32_t state = 0, before = -1;
    for (int64_t i = begin; i < n;) {
        utf8proc_int32_t c = 0;
        const utf8proc_ssize_t k =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, n - i, &c);
        if (k <= 0)
            return LT_FAIL(LT_ERR_DATA,
                           "prompt is not UTF-8 (byte %lld): save it as UTF-8 text",
                           (long long)i);
        if (before >= 0 && utf8proc_grapheme_break_stateful(before, c, &state)) {
            const lt_status st = add_grapheme(p, text, begin, i);
            if (st != LT_OK) return st;
            begin = i;
        }
        before = c;
        i += k;
    }
    return begin < n ? add_grapheme(p, text, begin, n) : LT_OK;
}

/* ---- splitting into words ------------------------------------------------------ */

int lt_point_is_space(utf8proc_int32_t c)
{
    return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static int is_letter(utf8proc_int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static int is_number(utf8proc_int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

/* Length of the plain text `what` at p->c[i .. end), or 0. */
int64_t lt_points_start_with(const lt_points *p, int64_t i, int64_t end, const char *what)
{
    const int64_t n = (int64_t)strlen(what);
    if (end - i < n) return 0;
    for (int64_t j = 0; j < n; j++)
        if (p->c[i + j] != (unsigned char)what[j]) return 0;
    return n;
}

/* CLIP's pattern at a code point that is no space:
 *   's|'t|'re|'ve|'m|'ll|'d | [\p{L}]+ | [\p{N}] | [^\s\p{L}\p{N}]+ */
int64_t lt_points_word(const lt_points *p, int64_t i, int64_t end)
{
    static const char *const endings[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    for (size_t k = 0; k < sizeof(endings) / sizeof(*endings); k++) {
        const int64_t n = lt_points_start_with(p, i, end, endings[k]);
        if (n) return n;
    }
    if (is_number(p->c[i])) return 1;
    const int letters = is_letter(p->c[i]);
    int64_t j = i + 1;
    while (j < end && is_letter(p->c[j]) == letters && !is_number(p->c[j]) &&
           !lt_point_is_space(p->c[j]))
        j++;
    return j - i;
}

void lt_points_free(lt_points *p)
{
    free(p->c);
    free(p->place);
    *p = (lt_points){ 0 };
}
