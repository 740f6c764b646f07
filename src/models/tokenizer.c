#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/file.h"
#include "models/config.h"
#include "models/text.h"
#include "models/text_points.h"

enum {
    MAX_VOCAB_BYTES = 4 << 20, /* CLIP's: 862 KB and 525 KB; in memory up to 40 times */
    MAX_MERGES_BYTES = 4 << 20,
    MAX_ID = 1 << 22,
    KEPT = LT_MAX_TEXT_TOKENS - 2
};

/* A merge of two neighbours. Rank 0 comes first. */
typedef struct merge {
    int32_t left, right; /* left < 0: an empty slot */
    int32_t rank, result;
} merge;

/* A token that is recognised in the text itself, as the tokenizers of Hugging Face do:
 * before normalisation, or, when its entry says so, after it. */
typedef struct special_token {
    char *text;
    int32_t id;
    int normalized;
} special_token;

enum { START, END, PAD, N_SPECIAL };

struct lt_tokenizer {
    int32_t inside[256]; /* id of a byte's symbol inside a word   */
    int32_t last[256];   /* and as the last of a word ("...</w>") */
    special_token special[N_SPECIAL];
    merge *merges; /* open addressing, cap is a power of two */
    size_t cap;
};

/* ---- merges as a hash map ------------------------------------------------------ */

static size_t slot_of(int32_t left, int32_t right, size_t cap)
{
    uint64_t z =
        ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(z ^ z >> 29) & (cap - 1);
}

static merge *find_merge(const lt_tokenizer *t, int32_t left, int32_t right)
{
    size_t i = slot_of(left, right, t->cap);
    while (t->merges[i].left >= 0 &&
           (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & (t->cap - 1);
    return &t->merges[i];
}

static lt_status alloc_merges(lt_tokenizer *t, size_t n)
{
    t->cap = 16;
    while (t->cap < 2 * n + 2) t->cap *= 2;
    t->merges = malloc(t->cap * sizeof(*t->merges));
    if (!t->merges) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tokenizer");
    for (size_t i = 0; i < t->cap; i++) t->merges[i].left = -1;
    return LT_OK;
}

/* ---- loading ------------------------------------------------------------------- */

static lt_status id_of(const lt_model_config *vocab, const char *token, int32_t *id)
{
    const json_t *v = json_object_get(vocab->root, token);
    if (!json_is_integer(v))
        return LT_FAIL(
            LT_ERR_DATA,
            "no id for the token \"%.80s\" (%s): the files of the tokenizer do not "
            "belong together, download them again",
            token, vocab->path);
    if (json_integer_value(v) < 0 || json_integer_value(v) > MAX_ID)
        return LT_FAIL(
            LT_ERR_DATA,
            "impossible id for the token \"%.80s\" (%s): download the tokenizer again",
            token, vocab->path);
    *id = (int32_t)json_integer_value(v);
    return LT_OK;
}

/* GPT-2's printable character for every byte; next counts those that have none. */
static int printable(int byte, int *next)
{
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174)
        return byte;
    return 256 + (*next)++;
}

static lt_status load_bytes(lt_tokenizer *t, const lt_model_config *vocab)
{
    int next = 0;
    for (int b = 0; b < 256; b++) {
        char text[16] = { 0 };
        const utf8proc_ssize_t n =
            utf8proc_encode_char(printable(b, &next), (utf8proc_uint8_t *)text);
        lt_status st = id_of(vocab, text, &t->inside[b]);
        strcpy(text + n, "</w>");
        if (st == LT_OK) st = id_of(vocab, text, &t->last[b]);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* One line "left right" of merges.txt; end points at its line end. */
static lt_status add_merge(lt_tokenizer *t, const lt_model_config *vocab, char *line,
                           char *end, int32_t rank)
{
    lt_status st = LT_OK;
    char *space = memchr(line, ' ', (size_t)(end - line));
    int32_t left = 0, right = 0, result = 0;
    *end = '\0';
    if (!space || strchr(space + 1, ' '))
        return LT_FAIL(LT_ERR_DATA,
                       "broken merges.txt beside %s, merge %d: expected two symbols",
                       vocab->path, (int)rank + 1);
    *space = '\0';
    LT_TRY(id_of(vocab, line, &left));
    LT_TRY(id_of(vocab, space + 1, &right));
    memmove(space, space + 1, strlen(space + 1) + 1);
    LT_TRY(id_of(vocab, line, &result));
    merge *m = find_merge(t, left, right);
    if (m->left < 0)
        *m = (merge){ .left = left, .right = right, .rank = rank, .result = result };
cleanup:
    return st;
}

static lt_status add_merges(lt_tokenizer *t, const lt_model_config *vocab, char *text,
                            size_t bytes)
{
    size_t lines = 1; /* those that are not empty, at least */
    for (size_t i = 1; i < bytes; i++) lines += text[i] == '\n' && text[i - 1] != '\n';
    lt_status st = alloc_merges(t, lines);
    int32_t rank = 0;
    for (char *line = text; st == LT_OK && line < text + bytes;) {
        char *end = memchr(line, '\n', (size_t)(text + bytes - line));
        if (!end) end = text + bytes; /* the reader put a zero there */
        char *next = end + 1;
        if (end > line && end[-1] == '\r') end--;
        if (end > line && strncmp(line, "#version", 8) != 0)
            st = add_merge(t, vocab, line, end, rank++);
        line = next;
    }
    return st;
}

/* text: bytes of merges.txt with a zero behind them; it is cut up. */
static lt_status load_merges(lt_tokenizer *t, const char *dir,
                             const lt_model_config *vocab, char *text, size_t bytes)
{
    if (memchr(text, 0, bytes))
        return LT_FAIL(LT_ERR_DATA,
                       "broken merges (%s/tokenizer/merges.txt): not a text file; "
                       "download it again",
                       dir);
    return add_merges(t, vocab, text, bytes);
}

/* A special token is a text, or an object with its text as "content". */
static lt_status load_special(const lt_model_config *map, const lt_model_config *vocab,
                              const char *key, const char *preset, special_token *s)
{
    const json_t *v = map->root ? json_object_get(map->root, key) : NULL;
    s->normalized = json_is_true(json_object_get(v, "normalized"));
    if (json_is_object(v)) v = json_object_get(v, "content");
    if (v && !json_is_null(v) && (!json_is_string(v) || !*json_string_value(v)))
        return LT_FAIL(LT_ERR_DATA, "unusable tokenizer (%s, key %s): expected a text",
                       map->path, key);
    s->text = strdup(json_is_string(v) ? json_string_value(v) : preset);
    if (!s->text) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tokenizer");
    return id_of(vocab, s->text, &s->id);
}

static lt_status load_specials(lt_tokenizer *t, const lt_model_config *map,
                               const lt_model_config *vocab)
{
    static const char end[] = "<|endoftext|>";
    special_token *s = t->special;
    lt_status st = load_special(map, vocab, "bos_token", "<|startoftext|>", &s[START]);
    if (st == LT_OK) st = load_special(map, vocab, "eos_token", end, &s[END]);
    if (st == LT_OK) st = load_special(map, vocab, "pad_token", end, &s[PAD]);
    if (st != LT_OK) return st;
    for (int i = 0; i < PAD; i++) /* the entry that comes last holds for both */
        if (!strcmp(s[i].text, s[PAD].text)) s[i].normalized = s[PAD].normalized;
    return LT_OK;
}

int32_t lt_tokenizer_largest_id(const lt_tokenizer *t)
{
    int32_t largest = 0;
    for (int b = 0; b < 256; b++) {
        if (t->inside[b] > largest) largest = t->inside[b];
        if (t->last[b] > largest) largest = t->last[b];
    }
    for (int i = 0; i < N_SPECIAL; i++)
        if (t->special[i].id > largest) largest = t->special[i].id;
    for (size_t i = 0; i < t->cap; i++)
        if (t->merges[i].left >= 0 && t->merges[i].result > largest)
            largest = t->merges[i].result;
    return largest;
}

void lt_tokenizer_free(lt_tokenizer **tok)
{
    if (!tok || !*tok) return;
    for (int i = 0; i < N_SPECIAL; i++) free((*tok)->special[i].text);
    free((*tok)->merges);
    free(*tok);
    *tok = NULL;
}

/* The parts of a tokenizer as they were read. */
typedef struct parts {
    lt_model_config vocab, specials; /* specials without root: there is no such file */
    char *merges;
    size_t merges_bytes;
} parts;

static void parts_free(parts *p)
{
    lt_model_config_close(&p->vocab);
    lt_model_config_close(&p->specials);
    free(p->merges);
}

static lt_status build(const parts *p, const char *dir, lt_tokenizer **tok)
{
    lt_status st = LT_OK;
    lt_tokenizer *t = calloc(1, sizeof(*t));
    if (!t) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tokenizer");
    LT_TRY(load_bytes(t, &p->vocab));
    LT_TRY(load_merges(t, dir, &p->vocab, p->merges, p->merges_bytes));
    LT_TRY(load_specials(t, &p->specials, &p->vocab));
    *tok = t;
    t = NULL;
cleanup:
    lt_tokenizer_free(&t);
    return st;
}

static lt_status read_parts(const char *dir, parts *p)
{
    lt_status st = LT_OK;
    char *path = NULL;
    void *text = NULL;
    LT_TRY(
        lt_model_config_open(dir, "tokenizer", "vocab.json", MAX_VOCAB_BYTES, &p->vocab));
    if (asprintf(&path, "%s/tokenizer/merges.txt", dir) < 0)
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for a path");
    LT_TRY(lt_file_read(path, MAX_MERGES_BYTES, &text, &p->merges_bytes));
    p->merges = text;
    st = lt_model_config_open(dir, "tokenizer", "special_tokens_map.json", 1 << 20,
                              &p->specials);
    if (st == LT_ERR_NOINPUT) st = LT_OK; /* without it, SD 1.x */
cleanup:
    free(path);
    return st;
}

lt_status lt_tokenizer_load(const char *dir, lt_tokenizer **tok)
{
    parts p = { 0 };
    lt_status st = read_parts(dir, &p);
    if (st == LT_OK) st = build(&p, dir, tok);
    parts_free(&p);
    return st;
}

lt_status lt_tokenizer_parse(const lt_tokenizer_texts *in, const char *where,
                             lt_tokenizer **tok)
{
    lt_status st = LT_OK;
    parts p = { .merges = strdup(in->merges) };
    if (!p.merges) return LT_FAIL(LT_ERR_NOMEM, "out of memory for a tokenizer");
    p.merges_bytes = strlen(p.merges);
    LT_TRY(lt_model_config_parse(in->vocab, strlen(in->vocab), where, &p.vocab));
    if (in->specials)
        LT_TRY(lt_model_config_parse(in->specials, strlen(in->specials), where,
                                     &p.specials));
    LT_TRY(build(&p, where, tok));
cleanup:
    parts_free(&p);
    return st;
}

/* ---- one word ------------------------------------------------------------------ */

/* Where tokens go: the first KEPT are kept, the others counted. */
typedef struct sink {
    lt_tokens *out;
    int64_t n; /* tokens so far */
} sink;

static void put(sink *s, int32_t id, int64_t place)
{
    if (s->n < KEPT) s->out->id[1 + s->n] = id;
    if (s->n == KEPT) s->out->cut_at = (int)(place > INT32_MAX ? INT32_MAX : place);
    s->n++;
}

/* Symbols of a word as a linked list, so that a merge costs no copying. */
typedef struct symbol {
    int32_t id; /* -1: merged into an earlier one */
    int64_t before, after;
} symbol;

/* A merge that may be done: heap ordered by rank, then by position. */
typedef struct candidate {
    int32_t rank, left, right, result;
    int64_t at;
} candidate;

typedef struct word {
    const lt_tokenizer *t;
    symbol *s;
    candidate *heap;
    int64_t n_heap;
} word;

static int sooner(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(word *w, candidate c)
{
    int64_t i = w->n_heap++;
    while (i > 0 && sooner(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static candidate heap_pop(word *w)
{
    const candidate top = w->heap[0], last = w->heap[--w->n_heap];
    int64_t i = 0;
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= w->n_heap) break;
        if (child + 1 < w->n_heap && sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!sooner(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* Offer the merge of symbol `at` with the one after it, if there is one. */
static void offer(word *w, int64_t at)
{
    if (at < 0 || w->s[at].after < 0) return;
    const merge *m = find_merge(w->t, w->s[at].id, w->s[w->s[at].after].id);
    if (m->left < 0) return;
    heap_push(w, (candidate){ .rank = m->rank,
                              .left = m->left,
                              .right = m->right,
                              .result = m->result,
                              .at = at });
}

static void run_merges(word *w)
{
    while (w->n_heap > 0) {
        const candidate c = heap_pop(w);
        symbol *a = &w->s[c.at];
        if (a->id != c.left || a->after < 0 || w->s[a->after].id != c.right) continue;
        symbol *b = &w->s[a->after];
        a->id = c.result;
        b->id = -1;
        a->after = b->after;
        if (a->after >= 0) w->s[a->after].before = c.at;
        offer(w, a->before);
        offer(w, c.at);
    }
}

/* Byte-pair encoding of bytes [0, n) of a word. place: byte of the user's text for each
 * byte. A merge removes a symbol and offers at most two more, so 3 n candidates do. */
static lt_status encode_word(const lt_tokenizer *t, const uint8_t *bytes,
                             const int64_t *place, int64_t n, sink *out)
{
    word w = { .t = t };
    if (n < 1) return LT_OK;
    w.s = malloc((size_t)n * sizeof(*w.s));
    w.heap = malloc((size_t)(3 * n) * sizeof(*w.heap));
    if (!w.s || !w.heap) {
        free(w.s);
        free(w.heap);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
    }
    for (int64_t i = 0; i < n; i++)
        w.s[i] = (symbol){ .id = i + 1 < n ? t->inside[bytes[i]] : t->last[bytes[i]],
                           .before = i - 1,
                           .after = i + 1 < n ? i + 1 : -1 };
    for (int64_t i = 0; i < n; i++) offer(&w, i);
    run_merges(&w);
    for (int64_t i = 0; i >= 0; i = w.s[i].after) put(out, w.s[i].id, place[i]);
    free(w.s);
    free(w.heap);
    return LT_OK;
}

/* ---- a text -------------------------------------------------------------------- */

/* Scratch for the bytes of one word. */
typedef struct bytes {
    uint8_t *b;
    int64_t *place;
} bytes;

static lt_status encode_points(const lt_tokenizer *t, const lt_points *p, int64_t i,
                               int64_t end, bytes *scratch, sink *out)
{
    int64_t n = 0;
    for (; i < end; i++) {
        const utf8proc_ssize_t k = utf8proc_encode_char(p->c[i], scratch->b + n);
        for (int64_t j = 0; j < k; j++) scratch->place[n + j] = p->place[i];
        n += k;
    }
    return encode_word(t, scratch->b, scratch->place, n, out);
}

/* Words of p->c[i .. end), which holds no special token. */
static lt_status encode_span(const lt_tokenizer *t, const lt_points *p, int64_t i,
                             int64_t end, bytes *scratch, sink *out)
{
    lt_status st = LT_OK;
    while (st == LT_OK && i < end) {
        if (lt_point_is_space(p->c[i])) {
            i++;
            continue;
        }
        const int64_t n = lt_points_word(p, i, end);
        st = encode_points(t, p, i, i + n, scratch, out);
        i += n;
    }
    return st;
}

/* The longest special token at byte i of the text that is found before normalisation, or
 * NULL; *length is its bytes. */
static const special_token *raw_special(const lt_tokenizer *t, const char *text,
                                        int64_t i, int64_t *length)
{
    const special_token *found = NULL;
    *length = 0;
    for (int k = 0; k < N_SPECIAL; k++) {
        const special_token *s = &t->special[k];
        const int64_t n = (int64_t)strlen(s->text);
        if (s->normalized || n <= *length || strncmp(text + i, s->text, (size_t)n) != 0)
            continue;
        found = s;
        *length = n;
    }
    return found;
}

/* The same after normalisation; plain ASCII, which it leaves as it is. */
static const special_token *normal_special(const lt_tokenizer *t, const lt_points *p,
                                           int64_t i, int64_t *length)
{
    const special_token *found = NULL;
    *length = 0;
    for (int k = 0; k < N_SPECIAL; k++) {
        const special_token *s = &t->special[k];
        const int64_t n = s->normalized ? lt_points_start_with(p, i, p->n, s->text) : 0;
        if (n <= *length) continue;
        found = s;
        *length = n;
    }
    return found;
}

static lt_status encode_normal(const lt_tokenizer *t, const lt_points *p, bytes *scratch,
                               sink *out)
{
    lt_status st = LT_OK;
    int64_t begin = 0;
    for (int64_t i = 0; st == LT_OK && i < p->n;) {
        int64_t n = 0;
        const special_token *s = normal_special(t, p, i, &n);
        if (!s) {
            i++;
            continue;
        }
        st = encode_span(t, p, begin, i, scratch, out);
        put(out, s->id, p->place[i]);
        begin = i += n;
    }
    return st != LT_OK ? st : encode_span(t, p, begin, p->n, scratch, out);
}

/* Bytes [begin, end) of the text, which hold no token that is found before. */
static lt_status encode_piece(const lt_tokenizer *t, const char *text, int64_t begin,
                              int64_t end, sink *out)
{
    lt_status st = LT_OK;
    lt_points p = { 0 };
    bytes scratch = { 0 };
    if (begin == end) return LT_OK;
    LT_TRY(lt_points_add(text, begin, end, &p));
    scratch.b = malloc((size_t)(4 * p.n) + 1);
    scratch.place = malloc(((size_t)(4 * p.n) + 1) * sizeof(*scratch.place));
    if (!scratch.b || !scratch.place) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory for a prompt");
        goto cleanup;
    }
    LT_TRY(encode_normal(t, &p, &scratch, out));
cleanup:
    lt_points_free(&p);
    free(scratch.b);
    free(scratch.place);
    return st;
}

static lt_status encode_text(const lt_tokenizer *t, const char *text, sink *out)
{
    const int64_t end = (int64_t)strlen(text);
    lt_status st = LT_OK;
    int64_t begin = 0;
    for (int64_t i = 0; st == LT_OK && i < end;) {
        int64_t n = 0;
        const special_token *s = raw_special(t, text, i, &n);
        if (!s) {
            i++;
            continue;
        }
        st = encode_piece(t, text, begin, i, out);
        put(out, s->id, i);
        begin = i += n;
    }
    return st != LT_OK ? st : encode_piece(t, text, begin, end, out);
}

lt_status lt_tokenize(const lt_tokenizer *tok, const char *text, lt_tokens *out)
{
    lt_tokens t = { .cut_at = -1 };
    sink s = { .out = &t };
    const lt_status st = encode_text(tok, text, &s);
    if (st != LT_OK) return st;
    t.n = (int)(s.n < KEPT ? s.n : KEPT);
    t.n_cut = (int)(s.n - t.n > INT32_MAX ? INT32_MAX : s.n - t.n);
    t.id[0] = tok->special[START].id;
    t.id[1 + t.n] = tok->special[END].id;
    for (int i = t.n + 2; i < LT_MAX_TEXT_TOKENS; i++) t.id[i] = tok->special[PAD].id;
    *out = t;
    return LT_OK;
}
