/* The files of a tokenizer: "merges \1 entries of the vocabulary \1 special tokens \1
 * prompt". The 512 entries that every vocabulary has are put there, without them nothing
 * would ever be read. */
#include <utf8proc.h>

#include "fuzz.h"
#include "models/text.h"

static void put_bytes(FILE *f)
{
    int next = 0, id = 0;
    for (int b = 0; b < 256; b++) {
        char c[8] = { 0 };
        const int plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        utf8proc_encode_char(plain ? b : 256 + next++, (utf8proc_uint8_t *)c);
        const char *quote = b == '"' || b == '\\' ? "\\" : "";
        fprintf(f, "%s\"%s%s\":%d,\"%s%s</w>\":%d", b ? "," : "", quote, c, id, quote, c,
                id + 1);
        id += 2;
    }
}

static char *vocabulary(const char *more)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    MUST(f);
    fputc('{', f);
    put_bytes(f);
    fprintf(f, "%s%s}", *more ? "," : "", more);
    MUST(fclose(f) == 0);
    return text;
}

static void tokenize(const lt_tokenizer *tok, const char *prompt)
{
    lt_tokens t;
    const lt_status st = lt_tokenize(tok, prompt, &t);
    fuzz_refused(st);
    if (st != LT_OK) return;
    MUST(t.n >= 0 && t.n <= LT_MAX_TEXT_TOKENS - 2 && t.n_cut >= 0);
    MUST(t.n_cut == 0 ? t.cut_at == -1
                      : t.cut_at >= 0 && (size_t)t.cut_at < strlen(prompt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_tokenizer *tok = NULL;
    char *text = fuzz_text(data, size), *part[4] = { text, "", "", "" };
    for (int i = 1; i < 4; i++) {
        char *end = strchr(part[i - 1], 1);
        if (!end) break;
        *end = '\0';
        part[i] = end + 1;
    }
    char *vocab = vocabulary(part[1]);
    const lt_tokenizer_texts texts = { .vocab = vocab,
                                       .merges = part[0],
                                       .specials = *part[2] ? part[2] : NULL };
    const lt_status st = lt_tokenizer_parse(&texts, "fuzz", &tok);
    fuzz_refused(st);
    if (st == LT_OK) tokenize(tok, part[3]);
    lt_tokenizer_free(&tok);
    free(vocab);
    free(text);
    return 0;
}
