/* The pickle inside a file of torch.save. */
#include "fuzz.h"
#include "io/pickle.h"

/* The largest element of a tensor lies inside its storage. */
static int fits(const lt_pickle_tensor *t)
{
    __int128 last = t->offset, count = 1;
    for (int k = 0; k < t->ndim; k++) {
        MUST(t->shape[k] >= 0 && t->stride[k] >= 0);
        last += (__int128)(t->shape[k] - 1) * t->stride[k];
        count *= t->shape[k];
    }
    if (count != t->count) return 0;
    return count == 0 || (t->offset >= 0 && last < t->storage_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_pickle *p = NULL;
    const lt_status st = lt_pickle_parse(data, size, "fuzz", &p);
    fuzz_refused(st);
    if (st != LT_OK) return 0;
    MUST(lt_pickle_count(p) > 0);
    for (int64_t i = 0; i < lt_pickle_count(p); i++) {
        const lt_pickle_tensor *t = lt_pickle_at(p, i);
        MUST(t->name && t->storage && t->type && t->cell > 0);
        MUST(t->ndim >= 0 && t->ndim <= LT_MAX_DIMS && fits(t));
    }
    lt_pickle_close(&p);
    return 0;
}
