"""Compare two golden trees: same files, same bytes; else, how far apart their numbers are."""

import json

from safetensors import safe_open

# What another CPU may change in an f32 reference; the loops amplify it.
TOLERANCE = 1e-4


def files(root):
    return {p.relative_to(root) for p in root.rglob("*") if p.is_file()}


def read(path):
    with safe_open(str(path), "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}


def distance(a, b):
    """The largest max|a-b| / max|b| over all tensors; infinite where structure differs."""
    a, b = read(a), read(b)
    if a.keys() != b.keys():
        return float("inf"), "names"
    worst = 0.0, ""
    for key in b:
        if a[key].shape != b[key].shape or a[key].dtype != b[key].dtype:
            return float("inf"), key
        x, y = a[key].double(), b[key].double()
        d = float((x - y).abs().max() / y.abs().max().clamp(min=1e-30)) if y.numel() else 0.0
        worst = max(worst, (d, key))
    return worst


def same_text(a, b):
    if a.suffix == ".json":
        return json.loads(a.read_text("utf-8")) == json.loads(b.read_text("utf-8"))
    return a.read_bytes() == b.read_bytes()


def compare(made, stored):
    """Print what differs; True when everything stored is what the script makes."""
    good = True
    for path in sorted(files(made) ^ files(stored)):
        print(f"{path}: only {'stored' if (stored / path).exists() else 'made'}")
        good = False
    equal = 0
    for path in sorted(files(made) & files(stored)):
        a, b = made / path, stored / path
        if a.read_bytes() == b.read_bytes():
            equal += 1
        elif path.suffix == ".safetensors":
            far, key = distance(a, b)
            good &= far <= TOLERANCE
            print(f"{path}: differs by {far:.2g} ({key})")
        elif not same_text(a, b):
            print(f"{path}: differs")
            good = False
    print(f"{equal} files are equal to the byte; {'all good' if good else 'NOT the same'}")
    return good
