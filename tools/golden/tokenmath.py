"""Token similarities, selections and attention, written from methods/adaflow.md."""

import torch
import torch.nn.functional as F


def unit(tokens):
    """Rows of unit length."""
    return F.normalize(tokens, dim=-1, eps=1e-12)


def best(a, b):
    """For every token p of a the token q of b with the largest cosine; the lowest wins a tie.

    a [n, c], b [m, c] -> index [n], similarity [n], and how far the second best is."""
    cosine = unit(a) @ unit(b).T
    value, index = cosine.sort(dim=1, descending=True, stable=True)
    gap = value[:, 0] - value[:, 1] if b.shape[0] > 1 else torch.full_like(value[:, 0], 2)
    return index[:, 0], value[:, 0], gap


def keep_highest(score, count):
    """Ascending indices of the highest scores, the lowest index winning ties; and the gap
    between the last one kept and the first one dropped."""
    value, index = score.sort(descending=True, stable=True)
    gap = value[count - 1] - value[count] if count < score.numel() else value.new_tensor(2.0)
    return index[:count].sort().values, gap


def slim_scores(features):
    """score[j, i*S + p] = max over q of cos(token p of keyframe i, token q of keyframe j).

    features [K, S, c] -> [K, K*S]"""
    everything = features.flatten(0, 1)
    return torch.stack([best(everything, one)[1] for one in features])


def slim_query(scores, n_tokens, budget):
    """AAS as published: for each query keyframe the min(K, R) * S highest. -> [K, m]"""
    k = scores.shape[0]
    picks = [keep_highest(s, min(k, budget) * n_tokens) for s in scores]
    return torch.stack([p for p, _ in picks]), min(g for _, g in picks)


def slim_shared(scores, n_tokens, budget):
    """One list for all: the (R - 1) * S highest by the mean over the query keyframes."""
    mean = scores.mean(0)
    return keep_highest(mean, (budget - 1) * n_tokens)


def with_own(shared, keyframe, n_tokens):
    """What one keyframe sees of a shared list: its own tokens too, none of them twice."""
    own = torch.arange(keyframe * n_tokens, (keyframe + 1) * n_tokens)
    return torch.cat([shared, own]).unique()


def attend(q, k, v, heads):
    """softmax(q k^T / sqrt(d)) v. q [n, C], k and v [m, C]; channel = head * d + j."""
    split = lambda x: x.unflatten(-1, (heads, -1)).transpose(0, 1)
    q, k, v = split(q), split(k), split(v)
    weight = (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1)
    return (weight @ v).transpose(0, 1).flatten(1)


def extended(q, k, v, heads, lists=None):
    """Extended self-attention of one branch: every keyframe sees all, or its list.

    q, k, v [K, S, C]; lists: K index tensors into K*S, or None."""
    k, v = k.flatten(0, 1), v.flatten(0, 1)
    rows = lists if lists is not None else [slice(None)] * len(q)
    return torch.stack([attend(one, k[r], v[r], heads) for one, r in zip(q, rows)])


def resized(features, h, w):
    """[n, c, H, W] -> tokens [n, h*w, c]: bilinear, align_corners=false, no antialias."""
    if features.shape[-2:] != (h, w):
        features = F.interpolate(features, size=(h, w), mode="bilinear", align_corners=False,
                                 antialias=False)
    return features.flatten(2).transpose(1, 2)


def grids(h, w, levels=4):
    """Token grids of the four levels; odd sizes round up."""
    return [(-(-h // 2**i), -(-w // 2**i)) for i in range(levels)]


def similarity_map(reference, candidate):
    """M(p) = max over q of cos(reference p, candidate q); maps [c, h, w] -> [h, w]."""
    h, w = reference.shape[-2:]
    tokens = lambda x: x.flatten(1).T
    return best(tokens(reference), tokens(candidate))[1].reshape(h, w)


def lowest_window(m):
    """The smallest mean of a sliding window; side and stride at least one."""
    h, w = m.shape
    side, stride = max(1, max(h, w) // 16), max(1, max(h, w) // 32)
    side = min(side, h, w)
    return F.avg_pool2d(m[None, None], side, stride).min()
