"""DDIM: time grids, cumulative alphas, forward steps by diffusers, inverse steps by formula."""

import torch
from diffusers import DDIMScheduler

from common import normal, save_tensors
from models import MODELS

ALPHA_AT = [0, 1, 201, 501, 961, 981, 991, 999]
GRIDS = [10, 20, 25, 50, 100]
STEPS = 50
FORWARD_AT = [981, 961, 501, 21, 1]
INVERSE_AT = [(-1, 1), (1, 21), (481, 501), (961, 981)]


def to_eps(prediction, pred, x, alpha):
    """Noise from what the network returned, at the level of the sample x."""
    if prediction == "epsilon":
        return pred
    return alpha.sqrt() * pred + (1 - alpha).sqrt() * x


def inverse_step(alphas, prediction, prev, t, pred, x):
    """x at t from x at the level before (prev < 0: the clean end, alphas[0])."""
    before, after = alphas[max(prev, 0)], alphas[t]
    eps = to_eps(prediction, pred, x, before)
    clean = (x - (1 - before).sqrt() * eps) / before.sqrt()
    return after.sqrt() * clean + (1 - after).sqrt() * eps


def steps(root, model, x, pred):
    scheduler = DDIMScheduler.from_pretrained(root / "models" / model / "scheduler")
    scheduler.set_timesteps(STEPS)
    kind = scheduler.config.prediction_type
    short = {"epsilon": "eps", "v_prediction": "v"}[kind]
    out = {}
    for t in FORWARD_AT:
        out[f"out.{short}.forward.{t}"] = scheduler.step(pred, t, x).prev_sample
    for prev, t in INVERSE_AT:
        value = inverse_step(scheduler.alphas_cumprod, kind, prev, t, pred, x)
        out[f"out.{short}.inverse.{t}"] = value
    return out


def grids(root):
    scheduler = DDIMScheduler.from_pretrained(root / "models/sd15-tiny/scheduler")
    out = {}
    for spacing in ("leading", "trailing"):
        scheduler.register_to_config(timestep_spacing=spacing)
        for n in GRIDS:
            scheduler.set_timesteps(n)
            out[f"timesteps.{spacing}.{n}"] = scheduler.timesteps.flip(0).clone()
    return out


def write(root):
    x, pred = normal((2, 4, 4, 6), "scheduler", "x"), normal((2, 4, 4, 6), "scheduler", "pred")
    noise = normal((2, 4, 4, 6), "scheduler", "noise")
    scheduler = DDIMScheduler.from_pretrained(root / "models/sd15-tiny/scheduler")
    out = {"in.x": x, "in.pred": pred, "in.noise": noise,
           "alphas_cumprod": scheduler.alphas_cumprod,
           "alphas_cumprod.index": torch.tensor(ALPHA_AT),
           "alphas_cumprod.value": scheduler.alphas_cumprod[ALPHA_AT],
           "final_alpha_cumprod": scheduler.final_alpha_cumprod.reshape(1)}
    for t in (1, 501, 981):
        out[f"out.noised.{t}"] = scheduler.add_noise(x, noise, torch.tensor([t, t]))
    for model in list(MODELS)[:2]:
        out |= steps(root, model, x, pred)
    save_tensors(root / "scheduler.safetensors", out | grids(root),
                 {"steps": STEPS, "forward_at": FORWARD_AT, "inverse_at": INVERSE_AT})
