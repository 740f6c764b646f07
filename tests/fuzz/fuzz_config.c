/* job.yaml: what is accepted can be written and read back as the same. */
#include "core/config.h"
#include "fuzz.h"

static void again(const lt_config *c, const lt_facts *facts)
{
    lt_config c2;
    lt_facts facts2 = { 0 };
    char *one = NULL, *two = NULL, hash[LT_SHA256_HEX], hash2[LT_SHA256_HEX];
    MUST(lt_config_text(c, facts, &one) == LT_OK);
    MUST(lt_config_default(&c2) == LT_OK);
    MUST(lt_config_load_text(&c2, &facts2, one, strlen(one), "again", NULL) == LT_OK);
    MUST(lt_config_text(&c2, &facts2, &two) == LT_OK);
    MUST(!strcmp(one, two));
    MUST(lt_config_sha256(c, hash) == LT_OK && lt_config_sha256(&c2, hash2) == LT_OK);
    MUST(!strcmp(hash, hash2));
    free(one);
    free(two);
    lt_config_free(&c2);
    lt_facts_free(&facts2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lt_config c;
    lt_facts facts = { 0 };
    MUST(lt_config_default(&c) == LT_OK);
    lt_status st =
        lt_config_load_text(&c, &facts, (const char *)data, size, "j.yaml", "/folder");
    fuzz_refused(st);
    if (st == LT_OK) {
        fuzz_refused(lt_config_check(&c));
        again(&c, &facts);
    }
    char *text = fuzz_text(data, size); /* as a value of --set, too */
    fuzz_refused(lt_config_set(&c, text));
    free(text);
    lt_facts_free(&facts);
    lt_config_free(&c);
    return 0;
}
