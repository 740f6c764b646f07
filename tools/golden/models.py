"""The three tiny models: their configurations and their folders."""

import json

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel
from transformers.utils import logging as transformers_logging

import bpe
from common import save_json
from weights import randomise

diffusers_logging.set_verbosity_error()
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
UP_CROSS, UP_PLAIN = "CrossAttnUpBlock2D", "UpBlock2D"

MODELS = {
    "sd15-tiny": {
        "dtype": torch.float16,
        "unet": dict(sample_size=8, block_out_channels=[16, 24, 24, 24], norm_num_groups=4,
                     attention_head_dim=2, cross_attention_dim=32, layers_per_block=2,
                     down_block_types=[CROSS, CROSS, CROSS, PLAIN],
                     up_block_types=[UP_PLAIN, UP_CROSS, UP_CROSS, UP_CROSS]),
        "vae": dict(sample_size=64, block_out_channels=[8, 16, 16, 16], norm_num_groups=4,
                    layers_per_block=2, latent_channels=4),
        "text": dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                     num_attention_heads=2, hidden_act="quick_gelu"),
        "tokens": (bpe.SENTENCES, 300, bpe.EOS),
        "prediction": "epsilon",
        # The published folder is from diffusers 0.6: few keys, old names.
        "old_layout": True,
        "text_prefix": True,
    },
    "sd21-tiny": {
        "dtype": torch.bfloat16,
        "unet": dict(sample_size=8, block_out_channels=[8, 16, 16, 24], norm_num_groups=8,
                     attention_head_dim=[1, 2, 2, 3], cross_attention_dim=40,
                     layers_per_block=2, use_linear_projection=True, upcast_attention=True,
                     down_block_types=[CROSS, CROSS, CROSS, PLAIN],
                     up_block_types=[UP_PLAIN, UP_CROSS, UP_CROSS, UP_CROSS]),
        "vae": dict(sample_size=64, block_out_channels=[8, 8, 12, 16], norm_num_groups=4,
                    layers_per_block=2, latent_channels=4, scaling_factor=0.18215),
        "text": dict(hidden_size=40, intermediate_size=80, num_hidden_layers=3,
                     num_attention_heads=5, hidden_act="gelu"),
        "tokens": (bpe.SENTENCES, 300, "!"),
        "prediction": "v_prediction",
        "old_layout": False,
        "text_prefix": True,
    },
    "odd-tiny": {
        "dtype": torch.float32,
        "unet": dict(sample_size=11, block_out_channels=[8, 12, 20], norm_num_groups=4,
                     attention_head_dim=[2, 3, 4], cross_attention_dim=24, layers_per_block=1,
                     down_block_types=[CROSS, PLAIN, CROSS],
                     up_block_types=[UP_CROSS, UP_PLAIN, UP_CROSS]),
        "vae": dict(sample_size=44, block_out_channels=[4, 8, 12], norm_num_groups=4,
                    layers_per_block=1, latent_channels=4, scaling_factor=0.25,
                    down_block_types=["DownEncoderBlock2D"] * 3,
                    up_block_types=["UpDecoderBlock2D"] * 3),
        "text": dict(hidden_size=24, intermediate_size=60, num_hidden_layers=1,
                     num_attention_heads=3, hidden_act="quick_gelu"),
        "tokens": (bpe.SENTENCES_ODD, 120, bpe.EOS),
        "prediction": "epsilon",
        "old_layout": False,
        # transformers 5 writes the text encoder without "text_model."; so do its users.
        "text_prefix": False,
    },
}

OLD_UNET_KEYS = """_class_name act_fn attention_head_dim block_out_channels center_input_sample
    cross_attention_dim down_block_types downsample_padding flip_sin_to_cos freq_shift in_channels
    layers_per_block mid_block_scale_factor norm_eps norm_num_groups out_channels sample_size
    up_block_types""".split()
OLD_VAE_KEYS = """_class_name act_fn block_out_channels down_block_types in_channels
    latent_channels layers_per_block norm_num_groups out_channels sample_size
    up_block_types""".split()
OLD_VAE_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def keep_keys(path, keys):
    config = json.loads(path.read_text())
    save_json(path, {"_diffusers_version": "0.6.0"} | {k: config[k] for k in keys}, 2)


def rename(path, change):
    """Rewrite a safetensors file with every name changed; the data stay."""
    tensors = load_file(str(path))
    save_file({change(k): v for k, v in tensors.items()}, str(path), metadata={"format": "pt"})


def old_vae_name(name):
    if "mid_block.attentions" in name:
        for new, old in OLD_VAE_NAMES.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def write_scheduler(folder, prediction):
    DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
        beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction, timestep_spacing="leading",
    ).save_pretrained(folder)


def write_text_encoder(folder, name, spec, vocab):
    config = CLIPTextConfig(vocab_size=vocab, max_position_embeddings=77, bos_token_id=vocab - 2,
                            eos_token_id=vocab - 1, pad_token_id=1, **spec["text"])
    model = randomise(CLIPTextModel(config), name, "text", spec["dtype"])
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = load_file(str(path))
    if spec["text_prefix"]:
        tensors = {f"text_model.{k}": v for k, v in tensors.items()}
    if spec["old_layout"]:
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(tensors, str(path), metadata={"format": "pt"})


def write_index(folder):
    save_json(folder / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None], "image_encoder": [None, None],
        "requires_safety_checker": False, "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    }, 2)


def write_model(root, name):
    """Write models/<name>, a folder as the real ones are."""
    spec, folder = MODELS[name], root / "models" / name
    sentences, limit, pad = spec["tokens"]
    vocab = bpe.write_folder(folder / "tokenizer", sentences, limit, pad)
    write_text_encoder(folder / "text_encoder", name, spec, vocab)
    unet = UNet2DConditionModel(in_channels=4, out_channels=4, **spec["unet"])
    randomise(unet, name, "unet", spec["dtype"]).save_pretrained(folder / "unet")
    blocks = dict(down_block_types=["DownEncoderBlock2D"] * 4,
                  up_block_types=["UpDecoderBlock2D"] * 4) | spec["vae"]
    vae = AutoencoderKL(**blocks)
    randomise(vae, name, "vae", spec["dtype"]).save_pretrained(folder / "vae")
    write_scheduler(folder / "scheduler", spec["prediction"])
    write_index(folder)
    if spec["old_layout"]:
        keep_keys(folder / "unet/config.json", OLD_UNET_KEYS)
        keep_keys(folder / "vae/config.json", OLD_VAE_KEYS)
        rename(folder / "vae/diffusion_pytorch_model.safetensors", old_vae_name)


class Loaded:
    """A model folder read back, in f32: what is stored is what is computed with."""

    def __init__(self, root, name):
        folder = root / "models" / name
        load = dict(torch_dtype=torch.float32)
        self.name, self.folder = name, folder
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", **load).eval()
        self.vae = AutoencoderKL.from_pretrained(folder / "vae", **load).eval()
        self.text = CLIPTextModel.from_pretrained(
            folder / "text_encoder", dtype=torch.float32).eval()
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        self.tokenizer = read_tokenizer(folder / "tokenizer")

    def ids(self, prompts):
        return self.tokenizer(prompts, padding="max_length", max_length=77, truncation=True,
                              return_tensors="pt").input_ids

    def embed(self, prompts):
        return self.text(self.ids(prompts)).last_hidden_state


def read_tokenizer(folder):
    """The CLIP tokenizer; the padding is the one of special_tokens_map.json."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder)
    path = folder / "special_tokens_map.json"
    if path.exists():
        pad = json.loads(path.read_text())["pad_token"]
        tokenizer.pad_token = pad if isinstance(pad, str) else pad["content"]
    return tokenizer
