"""Stores what diffusers' InstructPix2Pix pipeline does with own noise: instruct.safetensors.

The model is sd15-tiny with four more input channels; weights, frames and noise that are
not stored elsewhere come from whole-number formulas, which tests/methods repeat."""

import numpy as np
import torch
import diffusers.schedulers.scheduling_euler_ancestral_discrete as ancestral
from diffusers import (DDIMScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel)

from common import save_tensors
from models import Loaded

MODEL = "sd15-tiny"
FRAMES, HEIGHT, WIDTH = 2, 32, 48
LATENT = (4, HEIGHT // 8, WIDTH // 8)
PROMPT, NEGATIVE = "turn the circle into a red ball", "ugly, blurry"

EULER_A, EULER, DDIM = EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, DDIMScheduler
# name: class, spacing, prediction, steps, guidance, image guidance, frames that are stored
CASES = {
    "ancestral": (EULER_A, "linspace", "epsilon", 6, 7.5, 1.5, [0, 1]),
    "no-blind": (EULER, "linspace", "epsilon", 5, 7.5, 1.0, [0]),
    "euler-v": (EULER, "leading", "v_prediction", 6, 5.0, 1.2, [0]),
    "no-image": (EULER_A, "trailing", "epsilon", 6, 2.0, 2.0, [1]),
    "ddim": (DDIM, "leading", "epsilon", 5, 7.5, 1.5, [1]),
    "ddim-v": (DDIM, "trailing", "v_prediction", 4, 3.0, 1.5, [0]),
    "unguided": (EULER, "leading", "epsilon", 5, 1.0, 1.5, [0]),
}


def frames():
    f, y, x, c = np.indices((FRAMES, HEIGHT, WIDTH, 3))
    value = 5 * x + 3 * y + 50 * c + 20 * f + 60 * ((x // 8 + y // 8) % 2)
    return (value % 256).astype(np.uint8)


def noise(step):
    """Of a step, or the initial one (-1): [frames, 4, h, w], variance 1."""
    n = FRAMES * int(np.prod(LATENT))
    i = np.arange(n, dtype=np.uint64) + np.uint64(n * (step + 1) + 1)
    u = (i * np.uint64(2654435761) % np.uint64(2**32)).astype(np.float64) / 2**32
    return torch.from_numpy(((u - 0.5) * 12**0.5).astype(np.float32)).reshape(FRAMES, *LATENT)


def widen(unet, dtype):
    """The same UNet with 8 input channels; the new weights are multiples of 1/64."""
    config = dict(unet.config) | {"in_channels": 8}
    wide = UNet2DConditionModel.from_config(config)
    state = unet.state_dict()
    old = state["conv_in.weight"]
    o, i, y, x = np.indices(old.shape)
    new = ((37 * o + 11 * i + 5 * y + 3 * x) % 23 - 11) / 64
    state["conv_in.weight"] = torch.cat([old, torch.from_numpy(new).to(old.dtype)], 1)
    wide.load_state_dict(state)
    return wide.to(dtype).eval()


def scheduler(kind, spacing, prediction):
    more = {"clip_sample": False, "set_alpha_to_one": False} if kind is DDIM else {}
    return kind(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                steps_offset=1, timestep_spacing=spacing, prediction_type=prediction, **more)


class StepNoise:
    """Stands in for the generator of Euler ancestral."""

    def __init__(self, frame):
        self.frame, self.step = frame, -1

    def __call__(self, shape, dtype, **_):
        self.step += 1
        return noise(self.step)[self.frame:self.frame + 1].to(dtype)


def edit(pipe, image, case, frame):
    kind, spacing, prediction, steps, text, source, _ = case
    pipe.scheduler = scheduler(kind, spacing, prediction)
    ancestral.randn_tensor = StepNoise(frame)
    return pipe(PROMPT, image=image[frame:frame + 1], num_inference_steps=steps,
                guidance_scale=text, image_guidance_scale=source, negative_prompt=NEGATIVE,
                latents=noise(-1)[frame:frame + 1].to(image.dtype), output_type="latent").images


def compute(root, dtype=torch.float32):
    model = Loaded(root, MODEL)
    pipe = StableDiffusionInstructPix2PixPipeline(
        model.vae.to(dtype), model.text.to(dtype), model.tokenizer, widen(model.unet, dtype),
        model.scheduler, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    image = torch.from_numpy(frames()).permute(0, 3, 1, 2).to(dtype) / 255
    return {name: torch.cat([edit(pipe, image, case, f) for f in case[-1]])
            for name, case in CASES.items()}


def write(root):
    facts = {k: [c[0].__name__, *c[1:]] for k, c in CASES.items()}
    save_tensors(root / "instruct.safetensors", compute(root), {"model": MODEL, "cases": facts})


def report(root):
    """Distance of f32 from f64."""
    exact = compute(root, torch.float64)
    for name, x in compute(root).items():
        far = (x - exact[name]).abs().max() / exact[name].abs().max()
        print(f"instruct {name:10s} f32 from f64 {float(far):.1e}, largest "
              f"{float(x.abs().max()):.1f}")
