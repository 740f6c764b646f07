"""Read the index that test_index.c made, as a user with h5py would. Exit 77: no h5py."""

import os
import sys

try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit(77)

BLOCKS, FRAMES, H, W, C, LEVELS = 3, 4, 2, 3, 4, 3
N = BLOCKS * FRAMES
MANY = 450


def latents(level, n=N):
    """What the test wrote for one level, [n, H, W, C]."""
    i = np.arange(H * W * C).reshape(1, H, W, C) / 32
    return level * 8 + np.arange(n).reshape(n, 1, 1, 1) + i


def many(index):
    """A view of parts, of which one and some units are missing."""
    inversion = index["/inversion/latents"]
    assert inversion.shape == (LEVELS, MANY * FRAMES, H, W, C)
    assert len(inversion.virtual_sources()) == len(index["/parts/inversion/latents"]) == 3
    n = MANY * FRAMES
    unit = np.arange(n) // FRAMES
    there = (unit != 0) & (unit != 120) & (unit // 128 != 1)
    for level in range(LEVELS):
        got = inversion[level].astype(np.float32)
        assert np.isnan(got[~there]).all()
        assert (got[there] == latents(level, n).astype(np.float16)[there]).all()


def main(folder):
    index = h5py.File(os.path.join(folder, "index.h5"), "r")
    if "parts" in index:
        return many(index)
    a = index.attrs
    assert a["format"] == "longtake-index" and a["format_version"] == 1, dict(a)
    assert a["created"] == "2023-11-14T22:13:20Z" and a["seed"] == 7, dict(a)
    assert a["tool_version"] == "0.1.0-test" and a["config_sha256"] == "a" * 64
    assert a["input_sha256"] == "b" * 64 and a["model_sha256"] == "c" * 64
    assert sorted(index) == ["clips", "frames", "inversion", "match", "source", "stages"]

    pts = index["/frames/pts"]
    assert pts.dtype == np.int64 and (pts[:] == np.arange(N) * 512).all()
    assert list(pts.attrs["time_base"]) == [1, 12800]

    source = index["/source/latents"]
    assert source.dtype == np.float16 and source.shape == (N, H, W, C)
    assert abs(source.attrs["scale"] - 0.18215) < 1e-12
    assert (source[:] == latents(0)).all()

    inversion = index["/inversion/latents"]
    assert inversion.shape == (LEVELS, N, H, W, C)
    assert list(inversion.attrs["timesteps"]) == [1, 21, 41]
    done = index["/stages/invert/done"][:]
    assert done.dtype == np.uint8 and list(done) == [1, 0, 1]
    for block in range(BLOCKS):
        part = slice(block * FRAMES, (block + 1) * FRAMES)
        for level in range(LEVELS):
            got = inversion[level, part]
            if done[block]:
                assert (got == latents(level)[part]).all()
            else:
                assert np.isnan(got).all()

    assert list(index["/clips/begin"]) == [0, 6]
    assert index["/clips/begin"].attrs["mean_threshold"] == 0.75
    assert index["/clips/keyframe"].shape == (2, 2)
    mean = index["/clips/similarity_mean"][:]
    assert np.isnan(mean[0]) and mean.dtype == np.float32

    frame, key = index["/match/frame"][:], index["/match/keyframe"][:]
    assert list(frame) == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11]
    assert list(key) == [0, 1] * 8
    m = index["/match/2x3/index"]
    assert m.dtype == np.uint16 and m.shape == (16, H * W)
    assert (m[:] == frame[:, None] + np.arange(H * W)).all()
    assert index["/match/2x3/similarity"].dtype == np.uint8

    # Any shard opens by itself, before or after the index.
    name = os.path.join(folder, "shards", "seg-00000.b002.invert.h5")
    with h5py.File(name, "r") as shard:
        assert shard.attrs["format"] == "longtake-shard" and shard.attrs["kind"] == "invert"
        assert shard["/inversion/latents"].chunks == (1, FRAMES, H, W, C)
    index.close()

    # A file that is missing reads as NaN, without an error.
    away = name + ".away"
    os.rename(name, away)
    try:
        with h5py.File(os.path.join(folder, "index.h5"), "r") as again:
            assert np.isnan(again["/inversion/latents"][0, 8:]).all()
            assert not np.isnan(again["/inversion/latents"][0, :4]).any()
    finally:
        os.rename(away, name)
    print("h5py", h5py.version.version, "with HDF5", h5py.version.hdf5_version, "agrees")


if __name__ == "__main__":
    main(sys.argv[1])
