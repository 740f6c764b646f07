#!/usr/bin/env python3
"""Table and picture of one run of bench/run.sh, from its CSV files; plain Python.

    table.py FOLDER <date>-<vendor> --path PATH [--busy %] [--stolen %] [--seconds S]

Reads FOLDER/<date>-<vendor>-<path>-*.csv (those that are there) and writes
FOLDER/<date>-<vendor>.md and .svg."""

import argparse
import csv
import math
import pathlib

NOT_HERE = "not this CPU"
FIVE = "attention, five shapes"


def read(folder, base, path, what):
    file = folder / f"{base}-{path}-{what}.csv"
    if not file.exists():
        return []
    with open(file, newline="") as f:
        return list(csv.DictReader(f))


def threads(r):
    return f"{r['threads']} thread{'s' if r['threads'] != '1' else ''}"


def mean(values):
    """Geometric."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(r) + " |" for r in rows] + [""]


# ---- the bars of issue 6 --------------------------------------------------------------

class Bars:
    """A bar is for one path; measured on another, it is no verdict."""

    def __init__(self, path, data):
        self.path, self.peers, self.slim = path, data["peers"], data["slim"]
        self.scaling, self.threading = data["scaling"], data["threading"]
        self.dtype = "bf16" if path.endswith("bf16") else "f32"

    def ratios(self, dtype=None, **want):
        return [r for r in self.peers if r["compute"] == (dtype or self.dtype) and
                all(r[k] == v for k, v in want.items())]

    def line(self, what, bars, text, met):
        """bars: the wanted ratio or share by path; `any` is for every path."""
        bar = bars.get(self.path, bars.get("any"))
        shown = "; ".join(v[0] if k == "any" else f"{k}: {v[0]}" for k, v in bars.items())
        if text is None:
            return [what, shown, "not measured", "-"]
        if bar is None:
            return [what, shown, text, NOT_HERE]
        return [what, shown, text, "met" if met(bar[1]) else "MISSED"]

    def ratio_line(self, what, zen4, amx, **want):
        """The verdict is on the type that the path is for; the other is told."""
        bars = {"avx512_bf16": (f">= {zen4}x", zen4), "amx_bf16": (f">= {amx}x", amx)}
        texts, value = [], None
        for dtype in sorted(("f32", "bf16"), key=lambda t: t != self.dtype):
            rows = self.ratios(dtype, **want)
            ratio = mean([float(r["ratio"]) for r in rows])
            if ratio:
                share = mean([float(r["roof_share"]) for r in rows])
                texts.append(f"{dtype} {ratio:.2f}x, {100 * share:.0f} % of the roof")
            value = ratio if dtype == self.dtype else value
        return self.line(what, bars, "; ".join(texts) if value else None,
                         lambda bar: value >= bar)

    def lines(self):
        out = [
            self.ratio_line("attention, five shapes, geometric mean", 2.2, 2.0,
                            group=FIVE),
            self.ratio_line("SD 1.5-size UNet, 512x512, 4 samples", 1.4, 2.0, op="unet",
                            shape="4x64x64"),
            self.ratio_line("arg-max correspondence 4096x4096, C 640", 1.5, 2.5,
                            op="best_match", shape="4096x4096x640"),
            self.ratio_line("VAE decode 512x512", 1.3, 2.0, op="vae_decode",
                            shape="1x64x64")]
        out.append(self.peak_line())
        return (out + self.slim_lines() + self.scaling_line() +
                self.threading_line("16", "block of 16 frames", 3, 5) +
                self.threading_line("1", "a single frame", 15, 20) + self.f32_line())

    def peak_line(self):
        """As in ratio_line, the verdict is on the type of the path."""
        rows = [r for r in self.peers if r["op"] == "vae_decode" and r["peak_mb"]]
        rows.sort(key=lambda r: r["compute"] != self.dtype)
        text = "; ".join(f"{r['compute']} {r['peak_mb']} MB (torch {r['peer_peak_mb']})"
                         for r in rows)
        return self.line("VAE decode 512x512, peak memory over the weights",
                         {"any": ("<= 450 MB", 450)}, text or None,
                         lambda bar: float(rows[0]["peak_mb"]) <= bar)

    def threading_line(self, frames, name, zen4, amx):
        rows = [r for r in self.threading if r["frames"] == frames]
        bars = {"avx512_bf16": (f"<= {zen4} % loss", zen4),
                "amx_bf16": (f"<= {amx} % loss", amx)}
        if not rows:
            return [self.line(f"one thread a tile, {name}", bars, None, None)]
        price = 100 * float(rows[-1]["price"])
        worst = max(rows[:-1], key=lambda r: float(r["price"]))
        return [self.line(
            f"one thread a tile against the library's threads, {name}", bars,
            f"{price:+.1f} % (geometric mean; most {100 * float(worst['price']):+.0f} %: "
            f"{worst['op']} {worst['shape']})", lambda bar: price <= bar)]

    def slim_lines(self):
        out = []
        for mode in ("query", "shared"):
            rows = [r for r in self.slim if r["ranks"] == "1" and r["mode"] == mode]
            shares = [float(r["share"]) for r in rows]
            text = ", ".join(f"{100 * s:.0f} % at r = {1 / float(r['ideal']):.2g}"
                             for s, r in zip(shares, rows))
            out.append(self.line(f"slimming, `{mode}`: share of the ideal gain of "
                                 "attention in a joint step",
                                 {"any": (">= 80 %", 0.8)}, text or None,
                                 lambda bar, s=shares: min(s) >= bar))
        return out

    def scaling_line(self):
        wall = [r for r in self.scaling if r["stage"] == "wall"]
        value = float(wall[0]["efficiency"]) if wall and wall[0]["efficiency"] else None
        return [self.line("1 -> 2 ranks of one thread, whole edit",
                          {"any": (">= 90 %", 0.9)},
                          None if value is None else f"{100 * value:.0f} %",
                          lambda bar: value >= bar)]

    def f32_line(self):
        rows = self.ratios("f32")
        if not rows:
            return [self.line("f32, every row", {"any": (">= 1.00x", 1)}, None, None)]
        slow = min(rows, key=lambda r: float(r["ratio"]))
        below, clearly = (sum(float(r["ratio"]) < x for r in rows) for x in (1, 0.95))
        return [self.line("f32: at least the peer's speed everywhere",
                          {"any": (">= 1.00x", 1)},
                          f"{below} of {len(rows)} rows below, {clearly} of them below "
                          f"0.95x; least "
                          f"{float(slow['ratio']):.2f}x: {slow['op']} {slow['shape']}",
                          lambda bar: below == 0)]


# ---- the parts of the page ------------------------------------------------------------

def peer_table(rows):
    def percent(x):
        return f"{100 * float(x):.0f} %" if x else "-"
    out = []
    for r in rows:
        flags = ([] if r["agrees"] == "1" else ["**results disagree**"]) + \
                ([] if r["valid"] == "1" else ["unsteady: invalid"])
        out.append([r["op"], r["shape"], r["ours_ms"], r["peer_ms"],
                    f"{float(r['ratio']):.2f}x", f"{float(r['ratio_of_min']):.2f}x",
                    percent(r["roof_share"]), percent(r["peer_roof_share"]),
                    f"{r['error_ours']} / {r['error_peer']}", ", ".join(flags) or "ok"])
    return table(["operation", "shape", "ours ms", "torch ms", "ratio", "of minima",
                  "roof, ours", "roof, torch", "error ours / torch", ""], out)


def slim_table(rows):
    return table(["ranks", "keys seen", "r", "step ms", "attention ms", "gain of the step",
                  "gain of attention", "ideal", "share", "gathered MB"],
                 [[r["ranks"], r["mode"], f"{1 / float(r['ideal']):.2g}", r["step_ms"],
                   r["attention_ms"], f"{float(r['step_gain']):.2f}",
                   f"{float(r['attention_gain']):.2f}", r["ideal"],
                   f"{100 * float(r['share']):.0f} %",
                   f"{float(r['bytes_gathered']) / 1e6:.1f}"] for r in rows])


def scaling_table(rows):
    return table(["stage", "1 rank s", f"{rows[0]['ranks']} ranks s", "efficiency"],
                 [[r["stage"], r["seconds_1"], r["seconds_n"],
                   f"{100 * float(r['efficiency']):.0f} %" if r["efficiency"] else "-"]
                  for r in rows])


def roofs(kernels):
    lines = [f"{r['shape']} {float(r['rate']):.1f} {r['unit']}, {threads(r)}"
             for r in kernels if r["op"] == "roof"]
    return "Roof (processor time): " + "; ".join(lines) + "." if lines else ""


def revisions(rows):
    """Rows measured again by hand keep the revision they are of."""
    return ", ".join(dict.fromkeys(r["revision"] for r in rows))


def page(o, data):
    peers, slim, scaling = data["peers"], data["slim"], data["scaling"]
    first = (peers or data["kernels"])[0]
    unsteady = sum(r["valid"] != "1" for r in peers)
    wrong = sum(r["agrees"] != "1" for r in peers)
    busy = o.busy > 10 or o.stolen > 5
    text = [f"# {o.base}: {first['machine']}", "",
            f"Path `{o.path}`, {threads(first)}, revision "
            f"{revisions(peers or data['kernels'])}, {first.get('peer', '')}, {first['clock']} clock. "
            f"Busy before the start: {o.busy} %, stolen {o.stolen} %. The run took "
            f"{o.seconds / 60:.0f} minutes.", ""]
    if busy or o.quick or unsteady:
        why = ((["the machine was busy at the start"] if busy else []) +
               (["it was a rehearsal (--quick)"] if o.quick else []) +
               ([f"{unsteady} of {len(peers)} rows have a median more than 30 % above "
                 "their least"] if unsteady else []))
        text += [f"**{'INVALID' if busy or o.quick else 'Partly invalid'}: "
                 f"{'; '.join(why)}.**", ""]
    if wrong:
        text += [f"**FAILED: the results of {wrong} rows disagree.**", ""]
    text += [roofs(data["kernels"]), "", "## Bars of issue 6", ""]
    text += table(["figure", "bar", "measured", ""],
                  Bars(o.path, data).lines())
    text += ["Ratio: time of torch / time of ours, medians of runs in turn. Share of the "
             "roof: of multiply-adds in registers, or of the triad over memory (what fits "
             "a cache may exceed it). Errors: against torch in f32 on the same numbers.",
             ""]
    for dtype in ("f32", "bf16"):
        rows = [r for r in peers if r["compute"] == dtype]
        if rows:
            text += [f"## Against torch, {dtype} (`{rows[0]['path']}`)", ""]
            text += peer_table(rows)
    peaks = [r for r in peers if r["peak_mb"]]
    if peaks:
        text += ["## Peak memory over the weights, 512x512", ""]
        text += table(["", "type", "ours MB", "torch MB"],
                      [[r["op"], r["compute"], r["peak_mb"], r["peer_peak_mb"]]
                       for r in peaks])
    if slim:
        text += ["## Slimming: one joint step", "",
                 f"{slim[0]['keyframes']} keyframes, {slim[0]['latent']} latents, "
                 f"{'the demo model' if o.quick else 'SD 1.5-size UNet'}; rows of 2 "
                 "ranks: the demo model at 16x16, for the bytes.", ""]
        text += slim_table(slim)
    if data["threading"]:
        text += ["## One thread a tile against the library's own threads", ""]
        text += table(["frames", "operation", "shape", "ours ms", "library ms", "price"],
                      [[r["frames"], r["op"], r["shape"], r["ours_ms"], r["library_ms"],
                        f"{100 * float(r['price']):+.1f} %"]
                       for r in data["threading"]])
    if scaling:
        text += [f"## 1 -> {scaling[0]['ranks']} ranks, one thread each", "",
                 f"`models/demo/sd` on a rendered clip, medians of {scaling[0]['rounds']} "
                 "runs in turn; seconds of a stage are summed over the ranks.", ""]
        text += scaling_table(scaling)
    if data["edit"]:
        text += [f"## The same edit, 1 process of {threads(data['edit'][0])}", ""]
        text += table(["stage", "units", "seconds"],
                      [[r["stage"], r["units"], r["seconds"]] for r in data["edit"]])
    return "\n".join(text)


# ---- picture --------------------------------------------------------------------------

def label(r):
    names = {"best_match": "arg-max match", "group_norm": "GroupNorm + SiLU",
             "layer_norm": "LayerNorm", "conv": "conv 3×3", "geglu": "GEGLU", "unet": "UNet",
             "vae_decode": "VAE decode", "vae_encode": "VAE encode",
             "text": "text encoder"}
    shape = r["shape"].replace("->", "→").replace("x", "×").replace(" k3 s1", "")
    if r["op"] == "attention":
        _, q, k, heads, d = r["shape"].split("x")
        shape = f"{q}→{k}, {heads}×{d}" if q != k else f"{q}, {heads}×{d}"
    if r["op"] in ("unet", "vae_decode", "vae_encode"):
        n, side, _ = r["shape"].split("x")
        pixels = 8 * int(side)
        shape = f"{pixels}×{pixels}" + (f", {n} frames" if n != "1" else "")
    return f"{names.get(r['op'], r['op'])} {shape}"


def picture(o, peers):
    dtype = "bf16" if o.path.endswith("bf16") else "f32"
    rows = [r for r in peers if r["compute"] == dtype]
    left, width, step, top = 250, 400, 20, 64
    most = max([float(r["ratio"]) for r in rows] + [2])
    scale = width / most
    height = top + step * len(rows) + 30
    machine = rows[0]["machine"].replace("&", "&amp;").replace("<", "&lt;")
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 60} '
           f'{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/>',
           f'<text x="12" y="22" font-size="15" fill="#222">Times as fast as '
           f'{rows[0]["peer"].split("+")[0]}, {dtype}, {threads(rows[0])}</text>',
           f'<text x="12" y="40" fill="#666">{machine}, {o.base[:10]}, '
           f'{revisions(rows)}</text>']
    for tick in range(0, int(most) + 1):
        x = left + tick * scale
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{height - 24}" '
                   f'stroke="{"#888" if tick == 1 else "#ddd"}"/>')
        out.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" '
                   f'fill="#666">{tick}</text>')
    for i, r in enumerate(rows):
        y, ratio = top + step * i, float(r["ratio"])
        good = r["agrees"] == "1" and r["valid"] == "1"
        color = "#bbb" if not good else "#2f6f9f" if ratio >= 1 else "#c0713a"
        out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end" fill="#222">'
                   f'{label(r)}</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{ratio * scale:.1f}" '
                   f'height="{step - 6}" fill="{color}"/>')
        out.append(f'<text x="{left + ratio * scale + 5:.1f}" y="{y + 13}" fill="#222">'
                   f'{ratio:.2f}{"" if good else " (invalid)"}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("base")
    p.add_argument("--path", required=True)
    p.add_argument("--busy", type=int, default=0)
    p.add_argument("--stolen", type=int, default=0)
    p.add_argument("--seconds", type=float, default=0)
    p.add_argument("--quick", action="store_true")
    o = p.parse_args()
    data = {what: read(o.folder, o.base, o.path, what)
            for what in ("peers", "kernels", "slim", "scaling", "threading", "edit")}
    if not data["peers"] and not data["kernels"]:
        p.error(f"no {o.base}-{o.path}-*.csv in {o.folder}")
    (o.folder / f"{o.base}.md").write_text(page(o, data))
    if data["peers"]:
        (o.folder / f"{o.base}.svg").write_text(picture(o, data["peers"]))


main()
