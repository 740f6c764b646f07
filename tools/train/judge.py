#!/usr/bin/env python3
"""Judge the demo models in the terms that they were trained in, on held-out scenes.

    python tools/train/judge.py --what vae|sd|ip2p|all [--n N] [--sheet DIR]

vae    PSNR of all frames of held-out clips of one second after encoding and decoding.
sd     pictures made from captions of reserved combinations. For each factor, which of
       its values is in the picture? The one among whose true renders, which otherwise
       follow the caption, is the nearest to it (squared distance at a quarter of the
       size; objects of several sizes and turns, laid at every position over several
       places). The same question about true renders, and about them after the
       autoencoder, gives the judge's own error.
ip2p   reserved edits: of the true edits to every value of the asked factor, which is
       nearest inside the mask, and PSNR to the source outside both masks.

Nothing is classified by a network. Prints one JSON object."""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import export
import models
from world import JUDGING, N_FACTORS, PLACE, SINGLE, STYLE, TIME, WEATHER, World

SIDE, GRID, FRAMES = 128, 32, 24
BACKS, TRIED, FORMS = 24, 4, 16
CITY, NIGHT = 4, 3


def held_out(n, offset=0):
    """Even seeds; training draws odd ones."""
    return (np.arange(n, dtype=np.uint64) + np.uint64(offset)) * np.uint64(2) + \
        np.uint64(1 << 40)


def to_tensor(rgb):
    return torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(x):
    x = ((x.clamp(-1, 1) + 1) * 127.5).round().byte()
    return x.permute(0, 2, 3, 1).numpy()


def small(rgb):
    """[n, h, w, c] to [n, GRID, GRID, c], as f32 in 0..1."""
    k = rgb.shape[1] // GRID
    x = rgb.astype(np.float32).reshape(len(rgb), GRID, k, GRID, k, -1)
    return x.mean((2, 4)) / 255


def sheet(path, rows):
    """rows of pictures, one under the other, as a PNG."""
    from PIL import Image
    rows = [np.concatenate(list(r), 1) for r in rows]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


def transform(x):
    """Of a map [.., GRID, GRID], with as much room again for shifts."""
    return torch.fft.rfft2(x, s=(2 * GRID, 2 * GRID))


class Align:
    """Finds the true render nearest to a picture, wherever its object is.

    A render is an object (rgb T, coverage M) over a place B. For a picture P, its
    squared distance to all renders that show one object at all positions is
    sum (P-B)^2 + sum M ((P-T)^2 - (P-B)^2), whose second sum is a correlation for every
    shift of the object: one Fourier transform instead of a render for each."""

    def __init__(self, world):
        self.world, self.places, self.objects = world, {}, {}
        self.seen = (None, {})
        near = torch.fft.fftfreq(2 * GRID, 1 / (2 * GRID)).abs() <= GRID // 2
        self.near = near[:, None] & near

    def place(self, key):
        """BACKS empty places [BACKS, GRID, GRID, 3] for (place, time, style)."""
        if key not in self.places:
            factors = [-1] * N_FACTORS
            factors[PLACE], factors[TIME], factors[STYLE] = key
            if key[0] == CITY:
                factors[TIME] = -1
            rgb, mask = self.world.render_small(held_out(BACKS, 10 ** 7), factors,
                                                2 * GRID, 2 * GRID)
            self.places[key] = torch.from_numpy(small(fill(rgb, mask)))
        return self.places[key]

    def object(self, key):
        """Transforms of FORMS objects: coverage [FORMS, ...], coverage * rgb, and the sum
        of coverage * rgb^2. key: all factors."""
        if key in self.objects:
            return self.objects[key]
        want = np.tile(np.array(key, np.int32), (FORMS, 1))
        if key[PLACE] == CITY:
            want[:, TIME] = -1
        r = self.world.render(held_out(FORMS, 2 * 10 ** 7), 2 * GRID, 2 * GRID, SINGLE,
                              factors=want, mask=True, text=False)
        rgb, m = (torch.from_numpy(small(x)).permute(0, 3, 1, 2)
                  for x in (r["rgb"], r["mask"][..., None]))
        out = (transform(m[:, 0]).conj(), transform(m * rgb).conj(),
               (m * rgb ** 2).sum((1, 2, 3)))
        if len(self.objects) > 400:
            self.objects.clear()
        self.objects[key] = out
        return out

    def around(self, p, key):
        """Squared distance of every pixel to the TRIED nearest places of one kind."""
        if self.seen[0] is not p:
            self.seen = (p, {})
        if key not in self.seen[1]:
            e = ((p - self.place(key)) ** 2).sum(-1)
            low = e.flatten(1).sort(1).values[:, :GRID * GRID // 2].sum(1)
            self.seen[1][key] = e[low.argsort()[:TRIED]]  # objects hide less than half
        return self.seen[1][key]

    def distance(self, p, key):
        """To the nearest render that has the factors `key`."""
        e = self.around(p, (key[PLACE], key[TIME], key[STYLE]))
        cover, colour, own = self.object(key)
        gain = transform((p ** 2).sum(-1) - e)[:, None] * cover
        both = (transform(p.permute(2, 0, 1)) * colour).sum(1)
        d = torch.fft.irfft2(gain - 2 * both) + own[:, None, None]
        return float((e.sum((1, 2)) + d[..., self.near].amin((1, 2))).min())

    def read(self, p, want, f):
        """Value of factor f in picture p, given that the others are as wanted."""
        best = (np.inf, -1)
        for v in range(len(self.world.values[f])):
            key = list(want)
            key[f], key[WEATHER] = v, 0
            if key[PLACE] == CITY:
                key[TIME] = NIGHT
            best = min(best, (self.distance(p, tuple(map(int, key))), v))
        return best[1]


def fill(rgb, mask):
    """Paint over what the mask covers, and the shadow below it, with its surroundings."""
    w = (mask == 0).astype(np.float32)
    for _ in range(2):
        w = np.minimum.reduce([np.roll(w, s, a) for s in (-1, 0, 1) for a in (1, 2)])
    w = np.minimum(w, np.roll(w, 2, 1))[..., None]
    blur = lambda x: sum(np.roll(x, s, 2) for s in range(-8, 9))
    return np.where(w > 0, rgb, blur(rgb * w) / np.maximum(blur(w), 1e-3))


class Judge:
    def __init__(self, args):
        self.args = args
        self.world = World(args.library)
        self.vae = export.load_module("vae", args.demo).eval()
        self.align = Align(self.world)

    @torch.no_grad()
    def decode(self, z):
        return to_bytes(self.vae.decode(z / self.vae.config.scaling_factor).sample)

    def tokens(self, texts):
        from transformers import CLIPTokenizer
        t = CLIPTokenizer.from_pretrained(self.args.demo / "sd/tokenizer")
        return t(texts, padding="max_length", max_length=models.TEXT_TOKENS,
                 truncation=True, return_tensors="pt").input_ids

    @torch.no_grad()
    def judge_vae(self):
        values, rows = [], []
        for i in range(self.args.n):
            seeds = np.repeat(held_out(1, i), FRAMES)
            rgb = self.world.render(seeds, SIDE, SIDE, frames=np.arange(FRAMES))["rgb"]
            x = to_tensor(rgb)
            y = to_bytes(self.vae.decode(self.vae.encode(x).latent_dist.mode()).sample)
            mse = ((y.astype(np.float64) - rgb) ** 2).mean((1, 2, 3))
            values += list(10 * np.log10(255 ** 2 / np.maximum(mse, 1e-3)))
            if i < 12:
                rows.append(np.concatenate([rgb[::6], y[::6]]))
        if self.args.sheet:
            sheet(Path(self.args.sheet) / "vae.png", rows)
        return {"clips": self.args.n, "frames": len(values), "psnr": float(np.mean(values)),
                "psnr_lowest": float(np.min(values))}

    @torch.no_grad()
    def sample(self, name, texts, seed, image=None):
        """DDIM with guidance; image: latents that InstructPix2Pix sees beside."""
        text = export.load_module("ip2p_text" if image is not None else "text",
                                  self.args.demo).eval()
        unet = export.load_module(name, self.args.demo).eval()
        s = models.make_scheduler()
        s.set_timesteps(self.args.steps)
        empty = text(self.tokens([""] * len(texts))).last_hidden_state
        cond = text(self.tokens(texts)).last_hidden_state
        g = torch.Generator().manual_seed(seed)
        x = torch.randn(len(texts), 4, SIDE // 8, SIDE // 8, generator=g)
        gt, gi = self.args.guidance, self.args.image_guidance
        for t in s.timesteps:
            if image is None:
                e, u = unet(torch.cat([x, x]), t, torch.cat([cond, empty])).sample.chunk(2)
                e = u + gt * (e - u)
            else:
                none = torch.zeros_like(image)
                many = torch.cat([torch.cat([x] * 3), torch.cat([image, image, none])], 1)
                e, i, u = unet(many, t, torch.cat([cond, empty, empty])).sample.chunk(3)
                e = u + gi * (i - u) + gt * (e - i)
            x = s.step(e, t, x).prev_sample
        return self.decode(x)

    def nearest(self, pictures, factors):
        """Which share of the pictures shows the asked value of each factor."""
        right = {f: [] for f in range(N_FACTORS) if f != WEATHER}
        for p, want in zip(torch.from_numpy(small(pictures)), factors):
            for f in right:
                if f != TIME or want[PLACE] != CITY:
                    right[f].append(self.align.read(p, want, f) == want[f])
        return {self.world.factor_names[f]: round(float(np.mean(r)), 4)
                for f, r in right.items() if r}

    def judge_sd(self):
        n = self.args.n
        r = self.world.render(held_out(n, 10 ** 6), SIDE, SIDE, JUDGING | SINGLE)
        made = np.concatenate([self.sample("unet", r["caption"][i:i + 25], i)
                               for i in range(0, n, 25)])
        if self.args.sheet:
            k = min(n, 32) // 8 * 8
            rows = [x for i in range(0, k, 8) for x in (made[i:i + 8], r["rgb"][i:i + 8])]
            sheet(Path(self.args.sheet) / "sd.png", rows)
            (Path(self.args.sheet) / "sd.txt").write_text("\n".join(r["caption"]) + "\n")
        want = r["factors_out"]
        some = r["rgb"][:100]
        return {"captions": n, "right": self.nearest(made, want),
                "true_pictures": len(some), "right_of_true": self.nearest(some, want),
                "right_of_true_through_the_vae":
                    self.nearest(self.through_vae(some), want)}

    @torch.no_grad()
    def through_vae(self, rgb):
        return np.concatenate([to_bytes(self.vae.decode(self.vae.encode(
            to_tensor(rgb[i:i + 10])).latent_dist.mode()).sample)
            for i in range(0, len(rgb), 10)])

    @torch.no_grad()
    def judge_ip2p(self):
        n, w = self.args.n, self.world
        r = w.render(held_out(n, 4 * 10 ** 6), SIDE, SIDE, JUDGING | SINGLE, edit=True,
                     mask=True)
        image = self.vae.encode(to_tensor(r["rgb"])).latent_dist.mode()
        made = np.concatenate([self.sample("ip2p_unet", r["instruction"][i:i + 20], i,
                                           image[i:i + 20]) for i in range(0, n, 20)])
        done, outside = {}, []
        for i in range(n):
            a, b = r["factors_out"][i], r["edit_factors_out"][i]
            f = int(np.flatnonzero(a != b)[0])
            mask = (r["mask"][i] > 0) | (r["edit_mask"][i] > 0)
            true = [(r["rgb"][i], r["mask"][i]) if v == a[f] else self.true_edit(i, f, v)
                    for v in range(len(w.values[f]))]
            region = np.logical_or.reduce([t[1] > 0 for t in true if t])
            region |= f >= PLACE
            dist = [((t[0].astype(np.float32) - made[i]) ** 2)[region].mean() if t
                    else np.inf for t in true]
            done.setdefault(w.factor_names[f], []).append(int(np.argmin(dist)) == b[f])
            if f < 3 and not mask.all():
                e = ((made[i].astype(np.float32) - r["rgb"][i]) ** 2)[~mask].mean()
                outside.append(10 * np.log10(255 ** 2 / max(e, 1e-3)))
        if self.args.sheet:
            k = min(n, 32) // 8 * 8
            rows = [x for i in range(0, k, 8)
                    for x in (r["rgb"][i:i + 8], made[i:i + 8], r["edit_rgb"][i:i + 8])]
            sheet(Path(self.args.sheet) / "ip2p.png", rows)
            (Path(self.args.sheet) / "ip2p.txt").write_text("\n".join(r["instruction"]))
        every = [x for v in done.values() for x in v]
        return {"edits": n, "carried_out": float(np.mean(every)),
                "by_factor": {k: round(float(np.mean(v)), 4) for k, v in done.items()},
                "psnr_outside": float(np.mean(outside)) if outside else None}

    def true_edit(self, i, f, v):
        """The true edit of scene i and the mask of its object, or None."""
        try:
            r = self.world.render(held_out(1, 4 * 10 ** 6 + i), SIDE, SIDE,
                                  JUDGING | SINGLE, edit_factor=[f], edit_value=[v],
                                  edit=True, mask=True, text=False)
            return r["edit_rgb"][0], r["edit_mask"][0]
        except ValueError:
            return None


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--what", choices=("vae", "sd", "ip2p", "all"), default="all")
    p.add_argument("--n", type=int, default=100, help="frames, captions, edits")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--guidance", type=float, default=4.0)
    p.add_argument("--image-guidance", type=float, default=1.5)
    p.add_argument("--sheet", help="folder for contact sheets, to look at")
    p.add_argument("--demo", type=Path, default=export.DEMO, help="instead of models/demo")
    p.add_argument("--library", default="/tmp/ltsynth/libltsynth.so")
    args = p.parse_args()
    judge, out = Judge(args), {}
    for what in ("vae", "sd", "ip2p"):
        folder = args.demo.joinpath(*export.FOLDER[{"vae": "vae", "sd": "unet",
                                                      "ip2p": "ip2p_unet"}[what]])
        if args.what in (what, "all") and folder.exists():
            out[what] = getattr(judge, f"judge_{what}")()
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
