"""A short TokenFlow edit, written from methods/adaflow.md 1.7 and 1.9, and the same mixing of
two keyframes under AdaFlow's matches. Beside the text of the method, not for speed."""

import math

import torch

from adaflow_loop import EDIT, NEGATIVE, SOURCE, Editor, Job
from tokenmath import best


class FlowEditor(Editor):
    """Pass 2 mixes two keyframes; matches are found here (online) or given (gather)."""

    def __init__(self, unet):
        super().__init__(unet)
        self.pivot = {}     # site -> the keyframes' normalised inputs, source branch [K, S, C]
        self.frames = []    # of the running pass: (clip, other clip or None, weight)
        self.online = True
        self.before = {}    # S -> for each frame, index [S] into the other clip's keyframe
        self.gap = math.inf
        self.swap = self.alone = False  # deliberate mistakes, for make.py --report

    def joint(self, site, attn, x):
        self.pivot[site] = x.unflatten(0, (3, -1))[SOURCE].clone()
        return super().joint(site, attn, x)

    def found(self, site, tokens, clip):
        index, _, gap = best(tokens, self.pivot[site][clip])
        self.gap = min(self.gap, gap.min().item())
        return index

    def matches(self, site, x, n):
        """For frame n of the pass: tokens of its own keyframe, and of the other one."""
        clip, other, _ = self.frames[n]
        if not self.online:
            rows = self.gather[x.shape[1]]
            return rows[n][1], None if other is None else self.before[x.shape[1]][n]
        source = x.unflatten(0, (3, -1))[SOURCE][n]
        return (self.found(site, source, clip),
                None if other is None else self.found(site, source, other))

    def propagate(self, site, attn, x):
        cache, out = self.cache[site], torch.empty_like(x.unflatten(0, (3, -1)))
        for n, (clip, other, w) in enumerate(self.frames):
            own, before = self.matches(site, x, n)
            for b in range(3):
                out[b, n] = cache[b, clip, own]
                if other is not None and not self.alone:
                    share = 1 - w if self.swap else w
                    out[b, n] = share * out[b, n] + (1 - share) * cache[b, other, before]
        return out.flatten(0, 1)


def weight(frame, begins, clip, total):
    """sigmoid(d2 / (d1 + d2)) with the distances to the middles of both clips."""
    ends = begins[1:] + [total]
    middle = [b + (e - b) // 2 for b, e in zip(begins, ends)]
    d1, d2 = abs(frame - middle[clip]), abs(frame - middle[clip - 1])
    return torch.sigmoid(torch.tensor(d2 / (d1 + d2), dtype=torch.float64)).item()


class FlowJob(Job):
    def __init__(self, *args):
        super().__init__(*args)
        self.editor = FlowEditor(self.unet)

    def steps(self):
        """Timesteps from noise on; a strength below 1 leaves the published slice."""
        times, share = self.grid(self.set["steps"])[::-1], self.set["strength"]
        return times if share == 1 else times[int(1 - share * len(times)):]

    def step_flow(self, x, source, t, before, keyframes, begins, features):
        ed, n = self.editor, len(x)
        clip = self.clip_of(begins)
        ed.mode, ed.cache = "joint", {}
        self.branches(source[keyframes], x[keyframes], t)
        ed.mode, eps = "propagate", []
        for i in range(len(begins)):
            own = [f for f in range(n) if clip[f] == i]
            ed.frames = [(i, i - 1 if i else None, weight(f, begins, i, n) if i else 1)
                         for f in own]
            if not ed.online:
                self.give(features, keyframes, own, i)
            eps.append(self.branches(source[own], x[own], t))
        eps = torch.cat(eps, 1)
        guided = eps[NEGATIVE] + self.set["guidance"] * (eps[EDIT] - eps[NEGATIVE])
        return self.ddim(x, guided, t, before)

    def give(self, features, keyframes, own, i):
        """AdaFlow's matches of these frames, to both keyframes."""
        ed, n = self.editor, len(self.image)
        matches, gap = self.match(features, keyframes, [i] * n)
        ed.gather = {s: [(i, index[f]) for f in own] for s, (index, _) in matches.items()}
        ed.gap = min(ed.gap, gap)
        if i:
            other, gap = self.match(features, keyframes, [i - 1] * n)
            ed.before = {s: [index[f] for f in own] for s, (index, _) in other.items()}
            ed.gap = min(ed.gap, gap)

    def edit_flow(self, latents, levels, begins, table, features=None):
        """x after every step. features: AdaFlow's, or None to match online."""
        ed, times, out = self.editor, self.steps(), []
        ed.online, ed.lists = features is None, {}
        x = self.start(latents, levels, times[0])
        for n, t in enumerate(times):
            before = times[n + 1] if n + 1 < len(times) else -1
            ed.inject_attention = n < math.floor(len(times) * self.set["inject"])
            ed.inject_features = n < math.floor(len(times) * self.set["inject_features"])
            x = self.step_flow(x, levels[t], t, before, table[n], begins, features)
            out.append(x)
        return torch.stack(out)
