"""A 12-frame film of moving shapes with a cut: u8 frames [N, H, W, 3]."""

import numpy as np

from common import rng

FRAMES, HEIGHT, WIDTH, CUT = 12, 64, 96, 7


def texture(seed):
    """A wall that has no two equal places: else tokens tie and no match is certain."""
    g = rng("video", seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT
    wall = np.zeros((*y.shape, 3))
    for _ in range(14):
        fy, fx, phase = g.uniform(0.5, 5, 2).tolist() + [g.uniform(0, 7)]
        wave = np.sin(2 * np.pi * (fy * y + fx * x) + phase)
        wall += wave[..., None] * g.uniform(-0.12, 0.12, 3)
    return 0.5 + wall + g.normal(0, 0.04, wall.shape)


def disc(frame, cx, cy, radius, colour):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    frame[(x - cx) ** 2 + (y - cy) ** 2 <= radius**2] = colour


def box(frame, x0, y0, w, h, colour):
    frame[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)] = colour


def render(seed):
    """Two shots: before the cut a disc crosses; after it a box does, over another wall."""
    walls = texture(f"{seed}a"), texture(f"{seed}b")
    film = []
    for n in range(FRAMES):
        shot = int(n >= CUT)
        frame = walls[shot].copy()
        if shot == 0:
            disc(frame, 8 + 7 * n, 20 + 3 * n, 11, (0.95, 0.15, 0.1))
            box(frame, 40 - 2 * n, 44, 14, 10, (0.1, 0.2, 0.9))
        else:
            box(frame, 8 * (n - CUT), 14 + 4 * (n - CUT), 22, 18, (0.1, 0.9, 0.3))
            disc(frame, 50, 46 - 3 * (n - CUT), 8, (0.9, 0.9, 0.1))
        film.append(frame)
    grain = rng("grain", seed).normal(0, 0.004, (FRAMES, HEIGHT, WIDTH, 3))
    return np.rint(np.clip(np.stack(film) + grain, 0, 1) * 255).astype(np.uint8)
