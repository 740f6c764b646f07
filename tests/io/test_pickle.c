#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/tmpdir.h"
#include "io/weights.h"
#include "status_check.h"

/* Files of torch.save: real ones (tests/io/data, written by torch 2), and hostile ones
 * that are made here. */

static const char *data_file(const char *name)
{
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 512, "%s/%s", LT_DATA, name);
    return p;
}

/* ---- real files ------------------------------------------------------------------ */

static void check_values(const lt_weights *w, const char *name, int ndim,
                         const int64_t *shape, const float *want)
{
    const lt_weight *t = NULL;
    float got[16];
    OK(lt_weights_get(w, name, ndim, shape, &t));
    OK(lt_weight_to_f32(t, 0, t->count, got));
    for (int64_t i = 0; i < t->count; i++) CHECK(got[i] == want[i]);
}

static void test_state_dict(const char *dir)
{
    const char *out = in(dir, "sd.safetensors");
    lt_torch_report r = { 0 };
    lt_weights *w = NULL;
    int64_t ids[3];
    OK(lt_torch_convert(data_file("sd.bin"), out, &r));
    CHECK(r.tensors == 4 && r.bytes == 24 + 24 + 4 + 24);
    OK(lt_weights_open(out, &w));
    CHECK(lt_weights_count(w) == 4);
    check_values(w, "a.w", 2, (int64_t[]){ 2, 3 }, (float[]){ 0, 1, 2, 3, 4, 5 });
    check_values(w, "a.t", 2, (int64_t[]){ 3, 2 }, (float[]){ 0, 3, 1, 4, 2, 5 });
    check_values(w, "h", 1, (int64_t[]){ 2 }, (float[]){ 1.5f, -2 });
    CHECK(lt_weights_find(w, "a.w")->type == LT_WEIGHT_F32);
    CHECK(lt_weights_find(w, "h")->type == LT_WEIGHT_F16); /* kept */
    OK(lt_weight_to_i64(lt_weights_find(w, "ids"), ids));
    CHECK(ids[0] == 0 && ids[1] == 1 && ids[2] == 2);
    CHECK(!strcmp(lt_weights_metadata(w, "format"), "pt"));
    lt_weights_close(&w);
    FAILS(LT_ERR_CANTCREAT, "there already",
          lt_torch_convert(data_file("sd.bin"), out, NULL));
}

/* Only the state_dict of a Lightning file; parameters in lists by their number. */
static void test_nested(const char *dir)
{
    lt_weights *w = NULL;
    OK(lt_torch_convert(data_file("pl.ckpt"), in(dir, "pl.safetensors"), NULL));
    OK(lt_weights_open(in(dir, "pl.safetensors"), &w));
    CHECK(lt_weights_count(w) == 1);
    check_values(w, "weight", 2, (int64_t[]){ 1, 2 }, (float[]){ 0.25f, -3 });
    lt_weights_close(&w);
    OK(lt_torch_convert(data_file("p.pt"), in(dir, "p.safetensors"), NULL));
    OK(lt_weights_open(in(dir, "p.safetensors"), &w));
    CHECK(lt_weights_count(w) == 2);
    CHECK(lt_weights_find(w, "list.0")->type == LT_WEIGHT_BF16);
    check_values(w, "list.0", 1, (int64_t[]){ 2 }, (float[]){ 1, 2 });
    check_values(w, "list.1.x", 0, NULL, (float[]){ 8 });
    lt_weights_close(&w);
}

static void test_wrong_files(const char *dir)
{
    char out[512]; /* in() has few buffers */
    snprintf(out, sizeof(out), "%s", in(dir, "never.safetensors"));
    FAILS(LT_ERR_DATA, "before 1.6", lt_torch_convert(data_file("old.pth"), out, NULL));
    FAILS(LT_ERR_NOINPUT, "No such file", lt_torch_convert("/no/such.ckpt", out, NULL));
    FAILS(LT_ERR_DATA, "no file", lt_torch_convert(dir, out, NULL));
    CHECK(mkfifo(in(dir, "pipe"), 0600) == 0); /* must not wait for a writer */
    FAILS(LT_ERR_DATA, "no file", lt_torch_convert(in(dir, "pipe"), out, NULL));
    put_text(in(dir, "empty"), "");
    FAILS(LT_ERR_DATA, "is empty", lt_torch_convert(in(dir, "empty"), out, NULL));
    put_text(in(dir, "text"), "hello");
    FAILS(LT_ERR_DATA, "no archive", lt_torch_convert(in(dir, "text"), out, NULL));
    put_text(in(dir, "lfs"), "version https://git-lfs.github.com/spec/v1\n");
    FAILS(LT_ERR_DATA, "git lfs pull", lt_torch_convert(in(dir, "lfs"), out, NULL));
    CHECK(!lt_file_exists(out));
    FAILS(LT_ERR_CANTCREAT, "/no/such",
          lt_torch_convert(data_file("sd.bin"), "/no/such/out.safetensors", NULL));
}

/* Whatever is cut off or changed, the reader returns. */
static void test_damage(void)
{
    void *p = NULL;
    size_t n = 0;
    lt_torch_file *t = NULL;
    uint64_t seed = 1;
    OK(lt_file_read(data_file("sd.bin"), 1 << 20, &p, &n));
    uint8_t *copy = malloc(n);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *part = malloc(cut + 1); /* its end is watched by the sanitizer */
        memcpy(part, p, cut);
        CHECK(lt_torch_parse(part, cut, "cut", &t) == LT_ERR_DATA);
        free(part);
    }
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, p, n);
        for (int k = 0; k < 1 + i % 4; k++)
            copy[check_rand(&seed) % n] = (uint8_t)check_rand(&seed);
        if (lt_torch_parse(copy, n, "changed", &t) == LT_OK) lt_torch_close(&t);
    }
    free(copy);
    free(p);
}

/* ---- hostile pickles ------------------------------------------------------------- */

#define PICKLE(text) text, sizeof(text) - 1

static const char head[] = "\x80\x02}(X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7"
                           "\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0";

/* A state_dict of one tensor "w" of n floats in storage `key`. */
static size_t one_tensor(const char *key, uint8_t count, const char *shape,
                         size_t n_shape, uint8_t *out)
{
    size_t n = sizeof(head) - 1;
    memcpy(out, head, n);
    out[n - 4] = (uint8_t)strlen(key);
    n += (size_t)sprintf((char *)out + n, "%s", key);
    memcpy(out + n, "X\3\0\0\0cpuK", 9);
    n += 9;
    out[n++] = count;
    memcpy(out + n, "tQ", 2);
    memcpy(out + n + 2, shape, n_shape); /* offset, size, stride */
    n += 2 + n_shape;
    memcpy(out + n, "\x89}tRu.", 6);
    return n + 6;
}

static void test_hostile_pickles(void)
{
    static const struct {
        const char *data;
        size_t n;
        const char *message;
    } bad[] = {
        { PICKLE("cos\nsystem\n(S'touch /tmp/owned'\ntR."), "asks for os.system" },
        { PICKLE("\x80\x04\x8c\2os\x8c\6system\x93\x8c\2id\x85R."),
          "asks for os.system" },
        { PICKLE("\x80\x02"
                 "cbuiltins\neval\n."),
          "asks for builtins.eval" },
        { PICKLE("c__builtin__\ngetattr\n."), "__builtin__.getattr" },
        { PICKLE("cpytorch_lightning.callbacks\nModelCheckpoint\n."), "ModelCheckpoint" },
        { PICKLE("ctorch\nload\n."), "asks for torch.load" },
        { PICKLE("ccollections\nOrderedDict\n(tR(dS'a'\nNsb."), "without tensors" },
        { PICKLE("(S'os'\nS'system'\ni"), "none that tensors need" },
        { PICKLE("(cos\nsystem\no."), "asks for os.system" },
        { PICKLE("ccollections\nOrderedDict\n)\x81."), "operation 0x81" },
        { PICKLE("P0\n."), "operation 0x50" },
        { PICKLE("\x82\1."), "operation 0x82" }, /* an extension code */
        { PICKLE(""), "truncated" },
        { PICKLE("."), "empty stack" },
        { PICKLE("}"), "truncated" },
        { PICKLE("N."), "without tensors" },
        { PICKLE("X\xff\xff\xff\xff"
                 "abc."),
          "truncated" },
        { PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                 "abc."),
          "truncated" },
        { PICKLE("\x8b\xff\xff\xff\x7f"
                 "abc."),
          "truncated" },
        { PICKLE("Nr\xff\xff\xff\xff."), "more values" }, /* a huge memo */
        { PICKLE("Np99999999999999999999\n."), "more values" },
        { PICKLE("Np-1\n."), "more values" },
        { PICKLE("h\7."), "unknown value" },
        { PICKLE("g5\n."), "unknown value" },
        { PICKLE("t."), "mark that is not there" },
        { PICKLE("(0t."), "mark that is not there" },
        { PICKLE("(Nd."), "key without a value" },
        { PICKLE("}(Nu."), "key without a value" },
        { PICKLE("N(NNu."), "no list and no dict" },
        { PICKLE("K\1a."), "no list and no dict" },
        { PICKLE("N)R."), "another type" },
        { PICKLE("NQ."), "another type" },
        { PICKLE(")Q."), "storage is not described" },
        { PICKLE("ctorch\nFloatStorage\n)R."), "calls a type of storage" },
        { PICKLE("ctorch._utils\n_rebuild_tensor_v2\n)R."), "tensor is not described" },
        { PICKLE("ctorch._utils\n_rebuild_parameter\n(NtR."), "holds no tensor" },
        { PICKLE("ccollections\nOrderedDict\n(]K\1atR."), "else than pairs" },
        { PICKLE("NNb."), "attributes of something" },
        { PICKLE("\x93."), "empty stack" },
        { PICKLE("I1x\n."), "is not one" },
        { PICKLE("Sx\n."), "no quotes" },
    };
    lt_pickle *p = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        FAILS(LT_ERR_DATA, bad[i].message,
              lt_pickle_parse(bad[i].data, bad[i].n, "bad.ckpt", &p));
}

static void test_shapes(void)
{
    static const struct {
        const char *shape;
        size_t n;
        const char *message; /* NULL: fine */
    } s[] = {
        { PICKLE("K\1K\3\x85K\1\x85"), NULL },
        { PICKLE("K\0)\x29"), NULL },                    /* a scalar */
        { PICKLE("K\2K\3\x85K\1\x85"), "larger" },       /* 2 + 3 > 4 */
        { PICKLE("K\0K\2K\2\x86K\3K\1\x86"), "larger" }, /* 3 + 1 > 3 */
        { PICKLE("J\xff\xff\xff\xffK\1\x85K\1\x85"), "larger" },
        { PICKLE("K\0J\xff\xff\xff\xff\x85K\1\x85"), "not one" },
        { PICKLE("K\0K\2\x85J\xff\xff\xff\xff\x85"), "not one" },
        { PICKLE("K\0K\2\x85)"), "not one" },
        { PICKLE("K\0K\5\x85K\0\x85"),
          "larger" }, /* more elements than the storage has */
        { PICKLE("K\0(K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1t"), "not one" },
        { PICKLE("K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x08\xff\xff\xff\xff\xff"
                 "\xff"
                 "\xff\x7f\x86K\1K\1\x86"),
          "larger" },
        { PICKLE("K\1K\2\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"), "larger" },
    };
    uint8_t buf[512];
    lt_pickle *p = NULL;
    for (size_t i = 0; i < sizeof(s) / sizeof(*s); i++) {
        const size_t bytes = one_tensor("0", 4, s[i].shape, s[i].n, buf);
        const lt_status st = lt_pickle_parse(buf, bytes, "shape.ckpt", &p);
        if (!s[i].message) {
            OK(st);
            CHECK(lt_pickle_count(p) == 1);
            lt_pickle_close(&p);
        } else
            FAILS(LT_ERR_DATA, s[i].message, st);
    }
}

static void test_nesting(void)
{
    enum { DEEP = 100000 };
    uint8_t *buf = malloc(4 * DEEP);
    lt_pickle *p = NULL;
    size_t n = 0;
    /* the walk is bounded, and freeing does not recurse */
    for (int i = 0; i < DEEP; i++) buf[n++] = ']';
    for (int i = 1; i < DEEP; i++) buf[n++] = 'a';
    buf[n++] = '.';
    FAILS(LT_ERR_DATA, "nested too deep", lt_pickle_parse(buf, n, "deep", &p));
    /* a list that holds itself */
    FAILS(LT_ERR_DATA, "nested too deep", lt_pickle_parse("]q\0h\0a.", 7, "self", &p));
    /* 32 lists, each twice the one before: 2^32 values */
    n = 0;
    buf[n++] = ']';
    for (uint8_t i = 0; i < 32; i++) {
        const uint8_t twice[] = { 'q', i, '0', ']', 'h', i, 'a', 'h', i, 'a' };
        memcpy(buf + n, twice, sizeof(twice));
        n += sizeof(twice);
    }
    buf[n++] = '.';
    FAILS(LT_ERR_DATA, "more values", lt_pickle_parse(buf, n, "laughs", &p));
    free(buf);
}

/* ---- hostile archives ------------------------------------------------------------ */

typedef struct zip {
    uint8_t data[4096];
    size_t n, list_n;
    uint8_t list[2048];
    int members;
} zip;

static void put_number(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

typedef struct lie {
    int method, flags;
    uint64_t more_bytes; /* than there are */
    uint64_t at;         /* of the member, 0: the truth */
} lie;

static void zip_add(zip *z, const char *name, const void *data, size_t n, lie l)
{
    const size_t k = strlen(name), at = z->n;
    uint8_t *p = z->data + z->n, *e = z->list + z->list_n;
    memset(p, 0, 30);
    memcpy(p, "PK\3\4", 4);
    put_number(p + 26, k, 2);
    memcpy(p + 30, name, k);
    memcpy(p + 30 + k, data, n);
    z->n += 30 + k + n;
    memset(e, 0, 46);
    memcpy(e, "PK\1\2", 4);
    put_number(e + 8, (uint64_t)l.flags, 2);
    put_number(e + 10, (uint64_t)l.method, 2);
    put_number(e + 20, n + l.more_bytes, 4);
    put_number(e + 24, n + l.more_bytes, 4);
    put_number(e + 28, k, 2);
    put_number(e + 42, l.at ? l.at : at, 4);
    memcpy(e + 46, name, k);
    z->list_n += 46 + k;
    z->members++;
}

static void zip_end(zip *z, int members)
{
    const size_t at = z->n;
    memcpy(z->data + z->n, z->list, z->list_n);
    z->n += z->list_n;
    memset(z->data + z->n, 0, 22);
    memcpy(z->data + z->n, "PK\5\6", 4);
    put_number(z->data + z->n + 10, (uint64_t)members, 2);
    put_number(z->data + z->n + 16, at, 4);
    z->n += 22;
}

static zip make_zip(const char *key, const char *pickle_name, const char *storage_name,
                    size_t storage_bytes, lie l)
{
    static const uint8_t zeros[64];
    zip z = { .n = 0 };
    uint8_t pickle[512];
    const size_t n = one_tensor(key, 4, PICKLE("K\1K\3\x85K\1\x85"), pickle);
    zip_add(&z, pickle_name, pickle, n, (lie){ 0 });
    zip_add(&z, storage_name, zeros, storage_bytes, l);
    zip_end(&z, z.members);
    return z;
}

static void refuse(const zip *z, const char *message)
{
    lt_torch_file *t = NULL;
    uint8_t *exact = malloc(z->n);
    memcpy(exact, z->data, z->n);
    FAILS(LT_ERR_DATA, message, lt_torch_parse(exact, z->n, "zip", &t));
    free(exact);
}

static void test_hostile_archives(void)
{
    lt_torch_file *t = NULL;
    zip z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ 0 });
    OK(lt_torch_parse(z.data, z.n, "zip", &t));
    CHECK(lt_torch_count(t) == 1 && lt_torch_at(t, 0)->offset == 1);
    lt_torch_close(&t);

    z = make_zip("0", "m/data.pkl", "m/data/0", 15, (lie){ 0 });
    refuse(&z, "15 bytes, 4 elements");
    z = make_zip("0", "m/data.pkl", "m/data/1", 16, (lie){ 0 });
    refuse(&z, "no storage 0");
    z = make_zip("../../etc/passwd", "m/data.pkl", "m/data/0", 16, (lie){ 0 });
    refuse(&z, "no storage ../../etc/passwd");
    z = make_zip("0", "m/x/data.pkl", "m/x/data/0", 16, (lie){ 0 });
    refuse(&z, "no data.pkl");
    z = make_zip("0", "m/data.pkl", "m/data.pkl", 16, (lie){ 0 });
    refuse(&z, "one name");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .method = 8 });
    refuse(&z, "compressed");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .flags = 1 });
    refuse(&z, "encrypted");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .more_bytes = 4000 });
    refuse(&z, "ends beyond the file");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .more_bytes = 0xffffff00u });
    refuse(&z, "ends beyond the file");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .at = 0xfffffff0u });
    refuse(&z, "damaged");
    z = make_zip("0", "m/data.pkl", "m/data/0", 16, (lie){ .at = 7 });
    refuse(&z, "damaged");
    z = (zip){ 0 };
    zip_add(&z, "m/data.pkl", "N.", 2, (lie){ 0 });
    zip_end(&z, 60000); /* more members than there are */
    refuse(&z, "damaged");
    z = (zip){ 0 };
    zip_add(&z, "m/byteorder", "big", 3, (lie){ 0 });
    zip_add(&z, "m/data.pkl", "N.", 2, (lie){ 0 });
    zip_end(&z, 2);
    refuse(&z, "big-endian");
}

/* One storage in very many tensors: a small file must not become a huge one. */
static void test_amplification(const char *dir)
{
    enum { TIMES = 40, BYTES = 200000 };
    size_t cap = BYTES + (1 << 20), n = 0;
    uint8_t *z = malloc(cap), *pickle = malloc(1 << 16);
    char name[16];
    /* protocol 2: {name: tensor over the whole storage}, TIMES entries */
    static const char fn[] = "ctorch._utils\n_rebuild_tensor_v2\nq\1";
    static const char id[] =
        "((X\7\0\0\0storagectorch\nByteStorage\nX\1\0\0\0000X\3\0\0\0"
        "cpuJ\x40\x0d\3\0tQK\0J\x40\x0d\3\0\x85K\1\x85\x89}tR";
    size_t p = 0;
    memcpy(pickle, "\x80\x02}(", 4);
    p = 4;
    for (int i = 0; i < TIMES; i++) {
        pickle[p++] = 'X';
        put_number(pickle + p, 3, 4);
        snprintf(name, sizeof(name), "%03d", i);
        memcpy(pickle + p + 4, name, 3);
        p += 7;
        memcpy(pickle + p, fn, sizeof(fn) - 1);
        p += sizeof(fn) - 1;
        memcpy(pickle + p, id, sizeof(id) - 1);
        p += sizeof(id) - 1;
    }
    memcpy(pickle + p, "u.", 2);
    p += 2;
    const struct {
        const char *name;
        const uint8_t *data;
        size_t n;
    } m[2] = { { "m/data.pkl", pickle, p }, { "m/data/0", NULL, BYTES } };
    uint8_t list[256] = { 0 }, *e = list;
    for (int i = 0; i < 2; i++) {
        const size_t k = strlen(m[i].name);
        memset(z + n, 0, 30);
        memcpy(z + n, "PK\3\4", 4);
        put_number(z + n + 26, k, 2);
        memcpy(e, "PK\1\2", 4);
        put_number(e + 20, m[i].n, 4);
        put_number(e + 24, m[i].n, 4);
        put_number(e + 28, k, 2);
        put_number(e + 42, n, 4);
        memcpy(e + 46, m[i].name, k);
        e += 46 + k;
        memcpy(z + n + 30, m[i].name, k);
        if (m[i].data)
            memcpy(z + n + 30 + k, m[i].data, m[i].n);
        else
            memset(z + n + 30 + k, 0, m[i].n);
        n += 30 + k + m[i].n;
    }
    const size_t at = n;
    memcpy(z + n, list, (size_t)(e - list));
    n += (size_t)(e - list);
    memset(z + n, 0, 22);
    memcpy(z + n, "PK\5\6", 4);
    put_number(z + n + 10, 2, 2);
    put_number(z + n + 16, at, 4);
    n += 22;
    FILE *f = fopen(in(dir, "many.ckpt"), "wb");
    CHECK(f && fwrite(z, 1, n, f) == n && fclose(f) == 0);
    FAILS(LT_ERR_DATA, "many times over",
          lt_torch_convert(in(dir, "many.ckpt"), in(dir, "many.safetensors"), NULL));
    CHECK(!lt_file_exists(in(dir, "many.safetensors")));
    free(z);
    free(pickle);
}

int main(void)
{
    char folder[64];
    const char *dir = tmpdir_make(folder);
    test_state_dict(dir);
    test_nested(dir);
    test_wrong_files(dir);
    test_damage();
    test_hostile_pickles();
    test_shapes();
    test_nesting();
    test_hostile_archives();
    test_amplification(dir);
    CHECK(lt_torch_looks("PK\3\4", 4) && !lt_torch_looks("{}", 2));
    tmpdir_remove(dir);
    return 0;
}
