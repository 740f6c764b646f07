#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "io/half.h"
#include "io/shard_impl.h"

struct lt_shard_writer {
    hid_t file; /* < 0 after lt_shard_finish */
};

static const int64_t MAX_BYTES = (int64_t)1 << 40; /* of a dataset */
static const int64_t MAX_CHUNK = (int64_t)1 << 31; /* libhdf5 ends at 4 GiB */

/* ---- life ------------------------------------------------------------------------- */

static void close_plist(hid_t p)
{
    if (p >= 0) H5Pclose(p);
}

/* A file that lives in memory only, without times: same calls, same bytes. The earliest
 * format: every reader knows it, and the newer superblock has a checksum that
 * H5Fget_file_image of 1.10.8 spoils. A closed dataset leaves the cache of metadata, which
 * would hold all sources of a virtual one until the file is closed. */
static hid_t create_in_memory(void)
{
    hid_t f = -1;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), make = H5Pcreate(H5P_FILE_CREATE);
    if (access >= 0 && make >= 0 && H5Pset_fapl_core(access, 4 << 20, 0) >= 0 &&
        H5Pset_evict_on_close(access, 1) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST) >= 0 &&
        H5Pset_obj_track_times(make, 0) >= 0)
        f = H5Fcreate("longtake-memory", H5F_ACC_TRUNC, make, access);
    close_plist(access);
    close_plist(make);
    return f;
}

lt_status lt_h5_create(lt_shard_writer **w, const char *format, const char *kind)
{
    lt_status st = LT_OK;
    const int64_t version = LT_SHARD_VERSION;
    lt_h5_quiet();
    lt_shard_writer *s = calloc(1, sizeof(*s));
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "out of memory (a new shard)");
    s->file = create_in_memory();
    if (s->file < 0) {
        st = lt_h5_fail(LT_ERR_INTERNAL, "cannot make a shard in memory", format);
        goto cleanup;
    }
    LT_TRY(lt_shard_attr_text(s, "/", "format", format));
    LT_TRY(lt_shard_attr_i64(s, "/", "format_version", &version, 1));
    if (kind) LT_TRY(lt_shard_attr_text(s, "/", "kind", kind));
    *w = s;
    s = NULL;
cleanup:
    lt_shard_discard(&s);
    return st;
}

lt_status lt_shard_create(lt_shard_writer **w, const char *kind)
{
    return lt_h5_create(w, LT_SHARD_FORMAT, kind);
}

void lt_shard_discard(lt_shard_writer **w)
{
    if (!w || !*w) return;
    lt_h5_quiet();
    if ((*w)->file >= 0) H5Fclose((*w)->file);
    free(*w);
    *w = NULL;
}

/* ---- datasets --------------------------------------------------------------------- */

static lt_status bad(const char *what, const char *path)
{
    return LT_FAIL(LT_ERR_ARG, "%s (%s): report this", what, path);
}

/* Are shape and chunk in range, and all products below the limits? */
static lt_status check_dataset(const lt_shard_dataset *d)
{
    const size_t cell = lt_cell_size(d->cell);
    int64_t bytes = (int64_t)cell, chunk = (int64_t)cell;
    if (!d->path || d->path[0] != '/' || !d->path[1] ||
        strlen(d->path) >= LT_SHARD_PATH_MAX)
        return bad("a dataset needs a path from the root", d->path ? d->path : "NULL");
    if (cell == 0 || d->ndim < 1 || d->ndim > LT_SHARD_MAX_DIMS)
        return bad("dataset type or rank out of range", d->path);
    for (int i = 0; i < d->ndim; i++) {
        const int64_t c = d->chunk[0] ? d->chunk[i] : 1;
        if (d->shape[i] < 1 || __builtin_mul_overflow(bytes, d->shape[i], &bytes) ||
            bytes > MAX_BYTES)
            return bad("dataset size out of range", d->path);
        if (c < 1 || c > d->shape[i] || __builtin_mul_overflow(chunk, c, &chunk) ||
            chunk > MAX_CHUNK)
            return bad("chunk out of range", d->path);
    }
    return LT_OK;
}

/* Make one group without times unless it is there. */
static int make_group(hid_t file, const char *path)
{
    if (H5Lexists(file, path, H5P_DEFAULT) > 0) return 0;
    const hid_t make = H5Pcreate(H5P_GROUP_CREATE);
    hid_t g = -1;
    if (make >= 0 && H5Pset_obj_track_times(make, 0) >= 0)
        g = H5Gcreate2(file, path, H5P_DEFAULT, make, H5P_DEFAULT);
    close_plist(make);
    if (g >= 0) H5Gclose(g);
    return g >= 0 ? 0 : -1;
}

/* Make the groups above a dataset one by one: libhdf5's own way would store times. */
static int make_groups(hid_t file, const char *path)
{
    char part[LT_SHARD_PATH_MAX];
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (make_group(file, part) < 0) return -1;
    }
    return 0;
}

/* What reads where nothing was written: NaN, the largest number, -1 for i64. */
static int set_fill(hid_t make, lt_cell cell, hid_t type)
{
    const float f32 = __builtin_nanf("");
    const uint16_t f16 = 0x7e00, u16 = UINT16_MAX;
    const int64_t i64 = -1;
    const uint8_t u8 = UINT8_MAX;
    const uint32_t u32 = UINT32_MAX;
    const void *const value[] = { &f32, &f16, &i64, &u8, &u16, &u32 };
    return H5Pset_fill_value(make, type, value[cell]) < 0 ? -1 : 0;
}

/* Early allocation puts chunks in their order, whatever the order of the writes. */
static hid_t create_plist(const lt_shard_dataset *d, hid_t type, int is_virtual)
{
    const hid_t make = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[LT_SHARD_MAX_DIMS];
    int ok = make >= 0 && H5Pset_obj_track_times(make, 0) >= 0 &&
             set_fill(make, d->cell, type) == 0;
    for (int i = 0; i < d->ndim; i++) chunk[i] = (hsize_t)d->chunk[i];
    if (ok && !is_virtual) {
        ok = H5Pset_alloc_time(make, H5D_ALLOC_TIME_EARLY) >= 0 &&
             H5Pset_fill_time(make, H5D_FILL_TIME_ALLOC) >= 0;
        if (ok && d->chunk[0]) ok = H5Pset_chunk(make, d->ndim, chunk) >= 0;
    }
    if (ok) return make;
    close_plist(make);
    return -1;
}

static int add_sources(hid_t make, const lt_shard_dataset *d, hid_t space,
                       const lt_h5_source *sources, int64_t n)
{
    hsize_t dims[LT_SHARD_MAX_DIMS];
    for (int i = 0; i < d->ndim; i++) dims[i] = (hsize_t)d->shape[i];
    for (int64_t k = 0; k < n; k++) {
        int64_t cells = 0;
        const lt_h5_source *s = &sources[k];
        if (!lt_h5_box_ok(d->ndim, dims, s->start, s->count)) return -1;
        const hid_t src = lt_h5_select(space, d->ndim, dims, s->start, s->count, &cells);
        if (src < 0) return -1;
        const herr_t r = H5Pset_virtual(make, space, s->file, s->path, src);
        H5Sclose(src);
        if (r < 0) return -1;
    }
    return 0;
}

/* sources = NULL: a dataset with data of its own. */
static lt_status add(lt_shard_writer *w, const lt_shard_dataset *d,
                     const lt_h5_source *sources, int64_t n)
{
    lt_status st = LT_OK;
    hid_t type = -1, space = -1, make = -1, set = -1;
    hsize_t dims[LT_SHARD_MAX_DIMS] = { 0 };
    lt_h5_quiet();
    if (w->file < 0) return bad("the shard is finished", d->path ? d->path : "NULL");
    LT_TRY(check_dataset(d));
    for (int i = 0; i < d->ndim; i++) dims[i] = (hsize_t)d->shape[i];
    type = lt_h5_type(d->cell);
    space = H5Screate_simple(d->ndim, dims, NULL);
    if (type >= 0 && space >= 0) make = create_plist(d, type, sources != NULL);
    if (make < 0 || add_sources(make, d, space, sources, n) < 0 ||
        make_groups(w->file, d->path) < 0) {
        st = lt_h5_fail(LT_ERR_ARG, "cannot prepare a dataset", d->path);
        goto cleanup;
    }
    set = H5Dcreate2(w->file, d->path, type, space, H5P_DEFAULT, make, H5P_DEFAULT);
    if (set < 0) st = lt_h5_fail(LT_ERR_ARG, "cannot add a dataset", d->path);
cleanup:
    if (set >= 0) H5Dclose(set);
    close_plist(make);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return st;
}

lt_status lt_shard_add(lt_shard_writer *w, const lt_shard_dataset *d)
{
    return add(w, d, NULL, 0);
}

lt_status lt_h5_add_virtual(lt_shard_writer *w, const lt_shard_dataset *d,
                            const lt_h5_source *sources, int64_t n)
{
    return add(w, d, sources, n);
}

/* ---- data ------------------------------------------------------------------------- */

typedef struct target {
    hid_t set, space, type;
    lt_cell cell;
    int ndim;
    hsize_t dims[LT_SHARD_MAX_DIMS];
} target;

static void target_close(target *t)
{
    if (t->type >= 0) H5Tclose(t->type);
    if (t->space >= 0) H5Sclose(t->space);
    if (t->set >= 0) H5Dclose(t->set);
}

static lt_status target_open(target *t, lt_shard_writer *w, const char *path)
{
    *t = (target){ .set = -1, .space = -1, .type = -1 };
    if (w->file < 0) return bad("the shard is finished", path);
    t->set = H5Dopen2(w->file, path, H5P_DEFAULT);
    if (t->set < 0) return lt_h5_fail(LT_ERR_ARG, "no such dataset", path);
    t->space = H5Dget_space(t->set);
    t->type = H5Dget_type(t->set);
    if (t->space >= 0) t->ndim = H5Sget_simple_extent_dims(t->space, t->dims, NULL);
    if (t->ndim < 1 || t->type < 0 || !lt_h5_cell(t->type, &t->cell))
        return lt_h5_fail(LT_ERR_INTERNAL, "cannot look at a dataset", path);
    return LT_OK;
}

static lt_status write_box(target *t, const char *path, const int64_t *start,
                           const int64_t *count, const void *data)
{
    int64_t cells = 0;
    const hid_t mem = lt_h5_select(t->space, t->ndim, t->dims, start, count, &cells);
    if (mem < 0) return lt_h5_fail(LT_ERR_INTERNAL, "cannot select", path);
    const herr_t r = H5Dwrite(t->set, t->type, mem, t->space, H5P_DEFAULT, data);
    H5Sclose(mem);
    return r < 0 ? lt_h5_fail(LT_ERR_NOMEM, "cannot write into a shard", path) : LT_OK;
}

lt_status lt_shard_write(lt_shard_writer *w, const char *path, const int64_t *start,
                         const int64_t *count, const void *data)
{
    lt_status st = LT_OK;
    target t;
    lt_h5_quiet();
    LT_TRY(target_open(&t, w, path));
    if (!lt_h5_box_ok(t.ndim, t.dims, start, count))
        st = bad("box outside of a dataset", path);
    else
        st = write_box(&t, path, start, count, data);
cleanup:
    target_close(&t);
    return st;
}

static int64_t box_cells(const target *t, const int64_t *count)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= count ? count[i] : (int64_t)t->dims[i];
    return n;
}

lt_status lt_shard_write_f32(lt_shard_writer *w, const char *path, const int64_t *start,
                             const int64_t *count, const float *data)
{
    lt_status st = LT_OK;
    uint16_t *half = NULL;
    target t;
    lt_h5_quiet();
    LT_TRY(target_open(&t, w, path));
    if ((t.cell != LT_CELL_F32 && t.cell != LT_CELL_F16) ||
        !lt_h5_box_ok(t.ndim, t.dims, start, count)) {
        st = bad("no float dataset, or box outside of it", path);
        goto cleanup;
    }
    if (t.cell == LT_CELL_F16) {
        const int64_t n = box_cells(&t, count);
        half = malloc((size_t)n * sizeof(*half));
        if (!half) {
            st = LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
            goto cleanup;
        }
        lt_half_from_f32(half, data, n);
    }
    LT_TRY(write_box(&t, path, start, count, half ? (const void *)half : data));
cleanup:
    free(half);
    target_close(&t);
    return st;
}

/* ---- attributes ------------------------------------------------------------------- */

/* n = 0: a scalar of `type`; data as H5Awrite takes it. */
static lt_status attr(lt_shard_writer *w, const char *path, const char *name, hid_t type,
                      const void *data, int64_t n)
{
    lt_status st = LT_OK;
    const hsize_t dims[1] = { (hsize_t)n };
    hid_t at = -1;
    const hid_t space = n > 1 ? H5Screate_simple(1, dims, NULL) : H5Screate(H5S_SCALAR);
    const hid_t obj = w->file < 0 ? -1 : H5Oopen(w->file, path, H5P_DEFAULT);
    if (obj >= 0 && space >= 0)
        at = H5Acreate2(obj, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (at < 0 || H5Awrite(at, type, data) < 0)
        st = lt_h5_fail(LT_ERR_ARG, "cannot write an attribute", name);
    if (at >= 0) H5Aclose(at);
    if (obj >= 0) H5Oclose(obj);
    if (space >= 0) H5Sclose(space);
    return st;
}

lt_status lt_shard_attr_i64(lt_shard_writer *w, const char *path, const char *name,
                            const int64_t *v, int64_t n)
{
    if (n < 1) return bad("an attribute needs a value", name);
    lt_h5_quiet();
    return attr(w, path, name, H5T_STD_I64LE, v, n);
}

lt_status lt_shard_attr_f64(lt_shard_writer *w, const char *path, const char *name,
                            const double *v, int64_t n)
{
    if (n < 1) return bad("an attribute needs a value", name);
    lt_h5_quiet();
    return attr(w, path, name, H5T_IEEE_F64LE, v, n);
}

lt_status lt_shard_attr_text(lt_shard_writer *w, const char *path, const char *name,
                             const char *text)
{
    lt_h5_quiet();
    const hid_t type = H5Tcopy(H5T_C_S1);
    lt_status st = LT_OK;
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        st = lt_h5_fail(LT_ERR_INTERNAL, "cannot make a text type", name);
    else
        st = attr(w, path, name, type, &text, 1);
    if (type >= 0) H5Tclose(type);
    return st;
}

/* ---- finish ----------------------------------------------------------------------- */

lt_status lt_shard_finish(lt_shard_writer *w, void **image, lt_stamp *stamp)
{
    lt_status st = LT_OK;
    void *buf = NULL;
    ssize_t n = -1;
    lt_h5_quiet();
    if (w->file < 0) return bad("the shard is finished", "finish");
    if (H5Fflush(w->file, H5F_SCOPE_GLOBAL) >= 0) n = H5Fget_file_image(w->file, NULL, 0);
    if (n <= 0) {
        st = lt_h5_fail(LT_ERR_INTERNAL, "cannot finish a shard", "in memory");
        goto cleanup;
    }
    buf = malloc((size_t)n);
    if (!buf) {
        st = LT_FAIL(LT_ERR_NOMEM, "out of memory (a shard of %lld bytes)", (long long)n);
        goto cleanup;
    }
    if (H5Fget_file_image(w->file, buf, (size_t)n) != n) {
        st = lt_h5_fail(LT_ERR_INTERNAL, "cannot take the image of a shard", "in memory");
        goto cleanup;
    }
    *stamp = lt_stamp_of(buf, (size_t)n);
    *image = buf;
    buf = NULL;
    H5Fclose(w->file);
    w->file = -1;
cleanup:
    free(buf);
    return st;
}

lt_status lt_shard_commit(lt_shard_writer *w, const char *file, const char *tag,
                          lt_stamp *stamp)
{
    lt_status st = LT_OK;
    void *image = NULL;
    lt_stamp s = { 0 };
    LT_TRY(lt_shard_finish(w, &image, &s));
    LT_TRY(lt_file_write(file, image, (size_t)s.size, tag));
    *stamp = s;
cleanup:
    free(image);
    return st;
}
