/* Masks: rectangles as text, PNG as values, and what is made of them. */
#include "fuzz.h"
#include "io/mask.h"

static void rectangle(const char *text)
{
    static const int32_t frames[][2] = { { 1, 1 }, { 129, 97 }, { 16384, 16384 } };
    for (int i = 0; i < 3; i++) {
        const int32_t w = frames[i][0], h = frames[i][1];
        lt_mask_box b = { 0 };
        const lt_status st = lt_mask_box_parse(text, w, h, &b);
        fuzz_refused(st);
        if (st != LT_OK) continue;
        MUST(lt_mask_is_box(text) && b.x >= 0 && b.y >= 0 && b.width > 0 && b.height > 0);
        MUST(b.width <= w - b.x && b.height <= h - b.y);
    }
}

/* The last three bytes say what is done with the values. */
static void weights(const uint8_t *value, int32_t w, int32_t h, const uint8_t *how)
{
    const lt_mask_shaping s = { how[0] & 1, (int8_t)how[1], how[2] };
    lt_mask_shaper *shaper = NULL;
    float *v = malloc((size_t)w * (size_t)h * sizeof(*v));
    MUST(v && lt_mask_shaper_open(&shaper, w, h) == LT_OK);
    for (int32_t i = 0; i < w * h; i++) v[i] = (float)value[i] / 255.0f;
    lt_mask_shape(shaper, &s, v);
    for (int32_t i = 0; i < w * h; i++) MUST(v[i] >= 0.0f && v[i] <= 1.0f);
    lt_mask_shaper_close(&shaper);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    uint8_t *value = NULL;
    int32_t w = 0, h = 0;
    rectangle(text);
    free(text);
    const lt_status st = lt_mask_decode(data, size, 128, 96, &w, &h, &value);
    fuzz_refused(st);
    if (st != LT_OK) return 0;
    MUST(w >= 1 && h >= 1 && w <= 128 && h <= 96);
    weights(value, w, h, data + size - 3);
    free(value);
    return 0;
}
