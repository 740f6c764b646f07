#!/usr/bin/env python3
"""Time our kernels and nets and those of PyTorch in turn (A, B, A, B, ...), on the same
inputs, and compare the results.

    compare.py --serve BUILD/bench/bench_serve -o ROWS.csv [--nets FOLDER] [options]

FOLDER is made by make_nets.py; without it only operations are compared. A row whose
results disagree is marked and makes the exit status 1. The reference of both sides is
PyTorch in f32 on the same numbers, which bf16 holds exactly. Limits (largest difference /
largest value): f32 1e-4 for an operation and 1e-3 for a net; bf16 2e-2 for an operation,
and for a net 2e-2 or 1.5 times PyTorch's own error, whichever is more. For matches: the
value at our index against the best value. A row is invalid as a time when a median is
more than 30 % above the least."""

import argparse
import csv
import gc
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

import rows
from ours import Ours

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
COLUMNS = ("machine,revision,peer,path,compute,threads,clock,group,op,shape,rounds,"
           "runs_a_round,ours_ms,ours_min_ms,peer_ms,peer_min_ms,ratio,ratio_of_min,rate,"
           "unit,roof_share,peer_roof_share,error_ours,error_peer,limit,agrees,valid,"
           "peak_mb,peer_peak_mb,load").split(",")


# ---- torch -----------------------------------------------------------------------------

def torch_net(folder, part, dtype=torch.float32):
    if part == "u":
        from diffusers import UNet2DConditionModel
        net = UNet2DConditionModel.from_pretrained(folder, subfolder="unet",
                                                   torch_dtype=dtype)
    elif part == "v":
        from diffusers import AutoencoderKL
        net = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=dtype)
    else:
        from transformers import CLIPTextModel
        return CLIPTextModel.from_pretrained(folder, subfolder="text_encoder",
                                             torch_dtype=dtype).eval()
    return net.to(memory_format=torch.channels_last).eval()


def timed(call, n):
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(n):
        result = call()
    return (time.perf_counter() - wall) / n, (time.process_time() - cpu) / n, result


# ---- results ---------------------------------------------------------------------------

def error(result, truth):
    result = np.asarray(result, dtype=np.float32).reshape(-1)
    if result.size != truth.size or not np.isfinite(result).all():
        return float("inf")
    return float(np.abs(result - truth).max() / max(np.abs(truth).max(), 1e-30))


def match_error(index, tensors):
    """How much worse than the best the value at the index is, relative."""
    a, b = tensors
    index = torch.as_tensor(np.asarray(index), dtype=torch.long).reshape(-1)
    if index.numel() != len(a) or index.min() < 0 or index.max() >= len(b):
        return float("inf")
    best = (a @ b.T).max(1).values
    mine = (a * b[index]).sum(1)
    return float((best - mine).max() / best.abs().max())


def plain(y, layout):
    return layout(y).float().contiguous().numpy().reshape(-1)


class Comparison:
    def __init__(self, options):
        self.o = options
        self.out = open(options.output, "w", newline="")
        self.csv = csv.DictWriter(self.out, COLUMNS)
        self.csv.writeheader()
        self.failed = 0

    def limit(self, row, dtype, peer_error):
        if dtype == "f32":
            return 1e-3 if row.net else 1e-4
        return max(2e-2, 1.5 * peer_error) if row.net else 2e-2

    def errors(self, row, side, tensors, dtype, peer_result, truth):
        if row.indices:
            return (match_error(side.result(np.int32), tensors),
                    match_error(peer_result.numpy(), tensors))
        return (error(side.result(), truth),
                error(plain(peer_result, row.layout), truth))

    def row(self, row, dtype, side, net, truths, peak=None):
        """One line; `truths` keeps the f32 results of torch for the bf16 rows."""
        rng = np.random.default_rng(1)
        tensors = row.inputs(rng)
        more = () if net is None else (net,)
        call = row.make(tensors, DTYPES[dtype], *more)
        side.open(row.op, row.sizes, [t.numpy() for t in tensors])
        # A long net in the type that the CPU is not chosen for: two runs, no warm-up.
        aside = row.heavy and dtype != ("bf16" if self.o.best_path.endswith("bf16")
                                        else "f32")
        n = self.warm(side, call) if row.warm and not aside else 1
        times = [[], []]
        for _ in range(2 if aside else row.rounds or self.o.rounds):
            time.sleep(0.005)  # OpenMP's threads spin for a while
            times[0].append(side.run(n))
            wall, cpu, result = timed(call, n)
            times[1].append((wall, cpu))
        key = (row.op, row.sizes)
        if dtype == "f32" and not row.indices:
            truths[key] = plain(result, row.layout)
        elif key not in truths and not row.indices:
            truths[key] = plain(row.make(tensors, torch.float32)(), row.layout)
        wrong = self.errors(row, side, tensors, dtype, result, truths.get(key))
        side.ask("close")
        self.write(row, dtype, side, n, times, wrong, peak)

    def warm(self, side, call):
        """Once each, then how many runs make a round of `seconds`."""
        first = max(side.run(1)[0], timed(call, 1)[0])
        if first > self.o.seconds:
            return 1
        slow = max(side.run(1)[0], timed(call, 1)[0], 1e-6)
        return max(1, min(1000, int(self.o.seconds / slow)))

    def write(self, row, dtype, side, n, times, wrong, peak):
        clock = 1 if self.o.clock == "cpu" else 0
        share = self.o.threads if clock else 1
        ours, peer = ([t[clock] / share for t in side_times] for side_times in times)
        median = [statistics.median(t) for t in (ours, peer)]
        least = [min(ours), min(peer)]
        limit = self.limit(row, dtype, wrong[1])
        agrees = wrong[0] <= limit
        valid = all(m <= 1.3 * l for m, l in zip(median, least))
        unit = {"flops": "GFLOP/s", "bytes": "GB/s", "runs": "1/s"}[side.kind]
        roof = {"flops": side.flops, "bytes": side.triad, "runs": 0}[side.kind]
        rates = [(side.work * 1e-9 if roof else 1) / m for m in median]
        self.failed += not agrees
        line = dict(
            machine=side.machine, revision=side.revision,
            peer=f"torch {torch.__version__}", path=side.path, compute=dtype,
            threads=self.o.threads, clock=self.o.clock, group=row.group, op=row.op,
            shape=side.shape, rounds=len(ours), runs_a_round=n,
            ours_ms=f"{1e3 * median[0]:.4f}", ours_min_ms=f"{1e3 * least[0]:.4f}",
            peer_ms=f"{1e3 * median[1]:.4f}", peer_min_ms=f"{1e3 * least[1]:.4f}",
            ratio=f"{median[1] / median[0]:.3f}",
            ratio_of_min=f"{least[1] / least[0]:.3f}", rate=f"{rates[0]:.1f}", unit=unit,
            roof_share=f"{rates[0] / roof:.3f}" if roof else "",
            peer_roof_share=f"{rates[1] / roof:.3f}" if roof else "",
            error_ours=f"{wrong[0]:.2e}", error_peer=f"{wrong[1]:.2e}",
            limit=f"{limit:.1e}", agrees=int(agrees), valid=int(valid),
            peak_mb=f"{peak[0]:.0f}" if peak else "",
            peer_peak_mb=f"{peak[1]:.0f}" if peak else "",
            load=f"{os.getloadavg()[0]:.2f}")
        self.csv.writerow(line)
        self.out.flush()
        print(f"{row.op:11s} {side.shape:26s} {dtype:4s} ours {1e3 * median[0]:10.3f} ms"
              f"  torch {1e3 * median[1]:10.3f} ms  {median[1] / median[0]:5.2f}x"
              f"  error {wrong[0]:.1e} ({wrong[1]:.1e})"
              f"{'' if agrees else '  DISAGREES'}{'' if valid else '  unsteady'}"
              + (f"  peak {peak[0]:.0f} MB ({peak[1]:.0f})" if peak else ""), flush=True)

    # ---- all rows ----------------------------------------------------------------------

    def side(self, dtype):
        path = self.o.bf16_path if dtype == "bf16" else self.o.f32_path
        return Ours(self.o.serve, path, dtype, self.o.threads)

    def dtypes(self):
        return ["f32"] + (["bf16"] if self.o.bf16_path else [])

    def operations(self):
        truths = {}
        for dtype in self.dtypes():
            side = self.side(dtype)
            for row in rows.OPERATIONS:
                if dtype in row.dtypes and self.wanted(row):
                    self.row(row, dtype, side, None, truths)
            side.close()

    def wanted(self, row):
        return ((not self.o.only or row.op.startswith(self.o.only)) and
                not (self.o.quick and row.heavy))

    def nets(self):
        listed = [r for r in rows.nets(self.o.best_path.endswith("bf16"))
                  if self.wanted(r)]
        for part in "tvu":
            truths = {}
            for dtype in self.dtypes():
                some = [r for r in listed if r.net == part and dtype in r.dtypes]
                if not some:
                    continue
                memory = ({r.op: peaks(self.o, self.side(dtype), r, dtype)
                           for r in some} if part == "v" else {})
                side = self.side(dtype)
                side.ask("model", self.o.nets, part)
                net = torch_net(self.o.nets, part, DTYPES[dtype])
                for row in some:
                    self.row(row, dtype, side, net, truths, memory.get(row.op))
                del net
                gc.collect()
                side.close()


# ---- peak memory -----------------------------------------------------------------------

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def peak_child(options):
    """In a process of its own: MB that torch's first run takes over its weights."""
    torch.set_num_threads(options.threads)
    dtype = DTYPES[options.peak_dtype]
    F = torch.nn.functional
    F.conv2d(torch.zeros(1, 8, 8, 8, dtype=dtype), torch.zeros(8, 8, 3, 3, dtype=dtype))
    from diffusers import AutoencoderKL  # noqa: F401  what it imports is no weight
    before = resident()
    net = torch_net(options.nets, "v", dtype)
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    row = next(r for r in rows.nets(True) if r.op == options.peak_child)
    call = row.make(row.inputs(np.random.default_rng(1)), dtype, net)
    gc.collect()
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5\n")
    with torch.no_grad():
        call()
    with open("/proc/self/status") as f:
        most = next(int(l.split()[1]) * 1024 for l in f if l.startswith("VmHWM"))
    print((most - before - weights) / 1e6, weights)


def peaks(options, side, row, dtype):
    """MB over the weights of the first run, ours and torch's, fresh processes both."""
    words = [sys.executable, __file__, "--peak-child", row.op, "--peak-dtype", dtype,
             "--nets", options.nets, "--threads", str(options.threads)]
    child = subprocess.run(words, capture_output=True, text=True)
    if child.returncode:
        sys.exit(f"compare.py: peak memory of torch: {child.stderr}")
    peer, weights = map(float, child.stdout.split())
    before = side.memory()[0]
    side.ask("model", options.nets, "v")
    side.open(row.op, row.sizes,
              [t.numpy() for t in row.inputs(np.random.default_rng(1))])
    side.memory()
    side.run(1)
    most = side.memory()[1]
    side.close()
    return (most - before - weights) / 1e6, peer


# ---- command line ----------------------------------------------------------------------

def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--serve", help="the program bench_serve")
    p.add_argument("-o", "--output", help="CSV")
    p.add_argument("--nets", help="folder of make_nets.py")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--best-path", default="avx512_f32", help="what `auto` takes here")
    p.add_argument("--f32-path", default="avx512_f32")
    p.add_argument("--bf16-path", default="", help="empty: no bf16")
    p.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                   help="cpu: processor time by threads, for busy machines")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.2, help="of one round of one side")
    p.add_argument("--quick", action="store_true", help="no long nets")
    p.add_argument("--only", help="operations whose name begins so")
    p.add_argument("--peak-child", help=argparse.SUPPRESS)
    p.add_argument("--peak-dtype", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.peak_child:
        peak_child(o)
        return 0
    if not o.serve or not o.output:
        p.error("--serve and --output are needed")
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    comparison = Comparison(o)
    with torch.no_grad():
        comparison.operations()
        if o.nets:
            comparison.nets()
    if comparison.failed:
        print(f"compare.py: {comparison.failed} rows disagree", file=sys.stderr)
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
