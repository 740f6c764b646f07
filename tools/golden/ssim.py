"""SSIM and MS-SSIM in float64: the numbers of tests/metrics/test_ssim.c.

Needs PyTorch. Written apart from the C code, from the definitions alone.
"""
import torch
import torch.nn.functional as F

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
g = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
g /= g.sum()
KERNEL = (g[:, None] * g[None, :])[None, None]


def pictures(w, h):
    a = torch.zeros(3, h, w, dtype=torch.float64)
    b = torch.zeros_like(a)
    for y in range(h):
        for x in range(w):
            for c in range(3):
                v = (3 * x + 5 * y + 40 * c + ((x // 8 + y // 8) % 2) * 60) % 256
                a[c, y, x] = v
                b[c, y, x] = min(255, max(0, v + (x * 31 + y * 17 + c * 7) % 41 - 20))
    return a, b


def blur(x):
    return F.conv2d(x[:, None], KERNEL)[:, 0]


def parts(a, b):
    ma, mb = blur(a), blur(b)
    va, vb, vab = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    lum = (2 * ma * mb + C1) / (ma**2 + mb**2 + C1)
    cs = (2 * vab + C2) / (va + vb + C2)
    return (lum * cs).mean((1, 2)), cs.mean((1, 2))


def ms_ssim(a, b):
    n, w, h = 0, a.shape[2], a.shape[1]
    while n < 5 and min(w, h) >= 11:
        n, w, h = n + 1, w // 2, h // 2
    out = torch.ones(3, dtype=torch.float64)
    for j in range(n):
        whole, cs = parts(a, b)
        last = j == n - 1
        out *= torch.clamp(whole if last else cs, min=0) ** (WEIGHTS[j] / sum(WEIGHTS[:n]))
        a, b = F.avg_pool2d(a[None], 2)[0], F.avg_pool2d(b[None], 2)[0]
    return out


for size in ((192, 176), (51, 33), (11, 12)):
    pair = pictures(*size)
    print(size, [f"{v:.7f}" for v in parts(*pair)[0].tolist()],
          [f"{v:.7f}" for v in ms_ssim(*pair).tolist()])
