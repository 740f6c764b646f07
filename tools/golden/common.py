"""What every golden module shares: seeded numbers, files, torch set-up."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

SHARED = Path(__file__).resolve().parents[3] / "shared"


def quiet_torch():
    """One thread, deterministic kernels: the same bytes on every run."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)


def rng(*key):
    """A generator of numpy's PCG64 that depends on the words of the key only."""
    return np.random.Generator(np.random.PCG64(zlib.crc32("/".join(map(str, key)).encode())))


def normal(shape, *key):
    """Standard normal f32 tensor drawn for this key."""
    return torch.from_numpy(rng(*key).standard_normal(shape).astype(np.float32))


def save_tensors(path, tensors, meta=None):
    """Write one safetensors file; facts go into one metadata text, "golden", as JSON.

    One key only: safetensors writes several in an order that changes with every run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {k: v.detach().contiguous().clone() for k, v in sorted(tensors.items())}
    text = {"golden": json.dumps(meta or {}, ensure_ascii=False, sort_keys=True)}
    save_file(plain, str(path), metadata=text)


def save_json(path, value, indent=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", "utf-8")
