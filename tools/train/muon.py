"""Muon: momentum whose matrix is replaced by the nearest orthogonal one, for weights that
are matrices; AdamW for the rest. It needs about half the pictures of AdamW alone, which
is what counts where pictures are slow."""

import torch


@torch.no_grad()
def orthogonal(g, steps=5):
    """About the orthogonal factors of g [n, rows, columns], by a Newton-Schulz iteration
    whose singular values end near 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Each group has `matrix`: True for tensors that are updated as matrices (their
    dimensions after the first are flattened)."""

    def __init__(self, groups, momentum=0.95, betas=(0.9, 0.99), weight_decay=1e-3):
        super().__init__(groups, dict(lr=1e-3, momentum=momentum, betas=betas,
                                      weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            live = [p for p in group["params"] if p.grad is not None]
            if not group["matrix"]:
                self._vectors(live, group)
                continue
            alike = {}
            for p in live:
                alike.setdefault(p.flatten(1).shape, []).append(p)
            for params in alike.values():
                self._matrices(params, group)

    def _matrices(self, params, group):
        """All matrices of one shape in one iteration."""
        moment = group["momentum"]
        for p in params:
            s = self.state[p]
            if not s:
                s["m"] = torch.zeros_like(p)
            s["m"].lerp_(p.grad, 1 - moment)
        g = torch.stack([p.grad.lerp(self.state[p]["m"], moment).flatten(1)
                         for p in params])
        step = orthogonal(g) * max(1, g.shape[1] / g.shape[2]) ** 0.5
        for p, o in zip(params, step):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(o.view(p.shape), alpha=-group["lr"])

    def _vectors(self, params, group):
        """AdamW, without decay."""
        b1, b2 = group["betas"]
        for p in params:
            s = self.state[p]
            if not s:
                s.update(m=torch.zeros_like(p), v=torch.zeros_like(p), n=0)
            s["n"] = int(s["n"]) + 1
            s["m"].lerp_(p.grad, 1 - b1)
            s["v"].lerp_(p.grad.square(), 1 - b2)
            mean, square = s["m"] / (1 - b1 ** s["n"]), s["v"] / (1 - b2 ** s["n"])
            p.add_(mean / (square.sqrt() + 1e-8), alpha=-group["lr"])


def groups_of(modules, matrix_lr, vector_lr):
    """Hidden matrices and convolutions to Muon; embeddings, first and last layers, norms
    and biases to AdamW."""
    matrix, vector = [], []
    ends = ("conv_in", "conv_out", "embedding", "quant_conv")
    for m in modules.values():
        for name, p in m.named_parameters():
            end = p.ndim < 2 or any(e in name for e in ends)
            (vector if end else matrix).append(p)
    return [dict(params=matrix, matrix=True, lr=matrix_lr, peak=matrix_lr),
            dict(params=vector, matrix=False, lr=vector_lr, peak=vector_lr)]
