"""Our side of the comparison: bench_serve as a child that runs a case on request."""

import os
import subprocess
import tempfile

import numpy as np


class Ours:
    """One process of bench_serve; bench/serve.c has the requests."""

    def __init__(self, program, path, dtype, threads):
        self.child = subprocess.Popen([program, path, dtype, str(threads)], text=True,
                                      bufsize=1, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        self.path, self.dtype = path, dtype
        self.folder = tempfile.TemporaryDirectory(
            dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.machine, _, self.revision = self.ask("machine").partition("; ")
        self.flops, self.triad, self.copy = map(float, self.ask("roof").split())

    def ask(self, *words):
        self.child.stdin.write(" ".join(map(str, words)) + "\n")
        answer = self.child.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"bench_serve, {words[0]}: {answer or 'it ended'}")
        return answer[3:]

    def open(self, op, sizes, inputs):
        kind, work, shape = self.ask("case", op, *sizes).split(maxsplit=2)
        self.kind, self.work, self.shape = kind, float(work), shape
        for i, values in enumerate(inputs):
            file = os.path.join(self.folder.name, f"in{i}")
            np.ascontiguousarray(values, dtype=np.float32).tofile(file)
            self.ask("in", i, file)
            os.unlink(file)
        self.ask("ready")

    def run(self, n):
        """Wall and processor seconds of one run, from n."""
        return tuple(float(t) / n for t in self.ask("run", n).split())

    def result(self, dtype=np.float32):
        file = os.path.join(self.folder.name, "out")
        self.ask("store", file)
        values = np.fromfile(file, dtype=dtype)
        os.unlink(file)
        return values

    def memory(self):
        """Bytes resident now, and the most since the last call."""
        return tuple(map(int, self.ask("memory").split()))

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
        self.folder.cleanup()
