"""Attention policies on the tensors of one small layer."""

import torch

from common import normal, save_tensors
from tokenmath import attend, best, extended, keep_highest, slim_query, slim_scores
from tokenmath import slim_shared, with_own

HEADS, DIM, KEYFRAMES, TOKENS, BUDGET = 2, 8, 5, 12, 2
BRANCHES = ["source", "negative", "edit"]
CLIPS = [0, 3, 4, 9, 10, 12]


def plain(q, k, v):
    return torch.stack([torch.stack([attend(*t, HEADS) for t in zip(*b)]) for b in zip(q, k, v)])


def edited(q, k, v, lists=None, inject=False):
    """Branches negative and edit; injection gives both the source's q and k."""
    from_branch = lambda x, b: x[0 if inject else b]
    return torch.stack([extended(from_branch(q, b), from_branch(k, b), v[b], HEADS, lists)
                        for b in (1, 2)])


def propagated(cache, features, key_features):
    """Each frame gathers the output of its clip's keyframe at its matches."""
    index, near, out = [], [], []
    for clip, (begin, end) in enumerate(zip(CLIPS, CLIPS[1:])):
        for frame in range(begin, end):
            i, value, _ = best(features[frame], key_features[clip])
            index.append(i)
            near.append(value)
            out.append(cache[:, clip, i])
    return torch.stack(index), torch.stack(near), torch.stack(out, 1)


def ties():
    """Selection where many scores are equal: the lowest index stays."""
    score = torch.tensor([0.5, 1, 0.25, 1, 0.5, 0.5, -1, 0.5, 1, 0.25, 0, 0.5])
    return {"ties.score": score} | {
        f"ties.keep.{n}": keep_highest(score, n)[0].int() for n in (0, 1, 2, 4, 5, 7, 12)}


def write(root):
    shape = (3, KEYFRAMES, TOKENS, HEADS * DIM)
    q, k, v = (normal(shape, "policies", x).double() for x in "qkv")
    features = normal((CLIPS[-1], TOKENS, 6), "policies", "features").double()
    keyframes = torch.tensor([1, 3, 6, 9, 11])
    key_features = features[keyframes]
    scores = slim_scores(key_features)
    per_query, _ = slim_query(scores, TOKENS, BUDGET)
    shared, _ = slim_shared(scores, TOKENS, BUDGET)
    unions = [with_own(shared, j, TOKENS) for j in range(KEYFRAMES)]
    seen = torch.zeros(KEYFRAMES, KEYFRAMES * TOKENS, dtype=torch.uint8)
    for row, union in zip(seen, unions):
        row[union] = 1
    match, near, gathered = propagated(plain(q, k, v), features, key_features)
    out = {
        "in.q": q, "in.k": k, "in.v": v, "in.features": features,
        "in.keyframes": keyframes.int(), "in.clips": torch.tensor(CLIPS).int(),
        "plain.out": plain(q, k, v), "extended.out": edited(q, k, v),
        "slim.score": scores, "slim.query.index": per_query.int(),
        "slim.query.out": edited(q, k, v, per_query),
        "slim.shared.index": shared.int(), "slim.shared.seen": seen,
        "slim.shared.out": edited(q, k, v, unions),
        "injected.extended.out": edited(q, k, v, inject=True),
        "injected.slim.out": edited(q, k, v, per_query, inject=True),
        "propagated.index": match.int(), "propagated.similarity": near,
        "propagated.out": gathered,
    } | ties()
    out = {n: x.float() if x.dtype == torch.float64 else x for n, x in out.items()}
    save_tensors(root / "policies.safetensors", out,
                 {"heads": HEADS, "budget": BUDGET, "branches": BRANCHES})
