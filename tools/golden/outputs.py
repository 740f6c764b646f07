"""check-<model>: whole models; blocks-<model>: what happens inside."""

import torch

from common import normal, save_tensors
from models import Loaded

# latent height and width, timestep, height and width of the image to encode and of the
# latents to decode
SIZES = {
    "sd15-tiny": ((16, 8), 981, (64, 32), (8, 4)),
    "sd21-tiny": ((8, 16), 501, (32, 64), (4, 8)),
    "odd-tiny": ((11, 7), 1, (44, 28), (5, 3)),
}
# The same for the blocks files, which hold one sample and must stay small.
SMALL = {
    "sd15-tiny": ((8, 8), 981, (32, 16), (4, 2)),
    "sd21-tiny": ((8, 8), 501, (16, 32), (2, 3)),
    "odd-tiny": ((11, 7), 1, (20, 12), (5, 3)),
}
PROMPTS = ["", "a red ball and a blue ball, it's in the snow"]


def inputs(model, sizes, prompts):
    name = model.name
    (h, w), t, (height, width), (lat_h, lat_w) = sizes[name]
    return {
        "in.unet.sample": normal((len(prompts), 4, h, w), name, "sample"),
        "in.unet.timestep": torch.tensor([t]),
        "in.unet.encoder_hidden_states": model.embed(prompts),
        "in.vae.encode.image": normal((1, 3, height, width), name, "image").mul(0.5).clamp(-1, 1),
        "in.vae.decode.latents": normal((1, 4, lat_h, lat_w), name, "latents"),
        "in.text.ids": model.ids(prompts),
    }


def run_unet(model, x):
    return model.unet(x["in.unet.sample"], x["in.unet.timestep"][0],
                      x["in.unet.encoder_hidden_states"]).sample


def run_encode(model, x):
    dist = model.vae.encode(x["in.vae.encode.image"]).latent_dist
    return {"out.vae.encode.mean": dist.mean, "out.vae.encode.logvar": dist.logvar}


def run_decode(model, x):
    return model.vae.decode(x["in.vae.decode.latents"]).sample


def run_text(model, x):
    return model.text(x["in.text.ids"]).last_hidden_state


def outputs(model, x):
    return {
        "out.unet.sample": run_unet(model, x),
        "out.vae.decode.image": run_decode(model, x),
        "out.text.last_hidden_state": run_text(model, x),
    } | run_encode(model, x)


class Recorder:
    """Keeps inputs and outputs of the named modules of one network during a pass."""

    def __init__(self, prefix, network):
        self.prefix, self.network = prefix, network
        self.kept, self.hooks = {}, []

    def watch(self, path, with_input=False):
        module = self.network.get_submodule(path)
        self.hooks.append(module.register_forward_hook(
            lambda m, a, kw, out: self.keep(path, a, kw, out, with_input), with_kwargs=True))

    def keep(self, path, args, kwargs, out, with_input):
        name = f"{self.prefix}.{path}"
        out = out[0] if isinstance(out, tuple) else out
        self.kept[f"out.{name}"] = getattr(out, "sample", out)
        if with_input:
            first = args[0] if args else kwargs["hidden_states"]
            self.kept[f"in.{name}"] = first
        if len(args) > 1 and isinstance(args[1], torch.Tensor) and with_input:
            self.kept[f"in.{name}.temb"] = args[1]

    def close(self):
        for hook in self.hooks:
            hook.remove()
        return self.kept


def first_attention(unet):
    """Path of the first transformer block, in the order of execution."""
    for name, module in unet.named_modules():
        if name.endswith("transformer_blocks.0"):
            return name.rsplit(".transformer_blocks.0", 1)[0]
    raise ValueError("no attention")


def unet_blocks(model, x):
    rec, unet = Recorder("unet", model.unet), model.unet
    levels = len(unet.down_blocks)
    for path in ("conv_in", "time_proj", "time_embedding", "mid_block", "conv_norm_out"):
        rec.watch(path)
    for i in range(levels):
        rec.watch(f"down_blocks.{i}")
        rec.watch(f"up_blocks.{i}")
    site = first_attention(unet)
    block = f"{site}.transformer_blocks.0"
    rec.watch(site, True)
    rec.watch(f"{site}.proj_in")
    rec.watch(block, True)
    for part in ("norm1", "attn1", "norm2", "attn2", "norm3", "ff"):
        rec.watch(f"{block}.{part}", part in ("attn1", "attn2", "ff"))
    rec.watch("down_blocks.1.resnets.0", True)
    for part in ("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"):
        rec.watch(f"down_blocks.1.resnets.0.{part}")
    rec.watch("up_blocks.1.resnets.1")
    rec.watch("up_blocks.1.resnets.1.conv2")
    rec.watch("down_blocks.0.downsamplers.0", True)
    rec.watch("up_blocks.0.upsamplers.0", True)
    run_unet(model, x)
    return rec.close()


def vae_blocks(model, x):
    rec, vae = Recorder("vae", model.vae), model.vae
    for side, blocks in (("encoder", "down_blocks"), ("decoder", "up_blocks")):
        for part in ("conv_in", "mid_block", "conv_out"):
            rec.watch(f"{side}.{part}")
        for i in range(len(getattr(getattr(vae, side), blocks))):
            rec.watch(f"{side}.{blocks}.{i}")
        rec.watch(f"{side}.mid_block.attentions.0", True)
        rec.watch(f"{side}.mid_block.resnets.0")
    rec.watch("encoder.down_blocks.0.downsamplers.0", True)
    rec.watch("decoder.up_blocks.0.upsamplers.0", True)
    rec.watch("quant_conv")
    rec.watch("post_quant_conv")
    run_encode(model, x)
    run_decode(model, x)
    return rec.close()


def text_blocks(model, x):
    text = model.text
    rec = Recorder("text", text)
    rec.watch("embeddings")
    for i in range(len(text.encoder.layers)):
        rec.watch(f"encoder.layers.{i}")
    for part in ("layer_norm1", "self_attn", "layer_norm2", "mlp"):
        rec.watch(f"encoder.layers.0.{part}")
    run_text(model, x)
    return rec.close()


def write(root, name):
    model = Loaded(root, name)
    meta = {"model": name, "prompts": PROMPTS}
    x = inputs(model, SIZES, PROMPTS)
    save_tensors(root / f"check-{name}.safetensors", x | outputs(model, x), meta)
    meta["prompts"] = PROMPTS[1:]
    x = inputs(model, SMALL, PROMPTS[1:])
    inside = unet_blocks(model, x) | vae_blocks(model, x) | text_blocks(model, x)
    save_tensors(root / f"blocks-{name}.safetensors", x | inside, meta)
