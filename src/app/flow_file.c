#include "app/flow_file.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/options.h"

struct lt_flow_file {
    char path[LT_PATH_MAX], temp[LT_PATH_MAX];
    int64_t n;
    int32_t width, height;
    hid_t file, flow, visible; /* -1: none */
};

/* libhdf5 tells its reasons in prose; errno is what the system call left. */
static lt_status fail(const lt_flow_file *f, const char *what)
{
    const int e = errno;
    const lt_status st = e == ENOSPC || e == EDQUOT ? LT_ERR_NOSPACE : LT_ERR_IO;
    H5Eclear2(H5E_DEFAULT);
    return LT_FAIL(st, "cannot %s, %s (%s): check the disk", what,
                   e ? strerror(e) : "libhdf5 refused", f->path);
}

/* Contiguous: the size is known, and an index of chunks would grow in memory. */
static hid_t make(lt_flow_file *f, const char *name, hid_t type, int ndim)
{
    const hsize_t dims[4] = { (hsize_t)f->n, (hsize_t)f->height, (hsize_t)f->width, 2 };
    const hid_t space = H5Screate_simple(ndim, dims, NULL);
    const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    hid_t made = -1;
    /* without times: equal values, equal bytes */
    if (H5Pset_layout(how, H5D_CONTIGUOUS) >= 0 && H5Pset_obj_track_times(how, 0) >= 0 &&
        H5Pset_fill_time(how, H5D_FILL_TIME_NEVER) >= 0)
        made = H5Dcreate2(f->file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Sclose(space);
    return made;
}

static lt_status create(lt_flow_file *f)
{
    errno = 0;
    f->file = H5Fcreate(f->temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (f->file < 0) {
        const int e = errno;
        if (e == ENOSPC || e == EDQUOT) return fail(f, "create the file");
        return LT_FAIL(LT_ERR_CANTCREAT,
                       "cannot create the file (%s): %s; give another --flow", f->path,
                       e ? strerror(e) : "libhdf5 refused");
    }
    f->flow = make(f, "flow", H5T_IEEE_F32LE, 4);
    f->visible = make(f, "visible", H5T_STD_U8LE, 3);
    return f->flow < 0 || f->visible < 0 ? fail(f, "make a dataset") : LT_OK;
}

lt_status lt_flow_file_open(lt_flow_file **out, const char *path, int64_t n,
                            int32_t width, int32_t height)
{
    lt_status st = LT_OK;
    if (n < 1 || width < 1 || height < 1 || strlen(path) >= LT_PATH_MAX)
        return LT_FAIL(LT_ERR_ARG, "flow of %lld frames (%.200s)", (long long)n, path);
    lt_flow_file *f = calloc(1, sizeof(*f));
    if (!f) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    f->n = n, f->width = width, f->height = height;
    f->file = f->flow = f->visible = -1;
    snprintf(f->path, sizeof(f->path), "%s", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    LT_TRY(lt_file_temp_name(path, f->temp));
    LT_TRY(create(f));
    *out = f;
    f = NULL;
cleanup:
    lt_flow_file_close(&f);
    return st;
}

static herr_t write_frame(hid_t set, hid_t type, int ndim, const hsize_t *from,
                          const hsize_t *count, const void *data)
{
    const hid_t space = H5Dget_space(set);
    const hid_t memory = H5Screate_simple(ndim, count, NULL);
    herr_t r = H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, count, NULL);
    if (r >= 0) r = H5Dwrite(set, type, memory, space, H5P_DEFAULT, data);
    H5Sclose(memory);
    H5Sclose(space);
    return r;
}

lt_status lt_flow_file_put(lt_flow_file *f, int64_t t, const float *flow,
                           const uint8_t *visible)
{
    const hsize_t from[4] = { (hsize_t)t, 0, 0, 0 };
    const hsize_t count[4] = { 1, (hsize_t)f->height, (hsize_t)f->width, 2 };
    if (t < 0 || t >= f->n)
        return LT_FAIL(LT_ERR_ARG, "flow of frame %lld (%s)", (long long)t, f->path);
    errno = 0;
    if (write_frame(f->flow, H5T_NATIVE_FLOAT, 4, from, count, flow) < 0 ||
        write_frame(f->visible, H5T_NATIVE_UINT8, 3, from, count, visible) < 0)
        return fail(f, "write");
    return LT_OK;
}

/* 0 when everything reached the file. */
static int shut(lt_flow_file *f)
{
    int bad = 0;
    if (f->flow >= 0) bad |= H5Dclose(f->flow) < 0;
    if (f->visible >= 0) bad |= H5Dclose(f->visible) < 0;
    if (f->file >= 0) bad |= H5Fclose(f->file) < 0;
    f->file = f->flow = f->visible = -1;
    return bad;
}

lt_status lt_flow_file_commit(lt_flow_file *f)
{
    errno = 0;
    if (shut(f)) return fail(f, "finish the file");
    const lt_status st = lt_file_publish(f->temp, f->path, NULL);
    f->temp[0] = '\0'; /* published, or removed */
    return st;
}

void lt_flow_file_close(lt_flow_file **f)
{
    if (!f || !*f) return;
    (void)shut(*f);
    if ((*f)->temp[0]) (void)remove((*f)->temp);
    free(*f);
    *f = NULL;
}

/* ---- reading ----------------------------------------------------------------------- */

struct lt_flow_reader {
    lt_flow_file f; /* open for reading */
};

/* A dataset of the shape that is asked for, and of numbers; else -1. */
static hid_t find(const lt_flow_file *f, const char *name, int ndim, H5T_class_t class)
{
    const hsize_t want[4] = { (hsize_t)f->n, (hsize_t)f->height, (hsize_t)f->width, 2 };
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    const hid_t set = H5Dopen2(f->file, name, H5P_DEFAULT);
    if (set < 0) return -1;
    const hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int good = space >= 0 && type >= 0 && H5Tget_class(type) == class &&
               H5Sget_simple_extent_ndims(space) == ndim &&
               H5Sget_simple_extent_dims(space, dims, NULL) == ndim;
    for (int i = 0; good && i < ndim; i++) good = dims[i] == want[i];
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (good) return set;
    H5Dclose(set);
    return -1;
}

static lt_status open_reader(lt_flow_file *f)
{
    if (!lt_file_exists(f->path))
        return LT_FAIL(LT_ERR_NOINPUT, "no such file (--flow %s): check the name",
                       f->path);
    f->file = H5Fopen(f->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f->file < 0) {
        H5Eclear2(H5E_DEFAULT);
        return LT_FAIL(LT_ERR_DATA,
                       "not an HDF5 file, or damaged (--flow %s): give one of "
                       "`longtake synth --flow`",
                       f->path);
    }
    f->flow = find(f, "/flow", 4, H5T_FLOAT);
    f->visible = find(f, "/visible", 3, H5T_INTEGER);
    if (f->flow >= 0 && f->visible >= 0) return LT_OK;
    H5Eclear2(H5E_DEFAULT);
    return LT_FAIL(LT_ERR_DATA,
                   "no motion of this film (--flow %s): it needs /flow [%lld, %d, %d, 2] "
                   "and /visible [%lld, %d, %d]",
                   f->path, (long long)f->n, f->height, f->width, (long long)f->n,
                   f->height, f->width);
}

lt_status lt_flow_reader_open(lt_flow_reader **out, const char *path, int64_t n,
                              int32_t width, int32_t height)
{
    lt_status st = LT_OK;
    lt_flow_reader *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (%s)", path);
    r->f.n = n, r->f.width = width, r->f.height = height;
    r->f.file = r->f.flow = r->f.visible = -1;
    snprintf(r->f.path, sizeof(r->f.path), "%s", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    LT_TRY(open_reader(&r->f));
    *out = r;
    r = NULL;
cleanup:
    lt_flow_reader_close(&r);
    return st;
}

static herr_t read_frame(hid_t set, hid_t type, int ndim, const hsize_t *from,
                         const hsize_t *count, void *data)
{
    const hid_t space = H5Dget_space(set);
    const hid_t memory = H5Screate_simple(ndim, count, NULL);
    herr_t r = H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, count, NULL);
    if (r >= 0) r = H5Dread(set, type, memory, space, H5P_DEFAULT, data);
    H5Sclose(memory);
    H5Sclose(space);
    return r;
}

lt_status lt_flow_reader_get(lt_flow_reader *r, int64_t t, float *flow, uint8_t *visible)
{
    const lt_flow_file *f = &r->f;
    const hsize_t from[4] = { (hsize_t)t, 0, 0, 0 };
    const hsize_t count[4] = { 1, (hsize_t)f->height, (hsize_t)f->width, 2 };
    if (t < 0 || t >= f->n)
        return LT_FAIL(LT_ERR_ARG, "flow of frame %lld (%s)", (long long)t, f->path);
    if (read_frame(f->flow, H5T_NATIVE_FLOAT, 4, from, count, flow) >= 0 &&
        read_frame(f->visible, H5T_NATIVE_UINT8, 3, from, count, visible) >= 0)
        return LT_OK;
    H5Eclear2(H5E_DEFAULT);
    return LT_FAIL(LT_ERR_DATA, "frame %lld cannot be read (--flow %s): make it again",
                   (long long)t, f->path);
}

void lt_flow_reader_close(lt_flow_reader **r)
{
    if (!r || !*r) return;
    (void)shut(&(*r)->f);
    free(*r);
    *r = NULL;
}
