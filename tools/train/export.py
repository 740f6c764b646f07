"""Write the trained models in the layout of the real ones, and start from them.

models/demo/sd    vae, text_encoder, tokenizer, unet, scheduler
models/demo/ip2p  text_encoder, unet, scheduler; vae and tokenizer are links to sd's"""

import json

from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import bpe
import models
from world import ROOT

DEMO = ROOT / "models/demo"
FOLDER = {"vae": ("sd", "vae"), "text": ("sd", "text_encoder"), "unet": ("sd", "unet"),
          "ip2p_text": ("ip2p", "text_encoder"), "ip2p_unet": ("ip2p", "unet")}
CLASS = {"vae": AutoencoderKL, "text": CLIPTextModel, "unet": UNet2DConditionModel,
         "ip2p_text": CLIPTextModel, "ip2p_unet": UNet2DConditionModel}


def write_tokenizer(folder, merges):
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bpe.vocabulary(merges)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    lines = ["#version: 0.2", *(" ".join(m) for m in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    token = lambda t: {"content": t, "lstrip": False, "normalized": True, "rstrip": False,
                       "single_word": False}
    special = {"bos_token": token(bpe.START), "eos_token": token(bpe.END),
               "unk_token": token(bpe.END), "pad_token": bpe.END}
    models.write_json(folder / "special_tokens_map.json", special)
    models.write_json(folder / "tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": bpe.START, "do_lower_case": True,
        "eos_token": bpe.END, "errors": "replace",
        "model_max_length": models.TEXT_TOKENS, "pad_token": bpe.END,
        "tokenizer_class": "CLIPTokenizer", "unk_token": bpe.END})


def _index(pipeline, parts):
    return {"_class_name": pipeline, "_diffusers_version": "0.30.0", **parts,
            "feature_extractor": [None, None], "safety_checker": [None, None],
            "requires_safety_checker": False}


PARTS = {"scheduler": ["diffusers", "PNDMScheduler"],
         "text_encoder": ["transformers", "CLIPTextModel"],
         "tokenizer": ["transformers", "CLIPTokenizer"],
         "unet": ["diffusers", "UNet2DConditionModel"],
         "vae": ["diffusers", "AutoencoderKL"]}


def _name_as_in_sd(path):
    """transformers 5 drops a prefix that every Stable Diffusion folder has."""
    state = load_file(path)
    prefix = "text_model."
    state = {k if k.startswith(prefix) else prefix + k: v for k, v in state.items()}
    save_file(state, path, metadata={"format": "pt"})


def _load_as_f32(path):
    """Without this, diffusers loads the text encoder alone in f16."""
    config = json.loads(path.read_text())
    config.pop("dtype", None)
    models.write_json(path, {**config, "torch_dtype": "float32"})


def _link(path, target):
    if not path.is_symlink():
        path.symlink_to(target)


def write_models(trained, merges, demo):
    """trained: name (as in FOLDER) -> f32 module that holds the averaged weights."""
    for name, module in trained.items():
        folder = demo.joinpath(*FOLDER[name])
        half = type(module)(module.config) if "text" in name else \
            type(module).from_config(module.config)
        half.load_state_dict(module.state_dict())
        half.half().save_pretrained(folder, safe_serialization=True)
        if "text" in name:
            _name_as_in_sd(folder / "model.safetensors")
            _load_as_f32(folder / "config.json")
    write_tokenizer(demo / "sd/tokenizer", merges)
    models.write_json(demo / "sd/model_index.json",
                      _index("StableDiffusionPipeline", PARTS))
    models.make_saved_scheduler().save_pretrained(demo / "sd/scheduler")
    models.write_json(demo / "sd/longtake.json", models.SETTINGS["sd"])
    if not (demo / "ip2p/unet").exists():
        return
    models.write_json(demo / "ip2p/longtake.json", models.SETTINGS["ip2p"])
    models.write_json(demo / "ip2p/model_index.json",
                      _index("StableDiffusionInstructPix2PixPipeline", PARTS))
    models.make_saved_scheduler().save_pretrained(demo / "ip2p/scheduler")
    _link(demo / "ip2p/vae", "../sd/vae")
    _link(demo / "ip2p/tokenizer", "../sd/tokenizer")


def load_module(name, demo):
    """A saved model in f32, or None."""
    folder = demo.joinpath(*FOLDER[name])
    if not (folder / "config.json").exists():
        return None
    return CLASS[name].from_pretrained(folder).float()


def warm_start(modules, average, names, demo):
    """Take over saved f16 weights of equal shape; the average starts from them, too."""
    for key, module in modules.items():
        saved = load_module(names[key], demo)
        if saved is None:
            continue
        mine = module.state_dict()
        mine.update({k: v for k, v in saved.state_dict().items()
                     if k in mine and mine[k].shape == v.shape})
        module.load_state_dict(mine)
    params = [p for m in modules.values() for p in m.parameters()]
    for a, p in zip(average, params):
        a.copy_(p.detach())
