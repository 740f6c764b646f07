#!/usr/bin/env python3
"""Make tests/golden: tiny models, and what the reference implementations compute with them.

  make.py [OUT]      write everything (default: tests/golden of this checkout)
  make.py --check    write into a temporary folder and compare with what is stored
"""

import argparse
from pathlib import Path

import common

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "tests" / "golden"


def make(root):
    import models
    import outputs

    common.quiet_torch()
    for name in models.MODELS:
        models.write_model(root, name)
        outputs.write(root, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=GOLDEN)
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
