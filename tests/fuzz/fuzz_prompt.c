/* Prompts, with the tokenizers of the golden models. */
#include "fuzz.h"
#include "models/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lt_tokenizer *tok[2];
    char *text = fuzz_text(data, size);
    if (!tok[0]) {
        MUST(lt_tokenizer_load(LT_GOLDEN "/models/sd15-tiny", &tok[0]) == LT_OK);
        MUST(lt_tokenizer_load(LT_GOLDEN "/models/sd21-tiny", &tok[1]) == LT_OK);
    }
    for (int i = 0; i < 2; i++) {
        lt_tokens t;
        const lt_status st = lt_tokenize(tok[i], text, &t);
        fuzz_refused(st);
        if (st != LT_OK) continue;
        MUST(t.n >= 0 && t.n <= LT_MAX_TEXT_TOKENS - 2 && t.n_cut >= 0);
        MUST(t.n_cut == 0 || (t.cut_at >= 0 && (size_t)t.cut_at < strlen(text)));
    }
    free(text);
    return 0;
}
