#!/usr/bin/env python3
"""Make a model of SD 1.5's size with random weights, for timing: UNet (859.5 M
parameters), VAE, text encoder, in diffusers' layout, stored in bf16 (2.1 GB), so that f32
and bf16 compute with the same numbers.

    make_nets.py FOLDER [--tokenizer DIR]

Tokenizer and scheduler are copied from --tokenizer's model (default: models/demo/sd)."""

import argparse
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

ROOT = pathlib.Path(__file__).resolve().parents[2]

UNET = dict(sample_size=64, in_channels=4, out_channels=4, layers_per_block=2,
            block_out_channels=(320, 640, 1280, 1280), attention_head_dim=8,
            cross_attention_dim=768, norm_num_groups=32,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)
VAE = dict(in_channels=3, out_channels=3, latent_channels=4, sample_size=512,
           block_out_channels=(128, 256, 512, 512), layers_per_block=2,
           norm_num_groups=32, scaling_factor=0.18215,
           down_block_types=("DownEncoderBlock2D",) * 4,
           up_block_types=("UpDecoderBlock2D",) * 4)
TEXT = dict(vocab_size=49408, hidden_size=768, intermediate_size=3072,
            num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77,
            hidden_act="quick_gelu")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path,
                        default=ROOT / "models/demo/sd")
    args = parser.parse_args()
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        parser.error(f"{args.folder} is there and not empty: give a new folder")
    work = args.folder.with_name(args.folder.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, net in (("text_encoder", lambda: CLIPTextModel(CLIPTextConfig(**TEXT))),
                          ("vae", lambda: AutoencoderKL(**VAE)),
                          ("unet", lambda: UNet2DConditionModel(**UNET))):
            net().to(torch.bfloat16).save_pretrained(work / name)
    for part in ("tokenizer", "scheduler"):
        shutil.copytree(args.tokenizer / part, work / part)
    index = {"_class_name": "StableDiffusionPipeline",
             "scheduler": ["diffusers", "DDIMScheduler"],
             "text_encoder": ["transformers", "CLIPTextModel"],
             "tokenizer": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"],
             "vae": ["diffusers", "AutoencoderKL"]}
    (work / "model_index.json").write_text(json.dumps(index, indent=2))
    work.rename(args.folder)


main()
