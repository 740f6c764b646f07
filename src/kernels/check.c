#include "kernels/impl.h"

/* These failures are mistakes of the program or of a model file's shapes, so one short
 * line with the numbers is enough. */

static lt_status bad(const char *op, const char *what)
{
    return LT_FAIL(LT_ERR_SHAPE, "tensors do not fit together (%s): %s", op, what);
}

static int bad_bias(const lt_tensor *bias, int64_t n)
{
    return bias && (!lt_is_float(bias) || lt_tensor_count(bias) != n);
}

lt_status lt_linear_pack_check(const lt_tensor *w, const lt_tensor *bias)
{
    if (w->ndim != 2 || !lt_is_float(w) || w->shape[0] < 1 || w->shape[1] < 1)
        return bad("linear", "weights are [n_out][n_in], float");
    if (bad_bias(bias, w->shape[0])) return bad("linear", "bias is [n_out], float");
    return LT_OK;
}

lt_status lt_linear_check(const lt_linear_args *a)
{
    if (a->rows_per_tile < 1) return bad("linear", "rows_per_tile is at least 1");
    if (a->in->ndim < 1 || lt_cols(a->in) != a->w->n_in)
        return LT_FAIL(LT_ERR_SHAPE,
                       "tensors do not fit together (linear): rows of %lld "
                       "values, weights for %lld",
                       (long long)lt_cols(a->in), (long long)a->w->n_in);
    if (lt_cols(a->out) != a->w->n_out || lt_rows(a->out) != lt_rows(a->in))
        return bad("linear", "output is [rows][n_out]");
    if (a->out->dtype != a->in->dtype && a->out->dtype != LT_F32)
        return bad("linear", "output has the dtype of the input, or f32");
    if (a->residual && (lt_tensor_count(a->residual) != lt_tensor_count(a->out) ||
                        a->residual->dtype != a->out->dtype))
        return bad("linear", "the residual is like the output");
    return LT_OK;
}

lt_status lt_conv_pack_check(const lt_tensor *w, const lt_tensor *bias,
                             lt_conv_shape shape)
{
    if (w->ndim != 4 || !lt_is_float(w) || lt_tensor_count(w) < 1)
        return bad("conv", "weights are [c_out][c_in][kh][kw], float");
    if (bad_bias(bias, w->shape[0])) return bad("conv", "bias is [c_out], float");
    if (shape.stride < 1 || shape.top < 0 || shape.left < 0 || shape.bottom < 0 ||
        shape.right < 0)
        return bad("conv", "stride >= 1, padding >= 0");
    if (shape.top >= w->shape[2] || shape.bottom >= w->shape[2] ||
        shape.left >= w->shape[3] || shape.right >= w->shape[3])
        return bad("conv", "the padding is smaller than the kernel");
    return LT_OK;
}

static lt_status conv_output_check(const lt_conv_args *a)
{
    const lt_conv *w = a->w;
    const lt_tensor *in = a->in, *out = a->out;
    const int64_t times = a->upsample ? 2 : 1;
    if (out->ndim != 4 || out->shape[0] != in->shape[0] || out->shape[3] != w->c_out ||
        out->shape[1] != lt_conv_out_h(w, times * in->shape[1]) ||
        out->shape[2] != lt_conv_out_w(w, times * in->shape[2]))
        return bad("conv", "output is [n, oh, ow, c_out]");
    if (out->dtype != in->dtype && out->dtype != LT_F32)
        return bad("conv", "output has the dtype of the input, or f32");
    if (a->residual &&
        (!lt_tensor_same_shape(a->residual, out) || a->residual->dtype != out->dtype))
        return bad("conv", "the residual is like the output");
    if (a->per_sample && (a->per_sample->dtype != LT_F32 ||
                          lt_tensor_count(a->per_sample) != out->shape[0] * w->c_out))
        return bad("conv", "per_sample is [n, c_out], f32");
    return LT_OK;
}

lt_status lt_conv_check(const lt_conv_args *a)
{
    const lt_tensor *in = a->in;
    if (in->ndim != 4 || !lt_is_float(in) || in->shape[3] != a->w->c_in)
        return LT_FAIL(LT_ERR_SHAPE,
                       "tensors do not fit together (conv): the input has "
                       "%lld channels, the weights %lld",
                       (long long)lt_cols(in), (long long)a->w->c_in);
    if (a->upsample != 0 && a->upsample != 1) return bad("conv", "upsample is 0 or 1");
    const int64_t times = a->upsample ? 2 : 1;
    if (lt_conv_out_h(a->w, times * in->shape[1]) < 1 ||
        lt_conv_out_w(a->w, times * in->shape[2]) < 1)
        return bad("conv", "the image is smaller than the kernel");
    return conv_output_check(a);
}

static int bad_affine(const lt_tensor *gamma, const lt_tensor *beta, int64_t c)
{
    return gamma->dtype != LT_F32 || beta->dtype != LT_F32 ||
           lt_tensor_count(gamma) != c || lt_tensor_count(beta) != c;
}

lt_status lt_group_norm_check(const lt_group_norm_args *a)
{
    const int64_t c = lt_cols(a->in);
    if (a->in->ndim < 2) return bad("group_norm", "input is [n, ..., c]");
    if (a->groups < 1 || c % a->groups != 0)
        return bad("group_norm", "the groups divide the channels");
    if (bad_affine(a->gamma, a->beta, c))
        return bad("group_norm", "gamma and beta are [c], f32");
    return lt_same_check(a->in, a->out, "group_norm");
}

lt_status lt_layer_norm_check(const lt_layer_norm_args *a)
{
    if (a->in->ndim < 1 || bad_affine(a->gamma, a->beta, lt_cols(a->in)))
        return bad("layer_norm", "gamma and beta are [c], f32");
    return lt_same_check(a->in, a->out, "layer_norm");
}

lt_status lt_same_check(const lt_tensor *in, const lt_tensor *out, const char *op)
{
    if (!lt_is_float(in) || in->dtype != out->dtype)
        return bad(op, "input and output have the same float dtype");
    if (lt_tensor_count(in) != lt_tensor_count(out) || lt_cols(in) != lt_cols(out))
        return bad(op, "input and output have the same shape");
    return LT_OK;
}

lt_status lt_geglu_check(const lt_tensor *in, const lt_tensor *out)
{
    if (!lt_is_float(in) || in->dtype != out->dtype || in->ndim < 1)
        return bad("geglu", "input and output have the same float dtype");
    if (lt_cols(in) != 2 * lt_cols(out) || lt_rows(in) != lt_rows(out))
        return bad("geglu", "input is [..., 2c], output [..., c]");
    return LT_OK;
}

lt_status lt_axpby_check(const lt_tensor *a, const lt_tensor *b, const lt_tensor *out)
{
    if (a->dtype != LT_F32 || b->dtype != LT_F32 || out->dtype != LT_F32)
        return bad("axpby", "all tensors are f32");
    if (lt_tensor_count(a) != lt_tensor_count(out) ||
        lt_tensor_count(b) != lt_tensor_count(out))
        return bad("axpby", "all tensors have the same shape");
    return LT_OK;
}

lt_status lt_convert_check(const lt_tensor *in, const lt_tensor *out)
{
    if (!lt_is_float(in) || !lt_is_float(out))
        return bad("convert", "input and output are f32, bf16 or f16");
    if (lt_tensor_count(in) != lt_tensor_count(out))
        return bad("convert", "input and output have the same shape");
    return LT_OK;
}

lt_status lt_concat_check(const lt_tensor *a, const lt_tensor *b, const lt_tensor *out)
{
    if (a->dtype != out->dtype || b->dtype != out->dtype)
        return bad("concat", "all tensors have the same dtype");
    if (a->ndim < 1 || b->ndim < 1 || lt_cols(a) + lt_cols(b) != lt_cols(out) ||
        lt_rows(a) != lt_rows(out) || lt_rows(b) != lt_rows(out))
        return bad("concat", "output is [..., ca + cb]");
    return LT_OK;
}

lt_status lt_resize_check(const lt_tensor *in, const lt_tensor *out, const char *op)
{
    if (in->dtype != out->dtype || !lt_is_float(in))
        return bad(op, "input and output have the same float dtype");
    if (in->ndim != 4 || out->ndim != 4 || in->shape[0] != out->shape[0] ||
        in->shape[3] != out->shape[3])
        return bad(op, "input is [n, h, w, c], output [n, oh, ow, c]");
    if (lt_tensor_count(out) > 0 && (in->shape[1] < 1 || in->shape[2] < 1))
        return bad(op, "the input image is empty");
    return LT_OK;
}

int64_t lt_linear_n_in(const lt_linear *w) { return w->n_in; }
int64_t lt_linear_n_out(const lt_linear *w) { return w->n_out; }
int64_t lt_conv_c_in(const lt_conv *w) { return w->c_in; }
int64_t lt_conv_c_out(const lt_conv *w) { return w->c_out; }

static int64_t out_size(int64_t n, int64_t before, int64_t after, int64_t k,
                        int64_t stride)
{
    const int64_t room = n + before + after - k;
    return room < 0 || n < 1 ? 0 : room / stride + 1;
}

int64_t lt_conv_out_h(const lt_conv *w, int64_t h)
{
    return out_size(h, w->shape.top, w->shape.bottom, w->kh, w->shape.stride);
}

int64_t lt_conv_out_w(const lt_conv *w, int64_t width)
{
    return out_size(width, w->shape.left, w->shape.right, w->kw, w->shape.stride);
}
