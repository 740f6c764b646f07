#include <string.h>

#include "io/shard_impl.h"

size_t lt_cell_size(lt_cell cell)
{
    static const size_t size[] = { 4, 2, 8, 1, 2, 4 };
    return (unsigned)cell < 6 ? size[cell] : 0;
}

const char *lt_cell_name(lt_cell cell)
{
    static const char *const name[] = { "f32", "f16", "i64", "u8", "u16", "u32" };
    return (unsigned)cell < 6 ? name[cell] : "?";
}

void lt_h5_quiet(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

/* The first entry on the way up is the innermost: the cause. */
static herr_t first_reason(unsigned n, const H5E_error2_t *e, void *out)
{
    (void)n;
    const char **reason = out;
    if (e->desc && e->desc[0]) *reason = e->desc;
    return 1;
}

lt_status lt_h5_fail(lt_status st, const char *what, const char *where)
{
    const char *reason = "no reason given";
    char text[160];
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &reason);
    strncpy(text, reason, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    H5Eclear2(H5E_DEFAULT);
    return LT_FAIL(st, "%s: libhdf5 says \"%s\" (%s): %s", what, text, where,
                   st == LT_ERR_IO ? "check the disk or the file server"
                                   : "check the file, else report this");
}

/* IEEE half, which libhdf5 1.10 has no name for; h5py knows it as float16. */
static hid_t half_type(void)
{
    const hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    if (t < 0) return t;
    if (H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 ||
        H5Tset_ebias(t, 15) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

hid_t lt_h5_type(lt_cell cell)
{
    switch (cell) {
    case LT_CELL_F32: return H5Tcopy(H5T_IEEE_F32LE);
    case LT_CELL_F16: return half_type();
    case LT_CELL_I64: return H5Tcopy(H5T_STD_I64LE);
    case LT_CELL_U8: return H5Tcopy(H5T_STD_U8LE);
    case LT_CELL_U16: return H5Tcopy(H5T_STD_U16LE);
    case LT_CELL_U32: return H5Tcopy(H5T_STD_U32LE);
    }
    return -1;
}

int lt_h5_cell(hid_t type, lt_cell *cell)
{
    for (int c = LT_CELL_F32; c <= LT_CELL_U32; c++) {
        const hid_t t = lt_h5_type((lt_cell)c);
        const int same = t >= 0 && H5Tequal(t, type) > 0;
        if (t >= 0) H5Tclose(t);
        if (same) {
            *cell = (lt_cell)c;
            return 1;
        }
    }
    return 0;
}

int lt_h5_box_ok(int ndim, const hsize_t *dims, const int64_t *start,
                 const int64_t *count)
{
    if (!start && !count) return 1;
    if (!start || !count) return 0;
    for (int i = 0; i < ndim; i++) {
        if (start[i] < 0 || count[i] < 1 || (hsize_t)start[i] >= dims[i] ||
            (hsize_t)count[i] > dims[i] - (hsize_t)start[i])
            return 0;
    }
    return 1;
}

hid_t lt_h5_select(hid_t space, int ndim, const hsize_t *dims, const int64_t *start,
                   const int64_t *count, int64_t *cells)
{
    hsize_t from[LT_SHARD_MAX_DIMS] = { 0 }, many[LT_SHARD_MAX_DIMS] = { 0 };
    int64_t n = 1;
    for (int i = 0; i < ndim; i++) {
        from[i] = start ? (hsize_t)start[i] : 0;
        many[i] = count ? (hsize_t)count[i] : dims[i];
        n *= (int64_t)many[i]; /* within the dataset, whose size was checked */
    }
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, many, NULL) < 0) return -1;
    *cells = n;
    return H5Screate_simple(ndim, many, NULL);
}
