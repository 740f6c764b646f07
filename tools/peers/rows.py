"""What is compared: for every operation the inputs, and how PyTorch does it best."""

import numpy as np
import torch
import torch.nn.functional as F


class Row:
    """One line of the table. `group` is where it counts, `make(tensors, dtype)` returns a
    callable for torch whose result, put through `ours(result)`, has our layout."""

    def __init__(self, group, op, sizes, inputs, make, layout=lambda y: y, **more):
        self.group, self.op, self.sizes, self.inputs = group, op, sizes, inputs
        self.make, self.layout = make, layout
        self.net = more.get("net")        # part of the model: t, v, u
        self.rounds = more.get("rounds")  # None: the program's
        self.dtypes = more.get("dtypes", ("f32", "bf16"))
        self.heavy = more.get("heavy", False)  # not with --quick
        self.warm = more.get("warm", True)     # False: a smaller row was just run
        self.indices = op == "best_match"


def rounded(rng, *shape, scale=1.0):
    """Normal numbers that bf16 holds exactly, so that both types see the same."""
    values = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * scale)
    return values.to(torch.bfloat16).float()


# ---- operations -----------------------------------------------------------------------

def attention(n_q, n_kv, heads, d, group="attention"):
    def inputs(rng):
        return [rounded(rng, 1, n, heads * d) for n in (n_q, n_kv, n_kv)]

    def make(t, dtype):
        # [1, heads, n, d], contiguous: the layout scaled_dot_product_attention likes.
        q, k, v = (x.to(dtype).view(1, -1, heads, d).transpose(1, 2).contiguous()
                   for x in t)
        return lambda: F.scaled_dot_product_attention(q, k, v)
    return Row(group, "attention", (1, n_q, n_kv, heads, d), inputs, make,
               lambda y: y.transpose(1, 2))


def match(n_a, n_b, c, group="match"):
    def inputs(rng):
        return [F.normalize(rounded(rng, n, c), dim=1).to(torch.bfloat16).float()
                for n in (n_a, n_b)]

    def make(t, dtype):
        a, b = (x.to(dtype) for x in t)
        return lambda: (a @ b.T).max(1).indices
    return Row(group, "best_match", (n_a, n_b, c), inputs, make)


def linear(rows, n_in, n_out, batch=2):
    def inputs(rng):
        return [rounded(rng, batch, rows, n_in), rounded(rng, n_out, n_in,
                                                         scale=n_in ** -0.5),
                rounded(rng, n_out)]

    def make(t, dtype):
        x, w, b = (v.to(dtype) for v in t)
        return lambda: F.linear(x, w, b)
    return Row("linear", "linear", (batch, rows, n_in, n_out), inputs, make)


def conv(c_in, c_out, size, batch=2):
    def inputs(rng):
        return [rounded(rng, batch, size, size, c_in),
                rounded(rng, c_out, c_in, 3, 3, scale=(9 * c_in) ** -0.5),
                rounded(rng, c_out)]

    def make(t, dtype):
        x = t[0].to(dtype).permute(0, 3, 1, 2)  # channels last
        w = t[1].to(dtype).contiguous(memory_format=torch.channels_last)
        b = t[2].to(dtype)
        return lambda: F.conv2d(x, w, b, padding=1)
    return Row("conv3x3", "conv", (batch, c_in, c_out, size, 3, 1), inputs, make,
               lambda y: y.permute(0, 2, 3, 1))


def group_norm(pixels, c, batch=2):
    def inputs(rng):
        return [rounded(rng, batch, pixels, c), rounded(rng, c), rounded(rng, c)]

    def make(t, dtype):
        side = int(pixels ** 0.5)
        x = t[0].to(dtype).view(batch, side, side, c).permute(0, 3, 1, 2)
        g, b = (v.to(dtype) for v in t[1:])
        return lambda: F.silu(F.group_norm(x, 32, g, b, 1e-5))
    return Row("GroupNorm + SiLU", "group_norm", (batch, pixels, c), inputs, make,
               lambda y: y.permute(0, 2, 3, 1))


def layer_norm(pixels, c, batch=2):
    def inputs(rng):
        return [rounded(rng, batch, pixels, c), rounded(rng, c), rounded(rng, c)]

    def make(t, dtype):
        x, g, b = (v.to(dtype) for v in t)
        return lambda: F.layer_norm(x, (c,), g, b, 1e-5)
    return Row("LayerNorm", "layer_norm", (batch, pixels, c), inputs, make)


def geglu(pixels, c, batch=2):
    def make(t, dtype):
        x = t[0].to(dtype)

        def run():
            value, gate = x.chunk(2, dim=-1)
            return value * F.gelu(gate)
        return run
    return Row("GEGLU", "geglu", (batch, pixels, c),
               lambda rng: [rounded(rng, batch, pixels, 2 * c)], make)


# ---- nets: `make` gets the module in place of a list of weights -----------------------

def unet(samples, side, **more):
    def inputs(rng):
        return [rounded(rng, samples, side, side, 4), rounded(rng, 77, 768)]

    def make(t, dtype, net):
        x = t[0].to(dtype).permute(0, 3, 1, 2)
        text = t[1].to(dtype).expand(samples, 77, 768)
        step = torch.tensor(500)
        return lambda: net(x, step, text, return_dict=False)[0]
    return Row("UNet", "unet", (samples, side, side), inputs, make,
               lambda y: y.permute(0, 2, 3, 1), net="u", **more)


def vae_decode(side, **more):
    def make(t, dtype, net):
        x = t[0].to(dtype).permute(0, 3, 1, 2)
        return lambda: net.decode(x, return_dict=False)[0]
    return Row("VAE", "vae_decode", (1, side, side),
               lambda rng: [rounded(rng, 1, side, side, 4)], make,
               lambda y: y.permute(0, 2, 3, 1), net="v", **more)


def vae_encode(side, **more):
    def make(t, dtype, net):
        x = t[0].to(dtype).permute(0, 3, 1, 2)
        return lambda: net.encode(x, return_dict=False)[0].mean
    return Row("VAE", "vae_encode", (1, side, side),
               lambda rng: [rounded(rng, 1, 8 * side, 8 * side, 3, scale=0.5)], make,
               lambda y: y.permute(0, 2, 3, 1), net="v", **more)


def text(tokens):
    def inputs(rng):
        return [torch.from_numpy(rng.integers(0, 49000, tokens)).float()]

    def make(t, dtype, net):
        ids = t[0].long()[None]
        return lambda: net(input_ids=ids, return_dict=False)[0]
    return Row("text", "text", (tokens,), inputs, make, net="t", dtypes=("f32",))


OPERATIONS = [
    # The five shapes of the bar, then others.
    attention(4096, 4096, 8, 40, "attention, five shapes"),
    attention(1024, 1024, 8, 80, "attention, five shapes"),
    attention(1024, 4096, 8, 80, "attention, five shapes"),
    attention(1024, 1024, 4, 64, "attention, five shapes"),
    attention(4096, 4096, 5, 64, "attention, five shapes"),
    attention(256, 256, 8, 160),
    attention(4096, 4096, 1, 512),
    attention(4096, 77, 8, 40),
    match(4096, 4096, 640),
    match(1024, 1024, 1280),
    linear(4096, 320, 320), linear(4096, 320, 2560), linear(4096, 1280, 320),
    linear(1024, 640, 640), linear(256, 1280, 1280),
    conv(320, 320, 64), conv(640, 640, 32), conv(1280, 1280, 16), conv(1920, 640, 32),
    group_norm(4096, 320), group_norm(1024, 640),
    layer_norm(4096, 320), geglu(4096, 1280),
]


def nets(best_is_bf16):
    """Long ones last. Where f32 is what the CPU is chosen for, bf16 is a side show."""
    both = ("f32", "bf16") if best_is_bf16 else ("f32",)
    return [
        text(77),
        vae_encode(64, rounds=3, heavy=True, dtypes=both),
        vae_decode(64, rounds=3, heavy=True),
        unet(1, 32, rounds=3),
        unet(4, 32, rounds=3, heavy=True, dtypes=both, warm=False),
        unet(1, 64, rounds=3, heavy=True),
        unet(4, 64, rounds=3, heavy=True, dtypes=both, warm=False),
    ]
