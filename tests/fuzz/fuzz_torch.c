/* Whole files of torch.save: the archive, its pickle, and where the bytes lie. */
#include "fuzz.h"
#include "io/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_torch_file *f = NULL;
    (void)lt_torch_looks(data, size);
    const lt_status st = lt_torch_parse(data, size, "fuzz", &f);
    fuzz_refused(st);
    if (st != LT_OK) return 0;
    uint64_t sum = 0;
    for (int64_t i = 0; i < lt_torch_count(f); i++) {
        const lt_pickle_tensor *t = lt_torch_at(f, i);
        const uint8_t *bytes = lt_torch_storage(f, i);
        const uint64_t n = (uint64_t)t->storage_count * (uint64_t)t->cell;
        MUST(bytes >= data && n <= size && bytes + n <= data + size);
        for (uint64_t k = 0; k < n; k++) sum += bytes[k];
    }
    MUST(sum <= 255 * (uint64_t)size * (uint64_t)lt_torch_count(f));
    lt_torch_close(&f);
    return 0;
}
