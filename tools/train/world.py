"""The demo world seen from Python: a thin wrapper of src/synth/synth.h (ctypes)."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
N_FACTORS, TEXT = 7, 256
TRAINING, JUDGING, SINGLE = 1, 2, 4
SHAPE, COLOUR, MATERIAL, PLACE, TIME, STYLE, WEATHER = range(N_FACTORS)


class Batch(ctypes.Structure):
    """struct lt_synth_batch"""

    _fields_ = [
        ("seeds", ctypes.c_void_p), ("factors", ctypes.c_void_p),
        ("frames", ctypes.c_void_p), ("edit_factor", ctypes.c_void_p),
        ("edit_value", ctypes.c_void_p),
        ("n", ctypes.c_int32), ("w", ctypes.c_int32), ("h", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("rgb", ctypes.c_void_p), ("mask", ctypes.c_void_p),
        ("edit_rgb", ctypes.c_void_p), ("edit_mask", ctypes.c_void_p),
        ("caption", ctypes.c_void_p), ("edit_caption", ctypes.c_void_p),
        ("instruction", ctypes.c_void_p),
        ("factors_out", ctypes.c_void_p), ("edit_factors_out", ctypes.c_void_p),
    ]


def build(target):
    """Compile the drawing core alone into a shared library when it is not up to date."""
    target = Path(target)
    sources = sorted((ROOT / "src/synth").glob("*.c"))
    newest = max(p.stat().st_mtime for p in (ROOT / "src/synth").iterdir())
    if not target.exists() or target.stat().st_mtime < newest:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = f"{target}.{os.getpid()}"
        subprocess.run([os.environ.get("CC", "cc"), "-O3", "-ffp-contract=off", "-shared",
                        "-fPIC", "-o", part, *map(str, sources), "-lm"], check=True)
        os.replace(part, target)
    return target


class World:
    def __init__(self, library):
        self.lib = ctypes.CDLL(str(build(library)))
        for name in ("lt_synth_factor_name", "lt_synth_value_name"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.factor_names = [self.lib.lt_synth_factor_name(f).decode()
                             for f in range(N_FACTORS)]
        self.values = [[self.lib.lt_synth_value_name(f, v).decode()
                        for v in range(self.lib.lt_synth_n_values(f))]
                       for f in range(N_FACTORS)]

    def render(self, seeds, w, h, flags=0, factors=None, frames=None, edit_factor=None,
               edit_value=None, mask=False, edit=False, text=True):
        """Draw one frame of each seed. Returns a dict of numpy arrays and lists of str;
        ValueError when an item is refused. Releases the GIL while drawing."""
        seeds = np.ascontiguousarray(seeds, np.uint64)
        n = len(seeds)
        keep, out = [seeds], {}
        b = Batch(seeds=seeds.ctypes.data, n=n, w=w, h=h, flags=flags)

        def give(field, value):
            if value is not None:
                a = np.ascontiguousarray(value, np.int32)
                keep.append(a)
                setattr(b, field, a.ctypes.data)

        def take(field, shape, dtype):
            out[field] = np.zeros(shape, dtype)
            setattr(b, field, out[field].ctypes.data)

        give("factors", factors)
        give("frames", frames)
        give("edit_factor", edit_factor)
        give("edit_value", edit_value)
        take("rgb", (n, h, w, 3), np.uint8)
        take("factors_out", (n, N_FACTORS), np.int32)
        if mask:
            take("mask", (n, h, w), np.uint8)
        if text:
            take("caption", (n, TEXT), np.uint8)
        if edit:
            take("edit_rgb", (n, h, w, 3), np.uint8)
            take("edit_factors_out", (n, N_FACTORS), np.int32)
            if mask:
                take("edit_mask", (n, h, w), np.uint8)
            if text:
                take("edit_caption", (n, TEXT), np.uint8)
                take("instruction", (n, TEXT), np.uint8)
        bad = self.lib.lt_synth_render_batch(ctypes.byref(b))
        if bad:
            raise ValueError(f"item {bad - 1} (seed {seeds[bad - 1]}) was refused")
        for k in ("caption", "edit_caption", "instruction"):
            if k in out:
                out[k] = [bytes(r).split(b"\0")[0].decode() for r in out[k]]
        return out


    def render_small(self, seeds, factors, w, h):
        """Scenes whose object is as small as it can be: nearly the place alone.
        Returns rgb [n, h, w, 3] and mask [n, h, w]."""
        n, scene = len(seeds), ctypes.create_string_buffer(512)  # holds an lt_scene
        rgb, mask = np.zeros((n, h, w, 3), np.uint8), np.zeros((n, h, w), np.uint8)
        for i, seed in enumerate(seeds):
            self.lib.lt_synth_scene_draw(scene, ctypes.c_uint64(int(seed)), SINGLE)
            keys = {self.factor_names[f]: self.values[f][v]
                    for f, v in enumerate(factors) if v >= 0}
            for key, value in {**keys, "size": "0.05"}.items():
                bad = self.lib.lt_synth_set(scene, key.encode(), value.encode())
                if bad:
                    raise ValueError(f"{key} {value}")
            out = (ctypes.c_void_p * 4)(rgb[i].ctypes.data, mask[i].ctypes.data)
            self.lib.lt_synth_render(scene, ctypes.c_int64(int(seed) % 4096), w, h, out)
        return rgb, mask


if __name__ == "__main__":  # world.py LIBRARY OUT.png: a contact sheet, to look at
    import time
    from PIL import Image

    world = World(sys.argv[1])
    t = time.process_time()
    r = world.render(np.arange(48), 128, 128)
    print(48 / (time.process_time() - t), "frames a second")
    sheet = r["rgb"].reshape(6, 8, 128, 128, 3).transpose(0, 2, 1, 3, 4)
    Image.fromarray(sheet.reshape(768, 1024, 3)).save(sys.argv[2])
    print("\n".join(r["caption"]))
