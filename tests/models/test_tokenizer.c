/* Ids against transformers' CLIPTokenizer, over tiny vocabularies and the real one. */
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models_test.h"

/* Without the padding: n + 2 ids. */
static void check_case(const lt_tokenizer *tok, const json_t *c, int64_t pad)
{
    const char *text = json_string_value(json_object_get(c, "text"));
    const json_t *ids = json_object_get(c, "ids");
    lt_tokens t;
    OK(lt_tokenize(tok, text, &t));
    int same = (size_t)t.n + 2 == json_array_size(ids);
    for (int i = 0; same && i < t.n + 2; i++)
        same = t.id[i] == json_integer_value(json_array_get(ids, (size_t)i));
    if (!same) {
        fprintf(stderr, "\"%s\": got", text);
        for (int i = 0; i < t.n + 2; i++) fprintf(stderr, " %d", (int)t.id[i]);
        char *want = json_dumps(ids, JSON_COMPACT);
        fprintf(stderr, "\nwant %s\n", want);
        free(want);
    }
    CHECK(same);
    for (int i = t.n + 2; i < LT_MAX_TEXT_TOKENS; i++) CHECK(t.id[i] == pad);
    CHECK((t.n_cut > 0) == (t.cut_at >= 0));
    CHECK(t.cut_at < (int)strlen(text));
    if (t.cut_at < 0) return;
    /* the text before the cut gives the tokens that were kept, and no others */
    char *head = strdup(text);
    lt_tokens again;
    head[t.cut_at] = '\0';
    OK(lt_tokenize(tok, head, &again));
    CHECK(again.n_cut == 0 && again.n <= 75);
    free(head);
}

static void check_file(const char *dir, const char *list)
{
    char path[4096];
    json_error_t err;
    lt_tokenizer *tok = NULL;
    json_t *root = json_load_file(golden_path(list, path), 0, &err);
    CHECK(root);
    OK(lt_tokenizer_load(dir, &tok));
    const int64_t pad = json_integer_value(json_object_get(root, "pad"));
    const json_t *cases = json_object_get(root, "cases");
    CHECK(json_array_size(cases) > 50);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(tok, json_array_get(cases, i), pad);
    lt_tokenizer_free(&tok);
    CHECK(!tok);
    json_decref(root);
}

static void check_places(const lt_tokenizer *tok)
{
    char text[4096] = "";
    lt_tokens t;
    for (int i = 0; i < 75; i++) strcat(text, "! ");
    OK(lt_tokenize(tok, text, &t));
    CHECK(t.n == 75 && t.n_cut == 0 && t.cut_at == -1);
    strcat(text, " e\xcc\x81\xe4\xb8\x80 7"); /* decomposed, then three bytes */
    OK(lt_tokenize(tok, text, &t));
    CHECK(t.n == 75 && t.n_cut > 1 && t.cut_at == 151);
    FAILS(LT_ERR_DATA, "UTF-8", lt_tokenize(tok, "abc \xff", &t));
    FAILS(LT_ERR_DATA, "byte 1", lt_tokenize(tok, "a\xc0\x80", &t));
    FAILS(LT_ERR_DATA, "UTF-8", lt_tokenize(tok, "\xed\xa0\x80", &t)); /* surrogate */
    FAILS(LT_ERR_DATA, "UTF-8", lt_tokenize(tok, "\xe4\xb8", &t));
}

/* A word of a million letters takes no quadratic time. */
static void check_long(const lt_tokenizer *tok)
{
    const size_t n = 1000000;
    char *text = malloc(n + 1);
    uint64_t seed = 1;
    lt_tokens t;
    for (size_t i = 0; i < n; i++) text[i] = (char)('a' + check_rand(&seed) % 26);
    text[n] = '\0';
    OK(lt_tokenize(tok, text, &t));
    CHECK(t.n == 75 && t.n_cut > 100000 && t.cut_at > 0);
    free(text);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/tokenizer/%s", dir, name);
    if (!text) {
        unlink(path);
        return;
    }
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text, 1, strlen(text), f) == strlen(text) && fclose(f) == 0);
}

static char *read_all(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/tokenizer/%s", dir, name);
    FILE *f = fopen(path, "rb");
    CHECK(f);
    char *text = calloc(1, 1 << 20);
    CHECK(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void check_damage(const char *from)
{
    char dir[] = "/tmp/lt-tok-XXXXXX", path[4096];
    lt_tokenizer *tok = NULL;
    CHECK(mkdtemp(dir));
    FAILS(LT_ERR_NOINPUT, "vocab.json", lt_tokenizer_load(dir, &tok));
    snprintf(path, sizeof(path), "%s/tokenizer", dir);
    CHECK(mkdir(path, 0700) == 0);
    char *vocab = read_all(from, "vocab.json"), *merges = read_all(from, "merges.txt");
    write_file(dir, "vocab.json", vocab);
    FAILS(LT_ERR_NOINPUT, "merges.txt", lt_tokenizer_load(dir, &tok));
    write_file(dir, "merges.txt", merges);
    OK(lt_tokenizer_load(dir, &tok)); /* without special_tokens_map.json */
    lt_tokenizer_free(&tok);
    write_file(dir, "merges.txt", "#version: 0.2\r\na t\r\n");
    OK(lt_tokenizer_load(dir, &tok));
    lt_tokenizer_free(&tok);
    write_file(dir, "merges.txt", "#version: 0.2\nunknownpart t\n");
    FAILS(LT_ERR_DATA, "unknownpart", lt_tokenizer_load(dir, &tok));
    write_file(dir, "merges.txt", "a b c\n");
    FAILS(LT_ERR_DATA, "merge 1", lt_tokenizer_load(dir, &tok));
    write_file(dir, "merges.txt", "");
    OK(lt_tokenizer_load(dir, &tok));
    lt_tokenizer_free(&tok);
    write_file(dir, "special_tokens_map.json", "{\"pad_token\": \"!\"}");
    OK(lt_tokenizer_load(dir, &tok));
    lt_tokenizer_free(&tok);
    write_file(dir, "special_tokens_map.json", "{\"pad_token\": 3}");
    FAILS(LT_ERR_DATA, "pad_token", lt_tokenizer_load(dir, &tok));
    write_file(dir, "special_tokens_map.json", "{\"pad_token\": \"no such token\"}");
    FAILS(LT_ERR_DATA, "no such token", lt_tokenizer_load(dir, &tok));
    write_file(dir, "special_tokens_map.json", NULL);
    static const char *const bad[] = { "{}",          "[]",
                                       "{\"a\":",     "{\"!\": 0, \"!\": 1}",
                                       "{\"!\": -1}", "{\"!\": \"0\"}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        write_file(dir, "vocab.json", bad[i]);
        FAILS(LT_ERR_DATA, "vocab.json", lt_tokenizer_load(dir, &tok));
    }
    write_file(dir, "vocab.json", NULL);
    write_file(dir, "merges.txt", NULL);
    rmdir(path);
    rmdir(dir);
    free(vocab);
    free(merges);
}

/* The folder DIR with DIR/tokenizer that points to the shared vocabulary. */
static int check_real(void)
{
    const char *shared = getenv("LT_SHARED");
    char dir[] = "/tmp/lt-clip-XXXXXX", target[4096], link[4096];
    snprintf(target, sizeof(target), "%s/tokenizers/clip",
             shared ? shared : LT_SHARED_DEFAULT);
    char *real = realpath(target, NULL);
    if (!real) return TEST_SKIP;
    CHECK(mkdtemp(dir));
    snprintf(link, sizeof(link), "%s/tokenizer", dir);
    CHECK(symlink(real, link) == 0);
    check_file(dir, "tokens-clip.json");
    unlink(link);
    rmdir(dir);
    free(real);
    return 0;
}

int main(void)
{
    char dir[4096], list[64];
    for (int m = 0; m < N_TEST_MODELS; m++) {
        snprintf(list, sizeof(list), "tokens-%s.json", test_models[m]);
        check_file(model_dir(test_models[m], dir), list);
    }
    lt_tokenizer *tok = NULL;
    OK(lt_tokenizer_load(model_dir("sd15-tiny", dir), &tok));
    check_places(tok);
    check_long(tok);
    lt_tokenizer_free(&tok);
    check_damage(dir);
    return check_real();
}
