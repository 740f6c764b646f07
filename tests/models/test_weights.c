/* safetensors: what must be refused, and with which words. */
#include <sys/stat.h>
#include <unistd.h>

#include "models_test.h"

/* A file image: length, header, data bytes 0, 1, 2, ... */
static size_t image(uint8_t *out, const char *header, size_t n_data)
{
    const size_t n = strlen(header);
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)((uint64_t)n >> (8 * i));
    memcpy(out + 8, header, n);
    for (size_t i = 0; i < n_data; i++) out[8 + n + i] = (uint8_t)i;
    return 8 + n + n_data;
}

/* Parsed from an allocation of exactly that size, so that ASan sees any overrun. */
static lt_status parse_bytes(const uint8_t *data, size_t bytes, lt_weights **w)
{
    uint8_t *exact = malloc(bytes ? bytes : 1);
    CHECK(exact);
    memcpy(exact, data, bytes);
    const lt_status st = lt_weights_parse(exact, bytes, "some/file", w);
    if (st == LT_OK) lt_weights_close(w);
    free(exact);
    return st;
}

static void refuse(const char *message, const char *header, size_t n_data)
{
    uint8_t data[4096];
    lt_weights *w = NULL;
    const size_t n = image(data, header, n_data);
    FAILS(LT_ERR_DATA, message, parse_bytes(data, n, &w));
    CHECK(!w && strstr(lt_error_message(), "some/file"));
}

static void accept(const char *header, size_t n_data)
{
    uint8_t data[4096];
    lt_weights *w = NULL;
    OK(parse_bytes(data, image(data, header, n_data), &w));
}

#define T(type, shape, range) \
    "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" range "}"

static void check_rules(void)
{
    accept("{}", 0);
    accept("{\"a\":" T("F32", "[2]", "[0,8]") "}   ", 8);
    accept("{\"a\":" T("F32", "[]", "[0,4]") ",\"b\":" T("F32", "[0,7]", "[4,4]") "}", 4);
    accept("{\"__metadata__\":{\"k\":\"v\"},\"b\":" T("U8", "[3]", "[4,7]") ",\"a\":" T(
               "BF16", "[2,1]", "[0,4]") "}",
           7);
    refuse("overlap",
           "{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[4,12]") "}",
           12);
    refuse("hole",
           "{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}",
           12);
    refuse("hole", "{\"a\":" T("F32", "[1]", "[4,8]") "}", 8);
    refuse("belong to no tensor", "{\"a\":" T("F32", "[1]", "[0,4]") "}", 5);
    refuse("belong to no tensor", "{}", 1);
    refuse("truncated", "{\"a\":" T("F32", "[2]", "[0,8]") "}", 7);
    refuse("does not fit", "{\"a\":" T("F32", "[2]", "[0,4]") "}", 4);
    refuse("does not fit", "{\"a\":" T("F16", "[2,3]", "[0,10]") "}", 10);
    refuse("not a range", "{\"a\":" T("F32", "[1]", "[4,0]") "}", 4);
    refuse("not a range", "{\"a\":" T("F32", "[1]", "[-4,0]") "}", 4);
    refuse("not a range", "{\"a\":" T("F32", "[1]", "[0,4,4]") "}", 4);
    refuse("not a range", "{\"a\":" T("F32", "[1]", "[0,4.0]") "}", 4);
    refuse("not a range", "{\"a\":" T("F32", "[1]", "4") "}", 4);
    refuse("larger than any", "{\"a\":" T("F32", "[4294967296,4294967296]", "[0,0]") "}",
           0);
    refuse("larger than any", "{\"a\":" T("F64", "[2305843009213693952]", "[0,0]") "}",
           0);
    refuse("number of elements", "{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4);
    refuse("number of elements", "{\"a\":" T("F32", "[\"1\"]", "[0,4]") "}", 4);
    refuse("more dimensions", "{\"a\":" T("F32", "[1,1,1,1,1,1]", "[0,4]") "}", 4);
    refuse("shape is missing", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4);
    refuse("dtype is missing", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    refuse("not known", "{\"a\":" T("F31", "[1]", "[0,4]") "}", 4);
    refuse("no object", "{\"a\":[]}", 0);
    refuse("duplicate",
           "{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[0,4]") "}", 4);
    refuse("__metadata__", "{\"__metadata__\":{\"k\":1}}", 0);
    refuse("__metadata__", "{\"__metadata__\":[]}", 0);
    refuse("does not begin with {", "[]", 0);
    refuse("does not begin with {", "  {}", 0);
    refuse("header", "{\"a\":", 0);
    refuse("header", "{} x", 0);
}

static void check_lengths(void)
{
    uint8_t data[128];
    lt_weights *w = NULL;
    const size_t n = image(data, "{\"a\":" T("F32", "[1]", "[0,4]") "}", 4);
    for (size_t i = 0; i < n; i++) /* every truncation */
        CHECK(parse_bytes(data, i, &w) == LT_ERR_DATA);
    OK(parse_bytes(data, n, &w));
    for (int bit = 0; bit < 64; bit++) { /* every damaged length */
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(parse_bytes(data, n, &w) == LT_ERR_DATA);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    data[3] = 0x06; /* 100,663,296 > 100,000,000 */
    FAILS(LT_ERR_DATA, "longer", parse_bytes(data, n, &w));
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:";
    FAILS(LT_ERR_DATA, "git lfs pull",
          parse_bytes((const uint8_t *)lfs, sizeof(lfs) - 1, &w));
}

/* Any single damaged byte is refused or read, never more. */
static void check_flips(void)
{
    uint8_t data[512];
    lt_weights *w = NULL;
    const size_t n = image(
        data,
        "{\"a\":" T("F32", "[1,2]", "[0,8]") ",\"bc\":" T("F16", "[3]", "[8,14]") "}",
        14);
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        uint8_t copy[512];
        memcpy(copy, data, n);
        const int flips = 1 + (int)(check_rand(&seed) % 3);
        for (int j = 0; j < flips; j++)
            copy[check_rand(&seed) % n] = (uint8_t)check_rand(&seed);
        const lt_status st = parse_bytes(copy, n, &w);
        CHECK(st == LT_OK || st == LT_ERR_DATA);
    }
}

/* ---- values ---------------------------------------------------------------------- */

static void check_values(void)
{
    /* f16 and f32 at odd addresses: one byte of U8 comes first */
    uint8_t data[512];
    float f[4] = { 1.5f, -2, 0.1f, 3e38f };
    uint16_t h[3] = { lt_f16_from_f32(1.5f), lt_f16_from_f32(-65504), 1 };
    const size_t n =
        image(data,
              "{\"u\":" T("U8", "[1]", "[0,1]") ",\"f\":" T(
                  "F32", "[2,2]", "[1,17]") ",\"h\":" T("F16", "[3]", "[17,23]") "}",
              23);
    memcpy(data + n - 22, f, 16);
    memcpy(data + n - 6, h, 6);
    lt_weights *w = NULL;
    const lt_weight *t = NULL;
    float out[4];
    OK(lt_weights_parse(data, n, "x", &w));
    CHECK(lt_weights_count(w) == 3 && !strcmp(lt_weights_at(w, 0)->name, "f"));
    CHECK(!lt_weights_at(w, 3) && !lt_weights_find(w, "g"));
    OK(lt_weights_get(w, "f", 2, (int64_t[]){ 2, 2 }, &t));
    OK(lt_weight_to_f32(t, 0, 4, out));
    CHECK(!memcmp(out, f, sizeof(f)));
    OK(lt_weights_get(w, "h", 1, (int64_t[]){ 3 }, &t));
    OK(lt_weight_to_f32(t, 1, 2, out));
    CHECK(out[0] == -65504 && out[1] == 0x1p-24f);
    FAILS(LT_ERR_DATA, "tensor f has shape 2x2, expected 4 (x)",
          lt_weights_get(w, "f", 1, (int64_t[]){ 4 }, &t));
    FAILS(LT_ERR_DATA, "missing tensor g of shape 2x3 (x)",
          lt_weights_get(w, "g", 2, (int64_t[]){ 2, 3 }, &t));
    FAILS(LT_ERR_DATA, "tensor u has type U8",
          lt_weight_to_f32(lt_weights_find(w, "u"), 0, 1, out));
    const float bad[2] = { INFINITY, NAN };
    for (int i = 0; i < 2; i++) {
        memcpy(data + n - 22 + 4, &bad[i], 4);
        FAILS(LT_ERR_DATA, "tensor f holds NaN or infinity (x, element 1)",
              lt_weight_check_finite(lt_weights_find(w, "f")));
    }
    h[2] = 0x7c00;
    memcpy(data + n - 6, h, 6);
    FAILS(LT_ERR_DATA, "element 2", lt_weight_check_finite(lt_weights_find(w, "h")));
    lt_weights_close(&w);
    lt_weights_close(&w);
    const size_t m = image(data, "{\"i\":" T("I32", "[2]", "[0,8]") "}", 8);
    int64_t ids[2];
    OK(lt_weights_parse(data, m, "x", &w));
    OK(lt_weight_to_i64(lt_weights_find(w, "i"), ids));
    CHECK(ids[0] == 0x03020100 && ids[1] == 0x07060504);
    lt_weights_close(&w);
}

/* ---- files ------------------------------------------------------------------------ */

static void put(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
}

static void check_writer(const char *dir)
{
    char path[4096];
    float f[6] = { 1, 2, 3, 4, 5, 6 }, back[6];
    int64_t ids[2] = { -7, INT64_MAX }, ids_back[2];
    const char *const meta[] = { "model", "tiny \"x\"", NULL };
    const lt_weight_out t[] = {
        { "f", lt_tensor_wrap(f, LT_HOST, LT_F32, 2, (int64_t[]){ 2, 3 }) },
        { "ids", lt_tensor_wrap(ids, LT_HOST, LT_I64, 1, (int64_t[]){ 2 }) },
        { "none", lt_tensor_wrap(NULL, LT_HOST, LT_BF16, 1, (int64_t[]){ 0 }) },
    };
    lt_weights *w = NULL;
    snprintf(path, sizeof(path), "%s/out.safetensors", dir);
    OK(lt_weights_write(path, t, 3, meta));
    OK(lt_weights_open(path, &w));
    CHECK(lt_weights_count(w) == 3);
    CHECK(!strcmp(lt_weights_metadata(w, "model"), "tiny \"x\""));
    CHECK(!lt_weights_metadata(w, "other"));
    OK(lt_weight_to_f32(lt_weights_find(w, "f"), 0, 6, back));
    OK(lt_weight_to_i64(lt_weights_find(w, "ids"), ids_back));
    CHECK(!memcmp(f, back, sizeof(f)) && !memcmp(ids, ids_back, sizeof(ids)));
    lt_weights_close(&w);
    const lt_weight_out twice[] = { t[0], t[0] };
    FAILS(LT_ERR_ARG, "twice", lt_weights_write(path, twice, 2, NULL));
    unlink(path);
    snprintf(path, sizeof(path), "%s/no/such/folder.safetensors", dir);
    FAILS(LT_ERR_CANTCREAT, "folder", lt_weights_write(path, t, 3, NULL));
}

static void write_shard(const char *dir, const char *file, const char *name)
{
    char path[4096];
    float f[2] = { 1, 2 };
    const lt_weight_out t = { name,
                              lt_tensor_wrap(f, LT_HOST, LT_F32, 1, (int64_t[]){ 2 }) };
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    OK(lt_weights_write(path, &t, 1, NULL));
}

static void write_index(const char *dir, const char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/m.safetensors.index.json", dir);
    put(path, text, strlen(text));
}

static void check_shards(const char *dir)
{
    char path[4096];
    lt_weights *w = NULL;
    FAILS(LT_ERR_NOINPUT, "m.safetensors", lt_weights_open_folder(dir, "m", &w));
    write_shard(dir, "m-1.safetensors", "a");
    write_shard(dir, "m-2.safetensors", "b");
    write_index(dir, "{\"metadata\":{},\"weight_map\":{\"a\":\"m-1.safetensors\","
                     "\"b\":\"m-2.safetensors\"}}");
    OK(lt_weights_open_folder(dir, "m", &w));
    CHECK(lt_weights_count(w) == 2 && lt_weights_n_files(w) == 3);
    CHECK(strstr(lt_weights_where(w), "index.json"));
    CHECK(strstr(lt_weights_find(w, "b")->file, "m-2.safetensors"));
    lt_weights_close(&w);
    static const struct {
        const char *text, *message;
        lt_status st;
    } bad[] = {
        { "{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", "plain name", LT_ERR_DATA },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "plain name", LT_ERR_DATA },
        { "{\"weight_map\":{\"a\":\"..\"}}", "plain name", LT_ERR_DATA },
        { "{\"weight_map\":{\"a\":\"\"}}", "plain name", LT_ERR_DATA },
        { "{\"weight_map\":{\"a\":3}}", "plain name", LT_ERR_DATA },
        { "{\"weight_map\":[]}", "weight_map", LT_ERR_DATA },
        { "{}", "weight_map", LT_ERR_DATA },
        { "{\"weight_map\":", "index", LT_ERR_DATA },
        { "{\"weight_map\":{\"a\":\"m-3.safetensors\"}}", "m-3", LT_ERR_NOINPUT },
        { "{\"weight_map\":{\"b\":\"m-1.safetensors\"}}", "as its index", LT_ERR_DATA },
        { "{\"weight_map\":{\"b\":\"m-1.safetensors\",\"a\":\"m-2.safetensors\"}}",
          "as its index", LT_ERR_DATA },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        write_index(dir, bad[i].text);
        FAILS(bad[i].st, bad[i].message, lt_weights_open_folder(dir, "m", &w));
    }
    write_shard(dir, "m-2.safetensors", "a");
    write_index(dir, "{\"weight_map\":{\"a\":\"m-1.safetensors\","
                     "\"b\":\"m-2.safetensors\"}}");
    FAILS(LT_ERR_DATA, "two shards", lt_weights_open_folder(dir, "m", &w));
    static const char *const files[] = { "m-1.safetensors", "m-2.safetensors",
                                         "m.safetensors.index.json" };
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
}

static void check_variants(const char *dir)
{
    char path[4096];
    lt_weights *w = NULL;
    snprintf(path, sizeof(path), "%s/m.bin", dir);
    put(path, "x", 1);
    FAILS(LT_ERR_NOINPUT, "is a pickle", lt_weights_open_folder(dir, "m", &w));
    unlink(path);
    write_shard(dir, "m.fp16.safetensors", "half");
    OK(lt_weights_open_folder(dir, "m", &w));
    CHECK(lt_weights_find(w, "half"));
    lt_weights_close(&w);
    write_shard(dir, "m.safetensors", "full"); /* the plain name comes first */
    OK(lt_weights_open_folder(dir, "m", &w));
    CHECK(lt_weights_find(w, "full") && !lt_weights_find(w, "half"));
    lt_weights_close(&w);
    snprintf(path, sizeof(path), "%s/m.safetensors", dir);
    put(path, "", 0);
    FAILS(LT_ERR_DATA, "0 bytes", lt_weights_open_folder(dir, "m", &w));
    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    FAILS(LT_ERR_NOINPUT, "not a file", lt_weights_open_folder(dir, "m", &w));
    rmdir(path);
    snprintf(path, sizeof(path), "%s/m.fp16.safetensors", dir);
    unlink(path);
    FAILS(LT_ERR_NOINPUT, "nothing.here", lt_weights_open("nothing.here", &w));
}

int main(void)
{
    char dir[] = "/tmp/lt-weights-XXXXXX";
    CHECK(mkdtemp(dir));
    check_rules();
    check_lengths();
    check_flips();
    check_values();
    check_writer(dir);
    check_shards(dir);
    check_variants(dir);
    CHECK(rmdir(dir) == 0); /* nothing is left behind */
    return 0;
}
