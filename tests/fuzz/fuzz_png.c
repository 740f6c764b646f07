/* PNG files, as pictures of masks. Large ones are left to the table of mistakes. */
#include "fuzz.h"
#include "io/image_png.h"

static int is_large(const uint8_t *data, size_t size)
{
    return size >= 24 &&
           (data[16] | data[17] | data[18] >> 2 | data[20] | data[21] | data[22] >> 2);
}

static void decode(const uint8_t *data, size_t size, int32_t channels)
{
    lt_image image = { 0 };
    const lt_status st = lt_image_png_decode(data, size, "fuzz", channels, &image);
    fuzz_refused(st);
    if (st != LT_OK) return;
    MUST(!channels || image.channels == channels);
    const int64_t n = (int64_t)image.width * image.height * image.channels;
    uint64_t sum = 0; /* every pixel is there */
    for (int64_t i = 0; i < n; i++) sum += image.pixels[i];
    MUST(sum <= (uint64_t)n * 255);
    lt_image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t channels[] = { 0, 1, 3, 4 };
    lt_image_head head = { 0 };
    if (is_large(data, size)) return 0;
    for (int i = 0; i < 4; i++) decode(data, size, channels[i]);
    fuzz_file f = fuzz_file_open(data, size);
    const lt_status st = lt_image_png_look(f.path, &head);
    fuzz_refused(st);
    MUST(st != LT_OK || (head.width > 0 && head.height > 0 && head.channels > 0));
    fuzz_file_close(&f);
    return 0;
}
