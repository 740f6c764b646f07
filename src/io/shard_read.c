#include <stdlib.h>
#include <string.h>

#include "io/half.h"
#include "io/shard_impl.h"

struct lt_shard_reader {
    hid_t file;
    int64_t bytes_read;
    int64_t bytes_verified;
};

/* Without a chunk cache only the bytes of a box leave the disk; without file locks a
 * reader works on every file system. */
static lt_status open_file(const char *file, hid_t *out)
{
    lt_status st = LT_OK;
    hid_t f = -1;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_cache(access, 0, 1, 0, 0.0) >= 0 &&
        H5Pset_file_locking(access, 0, 1) >= 0)
        f = H5Fopen(file, H5F_ACC_RDONLY, access);
    if (f < 0) st = lt_h5_fail(LT_ERR_DATA, "cannot open a shard", file);
    if (access >= 0) H5Pclose(access);
    *out = f;
    return st;
}

lt_status lt_shard_open(lt_shard_reader **r, const char *file, const lt_stamp *want)
{
    lt_status st = LT_OK;
    int64_t version = 0;
    lt_h5_quiet();
    lt_shard_reader *s = calloc(1, sizeof(*s));
    if (!s) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", file);
    s->file = -1;
    if (want) LT_TRY(lt_stamp_check(file, want, &s->bytes_verified));
    LT_TRY(open_file(file, &s->file));
    LT_TRY(lt_shard_read_attr_i64(s, "/", "format_version", &version, 1));
    if (version != LT_SHARD_VERSION) {
        st = LT_FAIL(LT_ERR_DATA,
                     "shard of format version %lld, this program reads %d (%s): use the "
                     "program that made it",
                     (long long)version, LT_SHARD_VERSION, file);
        goto cleanup;
    }
    *r = s;
    s = NULL;
cleanup:
    lt_shard_close(&s);
    return st;
}

void lt_shard_close(lt_shard_reader **r)
{
    if (!r || !*r) return;
    lt_h5_quiet();
    if ((*r)->file >= 0) H5Fclose((*r)->file);
    free(*r);
    *r = NULL;
}

int64_t lt_shard_bytes_read(const lt_shard_reader *r) { return r->bytes_read; }
int64_t lt_shard_bytes_verified(const lt_shard_reader *r) { return r->bytes_verified; }

void lt_shard_count_verified(lt_shard_reader *r, int64_t bytes)
{
    r->bytes_verified += bytes;
}

/* ---- datasets --------------------------------------------------------------------- */

typedef struct source {
    hid_t set, space, type;
    lt_cell cell;
    int ndim;
    hsize_t dims[LT_SHARD_MAX_DIMS];
} source;

static void source_close(source *s)
{
    if (s->type >= 0) H5Tclose(s->type);
    if (s->space >= 0) H5Sclose(s->space);
    if (s->set >= 0) H5Dclose(s->set);
}

/* H5Lexists wants the groups above to exist: one by one. */
static int has(hid_t file, const char *path)
{
    char part[256];
    const size_t n = strlen(path);
    if (n < 2 || path[0] != '/' || n >= sizeof(part)) return 0;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0) return 0;
    }
    return 1;
}

static lt_status source_open(source *s, lt_shard_reader *r, const char *path)
{
    int ndim = -1;
    *s = (source){ .set = -1, .space = -1, .type = -1 };
    if (!has(r->file, path))
        return LT_FAIL(LT_ERR_DATA,
                       "no such dataset in a shard (%s): was it made by "
                       "another version?",
                       path);
    s->set = H5Dopen2(r->file, path, H5P_DEFAULT);
    if (s->set >= 0) s->space = H5Dget_space(s->set);
    if (s->set >= 0) s->type = H5Dget_type(s->set);
    if (s->space >= 0) ndim = H5Sget_simple_extent_ndims(s->space);
    if (ndim < 1 || ndim > LT_SHARD_MAX_DIMS || s->type < 0 ||
        !lt_h5_cell(s->type, &s->cell) ||
        H5Sget_simple_extent_dims(s->space, s->dims, NULL) != ndim)
        return lt_h5_fail(LT_ERR_DATA, "not a dataset of this format", path);
    s->ndim = ndim;
    return LT_OK;
}

lt_status lt_shard_describe(lt_shard_reader *r, const char *path, lt_cell *cell,
                            int *ndim, int64_t *shape)
{
    lt_status st = LT_OK;
    source s;
    lt_h5_quiet();
    LT_TRY(source_open(&s, r, path));
    *cell = s.cell;
    *ndim = s.ndim;
    for (int i = 0; i < s.ndim; i++) shape[i] = (int64_t)s.dims[i];
cleanup:
    source_close(&s);
    return st;
}

static lt_status check_box(const source *s, const char *path, const int64_t *start,
                           const int64_t *count)
{
    if (lt_h5_box_ok(s->ndim, s->dims, start, count)) return LT_OK;
    return LT_FAIL(LT_ERR_DATA,
                   "a dataset is smaller than it should be (%s): was it "
                   "made with other settings?",
                   path);
}

static lt_status read_box(source *s, lt_shard_reader *r, const char *path,
                          const int64_t *start, const int64_t *count, void *data)
{
    int64_t cells = 0;
    const hid_t mem = lt_h5_select(s->space, s->ndim, s->dims, start, count, &cells);
    if (mem < 0) return lt_h5_fail(LT_ERR_INTERNAL, "cannot select", path);
    const herr_t e = H5Dread(s->set, s->type, mem, s->space, H5P_DEFAULT, data);
    H5Sclose(mem);
    if (e < 0) return lt_h5_fail(LT_ERR_IO, "cannot read a shard", path);
    r->bytes_read += cells * (int64_t)lt_cell_size(s->cell);
    return LT_OK;
}

lt_status lt_shard_read(lt_shard_reader *r, const char *path, lt_cell cell,
                        const int64_t *start, const int64_t *count, void *data)
{
    lt_status st = LT_OK;
    source s;
    lt_h5_quiet();
    LT_TRY(source_open(&s, r, path));
    if (s.cell != cell) {
        st = LT_FAIL(LT_ERR_DATA,
                     "a dataset of %s instead of %s (%s): was it made with "
                     "other settings?",
                     lt_cell_name(s.cell), lt_cell_name(cell), path);
        goto cleanup;
    }
    LT_TRY(check_box(&s, path, start, count));
    LT_TRY(read_box(&s, r, path, start, count, data));
cleanup:
    source_close(&s);
    return st;
}

/* Read halves and widen them; the box was checked. */
static lt_status read_half(source *s, lt_shard_reader *r, const char *path,
                           const int64_t *start, const int64_t *count, float *data)
{
    lt_status st = LT_OK;
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++)
        if (__builtin_mul_overflow(n, count ? (hsize_t)count[i] : s->dims[i], &n))
            return LT_FAIL(LT_ERR_DATA, "dataset too large (%s): report this", path);
    uint16_t *half = n > SIZE_MAX / 4 ? NULL : malloc(n * sizeof(*half));
    if (!half) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    LT_TRY(read_box(s, r, path, start, count, half));
    lt_half_to_f32(data, half, (int64_t)n);
cleanup:
    free(half);
    return st;
}

lt_status lt_shard_read_f32(lt_shard_reader *r, const char *path, const int64_t *start,
                            const int64_t *count, float *data)
{
    lt_status st = LT_OK;
    source s;
    lt_h5_quiet();
    LT_TRY(source_open(&s, r, path));
    if (s.cell != LT_CELL_F32 && s.cell != LT_CELL_F16) {
        st = LT_FAIL(LT_ERR_DATA,
                     "a dataset of %s instead of floats (%s): was it made "
                     "with other settings?",
                     lt_cell_name(s.cell), path);
        goto cleanup;
    }
    LT_TRY(check_box(&s, path, start, count));
    if (s.cell == LT_CELL_F16)
        LT_TRY(read_half(&s, r, path, start, count, data));
    else
        LT_TRY(read_box(&s, r, path, start, count, data));
cleanup:
    source_close(&s);
    return st;
}

/* ---- attributes ------------------------------------------------------------------- */

/* The attribute has n integers. */
static int is_integers(hid_t at, int64_t n)
{
    const hid_t type = H5Aget_type(at), space = H5Aget_space(at);
    const int ok = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_INTEGER &&
                   H5Sget_simple_extent_npoints(space) == n;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return ok;
}

lt_status lt_shard_read_attr_i64(lt_shard_reader *r, const char *path, const char *name,
                                 int64_t *v, int64_t n)
{
    lt_status st = LT_OK;
    lt_h5_quiet();
    const int there = strcmp(path, "/") == 0 || has(r->file, path);
    const hid_t obj = there ? H5Oopen(r->file, path, H5P_DEFAULT) : -1;
    hid_t at = -1;
    if (obj >= 0 && H5Aexists(obj, name) > 0) at = H5Aopen(obj, name, H5P_DEFAULT);
    if (at < 0 || !is_integers(at, n) || H5Aread(at, H5T_NATIVE_INT64, v) < 0)
        st = LT_FAIL(LT_ERR_DATA,
                     "no such attribute in a shard (%s of %s): was it made "
                     "by another version?",
                     name, path);
    H5Eclear2(H5E_DEFAULT);
    if (at >= 0) H5Aclose(at);
    if (obj >= 0) H5Oclose(obj);
    return st;
}
