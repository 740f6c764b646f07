/* The header of safetensors files, and the data behind it. */
#include "fuzz.h"
#include "io/weights.h"

static void read_values(const lt_weight *t)
{
    float f[16];
    const int64_t n = t->count < 16 ? t->count : 16;
    (void)!lt_weight_to_f32(t, t->count - n, n, f);
    (void)!lt_weight_check_finite(t);
    int64_t *whole = t->count <= 1024 ? calloc((size_t)t->count + 1, 8) : NULL;
    if (whole) (void)!lt_weight_to_i64(t, whole);
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_weights *w = NULL;
    const lt_status st = lt_weights_parse(data, size, "fuzz", &w);
    fuzz_refused(st);
    if (st != LT_OK) return 0;
    uint64_t sum = 0;
    for (int64_t i = 0; i < lt_weights_count(w); i++) {
        const lt_weight *t = lt_weights_at(w, i);
        char text[LT_SHAPE_TEXT];
        MUST(lt_weights_find(w, t->name) == t);
        MUST(t->data >= data && t->data + t->bytes <= data + size);
        MUST(strlen(lt_shape_text(t->ndim, t->shape, text)) < LT_SHAPE_TEXT);
        if (t->count > 0) read_values(t);
        sum += t->bytes;
    }
    MUST(sum < size); /* the ranges do not overlap */
    (void)lt_weights_metadata(w, "format");
    lt_weights_close(&w);
    return 0;
}
