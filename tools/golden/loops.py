"""Stores the reference edits: adaflow-source, adaflow-<run>, frame, tokenflow."""

import torch

import video
from adaflow_loop import Job
from common import save_json, save_tensors
from models import Loaded
from tokenflow_loop import FlowJob
from tokenmath import grids, resized

MODEL = "sd15-tiny"
# Chosen so that no match, no slim list and no clip border hangs on rounding (see README).
VIDEO_SEED = 27

COMMON = {
    "model": MODEL,
    "steps": 6, "inversion_steps": 6, "guidance": 7.5, "kv_budget": 2,
    "inject": 0.5, "inject_features": 0.5,
    "features": {"step": 0, "block": 2, "ensemble": 1, "range": "unit"},
    "clips": {"mean_threshold": 0.75, "region_threshold": 0.5, "max_length": 400},
    "prompts": {"source": "a yellow circle and a blue square on a stone wall",
                "edit": "a red ball and a wooden boat in the snow",
                "negative": "ugly, blurry, low res", "empty": ""},
}
FIXED = {"mode": "fixed", "begins": [0, 3, 6, 9],
         "keyframes": [[1, 4, 6, 10], [0, 3, 8, 11], [2, 5, 7, 9],
                       [1, 3, 6, 9], [0, 5, 7, 11], [2, 4, 8, 10]]}
ADAPTIVE = {"mode": "adaptive", "begins": [0, 7, 8],
            "keyframes": [[3, 7, 9], [6, 7, 8], [0, 7, 11], [2, 7, 10], [5, 7, 8], [1, 7, 9]]}
RUNS = {
    "fixed-query": FIXED | {"slim": "query"},
    "fixed-shared": FIXED | {"slim": "shared"},
    "adaptive-query": ADAPTIVE | {"slim": "query"},
    "own-query": FIXED | {"slim": "query", "trajectory": "own", "keyframes": [[1, 5, 6, 10]] * 6,
                          "kept": [1, 3, 5]},
    "swap-query": FIXED | {"slim": "query", "min_similarity": 0.8, "kept": [1, 3]},
}
# Two keyframes a frame: clips of 2, 2 and 1 frames. Only some frames are kept: see README.
FLOW = {"length": 2, "begins": [0, 2, 4], "n": 5}
FLOWS = {
    "pnp": {"steps": 3, "strength": 1, "inject": 0.34, "inject_features": 0.67, "online": True,
            "keyframes": [[1, 2, 4], [0, 3, 4], [0, 3, 4]], "kept": [2, 4]},
    "sdedit": {"steps": 5, "strength": 0.9, "inject": 0, "inject_features": 0, "online": True,
               "keyframes": [[0, 2, 4], [1, 2, 4], [1, 2, 4]], "kept": [0, 3]},
    "neighbours": {"steps": 3, "strength": 1, "inject": 0.34, "inject_features": 0.67,
                   "online": False, "keyframes": [[1, 3, 4], [1, 3, 4], [1, 3, 4]],
                   "kept": [2, 3]},
}
# mean threshold, region threshold, longest clip
SPLITS = [(0.75, 0.5, 400), (0.75, 0.6, 400), (0.75, 0.5, 4), (0.0, -1.0, 5), (0.0, -1.0, 400),
          (1.1, 0.5, 400)]
# Attention outputs of the joint pass that are kept: with injection, and without.
CACHED = {1: ["down_blocks.0.attentions.0", "up_blocks.1.attentions.1",
              "up_blocks.3.attentions.2"],
          4: ["up_blocks.1.attentions.1"]}
DECODED = [6]


def source(job, frames):
    """Everything that does not know the edit prompt."""
    latents = job.encode(job.image * 2 - 1)
    levels = job.invert(latents, COMMON["inversion_steps"])
    return frames, latents, levels, job.dift()


def source_file(root, job, frames, latents, levels, features):
    begins, mean, region, maps = job.split(features)
    out = {"frames": torch.from_numpy(frames), "source.latents": latents,
           "inversion.timesteps": torch.tensor(list(levels)),
           "inversion.latents": torch.stack(list(levels.values())),
           "features.latents": job.encode(job.image), "features": features,
           "clips.begin": torch.tensor(begins), "clips.similarity_map": maps.half(),
           "clips.similarity_mean": mean, "clips.similarity_region": region}
    for h, w in grids(*features.shape[-2:])[1:]:
        out[f"features.{h}x{w}"] = resized(features, h, w)
    for name, prompt in COMMON["prompts"].items():
        out[f"prompt.{name}.ids"] = job.ids[name]
        out[f"prompt.{name}.embedding"] = job.embed[name]
    for n, case in enumerate(SPLITS):
        job.set = job.set | {"clips": dict(zip(COMMON["clips"], case))}
        out[f"split.{n}.begin"] = torch.tensor(job.split(features)[0])
    save_tensors(root / "adaflow-source.safetensors", out,
                 COMMON | {"splits": SPLITS, "video_seed": VIDEO_SEED})


def grid_name(features, tokens):
    return next(f"{h}x{w}" for h, w in grids(*features.shape[-2:]) if h * w == tokens)


def matches(features, log):
    out = {}
    for tokens in log["match"][0]:
        grid = grid_name(features, tokens)
        index, near = (torch.stack([m[tokens][i] for m in log["match"]]) for i in (0, 1))
        out |= {f"match.{grid}.index": index.int(), f"match.{grid}.similarity": near}
    return out


def slim_lists(features, log):
    out = {}
    for tokens in log["slim"][0]:
        grid = grid_name(features, tokens)
        scores, lists = (torch.stack([s[tokens][i] for s in log["slim"]]) for i in (0, 1))
        out |= {f"slim.{grid}.score": scores, f"slim.{grid}.index": lists.int()}
    return out


def run_file(root, job, name, features, log):
    """The first run in full; of the others what is not the same or cannot be concluded."""
    out = {"keyframes": torch.tensor(RUNS[name]["keyframes"]), "final": log["x"][-1]}
    if "kept" in RUNS[name]:
        out["final"] = out["final"][RUNS[name]["kept"]]
        save_tensors(root / f"adaflow-{name}.safetensors", out)
        return
    lists = slim_lists(features, log)
    if name == "fixed-query":
        out |= lists | matches(features, log)
        out |= {"x": torch.stack(log["x"]), "eps.0": log["eps"][0],
                "decoded": job.decode(log["x"][-1][DECODED])}
        out |= {f"cache.{n}.{s}": log["cache"][n][s] for n, ss in CACHED.items() for s in ss}
    else:
        out |= {k: v for k, v in lists.items() if k.endswith("index")} | {"x.0": log["x"][0]}
    if name.startswith("adaptive"):
        out |= matches(features, log)
    save_tensors(root / f"adaflow-{name}.safetensors", out,
                 COMMON | RUNS[name] | {"decoded": DECODED})


def frame_file(root, job, latents, levels):
    """The method `frame`: no keyframes, no injection."""
    steps, top = COMMON["steps"], levels[max(levels)]
    twice = job.invert(latents, 2 * steps)
    recon = job.sample(top, steps, "source")
    edit = job.sample(top, steps, "edit", "negative")
    out = {"recon.x": recon, "edit.x.0": edit[0], "edit.final": edit[-1],
           "recon.decoded": job.decode(recon[-1][DECODED]),
           "inversion12.timesteps": torch.tensor(list(twice)),
           "inversion12.noisiest": twice[max(twice)],
           "inversion12.start": job.start(latents, twice, job.grid(steps)[-1])}
    save_tensors(root / "frame.safetensors", out, COMMON | {"decoded": DECODED})


def flow(root, run, frames, dtype=torch.float32, editor=None):
    """One run of FLOWS: x after every step, and the smallest gap of a decision."""
    job = FlowJob(Loaded(root, MODEL), COMMON | run | {"slim": "query"}, frames[:FLOW["n"]],
                  dtype)
    for name, value in (editor or {}).items():
        setattr(job.editor, name, value)
    latents = job.encode(job.image * 2 - 1)
    levels = job.invert(latents, run["steps"])
    features = None if run["online"] else job.dift()
    x = job.edit_flow(latents, levels, FLOW["begins"], run["keyframes"], features)
    return x, job.editor.gap


def flow_file(root, frames):
    out = {}
    for name, run in FLOWS.items():
        x, _ = flow(root, run, frames)
        out |= {f"{name}.final": x[-1][run["kept"]],
                f"{name}.keyframes": torch.tensor(run["keyframes"], dtype=torch.int32)}
    save_tensors(root / "tokenflow.safetensors", out)


def compute(root, dtype=torch.float32):
    """Source data and all runs; yields (name, job, data)."""
    frames = video.render(VIDEO_SEED)
    job = Job(Loaded(root, MODEL), COMMON | {"slim": "query"}, frames, dtype)
    data = source(job, frames)
    begins = job.split(data[3])[0]
    assert begins == ADAPTIVE["begins"], begins
    logs = {}
    for name, run in RUNS.items():
        job.set = COMMON | run | {"clips": COMMON["clips"]}
        logs[name] = job.edit(*data[1:], run["begins"], run["keyframes"])
    return job, data, logs


def write(root):
    job, data, logs = compute(root)
    for name, log in logs.items():
        run_file(root, job, name, data[3], log)
    frame_file(root, job, data[1], data[2])
    flow_file(root, data[0])
    source_file(root, job, *data)
    save_json(root / "adaflow.json", {"common": COMMON, "runs": RUNS, "splits": SPLITS})


# ---- how much of a difference is rounding, how much is a mistake -----------------------

def far(a, b):
    a, b = a.double(), b.double()
    return float((a - b).abs().max() / b.abs().max())


def report_flows(root):
    frames = video.render(VIDEO_SEED)
    mistakes = {"weights the other way round": {"swap": True},
                "the own keyframe alone": {"alone": True}}
    for name, run in FLOWS.items():
        x, gap = flow(root, run, frames)
        exact, _ = flow(root, run, frames, torch.float64)
        print(f"{name:14s} final {far(x[-1], exact[-1]):.1e}, smallest gap {gap:.1e}")
        for what, change in mistakes.items():
            wrong, _ = flow(root, run, frames, editor=change)
            print(f"  {what:26s} moves it by {far(wrong[-1], x[-1]):.1e}")


def report(root):
    """Distances of f32 from f64, and of deliberate mistakes from the reference."""
    _, data, logs = compute(root)
    _, exact, true = compute(root, torch.float64)
    print(f"latents    f32 from f64 {far(data[1], exact[1]):.1e}")
    print(f"inversion  {far(list(data[2].values())[-1], list(exact[2].values())[-1]):.1e}")
    print(f"features   {far(data[3], exact[3]):.1e}")
    for name, log in logs.items():
        print(f"{name:14s} final {far(log['x'][-1], true[name]['x'][-1]):.1e}, smallest gap "
              f"of a decision {log['gap']:.1e}")
    report_flows(root)
    final = logs["fixed-query"]["x"][-1]
    run = COMMON | RUNS["fixed-query"]
    changes = {"no attention injection": {"inject": 0}, "no feature injection":
               {"inject_features": 0}, "no slimming": {"kv_budget": 4},
               "one step more of injection": {"inject": 0.67},
               "one more of features": {"inject_features": 0.67}, "guidance 7.6": {"guidance": 7.6}}
    for what, change in changes.items():
        job = Job(Loaded(root, MODEL), run | change, video.render(VIDEO_SEED))
        x = job.edit(*data[1:], run["begins"], run["keyframes"])["x"][-1]
        print(f"{what:28s} moves the final latents by {far(x, final):.1e}")
    print(f"fixed-shared from fixed-query {far(logs['fixed-shared']['x'][-1], final):.1e}")
