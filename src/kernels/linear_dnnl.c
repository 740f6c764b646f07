#include <stdlib.h>
#include <string.h>

#include "kernels/dnnl_pack.h"

typedef struct dnnl_linear {
    lt_linear head; /* first: a lt_linear * points here */
    lt_dnnl_pack pack;
} dnnl_linear;

lt_status lt_linear_pack_dnnl(const lt_exec *x, const lt_tensor *w, const lt_tensor *bias,
                              lt_linear **out)
{
    lt_status st = lt_linear_pack_check(w, bias);
    if (st != LT_OK) return st;
    const int64_t n_out = w->shape[0], n_in = w->shape[1];
    dnnl_memory_desc_t md;
    dnnl_linear *r = calloc(1, sizeof(*r));
    if (!r) return LT_FAIL(LT_ERR_NOMEM, "out of memory (weights): free some memory");
    r->head = (lt_linear){ n_in, n_out };
    /* As a matrix product the weights are [n_in][n_out], here given transposed. */
    LT_TRY(lt_dnnl_check(dnnl_memory_desc_init_by_tag(
                             &md, 2, (dnnl_dims_t){ n_in, n_out }, dnnl_f32, dnnl_ba),
                         "linear"));
    LT_TRY(lt_dnnl_pack_open(&r->pack, x, w, &md, bias, n_out));
    *out = &r->head;
    r = NULL;
cleanup:
    free(r);
    return st;
}

void lt_linear_free_dnnl(lt_linear **w)
{
    if (!w || !*w) return;
    dnnl_linear *r = (dnnl_linear *)*w;
    lt_dnnl_pack_close(&r->pack);
    free(r);
    *w = NULL;
}

static dnnl_status_t make_matmul(const void *owner, const lt_plan_key *key,
                                 const lt_plan_desc *d, const_dnnl_primitive_attr_t attr,
                                 dnnl_engine_t engine, dnnl_primitive_desc_t *out)
{
    (void)owner;
    (void)key;
    dnnl_matmul_desc_t op;
    const dnnl_status_t s =
        dnnl_matmul_desc_init(&op, &d->src, &d->weights, &d->bias, &d->dst);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &op, attr, engine, NULL)
                             : s;
}

/* How the rows are cut: samples of `sample` rows, each in `per_sample` tiles of `tile`
 * rows. Nothing here may depend on the number of samples or threads. */
typedef struct row_cut {
    int64_t rows, sample, tile, per_sample;
} row_cut;

static row_cut cut_rows(int64_t rows, int64_t rows_per_tile)
{
    enum { MOST = 512, SMALL = 256, LEAST = 32, STEP = 16 };
    const int halves = rows_per_tile >= LEAST && rows_per_tile <= SMALL;
    const int64_t n = halves ? 2 : (rows_per_tile + MOST - 1) / MOST;
    int64_t tile = (rows_per_tile + n - 1) / n;
    if (n > 1 && !halves) tile = (tile + STEP - 1) / STEP * STEP;
    return (row_cut){ rows, rows_per_tile, tile, (rows_per_tile + tile - 1) / tile };
}

/* First row and number of rows of a tile; none when it lies behind the last row. */
static int64_t tile_rows(const row_cut *c, int64_t tile, int64_t *first)
{
    const int64_t sub = tile % c->per_sample;
    *first = tile / c->per_sample * c->sample + sub * c->tile;
    int64_t n = c->sample - sub * c->tile;
    if (n > c->tile) n = c->tile;
    if (n > c->rows - *first) n = c->rows - *first;
    return n;
}

typedef struct linear_job {
    const lt_linear_args *a;
    const dnnl_linear *w;
    row_cut cut;
    int residual;
    int copy; /* the residual lies in out, but must be read beside it */
    size_t scratch_bytes;
    lt_tensor scratch; /* a worker: scratch_bytes, then a copy of the residual */
} linear_job;

static lt_plan_key linear_key(const linear_job *j, int64_t rows)
{
    return (lt_plan_key){ { rows, j->a->act, j->residual, j->a->out->dtype } };
}

static lt_status linear_tile(void *arg, int64_t tile, int worker)
{
    const linear_job *j = arg;
    const lt_linear_args *a = j->a;
    int64_t first;
    const int64_t rows = tile_rows(&j->cut, tile, &first);
    if (rows <= 0) return LT_OK;
    const lt_plan_key key = linear_key(j, rows);
    const size_t in_row = (size_t)a->w->n_in * lt_dtype_size(a->in->dtype);
    const size_t out_row = (size_t)a->w->n_out * lt_dtype_size(a->out->dtype);
    char *scratch = lt_scratch_of(&j->scratch, worker);
    lt_plan_run run = {
        .src = (const char *)a->in->data + (size_t)first * in_row,
        .bias = lt_f32(&j->w->pack.bias),
        .dst = (char *)a->out->data + (size_t)first * out_row,
        .scratch = scratch,
    };
    if (a->residual)
        run.residual = (const char *)a->residual->data + (size_t)first * out_row;
    if (j->copy)
        run.residual =
            memcpy(scratch + j->scratch_bytes, run.residual, (size_t)rows * out_row);
    return lt_dnnl_plan_run(&j->w->pack, lt_dnnl_plan_find(&j->w->pack, &key), &run);
}

static lt_status make_plan(linear_job *j, int64_t rows)
{
    const lt_linear_args *a = j->a;
    const dnnl_data_type_t type = lt_dnnl_type(a->in->dtype);
    const int64_t n_in = a->w->n_in, n_out = a->w->n_out;
    const lt_plan_key key = linear_key(j, rows);
    lt_plan_desc d = { .act = a->act };
    d.residual = j->residual;
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&d.src, 2, (dnnl_dims_t){ rows, n_in },
                                                   type, dnnl_ab);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.weights, 2, (dnnl_dims_t){ n_in, n_out },
                                         type, dnnl_format_tag_any);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.bias, 2, (dnnl_dims_t){ 1, n_out }, dnnl_f32,
                                         dnnl_ab);
    if (s == dnnl_success)
        s = dnnl_memory_desc_init_by_tag(&d.dst, 2, (dnnl_dims_t){ rows, n_out },
                                         lt_dnnl_type(a->out->dtype), dnnl_ab);
    const lt_status st = lt_dnnl_check(s, "linear");
    if (st != LT_OK) return st;
    lt_dnnl_pack *pack = &((dnnl_linear *)(uintptr_t)a->w)->pack;
    return lt_dnnl_plan_make(pack, &key, &d, make_matmul, j->w, &j->scratch_bytes);
}

/* Only the tiles of the first and of the last sample can differ in shape. */
static lt_status make_plans(linear_job *j, int64_t n_tiles)
{
    const int64_t per = j->cut.per_sample;
    for (int64_t t = 0; t < n_tiles; t++) {
        if (t >= per && t < n_tiles - per) t = n_tiles - per;
        int64_t first;
        const int64_t rows = tile_rows(&j->cut, t, &first);
        if (rows <= 0) continue;
        const lt_status st = make_plan(j, rows);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* oneDNN collects sums in the output, so a residual that lies there must be known to it
 * as such. It does so fast without an activation only (with one, 2.6 falls back to its
 * reference on AVX2); then a tile is copied first. */
static void choose_residual(linear_job *j)
{
    const int in_out = j->a->residual->data == j->a->out->data;
    j->copy = in_out && j->a->act != LT_ACT_NONE;
    j->residual = in_out && !j->copy ? LT_RESIDUAL_IN_OUT : LT_RESIDUAL_READ;
}

lt_status lt_linear_dnnl(const lt_exec *x, const lt_linear_args *a)
{
    lt_status st = lt_linear_check(a);
    if (st != LT_OK || lt_tensor_count(a->out) == 0) return st;
    if (a->in->dtype != x->k->compute)
        return LT_FAIL(LT_ERR_SHAPE, "tensors do not fit together (linear): input is %s",
                       lt_dtype_name(a->in->dtype));
    linear_job j = { .a = a, .w = (const dnnl_linear *)a->w };
    const int64_t rows = lt_rows(a->in),
                  samples = (rows + a->rows_per_tile - 1) / a->rows_per_tile;
    j.cut = cut_rows(rows, a->rows_per_tile);
    if (a->residual) choose_residual(&j);
    const int64_t n_tiles = samples * j.cut.per_sample;
    LT_TRY(make_plans(&j, n_tiles));
    j.scratch_bytes = (j.scratch_bytes + 63) / 64 * 64;
    const size_t copy = j.copy ? (size_t)(j.cut.tile * a->w->n_out) * 4 : 0;
    LT_TRY(lt_scratch_new(&j.scratch, x, j.scratch_bytes + copy));
    LT_TRY(lt_parallel_for(x->threads, n_tiles, linear_tile, &j));
cleanup:
    lt_tensor_free(&j.scratch);
    return st;
}
