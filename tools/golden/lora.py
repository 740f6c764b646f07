"""LoRA merged by peft: tests/golden/lora.safetensors.

The matrices are a formula (value below, and in tests/models/test_lora.c), so only merged
values are stored: 48 of each layer, evenly spaced.
"""

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from transformers import CLIPTextModel

from common import save_tensors

RANK, ALPHA, WEIGHT, KEPT = 3, 6.0, 0.75, 48
BLOCK = "down_blocks.0.attentions.0"
UNET = [
    f"{BLOCK}.transformer_blocks.0.attn1.to_q",
    f"{BLOCK}.transformer_blocks.0.attn2.to_out.0",
    f"{BLOCK}.transformer_blocks.0.ff.net.0.proj",
    f"{BLOCK}.proj_in",
    "up_blocks.1.resnets.0.conv1",
    "down_blocks.1.downsamplers.0.conv",
]
TEXT = ["text_model.encoder.layers.1.self_attn.q_proj"]


def value(salt, shape):
    """(i + salt) hashed to 16 bits, in [-0.125, 0.125)."""
    n = 1
    for s in shape:
        n *= s
    i = torch.arange(n, dtype=torch.int64) + 1000 * salt
    x = ((i * 40503 + 30011) % 65536).to(torch.float32)
    return ((x / 65536 - 0.5) / 4).reshape(shape)


def merged(model, targets, first, out, prefix):
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets)
    inject_adapter_in_model(config, model)
    for k, name in enumerate(targets):
        layer = model.get_submodule(name)
        for part, salt in ((layer.lora_A, 0), (layer.lora_B, 1)):
            w = part["default"].weight
            with torch.no_grad():
                w.copy_(value(2 * (first + k) + salt, w.shape))
        layer.set_scale("default", WEIGHT)
        layer.merge()
        flat = layer.base_layer.weight.detach().flatten()
        at = torch.arange(KEPT) * flat.numel() // KEPT
        out[prefix + name] = flat[at].clone()


def write(root):
    folder = root / "models" / "sd15-tiny"
    out = {}
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    merged(unet, UNET, 0, out, "unet.")
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32)
    modules = dict(text.named_modules())  # some versions leave "text_model." out
    names = [n if n in modules else n.removeprefix("text_model.") for n in TEXT]
    merged(text, names, len(UNET), out, "text_encoder.")
    old, new = "text_encoder.encoder", "text_encoder.text_model.encoder"
    out = {k.replace(old, new): v for k, v in out.items()}
    meta = {"rank": RANK, "alpha": ALPHA, "weight": WEIGHT, "kept": KEPT}
    save_tensors(root / "lora.safetensors", out, meta)
