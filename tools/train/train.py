#!/usr/bin/env python3
"""Train the demo models on the demo world; resumable.

    python tools/train/train.py --stage vae|decoder|text|unet|ip2p|all --minutes N --state DIR

Every call continues what DIR holds; without it, from the weights in models/demo (f16,
the optimiser starts afresh). The text encoder is trained together with the UNet: stage
`text` learns the vocabulary only. Stage `decoder` goes on with the VAE's decoder alone:
latents stay what they are, so it may run beside `unet` and `ip2p` and after them. The learning rate falls in the last half of the
minutes, so the end of every call is a good place to stop; --export writes models/demo."""

import argparse
import collections
import concurrent.futures
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bpe
import export
import models
import muon
from world import ROOT, SINGLE, TRAINING, World

SAVE_SECONDS = 180
NAMES = {"vae": {"vae": "vae"}, "sd": {"unet": "unet", "text": "text"},
         "ip2p": {"unet": "ip2p_unet", "text": "ip2p_text"}}  # in export.FOLDER


class Run:
    """One model in training: weights, their moving average, optimiser, clock, log."""

    def __init__(self, args, name, modules, lr, minutes):
        self.name, self.modules, self.minutes = name, modules, minutes
        self.path = Path(args.state) / f"{name}.pt"
        self.log_path = Path(args.state) / f"{name}.log"
        self.params = [p for m in modules.values() for p in m.parameters()]
        self.optimiser = muon.Muon(muon.groups_of(modules, lr, 0.1 * lr))
        self.average = [p.detach().clone() for p in self.params]
        self.step, self.images = 0, 0
        self.begin = self.saved = self.shown = time.time()
        self.loss = None
        if self.path.exists():
            self.load()
        elif not args.fresh and name in NAMES:
            export.warm_start(modules, self.average, NAMES[name], args.demo)

    def load(self):
        s = torch.load(self.path, map_location="cpu", weights_only=True)
        for k, m in self.modules.items():
            m.load_state_dict(s["modules"][k])
        for a, b in zip(self.average, s["average"]):
            a.copy_(b)
        if "optimiser" in s:  # the weights alone are enough to go on
            self.optimiser.load_state_dict(s["optimiser"])
        self.step, self.images = s["step"], s["images"]

    def save(self):
        part = self.path.with_suffix(".part")
        torch.save({"modules": {k: m.state_dict() for k, m in self.modules.items()},
                    "average": self.average, "optimiser": self.optimiser.state_dict(),
                    "step": self.step, "images": self.images}, part)
        os.replace(part, self.path)
        self.saved = time.time()

    def going(self):
        return time.time() - self.begin < 60 * self.minutes

    def rate(self):
        """Share of the full learning rate: it rises over 100 steps, stays, and falls
        over the last half."""
        done = (time.time() - self.begin) / (60 * self.minutes)
        return min(1, (self.step + 1) / 100) * min(1, max(0.01, (1 - done) * 2))

    def update(self, loss, n):
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        for g in self.optimiser.param_groups:
            g["lr"] = g["peak"] * self.rate()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.images += n
        decay = min(0.999, (1 + self.step) / (20 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - decay)
        value = loss.detach().clone()
        self.loss = value if self.loss is None else self.loss.lerp_(value, 0.02)
        if time.time() - self.saved > SAVE_SECONDS:
            self.save()

    def log(self, every=30, **more):
        if time.time() - self.shown < every:
            return
        self.shown = time.time()
        row = dict(t=round(self.shown - self.begin), step=self.step, images=self.images,
                   loss=round(float(self.loss), 5), **{k: f() for k, f in more.items()})
        with open(self.log_path, "a") as f:
            f.write(json.dumps(row) + "\n")


def load_average(args, name, modules):
    """Put the moving averages of a run into new modules; returns its step."""
    s = torch.load(Path(args.state) / f"{name}.pt", map_location="cpu", weights_only=True)
    params = [p for m in modules.values() for p in m.parameters()]
    with torch.no_grad():
        for p, a in zip(params, s["average"], strict=True):
            p.copy_(a)
    return s["step"]


def random_seeds(n):
    """Training never repeats a scene; held-out seeds are the even ones."""
    return np.random.randint(0, 2**62, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def draw(world, n, size, edit=False, many=2):
    """One in `many` scenes may hold anything, the others hold one object in clear
    weather. size: (width, height)."""
    free = n // many
    parts = [world.render(random_seeds(k), *size, flags, edit=edit)
             for k, flags in ((free, TRAINING), (n - free, TRAINING | SINGLE)) if k]
    return {k: sum((p[k] for p in parts), []) if isinstance(parts[0][k], list)
            else np.concatenate([p[k] for p in parts]) for k in parts[0]}


class Pictures:
    """draw() in the background: `workers` threads (drawing holds no lock) keep a few
    batches ready; with 0 workers a batch is drawn when it is asked for. Every batch has
    one of the sizes, in turn."""

    def __init__(self, args, world, n, edit=False, many=2):
        self.make = lambda k: draw(world, n, args.size[k % len(args.size)], edit, many)
        self.count, self.workers, self.ready = 0, args.workers, collections.deque()
        if self.workers:
            self.pool = concurrent.futures.ThreadPoolExecutor(self.workers)

    def next(self):
        if not self.workers:
            self.count += 1
            return self.make(self.count - 1)
        while len(self.ready) < 2 * self.workers:
            self.ready.append(self.pool.submit(self.make, self.count))
            self.count += 1
        return self.ready.popleft().result()

    def close(self):
        if self.workers:
            self.pool.shutdown(cancel_futures=True)


def to_tensor(rgb, device):
    x = torch.from_numpy(rgb).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def psnr(a, b):
    mse = ((a.clamp(-1, 1) - b) / 2).square().mean((1, 2, 3))
    return float((-10 * mse.clamp_min(1e-10).log10()).mean())


def picture_loss(y, x):
    """Errors of pixels, of small areas, and of the colour of small areas: without the
    last, a narrow model paints yellow things orange and purple ones blue."""
    d = y - x
    area = F.avg_pool2d(d, 4)
    colour = area - area.mean(1, keepdim=True)
    return d.abs().mean() + 2 * d.square().mean() + area.abs().mean() + \
        2 * colour.abs().mean()


def train_vae(args, world):
    keep_decoder(args)
    vae = models.make_vae().to(args.device, memory_format=torch.channels_last)
    run = Run(args, "vae", {"vae": vae}, args.lr or 0.02, args.minutes)
    pictures = Pictures(args, world, args.batch or 4)
    while run.going():
        x = to_tensor(pictures.next()["rgb"], args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
            post = vae.encode(x).latent_dist
            y = vae.decode(post.sample()).sample
        y = y.float()
        loss = picture_loss(y, x) + 2e-5 * post.kl().mean() / post.mean[0].numel()
        run.update(loss, len(x))
        run.log(psnr=lambda: round(psnr(y.detach(), x), 2), lr=run.rate)
    pictures.close()
    run.save()


def train_decoder(args, world):
    """The decoder alone, so that latents that were kept stay right."""
    vae = load_vae(args, world).train()
    run = Run(args, "decoder", {"decoder": vae.decoder}, args.lr or 0.01, args.minutes)
    pictures = Pictures(args, world, args.batch or 4)
    while run.going():
        x = to_tensor(pictures.next()["rgb"], args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
            with torch.no_grad():
                z = vae.encode(x).latent_dist.sample()
            y = vae.decode(z).sample.float()
        run.update(picture_loss(y, x), len(x))
        run.log(psnr=lambda: round(psnr(y.detach(), x), 2), lr=run.rate)
    pictures.close()
    run.save()


def keep_decoder(args):
    """Put what stage `decoder` learnt into the state of the VAE, which goes on from it."""
    path, whole = Path(args.state) / "decoder.pt", Path(args.state) / "vae.pt"
    if not path.exists():
        return
    vae = models.make_vae()
    s = torch.load(whole, map_location="cpu", weights_only=True)
    load_average(args, "vae", {"vae": vae})
    load_average(args, "decoder", {"decoder": vae.decoder})
    s.update(modules={"vae": vae.state_dict()}, average=list(vae.parameters()))
    del s["optimiser"]
    torch.save(s, whole.with_suffix(".part"))
    os.replace(whole.with_suffix(".part"), whole)
    path.unlink()


def load_vae(args, world):
    """The averaged VAE of the state (or of models/demo), with its scale measured once."""
    path = Path(args.state) / "vae.pt"
    if not path.exists():
        vae = export.load_module("vae", args.demo)
        if vae is None:
            raise SystemExit("train.py: no VAE yet: run --stage vae first")
        return vae.to(args.device).eval()
    vae = models.make_vae().to(args.device)
    step = load_average(args, "vae", {"vae": vae})
    if (Path(args.state) / "decoder.pt").exists():
        load_average(args, "decoder", {"decoder": vae.decoder})
    vae.eval().to(memory_format=torch.channels_last)
    scale = Path(args.state) / f"scale.{step}.json"
    if not scale.exists():
        with torch.no_grad():
            seen = [to_tensor(draw(world, 16, args.size[0])["rgb"], args.device)
                    for _ in range(16)]
            z = torch.cat([vae.encode(x).latent_dist.sample() for x in seen])
        models.write_json(scale, {"scaling_factor": round(1 / float(z.std()), 5)})
    vae.register_to_config(**json.loads(scale.read_text()))
    return vae


def make_merges(args, world):
    """The vocabulary, learnt once from captions and instructions."""
    path = Path(args.state) / "merges.json"
    saved = args.demo / "sd/tokenizer/merges.txt"
    if path.exists():
        return [tuple(m) for m in json.loads(path.read_text())]
    if saved.exists() and not args.fresh:
        merges = [tuple(x.split()) for x in saved.read_text().splitlines()[1:]]
    else:
        r = world.render(np.arange(20000) * 2 + 1, 8, 8, TRAINING, edit=True)
        merges = bpe.learn_merges(r["caption"] + r["instruction"], 400)
    models.write_json(path, merges)
    return merges


def make_tokenizer(args, merges):
    from transformers import CLIPTokenizer
    folder = Path(args.state) / "tokenizer"
    export.write_tokenizer(folder, merges)
    t = CLIPTokenizer.from_pretrained(folder)
    return lambda texts: t(texts, padding="max_length", max_length=models.TEXT_TOKENS,
                           truncation=True, return_tensors="pt").input_ids


class Latents:
    """Encoded pictures, kept for several uses: a few fresh ones a step replace the
    oldest, since drawing and encoding cost as much as half of a training step.
    Pictures of different sizes are kept apart; a batch has one size."""

    def __init__(self, args, world, vae, tokens, edit, fresh):
        self.device, self.vae, self.tokens, self.edit = args.device, vae, tokens, edit
        self.fresh, self.room = fresh, max(1, args.keep // fresh)
        self.pictures = Pictures(args, world, fresh, edit, many=4)
        self.kept = {}  # size -> list of tuples (ids, mean, std[, mean of the source])
        self.next, self.count = 0, 0

    @torch.no_grad()
    def add(self):
        r = self.pictures.next()
        text = self.tokens(r["instruction" if self.edit else "caption"]).to(self.device)
        encode = lambda k: self.vae.encode(to_tensor(r[k], self.device)).latent_dist
        post = encode("edit_rgb" if self.edit else "rgb")
        rows = [post.mean, post.std] + ([encode("rgb").mode()] if self.edit else [])
        group = (text.short(), *(x.half().contiguous() for x in rows))
        kept = self.kept.setdefault(tuple(post.mean.shape[2:]), [])
        if len(kept) < self.room:
            kept.append(group)
            self.count += self.fresh
        else:
            kept[self.next % self.room] = group
            self.next += 1
        return kept, group

    def batch(self, n):
        """n rows: the fresh ones, and random ones of the same size."""
        kept, newest = self.add()
        where = np.random.randint(0, (len(kept), self.fresh), (n - self.fresh, 2)).tolist()
        return [torch.cat([x, torch.stack([kept[g][k][i] for g, i in where])])
                for k, x in enumerate(newest)]


def weight_of(alpha, gamma=5.0):
    """Of the error of v: as it is where the picture takes its shape, and no more than
    min-SNR's where little noise is left."""
    snr = alpha / (1 - alpha)
    return (gamma / (snr + 1)).clamp(max=1)


def denoise_loss(unet, text, alphas, z, ids, image=None):
    """Mean weighted error of the predicted v = sqrt(a) noise - sqrt(1 - a) z."""
    t = torch.randint(0, len(alphas), (len(z),), device=z.device)
    a = alphas[t].view(-1, 1, 1, 1)
    noise = torch.randn_like(z)
    x = a.sqrt() * z + (1 - a).sqrt() * noise
    if image is not None:
        x = torch.cat([x, image], 1)
    x = x.contiguous(memory_format=torch.channels_last)
    v = unet(x, t, text(ids.long()).last_hidden_state).sample
    error = (v - a.sqrt() * noise + (1 - a).sqrt() * z).square().mean((1, 2, 3))
    return (error * weight_of(alphas[t])).mean()


def train_unet(args, world, edit):
    """Text encoder and UNet together; edit: InstructPix2Pix, begun from the other."""
    merges = make_merges(args, world)
    tokens, vae = make_tokenizer(args, merges), load_vae(args, world)
    text = models.make_text(bpe.vocabulary(merges)).to(args.device)
    unet = models.make_unet(8 if edit else 4)
    unet.to(args.device, memory_format=torch.channels_last)
    name = "ip2p" if edit else "sd"
    if edit and not (Path(args.state) / "ip2p.pt").exists():
        begin_edit(args, unet, text)
    run = Run(args, name, {"unet": unet, "text": text}, args.lr or 0.01,
              args.minutes)
    scale, alphas = vae.config.scaling_factor, models.alphas().to(args.device)
    n = args.batch or 32
    data = Latents(args, world, vae, tokens, edit, max(1, n // 6))
    empty = tokens([""])[0].short().to(args.device)
    for _ in range(300):
        data.add()
    while run.going():
        ids, mean, std, *image = data.batch(n)
        z = (mean.float() + std.float() * torch.randn_like(mean, dtype=torch.float)) * scale
        u = torch.rand(n, device=args.device)
        ids[u < 0.1] = empty
        if edit:  # 5 % no text, 5 % neither, 5 % no image
            image = [image[0].float() * ((u < 0.05) | (u >= 0.15)).view(-1, 1, 1, 1)]
        with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
            loss = denoise_loss(unet, text, alphas, z, ids, *image)
        run.update(loss, n)
        run.log(lr=run.rate, kept=lambda: data.count)
    data.pictures.close()
    run.save()


def begin_edit(args, unet, text):
    """InstructPix2Pix begins as the text-to-image model that ignores its image."""
    small = models.make_unet(4).to(args.device)
    load_average(args, "sd", {"unet": small, "text": text})
    state = small.state_dict()
    wide = torch.zeros_like(unet.conv_in.weight)
    wide[:, :4] = state["conv_in.weight"]
    state["conv_in.weight"] = wide
    unet.load_state_dict(state)


def export_all(args, world):
    """Write what the state holds to models/demo, and how far each model has come."""
    trained, reached = {}, {}
    merges = make_merges(args, world)
    if (Path(args.state) / "vae.pt").exists():
        trained["vae"] = load_vae(args, world).cpu()
    for name, channels in (("sd", 4), ("ip2p", 8)):
        if (Path(args.state) / f"{name}.pt").exists():
            made = {"unet": models.make_unet(channels),
                    "text": models.make_text(bpe.vocabulary(merges))}
            load_average(args, name, made)
            trained.update({NAMES[name][k]: m for k, m in made.items()})
    for name in NAMES:
        log = Path(args.state) / f"{name}.log"
        if log.exists():
            reached[name] = json.loads(log.read_text().splitlines()[-1])
    export.write_models(trained, merges, args.demo)
    models.write_json(Path(args.state) / "reached.json", reached)
    print(json.dumps(reached))


def sizes(text):
    return [tuple(int(v) for v in s.split("x")) for s in text.split(",")]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", required=True,
                   choices=("vae", "decoder", "text", "unet", "ip2p", "all", "none"))
    p.add_argument("--minutes", type=float, default=30, help="of each stage")
    p.add_argument("--state", required=True, help="folder for weights and logs of training")
    p.add_argument("--size", type=sizes, default=[(128, 128)],
                   help="of the pictures, multiples of 64: 128x128,192x128,128x192")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--workers", type=int, default=0, help="threads that draw pictures")
    p.add_argument("--keep", type=int, default=40000, help="encoded pictures a size")
    p.add_argument("--batch", type=int, help="pictures a step (4 for the VAE, else 32)")
    p.add_argument("--lr", type=float, help="of matrices; a tenth of it for the rest")
    p.add_argument("--bf16", action="store_true", help="autocast, for AMX, Zen 4, GPU")
    p.add_argument("--export", action="store_true", help="write models/demo at the end")
    p.add_argument("--demo", type=Path, default=export.DEMO, help="instead of models/demo")
    p.add_argument("--fresh", action="store_true", help="do not start from models/demo")
    args = p.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    Path(args.state).mkdir(parents=True, exist_ok=True)
    world = World(Path(args.state) / "libltsynth.so")
    if args.stage in ("vae", "all"):
        train_vae(args, world)
    if args.stage == "decoder":
        train_decoder(args, world)
    if args.stage in ("text", "all"):
        make_tokenizer(args, make_merges(args, world))
    if args.stage in ("unet", "all"):
        train_unet(args, world, edit=False)
    if args.stage in ("ip2p", "all"):
        train_unet(args, world, edit=True)
    if args.export:
        export_all(args, world)


if __name__ == "__main__":
    main()
