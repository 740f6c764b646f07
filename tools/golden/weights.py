"""Random weights that keep activations near one and leave nothing at its trivial value."""

import math

import torch

from common import normal

# Attention must not be uniform, guidance must not explode, so a few gains differ from one.
GAINS = (
    ("attn1.to_q", 1.6),
    ("attn1.to_k", 1.6),
    ("attn2.to_q", 1.4),
    ("attn2.to_k", 1.4),
    ("attn2.to_out", 0.5),
    ("attn1.to_out", 0.7),
    ("q_proj", 1.5),
    ("k_proj", 1.5),
    ("conv2", 1.2),
    ("time_emb_proj", 0.7),
    ("conv_shortcut", 0.8),
    # Latents of size one, as the real encoder makes them, and a network whose output bends
    # slowly: else a loop of some steps amplifies rounding until nothing can be compared.
    (".quant_conv", 10.0),
    ("unet.conv_out", 0.5),
)


def gain_of(name):
    for part, gain in GAINS:
        if part in name:
            return gain
    return 1.0


def value_of(model, name, shape):
    """The tensor for one parameter: a function of model name, its path and its shape."""
    noise = normal(tuple(shape), model, name)
    if len(shape) == 1:
        return 1 + 0.2 * noise if name.endswith("weight") else 0.1 * noise
    if "token_embedding" in name:
        return 0.7 * noise
    if "position_embedding" in name:
        return 0.3 * noise
    return noise * (gain_of(name) / math.sqrt(math.prod(shape[1:])))


def randomise(module, model, part, dtype):
    """Fill every parameter of the module and round it to dtype."""
    for name, p in module.named_parameters():
        p.copy_(value_of(model, f"{part}.{name}", p.shape))
    return module.to(dtype)
