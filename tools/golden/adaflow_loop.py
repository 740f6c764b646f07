"""A short AdaFlow edit, written from methods/adaflow.md with the decisions of design.md 5.

Nothing here is written for speed: one file to read beside the text of the method."""

import math

import torch
from diffusers import DDIMScheduler

from scheduler import inverse_step
from tokenmath import (attend, best, extended, grids, lowest_window, resized, similarity_map,
                       slim_query, slim_scores, slim_shared, with_own)

SOURCE, NEGATIVE, EDIT = range(3)
# The eight self-attention layers, and the one residual block, that injection reaches.
INJECTED = {f"up_blocks.{b}.attentions.{a}" for b, a in
            [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2)]}
INJECTED_RESNET = "up_blocks.1.resnets.1"
FEATURE_BLOCK = "up_blocks.2"


class Editor:
    """What one UNet does in a pass: plain, joint over keyframes, or propagated."""

    def __init__(self, unet):
        self.unet, self.mode, self.cache = unet, "plain", {}
        self.keys, self.near, self.enough = {}, {}, 0  # for matches that are too poor
        self.inject_attention = self.inject_features = False
        self.lists = {}   # S -> K lists of key tokens, None: all
        self.gather = {}  # S -> for each frame, (clip, index [S])
        for name, module in unet.named_modules():
            if name.endswith("attn1"):
                site = name.rsplit(".transformer_blocks", 1)[0]
                module.set_processor(self.processor(site))
        conv = unet.get_submodule(INJECTED_RESNET + ".conv2")
        conv.register_forward_hook(lambda m, a, out: self.features(out))

    def processor(self, site):
        def call(attn, hidden_states, **_):
            run = {"plain": self.plain, "joint": self.joint, "propagate": self.propagate}
            return run[self.mode](site, attn, hidden_states)
        return call

    def plain(self, _site, attn, x):
        q, k, v = attn.to_q(x), attn.to_k(x), attn.to_v(x)
        out = torch.stack([attend(*t, attn.heads) for t in zip(q, k, v)])
        return attn.to_out[0](out)

    def joint(self, site, attn, x):
        """Pass 1: s sees its own frame, u and c see all keyframes (or their lists)."""
        q, k, v = (p(x).unflatten(0, (3, -1)) for p in (attn.to_q, attn.to_k, attn.to_v))
        inject = self.inject_attention and site in INJECTED
        lists = self.lists.get(x.shape[1])
        out = [torch.stack([attend(*t, attn.heads) for t in zip(q[0], k[0], v[0])])]
        for b in (NEGATIVE, EDIT):
            qk = SOURCE if inject else b
            out.append(extended(q[qk], k[qk], v[b], attn.heads, lists))
        out = attn.to_out[0](torch.cat(out))
        self.cache[site] = out.unflatten(0, (3, -1)).clone()
        self.keys[site] = k, v
        return out

    def propagate(self, site, attn, x):
        """Pass 2: no attention; each token takes the output of its match in the keyframe."""
        cache = self.cache[site]
        rows = self.gather[x.shape[1]]
        out = torch.cat([torch.stack([cache[b, clip, i] for clip, i in rows])
                         for b in range(3)])
        if not self.enough:
            return out
        poor = torch.stack([n < self.enough for n in self.near[x.shape[1]]])
        return torch.where(poor.repeat(3, 1)[..., None], self.swap(site, attn, x, rows), out)

    def swap(self, site, attn, x, rows):
        """Every token attends to the keyframe of its clip."""
        q, (k, v) = attn.to_q(x).unflatten(0, (3, -1)), self.keys[site]
        inject = self.inject_attention and site in INJECTED
        out = []
        for b in range(3):
            qk = SOURCE if inject else b
            out += [attend(q[qk, n], k[qk, clip], v[b, clip], attn.heads)
                    for n, (clip, _) in enumerate(rows)]
        return attn.to_out[0](torch.stack(out))

    def features(self, out):
        if self.mode == "plain" or not self.inject_features:
            return out
        source = out.unflatten(0, (3, -1))[SOURCE]
        return source.repeat(3, 1, 1, 1)


def stored(similarity):
    """As a job keeps it, in a byte."""
    return (255 * similarity.clamp(0, 1)).round() / 255


class Job:
    """The reference edit. dtype float64 shows how much of a difference is rounding."""

    def __init__(self, model, settings, frames, dtype=torch.float32):
        self.set = settings
        self.unet, self.vae = model.unet.to(dtype), model.vae.to(dtype)
        self.text = model.text.to(dtype)
        self.scale = model.vae.config.scaling_factor
        self.ids = {k: model.ids([p]) for k, p in settings["prompts"].items()}
        self.embed = {k: self.text(i).last_hidden_state for k, i in self.ids.items()}
        self.image = torch.from_numpy(frames).permute(0, 3, 1, 2).to(dtype) / 255
        self.sched = DDIMScheduler.from_config(model.scheduler.config)
        self.alphas = self.sched.alphas_cumprod.to(dtype)
        self.editor = Editor(self.unet)

    # ---- what does not depend on the prompt of the edit --------------------------------

    def grid(self, steps):
        """Timesteps, ascending noise."""
        self.sched.set_timesteps(steps)
        return self.sched.timesteps.flip(0).tolist()

    def encode(self, image):
        return self.vae.encode(image).latent_dist.mean * self.scale

    def decode(self, latents):
        return self.vae.decode(latents / self.scale).sample

    def predict(self, x, t, cond):
        """cond: [1, 77, d] for all of x."""
        return self.unet(x, t, cond.expand(x.shape[0], -1, -1)).sample

    def invert(self, latents, steps):
        """{t: all frames at level t}; the source prompt, no guidance."""
        self.editor.mode = "plain"
        x, levels, before = latents, {}, -1
        for t in self.grid(steps):
            eps = self.predict(x, t, self.embed["source"])
            x = inverse_step(self.alphas, "epsilon", before, t, eps, x)
            levels[t], before = x, t
        return levels

    def dift(self):
        """Output of up_blocks.2 at t = 0 under the empty prompt; frames stay in [0, 1],
        posterior mean, nothing added and nothing scaled."""
        self.editor.mode = "plain"
        kept = []
        block = self.unet.get_submodule(FEATURE_BLOCK)
        hook = block.register_forward_hook(lambda m, a, out: kept.append(out))
        self.predict(self.encode(self.image), 0, self.embed["empty"])
        hook.remove()
        return kept[0]

    def split(self, features):
        """AKS: begins, and for each frame the mean and the lowest window of the map from
        the reference that it was compared with."""
        c = self.set["clips"]
        begins, r = [0], 0
        mean = torch.full((len(features),), math.nan, dtype=features.dtype)
        region, maps = mean.clone(), []
        for f in range(1, len(features)):
            m = similarity_map(features[r], features[f])
            maps.append(m)
            mean[f], region[f] = m.mean(), lowest_window(m)
            full = f - r >= c["max_length"]
            if mean[f] < c["mean_threshold"] or region[f] < c["region_threshold"] or full:
                begins.append(f)
                r = f
        return begins, mean, region, torch.stack(maps)

    # ---- one edit ----------------------------------------------------------------------

    def clip_of(self, begins):
        n = len(self.image)
        return [sum(f >= b for b in begins) - 1 for f in range(n)]

    def match(self, features, keyframes, clip):
        """For each grid: index [N, S], similarity, smallest gap to the second best."""
        out, gap = {}, math.inf
        for h, w in grids(*features.shape[-2:]):
            tokens = resized(features, h, w)
            rows = [best(tokens[f], tokens[keyframes[i]]) for f, i in enumerate(clip)]
            index, near, gaps = (torch.stack(x) for x in zip(*rows))
            out[h * w] = index, near
            gap = min(gap, gaps.min().item())
        return out, gap

    def slim(self, features, keyframes):
        """For each grid: scores, the stored list(s), and what each keyframe sees."""
        budget, out, gap = self.set["kv_budget"], {}, math.inf
        for h, w in grids(*features.shape[-2:]):
            scores = slim_scores(resized(features[keyframes], h, w))
            if self.set["slim"] == "query":
                lists, g = slim_query(scores, h * w, budget)
                seen = list(lists)
            else:
                lists, g = slim_shared(scores, h * w, budget)
                seen = [with_own(lists, j, h * w) for j in range(len(keyframes))]
            out[h * w] = scores, lists, seen
            gap = min(gap, g.item())
        return out, gap

    def ddim(self, x, eps, t, before):
        a, b = self.alphas[t], self.alphas[max(before, 0)]
        clean = (x - (1 - a).sqrt() * eps) / a.sqrt()
        return b.sqrt() * clean + (1 - b).sqrt() * eps

    def branches(self, source, x, t):
        """One UNet pass over (branch, frame): s, u, c."""
        cond = [self.embed[k].expand(len(x), -1, -1) for k in ("source", "negative", "edit")]
        return self.unet(torch.cat([source, x, x]), t, torch.cat(cond)).sample.unflatten(
            0, (3, -1))

    def step(self, x, source, t, before, keyframes, clip, matches):
        """Joint pass over the keyframes, then all frames clip by clip. Keyframes with a
        trajectory of their own take the joint pass's prediction, not propagation's."""
        ed = self.editor
        ed.enough = self.set.get("min_similarity", 0)
        ed.mode, ed.cache = "joint", {}
        joint = self.branches(source[keyframes], x[keyframes], t)
        ed.mode, eps = "propagate", []
        for i in range(max(clip) + 1):
            own = [f for f, c in enumerate(clip) if c == i]
            ed.gather = {s: [(i, index[f]) for f in own] for s, (index, _) in matches.items()}
            ed.near = {s: [stored(near[f]) for f in own] for s, (_, near) in matches.items()}
            eps.append(self.branches(source[own], x[own], t))
        eps = torch.cat(eps, 1)
        if self.set.get("trajectory") == "own":
            eps[:, keyframes] = joint
        guided = eps[NEGATIVE] + self.set["guidance"] * (eps[EDIT] - eps[NEGATIVE])
        return self.ddim(x, guided, t, before), eps

    def start(self, latents, levels, t):
        """The noisiest level moved to t (the same numbers when it is t already)."""
        top = max(levels)
        if top == t:
            return levels[top]
        a, b = self.alphas[top], self.alphas[t]
        eps = (levels[top] - a.sqrt() * latents) / (1 - a).sqrt()
        return b.sqrt() * latents + (1 - b).sqrt() * eps

    def edit(self, latents, levels, features, begins, table):
        """x after every step, with what the steps used. table [steps][K]: keyframes."""
        ed, steps = self.editor, self.set["steps"]
        times = self.grid(steps)[::-1]
        clip = self.clip_of(begins)
        x = self.start(latents, levels, times[0])
        log = {"x": [], "match": [], "slim": [], "cache": [], "eps": [], "gap": math.inf}
        for n, t in enumerate(times):
            before = times[n + 1] if n + 1 < steps else -1
            matches, gap = self.match(features, table[n], clip)
            slim, slim_gap = {}, math.inf
            if len(begins) > self.set["kv_budget"]:
                slim, slim_gap = self.slim(features, table[n])
            ed.lists = {s: seen for s, (_, _, seen) in slim.items()}
            ed.inject_attention = n < math.floor(steps * self.set["inject"])
            ed.inject_features = n < math.floor(steps * self.set["inject_features"])
            x, eps = self.step(x, levels[t], t, before, table[n], clip, matches)
            log["x"].append(x)
            log["match"].append(matches)
            log["slim"].append(slim)
            log["cache"].append(ed.cache)
            log["eps"].append(eps)
            log["gap"] = min(log["gap"], gap, slim_gap)
        return log

    # ---- the method `frame` ------------------------------------------------------------

    def sample(self, x, steps, cond, negative=None):
        """DDIM down the grid; guidance only with a negative prompt. x after every step."""
        self.editor.mode = "plain"
        times, out = self.grid(steps)[::-1], []
        for n, t in enumerate(times):
            eps = self.predict(x, t, self.embed[cond])
            if negative:
                low = self.predict(x, t, self.embed[negative])
                eps = low + self.set["guidance"] * (eps - low)
            x = self.ddim(x, eps, t, times[n + 1] if n + 1 < steps else -1)
            out.append(x)
        return torch.stack(out)
